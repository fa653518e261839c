//! When it is read who uses the images of an account and region.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Picture;
use crate::api::{FindingsStatus, UsageStatus};
use crate::domain::{AwsError, ErrorClass, Readings};
use crate::plan::obstacle::Problem;

/// A reading that takes long is made less often, so that reading takes no more than this part of the time: a tenth. One that lacks
/// something is made again sooner, and takes no more than half of it.
const PART: u32 = 10;
/// The first and the longest wait before another reading where a fault that passes by itself has kept something from being
/// read.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(1800));

/// What was read last, and when to read again.
#[derive(Debug, Default)]
pub struct UsageWatch {
    picture: Option<Arc<Picture>>,
    status: Option<Arc<UsageStatus>>,
    findings: Option<Arc<FindingsStatus>>,
    due: Option<Timestamp>,
    failures: u32,
    /// Counts the changes of what is asked for, so that a reading that began before one is not taken for one after it.
    asked: u64,
    /// Whether nothing is read before a scan has ended: the images that are known are those from before the spec has changed.
    awaits_scan: bool,
    /// Why the images that the last reading was on could not be scanned since.
    outdated: Option<Outdated>,
    /// When an event last said that something has changed, until a reading has ended that began later.
    hinted: Option<Timestamp>,
    /// Until when no event has it read again: reading takes no more than half of the time.
    rests: Option<Timestamp>,
}

/// The images that a reading was on are those of an old scan.
#[derive(Debug)]
struct Outdated {
    /// What hindered the scans after it.
    problem: Problem,
    /// Whether one has succeeded since, so that the next reading is on what it has shown.
    scanned: bool,
}

/// What a reading has shown.
#[derive(Debug, Default)]
pub struct Read {
    /// Who uses the images, where that is read.
    pub picture: Option<Picture>,
    /// What that amounts to.
    pub status: Option<UsageStatus>,
    /// What is wrong, where that is looked for.
    pub findings: Option<FindingsStatus>,
}

/// A reading that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    at: Timestamp,
    asked: u64,
}

impl Begun {
    /// When.
    pub fn at(self) -> Timestamp {
        self.at
    }
}

impl UsageWatch {
    /// What the last reading showed.
    pub fn picture(&self) -> Option<&Arc<Picture>> {
        self.picture.as_ref()
    }

    /// What it amounts to.
    pub fn status(&self) -> Option<&Arc<UsageStatus>> {
        self.status.as_ref()
    }

    /// What is wrong, where that is looked for.
    pub fn findings(&self) -> Option<&Arc<FindingsStatus>> {
        self.findings.as_ref()
    }

    /// Whether to read now: at first, and when it is due, but not before the scan that a changed spec leads to.
    pub fn is_due(&self, now: Timestamp) -> bool {
        !self.awaits_scan && self.due.is_none_or(|due| due <= now)
    }

    /// When to read again; none before the first reading.
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Why the images that the last reading was on could not be scanned since, until another reading is on newer ones.
    pub fn outdated(&self) -> Option<&Problem> {
        self.outdated.as_ref().map(|outdated| &outdated.problem)
    }

    /// A scan has failed: what is read from now on is on the images of an older one.
    pub fn scan_failed(&mut self, problem: &Problem) {
        self.awaits_scan = false;
        self.outdated = Some(Outdated {
            problem: problem.clone(),
            scanned: false,
        });
    }

    /// A scan has seen everything. Where others before it have failed, it is read again at once.
    pub fn scanned(&mut self) {
        self.awaits_scan = false;
        if let Some(outdated) = self.outdated.as_mut().filter(|outdated| !outdated.scanned) {
            outdated.scanned = true;
            self.renewed();
        }
    }

    /// Something else is asked for: what was read stays until that is.
    pub fn renewed(&mut self) {
        self.due = None;
        self.failures = 0;
        self.asked += 1;
    }

    /// The spec has changed: it is read again once the scan that this leads to has ended.
    pub fn spec_changed(&mut self) {
        self.renewed();
        self.awaits_scan = true;
    }

    /// An event says that something has changed: it is read again soon, unless what fails is waited out.
    pub fn hinted(&mut self, now: Timestamp) {
        self.hinted = Some(now);
        self.hurry(now);
    }

    /// Reads as soon as an event may have it read.
    fn hurry(&mut self, now: Timestamp) {
        if let Some(due) = self.due.filter(|_| self.failures == 0) {
            self.due = Some(due.min(self.rests.map_or(now, |rests| rests.max(now))));
        }
    }

    /// A reading begins.
    pub fn begins(&self, now: Timestamp) -> Begun {
        Begun {
            at: now,
            asked: self.asked,
        }
    }

