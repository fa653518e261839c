//! The figures: how each is computed, and its bar.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::calls::Counts;
use crate::figure::{Figure, rounded};
use crate::line::{ARITHMETIC, Line, MEANT};
use crate::play::{INTERVAL, Play};
use crate::process::Watched;
use crate::settings::{Settings, sum};
use crate::world::{IMAGES, REGIONS};

/// Intervals are up to a tenth shorter than the policy says, by the target's name.
const SHORTEST: f64 = 0.9;
/// So many operations are shown, those that are called most.
const DEAREST: usize = 8;
/// Calls of STS that AWS allows an account in each region, a second.
const STS_A_SECOND: f64 = 600.0;
/// What `docs/scaling.md` has a target, a migration and an image take, in kB, and how much more it has one grant.
const TARGET_KB: f64 = 4.8;
const MIGRATION_KB: f64 = 4.2;
const IMAGE_KB: f64 = 2.2;
const GRANTED: f64 = 1.5;

/// What was measured of some settings with two numbers of targets.
pub(crate) struct Plays {
    pub(crate) settings: Settings,
    pub(crate) intervals: u32,
    pub(crate) fewer: Play,
    pub(crate) more: Play,
}

impl Plays {
    /// All figures of them.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        vec![self.calls(), self.writes(), self.requests(), self.sts()]
    }

    /// What of a play there is in a minute.
    fn a_minute(&self, of: impl Fn(&Play) -> u32) -> Line {
        let minutes = f64::from(INTERVAL * self.intervals);
        let value = |play: &Play| f64::from(of(play)) / minutes;
        Line {
            targets: [self.fewer.targets, self.more.targets],
            values: [value(&self.fewer), value(&self.more)],
        }
    }

    /// The same for each kind that is counted.
    fn each_a_minute(&self, of: impl Fn(&Play) -> &Counts) -> BTreeMap<String, Line> {
        let kinds: BTreeSet<&String> = of(&self.fewer).keys().chain(of(&self.more).keys()).collect();
        let line = |kind: &String| self.a_minute(|play| of(play).get(kind).copied().unwrap_or_default());
        kinds.into_iter().map(|kind| (kind.clone(), line(kind))).collect()
    }

    fn parts(&self) -> Value {
        json!({
            "settings": self.settings.name(),
            "targets": [self.fewer.targets, self.more.targets],
            "intervals": self.intervals,
            "imagesOfEach": IMAGES,
            "arithmetic": ARITHMETIC,
        })
    }

    fn calls(&self) -> Figure {
        let all = self.a_minute(|play| play.calls.total);
        let services = self.each_a_minute(|play| &play.calls.by_service);
        let services: BTreeMap<&String, Value> = services.iter().map(|(name, line)| (name, line.parts())).collect();
        let documented = self.settings.documented();
        let not_ok = [&self.fewer.calls.not_ok, &self.more.calls.not_ok];
        let mut parts = self.parts();
        parts["callsAMinute"] = all.parts();
        parts["callsAMinuteByService"] = json!(services);
        parts["dearest"] = self.dearest();
        parts["documentedInAnInterval"] = json!(documented.iter().copied().collect::<BTreeMap<_, _>>());
        parts["bar"] = json!("what is documented, over 0.9: intervals are up to a tenth shorter");
        parts["notOk"] = json!(not_ok);
        Figure {
            name: "calls of each silent target in an interval of scans",
            value: all.per_target() * f64::from(INTERVAL),
            bar: sum(&documented) / SHORTEST,
            parts,
        }
    }

    /// The operations that are called most.
    fn dearest(&self) -> Value {
        let operations = self.each_a_minute(|play| &play.calls.by_operation);
        let mut operations: Vec<(String, Line)> = operations.into_iter().collect();
        operations.sort_by(|(_, one), (_, other)| other.at_meant().total_cmp(&one.at_meant()));
        let rows = operations.iter().take(DEAREST).map(|(name, line)| {
            json!({
                "operation": name,
                "ofEachInAnInterval": rounded(line.per_target() * f64::from(INTERVAL)),
                "aMinuteAt17000": rounded(line.at_meant()),
            })
        });
        rows.collect()
    }

    fn writes(&self) -> Figure {
        let of = |play: &Play| play.requests.others() + play.calls.writes;
        let times = self.a_minute(|play| play.requests.of_times);
        let mut parts = self.parts();
        parts["counted"] =
            json!("AWS's and the API server's, at both sizes, but those that change only times of a target");
        parts["awsWrites"] = json!([self.fewer.calls.writes, self.more.calls.writes]);
        parts["apiServerWrites"] = json!([self.fewer.requests.writes, self.more.requests.writes]);
        parts["ofTheseOnlyTimes"] = json!([self.fewer.requests.of_times, self.more.requests.of_times]);
        parts["timesOfEachInAnInterval"] = json!(rounded(times.per_target() * f64::from(INTERVAL)));
        parts["writesOfTimesAMinute"] = times.parts();
        Figure {
            name: "writes of silent targets beyond the time of the scan",
            value: f64::from(of(&self.fewer) + of(&self.more)),
            bar: 0.0,
            parts,
        }
    }

    fn requests(&self) -> Figure {
        let all = self.a_minute(|play| play.requests.total);
        let kinds = self.each_a_minute(|play| &play.requests.by_kind);
        let kinds: BTreeMap<&String, Value> = kinds.iter().map(|(name, line)| (name, line.parts())).collect();
        let mut parts = self.parts();
        parts["requestsAMinute"] = all.parts();
        parts["requestsAMinuteByKind"] = json!(kinds);
        parts["without"] =
            json!("Leases: 16 + replicas writes every 4.7 s and a list every 1.5 s, whatever the number of targets");
        Figure {
            name: "requests of each silent target to the API server in an interval of scans",
            value: all.per_target() * f64::from(INTERVAL),
            // Its status, with the time.
            bar: 1.0 / SHORTEST,
            parts,
        }
    }

    fn sts(&self) -> Figure {
        let busiest = self.a_minute(|play| play.calls.of_home.values().copied().max().unwrap_or_default());
        let mut parts = self.parts();
        parts["busiestRegionAMinute"] = busiest.parts();
        parts["allowedASecond"] = json!(STS_A_SECOND);
        parts["regions"] = json!(REGIONS.len());
        parts["replicas"] = json!("AWS counts the calls of an account in a region, however many replicas make them");
        Figure {
            name: "AssumeRole in the busiest region, in percent of AWS's quota, at 17000 targets",
            value: 100.0 * busiest.at_meant() / 60.0 / STS_A_SECOND,
            bar: 100.0,
            parts,
        }
    }
}

