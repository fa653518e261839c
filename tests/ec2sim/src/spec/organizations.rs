//! The organizations of a world file.

use std::collections::BTreeSet;

use super::SpecError;
use super::expand::check_account_id;
use crate::model::Organization;

/// The organizations, each with its management account in it.
pub(super) fn expand(specs: &[Organization]) -> Result<Vec<Organization>, SpecError> {
    let mut all = Vec::new();
    let mut known = BTreeSet::new();
    for (i, spec) in specs.iter().enumerate() {
        let path = format!("organizations[{i}]");
        let mut organization = spec.clone();
        check_ids(&organization, &path)?;
        if !organization.has(&organization.management_account) {
            organization.accounts.push(organization.management_account.clone());
        }
        for account in organization.members() {
            check_account_id(account, &format!("{path}.accounts"))?;
            if !known.insert(account.clone()) {
                return Err(SpecError::at(
                    path,
                    format!("account {account} is in two places: leave it in one"),
                ));
            }
        }
        all.push(organization);
    }
    Ok(all)
}

fn check_ids(organization: &Organization, path: &str) -> Result<(), SpecError> {
    for (field, id, prefix) in [("id", &organization.id, "o-"), ("root", &organization.root, "r-")] {
        if !id.starts_with(prefix) {
            return Err(SpecError::at(
                format!("{path}.{field}"),
                format!("`{id}` does not begin with {prefix}"),
            ));
        }
    }
    check_account_id(&organization.management_account, &format!("{path}.managementAccount"))?;
    for (i, unit) in organization.units.iter().enumerate() {
        let path = format!("{path}.units[{i}]");
        if !unit.id.starts_with("ou-") {
            return Err(SpecError::at(
                format!("{path}.id"),
                format!("`{}` does not begin with ou-", unit.id),
            ));
        }
        let parent = unit.parent.as_deref().unwrap_or(&organization.root);
        if parent == unit.id || organization.accounts_of(parent).is_none() {
            return Err(SpecError::at(
                format!("{path}.parent"),
                format!("there is no unit {parent} beside it: name another one, or the root"),
            ));
        }
    }
    Ok(())
}
