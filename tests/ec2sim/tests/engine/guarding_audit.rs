//! The judge of settings of regions: what a declarative policy holds, what was set already, and keys that may not be used.

use ec2sim::{Act, Check, FaultRule, Sim};
use serde_json::{Value, json};

use super::support::{
    ACCOUNT, Client, MANAGER, OTHER, OTHER_ACCOUNT, OWNER, REGION, WEB, client, seconds, world, yaml,
};

const BLOCK: (&str, &str) = ("ImageBlockPublicAccessState", "block-new-sharing");
const ANYTHING: &str = "allow: [{operation: \"*\"}]";
const HELD: &str = "    guardrails: {byDeclarativePolicy: true}\n";

/// A world in which nothing is to be copied.
fn guarded(settings: &str, region: &str, expect: &str) -> Sim {
    let text = yaml(settings, region, expect);
    world(&text.replace("expect: {copied: {key: alias/good}}", "expect: untouched"))
}

fn free(settings: &str) -> Sim {
    guarded(settings, "", ANYTHING)
}

fn checks(sim: &Sim) -> Vec<Check> {
    sim.audit().findings.iter().map(|finding| finding.check).collect()
}

fn block(c: &Client) -> String {
    c.ec2("EnableImageBlockPublicAccess", &[BLOCK]).code()
}

fn edit(sim: &Sim, edit: Value) {
    let edit = serde_json::from_value(edit).expect("an edit");
    sim.edit(edit).expect("it can be made");
}

fn set(sim: &Sim, guardrails: &Value) {
    edit(
        sim,
        json!({"setGuardrails": {"account": ACCOUNT, "region": REGION, "guardrails": guardrails}}),
    );
}

/// A session of a role that may do all of EC2 and of KMS.
fn writer(sim: &Sim, name: &str) -> Client {
    let role = format!("arn:aws:iam::{ACCOUNT}:role/writer");
    let assume = [("RoleArn", role.as_str()), ("RoleSessionName", name)];
    let session = client(sim, MANAGER).sts("AssumeRole", &assume);
    Client {
        key: session.one("AccessKeyId"),
        token: Some(session.one("SessionToken")),
        ..client(sim, OWNER)
    }
}

#[test]
fn a_setting_that_the_world_does_not_allow_to_be_changed_is_a_foreign_change() {
    for (expect, expected) in [
        ("", vec![Check::ForeignChange]),
        (
            "allow: [{operation: EnableImageBlockPublicAccess, resource: imagePublicAccess}]",
            vec![],
        ),
        (
            "allow: [{operation: EnableSnapshotBlockPublicAccess}]",
            vec![Check::ForeignChange],
        ),
    ] {
        let sim = guarded("", "", expect);
        assert_eq!(block(&client(&sim, OWNER)), "OK");
        assert_eq!(checks(&sim), expected, "{expect}");
    }
}

#[test]
fn setting_what_a_declarative_policy_holds_is_found() {
    let sim = guarded("", HELD, ANYTHING);
    let c = client(&sim, OWNER);
    c.ec2("EnableImageBlockPublicAccess", &[BLOCK, ("DryRun", "true")]);
    c.ec2("EnableEbsEncryptionByDefault", &[]);
    assert_eq!(checks(&sim), []);
    assert_eq!(block(&c), "OperationNotPermitted");
    assert_eq!(checks(&sim), [Check::GuardrailHeld]);
}

#[test]
fn nobody_is_blamed_who_was_told_that_the_account_manages_it() {
    let sim = free("");
    let c = client(&sim, OWNER);
    let look = || c.ec2("GetImageBlockPublicAccessState", &[]).one("managedBy");
    assert_eq!(look(), "account");
    set(&sim, &json!({"byDeclarativePolicy": true}));
    c.ec2("GetSnapshotBlockPublicAccessState", &[]);
    assert_eq!(block(&c), "OperationNotPermitted");
    assert_eq!(checks(&sim), []);
    assert_eq!(look(), "declarative-policy");
    assert_eq!(block(&c), "OperationNotPermitted");
    assert_eq!(checks(&sim), [Check::GuardrailHeld]);
}

#[test]
fn setting_again_what_nobody_has_undone_is_found() {
    let sim = free("");
    set(&sim, &json!({"imagePublicAccess": "block-new-sharing"}));
    let (one, two) = (writer(&sim, "one"), writer(&sim, "two"));
    block(&one);
    assert_eq!(checks(&sim), [], "it was so, and was set by nobody");
    block(&client(&sim, OWNER));
    assert_eq!(checks(&sim), [], "another has set it");
    set(&sim, &json!({}));
    block(&one);
    assert_eq!(checks(&sim), [], "it was undone");
    one.ec2("EnableEbsEncryptionByDefault", &[]);
    one.ec2("DisableImageBlockPublicAccess", &[]);
    block(&one);
    assert_eq!(checks(&sim), [], "it was undone by a call");
    block(&two);
    assert_eq!(checks(&sim), [Check::GuardrailSetTwice], "sessions of one role are one");
}

