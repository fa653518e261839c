//! Whether what launches an encrypted image may use its key.

use serde_json::{Value, json};

use super::rights::documented;
use super::{ACCOUNT, Bench, REGION, findings};

const CHECK: &str = "key-unusable-by-consumers";

/// Images under three keys, each launched by a group and shared.
const WORLD: &str = r#"
seed: 1
clock: {start: 2026-01-01T00:00:00Z}
settings: {sessions: {time: simulated}}
identities:
- {accessKey: AKIAREADER0000000001, account: "111111111111"}
accounts:
- id: "111111111111"
  regions:
  - name: eu-west-1
    keys:
    - {id: key-plain, alias: [alias/plain], rotation: true}
    - id: key-opened
      alias: [alias/opened]
      rotation: true
      grants: [{grantee: "arn:aws:iam::111111111111:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", operations: [CreateGrant, Decrypt, DescribeKey, GenerateDataKeyWithoutPlaintext, ReEncryptFrom, ReEncryptTo]}]
    - {id: key-ebs, alias: [alias/aws/ebs]}
    images:
    - &image {name: plain, id: ami-0000000a, encryptedUnder: alias/plain, launchPermissions: {users: ["222222222222"]}}
    - {<<: *image, name: opened, id: ami-0000000b, encryptedUnder: alias/opened}
    - {name: managed, id: ami-0000000c, encryptedUnder: alias/aws/ebs}
    launchTemplates: [{name: plain, versions: [{image: plain}]}, {name: opened, versions: [{image: opened}]}, {name: managed, versions: [{image: managed}]}]
    autoScalingGroups:
    - {name: plain, launchTemplate: {template: plain}}
    - {name: opened, launchTemplate: {template: opened}}
    - {name: managed, launchTemplate: {template: managed}}
- id: "222222222222"
"#;

fn key(id: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}")
}

fn report(bench: &Bench, arguments: &[&str]) -> Value {
    let json = ["--output", "json", "--region", REGION];
    let report = bench.report(&[&json, arguments].concat()).json();
    bench.assert_untouched();
    report
}

fn of_check(report: &Value) -> Vec<String> {
    let found = findings(report).into_iter().filter(|(check, _)| check == CHECK);
    found.map(|(_, resource)| resource).collect()
}

#[test]
fn a_key_that_a_groups_role_may_not_use_is_found_and_one_with_a_grant_is_not() {
    let bench = Bench::new(WORLD);
    let found = report(&bench, &[]);
    assert_eq!(of_check(&found), [key("key-plain")], "{found:#}");
    let finding = found["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .find(|finding| finding["check"] == CHECK);
    let what = finding.expect("a finding")["what"].as_str().expect("a sentence");
    assert!(
        what.contains("Affected: AutoScalingGroup plain. Add to the key's policy: {"),
        "{what}"
    );
    assert_eq!(found["scopes"][0]["unknown"], json!([]));
    let grants = bench.calls(|call| call.operation == "ListGrants");
    assert_eq!(grants.len(), 2, "the policy of AWS's own key tells enough: {grants:#?}");
}

#[test]
fn an_image_is_shared_in_vain_with_an_account_that_its_key_does_not_let_in() {
    let bench = Bench::new(WORLD);
    let arguments = ["--allow-sharing", "222222222222"];
    let found = report(&bench, &arguments);
    assert_eq!(
        of_check(&found),
        ["ami-0000000a".to_owned(), "ami-0000000b".to_owned(), key("key-plain")],
        "{found:#}"
    );
    let previous = std::env::temp_dir().join(format!("amiseal-key-access-{}.json", std::process::id()));
    std::fs::write(&previous, found.to_string()).expect("a file");
    let statement = json!({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"});
    for id in ["key-plain", "key-opened"] {
        let edit = json!({"setKeyPolicy": {
            "account": ACCOUNT, "region": REGION, "key": id, "policy": {"Statement": [statement]},
        }});
        bench
            .sim()
            .edit(serde_json::from_value(edit).expect("an edit"))
            .expect("a key");
    }
    let since = ["--since", previous.to_str().expect("a path")];
    let fixed = report(&bench, &[&arguments[..], &since].concat());
    assert_eq!(of_check(&fixed), [""; 0]);
    assert_eq!(fixed["since"]["fixed"], 3, "{fixed:#}");
    // Nobody has asked with whom images are shared.
    let not_asked = report(&bench, &since);
    let counts = (&not_asked["since"]["fixed"], &not_asked["since"]["notCompared"]);
    assert_eq!(counts, (&json!(1), &json!(2)), "{not_asked:#}");
    std::fs::remove_file(&previous).expect("the file goes");
}

#[test]
fn a_policy_that_may_not_be_read_is_unread_and_no_finding() {
    for action in ["kms:GetKeyPolicy", "kms:ListGrants"] {
        let mut allowed = documented();
        assert!(allowed.remove(action), "{action} is documented");
        let found = report(&super::rights::world_of(WORLD, &allowed), &[]);
        assert_eq!(of_check(&found), [""; 0], "{action}");
        let unknown = found["scopes"][0]["unknown"].as_array().expect("a list");
        let said = unknown
            .iter()
            .find(|unknown| unknown["kind"] == "KeyAccess" && unknown["id"] == key("key-plain"));
        let message = said.and_then(|said| said["message"].as_str()).unwrap_or_default();
        assert!(message.contains(action), "{unknown:#?}");
    }
}
