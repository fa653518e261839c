//! Policy documents: statements that allow or deny actions, by resource and by the tags of request and resource.

use std::sync::LazyLock;

use serde_json::Value;

use super::condition::Condition;
use crate::glob;
use crate::model::Tags;

/// A policy document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    allow: bool,
    actions: Vec<String>,
    all_but: bool,
    resources: Vec<String>,
    all_but_resources: bool,
    conditions: Vec<Condition>,
}

/// What a call asks to do to one resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// As in `ec2:CopyImage`.
    pub(crate) action: &'a str,
    /// The resource's ARN; `*` where the action is of none.
    pub(crate) resource: &'a str,
    /// The tags that the call gives to it.
    pub(crate) request_tags: &'a Tags,
    /// The tags that it has.
    pub(crate) resource_tags: &'a Tags,
    /// Other condition keys, such as `ssm:Overwrite`, and what they are.
    pub(crate) context: &'a [(String, String)],
}

/// The keys of all tags that a call gives.
pub(super) const TAG_KEYS: &str = "aws:TagKeys";
/// What a key begins with that is for a tag that the call gives.
pub(super) const REQUEST_TAG: &str = "aws:RequestTag/";
/// What a key begins with that is for a tag of the resource.
pub(super) const RESOURCE_TAGS: [&str; 4] = [
    "aws:ResourceTag/",
    "ec2:ResourceTag/",
    "ssm:resourceTag/",
    "autoscaling:ResourceTag/",
];

static NO_TAGS: LazyLock<Tags> = LazyLock::new(Tags::new);

impl<'a> Ask<'a> {
    /// To do something to a resource, without any tags.
    pub(crate) fn of(action: &'a str, resource: &'a str) -> Self {
        Self {
            action,
            resource,
            request_tags: &NO_TAGS,
            resource_tags: &NO_TAGS,
            context: &[],
        }
    }

    /// What a condition key is for it: nothing where AWS gives none.
    pub(super) fn values(&self, key: &str) -> Vec<&'a str> {
        if key == TAG_KEYS {
            return self.request_tags.keys().map(String::as_str).collect();
        }
        if let Some(name) = key.strip_prefix(REQUEST_TAG) {
            return self.request_tags.get(name).map(String::as_str).into_iter().collect();
        }
        if let Some(name) = RESOURCE_TAGS.iter().find_map(|prefix| key.strip_prefix(prefix)) {
            // Each service has its own key for its own resources, and `aws:ResourceTag` is of all.
            let is_given = key.starts_with("aws:") || key.split(':').next() == self.action.split(':').next();
            let value = self.resource_tags.get(name).filter(|_| is_given);
            return value.map(String::as_str).into_iter().collect();
        }
        let known = self.context.iter().filter(|(name, _)| name == key);
        known.map(|(_, value)| value.as_str()).collect()
    }
}

impl Policy {
    /// Reads a policy document.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let json: Value = serde_json::from_str(text).map_err(|_| "Syntax errors in policy.".to_owned())?;
        match &json["Statement"] {
            Value::Array(list) => Self::of(list),
            one @ Value::Object(_) => Self::of(std::slice::from_ref(one)),
            _ => Err("Syntax error at Statement: expected statements.".to_owned()),
        }
    }

    /// A policy of these statements.
    ///
    /// # Errors
    /// A sentence that says what is wrong with one of them.
    pub(crate) fn of(statements: &[Value]) -> Result<Self, String> {
        let statements = statements.iter().map(Statement::parse).collect::<Result<_, _>>()?;
        Ok(Self { statements })
    }

    /// Whether a statement allows it.
    pub(crate) fn grants(&self, ask: &Ask<'_>) -> bool {
        self.statements.iter().any(|s| s.allow && s.covers(ask))
    }

    /// Whether a statement denies it.
    pub(crate) fn denies(&self, ask: &Ask<'_>) -> bool {
        self.statements.iter().any(|s| !s.allow && s.covers(ask))
    }

    /// Whether it lets somebody do it.
    pub(crate) fn permits(&self, ask: &Ask<'_>) -> bool {
        self.grants(ask) && !self.denies(ask)
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
            (Some(a), None) => (texts(a, "Action")?, false),
            (None, Some(a)) => (texts(a, "NotAction")?, true),
            _ => return Err("Syntax error: expected Action or NotAction.".to_owned()),
        };
        let (resources, all_but_resources) = match (json.get("Resource"), json.get("NotResource")) {
            (Some(r), None) => (texts(r, "Resource")?, false),
            (None, Some(r)) => (texts(r, "NotResource")?, true),
            _ => return Err("Policy statement must contain resources.".to_owned()),
        };
        let conditions = Condition::read_all(&json["Condition"])?;
        Ok(Self {
            allow,
            actions,
            all_but,
            resources,
            all_but_resources,
            conditions,
        })
    }

    fn covers(&self, ask: &Ask<'_>) -> bool {
        let of_resource = self.resources.iter().any(|r| glob::matches(r, ask.resource));
        allows(&self.actions, ask.action) != self.all_but
            && of_resource != self.all_but_resources
            && self.conditions.iter().all(|condition| condition.holds(ask))
    }
}

