//! What needs each action of each statement: a call that works with it, and is denied without it.

use serde_json::{Value, json};

use super::stage::{
    COPY, ORIGINAL, REPORT, SEALED, SNAPSHOT, Try, copy_call, ec2, group, kms, report_call, ssm, tagged_copy,
};

/// A statement, an action of it, and what needs that.
pub(crate) type Use = (&'static str, &'static str, Try);

/// Statements beside which another one says nothing new: of the policy's keys those on other keys allow as much, and whoever has no
/// originals under other keys leaves these out.
pub(crate) const BESIDE: [(&str, &[&str]); 2] = [
    ("UseTheKey", &["ReadUnderOtherKeys", "LendOtherKeysToEC2"]),
    ("LendTheKeyToEC2", &["ReadUnderOtherKeys", "LendOtherKeysToEC2"]),
];

/// All of them.
pub(crate) fn all() -> Vec<Use> {
    let mut all = looking();
    all.extend(seeing());
    all.extend(auditing());
    all.extend(copying());
    all.extend(proving());
    all.extend(moving());
    all.extend(mapping());
    all.extend(guarding());
    all
}

/// A read of EC2 by the name of its action.
fn read(sid: &'static str, action: &'static str) -> Use {
    let (_, operation) = action.split_once(':').expect("an action");
    (sid, action, ec2(operation, &[]))
}

fn rest(service: &'static str, method: &'static str, path: &str, body: Value) -> Try {
    Try::Rest(service, method, path.to_owned(), body)
}

fn looking() -> Vec<Use> {
    let attribute = [("ImageId", ORIGINAL), ("Attribute", "launchPermission")];
    vec![
        read("LookAtImages", "ec2:DescribeImages"),
        read("LookAtImages", "ec2:DescribeSnapshots"),
        (
            "LookAtSharing",
            "ec2:DescribeImageAttribute",
            ec2("DescribeImageAttribute", &attribute),
        ),
        ("LookAtKeys", "kms:DescribeKey", kms("DescribeKey", "alias/ami")),
        read("SeeRegions", "ec2:DescribeRegions"),
    ]
}

fn seeing() -> Vec<Use> {
    let references = [("ImageId.1", ORIGINAL), ("IncludeAllResourceTypes", "true")];
    let list = |operation| group(operation, &[]);
    let recipe = |kind| {
        let references = [("ImageId.1", ORIGINAL), ("ResourceType.1.ResourceType", kind)];
        // A dry run does not look into recipes.
        Try::Rest(
            "ec2",
            "POST",
            format!("/?{}", query("DescribeImageReferences", &references)),
            Value::Null,
        )
    };
    let mut all: Vec<Use> = [
        "ec2:DescribeInstances",
        "ec2:DescribeLaunchTemplates",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:DescribeFleets",
        "ec2:DescribeSpotFleetRequests",
        "ec2:DescribeSpotInstanceRequests",
    ]
    .map(|action| read("SeeWhatLaunches", action))
    .to_vec();
    all.extend([
        (
            "SeeWhatLaunches",
            "ec2:DescribeImageReferences",
            ec2("DescribeImageReferences", &references),
        ),
        (
            "SeeGroups",
            "autoscaling:DescribeAutoScalingGroups",
            list("DescribeAutoScalingGroups"),
        ),
        (
            "SeeGroups",
            "autoscaling:DescribeLaunchConfigurations",
            list("DescribeLaunchConfigurations"),
        ),
        (
            "ListParameters",
            "ssm:DescribeParameters",
            ssm("DescribeParameters", json!({})),
        ),
        (
            "ReadParameters",
            "ssm:GetParameters",
            ssm("GetParameters", json!({"Names": ["/golden"]})),
        ),
        (
            "ReadParameters",
            "ssm:GetParameterHistory",
            ssm("GetParameterHistory", json!({"Name": "/golden"})),
        ),
        (
            "ListClusters",
            "eks:ListClusters",
            rest("eks", "GET", "/clusters", Value::Null),
        ),
        (
            "SeeNodeGroups",
            "eks:ListNodegroups",
            rest("eks", "GET", "/clusters/blue/node-groups", Value::Null),
        ),
        (
            "SeeNodeGroups",
            "eks:DescribeNodegroup",
            rest("eks", "GET", "/clusters/blue/node-groups/workers", Value::Null),
        ),
        (
            "SeeComputeEnvironments",
            "batch:DescribeComputeEnvironments",
            rest("batch", "POST", "/v1/describecomputeenvironments", json!({})),
        ),
        (
            "ListRecipes",
            "imagebuilder:ListImageRecipes",
            rest("imagebuilder", "POST", "/ListImageRecipes", json!({})),
        ),
        (
            "ListRecipes",
            "imagebuilder:ListContainerRecipes",
            rest("imagebuilder", "POST", "/ListContainerRecipes", json!({})),
        ),
        (
            "ReadRecipes",
            "imagebuilder:GetImageRecipe",
            recipe("imagebuilder:ImageRecipe"),
        ),
        (
            "ReadRecipes",
            "imagebuilder:GetContainerRecipe",
            recipe("imagebuilder:ContainerRecipe"),
        ),
        read("SeeUsageReports", "ec2:DescribeImageUsageReports"),
        read("SeeUsageReports", "ec2:DescribeImageUsageReportEntries"),
    ]);
    let report = || ec2("CreateImageUsageReport", &report_call(ORIGINAL, "production"));
    all.extend([
        ("AskAboutImages", "ec2:CreateImageUsageReport", report()),
        ("AskForUsageReports", "ec2:CreateImageUsageReport", report()),
        ("TagUsageReports", "ec2:CreateTags", report()),
        (
            "DeleteUsageReports",
            "ec2:DeleteImageUsageReport",
            ec2("DeleteImageUsageReport", &[("ReportId", REPORT)]),
        ),
    ]);
    all
}

