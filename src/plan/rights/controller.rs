//! What the controller's own identity takes: to assume the roles, to list the accounts of an organization where policies ask for that,
//! and to read the queue of events where there is one.

use super::grants::Grant;
use super::resources::actions;
use super::statement::{Policy, Statement, Texts};
use super::{AccountRights, Options, split, trust};

/// What the controller's own identity takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ControllerRights {
    /// The ARN of its role, or what stands for it.
    pub role: String,
    /// What it has to be allowed; none where no policy names a role, and there is no queue.
    pub statements: Vec<Statement>,
    /// Whom it has to trust; none where it has its role in another way, or nothing is new.
    pub trust: Option<Policy>,
}

impl ControllerRights {
    /// The permissions policies: more than one where AWS takes no larger one.
    pub fn policies(&self) -> Vec<Policy> {
        split::split(&self.statements)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty() && self.trust.is_none()
    }
}

/// What it takes for these accounts.
pub(super) fn of(accounts: &[AccountRights], lists: Option<Statement>, options: &Options) -> ControllerRights {
    let partition = accounts.first().map_or("aws", |account| account.partition);
    let mut roles = Texts::default();
    for role in accounts.iter().filter_map(|account| account.role.as_deref()) {
        if !roles.has(role) {
            roles.0.push(role.to_owned());
        }
    }
    let queue = options.event_queue.iter().map(String::as_str).collect();
    let granted = [(Grant::AssumeRoles, roles), (Grant::ReadEvents, queue)];
    let granted = granted.into_iter().filter(|(_, resources)| !resources.is_empty());
    let statements = granted.map(|(grant, resources)| Statement::allow(grant.sid(), actions(grant), resources));
    ControllerRights {
        role: trust::controller(options, partition),
        statements: statements.chain(lists).collect(),
        trust: trust::of_controller(options, partition),
    }
}
