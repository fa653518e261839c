//! Messages that were acted on and are still in the queue, as the role may not delete them for example: they come again each time that
//! the queue's visibility timeout has passed, and once is enough.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// So many are remembered. Of more the oldest are acted on again, which does no harm.
const MOST: usize = 10_000;

/// Messages that could not be deleted.
#[derive(Debug, Default)]
pub struct Undeleted {
    known: HashSet<Arc<str>>,
    /// The same in the order in which they came, the first one first.
    order: VecDeque<Arc<str>>,
    is_failing: bool,
}

impl Undeleted {
    /// Whether a message, by its ID, is to be acted on. One without an ID always is.
    pub fn is_new(&self, id: &str) -> bool {
        !self.known.contains(id)
    }

    /// Whether messages cannot be deleted until somebody mends that.
    pub fn is_failing(&self) -> bool {
        self.is_failing
    }

    /// These messages were acted on and could not be deleted, until somebody mends that. Says whether it is the first time in a row.
    pub fn failed<'a>(&mut self, ids: impl IntoIterator<Item = &'a str>) -> bool {
        self.keep(ids);
        !std::mem::replace(&mut self.is_failing, true)
    }

    /// These messages were acted on and could not be deleted this time.
    pub fn keep<'a>(&mut self, ids: impl IntoIterator<Item = &'a str>) {
        for id in ids.into_iter().filter(|id| !id.is_empty()) {
            let id: Arc<str> = id.into();
            if self.known.insert(id.clone()) {
                self.order.push_back(id);
            }
        }
        while self.order.len() > MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    /// These messages are deleted. Says whether deletions have failed before.
    pub fn deleted<'a>(&mut self, ids: impl IntoIterator<Item = &'a str>) -> bool {
        let mut is_any_known = false;
        for id in ids {
            is_any_known |= self.known.remove(id);
        }
        if is_any_known {
            let known = &self.known;
            self.order.retain(|id| known.contains(id));
        }
        std::mem::replace(&mut self.is_failing, false)
    }

    /// Somebody else reads the queue now. What was acted on here stays known.
    pub fn rest(&mut self) {
        self.is_failing = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_that_stays_is_acted_on_once_and_one_that_is_deleted_or_has_no_id_is_as_good_as_new() {
        let mut undeleted = Undeleted::default();
        assert!(undeleted.is_new("a") && !undeleted.is_failing());
        assert!(undeleted.failed(["a", "b", ""]), "it is news");
        assert!(!undeleted.failed(["a"]), "it is none");
        assert!(undeleted.is_failing());
        for (id, is_new) in [("a", false), ("b", false), ("c", true), ("", true)] {
            assert_eq!(undeleted.is_new(id), is_new, "{id}");
        }
        assert!(undeleted.deleted(["a", "unknown"]), "it had failed");
        assert!(!undeleted.deleted(["c"]), "it had not");
        assert!(!undeleted.is_failing());
        assert!(undeleted.is_new("a") && !undeleted.is_new("b"));
    }

    #[test]
    fn a_message_that_could_not_be_deleted_once_is_known_and_no_failure_that_lasts() {
        let mut undeleted = Undeleted::default();
        undeleted.keep(["a"]);
        assert!(!undeleted.is_failing() && !undeleted.is_new("a"));
        undeleted.failed(["b"]);
        undeleted.keep(["c"]);
        assert!(undeleted.is_failing(), "nobody has mended it");
        assert!(undeleted.deleted(["a"]), "now somebody has");
    }

    #[test]
    fn a_rest_is_no_failure_and_forgets_nothing() {
        let mut undeleted = Undeleted::default();
        undeleted.failed(["a"]);
        undeleted.rest();
        assert!(!undeleted.is_failing() && !undeleted.is_new("a"));
        assert!(undeleted.failed(["a"]), "it is news again");
    }

    #[test]
    fn of_more_than_are_remembered_the_oldest_are_forgotten() {
        let mut undeleted = Undeleted::default();
        let ids: Vec<String> = (0..MOST + 2).map(|number| number.to_string()).collect();
        for batch in ids.chunks(10) {
            undeleted.failed(batch.iter().map(String::as_str));
        }
        let forgotten = ids.iter().filter(|id| undeleted.is_new(id));
        assert_eq!(forgotten.collect::<Vec<_>>(), ["0", "1"]);
    }

    proptest! {
        /// Whatever fails and is deleted, and in which order.
        #[test]
        fn what_is_remembered_is_what_failed_last(steps in prop::collection::vec((any::<bool>(), 0..8_u8), 0..60)) {
            let (mut undeleted, mut expected) = (Undeleted::default(), HashSet::new());
            for (fails, id) in steps {
                let id = id.to_string();
                if fails {
                    undeleted.failed([id.as_str()]);
                    expected.insert(id);
                } else {
                    undeleted.deleted([id.as_str()]);
                    expected.remove(&id);
                }
                prop_assert_eq!(undeleted.is_failing(), fails);
                prop_assert_eq!(undeleted.order.len(), undeleted.known.len());
                for id in 0..8_u8 {
                    let id = id.to_string();
                    prop_assert_eq!(undeleted.is_new(&id), !expected.contains(&id));
                }
            }
        }
    }
}
