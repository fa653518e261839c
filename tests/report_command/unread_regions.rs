//! What the report says where the regions of an account cannot be read.

use serde_json::Value;

use crate::{Bench, READER, image};

const WORLD: &str = r#"
seed: 7
clock: {start: 2026-01-01T00:00:00Z}
identities: [{accessKey: AKIAREADER0000000001, account: "999900001111", allow: ["sts:*"]}]
accounts:
- id: "999900001111"
- id: "111111111111"
  roles: [{name: amiseal, trust: ["999900001111"], allow: ["ec2:*", "kms:*"]}]
  regions:
  - {name: eu-west-1, keys: [{alias: [alias/ami]}], images: [{name: web}]}
- id: "222222222222"
"#;

/// A policy of all regions of two accounts: one of them has no role.
const POLICY: &str = "
apiVersion: amiseal.dev/v1alpha1
kind: AMIEncryptionPolicy
metadata: {name: production}
spec:
  defaults: {roleName: amiseal, allRegions: {kmsKeyID: alias/ami}}
  accounts:
  - accountID: '111111111111'
    regions: [{name: eu-west-1, kmsKeyID: alias/ami}]
    allRegions: {kmsKeyID: alias/ami, exclude: [us-east-1]}
  - accountID: '222222222222'
";

/// The account and region of each scope that could not be read, with the reason.
fn unread(report: &Value) -> Vec<[&str; 3]> {
    let scopes = report["scopes"].as_array().expect("scopes").iter();
    let failed = scopes.filter(|scope| !scope["problem"].is_null());
    failed
        .map(|scope| {
            assert!(scope["images"].is_null(), "{scope:#}");
            let message = scope["problem"]["message"].as_str().expect("a message");
            assert!(message.contains("could not be read by allRegions"), "{message}");
            [&scope["accountID"], &scope["region"], &scope["problem"]["reason"]]
                .map(|value| value.as_str().expect("a text"))
        })
        .collect()
}

#[test]
fn an_account_whose_regions_cannot_be_read_is_named_with_the_reason_and_holds_up_no_other() {
    let bench = Bench::new(WORLD);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), POLICY).expect("it is written");
    let path = file.path().to_str().expect("a path");
    let ran = bench.report_as(READER, &["--output", "json", "-f", path]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    let report = ran.json();
    assert_eq!(
        unread(&report),
        [["222222222222", "*", "RoleNotAssumable"]],
        "{report:#}"
    );
    assert_eq!(image(&report, "web")["accountID"], "111111111111");
    let scopes = report["scopes"].as_array().map(Vec::len);
    assert_eq!(scopes, Some(2), "{report:#}");
    for form in ["table", "markdown", "sarif", "html"] {
        let ran = bench.report(&["--output", form, "-f", path]);
        assert_eq!(ran.code, 1, "{form}: {ran:#?}");
        assert!(
            ran.out.contains("222222222222") && ran.out.contains("RoleNotAssumable"),
            "{form}"
        );
    }
    bench.assert_untouched();
}
