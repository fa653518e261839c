//! Rights as a configuration of Terraform, or of OpenTofu.

use std::fmt::Write as _;

use serde::Serialize;

use super::cloudformation::path_and_name;
use super::document::{Explanation, names};
use super::fold::pretty;
use super::organizations::LISTED;
use super::statement::Policy;
use super::{AccountRights, ControllerRights, Rights};

/// The configuration; an error of the program that writes JSON.
pub fn configuration(rights: &Rights, explains: bool) -> Result<String, String> {
    let mut text = String::from("# By amiseal iam-policy\n");
    // Resources of several accounts take a provider each.
    let several = rights.accounts.len() > 1;
    if several {
        text += "# Each account takes a provider of its own, with the alias that its resources name.\n";
    }
    text += &of_controller(&rights.controller)?;
    for account in &rights.accounts {
        text += &of_account(account, several, explains)?;
    }
    Ok(text)
}

fn of_controller(controller: &ControllerRights) -> Result<String, String> {
    let mut text = String::new();
    if controller.is_empty() {
        return Ok(text);
    }
    let _ = write!(text, "\n# The controller's own role: {}\n", controller.role);
    let policies = controller.policies();
    for (number, policy) in policies.iter().enumerate() {
        let label = format!("amiseal_controller_{}", number + 1);
        let _ = write!(
            text,
            "data \"aws_iam_policy_document\" \"{label}\" {{\n  source_policy_documents = [jsonencode({})]\n}}\n",
            expression(policy, 2)?
        );
    }
    if let Some(trust) = &controller.trust {
        let _ = write!(
            text,
            "data \"aws_iam_policy_document\" \"amiseal_controller_trust\" {{\n  source_policy_documents = [jsonencode({})]\n}}\n",
            expression(trust, 2)?
        );
    }
    Ok(text)
}

fn of_account(account: &AccountRights, several: bool, explains: bool) -> Result<String, String> {
    let id = match account.account_id.as_str() {
        LISTED => "amiseal_listed".to_owned(),
        account => format!("amiseal_{account}"),
    };
    let provider = match several {
        true => format!("  provider = aws.{id}\n"),
        false => String::new(),
    };
    let mut text = format!("\n# Account {}\n", account.account_id);
    if explains {
        for right in &account.rights {
            text += &comment(&Explanation::of(right));
        }
    }
    let policies = account.policies();
    let names = names(account.name(), policies.len());
    for (number, (name, policy)) in names.iter().zip(&policies).enumerate() {
        let label = format!("{id}_{}", number + 1);
        let _ = write!(
            text,
            "resource \"aws_iam_policy\" \"{label}\" {{\n{provider}  name   = \"{name}\"\n  policy = jsonencode({})\n}}\n",
            expression(policy, 2)?
        );
    }
    text += &of_role(account, &id, &provider, policies.len())?;
    text += &of_keys(account, &id)?;
    Ok(text)
}

/// The role, where its trust is printed, with the policies attached.
fn of_role(account: &AccountRights, id: &str, provider: &str, policies: usize) -> Result<String, String> {
    let mut text = String::new();
    let (Some(trust), Some((path, name))) = (&account.trust, path_and_name(account.role.as_deref())) else {
        return Ok(text);
    };
    let _ = write!(
        text,
        "resource \"aws_iam_role\" \"{id}\" {{\n{provider}  name = \"{name}\"\n  path = \"{path}\"\n  assume_role_policy = \
         jsonencode({})\n}}\n",
        expression(trust, 2)?
    );
    for number in 1..=policies {
        let _ = write!(
            text,
            "resource \"aws_iam_role_policy_attachment\" \"{id}_{number}\" {{\n{provider}  role       = aws_iam_role.{id}.name\n  \
             policy_arn = aws_iam_policy.{id}_{number}.arn\n}}\n"
        );
    }
    Ok(text)
}

/// The statements for the policy of each key, to be made part of it.
fn of_keys(account: &AccountRights, id: &str) -> Result<String, String> {
    let mut text = String::new();
    let keys = account.keys.iter().filter(|key| !key.statements.is_empty());
    for (number, key) in keys.enumerate() {
        let _ = write!(
            text,
            "# For the policy of the key {} in {}\ndata \"aws_iam_policy_document\" \"{id}_key_{}\" {{\n  source_policy_documents = \
             [jsonencode({})]\n}}\n",
            key.key,
            key.region,
            number + 1,
            expression(&Policy::of(key.statements.clone()), 2)?
        );
    }
    Ok(text)
}

fn comment(explained: &Explanation) -> String {
    let mut text = format!(
        "# {} ({}): {}\n",
        explained.sid,
        explained.calls.join(", "),
        explained.purpose
    );
    let _ = writeln!(text, "#   Without it: {}", explained.without);
    if !explained.width.is_empty() {
        let _ = writeln!(text, "#   Why it is no narrower: {}", explained.width);
    }
    text
}

/// A value as an expression: what is JSON is one, but for what begins a template in a text.
fn expression(value: &impl Serialize, indent: usize) -> Result<String, String> {
    let text = pretty(value)?.replace("${", "$${").replace("%{", "%%{");
    Ok(text.replace('\n', &format!("\n{}", " ".repeat(indent))))
}
