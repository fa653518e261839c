//! CloudTrail: DescribeTrails, GetTrailStatus, GetEventSelectors.

use serde_json::{Value, json};

use crate::engine::{Done, Operation, Outcome, Request, State, anything, run_of};
use crate::model::Trail;
use crate::wire::ApiError;

const OPERATIONS: [Operation; 3] = [
    Operation {
        name: "DescribeTrails",
        about: anything,
        run: describe,
    },
    Operation {
        name: "GetTrailStatus",
        about: about_name,
        run: status,
    },
    Operation {
        name: "GetEventSelectors",
        about: about_trail_name,
        run: selectors,
    },
];

/// Runs an operation of CloudTrail.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    run_of(&OPERATIONS, state, request)
}

/// A trail as a region shows it: its own, or one of all regions of another.
struct Shown<'a> {
    trail: &'a Trail,
    home: &'a str,
    arn: String,
}

/// The trails that are of this region, those whose home is elsewhere too.
fn trails<'a>(state: &'a State, request: &Request) -> Vec<Shown<'a>> {
    let partition = state.world.partition(request.account());
    let account = state.world.accounts.get(request.account());
    let regions = account.into_iter().flat_map(|a| a.regions.values());
    regions
        .flat_map(|region| region.trails.iter().map(move |trail| (region, trail)))
        .filter(|(region, trail)| trail.multi_region || region.name == request.region)
        .map(|(region, trail)| Shown {
            trail,
            home: &region.name,
            arn: format!(
                "arn:{partition}:cloudtrail:{}:{}:trail/{}",
                region.name,
                request.account(),
                trail.name
            ),
        })
        .collect()
}

fn arn_of(state: &State, request: &Request, parameter: &str) -> Vec<String> {
    let name = request.params.get(parameter).unwrap_or_default();
    let arn = if name.starts_with("arn:") {
        name.to_owned()
    } else {
        request.arn(state, &format!("trail/{name}"))
    };
    vec![arn]
}

fn about_name(state: &State, request: &Request) -> Vec<String> {
    arn_of(state, request, "Name")
}

fn about_trail_name(state: &State, request: &Request) -> Vec<String> {
    arn_of(state, request, "TrailName")
}

/// A trail by its name, in its home region, or by its ARN.
fn find<'a>(state: &'a State, request: &Request, parameter: &str) -> Result<Shown<'a>, ApiError> {
    let name = request.params.get(parameter).unwrap_or_default();
    trails(state, request)
        .into_iter()
        .find(|t| t.arn == name || (t.trail.name == name && t.home == request.region))
        .ok_or_else(|| {
            let account = request.account();
            ApiError::new(
                "TrailNotFoundException",
                format!("Unknown trail: {name} for the user: {account}"),
            )
        })
}

/// Names that are not known are passed over.
fn describe(state: &mut State, request: &Request) -> Outcome {
    let wanted = request.params.list("trailNameList");
    let shadows = match request.params.get("includeShadowTrails") {
        Some(text) => text == "true",
        None => true,
    };
    let shown: Vec<Value> = trails(state, request)
        .into_iter()
        .filter(|t| shadows || t.home == request.region)
        .filter(|t| wanted.is_empty() || wanted.iter().any(|w| *w == t.trail.name || *w == t.arn))
        .map(|t| {
            json!({
                "Name": t.trail.name,
                "S3BucketName": format!("{}-log", t.trail.name),
                "IncludeGlobalServiceEvents": t.trail.multi_region,
                "IsMultiRegionTrail": t.trail.multi_region,
                "HomeRegion": t.home,
                "TrailARN": t.arn,
                "LogFileValidationEnabled": false,
                "HasCustomEventSelectors": true,
                "HasInsightSelectors": false,
                "IsOrganizationTrail": t.trail.organization,
            })
        })
        .collect();
    Ok(Done::json(json!({ "trailList": shown })))
}

fn status(state: &mut State, request: &Request) -> Outcome {
    let found = find(state, request, "Name")?;
    Ok(Done::json(json!({ "IsLogging": found.trail.logging })))
}

fn selectors(state: &mut State, request: &Request) -> Outcome {
    let found = find(state, request, "TrailName")?;
    let trail = found.trail;
    let mut answer = json!({ "TrailARN": found.arn });
    if trail.advanced.is_empty() {
        answer["EventSelectors"] = json!([{
            "ReadWriteType": trail.read_write.as_deref().unwrap_or("All"),
            "IncludeManagementEvents": !trail.without_management_events,
            "DataResources": [],
            "ExcludeManagementEventSources": trail.excluded,
        }]);
    } else {
        answer["AdvancedEventSelectors"] = json!(trail.advanced);
    }
    Ok(Done::json(answer))
}
