//! DeleteParameter.

use serde_json::json;

use super::consumers;
use super::get::required;
use crate::engine::{Done, Outcome, Request, State};
use crate::wire::ApiError;

/// Runs DeleteParameter. Readers may see it for a while.
pub(super) fn run(state: &mut State, request: &Request) -> Outcome {
    let name = required(request, "Name")?.to_owned();
    let longest = state.settings.consistency.consumer_seconds;
    let visible_at = state.visible_at(request.now, longest);
    let place = (request.account(), request.region.as_str());
    let known = consumers(state, request).and_then(|c| c.parameters.get(&name)).cloned();
    let region = state.world.region_mut(request.account(), &request.region);
    let is_removed = region.is_some_and(|region| region.consumers.parameters.remove(&name, request.now, visible_at));
    if let Some(parameter) = known.filter(|_| is_removed) {
        state.parameter_event(place, &parameter, ("Delete", None), request.now);
        return Ok(Done::did(json!({}), vec![name]));
    }
    Err(ApiError::new("ParameterNotFound", ""))
}
