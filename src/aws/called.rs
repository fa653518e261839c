//! Which host a call went to, as people have to know it who let amiseal through to AWS. The SDK keeps nothing of it where a call fails for
//! want of time, so the transport notes it for the task that makes the call.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::task_local;
use url::Url;

use crate::domain::{AwsError, Cause, ErrorClass, Operation};

task_local! {
    static CALLED: Called;
}

/// The host and port that was called last. Calls within others, as for credentials, share it: whichever is silent is the last one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Called(Arc<Mutex<Option<Box<str>>>>);

impl Called {
    /// Notes where the calls go that `calls` makes.
    pub(crate) async fn note<F: Future>(&self, calls: F) -> F::Output {
        CALLED.scope(self.clone(), calls).await
    }

    /// The host and port, once something was called.
    pub(crate) fn host(&self) -> Option<Box<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Notes where a request goes.
pub(super) fn goes_to(url: Option<&Url>) {
    let Some((host, port)) = url.and_then(|url| Some((url.host_str()?, url.port_or_known_default()?))) else {
        return;
    };
    // Nobody asks for it where a call is made outside of `answer`.
    let _ = CALLED.try_with(|called| {
        *called.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{host}:{port}").into());
    });
}

/// The answer to a call, or what its failure means.
pub(super) async fn answer<T, E>(
    operation: Operation,
    request: impl Future<Output = Result<T, SdkError<E, Response>>>,
) -> Result<T, AwsError>
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    let called = CALLED.try_with(Called::clone).unwrap_or_default();
    let answer = called.note(request).await;
    answer.map_err(|error| {
        let mut error = AwsError::from_sdk(operation, &error);
        if is_silent(&error) && error.endpoint.is_none() {
            error.endpoint = called.host();
        }
        error
    })
}

/// Whether nothing was heard of the endpoint that was called. An endpoint that the SDK does not make up was not called.
fn is_silent(error: &AwsError) -> bool {
    let silent = matches!(
        error.cause,
        Some(Cause::Unreachable | Cause::Timeout | Cause::NoEndpoint(_))
    );
    silent && error.class == ErrorClass::Transient
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{
        ACCOUNT, Answer, REGION, Request, Wire, assumed, bench, bench_with, identity, open, role,
    };
    use super::super::{Access, AwsOptions};
    use super::*;
    use crate::domain::Endpoints;

    fn unreachable(of: &'static str) -> Wire {
        Wire::raw(move |request: &Request| match request.call.as_str() {
            call if call == of => Answer::Unreachable,
            "sts:AssumeRole" => Answer::ok(assumed()),
            "sts:GetCallerIdentity" => Answer::ok(identity(ACCOUNT)),
            "ec2:DescribeImages" => Answer::ok("<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>"),
            _ => Answer::ok("<DescribeSnapshotsResponse><snapshotSet/></DescribeSnapshotsResponse>"),
        })
    }

    /// What is said where reading images fails.
    async fn said(wire: Wire, set: impl FnOnce(&mut AwsOptions)) -> String {
        let bench = bench_with(&wire, open(), |options| {
            options.endpoint_url = None;
            set(options);
        })
        .await;
        let session = bench.aws.session(&role(Access::ReadOnly));
        session.scan().await.expect_err("no answer").to_string()
    }

    #[tokio::test]
    async fn what_does_not_answer_is_told_by_its_host_and_port() {
        let sts = format!("AWS cannot be reached at sts.{REGION}.amazonaws.com:443");
        for call in ["sts:AssumeRole", "sts:GetCallerIdentity"] {
            assert_eq!(said(unreachable(call), |_| {}).await, format!("{call}: {sts}"));
        }
        for call in ["ec2:DescribeImages", "ec2:DescribeSnapshots"] {
            let expected = format!("{call}: AWS cannot be reached at ec2.{REGION}.amazonaws.com:443");
            assert_eq!(said(unreachable(call), |_| {}).await, expected);
        }
        let own = said(unreachable("sts:AssumeRole"), |options| {
            options.endpoint_url = Some("http://127.0.0.1:4566/aws".to_owned());
        });
        assert_eq!(own.await, "sts:AssumeRole: AWS cannot be reached at 127.0.0.1:4566");
    }

    #[tokio::test]
    async fn so_is_what_is_given_up_for_want_of_time_and_a_name_that_does_not_resolve() {
        // The SDK itself gives up the whole call, and says nothing of where it went.
        let late = said(Wire::raw(|_| Answer::Never), |options| {
            options.attempt_timeout = Duration::from_secs(5);
            options.operation_timeout = Duration::from_millis(200);
        });
        let expected = format!("no answer from AWS at sts.{REGION}.amazonaws.com:443 in time");
        let late = late.await;
        assert!(late.ends_with(&expected), "{late}");
        let unresolved = said(Wire::raw(|_| Answer::Unresolved), |options| {
            options.endpoints = Endpoints {
                fips: true,
                dual_stack: false,
            };
        });
        let unresolved = unresolved.await;
        let host = format!("(sts-fips.{REGION}.amazonaws.com:443)");
        assert!(unresolved.ends_with(&host), "{unresolved}");
    }

    #[tokio::test]
    async fn whoever_gives_up_earlier_knows_what_was_called() {
        let bench = bench(&Wire::raw(|_| Answer::Never), open()).await;
        let region = REGION.parse().expect("a region");
        let called = Called::default();
        assert_eq!(called.host(), None);
        let asked = called.note(bench.aws.caller(&region));
        let asked = tokio::time::timeout(Duration::from_millis(100), asked).await;
        assert!(asked.is_err(), "it takes longer");
        assert_eq!(called.host().as_deref(), Some("127.0.0.1:9"));
    }
}
