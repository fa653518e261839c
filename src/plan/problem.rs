//! What a failed call leads to: what the status says, and when to try again.

use std::time::Duration;

use super::obstacle::Problem;
use crate::api::conditions::reason;
use crate::domain::{AwsError, Cause, ErrorClass};

/// After a refusal that most likely needs a person.
const DENIED: Duration = Duration::from_secs(600);
/// The longest wait after AWS refused something for the image's own sake: there may be a thousand images like it, and a call
/// for each takes the place of one that would be of use.
const REFUSED: Duration = Duration::from_secs(2 * 3600);
/// After AWS said that too many snapshots are being copied.
const COPY_LIMIT: Duration = Duration::from_secs(120);
/// The first and the longest wait after a fault that passes by itself.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));
/// The longest wait after AWS said that there are too many calls: what else we send is slowed down by the limiter already.
const THROTTLED: Duration = Duration::from_secs(60);

/// What to say of an error, if it is anything that a person should know of.
pub fn of_error(error: &AwsError) -> Problem {
    let reason = match error.cause {
        Some(Cause::ProductCode) => reason::PRODUCT_CODE_NOT_COPYABLE,
        Some(Cause::SnapshotNotShared | Cause::NotAuthorizedForImage) => reason::SNAPSHOT_NOT_SHARED,
        Some(
            Cause::RoleNotAssumable | Cause::SessionTagsDenied | Cause::SessionPolicyTooLarge | Cause::NoCredentials,
        ) => reason::ROLE_NOT_ASSUMABLE,
        Some(Cause::WrongAccount) => reason::WRONG_ACCOUNT,
        Some(Cause::AccountNotReady) => reason::ACCOUNT_NOT_READY,
        Some(Cause::RegionNotEnabled) => reason::REGION_NOT_ENABLED,
        Some(Cause::Unreachable | Cause::Timeout | Cause::NoEndpoint(_)) => reason::ENDPOINT_UNREACHABLE,
        _ => match error.class {
            ErrorClass::Denied => reason::ACCESS_DENIED,
            ErrorClass::Throttled => reason::THROTTLED,
            ErrorClass::Quota => reason::QUOTA_EXCEEDED,
            ErrorClass::Transient | ErrorClass::NotOurs => reason::TRANSIENT_ERROR,
            ErrorClass::Invalid | ErrorClass::NotFound | ErrorClass::Conflict => reason::INVALID_REQUEST,
        },
    };
    Problem::new(reason, format!("{error}."))
}

/// What to say where the key `key` could not be read; it is named as the policy names it.
pub fn of_key_error(error: &AwsError, key: &str) -> Problem {
    let problem = of_error(error);
    let action = error.action();
    if problem.reason != reason::ACCESS_DENIED || error.said.is_some() || error.cause.is_some() {
        return problem;
    }
    let message = format!(
        "KMS denies {action} on the key {key}: grant {action} to the role, and see that the key's own policy lets the \
         account use it."
    );
    Problem::new(reason::ACCESS_DENIED, message)
}

/// What to say where AWS refuses to launch an instance from a copy.
pub fn of_launch(error: &AwsError) -> String {
    const FIELDS: [(&str, &str); 6] = [
        ("InvalidSubnet", "subnetID"),
        ("InvalidGroup", "securityGroupIDs"),
        ("InvalidSecurityGroup", "securityGroupIDs"),
        ("InvalidInstanceType", "instanceType"),
        ("InvalidParameterCombination", "instanceType"),
        ("Unsupported", "instanceType or subnetID"),
    ];
    let code = error.code.as_deref().unwrap_or_default();
    match FIELDS.iter().find(|(beginning, _)| code.starts_with(beginning)) {
        Some((_, field)) => format!("{error} ({code}): correct validation.launch.{field}."),
        None => format!("{error}."),
    }
}

