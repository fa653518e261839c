//! The custom resource definitions as the chart renders them.

use std::collections::BTreeMap;

use rig::shared;
use serde_json::{Value, json};

use crate::support::{NAMESPACE, chart, helm, read, render, template};

const KEEP: &str = "helm.sh/resource-policy";

/// The definitions that the arguments render, by name.
async fn definitions(arguments: &[&str]) -> BTreeMap<String, Value> {
    let by_name = |object: Value| (object["metadata"]["name"].as_str().expect("a name").to_owned(), object);
    render(arguments)
        .await
        .into_iter()
        .filter(|object| object["kind"] == "CustomResourceDefinition")
        .map(by_name)
        .collect()
}

#[tokio::test]
async fn the_definitions_are_those_of_the_project_with_helms_labels() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    let mut rendered = definitions(&[]).await;
    for entry in std::fs::read_dir(directory).expect("crds/") {
        let expected: Value = serde_saphyr::from_str(&read(&entry.expect("an entry").path())).expect("YAML");
        let mut definition = rendered
            .remove(expected["metadata"]["name"].as_str().expect("a name"))
            .expect("a definition");
        let metadata = definition["metadata"].as_object_mut().expect("metadata");
        assert_eq!(metadata.remove("annotations"), Some(json!({KEEP: "keep"})));
        assert_eq!(
            metadata.remove("labels").expect("labels")["app.kubernetes.io/instance"],
            "amiseal"
        );
        assert_eq!(definition, expected);
    }
    assert_eq!(rendered, BTreeMap::new());
}

#[tokio::test]
async fn the_definitions_can_be_left_out_or_left_to_helm() {
    assert_eq!(definitions(&["--set", "crds.enabled=false"]).await, BTreeMap::new());
    let not_kept = definitions(&["--set", "crds.keep=false"]).await;
    assert_eq!(not_kept.len(), 3);
    for definition in not_kept.values() {
        assert_eq!(definition["metadata"].get("annotations"), None);
    }
}

#[tokio::test]
async fn a_packaged_chart_holds_the_definitions() {
    let control_plane = shared().await;
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    helm(control_plane, &["package", &chart(), "--destination", &path("")])
        .await
        .expect("helm package");
    let package = path(&format!("amiseal-{}.tgz", env!("CARGO_PKG_VERSION")));
    let packaged = helm(
        control_plane,
        &["template", "amiseal", &package, "--namespace", NAMESPACE],
    )
    .await
    .expect("helm template");
    assert_eq!(packaged, template(&[]).await.expect("helm template"));
}
