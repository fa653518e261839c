//! Faults by rule: which calls they strike and what happens then.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::glob;
use crate::wire::{ApiError, Service};

/// Which calls a rule strikes. What is absent matches all; texts may hold `*`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FaultRule {
    /// For the journal.
    pub name: Option<String>,
    /// As in credential scopes: `ec2`, `kms`, `ssm`, …
    pub service: Option<String>,
    /// Operation.
    pub operation: Option<String>,
    /// Account of the caller.
    pub account: Option<String>,
    /// ARN of the caller.
    pub principal: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Parameters by flat name.
    pub parameters: BTreeMap<String, String>,
    /// Flat names of parameters that the call does not have.
    pub absent: Vec<String>,
    /// Also calls with DryRun; default false.
    pub dry_run: bool,
    /// Strike only the call of this number among those that match, from 1.
    pub nth: Option<u64>,
    /// Strike each call whose number is a multiple of this.
    pub every: Option<u64>,
    /// Strike from this number on.
    pub from: Option<u64>,
    /// Strike up to this number.
    pub to: Option<u64>,
    /// Strike with this probability, from the seed.
    pub probability: Option<f64>,
    /// What happens.
    pub act: Act,
}

/// What happens to a call that a rule strikes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Act {
    /// Answer an error; nothing was done.
    FailBefore(Failure),
    /// Do it, and answer an error.
    FailAfter(Failure),
    /// Close the connection; nothing was done.
    DropBefore,
    /// Do it, and close the connection.
    DropAfter,
    /// Do it, and answer so many real seconds later.
    DelayReply(f64),
    /// Close the connection now, and do it so many simulated seconds later.
    DelayEffect(f64),
    /// Answer as a throttled call.
    Throttle,
    /// CopyImage: one snapshot of the copy is not encrypted.
    CopyUnencrypted,
    /// CopyImage: one snapshot of the copy is under this key ARN.
    CopyUnderKey(String),
    /// CopyImage: an attribute of the copy has another value.
    CopyAttribute(AttributeLie),
}

impl Default for Act {
    fn default() -> Self {
        Self::FailBefore(Failure::default())
    }
}

/// An error to answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Failure {
    /// Error code.
    pub code: String,
    /// HTTP status.
    pub status: u16,
    /// Text.
    pub message: String,
}

impl Default for Failure {
    fn default() -> Self {
        Self {
            code: "InternalError".to_owned(),
            status: 500,
            message: "An internal error has occurred".to_owned(),
        }
    }
}

impl Failure {
    pub(crate) fn error(&self) -> ApiError {
        ApiError::with_status(self.status, self.code.clone(), self.message.clone())
    }
}

/// What a copy can get wrong: attributes of an image; then properties of the last EBS volume, the last device's name, and the last
/// blank volume or instance-store volume, which is left out.
const ATTRIBUTES: [&str; 18] = [
    "architecture",
    "bootMode",
    "tpmSupport",
    "imdsSupport",
    "uefiData",
    "enaSupport",
    "sriovNetSupport",
    "rootDeviceName",
    "instanceTypes",
    "watermarks",
    "volumeSize",
    "volumeType",
    "iops",
    "throughput",
    "deleteOnTermination",
    "deviceName",
    "blank",
    "ephemeral",
];

fn attribute_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if ATTRIBUTES.contains(&name.as_str()) {
        return Ok(name);
    }
    let message = format!(
        "a copy has no attribute `{name}`: write one of {}",
        ATTRIBUTES.join(", ")
    );
    Err(D::Error::custom(message))
}

/// An attribute that the copy gets wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttributeLie {
    /// One of `ATTRIBUTES`; others are refused.
    #[serde(deserialize_with = "attribute_name")]
    pub name: String,
    /// The wrong value; absent: none.
    #[serde(default)]
    pub value: Option<String>,
}

/// The call that rules are matched against.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) service: Service,
    pub(crate) operation: &'a str,
    pub(crate) account: &'a str,
    pub(crate) principal: &'a str,
    pub(crate) region: &'a str,
    pub(crate) params: &'a BTreeMap<String, String>,
    pub(crate) dry_run: bool,
}

impl FaultRule {
    fn matches(&self, call: &Subject<'_>) -> bool {
        let fits = |pattern: &Option<String>, text: &str| pattern.as_ref().is_none_or(|p| glob::matches(p, text));
        (self.dry_run || !call.dry_run)
            && fits(&self.service, call.service.as_str())
            && fits(&self.operation, call.operation)
            && fits(&self.account, call.account)
            && fits(&self.principal, call.principal)
            && fits(&self.region, call.region)
            && self
                .parameters
                .iter()
                .all(|(k, p)| call.params.get(k).is_some_and(|v| glob::matches(p, v)))
            && !self
                .absent
                .iter()
                .any(|p| call.params.keys().any(|k| glob::matches(p, k)))
    }

    fn strikes_at(&self, number: u64) -> bool {
        self.nth.is_none_or(|n| n == number)
            && self.every.is_none_or(|n| n > 0 && number.is_multiple_of(n))
            && self.from.is_none_or(|n| number >= n)
            && self.to.is_none_or(|n| number <= n)
    }
}

/// All rules, with the number of calls that each has matched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<(FaultRule, u64)>,
}

impl Faults {
    pub(crate) fn add(&mut self, rule: FaultRule) {
        self.rules.push((rule, 0));
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Removes the rules of this name.
    pub(crate) fn remove(&mut self, name: &str) {
        self.rules.retain(|(rule, _)| rule.name.as_deref() != Some(name));
    }

    pub(crate) fn rules(&self) -> Vec<(FaultRule, u64)> {
        self.rules.clone()
    }

    /// The first rule that strikes this call. Every rule that matches counts it, also when another strikes.
    pub(crate) fn strike(&mut self, call: &Subject<'_>, mut draw: impl FnMut() -> f64) -> Option<(String, Act)> {
        let mut struck = None;
        for (i, (rule, count)) in self.rules.iter_mut().enumerate() {
            if !rule.matches(call) {
                continue;
            }
            *count += 1;
            let lucky = rule.probability.is_none_or(|p| draw() < p);
            if struck.is_none() && rule.strikes_at(*count) && lucky {
                let name = rule.name.clone().unwrap_or_else(|| format!("fault {}", i + 1));
                struck = Some((name, rule.act.clone()));
            }
        }
        struck
    }
}
