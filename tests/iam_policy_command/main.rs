//! `amiseal iam-policy` as people run it: the real program, with neither AWS nor a cluster.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const CONTROLLER: &str = "arn:aws:iam::999900001111:role/amiseal-controller";

/// A directory with policies.
struct Files(TempDir);

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
}

/// A policy over two accounts that take the same.
fn policy(name: &str, mode: &str, more: &str) -> String {
    format!(
        "apiVersion: amiseal.dev/v1alpha1\nkind: AMIEncryptionPolicy\nmetadata: {{name: {name}}}\nspec:\n  mode: {mode}\n  defaults:\n    \
         roleName: amiseal\n    externalID: platform\n    regions: [{{name: eu-west-1, kmsKeyID: alias/ami}}]\n  accounts:\n  - \
         accountID: '111122223333'\n  - accountID: '444455556666'\n{more}"
    )
}

impl Files {
    fn of(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).expect("a file");
        }
        Self(directory)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amiseal"));
        command
            .arg("iam-policy")
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ran {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

fn actions(statement: &Value) -> Vec<&str> {
    match &statement["Action"] {
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

#[test]
fn rights_are_printed_for_each_account_with_what_to_attach_them_to() {
    let files = Files::of(&[("policy.yaml", &policy("production", "Audit", ""))]);
    let ran = files.run(&["-f", "policy.yaml", "--controller", CONTROLLER]);
    let rights = ran.json();
    assert_eq!(rights["version"], 1);
    assert_eq!(rights["controller"]["roleARN"], CONTROLLER);
    let accounts = rights["accounts"].as_array().expect("accounts");
    let roles: Vec<&Value> = accounts.iter().map(|account| &account["roleARN"]).collect();
    assert_eq!(
        json!(roles),
        json!([
            "arn:aws:iam::111122223333:role/amiseal",
            "arn:aws:iam::444455556666:role/amiseal"
        ])
    );
    for account in accounts {
        assert_eq!(account["trustPolicy"]["Statement"][0]["Principal"]["AWS"], CONTROLLER);
        let policies = account["permissionsPolicies"].as_array().expect("policies");
        for statement in policies
            .iter()
            .flat_map(|named| named["policy"]["Statement"].as_array())
            .flatten()
        {
            for action in actions(statement) {
                let (_, name) = action.split_once(':').expect("an action");
                assert!(
                    ["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb)),
                    "{action}"
                );
            }
        }
    }
    assert_eq!(ran.err, "", "there is nothing more to say");
}

#[test]
fn what_is_to_be_known_beside_the_rights_is_on_standard_error() {
    let more = "  audit: {}\n  validation: {launch: {instanceType: t3.nano, subnetID: subnet-0a1b2c3d4e5f60718}}\n  promotion: \
         {launchTemplates: Update, ssmParameters: Update, autoScalingGroups: Update}\n";
    let files = Files::of(&[("policy.yaml", &policy("production", "Enforce", more))]);
    let ran = files.run(&["-f", "policy.yaml", "--account", "111122223333"]);
    ran.json();
    for said in ["--controller", "--launcher", "--launch-template", "6144 characters"] {
        assert!(
            ran.err
                .lines()
                .any(|line| line.starts_with("Note: ") && line.contains(said)),
            "{ran:#?}"
        );
    }
}

#[test]
fn beside_one_part_is_said_only_what_is_to_be_known_of_that() {
    let files = Files::of(&[("policy.yaml", &policy("production", "Enforce", ""))]);
    for (part, said) in [
        ("permissions", None),
        ("trust", Some("--controller")),
        ("key", Some("--launcher")),
        ("controller", None),
    ] {
        let ran = files.run(&["-f", "policy.yaml", "--account", "111122223333", "--only", part]);
        ran.json();
        let notes: Vec<&str> = ran.err.lines().collect();
        assert_eq!(notes.len(), said.iter().count(), "{part}: {ran:#?}");
        assert!(said.is_none_or(|said| notes[0].contains(said)), "{part}: {ran:#?}");
    }
}

#[test]
fn a_change_of_a_policy_is_printed_by_itself_and_explained() {
    let files = Files::of(&[
        ("old.yaml", &policy("production", "Enforce", "")),
        (
            "new.yaml",
            &policy("production", "Enforce", "  promotion: {seal: amiseal-verified}\n"),
        ),
    ]);
    let rights = files
        .run(&["-f", "new.yaml", "--since", "old.yaml", "--explain"])
        .json();
    assert_eq!(rights.get("controller"), None);
    for account in rights["accounts"].as_array().expect("accounts") {
        let statements = account["permissionsPolicies"][0]["policy"]["Statement"]
            .as_array()
            .expect("statements");
        let new: Vec<&str> = statements.iter().flat_map(actions).collect();
        assert_eq!(new, ["ec2:AttachImageWatermark"]);
        assert_eq!(account["explained"][0]["calls"], json!(["ec2:AttachImageWatermark"]));
        assert_eq!(account.get("trustPolicy"), None);
    }
}

#[test]
fn that_nothing_is_new_is_said_and_is_no_failure() {
    const NOTHING: &str = "Note: Nothing is new against the policies in --since.\n";
    let sealing = policy("production", "Enforce", "  promotion: {seal: amiseal-verified}\n");
    let files = Files::of(&[
        ("old.yaml", &policy("production", "Enforce", "")),
        ("new.yaml", &sealing),
    ]);
    let same = ["-f", "old.yaml", "--since", "old.yaml", "--account", "111122223333"];
    let of_all = files.run(&same);
    assert_eq!(of_all.json(), json!({"version": 1, "accounts": []}));
    assert_eq!(of_all.err, NOTHING);
    let ran = files.run(&[&same[..], &["--as", "terraform"]].concat());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), NOTHING), "{ran:#?}");
    for part in ["permissions", "trust", "key", "controller"] {
        let ran = files.run(&[&same[..], &["--only", part]].concat());
        assert_eq!(
            (ran.code, ran.out.as_str(), ran.err.as_str()),
            (Some(0), "", NOTHING),
            "{part}: {ran:#?}"
        );
    }
    // What is new in one part is nothing new in another.
    let newer = [
        "-f",
        "new.yaml",
        "--since",
        "old.yaml",
        "--account",
        "111122223333",
        "--only",
    ];
    let ran = files.run(&[&newer[..], &["permissions"]].concat());
    assert_eq!(actions(&ran.json()["Statement"][0]), ["ec2:AttachImageWatermark"]);
    let ran = files.run(&[&newer[..], &["trust"]].concat());
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{ran:#?}");
}

#[test]
fn a_template_and_a_configuration_are_printed_for_all_accounts() {
    let files = Files::of(&[("policy.yaml", &policy("production", "Enforce", ""))]);
    let template = files.run(&["-f", "policy.yaml", "--as", "cloudformation"]).json();
    assert_eq!(template["AWSTemplateFormatVersion"], "2010-09-09");
    assert_eq!(template["Resources"]["Role"]["Type"], "AWS::IAM::Role");
    let ran = files.run(&["-f", "policy.yaml", "--as", "terraform"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    for account in ["111122223333", "444455556666"] {
        assert!(
            ran.out.contains(&format!("  provider = aws.amiseal_{account}\n")),
            "{}",
            ran.out
        );
    }
}

#[test]
fn what_cannot_be_printed_is_said_in_one_sentence() {
    let differing = policy(
        "production",
        "Audit",
        "    regions: [{name: us-east-1, kmsKeyID: alias/other}]\n",
    );
    let files = Files::of(&[
        ("policy.yaml", &policy("production", "Audit", "")),
        ("differing.yaml", &differing),
    ]);
    for (arguments, said) in [
        (&["-f", "missing.yaml"][..], "no such file"),
        (&["-f", "policy.yaml", "--account", "999999999999"], "correct --account"),
        (&["-f", "policy.yaml", "--only", "permissions"], "--account"),
        (
            &["-f", "policy.yaml", "--only", "trust", "--as", "terraform"],
            "leave --as out",
        ),
        (
            &["-f", "policy.yaml", "--as", "cloudformation", "--since", "policy.yaml"],
            "--since",
        ),
        (&["-f", "differing.yaml", "--as", "cloudformation"], "differ"),
        (
            &[
                "-f",
                "policy.yaml",
                "--cluster",
                "arn:aws:eks:eu-west-1:111122223333:cluster/c",
            ],
            "pod-identity",
        ),
        (&["-f", "policy.yaml", "--since", "missing.yaml"], "no such file"),
    ] {
        let ran = files.run(arguments);
        assert!(ran.complaint().contains(said), "{arguments:?}: {ran:#?}");
    }
    let ran = files.run(&["-f", "policy.yaml", "--controller", "amiseal"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("it must be the ARN of a role"), "{ran:#?}");
}

#[test]
fn it_ends_quietly_where_nobody_reads_on() {
    let files = Files::of(&[("policy.yaml", &policy("production", "Audit", ""))]);
    for form in ["json", "terraform"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = files
            .command(&["-f", "policy.yaml", "--controller", CONTROLLER, "--as", form])
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .expect("the program runs");
        assert_eq!(
            (output.status.code(), output.stderr.as_slice()),
            (Some(0), &b""[..]),
            "{form}"
        );
    }
}
