//! Statements of policies, as IAM writes them.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// The version of IAM's language.
const VERSION: &str = "2012-10-17";

/// One text, or several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

impl Texts {
    /// One text.
    pub fn one(text: impl Into<String>) -> Self {
        Self(vec![text.into()])
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is among them.
    pub fn has(&self, text: &str) -> bool {
        self.0.iter().any(|known| known == text)
    }
}

impl<T: Into<String>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        Self(texts.into_iter().map(Into::into).collect())
    }
}

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            several => serializer.collect_seq(several),
        }
    }
}

/// Operators, with what each asks of which keys.
pub type Conditions = BTreeMap<&'static str, BTreeMap<String, Texts>>;

/// A statement that allows something, or that denies it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    /// Its name.
    pub sid: String,
    /// `Allow`, or `Deny` in service control policies.
    pub effect: &'static str,
    /// Whom it is for, in policies of roles' trust and of keys.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub principal: BTreeMap<&'static str, Texts>,
    /// What is allowed.
    pub action: Texts,
    /// On what. Policies of trust say nothing of it.
    #[serde(skip_serializing_if = "Texts::is_empty")]
    pub resource: Texts,
    /// When.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub condition: Conditions,
}

impl Statement {
    /// A statement without principals or conditions.
    pub(super) fn allow(sid: &str, action: Texts, resource: Texts) -> Self {
        Self {
            sid: sid.to_owned(),
            effect: "Allow",
            principal: BTreeMap::new(),
            action,
            resource,
            condition: Conditions::new(),
        }
    }

    /// The same for these principals.
    pub(super) fn to(mut self, kind: &'static str, principals: Texts) -> Self {
        self.principal.insert(kind, principals);
        self
    }

    /// The same under one more condition.
    pub(super) fn when(mut self, operator: &'static str, key: &str, values: Texts) -> Self {
        let of_operator = self.condition.entry(operator).or_default();
        of_operator.insert(key.to_owned(), values);
        self
    }

    /// Whether another one is for the same, but for its actions.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.resource == other.resource && self.condition == other.condition && self.principal == other.principal
    }
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    /// The version of IAM's language.
    pub version: &'static str,
    /// The statements.
    pub statement: Vec<Statement>,
}

impl Policy {
    /// A policy of these statements.
    pub fn of(statement: Vec<Statement>) -> Self {
        Self {
            version: VERSION,
            statement,
        }
    }

    /// How many characters it has as AWS counts them: white space does not count.
    pub fn characters(&self) -> usize {
        let text = serde_json::to_string(self).unwrap_or_default();
        text.chars().filter(|sign| !sign.is_whitespace()).count()
    }
}