    /// A reading has ended, `passes` says whether it lacks something for a fault that passes by itself.
    pub fn ended(&mut self, begun: Begun, read: Read, passes: bool, interval: Duration, now: Timestamp) {
        let is_renewed = self.asked != begun.asked;
        // What one call in a thousand runs into is not worth to say another thing of every image, and the same again a minute later.
        let knows = self.picture.is_some() || self.findings.is_some();
        let is_blip = passes && self.failures == 0 && knows && !is_renewed;
        if !is_blip {
            self.picture = read.picture.map(Arc::new);
            self.status = read.status.map(Arc::new);
            self.findings = read.findings.map(Arc::new);
        }
        if is_renewed {
            return;
        }
        self.outdated.take_if(|outdated| outdated.scanned && !is_blip);
        let took = Duration::try_from(now.duration_since(begun.at)).unwrap_or_default();
        let regular = begun.at + interval.max(took.saturating_mul(PART));
        self.failures = if passes { self.failures.saturating_add(1) } else { 0 };
        let doubled = BACKOFF.0.saturating_mul(1 << self.failures.saturating_sub(1).min(8));
        let again = now + doubled.min(BACKOFF.1).max(took);
        // Nothing is moved by one listing of several pages alone: the second one follows as soon as what has failed once.
        let is_alone = self
            .picture
            .as_ref()
            .is_some_and(|picture| picture.graph.is_to_be_read_again());
        self.due = Some(if passes || is_alone {
            regular.min(again)
        } else {
            regular
        });
        self.rests = Some(now + took);
        match self.hinted {
            // It may have been read before that.
            Some(hinted) if hinted > begun.at => self.hurry(now),
            _ => self.hinted = None,
        }
    }

    /// Nothing is read any longer.
    pub fn rest(&mut self) {
        *self = Self {
            asked: self.asked,
            ..Self::default()
        };
    }
}

/// Whether a reading lacks something for a fault that passes by itself.
pub fn passes(readings: &Readings) -> bool {
    readings.unread.values().any(is_passing)
}

