//! What policies enforce, by account: AWS Organizations knows policies by accounts, and not by regions.

use std::collections::{BTreeMap, BTreeSet};

use super::{Filter, asked};
use crate::api::{AMIEncryptionPolicy, AMIEncryptionTargetSpec, GuardrailMode};
use crate::domain::{Guardrail, Region};
use crate::plan::expand;

/// What policies enforce in one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enforced {
    /// The account.
    pub account_id: String,
    /// Its partition.
    pub partition: &'static str,
    /// In which regions, by guardrail. None of them is without a region.
    pub regions: BTreeMap<Guardrail, BTreeSet<String>>,
    /// Whether amiseal itself sets Allowed AMIs, and does not only print who else is to hold them.
    pub sets_images: bool,
    /// Whom amiseal acts as where it sets the default key or Allowed AMIs: the ARNs of roles, and none for the controller's own identity.
    pub roles: BTreeSet<Option<String>>,
}

impl Enforced {
    fn of(spec: &AMIEncryptionTargetSpec) -> Self {
        Self {
            account_id: spec.account_id.clone(),
            partition: partition(&spec.region),
            regions: BTreeMap::new(),
            sets_images: false,
            roles: BTreeSet::new(),
        }
    }

    fn add(&mut self, guardrail: Guardrail, spec: &AMIEncryptionTargetSpec) {
        let regions = self.regions.entry(guardrail).or_default();
        regions.insert(spec.region.clone());
        let is_set = asked::mode(spec, guardrail) == Some(GuardrailMode::Enforce);
        self.sets_images |= is_set && guardrail == Guardrail::AllowedImages;
        // What can be set to less by the same call: whoever may make it, may undo it.
        if is_set && matches!(guardrail, Guardrail::EncryptionByDefault | Guardrail::AllowedImages) {
            self.roles.insert(spec.role_arn.clone());
        }
    }
}

/// The partition of a region. One of a form that is not known is taken for one of AWS's own.
fn partition(region: &str) -> &'static str {
    region
        .parse::<Region>()
        .map_or("aws", |region| region.partition().as_str())
}

/// The targets of the policies that are meant.
pub(super) fn meant(policies: &[AMIEncryptionPolicy], filter: &Filter) -> Vec<AMIEncryptionTargetSpec> {
    let targets = policies.iter().flat_map(|policy| {
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        expand::targets(name, &policy.spec)
    });
    let is_meant = |spec: &AMIEncryptionTargetSpec| filter.takes(&spec.policy, &spec.account_id, &spec.region);
    targets.filter(is_meant).collect()
}

/// What these policies enforce, by account. With `allowed_images` these are held as well where a policy only has them reported.
pub fn enforced(policies: &[AMIEncryptionPolicy], filter: &Filter, allowed_images: bool) -> Vec<Enforced> {
    let mut accounts: BTreeMap<(&'static str, String), Enforced> = BTreeMap::new();
    for spec in meant(policies, filter) {
        let is_held = |guardrail: &Guardrail| match (guardrail, asked::mode(&spec, *guardrail)) {
            (Guardrail::AllowedImages, Some(GuardrailMode::Audit)) => allowed_images,
            (_, mode) => mode == Some(GuardrailMode::Enforce),
        };
        for guardrail in Guardrail::ALL.into_iter().filter(is_held) {
            let key = (partition(&spec.region), spec.account_id.clone());
            let account = accounts.entry(key).or_insert_with(|| Enforced::of(&spec));
            account.add(guardrail, &spec);
        }
    }
    accounts.into_values().collect()
}
