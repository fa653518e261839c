//! What the API server refuses, and what it takes: asked of a real one.

use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::response::StatusCause;
use kube::core::{ApiResource, CustomResourceExt};
use serde_json::{Value, json};

use amiseal::api::{AMIEncryptionPolicy, Duration, Mode};

async fn policies() -> Api<DynamicObject> {
    let client = rig::shared().await.admin_client().await.expect("a client");
    let resource: ApiResource = AMIEncryptionPolicy::api_resource();
    Api::all_with(client, &resource)
}

/// A policy that is accepted, in which each test changes one thing.
fn accepted() -> Value {
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
            "copy": {
                "namePattern": "encrypted-{sourceID}-{name}",
                "extraTags": {"owner": "platform"},
                "maxConcurrentSnapshots": 20,
                "maxAttempts": 3,
            },
            "promotion": {"launchPermissions": "Preserve", "tags": "Withhold"},
        },
    })
}

/// The accepted policy with the value at this place replaced or added, or removed when there is no value.
fn with(pointer: &str, value: Option<Value>) -> Value {
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

/// Asks the API server to take a policy without keeping it.
async fn create(api: &Api<DynamicObject>, policy: Value) -> Result<(), Vec<StatusCause>> {
    let object: DynamicObject = serde_json::from_value(policy).expect("an object");
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match api.create(&dry_run, &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => {
            let mut causes = status.details.expect("details of the refusal").causes;
            // What the API server adds when it stops at an error of the schema: it names no field of its own.
            causes.retain(|cause| !cause.message.contains("some validation rules were not checked"));
            Err(causes)
        }
        Err(other) => panic!("no answer: {other}"),
    }
}

/// One change that is refused: where it is made, what is put there (nothing: it is taken away), the field that the
/// answer names, and the words in which it says what is right.
struct Refusal {
    pointer: &'static str,
    value: Option<Value>,
    field: &'static str,
    mend: &'static str,
}

fn refused(pointer: &'static str, value: impl Into<Option<Value>>, field: &'static str, mend: &'static str) -> Refusal {
    Refusal {
        pointer,
        value: value.into(),
        field,
        mend,
    }
}

const DIGITS: &str = "accountID must be the account's 12 digits, in quotes: write for example \"111122223333\"";
const REGION: &str = "name must be the name of an AWS region, not of a zone: write for example eu-west-1";
const KEY: &str = "kmsKeyID must be an alias, a key ID or the ARN of either: write for example alias/ami";
const KEY_PATH: &str = "kmsKeyID must end in alias/ or key/ and a name of letters, digits and _/-";
const KEY_OF_REGION: &str = "write an ARN that begins with arn:aws:kms:eu-west-1:, or an alias as in alias/ami";
const INTERVAL: &str = "scanInterval must be at least 1m and at most 24h: write for example 15m";
const DURATION: &str = "scanInterval must be a duration of hours, minutes and seconds, in that order: write for \
                        example 15m or 1h30m";
const ROLE_NAME: &str = "roleName must be the name of an IAM role, after its path if it has one: write for example \
                         amiseal or teams/amiseal, and an ARN into roleARN";
const EXTERNAL_ID: &str = "externalID must have at least 2 characters, which may be letters, digits and _+=,.@:/-";
const SIGNS: &str = "namePattern may hold {sourceID}, {name} and the signs that AWS allows in an image's name";
const RESERVED: &str = "extraTags must not have keys that begin with aws: or amiseal.dev/, which are reserved: rename \
                        the key";
const TERM: &str = "a term of imageSelector must have names, tags or ids: add one, or remove the term";

fn accounts() -> Vec<Refusal> {
    let account = "spec.accounts[2].accountID";
    let number = "/spec/accounts/2/accountID";
    let role = "spec.accounts[0].roleARN";
    let role_at = "/spec/accounts/0/roleARN";
    let one_account = |id: usize| json!({"accountID": format!("{:012}", id)});
    vec![
        refused(number, json!("77778888999"), account, DIGITS),
        refused(number, json!("7777888899990"), account, DIGITS),
        refused(number, json!("7777-8888-9999"), account, DIGITS),
        refused(number, json!(777788889999_u64), account, "must be of type string"),
        refused(number, None, account, "Required value"),
        refused(number, json!("444455556666"), "spec.accounts[2]", "Duplicate value"),
        refused(
            "/spec/accounts",
            json!([]),
            "spec.accounts",
            "should have at least 1 items",
        ),
        refused("/spec/accounts", None, "spec.accounts", "Required value"),
        refused(
            "/spec/accounts",
            json!((0..201).map(one_account).collect::<Vec<_>>()),
            "spec.accounts",
            "must have at most 200 items",
        ),
        refused(
            role_at,
            json!("arn:aws:iam::999988887777:role/amiseal"),
            role,
            "roleARN must be a role of the account that accountID names: correct one of the two",
        ),
        refused(
            role_at,
            json!("arn:aws:iam::111122223333:user/amiseal"),
            role,
            "roleARN must be the ARN of an IAM role: write for example arn:aws:iam::111122223333:role/amiseal",
        ),
        refused(
            role_at,
            json!("arn:aws-cn:iam::111122223333:role/amiseal"),
            role,
            "roleARN must be of the partition that the account's regions are in: begin it with arn:aws-cn:",
        ),
        refused(
            "/spec/accounts/0/roleName",
            json!("amiseal"),
            "spec.accounts[0].roleName",
            "roleName and roleARN exclude each other: remove one of the two",
        ),
        refused(
            "/spec/accounts/2/roleName",
            json!("/amiseal/"),
            "spec.accounts[2].roleName",
            ROLE_NAME,
        ),
        refused(
            "/spec/defaults/roleName",
            json!("arn:aws:iam::111122223333:role/amiseal"),
            "spec.defaults.roleName",
            ROLE_NAME,
        ),
        refused(
            "/spec/defaults/externalID",
            json!("x"),
            "spec.defaults.externalID",
            EXTERNAL_ID,
        ),
        refused(
            "/spec/accounts/0/externalID",
            json!("two words"),
            "spec.accounts[0].externalID",
            EXTERNAL_ID,
        ),
    ]
}

fn regions_and_keys() -> Vec<Refusal> {
    let name_at = "/spec/accounts/0/regions/0/name";
    let name = "spec.accounts[0].regions[0].name";
    let key_at = "/spec/accounts/0/regions/0/kmsKeyID";
    let key = "spec.accounts[0].regions[0].kmsKeyID";
    let defaults = "spec.defaults.regions";
    let one_region = |i: usize| json!({"name": format!("eu-west-{i}"), "kmsKeyID": "alias/ami"});
    vec![
        refused(name_at, json!("eu-west-1a"), name, REGION),
        refused(name_at, json!("Ireland"), name, REGION),
        refused(name_at, json!("eu_west_1"), name, REGION),
        refused(
            name_at,
            json!("eu-central-1"),
            "spec.accounts[0].regions[1]",
            "Duplicate value",
        ),
        refused(
            "/spec/accounts/0/regions",
            json!((0..41).map(one_region).collect::<Vec<_>>()),
            "spec.accounts[0].regions",
            "must have at most 40 items",
        ),
        refused(key_at, None, key, "Required value"),
        refused(key_at, json!("ami"), key, KEY),
        refused(key_at, json!("1234abcd-12ab-34cd-56ef-1234567890a"), key, KEY),
        refused(key_at, json!("mrk-1234"), key, KEY),
        refused(key_at, json!("alias/my key"), key, KEY_PATH),
        refused(
            key_at,
            json!("arn:aws:kms:eu-west-1:111122223333:grant/ami"),
            key,
            KEY_PATH,
        ),
        refused(
            key_at,
            json!("arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab"),
            key,
            "kmsKeyID must have a whole key ID after key/",
        ),
        refused(
            key_at,
            json!("arn:aws:kms:eu-west-2:111122223333:alias/ami"),
            key,
            KEY_OF_REGION,
        ),
        refused(
            key_at,
            json!("arn:aws-cn:kms:eu-west-1:111122223333:alias/ami"),
            key,
            KEY_OF_REGION,
        ),
        refused(
            "/spec/defaults/regions/0/kmsKeyID",
            json!("arn:aws:kms:eu-west-2:111122223333:alias/ami"),
            "spec.defaults.regions[0].kmsKeyID",
            KEY_OF_REGION,
        ),
        refused(
            "/spec/defaults/regions/0/kmsKeyID",
            json!("1234abcd-12ab-34cd-56ef-1234567890ab"),
            defaults,
            "write an alias that each account has, or the key's ARN",
        ),
        refused(
            "/spec/defaults/regions/0/name",
            json!("cn-north-1"),
            defaults,
            "give those accounts their own regions, or correct their roleARN",
        ),
        refused(
            "/spec/defaults/regions",
            None,
            "spec.accounts",
            "accounts must each have regions when defaults.regions has none: add regions to the account, or to defaults",
        ),
    ]
}

fn images() -> Vec<Refusal> {
    let include = "spec.imageSelector.include[0]";
    let long_key = "k".repeat(128);
    vec![
        refused("/spec/imageSelector/include/0", json!({}), include, TERM),
        refused(
            "/spec/imageSelector/exclude/0/tags",
            json!({}),
            "spec.imageSelector.exclude[0]",
            TERM,
        ),
        refused(
            "/spec/imageSelector/include/0/ids/0",
            json!("ami-0123456789ABCDEF0"),
            "spec.imageSelector.include[0].ids",
            "ids must be image IDs: write for example ami-0123456789abcdef0",
        ),
        refused(
            "/spec/imageSelector/include/0/names/0",
            json!(""),
            "spec.imageSelector.include[0].names[0]",
            "should be at least 1 chars long",
        ),
        refused(
            "/spec/imageSelector/include/0/tags",
            json!({long_key: "*"}),
            "spec.imageSelector.include[0].tags",
            "tags must have keys of 1 to 127 characters, as AWS has them: correct the key",
        ),
    ]
}

fn copies() -> Vec<Refusal> {
    let pattern_at = "/spec/copy/namePattern";
    let pattern = "spec.copy.namePattern";
    let tags = "spec.copy.extraTags";
    let long_key = "k".repeat(128);
    vec![
        refused(
            pattern_at,
            json!("encrypted"),
            pattern,
            "namePattern must tell copies apart: add {sourceID} or {name} to it",
        ),
        refused(pattern_at, json!("encrypted:{name}"), pattern, SIGNS),
        refused(pattern_at, json!("{accountID}-{name}"), pattern, SIGNS),
        refused(
            pattern_at,
            json!(format!("{{name}}{}", "x".repeat(123))),
            pattern,
            "may not be more than 128 bytes",
        ),
        refused("/spec/copy/extraTags/aws:owner", json!("me"), tags, RESERVED),
        refused("/spec/copy/extraTags/amiseal.dev~1attempt", json!("1"), tags, RESERVED),
        refused(
            "/spec/copy/extraTags",
            json!({long_key: ""}),
            tags,
            "extraTags must have keys of 1 to 127 characters: shorten the key",
        ),
        refused(
            "/spec/copy/extraTags/owner",
            json!("v".repeat(257)),
            "spec.copy.extraTags.owner",
            "may not be more than 256 bytes",
        ),
        refused(
            "/spec/copy/maxConcurrentSnapshots",
            json!(0),
            "spec.copy.maxConcurrentSnapshots",
            "should be greater than or equal to 1",
        ),
        refused(
            "/spec/copy/maxConcurrentSnapshots",
            json!(1001),
            "spec.copy.maxConcurrentSnapshots",
            "should be less than or equal to 1000",
        ),
        refused(
            "/spec/copy/maxAttempts",
            json!(11),
            "spec.copy.maxAttempts",
            "should be less than or equal to 10",
        ),
    ]
}

fn the_rest() -> Vec<Refusal> {
    let interval_at = "/spec/scanInterval";
    let interval = "spec.scanInterval";
    vec![
        refused(
            "/spec/mode",
            json!("enforce"),
            "spec.mode",
            "supported values: \"Audit\", \"Enforce\"",
        ),
        refused("/spec/suspend", json!("yes"), "spec.suspend", "must be of type boolean"),
        refused(
            "/spec/otherKey",
            json!("Ignore"),
            "spec.otherKey",
            "supported values: \"Migrate\", \"Report\"",
        ),
        refused(
            "/spec/promotion/launchPermissions",
            json!("Keep"),
            "spec.promotion.launchPermissions",
            "supported values: \"Preserve\", \"Drop\"",
        ),
        refused(
            "/spec/promotion/tags",
            json!("Copy"),
            "spec.promotion.tags",
            "supported values: \"Publish\", \"Withhold\"",
        ),
        refused(interval_at, json!("59s"), interval, INTERVAL),
        refused(interval_at, json!("24h1s"), interval, INTERVAL),
        refused(interval_at, json!("15"), interval, DURATION),
        refused(interval_at, json!("15 minutes"), interval, DURATION),
        refused(interval_at, json!("0.5h"), interval, DURATION),
        refused(interval_at, json!(""), interval, DURATION),
        refused(
            "/metadata/name",
            json!("p".repeat(57)),
            "<nil>",
            "metadata.name must have at most 56 characters, since it becomes part of labels and role session names: \
             choose a shorter one",
        ),
    ]
}

#[tokio::test]
async fn each_wrong_field_is_refused_with_its_path_and_its_mend_and_nothing_else() {
    let api = policies().await;
    create(&api, accepted())
        .await
        .expect("the policy that all others differ from");

    let mut failures = Vec::new();
    let all = [accounts(), regions_and_keys(), images(), copies(), the_rest()];
    for Refusal {
        pointer,
        value,
        field,
        mend,
    } in all.into_iter().flatten()
    {
        let change = format!(
            "{pointer} = {}",
            value.clone().map_or("(nothing)".to_owned(), |value| value.to_string())
        );
        let change: String = change.chars().take(120).collect();
        match create(&api, with(pointer, value)).await {
            Ok(()) => failures.push(format!("{change}: accepted")),
            Err(causes) => match &causes[..] {
                [cause] if cause.field == field && cause.message.contains(mend) => {}
                _ => failures.push(format!("{change}: wanted {field}: {mend}, got {causes:#?}")),
            },
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[tokio::test]
async fn what_is_right_in_less_common_places_is_accepted() {
    let api = policies().await;
    let region_and_key = |name: &str, key: &str| Some(json!([{"name": name, "kmsKeyID": key}]));
    let regions = "/spec/accounts/2/regions";
    let interval = "/spec/scanInterval";
    for (pointer, value) in [
        (
            regions,
            region_and_key("eu-west-1", "1234abcd-12ab-34cd-56ef-1234567890ab"),
        ),
        (
            regions,
            region_and_key("eu-west-1", "mrk-1234abcd12ab34cd56ef1234567890ab"),
        ),
        (regions, region_and_key("eu-west-1", "alias/aws/ebs")),
        (
            regions,
            region_and_key(
                "us-gov-west-1",
                "arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/ami",
            ),
        ),
        (
            regions,
            region_and_key("cn-north-1", "arn:aws-cn:kms:cn-north-1:111122223333:alias/ami"),
        ),
        (
            regions,
            region_and_key(
                "eusc-de-east-1",
                "arn:aws-eusc:kms:eusc-de-east-1:111122223333:alias/ami",
            ),
        ),
        (
            regions,
            region_and_key(
                "us-isob-east-1",
                "arn:aws-iso-b:kms:us-isob-east-1:111122223333:alias/ami",
            ),
        ),
        (regions, region_and_key("ap-southeast-5", "alias/teams/ami_2")),
        (interval, Some(json!("1m"))),
        (interval, Some(json!("60s"))),
        (interval, Some(json!("1h30m"))),
        (interval, Some(json!("24h"))),
        // No role anywhere: the controller's own identity.
        ("/spec/defaults/roleName", None),
        ("/spec/imageSelector", None),
        ("/spec/imageSelector/include", None),
        (
            "/spec/copy/namePattern",
            Some(json!("{name} (encrypted) [a/b] it's_@1.0")),
        ),
        ("/metadata/name", Some(json!("p".repeat(56)))),
    ] {
        let policy = with(pointer, value.clone());
        if let Err(causes) = create(&api, policy).await {
            panic!("{pointer} = {value:?}: {causes:#?}");
        }
    }
}

#[tokio::test]
async fn a_default_key_may_be_a_bare_id_when_one_account_alone_takes_it() {
    let api = policies().await;
    let mut policy = with("/spec/accounts/2", None);
    policy["spec"]["defaults"]["regions"][0]["kmsKeyID"] = json!("1234abcd-12ab-34cd-56ef-1234567890ab");
    create(&api, policy).await.expect("accepted");
}

/// 200 accounts of 40 regions, with every field that can stand beside the others, at the lengths that long real ones
/// have.
fn largest() -> Value {
    let names: Vec<String> = ["ap-southeast", "ap-northeast", "eu-northwest", "us-southwest"]
        .iter()
        .flat_map(|area| (0..10).map(move |number| format!("{area}-{number}")))
        .collect();
    let regions = |account: &str| -> Vec<Value> {
        let key = |name: &String| format!("arn:aws:kms:{name}:{account}:key/mrk-1234abcd12ab34cd56ef1234567890ab");
        names
            .iter()
            .map(|name| json!({"name": name, "kmsKeyID": key(name)}))
            .collect()
    };
    let account = |number: u64| {
        let id = format!("{:012}", 100_000_000_000 + number);
        json!({
            "accountID": id,
            "roleARN": format!("arn:aws:iam::{id}:role/{}/{}", "p".repeat(63), "r".repeat(64)),
            "externalID": "e".repeat(128),
            "regions": regions(&id),
        })
    };
    let long_tags = |count: usize| -> serde_json::Map<String, Value> {
        (0..count)
            .map(|number| (format!("{number:0127}"), json!("v".repeat(256))))
            .collect()
    };
    let term = json!({
        "names": vec!["n".repeat(128); 10],
        "tags": long_tags(10),
        "ids": vec!["ami-0123456789abcdef0"; 20],
    });
    let mut policy = accepted();
    policy["metadata"]["name"] = json!("largest");
    policy["spec"]["defaults"] = json!({
        "roleName": "r".repeat(192),
        "externalID": "e".repeat(1224),
        "regions": regions("999988887777"),
    });
    policy["spec"]["accounts"] = (0..200).map(account).collect();
    policy["spec"]["imageSelector"] = json!({"include": [term.clone(), term.clone()], "exclude": [term]});
    policy["spec"]["copy"]["extraTags"] = long_tags(40).into();
    policy
}

#[tokio::test]
async fn a_policy_of_200_accounts_of_40_regions_is_applied_and_edited_by_server_side_apply() {
    let api = policies().await;
    let params = PatchParams::apply("gitops").validation_strict();
    let mut policy = largest();
    api.patch("largest", &params, &Patch::Apply(&policy))
        .await
        .expect("applied");

    policy["spec"]["mode"] = json!("Audit");
    policy["spec"]["scanInterval"] = json!("1h");
    policy["spec"]["accounts"].as_array_mut().expect("accounts").remove(7);
    policy["spec"]["accounts"][0]["regions"][39]["kmsKeyID"] = json!("alias/other");
    api.patch("largest", &params, &Patch::Apply(&policy))
        .await
        .expect("edited");

    let client = rig::shared().await.admin_client().await.expect("a client");
    let typed: Api<AMIEncryptionPolicy> = Api::all(client);
    let stored = typed
        .get("largest")
        .await
        .expect("readable as the controller reads it")
        .spec;
    assert_eq!(
        (stored.mode, stored.scan_interval),
        (Mode::Audit, Duration::from_mins(60))
    );
    assert_eq!(stored.accounts.len(), 199);
    assert!(stored.accounts.iter().all(|account| account.regions.len() == 40));
    assert_eq!(stored.accounts[0].regions[39].kms_key_id, "alias/other");
    assert!(
        stored
            .accounts
            .iter()
            .all(|account| account.account_id != "100000000007")
    );
}
