//! The third account of a history, in which something is not as it should be from beginning to end.

use amiseal::api::conditions::reason;
use ec2sim::model::World;
use serde_json::{Value, json};

use super::world::{CONTROLLER, ONE, THREE, region};
use super::{newer, regressions, statuses};

/// What is odd about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Odd {
    /// The images, each as in a world file.
    images: &'static [&'static str],
    /// More of the keys than `alias/ami` and `alias/other`.
    keys: &'static str,
    /// What the role may do, and who may assume it; each as in a world file.
    allow: &'static str,
    trusted: bool,
    not_opted_in: bool,
    /// What becomes of calls: operation, and the act, as in a world file.
    fault: Option<(&'static str, &'static str)>,
    /// Which key the policy names.
    key: &'static str,
    /// Statements of the role's policy besides, as in a world file.
    statements: &'static str,
    /// What the policy says besides, as JSON.
    spec: &'static str,
    /// Whether something is copied: else nothing may be changed in this account.
    pub(crate) copies: bool,
    /// What some condition has to say in the end.
    pub(crate) says: &'static str,
}

const PLAIN: Odd = Odd {
    images: &["{name: plain, expect: untouched}"],
    keys: "",
    allow: "\"ec2:*\", \"kms:*\"",
    trusted: true,
    not_opted_in: false,
    fault: None,
    key: "alias/ami",
    statements: "",
    spec: "{}",
    copies: false,
    says: "",
};

const ANY: &[&str] = &["{name: plain, expect: any}"];
const ASYMMETRIC: &str = ", {alias: [alias/odd], usage: SIGN_VERIFY, spec: RSA_2048}";
const IMPORTED: &str = ", {alias: [alias/odd], state: PendingImport}";
const DISABLED: &str = ", {alias: [alias/odd], state: Disabled}";
const MISSING: &str = "arn:aws:kms:eu-west-1:777788889999:key/33333333-3333-4333-8333-333333333333";
const GOING: &str = ", {alias: [alias/odd], state: PendingDeletion}";

/// So many were there when the older histories were found that are kept: their seeds have these. Newer ones come after them.
pub(crate) const FIRST: usize = 26;
/// So many of the newer ones were there when the newer histories were found that are kept: their seeds have these.
const NEXT: usize = 8;