/// Whether an error passes by itself.
pub fn is_passing(error: &AwsError) -> bool {
    matches!(
        error.class,
        ErrorClass::Throttled | ErrorClass::Transient | ErrorClass::NotOurs
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::conditions::reason;
    use crate::domain::{ConsumerKind, Operation};
    use crate::plan::testing::{account, at};
    use crate::plan::usage::{self, Graph};

    const INTERVAL: Duration = Duration::from_secs(900);

    fn of(status: UsageStatus) -> Read {
        Read {
            picture: Some(Picture::default()),
            status: Some(status),
            findings: None,
        }
    }

    fn read(watch: &mut UsageWatch, from: i64, to: i64, passes: bool) -> Option<Timestamp> {
        let begun = watch.begins(at(from));
        watch.ended(begun, of(UsageStatus::default()), passes, INTERVAL, at(to));
        watch.due()
    }

    #[test]
    fn it_is_read_at_first_once_in_an_interval_and_less_often_where_that_takes_long() {
        let mut watch = UsageWatch::default();
        assert!(watch.is_due(at(0)));
        assert_eq!(read(&mut watch, 0, 30, false), Some(at(900)));
        assert!(!watch.is_due(at(899)) && watch.is_due(at(900)));
        assert_eq!(
            read(&mut watch, 1000, 1600, false),
            Some(at(7000)),
            "a tenth of the time"
        );
    }

    #[test]
    fn where_a_listing_has_several_pages_another_reading_follows_the_first_that_could_read_everything() {
        let denied = AwsError::new(Operation::DescribeFleets, ErrorClass::Denied, None);
        let graph = |unread: &[ConsumerKind], before: Option<&Graph>| {
            let readings = Readings {
                paged: true,
                unread: unread.iter().map(|kind| (*kind, denied.clone())).collect(),
                ..Readings::default()
            };
            let mut graph = usage::graph(&readings, &account(), at(0));
            if let Some(before) = before {
                graph.keep(before);
            }
            graph
        };
        let mut watch = UsageWatch::default();
        let mut read = |graph: &Graph, from: i64| {
            let begun = watch.begins(at(from));
            let mut read = of(UsageStatus::default());
            read.picture = Some(Picture {
                graph: graph.clone(),
                ..Picture::default()
            });
            watch.ended(begun, read, false, INTERVAL, at(from + 1));
            watch.due()
        };
        // What is denied is not known by another reading either.
        let lacking = graph(&[ConsumerKind::Fleet], None);
        assert_eq!(read(&lacking, 0), Some(at(900)));
        let first = graph(&[], Some(&lacking));
        assert_eq!(read(&first, 900), Some(at(961)));
        let second = graph(&[], Some(&first));
        assert_eq!(read(&second, 961), Some(at(1861)));
        // Who may use a key is not asked of who could not be read, and that is no matter here.
        let recipes = graph(&[ConsumerKind::Recipe], None);
        assert_eq!(read(&recipes, 1861), Some(at(1922)));
        assert_eq!(
            read(&graph(&[ConsumerKind::Recipe], Some(&recipes)), 1922),
            Some(at(2822))
        );
    }

    #[test]
    fn what_passes_by_itself_is_waited_out_longer_each_time_and_never_longer_than_an_interval() {
        let mut watch = UsageWatch::default();
        for (from, due) in [(0, 61), (100, 221), (300, 541), (600, 1081), (2000, 2900)] {
            assert_eq!(read(&mut watch, from, from + 1, true), Some(at(due)));
        }
        assert_eq!(read(&mut watch, 3000, 3001, false), Some(at(3900)));
        assert_eq!(read(&mut watch, 4000, 4001, true), Some(at(4061)), "begins anew");
    }

    #[test]
    fn one_fault_that_passes_changes_nothing_of_what_is_known_and_a_second_one_does() {
        let mut watch = UsageWatch::default();
        let mut read = |used: u32, passes: bool, from: i64, to: i64| {
            let begun = watch.begins(at(from));
            let status = UsageStatus {
                used,
                ..UsageStatus::default()
            };
            watch.ended(begun, of(status), passes, INTERVAL, at(to));
            (watch.status().map(|status| status.used), watch.due())
        };
        assert_eq!(read(1, false, 0, 1), (Some(1), Some(at(900))));
        assert_eq!(read(2, true, 900, 901), (Some(1), Some(at(961))));
        assert_eq!(
            read(3, true, 961, 1161),
            (Some(3), Some(at(1361))),
            "as long as it took"
        );
        assert_eq!(read(4, false, 1361, 1362), (Some(4), Some(at(2261))));
    }

    #[test]
    fn images_are_outdated_from_a_scan_that_fails_until_a_reading_on_those_of_a_later_one() {
        let mut watch = UsageWatch::default();
        read(&mut watch, 0, 1, false);
        let problem = Problem::new(reason::ACCESS_DENIED, "ec2:DescribeImages: allow it.");
        watch.scan_failed(&problem);
        assert_eq!(watch.outdated(), Some(&problem));
        assert!(!watch.is_due(at(2)), "that is no reason to read");
        read(&mut watch, 900, 901, false);
        assert_eq!(watch.outdated(), Some(&problem), "it was read on the same images");
        let begun = watch.begins(at(1800));
        watch.scanned();
        assert!(watch.is_due(at(1800)), "it is read again at once");
        watch.ended(begun, of(UsageStatus::default()), false, INTERVAL, at(1801));
        assert_eq!(watch.outdated(), Some(&problem), "that reading began before");
        watch.scanned();
        read(&mut watch, 1802, 1803, true);
        assert_eq!(watch.outdated(), Some(&problem), "what it found is not taken");
        read(&mut watch, 1863, 1864, false);
        assert_eq!((watch.outdated(), watch.is_due(at(1865))), (None, false));
        watch.scanned();
        assert!(!watch.is_due(at(1865)), "nothing had failed");
        watch.scan_failed(&problem);
        watch.scanned();
        let begun = watch.begins(at(2000));
        watch.scan_failed(&problem);
        watch.ended(begun, of(UsageStatus::default()), false, INTERVAL, at(2001));
        assert_eq!(watch.outdated(), Some(&problem), "another has failed meanwhile");
    }

    #[test]
    fn an_event_has_it_read_again_for_half_of_the_time_at_most_and_not_while_something_fails() {
        let mut watch = UsageWatch::default();
        watch.hinted(at(0));
        assert_eq!(watch.due(), None, "it is due anyway");
        assert_eq!(read(&mut watch, 1, 31, false), Some(at(901)));
        watch.hinted(at(40));
        assert_eq!(watch.due(), Some(at(61)), "it took as long");
        let begun = watch.begins(at(61));
        watch.hinted(at(70));
        watch.ended(begun, of(UsageStatus::default()), false, INTERVAL, at(71));
        assert_eq!(watch.due(), Some(at(81)), "that may have come too late");
        assert_eq!(read(&mut watch, 81, 82, false), Some(at(981)));
        assert_eq!(read(&mut watch, 981, 982, true), Some(at(1042)));
        watch.hinted(at(990));
        assert_eq!(watch.due(), Some(at(1042)));
    }

    #[test]
    fn after_a_change_of_the_spec_nothing_is_read_on_the_images_of_the_scan_before_it() {
        let problem = Problem::new(reason::ACCESS_DENIED, "ec2:DescribeImages: allow it.");
        let ends: [&dyn Fn(&mut UsageWatch); 2] = [&UsageWatch::scanned, &|watch| watch.scan_failed(&problem)];
        for end in ends {
            let mut watch = UsageWatch::default();
            read(&mut watch, 0, 1, false);
            let begun = watch.begins(at(900));
            watch.spec_changed();
            watch.hinted(at(901));
            assert!(!watch.is_due(at(901)) && watch.picture().is_some());
            watch.ended(begun, of(UsageStatus::default()), false, INTERVAL, at(902));
            assert!(!watch.is_due(at(902)), "that reading began before");
            end(&mut watch);
            assert!(watch.is_due(at(903)));
            assert_eq!(read(&mut watch, 903, 904, false), Some(at(1803)));
        }
    }

    #[test]
    fn a_reading_that_began_before_something_else_was_asked_for_is_followed_by_another() {
        let mut watch = UsageWatch::default();
        let begun = watch.begins(at(0));
        watch.renewed();
        watch.ended(begun, of(UsageStatus::default()), false, INTERVAL, at(1));
        assert!(watch.is_due(at(1)) && watch.picture().is_some());
    }
}
