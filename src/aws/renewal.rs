//! Credentials that AWS takes to have expired before their time, as when somebody ends a role's sessions: they are renewed, and the
//! call is made again, as if nothing had been. The controller's own ones are, too, where whoever gives them has others.

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

/// The credentials of one role's session, or the controller's own, kept until shortly before they expire or until AWS says that they have.
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::Credentials;
    use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

    use super::super::testing::{ACCOUNT, Answer, REGION, Wire, assumed, bench_with, identity, open, own, role};
    use super::super::{Access, SessionKey};
    use super::*;
    use crate::domain::{AwsError, Cause, Region};

    /// Gives other credentials each time that it is asked, or the same ones again.
    #[derive(Debug, Clone)]
    struct Giver {
        asked: Arc<AtomicUsize>,
        has_others: bool,
    }

    impl ProvideCredentials for Giver {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst);
            let number = if self.has_others { asked } else { 0 };
            let given = Credentials::new(format!("OWN-{number}"), "secret", None, None, "test");
            future::ProvideCredentials::ready(Ok(given))
        }
    }

    /// Describes an image, where AWS takes the first own credentials to have expired. Gives who signed the calls that needed them, and
    /// how often others were asked for.
    async fn describe(key: &SessionKey, has_others: bool) -> (Result<(), AwsError>, Vec<String>, usize) {
        let wire = Wire::raw(|request| match (request.call.as_str(), request.signer.as_str()) {
            ("sts:GetCallerIdentity", _) => Answer::ok(identity(ACCOUNT)),
            ("sts:AssumeRole", "OWN-0") => Answer::sts_error(403, "ExpiredToken", "expired"),
            ("sts:AssumeRole", _) => Answer::ok(assumed()),
            (_, "OWN-0") => Answer::ec2_error(400, "ExpiredToken", "expired"),
            _ => Answer::ok("<ModifyImageAttributeResponse><return>true</return></ModifyImageAttributeResponse>"),
        });
        let giver = Giver {
            asked: Arc::default(),
            has_others,
        };
        let provider = SharedCredentialsProvider::new(giver.clone());
        let bench = bench_with(&wire, open(), |options| options.credentials = Some(provider)).await;
        let image = "ami-0123456789abcdef0".parse().expect("an image");
        let done = bench.aws.session(key).set_description(&image, "d").await;
        let needing = wire.requests().into_iter().filter(|request| {
            let asks = request.call == "sts:GetCallerIdentity";
            request.signer.starts_with("OWN") && !asks
        });
        let signers = needing.map(|request| request.signer).collect();
        (done, signers, giver.asked.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn the_controllers_own_credentials_are_renewed_once_where_there_are_others() {
        for key in [own(Access::Full), role(Access::Full)] {
            let (done, signers, asked) = describe(&key, true).await;
            done.expect("it is described");
            assert_eq!(
                (&signers[..], asked),
                (&["OWN-0".to_owned(), "OWN-1".to_owned()][..], 2),
                "{key:?}"
            );
        }
    }

    #[tokio::test]
    async fn own_credentials_that_are_the_same_again_are_said_to_have_expired() {
        let (done, signers, asked) = describe(&own(Access::Full), false).await;
        assert!(done.expect_err("there are no others").is(Cause::CredentialsExpired));
        assert_eq!(
            (signers.len(), asked),
            (3, 2),
            "as often as any call, and others are asked for once"
        );
    }

    #[tokio::test]
    async fn own_credentials_that_have_expired_are_renewed_also_where_aws_is_asked_whose_they_are() {
        let wire = Wire::raw(|request| match request.signer.as_str() {
            "OWN-0" => Answer::sts_error(403, "ExpiredToken", "expired"),
            _ => Answer::ok(identity(ACCOUNT)),
        });
        let giver = Giver {
            asked: Arc::default(),
            has_others: true,
        };
        let provider = SharedCredentialsProvider::new(giver.clone());
        let bench = bench_with(&wire, open(), |options| options.credentials = Some(provider)).await;
        let partition = REGION.parse::<Region>().expect("a region").partition();
        let session = bench.aws.organizations("production", partition, None).await;
        assert_eq!(session.expect("a session").key().scope.account.as_str(), ACCOUNT);
        let signers: Vec<String> = wire.requests().into_iter().map(|request| request.signer).collect();
        assert_eq!(signers, ["OWN-0", "OWN-1"]);
        assert_eq!(giver.asked.load(Ordering::SeqCst), 2);
    }
}
