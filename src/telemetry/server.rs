//! The HTTP server for Prometheus and the kubelet.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream;
use prometheus::{Registry, TextEncoder};

use super::Metrics;

/// What the probes answer.
#[derive(Default)]
pub struct Health {
    ready: AtomicBool,
    doubts: OnceLock<Doubts>,
}

/// Says what keeps a process that was ready from being so now.
type Doubts = Box<dyn Fn() -> Option<String> + Send + Sync>;

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("ready", &self.ready)
            .finish_non_exhaustive()
    }
}

impl Health {
    /// Has `doubts` asked each time: what it says keeps the process from being ready.
    pub(crate) fn ask(&self, doubts: impl Fn() -> Option<String> + Send + Sync + 'static) {
        // Each process runs once, and asks once.
        let _ = self.doubts.set(Box::new(doubts));
    }

    /// The process has read what it works on, and may work or wait for its turn.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }
}

#[derive(Clone)]
struct Shared {
    registry: Registry,
    metrics: Metrics,
    health: Arc<Health>,
}

/// Serves `/metrics` of the registry and of what is shown beside it, `/livez` and `/readyz` at `address` until the future is dropped.
pub async fn serve(
    address: SocketAddr,
    registry: Registry,
    metrics: Metrics,
    health: Arc<Health>,
) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("--listen {address} cannot be bound; choose another address"))?;
    let bound = listener.local_addr()?;
    tracing::info!(address = %bound, "serving /metrics, /livez and /readyz");
    let router = Router::new()
        .route("/metrics", get(exposition))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(Shared {
            registry,
            metrics,
            health,
        });
    axum::serve(listener, router)
        .await
        .context("the HTTP server has stopped")
}

async fn ready(State(shared): State<Shared>) -> Response {
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    let doubt = shared.health.doubts.get().and_then(|doubts| doubts());
    if !shared.health.ready.load(Ordering::Relaxed) {
        let doubt = doubt.map_or_else(String::new, |doubt| format!("{doubt}\n"));
        let why = format!("the custom resources and Leases were not all read yet: see the log\n{doubt}");
        return (unavailable, why).into_response();
    }
    match doubt {
        Some(doubt) => (unavailable, format!("{doubt}\n")).into_response(),
        None => "ok\n".into_response(),
    }
}

async fn exposition(State(shared): State<Shared>) -> Response {
    match TextEncoder::new().encode_to_string(&shared.registry.gather()) {
        Ok(text) => {
            // A piece is made when the one before it was sent.
            let pieces = std::iter::once(text).chain(shared.metrics.pieces());
            let body = Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>)));
            ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "cannot encode the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
