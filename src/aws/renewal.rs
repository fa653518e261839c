//! Credentials that AWS takes to have expired before their time, as when somebody ends a role's sessions: they are renewed, and the
//! call is made again, as if nothing had been.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

use super::operations::code_of;
use crate::clock::Clock;

/// Calls that were under way together fail together, and need new credentials once.
const TOGETHER: Duration = Duration::from_secs(5);

/// The credentials of one session, kept until shortly before they expire or until AWS says that they have.
#[derive(Clone)]
pub(super) struct Renewal(Arc<Kept>);

struct Kept {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    cache: SharedIdentityCache,
    renewed: Option<Duration>,
}

impl Renewal {
    /// Nothing is kept yet.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let state = State {
            cache: IdentityCache::lazy().build(),
            renewed: None,
        };
        Self(Arc::new(Kept {
            clock,
            state: Mutex::new(state),
        }))
    }

    fn renew(&self) {
        let now = self.0.clock.monotonic();
        let mut state = self.state();
        if state.renewed.is_none_or(|last| now.saturating_sub(last) >= TOGETHER) {
            state.cache = IdentityCache::lazy().build();
            state.renewed = Some(now);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // It is whole after every statement, so a panic elsewhere leaves it sound.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewal").finish_non_exhaustive()
    }
}

impl ResolveCachedIdentity for Renewal {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        runtime_components: &'a RuntimeComponents,
        config_bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        let cache = self.state().cache.clone();
        IdentityFuture::new(async move {
            cache
                .resolve_cached_identity(resolver, runtime_components, config_bag)
                .await
        })
    }
}

impl ClassifyRetry for Renewal {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context.output_or_error().and_then(Result::err);
        let code = error.and_then(|error| code_of(error.as_operation_error()?));
        match code {
            Some("ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => {
                self.renew();
                RetryAction::transient_error()
            }
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "amiseal renewal"
    }
}
