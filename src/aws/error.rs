//! What a failed call means: a class that decides what to do next, and a cause where callers must tell more apart.
//!
//! Errors are told apart by AWS's codes. AWS's own text never leaves this file but to a debug log: it carries request IDs, and a
//! message that changes from one try to the next makes a status that never rests.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::whole::Broken;

/// A failed call to AWS. Its text is short and the same every time, fit for a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// What to do about it.
    pub class: ErrorClass,
    /// Why, where callers must tell more apart than the class does.
    pub cause: Option<Cause>,
    /// AWS's error code, such as `InvalidAMIID.NotFound`.
    pub code: Option<Box<str>>,
    /// The call, written as IAM writes it: `ec2:CopyImage`.
    pub operation: &'static str,
    /// The action that was refused, where AWS named another one than the call: copying with tags needs `ec2:CreateTags` too.
    pub action: Option<Box<str>>,
    /// When the limiter has room again, for a throttled call.
    pub retry_after: Option<Duration>,
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
    /// This replica does not hold the slot of the account and region, so it must not write.
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
    /// The client token was used before with other parameters.
    TokenReused,
    /// Another image of the account and region has this name, or had it until lately.
    NameTaken,
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
    /// A writing call in a session that only reads.
    ReadOnlySession,
    /// AWS could not be reached.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// An answer that makes no sense.
    MalformedAnswer,
}

impl AwsError {
    pub(super) fn new(operation: &'static str, class: ErrorClass, cause: Option<Cause>) -> Self {
        Self {
            class,
            cause,
            code: None,
            operation,
            action: None,
            retry_after: None,
        }
    }

    /// Whether the call failed for this cause.
    pub fn is(&self, cause: Cause) -> bool {
        self.cause == Some(cause)
    }

    /// The action that a role needs for the call to be permitted.
    pub fn action(&self) -> &str {
        self.action.as_deref().unwrap_or(self.operation)
    }

    /// What an answer of AWS means.
    pub(super) fn answered(operation: &'static str, code: Option<&str>, message: Option<&str>, status: u16) -> Self {
        let message = message.unwrap_or_default();
        tracing::debug!(operation, code, message, status, "AWS did not do what it was asked");
        let (class, cause) = classify(operation, code.unwrap_or_default(), message, status);
        let action = (class == ErrorClass::Denied)
            .then(|| refused_action(message))
            .flatten()
            .filter(|action| *action != operation);
        Self {
            code: code.filter(|code| is_code(code)).map(Into::into),
            action: action.map(Into::into),
            ..Self::new(operation, class, cause)
        }
    }

    /// What an error of the SDK means.
    pub(super) fn from_sdk<E>(operation: &'static str, error: &SdkError<E, Response>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        if let SdkError::ServiceError(refused) = error {
            let meta = refused.err().meta();
            let status = refused.raw().status().as_u16();
            if status < 400 {
                // AWS agreed, but the SDK cannot read how: cut short on the way, most likely.
                let cause = Some(Cause::MalformedAnswer);
                return Self::new(operation, ErrorClass::Transient, cause);
            }
            return Self::answered(operation, meta.code(), meta.message(), status);
        }
        // Only the texts: the errors themselves hold whole answers, and those of STS hold credentials.
        tracing::debug!(operation, error = %Chain(error), "a call did not get through");
        if let Some(inner) = find::<AwsError>(error) {
            // Raised by our own interceptor or credentials provider; it knows better.
            return inner.clone();
        }
        let of = |class, cause| Self::new(operation, class, Some(cause));
        if find::<Broken>(error).is_some() {
            return of(ErrorClass::Transient, Cause::MalformedAnswer);
        }
        match find::<CredentialsError>(error) {
            Some(CredentialsError::CredentialsNotLoaded(_)) => {
                return of(ErrorClass::Denied, Cause::NoCredentials);
            }
            Some(CredentialsError::InvalidConfiguration(_)) => {
                return of(ErrorClass::Invalid, Cause::NoCredentials);
            }
            Some(CredentialsError::ProviderTimedOut(_)) => {
                return of(ErrorClass::Transient, Cause::Timeout);
            }
            _ => {}
        }
        match error {
            SdkError::TimeoutError(_) => of(ErrorClass::Transient, Cause::Timeout),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => of(ErrorClass::Transient, Cause::Timeout),
            SdkError::DispatchFailure(_) => of(ErrorClass::Transient, Cause::Unreachable),
            SdkError::ResponseError(_) => of(ErrorClass::Transient, Cause::MalformedAnswer),
            _ => Self::new(operation, ErrorClass::Invalid, None),
        }
    }

    /// An answer that lacks what it must have.
    pub(super) fn malformed(operation: &'static str, what: &dyn fmt::Display) -> Self {
        tracing::debug!(operation, %what, "AWS sent an answer that makes no sense");
        Self::new(operation, ErrorClass::Invalid, Some(Cause::MalformedAnswer))
    }
}

