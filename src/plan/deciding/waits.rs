//! What a migration waits for, and whose turn it is.

use crate::api::conditions::{self, reason};
use crate::api::{AMIMigration, Desired};

/// What a migration waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waits {
    /// That somebody approves it.
    Approval,
    /// That somebody resumes it: it is held.
    Resume,
    /// That somebody fixes what keeps it from going on, by the reason.
    Fix(String),
    /// That its policy says something else, by the reason.
    Policy(String),
    /// That work comes to its end, by the reason.
    Work(String),
    /// Nothing is left to do.
    Nothing,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Somebody who may decide about migrations.
    Approver,
    /// Somebody who mends what is wrong, or writes policies.
    Operator,
    /// The controller, and AWS.
    Controller,
    /// Nobody.
    Nobody,
}

impl Who {
    /// The word for it. The first two are the ends of the names of the chart's ClusterRoles.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approver => "approver",
            Self::Operator => "operator",
            Self::Controller => "amiseal",
            Self::Nobody => "nobody",
        }
    }
}

impl Waits {
    /// Whose turn it is.
    #[must_use]
    pub const fn who(&self) -> Who {
        match self {
            Self::Approval | Self::Resume => Who::Approver,
            Self::Fix(_) | Self::Policy(_) => Who::Operator,
            Self::Work(_) => Who::Controller,
            Self::Nothing => Who::Nobody,
        }
    }

    /// What it is, in a word or two.
    #[must_use]
    pub fn what(&self) -> &str {
        match self {
            Self::Approval => "approval",
            Self::Resume => "resume",
            Self::Fix(reason) | Self::Policy(reason) | Self::Work(reason) => reason,
            Self::Nothing => "nothing",
        }
    }
}

/// What a migration waits for, as its spec and status say.
#[must_use]
pub fn waits(migration: &AMIMigration) -> Waits {
    if migration.spec.desired == Desired::Held {
        return Waits::Resume;
    }
    let Some(status) = &migration.status else {
        return Waits::Work(reason::INITIALIZING.to_owned());
    };
    match status.stalled.as_deref() {
        Some(reason::APPROVAL_REQUIRED) => return Waits::Approval,
        Some(stalled) => return Waits::Fix(stalled.to_owned()),
        None => {}
    }
    let said = conditions::find(&status.conditions, conditions::CONSUMERS_MOVED);
    let says = |why: &str| said.is_some_and(|said| said.reason == why);
    // By a tag.
    if says(reason::HELD) && status.observed_generation == generation(migration) {
        return Waits::Fix(reason::HELD.to_owned());
    }
    if says(reason::SOURCE_GONE) && migration.spec.desired == Desired::RolledBack {
        return Waits::Fix(reason::SOURCE_GONE.to_owned());
    }
    match conditions::find(&status.conditions, conditions::READY) {
        Some(ready) if [reason::SUSPENDED, reason::AUDIT].contains(&ready.reason.as_str()) => {
            Waits::Policy(ready.reason.clone())
        }
        Some(ready) if ready.status == "True" => Waits::Nothing,
        Some(ready) => Waits::Work(ready.reason.clone()),
        None => Waits::Work(reason::INITIALIZING.to_owned()),
    }
}

fn generation(migration: &AMIMigration) -> Option<i64> {
    migration.metadata.generation
}
