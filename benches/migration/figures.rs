//! The figures: how each is computed, and its bar.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use ec2sim::model::{Region, Snapshot};
use ec2sim::{Call, Sim, SimTime};
use rig::WriteCounts;
use serde_json::json;

use crate::figure::{Figure, rounded};
use crate::following::Following;
use crate::{Args, Busy, Quiet, clock, world};

/// Copying may take so many times the lower bound.
const MAKESPAN_BAR: f64 = 1.08;
/// Simulated seconds from the end of a copy's last snapshot to `Completed`, in the median.
const MEDIAN_NOTICED_BAR: f64 = 30.0;
/// The same, at most.
const LAST_NOTICED_BAR: f64 = 90.0;
/// Reads of lists for each image.
const READS_BAR: f64 = 6.0;
/// How much of what AWS allows is read, in percent.
const READ_BUDGET_BAR: f64 = 5.0;
/// Reads of each kind that AWS allows an account and region in a second, in the long run.
const READS_A_SECOND: f64 = 20.0;
/// Writes to the API server for each migration.
const WRITES_BAR: f64 = 8.0;
/// Writes of both kinds while nothing changes.
const QUIET_BAR: f64 = 0.0;

/// From the first CopyImage to the last completed migration, over the least that AWS's limit leaves possible.
pub(crate) fn makespan(args: &Args, sim: &Sim, busy: &Busy, following: &Following) -> Result<Figure> {
    let first = busy
        .calls
        .iter()
        .find(|call| call.operation == "CopyImage")
        .context("nothing was copied")?;
    let makespan = following.last_completed().seconds_since(first.time);
    let bound = sim.with_world(|world| world.region(world::ACCOUNT, world::REGION).map(Bound::of));
    let bound = bound.context("the region is gone")?;
    // Until the last copy was available, the rest is noticing it.
    let copying = bound.last_end.seconds_since(first.time);
    Ok(Figure {
        name: "makespan over its lower bound",
        value: makespan / bound.seconds(),
        bar: MAKESPAN_BAR,
        parts: json!({
            "images": args.images,
            "snapshots": bound.snapshots,
            "makespanSeconds": rounded(makespan),
            "lastCopyEndsAfterSeconds": rounded(copying),
            "lowerBoundSeconds": rounded(bound.seconds()),
            "lowerBound": "max(sum of snapshot copy seconds / slots, longest snapshot copy)",
            "sumOfSnapshotCopySeconds": rounded(bound.sum),
            "longestSnapshotCopySeconds": rounded(bound.longest),
            "slots": bound.slots,
            "largestInFlight": bound.largest_in_flight,
            "clock": {"fast": args.speed, "whileAtWork": clock::SLOW},
            "seed": args.seed,
            "wallSeconds": rounded(busy.wall.as_secs_f64()),
        }),
    })
}

/// From the end of a copy's last snapshot to the completed migration, in the median and at most.
pub(crate) fn noticed(args: &Args, sim: &Sim, following: &Following) -> Result<[Figure; 2]> {
    let mut waits: Vec<f64> = sim.with_world(|world| {
        let region = world.region(world::ACCOUNT, world::REGION);
        let region = region.context("the region is gone")?;
        let since = |(copy, completed): (String, SimTime)| {
            let image = region.images.get(&copy).context("a copy is gone")?;
            let snapshots = image.snapshot_ids().filter_map(|id| region.snapshots.get(id));
            let ended = snapshots.map(|snapshot| snapshot.done_at).max();
            anyhow::Ok(completed.seconds_since(ended.context("a copy has no snapshots")?))
        };
        following.completions().map(since).collect::<Result<_>>()
    })?;
    waits.sort_by(f64::total_cmp);
    let at = |share: usize| waits.get((waits.len() * share / 100).min(waits.len().saturating_sub(1)));
    let at = |share| at(share).copied().context("nothing was completed");
    let parts = json!({
        "images": args.images,
        "percentile90Seconds": rounded(at(90)?),
        "percentile99Seconds": rounded(at(99)?),
        "clock": {"fast": args.speed, "whileAtWork": clock::SLOW},
    });
    let figure = |name, value, bar| Figure {
        name,
        value,
        bar,
        parts: parts.clone(),
    };
    Ok([
        figure(
            "seconds from a copy's end to Completed, median",
            at(50)?,
            MEDIAN_NOTICED_BAR,
        ),
        figure(
            "seconds from a copy's end to Completed, longest",
            at(100)?,
            LAST_NOTICED_BAR,
        ),
    ])
}

/// The least time that the copies could have taken together, by the simulator's own record of each.
struct Bound {
    snapshots: usize,
    sum: f64,
    longest: f64,
    slots: usize,
    last_end: SimTime,
    largest_in_flight: usize,
}

impl Bound {
    fn of(region: &Region) -> Self {
        let copies: Vec<&Snapshot> = region.snapshots.values().filter(|s| s.created_by.is_some()).collect();
        let seconds = |s: &&Snapshot| s.done_at.seconds_since(s.started_at);
        Self {
            snapshots: copies.len(),
            sum: copies.iter().map(seconds).sum(),
            longest: copies.iter().map(seconds).fold(0.0, f64::max),
            slots: region.snapshot_copy_limit,
            last_end: copies.iter().map(|s| s.done_at).max().unwrap_or_default(),
            largest_in_flight: largest_overlap(&copies),
        }
    }

    /// All snapshots of an image are copied at the same time, so an image's copy is no longer than its longest snapshot's.
    fn seconds(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a few slots")]
        let slots = self.slots as f64;
        (self.sum / slots).max(self.longest)
    }
}

