//! What a list of AWS has shown before and does not show any more. It leaves slowly: what one read lacks may be on its way from one place
//! to another, or hidden by a right that was taken away.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

/// After so many reads in a row that lack it something leaves.
const READS: u32 = 2;
/// After so many where one of them has lacked many.
const READS_OF_MANY: u32 = 3;
/// Of fewer things no share is taken for many.
const FEW: usize = 4;

/// What there is by the reads so far, and how long those are missing that the last reads have lacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lasting<T>(BTreeMap<T, Option<Absence>>);

/// Something that is not listed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Absence {
    /// How many reads in a row have lacked it that count.
    reads: u32,
    /// When the last of these was made.
    counted: Timestamp,
    /// Whether one of them has lacked many.
    of_many: bool,
}

impl<T> Default for Lasting<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> Lasting<T> {
    /// A read that began at `at` has listed these. `every` is how far reads have to be apart to count. Gives what leaves.
    pub(super) fn listed(&mut self, listed: BTreeSet<T>, at: Timestamp, every: Duration) -> Vec<T> {
        let missing = self.0.keys().filter(|one| !listed.contains(*one)).count();
        let of_many = self.0.len() >= FEW && missing * 2 > self.0.len();
        for (one, absence) in &mut self.0 {
            *absence = match listed.contains(one) {
                true => None,
                false => Some(Absence::after(*absence, of_many, at, every)),
            };
        }
        let gone: Vec<T> = self
            .0
            .extract_if(.., |_, absence| absence.is_some_and(Absence::is_over))
            .map(|(one, _)| one)
            .collect();
        self.0.extend(listed.into_iter().map(|one| (one, None)));
        gone
    }

    /// These are there, whatever no read has said yet.
    pub(super) fn present(&mut self, present: impl IntoIterator<Item = T>) {
        for one in present {
            self.0.entry(one).or_insert(None);
        }
    }

    /// What former reads have lacked counts no more: they were answers to another question.
    pub(super) fn asked_anew(&mut self) {
        self.0.values_mut().for_each(|absence| *absence = None);
    }

    /// All of them, those too that have not left yet.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.keys()
    }

    /// How many these are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that are not listed any more and have not left yet.
    pub(super) fn leaving(&self) -> impl Iterator<Item = &T> {
        let lacking = self.0.iter().filter(|(_, absence)| absence.is_some());
        lacking.map(|(one, _)| one)
    }
}

impl Absence {
    /// Another read lacks it. It counts where it is as far from the last one that did.
    fn after(before: Option<Self>, of_many: bool, at: Timestamp, every: Duration) -> Self {
        match before {
            None => Self {
                reads: 1,
                counted: at,
                of_many,
            },
            Some(before) if at < later(before.counted, every) => Self {
                of_many: before.of_many || of_many,
                ..before
            },
            Some(before) => Self {
                reads: before.reads.saturating_add(1),
                counted: at,
                of_many: before.of_many || of_many,
            },
        }
    }

    fn is_over(self) -> bool {
        self.reads >= if self.of_many { READS_OF_MANY } else { READS }
    }
}

/// So long after that.
pub(super) fn later(at: Timestamp, wait: Duration) -> Timestamp {
    at.checked_add(wait).unwrap_or(Timestamp::MAX)
}
