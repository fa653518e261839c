//! One policy's view of one account and region.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::OnceCell;

use super::called;
use super::credentials::{AssumedRole, sts_config};
use super::endpoint;
use super::interceptor::Attempts;
use super::parts::Known;
use super::provider::{ScopeLimits, Shared, lock};
use super::renewal::Renewal;
use super::visit::Visit;
use crate::domain::{AccountId, Bucket, Operation, Scope, SnapshotId};
use crate::domain::{AwsError, Cause, ErrorClass};

/// What makes one session differ from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The policy's name; it names the role session and tags it.
    pub policy: String,
    /// The account and region.
    pub scope: Scope,
    /// The role to assume; none for the controller's own identity.
    pub role_arn: Option<String>,
    /// The external ID that the role asks for.
    pub external_id: Option<String>,
    /// What the session may do.
    pub access: Access,
}

/// What a session may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read images, snapshots and keys. An assumed role is narrowed to that by AWS itself; without a role only this program holds it.
    ReadOnly,
    /// Read, and ask by dry runs what its role may. Not narrowed, since AWS would then answer for the narrowed session;
    /// this program sends no writing call in it but dry runs.
    DryRun,
    /// Whatever its role may.
    Full,
}

/// Who the session is, as AWS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account: AccountId,
    /// The ARN of the role session or user.
    pub arn: String,
}

/// One policy's access to one account and region.
///
/// Every call first makes sure, once, that the credentials belong to the session's account; it waits for the limiter, and fails with an
/// [`AwsError`]. Calls that write are refused in a session that only reads, and when
/// this replica does not hold the shard of the account and region.
#[derive(Clone)]
pub struct Session {
    pub(super) key: Arc<SessionKey>,
    pub(super) shared: Arc<Shared>,
    limits: Arc<ScopeLimits>,
    attempts: Attempts,
    /// The role; none for the controller's own identity.
    assumed: Option<Assumed>,
    identity: Arc<OnceCell<Identity>>,
    /// Whose visit this is, where calls do not wait.
    visit: Option<Arc<Visit>>,
}

/// The role of a session, and its credentials.
#[derive(Clone)]
struct Assumed {
    /// Made once: the SDK tells by it whose credentials are whose.
    credentials: SharedCredentialsProvider,
    /// Where they are kept. Of this session alone: the SDK's own cache holds 64 identities and then drops any of them.
    renewal: Renewal,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// A client of a service. Each has types of its own for the same things.
macro_rules! client {
    ($session:ident, $sdk:ident, $partition:ident) => {{
        let config = $sdk::config::Builder::from(&$session.config())
            .retry_partition($session.limits.$partition.clone())
            .interceptor($session.attempts.clone())
            .retry_classifier($session.renewal());
        $sdk::Client::from_conf(config.build())
    }};
}

impl Session {
    pub(super) fn new(shared: &Arc<Shared>, key: Arc<SessionKey>, limits: Arc<ScopeLimits>) -> Self {
        let attempts = Attempts {
            key: key.clone(),
            shared: shared.clone(),
            limiter: limits.limiter.clone(),
        };
        let assumed = key.role_arn.is_some().then(|| Assumed {
            credentials: SharedCredentialsProvider::new(AssumedRole::new(attempts.clone(), limits.clone())),
            renewal: Renewal::new(shared.clock.clone()),
        });
        Self {
            key,
            shared: shared.clone(),
            limits,
            attempts,
            assumed,
            identity: Arc::default(),
            visit: None,
        }
    }

    /// The same session for a visit to one object of many, whose name this is: a call for which the limiter has no room now fails at
    /// once, with [`Cause::NoRoom`] and the time to come back.
    #[must_use]
    pub fn visiting(&self, who: &str) -> Self {
        Self {
            visit: Some(Arc::new(Visit::new(who, self.limits.limiter.clone()))),
            ..self.clone()
        }
    }

    /// Makes room for all these calls of a visit, or fails with [`Cause::NoRoom`]: what cannot be gone on with where it stopped is not
    /// begun.
    pub fn reserve(&self, operations: &[Operation]) -> Result<(), AwsError> {
        let (Some(visit), Some(first)) = (&self.visit, operations.first()) else {
            return Ok(());
        };
        let mut calls = BTreeMap::new();
        for bucket in operations.iter().filter_map(|operation| operation.bucket()) {
            *calls.entry(bucket).or_default() += 1;
        }
        visit.reserve(&calls).map_err(|wait| no_room(*first, wait))
    }

    /// What makes this session.
    pub fn key(&self) -> &SessionKey {
        &self.key
    }

    /// Who the session is. Fails with [`Cause::WrongAccount`] when that is not the account it was made for. AWS is asked once.
    pub async fn check_identity(&self) -> Result<Identity, AwsError> {
        self.identity.get_or_try_init(|| self.ask_identity()).await.cloned()
    }

