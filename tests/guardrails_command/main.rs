//! `amiseal guardrails` as people run it: documents with neither AWS nor a cluster, and the table from a real API server.

mod cluster;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const ACCOUNT: &str = "111122223333";
const OTHER: &str = "444455556666";
const ALL: &str = "  guardrails:\n    ebsEncryptionByDefault: Enforce\n    imageBlockPublicAccess: Enforce\n    \
     snapshotBlockPublicAccess: Enforce\n";

/// What one run printed.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:#?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The one sentence that it complains in.
    fn complaint(&self) -> &str {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{self:#?}");
        let sentence = self.err.strip_prefix("Error: ").unwrap_or_else(|| panic!("{self:#?}"));
        assert_eq!(sentence.trim_end().lines().count(), 1, "{self:#?}");
        sentence.trim_end()
    }

    fn has_note(&self, part: &str) -> bool {
        let mut notes = self.err.lines().filter_map(|line| line.strip_prefix("Note: "));
        notes.any(|note| note.contains(part))
    }
}

/// The program in this directory, with nothing of this shell.
fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amiseal"));
    command
        .arg("guardrails")
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .stdin(Stdio::null());
    command
}

fn run(directory: &Path, arguments: &[&str]) -> Ran {
    let output = command(directory, arguments).output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran {
        code: output.status.code(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// A policy over two regions of these accounts.
fn policy(name: &str, mode: &str, accounts: &[&str], more: &str) -> String {
    let accounts: String = accounts.iter().map(|id| format!("  - accountID: '{id}'\n")).collect();
    format!(
        "apiVersion: amiseal.dev/v1alpha1\nkind: AMIEncryptionPolicy\nmetadata: {{name: {name}}}\nspec:\n  mode: {mode}\n  defaults:\n    \
         roleName: amiseal\n    regions: [{{name: eu-west-1, kmsKeyID: alias/ami}}, {{name: us-east-1, kmsKeyID: alias/ami}}]\n  \
         accounts:\n{accounts}{more}"
    )
}

/// A directory with policies.
fn files(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).expect("a file");
    }
    directory
}

#[test]
fn a_declarative_policy_is_printed_as_organizations_takes_it() {
    let directory = files(&[("policy.yaml", &policy("production", "Enforce", &[ACCOUNT, OTHER], ALL))]);
    let run = |more: &[&str]| {
        let arguments = [&["--as", "declarative-policy", "-f", "policy.yaml"][..], more].concat();
        run(directory.path(), &arguments)
    };
    let ran = run(&[]);
    let blocks = |snapshots: &str| {
        json!({"ec2_attributes": {
            "image_block_public_access": {"state": {"@@assign": "block_new_sharing"}},
            "snapshot_block_public_access": {"state": {"@@assign": snapshots}},
        }})
    };
    assert_eq!(ran.json(), blocks("block_new_sharing"));
    for said in [ACCOUNT, "block-all-sharing", "--as scp"] {
        assert!(ran.has_note(said), "{said}: {ran:#?}");
    }
    let ran = run(&["--snapshots", "block-all-sharing", "--account", OTHER]);
    assert_eq!(ran.json(), blocks("block_all_sharing"));
    assert!(ran.has_note(OTHER) && !ran.has_note(ACCOUNT), "{ran:#?}");
}

#[test]
fn a_service_control_policy_excepts_amiseals_role_from_what_it_does() {
    let directory = files(&[("policy.yaml", &policy("production", "Enforce", &[ACCOUNT], ALL))]);
    let ran = run(directory.path(), &["--as", "scp", "-f", "policy.yaml"]);
    let document = ran.json();
    let regions = json!({"aws:RequestedRegion": ["eu-west-1", "us-east-1"]});
    let statement = |name: &str, actions: Value| json!({"Sid": name, "Effect": "Deny", "Action": actions, "Resource": "*", "Condition": {"StringEquals": regions}});
    let off = json!(["ec2:DisableEbsEncryptionByDefault", "ec2:ResetEbsDefaultKmsKeyId"]);
    let mut key = statement("KeepTheDefaultKey", json!("ec2:ModifyEbsDefaultKmsKeyId"));
    key["Condition"]["ArnNotLike"] = json!({"aws:PrincipalArn": "arn:aws:iam::111122223333:role/amiseal"});
    let expected = [
        statement("KeepEncryptionByDefault", off),
        key,
        statement("KeepImagesPrivate", json!("ec2:DisableImageBlockPublicAccess")),
        statement("KeepSnapshotsPrivate", json!("ec2:DisableSnapshotBlockPublicAccess")),
    ];
    assert_eq!(document, json!({"Version": "2012-10-17", "Statement": expected}));
    for said in ["management account", "--as declarative-policy", "whom it trusts"] {
        assert!(ran.has_note(said), "{said}: {ran:#?}");
    }
    let breaking = "arn:aws:iam::*:role/break-glass";
    let arguments = [
        "--as",
        "scp",
        "-f",
        "policy.yaml",
        "--region",
        "us-east-1",
        "--except",
        breaking,
    ];
    let document = run(directory.path(), &arguments).json();
    for statement in document["Statement"].as_array().expect("statements") {
        let condition = &statement["Condition"];
        assert_eq!(condition["StringEquals"]["aws:RequestedRegion"], "us-east-1");
        assert!(condition["ArnNotLike"].to_string().contains(breaking), "{statement}");
    }
}

#[test]
fn what_cannot_be_printed_is_said_in_one_sentence() {
    let directory = files(&[
        ("policy.yaml", &policy("production", "Enforce", &[ACCOUNT], ALL)),
        ("audit.yaml", &policy("audit", "Audit", &[ACCOUNT], ALL)),
        ("nothing.yaml", &policy("nothing", "Enforce", &[ACCOUNT], "")),
        (
            "other.yaml",
            &policy(
                "other",
                "Enforce",
                &[OTHER],
                "  guardrails: {imageBlockPublicAccess: Enforce}\n",
            ),
        ),
    ]);
    for (arguments, said) in [
        (&["--as", "scp", "-f", "missing.yaml"][..], "no such file"),
        (&["--as", "scp", "-f", "audit.yaml"], "spec.mode to Enforce"),
        (
            &["--as", "declarative-policy", "-f", "nothing.yaml"],
            "no policy enforces",
        ),
        (
            &["--as", "scp", "-f", "policy.yaml", "other.yaml"],
            "2 different documents",
        ),
        (
            &[
                "--as",
                "scp",
                "-f",
                "policy.yaml",
                "--policy",
                "production",
                "--account",
                OTHER,
            ],
            "no policy enforces",
        ),
        (
            &[
                "--as",
                "declarative-policy",
                "-f",
                "policy.yaml",
                "--region",
                "eu-west-1",
            ],
            "leave --region out",
        ),
        (
            &[
                "--as",
                "declarative-policy",
                "-f",
                "policy.yaml",
                "--except",
                "arn:aws:iam::*:role/x",
            ],
            "leave --except out",
        ),
        (
            &["--as", "scp", "-f", "policy.yaml", "--snapshots", "block-all-sharing"],
            "--as declarative-policy",
        ),
        (
            &[
                "--as",
                "declarative-policy",
                "-f",
                "policy.yaml",
                "--allowed-images",
                "enabled",
            ],
            "spec.audit.trustedOwners",
        ),
        // Nothing of AWS is called by what reads the cluster.
        (&["--fips-endpoints"], "leave --fips-endpoints out"),
        (
            &["--dual-stack-endpoints", "-o", "json"],
            "leave --dual-stack-endpoints out",
        ),
        (
            &["--as", "scp", "--fips-endpoints", "--dual-stack-endpoints"],
            "leave --fips-endpoints and --dual-stack-endpoints out",
        ),
    ] {
        let ran = run(directory.path(), arguments);
        assert!(ran.complaint().contains(said), "{arguments:?}: {ran:#?}");
    }
    // Files may take accounts or regions that only AWS knows. Where they do not, the options do no harm.
    let ran = run(
        directory.path(),
        &["--as", "scp", "-f", "policy.yaml", "--fips-endpoints"],
    );
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    // What the command line itself refuses.
    for (arguments, said) in [
        (&["-f", "policy.yaml"][..], "--as"),
        (
            &["--as", "scp", "-f", "policy.yaml", "-o", "json"],
            "cannot be used with",
        ),
        (
            &["--as", "scp", "-f", "policy.yaml", "--context", "rig"],
            "cannot be used with",
        ),
        (
            &["--as", "scp", "-f", "policy.yaml", "--except", "*"],
            "the ARN of a role",
        ),
        (&["--account", "1"], "12 digits"),
    ] {
        let ran = run(directory.path(), arguments);
        assert_eq!(ran.code, Some(1), "{arguments:?}: {ran:#?}");
        assert!(ran.err.contains(said), "{arguments:?}: {ran:#?}");
    }
}

/// An account with a role, and one without.
const WORLD: &str = r#"
seed: 7
clock: {start: 2026-01-01T00:00:00Z}
identities: [{accessKey: AKIAREADER0000000001, account: "999900001111", allow: ["sts:*"]}]
accounts:
- id: "999900001111"
- id: "111122223333"
  roles: [{name: amiseal, trust: ["999900001111"], allow: ["ec2:DescribeRegions"]}]
  regions: [{name: eu-west-1}]
- id: "444455556666"
"#;

#[test]
fn an_account_whose_regions_cannot_be_read_is_named_and_the_document_is_for_the_others() {
    let server = ec2sim::Server::on_loopback(ec2sim::Sim::from_yaml(WORLD).expect("a world")).expect("a port");
    let endpoint = server.endpoint();
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIAREADER0000000001"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let everywhere = policy("production", "Enforce", &[ACCOUNT, OTHER], ALL).replace(
        "regions: [{name: eu-west-1, kmsKeyID: alias/ami}, {name: us-east-1, kmsKeyID: alias/ami}]",
        "regions: [{name: eu-west-1, kmsKeyID: alias/ami}]\n    allRegions: {kmsKeyID: alias/ami, exclude: [us-east-1]}",
    );
    let directory = files(&[("policy.yaml", &everywhere)]);
    let run = |more: &[&str]| {
        let arguments = [&["--as", "scp", "-f", "policy.yaml"][..], more].concat();
        let output = command(directory.path(), &arguments).envs(variables).output();
        let output = output.expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ran {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    };
    let errors = |ran: &Ran| -> Vec<String> {
        let errors = ran.err.lines().filter(|line| line.starts_with("Error: "));
        errors.map(str::to_owned).collect()
    };
    let ran = run(&[]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let [error] = &errors(&ran)[..] else { panic!("{ran:#?}") };
    for part in [OTHER, "could not be read by allRegions", "without this account"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let document: Value = serde_json::from_str(&ran.out).expect("a document");
    assert_eq!(
        document["Statement"][0]["Condition"]["StringEquals"]["aws:RequestedRegion"],
        "eu-west-1"
    );
    assert!(ran.has_note(ACCOUNT) && !ran.has_note(OTHER), "{ran:#?}");

    // One that is not meant is not missed, and one that is alone leaves nothing to print.
    let ran = run(&["--account", ACCOUNT]);
    assert_eq!((ran.code, errors(&ran).len()), (Some(0), 0), "{ran:#?}");
    let ran = run(&["--account", OTHER]);
    assert!(ran.complaint().contains(OTHER), "{ran:#?}");
}

#[test]
fn it_ends_quietly_where_nobody_reads_on() {
    let directory = files(&[("policy.yaml", &policy("production", "Enforce", &[ACCOUNT], ALL))]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = command(directory.path(), &["--as", "scp", "-f", "policy.yaml"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .expect("the program runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

/// The first block of this language after a line of the page.
fn block<'a>(page: &'a str, line: &str, language: &str) -> &'a str {
    let (_, rest) = page
        .split_once(line)
        .unwrap_or_else(|| panic!("the page has no {line}"));
    let (_, rest) = rest.split_once(&format!("```{language}\n")).expect("a block");
    let (block, _) = rest.split_once("```\n").expect("its end");
    block
}

#[test]
fn the_page_shows_what_the_command_prints_of_the_pages_policy() {
    let page = include_str!("../../docs/guardrails.md");
    let policy = block(page, "`policy.yaml`:\n", "yaml");
    let directory = files(&[("policy.yaml", policy)]);
    let commands: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("$ amiseal guardrails -f "))
        .collect();
    assert_eq!(commands.len(), 2);
    for command in commands {
        let (words, _) = command.split_once(" > ").expect("a file");
        let words: Vec<&str> = words.split_whitespace().map(|word| word.trim_matches('\'')).collect();
        let ran = run(directory.path(), &[&["-f"][..], &words[..]].concat());
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        assert_eq!(ran.out, block(page, command, "json"), "{command}");
    }
}