impl StdError for AwsError {}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.operation;
        if let Some(cause) = self.cause {
            return write!(f, "{operation}: {}", cause.sentence());
        }
        match self.class {
            ErrorClass::Denied => {
                write!(f, "{operation}: not permitted; allow {} to the role", self.action())
            }
            ErrorClass::NotFound => write!(f, "{operation}: not found"),
            ErrorClass::Throttled => write!(f, "{operation}: throttled by AWS"),
            ErrorClass::Quota => write!(f, "{operation}: a limit of the account is reached"),
            ErrorClass::NotOurs => write!(
                f,
                "{operation}: not sent, as this replica does not hold the slot of the account and region"
            ),
            ErrorClass::Transient => write!(f, "{operation}: AWS failed; it is tried again"),
            ErrorClass::Invalid | ErrorClass::Conflict => match &self.code {
                Some(code) => write!(f, "{operation}: AWS refused with {code}"),
                None => write!(f, "{operation}: the call could not be made"),
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
            Self::TokenReused => "the client token was used before with other parameters",
            Self::NameTaken => "another image has this name",
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
            Self::ReadOnlySession => "not sent, this session only reads",
            Self::Unreachable => "AWS cannot be reached",
            Self::Timeout => "no answer from AWS in time",
            Self::MalformedAnswer => "the answer makes no sense",
        }
    }
}

/// What AWS's codes mean. The first entry that fits decides; an empty fragment fits every message.
///
/// AWS has no list of its codes by meaning: EC2's are from its API error code reference, the others from the services' models.
const CODES: &[(&str, &str, ErrorClass, Option<Cause>)] = {
    use Cause::*;
    use ErrorClass::*;
    &[
        // One code for several things: only the text tells them apart.
        (
            "InvalidRequest",
            "permission to access the storage of this ami",
            Denied,
            Some(SnapshotNotShared),
        ),
        (
            "UnauthorizedOperation",
            "permission to access the storage of this ami",
            Denied,
            Some(SnapshotNotShared),
        ),
        ("AccessDenied", "sts:TagSession", Denied, Some(SessionTagsDenied)),
        ("InvalidAMIID.NotFound", "", NotFound, Some(ImageNotFound)),
        ("InvalidAMIID.Unavailable", "", NotFound, Some(ImageUnavailable)),
        ("InvalidSnapshot.NotFound", "", NotFound, None),
        ("NotFoundException", "", NotFound, None),
        ("RequestLimitExceeded", "", Throttled, None),
        ("Throttling", "", Throttled, None),
        ("ThrottlingException", "", Throttled, None),
        ("ThrottledException", "", Throttled, None),
        ("EC2ThrottledException", "", Throttled, None),
        ("RequestThrottled", "", Throttled, None),
        ("RequestThrottledException", "", Throttled, None),
        ("TooManyRequestsException", "", Throttled, None),
        ("BandwidthLimitExceeded", "", Throttled, None),
        ("SlowDown", "", Throttled, None),
        ("PriorRequestNotComplete", "", Throttled, None),
        ("UnauthorizedOperation", "", Denied, None),
        ("AccessDenied", "", Denied, None),
        ("AccessDeniedException", "", Denied, None),
        ("OperationNotPermitted", "", Denied, None),
        ("Blocked", "", Denied, None),
        ("PendingVerification", "", Denied, None),
        ("AuthFailure", "", Denied, Some(RegionNotEnabled)),
        ("InvalidClientTokenId", "", Denied, Some(RegionNotEnabled)),
        ("UnrecognizedClientException", "", Denied, Some(RegionNotEnabled)),
        ("OptInRequired", "", Denied, Some(RegionNotEnabled)),
        ("RegionDisabledException", "", Denied, Some(RegionNotEnabled)),
        ("RequestExpired", "", Denied, Some(CredentialsExpired)),
        ("ExpiredToken", "", Denied, Some(CredentialsExpired)),
        ("ExpiredTokenException", "", Denied, Some(CredentialsExpired)),
        ("RequestTimeTooSkewed", "", Denied, Some(ClockSkew)),
        ("RequestInTheFuture", "", Denied, Some(ClockSkew)),
        ("SignatureDoesNotMatch", "", Denied, None),
        ("InvalidSignatureException", "", Denied, None),
        ("PackedPolicyTooLarge", "", Invalid, Some(SessionPolicyTooLarge)),
        (
            "PackedPolicyTooLargeException",
            "",
            Invalid,
            Some(SessionPolicyTooLarge),
        ),
        ("ResourceLimitExceeded", "", Quota, Some(CopyLimit)),
        ("ConcurrentCopyLimitExceeded", "", Quota, Some(CopyLimit)),
        ("PendingSnapshotLimitExceeded", "", Quota, None),
        ("SnapshotLimitExceeded", "", Quota, None),
        ("ImageLimitExceeded", "", Quota, None),
        ("AMIQuotaExceeded", "", Quota, None),
        ("TagLimitExceeded", "", Quota, None),
        ("LimitExceededException", "", Quota, None),
        ("IdempotentParameterMismatch", "", Conflict, Some(TokenReused)),
        ("InvalidAMIName.Duplicate", "", Conflict, Some(NameTaken)),
        ("InvalidSnapshot.InUse", "", Conflict, Some(SnapshotInUse)),
        ("IncorrectState", "", Conflict, None),
        ("InvalidState", "", Conflict, None),
        ("ConcurrentTagAccess", "", Transient, None),
        ("InternalError", "", Transient, None),
        ("InternalFailure", "", Transient, None),
        ("ServerInternal", "", Transient, None),
        ("ServiceUnavailable", "", Transient, None),
        ("Unavailable", "", Transient, None),
        ("RequestTimeout", "", Transient, None),
        ("RequestTimeoutException", "", Transient, None),
        ("IDPCommunicationError", "", Transient, None),
        ("DependencyTimeoutException", "", Transient, None),
        ("KMSInternalException", "", Transient, None),
        ("KmsInternalException", "", Transient, None),
        ("InvalidAMIID.Malformed", "", Invalid, None),
        ("InvalidArnException", "", Invalid, None),
        ("InvalidRequest", "", Invalid, None),
        ("InvalidParameter", "", Invalid, None),
        ("InvalidParameterValue", "", Invalid, None),
        ("InvalidParameterCombination", "", Invalid, None),
        ("InvalidPaginationToken", "", Invalid, None),
        ("MissingParameter", "", Invalid, None),
        ("UnknownParameter", "", Invalid, None),
        ("MalformedPolicyDocument", "", Invalid, None),
        ("UnsupportedOperation", "", Invalid, None),
        ("ValidationError", "", Invalid, None),
        ("DryRunOperation", "", Invalid, None),
    ]
};

