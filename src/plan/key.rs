//! What is known of the policy's key in an account and region, and when it is read again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::obstacle::{KeyView, Problem};
use super::problem;
use crate::domain::AwsError;

/// After how long a key that could not be used is read again: it is one call, and many images may wait for it.
const UNUSABLE: Duration = Duration::from_secs(600);

/// The key as it was read last. It is read with every scan, and more often while it cannot be used or read.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyWatch {
    view: Arc<KeyView>,
    problem: Option<Problem>,
    due: Option<Timestamp>,
    /// When KMS answered last.
    read: Option<Timestamp>,
    /// Failures in a row.
    failures: u32,
    /// Whether a copy has failed since, maybe for the key.
    doubted: bool,
}

impl Default for KeyWatch {
    fn default() -> Self {
        Self {
            view: Arc::new(KeyView::Unknown),
            problem: None,
            due: None,
            read: None,
            failures: 0,
            doubted: false,
        }
    }
}

impl KeyWatch {
    /// What KMS said last.
    pub fn view(&self) -> &Arc<KeyView> {
        &self.view
    }

    /// What hinders reading it.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// When it is read again before the next scan; none if there is no need to.
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// When KMS answered last.
    pub fn read_at(&self) -> Option<Timestamp> {
        self.read
    }

    /// Whether nothing is to be copied before KMS has answered.
    pub fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// A copy has failed, maybe for the key: it is read now, and nothing is copied before KMS has answered. Of many copies one is enough.
    pub fn doubt(&mut self, now: Timestamp) {
        if !std::mem::replace(&mut self.doubted, true) {
            self.due = Some(now);
        }
    }

    /// KMS has answered.
    pub fn read(&mut self, view: KeyView, now: Timestamp) {
        *self = Self {
            due: view.problem().map(|_| now + UNUSABLE),
            read: Some(now),
            view: Arc::new(view),
            ..Self::default()
        };
    }

    /// The key that the policy names `key` could not be read. What was known of it stays.
    pub fn failed(&mut self, error: &AwsError, key: &str, now: Timestamp) {
        self.failures += 1;
        self.due = Some(now + problem::retry_after(error, self.failures));
        self.problem = Some(problem::of_key_error(error, key));
    }

    /// The policy names another key: nothing is known of that one.
    pub fn changed(&mut self, now: Timestamp) {
        if *self != Self::default() {
            *self = Self {
                due: Some(now),
                ..Self::default()
            };
        }
    }

    /// What was known of it is too old to go by.
    pub fn forget(&mut self) {
        self.view = Arc::new(KeyView::Unknown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cause, ErrorClass, KeyProblem, Operation};
    use crate::plan::testing::at;

    fn unreachable() -> AwsError {
        AwsError {
            class: ErrorClass::Transient,
            cause: Some(Cause::Unreachable),
            code: None,
            operation: Operation::DescribeKey,
            action: None,
            retry_after: None,
            limit: None,
            said: None,
            endpoint: None,
        }
    }

    #[test]
    fn a_key_that_cannot_be_used_is_read_again_before_the_next_scan() {
        let mut key = KeyWatch::default();
        key.read(KeyView::Unresolved(KeyProblem::Disabled), at(0));
        assert_eq!(key.due(), Some(at(600)));
        assert!(key.problem().is_none(), "it was read");
    }

    #[test]
    fn what_is_known_stays_while_it_cannot_be_read_and_failures_are_forgotten_once_it_is() {
        let mut key = KeyWatch::default();
        key.read(KeyView::Unresolved(KeyProblem::NotFound), at(0));
        key.failed(&unreachable(), "alias/ami", at(10));
        key.failed(&unreachable(), "alias/ami", at(20));
        assert_eq!(key.view().problem(), Some(KeyProblem::NotFound));
        assert_eq!(key.due(), Some(at(24)), "the second wait is longer");
        assert!(key.problem().is_some());
        key.read(KeyView::Unresolved(KeyProblem::NotFound), at(30));
        key.failed(&unreachable(), "alias/ami", at(40));
        assert_eq!(key.due(), Some(at(42)), "the first wait again");
        key.forget();
        assert_eq!(**key.view(), KeyView::Unknown);
    }

    #[test]
    fn a_key_that_a_copy_may_have_failed_for_is_read_at_once_and_doubted_until_kms_answers() {
        let mut key = KeyWatch::default();
        key.read(KeyView::Unresolved(KeyProblem::NotFound), at(0));
        assert!(!key.is_doubted());
        key.doubt(at(10));
        assert_eq!((key.is_doubted(), key.due()), (true, Some(at(10))));
        key.failed(&unreachable(), "alias/ami", at(10));
        key.doubt(at(11));
        assert_eq!(
            (key.is_doubted(), key.due()),
            (true, Some(at(12))),
            "it is asked for no more often where many copies have failed"
        );
        key.read(KeyView::Unresolved(KeyProblem::NotFound), at(12));
        assert!(!key.is_doubted());
        key.doubt(at(20));
        key.changed(at(21));
        assert!(!key.is_doubted(), "the copy was made under another key");
    }

    #[test]
    fn nothing_is_known_of_another_key_and_it_is_read_at_once() {
        let mut key = KeyWatch::default();
        key.changed(at(0));
        assert_eq!(key.due(), None, "the first scan reads it");
        key.read(KeyView::Unresolved(KeyProblem::NotFound), at(0));
        key.changed(at(10));
        assert_eq!((&**key.view(), key.due()), (&KeyView::Unknown, Some(at(10))));
    }
}
