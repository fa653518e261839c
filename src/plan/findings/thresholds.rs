//! What is allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::domain::{AccountId, Image, LaunchPermission, Vulnerability};
use crate::plan::prices::Prices;

/// The alias of AWS itself, whose images are always trusted.
const AMAZON: &str = "amazon";

/// What is allowed.
#[derive(Debug, Clone, PartialEq)]
pub struct Thresholds {
    /// How old an image may be; none for any age.
    pub max_image_age: Option<Duration>,
    /// After how long without a launch an image counts as unused.
    pub unused_after: Duration,
    /// Keys of tags that an image has to have.
    pub required_tags: BTreeSet<String>,
    /// The accounts that are looked into: they trust each other.
    pub accounts: BTreeSet<AccountId>,
    /// Whose images may be launched besides theirs and Amazon's.
    pub trusted_owners: BTreeSet<TrustedOwner>,
    /// With whom images may be shared besides them; none where that is not looked for.
    pub allowed_sharing: Option<BTreeSet<LaunchPermission>>,
    /// For how long vulnerabilities of each severity may have a fix; one that is not in it is not looked for.
    pub max_fix_available: BTreeMap<Vulnerability, Duration>,
    /// How old the last scan may be; none for any age.
    pub max_scan_age: Option<Duration>,
    /// Whether policies say which key images are to be encrypted under.
    pub by_policy: bool,
    /// What keeping snapshots costs, where that is known.
    pub prices: Option<Prices>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            max_image_age: None,
            unused_after: Duration::from_secs(90 * 24 * 3600),
            required_tags: BTreeSet::new(),
            accounts: BTreeSet::new(),
            trusted_owners: BTreeSet::new(),
            allowed_sharing: None,
            max_fix_available: BTreeMap::new(),
            max_scan_age: None,
            by_policy: false,
            prices: None,
        }
    }
}

/// An owner of images who is trusted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrustedOwner {
    /// An account.
    Account(AccountId),
    /// By which AWS calls some owners, such as `aws-marketplace`.
    Alias(Box<str>),
}

impl Thresholds {
    /// Whether the owner of an image is trusted; none where it is not known who it is.
    pub(super) fn trusts(&self, image: &Image) -> Option<bool> {
        let is_known =
            |alias: &str| alias == AMAZON || self.trusted_owners.contains(&TrustedOwner::Alias(alias.into()));
        if image.owner_alias().is_some_and(is_known) {
            return Some(true);
        }
        let owner = image.owner.as_ref()?;
        Some(self.accounts.contains(owner) || self.trusted_owners.contains(&TrustedOwner::Account(owner.clone())))
    }

    /// Whether an image may be shared so; of what everybody may launch, another check tells.
    pub(super) fn allows(&self, permission: &LaunchPermission) -> bool {
        let Some(allowed) = &self.allowed_sharing else {
            return true;
        };
        let is_ours = match permission {
            LaunchPermission::Public => true,
            LaunchPermission::Account(account) => self.accounts.contains(account),
            LaunchPermission::OrganizationalUnit(unit) => allowed.iter().any(|allowed| match allowed {
                LaunchPermission::Organization(organization) => is_within(unit, organization),
                _ => false,
            }),
            LaunchPermission::Organization(_) => false,
        };
        is_ours || allowed.contains(permission)
    }

    /// Whether results of scans are looked into.
    pub(super) fn asks_for_scans(&self) -> bool {
        self.max_scan_age.is_some() || !self.max_fix_available.is_empty()
    }
}

/// Whether an organizational unit is in an organization, by their ARNs: `arn:aws:organizations::111122223333:ou/o-1/ou-2` is in
/// `arn:aws:organizations::111122223333:organization/o-1`.
fn is_within(unit: &str, organization: &str) -> bool {
    let Some((of, id)) = organization.split_once(":organization/") else {
        return false;
    };
    let rest = unit.strip_prefix(of).and_then(|rest| rest.strip_prefix(":ou/"));
    rest.and_then(|rest| rest.strip_prefix(id))
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Extras;
    use crate::plan::testing::{account, image};

    fn other() -> AccountId {
        "444455556666".parse().expect("an account")
    }

    #[test]
    fn amazon_and_the_accounts_are_trusted_and_others_by_account_or_alias() {
        let thresholds = Thresholds {
            accounts: [account()].into(),
            trusted_owners: [
                TrustedOwner::Account(other()),
                TrustedOwner::Alias("aws-marketplace".into()),
            ]
            .into(),
            ..Thresholds::default()
        };
        for (owner, alias, trusted) in [
            (Some("111122223333"), None, Some(true)),
            (Some("444455556666"), None, Some(true)),
            (Some("777788889999"), None, Some(false)),
            (Some("777788889999"), Some("amazon"), Some(true)),
            (Some("777788889999"), Some("aws-marketplace"), Some(true)),
            (Some("777788889999"), Some("aws-backup-vault"), Some(false)),
            (None, Some("amazon"), Some(true)),
            (None, None, None),
        ] {
            let mut image = image(1, 1);
            image.owner = owner.map(|owner| owner.parse().expect("an account"));
            image.extras = alias.map(|alias: &str| {
                Box::new(Extras {
                    owner_alias: Some(alias.into()),
                    ..Extras::default()
                })
            });
            assert_eq!(thresholds.trusts(&image), trusted, "{owner:?} {alias:?}");
        }
    }

    #[test]
    fn an_organization_that_is_allowed_allows_its_units_and_no_others() {
        let organization = |id: &str| {
            let arn = format!("arn:aws:organizations::111122223333:organization/{id}");
            LaunchPermission::Organization(arn.into())
        };
        let unit = |id: &str| {
            LaunchPermission::OrganizationalUnit(format!("arn:aws:organizations::111122223333:ou/{id}").into())
        };
        let thresholds = Thresholds {
            accounts: [account()].into(),
            allowed_sharing: Some([organization("o-1"), unit("o-2/ou-a")].into()),
            ..Thresholds::default()
        };
        for (permission, allowed) in [
            (LaunchPermission::Public, true),
            (LaunchPermission::Account(account()), true),
            (LaunchPermission::Account(other()), false),
            (organization("o-1"), true),
            (organization("o-2"), false),
            (unit("o-1/ou-a"), true),
            (unit("o-11/ou-a"), false),
            (unit("o-2/ou-a"), true),
            (unit("o-2/ou-b"), false),
        ] {
            assert_eq!(thresholds.allows(&permission), allowed, "{permission:?}");
        }
        let anything = Thresholds::default();
        assert!(
            anything.allows(&LaunchPermission::Account(other())),
            "it is not looked for"
        );
    }
}
