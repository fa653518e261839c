//! `--consumers`: who uses what would be copied.

use serde_json::{Value, json};

use super::{Bench, policy, target};

const ACCOUNT: &str = "222222222222";
const REGION: &str = "eu-west-1";

/// Two images, of which one is launched by a group that nobody would guess, and a role that may do this.
fn bench(allow: &str) -> Bench {
    Bench::new(&format!(
        r#"
seed: 1
identities: [{{accessKey: AKIACONTROLLER, account: "999900001111"}}]
accounts:
- id: "999900001111"
- id: "{ACCOUNT}"
  roles: [{{name: amiseal, externalID: platform, trust: ["999900001111"], allow: [{allow}]}}]
  regions:
  - name: {REGION}
    keys: [{{alias: [alias/ami]}}]
    images: [{{name: used, id: ami-0000000a}}, {{name: lonely, id: ami-0000000b}}]
    launchTemplates: [{{name: web, versions: [{{image: "resolve:ssm:/golden:live"}}]}}]
    parameters: [{{name: /golden, dataType: "aws:ec2:image", versions: [{{image: used, labels: [live]}}, {{image: ami-0000000c}}]}}, {{name: /notes, image: lonely}}]
    autoScalingGroups: [{{name: fleet, desired: 0, launchTemplate: {{template: web}}}}]
"#
    ))
}

const READS: &str = "'ec2:Describe*', 'kms:*', 'autoscaling:Describe*', 'ssm:*', 'eks:*', 'batch:*', 'imagebuilder:*'";

fn planned(allow: &str, arguments: &[&str]) -> (super::Ran, Bench) {
    let bench = bench(allow);
    let ran = bench.plan(&policy("production", &[(ACCOUNT, REGION, "alias/ami")]), arguments);
    (ran, bench)
}

