//! The keys that a policy names, as far as their names tell which they are.

use super::site::Site;
use super::statement::{Statement, Texts};

/// The condition key for the aliases that a key has.
const ALIASES: &str = "kms:ResourceAliases";

/// A key that a policy names in a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PolicyKey {
    /// The region.
    pub(super) region: String,
    /// As the policy names it.
    pub(super) named: String,
    account: String,
    name: Name,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// Its ID.
    Id(String),
    /// An alias, as in `alias/ami`.
    Alias(String),
}

impl PolicyKey {
    /// What a policy calls `named`: an ID, an alias, or the ARN of one.
    pub(super) fn parse(named: &str, region: &str, site: &Site) -> Self {
        // arn:aws:kms:eu-west-1:111122223333:key/…
        let parts: Vec<&str> = named.splitn(6, ':').collect();
        let (account, name) = match parts[..] {
            ["arn", _, _, _, account, resource] => (account, resource),
            _ => (site.account.as_str(), named),
        };
        let name = match name.strip_prefix("key/") {
            Some(id) => Name::Id(id.to_owned()),
            None if name.starts_with("alias/") => Name::Alias(name.to_owned()),
            None => Name::Id(name.to_owned()),
        };
        Self {
            region: region.to_owned(),
            named: named.to_owned(),
            account: account.to_owned(),
            name,
        }
    }

    /// Whether AWS manages it: then its own policy lets everybody in the account use it through EC2, and nobody can change that.
    pub(super) fn is_aws_managed(&self) -> bool {
        matches!(&self.name, Name::Alias(name) if name.starts_with("alias/aws/"))
    }

    /// Whether the account owns it.
    pub(super) fn is_of(&self, site: &Site) -> bool {
        self.account == site.account
    }
}

/// The statement for just these keys: one for those that are named by ID, and one for those that an alias names. Which key an alias
/// names is not known here and may change, so that the aliases of a key are asked for. `kms:ResourceAliases` is of the resource type
/// `key` in the Service Authorization Reference, and so holds for each action on one.
pub(super) fn on(keys: &[&PolicyKey], site: &Site, statement: &Statement) -> Vec<Statement> {
    let (mut by_id, mut by_alias, mut aliases) = (Texts::default(), Texts::default(), Texts::default());
    for key in keys {
        let arn = |region: &str, id: &str| site.arn_in("kms", region, &key.account, &format!("key/{id}"));
        let (texts, text) = match &key.name {
            Name::Id(id) => (&mut by_id, arn(&key.region, id)),
            Name::Alias(name) => {
                add(&mut aliases, name.clone());
                (&mut by_alias, arn(site.region(), "*"))
            }
        };
        add(texts, text);
    }
    let mut statements = Vec::new();
    if !by_id.is_empty() {
        let resource = by_id;
        statements.push(Statement {
            resource,
            ..statement.clone()
        });
    }
    if !by_alias.is_empty() {
        let sid = match statements.is_empty() {
            true => statement.sid.clone(),
            false => format!("{}ByAlias", statement.sid),
        };
        let resource = by_alias;
        let of_alias = Statement {
            sid,
            resource,
            ..statement.clone()
        };
        statements.push(of_alias.when("ForAnyValue:StringEquals", ALIASES, aliases));
    }
    statements
}

fn add(texts: &mut Texts, text: String) {
    if !texts.has(&text) {
        texts.0.push(text);
    }
}
