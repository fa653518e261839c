//! Batch: DescribeComputeEnvironments.

use serde_json::{Map, Value, json};

use crate::engine::{Done, Operation, Outcome, Request, State, anything, run_of};
use crate::model::{ComputeEnvironment, TemplateRef};
use crate::paging::{Ask, cut, size_of};

const OPERATIONS: [Operation; 1] = [Operation {
    name: "DescribeComputeEnvironments",
    about: anything,
    run: describe,
}];

/// Runs an operation of Batch.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    run_of(&OPERATIONS, state, request)
}

/// Names that are not known are passed over.
fn describe(state: &mut State, request: &Request) -> Outcome {
    let params = &request.params;
    let wanted = params.list("computeEnvironments");
    if wanted.len() > 100 {
        return Err(request.service.invalid("Specify at most 100 compute environments"));
    }
    let is_wanted = |name: &str| wanted.iter().any(|w| *w == name || *w == arn(state, request, name));
    let names = state
        .world
        .region(request.account(), &request.region)
        .into_iter()
        .flat_map(|r| r.consumers.compute_environments.seen(request.now))
        .map(|(name, _)| name)
        .filter(|name| wanted.is_empty() || is_wanted(name))
        .map(str::to_owned)
        .collect();
    let ask = Ask {
        size: size_of(params, request.service, "maxResults", (1, 100, 100))?,
        token: params.get("nextToken"),
        whole: wanted.is_empty(),
    };
    let page = cut(state, request, names, &ask)?;
    let region = state.world.region(request.account(), &request.region);
    let shown: Vec<Value> = page
        .ids
        .iter()
        .filter_map(|name| region?.consumers.compute_environments.get_seen(name, request.now))
        .map(|one| shown(state, request, one))
        .collect();
    let mut answer = json!({ "computeEnvironments": shown });
    if let Some(next) = page.next {
        answer["nextToken"] = json!(next);
    }
    Ok(Done::json(answer))
}

fn arn(state: &State, request: &Request, name: &str) -> String {
    request.arn(state, &format!("compute-environment/{name}"))
}

fn template(reference: &TemplateRef) -> Map<String, Value> {
    let named = [
        ("launchTemplateId", &reference.id),
        ("launchTemplateName", &reference.name),
        ("version", &reference.version),
    ];
    named
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?))))
        .collect()
}

fn shown(state: &State, request: &Request, one: &ComputeEnvironment) -> Value {
    let default = format!(
        "arn:{}:iam::{}:role/aws-service-role/batch.amazonaws.com/AWSServiceRoleForBatch",
        state.world.partition(request.account()),
        request.account()
    );
    let mut value = json!({
        "computeEnvironmentName": one.name,
        "computeEnvironmentArn": arn(state, request, &one.name),
        "tags": one.tags,
        "type": one.kind,
        "state": one.state,
        "status": one.status,
        "statusReason": "ComputeEnvironment Healthy",
        "serviceRole": one.service_role.as_ref().unwrap_or(&default),
        "containerOrchestrationType": "ECS",
    });
    if one.kind == "MANAGED" {
        value["computeResources"] = resources(one);
    }
    value
}

fn resources(one: &ComputeEnvironment) -> Value {
    let mut resources = json!({
        "type": one.resource_type,
        "minvCpus": 0,
        "maxvCpus": 256,
        "desiredvCpus": 0,
        "instanceTypes": ["optimal"],
        "subnets": [],
    });
    if let Some(image) = &one.image {
        resources["imageId"] = json!(image);
    }
    if one.launch_template.is_some() || !one.template_overrides.is_empty() {
        let mut fields = one.launch_template.as_ref().map(template).unwrap_or_default();
        if !one.template_overrides.is_empty() {
            let overrides: Vec<Value> = one
                .template_overrides
                .iter()
                .map(|o| {
                    let mut fields = template(&o.launch_template);
                    fields.insert("targetInstanceTypes".to_owned(), json!(o.instance_types));
                    Value::Object(fields)
                })
                .collect();
            fields.insert("overrides".to_owned(), json!(overrides));
        }
        resources["launchTemplate"] = Value::Object(fields);
    }
    if !one.ec2_configuration.is_empty() {
        let all: Vec<Value> = one
            .ec2_configuration
            .iter()
            .map(|c| {
                let mut value = json!({ "imageType": c.image_type });
                if let Some(image) = &c.image_override {
                    value["imageIdOverride"] = json!(image);
                }
                value
            })
            .collect();
        resources["ec2Configuration"] = json!(all);
    }
    resources
}
