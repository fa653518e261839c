//! What each condition of each statement stops: a call that is denied, and would not be without it.

use super::stage::{
    ORIGINAL, OTHER_REPORT, REPORT, THEIRS, Try, copy_call, ec2, group, kms, report_call, ssm, tagged_copy,
};
use super::uses::{OF_PROOFS, add, launch, note, put, set_group, size_group};

/// The condition on the region: it stops in another one what its statement is for.
pub(crate) const REGION_KEY: &str = "aws:RequestedRegion";

/// What a condition stops.
pub(crate) struct Stop {
    pub(crate) sid: &'static str,
    pub(crate) key: &'static str,
    /// What is stopped, in words.
    pub(crate) what: &'static str,
    pub(crate) call: Try,
    /// Conditions that stop it too: it is denied until none of them is left.
    pub(crate) with: &'static [(&'static str, &'static str)],
    /// Statements that allow it anyway, which are left out.
    pub(crate) beside: &'static [&'static str],
}

/// Conditions that nothing here can try: the simulator makes the calls of no other service.
pub(crate) const OF_NO_CALL: [(&str, &str); 1] = [("PassInstanceRoles", "iam:PassedToService")];

const SOURCE: &str = "aws:RequestTag/amiseal.dev/source-image";
const OF_COPY: &str = "aws:ResourceTag/amiseal.dev/source-image";
const VALIDATES: &str = "aws:RequestTag/amiseal.dev/validates";
const POLICY: &str = "aws:RequestTag/amiseal.dev/policy";
const HOLD: &str = "aws:ResourceTag/amiseal.dev/hold";
const OWNER: &str = "ec2:Owner";
const ACTION: &str = "ec2:CreateAction";
const VIA: &str = "kms:ViaService";
const FOR_AWS: &str = "kms:GrantIsForAWSResource";
const ALIASES: &str = "kms:ResourceAliases";

fn stop(sid: &'static str, key: &'static str, what: &'static str, call: Try) -> Stop {
    Stop {
        sid,
        key,
        what,
        call,
        with: &[],
        beside: &[],
    }
}

impl Stop {
    fn with(self, with: &'static [(&'static str, &'static str)]) -> Self {
        Self { with, ..self }
    }