/// One text or a list of them.
pub(super) fn texts(json: &Value, what: &str) -> Result<Vec<String>, String> {
    let text = |v: &Value| match v {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) if what == "Condition" => Some(flag.to_string()),
        _ => None,
    };
    let all = match json {
        Value::Array(list) => list.iter().map(text).collect::<Option<Vec<_>>>(),
        one => text(one).map(|one| vec![one]),
    };
    all.ok_or_else(|| format!("Syntax error at {what}: expected strings."))
}

/// Whether a list of actions with `*` names an action.
pub(crate) fn allows(list: &[String], action: &str) -> bool {
    list.iter().any(|a| glob::matches_ignoring_case(a, action))
}

#[cfg(test)]
mod tests {
    use super::{Ask, Policy};
    use crate::model::Tags;

    fn policy(text: &str) -> Policy {
        Policy::parse(text).expect("a policy")
    }

    #[test]
    fn a_session_policy_allows_what_it_names_and_nothing_else() {
        let read = policy(
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:Describe*","Resource":"*"}}"#,
        );
        assert!(read.permits(&Ask::of("ec2:DescribeImages", "*")));
        assert!(read.permits(&Ask::of("EC2:describeimages", "*")), "actions ignore case");
        assert!(!read.permits(&Ask::of("ec2:CopyImage", "*")));
    }

    #[test]
    fn a_denial_beats_an_allowance() {
        let p = policy(
            r#"{"Statement":[{"Effect":"Allow","Action":["*"],"Resource":"*"},
                {"Effect":"Deny","Action":["ec2:Delete*"],"Resource":["arn:aws:ec2:*:*:snapshot/*"]}]}"#,
        );
        assert!(p.permits(&Ask::of("ec2:CopyImage", "*")));
        assert!(!p.permits(&Ask::of("ec2:DeleteSnapshot", "arn:aws:ec2:eu-west-1::snapshot/snap-1")));
        assert!(p.permits(&Ask::of("ec2:DeleteSnapshot", "arn:aws:ec2:eu-west-1::volume/vol-1")));
    }

    #[test]
    fn not_action_means_all_others() {
        let p = policy(r#"{"Statement":[{"Effect":"Allow","NotAction":"ec2:*","Resource":"*"}]}"#);
        assert!(p.permits(&Ask::of("kms:DescribeKey", "*")));
        assert!(!p.permits(&Ask::of("ec2:CopyImage", "*")));
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
            assert!(Policy::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn conditions_look_at_the_tags_that_are_asked_for_and_at_those_that_are_there() {
        let tags = |pairs: &[(&str, &str)]| -> Tags {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let none = Tags::new();
        let cost = tags(&[("cost", "12"), ("team", "shop")]);
        for (condition, request, resource, holds) in [
            (r#"{"Null":{"aws:RequestTag/cost":"true"}}"#, &none, &cost, true),
            (r#"{"Null":{"aws:RequestTag/cost":true}}"#, &cost, &none, false),
            (r#"{"Null":{"aws:RequestTag/cost":"false"}}"#, &cost, &none, true),
            (
                r#"{"StringEquals":{"aws:RequestTag/cost":["11","12"]}}"#,
                &cost,
                &none,
                true,
            ),
            (r#"{"StringEquals":{"aws:RequestTag/cost":"11"}}"#, &cost, &none, false),
            (r#"{"StringEquals":{"aws:RequestTag/cost":"12"}}"#, &none, &cost, false),
            (r#"{"StringLike":{"aws:ResourceTag/team":"sh*"}}"#, &none, &cost, true),
            (r#"{"StringLike":{"ec2:ResourceTag/team":"sh*"}}"#, &none, &cost, true),
            (r#"{"StringLike":{"ssm:resourceTag/team":"sh*"}}"#, &none, &cost, false),
            (
                r#"{"StringNotEquals":{"aws:ResourceTag/team":"shop"}}"#,
                &none,
                &none,
                true,
            ),
            (
                r#"{"StringNotLike":{"aws:ResourceTag/team":"sh*"}}"#,
                &none,
                &cost,
                false,
            ),
            (r#"{"StringEquals":{"ec2:Owner":"x"}}"#, &cost, &cost, false),
            (
                r#"{"Null":{"aws:RequestTag/cost":"false"},"StringEquals":{"aws:RequestTag/team":"other"}}"#,
                &cost,
                &none,
                false,
            ),
        ] {
            let text = format!(
                r#"{{"Statement":{{"Effect":"Allow","Action":"ec2:CopyImage","Resource":"arn:*:image/*","Condition":{condition}}}}}"#
            );
            let ask = Ask {
                request_tags: request,
                resource_tags: resource,
                ..Ask::of("ec2:CopyImage", "arn:aws:ec2:eu-west-1::image/*")
            };
            assert_eq!(policy(&text).permits(&ask), holds, "{condition}");
        }
    }
}
