//! What the tests of this module share: a clock that jumps, and a transport that answers from a script.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::{Response, StatusCode};
use aws_smithy_types::body::SdkBody;
use futures::future::BoxFuture;
use jiff::Timestamp;
use prometheus::Registry;

use super::{Access, Aws, AwsMetrics, AwsOptions, SessionKey, WriteGate};
use crate::clock::Clock;
use crate::domain::Scope;

pub(super) const ACCOUNT: &str = "111122223333";
pub(super) const REGION: &str = "eu-west-1";

/// A clock on which waiting takes no time but moves the clock.
#[derive(Debug, Default)]
pub(super) struct JumpingClock(Arc<Mutex<Duration>>);

impl JumpingClock {
    pub(super) fn advance(&self, duration: Duration) {
        *self.0.lock().expect("clock") += duration;
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> Timestamp {
        let since = i64::try_from(self.monotonic().as_millis()).expect("a short test");
        Timestamp::from_millisecond(1_700_000_000_000 + since).expect("a time")
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().expect("clock")
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let now = self.0.clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            *now.lock().expect("clock") += duration;
        })
    }

    fn to_real_time(&self, _: Duration) -> Duration {
        Duration::ZERO
    }
}

/// One request as it went over the wire.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// `ec2`, `sts` or `kms`, and the action.
    pub(super) call: String,
    /// The parameters of a query, by name.
    pub(super) form: BTreeMap<String, String>,
    /// The access key that signed it.
    pub(super) signer: String,
    /// The host that it went to.
    pub(super) host: String,
}

/// What comes back.
pub(super) enum Answer {
    Reply(u16, String),
    Unreachable,
    /// The host's name does not resolve.
    Unresolved,
    Never,
}

impl Answer {
    pub(super) fn ok(body: impl Into<String>) -> Self {
        Self::Reply(200, body.into())
    }

    /// An error as EC2 writes it.
    pub(super) fn ec2_error(status: u16, code: &str, message: &str) -> Self {
        Self::Reply(
            status,
            format!(
                "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>r-1</RequestID></Response>"
            ),
        )
    }

    /// An error as STS writes it.
    pub(super) fn sts_error(status: u16, code: &str, message: &str) -> Self {
        Self::Reply(
            status,
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
            ),
        )
    }
}

type Script = dyn Fn(&Request) -> Answer + Send + Sync;

/// A transport that asks a script, and remembers what it was asked.
#[derive(Clone)]
pub(super) struct Wire {
    script: Arc<Script>,
    log: Arc<Mutex<Vec<Request>>>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    /// Answers identity questions as `ACCOUNT`, role questions with credentials, and all others from `script`.
    pub(super) fn new(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let script = move |request: &Request| match request.call.as_str() {
            "sts:GetCallerIdentity" => Answer::ok(identity(ACCOUNT)),
            "sts:AssumeRole" => Answer::ok(assumed()),
            _ => script(request),
        };
        Self::raw(script)
    }

    /// Answers everything from `script`.
    pub(super) fn raw(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            log: Arc::default(),
        }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.log.lock().expect("log").clone()
    }

    /// How often each call was sent.
    pub(super) fn counts(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for request in self.requests() {
            *counts.entry(request.call).or_default() += 1;
        }
        counts
    }

    pub(super) fn count(&self, call: &str) -> usize {
        self.counts().get(call).copied().unwrap_or_default()
    }

    fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = read(&request);
        let answer = (self.script)(&request);
        self.log.lock().expect("log").push(request);
        HttpConnectorFuture::new(async move {
            match answer {
                Answer::Reply(status, body) => {
                    let status = StatusCode::try_from(status).expect("a status");
                    Ok(Response::new(status, SdkBody::from(body)))
                }
                Answer::Unreachable => Err(ConnectorError::io("connection refused".into())),
                Answer::Unresolved => Err(ConnectorError::io("dns error".into())),
                Answer::Never => pending().await,
            }
        })
    }
}

