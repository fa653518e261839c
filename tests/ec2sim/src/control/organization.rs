//! Edits of organizations: accounts come, go, move, and are suspended or closed.

use serde_json::{Value, json};

use super::{Edit, EditError, missing};
use crate::engine::State;
use crate::model::Organization;
use crate::spec::is_account_id;

/// Makes an edit of an organization.
pub(super) fn apply(state: &mut State, edit: Edit) -> Result<Value, EditError> {
    match edit {
        Edit::JoinOrganization {
            organization,
            parent,
            account,
        } => {
            let all = &mut state.world.organizations;
            if all.iter().any(|one| one.has(&account)) {
                return Err(EditError(format!("account {account} is in an organization already")));
            }
            let found = all.iter_mut().find(|one| one.id == organization);
            let found = found.ok_or_else(|| missing("organization", &organization))?;
            put(found, &parent, &account)
        }
        Edit::MoveAccount { account, parent } => {
            let found = of(state, &account)?;
            // It stays where it is when it can not go there.
            found
                .accounts_of(&parent)
                .ok_or_else(|| missing("root or unit", &parent))?;
            found.take(&account);
            put(found, &parent, &account)
        }
        Edit::LeaveOrganization { account } => {
            let found = of(state, &account)?;
            if found.management_account == account {
                return Err(EditError(format!("account {account} is the management account")));
            }
            found.take(&account);
            found.set_state(&account, "ACTIVE");
            found.delegated_administrators.retain(|one| *one != account);
            Ok(json!({ "account": account }))
        }
        Edit::SetAccountState { account, state: to } => {
            if of(state, &account)?.set_state(&account, &to) {
                return Ok(json!({ "account": account, "state": to }));
            }
            Err(EditError(format!("`{to}` is not a state of an account")))
        }
        _ => Ok(json!({})),
    }
}

/// The organization that an account is in.
fn of<'a>(state: &'a mut State, account: &str) -> Result<&'a mut Organization, EditError> {
    let mut all = state.world.organizations.iter_mut();
    all.find(|one| one.has(account))
        .ok_or_else(|| missing("account of an organization", account))
}

fn put(organization: &mut Organization, parent: &str, account: &str) -> Result<Value, EditError> {
    if !is_account_id(account) {
        return Err(EditError(format!("`{account}` is not an account ID")));
    }
    let accounts = organization
        .accounts_of_mut(parent)
        .ok_or_else(|| missing("root or unit", parent))?;
    accounts.push(account.to_owned());
    Ok(json!({ "account": account, "parent": parent }))
}
