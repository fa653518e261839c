//! What the answers and faults of the SDK mean, as an [`AwsError`].
//!
//! Errors are told apart by AWS's codes. AWS's own text leaves this file to a debug log, and made [stable](sentence::stable)
//! where there are no better words: it carries request IDs, and a message that changes from one try to the next makes a
//! status that never rests.

use std::error::Error as StdError;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::endpoint::{self, Unresolved};
use super::operations::Unlisted;
use super::sentence;
use super::xml::Broken;
use crate::domain::{AwsError, Cause, ErrorClass, Operation};

impl AwsError {
    /// What an answer of AWS means.
    pub(super) fn answered(operation: Operation, code: Option<&str>, message: Option<&str>, status: u16) -> Self {
        let message = message.unwrap_or_default();
        tracing::debug!(
            operation = operation.action(),
            code,
            message,
            status,
            "AWS refused a call"
        );
        let (class, cause) = classify(operation, code.unwrap_or_default(), message, status);
        let action = (class == ErrorClass::Denied)
            .then(|| refused_action(message))
            .flatten()
            .filter(|action| *action != operation.action());
        let code = code.filter(|code| is_code(code));
        let is_explained = class == ErrorClass::Denied && is_of_inspector(operation, message);
        let speaks = cause.is_none() && (is_explained || has_no_words(class, code.unwrap_or_default()));
        Self {
            said: speaks.then(|| sentence::stable(message)).flatten(),
            code: code.map(Into::into),
            action: action.map(Into::into),
            ..Self::new(operation, class, cause)
        }
    }