/// The action of a service that tells them apart by their paths.
fn action_of(uri: &str) -> &'static str {
    let path = uri.split('?').next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match parts[..] {
        ["clusters"] => "ListClusters",
        ["clusters", _, "node-groups"] => "ListNodegroups",
        ["clusters", _, "node-groups", _] => "DescribeNodegroup",
        ["v1", "describecomputeenvironments"] => "DescribeComputeEnvironments",
        ["ListImageRecipes"] => "ListImageRecipes",
        ["ListContainerRecipes"] => "ListContainerRecipes",
        ["ondemand", "scan"] => "StartOnDemandScan",
        ["ondemand", "scan", "status"] => "GetOnDemandScanStatus",
        ["ondemand", "scans"] => "ListOnDemandScans",
        _ => "",
    }
}

fn read(request: &HttpRequest) -> Request {
    let bytes = request.body().bytes().unwrap_or_default();
    let header = |name| request.headers().get(name).unwrap_or_default().to_owned();
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(bytes).into_owned().collect();
    let authorization = header("authorization");
    let scope = authorization
        .split_once("Credential=")
        .map(|(_, rest)| rest)
        .unwrap_or_default();
    let mut scope = scope.split('/');
    let signer = scope.next().unwrap_or_default().to_owned();
    let service = scope.nth(2).unwrap_or_default().to_owned();
    let target = header("x-amz-target");
    let action = target.split_once('.').map(|(_, action)| action.to_owned());
    let action = action.or_else(|| form.get("Action").cloned());
    let action = action.unwrap_or_else(|| action_of(request.uri()).to_owned());
    let url = url::Url::parse(request.uri()).ok();
    let host = url.as_ref().and_then(url::Url::host_str).unwrap_or_default().to_owned();
    Request {
        call: format!("{service}:{action}"),
        form,
        signer,
        host,
    }
}

pub(super) fn identity(account: &str) -> String {
    format!(
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::{account}:user/u</Arn><UserId>U</UserId><Account>{account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
}

pub(super) fn assumed() -> String {
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASSUMED</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>".to_owned()
}

/// Access to AWS over `wire`, with what it counts and its clock.
pub(super) struct Bench {
    pub(super) aws: Aws,
    pub(super) registry: Registry,
}

pub(super) async fn bench(wire: &Wire, gate: WriteGate) -> Bench {
    bench_with(wire, gate, |_| {}).await
}

/// The same with other options.
pub(super) async fn bench_with(wire: &Wire, gate: WriteGate, set: impl FnOnce(&mut AwsOptions)) -> Bench {
    let registry = Registry::new();
    let metrics = AwsMetrics::register(&registry).expect("a fresh registry");
    let mut options = AwsOptions::new(Arc::new(JumpingClock::default()), gate, metrics);
    options.attempt_timeout = Duration::from_millis(200);
    options.read_timeout = Duration::from_millis(200);
    options.http_client = Some(wire.client());
    options.endpoint_url = Some("http://127.0.0.1:9".to_owned());
    let own = Credentials::new("OWN", "secret", None, None, "test");
    options.credentials = Some(SharedCredentialsProvider::new(own));
    set(&mut options);
    let aws = Aws::new(options).await.expect("a configuration");
    Bench { aws, registry }
}

impl Bench {
    /// The sum of a counter over all its labels that match.
    pub(super) fn counted(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().filter(|family| family.name() == name);
        let fits = |metric: &&prometheus::proto::Metric| {
            labels.iter().all(|(name, value)| {
                metric
                    .get_label()
                    .iter()
                    .any(|l| l.name() == *name && l.value() == *value)
            })
        };
        family
            .flat_map(|f| f.get_metric())
            .filter(fits)
            .map(|m| m.get_counter().get_value())
            .sum()
    }
}

/// A session of the controller's own identity.
pub(super) fn own(access: Access) -> SessionKey {
    SessionKey {
        policy: "production".to_owned(),
        scope: Scope::parse(ACCOUNT, REGION).expect("a scope"),
        role_arn: None,
        external_id: None,
        access,
    }
}

/// A session in a role.
pub(super) fn role(access: Access) -> SessionKey {
    SessionKey {
        role_arn: Some(format!("arn:aws:iam::{ACCOUNT}:role/amiseal")),
        external_id: Some("platform".to_owned()),
        ..own(access)
    }
}

pub(super) fn open() -> WriteGate {
    Arc::new(|_| true)
}
