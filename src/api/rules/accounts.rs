//! Rules of accounts, and of where they come from.

use kube::core::Rule;

/// An account ID has twelve digits.
pub(in crate::api) fn account_id() -> Rule {
    Rule::new("self.matches('^[0-9]{12}$')")
        .message("accountID must be the account's 12 digits, in quotes: write for example \"111122223333\"")
}

pub(in crate::api) fn owner_account_id() -> Rule {
    Rule::new("self.matches('^[0-9]{12}$')")
        .message("ownerAccountID must be the account's 12 digits, in quotes: write for example \"111122223333\"")
}

/// A policy has accounts, or says where they come from.
pub(in crate::api) fn accounts_somewhere() -> Rule {
    Rule::new("(has(self.accounts) && size(self.accounts) > 0) || has(self.accountsFrom)").message(
        "accounts must have at least one account: list one, or write accountsFrom to take those that AWS Organizations \
         lists",
    )
    .field_path(".accounts")
}

/// Accounts that AWS Organizations lists say nothing of themselves.
pub(in crate::api) fn accounts_from_has_defaults() -> Rule {
    Rule::new(
        "!has(self.accountsFrom) || (has(self.defaults) && has(self.defaults.roleName) && \
         (has(self.defaults.allRegions) || (has(self.defaults.regions) && size(self.defaults.regions) > 0)))",
    )
    .message(
        "accountsFrom needs defaults.roleName and defaults.regions or defaults.allRegions, which hold for each account that is \
         listed: add them",
    )
    .field_path(".accountsFrom")
}

/// AWS Organizations is asked for one thing.
pub(in crate::api) fn one_source_of_accounts() -> Rule {
    Rule::new("has(self.organization) != (has(self.organizationalUnits) && size(self.organizationalUnits) > 0)")
        .message(
            "accountsFrom must have either organization: {}, for all accounts, or organizationalUnits with at least one \
             ID: keep one of the two",
        )
}

/// Organizational units are named by their IDs.
pub(in crate::api) fn organizational_units() -> Rule {
    Rule::new("self.all(unit, unit.matches('^ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}$'))").message(
        "organizationalUnits must be IDs of organizational units: write for example ou-ab12-c3d4e5f6, and organization: \
         {} for all of them",
    )
}

/// Accounts that are left out are named by their IDs.
pub(in crate::api) fn excluded_accounts() -> Rule {
    Rule::new("self.all(id, id.matches('^[0-9]{12}$'))")
        .message("exclude must be the 12 digits of accounts, in quotes: write for example \"111122223333\"")
}
