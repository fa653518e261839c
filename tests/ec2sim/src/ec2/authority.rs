//! Whether a caller may make a call: asked for each resource that it is about, in dry runs as well.

use super::{guardrail_changes, template_changes};
use crate::engine::{About, Request, State};
use crate::iam::Ask;
use crate::model::Tags;
use crate::wire::ApiError;

/// Refuses a call that the caller may not make.
pub(super) fn check(state: &State, request: &Request) -> Result<(), ApiError> {
    let action = format!("ec2:{}", request.operation);
    for about in about(state, request) {
        authorize(request, &action, &about)?;
    }
    // What is tagged as it is made needs the permission to tag.
    let is_tagged = |about: &About| !about.request_tags.is_empty();
    let tagged: Vec<About> = match request.operation.as_str() {
        "RunInstances" => launched(state, request).into_iter().filter(is_tagged).collect(),
        "CopyImage" => {
            let copies_tags = request.params.flag("CopyImageTags")?;
            let kinds = ["image", "snapshot"].map(|kind| made(state, request, kind));
            let kinds = kinds.into_iter();
            kinds.filter(|about| copies_tags || is_tagged(about)).collect()
        }
        "CreateImageUsageReport" => [report(state, request, "*")].into_iter().filter(is_tagged).collect(),
        _ => Vec::new(),
    };
    for about in tagged {
        let created_by = ("ec2:CreateAction".to_owned(), request.operation.clone());
        let context = vec![created_by];
        authorize(request, "ec2:CreateTags", &About { context, ..about })?;
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
            let [image, snapshot] = ["image", "snapshot"].map(|kind| made(state, request, kind));
            // The original and the copy are both images to it. The Service Authorization Reference has no tags of the original for it.
            let original = named("SourceImageId").map(|original| About {
                request_tags: image.request_tags.clone(),
                resource_tags: Tags::new(),
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
            vec![About::of("*".to_owned())]
        }
        operation if guardrail_changes::NAMES.contains(&operation) => vec![About::of("*".to_owned())],
        "CreateImageUsageReport" => named("ImageId")
            .into_iter()
            .chain([report(state, request, "*")])
            .collect(),
        "DeleteImageUsageReport" => vec![report(state, request, params.get("ReportId").unwrap_or("*"))],
        "RunInstances" => about_launch(state, request),
        "TerminateInstances" => {
            let ids = params.list("InstanceId").into_iter();
            ids.map(|id| there(state, request, id)).collect()
        }
        "CreateLaunchTemplateVersion" | "ModifyLaunchTemplate" | "DeleteLaunchTemplateVersions" => {
            let named = template_changes::named(state, request).map(|template| template.id.clone());
            vec![there(state, request, &named.unwrap_or_else(|_| "lt-*".to_owned()))]
        }
        _ => named("ImageId").or_else(|| named("SnapshotId")).into_iter().collect(),
    }
}

/// All that a launch is about: what it makes, and what it makes that of.
fn about_launch(state: &State, request: &Request) -> Vec<About> {
    let params = &request.params;
    let image = params.get("ImageId").map(|id| there(state, request, id));
    let template = params.get("LaunchTemplate.LaunchTemplateId");
    let template = template.map(|id| template_of(state, request, id));
    let subnet = params
        .get("SubnetId")
        .or_else(|| params.get("NetworkInterface.1.SubnetId"));
    let subnet = About::of(own_arn(state, request, "subnet", subnet.unwrap_or("*")));
    let mut groups = params.list("SecurityGroupId");
    groups.extend(params.list("NetworkInterface.1.SecurityGroupId"));
    if groups.is_empty() {
        groups.push("*");
    }
    let groups = groups.into_iter();
    let groups = groups.map(|id| About::of(own_arn(state, request, "security-group", id)));
    let made = launched(state, request);
    let by_template = template.as_ref().map(|template| template.arn.clone());
    let all = image
        .into_iter()
        .chain(template)
        .chain([subnet])
        .chain(groups)
        .chain(made);
    all.map(|mut about| {
        let by = by_template.iter().cloned();
        about
            .context
            .extend(by.map(|arn| ("ec2:LaunchTemplate".to_owned(), arn)));
        about
    })
    .collect()
}

/// What a launch makes.
fn launched(state: &State, request: &Request) -> Vec<About> {
    let kinds = ["instance", "volume", "network-interface"].into_iter();
    let all = kinds.map(|kind| About {
        arn: own_arn(state, request, kind, "*"),
        context: match request.params.get("InstanceType").filter(|_| kind == "instance") {
            Some(of_type) => vec![("ec2:InstanceType".to_owned(), of_type.to_owned())],
            None => Vec::new(),
        },
        ..made(state, request, kind)
    });
    all.collect()
}

/// An instance of the caller's account.
fn instance(state: &State, request: &Request, id: &str) -> About {
    let region = state.world.region(request.account(), &request.region);
    let found = region.and_then(|r| r.consumers.instances.get(id));
    About {
        resource_tags: found.map(|i| i.tags.clone()).unwrap_or_default(),
        ..About::of(own_arn(state, request, "instance", id))
    }
}

/// A resource of the caller's account.
fn own_arn(state: &State, request: &Request, kind: &str, id: &str) -> String {
    let partition = state.world.partition(request.account());
    format!(
        "arn:{partition}:ec2:{}:{}:{kind}/{id}",
        request.region,
        request.account()
    )
}

/// A launch template of the caller's account.
fn template_of(state: &State, request: &Request, id: &str) -> About {
    let name = if id == "lt-*" { "*" } else { id };
    let region = state.world.region(request.account(), &request.region);
    let found = region.and_then(|r| r.consumers.launch_templates.get(id));
    let operator = found.and_then(|t| t.managed_by.clone());
    About {
        resource_tags: found.map(|t| t.tags.clone()).unwrap_or_default(),
        context: operator
            .map(|principal| ("ec2:ManagedResourceOperator".to_owned(), principal))
            .into_iter()
            .collect(),
        ..About::of(own_arn(state, request, "launch-template", name))
    }
}

/// Something that is there, or is not: a launch template, an instance, a usage report, an image or a snapshot.
fn there(state: &State, request: &Request, id: &str) -> About {
    if id.starts_with("lt-") {
        return template_of(state, request, id);
    }
    if id.starts_with("i-") {
        return instance(state, request, id);
    }
    if id.starts_with("amiur-") {
        return report(state, request, id);
    }
    let kind = if id.starts_with("snap-") { "snapshot" } else { "image" };
    let found = if kind == "snapshot" {
        let snapshot = state.world.snapshot(&request.region, id);
        snapshot.map(|snapshot| (snapshot.tags.current().clone(), snapshot.owner.clone()))
    } else {
        let image = state.world.image(&request.region, id);
        image.map(|image| (image.tags.current().clone(), image.owner.clone()))
    };
    let (resource_tags, owner) = found.unzip();
    About {
        resource_tags: resource_tags.unwrap_or_default(),
        context: owner.into_iter().map(|owner| ("ec2:Owner".to_owned(), owner)).collect(),
        ..About::of(arn(state.world.partition(request.account()), request, kind, id))
    }
}

/// A usage report that is there, or is to be made.
fn report(state: &State, request: &Request, id: &str) -> About {
    let region = state.world.region(request.account(), &request.region);
    let report = region.and_then(|region| region.consumers.usage_reports.get(id));
    About {
        request_tags: given(request, "image-usage-report"),
        resource_tags: report.map(|report| report.tags.clone()).unwrap_or_default(),
        ..About::of(own_arn(state, request, "image-usage-report", id))
    }
}

/// Something that a call is to make.
fn made(state: &State, request: &Request, kind: &str) -> About {
    About {
        request_tags: given(request, kind),
        ..About::of(arn(state.world.partition(request.account()), request, kind, "*"))
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
    let ask = about.ask(action);
    if request.may_do(&ask) {
        return Ok(());
    }
    let context = request.context(&ask);
    let ask = Ask {
        context: &context,
        ..ask
    };
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
