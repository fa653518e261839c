//! EnableImageDeprecation and DisableImageDeprecation.

use super::{invalid_value, own_image};
use crate::clock::SimTime;
use crate::engine::{Done, Outcome, Request, State};
use crate::model::LaunchPermission;

const YEAR: f64 = 365.25 * 86_400.0;

fn set(state: &mut State, request: &Request, id: &str, time: Option<SimTime>) -> Outcome {
    let longest = state.settings.consistency.attribute_seconds;
    let visible_at = state.visible_at(request.now, longest);
    let image = own_image(state, request, id)?;
    if *image.deprecation_time.current() == time {
        return Ok(Done::returned(Vec::new()));
    }
    image.deprecation_time.set(time, request.now, visible_at);
    Ok(Done::returned(vec![id.to_owned()]))
}

/// Runs EnableImageDeprecation.
pub(super) fn enable(state: &mut State, request: &Request) -> Outcome {
    let id = request.params.required("ImageId")?.to_owned();
    let text = request.params.required("DeprecateAt")?;
    let time = SimTime::parse(text).ok_or_else(|| invalid_value(format!("Invalid value '{text}' for DeprecateAt")))?;
    // AWS rounds seconds to the nearest minute.
    let time = time.plus_seconds(30.0).floor_to_minute();
    let image = own_image(state, request, &id)?;
    if time < request.now.floor_to_minute() {
        return Err(invalid_value("The deprecation date can't be in the past."));
    }
    let public = image.launch_permissions.current().contains(&LaunchPermission::All);
    let (limit, years) = if public {
        (image.creation_date.plus_seconds(2.0 * YEAR), 2)
    } else {
        (request.now.plus_seconds(10.0 * YEAR), 10)
    };
    if time > limit {
        return Err(invalid_value(format!(
            "The deprecation date can't be more than {years} years from {}.",
            if public {
                "the creation of a public image"
            } else {
                "now"
            }
        )));
    }
    set(state, request, &id, Some(time))
}

/// Runs DisableImageDeprecation.
pub(super) fn disable(state: &mut State, request: &Request) -> Outcome {
    let id = request.params.required("ImageId")?.to_owned();
    set(state, request, &id, None)
}
