//! Who calls and what they may do: allow-lists of roles, narrowed by session policies.

use serde_json::Value;

use crate::clock::SimTime;
use crate::glob;

/// A policy that narrows a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionPolicy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    allow: bool,
    actions: Vec<String>,
    all_but: bool,
}

impl SessionPolicy {
    /// Reads a policy document. Resources and conditions are read leniently: every statement speaks of every resource.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let json: Value = serde_json::from_str(text).map_err(|_| "Syntax errors in policy.".to_owned())?;
        let statements = match &json["Statement"] {
            Value::Array(list) => list.iter().map(Statement::parse).collect::<Result<_, _>>()?,
            one @ Value::Object(_) => vec![Statement::parse(one)?],
            _ => return Err("Syntax error at Statement: expected statements.".to_owned()),
        };
        Ok(Self { statements })
    }

    /// Whether it lets a session call an action.
    pub(crate) fn permits(&self, action: &str) -> bool {
        let hits = |allow| self.statements.iter().any(|s| s.allow == allow && s.covers(action));
        hits(true) && !hits(false)
    }
}

impl Statement {
    fn parse(json: &Value) -> Result<Self, String> {
        let allow = match json["Effect"].as_str() {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("Syntax error at Effect: expected Allow or Deny.".to_owned()),
        };
        let (actions, all_but) = match (json.get("Action"), json.get("NotAction")) {
            (Some(a), None) => (a, false),
            (None, Some(a)) => (a, true),
            _ => return Err("Syntax error: expected Action or NotAction.".to_owned()),
        };
        if json.get("Resource").is_none() && json.get("NotResource").is_none() {
            return Err("Policy statement must contain resources.".to_owned());
        }
        let actions = match actions {
            Value::String(one) => vec![one.clone()],
            Value::Array(list) => list
                .iter()
                .map(|v| v.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or("Syntax error at Action: expected strings.")?,
            _ => return Err("Syntax error at Action: expected strings.".to_owned()),
        };
        Ok(Self {
            allow,
            actions,
            all_but,
        })
    }

    fn covers(&self, action: &str) -> bool {
        allows(&self.actions, action) != self.all_but
    }
}

/// Whether a list of actions with `*` names an action.
pub(crate) fn allows(list: &[String], action: &str) -> bool {
    list.iter().any(|a| glob::matches_ignoring_case(a, action))
}

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
    pub policy: Option<SessionPolicy>,
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
    /// Narrows that.
    pub policy: Option<SessionPolicy>,
}

impl Caller {
    /// Whether it may call an action.
    pub(crate) fn may(&self, action: &str) -> bool {
        allows(&self.allow, action) && self.policy.as_ref().is_none_or(|p| p.permits(action))
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

#[cfg(test)]
mod tests {
    use super::SessionPolicy;

    fn policy(text: &str) -> SessionPolicy {
        SessionPolicy::parse(text).expect("a policy")
    }

    #[test]
    fn a_session_policy_allows_what_it_names_and_nothing_else() {
        let read = policy(
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}}"#,
        );
        assert!(read.permits("ec2:DescribeImages"));
        assert!(read.permits("EC2:describeimages"), "actions ignore case");
        assert!(!read.permits("ec2:CopyImage"));
    }

    #[test]
    fn a_denial_beats_an_allowance() {
        let p = policy(
            r#"{"Statement":[{"Effect":"Allow","Action":["*"],"Resource":"*"},
                {"Effect":"Deny","Action":["ec2:Delete*"],"Resource":["arn:aws:ec2:*:*:snapshot/*"]}]}"#,
        );
        assert!(p.permits("ec2:CopyImage"));
        assert!(!p.permits("ec2:DeleteSnapshot"));
    }

    #[test]
    fn not_action_means_all_others() {
        let p = policy(r#"{"Statement":[{"Effect":"Allow","NotAction":"ec2:*","Resource":"*"}]}"#);
        assert!(p.permits("kms:DescribeKey"));
        assert!(!p.permits("ec2:CopyImage"));
    }

    #[test]
    fn malformed_policies_are_refused() {
        for bad in [
            "not json",
            "{}",
            r#"{"Statement":[{"Effect":"Maybe","Action":"*","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Resource":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":"*"}]}"#,
            r#"{"Statement":[{"Effect":"Allow","Action":[1],"Resource":"*"}]}"#,
        ] {
            assert!(SessionPolicy::parse(bad).is_err(), "{bad}");
        }
    }
}
