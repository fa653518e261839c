//! What policies take that have their accounts from AWS Organizations: the right to list them, and one role in all of them.

use std::collections::BTreeSet;

use super::grants::Grant;
use super::operations::operations;
use super::statement::{Statement, Texts};
use super::{AccountRights, Right};
use crate::api::{AMIEncryptionPolicySpec, Account, AccountsFrom};
use crate::domain::Operation;
use crate::plan::accounts::Source;

/// What stands for the ID of each account that is listed: in ARNs it is any. Which accounts these are is not read for rights.
pub(super) const LISTED: &str = "*";

/// A policy with one account in the place of those that AWS Organizations lists.
pub(super) fn with_listed(spec: &AMIEncryptionPolicySpec) -> AMIEncryptionPolicySpec {
    let mut spec = spec.clone();
    if spec.accounts_from.is_some() {
        spec.accounts.push(Account {
            account_id: LISTED.to_owned(),
            role_arn: None,
            role_name: None,
            external_id: None,
            regions: Vec::new(),
            all_regions: None,
        });
    }
    spec
}

/// What the controller's own identity takes to list accounts; none where it lists none.
pub(super) fn of_controller<'a>(specs: impl Iterator<Item = &'a AMIEncryptionPolicySpec>) -> Option<Statement> {
    let asked = specs.filter_map(|spec| spec.accounts_from.as_ref());
    let own: Vec<&AccountsFrom> = asked.filter(|from| from.role_arn.is_none()).collect();
    (!own.is_empty()).then(|| statement(&own))
}

/// What the role takes that lists accounts for a policy; none where the controller's own identity does.
pub(super) fn of_role(spec: &AMIEncryptionPolicySpec) -> Option<AccountRights> {
    let from = spec.accounts_from.as_ref()?;
    let role = from.role_arn.as_ref()?;
    Some(AccountRights {
        // arn:aws:iam::111122223333:role/name
        account_id: role.split(':').nth(4)?.to_owned(),
        partition: Source::of(spec, None)?.partition.as_str(),
        role: Some(role.clone()),
        rights: vec![Right {
            grant: Grant::ListAccounts,
            statement: statement(&[from]),
        }],
        trust: None,
        keys: Vec::new(),
        external_ids: BTreeSet::from([from.external_id.clone()]),
        moves_groups: false,
        is_partition_assumed: false,
    })
}

/// The calls that these ask for.
fn statement(asked: &[&AccountsFrom]) -> Statement {
    let is_called = |operation: &Operation| {
        let of_all = *operation == Operation::ListAccounts;
        asked.iter().any(|from| from.organization.is_some() == of_all)
    };
    let calls = operations(Grant::ListAccounts).filter(is_called);
    let actions: Texts = calls.map(|operation| operation.action()).collect();
    Statement::allow(Grant::ListAccounts.sid(), actions, Texts::one("*"))
}