#[test]
fn a_plan_names_who_uses_each_image_that_would_be_copied() {
    let (ran, bench) = planned(READS, &["--output", "json", "--consumers"]);
    let plan = ran.json();
    let used = &target(&plan, ACCOUNT, REGION)["used"];
    assert_eq!((&used["images"], &used["unknown"]), (&json!(1), &json!([])), "{used:#}");
    let consumers = used["list"][0]["consumers"].as_array().expect("consumers");
    let kinds: Vec<&Value> = consumers.iter().map(|user| &user["kind"]).collect();
    assert_eq!(kinds, ["LaunchTemplate", "AutoScalingGroup", "Parameter"]);
    assert_eq!(used["list"][0]["name"], "used");
    bench.assert_untouched();

    let (ran, _) = planned(READS, &["--consumers"]);
    for line in [
        "In use, of what would be copied:",
        "  222222222222 eu-west-1 1 of 2 images",
    ] {
        assert!(ran.out.lines().any(|printed| printed == line), "{line}: {}", ran.out);
    }
    // AWS does not say when the other one was last launched.
    let unsure = "Of 1 of these it is not known whether anybody uses them: treat them as used.";
    assert!(
        ran.out.contains(unsure) && !ran.out.contains("Nobody uses"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("AutoScalingGroup fleet by "), "{}", ran.out);
}

#[test]
fn what_the_policy_has_read_of_consumers_is_read_for_the_plan_too() {
    let bench = bench(READS);
    let plain = policy("production", &[(ACCOUNT, REGION, "alias/ami")]);
    let all = plain.replacen("mode: Enforce", "mode: Enforce\n  consumers: {parameters: All}", 1);
    for (policy, images) in [(plain, 1), (all, 2)] {
        let plan = bench.plan(&policy, &["--output", "json", "--consumers"]).json();
        assert_eq!(target(&plan, ACCOUNT, REGION)["used"]["images"], images, "{policy}");
    }
}

#[test]
fn what_could_not_be_read_is_said_with_the_action_and_without_the_option_nothing_is_read() {
    let (ran, _) = planned("'ec2:Describe*', 'kms:DescribeKey'", &["--consumers"]);
    assert_eq!(ran.code, 2, "images can be copied all the same: {ran:#?}");
    assert!(ran.out.contains("Not read, so that more may use them:"), "{}", ran.out);
    assert!(ran.out.contains("autoscaling:DescribeAutoScalingGroups"), "{}", ran.out);

    let (ran, bench) = planned(READS, &["--output", "json"]);
    assert!(target(&ran.json(), ACCOUNT, REGION).get("used").is_none());
    let others = bench.calls(|call| !["ec2", "sts", "kms"].contains(&call.service.as_str()));
    assert!(others.is_empty(), "{others:#?}");
}

/// The same with images that were last launched long ago, one of which is shared.
fn quiet(allow: &str) -> Bench {
    let old = "creationDate: 2023-01-01T00:00:00Z, lastLaunchedTime: 2023-02-01T00:00:00Z";
    let images = [
        format!("{{name: used, id: ami-0000000a, {old}}}"),
        format!("{{name: idle, id: ami-0000000b, devices: [{{gib: 10}}, {{gib: 2}}], {old}}}"),
        format!("{{name: shared, id: ami-0000000d, launchPermissions: {{users: [\"999900001111\"]}}, {old}}}"),
    ];
    Bench::new(&format!(
        r#"
seed: 1
identities: [{{accessKey: AKIACONTROLLER, account: "999900001111"}}]
accounts:
- id: "999900001111"
- id: "{ACCOUNT}"
  roles: [{{name: amiseal, externalID: platform, trust: ["999900001111"], allow: [{allow}]}}]
  regions:
  - name: {REGION}
    keys: [{{alias: [alias/ami]}}]
    images: [{}]
    instances: [{{image: used}}]
"#,
        images.join(", ")
    ))
}

#[test]
fn a_plan_says_how_much_of_what_would_be_copied_nobody_uses_and_what_its_copies_cost() {
    let policy = policy("production", &[(ACCOUNT, REGION, "alias/ami")]);
    let ran = quiet(READS).plan(&policy, &["--consumers", "--price-per-gib-month", "0.05"]);
    let expected = "\
Used by nobody, of what would be copied:
  222222222222 eu-west-1 1 of 3 images
    ami-0000000b  idle
";
    assert!(ran.out.contains(expected), "{}", ran.out);
    let sentences = "Nobody uses 1 of these, with 12 GiB, whose copies cost 0.60 a month: see whether you need copies of \
                     them. Of 1 of these it is not known whether anybody uses them: treat them as used.";
    assert!(ran.out.contains(sentences), "{}", ran.out);
    let plan = quiet(READS).plan(&policy, &["--consumers", "-o", "json"]).json();
    let used = &target(&plan, ACCOUNT, REGION)["used"];
    let counts = [&used["images"], &used["unused"], &used["unusedGiB"], &used["unsure"]];
    assert_eq!(counts, [&json!(1), &json!(1), &json!(12.0), &json!(1)], "{used:#}");
    assert_eq!(used["unusedList"], json!([{"id": "ami-0000000b", "name": "idle"}]));
    assert!(used.get("unusedMonthlyCost").is_none(), "{used:#}");
    assert_eq!(
        plan["totals"]["used"],
        json!({"images": 1, "unused": 1, "unusedGiB": 12.0, "unsure": 1})
    );

    // What could not be asked is in use.
    let lacking = "'ec2:DescribeI*', 'ec2:DescribeL*', 'ec2:DescribeF*', 'ec2:DescribeS*', 'kms:*', 'autoscaling:Describe*', 'ssm:*', 'eks:*', \
                   'batch:*', 'imagebuilder:List*'";
    let ran = quiet(lacking).plan(&policy, &["--consumers"]);
    assert!(!ran.out.contains("Nobody uses"), "{}", ran.out);
    assert!(ran.out.contains("CrossCheck: "), "{}", ran.out);
}
