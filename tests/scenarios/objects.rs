//! Objects of the cluster that launch images: they count among who uses them, and whatever may not be listed of them keeps images from
//! being unused.

use amiseal::api::{ImageUsage, UsageState, conditions};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::api::{Api, DeleteParams, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::consumers::{counts, image_says, old, target_says, using};
use crate::harness::{
    ACCOUNT, Defined, MACHINE_TEMPLATE, NODE_CLASS, OTHER_ACCOUNT, REGION, Replica, Scenario, USER, condition, policy,
    with, world,
};

/// The kind that the chart grants no right on.
const DENIED: &str = "fleets.launches.example.com";

/// What the controller is told to read: the cluster does not have all of it.
fn told() -> String {
    let of = |api: &str, kind: &str, resource: &str, path: &str| json!({"apiVersion": api, "kind": kind, "resource": resource, "paths": [path]});
    let cluster_api = "infrastructure.cluster.x-k8s.io/v1beta2";
    json!([
        of(
            "karpenter.k8s.aws/v1",
            "EC2NodeClass",
            "ec2nodeclasses",
            ".status.amis[*].id"
        ),
        of(
            cluster_api,
            "AWSMachineTemplate",
            "awsmachinetemplates",
            ".spec.template.spec.ami.id"
        ),
        of("launches.example.com/v1", "Fleet", "fleets", ".spec.image"),
        of("launches.example.com/v1", "Rocket", "rockets", ".spec.image"),
        of("nowhere.example.com/v1", "Nothing", "nothings", ".spec.image"),
    ])
    .to_string()
}

/// A kind that nobody but its users knows.
const FLEET: Defined = Defined {
    kind: "Fleet",
    resource: "fleets",
    group: "launches.example.com",
    version: "v1",
    is_namespaced: true,
};

fn objects(scenario: &Scenario, defined: &Defined) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(defined.group, defined.version, defined.kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, defined.resource);
    if defined.is_namespaced {
        Api::namespaced_with(scenario.client.clone(), "default", &resource)
    } else {
        Api::all_with(scenario.client.clone(), &resource)
    }
}

async fn create(scenario: &Scenario, defined: &Defined, mut object: Value) {
    object["apiVersion"] = format!("{}/{}", defined.group, defined.version).into();
    object["kind"] = defined.kind.into();
    let object: DynamicObject = serde_json::from_value(object).expect("an object");
    let created = objects(scenario, defined).create(&PostParams::default(), &object).await;
    created.expect("an object is created");
}

async fn delete(scenario: &Scenario, defined: &Defined, name: &str) {
    let deleted = objects(scenario, defined).delete(name, &DeleteParams::default()).await;
    deleted.expect("an object is deleted");
}

async fn start(scenario: &Scenario, told: &str) -> Replica {
    let process = scenario.describe("amiseal").args(["--cluster-consumers", told]).spawn();
    let mut replica = Replica {
        process: process.expect("a replica"),
    };
    replica.leads().await;
    replica
}

/// Lets the controller list what it was denied.
async fn grant(scenario: &Scenario) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "reads-fleets"},
        "rules": [{"apiGroups": ["launches.example.com"], "resources": ["fleets"], "verbs": ["list"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "reads-fleets"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reads-fleets"},
        "subjects": [{"kind": "ServiceAccount", "name": "amiseal", "namespace": "amiseal-system"}],
    });
    let both = format!("{role}\n---\n{binding}");
    scenario.plane().apply(&both).await.expect("a role");
    // The API server takes a moment to know it.
    let review = json!({"spec": {"user": USER, "resourceAttributes": {
        "verb": "list", "group": "launches.example.com", "resource": "fleets",
    }}});
    let review: SubjectAccessReview = serde_json::from_value(review).expect("a review");
    let reviews = Api::<SubjectAccessReview>::all(scenario.client.clone());
    scenario
        .until("the right to be granted", async || {
            let answer = reviews.create(&PostParams::default(), &review).await.ok()?;
            answer.status?.allowed.then_some(())
        })
        .await;
}

