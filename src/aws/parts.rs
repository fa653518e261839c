//! How a listing of everything is divided into parts that together are the whole, whether that is worth it, and whether what the
//! parts showed is believed. Only decisions; [`listing`](super::listing) makes the calls.
//!
//! IDs are random, so filters by how they begin divide a listing evenly. AWS documents wildcards for filters in general, and not
//! for IDs: what the parts show is compared with the first page of the whole.

use std::collections::BTreeSet;
use std::time::Duration;

/// A listing of fewer pages is read one after the other: more calls would gain little.
const WORTH_DIVIDING: usize = 8;
/// Where AWS did not take parts, or they were not the whole, they are tried again after so long.
const DISTRUST: Duration = Duration::from_secs(24 * 3600);
/// So many IDs are asked for one by one. AWS takes as many in one filter.
const ASKED_AT_MOST: usize = 200;

/// A part of a listing: what has an ID that begins so, in one of these ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part(Vec<String>);

/// Divides all IDs that begin with `kind`, such as `ami-`: each belongs to exactly one part.
///
/// IDs of 17 digits begin with 0, and their other digits are random: sixteen parts, by the second one. The old IDs of 8 digits
/// begin with any. They are few, and share a part, but for those that begin with 0.
pub(super) fn parts(kind: &str) -> Vec<Part> {
    let digits = || "0123456789abcdef".chars();
    let of_today = digits().map(|second| Part(vec![format!("{kind}0{second}")]));
    let old = digits().skip(1).map(|first| format!("{kind}{first}")).collect();
    of_today.chain([Part(old)]).collect()
}

/// What AWS allows of one kind of call in the long run, a second.
const CALLS_A_SECOND: f64 = 20.0;
/// As few parts are always read at a time.
const FEWEST: usize = 4;

/// How many parts are read at a time, where a page takes AWS so long: so many that they use what AWS allows. More would be of no use,
/// and each keeps a connection with its memory.
pub(super) fn at_a_time(page: Duration) -> usize {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few seconds at most"
    )]
    let needed = (page.as_secs_f64().min(60.0) * CALLS_A_SECOND).ceil() as usize;
    needed.max(FEWEST)
}

impl Part {
    /// The values of the filter for it.
    pub(super) fn patterns(&self) -> Vec<String> {
        self.0.iter().map(|beginning| format!("{beginning}*")).collect()
    }

    /// Whether the thing with this ID belongs to it.
    pub(super) fn holds(&self, id: &str) -> bool {
        self.0.iter().any(|beginning| id.starts_with(beginning.as_str()))
    }
}

/// What earlier listings of the same account and region have told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// How many pages the last one had, or would have had if it was read one page after the other.
    pages: Option<usize>,
    /// Until when parts are not believed.
    distrusted: Option<Duration>,
}

impl Known {
    /// Whether a listing of more than one page is read in parts.
    pub(super) fn divides(&self, now: Duration) -> bool {
        self.distrusted.is_none_or(|until| until <= now) && self.pages.is_none_or(|pages| pages >= WORTH_DIVIDING)
    }

    /// Notes that a listing showed so many things, at most so many a page.
    pub(super) fn listed(&mut self, things: usize, page: usize) {
        self.pages = Some(things.div_ceil(page.max(1)).max(1));
    }

    /// Notes that parts were not the whole.
    pub(super) fn distrust(&mut self, now: Duration) {
        self.distrusted = Some(now + DISTRUST);
    }
}

/// What the parts have shown so far, beside the first page of the whole.
#[derive(Debug)]
pub(super) struct Trial {
    /// What the first page showed and no part has yet.
    awaited: BTreeSet<String>,
    any: bool,
    strays: bool,
}

/// Whether the parts are taken for the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are.
    Whole,
    /// They are if none of these is there any more.
    UnlessThere(Vec<String>),
    /// They are not.
    NotWhole,
}

impl Trial {
    /// Begins with what the first page showed.
    pub(super) fn new(first: impl IntoIterator<Item = String>) -> Self {
        Self {
            awaited: first.into_iter().collect(),
            any: false,
            strays: false,
        }
    }

    /// Takes note of what a part has shown.
    pub(super) fn sees(&mut self, part: &Part, id: &str) {
        self.any = true;
        self.strays |= !part.holds(id);
        self.awaited.remove(id);
    }

