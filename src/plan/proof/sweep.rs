//! Which instances are left over: of migrations that are gone, or beyond their time.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use super::{MARGIN, mark};
use crate::api::labels::TAG_TIMEOUT;
use crate::domain::{Scope, TaggedInstance};

/// Whether an instance was launched by amiseal to prove a copy. Its tags say so, and the client token that it was launched by is the
/// one that is made of them: who has only written the tags cannot have given it that.
pub fn is_ours(scope: &Scope, instance: &TaggedInstance) -> bool {
    let token = instance.client_token.as_deref();
    token.is_some() && mark::token_of(scope, instance).as_deref() == token
}

/// The instances of ours that nobody has on record as under way, by their tokens in `live`, or that are beyond their time.
pub fn leftovers<'i>(
    scope: &'i Scope,
    instances: &'i [TaggedInstance],
    live: &'i HashSet<String>,
    now: Timestamp,
) -> impl Iterator<Item = &'i TaggedInstance> {
    let is_live = move |instance: &TaggedInstance| {
        let token = instance.client_token.as_deref();
        token.is_some_and(|token| live.contains(token))
    };
    let ours = instances.iter().filter(move |instance| is_ours(scope, instance));
    ours.filter(move |instance| !is_live(instance) || is_beyond_its_time(instance, now))
}

fn is_beyond_its_time(instance: &TaggedInstance, now: Timestamp) -> bool {
    let timeout = instance.tags.get(TAG_TIMEOUT).and_then(|text| text.parse::<u32>().ok());
    let (Some(launched), Some(timeout)) = (instance.launched, timeout) else {
        return false;
    };
    let limit = Duration::from_secs(timeout.into()) + MARGIN;
    now.duration_since(launched).as_secs_f64() >= limit.as_secs_f64()
}
