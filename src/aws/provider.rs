//! What all sessions share: configuration, connections, and the limits of each account and region.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use aws_config::{AppName, BehaviorVersion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder as HttpClientBuilder, ConnectorBuilder, tls};
use aws_smithy_runtime::client::retries::RetryPartition;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use super::endpoint;
use super::limiter::Limiter;
use super::metrics::AwsMetrics;
use super::parts::Known;
use super::renewal::Renewal;
use super::session::{Session, SessionKey};
use super::transport::Gate;
use crate::clock::Clock;
use crate::domain::{Cause, Endpoints, Scope, SnapshotId};

/// Says whether this replica may write in an account and region. It is asked before every attempt of every call that
/// changes anything.
pub type WriteGate = Arc<dyn Fn(&Scope) -> bool + Send + Sync>;

/// Says whether a policy, by its name, asks for changes in an account and region. It is asked at the same moments: between a
/// decision and its call lies the wait for a limit, and the policy may be suspended meanwhile. Else it says why not.
pub type PolicyGate = Arc<dyn Fn(&str, &Scope) -> Result<(), Cause> + Send + Sync>;

/// So often AWS may let a call that reads wait for an answer until it is given up.
const READ_ATTEMPTS: u32 = 3;

/// For how long a connection is kept that nobody uses. Many scans that come together open one for each call that is under way, and each
/// keeps its buffers, some 20 kB, as long as it is open.
const IDLE: Duration = Duration::from_secs(20);

/// How to talk to AWS.
#[non_exhaustive]
pub struct AwsOptions {
    /// The clock that the limiter waits by.
    pub clock: Arc<dyn Clock>,
    /// Whether this replica may write.
    pub gate: WriteGate,
    /// What calls are counted in.
    pub metrics: AwsMetrics,
    /// The part of AWS's rate limits to use, above 0 and up to 1; the rest is for other users of the account.
    pub share: f64,
    /// How long AWS may take until it begins to answer an attempt, and as much until the answer is whole, in wall-clock time.
    pub attempt_timeout: Duration,
    /// The same for calls that read images and snapshots: a page of them takes AWS long where there are many.
    pub read_timeout: Duration,
    /// How long a call may take with its retries, in wall-clock time. Waiting for the limiter comes before and does not count; waiting
    /// for room in memory does. Calls that read images and snapshots may take longer, by [`AwsOptions::read_timeout`].
    pub operation_timeout: Duration,
    /// How often a call is tried in all.
    pub max_attempts: u32,
    /// How many pages of images or snapshots may be in memory at a time, over all sessions. Calls that wait for their answer
    /// are not bounded by it.
    pub pages_in_memory: usize,
    /// The transport, instead of the SDK's own.
    pub http_client: Option<SharedHttpClient>,
    /// What the SDK signs by and takes credentials to run out by, instead of the machine's clock.
    pub time_source: Option<SharedTimeSource>,
    /// The endpoint of all services, instead of what the environment says.
    pub endpoint_url: Option<String>,
    /// The kind of endpoints to call, beside what the environment says.
    pub endpoints: Endpoints,
    /// The controller's own credentials, instead of what the environment says.
    pub credentials: Option<SharedCredentialsProvider>,
}

impl AwsOptions {
    /// The usual options.
    pub fn new(clock: Arc<dyn Clock>, gate: WriteGate, metrics: AwsMetrics) -> Self {
        Self {
            clock,
            gate,
            metrics,
            share: 0.5,
            attempt_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            operation_timeout: Duration::from_secs(30),
            max_attempts: 3,
            pages_in_memory: 8,
            http_client: None,
            time_source: None,
            endpoint_url: None,
            endpoints: Endpoints::default(),
            credentials: None,
        }
    }
}

