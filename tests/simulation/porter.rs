//! What comes of messages: looked at after every step, by the calls that list images, by those for the queue, and by every version of
//! every object.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ec2sim::Call;
use kubesim::Version;

use super::hearing;
use super::invariants::{Broken, Promise};
use super::product::LEASE;
use super::rumours::{CANARY, FLOODS};
use super::stage::Stage;
use super::time::age_of;

/// In so long there are no more scans and looks of an account and region than these while nothing else goes wrong: one of either a minute
/// for hints, a second look after each of those and after each that is made anyway, and these.
const WINDOW: Duration = Duration::from_secs(10 * 60);
const SCANS: usize = 20;
const LOOKS: usize = 45;
/// No more calls for messages fail in that time: by two processes, each of which tries less and less often, with what the SDK repeats.
const FAILURES: usize = 150;
/// No message is in the queue for longer while nothing goes wrong: whoever dies leaves its shards to others when its Lease has run out.
const KEPT: Duration = LEASE.saturating_add(Duration::from_secs(15 * 60));

/// An account and region.
type Place = (String, String);

/// Looks at what comes of messages.
#[derive(Debug, Default)]
pub(crate) struct Porter {
    /// How many calls were heard.
    heard: usize,
    /// When images were listed of late, each time from the first page on.
    scans: BTreeMap<Place, Vec<Duration>>,
    looks: BTreeMap<Place, Vec<Duration>>,
    /// When calls for messages have failed of late.
    failures: Vec<Duration>,
    /// Whether messages were read and deleted.
    pub(crate) has_read: bool,
    /// What has been stopped since the last time that somebody asked.
    stopped: BTreeSet<&'static str>,
}

impl Porter {
    /// Looks at what was done since the last time; `versions` are those of all objects since then.
    pub(crate) fn look(&mut self, stage: &Stage, versions: &[Version]) -> Vec<Broken> {
        let mut wrong = self.hear(stage);
        wrong.extend(versions.iter().filter_map(repeats));
        let broken = |how| Broken::new(Promise::OnlyHints, how);
        wrong.into_iter().map(broken).collect()
    }

    /// Listens, and says what is in the queue for too long.
    pub(crate) fn listen(&mut self, stage: &Stage) -> Option<Broken> {
        let (now, since) = (stage.clock.age(), stage.disturbed_until());
        let oldest = stage
            .sim
            .with_world(|world| hearing::messages(world).map(|message| age_of(message.sent)).min());
        let is_kept = |sent: &Duration| now.saturating_sub(since.max(*sent)) > KEPT;
        let kept = oldest.filter(is_kept);
        let kept = kept.map(|sent| format!("a message is in the queue since {sent:?}, and it is {now:?}"));
        let how = self.hear(stage).into_iter().next().or(kept)?;
        Some(Broken::new(Promise::OnlyHints, how))
    }

    /// The guards that have stopped something since the last time.
    pub(crate) fn stopped(&mut self) -> BTreeSet<&'static str> {
        std::mem::take(&mut self.stopped)
    }

    /// Takes in the calls since the last time, and says of which there are too many.
    fn hear(&mut self, stage: &Stage) -> Vec<String> {
        let meant = ["DescribeImages", "ReceiveMessage", "DeleteMessageBatch"];
        let new: Vec<Call> = stage.sim.with_journal(|calls| {
            let new = calls[self.heard..].iter();
            let new = new.filter(|call| meant.contains(&call.operation.as_str()));
            let new = new.cloned().collect();
            self.heard = calls.len();
            new
        });
        for call in &new {
            self.take_in(call);
        }
        let (now, since) = (stage.clock.age(), stage.disturbed_until());
        let recent = |at: &Duration| *at + WINDOW >= now;
        self.failures.retain(recent);
        for times in self.scans.values_mut().chain(self.looks.values_mut()) {
            times.retain(|at| recent(at) && *at >= since);
        }
        self.stop(stage, now);
        self.too_many()
    }

    fn take_in(&mut self, call: &Call) {
        let (at, is_done) = (age_of(call.time), call.outcome == "OK");
        match call.operation.as_str() {
            "ReceiveMessage" if !is_done => self.failures.push(at),
            "ReceiveMessage" => {}
            "DeleteMessageBatch" => self.has_read |= is_done,
            _ if call.params.contains_key("NextToken") || call.params.contains_key("ImageId.1") => {}
            _ => {
                let lists = match call.params.get("Filter.1.Name").map(String::as_str) {
                    None => &mut self.scans,
                    Some("creation-date") => &mut self.looks,
                    Some(_) => return,
                };
                // What AWS refuses is asked for again, and shows nothing.
                if !is_done {
                    return;
                }
                if !self.failures.is_empty() {
                    self.stopped.insert("failing queue");
                }
                let place = (call.account.clone(), call.region.clone());
                lists.entry(place).or_default().push(at);
            }
        }
    }

    /// Notes whether hints have waited: more of them came than were followed.
    fn stop(&mut self, stage: &Stage, now: Duration) {
        let notes = stage.notes();
        for times in self.scans.values().chain(self.looks.values()) {
            let of_flood = |from: &Duration| {
                let meanwhile = times.iter().filter(|at| *from <= **at && **at <= *from + FLOODS);
                now <= *from + FLOODS && meanwhile.count() > 2
            };
            if notes.flooded.iter().any(of_flood) {
                self.stopped.insert("hints waited");
            }
        }
    }

    fn too_many(&self) -> Vec<String> {
        let kinds = [("scans", &self.scans, SCANS), ("looks", &self.looks, LOOKS)];
        let of_places = kinds.into_iter().flat_map(|(what, all, most)| {
            let too_many = all.iter().filter(move |(_, times)| times.len() > most);
            too_many.map(move |((account, region), times)| {
                format!(
                    "{} {what} of {account}/{region} in ten minutes, from {:?} on",
                    times.len(),
                    times[0]
                )
            })
        });
        let failed = self.failures.len();
        let of_queue = (failed > FAILURES).then(|| format!("{failed} calls for messages have failed in ten minutes"));
        of_places.chain(of_queue).collect()
    }
}

/// Whether an object repeats what stands in a message.
fn repeats(version: &Version) -> Option<String> {
    version.object.to_string().contains(CANARY).then(|| {
        format!(
            "{} {} repeats what stands in a message: {}",
            version.kind, version.name, version.object
        )
    })
}