    async fn ask_identity(&self) -> Result<Identity, AwsError> {
        const OPERATION: Operation = Operation::GetCallerIdentity;
        let sts = sts_config(&self.config(), &self.limits, &self.attempts).retry_classifier(self.renewal());
        let sts = aws_sdk_sts::Client::from_conf(sts.build());
        let request = Box::pin(sts.get_caller_identity().send());
        let answer = self.send(OPERATION, request).await?;
        let account = answer.account.unwrap_or_default();
        let account: AccountId = account.parse().map_err(|e| AwsError::malformed(OPERATION, &e))?;
        if account != self.key.scope.account {
            let cause = Some(Cause::WrongAccount);
            return Err(AwsError::new(OPERATION, ErrorClass::Denied, cause));
        }
        Ok(Identity {
            account,
            arn: answer.arn.unwrap_or_default(),
        })
    }

    // Clients are made when they are used, and so is what they are configured by. What must last, connections, credentials and retry
    // budgets, lives outside of them. A client that is kept takes 20 kB, and its configuration one, which a large policy would need
    // thousands of times. What does not last is the SDK's correction of a wrong clock: on such a machine each call takes an attempt more.

    /// What the clients are configured by.
    fn config(&self) -> SdkConfig {
        let region = aws_config::Region::new(self.key.scope.region.as_str().to_owned());
        let mut config = self.shared.config.to_builder().region(region);
        if let Some(Assumed { credentials, renewal }) = &self.assumed {
            config = config
                .credentials_provider(credentials.clone())
                .identity_cache(renewal.clone());
        }
        config.build()
    }

    /// What renews the credentials that calls are signed by: the role's, or the controller's own.
    fn renewal(&self) -> Renewal {
        let assumed = self.assumed.as_ref();
        assumed.map_or(&self.shared.renewal, |assumed| &assumed.renewal).clone()
    }

    /// A client of EC2.
    pub(super) fn ec2(&self) -> aws_sdk_ec2::Client {
        aws_sdk_ec2::Client::from_conf(self.ec2_config().build())
    }

    /// A client of EC2 for calls that read images and snapshots, which may take AWS long.
    pub(super) fn ec2_reads(&self) -> aws_sdk_ec2::Client {
        let config = self.ec2_config().timeout_config(self.shared.reads.timeouts.clone());
        aws_sdk_ec2::Client::from_conf(config.build())
    }

    fn ec2_config(&self) -> aws_sdk_ec2::config::Builder {
        aws_sdk_ec2::config::Builder::from(&self.config())
            .retry_partition(self.limits.ec2.clone())
            .interceptor(self.attempts.clone())
            .retry_classifier(self.renewal())
    }

    /// What earlier listings of images, or of snapshots, have told.
    pub(super) fn known_listing(&self, number: usize) -> Known {
        lock(&self.limits.learned)
            .listings
            .get(number)
            .copied()
            .unwrap_or_default()
    }

    /// Learns from one now.
    pub(super) fn learn_listing(&self, number: usize, learn: impl FnOnce(&mut Known, Duration)) {
        let now = self.shared.clock.monotonic();
        if let Some(known) = lock(&self.limits.learned).listings.get_mut(number) {
            learn(known, now);
        }
    }