    /// What has come of it. Parts that show nothing are never believed, nor those that show what does not belong to them.
    pub(super) fn verdict(self) -> Verdict {
        if !self.any || self.strays || self.awaited.len() > ASKED_AT_MOST {
            Verdict::NotWhole
        } else if self.awaited.is_empty() {
            Verdict::Whole
        } else {
            Verdict::UnlessThere(self.awaited.into_iter().collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{ImageId, SnapshotId};

    #[test]
    fn as_many_parts_are_read_at_a_time_as_use_what_aws_allows() {
        for (millis, expected) in [(0, 4), (20, 4), (500, 10), (1000, 20), (90_000, 1200)] {
            assert_eq!(at_a_time(Duration::from_millis(millis)), expected, "{millis} ms");
        }
    }

    fn holders(kind: &str, id: &str) -> usize {
        parts(kind).iter().filter(|part| part.holds(id)).count()
    }

    proptest! {
        #[test]
        fn every_id_that_there_can_be_belongs_to_exactly_one_part(digits in "([0-9a-f]{8}|[0-9a-f]{17})") {
            let (image, snapshot) = (format!("ami-{digits}"), format!("snap-{digits}"));
            prop_assert!(image.parse::<ImageId>().is_ok() && snapshot.parse::<SnapshotId>().is_ok());
            prop_assert_eq!((holders("ami-", &image), holders("snap-", &snapshot)), (1, 1));
        }

        #[test]
        fn whatever_is_an_id_belongs_to_a_part(text in "(ami|snap)-[0-9a-zA-Z-]{0,20}") {
            prop_assert!(text.parse::<ImageId>().is_err() || holders("ami-", &text) == 1);
            prop_assert!(text.parse::<SnapshotId>().is_err() || holders("snap-", &text) == 1);
        }

        #[test]
        fn parts_that_leave_out_what_is_there_are_never_the_whole(
            first in prop::collection::btree_set("ami-0[0-9a-f]{16}", 1..50), shown in prop::collection::vec(any::<bool>(), 50),
        ) {
            let mut trial = Trial::new(first.iter().cloned());
            let parts = parts("ami-");
            let (seen, left): (Vec<_>, Vec<_>) = first.iter().zip(&shown).partition(|(_, shown)| **shown);
            for (id, _) in &seen {
                let part = parts.iter().find(|part| part.holds(id)).expect("a part");
                trial.sees(part, id);
            }
            let left: Vec<String> = left.into_iter().map(|(id, _)| id.clone()).collect();
            let expected = match (seen.is_empty(), left.is_empty()) {
                (true, _) => Verdict::NotWhole,
                (false, true) => Verdict::Whole,
                (false, false) => Verdict::UnlessThere(left),
            };
            prop_assert_eq!(trial.verdict(), expected);
        }
    }

    #[test]
    fn parts_divide_random_ids_evenly_and_each_has_no_more_patterns_than_a_filter_takes() {
        let parts = parts("snap-");
        assert_eq!(parts.len(), 17);
        assert_eq!(parts[0].patterns(), ["snap-00*"]);
        assert_eq!(parts[15].patterns(), ["snap-0f*"]);
        assert_eq!(parts[16].patterns().len(), 15);
        assert!(parts[16].holds("snap-1a2b3c4d") && parts[10].holds("snap-0a2b3c4d"));
    }

    #[test]
    fn parts_that_show_nothing_or_what_is_not_theirs_are_not_believed() {
        let first = || ["ami-00000001".to_owned(), "ami-0b000001".to_owned()];
        let parts = parts("ami-");
        assert_eq!(Trial::new(first()).verdict(), Verdict::NotWhole, "nothing");
        assert_eq!(
            Trial::new([]).verdict(),
            Verdict::NotWhole,
            "nothing, after an empty page"
        );
        let mut ignoring = Trial::new(first());
        for id in first() {
            ignoring.sees(&parts[0], &id);
        }
        assert_eq!(ignoring.verdict(), Verdict::NotWhole, "the filter was passed over");
        let many = (0..=ASKED_AT_MOST).map(|n| format!("ami-00{n:06}"));
        let mut most = Trial::new(many);
        most.sees(&parts[0], "ami-00999999");
        assert_eq!(most.verdict(), Verdict::NotWhole, "most of the first page is missing");
    }

    #[test]
    fn a_listing_is_divided_unless_it_is_known_to_be_short_or_parts_were_not_the_whole_lately() {
        let hours = |hours: u64| Duration::from_secs(3600 * hours);
        let after = |things: usize| {
            let mut known = Known::default();
            known.listed(things, 1000);
            known.divides(hours(1))
        };
        assert!(Known::default().divides(hours(0)), "nothing is known");
        assert!(!after(0) && !after(7000), "seven pages");
        assert!(after(7001) && after(220_000));
        let mut distrusted = Known::default();
        distrusted.distrust(hours(1));
        assert!(!distrusted.divides(hours(24)) && distrusted.divides(hours(25)));
    }
}
