//! What the report prints, in every form, and how it ends.

use serde_json::Value;

use super::{Bench, READER, REGION};

/// An image of each kind that is worth a finding.
const WORLD: &str = r#"
seed: 1
clock: {start: 2026-01-01T00:00:00Z}
settings: {sessions: {time: simulated}}
identities:
- {accessKey: AKIAREADER0000000001, account: "111111111111"}
- {accessKey: AKIAROOT000000000001, account: "111111111111", name: root}
accounts:
- id: "111111111111"
  regions:
  - name: eu-west-1
    keys: [{alias: [alias/ami]}]
    images:
    - {name: plain, id: ami-0000000a, creationDate: 2025-12-01T00:00:00Z}
    - {name: "=cmd()", id: ami-0000000b, public: true, creationDate: 2025-12-01T00:00:00Z}
    - {name: fine, id: ami-0000000c, encryptedUnder: alias/ami, creationDate: 2025-12-01T00:00:00Z}
    - name: excused
      id: ami-0000000d
      creationDate: 2025-12-01T00:00:00Z
      tags: {amiseal.dev/exempt-until: "2999-01-01", amiseal.dev/exempt-reason: a lab}
    instances: [{image: plain, count: 2}]
    autoScalingGroups: [{name: web, launchConfiguration: classic}]
    launchConfigurations: [{name: classic, image: plain}]
  - name: us-east-1
"#;

#[test]
fn a_table_shows_counts_findings_and_who_uses_what_is_not_encrypted() {
    let bench = Bench::new(WORLD);
    let ran = bench.report(&["--region", REGION]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(ran.err, "");
    for line in [
        "ACCOUNT       REGION     IMAGES  UNENCRYPTED  USED  UNUSED  CONSUMERS",
        "111111111111  eu-west-1       4            3     1       0          4",
        "critical  public-image                Everybody can launch the image.                         1",
        "high      unencrypted-image           A snapshot of the image is not encrypted.               2",
        "  critical 111111111111 eu-west-1: Everybody can launch =cmd().",
        "  high 111111111111 eu-west-1: plain is not encrypted, and is used by 2 instances, 1 launch configuration, 1 Auto Scaling group.",
        "  high 111111111111 eu-west-1: excused is not encrypted. Exempt until 2999-01-01: a lab",
    ] {
        // How wide the columns are depends on what else is in them.
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let is_it = |printed: &str| words(printed) == words(line);
        assert!(ran.out.lines().any(is_it), "{line}\n\n{}", ran.out);
    }
    bench.assert_untouched();
}

#[test]
fn all_enabled_regions_are_looked_into_where_none_is_named() {
    let bench = Bench::new(WORLD);
    let report = bench.report(&["--output", "json"]).json();
    let regions: Vec<&str> = report["scopes"]
        .as_array()
        .expect("scopes")
        .iter()
        .map(|scope| scope["region"].as_str().expect("a region"))
        .collect();
    assert_eq!(regions, ["eu-west-1", "us-east-1"]);
}

#[test]
fn a_spreadsheet_gets_a_row_for_each_finding_and_no_formula() {
    let ran = Bench::new(WORLD).report(&["--output", "csv", "--region", REGION, "--required-tag", "owner"]);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(
        lines[0].starts_with("id,severity,check,accountID,region,resource,what,fix"),
        "{}",
        lines[0]
    );
    let json = Bench::new(WORLD)
        .report(&["--output", "json", "--region", REGION, "--required-tag", "owner"])
        .json();
    assert_eq!(lines.len() - 1, json["findings"].as_array().expect("findings").len());
    let named = lines.iter().filter(|line| line.contains("cmd()")).count();
    assert!(
        named > 0 && !lines.iter().any(|line| line.contains(",=")),
        "{}",
        ran.out
    );
}

#[test]
fn markdown_escapes_what_anybody_may_write() {
    let world = WORLD.replace("plain", "a_b_c");
    let ran = Bench::new(&world).report(&["--output", "markdown", "--region", REGION]);
    assert!(ran.out.contains("a\\_b\\_c"), "{}", ran.out);
    assert!(ran.out.starts_with("| ACCOUNT | REGION |"), "{}", ran.out);
}

#[test]
fn the_exit_status_says_whether_anything_is_as_bad_as_asked() {
    let bench = Bench::new(WORLD);
    let code = |arguments: &[&str]| bench.report(&[&["--region", REGION], arguments].concat()).code;
    assert_eq!(code(&["--fail-on", "critical"]), 2);
    assert_eq!(code(&["--fail-on", "low"]), 2);
    let fine = Bench::new(&WORLD.replace("public: true, ", ""));
    assert_eq!(fine.report(&["--region", REGION, "--fail-on", "critical"]).code, 0);
    assert_eq!(fine.report(&["--region", REGION, "--fail-on", "high"]).code, 2);
}

#[test]
fn what_is_found_has_the_same_id_in_every_report() {
    let ids = |bench: &Bench| -> Vec<Value> {
        let report = bench.report(&["--output", "json", "--region", REGION]).json();
        let findings = report["findings"].as_array().expect("findings");
        findings.iter().map(|finding| finding["id"].clone()).collect()
    };
    let bench = Bench::new(WORLD);
    assert_eq!(ids(&bench), ids(&bench));
}

#[test]
fn the_accounts_of_a_policy_are_read_by_its_roles() {
    let world = WORLD.replace(
        "- id: \"111111111111\"\n",
        "- id: \"111111111111\"\n  roles: [{name: amiseal, externalID: platform, trust: [\"111111111111\"], allow: ['*']}]\n",
    );
    let bench = Bench::new(&world);
    let policy = tempfile::NamedTempFile::new().expect("a file");
    let text = "apiVersion: amiseal.dev/v1alpha1\nkind: AMIEncryptionPolicy\nmetadata: {name: production}\nspec:\n  \
                defaults: {roleName: amiseal, externalID: platform}\n  accounts:\n  - accountID: '111111111111'\n    regions: \
                [{name: eu-west-1, kmsKeyID: alias/ami}]\n";
    std::fs::write(policy.path(), text).expect("it is written");
    let path = policy.path().to_str().expect("a path");
    let report = bench.report(&["-f", path, "--output", "json"]).json();
    assert_eq!(report["scopes"].as_array().expect("scopes").len(), 1);
    assert_eq!(report["scopes"][0]["images"]["total"], 4);
    let own = bench.calls(|call| call.service == "ec2" && !call.principal.contains("assumed-role/amiseal"));
    assert!(own.is_empty(), "{own:#?}");

    std::fs::write(policy.path(), "kind: Pod").expect("it is written");
    let ran = bench.report(&["-f", path]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.starts_with("Error: "), "{}", ran.err);
}

#[test]
fn a_wrong_option_or_credential_is_one_sentence() {
    let bench = Bench::new(WORLD);
    for (key, arguments, says) in [
        (
            READER,
            &["--account", "222222222222"][..],
            "name the role to assume in 222222222222 with --role-name",
        ),
        (
            READER,
            &["--account", "12345"],
            "it must be an AWS account ID of 12 digits",
        ),
        (
            READER,
            &["--max-image-age", "90"],
            "it must be a number of days, such as 90d",
        ),
        ("AKIANOBODY", &[], "AWS does not accept your credentials in eu-west-1"),
    ] {
        let ran = bench.report_as(key, arguments);
        assert_eq!(ran.code, 1, "{ran:#?}");
        assert!(ran.err.contains(says), "{says}: {ran:#?}");
        assert_eq!(ran.out, "");
    }
}