fn query(operation: &str, parameters: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", operation)
        .append_pair("Version", "2016-11-15");
    for (name, value) in parameters {
        form.append_pair(name, value);
    }
    form.finish()
}

fn auditing() -> Vec<Use> {
    let trail = || json!({"Name": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/all"});
    vec![
        (
            "SeeKeyRotation",
            "kms:GetKeyRotationStatus",
            kms("GetKeyRotationStatus", "key-old"),
        ),
        ("SeeWhoMayUseKeys", "kms:GetKeyPolicy", kms("GetKeyPolicy", "key-old")),
        ("SeeWhoMayUseKeys", "kms:ListGrants", kms("ListGrants", "key-old")),
        ("SeeWhoMayUseTheKey", "kms:GetKeyPolicy", kms("GetKeyPolicy", "key-ami")),
        ("SeeWhoMayUseTheKey", "kms:ListGrants", kms("ListGrants", "key-ami")),
        read("SeeAllowedImages", "ec2:GetAllowedImagesSettings"),
        (
            "ListTrails",
            "cloudtrail:DescribeTrails",
            Try::Json("cloudtrail", "DescribeTrails", json!({})),
        ),
        (
            "SeeTrails",
            "cloudtrail:GetTrailStatus",
            Try::Json("cloudtrail", "GetTrailStatus", trail()),
        ),
    ]
}

fn copying() -> Vec<Use> {
    let copy = || {
        let mut call = copy_call(ORIGINAL, "alias/ami", "another").to_vec();
        call.extend(tagged_copy(ORIGINAL));
        ec2("CopyImage", &call)
    };
    let on_copy = |operation, more: &[(&'static str, &str)]| {
        let mut parameters: Vec<(&'static str, &str)> = vec![("ImageId", COPY)];
        parameters.extend_from_slice(more);
        ec2(operation, &parameters)
    };
    let described = [("Description.Value", "x")];
    let deprecated = [("DeprecateAt", "2035-01-01T00:00:00Z")];
    let tagged = [("ResourceId.1", COPY), ("Tag.1.Key", "team"), ("Tag.1.Value", "web")];
    let mut all = vec![
        ("CopyImages", "ec2:CopyImage", copy()),
        ("TagCopies", "ec2:CreateTags", copy()),
        (
            "PublishOnCopies",
            "ec2:ModifyImageAttribute",
            on_copy("ModifyImageAttribute", &described),
        ),
        (
            "PublishOnCopies",
            "ec2:EnableImageDeprecation",
            on_copy("EnableImageDeprecation", &deprecated),
        ),
        (
            "PublishOnCopies",
            "ec2:ReplaceImageInstanceTypeSpecification",
            on_copy("ReplaceImageInstanceTypeSpecification", &[]),
        ),
        (
            "SealCopies",
            "ec2:AttachImageWatermark",
            on_copy("AttachImageWatermark", &[("WatermarkName", "amiseal-verified")]),
        ),
        ("TagPublishedCopies", "ec2:CreateTags", ec2("CreateTags", &tagged)),
        (
            "RemoveFailedCopies",
            "ec2:DeregisterImage",
            on_copy("DeregisterImage", &[]),
        ),
        (
            "RemoveFailedCopies",
            "ec2:DeleteSnapshot",
            ec2("DeleteSnapshot", &[("SnapshotId", SNAPSHOT)]),
        ),
    ];
    let encrypts = Try::Copy(ORIGINAL, "alias/ami");
    let reads = Try::Copy(SEALED, "alias/ami");
    let of_key = [
        "kms:Decrypt",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    ];
    all.extend(of_key.map(|action| ("UseTheKey", action, encrypts.clone())));
    all.push(("LendTheKeyToEC2", "kms:CreateGrant", encrypts));
    all.extend(["kms:Decrypt", "kms:ReEncryptFrom"].map(|action| ("ReadUnderOtherKeys", action, reads.clone())));
    all.push(("LendOtherKeysToEC2", "kms:CreateGrant", reads));
    all
}

/// RunInstances as amiseal calls it, from an image, with another type or other tags where that is asked for.
pub(crate) fn launch(image: &str, of_type: &str, tagged: &[&'static str]) -> Try {
    let mut parameters = vec![
        ("ImageId", image),
        ("InstanceType", of_type),
        ("SubnetId", "subnet-0a1b2c3d4e5f60718"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
    ];
    let specifications = [
        (
            "TagSpecification.1.ResourceType",
            "TagSpecification.1.Tag.1.Key",
            "TagSpecification.1.Tag.1.Value",
        ),
        (
            "TagSpecification.2.ResourceType",
            "TagSpecification.2.Tag.1.Key",
            "TagSpecification.2.Tag.1.Value",
        ),
        (
            "TagSpecification.3.ResourceType",
            "TagSpecification.3.Tag.1.Key",
            "TagSpecification.3.Tag.1.Value",
        ),
    ];
    for ((kind, key, value), tagged) in specifications.into_iter().zip(tagged) {
        parameters.extend([(kind, *tagged), (key, "amiseal.dev/validates"), (value, ORIGINAL)]);
    }
    ec2("RunInstances", &parameters)
}

/// What a proof is made of.
pub(crate) const OF_PROOFS: [&str; 3] = ["instance", "volume", "network-interface"];

fn proving() -> Vec<Use> {
    let proof = || launch(COPY, "t3.nano", &OF_PROOFS);
    let scan = |path, more: Value| {
        let mut body = json!({"resourceId": ORIGINAL, "resourceType": "AMI"});
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name.as_str()] = value.clone();
        }
        rest("inspector2", "POST", path, body)
    };
    vec![
        read("ProveCopies", "ec2:DescribeInstanceStatus"),
        read("ProveCopies", "ec2:DescribeInstances"),
        ("LaunchFromCopies", "ec2:RunInstances", proof()),
        ("LaunchInSubnet", "ec2:RunInstances", proof()),
        ("LaunchProofs", "ec2:RunInstances", proof()),
        ("LaunchWithVolumes", "ec2:RunInstances", proof()),
        ("TagProofs", "ec2:CreateTags", proof()),
        (
            "EndProofs",
            "ec2:TerminateInstances",
            ec2("TerminateInstances", &[("InstanceId.1", "i-0000000a")]),
        ),
        (
            "ScanCopies",
            "inspector2:StartOnDemandScan",
            scan("/ondemand/scan", json!({})),
        ),
        (
            "ScanCopies",
            "inspector2:GetOnDemandScanStatus",
            scan("/ondemand/scan/status", json!({"scanId": "none"})),
        ),
        (
            "ScanCopies",
            "inspector2:ListOnDemandScans",
            scan("/ondemand/scans", json!({})),
        ),
    ]
}

/// Sets a group to a launch template.
pub(crate) fn set_group(name: &str, template: &str) -> Try {
    group(
        "UpdateAutoScalingGroup",
        &[
            ("AutoScalingGroupName", name),
            ("LaunchTemplate.LaunchTemplateId", template),
            ("LaunchTemplate.Version", "1"),
        ],
    )
}

/// Changes a group in no way that launches.
pub(crate) fn size_group(name: &str) -> Try {
    group(
        "UpdateAutoScalingGroup",
        &[("AutoScalingGroupName", name), ("MaxSize", "2")],
    )
}

fn moving() -> Vec<Use> {
    let of_web = |operation| group(operation, &[("AutoScalingGroupName", "web")]);
    vec![
        (
            "MoveTemplates",
            "ec2:CreateLaunchTemplateVersion",
            ec2("CreateLaunchTemplateVersion", &[("LaunchTemplateId", "lt-0000000a")]),
        ),
        (
            "MoveTemplates",
            "ec2:ModifyLaunchTemplate",
            ec2("ModifyLaunchTemplate", &[("LaunchTemplateId", "lt-0000000a")]),
        ),
        (
            "SeeParameterTags",
            "ssm:ListTagsForResource",
            ssm(
                "ListTagsForResource",
                json!({"ResourceType": "Parameter", "ResourceId": "/golden"}),
            ),
        ),
        ("MoveParameters", "ssm:PutParameter", put("/golden", true)),
        (
            "MoveLabels",
            "ssm:LabelParameterVersion",
            ssm("LabelParameterVersion", json!({"Name": "/golden", "Labels": ["live"]})),
        ),
        (
            "SeeRefreshes",
            "autoscaling:DescribeInstanceRefreshes",
            of_web("DescribeInstanceRefreshes"),
        ),
        ("SetGroups", "autoscaling:UpdateAutoScalingGroup", size_group("web")),
        (
            "RefreshGroups",
            "autoscaling:StartInstanceRefresh",
            of_web("StartInstanceRefresh"),
        ),
        (
            "RefreshGroups",
            "autoscaling:RollbackInstanceRefresh",
            of_web("RollbackInstanceRefresh"),
        ),
        (
            "NoteOnGroups",
            "autoscaling:CreateOrUpdateTags",
            note(&[("Tags.member.1.Key", "amiseal.dev/previous")]),
        ),
        ("LaunchByTemplates", "ec2:RunInstances", set_group("web", "lt-0000000a")),
        ("PassInstanceRoles", "iam:PassRole", set_group("web", "lt-0000000a")),
    ]
}

/// Tags the group `web`.
pub(crate) fn note(keys: &[(&'static str, &str)]) -> Try {
    let mut parameters = keys.to_vec();
    parameters.push(("Tags.member.1.ResourceId", "web"));
    if keys.len() > 1 {
        parameters.push(("Tags.member.2.ResourceId", "web"));
    }
    group("CreateOrUpdateTags", &parameters)
}

/// Sets a parameter.
pub(crate) fn put(name: &str, overwrites: bool) -> Try {
    ssm(
        "PutParameter",
        json!({"Name": name, "Value": "x", "Type": "String", "Overwrite": overwrites}),
    )
}

/// Adds a parameter to the map, with these tags.
pub(crate) fn add(policy: &str, image: &str) -> Try {
    let tags = json!([
        {"Key": "amiseal.dev/policy", "Value": policy},
        {"Key": "amiseal.dev/source-image", "Value": image},
    ]);
    ssm(
        "PutParameter",
        json!({"Name": "/amiseal/images/ami-0000000e", "Value": "x", "Type": "String", "Tags": tags}),
    )
}

fn mapping() -> Vec<Use> {
    let first = "/amiseal/images/ami-0000000a";
    vec![
        (
            "ReadTheMap",
            "ssm:ListTagsForResource",
            ssm(
                "ListTagsForResource",
                json!({"ResourceType": "Parameter", "ResourceId": first}),
            ),
        ),
        (
            "ReadTheMap",
            "ssm:GetParametersByPath",
            ssm("GetParametersByPath", json!({"Path": "/amiseal/images"})),
        ),
        ("AddToTheMap", "ssm:PutParameter", add("production", ORIGINAL)),
        ("AddToTheMap", "ssm:AddTagsToResource", add("production", ORIGINAL)),
        ("SetTheMap", "ssm:PutParameter", put(first, true)),
        (
            "RemoveFromTheMap",
            "ssm:DeleteParameter",
            ssm("DeleteParameter", json!({"Name": first})),
        ),
    ]
}

fn guarding() -> Vec<Use> {
    let seen = [
        "ec2:GetEbsEncryptionByDefault",
        "ec2:GetImageBlockPublicAccessState",
        "ec2:GetSnapshotBlockPublicAccessState",
        "ec2:GetAllowedImagesSettings",
    ];
    let held = [
        "ec2:ModifyEbsDefaultKmsKeyId",
        "ec2:EnableEbsEncryptionByDefault",
        "ec2:EnableImageBlockPublicAccess",
        "ec2:EnableSnapshotBlockPublicAccess",
        "ec2:ReplaceImageCriteriaInAllowedImagesSettings",
        "ec2:EnableAllowedImagesSettings",
    ];
    let mut all: Vec<Use> = seen.map(|action| read("SeeGuardrails", action)).to_vec();
    all.push(read("SeeTheDefaultKey", "ec2:GetEbsDefaultKmsKeyId"));
    all.extend(held.map(|action| read("HoldGuardrails", action)));
    all
}
