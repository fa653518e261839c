//! What a policy asks for in one account, as far as it takes rights.

use std::collections::{BTreeMap, BTreeSet};

use super::Options;
use super::keys::PolicyKey;
use super::regions::{ALL, Everywhere};
use super::site::Site;
use crate::api::{AMIEncryptionTargetSpec, GuardrailMode, InspectorScan, LaunchSettings, Mode, UsageReports};
use crate::domain::{ConsumerKind, Guardrail, Region};
use crate::plan::findings::{Check, Thresholds};

/// What one policy asks for in one account, by one role.
pub(super) struct Asked<'a> {
    /// The settings, which are the same in all regions but for the key.
    pub(super) spec: &'a AMIEncryptionTargetSpec,
    /// The account, and the regions.
    pub(super) site: Site,
    /// The keys, one for each region, and one for all others where all are taken.
    pub(super) keys: Vec<PolicyKey>,
    /// What was said besides the policy.
    pub(super) options: &'a Options,
    /// Whether nothing tells which partition the account is in.
    pub(super) is_partition_assumed: bool,
    thresholds: Option<Thresholds>,
    /// Whether this policy or another one moves consumers.
    somebody_moves: bool,
}

/// What the targets of one policy ask for, by account and role, in the order in which the policy names them. `everywhere` are the
/// accounts of which it takes all regions.
pub(super) fn of<'a>(
    targets: &'a [AMIEncryptionTargetSpec],
    everywhere: &BTreeMap<String, Everywhere>,
    options: &'a Options,
    somebody_moves: bool,
) -> Vec<Asked<'a>> {
    let mut all: Vec<(&str, Asked<'a>)> = Vec::new();
    for spec in targets {
        let partition = partition(&spec.region);
        let is_same = |(of, known): &&mut (&str, Asked<'_>)| {
            let same_role = known.spec.role_arn == spec.role_arn;
            *of == partition && same_role && known.spec.account_id == spec.account_id
        };
        if let Some((_, known)) = all.iter_mut().find(is_same) {
            known.add(spec);
            continue;
        }
        let mut asked = Asked {
            spec,
            site: Site::new(partition, &spec.account_id, options.is_template),
            keys: Vec::new(),
            options,
            is_partition_assumed: false,
            thresholds: spec
                .audit
                .as_ref()
                .map(|audit| Thresholds::of_policy(audit, &spec.unused, BTreeSet::new())),
            somebody_moves,
        };
        asked.add(spec);
        all.push((partition, asked));
    }
    let mut all: Vec<Asked<'a>> = all.into_iter().map(|(_, asked)| asked).collect();
    for (account, everywhere) in everywhere {
        if let Some(asked) = all.iter_mut().find(|asked| asked.spec.account_id == *account) {
            asked.take_all(everywhere);
        }
    }
    all
}

/// The partition of a region. One of a form that is not known is taken for one of AWS's own.
pub(super) fn partition(region: &str) -> &'static str {
    region
        .parse::<Region>()
        .map_or("aws", |region| region.partition().as_str())
}

/// Whether any consumer is moved in an account and region. Nothing is where it is not read what launches the originals.
pub(super) fn moves(spec: &AMIEncryptionTargetSpec) -> bool {
    spec.mode == Mode::Enforce && spec.consumers.read && spec.promotion.moves()
}

impl Asked<'_> {
    fn add(&mut self, spec: &AMIEncryptionTargetSpec) {
        self.site.regions.push(spec.region.clone());
        let key = PolicyKey::parse(&spec.kms_key_id, &spec.region, &self.site);
        self.keys.push(key);
    }

    fn take_all(&mut self, everywhere: &Everywhere) {
        if everywhere.is_alone {
            self.site.regions.clear();
            self.keys.clear();
        }
        self.site.is_everywhere = true;
        self.site.except.clone_from(&everywhere.except);
        self.is_partition_assumed = everywhere.is_partition_assumed;
        let key = PolicyKey::parse(&everywhere.key, ALL, &self.site);
        self.keys.push(key);
    }

    /// Whether anything is changed in AWS.
    pub(super) fn enforces(&self) -> bool {
        self.spec.mode == Mode::Enforce
    }

    /// Whether it is read who uses the images.
    pub(super) fn reads_consumers(&self) -> bool {
        self.spec.consumers.read
    }

    /// Whether one of these checks is made.
    pub(super) fn checks(&self, checks: &[Check]) -> bool {
        let asks = |thresholds: &Thresholds| checks.iter().any(|check| thresholds.asks_for(*check));
        self.thresholds.as_ref().is_some_and(asks)
    }

    /// Whether AWS is asked what other accounts use.
    pub(super) fn asks_for_reports(&self) -> bool {
        self.enforces() && self.reads_consumers() && self.spec.consumers.usage_reports == UsageReports::Create
    }

    /// How instances are launched from copies, where they are.
    pub(super) fn launches(&self) -> Option<&LaunchSettings> {
        self.spec.validation.launch.as_ref().filter(|_| self.enforces())
    }

    /// Whether Amazon Inspector is asked for scans of copies.
    pub(super) fn asks_for_scans(&self) -> bool {
        let inspector = self.spec.validation.inspector.as_ref();
        self.enforces() && inspector.is_some_and(|inspector| inspector.scan == InspectorScan::OnDemand)
    }

    /// Whether consumers of this kind are moved.
    pub(super) fn moves(&self, kind: ConsumerKind) -> bool {
        self.moves_any() && self.spec.promotion.moves_kind(kind)
    }

    /// Whether any consumer is moved.
    pub(super) fn moves_any(&self) -> bool {
        moves(self.spec)
    }

    /// Whether consumers of other accounts may be moved to copies of this one: then the role of this one reads who may use the key.
    pub(super) fn may_be_followed(&self) -> bool {
        self.enforces() && self.somebody_moves
    }

    /// What is to become of a guardrail.
    fn guardrail(&self, guardrail: Guardrail) -> GuardrailMode {
        let settings = self.spec.guardrails.as_ref();
        settings.map_or(GuardrailMode::Ignore, |settings| settings.mode_of(guardrail))
    }

    /// Whether a guardrail is read for its own sake.
    pub(super) fn reads_guardrail(&self, guardrail: Guardrail) -> bool {
        self.guardrail(guardrail) != GuardrailMode::Ignore
    }

    /// Whether a guardrail is set.
    pub(super) fn holds_guardrail(&self, guardrail: Guardrail) -> bool {
        self.enforces() && self.guardrail(guardrail) == GuardrailMode::Enforce
    }

    /// What the names of parameters with the map begin with, where it is kept in any.
    pub(super) fn prefix(&self) -> Option<&str> {
        let map = self.spec.promotion.map.as_ref().filter(|_| self.enforces());
        map.and_then(|map| map.ssm_prefix.as_deref())
    }
}
