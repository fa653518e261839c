//! Since when a process has known what is on record. When another process recorded it says nothing by this one's clock.

use jiff::Timestamp;

/// What was last seen on record, and since when.
#[derive(Debug)]
pub(super) struct Recorded<T>(Option<(Option<T>, Timestamp)>);

impl<T> Default for Recorded<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Clone + PartialEq> Recorded<T> {
    /// Since when this has been on record as it is now.
    pub(super) fn since(&mut self, record: Option<&T>, now: Timestamp) -> Timestamp {
        match &self.0 {
            Some((known, since)) if known.as_ref() == record => *since,
            _ => {
                self.0 = Some((record.cloned(), now));
                now
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::at;

    #[test]
    fn what_is_on_record_is_known_since_it_was_first_seen_as_it_is() {
        let mut recorded = Recorded::default();
        for (record, now, expected) in [
            (None, 0, 0),
            (None, 10, 0),
            (Some(1), 20, 20),
            (Some(1), 30, 20),
            (Some(2), 40, 40),
            (Some(1), 50, 50),
            (None, 60, 60),
        ] {
            assert_eq!(recorded.since(record.as_ref(), at(now)), at(expected), "at {now}");
        }
    }
}
