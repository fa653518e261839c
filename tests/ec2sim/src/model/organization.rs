//! An organization: its units and the accounts in them.

use serde::{Deserialize, Serialize};

/// An organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Organization {
    /// As in `o-exampleorgid`.
    pub id: String,
    /// Its management account.
    pub management_account: String,
    /// Accounts that may read it beside that one.
    pub delegated_administrators: Vec<String>,
    /// As in `r-examplerootid`.
    pub root: String,
    /// Its organizational units.
    pub units: Vec<OrganizationalUnit>,
    /// The accounts that are directly below the root.
    pub accounts: Vec<String>,
    /// Those accounts that AWS has suspended.
    pub suspended: Vec<String>,
    /// Those that are being closed.
    pub pending_closure: Vec<String>,
    /// Those that are closed.
    pub closed: Vec<String>,
}

/// An organizational unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OrganizationalUnit {
    /// As in `ou-examplerootid111-exampleouid111`.
    pub id: String,
    /// Name.
    pub name: String,
    /// The unit that it is in; absent: the root.
    pub parent: Option<String>,
    /// The accounts that are directly in it.
    pub accounts: Vec<String>,
}

impl Organization {
    /// All accounts.
    pub fn members(&self) -> impl Iterator<Item = &String> {
        let in_units = self.units.iter().flat_map(|unit| &unit.accounts);
        self.accounts.iter().chain(in_units)
    }

    /// Whether an account is in it.
    pub fn has(&self, account: &str) -> bool {
        self.members().any(|member| member == account)
    }

    /// Whether an account may read it.
    pub fn may_read(&self, account: &str) -> bool {
        self.management_account == account || self.delegated_administrators.iter().any(|one| one == account)
    }

    /// The accounts directly in a parent, which is the root or a unit.
    pub fn accounts_of(&self, parent: &str) -> Option<&Vec<String>> {
        if parent == self.root {
            return Some(&self.accounts);
        }
        let unit = self.units.iter().find(|unit| unit.id == parent)?;
        Some(&unit.accounts)
    }

    /// The same, to change.
    pub(crate) fn accounts_of_mut(&mut self, parent: &str) -> Option<&mut Vec<String>> {
        if parent == self.root {
            return Some(&mut self.accounts);
        }
        let unit = self.units.iter_mut().find(|unit| unit.id == parent)?;
        Some(&mut unit.accounts)
    }

    /// The units directly in a parent.
    pub fn units_of<'a>(&'a self, parent: &'a str) -> impl Iterator<Item = &'a OrganizationalUnit> {
        let units = self.units.iter();
        units.filter(move |unit| unit.parent.as_deref().unwrap_or(&self.root) == parent)
    }

    /// The state of an account, as Organizations calls it.
    pub fn state_of(&self, account: &str) -> &'static str {
        let has = |list: &[String]| list.iter().any(|one| one == account);
        if has(&self.closed) {
            "CLOSED"
        } else if has(&self.pending_closure) {
            "PENDING_CLOSURE"
        } else if has(&self.suspended) {
            "SUSPENDED"
        } else {
            "ACTIVE"
        }
    }

    /// Sets the state of an account. Says whether there is such a state.
    pub(crate) fn set_state(&mut self, account: &str, state: &str) -> bool {
        if !["ACTIVE", "SUSPENDED", "PENDING_CLOSURE", "CLOSED"].contains(&state) {
            return false;
        }
        for (name, list) in [
            ("SUSPENDED", &mut self.suspended),
            ("PENDING_CLOSURE", &mut self.pending_closure),
            ("CLOSED", &mut self.closed),
        ] {
            list.retain(|one| one != account);
            if name == state {
                list.push(account.to_owned());
            }
        }
        true
    }

    /// Takes an account away from where it is. Says whether it was there.
    pub(crate) fn take(&mut self, account: &str) -> bool {
        let was_there = self.has(account);
        let in_units = self.units.iter_mut().map(|unit| &mut unit.accounts);
        for list in in_units.chain([&mut self.accounts]) {
            list.retain(|one| one != account);
        }
        was_there
    }
}
