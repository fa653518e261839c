//! Leadership: one Lease, held by one replica. No call that changes anything is made without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The Lease's name.
const LEASE: &str = "amiseal";

/// How the Lease is held.
#[derive(Debug, Clone)]
pub struct LeadershipOptions {
    /// The Lease's namespace.
    pub namespace: String,
    /// This replica's name.
    pub identity: String,
    /// How long the Lease holds after it was renewed, in whole seconds.
    pub duration: Duration,
}

/// Whether this replica leads, and until when it may believe so without asking.
///
/// A process that was stopped for longer than the Lease holds must not go on as if nothing had happened: what counts is
/// the moment of the last renewal, not that nobody has said otherwise.
#[derive(Debug)]
pub struct Leadership {
    started: Instant,
    /// Milliseconds after `started` until which the Lease holds; 0 means that it is not held.
    until: AtomicU64,
}

impl Default for Leadership {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            until: AtomicU64::new(0),
        }
    }
}

impl Leadership {
    /// Whether this replica may write right now.
    pub fn holds(&self) -> bool {
        self.elapsed() < self.until.load(Ordering::SeqCst)
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn hold_for(&self, left: Duration) {
        let left = u64::try_from(left.as_millis()).unwrap_or(0);
        self.until.store(self.elapsed().saturating_add(left), Ordering::SeqCst);
    }

    fn lose(&self) {
        self.until.store(0, Ordering::SeqCst);
    }
}

/// The Lease, held. Dropped or released, it is free for the next replica.
#[derive(Debug)]
pub struct Lead {
    leadership: Arc<Leadership>,
    state: watch::Receiver<bool>,
    holder: JoinHandle<kube_lease_manager::Result<LeaseManager>>,
    observer: JoinHandle<()>,
}

/// Waits until this replica leads.
pub async fn lead(client: Client, options: LeadershipOptions, leadership: Arc<Leadership>) -> Result<Lead> {
    let seconds = options.duration.as_secs().max(3);
    let manager = LeaseManagerBuilder::new(client.clone(), LEASE)
        .with_namespace(&options.namespace)
        .with_identity(&options.identity)
        .with_duration(seconds)
        .with_grace((seconds / 3).max(1))
        .build()
        .await
        .with_context(|| {
            format!(
                "the Lease {}/{LEASE} cannot be had: allow get, create and patch on leases",
                options.namespace
            )
        })?;
    let (mut state, holder) = manager.watch().await;
    state
        .wait_for(|leads| *leads)
        .await
        .context("the Lease is not renewed any more")?;
    let observer = tokio::spawn(observe(client, options, leadership.clone(), state.clone()));
    while !leadership.holds() {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if observer.is_finished() {
            anyhow::bail!("the Lease was lost as soon as it was had");
        }
    }
    Ok(Lead {
        leadership,
        state,
        holder,
        observer,
    })
}

impl Lead {
    /// Returns when this replica does not lead any more.
    pub async fn lost(&mut self) {
        // An error means that nobody renews the Lease any more.
        let _ = self.state.wait_for(|leads| !*leads).await;
        self.leadership.lose();
    }

    /// Lets the Lease go, so that another replica need not wait for it to run out.
    pub async fn release(self) -> Result<()> {
        self.leadership.lose();
        self.observer.abort();
        // The holder ends, and frees the Lease, when nobody listens to it any more.
        let _ = self.observer.await;
        drop(self.state);
        self.holder
            .await?
            .context("the Lease could not be let go; it runs out by itself")?;
        Ok(())
    }
}

/// Follows the renewals, and with each puts off the moment at which leadership ends.
///
/// The renewal's time was written by this machine, and is compared with this machine's time: a skew between machines does
/// not matter. A step back of the clock is taken as no time passed, which the Lease's own duration bounds.
async fn observe(
    client: Client,
    options: LeadershipOptions,
    leadership: Arc<Leadership>,
    state: watch::Receiver<bool>,
) {
    let leases = Api::<Lease>::namespaced(client, &options.namespace);
    while *state.borrow() {
        let asked = Instant::now();
        if let Ok(lease) = leases.get(LEASE).await {
            let spec = lease.spec.unwrap_or_default();
            let ours = spec.holder_identity.as_deref() == Some(options.identity.as_str());
            match spec.renew_time.filter(|_| ours) {
                Some(renewed) => {
                    let age = Timestamp::now().duration_since(renewed.0);
                    let age = Duration::try_from(age).unwrap_or(Duration::ZERO) + asked.elapsed();
                    leadership.hold_for(options.duration.saturating_sub(age));
                }
                None => leadership.lose(),
            }
        }
        // A read that fails says nothing: what was read before runs out.
        tokio::time::sleep(options.duration / 10).await;
    }
    leadership.lose();
}
