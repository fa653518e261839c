//! The declarative policy of AWS Organizations by which AWS itself holds what policies enforce ("Declarative policy syntax and
//! examples" in the user guide of AWS Organizations).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::enforced::{enforced, meant};
use super::printed::{alike, attached, several};
use super::{Enforced, Filter, Printed, Row, asked};
use crate::api::{self, AMIEncryptionPolicy, AMIEncryptionTargetSpec, AllowedImageCriterion, GuardrailMode};
use crate::domain::Guardrail;
use crate::plan::rights;

/// What a declarative policy can hold of it. EBS encryption by default is not among it.
const HELD: [Guardrail; 3] = [
    Guardrail::ImageBlockPublicAccess,
    Guardrail::SnapshotBlockPublicAccess,
    Guardrail::AllowedImages,
];
/// So many providers are in one criterion of Allowed AMIs.
const PROVIDERS: usize = 200;
/// What the EC2 API calls an account's own images.
const OWN: &str = "self";
/// What it calls nobody.
const NONE: &str = "none";
/// The state of the block for snapshots that is more than what amiseal sets, as the EC2 API names it.
const ALL_SHARING: &str = "block-all-sharing";

/// What of it follows from no policy.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeclarativeOptions {
    /// Which public snapshots are blocked. None: the new ones, which has to be said where AWS blocks more already.
    pub snapshots: Option<SnapshotState>,
    /// The state of Allowed AMIs. None: what a policy says that enforces them; where it only has them reported they are left out.
    pub allowed_images: Option<AllowedImagesState>,
}

/// Which public snapshots are blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotState {
    /// New ones: what is public stays so.
    NewSharing,
    /// All of them: nobody else sees what was public.
    AllSharing,
}

impl SnapshotState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NewSharing => "block_new_sharing",
            Self::AllSharing => "block_all_sharing",
        }
    }
}

/// What Allowed AMIs do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedImagesState {
    /// They say which images they would refuse.
    AuditMode,
    /// They refuse them.
    Enabled,
}

impl AllowedImagesState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::AuditMode => "audit_mode",
            Self::Enabled => "enabled",
        }
    }
}

impl From<api::AllowedImagesState> for AllowedImagesState {
    fn from(state: api::AllowedImagesState) -> Self {
        match state {
            api::AllowedImagesState::AuditMode => Self::AuditMode,
            api::AllowedImagesState::Enabled => Self::Enabled,
        }
    }
}

/// The declarative policy for what these policies enforce; or why there is not just one. `rows` have what is known of the accounts.
pub fn declarative_policy(
    policies: &[AMIEncryptionPolicy],
    rows: &[Row],
    filter: &Filter,
    options: DeclarativeOptions,
) -> Result<Printed, String> {
    if filter.region.is_some() {
        return Err("a declarative policy holds in all regions of an account: leave --region out.".to_owned());
    }
    let mut accounts = enforced(policies, filter, options.allowed_images.is_some());
    let held = |account: &Enforced| -> BTreeSet<Guardrail> {
        let guardrails = account.regions.keys().copied();
        guardrails.filter(|guardrail| HELD.contains(guardrail)).collect()
    };
    let encrypts = |account: &Enforced| account.regions.contains_key(&Guardrail::EncryptionByDefault);
    let has_encryption = accounts.iter().any(encrypts);
    accounts.retain(|account| !held(account).is_empty());
    alike(&accounts, |account| (account.partition, held(account)))?;
    let Some(first) = accounts.first() else {
        return Err(nothing(has_encryption));
    };
    let mut attributes = Map::new();
    let mut refuses = false;
    // In the order of the alphabet, which is that of the text whatever keeps the fields.
    if first.regions.contains_key(&Guardrail::AllowedImages) {
        let settings = allowed_images(policies, filter, options.allowed_images)?;
        refuses = settings["state"] == assign(AllowedImagesState::Enabled.as_str());
        attributes.insert("allowed_images_settings".to_owned(), settings);
    }
    if first.regions.contains_key(&Guardrail::ImageBlockPublicAccess) {
        attributes.insert("image_block_public_access".to_owned(), block("block_new_sharing"));
    }
    let snapshots = first.regions.contains_key(&Guardrail::SnapshotBlockPublicAccess);
    if snapshots {
        let state = snapshot_state(&accounts, rows, options.snapshots)?;
        attributes.insert("snapshot_block_public_access".to_owned(), block(state.as_str()));
    }
    let text = rights::pretty(&json!({"ec2_attributes": attributes}))? + "\n";
    let is_unsure = snapshots && rows.is_empty() && options.snapshots.is_none();
    let notes = notes(&accounts, has_encryption, is_unsure, refuses);
    Ok(Printed { text, notes })
}

