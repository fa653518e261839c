//! What policies take that have all regions of an account: which ones these are is not read for rights, and is none of their conditions.

use std::collections::BTreeMap;

use crate::api::{AMIEncryptionPolicySpec, RegionSpec};
use crate::plan::regions::{asked_in, of_account, partition_of};

/// What stands for the name of each region: in ARNs it is any.
pub(super) const ALL: &str = "*";

/// How a policy takes all regions of an account.
pub(super) struct Everywhere {
    /// The key in those that are not listed.
    pub(super) key: String,
    /// Whether none is listed.
    pub(super) is_alone: bool,
}

/// A policy with one region for each account of which it takes all and lists none, and the accounts of which it takes all.
pub(super) fn with_one(mut spec: AMIEncryptionPolicySpec) -> (AMIEncryptionPolicySpec, BTreeMap<String, Everywhere>) {
    let (defaults, partition) = (spec.defaults.clone().unwrap_or_default(), partition_of(&spec));
    let mut everywhere = BTreeMap::new();
    for account in &mut spec.accounts {
        let (listed, all) = of_account(&defaults, account);
        let (Some(all), Some(region)) = (all, asked_in(account, listed, partition)) else {
            continue;
        };
        let (key, is_alone) = (all.kms_key_id.clone(), listed.is_empty());
        if is_alone {
            account.regions = vec![RegionSpec {
                name: region.into(),
                kms_key_id: key.clone(),
            }];
        }
        everywhere.insert(account.account_id.clone(), Everywhere { key, is_alone });
    }
    (spec, everywhere)
}
