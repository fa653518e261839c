//! What is new against other policies.

use super::statement::{Statement, Texts};
use super::{AccountRights, ControllerRights, Rights};

/// What `earlier` does not have of `rights`.
pub fn since(rights: Rights, earlier: &Rights) -> Rights {
    let accounts = rights.accounts.into_iter().filter_map(|account| {
        let same = |known: &&AccountRights| known.account_id == account.account_id && known.role == account.role;
        match earlier.accounts.iter().find(same) {
            Some(known) => of_account(account, known),
            None => Some(account),
        }
    });
    Rights {
        accounts: accounts.collect(),
        controller: ControllerRights {
            statements: new(&rights.controller.statements, &earlier.controller.statements),
            trust: rights
                .controller
                .trust
                .filter(|trust| earlier.controller.trust.as_ref() != Some(trust)),
            role: rights.controller.role,
        },
    }
}

fn of_account(mut account: AccountRights, earlier: &AccountRights) -> Option<AccountRights> {
    let known = earlier.statements();
    account.rights.retain_mut(|right| match less(&right.statement, &known) {
        Some(statement) => {
            right.statement = statement;
            true
        }
        None => false,
    });
    account.trust = account.trust.filter(|trust| earlier.trust.as_ref() != Some(trust));
    for key in &mut account.keys {
        let same = earlier
            .keys
            .iter()
            .find(|known| known.region == key.region && known.key == key.key);
        if let Some(known) = same {
            key.statements = new(&key.statements, &known.statements);
        }
    }
    account.keys.retain(|key| !key.statements.is_empty());
    let is_new = !account.rights.is_empty() || account.trust.is_some() || !account.keys.is_empty();
    is_new.then_some(account)
}

fn new(statements: &[Statement], known: &[Statement]) -> Vec<Statement> {
    statements
        .iter()
        .filter_map(|statement| less(statement, known))
        .collect()
}

/// Whether what is known holds whenever a statement does, but for actions and resources: it asks for no more.
fn is_as_wide(known: &Statement, statement: &Statement) -> bool {
    let is_asked = |operator: &str, key: &String, values: &Texts| {
        let asked = statement.condition.get(operator).and_then(|keys| keys.get(key));
        asked.is_some_and(|asked| match operator {
            // Of regions that are left out, the fewer are the wider.
            "StringNotEquals" => values.0.iter().all(|value| asked.has(value)),
            // Of values that are allowed any one is enough, so that the more are the wider.
            _ => asked.0.iter().all(|value| values.has(value)),
        })
    };
    let mut conditions = known.condition.iter();
    let asks_no_more =
        conditions.all(|(operator, keys)| keys.iter().all(|(key, values)| is_asked(operator, key, values)));
    asks_no_more && known.principal == statement.principal
}

/// What is left of a statement without what these allow already.
fn less(statement: &Statement, known: &[Statement]) -> Option<Statement> {
    let mut left = statement.clone();
    for known in known
        .iter()
        .filter(|known| known.resource == statement.resource && is_as_wide(known, statement))
    {
        left.action.0.retain(|action| !known.action.has(action));
    }
    if left.action.is_empty() {
        return None;
    }
    // The same on fewer resources, as where an account has been added.
    let is_same = |known: &&Statement| {
        let allows = left.action.0.iter().all(|action| known.action.has(action));
        allows && is_as_wide(known, statement)
    };
    let allowed: Vec<&Texts> = known.iter().filter(is_same).map(|known| &known.resource).collect();
    let is_new = |resource: &String| !allowed.iter().any(|known| known.has(resource));
    let resource: Texts = left
        .resource
        .0
        .iter()
        .filter(|resource| is_new(resource))
        .cloned()
        .collect();
    if resource.is_empty() && !left.resource.is_empty() {
        return None;
    }
    Some(Statement { resource, ..left })
}
