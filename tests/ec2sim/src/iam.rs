//! Who calls and what they may do: roles with allow-lists and policies, narrowed by session policies.

mod condition;
mod policy;

pub(crate) use policy::{Ask, Policy, allows};

use crate::clock::SimTime;

/// Temporary credentials.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// What `x-amz-security-token` must be.
    pub token: String,
    /// Account of the role.
    pub account: String,
    /// Name of the role.
    pub role: String,
    /// Name of the session.
    pub name: String,
    /// Narrows it.
    pub policy: Option<Policy>,
    /// By the clock of sessions.
    pub expires: SimTime,
}

/// Who makes a call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Account.
    pub account: String,
    /// ARN, of a session with the session's name.
    pub arn: String,
    /// ARN of the role of a session.
    pub role_arn: Option<String>,
    /// `UserId` of GetCallerIdentity.
    pub user_id: String,
    /// What it may call.
    pub allow: Vec<String>,
    /// What else it may call or may not, by resource and condition.
    pub statements: Policy,
    /// Narrows that.
    pub policy: Option<Policy>,
}

impl Caller {
    /// Whether it may do something to a resource.
    pub(crate) fn may_do(&self, ask: &Ask<'_>) -> bool {
        let granted = allows(&self.allow, ask.action) || self.statements.grants(ask);
        let narrowed = self.policy.as_ref().is_none_or(|policy| policy.permits(ask));
        granted && narrowed && !self.statements.denies(ask)
    }

    /// The account and the ARNs that policies can name it by.
    pub(crate) fn principals(&self) -> Vec<String> {
        let mut all = vec![
            self.account.clone(),
            format!("arn:aws:iam::{}:root", self.account),
            self.arn.clone(),
        ];
        all.extend(self.role_arn.clone());
        all
    }
}
