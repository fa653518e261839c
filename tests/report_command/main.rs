//! `amiseal report` as people run it: the real program against the simulated AWS, with neither a cluster nor a policy.

mod beyond;
mod consumers;
mod forms;
mod golden;
mod key_access;
mod prices;
mod printed;
mod rights;
mod unread_regions;

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

    fn sim(&self) -> &Sim {
        self.server.sim()
    }

    /// Runs the command with nothing in its environment but credentials and the way to the simulator.
    fn report_as(&self, access_key: &str, arguments: &[&str]) -> Ran {
        let endpoint = self.server.endpoint();
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", access_key),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let output = Command::new(env!("CARGO_BIN_EXE_amiseal"))
            .arg("report")
            .args(arguments)
            .env_clear()
            .envs(variables)
            .stdin(Stdio::null())
            .output()
            .expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Ran {
            code: output.status.code().expect("an exit status"),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    fn report(&self, arguments: &[&str]) -> Ran {
        self.report_as(READER, arguments)
    }

    fn calls(&self, wanted: impl Fn(&Call) -> bool) -> Vec<Call> {
        let mut calls = self.sim().journal();
        calls.retain(|call| wanted(call));
        calls
    }

    /// Nothing was written, nor tried to be.
    fn assert_untouched(&self) {
        let wrote = self.calls(|call| call.mutating);
        assert!(wrote.is_empty(), "{wrote:#?}");
    }
}

const ACCOUNT: &str = "111111111111";
const REGION: &str = "eu-west-1";
const READER: &str = "AKIAREADER0000000001";

/// The image with this name in a report in JSON.
fn image<'a>(report: &'a Value, name: &str) -> &'a Value {
    let images = report["images"].as_array().expect("images");
    let found = images.iter().find(|image| image["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not in {report:#}"))
}

/// Checks and resources of a report's findings.
fn findings(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let findings = report["findings"].as_array().expect("findings").iter();
    findings
        .map(|finding| (text(&finding["check"]), text(&finding["resource"])))
        .collect()
}