impl fmt::Debug for AwsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsOptions")
            .field("share", &self.share)
            .field("endpoint_url", &self.endpoint_url)
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Calls would go to another machine in the clear.
    #[error("{setting} sends calls over plain http to {host}; use https, http is only for loopback addresses")]
    PlainHttp {
        /// The variable, or the setting of the profile, that holds the endpoint.
        setting: String,
        /// The host it names.
        host: String,
    },
    /// An endpoint that is no URL.
    #[error("{setting} is not a URL such as https://host:port")]
    MalformedEndpoint {
        /// The variable, or the setting of the profile, that holds the endpoint.
        setting: String,
    },
    /// An endpoint that is named, and another kind of endpoints that is asked for.
    #[error(
        "{setting} names an endpoint, and {options} (or AWS_USE_FIPS_ENDPOINT or AWS_USE_DUALSTACK_ENDPOINT) asks for others; take one of the two out"
    )]
    TwoEndpoints {
        /// The variable, or the setting of the profile, that holds the endpoint.
        setting: String,
        /// The options that ask for others.
        options: &'static str,
    },
    /// A share that would allow nothing, or more than AWS does.
    #[error("the share of AWS's rate limits must be above 0 and at most 1")]
    Share,
}

/// The way to AWS: hands out sessions.
pub struct Aws {
    shared: Arc<Shared>,
    sessions: Mutex<HashMap<Arc<SessionKey>, Arc<Session>>>,
    limits: Mutex<HashMap<Scope, Arc<ScopeLimits>>>,
}

/// What every session needs.
pub(super) struct Shared {
    pub(super) config: SdkConfig,
    /// Of the controller's own credentials.
    pub(super) renewal: Renewal,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) gate: WriteGate,
    pub(super) policies: OnceLock<PolicyGate>,
    pub(super) metrics: AwsMetrics,
    pub(super) share: f64,
    /// How long AWS may take over calls that read images and snapshots.
    pub(super) reads: Reads,
}

/// How long AWS may take over calls that read images and snapshots.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    /// Until it begins to answer.
    pub(super) limit: Duration,
    /// That, and what the call may take with its retries.
    pub(super) timeouts: TimeoutConfig,
}

impl Reads {
    fn new(options: &AwsOptions) -> Self {
        let limit = options.read_timeout;
        let all = limit.saturating_mul(READ_ATTEMPTS).max(options.operation_timeout);
        let timeouts = TimeoutConfig::builder().read_timeout(limit).operation_timeout(all);
        Self {
            limit,
            timeouts: timeouts.build(),
        }
    }
}

impl Shared {
    /// Whether a session may send a call that changes something; else why not.
    pub(super) fn may_write(&self, key: &SessionKey) -> Result<(), Option<Cause>> {
        if !(self.gate)(&key.scope) {
            return Err(None);
        }
        let asks = |policies: &PolicyGate| policies(&key.policy, &key.scope);
        self.policies.get().map_or(Ok(()), asks).map_err(Some)
    }
}

/// One account and region, whichever policies look at it: AWS's limits do not know policies.
#[derive(Debug)]
pub(super) struct ScopeLimits {
    pub(super) limiter: Arc<Limiter>,
    /// The SDK's retry budgets. Its own ones are shared by all accounts, so that one throttled account would starve the others.
    pub(super) ec2: RetryPartition,
    pub(super) kms: RetryPartition,
    pub(super) sts: RetryPartition,
    /// Of the services beside EC2 that launch images.
    pub(super) beside: RetryPartition,
    /// Of the queue of events: one that cannot be reached is asked for ever.
    pub(super) queue: RetryPartition,
    /// What earlier listings have told.
    pub(super) learned: Mutex<Learned>,
}

/// What earlier listings of an account and region have told.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// Of images and of snapshots.
    pub(super) listings: [Known; 2],
    /// Snapshots that images name and that are not there, or not to be read.
    pub(super) in_vain: BTreeSet<SnapshotId>,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").finish_non_exhaustive()
    }
}