fn nothing(has_encryption: bool) -> String {
    match has_encryption {
        true => "the policies enforce only EBS encryption by default, which no declarative policy can hold: print --as scp.",
        false => {
            "no policy enforces imageBlockPublicAccess, snapshotBlockPublicAccess or allowedImages there: set them to Enforce in \
             spec.guardrails, and spec.mode to Enforce."
        }
    }
    .to_owned()
}

fn assign(value: impl Into<Value>) -> Value {
    let mut assigned = Map::new();
    assigned.insert("@@assign".to_owned(), value.into());
    Value::Object(assigned)
}

fn block(state: &str) -> Value {
    json!({"state": assign(state)})
}

/// Criteria by their names.
fn numbered(criteria: impl IntoIterator<Item = Value>) -> Value {
    let criteria = criteria.into_iter().enumerate();
    let named: Map<String, Value> = criteria
        .map(|(at, criterion)| (format!("criteria_{}", at + 1), criterion))
        .collect();
    Value::Object(named)
}

/// Allowed AMIs as the policies that are meant ask for them, in the state that is `wanted` or in theirs: all of them have to say the same.
fn allowed_images(
    policies: &[AMIEncryptionPolicy],
    filter: &Filter,
    wanted: Option<AllowedImagesState>,
) -> Result<Value, String> {
    let mut all: BTreeMap<String, (Value, String)> = BTreeMap::new();
    for spec in meant(policies, filter) {
        let is_held = match asked::mode(&spec, Guardrail::AllowedImages) {
            Some(GuardrailMode::Enforce) => true,
            Some(GuardrailMode::Audit) => wanted.is_some(),
            Some(GuardrailMode::Ignore) | None => false,
        };
        if is_held {
            let settings = of_policy(policies, &spec, wanted)?;
            all.entry(settings.to_string()).or_insert((settings, spec.policy));
        }
    }
    let names = several(all.values().map(|(_, policy)| policy.as_str()));
    match all.len() {
        1 => Ok(all
            .into_values()
            .next()
            .map(|(settings, _)| settings)
            .unwrap_or_default()),
        _ => Err(format!(
            "the policies {names} allow different images, or trust different owners of images: choose one with --policy."
        )),
    }
}

/// Allowed AMIs by the criteria of a policy, or by whose images it trusts where it has none.
fn of_policy(
    policies: &[AMIEncryptionPolicy],
    spec: &AMIEncryptionTargetSpec,
    wanted: Option<AllowedImagesState>,
) -> Result<Value, String> {
    let said = spec.guardrails.as_ref().map(|settings| &settings.allowed_images);
    let (state, criteria) = match said.filter(|said| !said.criteria.is_empty()) {
        Some(said) => {
            let criteria: Result<Vec<Value>, String> =
                said.criteria.iter().map(|one| criterion(one, &spec.policy)).collect();
            (AllowedImagesState::from(said.state), numbered(criteria?))
        }
        None => {
            let providers = providers(policies, spec)?;
            let by = |some: &[String]| json!({"allowed_image_providers": assign(some.to_vec())});
            (
                AllowedImagesState::AuditMode,
                numbered(providers.chunks(PROVIDERS).map(by)),
            )
        }
    };
    Ok(json!({"image_criteria": criteria, "state": assign(wanted.unwrap_or(state).as_str())}))
}

