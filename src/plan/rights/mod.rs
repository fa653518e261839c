//! The rights in AWS that policies take: for each account what the role there has to be allowed and whom it has to trust, and what the
//! policies of keys have to say. They follow from the policies alone: nothing is read for them.
//!
//! An operation has its place in `operations.rs`, a statement its words in `grants.rs`, the policies that take it in `wanted.rs`, and
//! its resources and conditions in `resources.rs`.

mod asked;
mod cloudformation;
mod controller;
mod document;
mod fold;
mod grants;
mod key_policy;
mod keys;
mod notes;
mod operations;
mod organizations;
mod page;
mod regions;
mod resources;
mod since;
mod site;
mod split;
mod statement;
mod terraform;
#[cfg(test)]
mod tests;
mod trust;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{AMIEncryptionPolicy, AMIEncryptionTargetSpec};
use crate::domain::{ConsumerKind, Partition};
use crate::plan::expand;

use asked::Asked;
pub use cloudformation::template;
pub use controller::ControllerRights;
pub use document::{Explanation, Part, document, part};
pub(crate) use fold::pretty;
pub use grants::Grant;
pub use key_policy::KeyRights;
pub use notes::notes;
pub use operations::{Place, place};
pub use page::table;
use regions::Everywhere;
pub use since::since;
pub use split::LIMIT;
pub use statement::{Conditions, Policy, Statement, Texts};
pub use terraform::configuration;

/// What follows from no policy.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// By what the controller has its own role.
    pub trust: Trust,
    /// The ARN of that role.
    pub controller: Option<String>,
    /// The ARNs of others who may assume the roles.
    pub trusted: Vec<String>,
    /// The OpenID Connect provider of the controller's cluster, without `https://`.
    pub oidc_provider: Option<String>,
    /// The ARN of that cluster.
    pub cluster: Option<String>,
    /// The controller's namespace.
    pub namespace: String,
    /// Its service account.
    pub service_account: String,
    /// Who launches from copies: IDs of accounts, and ARNs of roles.
    pub launchers: Vec<String>,
    /// Whether copies that somebody else has made are published and launched too.
    pub copies_of_others: bool,
    /// The IDs of launch templates that Auto Scaling groups are set to.
    pub launch_templates: Vec<String>,
    /// The ARNs of the roles that instances of such groups have.
    pub instance_roles: Vec<String>,
    /// The ARN of the queue that events come from.
    pub event_queue: Option<String>,
    /// Whether partition and account are to be parameters of CloudFormation.
    pub is_template: bool,
}

impl Options {
    /// The partition of the ARNs among them: no role of one partition can assume a role of another.
    fn partition(&self) -> Option<Partition> {
        let mut arns = self
            .controller
            .iter()
            .chain(&self.cluster)
            .chain(&self.event_queue)
            .chain(&self.trusted)
            .chain(&self.instance_roles);
        arns.find_map(|arn| Partition::of_arn(arn))
    }
}

/// By what the controller has its own role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Trust {
    /// It has one in some other way.
    #[default]
    Role,
    /// By IAM roles for service accounts.
    Irsa,
    /// By EKS Pod Identity.
    PodIdentity,
}

/// A statement, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// Which one it is.
    pub grant: Grant,
    /// As IAM has it.
    pub statement: Statement,
}

/// What one account takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRights {
    /// The account.
    pub account_id: String,
    /// Its partition.
    pub partition: &'static str,
    /// The ARN of the role; none where the controller's own identity is used.
    pub role: Option<String>,
    /// What that has to be allowed.
    pub rights: Vec<Right>,
    /// Whom it has to trust; none where there is no role, or nothing is new.
    pub trust: Option<Policy>,
    /// What its keys' policies have to say.
    pub keys: Vec<KeyRights>,
    /// The external IDs by which it is assumed; none in it where a policy gives none.
    external_ids: BTreeSet<Option<String>>,
    /// Whether a policy moves Auto Scaling groups.
    moves_groups: bool,
    /// Whether nothing tells its partition.
    is_partition_assumed: bool,
}

impl AccountRights {
    /// The statements.
    pub fn statements(&self) -> Vec<Statement> {
        self.rights.iter().map(|right| right.statement.clone()).collect()
    }

    /// The permissions policies: more than one where AWS takes no larger one.
    pub fn policies(&self) -> Vec<Policy> {
        split::split(&self.statements())
    }

    /// The name of the role without its path, or what else the policies are called by.
    pub fn name(&self) -> &str {
        let name = self.role.as_deref().and_then(|role| role.rsplit('/').next());
        name.unwrap_or("amiseal")
    }
}

/// What policies take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// By account and role, in the order in which the policies name them.
    pub accounts: Vec<AccountRights>,
    /// What the controller takes itself.
    pub controller: ControllerRights,
}

