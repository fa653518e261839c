//! `amiseal plan` as people run it: the real program against the simulated AWS, and no cluster.

mod access;
mod bad_input;
mod classes;
mod consumers;
mod launching;
mod outcomes;
#[path = "../policy_validation/policies.rs"]
mod policies;
mod printed;
#[path = "../policy_validation/refusals/mod.rs"]
mod refusals;
mod unanswered;
mod unread;
mod unread_regions;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use ec2sim::{Call, Server, Sim};
use serde_json::Value;

/// What one run printed.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// Runs `amiseal plan` with nothing in its environment but what `variables` say.
fn run(directory: &Path, arguments: &[&str], variables: &[(&str, &str)], stdin: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_amiseal"))
        .arg("plan")
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // A run that fails before it reads has closed the pipe.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("the program ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran {
        code: output.status.code().expect("an exit status"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// A simulated AWS.
struct Bench {
    server: Server,
}

impl Bench {
    fn new(world: &str) -> Self {
        let sim = Sim::from_yaml(world).expect("a world");
        Self {
            server: Server::on_loopback(sim).expect("a port"),
        }
    }

    fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    fn sim(&self) -> &Sim {
        self.server.sim()
    }

    /// Plans for a policy, given on standard input.
    fn plan(&self, policy: &str, arguments: &[&str]) -> Ran {
        self.plan_as("AKIACONTROLLER", policy, arguments)
    }

    fn plan_as(&self, access_key: &str, policy: &str, arguments: &[&str]) -> Ran {
        let endpoint = self.server.endpoint();
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", access_key),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let arguments = [&["-f", "-"], arguments].concat();
        run(Path::new("."), &arguments, &variables, policy)
    }

    fn calls(&self, wanted: impl Fn(&Call) -> bool) -> Vec<Call> {
        let mut calls = self.sim().journal();
        calls.retain(|call| wanted(call));
        calls
    }

    /// Nothing was changed, and what the world expects of it holds.
    fn assert_untouched(&self) {
        let wrote = self.calls(|call| call.effect || (call.mutating && !call.dry_run));
        assert!(wrote.is_empty(), "{wrote:#?}");
        let report = self.sim().audit();
        assert!(report.ok, "{report}");
    }
}

/// The targets of a plan in JSON by account and region.
fn target<'a>(plan: &'a Value, account: &str, region: &str) -> &'a Value {
    let targets = plan["targets"].as_array().expect("targets");
    targets
        .iter()
        .find(|target| target["accountID"] == account && target["region"] == region)
        .unwrap_or_else(|| panic!("{account} {region} is not in {plan:#}"))
}

/// The reasons in a list of problems or groups.
fn reasons(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter()
        .map(|entry| entry["reason"].as_str().expect("a reason"))
        .collect()
}

/// A policy over accounts and regions: each with its key.
fn policy(name: &str, targets: &[(&str, &str, &str)]) -> String {
    let mut text = format!(
        "apiVersion: amiseal.dev/v1alpha1\nkind: AMIEncryptionPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         mode: Enforce\n  defaults: {{roleName: amiseal, externalID: platform}}\n  imageSelector: {{exclude: [{{tags: \
         {{exempt: '*'}}}}]}}\n  accounts:\n"
    );
    let mut accounts: Vec<&str> = Vec::new();
    for (account, ..) in targets {
        if !accounts.contains(account) {
            accounts.push(account);
        }
    }
    for account in accounts {
        text += &format!("  - accountID: '{account}'\n    regions:\n");
        for (_, region, key) in targets.iter().filter(|(of, ..)| *of == account) {
            text += &format!("    - {{name: {region}, kmsKeyID: {key}}}\n");
        }
    }
    text
}