/// What to say where AWS refuses to start an on-demand scan of a copy.
pub fn of_scan(error: &AwsError) -> String {
    // A right that is lacking, and what is used up, is named with its fix.
    let is_mended = error.class == ErrorClass::Quota || error.class == ErrorClass::Denied && error.said.is_none();
    let fix = if is_mended {
        ""
    } else {
        ". See that the role may ask for on-demand scans and that Amazon Inspector scans images in this account and region, or set \
         validation.inspector.scan: Continuous"
    };
    format!("Amazon Inspector does not start a scan of the copy ({error}){fix}.")
}

/// Whether a person has to act before the call can succeed.
pub fn needs_a_person(error: &AwsError) -> bool {
    matches!(
        error.class,
        ErrorClass::Denied | ErrorClass::Invalid | ErrorClass::NotFound | ErrorClass::Conflict
    ) || error.is_used_up()
}

/// Whether the same call may be answered another time, be it after a person has acted.
pub fn may_be_answered(error: &AwsError) -> bool {
    matches!(
        error.class,
        ErrorClass::Denied | ErrorClass::Throttled | ErrorClass::Transient | ErrorClass::NotOurs
    )
}

/// When to try again after the `failures`th failure in a row.
pub fn retry_after(error: &AwsError, failures: u32) -> Duration {
    let doubled = BACKOFF.0.saturating_mul(1 << failures.saturating_sub(1).min(8));
    match error.class {
        ErrorClass::Throttled => doubled.min(THROTTLED).max(error.retry_after.unwrap_or_default()),
        // The next call takes new ones.
        ErrorClass::Denied if error.is(Cause::CredentialsExpired) => doubled.min(BACKOFF.1),
        ErrorClass::Quota if error.is(Cause::CopyLimit) => COPY_LIMIT,
        ErrorClass::Denied | ErrorClass::Quota | ErrorClass::Invalid => DENIED,
        ErrorClass::Transient | ErrorClass::NotFound | ErrorClass::Conflict | ErrorClass::NotOurs => {
            doubled.min(BACKOFF.1)
        }
    }
}

