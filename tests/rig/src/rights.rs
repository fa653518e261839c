//! What the roles of worlds may do: the statements that `amiseal iam-policy` prints, and nothing beside them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

/// The statements of the role in each account.
pub type Rights = BTreeMap<String, Vec<Value>>;

/// Just the rights of these policies, as the program prints them. `options` are those of `amiseal iam-policy` for what follows from no
/// policy.
pub fn rights_of(program: &Path, policies: &str, options: &[&str]) -> Result<Rights> {
    let mut process = Command::new(program)
        .args(["iam-policy", "-f", "-"])
        .args(options)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} cannot be run", program.display()))?;
    let mut stdin = process.stdin.take().context("no way to give the policies")?;
    stdin.write_all(policies.as_bytes())?;
    drop(stdin);
    let output = process.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "no rights are printed: {}", errors.trim());
    read(&serde_json::from_slice(&output.stdout).context("the rights are no JSON")?)
}

fn read(document: &Value) -> Result<Rights> {
    let accounts = document["accounts"]
        .as_array()
        .context("the rights are of no accounts")?;
    let mut rights = Rights::new();
    for account in accounts {
        let id = account["accountID"].as_str().context("rights of no account")?;
        let policies = account["permissionsPolicies"].as_array().into_iter().flatten();
        let statements = policies.filter_map(|named| named["policy"]["Statement"].as_array());
        let of_account = rights.entry(id.to_owned()).or_default();
        of_account.extend(statements.flatten().cloned());
    }
    Ok(rights)
}

/// The same statements without an action.
pub fn without(statements: &[Value], action: &str) -> Vec<Value> {
    let left = statements.iter().filter_map(|statement| {
        let actions: Vec<&str> = match &statement["Action"] {
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        let kept: Vec<&str> = actions.into_iter().filter(|known| *known != action).collect();
        let mut left = statement.clone();
        left["Action"] = json!(kept);
        (!kept.is_empty()).then_some(left)
    });
    left.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_of_all_managed_policies_of_an_account_are_its_rights() {
        let policy = |sids: &[&str]| {
            let statements: Vec<Value> = sids.iter().map(|sid| json!({"Sid": sid, "Action": "ec2:A"})).collect();
            json!({"name": "amiseal", "policy": {"Statement": statements}})
        };
        let document = json!({"version": 1, "accounts": [
            {"accountID": "111122223333", "permissionsPolicies": [policy(&["A", "B"]), policy(&["C"])]},
            {"accountID": "444455556666", "permissionsPolicies": [policy(&["D"])]},
        ]});
        let rights = read(&document).expect("rights");
        let sids = |account: &str| -> Vec<&Value> { rights[account].iter().map(|one| &one["Sid"]).collect() };
        assert_eq!(sids("111122223333"), ["A", "B", "C"]);
        assert_eq!(sids("444455556666"), ["D"]);
        assert!(read(&json!({"version": 1})).is_err());
    }

    #[test]
    fn an_action_is_taken_out_of_every_statement_and_one_of_nothing_else_goes() {
        let statements = [
            json!({"Sid": "One", "Action": "ec2:A"}),
            json!({"Sid": "Two", "Action": ["ec2:A", "ec2:B"]}),
        ];
        assert_eq!(
            without(&statements, "ec2:A"),
            [json!({"Sid": "Two", "Action": ["ec2:B"]})]
        );
        assert_eq!(without(&statements, "ec2:C").len(), 2);
    }
}
