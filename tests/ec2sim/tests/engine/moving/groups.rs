//! UpdateAutoScalingGroup, tags of groups, instance refreshes.

use super::super::support::{ACCOUNT, Client, OTHER, OWNER, REGION, Reply, client, seconds, world, yaml};
use super::super::using::{GOLDEN, OLD, STAFF};
use super::{restricted, staffed};

const TEMPLATE: &str = "LaunchTemplate.LaunchTemplateName";
const VERSION: &str = "LaunchTemplate.Version";
const DESIRED: [(&str, &str); 2] = [
    ("DesiredConfiguration.LaunchTemplate.LaunchTemplateName", "moved"),
    ("DesiredConfiguration.LaunchTemplate.Version", "2"),
];

fn group<'a>(name: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut params = vec![("AutoScalingGroupName", name)];
    params.extend_from_slice(more);
    params
}

fn described(c: &Client, name: &str) -> Reply {
    c.autoscaling("DescribeAutoScalingGroups", &[("AutoScalingGroupNames.member.1", name)])
}

fn refresh(c: &Client, name: &str, more: &[(&str, &str)]) -> Reply {
    c.autoscaling("StartInstanceRefresh", &group(name, more))
}

fn newest(c: &Client, name: &str) -> Reply {
    c.autoscaling("DescribeInstanceRefreshes", &group(name, &[("MaxRecords", "1")]))
}

fn status(c: &Client, name: &str) -> String {
    newest(c, name).one("Status")
}

/// The world in which the group `pinned` has two instances of the older image.
fn with_instances(settings: &str) -> ec2sim::Sim {
    let version = "launchTemplate: {template: moved, version: \"1\"}";
    let instances =
        format!("instances: [{{id: i-0000001a, {version}, image: old}}, {{id: i-0000001b, {version}, image: old}}]");
    let text = STAFF
        .replace(
            &format!("{{name: pinned, {version}}}"),
            &format!("{{name: pinned, desired: 2, {version}, {instances}}}"),
        )
        .replace(
            "    instances:\n",
            "    instances:\n    - {id: i-0000001a, image: old}\n    - {id: i-0000001b, image: old}\n",
        );
    let settings = format!("launches: {{refreshStartSeconds: 5, refreshSeconds: 60, warmupSeconds: 0, {settings}}}");
    world(&yaml(&settings, &text, ""))
}

fn images_of(sim: &ec2sim::Sim, c: &Client, name: &str) -> Vec<String> {
    let ids = described(c, name).all("InstanceId");
    sim.with_world(|w| {
        let region = w.region(ACCOUNT, REGION).expect("a region");
        let image = |id: &String| region.consumers.instances.get(id).map(|i| i.image.clone());
        ids.iter().filter_map(image).collect()
    })
}

#[test]
fn what_a_group_launches_by_takes_the_place_of_what_it_did() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let update = |name: &str, more: &[(&str, &str)]| c.autoscaling("UpdateAutoScalingGroup", &group(name, more)).code();
    assert_eq!(update("pinned", &[(TEMPLATE, "alone"), (VERSION, "1")]), "OK");
    let shown = described(&c, "pinned");
    assert_eq!(
        (shown.one("LaunchTemplateName"), shown.one("Version")),
        ("alone".into(), "1".into())
    );
    assert!(shown.all("LaunchTemplateId").is_empty(), "it is named as it was told");
    assert_eq!(update("suspended", &[(TEMPLATE, "moved")]), "OK");
    assert!(described(&c, "suspended").all("LaunchConfigurationName").is_empty());
    let policy = "MixedInstancesPolicy.LaunchTemplate";
    let names = [
        "LaunchTemplateSpecification.LaunchTemplateId",
        "Overrides.member.1.InstanceType",
        "Overrides.member.1.ImageId",
        "Overrides.member.1.WeightedCapacity",
    ]
    .map(|name| format!("{policy}.{name}"));
    let mixed = [
        (names[0].as_str(), "lt-0000000a"),
        (&names[1], "m5.large"),
        (&names[2], GOLDEN),
        (&names[3], "2"),
        ("MixedInstancesPolicy.InstancesDistribution.OnDemandBaseCapacity", "3"),
    ];
    assert_eq!(update("pinned", &mixed), "OK");
    let shown = described(&c, "pinned");
    assert_eq!(
        (shown.one("ImageId"), shown.one("WeightedCapacity")),
        (GOLDEN.into(), "2".into())
    );
    assert_eq!(
        (shown.one("OnDemandBaseCapacity"), shown.one("SpotAllocationStrategy")),
        ("3".into(), "lowest-price".into())
    );
    assert_eq!(
        update(
            "pinned",
            &[("MinSize", "1"), ("MaxSize", "4"), ("DesiredCapacity", "2")]
        ),
        "OK"
    );
    assert_eq!(described(&c, "pinned").one("ImageId"), GOLDEN, "what is left out stays");
    for (name, more, code) in [
        ("nothing", vec![(TEMPLATE, "moved")], "ValidationError"),
        ("default", vec![(TEMPLATE, "nothing")], "ValidationError"),
        ("default", vec![(TEMPLATE, "moved"), (VERSION, "9")], "ValidationError"),
        (
            "default",
            vec![(TEMPLATE, "moved"), ("LaunchConfigurationName", "classic")],
            "ValidationError",
        ),
        (
            "default",
            vec![("LaunchConfigurationName", "nothing")],
            "ValidationError",
        ),
        ("default", vec![("DesiredCapacity", "9")], "ValidationError"),
        ("mixed", vec![(TEMPLATE, "moved")], "ValidationError"),
    ] {
        assert_eq!(update(name, &more), code, "{name} {more:?}");
    }
    let journal = sim.journal();
    assert!(
        journal
            .iter()
            .filter(|call| call.effect)
            .all(|call| call.mutating && call.operation == "UpdateAutoScalingGroup")
    );
}

