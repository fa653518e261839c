//! The values of options.

use std::time::Duration;

use crate::domain::{AccountId, LaunchPermission, Region, Vulnerability};
use crate::plan::findings::{self, TrustedOwner};

pub(in crate::cli) fn account(text: &str) -> Result<AccountId, String> {
    text.parse()
        .map_err(|_| "it must be an AWS account ID of 12 digits".to_owned())
}

pub(in crate::cli) fn region(text: &str) -> Result<Region, String> {
    text.parse()
        .map_err(|_| "it must be a region's name, such as eu-west-1".to_owned())
}

pub(super) fn age(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    days.filter(|days| *days > 0)
        .map(|days| Duration::from_secs(u64::from(days) * 24 * 3600))
        .ok_or_else(|| "it must be a number of days, such as 90d".to_owned())
}

pub(super) fn owner(text: &str) -> Result<TrustedOwner, String> {
    TrustedOwner::parse(text)
        .ok_or_else(|| "it must be an AWS account ID of 12 digits, aws-marketplace or aws-backup-vault".to_owned())
}

pub(super) fn sharing(text: &str) -> Result<LaunchPermission, String> {
    findings::sharing(text).ok_or_else(|| {
        "it must be an AWS account ID of 12 digits, or the ARN of an organization or of an organizational unit"
            .to_owned()
    })
}

pub(super) fn fix_available(text: &str) -> Result<(Vulnerability, Duration), String> {
    let (severity, days) = text.split_once('=').unwrap_or_default();
    match (Vulnerability::named(severity), age(days)) {
        (Some(severity), Ok(days)) => Ok((severity, days)),
        _ => Err(
            "it must be critical, high, medium, low or informational, and a number of days, such as critical=14d"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    #[test]
    fn ages_are_days_and_nothing_else() {
        assert_eq!(age("90d"), Ok(Duration::from_secs(90 * DAY)));
        for wrong in ["", "90", "0d", "-1d", "90h", "1.5d"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn owners_are_accounts_or_aliases_that_aws_knows() {
        let account = "099720109477".parse().expect("an account");
        assert_eq!(owner("099720109477"), Ok(TrustedOwner::Account(account)));
        assert_eq!(
            owner("aws-marketplace"),
            Ok(TrustedOwner::Alias("aws-marketplace".into()))
        );
        for wrong in ["", "canonical", "12345", "Amazon"] {
            assert!(owner(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sharing_is_with_accounts_organizations_and_their_units() {
        let account = "111122223333".parse().expect("an account");
        assert_eq!(sharing("111122223333"), Ok(LaunchPermission::Account(account)));
        let organization = "arn:aws:organizations::111122223333:organization/o-1";
        assert_eq!(
            sharing(organization),
            Ok(LaunchPermission::Organization(organization.into()))
        );
        let unit = "arn:aws:organizations::111122223333:ou/o-1/ou-2";
        assert_eq!(sharing(unit), Ok(LaunchPermission::OrganizationalUnit(unit.into())));
        for wrong in [
            "",
            "all",
            "o-1",
            "arn:aws:organizations::111122223333:root/o-1/r-1",
            "arn:aws:organizations::1:organization/o-1",
            "arn:aws:iam::111122223333:role/r",
        ] {
            assert!(sharing(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn how_long_a_fix_may_be_available_is_a_severity_and_days() {
        let critical = (Vulnerability::Critical, Duration::from_secs(14 * DAY));
        assert_eq!(fix_available("critical=14d"), Ok(critical));
        for wrong in ["", "critical", "critical=", "critical=14", "worst=14d", "=14d"] {
            assert!(fix_available(wrong).is_err(), "{wrong}");
        }
    }
}
