//! What the people and pipelines of an account do to what can launch images.

use ec2sim::{ConsumerKind, Edit, Sim};
use serde_json::{Value, json};

use super::super::support::{ACCOUNT, OWNER, REGION, client, seconds};
use super::{GOLDEN, OLD, staffed, staffed_with};

fn edit(sim: &Sim, change: &Value) -> Value {
    let edit = json!({"consumer": {"account": ACCOUNT, "region": REGION, "change": change}});
    let edit: Edit = serde_json::from_value(edit).expect("an edit");
    sim.edit(edit).expect("it can be made")
}

fn refusal(sim: &Sim, change: &Value) -> String {
    let edit = json!({"consumer": {"account": ACCOUNT, "region": REGION, "change": change}});
    let edit: Edit = serde_json::from_value(edit).expect("an edit");
    sim.edit(edit).expect_err("it can not be made").to_string()
}

fn uses(sim: &Sim, image: &str, kind: ConsumerKind, id: &str) -> bool {
    let all = sim.consumers(ACCOUNT, REGION, image);
    all.iter().any(|c| c.kind == kind && c.id == id)
}

#[test]
fn a_template_gets_versions_and_its_default_moves() {
    let sim = staffed();
    let kind = ConsumerKind::AutoScalingGroup;
    assert!(uses(&sim, GOLDEN, kind, "empty") && uses(&sim, GOLDEN, kind, "default"));
    let version = json!({"templateVersion": {"template": "moved", "version": {"image": "old"}}});
    assert_eq!(edit(&sim, &version)["version"], 3);
    assert!(uses(&sim, OLD, kind, "empty"), "it follows the latest version");
    assert!(uses(&sim, GOLDEN, kind, "default"), "it follows the default one");
    edit(
        &sim,
        &json!({"defaultVersion": {"template": "lt-0000000b", "version": 3}}),
    );
    assert!(uses(&sim, OLD, kind, "default"));
    assert!(uses(&sim, GOLDEN, ConsumerKind::OldTemplateVersion, "lt-0000000b:2"));
    let c = client(&sim, OWNER);
    let reply = c.ec2("DescribeLaunchTemplates", &[("LaunchTemplateName.1", "moved")]);
    assert_eq!(reply.all("defaultVersionNumber"), ["3"]);
    let both = json!({"templateVersion": {"template": "alone", "version": {"image": "old"}, "makeDefault": true}});
    edit(&sim, &both);
    assert!(uses(&sim, OLD, ConsumerKind::LaunchTemplate, "lt-0000000a"));
    assert!(refusal(&sim, &json!({"defaultVersion": {"template": "moved", "version": 9}})).contains("moved:9"));
}

#[test]
fn a_parameter_gets_versions_and_its_labels_move() {
    let sim = staffed();
    let group = |image: &str| uses(&sim, image, ConsumerKind::AutoScalingGroup, "resolving");
    assert!(group(GOLDEN));
    let version = json!({"parameterVersion": {"parameter": "/golden/web", "version": {"image": "web"}}});
    assert_eq!(edit(&sim, &version)["version"], 3);
    assert!(group(GOLDEN), "the label is where it was");
    edit(
        &sim,
        &json!({"label": {"parameter": "/golden/web", "version": 3, "label": "live"}}),
    );
    assert!(group("ami-00000001") && !group(GOLDEN));
    let labelled =
        json!({"parameterVersion": {"parameter": "/golden/web", "version": {"image": "old", "labels": ["live"]}}});
    edit(&sim, &labelled);
    assert!(group(OLD));
    let value = client(&sim, OWNER)
        .ssm("GetParameter", &json!({"Name": "/golden/web:live"}))
        .json();
    assert_eq!(
        (&value["Parameter"]["Value"], &value["Parameter"]["Version"]),
        (&json!(OLD), &json!(4))
    );
}

