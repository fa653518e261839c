//! The product's controllers in this process, on a real API server, with AWS simulated beside them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amiseal::aws::{Aws, AwsMetrics, AwsOptions};
use amiseal::clock::Clock;
use amiseal::controller::{self, Options, Parts, Shards};
use amiseal::telemetry::Metrics;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use ec2sim::{Server, Sim, WorldSpec};
use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use prometheus::Registry;
use serde_json::{Value, json};

const CONTROLLER: &str = "999900001111";
const ACCESS_KEY: &str = "AKIACONTROLLER";

/// The product's clock: what it waits for is over sooner.
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

/// A client with the rights of the controller's service account.
pub(crate) async fn controllers_client() -> kube::Client {
    let plane = rig::shared().await;
    let path = plane.service_account_kubeconfig("amiseal-system", "amiseal").await;
    let kubeconfig = Kubeconfig::read_from(path.expect("a kubeconfig")).expect("a kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    kube::Client::try_from(config.expect("a configuration")).expect("a client")
}

/// The controllers until they are dropped.
pub(crate) async fn run(server: &Server) -> anyhow::Result<()> {
    let registry = Registry::new();
    let clock: Arc<dyn Clock> = Arc::new(QuickClock(Instant::now()));
    let mut options = AwsOptions::new(clock.clone(), Arc::new(|_: &_| true), AwsMetrics::register(&registry)?);
    options.endpoint_url = Some(server.endpoint());
    let credentials = Credentials::new(ACCESS_KEY, "secret", None, None, "test");
    options.credentials = Some(SharedCredentialsProvider::new(credentials));
    let parts = Parts {
        client: controllers_client().await,
        aws: Box::pin(Aws::new(options)).await?,
        shards: Shards::alone(clock.clone()),
        clock,
        metrics: Metrics::register(&registry)?,
        options: Options::default(),
        instance: "policy-fields".to_owned(),
        health: Arc::default(),
    };
    Box::pin(controller::run(parts, std::future::pending())).await
}

/// The accounts and images of a policy: in texts `<A>` to `<D>` stand for the accounts, and `<L>` for two digits of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lane(pub(crate) usize);

impl Lane {
    pub(crate) fn name(self) -> String {
        format!("fields-{}", self.0)
    }

    pub(crate) fn filled(self, text: &str) -> String {
        let text = text.replace("<L>", &format!("{:02}", self.0));
        ['A', 'B', 'C', 'D']
            .iter()
            .enumerate()
            .fold(text, |text, (number, letter)| {
                text.replace(
                    &format!("<{letter}>"),
                    &format!("{:03}{:03}000000", self.0 + 1, number + 1),
                )
            })
    }

    fn fill(self, value: &Value) -> Value {
        serde_json::from_str(&self.filled(&value.to_string())).expect("still JSON")
    }

    /// A policy with this spec.
    pub(crate) fn policy(self, spec: &Value) -> Value {
        json!({
            "apiVersion": "amiseal.dev/v1alpha1",
            "kind": "AMIEncryptionPolicy",
            "metadata": {"name": self.name()},
            "spec": self.fill(spec),
        })
    }
}

/// What every mutation starts from and is restored to: every field is there, none has its default, and no account says
/// what another or the defaults say too.
pub(crate) fn base() -> Value {
    json!({
        "mode": "Enforce",
        "suspend": false,
        "scanInterval": "10m",
        "newImages": {"lookEvery": "45s"},
        "defaults": {
            "roleName": "amiseal",
            "externalID": "platform",
            "regions": [
                {"name": "eu-west-1", "kmsKeyID": "alias/ami"},
                {"name": "us-east-1", "kmsKeyID": "alias/second"},
            ],
        },
        "accounts": [
            {
                "accountID": "<A>",
                "roleARN": "arn:aws:iam::<A>:role/own",
                "externalID": "own-id",
                "regions": [
                    {"name": "us-east-1", "kmsKeyID": "alias/ami"},
                    {"name": "eu-west-1", "kmsKeyID": "alias/second"},
                ],
            },
            {"accountID": "<B>", "roleName": "named", "externalID": "named-id"},
            {"accountID": "<C>"},
        ],
        "imageSelector": {
            "include": [
                {"names": ["web-*", "app-?"], "tags": {"team": "*", "tier": "f*"}},
                {"ids": ["ami-00000<L>1", "ami-000000000000000aa"]},
            ],
            "exclude": [
                {"names": ["web-e*", "x-*"], "tags": {"amiseal.dev/exempt": "*"}},
                {"ids": ["ami-00000<L>2", "ami-0000000f"]},
            ],
        },
        "otherKey": "Migrate",
        "backups": "Include",
        "historyTTL": "48h",
        "consumers": {"read": false, "parameters": "All", "usageReports": "Create", "ownedBy": {"terraform": "*", "stage": "p*"}},
        "unused": {"after": "48h"},
        "audit": {
            "maxImageAge": "48h",
            "requiredTags": ["owner", "stage"],
            "trustedOwners": ["099720109477", "aws-backup-vault"],
            "allowedSharing": ["777788889999", "arn:aws:organizations::111122223333:organization/o-a1b2c3d4e5"],
            "maxFixAvailable": {
                "critical": "48h",
                "high": "48h",
                "medium": "48h",
                "low": "48h",
                "informational": "48h",
            },
            "maxScanAge": "48h",
            "disabledChecks": ["old-image", "unused-image"],
        },
        "copy": {
            "namePattern": "sealed-{sourceID}-{name}",
            "extraTags": {"owner": "platform", "stage": "test"},
            "maxConcurrentSnapshots": 10,
            "maxAttempts": 5,
        },
        "validation": {
            "launch": {
                "instanceType": "t3.small",
                "subnetID": "subnet-0a1b2c3d",
                "securityGroupIDs": ["sg-0a1b2c3d", "sg-0a1b2c3e"],
                "timeout": "5m",
                "maxConcurrent": 4,
            },
            "job": {"cronJob": "scan-image", "timeout": "2h", "maxConcurrent": 4},
            "inspector": {"maximumSeverity": "Medium", "scan": "OnDemand", "timeout": "48h"},
            "maxAttempts": 3,
        },
        "promotion": {
            "launchPermissions": "Drop",
            "tags": "Publish",
            "launchTemplates": "Update",
            "ssmParameters": "Update",
            "autoScalingGroups": "Refresh",
            "instanceRefresh": {
                "strategy": "ReplaceRootVolume",
                "minHealthyPercentage": 90,
                "maxHealthyPercentage": 110,
                "instanceWarmup": "5m",
                "checkpointPercentages": [50, 100],
                "checkpointDelay": "1h",
                "bakeTime": "30m",
                "alarms": ["web-errors"],
                "autoRollback": true,
                "maxConcurrentGroups": 2,
            },
            "approval": "Manual",
            "maxPerDay": 7,
            "seal": "sealed",
            "schedule": {"cron": "0 9 * * MON-THU", "timeZone": "Europe/Berlin", "duration": "48h"},
            "maxFailures": 7,
            "failuresAcknowledgedAt": "2026-01-01T00:00:00Z",
            "map": {"configMap": "amiseal-images", "ssmPrefix": "/amiseal/images"},
        },
        // None of them is set here, so that the images of the accounts stay as they are.
        "guardrails": {
            "ebsEncryptionByDefault": "Ignore",
            "imageBlockPublicAccess": "Ignore",
            "snapshotBlockPublicAccess": "Ignore",
            "allowedImages": {
                "mode": "Ignore",
                "state": "Enabled",
                "criteria": [{
                    "imageProviders": ["amazon", "111122223333"],
                    "imageNames": ["web-*"],
                    "marketplaceProductCodes": ["abc"],
                    "deprecationTimeCondition": {"maximumDaysSinceDeprecated": 7},
                    "creationDateCondition": {"maximumDaysSinceCreated": 90},
                    "imageWatermarks": [{
                        "watermarkKey": "111122223333:ok",
                        "sourceImageRegion": "eu-west-1",
                        "maximumDaysSinceSourceImageCreated": 90,
                        "maximumDaysSinceWatermarkCreated": 30,
                    }],
                    "scanResultCondition": {
                        "maximumSeverityLabel": "High",
                        "maxDaysSinceLastFindingScan": 7,
                        "maxDaysSinceInformationalFixAvailable": 300,
                        "maxDaysSinceLowFixAvailable": 200,
                        "maxDaysSinceMediumFixAvailable": 100,
                        "maxDaysSinceHighFixAvailable": 30,
                        "maxDaysSinceCriticalFixAvailable": 14,
                    },
                }],
            },
        },
    })
}

/// A world with the accounts of all lanes.
pub(crate) fn world(lanes: usize) -> Sim {
    const ALLOWED: &str = r#"allow: ["ec2:*", "kms:*", "ssm:*"]"#;
    const KEYS: &str = "keys: [{id: 11111111-1111-4111-8111-111111111111, alias: [alias/ami, alias/again, alias/second]}, \
                        {id: 22222222-2222-4222-8222-222222222222, alias: [alias/other]}]";
    let tags = "tags: {team: a, tier: front}";
    let accounts: String = (0..lanes)
        .map(|lane| {
            let role = |name: &str, id: &str| {
                format!("{{name: {name}, externalID: {id}, trust: [\"{CONTROLLER}\"], {ALLOWED}}}")
            };
            let yaml = format!(
                r#"
- id: "<A>"
  roles: [{own}]
  regions:
  - {{name: us-east-1, {KEYS}, images: [{{name: web-a, {tags}}}]}}
  - {{name: eu-west-1, {KEYS}}}
- id: "<B>"
  roles: [{named}]
  regions: [{{name: us-east-1, {KEYS}}}, {{name: eu-west-1, {KEYS}}}]
- id: "<C>"
  roles: [{amiseal}]
  regions:
  - {{name: us-east-1, {KEYS}}}
  - name: eu-west-1
    {KEYS}
    images:
    - {{name: web-1, {tags}}}
    - {{name: app-1, {tags}}}
    - {{name: app-22, id: ami-00000<L>1}}
    - {{name: web-2, id: ami-00000<L>2, {tags}}}
    - {{name: web-other, encryptedUnder: alias/other, {tags}}}
    - {{name: web-exempt, tags: {{team: a, tier: front, amiseal.dev/exempt: "yes"}}}}
    - {{name: web-extra, {tags}}}
    - {{name: db-1, {tags}}}
    - {{name: db-2, tags: {{team: a, tier: front, amiseal.dev/exempt: "yes"}}}}
    - {{name: web-back, tags: {{team: a, tier: back}}}}
    - {{name: web-bare}}
    - {{name: web-backup, tags: {{team: a, tier: front, "aws:backup:source-resource": x}}}}
- id: "<D>"
  roles: [{amiseal}]
  regions: [{{name: us-east-1, {KEYS}}}, {{name: eu-west-1, {KEYS}}}]
"#,
                own = role("own", "own-id"),
                named = role("named", "named-id"),
                amiseal = role("amiseal", "platform"),
            );
            Lane(lane).filled(&yaml)
        })
        .collect();
    let yaml = format!(
        r#"
settings:
  copies: {{baseSeconds: 0, secondsPerGib: 0, jitter: 0}}
  launches: {{pendingSeconds: 0, statusSeconds: 0, shutdownSeconds: 0}}
# What a policy sets where its guardrails are changed to Enforce.
expect:
  allow:
  - {{operation: ModifyEbsDefaultKmsKeyId}}
  - {{operation: EnableEbsEncryptionByDefault}}
  - {{operation: EnableImageBlockPublicAccess}}
  - {{operation: EnableSnapshotBlockPublicAccess}}
  - {{operation: ReplaceImageCriteriaInAllowedImagesSettings}}
  - {{operation: EnableAllowedImagesSettings}}
identities:
- {{accessKey: {ACCESS_KEY}, account: "{CONTROLLER}", name: user/amiseal, allow: ["sts:*"]}}
accounts:
- {{id: "{CONTROLLER}"}}
{accounts}
"#
    );
    let world = WorldSpec::parse(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    Sim::new(&world).expect("a world")
}
