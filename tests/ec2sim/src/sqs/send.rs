//! SendMessage.

use serde_json::json;

use super::md5::md5;
use super::{named, number, queue};
use crate::engine::{Done, Outcome, Request, State};
use crate::wire::{ApiError, Body};

/// No message is larger.
const LARGEST: usize = 1024 * 1024;

/// Runs SendMessage.
pub(super) fn run(state: &mut State, request: &Request) -> Outcome {
    queue(state, request)?;
    let body = request.params.required("MessageBody")?.to_owned();
    if body.len() > LARGEST {
        return Err(request.service.invalid(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {LARGEST} bytes."
        )));
    }
    if body.chars().any(is_refused) {
        return Err(ApiError::new(
            "InvalidMessageContents",
            "Invalid characters found in the message.",
        ));
    }
    let delay = number(request, "DelaySeconds", (0, 900))?.unwrap_or(0);
    let (account, name) = named(request)?;
    let visible_at = request.now.plus_seconds(f64::from(delay));
    let place = (account.as_str(), request.region.as_str(), name.as_str());
    let id = state.put_message(place, &body, (request.now, visible_at));
    Ok(Done {
        body: Body::Json(json!({ "MessageId": id, "MD5OfMessageBody": md5(&body) })),
        effect: true,
        effects: Vec::new(),
    })
}

/// Of the control characters messages have tabs and ends of lines alone.
fn is_refused(sign: char) -> bool {
    matches!(sign, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}
