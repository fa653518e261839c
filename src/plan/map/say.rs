//! What is said of the places that a map is kept in.

use std::cmp::Ordering;

use crate::api::conditions::{Status, reason};

/// What is said of a place, or of all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Whether the map is there.
    pub status: Status,
    /// Why.
    pub reason: &'static str,
    /// The same in a sentence that names the fix.
    pub message: String,
}

impl Said {
    /// Says this.
    #[must_use]
    pub fn new(status: Status, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            message: message.into(),
        }
    }

    /// Whether the map is there, for those who are called where it is not; nothing while it is only under way or not kept.
    #[must_use]
    pub fn is_published(&self) -> Option<bool> {
        match self.status {
            Status::True => Some(true),
            Status::False => Some(false),
            Status::Unknown => (self.reason == reason::TRANSIENT_ERROR).then_some(false),
        }
    }
}

/// What is said of two places together: the worse, and what is equally good or bad of both.
#[must_use]
pub fn of_both(one: Option<Said>, other: Option<Said>) -> Option<Said> {
    let (one, other) = match (one, other) {
        (Some(one), Some(other)) => (one, other),
        (one, other) => return one.or(other),
    };
    Some(match rank(one.status).cmp(&rank(other.status)) {
        Ordering::Less => one,
        Ordering::Greater => other,
        Ordering::Equal => Said {
            message: format!("{} {}", one.message, other.message),
            ..one
        },
    })
}

const fn rank(status: Status) -> u8 {
    match status {
        Status::False => 0,
        Status::Unknown => 1,
        Status::True => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_places_the_worse_is_said_and_what_both_are_of_both() {
        let there = || Said::new(Status::True, reason::PUBLISHED, "It is there.");
        let under_way = || Said::new(Status::Unknown, reason::PROGRESSING, "It is under way.");
        let taken = || Said::new(Status::False, reason::NOT_OURS, "It is taken.");
        for (one, other, expected) in [
            (None, None, None),
            (Some(there()), None, Some(there())),
            (None, Some(taken()), Some(taken())),
            (Some(there()), Some(under_way()), Some(under_way())),
            (Some(under_way()), Some(there()), Some(under_way())),
            (Some(taken()), Some(under_way()), Some(taken())),
        ] {
            assert_eq!(of_both(one, other), expected);
        }
        let both = of_both(Some(there()), Some(there())).expect("both");
        assert_eq!((both.status, both.reason), (Status::True, reason::PUBLISHED));
        assert_eq!(both.message, "It is there. It is there.");
    }

    #[test]
    fn nobody_is_called_for_a_map_that_is_under_way_or_not_kept() {
        for (status, why, expected) in [
            (Status::True, reason::PUBLISHED, Some(true)),
            (Status::False, reason::FORBIDDEN, Some(false)),
            (Status::Unknown, reason::TRANSIENT_ERROR, Some(false)),
            (Status::Unknown, reason::PROGRESSING, None),
            (Status::Unknown, reason::SUSPENDED, None),
        ] {
            assert_eq!(Said::new(status, why, "").is_published(), expected, "{why}");
        }
    }
}