/// A criterion as declarative policies write it. They have no watermarks and no results of scans, nor a value for nobody.
fn criterion(of: &AllowedImageCriterion, policy: &str) -> Result<Value, String> {
    let has_none = of.image_providers.iter().any(|one| one == NONE);
    if has_none || !of.image_watermarks.is_empty() || of.scan_result_condition.is_some() {
        return Err(format!(
            "a declarative policy has no imageWatermarks, no scanResultCondition and no provider none, which policy {policy} has in \
             spec.guardrails.allowedImages: amiseal can hold these, and a declarative policy cannot."
        ));
    }
    let mut written = Map::new();
    let providers: Vec<String> = of.image_providers.iter().map(|one| provider(one)).collect();
    for (name, values) in [
        ("allowed_image_providers", providers),
        ("image_names", of.image_names.clone()),
        ("marketplace_product_codes", of.marketplace_product_codes.clone()),
    ] {
        if !values.is_empty() {
            written.insert(name.to_owned(), assign(values));
        }
    }
    if let Some(condition) = of.creation_date_condition {
        let days = json!({"maximum_days_since_created": assign(condition.maximum_days_since_created)});
        written.insert("creation_date_condition".to_owned(), days);
    }
    if let Some(condition) = of.deprecation_time_condition {
        let days = json!({"maximum_days_since_deprecated": assign(condition.maximum_days_since_deprecated)});
        written.insert("deprecation_time_condition".to_owned(), days);
    }
    Ok(Value::Object(written))
}

/// The state of the block for snapshots. Less than what AWS blocks already has to be asked for: what was public would be so again.
fn snapshot_state(accounts: &[Enforced], rows: &[Row], wanted: Option<SnapshotState>) -> Result<SnapshotState, String> {
    if let Some(wanted) = wanted {
        return Ok(wanted);
    }
    let name = asked::name(Guardrail::SnapshotBlockPublicAccess);
    let blocks_all = |row: &&Row| row.guardrail == name && row.state == ALL_SHARING;
    let is_among = |row: &&Row| accounts.iter().any(|account| account.account_id == row.account_id);
    let more: BTreeSet<&str> = rows
        .iter()
        .filter(blocks_all)
        .filter(is_among)
        .map(|row| row.account_id.as_str())
        .collect();
    if more.is_empty() {
        return Ok(SnapshotState::NewSharing);
    }
    Err(format!(
        "{} blocks all public snapshots, and block-new-sharing would make them public again: say --snapshots block-all-sharing, or \
         --snapshots block-new-sharing if you want that.",
        several(more)
    ))
}

/// Whose images may be launched, as the policy of a target says.
fn providers(policies: &[AMIEncryptionPolicy], spec: &AMIEncryptionTargetSpec) -> Result<Vec<String>, String> {
    let Some(audit) = &spec.audit else {
        return Err(format!(
            "the policy {} does not say whose images are trusted: set spec.audit.trustedOwners.",
            spec.policy
        ));
    };
    // What an account owns itself, AWS always allows, and has no name for it there.
    let owners = audit.trusted_owners.iter().filter(|owner| *owner != OWN);
    let owners = owners.map(|owner| provider(owner));
    let own = policies
        .iter()
        .filter(|policy| policy.metadata.name.as_deref() == Some(spec.policy.as_str()))
        .flat_map(|policy| policy.spec.accounts.iter().map(|account| account.account_id.clone()));
    let all: BTreeSet<String> = owners.chain(own).chain(["amazon".to_owned()]).collect();
    Ok(all.into_iter().collect())
}

/// An owner as declarative policies name it: the aliases of the EC2 API have hyphens.
fn provider(owner: &str) -> String {
    match owner {
        "aws-marketplace" => "aws_marketplace".to_owned(),
        "aws-backup-vault" => "aws_backup_vault".to_owned(),
        account => account.to_owned(),
    }
}

fn notes(accounts: &[Enforced], has_encryption: bool, is_unsure: bool, refuses: bool) -> Vec<String> {
    let mut notes = vec![format!(
        "Attach it to {}, or to what they are in: AWS then holds this in all of their regions, also in those that no policy names, and \
         amiseal reports it and sets nothing.",
        attached(accounts)
    )];
    if is_unsure {
        notes.push(
            "Where block-all-sharing is on for snapshots, this document makes public again what was public: add --snapshots \
             block-all-sharing to keep it."
                .to_owned(),
        );
    }
    if refuses {
        notes.push(
            "Allowed AMIs refuse images of everybody else: attach the document with --allowed-images audit-mode first, and see which \
             images AWS would refuse."
                .to_owned(),
        );
    }
    if has_encryption {
        notes.push(
            "No declarative policy holds EBS encryption by default: amiseal does, and --as scp prints what keeps people from turning it \
             off."
                .to_owned(),
        );
    }
    notes
}
