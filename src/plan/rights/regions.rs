//! What policies take that have all regions of an account: which ones these are is not read for rights. Their conditions have
//! only those that are left out.

use std::collections::BTreeMap;

use crate::api::{AMIEncryptionPolicySpec, RegionSpec};
use crate::domain::Partition;
use crate::plan::partition;
use crate::plan::regions::{asked_in, of_account};

/// What stands for the name of each region: in ARNs it is any.
pub(super) const ALL: &str = "*";

/// How a policy takes all regions of an account.
pub(super) struct Everywhere {
    /// The key in those that are not listed.
    pub(super) key: String,
    /// Whether none is listed.
    pub(super) is_alone: bool,
    /// Those that are left out, but for those that are listed.
    pub(super) except: Vec<String>,
    /// Whether nothing tells which partition the account is in.
    pub(super) is_partition_assumed: bool,
}

/// A policy with one region for each account of which it takes all and lists none, and the accounts of which it takes all.
/// `own` is the partition of amiseal itself, where that is known.
pub(super) fn with_one(
    mut spec: AMIEncryptionPolicySpec,
    own: Option<Partition>,
) -> (AMIEncryptionPolicySpec, BTreeMap<String, Everywhere>) {
    let defaults = spec.defaults.clone().unwrap_or_default();
    let told = partition::of_policy(&spec).or(own);
    let mut everywhere = BTreeMap::new();
    for account in &mut spec.accounts {
        let (listed, all) = of_account(&defaults, account);
        let (Some(all), Some(region)) = (all, asked_in(account, listed, told.unwrap_or_default())) else {
            continue;
        };
        let (key, is_alone) = (all.kms_key_id.clone(), listed.is_empty());
        let is_listed = |name: &String| listed.iter().any(|region| region.name == *name);
        let except = all.exclude.iter().filter(|name| !is_listed(name)).cloned().collect();
        if is_alone {
            account.regions = vec![RegionSpec {
                name: region.into(),
                kms_key_id: key.clone(),
            }];
        }
        let taken = Everywhere {
            key,
            is_alone,
            except,
            is_partition_assumed: told.is_none(),
        };
        everywhere.insert(account.account_id.clone(), taken);
    }
    (spec, everywhere)
}