impl Rights {
    /// Only those of one account.
    #[must_use]
    pub fn of_account(mut self, account: &str) -> Self {
        self.accounts.retain(|known| known.account_id == account);
        self
    }

    /// Whether there is nothing in a part of them, or in all of them.
    pub fn is_empty(&self, part: Option<Part>) -> bool {
        let mut accounts = self.accounts.iter();
        match part {
            None => self.accounts.is_empty() && self.controller.is_empty(),
            Some(Part::Permissions) => accounts.all(|account| account.rights.is_empty()),
            Some(Part::Trust) => accounts.all(|account| account.trust.is_none()),
            Some(Part::Key) => accounts.all(|account| account.keys.iter().all(|key| key.statements.is_empty())),
            Some(Part::Controller) => self.controller.statements.is_empty(),
        }
    }
}

/// What these policies take.
pub fn of(policies: &[AMIEncryptionPolicy], options: &Options) -> Rights {
    let targets = policies.iter().map(|policy| {
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        let (spec, everywhere) = regions::with_one(organizations::with_listed(&policy.spec), options.partition());
        (expand::targets(name, &spec), everywhere)
    });
    let targets: Vec<(Vec<AMIEncryptionTargetSpec>, BTreeMap<String, Everywhere>)> = targets.collect();
    // What launches an image of another account may be moved by another policy than that account's.
    let somebody_moves = targets.iter().flat_map(|(targets, _)| targets).any(asked::moves);
    let mut accounts: Vec<AccountRights> = Vec::new();
    for (of_policy, everywhere) in &targets {
        for asked in asked::of(of_policy, everywhere, options, somebody_moves) {
            add(&mut accounts, of_one(&asked));
        }
    }
    let specs = || policies.iter().map(|policy| &policy.spec);
    // A template is of the role that all accounts have.
    for lists in specs()
        .filter(|_| !options.is_template)
        .filter_map(organizations::of_role)
    {
        add(&mut accounts, lists);
    }
    for account in &mut accounts {
        account.trust = account.role.is_some().then(|| trust::of_role(account, options));
    }
    let controller = controller::of(&accounts, organizations::of_controller(specs()), options);
    Rights { accounts, controller }
}

fn add(accounts: &mut Vec<AccountRights>, new: AccountRights) {
    let is_same = |known: &&mut AccountRights| {
        let same_role = known.role == new.role && known.partition == new.partition;
        same_role && known.account_id == new.account_id
    };
    match accounts.iter_mut().find(is_same) {
        Some(known) => known.take_in(new),
        None => accounts.push(new),
    }
}

fn of_one(asked: &Asked<'_>) -> AccountRights {
    let spec = asked.spec;
    let mut account = AccountRights {
        account_id: spec.account_id.clone(),
        partition: asked::partition(&spec.region),
        role: spec.role_arn.clone(),
        rights: Vec::new(),
        trust: None,
        keys: key_policy::of(asked),
        external_ids: BTreeSet::from([spec.external_id.clone()]),
        moves_groups: asked.moves(ConsumerKind::AutoScalingGroup),
        is_partition_assumed: asked.is_partition_assumed,
    };
    let wanted = Grant::ALL.iter().filter(|grant| wanted::is_wanted(**grant, asked));
    for grant in wanted {
        for statement in resources::statements(*grant, asked) {
            account.add(Right {
                grant: *grant,
                statement,
            });
        }
    }
    account
}

impl AccountRights {
    /// Adds what is not allowed yet.
    fn add(&mut self, mut right: Right) {
        let beside = |known: &&Right| known.statement.is_beside(&right.statement);
        let known: Vec<String> = self
            .rights
            .iter()
            .filter(beside)
            .flat_map(|known| known.statement.action.0.clone())
            .collect();
        right.statement.action.0.retain(|action| !known.contains(action));
        if right.statement.action.is_empty() {
            return;
        }
        let same = |known: &&mut Right| known.grant == right.grant && known.statement.is_beside(&right.statement);
        if let Some(known) = self.rights.iter_mut().find(same) {
            known.statement.action.0.append(&mut right.statement.action.0);
            return;
        }
        right.statement.sid = split::free(&right.statement.sid, &self.statements());
        self.rights.push(right);
    }

    /// Takes in what another policy asks for of the same role.
    fn take_in(&mut self, other: Self) {
        for right in other.rights {
            self.add(right);
        }
        // In the order in which a single policy would have them.
        self.rights.sort_by_key(|right| right.grant);
        for key in other.keys {
            key_policy::add(&mut self.keys, key);
        }
        self.external_ids.extend(other.external_ids);
        self.moves_groups |= other.moves_groups;
        self.is_partition_assumed &= other.is_partition_assumed;
    }
}