    /// What an error of the SDK means.
    pub(super) fn from_sdk<E>(operation: Operation, error: &SdkError<E, Response>) -> Self
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
        tracing::debug!(operation = operation.action(), error = %Chain(error), "a call failed before AWS answered");
        if let Some(inner) = find::<AwsError>(error) {
            // Raised by our own interceptor or credentials provider; it knows better.
            return inner.clone();
        }
        if find::<Unlisted>(error).is_some() {
            return Self::new(operation, ErrorClass::Invalid, None);
        }
        let of = |class, cause| Self::new(operation, class, Some(cause));
        if find::<Broken>(error).is_some() {
            return of(ErrorClass::Transient, Cause::MalformedAnswer);
        }
        if let Some(unresolved) = find::<Unresolved>(error) {
            return of(ErrorClass::Transient, Cause::NoEndpoint(unresolved.endpoints));
        }
        if let Some(endpoints) = chain(error).find_map(endpoint::refused) {
            return of(ErrorClass::Invalid, Cause::NoEndpoint(endpoints));
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
    pub(super) fn malformed(operation: Operation, what: &dyn fmt::Display) -> Self {
        tracing::debug!(operation = operation.action(), %what, "AWS sent a malformed answer");
        Self::new(operation, ErrorClass::Invalid, Some(Cause::MalformedAnswer))
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
        ("ResourceNotFoundException", "", NotFound, None),
        ("InvalidLaunchTemplateId.NotFound", "", NotFound, None),
        ("InvalidLaunchTemplateId.VersionNotFound", "", NotFound, None),
        ("InvalidLaunchTemplateName.NotFoundException", "", NotFound, None),
        ("ParameterNotFound", "", NotFound, None),
        ("ParameterVersionNotFound", "", NotFound, None),
        // Of an organizational unit.
        ("ParentNotFoundException", "", NotFound, None),
        // Of a parameter that is not there, where its tags are asked for.
        ("InvalidResourceId", "", NotFound, None),
        // Of a queue, by its name in JSON and by the one that SQS had before.
        ("QueueDoesNotExist", "", NotFound, None),
        ("AWS.SimpleQueueService.NonExistentQueue", "", NotFound, None),
        ("RequestLimitExceeded", "", Throttled, None),
        ("Throttling", "", Throttled, None),
        ("ThrottlingException", "", Throttled, None),
        ("ThrottledException", "", Throttled, None),
        ("EC2ThrottledException", "", Throttled, None),
        ("RequestThrottled", "", Throttled, None),
        ("RequestThrottledException", "", Throttled, None),
        ("TooManyRequestsException", "", Throttled, None),
        ("CallRateLimitExceededException", "", Throttled, None),
        ("BandwidthLimitExceeded", "", Throttled, None),
        ("SlowDown", "", Throttled, None),
        ("PriorRequestNotComplete", "", Throttled, None),
        ("UnauthorizedOperation", "", Denied, None),
        ("AccessDenied", "", Denied, None),
        ("AccessDeniedException", "", Denied, None),
        ("OperationNotPermitted", "", Denied, None),
        ("Blocked", "", Denied, Some(AccountNotReady)),
        ("PendingVerification", "", Denied, Some(AccountNotReady)),
        // Of somebody else, and not shared.
        (
            "AuthFailure",
            "ot authorized for image",
            Denied,
            Some(NotAuthorizedForImage),
        ),
        (
            "AuthFailure",
            "ot authorized for snapshot",
            Denied,
            Some(NotAuthorizedForImage),
        ),
        ("AuthFailure", "do not own", Denied, Some(NotAuthorizedForImage)),
        ("AuthFailure", "does not own", Denied, Some(NotAuthorizedForImage)),
        ("AuthFailure", "ignature", Denied, Some(ClockSkew)),
        ("AuthFailure", "", Denied, Some(RegionNotEnabled)),
        ("InvalidClientTokenId", "", Denied, Some(RegionNotEnabled)),
        ("UnrecognizedClientException", "", Denied, Some(RegionNotEnabled)),
        ("OptInRequired", "region", Denied, Some(RegionNotEnabled)),
        ("OptInRequired", "", Denied, Some(AccountNotReady)),
        ("RegionDisabledException", "", Denied, Some(RegionNotEnabled)),
        ("RequestExpired", "", Denied, Some(CredentialsExpired)),
        ("ExpiredToken", "", Denied, Some(CredentialsExpired)),
        ("ExpiredTokenException", "", Denied, Some(CredentialsExpired)),
        ("RequestTimeTooSkewed", "", Denied, Some(ClockSkew)),
        ("RequestInTheFuture", "", Denied, Some(ClockSkew)),
        (
            "SignatureDoesNotMatch",
            "ignature not yet current",
            Denied,
            Some(ClockSkew),
        ),
        ("SignatureDoesNotMatch", "ignature expired", Denied, Some(ClockSkew)),
        ("SignatureDoesNotMatch", "", Denied, None),
        (
            "InvalidSignatureException",
            "ignature not yet current",
            Denied,
            Some(ClockSkew),
        ),
        ("InvalidSignatureException", "ignature expired", Denied, Some(ClockSkew)),
        ("InvalidSignatureException", "", Denied, None),
        ("PackedPolicyTooLarge", "", Invalid, Some(SessionPolicyTooLarge)),
        (
            "PackedPolicyTooLargeException",
            "",
            Invalid,
            Some(SessionPolicyTooLarge),
        ),
        // The limit on what runs at a time passes by itself; any other quota stays until a person acts.
        ("ResourceLimitExceeded", "copies in progress", Quota, Some(CopyLimit)),
        ("ResourceLimitExceeded", "oncurrent", Quota, Some(CopyLimit)),
        ("ResourceLimitExceeded", "", Quota, None),
        ("ConcurrentCopyLimitExceeded", "", Quota, Some(CopyLimit)),
        ("PendingSnapshotLimitExceeded", "", Quota, None),
        ("SnapshotLimitExceeded", "", Quota, None),
        ("ImageLimitExceeded", "", Quota, None),
        ("AMIQuotaExceeded", "", Quota, None),
        ("TagLimitExceeded", "", Quota, None),
        ("LimitExceededException", "", Quota, None),
        ("ServiceQuotaExceededException", "", Quota, None),
        ("ParameterLimitExceeded", "", Quota, None),
        ("VcpuLimitExceeded", "", Quota, None),
        ("InstanceLimitExceeded", "", Quota, None),
        ("InsufficientInstanceCapacity", "", Quota, None),
        ("InsufficientFreeAddressesInSubnet", "", Quota, None),
        ("IdempotentInstanceTerminated", "", Conflict, Some(InstanceTerminated)),
        ("IdempotentParameterMismatch", "", Conflict, Some(TokenReused)),
        ("InvalidAMIName.Duplicate", "", Conflict, Some(NameTaken)),
        ("InvalidSnapshot.InUse", "", Conflict, Some(SnapshotInUse)),
        ("ParameterAlreadyExists", "", Conflict, None),
        ("IncorrectState", "", Conflict, None),
        // An update of the group is under way, which takes a moment.
        ("ResourceContention", "", Transient, None),
        // Another on-demand scan of the image is under way, which a look shows.
        ("ConflictException", "", Transient, None),
        ("InstanceRefreshInProgress", "", Conflict, None),
        ("ActiveInstanceRefreshNotFound", "", Conflict, None),
        ("IrreversibleInstanceRefresh", "", Conflict, None),
        ("InvalidState", "", Conflict, None),
        ("ConcurrentTagAccess", "", Transient, None),
        ("TooManyUpdates", "", Transient, None),
        ("InternalError", "", Transient, None),
        ("InternalFailure", "", Transient, None),
        ("InternalServerException", "", Transient, None),
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
        // The account is in no organization.
        ("AWSOrganizationsNotInUseException", "", Invalid, None),
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
        ("ValidationException", "", Invalid, None),
        ("DryRunOperation", "", Invalid, None),
    ]
};

/// Class and cause by code; by the HTTP status for codes that are not in the table.
fn classify(operation: Operation, code: &str, message: &str, status: u16) -> (ErrorClass, Option<Cause>) {
    if operation == Operation::CopyImage && speaks_of_product_codes(code, message) {
        return (ErrorClass::Invalid, Some(Cause::ProductCode));
    }
    let known = CODES
        .iter()
        .find(|(c, fragment, ..)| *c == code && message.contains(fragment));
    match known {
        Some((.., ErrorClass::Denied, None)) if operation == Operation::AssumeRole => {
            (ErrorClass::Denied, Some(Cause::RoleNotAssumable))
        }
        Some((.., class, cause)) => (*class, *cause),
        // EC2 has a code of this form for each kind of thing.
        None if code.ends_with(".NotFound") => (ErrorClass::NotFound, None),
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
    const REFUSALS: [&str; 5] = [
        "InvalidRequest",
        "OptInRequired",
        "UnauthorizedOperation",
        "OperationNotPermitted",
        "UnsupportedOperation",
    ];
    const PHRASES: [&str; 4] = ["product code", "productcode", "billingproduct", "marketplace"];
    let message = message.to_lowercase();
    REFUSALS.contains(&code) && PHRASES.iter().any(|phrase| message.contains(phrase))
}

/// Whether this program can say of a refusal no more than what AWS has called it.
fn has_no_words(class: ErrorClass, code: &str) -> bool {
    // What the role or a key denies is named by its action.
    const BY_ACTION: [&str; 3] = ["UnauthorizedOperation", "AccessDenied", "AccessDeniedException"];
    match class {
        ErrorClass::Invalid | ErrorClass::Conflict | ErrorClass::Quota => true,
        ErrorClass::Denied => !BY_ACTION.contains(&code),
        _ => false,
    }
}

/// Whether Amazon Inspector refuses something for a reason of its own, as that an image belongs to another account: it has no other code
/// for that than for a right that is lacking, which is named by its action.
fn is_of_inspector(operation: Operation, message: &str) -> bool {
    operation.service() == "inspector2" && operation.writes() && refused_action(message).is_none()
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
    chain(error).find_map(|e| e.downcast_ref::<T>())
}

/// An error and its sources.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