async fn withdraw(scenario: &Scenario) {
    let mut kubectl = scenario.plane().kubectl().expect("kubectl");
    kubectl.args(["delete", "clusterrole,clusterrolebinding", "reads-fleets"]);
    let deleted = tokio::process::Command::from(kubectl).status().await;
    assert!(deleted.expect("kubectl").success());
}

/// As consumers are named: who, in which account, by what, and whose that is.
fn named(usage: &ImageUsage) -> Vec<[String; 4]> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let named = usage.consumers.iter();
    named
        .map(|one| [one.id.clone(), one.account_id.clone(), text(&one.via), text(&one.owner)])
        .collect()
}

/// The controller has asked for no more than it was told, and was refused no more than one thing.
fn judged(scenario: &Scenario) {
    let report = scenario.sim().audit();
    assert!(report.ok, "{report}");
    let mut refused = scenario.requests();
    refused.retain(|event| event.code == 403);
    assert!(
        refused
            .iter()
            .all(|event| event.verb == "list" && event.resource == "fleets"),
        "the API server refused {refused:#?}"
    );
    assert!(!refused.is_empty());
    let asked = scenario.requests();
    let absent = asked
        .iter()
        .filter(|event| ["rockets", "nothings"].contains(&&*event.resource));
    assert_eq!(absent.count(), 0, "what is not installed is not listed");
}

#[tokio::test]
async fn what_a_node_class_launches_is_in_use_and_what_may_not_be_listed_keeps_all_images_from_being_unused() {
    let golden = ["by-class", "by-template", "idle"].map(|name| old(name, ""));
    let accounts = format!(
        "{}{}",
        using(ACCOUNT, &golden, "instances: []"),
        using(OTHER_ACCOUNT, &[], "instances: []")
    );
    let scenario = Scenario::new(world(&accounts)).await;
    scenario.define(&[NODE_CLASS, MACHINE_TEMPLATE, FLEET]).await;
    let tracking = "infra:karpenter.k8s.aws/EC2NodeClass:/workers";
    let class = json!({
        "metadata": {"name": "workers", "annotations": {"argocd.argoproj.io/tracking-id": tracking}},
        "spec": {"amiSelectorTerms": [{"tags": {"golden": "yes"}}]},
        "status": {"amis": [{"id": scenario.image("by-class"), "requirements": []}]},
    });
    create(&scenario, &NODE_CLASS, class).await;
    for (name, image) in [("good", scenario.image("by-template")), ("broken", "golden".to_owned())] {
        let spec = json!({"template": {"spec": {"ami": {"id": image}}}});
        create(
            &scenario,
            &MACHINE_TEMPLATE,
            json!({"metadata": {"name": name}, "spec": spec}),
        )
        .await;
    }
    let _replica = start(&scenario, &told()).await;
    let asked = policy("production", &[ACCOUNT, OTHER_ACCOUNT]);
    scenario.apply(&asked).await;

    let read = target_says(&scenario, ACCOUNT, "two images in use", |usage| usage.used == 2).await;
    assert_eq!(read.unused, 0, "not everything was read");
    let kinds: Vec<_> = read.consumers.iter().map(|row| (&*row.kind, row.count)).collect();
    assert_eq!(kinds, [("KubernetesObject", 2)]);
    let unread: Vec<&str> = read.unread.iter().map(|unread| &*unread.kind).collect();
    assert_eq!(unread, ["KubernetesObject"]);
    for words in [
        &*format!("grant the right list {DENIED} to its service account"),
        "AWSMachineTemplate/default/broken: It names \"golden\" at .spec.template.spec.ami.id, which is not the ID of an image.",
    ] {
        let message = &read.unread[0].message;
        assert!(message.contains(words), "{message}");
    }
    let by_class = image_says(&scenario, "by-class", |usage| usage.state == UsageState::Used).await;
    assert_eq!(counts(&by_class), [("KubernetesObject", "", 1)]);
    let expected = ["EC2NodeClass/workers", "", ".status.amis[*].id", "Argo CD infra"];
    assert_eq!(named(&by_class), [expected.map(str::to_owned)]);
    let by_template = image_says(&scenario, "by-template", |usage| usage.state == UsageState::Used).await;
    assert_eq!(named(&by_template)[0][0], "AWSMachineTemplate/default/good");
    image_says(&scenario, "idle", |usage| usage.state == UsageState::Unknown).await;
    let name = format!("production.{ACCOUNT}.{REGION}");
    scenario
        .until("the condition", async || {
            let conditions = scenario.target(&name).await.status?.conditions;
            let known = condition(&conditions, conditions::USAGE_KNOWN)?;
            (known.status == "False" && known.message.contains(DENIED)).then_some(())
        })
        .await;
    let other = target_says(&scenario, OTHER_ACCOUNT, "what could not be read", |usage| {
        !usage.unread.is_empty()
    })
    .await;
    assert_eq!(
        (other.used, other.consumers.len(), other.foreign_images.len()),
        (0, 0, 0),
        "the images are another account's, and the objects are no account's"
    );
    scenario.completed(3).await;

    // Once it is granted, and nothing is broken, a reading that is asked for shows it.
    grant(&scenario).await;
    delete(&scenario, &MACHINE_TEMPLATE, "broken").await;
    scenario.apply(&with(asked, "scanInterval", json!("2h"))).await;
    let read = target_says(&scenario, ACCOUNT, "everything", |usage| usage.unread.is_empty()).await;
    // Copies are too young to tell.
    assert_eq!((read.used, read.unused), (2, 1), "{read:?}");
    image_says(&scenario, "idle", |usage| usage.state == UsageState::Unused).await;
    image_says(&scenario, "by-class", |usage| usage.state == UsageState::Used).await;
    withdraw(&scenario).await;
    delete(&scenario, &MACHINE_TEMPLATE, "good").await;
    delete(&scenario, &NODE_CLASS, "workers").await;
    judged(&scenario);
}

