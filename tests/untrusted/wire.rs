//! The product's gateway to AWS over a transport that answers with whatever it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amiseal::aws::{Access, Aws, AwsMetrics, AwsOptions, Session, SessionKey};
use amiseal::clock::Clock;
use amiseal::domain::Scope;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::body::SdkBody;
use axum::body::Bytes;
use axum::http;
use ec2sim::Sim;
use futures::future::BoxFuture;
use jiff::Timestamp;
use prometheus::Registry;

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-west-1";

/// A clock on which waiting takes no time.
#[derive(Debug, Default)]
struct NoWaiting(Mutex<Duration>);

impl Clock for NoWaiting {
    fn now(&self) -> Timestamp {
        let millis = i64::try_from(self.monotonic().as_millis()).expect("a short test");
        Timestamp::from_millisecond(1_790_000_000_000 + millis).expect("a time")
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().expect("a clock")
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        *self.0.lock().expect("a clock") += duration;
        Box::pin(async {})
    }

    fn to_real_time(&self, _: Duration) -> Duration {
        Duration::ZERO
    }
}

/// A status and a body.
pub(crate) type Answer = (u16, Vec<u8>);

/// What is answered, by operation; for all others the simulator is asked. What it says is kept.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) sim: Sim,
    pub(crate) told: Arc<Mutex<BTreeMap<String, Answer>>>,
    pub(crate) heard: Arc<Mutex<BTreeMap<String, String>>>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    pub(crate) fn new(sim: Sim) -> Self {
        Self {
            sim,
            told: Arc::default(),
            heard: Arc::default(),
        }
    }

    /// From now on, these operations are answered so.
    pub(crate) fn tell(&self, answers: impl IntoIterator<Item = (&'static str, Answer)>) {
        let answers = answers
            .into_iter()
            .map(|(operation, answer)| (operation.to_owned(), answer));
        *self.told.lock().expect("answers") = answers.collect();
    }

    /// What the simulator last said to an operation.
    pub(crate) fn heard(&self, operation: &str) -> String {
        self.heard.lock().expect("answers")[operation].clone()
    }

    fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    /// Access to AWS over this.
    pub(crate) async fn aws(&self) -> Aws {
        let metrics = AwsMetrics::register(&Registry::new()).expect("a fresh registry");
        let mut options = AwsOptions::new(Arc::new(NoWaiting::default()), Arc::new(|_: &_| true), metrics);
        options.http_client = Some(self.client());
        options.endpoint_url = Some("http://127.0.0.1:1".to_owned());
        let own = Credentials::new("AKIACONTROLLER", "secret", None, None, "test");
        options.credentials = Some(SharedCredentialsProvider::new(own));
        Box::pin(Aws::new(options)).await.expect("a configuration")
    }
}

/// The key of the session that tests use.
pub(crate) fn session_key() -> SessionKey {
    SessionKey {
        policy: "production".to_owned(),
        scope: Scope::parse(ACCOUNT, REGION).expect("a scope"),
        role_arn: Some(format!("arn:aws:iam::{ACCOUNT}:role/amiseal")),
        external_id: Some("platform".to_owned()),
        access: Access::Full,
    }
}

/// A session over this.
pub(crate) async fn session(wire: &Wire) -> Arc<Session> {
    wire.aws().await.session(&session_key())
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let bytes = Bytes::copy_from_slice(request.body().bytes().unwrap_or_default());
        let target = request
            .headers()
            .get("x-amz-target")
            .and_then(|target| target.split_once('.'));
        let operation = target.map(|(_, operation)| operation.to_owned()).or_else(|| {
            let mut form = url::form_urlencoded::parse(&bytes);
            form.find(|(name, _)| name == "Action")
                .map(|(_, action)| action.into_owned())
        });
        let operation = operation.unwrap_or_default();
        let told = self.told.lock().expect("answers").get(&operation).cloned();
        let (status, body) = told.unwrap_or_else(|| {
            let mut built = http::Request::builder().method(request.method()).uri(request.uri());
            for (name, value) in request.headers() {
                built = built.header(name, value);
            }
            let answer = self.sim.handle(&built.body(bytes).expect("a request"));
            let body = answer.body().to_vec();
            let text = String::from_utf8(body.clone()).expect("text");
            self.heard.lock().expect("answers").insert(operation, text);
            (answer.status().as_u16(), body)
        });
        let status = status.try_into().expect("a status");
        HttpConnectorFuture::ready(Ok(Response::new(status, SdkBody::from(body))))
    }
}