fn largest_overlap(copies: &[&Snapshot]) -> usize {
    let mut events: Vec<(SimTime, isize)> = copies
        .iter()
        .flat_map(|s| [(s.started_at, 1), (s.done_at, -1)])
        .collect();
    events.sort_unstable();
    let mut now = 0;
    let mut largest = 0;
    for (_, change) in events {
        now += change;
        largest = largest.max(now);
    }
    usize::try_from(largest).unwrap_or_default()
}

/// Calls that list images or snapshots, for each image.
pub(crate) fn reads(args: &Args, busy: &Busy) -> Result<Figure> {
    let of = |operation: &str| busy.calls.iter().filter(|c| c.operation == operation).count();
    let lists = of("DescribeImages") + of("DescribeSnapshots");
    Ok(Figure {
        name: "list and poll reads per image",
        value: per(lists, args.images)?,
        bar: READS_BAR,
        parts: json!({
            "images": args.images,
            "reads": lists,
            "byPurpose": by_purpose(&busy.calls),
            "scanMinutes": args.scan_minutes,
            "scans": scans(&busy.calls),
            "attributeReadsPerImage": rounded(per(of("DescribeImageAttribute"), args.images)?),
            "callsByOperation": by_operation(&busy.calls),
            "notOk": busy.calls.iter().filter(|c| c.outcome != "OK").count(),
        }),
    })
}

/// All calls that read, in percent of what AWS allows of a single kind meanwhile.
pub(crate) fn read_budget(busy: &Busy) -> Result<Figure> {
    let reads: Vec<&Call> = busy
        .calls
        .iter()
        .filter(|c| c.operation.starts_with("Describe"))
        .collect();
    let (first, last) = reads.first().zip(reads.last()).context("nothing was read")?;
    let seconds = last.time.seconds_since(first.time);
    let count = f64::from(u32::try_from(reads.len())?);
    Ok(Figure {
        name: "reads in percent of what AWS allows",
        value: 100.0 * count / (READS_A_SECOND * seconds),
        bar: READ_BUDGET_BAR,
        parts: json!({
            "reads": reads.len(),
            "seconds": rounded(seconds),
            "allowedASecond": READS_A_SECOND,
            "counted": "all calls of EC2 and KMS that begin with Describe, against the refill of one bucket",
        }),
    })
}

/// What each read of a list was for, by what it was filtered by.
fn by_purpose(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in calls.iter().filter(|c| is_list(c)) {
        let filter = call.params.get("Filter.1.Name").map_or("all", String::as_str);
        *counts.entry(format!("{} {filter}", call.operation)).or_default() += 1;
    }
    counts
}

fn is_list(call: &Call) -> bool {
    matches!(call.operation.as_str(), "DescribeImages" | "DescribeSnapshots")
}

fn by_operation(calls: &[Call]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.operation.as_str()).or_default() += 1;
    }
    counts
}

/// How often the account was looked through as a whole.
pub(crate) fn scans(calls: &[Call]) -> usize {
    calls
        .iter()
        .filter(|call| {
            let whole = !call.params.contains_key("Filter.1.Name");
            call.operation == "DescribeImages" && whole && !call.params.contains_key("NextToken")
        })
        .count()
}

/// Writes to the API server for each migration, those for targets and policy shared among them.
pub(crate) fn writes(args: &Args, busy: &Busy) -> Result<Figure> {
    let total = busy.writes.counts.total();
    Ok(Figure {
        name: "API server writes per migration",
        value: per(total, args.images)?,
        bar: WRITES_BAR,
        parts: json!({
            "migrations": args.images,
            "writes": total,
            "byKind": by_kind(&busy.writes.counts),
            "refusedOfThese": by_kind(&busy.writes.refused),
            "counted": "all writes of the service account: Events with, Leases without",
        }),
    })
}

fn by_kind(writes: &WriteCounts) -> BTreeMap<String, usize> {
    writes.iter().map(|(kind, count)| (kind.to_string(), count)).collect()
}

/// Writes of both kinds over intervals in which nothing changes.
pub(crate) fn quiet(args: &Args, before: &Quiet, after: &Quiet) -> Result<Figure> {
    let aws = after.mutating - before.mutating;
    let kubernetes = after.writes.counts.total() - before.writes.counts.total();
    let scan_times = after.scan_times - before.scan_times;
    let earlier = by_kind(&before.writes.counts);
    let by_kind: BTreeMap<String, usize> = by_kind(&after.writes.counts)
        .into_iter()
        .map(|(kind, count)| (kind.clone(), count - earlier.get(&kind).copied().unwrap_or_default()))
        .filter(|(_, count)| *count > 0)
        .collect();
    let counted = aws + kubernetes.saturating_sub(scan_times);
    Ok(Figure {
        name: "writes over quiet intervals",
        value: f64::from(u32::try_from(counted)?),
        bar: QUIET_BAR,
        parts: json!({
            "intervals": args.quiet_intervals,
            "scanMinutes": args.scan_minutes,
            "awsWrites": aws,
            "apiServerWrites": kubernetes,
            "apiServerWritesByKind": by_kind,
            "ofTheseOnlyLastScanTime": scan_times,
            "counted": "awsWrites + apiServerWrites - ofTheseOnlyLastScanTime, which is written once in a scan interval",
            "awsCalls": after.calls - before.calls,
            "clock": {"fast": args.quiet_speed, "whileAtWork": clock::SLOW},
        }),
    })
}

fn per(count: usize, images: u32) -> Result<f64> {
    Ok(f64::from(u32::try_from(count)?) / f64::from(images.max(1)))
}
