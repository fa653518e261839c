//! The control plane serves, guards and cleans up as a real one does.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, ObjectMeta, PostParams, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Resource, ResourceExt};
use rig::tools::Tool;
use rig::{Component, ControlPlane, Options, poll_until, shared};

const SOON: Duration = Duration::from_secs(30);

fn config_map(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

fn owned_by(owner: &ConfigMap, name: &str) -> ConfigMap {
    let reference = OwnerReference {
        block_owner_deletion: Some(true),
        ..owner.controller_owner_ref(&()).expect("a stored owner")
    };
    let mut child = config_map(name);
    child.metadata.owner_references = Some(vec![reference]);
    child
}

async fn namespace(control_plane: &ControlPlane, name: &str) {
    let yaml = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}");
    control_plane.apply(&yaml).await.expect("a namespace");
}

async fn client_of(control_plane: &ControlPlane, namespace: &str, account: &str) -> Client {
    let path = control_plane
        .service_account_kubeconfig(namespace, account)
        .await
        .expect("a kubeconfig");
    let kubeconfig = Kubeconfig::read_from(path).expect("a readable kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a config");
    Client::try_from(config).expect("a client")
}

/// Waits for the account that a controller makes in every namespace, or for one that was just applied.
async fn account(control_plane: &ControlPlane, namespace: &str, name: &str) {
    let yaml = format!("{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {name}, namespace: {namespace}}}}}");
    control_plane.apply(&yaml).await.expect("a service account");
}

fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("not an answer of the API server: {other}"),
    }
}

#[tokio::test]
async fn the_api_server_is_of_the_pinned_version() {
    let version = shared()
        .await
        .admin_client()
        .await
        .expect("a client")
        .apiserver_version()
        .await
        .expect("a version");
    assert_eq!(
        version.git_version,
        Tool::KubeApiserver.version().expect("a pinned version")
    );
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "36"));
}

#[tokio::test]
async fn kubectl_of_the_same_version_talks_to_it() {
    let output = shared()
        .await
        .kubectl()
        .expect("kubectl")
        .args(["version", "-o", "json"])
        .output()
        .expect("an answer");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let versions: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        versions["clientVersion"]["gitVersion"],
        versions["serverVersion"]["gitVersion"]
    );
}

#[tokio::test]
async fn a_child_is_collected_when_its_owner_is_deleted() {
    let control_plane = shared().await;
    namespace(control_plane, "collection").await;
    let maps: Api<ConfigMap> = Api::namespaced(control_plane.admin_client().await.expect("a client"), "collection");
    let owner = maps
        .create(&PostParams::default(), &config_map("owner"))
        .await
        .expect("an owner");
    maps.create(&PostParams::default(), &owned_by(&owner, "child"))
        .await
        .expect("a child");
    maps.create(&PostParams::default(), &config_map("bystander"))
        .await
        .expect("a bystander");

    maps.delete("owner", &DeleteParams::background())
        .await
        .expect("a deletion");

    poll_until("the child to be collected", SOON, async || {
        Ok(maps.get_opt("child").await?.is_none().then_some(()))
    })
    .await
    .expect("a collected child");
    assert!(maps.get_opt("bystander").await.expect("an answer").is_some());
}

#[tokio::test]
async fn a_child_of_a_custom_resource_that_was_there_at_the_start_is_collected() {
    let directory = tempfile::tempdir().expect("a directory");
    let manifest = directory.path().join("widget.yaml");
    std::fs::write(&manifest, include_str!("widget.yaml")).expect("a manifest");
    let control_plane = ControlPlane::start(Options {
        manifests: vec![manifest],
        ..Options::default()
    })
    .await
    .expect("a control plane");
    let kind = GroupVersionKind::gvk("rig.example.com", "v1", "Widget");
    let widgets: Api<DynamicObject> = Api::all_with(
        control_plane.admin_client().await.expect("a client"),
        &ApiResource::from_gvk(&kind),
    );
    let resource = ApiResource::from_gvk(&kind);
    let owner = widgets
        .create(&PostParams::default(), &DynamicObject::new("owner", &resource))
        .await
        .expect("an owner");
    let mut child = DynamicObject::new("child", &resource);
    child
        .owner_references_mut()
        .push(owner.controller_owner_ref(&resource).expect("a stored owner"));
    widgets.create(&PostParams::default(), &child).await.expect("a child");

    widgets
        .delete("owner", &DeleteParams::background())
        .await
        .expect("a deletion");

    poll_until("the child to be collected", SOON, async || {
        Ok(widgets.get_opt("child").await?.is_none().then_some(()))
    })
    .await
    .expect("a collected child");
}

#[tokio::test]
async fn a_service_account_may_do_what_its_role_says_and_nothing_else() {
    let control_plane = shared().await;
    namespace(control_plane, "rights").await;
    account(control_plane, "rights", "reader").await;
    let admin = control_plane.admin_client().await.expect("a client");
    let reader = client_of(control_plane, "rights", "reader").await;
    let maps: Api<ConfigMap> = Api::namespaced(reader, "rights");

    let refused = maps.list(&ListParams::default()).await.expect_err("no rights yet");
    assert_eq!(code(&refused), 403);

    let role = Role {
        metadata: ObjectMeta {
            name: Some("reader".into()),
            ..ObjectMeta::default()
        },
        rules: Some(vec![PolicyRule {
            api_groups: Some(vec![String::new()]),
            resources: Some(vec!["configmaps".into()]),
            verbs: vec!["list".into()],
            ..PolicyRule::default()
        }]),
    };
    Api::namespaced(admin.clone(), "rights")
        .create(&PostParams::default(), &role)
        .await
        .expect("a role");
    let binding = RoleBinding {
        metadata: ObjectMeta {
            name: Some("reader".into()),
            ..ObjectMeta::default()
        },
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".into()),
            kind: "Role".into(),
            name: "reader".into(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".into(),
            name: "reader".into(),
            namespace: Some("rights".into()),
            ..Subject::default()
        }]),
    };
    Api::namespaced(admin, "rights")
        .create(&PostParams::default(), &binding)
        .await
        .expect("a binding");

    // The authorizer learns of a new role a moment later.
    poll_until("the role to work", SOON, async || {
        Ok(Some(maps.list(&ListParams::default()).await?))
    })
    .await
    .expect("a list");
    let refused = maps
        .create(&PostParams::default(), &config_map("new"))
        .await
        .expect_err("no right to create");
    assert_eq!(code(&refused), 403);
}

