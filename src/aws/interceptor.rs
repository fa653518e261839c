//! What happens around every single attempt of a call: may it be sent, was it counted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, Error, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::{Metadata, OrchestratorError};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use super::error::{code_label, is_throttling};
use super::limiter::Limiter;
use super::operations::{code_of, operation_of};
use super::provider::Shared;
use super::{Access, SessionKey};
use crate::domain::{AwsError, Bucket, Cause, ErrorClass, Operation};

/// The status of an answer that refuses a call since there were too many, whatever code comes with it.
const TOO_MANY: u16 = 429;

/// Sits in every client of a session.
#[derive(Clone)]
pub(super) struct Attempts {
    pub(super) key: Arc<SessionKey>,
    pub(super) shared: Arc<Shared>,
    pub(super) limiter: Arc<Limiter>,
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// When an attempt was sent; absent while it has not been.
#[derive(Debug, Clone, Copy)]
struct Sent {
    attempt: u32,
    at: Duration,
}

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

impl Attempts {
    fn permit(&self, operation: Operation, body: Option<&[u8]>) -> Result<(), AwsError> {
        if !operation.writes() {
            return Ok(());
        }
        let allowed = match self.key.access {
            Access::ReadOnly => false,
            Access::DryRun => body.is_some_and(is_dry_run),
            Access::Full => true,
        };
        if !allowed {
            let cause = Some(Cause::ReadOnlySession);
            return Err(AwsError::new(operation, ErrorClass::Denied, cause));
        }
        // The queue of events is of no account that policies name, and of no shard.
        if operation.bucket() == Some(Bucket::Queue) {
            return Ok(());
        }
        let refused = |cause| AwsError::new(operation, ErrorClass::NotOurs, cause);
        match self.shared.may_write(&self.key) {
            // What a policy has launched does not outlive it. Whether an instance is its own was seen before.
            Err(Some(Cause::Deleted)) if operation == Operation::TerminateInstances => Ok(()),
            permitted => permitted.map_err(refused),
        }
    }
}

impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "amiseal attempts"
    }

    /// The last moment before bytes are sent: credentials may have taken long to come by.
    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let attempt = attempt_of(cfg);
        let operation = call_of(cfg)?;
        let bucket = operation.bucket();
        let permitted = self.permit(operation, context.request().body().bytes());
        match (attempt, bucket) {
            // What waited for its turn was counted then, and AWS never sees it.
            (1, Some(bucket)) if permitted.is_err() => self.limiter.give_back(bucket),
            (2.., Some(bucket)) if permitted.is_ok() => self.limiter.charge(bucket),
            _ => {}
        }
        permitted?;
        let sent = Sent {
            attempt,
            at: self.shared.clock.monotonic(),
        };
        cfg.interceptor_state().store_put(sent);
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let attempt = attempt_of(cfg);
        let Some(sent) = cfg.load::<Sent>().filter(|sent| sent.attempt == attempt) else {
            // Nothing was sent: there is nothing to count.
            return Ok(());
        };
        let operation = call_of(cfg)?;
        let code = match context.output_or_error() {
            Some(Ok(_)) => "OK",
            Some(Err(error)) => outcome(error),
            None => "Other",
        };
        let is_refused_as_too_many = context
            .response()
            .is_some_and(|answer| answer.status().as_u16() == TOO_MANY);
        if (is_throttling(code) || is_refused_as_too_many)
            && let Some(bucket) = operation.bucket()
        {
            self.limiter.throttled(bucket);
        }
        let took = self.shared.clock.monotonic().saturating_sub(sent.at);
        self.shared.metrics.request(operation, code, took);
        Ok(())
    }
}

/// Whether the body of a call to EC2, which is a form, asks for a dry run. Values are escaped, so none can look like it.
fn is_dry_run(body: &[u8]) -> bool {
    body.split(|byte| *byte == b'&').any(|field| field == b"DryRun=true")
}

/// The operation of the call at hand.
fn call_of(cfg: &ConfigBag) -> Result<Operation, BoxError> {
    let call = cfg.load::<Metadata>().ok_or("a call without a name")?;
    Ok(operation_of(call)?)
}

fn attempt_of(cfg: &ConfigBag) -> u32 {
    cfg.load::<RequestAttempts>().map_or(1, |attempts| attempts.attempts())
}

/// How a failed attempt is counted.
fn outcome(error: &OrchestratorError<Error>) -> &'static str {
    if let Some(refused) = error.as_operation_error() {
        return match code_of(refused) {
            // What AWS says to a dry run that it would let pass.
            Some("DryRunOperation") => "OK",
            Some(code) => code_label(code),
            None => "Other",
        };
    }
    let is_late = error.as_connector_error().is_some_and(ConnectorError::is_timeout);
    if error.is_timeout_error() || is_late {
        "Timeout"
    } else if error.is_connector_error() {
        "Unreachable"
    } else {
        "Other"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_is_known_by_its_own_field_and_not_by_a_value_that_looks_like_it() {
        assert!(is_dry_run(b"Action=CopyImage&DryRun=true&Name=x"));
        assert!(is_dry_run(b"DryRun=true"));
        for other in [
            "Action=CopyImage&Name=DryRun%3Dtrue",
            "DryRun=false",
            "NoDryRun=true",
            "",
        ] {
            assert!(!is_dry_run(other.as_bytes()), "{other}");
        }
    }
}
