//! `amiseal import` as people run it: the real program against the simulated AWS, on exports as scanners write them.

mod encodings;
mod exports;
mod refusals;
mod unanswered;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use amiseal::api::AMIEncryptionPolicy;
use ec2sim::{Server, Sim};

/// Two accounts with a role, one of which begins with a zero; one whose role trusts nobody; and the account of whoever looks.
const WORLD: &str = r#"
seed: 6
expect:
  noMutatingCalls: [{}]
  expectedDenials: [{operation: AssumeRole, resource: "*"}, {operation: DescribeRegions, resource: "*"}]
identities:
- {accessKey: AKIAENGINEER, account: "999900001111", allow: ["sts:*", "ec2:DescribeImages"]}
- {accessKey: AKIAINSIDER, account: "012345678901"}
accounts:
- id: "999900001111"
  regions: [{name: eu-west-1, images: [{id: ami-00000000000000901, name: own}]}]
- id: "111122223333"
  roles: [&role {name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:Describe*", "kms:DescribeKey"]}]
  regions:
  - name: eu-west-1
    keys: [{alias: [alias/ami]}]
    images:
    - {id: ami-00000000000000101, name: web-1}
    - {id: ami-00000000000000102, name: web-2}
    - {id: ami-00000000000000103, name: base, encryptedUnder: alias/ami}
    - {id: ami-00000000000000104, name: half, devices: [{encryptedUnder: alias/ami}, {}]}
    - {id: ami-00000000000000105, name: lent, launchPermissions: {users: ["999900001111"]}}
  - name: us-east-1
    keys: [{alias: [alias/ami-us]}]
    images: [{id: ami-00000000000000111, name: web-1}, {id: ami-00000000000000112, name: off, state: disabled}, {id: ami-00000000000000113, name: AwsBackup_1}]
- id: "012345678901"
  roles: [*role]
  regions: [{name: eu-west-1, keys: [{alias: [alias/ami]}], images: [{id: ami-00000000000000201, name: database}]}]
- id: "777788889999"
  roles: [{name: amiseal, externalID: platform, trust: [], allow: []}]
  regions: [{name: eu-west-1, images: [{id: ami-00000000000000301, name: crm}]}]
"#;

const KEY: [&str; 2] = ["--kms-key-id", "alias/ami"];
const ROLE: [&str; 6] = [
    "--kms-key-id",
    "alias/ami",
    "--role-name",
    "amiseal",
    "--external-id",
    "platform",
];

/// What one run printed.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// The images that the policy selects.
    fn selected(&self) -> Vec<String> {
        let policy = self.policy();
        policy
            .spec
            .image_selector
            .include
            .into_iter()
            .flat_map(|term| term.ids)
            .collect()
    }

    /// The accounts and regions that the policy names.
    fn places(&self) -> Vec<String> {
        let accounts = self.policy().spec.accounts;
        let place = |account: &str, region: &str| format!("{account} {region}");
        let places = accounts.iter().flat_map(|account| {
            let regions = account.regions.iter();
            regions.map(|region| place(&account.account_id, &region.name))
        });
        places.collect()
    }

    fn policy(&self) -> AMIEncryptionPolicy {
        serde_saphyr::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Standard error without the sum at its end.
    fn remarks(&self) -> Vec<&str> {
        let mut lines: Vec<&str> = self.err.lines().collect();
        assert!(
            lines.pop().is_some_and(|sum| sum.contains(" in the policy")),
            "{self:#?}"
        );
        lines
    }
}

/// Runs amiseal with nothing in its environment but what `variables` say.
fn run(directory: &Path, arguments: &[&str], variables: &[(&str, &str)], stdin: &[u8]) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_amiseal"))
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
    let _ = child.stdin.take().expect("a pipe").write_all(stdin);
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
    fn new() -> Self {
        let sim = Sim::from_yaml(WORLD).expect("a world");
        Self {
            server: Server::on_loopback(sim).expect("a port"),
        }
    }

    /// Imports findings, given on standard input.
    fn import(&self, findings: impl AsRef<[u8]>, arguments: &[&str]) -> Ran {
        let arguments = [&["import", "-"], arguments].concat();
        self.run_as("AKIAENGINEER", &arguments, findings.as_ref())
    }

    fn run_as(&self, access_key: &str, arguments: &[&str], stdin: &[u8]) -> Ran {
        let endpoint = self.server.endpoint();
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", access_key),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        run(Path::new("."), arguments, &variables, stdin)
    }

    /// The calls that were made, in all.
    fn calls(&self) -> usize {
        self.server.sim().journal().len()
    }

    /// Only reads were sent, and sessions were narrowed to them.
    fn assert_only_read(&self) {
        for call in self.server.sim().journal() {
            assert!(!call.mutating && !call.dry_run && !call.effect, "{call:#?}");
            if call.operation == "AssumeRole" {
                assert_eq!(call.params["Policy"], amiseal::aws::READ_ONLY_POLICY);
            }
        }
        let report = self.server.sim().audit();
        assert!(report.ok, "{report}");
    }
}
