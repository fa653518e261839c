//! What statements are on, and under which conditions.

use serde_json::{Value, json};

use super::*;

fn json_of(account: &AccountRights, grant: Grant) -> Value {
    serde_json::to_value(statement(account, grant)).expect("JSON")
}

/// The condition keys that the Service Authorization Reference has of actions, as far as they are asked for. `aws:RequestedRegion` is in
/// every request, and `kms:ResourceAliases` is of the resource type `key`, and so of each action on one.
const DOCUMENTED: [(&str, &[&str]); 17] = [
    (
        "ec2:Owner",
        &[
            "ec2:CopyImage",
            "ec2:CreateImageUsageReport",
            "ec2:CreateTags",
            "ec2:DescribeImageAttribute",
            "ec2:AttachImageWatermark",
            "ec2:EnableImageDeprecation",
            "ec2:ModifyImageAttribute",
            "ec2:ReplaceImageInstanceTypeSpecification",
            "ec2:RunInstances",
        ],
    ),
    (
        "aws:RequestTag/amiseal.dev/source-image",
        &[
            "ec2:CopyImage",
            "ec2:CreateTags",
            "ssm:AddTagsToResource",
            "ssm:PutParameter",
        ],
    ),
    (
        "aws:ResourceTag/amiseal.dev/source-image",
        &[
            "ec2:AttachImageWatermark",
            "ec2:CreateTags",
            "ec2:DeleteSnapshot",
            "ec2:DeregisterImage",
            "ec2:EnableImageDeprecation",
            "ec2:ModifyImageAttribute",
            "ec2:ReplaceImageInstanceTypeSpecification",
            "ec2:RunInstances",
            "ssm:DeleteParameter",
        ],
    ),
    ("ec2:CreateAction", &["ec2:CreateTags"]),
    (
        "aws:RequestTag/amiseal.dev/policy",
        &[
            "ec2:CreateImageUsageReport",
            "ec2:CreateTags",
            "ssm:AddTagsToResource",
            "ssm:PutParameter",
        ],
    ),
    (
        "aws:ResourceTag/amiseal.dev/policy",
        &["ec2:DeleteImageUsageReport", "ssm:DeleteParameter"],
    ),
    (
        "aws:RequestTag/amiseal.dev/validates",
        &["ec2:CreateTags", "ec2:RunInstances"],
    ),
    ("aws:ResourceTag/amiseal.dev/validates", &["ec2:TerminateInstances"]),
    ("ec2:InstanceType", &["ec2:RunInstances"]),
    ("ec2:LaunchTemplate", &["ec2:RunInstances"]),
    (
        "kms:ViaService",
        &[
            "kms:CreateGrant",
            "kms:Decrypt",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ],
    ),
    ("kms:GrantIsForAWSResource", &["kms:CreateGrant"]),
    ("ssm:Overwrite", &["ssm:PutParameter"]),
    (
        "aws:ResourceTag/amiseal.dev/hold",
        &[
            "autoscaling:RollbackInstanceRefresh",
            "autoscaling:StartInstanceRefresh",
            "autoscaling:UpdateAutoScalingGroup",
            "ec2:CreateLaunchTemplateVersion",
            "ec2:ModifyLaunchTemplate",
            "ssm:LabelParameterVersion",
        ],
    ),
    ("aws:TagKeys", &["autoscaling:CreateOrUpdateTags"]),
    (
        "aws:RequestTag/amiseal.dev/previous",
        &["autoscaling:CreateOrUpdateTags"],
    ),
    ("iam:PassedToService", &["iam:PassRole"]),
];