/// What the process takes.
pub(crate) fn of_process(fewer: &Watched, more: &Watched) -> [Figure; 2] {
    let resident = Line {
        targets: [fewer.targets, more.targets],
        values: [fewer.resident_kb, more.resident_kb],
    };
    let images = f64::from(IMAGES);
    let documented = TARGET_KB + MIGRATION_KB + IMAGE_KB * images;
    let memory = Figure {
        name: "resident memory of each silent target in kB",
        value: resident.per_target(),
        bar: documented * GRANTED,
        parts: json!({
            "targets": resident.targets,
            "residentKB": resident.parts(),
            "megabytesAt17000": rounded(resident.at_meant() / 1e3),
            "arithmetic": ARITHMETIC,
            "bar": "(4.8 kB for the target + 4.2 kB for its migration + 2.2 kB × 5 images) × 1.5",
            "measured": "VmRSS of `amiseal run`, a process of its own, in the median over minutes",
        }),
    };
    [memory, processor(more)]
}

/// How many cores so many targets keep busy.
fn processor(watched: &Watched) -> Figure {
    let a_call = watched.processor_seconds / watched.calls;
    // On average a name shortens intervals by half of what it may.
    let interval = f64::from(INTERVAL) * 60.0 * (1.0 + SHORTEST) / 2.0;
    let in_an_interval = sum(&Settings::Defaults.documented());
    let a_second = in_an_interval * MEANT / interval;
    let cores = a_call * a_second;
    Figure {
        name: "cores that 17000 silent targets keep busy",
        value: cores,
        bar: 1.0,
        parts: json!({
            "targets": watched.targets,
            "processorSeconds": rounded(watched.processor_seconds),
            "calls": watched.calls,
            "processorSecondsOfAThousandCalls": rounded(a_call * 1e3),
            "callsOfEachInAnInterval": in_an_interval,
            "callsASecondAt17000": rounded(a_second),
            "replicasAtLeast": cores.ceil().max(1.0),
            "arithmetic": "processorSeconds ÷ calls × (calls of each in an interval × 17000 ÷ 855 s)",
            "counted": "all that the process does, the writing of statuses included",
        }),
    }
}
