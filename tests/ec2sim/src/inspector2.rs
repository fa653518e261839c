//! Amazon Inspector: StartOnDemandScan, GetOnDemandScanStatus, ListOnDemandScans.

use serde_json::{Value, json};

use crate::clock::SimTime;
use crate::engine::{About, Change, Done, Event, Operation, Outcome, Request, State, anything, change_of, run_of};
use crate::model::{ImageState, OnDemandScan};
use crate::paging::size_of;
use crate::wire::ApiError;

const OPERATIONS: [Operation; 2] = [
    Operation {
        name: "GetOnDemandScanStatus",
        about: anything,
        run: status,
    },
    Operation {
        name: "ListOnDemandScans",
        about: anything,
        run: list,
    },
];

pub(crate) const CHANGES: [Change; 1] = [Change {
    name: "StartOnDemandScan",
    about: about_anything,
    run: start,
}];

/// For so long a scan is known after its end.
const KEPT_SECONDS: f64 = 30.0 * 24.0 * 3600.0;

/// Runs an operation of Amazon Inspector.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    change_of(&CHANGES, state, request).unwrap_or_else(|| run_of(&OPERATIONS, state, request))
}

fn about_anything(_: &State, _: &Request) -> Vec<About> {
    vec![About::of("*".to_owned())]
}

/// The image that a call is about. On-demand scans are of nothing else.
fn image_of(request: &Request) -> Result<String, ApiError> {
    let given = |name: &str| {
        let missing = || request.service.invalid(format!("{name} must not be null"));
        request.params.get(name).ok_or_else(missing)
    };
    let kind = given("resourceType")?;
    if kind != "AMI" {
        let message = format!("Value '{kind}' at 'resourceType' failed to satisfy constraint: Member must be AMI");
        return Err(request.service.invalid(message));
    }
    Ok(given("resourceId")?.to_owned())
}

/// Only an image of the account's own is scanned, and one that is being scanned is not scanned beside that.
fn start(state: &mut State, request: &Request) -> Outcome {
    let image = image_of(request)?;
    let settings = state.settings.inspector.on_demand.clone();
    let place = state.world.region(request.account(), &request.region);
    let token = request.params.get("clientToken").map(str::to_owned);
    let scans = place
        .map(|region| region.on_demand_scans.as_slice())
        .unwrap_or_default();
    let known = token.as_ref().filter(|_| !settings.forgets_tokens);
    if let Some(scan) = known.and_then(|token| scans.iter().find(|scan| scan.client_token.as_ref() == Some(token))) {
        return if scan.image == image {
            Ok(Done::json(json!({ "scanId": scan.id })))
        } else {
            let message = "The client token was used with other parameters";
            Err(request.service.invalid(message))
        };
    }
    if let Some(sentence) = settings.refuses {
        return Err(ApiError::with_status(403, "AccessDeniedException", sentence));
    }
    let own = place
        .and_then(|region| region.images.get(&image))
        .filter(|one| one.exists());
    match own.map(|own| own.state) {
        Some(ImageState::Available | ImageState::Disabled) => {}
        Some(_) => {
            return Err(request
                .service
                .invalid(format!("The resource {image} is not available")));
        }
        None if state.world.image(&request.region, &image).is_some() => {
            let message = format!("The resource {image} belongs to another account");
            return Err(ApiError::with_status(403, "AccessDeniedException", message));
        }
        None => return Err(request.service.invalid(format!("The resource {image} does not exist"))),
    }
    if scans.iter().any(|scan| scan.image == image && scan.completed.is_none()) {
        let message = format!("An on-demand scan of {image} is in progress");
        return Err(ApiError::with_status(409, "ConflictException", message));
    }
    let scan = OnDemandScan {
        id: state.hex(32),
        image,
        client_token: token,
        started: request.now,
        visible_at: state.visible_at(request.now, settings.visible_seconds),
        completed: None,
        failure: None,
    };
    let id = scan.id.clone();
    let event = Event::OnDemandScan {
        account: request.account().to_owned(),
        region: request.region.clone(),
        id: id.clone(),
    };
    state.events.insert((request.now.plus_seconds(settings.seconds), event));
    if let Some(region) = state.world.region_mut(request.account(), &request.region) {
        region.on_demand_scans.push(scan);
    }
    Ok(Done::did(json!({ "scanId": id }), vec![id]))
}

/// The scans of an image that show, the last one first.
fn shown_of(state: &State, request: &Request, image: &str) -> Vec<OnDemandScan> {
    let shows = |scan: &&OnDemandScan| {
        let is_kept = |completed: SimTime| request.now.seconds_since(completed) < KEPT_SECONDS;
        scan.image == image && scan.visible_at <= request.now && scan.completed.is_none_or(is_kept)
    };
    let region = state.world.region(request.account(), &request.region);
    let scans = region.into_iter().flat_map(|region| &region.on_demand_scans);
    let mut shown: Vec<OnDemandScan> = scans.filter(shows).cloned().collect();
    shown.reverse();
    shown
}

fn status(state: &mut State, request: &Request) -> Outcome {
    let image = image_of(request)?;
    let id = request.params.get("scanId").unwrap_or_default();
    let shown = shown_of(state, request, &image);
    match shown.iter().find(|scan| scan.id == id) {
        Some(scan) => Ok(Done::json(told(scan))),
        None => Err(ApiError::with_status(
            404,
            "ResourceNotFoundException",
            format!("There is no on-demand scan {id} of {image}"),
        )),
    }
}

/// A token says how many scans were listed before.
fn list(state: &mut State, request: &Request) -> Outcome {
    let image = image_of(request)?;
    let params = &request.params;
    let largest = state.settings.pagination.largest_page.unwrap_or(usize::MAX).max(1);
    let size = size_of(params, request.service, "maxResults", (1, 100, 100))?.unwrap_or(100);
    let size = size.min(largest);
    let begin: usize = match params.get("nextToken") {
        Some(token) => token.parse().map_err(|_| request.service.bad_token())?,
        None => 0,
    };
    let shown = shown_of(state, request, &image);
    let page: Vec<Value> = shown.iter().skip(begin).take(size).map(told).collect();
    let end = begin.saturating_add(size);
    let mut answer = json!({ "items": page });
    if end < shown.len() {
        answer["nextToken"] = json!(end.to_string());
    }
    Ok(Done::json(answer))
}

fn told(scan: &OnDemandScan) -> Value {
    let mut told = json!({
        "scanId": scan.id,
        "resourceId": scan.image,
        "resourceType": "AMI",
        "scanStatus": scan.status(),
        "startedAt": scan.started,
    });
    if let Some(failure) = &scan.failure {
        told["scanStatusReason"] = json!(failure);
    }
    if let Some(completed) = scan.completed {
        told["completedAt"] = json!(completed);
    }
    told
}
