//! Bounds the answers in memory, whoever they are for, and the time that AWS takes, but not the calls that wait for an answer:
//! a slow account holds up nobody.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::config_bag::ConfigBag;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use url::Url;

use super::associated::{AssociatedKeys, associated_keys};
use super::{called, endpoint, xml};

/// The room that a large answer takes: an interceptor of the call that is answered. It lasts until the last clone is dropped.
#[derive(Debug, Clone, Default)]
pub(super) struct Room(Arc<Mutex<Held>>);

/// What is known of the last answer that the SDK does not say.
#[derive(Debug, Default)]
struct Held {
    #[expect(dead_code, reason = "it is only held: dropping it gives the room back")]
    permit: Option<Permit>,
    associated: Option<Arc<AssociatedKeys>>,
}

type Permit = Arc<OwnedSemaphorePermit>;

impl Room {
    fn set(&self, held: Held) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }

    /// The KMS keys that the answer names as associated with its snapshots.
    pub(super) fn associated_keys(&self) -> Option<Arc<AssociatedKeys>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.associated.clone()
    }
}

impl Intercept for Room {
    fn name(&self) -> &'static str {
        "amiseal room"
    }

    fn read_before_attempt(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // An attempt that failed must not keep the next one waiting.
        self.set(Held::default());
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        self.set(Held {
            permit: response.extension::<Permit>().cloned(),
            associated: response.extension::<Arc<AssociatedKeys>>().cloned(),
        });
        Ok(())
    }
}

/// Answers up to this size are let through. A page of images takes megabytes.
const SMALL: u64 = 64 << 10;

/// A transport whose large answers are read one by one, as there is room for them.
///
/// An answer takes its room when its headers have come, and gives it back when the SDK is done with it, or whoever keeps a
/// [`Room`] of it.
#[derive(Debug)]
pub(super) struct Gate {
    inner: SharedHttpClient,
    room: Arc<Semaphore>,
    limit: Duration,
}

impl Gate {
    /// Lets `answers` large answers be in memory at a time. AWS may take `limit`, or the read timeout of a client that has one,
    /// until it begins to answer, and as much until the answer is whole; waiting for room in between does not count.
    pub(super) fn around(inner: SharedHttpClient, answers: usize, limit: Duration) -> SharedHttpClient {
        SharedHttpClient::new(Self {
            inner,
            room: Arc::new(Semaphore::new(answers.max(1))),
            limit,
        })
    }
}

impl HttpClient for Gate {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        // The limit is kept here alone: one pool of connections serves all clients, whatever their limits.
        let mut inner = HttpConnectorSettings::builder();
        inner.set_connect_timeout(settings.connect_timeout());
        SharedHttpConnector::new(Gated {
            inner: self.inner.http_connector(&inner.build(), components),
            room: self.room.clone(),
            limit: settings.read_timeout().unwrap_or(self.limit),
        })
    }

    // What the SDK's transport validates for each new client is not asked for: it reads the system's certificates anew for
    // a connector that is then thrown away. The first call reads them, once.

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

#[derive(Debug)]
struct Gated {
    inner: SharedHttpConnector,
    room: Arc<Semaphore>,
    limit: Duration,
}

impl HttpConnector for Gated {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let url = Url::parse(request.uri()).ok();
        called::goes_to(url.as_ref());
        let endpoints = endpoint::of_request(url.as_ref());
        let (answer, room, limit) = (self.inner.call(request), self.room.clone(), self.limit);
        HttpConnectorFuture::new(async move {
            let answer = timeout(limit, answer).await.map_err(late)?;
            let mut response = answer.map_err(|error| endpoint::explained(error, endpoints))?;
            let permit = if is_small(&response) {
                None
            } else {
                // An error means that the semaphore was closed, which nobody does.
                room.acquire_owned().await.ok()
            };
            let body = timeout(limit, ByteStream::new(response.take_body()).collect());
            let body = body
                .await
                .map_err(late)?
                .map_err(|error| ConnectorError::io(error.into()))?;
            let body = body.into_bytes();
            if response.status().is_success() {
                xml::check(&body).map_err(|broken| ConnectorError::io(broken.into()))?;
                if let Some(keys) = associated_keys(&body) {
                    response.add_extension(Arc::new(keys));
                }
            }
            *response.body_mut() = SdkBody::from(body);
            if let Some(permit) = permit {
                response.add_extension(Arc::new(permit));
            }
            Ok(response)
        })
    }
}

fn late(elapsed: tokio::time::error::Elapsed) -> ConnectorError {
    ConnectorError::timeout(elapsed.into())
}

/// EC2 does not say how long its large answers are.
fn is_small(response: &HttpResponse) -> bool {
    let length = response.headers().get("content-length");
    length
        .and_then(|length| length.parse::<u64>().ok())
        .or_else(|| response.body().content_length())
        .is_some_and(|length| length <= SMALL)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_smithy_runtime_api::http::StatusCode;
    use futures::FutureExt as _;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(50);

    /// Answers at once, with a body of this size.
    #[derive(Debug)]
    struct Answers {
        bytes: usize,
        asked: Arc<AtomicUsize>,
    }

    impl HttpConnector for Answers {
        fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let ok = StatusCode::try_from(200).expect("a status");
            HttpConnectorFuture::ready(Ok(HttpResponse::new(ok, SdkBody::from(vec![b'x'; self.bytes]))))
        }
    }

    #[derive(Debug)]
    struct Silence;

    impl HttpConnector for Silence {
        fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
            HttpConnectorFuture::new(std::future::pending())
        }
    }

    fn gated(inner: impl HttpConnector + 'static, room: usize) -> Gated {
        Gated {
            inner: SharedHttpConnector::new(inner),
            room: Arc::new(Semaphore::new(room)),
            limit: MOMENT,
        }
    }

    fn answers(bytes: usize) -> (Gated, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let inner = Answers {
            bytes,
            asked: asked.clone(),
        };
        (gated(inner, 1), asked)
    }

    #[tokio::test]
    async fn a_large_answer_waits_for_the_one_before_it_but_its_call_does_not() {
        let (gated, asked) = answers(1 << 20);
        let first = gated.call(HttpRequest::empty()).await.expect("an answer");
        let mut second = Box::pin(gated.call(HttpRequest::empty()));
        // Longer than AWS may take: waiting for room does not count.
        let waited = timeout(MOMENT * 3, &mut second).await;
        assert!(waited.is_err(), "there is no room yet");
        assert_eq!(asked.load(Ordering::SeqCst), 2, "both calls were sent");
        drop(first);
        let second = second.await.expect("an answer");
        assert_eq!(second.body().bytes().map(<[u8]>::len), Some(1 << 20));
    }

    #[tokio::test]
    async fn small_answers_need_no_room() {
        let (gated, _) = answers(100);
        let kept: Vec<_> = (0..3)
            .map(|_| gated.call(HttpRequest::empty()).now_or_never())
            .collect();
        assert!(kept.iter().all(|answer| matches!(answer, Some(Ok(_)))), "{kept:?}");
    }

    #[tokio::test]
    async fn an_answer_that_does_not_begin_in_time_is_a_timeout() {
        let answer = gated(Silence, 1).call(HttpRequest::empty()).await;
        assert!(answer.expect_err("no answer").is_timeout());
    }
}
