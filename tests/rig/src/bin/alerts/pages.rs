//! A receiver of alerts that takes them in as Alertmanager does, by version 2 of its API.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// An alert as Prometheus sends it: again and again while it fires, and a few times more when it is over.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    ends_at: Timestamp,
}

/// An alert that somebody was paged for.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    /// When it came first.
    pub(crate) fired: Instant,
    /// When it was said to be over; none while it fires.
    pub(crate) resolved: Option<Instant>,
}

impl Page {
    /// Its alert.
    pub(crate) fn alert(&self) -> &str {
        self.label("alertname")
    }

    /// A label; empty where there is none.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// As a person reads it.
    pub(crate) fn shown(&self) -> String {
        let labels = self.labels.iter().map(|(name, value)| format!("{name}={value}"));
        let annotation = |name: &str| self.annotations.get(name).cloned().unwrap_or_default();
        format!(
            "{}\n{}\n{}\n{}",
            labels.collect::<Vec<_>>().join(" "),
            annotation("summary"),
            annotation("description"),
            annotation("runbook_url"),
        )
    }

    /// What whoever is paged lacks.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for name in ["summary", "description", "runbook_url"] {
            let text = self.annotations.get(name).map_or("", String::as_str);
            // What a template makes of a label or a query that is not there.
            if text.is_empty() || text.contains("<no value>") || text.contains("error expanding") || text.contains("  ")
            {
                problems.push(format!("the {name} of {} is {text:?}", self.alert()));
            }
        }
        if self.label("severity").is_empty() {
            problems.push(format!("{} has no severity", self.alert()));
        }
        problems
    }
}

/// All pages, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pages(Arc<Mutex<Vec<Page>>>);

impl Pages {
    /// Listens on loopback, and says where.
    pub(crate) async fn receive(&self) -> Result<SocketAddr> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("the receiver has no port")?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .route("/api/v2/alerts", post(take))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(address)
    }

    /// All that have come.
    pub(crate) fn all(&self) -> Vec<Page> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Page>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, sent: Sent) {
        let is_over = sent.ends_at <= Timestamp::now();
        let mut pages = self.lock();
        let open = pages
            .iter_mut()
            .find(|page| page.labels == sent.labels && page.resolved.is_none());
        match (open, is_over) {
            (Some(page), true) => page.resolved = Some(Instant::now()),
            (None, false) => pages.push(Page {
                labels: sent.labels,
                annotations: sent.annotations,
                fired: Instant::now(),
                resolved: None,
            }),
            // Said again.
            (Some(_), false) | (None, true) => {}
        }
    }
}

/// What cannot be read is said to Prometheus, whose log tells of it.
async fn take(State(pages): State<Pages>, body: Bytes) -> (StatusCode, String) {
    match serde_json::from_slice::<Vec<Sent>>(&body) {
        Ok(alerts) => {
            alerts.into_iter().for_each(|sent| pages.note(sent));
            (StatusCode::OK, String::new())
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
    }
}