#[test]
fn things_come_change_and_go() {
    let sim = staffed();
    let web = "ami-00000001";
    let kind = ConsumerKind::AutoScalingGroup;
    let group = json!({"name": "new", "mixedInstances": {"launchTemplate": {"template": "alone"}, "overrides": [{"image": "web"}]}});
    edit(&sim, &json!({"put": {"autoScalingGroup": group}}));
    assert!(uses(&sim, web, kind, "new") && !uses(&sim, GOLDEN, kind, "new"));
    edit(
        &sim,
        &json!({"put": {"autoScalingGroup": {"name": "new", "launchTemplate": {"template": "alone"}}}}),
    );
    assert!(uses(&sim, GOLDEN, kind, "new") && !uses(&sim, web, kind, "new"));
    edit(&sim, &json!({"remove": {"kind": "autoScalingGroup", "id": "new"}}));
    assert!(!uses(&sim, GOLDEN, kind, "new"));
    for (put, kind) in [
        (json!({"instance": {"image": "web"}}), ConsumerKind::Instance),
        (
            json!({"launchTemplate": {"name": "other", "versions": [{"image": "web"}]}}),
            ConsumerKind::LaunchTemplate,
        ),
        (
            json!({"launchConfiguration": {"name": "other", "image": "web"}}),
            ConsumerKind::LaunchConfiguration,
        ),
        (
            json!({"fleet": {"templates": [{"launchTemplate": {"template": "alone"}, "overrides": [{"image": "web"}]}]}}),
            ConsumerKind::Fleet,
        ),
        (
            json!({"spotFleet": {"specifications": [{"image": "web"}]}}),
            ConsumerKind::SpotFleet,
        ),
        (
            json!({"spotRequest": {"image": "web", "kind": "persistent"}}),
            ConsumerKind::SpotRequest,
        ),
        (
            json!({"parameter": {"name": "other", "image": "web"}}),
            ConsumerKind::PlainParameter,
        ),
        (
            json!({"eksCluster": {"name": "red", "nodegroups": [{"name": "a", "releaseVersion": web}]}}),
            ConsumerKind::Nodegroup,
        ),
        (
            json!({"computeEnvironment": {"name": "other", "image": "web"}}),
            ConsumerKind::ComputeEnvironment,
        ),
        (
            json!({"imageRecipe": {"name": "third", "parentImage": "web"}}),
            ConsumerKind::ImageRecipe,
        ),
        (
            json!({"containerRecipe": {"name": "third", "instanceImage": "web"}}),
            ConsumerKind::ContainerRecipe,
        ),
    ] {
        let name = put.as_object().and_then(|o| o.keys().next().cloned()).expect("a kind");
        let made = edit(&sim, &json!({ "put": put }));
        let all = sim.consumers(ACCOUNT, REGION, web);
        assert!(all.iter().any(|c| c.kind == kind), "{name}: {all:?}");
        edit(&sim, &json!({"remove": {"kind": name, "id": made["keys"][0]}}));
        let all = sim.consumers(ACCOUNT, REGION, web);
        assert!(all.iter().all(|c| c.kind != kind), "{name}: {all:?}");
    }
    assert!(refusal(&sim, &json!({"remove": {"kind": "fleet", "id": "fleet-x"}})).contains("fleet-x"));
    assert!(refusal(&sim, &json!({"remove": {"kind": "boat", "id": "x"}})).contains("boat"));
    assert!(refusal(&sim, &json!({"put": {"instance": {"image": "nothing"}}})).contains("nothing"));
}

#[test]
fn an_instance_is_launched_and_terminated() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let made = edit(&sim, &json!({"put": {"instance": {"image": "web"}}}));
    let id = made["keys"][0].as_str().expect("an ID").to_owned();
    let described = || c.ec2("DescribeInstances", &[("InstanceId.1", &id)]);
    assert_eq!(described().one("name"), "running");
    assert_eq!(described().one("launchTime"), "2026-01-01T00:00:00.000Z");
    assert!(uses(&sim, "ami-00000001", ConsumerKind::Instance, &id));
    edit(&sim, &json!({"instanceState": {"instance": id, "state": "terminated"}}));
    assert_eq!(described().one("name"), "terminated");
    assert!(!uses(&sim, "ami-00000001", ConsumerKind::Instance, &id));
    seconds(&sim, 3600);
    assert_eq!(described().code(), "InvalidInstanceID.NotFound");
}

#[test]
fn a_launch_shows_late_in_its_image() {
    let sim = staffed_with("consumers: {lastLaunchedSeconds: 86400}");
    let c = client(&sim, OWNER);
    let last = || {
        let attribute = [("ImageId", GOLDEN), ("Attribute", "lastLaunchedTime")];
        let described = c
            .ec2("DescribeImages", &[("ImageId.1", GOLDEN)])
            .one("lastLaunchedTime");
        let value = c.ec2("DescribeImageAttribute", &attribute).one("value");
        assert_eq!(value, described);
        described
    };
    edit(&sim, &json!({"put": {"instance": {"image": "golden"}}}));
    assert_eq!(last(), "");
    seconds(&sim, 86_400);
    assert_eq!(last(), "2026-01-01T00:00:00.000Z");
}

#[test]
fn lists_show_late_what_the_truth_knows_at_once() {
    let sim = staffed_with("consistency: {consumerSeconds: 600}");
    let c = client(&sim, OWNER);
    let names = || c.ec2("DescribeLaunchTemplates", &[]).all("launchTemplateName");
    edit(
        &sim,
        &json!({"put": {"launchTemplate": {"name": "late", "id": "lt-0000000e", "versions": [{"image": "web"}]}}}),
    );
    edit(
        &sim,
        &json!({"remove": {"kind": "launchTemplate", "id": "lt-0000000a"}}),
    );
    assert_eq!(names(), ["alone", "moved", "by-parameter"]);
    assert!(uses(&sim, "ami-00000001", ConsumerKind::LaunchTemplate, "lt-0000000e"));
    assert!(!uses(&sim, GOLDEN, ConsumerKind::LaunchTemplate, "lt-0000000a"));
    seconds(&sim, 600);
    assert_eq!(names(), ["moved", "by-parameter", "late"]);
}
