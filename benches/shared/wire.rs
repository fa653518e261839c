//! AWS in memory: the SDK's own requests, as bytes, given to the simulator, and its answers back.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::body::SdkBody;
use axum::body::Bytes;
use axum::http;
use ec2sim::Sim;

/// How long a request takes to arrive, and an answer to come back.
pub(crate) const LATENCY: Duration = Duration::from_millis(20);

/// A transport that ends at the simulator.
pub(crate) fn client(sim: &Sim) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Wire(sim.clone()));
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Debug)]
struct Wire(Sim);

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sim = self.0.clone();
        HttpConnectorFuture::new(async move {
            tokio::time::sleep(LATENCY).await;
            let answer = sim.handle(&to_http(&request)?);
            tokio::time::sleep(LATENCY).await;
            from_http(&answer)
        })
    }
}

fn to_http(request: &HttpRequest) -> Result<http::Request<Bytes>, ConnectorError> {
    let bytes = request.body().bytes().map(Bytes::copy_from_slice).unwrap_or_default();
    let mut built = http::Request::builder().method(request.method()).uri(request.uri());
    for (name, value) in request.headers() {
        built = built.header(name, value);
    }
    built.body(bytes).map_err(|error| ConnectorError::user(error.into()))
}

fn from_http(answer: &http::Response<Bytes>) -> Result<Response, ConnectorError> {
    let status = answer.status().as_u16().try_into();
    let status = status.map_err(|_| ConnectorError::user("a status that HTTP has not".into()))?;
    let mut response = Response::new(status, SdkBody::from(answer.body().to_vec()));
    for (name, value) in answer.headers() {
        if let Ok(value) = value.to_str() {
            response
                .headers_mut()
                .append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(response)
}