impl Aws {
    /// Reads the configuration as every AWS tool does, from environment and profile. Calls nothing but, at most, the instance metadata
    /// service, and not that when `AWS_EC2_METADATA_DISABLED` is set.
    pub async fn new(options: AwsOptions) -> Result<Self, ConfigError> {
        if !(options.share > 0.0 && options.share <= 1.0) {
            return Err(ConfigError::Share);
        }
        let reads = Reads::new(&options);
        let clock = options.clock;
        let retries = RetryConfig::standard()
            .with_max_attempts(options.max_attempts)
            .with_initial_backoff(clock.to_real_time(Duration::from_secs(1)))
            .with_max_backoff(clock.to_real_time(Duration::from_secs(20)));
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(options.operation_timeout)
            .build();
        let transport = options.http_client.unwrap_or_else(https_client);
        let transport = Gate::around(transport, options.pages_in_memory, options.attempt_timeout);
        let renewal = Renewal::new(clock.clone());
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(transport)
            .retry_config(retries)
            .timeout_config(timeouts)
            .identity_cache(renewal.clone());
        if let Ok(name) = AppName::new("amiseal") {
            loader = loader.app_name(name);
        }
        if let Some(time_source) = options.time_source {
            loader = loader.time_source(time_source);
        }
        if let Some(endpoint) = options.endpoint_url {
            loader = loader.endpoint_url(endpoint);
        }
        // What is not asked for here, environment or profile may ask for.
        if options.endpoints.fips {
            loader = loader.use_fips(true);
        }
        if options.endpoints.dual_stack {
            loader = loader.use_dual_stack(true);
        }
        if let Some(credentials) = options.credentials {
            // The configuration's own region only serves to fetch credentials: do not ask the metadata service for it.
            loader = loader
                .credentials_provider(credentials)
                .region(aws_config::Region::new("us-east-1"));
        }
        let config = Box::pin(loader.load()).await;
        endpoint::check(&config)?;
        let shared = Shared {
            config,
            renewal,
            clock,
            gate: options.gate,
            policies: OnceLock::new(),
            metrics: options.metrics,
            share: options.share,
            reads,
        };
        Ok(Self {
            shared: Arc::new(shared),
            sessions: Mutex::new(HashMap::new()),
            limits: Mutex::new(HashMap::new()),
        })
    }

    /// Has policies asked, too, before anything is changed. Only the first one who is named is.
    pub fn ask_policies(&self, gate: PolicyGate) {
        // Whoever runs the controllers a second time asks the same ones.
        let _ = self.shared.policies.set(gate);
    }

    /// Whether the policy that is named asks for changes in an account and region now, as it is asked before each call that makes one.
    pub fn policy_asks(&self, policy: &str, scope: &Scope) -> bool {
        let asks = |policies: &PolicyGate| policies(policy, scope).is_ok();
        self.shared.policies.get().is_none_or(asks)
    }

    /// The session for `key`, made on first use. Its credentials are fetched by its first call.
    pub fn session(&self, key: &SessionKey) -> Arc<Session> {
        if let Some(session) = lock(&self.sessions).get(key) {
            return session.clone();
        }
        let limits = self.limits(&key.scope);
        let key = Arc::new(key.clone());
        let session = Arc::new(Session::new(&self.shared, key.clone(), limits));
        lock(&self.sessions).entry(key).or_insert(session).clone()
    }

    /// Drops the session for `key` with its credentials. The account's limits stay on record.
    pub fn forget(&self, key: &SessionKey) {
        lock(&self.sessions).remove(key);
    }

    /// What all clients are configured by.
    pub(super) fn config(&self) -> &SdkConfig {
        &self.shared.config
    }

    /// That of the own credentials.
    pub(super) fn renewal(&self) -> Renewal {
        self.shared.renewal.clone()
    }

    fn limits(&self, scope: &Scope) -> Arc<ScopeLimits> {
        let mut limits = lock(&self.limits);
        let of_scope = limits.entry(scope.clone()).or_insert_with(|| {
            let Scope { account, region } = scope;
            let partition = |service| RetryPartition::custom(format!("{service}.{account}.{region}")).build();
            let shared = &self.shared;
            let limiter = Limiter::new(shared.clock.clone(), shared.share, shared.metrics.clone());
            Arc::new(ScopeLimits {
                limiter: Arc::new(limiter),
                ec2: partition("ec2"),
                kms: partition("kms"),
                sts: partition("sts"),
                beside: partition("beside"),
                queue: partition("queue"),
                learned: Mutex::default(),
            })
        });
        of_scope.clone()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded is whole after every statement, so a panic elsewhere leaves them sound.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The SDK's default transport. Built here, since left to itself every client would open connections of its own.
fn https_client() -> SharedHttpClient {
    HttpClientBuilder::new().build_with_connector_fn(|settings, components| {
        let provider = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc);
        let mut connector = ConnectorBuilder::default()
            .tls_provider(provider)
            .pool_idle_timeout(IDLE)
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    })
}