#[test]
fn groups_have_tags() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let tag = [
        ("Tags.member.1.ResourceId", "pinned"),
        ("Tags.member.1.ResourceType", "auto-scaling-group"),
        ("Tags.member.1.Key", "owner"),
        ("Tags.member.1.Value", "web"),
        ("Tags.member.1.PropagateAtLaunch", "false"),
    ];
    assert_eq!(c.autoscaling("CreateOrUpdateTags", &tag).code(), "OK");
    let filter = [
        ("Filters.member.1.Name", "auto-scaling-group"),
        ("Filters.member.1.Values.member.1", "pinned"),
    ];
    let shown = c.autoscaling("DescribeTags", &filter);
    assert_eq!(
        (shown.one("Key"), shown.one("PropagateAtLaunch")),
        ("owner".into(), "false".into())
    );
    assert_eq!(described(&c, "pinned").one("Value"), "web");
    assert_eq!(c.autoscaling("DescribeTags", &[]).all("Key"), ["owner", "team"]);
    assert_eq!(c.autoscaling("DeleteTags", &tag).code(), "OK");
    assert!(c.autoscaling("DescribeTags", &filter).all("Key").is_empty());
    let bad = [("Tags.member.1.ResourceId", "nothing"), ("Tags.member.1.Key", "x")];
    assert_eq!(c.autoscaling("CreateOrUpdateTags", &bad).code(), "ValidationError");
}

#[test]
fn a_refresh_replaces_one_instance_after_the_other() {
    let sim = with_instances("");
    let c = client(&sim, OWNER);
    let warm = [
        DESIRED[0],
        DESIRED[1],
        ("Preferences.InstanceWarmup", "30"),
        ("Preferences.MinHealthyPercentage", "90"),
    ];
    let started = refresh(&c, "pinned", &warm);
    let id = started.one("InstanceRefreshId");
    assert!(!id.is_empty(), "{}", started.body);
    assert_eq!(refresh(&c, "pinned", &[]).code(), "InstanceRefreshInProgress");
    assert_eq!(status(&c, "pinned"), "Pending");
    let held = c.autoscaling("UpdateAutoScalingGroup", &group("pinned", &[(TEMPLATE, "alone")]));
    assert_eq!(held.code(), "ValidationError");
    seconds(&sim, 5);
    let shown = newest(&c, "pinned");
    assert_eq!(
        (
            shown.one("Status"),
            shown.one("PercentageComplete"),
            shown.one("InstancesToUpdate")
        ),
        ("InProgress".into(), "50".into(), "1".into())
    );
    assert_eq!(shown.one("InstanceWarmup"), "30");
    assert_eq!(images_of(&sim, &c, "pinned"), [GOLDEN, OLD]);
    assert_eq!(
        described(&c, "pinned").one("Version"),
        "1",
        "the group itself changes when it is done"
    );
    seconds(&sim, 90);
    assert_eq!(images_of(&sim, &c, "pinned"), [GOLDEN, GOLDEN]);
    seconds(&sim, 90);
    let done = newest(&c, "pinned");
    assert_eq!(
        (done.one("Status"), done.one("InstanceRefreshId")),
        ("Successful".into(), id)
    );
    assert!(!done.one("EndTime").is_empty());
    assert_eq!(described(&c, "pinned").one("Version"), "2");
    let old = c.ec2("DescribeInstances", &[("InstanceId.1", "i-0000001a")]);
    assert!(old.body.contains("<name>terminated</name>"), "{}", old.body);
    assert_eq!(refresh(&c, "pinned", &[]).code(), "OK");
    let all = |c: &Client, p: &[(&str, &str)]| c.autoscaling("DescribeInstanceRefreshes", p);
    let one_each = group("pinned", &[("MaxRecords", "1")]);
    assert_eq!(c.pages(all, &one_each, "InstanceRefreshId").len(), 2);
}

