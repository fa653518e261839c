//! What the API server refuses, and what it takes: asked of a real one.

use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::response::StatusCause;
use kube::core::{ApiResource, CustomResourceExt};
use serde_json::{Value, json};

use amiseal::api::{AMIEncryptionPolicy, Duration, Mode};
use amiseal::domain::Region;

use crate::policies::{accepted, with};
use crate::refusals::Refusal;

mod imported;
mod policies;
mod refusals;
mod yaml;

async fn policies() -> Api<DynamicObject> {
    let client = rig::shared().await.admin_client().await.expect("a client");
    let resource: ApiResource = AMIEncryptionPolicy::api_resource();
    Api::all_with(client, &resource)
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

#[tokio::test]
async fn each_wrong_field_is_refused_with_its_path_and_its_mend_and_nothing_else() {
    let api = policies().await;
    create(&api, accepted())
        .await
        .expect("the policy that all others differ from");

    let mut failures = Vec::new();
    for Refusal {
        pointer,
        value,
        field,
        mend,
    } in refusals::all()
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
        ("/spec/audit", None),
        ("/spec/audit", Some(json!({}))),
        ("/spec/audit/trustedOwners", Some(json!([]))),
        ("/spec/audit/allowedSharing", Some(json!([]))),
        ("/spec/audit/disabledChecks", Some(json!(amiseal::api::CHECKS))),
        ("/spec/guardrails", None),
        ("/spec/guardrails", Some(json!({}))),
        ("/spec/accountsFrom", Some(json!({"organization": {}}))),
        ("/spec/defaults/allRegions", Some(json!({"kmsKeyID": "alias/ami"}))),
        (
            "/spec/accounts/0/allRegions",
            Some(json!({"kmsKeyID": "mrk-1234abcd12ab34cd56ef1234567890ab", "exclude": ["me-south-1", "af-south-1"]})),
        ),
        (
            "/spec",
            Some(json!({
                "accountsFrom": {"organization": {}},
                "defaults": {"roleName": "amiseal", "allRegions": {"kmsKeyID": "alias/ami"}},
            })),
        ),
        (
            "/spec",
            Some(json!({
                "accountsFrom": {
                    "organizationalUnits": ["ou-ab12-c3d4e5f6"],
                    "exclude": ["111122223333"],
                    "roleARN": "arn:aws:iam::999988887777:role/lists-accounts",
                    "externalID": "platform",
                },
                "defaults": {"roleName": "amiseal", "regions": [{"name": "eu-west-1", "kmsKeyID": "alias/ami"}]},
            })),
        ),
    ] {
        let policy = with(pointer, value.clone());
        if let Err(causes) = create(&api, policy).await {
            panic!("{pointer} = {value:?}: {causes:#?}");
        }
    }
}

#[tokio::test]
async fn keys_are_of_the_partition_that_the_controller_too_takes_their_region_for() {
    let api = policies().await;
    for name in [
        "eu-west-1",
        "cn-north-1",
        "us-gov-west-1",
        "eusc-de-east-1",
        "us-iso-east-1",
        "us-isob-east-1",
        "us-isof-south-1",
        "eu-isoe-west-1",
    ] {
        let partition = name.parse::<Region>().expect("a region").partition();
        for (partition, right) in [(partition.as_str(), true), ("aws-none", false)] {
            let key = format!("arn:{partition}:kms:{name}:111122223333:alias/ami");
            let regions = json!([{"name": name, "kmsKeyID": key}]);
            let answer = create(&api, with("/spec/accounts/2/regions", Some(regions))).await;
            assert_eq!(answer.is_ok(), right, "{key}: {answer:?}");
        }
        let role = format!("arn:{partition}:iam::777788889999:role/amiseal");
        let account = json!({
            "accountID": "777788889999",
            "roleARN": role,
            "regions": [{"name": name, "kmsKeyID": "alias/ami"}],
        });
        create(&api, with("/spec/accounts/2", Some(account)))
            .await
            .expect(&role);
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