/// All of them. The first is the one of the histories in which each fault strikes at each moment.
pub(crate) const ALL: &[Odd] = &[
    Odd {
        spec: r#"{"mode": "Audit"}"#,
        says: reason::UNENCRYPTED_IMAGES,
        ..PLAIN
    },
    Odd {
        spec: r#"{"suspend": true}"#,
        says: reason::SUSPENDED,
        ..PLAIN
    },
    Odd {
        key: "alias/none",
        says: reason::KEY_NOT_FOUND,
        ..PLAIN
    },
    Odd {
        key: "arn:aws:kms:us-east-1:777788889999:key/11111111-1111-4111-8111-111111111111",
        says: reason::KEY_WRONG_REGION,
        ..PLAIN
    },
    Odd {
        keys: ASYMMETRIC,
        key: "alias/odd",
        says: reason::KEY_WRONG_USAGE,
        ..PLAIN
    },
    Odd {
        keys: IMPORTED,
        key: "alias/odd",
        says: reason::KEY_UNAVAILABLE,
        ..PLAIN
    },
    Odd {
        images: &[
            "{name: plain, expect: untouched}",
            "{name: switched-off, state: disabled, expect: untouched}",
            "{name: archived, devices: [{storageTier: archive}], expect: untouched}",
        ],
        keys: DISABLED,
        key: "alias/odd",
        says: reason::KEY_DISABLED,
        ..PLAIN
    },
    Odd {
        images: &[
            "{name: plain, expect: untouched}",
            "{name: zonal, devices: [{availabilityZone: eu-west-1-ham-1a}], expect: untouched}",
            "{name: mapped-twice, garbled: mappedTwice, expect: untouched}",
        ],
        keys: GOING,
        key: "alias/odd",
        says: reason::KEY_PENDING_DELETION,
        ..PLAIN
    },
    Odd {
        trusted: false,
        says: reason::ROLE_NOT_ASSUMABLE,
        ..PLAIN
    },
    Odd {
        spec: r#"{"defaults": {"roleName": null, "externalID": null}}"#,
        says: reason::WRONG_ACCOUNT,
        ..PLAIN
    },
    Odd {
        not_opted_in: true,
        says: reason::REGION_NOT_ENABLED,
        ..PLAIN
    },
    Odd {
        allow: "\"ec2:Describe*\", ec2:CreateTags, kms:DescribeKey",
        says: reason::ACCESS_DENIED,
        ..PLAIN
    },
    Odd {
        images: &["{name: shared, launchPermissions: {users: [\"444455556666\"]}, expect: untouched}"],
        key: "alias/aws/ebs",
        says: reason::DEFAULT_KEY_CANNOT_BE_SHARED,
        ..PLAIN
    },
    // The images of the second policy, which is older.
    Odd {
        spec: r#"{"accounts": [{"accountID": "444455556666"}]}"#,
        says: reason::CONTESTED,
        ..PLAIN
    },
    Odd {
        fault: Some((
            "CopyImage",
            "{failBefore: {code: InvalidRequest, status: 400, message: Images with EC2 BillingProduct codes cannot be copied}}",
        )),
        copies: true,
        images: ANY,
        says: reason::PRODUCT_CODE_NOT_COPYABLE,
        ..PLAIN
    },
    Odd {
        images: &["{name: borrowed, devices: [{}, {ownedBy: \"111122223333\", shared: false}], expect: untouched}"],
        copies: true,
        says: reason::SNAPSHOT_NOT_SHARED,
        ..PLAIN
    },
    Odd {
        images: &["TAGS"],
        spec: r#"{"promotion": {"tags": "Publish"}}"#,
        copies: true,
        says: reason::TOO_MANY_TAGS,
        ..PLAIN
    },
    Odd {
        images: &["{name: under-another, encryptedUnder: alias/other, expect: {copied: {key: alias/ami}}}"],
        spec: r#"{"otherKey": "Migrate"}"#,
        copies: true,
        says: reason::OTHER_KEY,
        ..PLAIN
    },
    Odd {
        fault: Some(("*", "dropBefore")),
        says: reason::ENDPOINT_UNREACHABLE,
        ..PLAIN
    },
    Odd {
        fault: Some(("*", "throttle")),
        says: reason::THROTTLED,
        ..PLAIN
    },
    Odd {
        fault: Some(("*", "{failBefore: {code: InternalError, status: 500, message: m}}")),
        says: reason::TRANSIENT_ERROR,
        ..PLAIN
    },
    Odd {
        // It may not use the key, which AWS finds out while it copies.
        allow: "\"ec2:*\", kms:DescribeKey",
        images: ANY,
        copies: true,
        says: reason::ATTEMPTS_EXHAUSTED,
        ..PLAIN
    },
    Odd {
        fault: Some(("CopyImage", "copyUnencrypted")),
        images: ANY,
        copies: true,
        says: reason::COPY_NOT_ENCRYPTED,
        ..PLAIN
    },
    Odd {
        fault: Some(("CopyImage", "{copyAttribute: {name: architecture, value: arm64}}")),
        images: ANY,
        copies: true,
        says: reason::ATTRIBUTE_MISMATCH,
        ..PLAIN
    },
    Odd {
        fault: Some((
            "CopyImage",
            "{failBefore: {code: InvalidParameterValue, status: 400, message: A parameter is wrong}}",
        )),
        copies: true,
        images: ANY,
        says: reason::INVALID_REQUEST,
        ..PLAIN
    },
    Odd {
        fault: Some((
            "DescribeImages",
            "{failBefore: {code: ResourceLimitExceeded, status: 400, message: Too many}}",
        )),
        says: reason::QUOTA_EXCEEDED,
        ..PLAIN
    },
    // From here on for newer seeds only.
    Odd {
        fault: Some((
            "CopyImage",
            "{failBefore: {code: SnapshotLimitExceeded, status: 400, message: Maximum snapshot limit exceeded}}",
        )),
        copies: true,
        images: ANY,
        says: reason::QUOTA_EXCEEDED,
        ..PLAIN
    },
    Odd {
        fault: Some((
            "DescribeImages",
            "{failBefore: {code: PendingVerification, status: 400, message: The account is being verified}}",
        )),
        says: reason::ACCOUNT_NOT_READY,
        ..PLAIN
    },
    // The role may copy only with a tag that the policy names.
    Odd {
        images: &["{name: plain, expect: {copied: {key: alias/ami}}}"],
        statements: "{Effect: Deny, Action: \"ec2:CopyImage\", Resource: [\"arn:aws:ec2:*::image/*\", \"arn:aws:ec2:*::snapshot/*\"], \
                     Condition: {\"Null\": {\"aws:RequestTag/cost\": \"true\"}}}",
        spec: r#"{"copy": {"extraTags": {"cost": "12"}}}"#,
        copies: true,
        says: reason::ORIGINALS_REMAIN,
        ..PLAIN
    },
    Odd {
        statements: "{Effect: Deny, Action: \"ec2:CopyImage\", Resource: \"*\", Condition: {\"Null\": {\"aws:RequestTag/cost\": \
                     \"true\"}}}",
        says: reason::ACCESS_DENIED,
        ..PLAIN
    },
    Odd {
        images: &["{name: locked, encryptedUnder: alias/odd, expect: untouched}"],
        keys: DISABLED,
        spec: r#"{"otherKey": "Migrate"}"#,
        says: reason::SOURCE_KEY_DISABLED,
        ..PLAIN
    },
    Odd {
        images: &["{name: going, encryptedUnder: alias/odd, expect: untouched}"],
        keys: GOING,
        spec: r#"{"otherKey": "Migrate"}"#,
        says: reason::SOURCE_KEY_PENDING_DELETION,
        ..PLAIN
    },
    Odd {
        images: &["{name: half, encryptedUnder: alias/odd, expect: untouched}"],
        keys: IMPORTED,
        spec: r#"{"otherKey": "Migrate"}"#,
        says: reason::SOURCE_KEY_UNAVAILABLE,
        ..PLAIN
    },
    Odd {
        images: &["LOST"],
        spec: r#"{"otherKey": "Migrate"}"#,
        says: reason::SOURCE_KEY_NOT_FOUND,
        ..PLAIN
    },
    // From here on for seeds whose histories are not kept. The role may change only what has amiseal's tag, which AWS tells of an image
    // or snapshot that is there.
    Odd {
        images: &[
            "{name: shared, imds: v2.0, launchPermissions: {users: [\"444455556666\"]}, deprecationTime: 2035-01-01T00:00:00Z, \
             expect: {copied: {key: alias/ami}}}",
        ],
        statements: "{Effect: Deny, Action: [\"ec2:ModifyImageAttribute\", \"ec2:EnableImageDeprecation\", \
                     \"ec2:DeregisterImage\", \"ec2:DeleteSnapshot\"], Resource: \"*\", \
                     Condition: {StringNotLike: {\"aws:ResourceTag/amiseal.dev/source-image\": \"ami-*\"}}}",
        copies: true,
        says: reason::ORIGINALS_REMAIN,
        ..PLAIN
    },
    // The role may do nothing with an image of a tag. It can copy that image all the same, as AWS gives CopyImage no tags of the
    // original, and cannot read who may launch it.
    Odd {
        images: &[
            "{name: plain, expect: {copied: {key: alias/ami}}}",
            "{name: frozen, tags: {frozen: \"yes\"}, expect: any}",
        ],
        statements: "{Effect: Deny, Action: \"ec2:*\", Resource: \"arn:aws:ec2:*::image/*\", \
                     Condition: {StringEquals: {\"aws:ResourceTag/frozen\": \"yes\"}}}",
        copies: true,
        says: reason::ACCESS_DENIED,
        ..PLAIN
    },
    Odd {
        images: &["{name: marked, watermarks: [\"777788889999:golden\"], expect: any}"],
        fault: Some(("CopyImage", "{copyAttribute: {name: watermarks}}")),
        copies: true,
        says: reason::ATTRIBUTE_MISMATCH,
        ..PLAIN
    },
];

