//! Images that templates and groups launch, and the policy that has them copied and then moved.

use anyhow::Result;
use ec2sim::WorldSpec;
use serde_json::{Value, json};

use crate::Args;

/// The account that owns the images.
pub(crate) const ACCOUNT: &str = "111122223333";
/// The region of the images.
pub(crate) const REGION: &str = "eu-west-1";
/// The controller's own access key.
pub(crate) const ACCESS_KEY: &str = "AKIACONTROLLER";
/// The account of the controller's own access key.
const HOME: &str = "999900001111";

/// Which template, in turn, launches which image; every template's default is its latest version.
pub(crate) fn world(args: &Args) -> Result<WorldSpec> {
    let image = |number: u32| {
        json!({
            "name": format!("image-{number:04}"),
            "devices": [{"gib": 8}],
            "expect": {"copied": {"key": "alias/ami"}},
        })
    };
    let template = |number: u32| {
        let image = format!("image-{:04}", number % args.images);
        json!({"name": format!("template-{number:04}"), "versions": [{"image": image}]})
    };
    let group = |number: u32| {
        let template = format!("template-{:04}", number * args.templates / args.groups);
        json!({"name": format!("group-{number:04}"), "launchTemplate": {"template": template, "version": "$Default"}})
    };
    let role =
        format!("arn:aws:iam::{ACCOUNT}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling");
    let key = json!({
        "alias": ["alias/ami"],
        "grants": [{"grantee": role, "operations": [
            "CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
        ]}],
    });
    let all = |count: u32, one: &dyn Fn(u32) -> Value| (0..count).map(one).collect::<Vec<Value>>();
    let allow = [
        "ec2:*",
        "kms:*",
        "autoscaling:*",
        "ssm:*",
        "eks:*",
        "batch:*",
        "imagebuilder:*",
    ];
    let world = json!({
        "seed": args.seed,
        "settings": {
            "pagination": {"unstableOrder": true},
            "consistency": {"createSeconds": 3, "tagSeconds": 3, "attributeSeconds": 3},
            "copies": {"baseSeconds": 30.0, "secondsPerGib": 1.0, "jitter": 0.2},
            "throttling": {"enabled": true, "time": "simulated"},
        },
        "expect": {"allow": [{"operation": "ModifyLaunchTemplate"}]},
        "identities": [{"accessKey": ACCESS_KEY, "account": HOME, "allow": ["sts:*"]}],
        "accounts": [
            {"id": HOME},
            {
                "id": ACCOUNT,
                "roles": [{"name": "amiseal", "externalID": "bench", "trust": [HOME], "allow": allow}],
                "regions": [{
                    "name": REGION,
                    "keys": [key],
                    "images": all(args.images, &image),
                    "launchTemplates": all(args.templates, &template),
                    "autoScalingGroups": all(args.groups, &group),
                }],
            },
        ],
    });
    // JSON is YAML.
    Ok(WorldSpec::parse(&world.to_string())?)
}

/// The policy that has them migrated, and templates moved or not.
pub(crate) fn policy(moves: bool) -> String {
    let promotion = if moves {
        json!({"launchTemplates": "Update", "maxPerDay": 1000})
    } else {
        json!({})
    };
    json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": "bench"},
        "spec": {
            "mode": "Enforce",
            "scanInterval": "60m",
            "promotion": promotion,
            "defaults": {"roleName": "amiseal", "externalID": "bench"},
            "accounts": [{"accountID": ACCOUNT, "regions": [{"name": REGION, "kmsKeyID": "alias/ami"}]}],
        },
    })
    .to_string()
}
