//! What the plan may do in AWS, and what it finds out of what others may.

use serde_json::json;

use crate::{Bench, policy, reasons, target};

/// One account whose role may do everything, one whose role lacks some of it, one whose role only reads, and one without
/// an image to ask about.
const WORLD: &str = r#"
seed: 5
expect:
  noMutatingCalls: [{}]
identities:
- {accessKey: AKIACONTROLLER, account: "999900001111", allow: ["sts:*"]}
- {accessKey: AKIAINSIDER, account: "111122223333"}
accounts:
- {id: "999900001111"}
- id: "111122223333"
  roles: [{name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:*", "kms:*", "sts:GetCallerIdentity"]}]
  regions: [&region {name: eu-west-1, keys: [{alias: [alias/ami]}], images: [{name: one}]}]
- id: "222233334444"
  roles:
  - name: amiseal
    externalID: platform
    trust: ["999900001111"]
    allow: ["ec2:DescribeImages", "ec2:DescribeSnapshots", "ec2:DescribeImageAttribute", "ec2:CopyImage", "ec2:ModifyImageAttribute", "ec2:DeregisterImage", "kms:DescribeKey", "sts:GetCallerIdentity"]
  regions: [*region]
- id: "333344445555"
  roles:
  - {name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:DescribeImages", "ec2:DescribeSnapshots", "kms:DescribeKey", "sts:GetCallerIdentity"]}
  regions: [*region]
- id: "444455556666"
  roles:
  - {name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:Describe*", "kms:DescribeKey", "sts:GetCallerIdentity"]}
  regions: [{name: eu-west-1, keys: [{alias: [alias/ami]}]}]
"#;

fn all() -> String {
    let accounts = ["111122223333", "222233334444", "333344445555", "444455556666"];
    policy(
        "production",
        &accounts.map(|account| (account, "eu-west-1", "alias/ami")),
    )
}

#[test]
fn without_being_asked_the_plan_sends_no_call_that_writes_and_narrows_every_session_to_reading() {
    let bench = Bench::new(WORLD);
    assert_eq!(bench.plan(&all(), &[]).code, 2);
    let assumed = bench.calls(|call| call.operation == "AssumeRole");
    assert_eq!(assumed.len(), 4);
    for call in assumed {
        assert_eq!(call.params["Policy"], amiseal::aws::READ_ONLY_POLICY);
    }
    let mutating = bench.calls(|call| call.mutating || call.dry_run);
    assert!(mutating.is_empty(), "{mutating:#?}");
    bench.assert_untouched();
}

#[test]
fn missing_permissions_are_named_one_by_one_and_asked_for_by_dry_runs_only() {
    let bench = Bench::new(WORLD);
    let ran = bench.plan(&all(), &["--check-permissions", "-o", "json"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let plan = ran.json();
    let missing = |account| target(&plan, account, "eu-west-1")["missingPermissions"].clone();
    assert_eq!(missing("111122223333"), json!([]));
    assert_eq!(missing("222233334444"), json!(["ec2:CreateTags"]));
    assert_eq!(
        missing("333344445555"),
        json!(["ec2:DescribeImageAttribute", "ec2:CopyImage"])
    );
    assert_eq!(missing("444455556666"), json!(null), "there is no image to ask about");
    let lacking = target(&plan, "222233334444", "eu-west-1");
    assert_eq!(reasons(&lacking["problems"]), ["AccessDenied"]);
    assert_eq!(
        lacking["problems"][0]["message"],
        "The role lacks ec2:CreateTags: allow it in the role's policy."
    );
    assert_eq!(
        lacking["unconfirmedPermissions"],
        json!(["ec2:EnableImageDeprecation", "ec2:DeleteSnapshot"]),
        "rights for copies alone look like that: nothing has to be fixed"
    );
    assert_eq!(plan["totals"]["toCopy"], 3, "what would be copied is told all the same");

    let asked = bench.calls(|call| call.mutating);
    // Copies are tagged when they are made; that is asked by itself only where CopyImage does not tell.
    assert_eq!(asked.len(), 3 * 5 + 1);
    assert!(asked.iter().all(|call| call.dry_run && !call.effect), "{asked:#?}");
    bench.assert_untouched();
}

#[test]
fn what_only_some_originals_and_policies_need_is_asked_for_where_they_do() {
    let restricted = WORLD.replace("{name: one}", "{name: one, instanceTypes: {supported: [t3.large]}}");
    let plain = policy("production", &[("222233334444", "eu-west-1", "alias/ami")]);
    let sealing = plain.replace(
        "  mode: Enforce\n",
        "  mode: Enforce\n  promotion: {seal: amiseal-verified}\n",
    );
    let (types, seal) = ("ec2:ReplaceImageInstanceTypeSpecification", "ec2:AttachImageWatermark");
    for (world, policy, more) in [
        (WORLD, &plain, &[][..]),
        (restricted.as_str(), &plain, &[types]),
        (WORLD, &sealing, &[seal]),
        (restricted.as_str(), &sealing, &[types, seal]),
    ] {
        let bench = Bench::new(world);
        let ran = bench.plan(policy, &["--check-permissions", "-o", "json"]);
        let plan = ran.json();
        let expected = [&["ec2:EnableImageDeprecation"][..], more, &["ec2:DeleteSnapshot"]].concat();
        assert_eq!(
            target(&plan, "222233334444", "eu-west-1")["unconfirmedPermissions"],
            json!(expected)
        );
        bench.assert_untouched();
    }
}

#[test]
fn only_the_session_that_asks_is_not_narrowed() {
    let bench = Bench::new(WORLD);
    let one = policy("production", &[("111122223333", "eu-west-1", "alias/ami")]);
    assert_eq!(bench.plan(&one, &["--check-permissions"]).code, 2);
    let narrowed: Vec<bool> = bench
        .calls(|call| call.operation == "AssumeRole")
        .iter()
        .map(|call| call.params.contains_key("Policy"))
        .collect();
    assert_eq!(narrowed, [true, false]);
    let unnarrowed = bench.calls(|call| call.service == "ec2" && call.dry_run);
    assert_eq!(unnarrowed.len(), 6, "it sends dry runs and nothing else");
}

#[test]
fn the_identity_from_the_environment_is_used_where_the_policy_names_no_role() {
    let bench = Bench::new(WORLD);
    let own = policy("production", &[("111122223333", "eu-west-1", "alias/ami")]);
    let own = own.replace("  defaults: {roleName: amiseal, externalID: platform}\n", "");
    let ran = bench.plan_as("AKIAINSIDER", &own, &[]);
    assert_eq!(ran.code, 2, "{} {}", ran.out, ran.err);
    let ran = bench.plan_as("AKIACONTROLLER", &own, &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("111122223333 eu-west-1 WrongAccount: "), "{}", ran.out);
    bench.assert_untouched();
}

#[test]
fn without_credentials_or_with_wrong_ones_the_plan_speaks_to_whoever_runs_it() {
    let bench = Bench::new(WORLD);
    let ran = bench.plan_as("AKIANOBODYS", &all(), &["-o", "json"]);
    assert_eq!(ran.code, 1);
    let problem = target(&ran.json(), "111122223333", "eu-west-1")["problems"][0].clone();
    assert_eq!(problem["reason"], "CredentialsNotAccepted");
    let message = problem["message"].as_str().unwrap_or_default();
    for words in ["your credentials", "aws sts get-caller-identity", "eu-west-1", "clock"] {
        assert!(message.contains(words), "{message}");
    }
    let endpoint = bench.endpoint();
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let ran = crate::run(std::path::Path::new("."), &["-f", "-"], &variables, &all());
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("NoCredentials: You have no AWS credentials here"),
        "{}",
        ran.out
    );
    assert!(
        !ran.out.contains("controller") && !ran.out.contains("service account"),
        "{}",
        ran.out
    );
    let named = [&variables[..], &[("AWS_PROFILE", "web")]].concat();
    let ran = crate::run(std::path::Path::new("."), &["-f", "-"], &named, &all());
    assert_eq!(ran.code, 1);
    let says = "NoCredentials: You have no AWS credentials here: the profile web that AWS_PROFILE names is not in your AWS config file";
    assert!(ran.out.contains(says), "{}", ran.out);
}

#[test]
fn a_role_that_may_copy_only_with_a_tag_lacks_nothing_where_the_policy_gives_that_tag() {
    let statement = r#"{Effect: Deny, Action: "ec2:CopyImage", Resource: "arn:aws:ec2:*::image/*", Condition: {"Null": {"aws:RequestTag/cost": "true"}}}"#;
    let world = WORLD.replace(
        r#"allow: ["ec2:*", "kms:*", "sts:GetCallerIdentity"]"#,
        &format!(r#"statements: [{statement}], allow: ["ec2:*", "kms:*", "sts:GetCallerIdentity"]"#),
    );
    let one = policy("production", &[("111122223333", "eu-west-1", "alias/ami")]);
    let tagged = one.replace(
        "  mode: Enforce\n",
        "  mode: Enforce\n  copy: {extraTags: {cost: '12'}}\n",
    );
    for (policy, missing) in [(&one, json!(["ec2:CopyImage"])), (&tagged, json!([]))] {
        let bench = Bench::new(&world);
        let ran = bench.plan(policy, &["--check-permissions", "-o", "json"]);
        let plan = ran.json();
        assert_eq!(
            target(&plan, "111122223333", "eu-west-1")["missingPermissions"],
            missing
        );
        bench.assert_untouched();
    }
}

#[test]
fn an_original_under_a_key_that_cannot_be_used_is_foreseen() {
    let world = WORLD.replace(
        "images: [{name: one}]}",
        "images: [{name: one}, {name: two, devices: [{}, {encryptedUnder: alias/old}]}]}",
    );
    let world = world.replace(
        "keys: [{alias: [alias/ami]}]",
        "keys: [{alias: [alias/ami]}, {alias: [alias/old], state: Disabled}]",
    );
    let bench = Bench::new(&world);
    let one = policy("production", &[("111122223333", "eu-west-1", "alias/ami")]);
    let ran = bench.plan(&one, &["-o", "json"]);
    let plan = ran.json();
    let of = target(&plan, "111122223333", "eu-west-1");
    assert_eq!(of["toCopy"]["images"], 1);
    assert_eq!(reasons(&of["cannotMigrate"]), ["SourceKeyDisabled"]);
    bench.assert_untouched();
}
