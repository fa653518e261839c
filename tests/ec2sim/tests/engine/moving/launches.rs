//! The judge of launches.

use ec2sim::{ConsumerKind, Launch, Sim};
use serde_json::json;

use super::super::support::{ACCOUNT, OTHER_ACCOUNT, REGION, world, yaml};
use super::super::using::{GOLDEN, OLD, STAFF};
use super::staffed;

fn of(sim: &Sim, kind: ConsumerKind, id: &str) -> Vec<Launch> {
    let all = sim.launches(ACCOUNT, REGION);
    all.into_iter().filter(|l| l.kind == kind && l.id == id).collect()
}

fn images(sim: &Sim, kind: ConsumerKind, id: &str) -> Vec<String> {
    of(sim, kind, id).into_iter().filter_map(|l| l.image).collect()
}

fn why(sim: &Sim, kind: ConsumerKind, id: &str) -> String {
    let mut all = of(sim, kind, id).into_iter();
    all.find_map(|l| l.works.err()).unwrap_or_default()
}

/// The world in which an image under a key takes the place of the golden one, with more of the key.
fn sealed(key: &str) -> Sim {
    let staff = STAFF.replace(
        "    - {name: golden, id: ami-0000000a, ",
        "    - {name: golden, id: ami-0000000a, encryptedUnder: key-sealed, ",
    );
    let text = yaml("", &staff, "").replace("    keys:\n", &format!("    keys:\n    - {{id: key-sealed, {key}}}\n"));
    world(&text)
}

#[test]
fn everything_tells_what_it_would_launch() {
    let sim = staffed();
    for (kind, id, expected) in [
        (ConsumerKind::LaunchTemplate, "lt-0000000b:2", vec![GOLDEN]),
        (ConsumerKind::LaunchTemplate, "lt-0000000b:1", vec![]),
        (ConsumerKind::LaunchTemplate, "lt-0000000c:1", vec![GOLDEN]),
        (ConsumerKind::LaunchConfiguration, "classic", vec![OLD]),
        (ConsumerKind::AutoScalingGroup, "pinned", vec![OLD]),
        (ConsumerKind::AutoScalingGroup, "default", vec![GOLDEN]),
        (ConsumerKind::AutoScalingGroup, "suspended", vec![OLD]),
        (ConsumerKind::AutoScalingGroup, "mixed", vec![GOLDEN, OLD]),
        (ConsumerKind::AutoScalingGroup, "resolving", vec![GOLDEN]),
        (ConsumerKind::Fleet, "fleet-a", vec![GOLDEN, OLD]),
        (ConsumerKind::Fleet, "fleet-b", vec![]),
        (ConsumerKind::SpotFleet, "sfr-a", vec![GOLDEN]),
        (ConsumerKind::SpotRequest, "sir-0000000c", vec![GOLDEN]),
        (ConsumerKind::Parameter, "/golden/web", vec![OLD]),
        (ConsumerKind::Parameter, "/golden/web:live", vec![GOLDEN]),
        (ConsumerKind::Nodegroup, "blue/custom", vec![OLD]),
        (ConsumerKind::ComputeEnvironment, "override", vec![GOLDEN]),
        (ConsumerKind::ComputeEnvironment, "template", vec![GOLDEN, OLD]),
        (ConsumerKind::ImageRecipe, "web/1.1.0", vec![OLD]),
        (ConsumerKind::ContainerRecipe, "tool/1.0.0", vec![GOLDEN]),
    ] {
        assert_eq!(images(&sim, kind, id), expected, "{kind:?} {id}");
    }
    assert!(
        why(&sim, ConsumerKind::AutoScalingGroup, "broken").contains("no version 3 of the launch template lt-00000bad")
    );
    assert!(why(&sim, ConsumerKind::Fleet, "fleet-c").contains("is not resolved here"));
    let all = sim.launches(ACCOUNT, REGION);
    assert!(all.iter().all(|l| !l.encrypted));
    let failing: Vec<&str> = all.iter().filter(|l| l.works.is_err()).map(|l| l.id.as_str()).collect();
    assert_eq!(failing, ["broken", "fleet-c"]);
    let totals = sim.audit().totals;
    assert_eq!(
        (totals.launches, totals.launches_failing, totals.launches_encrypted),
        (all.len(), 2, 0)
    );
    assert!(sim.launches(OTHER_ACCOUNT, REGION).is_empty());
}

#[test]
fn all_that_a_truth_knows_to_launch_an_image_is_told() {
    let sim = staffed();
    for image in [GOLDEN, OLD] {
        let known = sim.consumers(ACCOUNT, REGION, image);
        for one in known
            .iter()
            .filter(|c| c.kind.launches() && c.kind != ConsumerKind::OldTemplateVersion)
        {
            let all = sim.launches(ACCOUNT, REGION);
            let found = all.iter().find(|l| {
                let same = l.id == one.id || l.id.starts_with(&format!("{}:", one.id));
                l.kind == one.kind && same && l.image.as_deref() == Some(image)
            });
            assert!(found.is_some(), "{one:?}");
        }
    }
}

