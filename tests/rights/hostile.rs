//! A role with all rights that a policy can take cannot touch what the policy does not mean: tried call by call.

use serde_json::json;

use super::documents::everything;
use super::stage::{
    COPY, DISTANT, ORIGINAL, OTHER_REPORT, SNAPSHOT, SOURCE_SNAPSHOT, THEIRS, Try, copy_call, ec2, group, is_denied,
    kms, report_call, ssm, tagged_copy,
};
use super::uses::{OF_PROOFS, add, launch, note, put, set_group, size_group};

/// What is tried, in words.
type Attempt = (&'static str, Try);

/// What changes or removes images.
const CHANGES: [&str; 5] = [
    "ModifyImageAttribute",
    "EnableImageDeprecation",
    "ReplaceImageInstanceTypeSpecification",
    "AttachImageWatermark",
    "DeregisterImage",
];
/// What no statement allows for anything.
const NEVER: [&str; 11] = [
    "DisableImageDeprecation",
    "DetachImageWatermark",
    "ModifySnapshotAttribute",
    "DeleteTags",
    "DeleteLaunchTemplateVersions",
    "DisableEbsEncryptionByDefault",
    "ResetEbsDefaultKmsKeyId",
    "DisableImageBlockPublicAccess",
    "DisableSnapshotBlockPublicAccess",
    "DisableAllowedImagesSettings",
    "GetImageAncestry",
];

fn tag(resource: &str) -> Try {
    ec2(
        "CreateTags",
        &[
            ("ResourceId.1", resource),
            ("Tag.1.Key", "team"),
            ("Tag.1.Value", "web"),
        ],
    )
}

fn copy(image: &str, tagged: &str) -> Try {
    let mut call = copy_call(image, "alias/ami", "another").to_vec();
    call.extend(tagged_copy(tagged));
    ec2("CopyImage", &call)
}

fn of_images() -> Vec<Attempt> {
    let mut all: Vec<Attempt> = Vec::new();
    for operation in CHANGES {
        let on = |image: &str| ec2(operation, &[("ImageId", image), ("WatermarkName", "x")]);
        all.extend([
            ("an original", on(ORIGINAL)),
            ("an image of another account", on(THEIRS)),
            ("a copy in another region", on(DISTANT).far()),
            ("an image that is not there", on("ami-00000000")),
        ]);
    }
    for operation in NEVER {
        let call = ec2(
            operation,
            &[
                ("ImageId", COPY),
                ("SnapshotId", SNAPSHOT),
                ("ResourceId.1", COPY),
                ("LaunchTemplateId", "lt-0000000a"),
            ],
        );
        // One of these takes no image.
        let call = match operation {
            "ModifySnapshotAttribute" => ec2(operation, &[("SnapshotId", SNAPSHOT)]),
            _ => call,
        };
        all.push(("even of a copy", call));
    }
    all.extend([
        ("an image of another account", copy(THEIRS, THEIRS)),
        ("with a tag that names no image", copy(ORIGINAL, "nothing")),
        ("in another region", copy(DISTANT, DISTANT).far()),
        ("of an original", tag(ORIGINAL)),
        ("of an original's snapshot", tag(SOURCE_SNAPSHOT)),
        ("of a copy's snapshot", tag(SNAPSHOT)),
        ("of an image of another account", tag(THEIRS)),
        ("of an instance", tag("i-0000000b")),
        ("of a launch template", tag("lt-0000000a")),
        ("in another region", tag(DISTANT).far()),
        (
            "an original's",
            ec2("DeleteSnapshot", &[("SnapshotId", SOURCE_SNAPSHOT)]),
        ),
        (
            "of an image of another account",
            ec2("CreateImageUsageReport", &report_call(THEIRS, "production")),
        ),
        (
            "with another policy's tag",
            ec2("CreateImageUsageReport", &report_call(ORIGINAL, "another")),
        ),
        (
            "another policy's",
            ec2("DeleteImageUsageReport", &[("ReportId", OTHER_REPORT)]),
        ),
    ]);
    all
}

fn of_instances() -> Vec<Attempt> {
    let end = |id: &str| ec2("TerminateInstances", &[("InstanceId.1", id)]);
    vec![
        ("from an original", launch(ORIGINAL, "t3.nano", &OF_PROOFS)),
        (
            "from an image of another account",
            launch(THEIRS, "t3.nano", &OF_PROOFS),
        ),
        ("of another type", launch(COPY, "p5.48xlarge", &OF_PROOFS)),
        ("without tags", launch(COPY, "t3.nano", &[])),
        (
            "in another subnet",
            ec2(
                "RunInstances",
                &[
                    ("ImageId", COPY),
                    ("InstanceType", "t3.nano"),
                    ("SubnetId", "subnet-00000000"),
                ],
            ),
        ),
        ("in another region", launch(DISTANT, "t3.nano", &OF_PROOFS).far()),
        ("that is no proof", end("i-0000000b")),
        ("that is not there", end("i-00000000")),
    ]
}

fn of_consumers() -> Vec<Attempt> {
    let template = |operation, id: &str| ec2(operation, &[("LaunchTemplateId", id)]);
    let refresh = |operation, name: &str| group(operation, &[("AutoScalingGroupName", name)]);
    vec![
        ("that is held", template("ModifyLaunchTemplate", "lt-0000000b")),
        ("that is held", template("CreateLaunchTemplateVersion", "lt-0000000b")),
        (
            "in another region",
            template("ModifyLaunchTemplate", "lt-0000000d").far(),
        ),
        (
            "in another region",
            template("CreateLaunchTemplateVersion", "lt-0000000d").far(),
        ),
        ("that is held", size_group("held")),
        ("in another region", size_group("distant").far()),
        ("to a template that is not named", set_group("web", "lt-0000000c")),
        ("that is held", refresh("StartInstanceRefresh", "held")),
        ("that is held", refresh("RollbackInstanceRefresh", "held")),
        ("in another region", refresh("StartInstanceRefresh", "distant").far()),
        ("that runs", refresh("CancelInstanceRefresh", "web")),
        ("another than amiseal's", note(&[("Tags.member.1.Key", "team")])),
        (
            "of a group",
            group(
                "DeleteTags",
                &[
                    ("Tags.member.1.ResourceId", "web"),
                    ("Tags.member.1.Key", "amiseal.dev/previous"),
                ],
            ),
        ),
    ]
}

fn of_parameters() -> Vec<Attempt> {
    let named = |operation, name: &str| ssm(operation, json!({"Name": name, "Labels": ["live"]}));
    let tags = |operation, name: &str| {
        ssm(
            operation,
            json!({"ResourceType": "Parameter", "ResourceId": name, "TagKeys": ["team"], "Tags": [{"Key": "team", "Value": "web"}]}),
        )
    };
    vec![
        ("that is not there", put("/silver", false)),
        ("in another region", put("/golden", true).far()),
        ("with another policy's tag", add("another", ORIGINAL)),
        ("without the tag of an original", add("production", "nothing")),
        ("that is held", named("LabelParameterVersion", "/held")),
        ("in another region", named("LabelParameterVersion", "/golden").far()),
        ("of a parameter", named("UnlabelParameterVersion", "/golden")),
        ("that is not of the map", named("DeleteParameter", "/golden")),
        (
            "another policy's",
            named("DeleteParameter", "/amiseal/images/ami-0000000b"),
        ),
        ("of a parameter", tags("AddTagsToResource", "/golden")),
        (
            "of a parameter of the map",
            tags("AddTagsToResource", "/amiseal/images/ami-0000000a"),
        ),
        ("of a parameter", tags("RemoveTagsFromResource", "/golden")),
    ]
}

fn of_keys() -> Vec<Attempt> {
    vec![
        ("by itself", kms("Decrypt", "key-ami")),
        ("under another key", kms("Decrypt", "key-old")),
        ("by itself", kms("GenerateDataKeyWithoutPlaintext", "key-ami")),
        ("to somebody else", kms("CreateGrant", "key-ami")),
        ("of another key", kms("CreateGrant", "key-old")),
        ("in another region", kms("Decrypt", "key-far").far()),
        ("in another region", kms("GetKeyPolicy", "key-far").far()),
        ("in another region", kms("DescribeKey", "alias/ami").far()),
        ("under another key", Try::Copy(ORIGINAL, "alias/old")),
    ]
}

#[test]
fn a_role_with_all_rights_of_a_policy_cannot_touch_what_the_policy_does_not_mean() {
    let rights = everything();
    let attempts = [of_images(), of_instances(), of_consumers(), of_parameters(), of_keys()].concat();
    let allowed = attempts.iter().filter(|(_, call)| !is_denied(&rights, call));
    let allowed: Vec<String> = allowed
        .map(|(which, call)| format!("{} {which}: {call:?}", call.name()))
        .collect();
    assert!(allowed.is_empty(), "{allowed:#?}");
    assert!(attempts.len() > 80, "{}", attempts.len());
}
