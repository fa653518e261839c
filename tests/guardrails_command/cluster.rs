//! The table, and documents from a cluster: what a real API server keeps of the statuses is what is printed.

use std::path::Path;

use amiseal::api::{AMIEncryptionPolicy, AMIEncryptionTarget};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::{ACCOUNT, OTHER, Ran};

/// Policies are named by the test, since the tests of this file share an API server.
struct Cluster {
    client: kube::Client,
    kubeconfig: &'static Path,
}

impl Cluster {
    async fn new() -> Self {
        let plane = rig::shared().await;
        Self {
            client: plane.admin_client().await.expect("a client"),
            kubeconfig: plane.admin_kubeconfig(),
        }
    }

    async fn policy(&self, name: &str, guardrails: &Value) {
        let object = json!({
            "apiVersion": "amiseal.dev/v1alpha1", "kind": "AMIEncryptionPolicy", "metadata": {"name": name},
            "spec": {"mode": "Enforce", "guardrails": guardrails, "defaults": {"roleName": "amiseal"}, "accounts": [
                {"accountID": ACCOUNT, "regions": [{"name": "eu-west-1", "kmsKeyID": "alias/ami"}]}]},
        });
        let object: AMIEncryptionPolicy = serde_json::from_value(object).expect("a policy");
        let api: Api<AMIEncryptionPolicy> = Api::all(self.client.clone());
        api.create(&PostParams::default(), &object).await.expect("accepted");
    }

    /// A target, with what the controller has on record of its guardrails, if anything.
    async fn target(&self, policy: &str, account: &str, guardrails: &Value, found: Option<Value>) {
        let name = format!("{policy}.{account}.eu-west-1");
        let object = json!({
            "apiVersion": "amiseal.dev/v1alpha1", "kind": "AMIEncryptionTarget", "metadata": {"name": name},
            "spec": {"policy": policy, "accountID": account, "region": "eu-west-1", "kmsKeyID": "alias/ami", "mode": "Enforce",
                     "scanInterval": "1h", "otherKey": "Report", "copy": {}, "promotion": {}, "guardrails": guardrails},
        });
        let object: AMIEncryptionTarget = serde_json::from_value(object).expect("a target");
        let api: Api<AMIEncryptionTarget> = Api::all(self.client.clone());
        let made = api.create(&PostParams::default(), &object).await.expect("accepted");
        let Some(found) = found else { return };
        let status = json!({
            "apiVersion": "amiseal.dev/v1alpha1", "kind": "AMIEncryptionTarget",
            "status": {"observedGeneration": made.metadata.generation, "guardrails": found},
        });
        let parameters = PatchParams::apply("amiseal").validation_strict();
        let patched = api.patch_status(&name, &parameters, &Patch::Apply(&status)).await;
        patched.expect("a status that the schema takes");
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let kubeconfig = self.kubeconfig.to_str().expect("UTF-8");
        let arguments = [arguments, &["--kubeconfig", kubeconfig]].concat();
        crate::run(Path::new("/"), &arguments)
    }
}

