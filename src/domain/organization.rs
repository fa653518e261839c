//! The accounts of an organization, as AWS Organizations lists them.

use std::collections::BTreeSet;

use super::AccountId;

/// Which accounts are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountsOf {
    /// All of the organization.
    Organization,
    /// Those of these organizational units, and of the units below them.
    Units(BTreeSet<String>),
}

/// What AWS Organizations has listed, completely. An account is in one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedAccounts {
    /// Those in the state `ACTIVE`.
    pub active: BTreeSet<AccountId>,
    /// Those in any other: suspended, being closed, closed, or not activated yet.
    pub others: BTreeSet<AccountId>,
}
