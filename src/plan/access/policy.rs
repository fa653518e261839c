//! The policy of a key, as JSON: parsed as a whole, or not understood.

use serde_json::{Map, Value};

use super::condition::{self, Condition, Context};
use super::truth::Truth;
use super::{Principal, glob};

/// A policy.
#[derive(Debug)]
pub(super) struct Document {
    statements: Vec<Statement>,
}

#[derive(Debug)]
struct Statement {
    /// How it is named for a person.
    name: String,
    allows: bool,
    /// Whom it is for, or with `NotPrincipal` whom it is not for.
    principals: Listed<Named>,
    actions: Listed<String>,
    resources: Listed<String>,
    conditions: Vec<Condition>,
}

/// What an element lists, or with `Not` before its name everything else.
#[derive(Debug)]
struct Listed<T> {
    others: bool,
    list: Vec<T>,
}

/// Whom a statement names.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Everybody,
    /// An account, and so what its IAM policies say.
    Account(String),
    Arn(String),
    /// A service, a federated or a canonical user: no role, and no account.
    Other,
}

/// What a statement that allows something does for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Permits {
    /// Nothing.
    Nothing,
    /// It may allow it, and why that is not known.
    Perhaps(String),
    /// It leaves it to the IAM policies of their account.
    ToIam,
    /// It allows it by itself.
    Directly,
}

impl Permits {
    fn strength(&self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Perhaps(_) => 1,
            Self::ToIam => 2,
            Self::Directly => 3,
        }
    }

    /// The more of two.
    pub(super) fn or(self, other: Self) -> Self {
        if other.strength() > self.strength() {
            other
        } else {
            self
        }
    }
}

impl Document {
    /// Parses a policy, or says what in it is not understood.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|_| "it is not JSON".to_owned())?;
        let Value::Object(document) = value else {
            return Err("it is no JSON object".to_owned());
        };
        let statements = match document.get("Statement") {
            Some(Value::Array(list)) => list.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            _ => return Err("it has no statements".to_owned()),
        };
        let known = ["Version", "Id", "Statement"];
        if let Some(other) = document.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("it has the element {}", shortened(other)));
        }
        let numbered = statements.into_iter().enumerate();
        let statements: Result<Vec<Statement>, String> = numbered
            .map(|(number, value)| {
                let name = format!("statement {}", number + 1);
                let Value::Object(of) = value else {
                    return Err(format!("its {name} is no JSON object"));
                };
                Statement::parse(&name, of).map_err(|what| format!("its {name} has {what}"))
            })
            .collect();
        Ok(Self {
            statements: statements?,
        })
    }

    /// Whether it denies an action, and by which statement it does.
    pub(super) fn denies(&self, context: &Context<'_>) -> (Truth, Option<&str>) {
        let mut doubt = Truth::No;
        for statement in self.statements.iter().filter(|statement| !statement.allows) {
            match statement.denies(context) {
                Truth::Yes => return (Truth::Yes, Some(&statement.name)),
                Truth::No => {}
                perhaps @ Truth::Perhaps(_) => doubt = perhaps,
            }
        }
        (doubt, None)
    }

    /// What it allows of an action.
    pub(super) fn permits(&self, context: &Context<'_>) -> Permits {
        let allowing = self.statements.iter().filter(|statement| statement.allows);
        allowing
            .map(|statement| statement.permits(context))
            .fold(Permits::Nothing, Permits::or)
    }
}