#[tokio::test]
async fn a_token_that_nobody_issued_is_refused() {
    let control_plane = shared().await;
    let mut kubeconfig = Kubeconfig::read_from(control_plane.admin_kubeconfig()).expect("a kubeconfig");
    let identity = kubeconfig.auth_infos[0].auth_info.as_mut().expect("an identity");
    *identity = serde_json::from_value(serde_json::json!({"token": "made-up"})).expect("an identity");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("a config");
    let maps: Api<ConfigMap> = Api::default_namespaced(Client::try_from(config).expect("a client"));
    let refused = maps.list(&ListParams::default()).await.expect_err("an unknown token");
    assert_eq!(code(&refused), 401);
}

#[tokio::test]
async fn blocking_an_owners_deletion_needs_the_right_to_its_finalizers() {
    let control_plane = shared().await;
    namespace(control_plane, "blocking").await;
    account(control_plane, "blocking", "creator").await;
    control_plane
        .apply(
            "apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: creator, namespace: blocking}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: creator, namespace: blocking}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: creator}
subjects: [{kind: ServiceAccount, name: creator, namespace: blocking}]
",
        )
        .await
        .expect("a role");
    let maps: Api<ConfigMap> = Api::namespaced(client_of(control_plane, "blocking", "creator").await, "blocking");
    let owner = poll_until("the role to work", SOON, async || {
        Ok(Some(maps.create(&PostParams::default(), &config_map("owner")).await?))
    })
    .await
    .expect("an owner");

    let refused = maps
        .create(&PostParams::default(), &owned_by(&owner, "child"))
        .await
        .expect_err("no right to block");

    assert_eq!(code(&refused), 403);
    assert!(
        refused.to_string().contains("cannot set blockOwnerDeletion"),
        "{refused}"
    );
}

#[tokio::test]
async fn every_write_is_counted_as_soon_as_it_is_answered() {
    let control_plane = shared().await;
    namespace(control_plane, "counting").await;
    let maps: Api<ConfigMap> = Api::namespaced(control_plane.admin_client().await.expect("a client"), "counting");
    for index in 0..20 {
        maps.create(&PostParams::default(), &config_map(&format!("map-{index}")))
            .await
            .expect("a map");
        let counts = control_plane
            .write_counts(|event| {
                event.namespace == "counting" && event.user == "admin" && event.resource == "configmaps"
            })
            .expect("counts");
        assert_eq!(counts.total(), index + 1, "{counts}");
    }
    let events = control_plane.audit_events().expect("events");
    let created = events
        .iter()
        .find(|event| event.name == "map-7" || event.uri.contains("counting/configmaps"));
    assert_eq!(
        created.map(|event| (event.verb.as_str(), event.code)),
        Some(("create", 201))
    );
}

#[tokio::test]
async fn what_was_stored_survives_a_crash_of_store_and_server() {
    let control_plane = ControlPlane::start(Options::default()).await.expect("a control plane");
    let maps: Api<ConfigMap> = Api::default_namespaced(control_plane.admin_client().await.expect("a client"));
    maps.create(&PostParams::default(), &config_map("kept"))
        .await
        .expect("a map");

    control_plane.stop(Component::ApiServer).await.expect("a stop");
    maps.get("kept").await.expect_err("nobody serves");
    control_plane.restart(Component::Etcd).await.expect("a restart");
    control_plane.start_again(Component::ApiServer).await.expect("a start");

    // A client made before finds the server at the same address.
    assert_eq!(maps.get("kept").await.expect("the map").name_any(), "kept");
    control_plane
        .restart(Component::ControllerManager)
        .await
        .expect("a restart");
}

#[tokio::test]
async fn a_component_is_neither_started_nor_stopped_twice() {
    let control_plane = ControlPlane::start(Options::default()).await.expect("a control plane");
    let error = control_plane.start_again(Component::Etcd).await.expect_err("it runs");
    assert_eq!(error.to_string(), "Etcd is running already");
    control_plane.stop(Component::ControllerManager).await.expect("a stop");
    let error = control_plane
        .stop(Component::ControllerManager)
        .await
        .expect_err("it does not run");
    assert_eq!(error.to_string(), "ControllerManager is not running");
}

#[tokio::test]
async fn a_watch_is_on_record_while_it_goes_on() {
    let control_plane = shared().await;
    namespace(control_plane, "watching").await;
    let maps: Api<ConfigMap> = Api::namespaced(control_plane.admin_client().await.expect("a client"), "watching");
    let _watch = maps.watch(&WatchParams::default(), "0").await.expect("a watch");
    let events = control_plane.audit_events().expect("events");
    let watches = events
        .iter()
        .filter(|event| event.namespace == "watching" && event.verb == "watch");
    assert_eq!(
        watches
            .map(|event| event.resource.as_str())
            .filter(|resource| *resource == "configmaps")
            .count(),
        1
    );
}
