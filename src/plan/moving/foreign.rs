//! Whether an account may launch a copy that is another account's.

use std::time::Duration;

use jiff::Timestamp;

use super::{ConsumerKey, Foreign, LOOK_AGAIN, Pass, Then, key_of};
use crate::api::conditions::reason;
use crate::api::{Approval, ConsumerState, MovedConsumer};
use crate::domain::{AccountId, AllowedState, ForeignCopy, Image, ImageId, ImageState};
use crate::plan::access::allowed::{Candidate, Verdict, judge};
use crate::plan::obstacle::Problem;

/// How long AWS may take to show a copy to an account that it was shared with.
const SHOWS_AFTER: Duration = Duration::from_secs(120);
/// So long after the copy was published it is asked whether settings hide it by now, a while before anybody is told to share it.
const HIDES_AFTER: Duration = Duration::from_secs(60);
/// How soon it is looked again whether the copy is shared by now, and for how long after it was published. Later every reading shows it.
const SHARED_AGAIN: Duration = Duration::from_secs(300);
const SHARED_SOON: Duration = Duration::from_secs(3600);

/// What is waited for where the owner's migration has no such copy, or no longer.
pub(super) const NO_OFFER: &str =
    "Waiting until the migration of the image's owner has a copy that is verified and published.";
const NOT_SHOWN: &str = "Waiting until AWS shows the copy to this account.";

/// Whether it is to be asked once more what Allowed AMIs hide: AWS has not shown a copy, and by settings that were read before, and may be
/// old, they hide nothing, so that its owner would be told to share it.
pub fn asks_settings_again(copy: &ForeignCopy, published: Option<Timestamp>, now: Timestamp) -> bool {
    let is_late = published.is_none_or(|at| now.duration_since(at).as_secs_f64() >= HIDES_AFTER.as_secs_f64());
    is_late && copy.image.is_none() && copy.allowed.state == AllowedState::Disabled
}

/// The account cannot launch the original any more, which is another's, so that nothing is put back to it.
pub fn source_not_shared(source: &ImageId) -> Problem {
    let message = format!(
        "{source} is gone, disabled, or not shared with this account any more, so that no consumer is put back to it: have its owner \
         share it again."
    );
    Problem::new(reason::SOURCE_NOT_SHARED, message)
}