impl Statement {
    fn parse(name: &str, of: &Map<String, Value>) -> Result<Self, String> {
        const ELEMENTS: [&str; 9] = [
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ];
        if let Some(other) = of.keys().find(|key| !ELEMENTS.contains(&key.as_str())) {
            return Err(format!("the element {}", shortened(other)));
        }
        let name = match of.get("Sid") {
            Some(Value::String(sid)) if !sid.is_empty() => format!("statement {:?}", shortened(sid)),
            _ => name.to_owned(),
        };
        let allows = match of.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("neither the effect Allow nor Deny".to_owned()),
        };
        let actions = listed(of, "Action", "NotAction", texts)?;
        let resources = listed(of, "Resource", "NotResource", texts)?;
        let conditions = match of.get("Condition") {
            None => Vec::new(),
            Some(value) => condition::parse(value).ok_or("a condition of no known form")?,
        };
        Ok(Self {
            name,
            allows,
            principals: listed(of, "Principal", "NotPrincipal", named)?,
            actions,
            resources,
            conditions,
        })
    }

    /// Whether it is about the action and the key, whoever asks.
    fn is_about(&self, context: &Context<'_>) -> bool {
        let action = context.action.to_ascii_lowercase();
        let of_action = self
            .actions
            .list
            .iter()
            .any(|pattern| glob(&pattern.to_ascii_lowercase(), &action));
        let of_key = self
            .resources
            .list
            .iter()
            .any(|pattern| glob(pattern, context.key.as_str()));
        of_action != self.actions.others && of_key != self.resources.others
    }

    fn holds(&self, context: &Context<'_>) -> Truth {
        let holds = condition::hold(&self.conditions, context);
        match holds {
            Truth::Perhaps(key) => Truth::Perhaps(format!("{} of its policy has the condition {key}", self.name)),
            other => other,
        }
    }

    fn denies(&self, context: &Context<'_>) -> Truth {
        if !self.is_about(context) {
            return Truth::No;
        }
        let named = self.principals.list.iter().map(|named| named.covers(context));
        let covered = named.fold(Truth::No, Truth::or);
        let is_for = if self.principals.others {
            self.excepts(context.principal)
        } else {
            covered
        };
        let is_for = match is_for {
            Truth::Perhaps(what) => Truth::Perhaps(format!("{} of its policy denies {what}", self.name)),
            other => other,
        };
        is_for.and(self.holds(context))
    }

    /// Whether a denial for everybody but some is one for somebody. Who is excepted has to be so with their account: AWS says that to
    /// name the role alone is not enough.
    fn excepts(&self, principal: &Principal) -> Truth {
        let is_listed = |named: &Named| match (named, principal) {
            (Named::Arn(arn), Principal::Role { arn: role, .. }) => **arn == **role,
            _ => false,
        };
        let of_account = |named: &Named| match (named, principal.account()) {
            (Named::Account(id), Some(account)) => id == account.as_str(),
            (Named::Arn(arn), Some(account)) => account_of(arn) == Some(account.as_str()),
            _ => false,
        };
        let everybody = self.principals.list.contains(&Named::Everybody);
        let role = self.principals.list.iter().any(is_listed);
        let account = self
            .principals
            .list
            .iter()
            .any(|named| matches!(named, Named::Account(_)) && of_account(named));
        let any = self.principals.list.iter().any(of_account);
        match (everybody || (role && account), any) {
            (true, _) => Truth::No,
            (false, true) => Truth::Perhaps("everybody but some of the account".to_owned()),
            (false, false) => Truth::Yes,
        }
    }

    fn permits(&self, context: &Context<'_>) -> Permits {
        if !self.is_about(context) {
            return Permits::Nothing;
        }
        let is_own = context.principal.account() == Some(context.key.account());
        let permits = if self.principals.others {
            match self.excepts(context.principal) {
                Truth::Yes => Named::Everybody.permits(context, is_own),
                Truth::No => Permits::Nothing,
                Truth::Perhaps(what) => Permits::Perhaps(format!("{} of its policy allows {what}", self.name)),
            }
        } else {
            let named = self.principals.list.iter();
            named
                .map(|named| named.permits(context, is_own))
                .fold(Permits::Nothing, Permits::or)
        };
        if permits == Permits::Nothing {
            return permits;
        }
        match self.holds(context) {
            Truth::Yes => permits,
            Truth::No => Permits::Nothing,
            Truth::Perhaps(why) => Permits::Perhaps(why),
        }
    }
}

impl Named {
    fn parse(text: &str) -> Self {
        let digits = |id: &str| id.len() == 12 && id.bytes().all(|digit| digit.is_ascii_digit());
        if text == "*" {
            return Self::Everybody;
        }
        match account_of(text) {
            Some(id) if text.ends_with(":root") && digits(id) => Self::Account(id.to_owned()),
            Some(_) => Self::Arn(text.to_owned()),
            None if digits(text) => Self::Account(text.to_owned()),
            // The ID of somebody who is gone, among others.
            None => Self::Other,
        }
    }