#[test]
fn a_call_may_be_made_again_whose_answer_was_lost() {
    for act in [
        Act::DropAfter,
        Act::DropBefore,
        Act::DelayEffect(10.0),
        Act::DelayReply(5.0),
    ] {
        let sim = free("");
        sim.add_fault(FaultRule {
            operation: Some("Enable*".to_owned()),
            nth: Some(1),
            act,
            ..FaultRule::default()
        });
        let c = client(&sim, OWNER);
        block(&c);
        seconds(&sim, 20);
        assert_eq!(block(&c), "OK");
        assert_eq!(checks(&sim), []);
    }
}

#[test]
fn what_aws_has_not_set_in_ten_minutes_may_be_set_again() {
    let sim = free("guardrailSeconds: 1000000");
    let c = client(&sim, OWNER);
    block(&c);
    seconds(&sim, 601);
    block(&c);
    assert_eq!(checks(&sim), []);
    seconds(&sim, 599);
    block(&c);
    assert_eq!(checks(&sim), [Check::GuardrailSetTwice]);
}

/// A world that says of settings what should become of them.
fn expecting(region: &str, settings: &[(&str, Option<&str>)]) -> Sim {
    let of_one = |(setting, is): &(&str, Option<&str>)| {
        let is = is.map(|is| format!(", is: \"{is}\"")).unwrap_or_default();
        format!("{{account: \"{ACCOUNT}\", region: {REGION}, setting: {setting}{is}}}")
    };
    let settings: Vec<String> = settings.iter().map(of_one).collect();
    guarded("", region, &format!("{ANYTHING}, settings: [{}]", settings.join(", ")))
}

#[test]
fn a_setting_that_is_not_in_the_end_what_it_should_be_is_found() {
    let sim = expecting(
        "",
        &[
            ("imagePublicAccess", Some("block-new-sharing")),
            ("ebsEncryptionByDefault", Some("false")),
            ("ebsDefaultKey", Some("alias/good")),
        ],
    );
    assert_eq!(checks(&sim), [Check::GuardrailDiffers; 2]);
    let c = client(&sim, OWNER);
    block(&c);
    c.ec2("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", "key-good")]);
    assert_eq!(checks(&sim), [], "a key has more than one name");
    let totals = sim.audit().totals;
    assert_eq!((totals.settings_expected, totals.settings_so), (3, 3));

    c.ec2("EnableEbsEncryptionByDefault", &[]);
    set(
        &sim,
        &json!({"ebsEncryptionByDefault": true, "ebsDefaultKey": "key-other"}),
    );
    let report = sim.audit();
    let said: Vec<&str> = report.findings.iter().map(|finding| finding.message.as_str()).collect();
    let expected = [
        "it is key-other, and should be alias/good",
        "it is true, and should be false",
        "it is unblocked, and should be block-new-sharing",
    ];
    assert_eq!(said, expected);
    assert_eq!(report.totals.settings_so, 0);
    assert!(
        report.to_string().contains("settings expected / so             3 / 0"),
        "{report}"
    );
}

#[test]
fn a_setting_that_no_call_should_set_is_found_once_one_tries_to() {
    let sim = expecting(HELD, &[("imagePublicAccess", None)]);
    set(
        &sim,
        &json!({"byDeclarativePolicy": true, "imagePublicAccess": "block-new-sharing"}),
    );
    let c = client(&sim, OWNER);
    c.ec2("EnableEbsEncryptionByDefault", &[]);
    assert_eq!(checks(&sim), [], "nobody has called to set it");
    c.ec2("DisableImageBlockPublicAccess", &[]);
    assert_eq!(checks(&sim), [Check::GuardrailHeld, Check::GuardrailDiffers]);
}

#[test]
fn a_default_key_that_the_root_of_the_account_may_not_use_is_found() {
    for (key, expected) in [
        ("key-good", vec![]),
        ("alias/aws/ebs", vec![]),
        ("key-private", vec![Check::DefaultKeyNotUsable]),
        ("key-off", vec![]),
    ] {
        let sim = free("");
        client(&sim, OWNER).ec2("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", key)]);
        assert_eq!(checks(&sim), expected, "{key}");
    }
    let sim = free("badDefaultKeys: kept");
    client(&sim, OWNER).ec2("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", "key-off")]);
    assert_eq!(checks(&sim), [Check::DefaultKeyNotUsable]);
    assert!(sim.audit().findings[0].message.ends_with("is disabled."));
}

