//! Systems Manager: Parameter Store.

mod delete;
mod get;
mod labels;
mod list;
mod put;

use serde_json::{Value, json};

use crate::clock::SimTime;
use crate::engine::{Change, Operation, Outcome, Request, State, anything, change_of, run_of};
use crate::iam::Ask;
use crate::model::{Consumers, Parameter, ParameterVersion};
use crate::wire::ApiError;

const OPERATIONS: [Operation; 6] = [
    Operation {
        name: "DescribeParameters",
        about: anything,
        run: list::describe,
    },
    Operation {
        name: "GetParametersByPath",
        about: list::about_path,
        run: list::get_by_path,
    },
    Operation {
        name: "GetParameters",
        about: get::about_names,
        run: get::many,
    },
    Operation {
        name: "GetParameter",
        about: get::about_name,
        run: get::one,
    },
    Operation {
        name: "GetParameterHistory",
        about: get::about_name,
        run: get::history,
    },
    Operation {
        name: "ListTagsForResource",
        about: labels::arn_of_resource,
        run: labels::tags,
    },
];

/// What changes parameters.
pub(crate) const CHANGES: [Change; 6] = [
    Change {
        name: "PutParameter",
        about: put::about,
        run: put::run,
    },
    Change {
        name: "DeleteParameter",
        about: labels::about_name,
        run: delete::run,
    },
    Change {
        name: "LabelParameterVersion",
        about: labels::about_name,
        run: labels::label,
    },
    Change {
        name: "UnlabelParameterVersion",
        about: labels::about_name,
        run: labels::unlabel,
    },
    Change {
        name: "AddTagsToResource",
        about: labels::about_resource,
        run: labels::tag,
    },
    Change {
        name: "RemoveTagsFromResource",
        about: labels::about_resource,
        run: labels::untag,
    },
];

/// Runs an operation of Systems Manager.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    change_of(&CHANGES, state, request).unwrap_or_else(|| run_of(&OPERATIONS, state, request))
}

/// Puts a parameter in the place of the one of its name.
fn put(state: &mut State, request: &Request, parameter: Parameter) {
    let longest = state.settings.consistency.consumer_seconds;
    let visible_at = state.visible_at(request.now, longest);
    let name = parameter.name.clone();
    if let Some(region) = state.world.region_mut(request.account(), &request.region) {
        region
            .consumers
            .parameters
            .put(&name, parameter, request.now, visible_at);
    }
}

fn consumers<'a>(state: &'a State, request: &Request) -> Option<&'a Consumers> {
    state
        .world
        .region(request.account(), &request.region)
        .map(|r| &r.consumers)
}

/// The ARN of a parameter of an account.
fn arn(state: &State, request: &Request, account: &str, name: &str) -> String {
    let slash = if name.starts_with('/') { "" } else { "/" };
    let partition = state.world.partition(account);
    format!(
        "arn:{partition}:ssm:{}:{account}:parameter{slash}{name}",
        request.region
    )
}

/// The ARN of a parameter that is named as a call names it.
pub(crate) fn name_arn(state: &State, request: &Request, text: &str) -> String {
    get::name_arn(state, request, text)
}

/// Seconds since 1970, as JSON 1.1 has times.
#[allow(clippy::cast_precision_loss)]
fn seconds(at: Option<SimTime>) -> f64 {
    at.unwrap_or_default().as_millis() as f64 / 1000.0
}

/// The value as the caller may have it: that of a SecureString in clear only when asked for, and with the right to.
fn value_of(request: &Request, parameter: &Parameter, version: &ParameterVersion) -> Result<String, ApiError> {
    if parameter.kind != "SecureString" {
        return Ok(version.value.clone());
    }
    if !request.params.flag("WithDecryption")? {
        return Ok(format!("AQICAHh{}", hex::encode(&version.value)));
    }
    let key = parameter.key.as_deref().unwrap_or("alias/aws/ssm");
    // What AWS's own key may be used for is not the caller's policy's to say.
    if key != "alias/aws/ssm" && !request.may_do(&Ask::of("kms:Decrypt", key)) {
        return Err(request.service.denied(&request.caller.arn, "kms:Decrypt", key));
    }
    Ok(version.value.clone())
}

/// A parameter with its value.
fn shown(
    state: &State,
    request: &Request,
    owner: &str,
    (parameter, version): (&Parameter, &ParameterVersion),
) -> Result<Value, ApiError> {
    Ok(json!({
        "Name": parameter.name,
        "Type": parameter.kind,
        "Value": value_of(request, parameter, version)?,
        "Version": version.number,
        "LastModifiedDate": seconds(version.modified),
        "ARN": arn(state, request, owner, &parameter.name),
        "DataType": parameter.data_type,
    }))
}
