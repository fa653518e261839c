//! The policy that is right, and ways to make it wrong.

use serde_json::{Value, json};

/// A policy that is accepted, in which each test changes one thing.
pub(crate) fn accepted() -> Value {
    json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": "production"},
        "spec": {
            "mode": "Enforce",
            "suspend": false,
            "scanInterval": "15m",
            "defaults": {
                "roleName": "teams/amiseal",
                "externalID": "platform",
                "regions": [{"name": "eu-west-1", "kmsKeyID": "alias/ami"}],
            },
            "accounts": [
                {
                    "accountID": "111122223333",
                    "roleARN": "arn:aws:iam::111122223333:role/amiseal",
                    "externalID": "platform",
                    "regions": [
                        {"name": "eu-west-1", "kmsKeyID": "alias/ami"},
                        {
                            "name": "eu-central-1",
                            "kmsKeyID": "arn:aws:kms:eu-central-1:999988887777:key/1234abcd-12ab-34cd-56ef-1234567890ab",
                        },
                    ],
                },
                {"accountID": "444455556666", "roleARN": "arn:aws:iam::444455556666:role/amiseal"},
                {"accountID": "777788889999"},
            ],
            "imageSelector": {
                "include": [{
                    "names": ["web-*"],
                    "tags": {"team": "*"},
                    "ids": ["ami-01234567", "ami-0123456789abcdef0"],
                }],
                "exclude": [{"tags": {"amiseal.dev/exempt": "*"}}],
            },
            "otherKey": "Migrate",
            "backups": "Include",
            "historyTTL": "720h",
            "consumers": {"read": true, "parameters": "All", "usageReports": "Create", "ownedBy": {"terraform": "*"}},
            "unused": {"after": "2160h"},
            "audit": {
                "maxImageAge": "4320h",
                "requiredTags": ["owner"],
                "trustedOwners": ["aws-marketplace", "099720109477"],
                "allowedSharing": ["999988887777", "arn:aws:organizations::111122223333:organization/o-a1b2c3d4e5"],
                "maxFixAvailable": {"critical": "336h", "high": "720h"},
                "maxScanAge": "720h",
                "disabledChecks": ["unused-image", "orphan-snapshot"],
            },
            "guardrails": {"ebsEncryptionByDefault": "Enforce", "imageBlockPublicAccess": "Audit",
                "snapshotBlockPublicAccess": "Ignore",
                "allowedImages": {"mode": "Enforce", "state": "Enabled", "criteria": [{
                    "imageProviders": ["amazon", "444455556666"],
                    "imageNames": ["golden-*"],
                    "marketplaceProductCodes": ["abc"],
                    "deprecationTimeCondition": {"maximumDaysSinceDeprecated": 0},
                    "creationDateCondition": {"maximumDaysSinceCreated": 90},
                    "imageWatermarks": [{"watermarkKey": "444455556666:ok"}],
                    "scanResultCondition": {"maximumSeverityLabel": "High"},
                }]}},
            "copy": {
                "namePattern": "encrypted-{sourceID}-{name}",
                "extraTags": {"owner": "platform"},
                "maxConcurrentSnapshots": 20,
                "maxAttempts": 3,
            },
            "validation": {"launch": {"instanceType": "t3.nano", "subnetID": "subnet-0123456789abcdef0",
                "securityGroupIDs": ["sg-0123456789abcdef0", "sg-01234567"], "timeout": "10m", "maxConcurrent": 2},
                "job": {"cronJob": "scan-image", "timeout": "2h", "maxConcurrent": 4},
                "inspector": {"maximumSeverity": "High", "scan": "OnDemand", "timeout": "48h"}, "maxAttempts": 3},
            "promotion": {"launchPermissions": "Preserve", "tags": "Withhold", "launchTemplates": "Report", "ssmParameters": "Update",
                "autoScalingGroups": "Refresh",
                "instanceRefresh": {"minHealthyPercentage": 90, "maxHealthyPercentage": 110, "checkpointPercentages": [10, 100],
                    "checkpointDelay": "1h"},
                "approval": "Manual", "maxPerDay": 20},
        },
    })
}

/// The accepted policy with the value at this place replaced or added, or removed when there is no value.
pub(crate) fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut policy = accepted();
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer below the root");
    match policy.pointer_mut(parent).expect("a place in the accepted policy") {
        Value::Object(object) => {
            let key = key.replace("~1", "/");
            match value {
                Some(value) => object.insert(key, value),
                None => object.remove(&key),
            };
        }
        Value::Array(items) => {
            let index: usize = key.parse().expect("an index");
            match value {
                Some(value) if index < items.len() => items[index] = value,
                Some(value) => items.push(value),
                None => drop(items.remove(index)),
            }
        }
        scalar => panic!("{pointer}: nothing is below {scalar}"),
    }
    policy
}