#[test]
fn a_default_key_that_the_role_of_a_service_may_not_use_is_found() {
    let role =
        format!("arn:aws:iam::{ACCOUNT}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling");
    let group = "    launchTemplates: [{name: web, id: lt-0000000a, versions: [{image: web}]}]\n    autoScalingGroups: [{name: g, launchTemplate: {template: web}}]\n";
    let both = format!("alias: [alias/other], allowedPrincipals: [\"{ACCOUNT}\", \"{role}\"]");
    let alone = format!("alias: [alias/other], allowedPrincipals: [\"{role}\"]");
    for (region, key, expected) in [
        (group, "alias: [alias/other]", vec![Check::DefaultKeyNotUsable]),
        (group, both.as_str(), vec![]),
        (group, alone.as_str(), vec![Check::DefaultKeyNotUsable]),
        ("", "alias: [alias/other]", vec![]),
    ] {
        let text = yaml("", region, ANYTHING)
            .replace("expect: {copied: {key: alias/good}}", "expect: untouched")
            .replace(
                "{id: key-other, alias: [alias/other]}",
                &format!("{{id: key-other, {key}}}"),
            );
        let sim = world(&text);
        client(&sim, OWNER).ec2("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", "key-other")]);
        assert_eq!(checks(&sim), expected, "{key}");
    }
}

#[test]
fn a_role_of_a_service_that_the_account_lists_has_to_be_served_as_well() {
    let linked = "  - {name: aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot, trust: [], allow: []}\n";
    let text = yaml("", "", ANYTHING)
        .replace("expect: {copied: {key: alias/good}}", "expect: untouched")
        .replace("  roles:\n", &format!("  roles:\n{linked}"));
    let sim = world(&text);
    client(&sim, OWNER).ec2("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", "key-good")]);
    assert_eq!(checks(&sim), [Check::DefaultKeyNotUsable]);
    assert!(sim.audit().findings[0].message.contains("AWSServiceRoleForEC2Spot"));
}

#[test]
fn nobody_is_blamed_for_a_key_that_was_changed_since_it_was_looked_at() {
    let sim = free("");
    let c = client(&sim, OWNER);
    let look = || c.kms("DescribeKey", &json!({"KeyId": "key-good"})).code();
    let modify = || c.ec2("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", "key-good")]).code();
    assert_eq!(look(), "OK");
    edit(
        &sim,
        json!({"setKeyPrincipals": {"account": ACCOUNT, "region": REGION, "key": "key-good", "allowedPrincipals": []}}),
    );
    assert_eq!(modify(), "OK");
    assert_eq!(checks(&sim), []);
    set(&sim, &json!({}));
    assert_eq!(look(), "AccessDeniedException");
    assert_eq!(modify(), "OK");
    assert_eq!(checks(&sim), [Check::DefaultKeyNotUsable, Check::DeniedCall]);
}

#[test]
fn having_an_image_refused_that_something_launches_is_found_unless_that_is_new() {
    let shared = format!("      name: web\n      launchPermissions: {{users: [\"{OTHER_ACCOUNT}\"]}}\n");
    let text = yaml("", "", ANYTHING)
        .replace("expect: {copied: {key: alias/good}}", "expect: untouched")
        .replace("      name: web\n", &shared);
    let launch = |sim: &Sim| {
        let template = json!({"name": "web", "versions": [{"image": WEB}]});
        edit(
            sim,
            json!({"consumer": {"account": OTHER_ACCOUNT, "region": REGION, "change": {"put": {"launchTemplate": template}}}}),
        );
    };
    let enable = |c: &Client, provider: &str| {
        let criterion = [("ImageCriterion.1.ImageProvider.1", provider)];
        let replaced = c.ec2("ReplaceImageCriteriaInAllowedImagesSettings", &criterion).code();
        let state = [("AllowedImagesSettingsState", "enabled")];
        (replaced, c.ec2("EnableAllowedImagesSettings", &state).code())
    };
    let ok = ("OK".to_owned(), "OK".to_owned());
    for (provider, is_launched, is_new, expected) in [
        (ACCOUNT, true, false, vec![]),
        ("amazon", false, false, vec![]),
        ("amazon", true, false, vec![Check::ImageInUseRefused]),
        ("amazon", true, true, vec![]),
    ] {
        let sim = world(&text);
        let c = client(&sim, OTHER);
        let look = || c.ec2("DescribeLaunchTemplateVersions", &[("LaunchTemplateName", "web")]);
        if is_new {
            launch(&sim);
            assert_eq!(look().code(), "OK");
        }
        if is_launched {
            launch(&sim);
        }
        if is_launched && !is_new {
            assert_eq!(look().code(), "OK");
        }
        assert_eq!(enable(&c, provider), ok);
        assert_eq!(checks(&sim), expected, "{provider} {is_launched} {is_new}");
    }
}
