//! What a failed call means to the person who runs the plan, with credentials of their own.

use super::text::printable;
use crate::api::conditions::reason;
use crate::domain::{AwsError, Cause, Region, Scope};
use crate::plan::obstacle::Problem;
use crate::plan::problem;
use crate::plan::report::TargetReport;

/// There are no credentials to begin with. No condition has this reason: it is nothing that a policy can be stalled by.
const NO_CREDENTIALS: &str = "NoCredentials";
/// The variable with the name of a profile.
const PROFILE: &str = "AWS_PROFILE";

/// What to say to whoever has none.
pub(super) fn no_credentials_here() -> String {
    without_credentials(std::env::var(PROFILE).ok().as_deref())
}

/// The same where the variable names this profile. Whether it is there, the SDK does not say.
fn without_credentials(profile: Option<&str>) -> String {
    match profile.filter(|profile| !profile.is_empty()) {
        None => format!(
            "You have no AWS credentials here: sign in, for example with `aws sso login`, or set {PROFILE}, or AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY."
        ),
        Some(profile) => format!(
            "You have no AWS credentials here: the profile {} that {PROFILE} names is not in your AWS config file, or has no \
             credentials. Correct {PROFILE}, or sign in, for example with `aws sso login`.",
            printable(profile)
        ),
    }
}

/// What to say to whoever has some that AWS does not take in the region that it was asked in.
pub(super) fn not_accepted_in(region: &Region) -> String {
    format!(
        "AWS does not accept your credentials in {region}: `aws sts get-caller-identity` tells whether they are right. Those of AWS \
         GovCloud (US) and of China are accepted in their own regions only: set AWS_REGION to one of them."
    )
}

/// AWS accepts the credentials nowhere.
const CREDENTIALS_NOT_ACCEPTED: &str = "CredentialsNotAccepted";

/// What to say of an error in this account and region.
pub(super) fn of_error(error: &AwsError, scope: &Scope) -> Problem {
    match error.cause {
        Some(Cause::NoCredentials) => Problem::new(NO_CREDENTIALS, no_credentials_here()),
        Some(Cause::RegionNotEnabled) => Problem::new(
            reason::REGION_NOT_ENABLED,
            format!(
                "AWS accepts no credentials in {}: enable the region in the account {} and in that of your \
                 own credentials, or take it out of the policy.",
                scope.region, scope.account
            ),
        ),
        _ => problem::of_error(error),
    }
}

/// Where AWS has accepted the credentials nowhere, it is most likely not for the regions.
pub(super) fn doubt_credentials(reports: &mut [TargetReport]) {
    if reports.iter().any(|report| report.caller.is_some()) {
        return;
    }
    for report in reports {
        let (account, region) = (report.account_id.clone(), report.region.clone());
        let not_accepted =
            |problem: &&mut crate::plan::report::ReportedProblem| problem.reason == reason::REGION_NOT_ENABLED;
        for problem in report.problems.iter_mut().filter(not_accepted) {
            problem.reason = CREDENTIALS_NOT_ACCEPTED;
            problem.message = format!(
                "AWS does not accept your credentials in {region}: `aws sts get-caller-identity` tells whether they are \
                 right. If they are, enable the region in their account and in the account {account}, and check the clock \
                 of this machine."
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ErrorClass, Operation};
    use crate::plan::testing::scope;

    fn denied(cause: Cause) -> AwsError {
        AwsError {
            class: ErrorClass::Denied,
            cause: Some(cause),
            code: None,
            operation: Operation::AssumeRole,
            action: None,
            retry_after: None,
            limit: None,
            said: None,
            endpoint: None,
        }
    }

    #[test]
    fn who_names_a_profile_without_credentials_is_told_of_it_and_not_to_name_one() {
        for unset in [None, Some("")] {
            assert!(without_credentials(unset).contains("or set AWS_PROFILE"), "{unset:?}");
        }
        let said = without_credentials(Some("w\neb"));
        assert!(
            said.contains("the profile w\u{fffd}eb that AWS_PROFILE names is not in"),
            "{said}"
        );
        assert!(!said.contains("set AWS_PROFILE"), "{said}");
    }

    #[test]
    fn what_is_wrong_with_credentials_is_said_to_the_person_who_has_them() {
        for cause in [Cause::NoCredentials, Cause::RegionNotEnabled] {
            let message = of_error(&denied(cause), &scope()).message;
            assert!(
                !message.contains("controller") && !message.contains("service account"),
                "{message}"
            );
        }
        let other = denied(Cause::WrongAccount);
        assert_eq!(of_error(&other, &scope()), problem::of_error(&other));
    }
}
