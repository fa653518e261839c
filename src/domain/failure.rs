//! What a failed call to AWS means: a class that decides what to do next, and a cause where rules must tell more apart.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::{Endpoints, Operation};

/// A failed call to AWS. Its text is short and the same every time, fit for a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// What to do about it.
    pub class: ErrorClass,
    /// Why, where callers must tell more apart than the class does.
    pub cause: Option<Cause>,
    /// AWS's error code, such as `InvalidAMIID.NotFound`.
    pub code: Option<Box<str>>,
    /// The call.
    pub operation: Operation,
    /// The action that was refused, where AWS named another one than the call: copying with tags needs `ec2:CreateTags` too.
    pub action: Option<Box<str>>,
    /// When the limiter has room again, for a throttled call.
    pub retry_after: Option<Duration>,
    /// How long AWS had to begin its answer, where `--aws-read-timeout` says so.
    pub limit: Option<Duration>,
    /// AWS's own sentence where this program has no better one: short, and without what differs from one try to the next.
    pub said: Option<Box<str>>,
    /// The host and port that was called, where nothing was heard of it.
    pub endpoint: Option<Box<str>>,
}

/// The classes of errors; each has one way to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// What the call names does not exist, or not yet.
    NotFound,
    /// Too many calls: wait for the limiter.
    Throttled,
    /// Not permitted: a person must act, so look again only now and then.
    Denied,
    /// A limit of the account is reached.
    Quota,
    /// The call itself is wrong, or its answer has no sense: repeating it changes nothing.
    Invalid,
    /// It contradicts the state that things are in.
    Conflict,
    /// A network fault, a time-out or a fault of AWS: try again.
    Transient,
    /// This replica does not hold the shard of the account and region, or the policy does not ask for it any more, so it must
    /// not write.
    NotOurs,
}

impl ErrorClass {
    /// The class as a metric label and a log field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "NotFound",
            Self::Throttled => "Throttled",
            Self::Denied => "Denied",
            Self::Quota => "Quota",
            Self::Invalid => "Invalid",
            Self::Conflict => "Conflict",
            Self::Transient => "Transient",
            Self::NotOurs => "NotOurs",
        }
    }
}

/// Causes that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The image carries product codes that must not be copied.
    ProductCode,
    /// The image's snapshots belong to another account and are not shared.
    SnapshotNotShared,
    /// The image or snapshot is not this account's to use.
    NotAuthorizedForImage,
    /// AWS does not serve the account: it is not subscribed, not verified yet, or blocked.
    AccountNotReady,
    /// The client token was used before with other parameters.
    TokenReused,
    /// Another image of the account and region has this name, or had it until lately.
    NameTaken,
    /// The instance that the client token has launched is terminated.
    InstanceTerminated,
    /// Too many snapshot copies are in flight.
    CopyLimit,
    /// No such image.
    ImageNotFound,
    /// The image was deregistered, or is not available.
    ImageUnavailable,
    /// The image is not in state `failed`, so it is not removed.
    ImageNotFailed,
    /// The snapshot backs an image.
    SnapshotInUse,
    /// The role does not trust the controller, or asks for another external ID.
    RoleNotAssumable,
    /// The role does not let the controller tag its sessions.
    SessionTagsDenied,
    /// Role and session policy together are too large for AWS.
    SessionPolicyTooLarge,
    /// The region is not enabled in the account, or credentials are not valid there.
    RegionNotEnabled,
    /// The credentials have expired.
    CredentialsExpired,
    /// This machine's clock is off.
    ClockSkew,
    /// The credentials belong to another account than the policy names.
    WrongAccount,
    /// The controller has no credentials of its own.
    NoCredentials,
    /// The call would go beyond amiseal's own share of AWS's limits now.
    NoRoom,
    /// The policy does not ask for it any more: it was suspended, turned to Audit or deleted.
    Withdrawn,
    /// The policy or its target is deleted.
    Deleted,
    /// The API server has not been heard of for so long that the policy may not ask for it any more.
    Blind,
    /// A writing call in a session that only reads.
    ReadOnlySession,
    /// AWS could not be reached.
    Unreachable,
    /// AWS has no such endpoint, as far as can be told here.
    NoEndpoint(Endpoints),
    /// No answer in time.
    Timeout,
    /// An answer that makes no sense.
    MalformedAnswer,
}

impl AwsError {
    /// An error of which nothing else is known.
    pub(crate) fn new(operation: Operation, class: ErrorClass, cause: Option<Cause>) -> Self {
        Self {
            class,
            cause,
            code: None,
            operation,
            action: None,
            retry_after: None,
            limit: None,
            said: None,
            endpoint: None,
        }
    }

