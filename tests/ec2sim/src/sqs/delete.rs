//! DeleteMessage and DeleteMessageBatch.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::queue;
use crate::engine::{Done, Outcome, Request, State};
use crate::wire::{ApiError, Body};

/// Runs DeleteMessage.
pub(super) fn one(state: &mut State, request: &Request) -> Outcome {
    let handle = request.params.required("ReceiptHandle")?;
    let is_deleted = delete(state, request, handle)?;
    Ok(answer(json!({}), is_deleted))
}

/// Runs DeleteMessageBatch: each entry has a result of its own.
pub(super) fn batch(state: &mut State, request: &Request) -> Outcome {
    queue(state, request)?;
    let entries = entries(request)?;
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    let mut is_any_deleted = false;
    for (id, handle) in entries {
        match delete(state, request, &handle) {
            Ok(is_deleted) => {
                is_any_deleted |= is_deleted;
                successful.push(json!({ "Id": id }));
            }
            Err(error) => failed.push(json!({
                "Id": id,
                "SenderFault": true,
                "Code": error.code,
                "Message": error.message,
            })),
        }
    }
    let result = json!({ "Successful": successful, "Failed": failed });
    Ok(answer(result, is_any_deleted))
}

fn answer(result: Value, effect: bool) -> Done {
    Done {
        body: Body::Json(result),
        effect,
        effects: Vec::new(),
    }
}

/// ID and receipt handle of each entry.
fn entries(request: &Request) -> Result<Vec<(String, String)>, ApiError> {
    let refused = |code: &str, message: &str| {
        let code = format!("AWS.SimpleQueueService.{code}");
        Err(ApiError::new(code, message))
    };
    let numbers = request.params.indices("Entries");
    if numbers.is_empty() {
        return refused(
            "EmptyBatchRequest",
            "There should be at least one entry in the request.",
        );
    }
    if numbers.len() > 10 {
        return refused(
            "TooManyEntriesInBatchRequest",
            "Maximum number of entries per request are 10.",
        );
    }
    let mut known = BTreeSet::new();
    let mut entries = Vec::new();
    for number in numbers {
        let field = |name: &str| {
            request
                .params
                .get(&format!("Entries.{number}.{name}"))
                .unwrap_or_default()
        };
        let (id, handle) = (field("Id").to_owned(), field("ReceiptHandle").to_owned());
        let is_legal = |sign: char| sign.is_ascii_alphanumeric() || "_-".contains(sign);
        if !(1..=80).contains(&id.len()) || !id.chars().all(is_legal) {
            return refused(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
            );
        }
        if !known.insert(id.clone()) {
            return refused("BatchEntryIdsNotDistinct", &format!("Id {id} repeated."));
        }
        entries.push((id, handle));
    }
    Ok(entries)
}

/// Deletes the message of a receipt handle. An old handle, and one of a message that is gone, deletes nothing, which is no
/// error. Says whether there is a message less.
fn delete(state: &mut State, request: &Request, handle: &str) -> Result<bool, ApiError> {
    let share = state.settings.queues.doubled;
    let place = queue(state, request)?;
    let invalid = || {
        ApiError::new(
            "ReceiptHandleIsInvalid",
            format!("The input receipt handle \"{handle}\" is not a valid receipt handle."),
        )
    };
    let (id, receives) = read(&place.name, handle).ok_or_else(invalid)?;
    let found = place.messages.iter().position(|message| message.id == id);
    let Some(index) = found.filter(|index| place.messages[*index].receives == receives) else {
        return Ok(false);
    };
    let outlives = !place.messages[index].outlived && share > 0.0;
    if outlives && state.draw() < share {
        // A server that keeps a copy of it did not hear of the deletion: the message comes once more.
        queue(state, request)?.messages[index].outlived = true;
        return Ok(false);
    }
    queue(state, request)?.messages.remove(index);
    Ok(true)
}

/// The message that a receipt handle of this queue is of, and by which time that it was received.
fn read(queue: &str, handle: &str) -> Option<(String, u32)> {
    let text = String::from_utf8(hex::decode(handle).ok()?).ok()?;
    let (id, receives) = text.strip_prefix(queue)?.strip_prefix(':')?.rsplit_once(':')?;
    Some((id.to_owned(), receives.parse().ok()?))
}