/// A slip that looks as if nothing was there would be taken for nothing.
#[tokio::test]
async fn a_kind_that_the_cluster_has_in_another_version_is_not_taken_for_absent() {
    let scenario = Scenario::new(world(&using(ACCOUNT, &[old("idle", "")], "instances: []"))).await;
    scenario.define(&[NODE_CLASS, MACHINE_TEMPLATE, FLEET]).await;
    let told = json!([{
        "apiVersion": "karpenter.k8s.aws/v1beta1", "kind": "EC2NodeClass", "resource": "ec2nodeclasses",
        "paths": [".status.amis[*].id"],
    }]);
    let _replica = start(&scenario, &told.to_string()).await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    let read = target_says(&scenario, ACCOUNT, "what is unread", |usage| !usage.unread.is_empty()).await;
    assert_eq!((read.used, read.unused), (0, 0));
    let message = &read.unread[0].message;
    let expected = "The cluster has EC2NodeClass in karpenter.k8s.aws/v1 and not in karpenter.k8s.aws/v1beta1";
    assert!(message.contains(expected), "{message}");
    scenario.completed(1).await;
    scenario.judged();
}

#[tokio::test]
async fn a_bad_entry_ends_the_controller_at_its_start_with_what_to_write() {
    let scenario = Scenario::new(world(&using(ACCOUNT, &[], "instances: []"))).await;
    let told = told().replace(".spec.image", "spec.image");
    let process = scenario
        .describe("amiseal")
        .args(["--cluster-consumers", &told])
        .spawn();
    let mut process = process.expect("a replica");
    let status = process.wait(std::time::Duration::from_secs(120)).await.expect("an end");
    assert!(!status.success());
    let log = process.log();
    let expected = "entry 3 (Fleet): \"spec.image\" is no path of a field: write a dot before each name";
    assert!(log.contains(expected), "{log}");
    scenario.judged();
}
