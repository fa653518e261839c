//! What events have hinted at: it is looked at as soon as that may be, by the reads that are made anyway.

use jiff::Timestamp;

use super::TargetReconciler;
use crate::api::GuardrailName;
use crate::domain::Guardrail;

/// For how long an event may tell who has undone a guardrail: it is read at once, and AWS may take a while to show the change.
const SUSPECTED: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

impl TargetReconciler<'_> {
    /// Takes up what is to be looked at now. The visit does that where it always does.
    pub(super) fn take_hints(&self) {
        let now = self.ctx.clock.now();
        let looks = self.target.spec.new_images.is_some();
        let Some(wanted) = self.state(|state| state.hints.take(looks, now)) else {
            return;
        };
        let what: Vec<&str> = wanted.kinds().collect();
        tracing::info!(?what, "following an event");
        self.ctx.metrics.events.followed(&wanted);
        let reads_consumers = wanted.consumers;
        self.state(|state| {
            if wanted.new_images && looks {
                state.looks.hinted(now);
            }
            if wanted.images || wanted.new_images && !looks {
                state.scans.hinted();
            }
            if wanted.consumers {
                state.usage.hinted(now);
            }
            if !wanted.guardrails.is_empty() {
                state.guardrails.hinted();
            }
            let named = wanted.guardrails.into_iter();
            let named = named.filter_map(|(guardrail, by)| Some((guardrail, (by?, now))));
            state.suspects.extend(named);
        });
        if reads_consumers {
            // Where the last reading has just ended, another one comes a while later, and only its own controller waits for that.
            self.ctx.registry.wake_usage(&self.name);
        }
    }

    /// What was read for them was read.
    pub(super) fn has_followed_hints(&self) {
        let now = self.ctx.clock.now();
        self.state(|state| state.hints.ended(now));
    }

    /// When to come back for them.
    pub(super) fn hints_due(&self) -> Option<Timestamp> {
        let looks = self.target.spec.new_images.is_some();
        self.state(|state| state.hints.due(looks))
    }

    /// Whom an event of late names as the one who has changed a guardrail.
    pub(super) fn suspect(&self, name: GuardrailName) -> Option<Box<str>> {
        let now = self.ctx.clock.now();
        let is_meant = |guardrail: &Guardrail| GuardrailName::from(*guardrail) == name;
        self.state(|state| {
            state
                .suspects
                .retain(|_, (_, since)| now.duration_since(*since) < SUSPECTED);
            let mut suspects = state.suspects.iter();
            let suspect = suspects.find(|(guardrail, _)| is_meant(guardrail));
            suspect.map(|(_, (by, _))| by.clone())
        })
    }
}
