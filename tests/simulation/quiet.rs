//! Whether it stays quiet once everything is done: nothing is written, and no more is read than scans take.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::history::History;
use super::invariants::{Broken, Promise};
use super::world::{CONTROLLER, THREE};

/// Once everything is done, faults go on for so long at most: over one scan. Then, without any, nothing may be written for so
/// long.
pub(super) const AFTERMATH: Duration = Duration::from_secs(30 * 60);
/// In so many such times, at most, it has to become quiet: what a fault has left is seen by the next scan, and by the one after
/// that what another policy's target has done about it.
const TIMES: usize = 5;
/// So many of them one after the other have to be quiet: what comes back now and then may come in the second.
const QUIET: usize = 2;
/// How many calls to AWS a target may make in that time: scans of two lists, whose pages may have two entries or none, and what
/// its key is; or three each minute, where AWS throttles all of them.
const CALLS_PER_TARGET: usize = 70;
/// How many more where it is read who uses the images: a list or two of each kind, pages of these, and what AWS says of an image.
const CALLS_OF_USE: usize = 250;
/// How many more where findings are looked for: settings, public snapshots, keys, and of each image with whom it is shared.
const CALLS_OF_FINDINGS: usize = 150;
/// How many more where lists have pages and a process has hung or begun anew: whoever takes its targets over, and the one that takes
/// them back, does not know yet how long they are, and reads each list once in 17 parts, of a few pages each, which may be empty.
const CALLS_IN_PARTS: usize = 2 * 17 * 4;
/// How many more where copies are proven: after each scan it is looked for instances that are left over.
const CALLS_OF_PROOFS: usize = 30;
/// How many more where guardrails are held, and new images looked for every other minute: pages of those that were made that day.
const CALLS_OF_GUARDRAILS: usize = 100;
const CALLS_OF_LOOKS: usize = 16 * 20;
/// How many more the controller's own account makes where a queue is read, three times a minute, or accounts are listed, every five minutes
/// by pages that may be empty.
const CALLS_OF_QUEUE: usize = 60;
const CALLS_OF_LISTS: usize = 100;

/// Where two values differ, and how.
fn differences(one: &Value, other: &Value, path: &str, lines: &mut Vec<String>) {
    let empty = Value::Null;
    match (one, other) {
        (Value::Object(before), Value::Object(after)) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let of = |map: &'_ serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                differences(&of(before), &of(after), &format!("{path}.{key}"), lines);
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for at in 0..before.len().max(after.len()) {
                let (one, other) = (before.get(at).unwrap_or(&empty), after.get(at).unwrap_or(&empty));
                differences(one, other, &format!("{path}[{at}]"), lines);
            }
        }
        (one, other) if one != other => lines.push(format!("{path} {one} became {other}")),
        _ => {}
    }
}

/// How much was written until some moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrote {
    /// Calls to AWS that are to change something.
    to_aws: usize,
    /// Versions of objects.
    to_kubernetes: usize,
    /// Requests to write what was so already, or was refused.
    in_vain: usize,
}

impl History {
    /// Waits until nothing is written for a while and another, and looks how much is read meanwhile; `quiet` of them have been.
    pub(super) async fn until_quiet(&self, mut quiet: usize) -> Result<(), Broken> {
        let mut wrote = String::new();
        for _ in 0..TIMES {
            let (before, calls) = (self.written(), self.calls_by_account());
            self.wait(AFTERMATH, || false).await?;
            let after = self.written();
            if before == after {
                self.is_frugal(&calls)?;
                quiet += 1;
            } else {
                quiet = 0;
                wrote = format!("{before:?} became {after:?}");
            }
            if quiet == QUIET {
                return Ok(());
            }
        }
        Err(Broken::new(Promise::Quiet, format!("{wrote}: {}", self.last_written())))
    }

    /// What the last version of an object has that the one before had not.
    fn last_written(&self) -> String {
        let versions = self.stage.api.history(0);
        let mut versions = versions.iter().rev().filter(|version| version.kind != "Lease");
        let last = versions.find_map(|version| {
            let before = version.before.as_ref()?;
            let (mut lines, name) = (Vec::new(), &version.object["metadata"]["name"]);
            differences(&says(before), &says(&version.object), "", &mut lines);
            (!lines.is_empty()).then(|| format!("{} {name}: {}", version.kind, lines.join("; ")))
        });
        last.unwrap_or_default()
    }