    fn beside(self, beside: &'static [&'static str]) -> Self {
        Self { beside, ..self }
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Stop> {
    let mut all = of_images();
    all.extend(of_keys());
    all.extend(of_reports());
    all.extend(of_proofs());
    all.extend(of_moves());
    all.extend(of_the_map());
    all
}

fn tag(resource: &str, key: &str, value: &str) -> Try {
    ec2(
        "CreateTags",
        &[("ResourceId.1", resource), ("Tag.1.Key", key), ("Tag.1.Value", value)],
    )
}

fn copy(image: &str, tagged: &str) -> Try {
    let mut call = copy_call(image, "alias/ami", "another").to_vec();
    call.extend(tagged_copy(tagged));
    ec2("CopyImage", &call)
}

fn on(image: &str, operation: &'static str) -> Try {
    ec2(
        operation,
        &[
            ("ImageId", image),
            ("Attribute", "launchPermission"),
            ("WatermarkName", "x"),
        ],
    )
}

fn of_images() -> Vec<Stop> {
    let mut untagged = copy_call(ORIGINAL, "alias/ami", "another").to_vec();
    untagged.extend([
        ("TagSpecification.1.ResourceType", "image"),
        ("TagSpecification.1.Tag.1.Key", "team"),
        ("TagSpecification.1.Tag.1.Value", "web"),
    ]);
    vec![
        stop(
            "LookAtSharing",
            OWNER,
            "reading attributes of an image of another account",
            on(THEIRS, "DescribeImageAttribute"),
        ),
        stop(
            "CopyImages",
            OWNER,
            "copying an image of another account",
            copy(THEIRS, THEIRS),
        ),
        stop(
            "CopyImages",
            SOURCE,
            "a copy whose tag names no image",
            copy(ORIGINAL, "nothing"),
        )
        .with(&[("TagCopies", SOURCE)]),
        stop(
            "TagCopies",
            ACTION,
            "giving the tag of a copy to what is there",
            tag(ORIGINAL, "amiseal.dev/source-image", ORIGINAL),
        ),
        stop(
            "TagCopies",
            SOURCE,
            "a copy with other tags alone",
            ec2("CopyImage", &untagged),
        ),
        stop(
            "PublishOnCopies",
            OF_COPY,
            "changing an original",
            on(ORIGINAL, "ModifyImageAttribute"),
        ),
        stop(
            "PublishOnCopies",
            OWNER,
            "changing an image of another account",
            on(THEIRS, "ModifyImageAttribute"),
        ),
        stop(
            "SealCopies",
            OF_COPY,
            "a watermark on an original",
            on(ORIGINAL, "AttachImageWatermark"),
        ),
        stop(
            "SealCopies",
            OWNER,
            "a watermark on an image of another account",
            on(THEIRS, "AttachImageWatermark"),
        ),
        stop(
            "TagPublishedCopies",
            OF_COPY,
            "tagging an original",
            tag(ORIGINAL, "team", "web"),
        ),
        stop(
            "TagPublishedCopies",
            OWNER,
            "tagging an image of another account",
            tag(THEIRS, "team", "web"),
        ),
        stop(
            "RemoveFailedCopies",
            OF_COPY,
            "removing an original",
            on(ORIGINAL, "DeregisterImage"),
        ),
    ]
}

fn of_keys() -> Vec<Stop> {
    let under_old = || Try::Copy(ORIGINAL, "alias/old");
    vec![
        stop("UseTheKey", ALIASES, "a copy under another key", under_old()),
        stop("UseTheKey", VIA, "decrypting without EC2", kms("Decrypt", "key-ami")),
        stop("LendTheKeyToEC2", ALIASES, "a copy under another key", under_old())
            .with(&[("UseTheKey", ALIASES)])
            .beside(&["LendOtherKeysToEC2"]),
        stop(
            "LendTheKeyToEC2",
            VIA,
            "lending the key to somebody else",
            kms("CreateGrant", "key-ami"),
        )
        .with(&[("LendTheKeyToEC2", FOR_AWS)]),
        stop(
            "LendTheKeyToEC2",
            FOR_AWS,
            "lending the key to somebody else",
            kms("CreateGrant", "key-ami"),
        )
        .with(&[("LendTheKeyToEC2", VIA)]),
        stop(
            "ReadUnderOtherKeys",
            VIA,
            "decrypting without EC2",
            kms("Decrypt", "key-old"),
        ),
        stop(
            "LendOtherKeysToEC2",
            VIA,
            "lending a key to somebody else",
            kms("CreateGrant", "key-old"),
        )
        .with(&[("LendOtherKeysToEC2", FOR_AWS)]),
        stop(
            "LendOtherKeysToEC2",
            FOR_AWS,
            "lending a key to somebody else",
            kms("CreateGrant", "key-old"),
        )
        .with(&[("LendOtherKeysToEC2", VIA)]),
        stop(
            "SeeWhoMayUseTheKey",
            ALIASES,
            "reading who may use another key",
            kms("GetKeyPolicy", "key-old"),
        ),
    ]
}

fn of_reports() -> Vec<Stop> {
    let another = || ec2("CreateImageUsageReport", &report_call(ORIGINAL, "another"));
    vec![
        stop(
            "AskAboutImages",
            OWNER,
            "a report of an image of another account",
            ec2("CreateImageUsageReport", &report_call(THEIRS, "production")),
        ),
        stop(
            "AskForUsageReports",
            POLICY,
            "a report without a tag",
            ec2("CreateImageUsageReport", &[("ImageId", ORIGINAL)]),
        ),
        stop(
            "TagUsageReports",
            ACTION,
            "tagging a report that is there",
            tag(REPORT, "amiseal.dev/policy", "production"),
        ),
        stop(
            "TagUsageReports",
            POLICY,
            "a report with another policy's tag",
            another(),
        )
        .with(&[("AskForUsageReports", POLICY)]),
        stop(
            "DeleteUsageReports",
            "aws:ResourceTag/amiseal.dev/policy",
            "deleting another policy's report",
            ec2("DeleteImageUsageReport", &[("ReportId", OTHER_REPORT)]),
        ),
    ]
}

fn of_proofs() -> Vec<Stop> {
    // With tags that name no original.
    let other_tag = {
        let mut parameters = vec![
            ("ImageId", super::stage::COPY),
            ("InstanceType", "t3.nano"),
            ("SubnetId", "subnet-0a1b2c3d4e5f60718"),
        ];
        for (kind, key, value, of) in [
            (
                "TagSpecification.1.ResourceType",
                "TagSpecification.1.Tag.1.Key",
                "TagSpecification.1.Tag.1.Value",
                "instance",
            ),
            (
                "TagSpecification.2.ResourceType",
                "TagSpecification.2.Tag.1.Key",
                "TagSpecification.2.Tag.1.Value",
                "volume",
            ),
            (
                "TagSpecification.3.ResourceType",
                "TagSpecification.3.Tag.1.Key",
                "TagSpecification.3.Tag.1.Value",
                "network-interface",
            ),
        ] {
            parameters.extend([(kind, of), (key, "amiseal.dev/validates"), (value, "nothing")]);
        }
        ec2("RunInstances", &parameters)
    };
    let from = super::stage::COPY;
    vec![
        stop(
            "LaunchFromCopies",
            OF_COPY,
            "launching from an original",
            launch(ORIGINAL, "t3.nano", &OF_PROOFS),
        ),
        stop(
            "LaunchFromCopies",
            OWNER,
            "launching from an image of another account",
            launch(THEIRS, "t3.nano", &OF_PROOFS),
        ),
        stop(
            "LaunchProofs",
            "ec2:InstanceType",
            "instances of another type",
            launch(from, "t3.large", &OF_PROOFS),
        ),
        stop(
            "LaunchProofs",
            VALIDATES,
            "instances without the tag of a proof",
            launch(from, "t3.nano", &[]),
        )
        .with(&[("LaunchWithVolumes", VALIDATES)]),
        stop(
            "LaunchWithVolumes",
            VALIDATES,
            "volumes without that tag",
            launch(from, "t3.nano", &["instance"]),
        ),
        stop(
            "TagProofs",
            ACTION,
            "giving the tag of a proof to what is there",
            tag("i-0000000b", "amiseal.dev/validates", ORIGINAL),
        ),
        stop("TagProofs", VALIDATES, "a proof whose tag names no image", other_tag)
            .with(&[("LaunchProofs", VALIDATES), ("LaunchWithVolumes", VALIDATES)]),
        stop(
            "EndProofs",
            "aws:ResourceTag/amiseal.dev/validates",
            "terminating any other instance",
            ec2("TerminateInstances", &[("InstanceId.1", "i-0000000b")]),
        ),
    ]
}

fn of_moves() -> Vec<Stop> {
    vec![
        stop(
            "MoveTemplates",
            HOLD,
            "changing a launch template that is held",
            ec2("ModifyLaunchTemplate", &[("LaunchTemplateId", "lt-0000000b")]),
        ),
        stop(
            "MoveParameters",
            "ssm:Overwrite",
            "making a parameter",
            put("/silver", false),
        ),
        stop(
            "MoveLabels",
            HOLD,
            "moving labels of a parameter that is held",
            ssm(
                "LabelParameterVersion",
                serde_json::json!({"Name": "/held", "Labels": ["live"]}),
            ),
        ),
        stop("SetGroups", HOLD, "changing a group that is held", size_group("held")),
        stop(
            "RefreshGroups",
            HOLD,
            "replacing the instances of a group that is held",
            group("StartInstanceRefresh", &[("AutoScalingGroupName", "held")]),
        ),
        stop(
            "NoteOnGroups",
            "aws:TagKeys",
            "another tag beside amiseal's",
            note(&[
                ("Tags.member.1.Key", "amiseal.dev/previous"),
                ("Tags.member.2.Key", "team"),
            ]),
        ),
        stop(
            "NoteOnGroups",
            "aws:RequestTag/amiseal.dev/previous",
            "another tag alone",
            note(&[("Tags.member.1.Key", "team")]),
        )
        .with(&[("NoteOnGroups", "aws:TagKeys")]),
        stop(
            "LaunchByTemplates",
            "ec2:LaunchTemplate",
            "setting a group to a launch template that you did not name",
            set_group("web", "lt-0000000c"),
        ),
        stop(
            "LaunchByTemplates",
            REGION_KEY,
            "launching by it in another region",
            ec2("RunInstances", &[("LaunchTemplate.LaunchTemplateId", "lt-0000000a")]).far(),
        )
        .with(&[("LaunchByTemplates", "ec2:LaunchTemplate")]),
    ]
}

fn of_the_map() -> Vec<Stop> {
    let delete = |name: &str| ssm("DeleteParameter", serde_json::json!({ "Name": name }));
    vec![
        stop(
            "AddToTheMap",
            POLICY,
            "a parameter with another policy's tag",
            add("another", ORIGINAL),
        ),
        stop(
            "AddToTheMap",
            SOURCE,
            "a parameter whose tag names no image",
            add("production", "nothing"),
        ),
        stop(
            "SetTheMap",
            "ssm:Overwrite",
            "a parameter without tags",
            put("/amiseal/images/ami-0000000e", false),
        ),
        stop(
            "RemoveFromTheMap",
            "aws:ResourceTag/amiseal.dev/policy",
            "deleting another policy's parameter",
            delete("/amiseal/images/ami-0000000b"),
        ),
        stop(
            "RemoveFromTheMap",
            OF_COPY,
            "deleting a parameter without the tag of an original",
            delete("/amiseal/images/ami-0000000c"),
        ),
    ]
}
