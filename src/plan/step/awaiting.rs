//! What a migration that may not start yet waits for.

use super::Decider;
use crate::api::conditions;

const A_LOOK: &str = "Waiting until amiseal has looked for existing copies of the image.";
const THE_ROLE: &str = "Waiting for AWS to answer the permission check.";
const A_FREE_COPY: &str = "Waiting for a free snapshot-copy slot in this account and region.";

impl Decider<'_> {
    /// What it waits for, of several things what comes first.
    pub(super) fn awaited(&self) -> &'static str {
        // With every scan of a large account all copies are looked for once more: who has come further waits for what it did.
        if !self.facts.account.looked_since_created && !self.waits_for_more() {
            A_LOOK
        } else if self.facts.account.unanswered {
            THE_ROLE
        } else {
            A_FREE_COPY
        }
    }

    /// Whether copies of the source were looked for before, as the recorded status says.
    fn waits_for_more(&self) -> bool {
        let ready = conditions::find(&self.facts.record.status.conditions, conditions::READY);
        ready.is_some_and(|ready| [THE_ROLE, A_FREE_COPY].contains(&ready.message.as_str()))
    }
}