    /// Whether the call failed for this cause.
    pub fn is(&self, cause: Cause) -> bool {
        self.cause == Some(cause)
    }

    /// Whether a quota of the account is used up, which stays so until a person has acted. Limits on what runs at a time are
    /// not meant: they pass.
    pub fn is_used_up(&self) -> bool {
        self.class == ErrorClass::Quota && !self.is(Cause::CopyLimit)
    }

    /// Whether what is used up is a quota of one resource, and not of the whole account and region.
    pub fn is_of_resource(&self) -> bool {
        self.code.as_deref() == Some(TAG_LIMIT)
    }

    /// The action that a role needs for the call to be permitted.
    pub fn action(&self) -> &str {
        self.action.as_deref().unwrap_or(self.operation.action())
    }
}

/// AWS's code for more tags than a resource may have.
const TAG_LIMIT: &str = "TagLimitExceeded";

/// The quotas that AWS names by a code: what they count, and what makes room.
const QUOTAS: [(&str, &str, &str); 10] = [
    (
        "SnapshotLimitExceeded",
        "the quota of snapshots in this region is used up",
        "delete snapshots that nothing needs, or have the quota raised in Service Quotas",
    ),
    (
        "PendingSnapshotLimitExceeded",
        "the quota of snapshots that are made at a time is used up",
        "wait for others, or have the quota raised in Service Quotas",
    ),
    (
        "ImageLimitExceeded",
        "the quota of images in this region is used up",
        "deregister images that nothing needs, or have the quota raised in Service Quotas",
    ),
    (
        "AMIQuotaExceeded",
        "the quota of images in this region is used up",
        "deregister images that nothing needs, or have the quota raised in Service Quotas",
    ),
    (
        "ParameterLimitExceeded",
        "this region has as many standard parameters as AWS allows, which are 10,000",
        "delete parameters that nothing needs",
    ),
    (
        "VcpuLimitExceeded",
        "the quota of vCPUs of this kind of instances is used up",
        "terminate instances that nothing needs, or have the quota raised in Service Quotas",
    ),
    (
        "InstanceLimitExceeded",
        "the quota of instances of this type is used up",
        "terminate instances that nothing needs, or have the quota raised in Service Quotas",
    ),
    (
        "InsufficientInstanceCapacity",
        "AWS has no capacity left for this instance type in the subnet's zone",
        "wait, or name another type or a subnet of another zone",
    ),
    (
        "InsufficientFreeAddressesInSubnet",
        "the subnet has no free address",
        "name another subnet, or free some of its addresses",
    ),
    (
        TAG_LIMIT,
        "an image or snapshot may have 50 tags",
        "ask for fewer in spec.copy.extraTags, or remove some of the original's",
    ),
];

impl AwsError {
    fn write_cause(&self, f: &mut fmt::Formatter<'_>, cause: Cause) -> fmt::Result {
        let operation = self.operation;
        let at = self.endpoint.as_ref().map(|endpoint| format!(" at {endpoint}"));
        let at = at.unwrap_or_default();
        match (cause, self.limit, &self.endpoint) {
            (Cause::Timeout, Some(limit), _) => write!(
                f,
                "{operation}: no answer from AWS{at} within {limit:?}; if AWS only takes long, raise --aws-read-timeout"
            ),
            (Cause::Timeout, None, _) => write!(f, "{operation}: no answer from AWS{at} in time"),
            (Cause::NoEndpoint(_), _, Some(endpoint)) => write!(f, "{operation}: {} ({endpoint})", cause.sentence()),
            _ => write!(f, "{operation}: {}{at}", cause.sentence()),
        }
    }

    fn write_quota(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation;
        let code = self.code.as_deref().unwrap_or_default();
        if let Some((_, what, fix)) = QUOTAS.iter().find(|(known, ..)| *known == code) {
            return write!(f, "{operation}: {what} ({code}); {fix}");
        }
        write!(f, "{operation}: a quota of the account is used up")?;
        match (code, &self.said) {
            ("", _) => {}
            (code, None) => write!(f, " ({code})")?,
            (code, Some(said)) => write!(f, " ({code}: {said})")?,
        }
        write!(f, "; have it raised in Service Quotas")
    }
}