#[test]
fn checkpoints_baking_and_skipping_take_their_time() {
    let sim = with_instances("");
    let c = client(&sim, OWNER);
    let preferences = [
        DESIRED[0],
        DESIRED[1],
        ("Preferences.CheckpointPercentages.member.1", "50"),
        ("Preferences.CheckpointPercentages.member.2", "100"),
        ("Preferences.CheckpointDelay", "600"),
        ("Preferences.MinHealthyPercentage", "0"),
        ("Preferences.BakeTime", "100"),
        ("Preferences.AlarmSpecification.Alarms.member.1", "errors"),
    ];
    assert_eq!(refresh(&c, "pinned", &preferences).code(), "OK");
    seconds(&sim, 5 + 600);
    assert_eq!(
        images_of(&sim, &c, "pinned"),
        [GOLDEN, OLD],
        "the checkpoint is not overrun"
    );
    seconds(&sim, 60);
    assert_eq!(images_of(&sim, &c, "pinned"), [GOLDEN, GOLDEN]);
    seconds(&sim, 660);
    let shown = newest(&c, "pinned");
    assert_eq!(shown.one("Status"), "Baking");
    assert!(
        shown
            .body
            .contains("<CheckpointPercentages><member>50</member><member>100</member></CheckpointPercentages>"),
        "{}",
        shown.body
    );
    assert!(
        shown.body.contains("<Alarms><member>errors</member></Alarms>"),
        "{}",
        shown.body
    );
    seconds(&sim, 100);
    assert_eq!(status(&c, "pinned"), "Successful");
    let skip = [DESIRED[0], DESIRED[1], ("Preferences.SkipMatching", "true")];
    assert_eq!(refresh(&c, "pinned", &skip).code(), "OK");
    let before = described(&c, "pinned").all("InstanceId");
    seconds(&sim, 5);
    assert_eq!(status(&c, "pinned"), "Successful");
    assert_eq!(described(&c, "pinned").all("InstanceId"), before);
}

#[test]
fn a_refresh_that_can_not_launch_fails_or_goes_back() {
    let to_version_2 = [DESIRED[0], DESIRED[1]];
    let back = [DESIRED[0], DESIRED[1], ("Preferences.AutoRollback", "true")];
    for (more, expected, images) in [
        (&to_version_2[..], "Failed", [GOLDEN, OLD]),
        (&back[..], "RollbackSuccessful", [OLD, OLD]),
    ] {
        let sim = with_instances("");
        let c = client(&sim, OWNER);
        assert_eq!(refresh(&c, "pinned", more).code(), "OK");
        seconds(&sim, 5);
        let edit = serde_json::json!({"owner": {"image": GOLDEN, "act": "disable"}});
        sim.edit(serde_json::from_value(edit).expect("an edit"))
            .expect("it can be made");
        seconds(&sim, 600);
        let shown = newest(&c, "pinned");
        assert_eq!(shown.one("Status"), expected, "{}", shown.body);
        assert!(shown.body.contains("InvalidAMIID.Unavailable"), "{}", shown.body);
        assert_eq!(images_of(&sim, &c, "pinned"), images);
        assert_eq!(described(&c, "pinned").one("Version"), "1");
    }
}

#[test]
fn a_refresh_is_cancelled_or_rolled_back() {
    let sim = with_instances("");
    let c = client(&sim, OWNER);
    let end = |operation: &str| c.autoscaling(operation, &group("pinned", &[])).code();
    assert_eq!(end("CancelInstanceRefresh"), "ActiveInstanceRefreshNotFound");
    assert_eq!(end("RollbackInstanceRefresh"), "ActiveInstanceRefreshNotFound");
    assert_eq!(refresh(&c, "pinned", &DESIRED).code(), "OK");
    seconds(&sim, 5);
    assert_eq!(end("CancelInstanceRefresh"), "OK");
    assert_eq!(status(&c, "pinned"), "Cancelling");
    seconds(&sim, 10);
    assert_eq!(status(&c, "pinned"), "Cancelled");
    seconds(&sim, 600);
    assert_eq!(images_of(&sim, &c, "pinned"), [GOLDEN, OLD]);
    assert_eq!(refresh(&c, "pinned", &[]).code(), "OK");
    assert_eq!(end("RollbackInstanceRefresh"), "IrreversibleInstanceRefresh");
    assert_eq!(end("CancelInstanceRefresh"), "OK");
    seconds(&sim, 10);
    assert_eq!(refresh(&c, "pinned", &DESIRED).code(), "OK");
    seconds(&sim, 5);
    assert_eq!(end("RollbackInstanceRefresh"), "OK");
    assert_eq!(status(&c, "pinned"), "RollbackInProgress");
    seconds(&sim, 600);
    assert_eq!(status(&c, "pinned"), "RollbackSuccessful");
    assert_eq!(images_of(&sim, &c, "pinned")[0], OLD);
}

