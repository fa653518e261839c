//! What the policies of keys have to say: for the role, where they do not leave that to the policies of IAM, and for whoever launches
//! from copies.

use super::asked::Asked;
use super::keys::PolicyKey;
use super::organizations::LISTED;
use super::regions::ALL;
use super::statement::{Statement, Texts};
use crate::domain::AccountId;
use crate::plan::access::NEEDED;

/// The action by which EC2 goes on using a key for somebody: nobody gets it for anything else.
const CREATE_GRANT: &str = "kms:CreateGrant";
const FOR_AWS: &str = "kms:GrantIsForAWSResource";

/// What the policy of a key has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRights {
    /// The region of the key.
    pub region: String,
    /// The key, as the encryption policy names it.
    pub key: String,
    /// The statements.
    pub statements: Vec<Statement>,
}

/// What those of the policy's keys have to say. Nobody can change the policy of a key that AWS manages.
pub(super) fn of(asked: &Asked<'_>) -> Vec<KeyRights> {
    let own = asked.keys.iter().filter(|key| !key.is_aws_managed());
    own.map(|key| KeyRights {
        region: key.region.clone(),
        key: key.named.clone(),
        statements: statements(key, asked),
    })
    .collect()
}

/// Adds those of another policy.
pub(super) fn add(known: &mut Vec<KeyRights>, other: KeyRights) {
    let is_same = |known: &&mut KeyRights| known.region == other.region && known.key == other.key;
    let Some(known) = known.iter_mut().find(is_same) else {
        known.push(other);
        return;
    };
    for statement in other.statements {
        if !known.statements.contains(&statement) {
            known.statements.push(statement);
        }
    }
}

fn statements(key: &PolicyKey, asked: &Asked<'_>) -> Vec<Statement> {
    let mut statements = Vec::new();
    // A principal has no wildcard: what a key says of its role is printed for an account that is named.
    let role = asked.spec.role_arn.as_ref();
    if let Some(role) = role.filter(|_| asked.spec.account_id != LISTED) {
        statements.extend(of_role(role, key, asked));
    }
    let launchers = asked.options.launchers.iter();
    let launchers: Texts = launchers.map(|launcher| principal(launcher, asked)).collect();
    if asked.enforces() && !launchers.is_empty() {
        let uses = used().collect();
        statements.push(of_key("LaunchFromEncryptedImages", uses).to("AWS", launchers.clone()));
        let grants = of_key("LaunchFromEncryptedImagesByGrants", Texts::one(CREATE_GRANT));
        statements.push(grants.to("AWS", launchers).when("Bool", FOR_AWS, Texts::one("true")));
    }
    statements
}

/// For the role itself. It describes the key by itself, and all else comes by way of EC2.
fn of_role(role: &str, key: &PolicyKey, asked: &Asked<'_>) -> Vec<Statement> {
    let role = || Texts::one(role);
    let describe = of_key("DescribeForAmiseal", Texts::one("kms:DescribeKey")).to("AWS", role());
    if !asked.enforces() {
        return vec![describe];
    }
    let via_ec2 = |statement: Statement| match asked.site.names_ec2 {
        true => {
            let service = format!("ec2.{}.amazonaws.com", key.region);
            let operator = if key.region == ALL {
                "StringLike"
            } else {
                "StringEquals"
            };
            statement.when(operator, "kms:ViaService", Texts::one(service))
        }
        false => statement,
    };
    let uses = used().filter(|action| *action != "kms:DescribeKey").collect();
    let uses = via_ec2(of_key("UseForAmiseal", uses).to("AWS", role()));
    let grants = of_key("LendToEC2ForAmiseal", Texts::one(CREATE_GRANT)).to("AWS", role());
    let grants = via_ec2(grants).when("Bool", FOR_AWS, Texts::one("true"));
    vec![describe, uses, grants]
}

/// What using a key takes but for grants.
fn used() -> impl Iterator<Item = &'static str> {
    NEEDED.into_iter().filter(|action| *action != CREATE_GRANT)
}

/// In the policy of a key that key is the only resource.
fn of_key(sid: &str, actions: Texts) -> Statement {
    Statement::allow(sid, actions, Texts::one("*"))
}

/// An account as principals name it, or what is an ARN already.
fn principal(launcher: &str, asked: &Asked<'_>) -> String {
    match launcher.parse::<AccountId>() {
        Ok(account) => format!(
            "arn:{}:iam::{account}:root",
            super::asked::partition(&asked.spec.region)
        ),
        Err(_) => launcher.to_owned(),
    }
}