/// When to ask again for something of one image, its copy for example, after the `failures`th failure in a row.
///
/// What is refused for the image's own sake is asked for less and less often.
pub fn retry_image_after(error: &AwsError, failures: u32) -> Duration {
    let of_image = error.class == ErrorClass::Invalid
        || error.is(Cause::SnapshotNotShared)
        || error.is(Cause::NotAuthorizedForImage);
    if of_image {
        DENIED
            .saturating_mul(1 << failures.saturating_sub(1).min(8))
            .min(REFUSED)
    } else {
        retry_after(error, failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Operation;

    fn error(class: ErrorClass, cause: Option<Cause>, retry_after: Option<Duration>) -> AwsError {
        AwsError {
            class,
            cause,
            code: None,
            operation: Operation::CopyImage,
            action: None,
            retry_after,
            limit: None,
            said: None,
            endpoint: None,
        }
    }

    #[test]
    fn a_key_that_cannot_be_read_is_named_and_so_is_its_own_policy() {
        let denied = AwsError {
            operation: Operation::DescribeKey,
            ..error(ErrorClass::Denied, None, None)
        };
        let problem = of_key_error(&denied, "alias/ami");
        assert_eq!(problem.reason, reason::ACCESS_DENIED);
        for words in [
            "the key alias/ami",
            "grant kms:DescribeKey to the role",
            "key's own policy",
        ] {
            assert!(problem.message.contains(words), "{}", problem.message);
        }
        let expired = error(ErrorClass::Denied, Some(Cause::CredentialsExpired), None);
        assert_eq!(of_key_error(&expired, "alias/ami"), of_error(&expired));
    }

    #[test]
    fn a_scan_that_is_refused_is_said_in_the_words_of_aws_and_with_the_fix() {
        let refused = |class, said: Option<&str>| AwsError {
            operation: Operation::StartOnDemandScan,
            said: said.map(Into::into),
            ..error(class, None, None)
        };
        let table = [
            (
                refused(ErrorClass::Denied, None),
                &["not permitted; grant inspector2:StartOnDemandScan to the role"][..],
            ),
            (
                refused(ErrorClass::Denied, Some("The resource … belongs to another account")),
                &["belongs to another account", "validation.inspector.scan: Continuous"],
            ),
            (refused(ErrorClass::Quota, None), &["have it raised in Service Quotas"]),
        ];
        for (error, words) in table {
            assert!(needs_a_person(&error));
            let said = of_scan(&error);
            assert!(
                said.starts_with("Amazon Inspector does not start a scan of the copy ("),
                "{said}"
            );
            assert!(
                said.ends_with('.') && words.iter().all(|words| said.contains(words)),
                "{said}"
            );
        }
    }

    #[test]
    fn a_quota_that_is_used_up_needs_a_person_and_a_limit_on_what_runs_at_a_time_passes() {
        let quota = |code: &str, cause| AwsError {
            code: Some(code.into()),
            ..error(ErrorClass::Quota, cause, None)
        };
        for code in [
            "SnapshotLimitExceeded",
            "ResourceLimitExceeded",
            "ImageLimitExceeded",
            "TagLimitExceeded",
        ] {
            let used_up = quota(code, None);
            assert!(needs_a_person(&used_up), "{code}");
            assert_eq!(of_error(&used_up).reason, reason::QUOTA_EXCEEDED);
            assert_eq!(retry_image_after(&used_up, 5), DENIED, "{code}");
            assert_eq!(used_up.is_of_resource(), code == "TagLimitExceeded");
        }
        let passing = quota("ResourceLimitExceeded", Some(Cause::CopyLimit));
        assert!(!needs_a_person(&passing));
        assert!(!needs_a_person(&error(ErrorClass::Throttled, None, None)));
    }

    #[test]
    fn waits_grow_with_failures_that_pass_and_are_long_where_a_person_is_needed() {
        let waits = |class, cause| {
            let error = error(class, cause, None);
            [1, 2, 6, 7, 9, u32::MAX].map(|failures| retry_after(&error, failures).as_secs())
        };
        let expired = Some(Cause::CredentialsExpired);
        let table = [
            (ErrorClass::Transient, None, [2, 4, 64, 128, 300, 300]),
            (ErrorClass::NotOurs, None, [2, 4, 64, 128, 300, 300]),
            (ErrorClass::Throttled, None, [2, 4, 60, 60, 60, 60]),
            (ErrorClass::Denied, expired, [2, 4, 64, 128, 300, 300]),
            (ErrorClass::Denied, None, [600; 6]),
            (ErrorClass::Invalid, None, [600; 6]),
            (ErrorClass::Quota, None, [600; 6]),
            (ErrorClass::Quota, Some(Cause::CopyLimit), [120; 6]),
        ];
        for (class, cause, expected) in table {
            assert_eq!(waits(class, cause), expected, "{class:?} {cause:?}");
        }
        let images = |class, cause| {
            let error = error(class, cause, None);
            [1, 2, 4, 5, u32::MAX].map(|failures| retry_image_after(&error, failures).as_secs() / 60)
        };
        let table = [
            (ErrorClass::Invalid, Some(Cause::ProductCode), [10, 20, 80, 120, 120]),
            (
                ErrorClass::Denied,
                Some(Cause::SnapshotNotShared),
                [10, 20, 80, 120, 120],
            ),
            (ErrorClass::Denied, None, [10; 5]),
            (ErrorClass::Quota, Some(Cause::CopyLimit), [2; 5]),
        ];
        for (class, cause, expected) in table {
            assert_eq!(images(class, cause), expected, "{class:?} {cause:?}");
        }
        let limited = error(ErrorClass::Throttled, None, Some(Duration::from_secs(90)));
        assert_eq!(retry_after(&limited, 1), Duration::from_secs(90), "the limiter says so");
    }
}
