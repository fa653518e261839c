//! Statements of a service control policy that keep people in member accounts from undoing what policies enforce.
//!
//! amiseal never turns a guardrail off, so that nothing here lets it do so. It sets the default key and Allowed AMIs, by calls that can
//! also undo them, and is excepted from these statements alone.

use std::collections::{BTreeMap, BTreeSet};

use super::printed::{alike, attached, several};
use super::{Enforced, Printed};
use crate::domain::Guardrail;
use crate::plan::rights::{self, Conditions, Policy, Statement, Texts};

/// So many roles are named one by one. More of them are named by a pattern.
const ROLES: usize = 20;
/// What AWS has taken in one service control policy from the beginning ("Quotas for AWS Organizations"), white space aside.
const LIMIT: usize = 5_120;

/// The service control policy that keeps what is enforced; or why there is not just one. `except` are ARNs, or patterns of them, of
/// whoever may do everything.
pub fn service_control_policy(accounts: &[Enforced], except: &[String]) -> Result<Printed, String> {
    alike(accounts, |account| {
        (account.partition, account.regions.clone(), account.sets_images)
    })?;
    let Some(first) = accounts.first() else {
        return Err(
            "no policy enforces a guardrail there: set one to Enforce in spec.guardrails, and spec.mode to Enforce."
                .to_owned(),
        );
    };
    let roles = Roles::of(accounts);
    let except: BTreeSet<String> = except.iter().cloned().collect();
    let mut statements = Vec::new();
    for (guardrail, regions) in &first.regions {
        statements.push(deny(
            sid(*guardrail),
            undoing(*guardrail, first.sets_images),
            regions,
            &except,
        ));
        let setting = match guardrail {
            Guardrail::EncryptionByDefault => Some(("KeepTheDefaultKey", &SETTING_THE_KEY[..])),
            Guardrail::AllowedImages if first.sets_images => Some(("KeepImageCriteria", &SETTING_IMAGES[..])),
            _ => None,
        };
        if let Some((sid, actions)) = setting {
            let except: BTreeSet<String> = except.union(&roles.named).cloned().collect();
            statements.push(deny(sid, actions, regions, &except));
        }
    }
    let policy = Policy::of(statements);
    let notes = notes(accounts, &roles, &except, &policy);
    let text = rights::pretty(&policy)? + "\n";
    Ok(Printed { text, notes })
}

const fn sid(guardrail: Guardrail) -> &'static str {
    match guardrail {
        Guardrail::EncryptionByDefault => "KeepEncryptionByDefault",
        Guardrail::ImageBlockPublicAccess => "KeepImagesPrivate",
        Guardrail::SnapshotBlockPublicAccess => "KeepSnapshotsPrivate",
        Guardrail::AllowedImages => "KeepAllowedImages",
    }
}

/// What sets the default key.
const SETTING_THE_KEY: [&str; 1] = ["ec2:ModifyEbsDefaultKmsKeyId"];
/// What sets Allowed AMIs, and can also put them into audit mode or let more images in.
const SETTING_IMAGES: [&str; 2] = [
    "ec2:EnableAllowedImagesSettings",
    "ec2:ReplaceImageCriteriaInAllowedImagesSettings",
];

/// What undoes it. None of it is a call that amiseal makes: where it sets Allowed AMIs, these calls have a statement of their own.
const fn undoing(guardrail: Guardrail, sets_images: bool) -> &'static [&'static str] {
    match guardrail {
        Guardrail::EncryptionByDefault => &["ec2:DisableEbsEncryptionByDefault", "ec2:ResetEbsDefaultKmsKeyId"],
        Guardrail::ImageBlockPublicAccess => &["ec2:DisableImageBlockPublicAccess"],
        Guardrail::SnapshotBlockPublicAccess => &["ec2:DisableSnapshotBlockPublicAccess"],
        Guardrail::AllowedImages if sets_images => &["ec2:DisableAllowedImagesSettings"],
        // The second one can put them into audit mode, which refuses nothing.
        Guardrail::AllowedImages => &[
            "ec2:DisableAllowedImagesSettings",
            "ec2:EnableAllowedImagesSettings",
            "ec2:ReplaceImageCriteriaInAllowedImagesSettings",
        ],
    }
}

