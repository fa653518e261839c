//! One region of one account: what AWS's limits, a shard, and an inventory are of.

use std::fmt;

use super::{AccountId, Malformed, Region};

/// One region of one account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
}

impl Scope {
    /// From the account's ID and the region's name.
    pub fn parse(account: &str, region: &str) -> Result<Self, Malformed> {
        Ok(Self {
            account: account.parse()?,
            region: region.parse()?,
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.account, self.region)
    }
}