impl Error for AwsError {}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation;
        if let Some(cause) = self.cause {
            return self.write_cause(f, cause);
        }
        match self.class {
            ErrorClass::Denied => match &self.said {
                Some(said) => write!(f, "{operation}: AWS refuses: {said}"),
                None => write!(f, "{operation}: not permitted; grant {} to the role", self.action()),
            },
            ErrorClass::NotFound => write!(f, "{operation}: not found"),
            ErrorClass::Throttled => write!(f, "{operation}: throttled by AWS"),
            ErrorClass::Quota => self.write_quota(f),
            ErrorClass::NotOurs => write!(
                f,
                "{operation}: not sent, as this replica does not hold the shard of the account and region"
            ),
            ErrorClass::Transient => write!(f, "{operation}: AWS failed; it is tried again"),
            ErrorClass::Invalid | ErrorClass::Conflict => match (&self.code, &self.said) {
                (Some(code), Some(said)) => write!(f, "{operation}: AWS refused with {code}: {said}"),
                (Some(code), None) => write!(f, "{operation}: AWS refused with {code}"),
                (None, _) => write!(f, "{operation}: the call could not be made"),
            },
        }
    }
}

impl Cause {
    fn sentence(self) -> &'static str {
        match self {
            Self::ProductCode => {
                "the image has a product code of another owner and cannot be copied; exempt it with spec.imageSelector.exclude"
            }
            Self::SnapshotNotShared => {
                "a snapshot of the image is not shared with this account; have it shared, or exempt the image with spec.imageSelector.exclude"
            }
            Self::NotAuthorizedForImage => {
                "AWS does not let this account use the image or one of its snapshots; have them shared, or exempt the image with spec.imageSelector.exclude"
            }
            Self::AccountNotReady => {
                "AWS does not serve the account: it is not subscribed to the service, not verified yet, or blocked; see the account in the AWS console"
            }
            Self::TokenReused => "the client token was used before with other parameters",
            Self::NameTaken => "another image has this name",
            Self::InstanceTerminated => "the instance of this client token is terminated already",
            Self::CopyLimit => "too many snapshot copies are in flight in this region",
            Self::ImageNotFound => "no such image",
            Self::ImageUnavailable => "the image is deregistered or not available",
            Self::ImageNotFailed => "the image has not failed, so it is kept",
            Self::SnapshotInUse => "an image still uses the snapshot",
            Self::RoleNotAssumable => {
                "the role cannot be assumed; check that it exists, whom it trusts, and its external ID"
            }
            Self::SessionTagsDenied => {
                "the role may not be assumed with session tags; allow sts:TagSession in its trust policy"
            }
            Self::SessionPolicyTooLarge => {
                "the session's policies and tags are too large; attach fewer policies to the role"
            }
            Self::RegionNotEnabled => {
                "the credentials are not valid here; enable the region in this account and in the controller's, and check the clock"
            }
            Self::CredentialsExpired => "the credentials have expired; renew them",
            Self::ClockSkew => "this machine's clock differs from AWS's; synchronize it",
            Self::WrongAccount => {
                "the credentials belong to another account than the policy names; correct the role or the account"
            }
            Self::NoCredentials => "the controller has no AWS credentials; give its service account a role",
            Self::NoRoom => "not sent yet, to stay within amiseal's share of AWS's limits",
            Self::Withdrawn => "not sent, as the policy does not ask for it any more",
            Self::Deleted => "not sent, as the policy is deleted",
            Self::Blind => "not sent, as the API server has been silent for too long",
            Self::ReadOnlySession => "not sent, this session only reads",
            Self::Unreachable => "AWS cannot be reached",
            Self::NoEndpoint(endpoints) => endpoints.missing(),
            Self::Timeout => "no answer from AWS in time",
            Self::MalformedAnswer => "the answer makes no sense",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_took_too_long_names_its_limit_and_the_option_that_raises_it() {
        let error = AwsError {
            class: ErrorClass::Transient,
            cause: Some(Cause::Timeout),
            code: None,
            operation: Operation::DescribeSnapshots,
            action: None,
            retry_after: None,
            limit: Some(Duration::from_secs(60)),
            said: None,
            endpoint: None,
        };
        let of_other = AwsError {
            operation: Operation::CopyImage,
            limit: None,
            ..error.clone()
        };
        assert_eq!(
            error.to_string(),
            "ec2:DescribeSnapshots: no answer from AWS within 60s; if AWS only takes long, raise --aws-read-timeout"
        );
        assert_eq!(of_other.to_string(), "ec2:CopyImage: no answer from AWS in time");
        let known = |error: &AwsError| AwsError {
            endpoint: Some("ec2.eu-west-1.amazonaws.com:443".into()),
            ..error.clone()
        };
        assert_eq!(
            known(&error).to_string(),
            "ec2:DescribeSnapshots: no answer from AWS at ec2.eu-west-1.amazonaws.com:443 within 60s; if AWS only takes long, raise \
             --aws-read-timeout"
        );
        assert_eq!(
            known(&of_other).to_string(),
            "ec2:CopyImage: no answer from AWS at ec2.eu-west-1.amazonaws.com:443 in time"
        );
    }
}
