//! Whether a caller may make a call: asked for each resource that it is about, in dry runs as well.

use crate::engine::{Request, State};
use crate::iam::Ask;
use crate::model::Tags;
use crate::wire::ApiError;

/// A resource that a call is about.
struct About {
    arn: String,
    /// The tags that the call gives to it.
    request_tags: Tags,
    /// The tags that it has.
    resource_tags: Tags,
}

/// Refuses a call that the caller may not make.
pub(super) fn check(state: &State, request: &Request) -> Result<(), ApiError> {
    let action = format!("ec2:{}", request.operation);
    for about in about(state, request) {
        authorize(request, &action, &about)?;
    }
    // What is tagged as it is made needs the permission to tag.
    if request.operation == "CopyImage" {
        let copies_tags = request.params.flag("CopyImageTags")?;
        let kinds = ["image", "snapshot"].map(|kind| made(request, kind));
        for about in kinds {
            if copies_tags || !about.request_tags.is_empty() {
                authorize(request, "ec2:CreateTags", &about)?;
            }
        }
    }
    if request.operation == "CreateImageUsageReport" {
        let about = report(state, request, "*");
        if !about.request_tags.is_empty() {
            authorize(request, "ec2:CreateTags", &about)?;
        }
    }
    Ok(())
}

/// Whether the caller may delete a snapshot.
pub(super) fn may_delete(state: &State, request: &Request, snapshot: &str) -> bool {
    authorize(request, "ec2:DeleteSnapshot", &there(state, request, snapshot)).is_ok()
}

fn about(state: &State, request: &Request) -> Vec<About> {
    let params = &request.params;
    let named = |name: &str| params.get(name).map(|id| there(state, request, id));
    match request.operation.as_str() {
        "CopyImage" => {
            let [image, snapshot] = ["image", "snapshot"].map(|kind| made(request, kind));
            // The original and the copy are both images to it.
            let original = named("SourceImageId").map(|original| About {
                request_tags: image.request_tags.clone(),
                ..original
            });
            original.into_iter().chain([image, snapshot]).collect()
        }
        "CreateTags" | "DeleteTags" => {
            let tags: Tags = params
                .tags("Tag")
                .into_iter()
                .map(|(key, value)| (key, value.unwrap_or_default()))
                .collect();
            let resources = params.list("ResourceId").into_iter();
            let about = resources.map(|id| About {
                request_tags: tags.clone(),
                ..there(state, request, id)
            });
            about.collect()
        }
        operation
            if (operation.starts_with("Describe") && operation != "DescribeImageAttribute")
                || (operation.starts_with("Get") && operation != "GetImageAncestry") =>
        {
            vec![About {
                arn: "*".to_owned(),
                request_tags: Tags::new(),
                resource_tags: Tags::new(),
            }]
        }
        "CreateImageUsageReport" => named("ImageId")
            .into_iter()
            .chain([report(state, request, "*")])
            .collect(),
        "DeleteImageUsageReport" => vec![report(state, request, params.get("ReportId").unwrap_or("*"))],
        _ => named("ImageId").or_else(|| named("SnapshotId")).into_iter().collect(),
    }
}

/// An image or snapshot that is there, or is not.
fn there(state: &State, request: &Request, id: &str) -> About {
    let kind = if id.starts_with("snap-") { "snapshot" } else { "image" };
    let tags = if kind == "snapshot" {
        let snapshot = state.world.snapshot(&request.region, id);
        snapshot.map(|snapshot| snapshot.tags.current().clone())
    } else {
        let image = state.world.image(&request.region, id);
        image.map(|image| image.tags.current().clone())
    };
    About {
        arn: arn(state.world.partition(request.account()), request, kind, id),
        request_tags: Tags::new(),
        resource_tags: tags.unwrap_or_default(),
    }
}

/// A usage report that is there, or is to be made.
fn report(state: &State, request: &Request, id: &str) -> About {
    let partition = state.world.partition(request.account());
    let region = state.world.region(request.account(), &request.region);
    let report = region.and_then(|region| region.consumers.usage_reports.get(id));
    About {
        arn: format!(
            "arn:{partition}:ec2:{}:{}:image-usage-report/{id}",
            request.region,
            request.account()
        ),
        request_tags: given(request, "image-usage-report"),
        resource_tags: report.map(|report| report.tags.clone()).unwrap_or_default(),
    }
}

/// An image or snapshot that CopyImage is to make.
fn made(request: &Request, kind: &str) -> About {
    About {
        arn: arn("aws", request, kind, "*"),
        request_tags: given(request, kind),
        resource_tags: Tags::new(),
    }
}

/// The tags that a call gives to what it makes of a kind.
fn given(request: &Request, kind: &str) -> Tags {
    let params = &request.params;
    let mut tags = Tags::new();
    for i in params.indices("TagSpecification") {
        let prefix = format!("TagSpecification.{i}");
        if params.get(&format!("{prefix}.ResourceType")) == Some(kind) {
            let given = params.tags(&format!("{prefix}.Tag"));
            tags.extend(given.into_iter().map(|(key, value)| (key, value.unwrap_or_default())));
        }
    }
    tags
}

fn arn(partition: &str, request: &Request, kind: &str, id: &str) -> String {
    format!("arn:{partition}:ec2:{}::{kind}/{id}", request.region)
}

fn authorize(request: &Request, action: &str, about: &About) -> Result<(), ApiError> {
    let ask = Ask {
        action,
        resource: &about.arn,
        request_tags: &about.request_tags,
        resource_tags: &about.resource_tags,
    };
    if request.caller.may_do(&ask) {
        return Ok(());
    }
    let why = if request.caller.statements.denies(&ask) {
        "with an explicit deny in an identity-based policy".to_owned()
    } else {
        format!("because no identity-based policy allows the {action} action")
    };
    Err(ApiError::with_status(
        403,
        "UnauthorizedOperation",
        format!(
            "You are not authorized to perform this operation. User: {} is not authorized to perform: {action} on resource: {} {why}",
            request.caller.arn, about.arn
        ),
    ))
}