    /// Those of these snapshots that were not asked for in vain.
    pub(super) fn not_in_vain<'a>(&self, ids: &'a BTreeSet<SnapshotId>) -> impl Iterator<Item = &'a SnapshotId> {
        let in_vain = lock(&self.limits.learned).in_vain.clone();
        ids.iter().filter(move |id| !in_vain.contains(*id))
    }

    /// These snapshots were asked for, and are not there. What was asked for in vain before and is not among them is forgotten.
    pub(super) fn asked_in_vain<'a>(&self, ids: impl Iterator<Item = &'a SnapshotId>) {
        let in_vain = ids.cloned().collect();
        lock(&self.limits.learned).in_vain = in_vain;
    }

    /// A client of KMS.
    pub(super) fn kms(&self) -> aws_sdk_kms::Client {
        client!(self, aws_sdk_kms, kms)
    }

    /// A client of Auto Scaling.
    pub(super) fn autoscaling(&self) -> aws_sdk_autoscaling::Client {
        client!(self, aws_sdk_autoscaling, beside)
    }

    /// A client of Systems Manager.
    pub(super) fn ssm(&self) -> aws_sdk_ssm::Client {
        client!(self, aws_sdk_ssm, beside)
    }

    /// A client of EKS.
    pub(super) fn eks(&self) -> aws_sdk_eks::Client {
        client!(self, aws_sdk_eks, beside)
    }

    /// A client of Batch.
    pub(super) fn batch(&self) -> aws_sdk_batch::Client {
        client!(self, aws_sdk_batch, beside)
    }

    /// A client of CloudTrail.
    pub(super) fn cloudtrail(&self) -> aws_sdk_cloudtrail::Client {
        client!(self, aws_sdk_cloudtrail, beside)
    }

    /// A client of EC2 Image Builder.
    pub(super) fn imagebuilder(&self) -> aws_sdk_imagebuilder::Client {
        client!(self, aws_sdk_imagebuilder, beside)
    }

    /// A client of Amazon Inspector.
    pub(super) fn inspector2(&self) -> aws_sdk_inspector2::Client {
        client!(self, aws_sdk_inspector2, beside)
    }

    /// A client of Organizations.
    pub(super) fn organizations(&self) -> aws_sdk_organizations::Client {
        client!(self, aws_sdk_organizations, beside)
    }

    /// A client of SQS for a queue, which is at `local` if it is one of this machine. An endpoint that was named goes before that.
    pub(super) fn sqs(&self, local: Option<&str>, timeouts: Option<TimeoutConfig>) -> aws_sdk_sqs::Client {
        let of_session = self.config();
        let mut config = aws_sdk_sqs::config::Builder::from(&of_session)
            .retry_partition(self.limits.queue.clone())
            .interceptor(self.attempts.clone())
            .retry_classifier(self.renewal());
        if let Some(local) = local.filter(|_| !endpoint::is_named(&of_session, "SQS")) {
            // This machine has one endpoint, whatever kind is asked for of AWS.
            config = config.endpoint_url(local).use_fips(false).use_dual_stack(false);
        }
        if let Some(timeouts) = timeouts {
            config = config.timeout_config(timeouts);
        }
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    /// Makes a call for the whole installation, and not for a policy: whose account the credentials belong to makes no difference.
    pub(super) async fn call_of_nobody<T, E>(
        &self,
        operation: Operation,
        request: impl Future<Output = Result<T, SdkError<E, Response>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        if let Some(bucket) = operation.bucket() {
            self.limits.limiter.acquire(bucket).await;
        }
        self.send(operation, Box::pin(request)).await
    }

    /// Makes a call: `request` is sent when the identity is known and the limiter has room.
    pub(super) async fn call<T, E>(
        &self,
        operation: Operation,
        request: impl Future<Output = Result<T, SdkError<E, Response>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        self.admit(operation).await?;
        self.send(operation, Box::pin(request)).await
    }

    /// Waits until a call may be sent; a visit does not wait.
    pub(super) async fn admit(&self, operation: Operation) -> Result<(), AwsError> {
        let bucket = operation.bucket();
        if let (Some(visit), Some(bucket)) = (&self.visit, bucket) {
            let no_room = |wait| no_room(operation, wait);
            visit.board(bucket).map_err(no_room)?;
            self.check_identity().await?;
            return visit.admit(bucket).map_err(no_room);
        }
        self.check_identity().await?;
        if let Some(bucket) = bucket {
            self.limits.limiter.acquire(bucket).await;
        }
        Ok(())
    }

    /// Sends a call that was admitted.
    pub(super) async fn send<T, E>(
        &self,
        operation: Operation,
        request: impl Future<Output = Result<T, SdkError<E, Response>>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let answer = called::answer(operation, request).await;
        let is_silent = |error: &AwsError| {
            let silences = |cause: Cause| matches!(cause, Cause::Unreachable | Cause::Timeout | Cause::NoEndpoint(_));
            error.cause.is_some_and(silences)
        };
        let was_sent = !answer.as_ref().is_err_and(|error| error.class == ErrorClass::NotOurs);
        // A network may let through what migrating takes and nothing else: that another service is silent is said where it matters.
        let is_beside = operation.bucket().is_some_and(Bucket::is_beside);
        if was_sent && !is_beside {
            let is_answered = !answer.as_ref().is_err_and(is_silent);
            self.limits.limiter.heard(is_answered);
            self.shared.metrics.heard(is_answered, self.shared.clock.system_time());
        }
        answer.map_err(|mut error| {
            if error.class == ErrorClass::Throttled {
                error.retry_after = operation.bucket().map(|b| self.limits.limiter.delay(b));
            }
            if error.is(Cause::Timeout) && is_long_read(operation) {
                error.limit = Some(self.shared.reads.limit);
            }
            error
        })
    }
}

fn no_room(operation: Operation, wait: Duration) -> AwsError {
    AwsError {
        retry_after: Some(wait),
        ..AwsError::new(operation, ErrorClass::Throttled, Some(Cause::NoRoom))
    }
}

/// Whether a call reads images, snapshots, or what launches images, which [`Session::ec2_reads`] gives AWS long for.
fn is_long_read(operation: Operation) -> bool {
    matches!(
        operation.bucket(),
        Some(Bucket::Read | Bucket::Snapshots | Bucket::Consumers)
    )
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
