//! The API server as a service, so that `kube::Client` talks to it without a network.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::{self, BoxFuture};
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use kube::client::Body;
use serde_json::Value;
use tower::Service;

use crate::failure::Failure;
use crate::faults::{Effect, RequestInfo, Verdict};
use crate::request::{Call, Verb};
use crate::server::{Answer, ApiServer, Outcome};

/// What can go wrong on the way.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer: a stream of pieces.
type AnswerBody = StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>;

/// How often a client of kube's default configuration repeats a request, and how long it waits the first time and at most.
const RETRIES: u32 = 15;
const FIRST_DELAY: Duration = Duration::from_millis(5);
const LONGEST_DELAY: Duration = Duration::from_secs(1000);

/// One client's way to the API server.
///
/// By default it repeats requests that are answered with 429, 503 or 504 as `kube::Client::try_default` does, but for the
/// randomness of the delays; each repetition is a request of its own.
#[derive(Clone, Debug)]
pub struct ApiService {
    server: ApiServer,
    client: String,
    retries: u32,
}

impl ApiServer {
    /// The server as a service. `client` says in the journal whose requests they are, as in `replica-1`.
    #[must_use]
    pub fn service(&self, client: &str) -> ApiService {
        ApiService {
            server: self.clone(),
            client: client.to_owned(),
            retries: RETRIES,
        }
    }

    /// A client of the server, as the default configuration would make it; to be made within the runtime that it is used in.
    #[must_use]
    pub fn client(&self, client: &str) -> kube::Client {
        kube::Client::new(self.service(client), "default")
    }
}

impl Service<Request<Body>> for ApiService {
    type Response = Response<AnswerBody>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            let call = match Call::parse(&this.server.world().kinds, &parts, &body) {
                Ok(call) => call,
                Err(failure) => return refuse(&failure),
            };
            let mut delay = FIRST_DELAY;
            for _ in 0..this.retries {
                let response = this.answer(&call).await?;
                if !matches!(response.status().as_u16(), 429 | 503 | 504) {
                    return Ok(response);
                }
                tokio::time::sleep(delay.max(asked_to_wait(&response))).await;
                delay = LONGEST_DELAY.min(delay * 2);
            }
            this.answer(&call).await
        })
    }
}

impl ApiService {
    /// The same without repetitions: whoever calls sees every refusal.
    #[must_use]
    pub fn without_retries(self) -> Self {
        Self { retries: 0, ..self }
    }

    async fn answer(&self, call: &Call) -> Result<Response<AnswerBody>, Error> {
        let info = RequestInfo::of(call, self.server.arrive(), &self.client);
        let mut verdict = self.server.decide(&info);
        while let Verdict::Delay { by, then } = verdict {
            tokio::time::sleep(by).await;
            verdict = *then;
        }
        match verdict {
            Verdict::Serve | Verdict::Delay { .. } => self.serve(call, &info, None),
            Verdict::Stale { revision } => self.serve(call, &info, Some(revision)),
            Verdict::Refuse(failure) => {
                self.server.note(&info, Some(&failure), Outcome::DISTURBED);
                refuse(&failure)
            }
            Verdict::Lose { effect, after } => {
                self.take_effect(call, &info, effect);
                Err(lost(after).await.into())
            }
            Verdict::Hang { effect } => {
                self.take_effect(call, &info, effect);
                future::pending().await
            }
        }
    }

    fn serve(&self, call: &Call, info: &RequestInfo, stale: Option<u64>) -> Result<Response<AnswerBody>, Error> {
        if call.verb == Verb::Watch {
            return match self.server.begin_watch(call, info) {
                Ok(queue) => {
                    let lines = queue.stream(call.parameters.timeout);
                    respond(200, None, lines.map_ok(Frame::data).boxed())
                }
                Err(failure) => refuse(&failure),
            };
        }
        let outcome = if stale.is_some() {
            Outcome::DISTURBED
        } else {
            Outcome::USUAL
        };
        match self.server.perform(call, info, stale, outcome) {
            Ok(Answer { code, body }) => respond(code, None, once(&body)),
            Err(failure) => refuse(&failure),
        }
    }

    /// A request whose answer is lost.
    fn take_effect(&self, call: &Call, info: &RequestInfo, effect: Effect) {
        if effect == Effect::Done && call.verb != Verb::Watch {
            // The client does not get it.
            let _ = self.server.perform(call, info, None, Outcome::UNANSWERED);
        } else {
            self.server.note(info, None, Outcome::UNANSWERED);
        }
    }
}

fn asked_to_wait(response: &Response<AnswerBody>) -> Duration {
    let header = response.headers().get(http::header::RETRY_AFTER);
    let seconds = header.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default())
}

async fn lost(after: Duration) -> io::Error {
    if !after.is_zero() {
        tokio::time::sleep(after).await;
    }
    io::Error::new(io::ErrorKind::TimedOut, "the request timed out")
}

fn refuse(failure: &Failure) -> Result<Response<AnswerBody>, Error> {
    respond(failure.code, failure.retry_after, once(&Arc::new(failure.to_json())))
}

fn once(body: &Arc<Value>) -> BoxStream<'static, io::Result<Frame<Bytes>>> {
    let body = Bytes::from(body.to_string());
    futures::stream::once(future::ready(Ok(Frame::data(body)))).boxed()
}

fn respond(
    code: u16,
    retry_after: Option<u32>,
    body: BoxStream<'static, io::Result<Frame<Bytes>>>,
) -> Result<Response<AnswerBody>, Error> {
    let mut response = Response::new(StreamBody::new(body));
    *response.status_mut() = StatusCode::from_u16(code)?;
    let headers = response.headers_mut();
    headers.insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    if let Some(seconds) = retry_after {
        headers.insert(http::header::RETRY_AFTER, seconds.into());
    }
    Ok(response)
}