#[test]
fn an_image_that_is_gone_or_disabled_or_not_shared_does_not_launch() {
    let sim = staffed();
    let edit = |edit| {
        sim.edit(serde_json::from_value(edit).expect("an edit"))
            .expect("it can be made")
    };
    edit(json!({"owner": {"image": OLD, "act": "disable"}}));
    assert!(why(&sim, ConsumerKind::AutoScalingGroup, "pinned").starts_with("InvalidAMIID.Unavailable"));
    edit(json!({"deregister": {"image": OLD}}));
    assert!(why(&sim, ConsumerKind::AutoScalingGroup, "pinned").starts_with("InvalidAMIID.NotFound"));
    assert_eq!(
        images(&sim, ConsumerKind::AutoScalingGroup, "pinned"),
        [OLD],
        "it is told all the same"
    );
    let theirs = json!({"consumer": {"account": OTHER_ACCOUNT, "region": REGION, "change": {"put": {"launchTemplate":
        {"name": "theirs", "id": "lt-0000001a", "versions": [{"image": GOLDEN}]}}}}});
    edit(theirs);
    assert!(sim.launches(OTHER_ACCOUNT, REGION)[0].works.is_ok());
    edit(json!({"share": {"image": GOLDEN, "remove": [OTHER_ACCOUNT]}}));
    assert!(sim.launches(OTHER_ACCOUNT, REGION)[0].works.is_err());
}

#[test]
fn a_group_launches_with_a_role_that_the_key_must_serve() {
    let role =
        format!("arn:aws:iam::{ACCOUNT}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling");
    let grant = format!("grants: [{{name: g, grantee: \"{role}\", operations: [Decrypt, CreateGrant, DescribeKey]}}]");
    let policy = format!(
        "policy: {{Statement: [{{Effect: Allow, Principal: {{AWS: \"{role}\"}}, Action: \"kms:*\", Resource: \"*\"}}]}}"
    );
    for (key, template, group) in [
        // What the policy leaves to the account's own policies is not for the roles of services.
        ("rotation: false".to_owned(), true, false),
        (format!("allowedPrincipals: [\"{role}\"]"), false, true),
        (format!("allowedPrincipals: [\"{ACCOUNT}\", \"{role}\"]"), true, true),
        (grant, true, true),
        (policy, true, true),
        ("alias: [alias/aws/ebs2], state: Disabled".to_owned(), false, false),
    ] {
        let sim = sealed(&key);
        let works = |kind, id: &str| of(&sim, kind, id).iter().all(|l| l.works.is_ok() && l.encrypted);
        assert_eq!(works(ConsumerKind::LaunchTemplate, "lt-0000000a:1"), template, "{key}");
        assert_eq!(works(ConsumerKind::AutoScalingGroup, "resolving"), group, "{key}");
    }
}

#[test]
fn a_mapping_with_a_snapshot_decides_what_is_encrypted() {
    let sim = sealed("rotation: false");
    let launch = |version: &str| of(&sim, ConsumerKind::LaunchTemplate, version)[0].clone();
    assert!(launch("lt-0000000b:2").encrypted);
    let snapshot = sim.with_world(|w| {
        w.image(REGION, OLD)
            .and_then(|i| i.snapshot_ids().next().map(str::to_owned))
    });
    let version = json!({"consumer": {"account": ACCOUNT, "region": REGION, "change": {"templateVersion": {
        "template": "moved", "version": {"image": GOLDEN, "devices": [{"device": "/dev/xvda", "snapshot": snapshot}]}}}}});
    sim.edit(serde_json::from_value(version).expect("an edit"))
        .expect("it can be made");
    assert!(
        !launch("lt-0000000b:3").encrypted,
        "the volume is made of an unencrypted snapshot"
    );
    let guardrails = json!({"setGuardrails": {"account": ACCOUNT, "region": REGION, "guardrails": {"ebsEncryptionByDefault": true}}});
    sim.edit(serde_json::from_value(guardrails).expect("an edit"))
        .expect("it can be made");
    assert!(launch("lt-0000000b:3").encrypted);
}

#[test]
fn another_accounts_snapshot_is_written_under_a_key_of_ones_own() {
    let sim = sealed(&format!("allowedPrincipals: [\"{ACCOUNT}\", \"{OTHER_ACCOUNT}\"]"));
    let edit = |edit| {
        sim.edit(serde_json::from_value(edit).expect("an edit"))
            .expect("it can be made")
    };
    edit(
        json!({"consumer": {"account": OTHER_ACCOUNT, "region": REGION, "change": {"put": {"launchTemplate":
        {"name": "theirs", "id": "lt-0000001a", "versions": [{"image": GOLDEN}]}}}}}),
    );
    let works = |sim: &Sim| sim.launches(OTHER_ACCOUNT, REGION)[0].works.clone();
    assert_eq!(works(&sim), Ok(()), "AWS makes its own key when it is first needed");
    edit(
        json!({"setGuardrails": {"account": OTHER_ACCOUNT, "region": REGION, "guardrails": {"ebsDefaultKey": "key-gone"}}}),
    );
    assert_eq!(works(&sim), Err("the key key-gone is not there".to_owned()));
}
