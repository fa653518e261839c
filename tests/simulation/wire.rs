//! AWS in memory: the SDK's own requests, as bytes, given to the simulator, and its answers back. No socket, no thread.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use axum::body::Bytes;
use axum::http;
use ec2sim::Directive;
use serde_json::Value;

use super::stage::{Lot, Stage};

/// The transport of one process's SDK, which ends at the simulator.
pub(crate) fn client(stage: &Stage, process: u64) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Wire {
        stage: stage.clone(),
        process,
    });
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Debug)]
struct Wire {
    stage: Stage,
    process: u64,
}

impl HttpConnector for Wire {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        let (stage, process) = (self.stage.clone(), self.process);
        HttpConnectorFuture::new(async move {
            // As over a real network, the answer does not come at once: others get their turn in between.
            tokio::time::sleep(LATENCY).await;
            // Read to its end: to the SDK a body that nobody reads is one that does not get through, and its call is given up.
            let body = ByteStream::new(request.take_body()).collect().await;
            let body = body.map_err(|error| ConnectorError::io(error.into()))?;
            let request = to_http(&request, body.into_bytes())?;
            let asked = asked(&request);
            let kept_back = keep_back(&stage, &asked, &request).await;
            let lot = stage.call(process, &asked);
            if lot == Lot::DiesBefore {
                return pending().await;
            }
            while !stage.fate.held_up(process).is_zero() {
                tokio::time::sleep(stage.fate.held_up(process)).await;
            }
            let answer = stage.sim.handle(&request);
            if lot == Lot::DiesAfter {
                return pending().await;
            }
            let directive = answer.extensions().get::<Directive>().copied().unwrap_or_default();
            tokio::time::sleep(LATENCY + directive.delay.saturating_sub(kept_back)).await;
            if directive.drop {
                return Err(ConnectorError::io("the connection was closed".into()));
            }
            Ok(from_http(answer))
        })
    }
}

/// Keeps a long poll back as long as its queue has nothing, as a server does that can wait. Says for how long.
async fn keep_back(stage: &Stage, asked: &BTreeMap<String, String>, request: &http::Request<Bytes>) -> Duration {
    let is_poll = asked.get("Action").is_some_and(|action| action == "ReceiveMessage");
    let mut kept_back = Duration::ZERO;
    while is_poll && kept_back < stage.sim.may_keep_back(request) {
        tokio::time::sleep(LOOK_AGAIN).await;
        kept_back += LOOK_AGAIN;
    }
    kept_back
}

/// What is asked for: the operation and its parameters. Of what is asked for in JSON the name alone, or the image that is to be scanned.
fn asked(request: &http::Request<Bytes>) -> BTreeMap<String, String> {
    let target = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    if request.uri().path() == "/ondemand/scan" {
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let image = body["resourceId"].as_str().unwrap_or_default();
        let asked = [("Action", "StartOnDemandScan"), ("ImageId", image)];
        return asked.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    }
    let Some((_, operation)) = target.and_then(|target| target.rsplit_once('.')) else {
        return url::form_urlencoded::parse(request.body()).into_owned().collect();
    };
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let name = body["Name"].as_str().map(|name| ("Name".to_owned(), name.to_owned()));
    let operation = ("Action".to_owned(), operation.to_owned());
    [operation].into_iter().chain(name).collect()
}

/// How long a request takes to arrive, and an answer to come back.
pub(crate) const LATENCY: Duration = Duration::from_millis(10);
/// How often it is looked whether a message has come that a long poll waits for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

fn to_http(request: &HttpRequest, bytes: Bytes) -> Result<http::Request<Bytes>, ConnectorError> {
    let mut built = http::Request::builder().method(request.method()).uri(request.uri());
    for (name, value) in request.headers() {
        built = built.header(name, value);
    }
    built.body(bytes).map_err(|error| ConnectorError::user(error.into()))
}

fn from_http(answer: http::Response<Bytes>) -> Response {
    let (parts, bytes) = answer.into_parts();
    let status = parts.status.as_u16().try_into().expect("a status that HTTP has");
    let mut response = Response::new(status, SdkBody::from(bytes.to_vec()));
    for (name, value) in &parts.headers {
        if let Ok(value) = value.to_str() {
            response
                .headers_mut()
                .append(name.as_str().to_owned(), value.to_owned());
        }
    }
    response
}
