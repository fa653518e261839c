//! Printing to somebody who has seen enough, as `| head -1` has.

use std::process::{Command, Stdio};

use crate::{Bench, policy};

/// Runs the program with nobody who reads its output, and says how it ended and what it complained of.
fn unread(arguments: &[&str], variables: &[(&str, &str)], policy: &str) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("policy.yaml"), policy).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_amiseal"))
        .args(arguments)
        .current_dir(directory.path())
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .expect("the program runs");
    let complaint = String::from_utf8(output.stderr).expect("UTF-8");
    (output.status.code(), complaint)
}

const WORLD: &str = r#"
seed: 3
clock: {start: 2026-01-01T00:00:00Z}
identities: [{accessKey: AKIACONTROLLER, account: "999900001111", allow: ["sts:*"]}]
accounts:
- id: "999900001111"
- id: "111122223333"
  roles: [{name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:*", "kms:*", "sts:*"]}]
  regions:
  - name: eu-west-1
    keys: [{alias: [alias/ami]}]
    images: [{name: web}]
"#;

#[test]
fn whatever_is_printed_ends_quietly_where_nobody_reads_on() {
    for arguments in [&["crd"][..], &["--help"], &["plan", "--help"], &["--version"]] {
        assert_eq!(unread(arguments, &[], ""), (Some(0), String::new()), "{arguments:?}");
    }
    let bench = Bench::new(WORLD);
    let endpoint = bench.server.endpoint();
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIACONTROLLER"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let policy = policy("production", &[("111122223333", "eu-west-1", "alias/ami")]);
    for form in ["table", "json", "markdown"] {
        let arguments = ["plan", "-f", "policy.yaml", "-o", form];
        // The exit status still says that there is something to do.
        assert_eq!(
            unread(&arguments, &variables, &policy),
            (Some(2), String::new()),
            "{form}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_policy_shows_in_the_exit_status_where_nobody_reads_it() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_amiseal"))
        .args(["plan", "-f", "missing.yaml"])
        .env_clear()
        .stdin(Stdio::null())
        .stderr(writer)
        .status()
        .expect("the program runs");
    assert_eq!(status.code(), Some(1));
}
