//! What nothing was said of yet is not taken for one with which all is well.

use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::CustomResourceExt;
use serde_json::{Value, json};

use amiseal::api::conditions::{self, Status, reason};
use amiseal::api::{AMIEncryptionPolicy, AMIEncryptionTarget, AMIMigration};

use crate::migrations::migration;
use crate::targets::target_spec;
use crate::{client, condition, kubectl_tries, store_status};

/// What `kubectl wait --for condition=Ready` says, which does not wait here.
async fn waits_in_vain(kind: &str, name: &str) -> bool {
    let arguments = ["wait", "--for", "condition=Ready", "--timeout", "0", kind, name];
    !kubectl_tries(&arguments).await.0
}

/// An object that nothing was said of yet is not taken for one with which all is well, nor is one that was changed since.
async fn is_ready_only_when_seen<K>(kind: &str, name: &str, change: Option<Value>)
where
    K: CustomResourceExt
        + kube::Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + serde::Serialize,
{
    let api: Api<K> = Api::all(client().await);
    let shown = |stored: K| serde_json::to_value(stored).expect("JSON")["status"].clone();
    let stored = api.get(name).await.expect("it is there");
    assert_eq!(shown(stored), json!({"observedGeneration": -1}), "{kind}");
    assert!(waits_in_vain(kind, name).await, "{kind}: nothing was said yet");

    let ready = condition(conditions::READY, Status::True, reason::SUCCEEDED, "");
    let mut bare = ready.clone();
    bare.observed_generation = None;
    // As from a backup of another version, which says not of what it speaks.
    let stored = store_status(&api, name, json!({"conditions": [bare]})).await;
    assert_eq!(shown(stored)["observedGeneration"], -1, "{kind}");
    assert!(waits_in_vain(kind, name).await, "{kind}: of no generation");

    store_status(&api, name, json!({"observedGeneration": 1, "conditions": [ready]})).await;
    assert!(!waits_in_vain(kind, name).await, "{kind}: ready");
    if let Some(change) = change {
        let patch = Patch::Merge(json!({"spec": change}));
        api.patch(name, &PatchParams::default(), &patch).await.expect("changed");
        assert!(waits_in_vain(kind, name).await, "{kind}: of a former generation");
    }
}

#[tokio::test]
async fn nothing_is_taken_for_ready_before_amiseal_has_looked_at_it_as_it_is_now() {
    let client = client().await;
    let mut target = AMIEncryptionTarget::new("unseen.111122223333.eu-west-1", target_spec());
    target.spec.policy = "unseen".to_owned();
    let policy = json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": "unseen"},
        "spec": {"accounts": [{
            "accountID": "111122223333",
            "regions": [{"name": "eu-west-1", "kmsKeyID": "alias/ami"}],
        }]},
    });
    let policy: AMIEncryptionPolicy = serde_json::from_value(policy).expect("a policy");
    let parameters = PostParams::default();
    let policies: Api<AMIEncryptionPolicy> = Api::all(client.clone());
    policies.create(&parameters, &policy).await.expect("accepted");
    let targets: Api<AMIEncryptionTarget> = Api::all(client.clone());
    targets.create(&parameters, &target).await.expect("accepted");
    let name = "ami-00000000000000001.eu-west-1";
    let migrations: Api<AMIMigration> = Api::all(client);
    migrations
        .create(&parameters, &migration(name))
        .await
        .expect("accepted");

    let change = || Some(json!({"scanInterval": "2h"}));
    is_ready_only_when_seen::<AMIEncryptionPolicy>("aep", "unseen", change()).await;
    is_ready_only_when_seen::<AMIEncryptionTarget>("aet", "unseen.111122223333.eu-west-1", change()).await;
    is_ready_only_when_seen::<AMIMigration>("amim", name, None).await;
}