#[test]
fn no_action_is_asked_for_a_condition_that_aws_does_not_document_for_it() {
    let of_others = Options {
        copies_of_others: true,
        ..with_groups()
    };
    for options in [with_groups(), of_others] {
        let rights = [EVERYTHING, "promotion: {launchTemplates: Update}"]
            .map(|more| account(&policy("Enforce", more), &options));
        for statement in rights.iter().flat_map(AccountRights::statements) {
            for key in statement.condition.values().flat_map(|keys| keys.keys()) {
                if ["aws:RequestedRegion", "kms:ResourceAliases"].contains(&key.as_str()) {
                    continue;
                }
                let known = DOCUMENTED.iter().find(|(known, _)| known == key);
                let (_, actions) = known.unwrap_or_else(|| panic!("{}: {key}", statement.sid));
                for action in &statement.action.0 {
                    assert!(
                        actions.contains(&action.as_str()),
                        "{}: {key} of {action}",
                        statement.sid
                    );
                }
            }
        }
    }
}

#[test]
fn copies_are_made_of_images_of_the_account_and_tagged_only_as_they_are_made() {
    let account = account(&policy("Enforce", ""), &options());
    assert_eq!(
        json_of(&account, Grant::CopyImages),
        json!({
            "Sid": "CopyImages",
            "Effect": "Allow",
            "Action": "ec2:CopyImage",
            "Resource": ["arn:aws:ec2:eu-west-1::image/*", "arn:aws:ec2:eu-west-1::snapshot/*"],
            "Condition": {
                "StringEqualsIfExists": {"ec2:Owner": ACCOUNT},
                "StringLikeIfExists": {"aws:RequestTag/amiseal.dev/source-image": "ami-*"},
            },
        })
    );
    assert_eq!(
        json_of(&account, Grant::TagCopies)["Condition"],
        json!({
            "StringEquals": {"ec2:CreateAction": "CopyImage"},
            "StringLike": {"aws:RequestTag/amiseal.dev/source-image": "ami-*"},
        })
    );
}

#[test]
fn what_changes_or_removes_images_is_for_copies_of_amiseals_unless_somebody_else_makes_them_too() {
    let tagged = json!({"StringLike": {"aws:ResourceTag/amiseal.dev/source-image": "ami-*"}});
    let owned = json!({"StringEquals": {"ec2:Owner": ACCOUNT}});
    let of_others = Options {
        copies_of_others: true,
        ..options()
    };
    for (options, publishes) in [(options(), &tagged), (of_others, &owned)] {
        let account = account(&policy("Enforce", EVERYTHING), &options);
        for grant in [
            Grant::PublishOnCopies,
            Grant::SealCopies,
            Grant::TagPublishedCopies,
            Grant::LaunchFromCopies,
        ] {
            assert_eq!(json_of(&account, grant)["Condition"], *publishes, "{}", grant.sid());
        }
        // What has failed is removed only where amiseal has made it.
        assert_eq!(json_of(&account, Grant::RemoveFailedCopies)["Condition"], tagged);
    }
}

#[test]
fn proofs_are_launched_as_the_policy_says_with_a_tag_and_only_what_has_it_is_terminated() {
    let launch = "validation: {launch: {instanceType: m7i.large, subnetID: subnet-0a1b2c3d4e5f60718, \
         securityGroupIDs: [sg-0a1b2c3d4e5f60718]}}";
    let account_of = |more: &str| account(&policy("Enforce", more), &options());
    let named = account_of(launch);
    assert_eq!(
        json_of(&named, Grant::LaunchInSubnet)["Resource"],
        json!([
            "arn:aws:ec2:eu-west-1:*:subnet/subnet-0a1b2c3d4e5f60718",
            "arn:aws:ec2:eu-west-1:*:security-group/sg-0a1b2c3d4e5f60718",
        ])
    );
    let default = account_of(LAUNCH);
    assert_eq!(
        json_of(&default, Grant::LaunchInSubnet)["Resource"][1],
        "arn:aws:ec2:eu-west-1:111122223333:security-group/*"
    );
    assert_eq!(
        json_of(&named, Grant::LaunchProofs)["Condition"],
        json!({
            "StringEquals": {"ec2:InstanceType": "m7i.large"},
            "StringLike": {"aws:RequestTag/amiseal.dev/validates": "ami-*"},
        })
    );
    assert_eq!(
        json_of(&named, Grant::EndProofs)["Condition"],
        json!({"StringLike": {"aws:ResourceTag/amiseal.dev/validates": "ami-*"}})
    );
}