/// Class and cause by code; by the HTTP status for codes that are not in the table.
fn classify(operation: &str, code: &str, message: &str, status: u16) -> (ErrorClass, Option<Cause>) {
    if operation == "ec2:CopyImage" && speaks_of_product_codes(code, message) {
        return (ErrorClass::Invalid, Some(Cause::ProductCode));
    }
    let known = CODES
        .iter()
        .find(|(c, fragment, ..)| *c == code && message.contains(fragment));
    match known {
        Some((.., ErrorClass::Denied, None)) if operation == "sts:AssumeRole" => {
            (ErrorClass::Denied, Some(Cause::RoleNotAssumable))
        }
        Some((.., class, cause)) => (*class, *cause),
        None => match status {
            404 => (ErrorClass::NotFound, None),
            429 => (ErrorClass::Throttled, None),
            401 | 403 => (ErrorClass::Denied, None),
            400..=499 => (ErrorClass::Invalid, None),
            _ => (ErrorClass::Transient, None),
        },
    }
}

/// AWS refuses to copy images with billing or Marketplace codes under codes that mean other things too, so its text decides.
fn speaks_of_product_codes(code: &str, message: &str) -> bool {
    const REFUSALS: [&str; 4] = [
        "InvalidRequest",
        "UnauthorizedOperation",
        "OperationNotPermitted",
        "UnsupportedOperation",
    ];
    const PHRASES: [&str; 4] = ["product code", "productcode", "billingproduct", "marketplace"];
    let message = message.to_lowercase();
    REFUSALS.contains(&code) && PHRASES.iter().any(|phrase| message.contains(phrase))
}

/// The action in «… is not authorized to perform: ec2:CreateTags on resource: …».
fn refused_action(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("is not authorized to perform: ")?;
    let action = rest.split_whitespace().next()?;
    let (service, name) = action.split_once(':')?;
    let fits = action.len() <= 64
        && !name.is_empty()
        && !service.is_empty()
        && service
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && name.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then_some(action)
}

/// Whether `code` looks like an AWS code: it goes into messages, and the other end may be anything.
fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
}

/// The code as a metric label: those that are known keep their name, all others share one.
pub(super) fn code_label(code: &str) -> &'static str {
    CODES
        .iter()
        .find(|(known, ..)| *known == code)
        .map_or("Other", |(known, ..)| known)
}

/// Whether a code says that there were too many calls.
pub(super) fn is_throttling(code: &str) -> bool {
    CODES
        .iter()
        .any(|(known, _, class, _)| *known == code && *class == ErrorClass::Throttled)
}

/// The texts of an error and its sources.
struct Chain<'a>(&'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let sources = std::iter::successors(self.0.source(), |&error| error.source());
        sources.into_iter().try_for_each(|error| write!(f, ": {error}"))
    }
}

/// Looks for an error of type `T` among an error and its sources.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|e| e.downcast_ref::<T>())
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
