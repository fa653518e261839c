//! Which accounts and regions of which policies are meant.

use crate::domain::{AccountId, Region};

/// Which accounts and regions of which policies are meant. What is not said takes all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this policy's.
    pub policy: Option<String>,
    /// Only this account.
    pub account: Option<AccountId>,
    /// Only this region.
    pub region: Option<Region>,
}

impl Filter {
    /// Whether this one is meant.
    pub fn takes(&self, policy: &str, account: &str, region: &str) -> bool {
        self.takes_account(policy, account) && self.region.as_ref().is_none_or(|wanted| wanted.as_str() == region)
    }

    /// Whether any region of this account is meant.
    pub fn takes_account(&self, policy: &str, account: &str) -> bool {
        self.policy.as_ref().is_none_or(|wanted| wanted == policy)
            && self.account.as_ref().is_none_or(|wanted| wanted.as_str() == account)
    }
}