/// The cells of each line.
fn cells(table: &str) -> Vec<Vec<&str>> {
    table
        .lines()
        .map(|line| {
            line.split("   ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .collect()
        })
        .collect()
}

#[tokio::test]
async fn every_account_and_region_has_all_guardrails_and_what_was_not_read_is_unknown() {
    let cluster = Cluster::new().await;
    let enforced = json!({"ebsEncryptionByDefault": "Enforce", "imageBlockPublicAccess": "Enforce", "allowedImages": {"mode": "Ignore"}});
    let found = json!([
        {"name": "EbsEncryptionByDefault", "mode": "Enforce", "state": "enabled", "holds": true, "drifts": 2},
        {"name": "ImageBlockPublicAccess", "mode": "Enforce", "state": "unblocked", "holds": false,
         "managedBy": "DeclarativePolicy", "drifts": 0, "message": "A declarative policy holds it: change that."},
    ]);
    cluster.target("guarded", ACCOUNT, &enforced, Some(found)).await;
    cluster.target("guarded", OTHER, &enforced, None).await;
    cluster.target("bare", ACCOUNT, &Value::Null, None).await;

    let ran = cluster.run(&["--policy", "guarded"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:#?}");
    let table = cells(&ran.out);
    assert_eq!(
        table[0],
        [
            "ACCOUNT",
            "REGION",
            "GUARDRAIL",
            "MODE",
            "STATE",
            "HOLDS",
            "MANAGED BY",
            "NOTE"
        ]
    );
    assert_eq!(table.len(), 9, "{ran:#?}");
    let row =
        |account, guardrail, rest: [&'static str; 5]| [&[account, "eu-west-1", guardrail][..], &rest[..]].concat();
    for (line, expected) in [
        (
            1,
            row(
                ACCOUNT,
                "EbsEncryptionByDefault",
                ["Enforce", "enabled", "yes", "-", "was undone 2 times"],
            ),
        ),
        (
            2,
            row(
                ACCOUNT,
                "ImageBlockPublicAccess",
                [
                    "Enforce",
                    "unblocked",
                    "no",
                    "DeclarativePolicy",
                    "A declarative policy holds it: change that",
                ],
            ),
        ),
        (
            3,
            row(
                ACCOUNT,
                "SnapshotBlockPublicAccess",
                ["Audit", "unknown", "unknown", "unknown", "not read yet"],
            ),
        ),
        (
            5,
            row(
                OTHER,
                "EbsEncryptionByDefault",
                ["Enforce", "unknown", "unknown", "-", "not read yet"],
            ),
        ),
    ] {
        assert_eq!(table[line], expected);
    }
    assert!(
        table[4].contains(&"Ignore") && table[4].contains(&"unknown"),
        "{:?}",
        table[4]
    );

    let printed = cluster
        .run(&["--policy", "guarded", "--account", OTHER, "-o", "json"])
        .json();
    let rows = printed["guardrails"].as_array().expect("rows");
    assert_eq!(rows.len(), 4);
    for row in rows {
        assert_eq!((&row["accountID"], &row["policy"]), (&json!(OTHER), &json!("guarded")));
        assert_eq!((&row["state"], &row["holds"]), (&json!("unknown"), &Value::Null));
    }
    let yaml = cluster.run(&["--policy", "bare", "--output", "yaml"]);
    assert!(
        yaml.out.contains("state: unknown") && yaml.out.contains("no spec.guardrails"),
        "{yaml:#?}"
    );

    let none = cluster.run(&["--policy", "guarded", "--region", "us-east-1"]);
    assert_eq!(none.code, Some(0), "{none:#?}");
    assert!(none.has_note("kubectl get aet"), "{none:#?}");
}

#[tokio::test]
async fn documents_are_made_of_the_clusters_policies_and_weaken_nothing_that_it_knows_of() {
    let cluster = Cluster::new().await;
    let enforced = json!({"snapshotBlockPublicAccess": "Enforce"});
    let found = json!([{"name": "SnapshotBlockPublicAccess", "mode": "Enforce", "state": "block-all-sharing", "holds": true,
                        "managedBy": "Account", "drifts": 0}]);
    cluster.policy("sharing", &enforced).await;
    cluster.target("sharing", ACCOUNT, &enforced, Some(found)).await;
    let as_policy = ["--as", "declarative-policy", "--policy", "sharing"];
    let ran = cluster.run(&as_policy);
    assert!(ran.complaint().contains("--snapshots block-all-sharing"), "{ran:#?}");
    let printed = cluster
        .run(&[&as_policy[..], &["--snapshots", "block-all-sharing"]].concat())
        .json();
    let state = &printed["ec2_attributes"]["snapshot_block_public_access"]["state"];
    assert_eq!(*state, json!({"@@assign": "block_all_sharing"}));
    let printed = cluster.run(&["--as", "scp", "--policy", "sharing"]).json();
    assert_eq!(
        printed["Statement"][0]["Action"],
        "ec2:DisableSnapshotBlockPublicAccess"
    );
}

#[test]
fn a_cluster_that_cannot_be_reached_is_said_in_one_sentence() {
    for arguments in [&["--context", "nowhere"][..], &["--as", "scp"]] {
        let ran = crate::run(Path::new("/"), arguments);
        assert!(ran.complaint().contains("kubeconfig"), "{arguments:?}: {ran:#?}");
    }
}