    /// What it means for somebody that they are named in what allows something.
    fn permits(&self, context: &Context<'_>, is_own: bool) -> Permits {
        match (self, context.principal) {
            // A service's own role has no IAM policy for keys, and nobody can give it one: where IAM has to allow it too, it may not.
            (Self::Everybody, Principal::Role { .. } | Principal::Account(_)) if is_own => Permits::Directly,
            (Self::Everybody, Principal::Account(_)) => Permits::ToIam,
            (Self::Account(id), Principal::Account(account)) if id == account.as_str() => Permits::ToIam,
            (Self::Arn(arn), Principal::Role { arn: role, .. }) if is_own && **arn == **role => Permits::Directly,
            (Self::Arn(arn), Principal::Role { arn: role, .. }) if is_own && is_session_of(arn, role) => {
                Permits::Perhaps("its policy allows one session of the role".to_owned())
            }
            // Some of them, and so perhaps whoever launches.
            (Self::Arn(arn), Principal::Account(account))
                if !context.everybody && account_of(arn) == Some(account.as_str()) =>
            {
                Permits::ToIam
            }
            _ => Permits::Nothing,
        }
    }

    /// Whether a denial that names it is one for somebody.
    fn covers(&self, context: &Context<'_>) -> Truth {
        let principal = context.principal;
        match (self, principal) {
            (Self::Everybody, _) => Truth::Yes,
            (Self::Account(id), _) if principal.account().is_some_and(|account| account.as_str() == id) => Truth::Yes,
            (Self::Arn(arn), Principal::Role { arn: role, .. }) if **arn == **role => Truth::Yes,
            (Self::Arn(arn), Principal::Role { arn: role, .. }) if is_session_of(arn, role) => {
                Truth::Perhaps("one session of the role".to_owned())
            }
            // Others of the account may all the same, which is not enough where everybody has to.
            (Self::Arn(arn), Principal::Account(account))
                if context.everybody && account_of(arn) == Some(account.as_str()) =>
            {
                Truth::Perhaps("some of the account".to_owned())
            }
            _ => Truth::No,
        }
    }
}

/// The account in an ARN of IAM or STS.
fn account_of(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let is_identity =
        parts.next() == Some("arn") && parts.next().is_some() && matches!(parts.next(), Some("iam" | "sts"));
    is_identity.then(|| parts.nth(1)).flatten()
}

/// Whether an ARN is that of a session of a role.
fn is_session_of(arn: &str, role: &str) -> bool {
    let name = role.rsplit('/').next().unwrap_or_default();
    let is_named = arn
        .split_once(":assumed-role/")
        .is_some_and(|(_, rest)| rest.split('/').next() == Some(name));
    is_named && account_of(arn) == account_of(role)
}

fn listed<T>(
    of: &Map<String, Value>,
    name: &str,
    not: &str,
    parse: fn(&Value) -> Option<Vec<T>>,
) -> Result<Listed<T>, String> {
    let (others, value) = match (of.get(name), of.get(not)) {
        (Some(value), None) => (false, value),
        (None, Some(value)) => (true, value),
        (None, None) => return Err(format!("no {name}")),
        (Some(_), Some(_)) => return Err(format!("both {name} and {not}")),
    };
    let list = parse(value).ok_or_else(|| format!("a {name} of no known form"))?;
    Ok(Listed { others, list })
}

/// One text, or several.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(several) => several.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn named(value: &Value) -> Option<Vec<Named>> {
    match value {
        Value::String(one) if one == "*" => Some(vec![Named::Everybody]),
        Value::Object(by_type) => {
            let mut all = Vec::new();
            for (kind, value) in by_type {
                let names = texts(value)?;
                match kind.as_str() {
                    "AWS" => all.extend(names.iter().map(|name| Named::parse(name))),
                    "Service" | "Federated" | "CanonicalUser" => all.push(Named::Other),
                    _ => return None,
                }
            }
            Some(all)
        }
        _ => None,
    }
}

/// Somebody else's text, as far as it fits into a sentence.
pub(super) fn shortened(text: &str) -> String {
    text.chars().filter(|sign| !sign.is_control()).take(64).collect()
}
