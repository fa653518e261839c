//! What is allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Check;
use crate::api::{AuditSettings, UnusedSettings};
use crate::domain::{AccountId, Image, LaunchPermission, Vulnerability};
use crate::plan::prices::Prices;

/// The alias of AWS itself, whose images are always trusted.
const AMAZON: &str = "amazon";
/// By which AWS calls owners of images (`ImageOwnerAlias`), and `self`, which is trusted anyway.
const ALIASES: [&str; 4] = [AMAZON, "aws-marketplace", "aws-backup-vault", "self"];

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
    /// Checks that are not made.
    pub disabled: BTreeSet<Check>,
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
            disabled: BTreeSet::new(),
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

impl TrustedOwner {
    /// An account, or what AWS calls some owners.
    pub fn parse(text: &str) -> Option<Self> {
        if ALIASES.contains(&text) {
            return Some(Self::Alias(text.into()));
        }
        text.parse().ok().map(Self::Account)
    }
}

/// With whom an image may be shared, as people write it: an account, or the ARN of an organization or of an organizational unit.
pub fn sharing(text: &str) -> Option<LaunchPermission> {
    if let Ok(account) = text.parse() {
        return Some(LaunchPermission::Account(account));
    }
    // arn:aws:organizations::111122223333:organization/o-1, or …:ou/o-1/ou-2
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let resource = match parts[..] {
        ["arn", _, "organizations", "", account, resource] if account.parse::<AccountId>().is_ok() => resource,
        _ => "",
    };
    if resource
        .strip_prefix("organization/o-")
        .is_some_and(|id| !id.is_empty())
    {
        return Some(LaunchPermission::Organization(text.into()));
    }
    let is_unit = resource.starts_with("ou/o-") && resource.contains("/ou-");
    is_unit.then(|| LaunchPermission::OrganizationalUnit(text.into()))
}

impl Thresholds {
    /// What a policy allows in its accounts. What this version does not know of it, a newer one has written: it allows nothing.
    pub fn of_policy(audit: &AuditSettings, unused: &UnusedSettings, accounts: BTreeSet<AccountId>) -> Self {
        let fixes = &audit.max_fix_available;
        let fixes = [
            (Vulnerability::Critical, fixes.critical),
            (Vulnerability::High, fixes.high),
            (Vulnerability::Medium, fixes.medium),
            (Vulnerability::Low, fixes.low),
            (Vulnerability::Informational, fixes.informational),
        ];
        let allowed = audit.allowed_sharing.as_ref();
        Self {
            max_image_age: audit.max_image_age.map(Duration::from),
            unused_after: unused.after.as_std(),
            required_tags: audit.required_tags.iter().cloned().collect(),
            accounts,
            trusted_owners: audit
                .trusted_owners
                .iter()
                .filter_map(|owner| TrustedOwner::parse(owner))
                .collect(),
            allowed_sharing: allowed.map(|allowed| allowed.iter().filter_map(|with| sharing(with)).collect()),
            max_fix_available: fixes
                .into_iter()
                .filter_map(|(severity, allowed)| Some((severity, allowed?.as_std())))
                .collect(),
            max_scan_age: audit.max_scan_age.map(Duration::from),
            by_policy: true,
            prices: None,
            disabled: audit
                .disabled_checks
                .iter()
                .filter_map(|name| Check::named(name))
                .collect(),
        }
    }

    /// Whether a check is made: some need to be told what is right.
    pub fn asks_for(&self, check: Check) -> bool {
        let is_told = match check {
            Check::OldImage => self.max_image_age.is_some(),
            Check::MissingTags => !self.required_tags.is_empty(),
            Check::SharedOutside => self.allowed_sharing.is_some(),
            Check::OtherKeyImage => self.by_policy,
            Check::VulnerableImage => !self.max_fix_available.is_empty(),
            Check::StaleScan => self.max_scan_age.is_some(),
            _ => true,
        };
        is_told && !self.disabled.contains(&check)
    }

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
        self.asks_for(Check::StaleScan) || self.asks_for(Check::VulnerableImage)
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
