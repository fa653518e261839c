//! A server, and objects to put into it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kubesim::ApiServer;
use serde_json::{Value, json};

pub(crate) const KIND: &str = "AMIMigration";

const DEFINITIONS: [&str; 2] = [
    include_str!("../../../../crds/amiseal.dev_amimigrations.yaml"),
    include_str!("../../../../crds/amiseal.dev_amiencryptionpolicies.yaml"),
];

/// A server whose clock goes on by a second each time that it is asked.
pub(crate) fn server(seed: u64) -> ApiServer {
    let ticks = Arc::new(AtomicI64::new(1_800_000_000));
    let clock = move || Timestamp::from_second(ticks.fetch_add(1, Ordering::SeqCst)).expect("a time");
    ApiServer::new(&DEFINITIONS, seed, clock).expect("definitions that the double knows")
}

pub(crate) fn api(client: kube::Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("amiseal.dev", "v1alpha1", KIND);
    Api::all_with(client, &ApiResource::from_gvk_with_plural(&kind, "amimigrations"))
}

pub(crate) fn name(number: u32) -> String {
    format!("ami-{number:017x}.eu-west-1")
}

pub(crate) fn migration(number: u32) -> Value {
    json!({
        "apiVersion": "amiseal.dev/v1alpha1", "kind": KIND, "metadata": {"name": name(number)},
        "spec": {
            "policy": "production", "accountID": "111122223333", "region": "eu-west-1",
            "sourceImageID": name(number).trim_end_matches(".eu-west-1"), "keyARN": "arn:aws:kms:eu-west-1:1:key/1",
        },
    })
}

pub(crate) async fn create(api: &Api<DynamicObject>, number: u32) -> kube::Result<DynamicObject> {
    let object = serde_json::from_value(migration(number)).expect("an object");
    api.create(&PostParams::default(), &object).await
}

/// Labels a migration, as a person would.
pub(crate) fn label(server: &ApiServer, number: u32, value: &str) {
    let patch = json!({"metadata": {"labels": {"team": value}}});
    let labelled = server.merge("person", KIND, ("", &name(number)), "", &patch);
    labelled.expect("a migration to label");
}

pub(crate) fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("not an answer of the API server: {other}"),
    }
}