    fn calls_by_account(&self) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        for call in self.stage.sim.journal() {
            *calls.entry(call.account).or_default() += 1;
        }
        calls
    }

    /// Whether what was called since is bounded, also where something is odd.
    fn is_frugal(&self, before: &BTreeMap<String, usize>) -> Result<(), Broken> {
        let has_pages = self.stage.settings.pagination.largest_page.is_some();
        let requests = self.stage.api.journal();
        let is_second = |client: &str| client.parse::<u64>().is_ok_and(|number| number > 0);
        let was_taken_over = !self.stage.notes().hung.is_empty() || requests.iter().any(|one| is_second(&one.client));
        let using = if self.beginning.using { CALLS_OF_USE } else { 0 };
        let audited = if self.beginning.audited { CALLS_OF_FINDINGS } else { 0 };
        let proven = if self.beginning.proofs.is_some() {
            CALLS_OF_PROOFS
        } else {
            0
        };
        let guarded = self.beginning.guarding.map_or(0, |guarding| {
            CALLS_OF_GUARDRAILS + if guarding.looks { CALLS_OF_LOOKS } else { 0 }
        });
        let heard = self.beginning.hearing.map_or(0, |_| CALLS_OF_QUEUE);
        let listed = self.beginning.enlisting.map_or(0, |_| CALLS_OF_LISTS);
        let of_controller = heard + listed;
        let in_parts = if has_pages && was_taken_over { CALLS_IN_PARTS } else { 0 };
        for (account, calls) in self.calls_by_account() {
            let more = calls - before.get(&account).copied().unwrap_or(0);
            // The first account has two targets.
            let own = if account == CONTROLLER { of_controller } else { 0 };
            if more > 2 * (CALLS_PER_TARGET + in_parts + using + audited + proven + guarded + own) {
                return Err(Broken::new(
                    Promise::Bounded,
                    format!("{more} calls of {account} while all is done"),
                ));
            }
        }
        Ok(())
    }

    /// How much was written but for the times of scans and for Leases.
    pub(super) fn written(&self) -> Wrote {
        // What AWS refuses for good is asked for again, be it less and less often.
        let may_be_refused = self.beginning.odd.copies;
        let refused = |call: &ec2sim::Call| may_be_refused && call.account == THREE && call.outcome != "OK";
        let written = |call: &&ec2sim::Call| call.mutating && !call.dry_run && !refused(call);
        let to_aws = self
            .stage
            .sim
            .with_journal(|calls| calls.iter().filter(written).count());
        let requests = self.stage.api.journal();
        let in_vain = requests.iter().filter(|request| {
            let is_ours = !["Lease", "Event"].contains(&request.kind.as_str());
            is_ours && request.verb.writes() && !request.wrote
        });
        Wrote {
            to_aws,
            in_vain: in_vain.count(),
            to_kubernetes: self.versions(),
        }
    }

    /// How many versions of objects there were that differ in more than the time of a scan.
    fn versions(&self) -> usize {
        let versions = self.stage.api.history(0);
        let versions = versions.iter().filter(|version| version.kind != "Lease");
        let differing = versions.filter(|version| {
            let before = version.before.as_ref();
            before.is_none_or(|before| says(before) != says(&version.object))
        });
        differing.count()
    }
}

/// What an object says but for the times of a scan and of a reading, and for what the API server notes about it.
fn says(object: &Value) -> Value {
    let mut said = object.clone();
    for (part, field) in [
        ("/metadata", "resourceVersion"),
        ("/metadata", "managedFields"),
        ("/status", "lastScanTime"),
        ("/status/usage", "readTime"),
        ("/status/findings", "readTime"),
        ("/status/accounts", "readTime"),
    ] {
        if let Some(fields) = said.pointer_mut(part).and_then(Value::as_object_mut) {
            fields.remove(field);
        }
    }
    said
}
