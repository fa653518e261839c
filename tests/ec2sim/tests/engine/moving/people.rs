//! What people do beside the calls of a tool.

use ec2sim::{ConsumerKind, Sim};
use serde_json::{Value, json};

use super::super::support::{ACCOUNT, OWNER, REGION, client, seconds};
use super::super::using::{GOLDEN, OLD};
use super::staffed;

fn change(sim: &Sim, change: &Value) -> Result<Value, String> {
    let edit = json!({"consumer": {"account": ACCOUNT, "region": REGION, "change": change}});
    let edit = serde_json::from_value(edit).expect("an edit");
    sim.edit(edit).map_err(|error| error.to_string())
}

fn image(sim: &Sim, kind: ConsumerKind, id: &str) -> Option<String> {
    let all = sim.launches(ACCOUNT, REGION);
    all.into_iter().find(|l| l.kind == kind && l.id == id)?.image
}

#[test]
fn people_move_what_launches_an_image() {
    let sim = staffed();
    let done = |what: &Value| change(&sim, what).expect("it can be made");
    done(&json!({"parameterValue": {"parameter": "/golden/web", "image": "golden"}}));
    assert_eq!(
        image(&sim, ConsumerKind::Parameter, "/golden/web").as_deref(),
        Some(GOLDEN)
    );
    done(&json!({"parameterValue": {"parameter": "/golden/web", "image": OLD}}));
    assert_eq!(
        image(&sim, ConsumerKind::Parameter, "/golden/web").as_deref(),
        Some(OLD)
    );
    done(&json!({"templateVersion": {"template": "alone", "version": {"image": "old"}, "makeDefault": true}}));
    assert_eq!(
        image(&sim, ConsumerKind::LaunchTemplate, "lt-0000000a:2").as_deref(),
        Some(OLD)
    );
    done(&json!({"deleteTemplateVersion": {"template": "alone", "version": 1}}));
    assert!(
        change(
            &sim,
            &json!({"deleteTemplateVersion": {"template": "alone", "version": 2}})
        )
        .is_err()
    );
    let next = done(&json!({"templateVersion": {"template": "alone", "version": {"image": "golden"}}}));
    assert_eq!(next, json!({"version": 3}));
    for (kind, id) in [
        ("launchTemplate", "alone"),
        ("autoScalingGroup", "pinned"),
        ("parameter", "plain"),
    ] {
        done(&json!({"tag": {"kind": kind, "id": id, "key": "owner", "value": "people"}}));
        assert!(
            change(
                &sim,
                &json!({"tag": {"kind": kind, "id": "nothing", "key": "a", "value": "b"}})
            )
            .is_err()
        );
    }
    let c = client(&sim, OWNER);
    assert!(
        c.ec2("DescribeLaunchTemplates", &[])
            .body
            .contains("<value>people</value>")
    );
    assert!(
        c.autoscaling("DescribeTags", &[])
            .body
            .contains("<Value>people</Value>")
    );
    let tags = c.ssm(
        "ListTagsForResource",
        &json!({"ResourceType": "Parameter", "ResourceId": "plain"}),
    );
    assert!(tags.body.contains("people"));
    assert!(
        sim.audit()
            .findings
            .iter()
            .all(|f| f.check != ec2sim::Check::ForeignChange),
        "edits are nobody's fault"
    );
}

#[test]
fn people_suspend_and_refresh_groups() {
    let sim = staffed();
    change(
        &sim,
        &json!({"suspend": {"group": "default", "processes": ["Terminate"]}}),
    )
    .expect("it can be made");
    let c = client(&sim, OWNER);
    let shown = c.autoscaling(
        "DescribeAutoScalingGroups",
        &[("AutoScalingGroupNames.member.1", "default")],
    );
    assert_eq!(shown.one("ProcessName"), "Terminate");
    let started = change(&sim, &json!({"startRefresh": {"group": "pinned"}})).expect("it can be made");
    assert!(started["refresh"].is_string());
    assert!(
        change(&sim, &json!({"startRefresh": {"group": "pinned"}})).is_err(),
        "one is under way"
    );
    let params = [("AutoScalingGroupName", "pinned")];
    let refused = c.autoscaling("StartInstanceRefresh", &params);
    assert_eq!(refused.code(), "InstanceRefreshInProgress");
    seconds(&sim, 5);
    assert_eq!(
        c.autoscaling("DescribeInstanceRefreshes", &params).one("Status"),
        "Successful"
    );
}
