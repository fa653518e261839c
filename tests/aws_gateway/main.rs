//! The gateway to AWS over the wire, against the simulator: the real SDK on one side, the real protocols between.

mod access;
mod environment;
mod faults;
mod listings;
mod parameters;
mod reads;
mod writes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use amiseal::aws::{Access, Aws, AwsMetrics, AwsOptions, CopyRequest, Session, SessionKey, WriteGate};
use amiseal::clock::Clock;
use amiseal::domain::{ImageId, KeyArn, Scope};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use ec2sim::{Call, Server, Sim};
use futures::future::BoxFuture;
use jiff::Timestamp;
use prometheus::Registry;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";
const DISABLED_REGION: &str = "eu-south-1";

/// One account of 25 images with 2 snapshots each, and some single ones; pages are short, often empty, and in no order.
const WORLD: &str = r#"
seed: 7
settings:
  pagination: {unstableOrder: true, emptyPages: 0.3, largestPage: 4}
  copies: {baseSeconds: 60, secondsPerGib: 0, jitter: 0}
identities:
- {accessKey: AKIACONTROLLER, account: "999900001111", allow: ["sts:*"]}
- {accessKey: AKIAINSIDER, account: "111122223333"}
accounts:
- id: "999900001111"
- id: "444455556666"
  roles:
  - {name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:*", "kms:*"]}
  regions: [{name: eu-west-1}]
- id: "111122223333"
  roles:
  - {name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:*", "kms:*", "ssm:*"]}
  - {name: tagless, externalID: platform, trust: ["999900001111"], allow: ["ec2:*"], sessionTags: false}
  - {name: stranger, externalID: platform, trust: ["888800001111"], allow: ["ec2:*"]}
  - {name: copier, externalID: platform, trust: ["999900001111"], allow: ["ec2:Describe*", "ec2:CopyImage"]}
  regions:
  - name: eu-south-1
    optIn: not-opted-in
  - name: eu-west-1
    keys:
    - {id: 11111111-1111-4111-8111-111111111111, alias: [alias/ami]}
    - {id: 22222222-2222-4222-8222-222222222222, alias: [alias/disabled], state: Disabled}
    - {id: 33333333-3333-4333-8333-333333333333, alias: [alias/doomed], state: PendingDeletion}
    - {id: 44444444-4444-4444-8444-444444444444, alias: [alias/import], state: PendingImport}
    - {id: 55555555-5555-4555-8555-555555555555, alias: [alias/sign], usage: SIGN_VERIFY, spec: RSA_2048}
    - {id: 66666666-6666-4666-8666-666666666666, alias: [alias/secret], allowedPrincipals: ["888800001111"]}
    images:
    - name: "web-{n}"
      count: 25
      devices: [{}, {device: /dev/sdb, gib: 20, volumeType: io2, iops: 3000}, {device: /dev/sdc, ephemeral: true}, {device: /dev/sdd, blank: true}]
    - id: ami-00000000000000001
      name: plain
      description: what it is
      tags: {team: web}
      bootMode: uefi
      tpm: v2.0
      deprecationTime: 2035-01-01T00:00:00Z
      launchPermissions: {users: ["444455556666"]}
    - id: ami-00000000000000002
      name: sealed
      encryptedUnder: alias/ami
      devices: [{associatedKeys: ["arn:aws:kms:eu-west-1:444455556666:key/77777777-7777-4777-8777-777777777777"]}]
    - {id: ami-00000000000000003, name: disabled, state: disabled}
    - {id: ami-00000000000000004, name: borrowed, devices: [{ownedBy: "444455556666", shared: false}]}
"#;

/// How many images the world's account has.
const IMAGES: usize = 29;
/// The image of its own ID that has it all.
const PLAIN: &str = "ami-00000000000000001";
const KEY: &str = "11111111-1111-4111-8111-111111111111";

/// The simulator's clock for the gateway: waiting is over a hundred times sooner.
#[derive(Debug)]
struct QuickClock(Instant);

const SPEED: u32 = 100;

impl Clock for QuickClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed() * SPEED
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration / SPEED))
    }

    fn to_real_time(&self, duration: Duration) -> Duration {
        duration / SPEED
    }
}

/// The simulator, and the gateway pointed at it.
struct Bench {
    server: Server,
    aws: Aws,
    registry: Registry,
}

impl Bench {
    async fn new() -> Self {
        Self::with(Arc::new(|_| true), |_| {}).await
    }

    async fn with(gate: WriteGate, adjust: impl FnOnce(&mut AwsOptions)) -> Self {
        let server = Server::on_loopback(Sim::from_yaml(WORLD).expect("a world")).expect("a port");
        let registry = Registry::new();
        let mut options = options(&registry, gate);
        options.endpoint_url = Some(server.endpoint());
        options.credentials = Some(key("AKIACONTROLLER"));
        adjust(&mut options);
        let aws = Aws::new(options).await.expect("a configuration");
        Self { server, aws, registry }
    }

    fn sim(&self) -> &Sim {
        self.server.sim()
    }

    fn session(&self, access: Access) -> Arc<Session> {
        self.aws.session(&session_key(access))
    }

    /// The calls of one operation, in order.
    fn calls(&self, operation: &str) -> Vec<Call> {
        let mut calls = self.sim().journal();
        calls.retain(|call| call.operation == operation);
        calls
    }

    /// How often requests with these labels were counted.
    fn requests(&self, operation: &str, code: &str) -> f64 {
        let families = self.registry.gather();
        let wanted = [("operation", operation), ("code", code)];
        families
            .iter()
            .filter(|family| family.name() == "amiseal_aws_requests_total")
            .flat_map(|family| family.get_metric())
            .filter(|metric| {
                wanted.iter().all(|(name, value)| {
                    metric
                        .get_label()
                        .iter()
                        .any(|l| l.name() == *name && l.value() == *value)
                })
            })
            .map(|metric| metric.get_counter().get_value())
            .sum()
    }

    /// Lets all copies come to their end.
    fn finish_copies(&self) {
        self.sim().advance(Duration::from_secs(3600));
    }
}

fn options(registry: &Registry, gate: WriteGate) -> AwsOptions {
    let metrics = AwsMetrics::register(registry).expect("a fresh registry");
    let clock = Arc::new(QuickClock(Instant::now()));
    AwsOptions::new(clock, gate, metrics)
}

fn key(id: &str) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new(id, "secret", None, None, "test"))
}

fn session_key(access: Access) -> SessionKey {
    SessionKey {
        policy: "production".to_owned(),
        scope: Scope::parse(ACCOUNT, REGION).expect("a scope"),
        role_arn: Some(format!("arn:aws:iam::{ACCOUNT}:role/amiseal")),
        external_id: Some("platform".to_owned()),
        access,
    }
}

fn image(id: &str) -> ImageId {
    id.parse().expect("an image ID")
}

fn key_arn(id: &str) -> KeyArn {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}")
        .parse()
        .expect("a key ARN")
}

/// A copy of `source` that is called `name`; the name is its token too.
fn copy(source: &str, name: &str) -> CopyRequest {
    CopyRequest {
        source: image(source),
        region: REGION.parse().expect("a region"),
        name: name.to_owned(),
        description: None,
        key: key_arn(KEY),
        client_token: format!("token-{name}"),
        tags: [("amiseal.dev/source-image".into(), source.into())].into(),
    }
}