#[test]
fn suspended_groups_wait_or_fail_and_empty_ones_are_done() {
    for (setting, expected) in [("", "InProgress"), ("suspendedRefreshes: fail", "Failed")] {
        let sim = with_instances(setting);
        let c = client(&sim, OWNER);
        let suspend = serde_json::json!({"consumer": {"account": ACCOUNT, "region": REGION,
            "change": {"suspend": {"group": "pinned", "processes": ["Launch"]}}}});
        sim.edit(serde_json::from_value(suspend).expect("an edit"))
            .expect("it can be made");
        assert_eq!(refresh(&c, "pinned", &DESIRED).code(), "OK");
        seconds(&sim, 600);
        let shown = newest(&c, "pinned");
        assert_eq!(
            (shown.one("Status"), shown.one("StatusReason")),
            (expected.into(), "The process Launch is suspended.".into())
        );
        assert_eq!(refresh(&c, "empty", &[]).code(), "OK");
        seconds(&sim, 5);
        assert_eq!(
            (status(&c, "empty"), newest(&c, "empty").one("PercentageComplete")),
            ("Successful".into(), "100".into())
        );
    }
}

#[test]
fn a_root_volume_is_replaced_under_its_instance() {
    let sim = with_instances("");
    let c = client(&sim, OWNER);
    let root = [DESIRED[0], DESIRED[1], ("Strategy", "ReplaceRootVolume")];
    assert_eq!(refresh(&c, "pinned", &root).code(), "OK");
    seconds(&sim, 600);
    assert_eq!(described(&c, "pinned").all("InstanceId"), ["i-0000001a", "i-0000001b"]);
    assert_eq!(images_of(&sim, &c, "pinned"), [GOLDEN, GOLDEN]);
}

#[test]
fn what_can_not_be_refreshed_is_refused() {
    let sim = with_instances("");
    let c = client(&sim, OWNER);
    let overrides = [
        (
            "DesiredConfiguration.MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.LaunchTemplateName",
            "moved",
        ),
        (
            "DesiredConfiguration.MixedInstancesPolicy.LaunchTemplate.Overrides.member.1.InstanceType",
            "m5.large",
        ),
        ("Strategy", "ReplaceRootVolume"),
    ];
    for (name, more) in [
        ("nothing", vec![]),
        ("mixed", vec![]),
        ("pinned", vec![("Strategy", "Sudden")]),
        ("pinned", overrides.to_vec()),
        ("pinned", vec![("Preferences.MinHealthyPercentage", "101")]),
        ("pinned", vec![("Preferences.MaxHealthyPercentage", "150")]),
        ("pinned", vec![("Preferences.CheckpointDelay", "60")]),
        (
            "pinned",
            vec![
                ("Preferences.CheckpointPercentages.member.1", "50"),
                ("Preferences.CheckpointPercentages.member.2", "20"),
            ],
        ),
        ("pinned", vec![("Preferences.AutoRollback", "true")]),
        (
            "pinned",
            vec![
                DESIRED[0],
                ("DesiredConfiguration.LaunchTemplate.Version", "$Latest"),
                ("Preferences.AutoRollback", "true"),
            ],
        ),
        (
            "pinned",
            vec![DESIRED[0], ("DesiredConfiguration.LaunchTemplate.Version", "9")],
        ),
    ] {
        assert_eq!(refresh(&c, name, &more).code(), "ValidationError", "{name} {more:?}");
    }
}

#[test]
fn changes_of_groups_need_rights_of_their_own() {
    let sim = restricted("\"autoscaling:Describe*\"");
    let c = client(&sim, OTHER);
    let tag = [("Tags.member.1.ResourceId", "pinned"), ("Tags.member.1.Key", "x")];
    for (operation, params) in [
        ("UpdateAutoScalingGroup", group("pinned", &[(TEMPLATE, "moved")])),
        ("StartInstanceRefresh", group("pinned", &[])),
        ("CancelInstanceRefresh", group("pinned", &[])),
        ("RollbackInstanceRefresh", group("pinned", &[])),
        ("CreateOrUpdateTags", tag.to_vec()),
    ] {
        let reply = c.autoscaling(operation, &params);
        assert_eq!(
            (reply.code().as_str(), reply.status),
            ("AccessDenied", 403),
            "{operation}"
        );
        assert!(reply.body.contains("autoScalingGroupName/pinned"), "{}", reply.body);
    }
}