impl Odd {
    /// Whether its policy is for the account of another one as well.
    pub(crate) fn contests(&self) -> bool {
        self.says == reason::CONTESTED
    }

    /// Whether what it says need not be said to the end: other reasons come in between, and what was to be done is
    /// done.
    pub(crate) fn passes(&self) -> bool {
        matches!(
            self.says,
            reason::OTHER_KEY
                | reason::CONTESTED
                | reason::ENDPOINT_UNREACHABLE
                | reason::THROTTLED
                | reason::TRANSIENT_ERROR
        )
    }

    /// Whether its policy only looks.
    pub(crate) fn audits(&self) -> bool {
        self.spec.contains("Audit")
    }

    /// The one that a seed gets.
    pub(crate) fn of(seed: u64) -> &'static Self {
        let number = usize::try_from(seed.saturating_sub(1)).unwrap_or(0);
        let (older, latest) = ALL.split_at(FIRST);
        let latest = if regressions::is_known(seed) {
            &latest[..NEXT]
        } else {
            latest
        };
        if newer::is_newer(seed) && !latest.is_empty() {
            &latest[number % latest.len()]
        } else {
            &older[number % older.len()]
        }
    }

    /// Its account, as in a world file.
    pub(crate) fn account(&self) -> String {
        let images: Vec<String> = self.images.iter().map(|image| self.image(image)).collect();
        let trust = if self.trusted { CONTROLLER } else { ONE };
        format!(
            "- {{id: \"{THREE}\", roles: [{{name: amiseal, externalID: platform, trust: [\"{trust}\"], allow: [{}], statements: [{}]}}], \
             regions: [{}]}}\n",
            self.allow,
            self.statements,
            region(
                "eu-west-1",
                self.keys,
                if self.not_opted_in {
                    "not-opted-in"
                } else {
                    "opt-in-not-required"
                },
                &images
            )
        )
    }

    fn image(&self, yaml: &str) -> String {
        if yaml == "LOST" {
            return format!("{{name: lost, encryptedUnder: \"{MISSING}\", expect: untouched}}");
        }
        if yaml != "TAGS" {
            return yaml.to_owned();
        }
        let tags: Vec<String> = (1..=50).map(|number| format!("tag-{number}: x")).collect();
        format!("{{name: tagged, tags: {{{}}}, expect: any}}", tags.join(", "))
    }

    /// What goes wrong in it all the time, as in a world file.
    pub(crate) fn faults(&self) -> String {
        self.fault.map_or_else(String::new, |(operation, act)| {
            format!("faults:\n- {{operation: \"{operation}\", account: \"{THREE}\", act: {act}}}\n")
        })
    }

    /// What is expected of it, as in a world file.
    pub(crate) fn expect(&self) -> String {
        if self.copies {
            return String::new();
        }
        format!("noMutatingCalls: [{{account: \"{THREE}\"}}], ")
    }

    /// The policy for it, changed from the usual one.
    pub(crate) fn policy(&self, mut usual: Value) -> Value {
        usual["spec"]["defaults"]["regions"] = json!([{"name": "eu-west-1", "kmsKeyID": self.key}]);
        let changes: Value = serde_json::from_str(self.spec).expect("JSON");
        merge(&mut usual["spec"], &changes);
        usual
    }
}

/// Whether an original is left in the third account that is not encrypted, and that nobody has exempted.
pub(crate) fn has_originals(world: &World) -> bool {
    let region = world.region(THREE, "eu-west-1");
    region.is_some_and(|region| statuses::unencrypted(region).is_some())
}

/// As a JSON merge patch does it.
fn merge(value: &mut Value, changes: &Value) {
    let Value::Object(changes) = changes else {
        *value = changes.clone();
        return;
    };
    for (key, change) in changes {
        if change.is_null() {
            value.as_object_mut().expect("an object").remove(key);
        } else {
            merge(&mut value[key.as_str()], change);
        }
    }
}