impl Pass<'_> {
    /// Whether something may be moved to the copy, which is another account's: the owner has it for that, it is shared, and the account's
    /// Allowed AMIs do not refuse it. Otherwise what comes instead is noted. Where it is not known whether they do, somebody has to
    /// approve it.
    pub(super) fn may_launch_foreign(&mut self, foreign: Foreign<'_>) -> bool {
        match foreign.offered {
            Some(offered) if offered == self.facts.copy => {}
            Some(offered) => {
                let problem = self.another(offered.as_str());
                self.then = Some(Then::Stalled(problem));
                return false;
            }
            None => {
                self.note = Some(NO_OFFER);
                self.then = Some(Then::Later(SHARED_AGAIN));
                return false;
            }
        }
        let Some(copy) = foreign.copy else {
            self.then = Some(Then::ReadCopy(self.facts.copy.clone()));
            return false;
        };
        let shown = copy.image.as_ref().filter(|image| image.state == ImageState::Available);
        let problem = match shown {
            None if self.was_published_within(foreign, SHOWS_AFTER) => {
                self.note = Some(NOT_SHOWN);
                self.then = Some(Then::Later(LOOK_AGAIN));
                return false;
            }
            None => {
                if self.was_published_within(foreign, SHARED_SOON) {
                    self.wait(SHARED_AGAIN);
                }
                self.not_shared(foreign.owner, copy)
            }
            Some(image) => match self.refusal(foreign.owner, image, copy) {
                Some(problem) => problem,
                None => return true,
            },
        };
        self.then = Some(Then::Stalled(problem));
        false
    }

    /// Whether the owner has no such copy for others any more, so that nothing more is moved to it.
    pub(super) fn is_withdrawn(&self, key: &ConsumerKey) -> bool {
        let is_other = |foreign: Foreign<'_>| foreign.offered != Some(self.facts.copy);
        self.facts.foreign.is_some_and(is_other) && !self.is_backwards(self.row(key))
    }

    /// Where nothing was made yet, nothing was begun. What was waits.
    pub(super) fn hold_back(&mut self, key: &ConsumerKey) {
        if self.row(key).is_some_and(|row| row.current.is_none()) {
            self.rows.retain(|row| key_of(row).as_ref() != Some(key));
        } else {
            self.note = Some(NO_OFFER);
            self.wait(SHARED_AGAIN);
        }
    }

    /// Whether a consumer was put back when the owner had another migration of the image: this one knows nothing of that.
    pub(super) fn is_of_former_owner(&self, row: &MovedConsumer) -> bool {
        let created = self.facts.foreign.and_then(|foreign| foreign.created);
        let since = row.time.as_ref().filter(|_| row.state == ConsumerState::PutBack);
        created.zip(since).is_some_and(|(created, since)| since.0 < created)
    }

    fn was_published_within(&self, foreign: Foreign<'_>, limit: Duration) -> bool {
        let since = |published| self.facts.now.duration_since(published).as_secs_f64();
        foreign.published.is_some_and(|at| since(at) < limit.as_secs_f64())
    }

    /// What was moved launches one copy, and what was not would launch another one.
    fn another(&self, offered: &str) -> Problem {
        let message = format!(
            "Consumers were moved to {}, and the image's owner has the copy {offered} for it now: roll this migration back and resume it to \
             have all of them moved to that one.",
            self.facts.copy
        );
        Problem::new(reason::COPY_REPLACED, message)
    }

    fn not_shared(&self, owner: &AccountId, copy: &ForeignCopy) -> Problem {
        let (id, account) = (self.facts.copy, &self.facts.settings.account_id);
        let hides = if copy.allowed.state == AllowedState::Disabled {
            String::new()
        } else {
            format!(", or the Allowed AMIs of account {account} hide it")
        };
        let message = format!(
            "Nothing is moved to the copy. Account {owner} does not share {id} with account {account}{hides}: share it, as \
             promotion.launchPermissions: Preserve does with whomever the original is shared with."
        );
        Problem::new(reason::COPY_NOT_SHARED, message)
    }

    fn refusal(&self, owner: &AccountId, image: &Image, copy: &ForeignCopy) -> Option<Problem> {
        let (facts, id) = (self.facts, self.facts.copy);
        let is_encrypted = image.volumes().all(|(_, volume, _)| volume.encrypted == Some(true));
        if !is_encrypted || image.owner.as_ref() != Some(owner) {
            let message = format!(
                "{id} is not an encrypted image of account {owner}: see that account's migration of the image."
            );
            return Some(Problem::new(reason::COPY_NOT_ENCRYPTED, message));
        }
        let is_approved = facts.approval == Approval::Approved;
        let own = facts.settings.account_id.parse::<AccountId>().ok()?;
        let why = match judge(
            &copy.allowed,
            &Candidate::original(image, owner),
            &own,
            facts.system_time,
        ) {
            Verdict::Allowed | Verdict::WouldBeRefused(_) => return None,
            Verdict::Unknown(_) if is_approved => return None,
            Verdict::Refused(why) => format!("refuse {id} ({why}): add a criterion that it meets."),
            Verdict::Unknown(why) => {
                format!("may refuse {id}: {why}. If you know that they do not, approve this migration.")
            }
        };
        let message = format!("Nothing is moved to the copy. The Allowed AMIs of account {own} {why}");
        Some(Problem::new(reason::COPY_NOT_ALLOWED, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AllowedImages;
    use crate::plan::testing::{at, image};

    #[test]
    fn settings_are_asked_for_again_only_where_somebody_would_be_told_to_share_what_they_may_hide() {
        use AllowedState::{AuditMode, Disabled, Enabled};
        for (state, is_shown, published, expected) in [
            (Disabled, false, Some(at(0)), true),
            (Disabled, false, None, true),
            // AWS may be late with it.
            (Disabled, false, Some(at(541)), false),
            (Disabled, true, Some(at(0)), false),
            (AuditMode, false, Some(at(0)), false),
            (Enabled, false, Some(at(0)), false),
        ] {
            let case = format!("{state:?} {is_shown} {published:?}");
            let copy = ForeignCopy {
                image: is_shown.then(|| image(1, 1)),
                allowed: AllowedImages {
                    state,
                    criteria: Vec::new(),
                },
            };
            assert_eq!(asks_settings_again(&copy, published, at(600)), expected, "{case}");
        }
    }
}