#[test]
fn what_is_held_is_not_changed_and_of_a_group_no_other_tag_is_written() {
    let account = account(&policy("Enforce", EVERYTHING), &with_groups());
    for grant in [
        Grant::MoveTemplates,
        Grant::MoveLabels,
        Grant::SetGroups,
        Grant::RefreshGroups,
    ] {
        let held = json!({"Null": {"aws:ResourceTag/amiseal.dev/hold": "true"}});
        assert_eq!(json_of(&account, grant)["Condition"], held, "{}", grant.sid());
    }
    assert_eq!(
        json_of(&account, Grant::MoveParameters)["Condition"],
        json!({"StringEquals": {"ssm:Overwrite": "true"}})
    );
    assert_eq!(
        json_of(&account, Grant::NoteOnGroups)["Condition"],
        json!({
            "ForAllValues:StringEquals": {"aws:TagKeys": "amiseal.dev/previous"},
            "Null": {"aws:RequestTag/amiseal.dev/previous": "false"},
        })
    );
    assert_eq!(
        json_of(&account, Grant::LaunchByTemplates)["Condition"]["ArnLike"]["ec2:LaunchTemplate"],
        "arn:aws:ec2:eu-west-1:111122223333:launch-template/lt-0123456789abcdef0"
    );
    let roles = &json_of(&account, Grant::PassInstanceRoles)["Resource"];
    assert_eq!(*roles, "arn:aws:iam::111122223333:role/web");
}

#[test]
fn reports_are_those_of_the_policy() {
    let account = account(&policy("Enforce", EVERYTHING), &options());
    let named = |key: &str| json!({"StringEquals": {key: "production"}});
    assert_eq!(
        json_of(&account, Grant::AskForUsageReports)["Condition"],
        named("aws:RequestTag/amiseal.dev/policy")
    );
    assert_eq!(
        json_of(&account, Grant::DeleteUsageReports)["Condition"],
        named("aws:ResourceTag/amiseal.dev/policy")
    );
}

#[test]
fn the_map_is_kept_under_the_prefix_in_parameters_with_the_tags_of_the_policy() {
    let account = account(&policy("Enforce", EVERYTHING), &options());
    let (prefix, names) = (
        "arn:aws:ssm:eu-west-1:111122223333:parameter/amiseal/images",
        "arn:aws:ssm:eu-west-1:111122223333:parameter/amiseal/images/ami-*",
    );
    let read = json_of(&account, Grant::ReadTheMap);
    assert_eq!(
        read["Action"],
        json!(["ssm:ListTagsForResource", "ssm:GetParametersByPath"])
    );
    assert_eq!(
        (&read["Resource"], read.get("Condition")),
        (&json!([prefix, names]), None)
    );
    let tagged = |of: &str| {
        json!({
            "StringEquals": {(format!("aws:{of}/amiseal.dev/policy")): "production"},
            "StringLike": {(format!("aws:{of}/amiseal.dev/source-image")): "ami-*"},
        })
    };
    let overwrites = json!({"StringEquals": {"ssm:Overwrite": "true"}});
    for (grant, action, condition) in [
        (
            Grant::AddToTheMap,
            json!(["ssm:PutParameter", "ssm:AddTagsToResource"]),
            tagged("RequestTag"),
        ),
        (Grant::SetTheMap, json!("ssm:PutParameter"), overwrites),
        (
            Grant::RemoveFromTheMap,
            json!("ssm:DeleteParameter"),
            tagged("ResourceTag"),
        ),
    ] {
        let statement = json_of(&account, grant);
        assert_eq!(statement["Resource"], names, "{}", grant.sid());
        assert_eq!(statement["Action"], action, "{}", grant.sid());
        assert_eq!(statement["Condition"], condition, "{}", grant.sid());
    }
}
