//! What a migration that may not start yet waits for.

use super::Decider;
use crate::api::conditions;

const A_LOOK: &str = "Waits until amiseal has looked for copies of the image that are there already.";
const THE_ROLE: &str = "Waits until AWS answers what the role may do.";
const A_SLOT: &str = "Waits until AWS copies fewer snapshots in this account and region.";

impl Decider<'_> {
    /// What it waits for, of several things what comes first.
    pub(super) fn awaited(&self) -> &'static str {
        // With every scan of a large account all copies are looked for once more: who has come further waits for what it did.
        if !self.o.looked_since_created && !self.waits_for_more() {
            A_LOOK
        } else if self.o.unanswered {
            THE_ROLE
        } else {
            A_SLOT
        }
    }

    /// Whether copies of the source were looked for before, as the recorded status says.
    fn waits_for_more(&self) -> bool {
        let ready = conditions::find(&self.o.status.conditions, conditions::READY);
        ready.is_some_and(|ready| [THE_ROLE, A_SLOT].contains(&ready.message.as_str()))
    }
}