fn deny(sid: &str, actions: &[&str], regions: &BTreeSet<String>, except: &BTreeSet<String>) -> Statement {
    let texts = |all: &BTreeSet<String>| all.iter().cloned().collect::<Texts>();
    let mut condition = Conditions::new();
    let in_regions = BTreeMap::from([("aws:RequestedRegion".to_owned(), texts(regions))]);
    condition.insert("StringEquals", in_regions);
    if !except.is_empty() {
        let others = BTreeMap::from([("aws:PrincipalArn".to_owned(), texts(except))]);
        condition.insert("ArnNotLike", others);
    }
    Statement {
        sid: sid.to_owned(),
        effect: "Deny",
        principal: BTreeMap::new(),
        action: actions.iter().copied().collect(),
        resource: Texts::one("*"),
        condition,
    }
}

/// Whom amiseal acts as.
struct Roles {
    /// The ARNs, or patterns of them.
    named: BTreeSet<String>,
    /// Whether they are patterns.
    are_patterns: bool,
    /// The accounts in which it acts as itself.
    without: Vec<String>,
}

impl Roles {
    fn of(accounts: &[Enforced]) -> Self {
        let all = accounts.iter().flat_map(|account| &account.roles);
        let exact: BTreeSet<String> = all.flatten().cloned().collect();
        let are_patterns = exact.len() > ROLES;
        let without = accounts
            .iter()
            .filter(|account| account.roles.iter().any(Option::is_none));
        Self {
            named: match are_patterns {
                true => exact.iter().map(|role| in_any_account(role)).collect(),
                false => exact,
            },
            are_patterns,
            without: without.map(|account| account.account_id.clone()).collect(),
        }
    }
}

/// The ARN of a role of this name in whatever account.
fn in_any_account(role: &str) -> String {
    let mut parts: Vec<&str> = role.splitn(6, ':').collect();
    if let Some(account) = parts.get_mut(4) {
        *account = "*";
    }
    parts.join(":")
}

fn notes(accounts: &[Enforced], roles: &Roles, except: &BTreeSet<String>, policy: &Policy) -> Vec<String> {
    let holds = |guardrail: Guardrail| accounts.iter().any(|account| account.regions.contains_key(&guardrail));
    let mut notes = vec![format!(
        "Attach it to {}, or to what they are in. It does not bind the organization's management account.",
        attached(accounts)
    )];
    if holds(Guardrail::ImageBlockPublicAccess) || holds(Guardrail::SnapshotBlockPublicAccess) {
        notes.push(
            "AWS holds the blocks of public access better by itself, in all regions and in accounts that are new: --as \
             declarative-policy prints how."
                .to_owned(),
        );
    }
    if !roles.named.is_empty() {
        notes.push(
            "Whoever may change amiseal's role in an account, or whom it trusts, can change by it what amiseal sets: keep people from \
             that as well."
                .to_owned(),
        );
    }
    if roles.are_patterns {
        notes.push(format!(
            "There are more than {ROLES} roles, so that they are named by patterns: in an account where amiseal has none, nobody else \
             may make a role of such a name."
        ));
    }
    if !roles.without.is_empty() && except.is_empty() {
        notes.push(format!(
            "The policies name no role in {}: name the controller's own role with --except, or AWS denies it what it sets.",
            several(roles.without.iter().map(String::as_str))
        ));
    }
    let characters = policy.characters();
    if characters > LIMIT {
        notes.push(format!(
            "The policy has {characters} characters, and AWS limits what it takes in one: print it by --region, or by --account."
        ));
    }
    notes
}
