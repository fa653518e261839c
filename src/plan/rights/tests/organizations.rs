//! Rights of policies that take accounts from AWS Organizations.

use super::*;

const LISTS: &str = "arn:aws:iam::444455556666:role/lists-accounts";

fn listing(from: &str, more: &str) -> AMIEncryptionPolicy {
    let yaml = format!(
        "mode: Enforce\naccountsFrom: {{{from}}}\n\
         defaults: {{roleName: amiseal, externalID: platform, regions: [{{name: eu-west-1, kmsKeyID: alias/ami}}]}}\n{more}"
    );
    let spec: AMIEncryptionPolicySpec = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    AMIEncryptionPolicy::new("everything", spec)
}

fn of_controller(policy: &AMIEncryptionPolicy) -> Vec<(String, Vec<String>, Vec<String>)> {
    let rights = of(std::slice::from_ref(policy), &options());
    let statements = rights.controller.statements.into_iter();
    statements
        .map(|statement| (statement.sid, statement.action.0, statement.resource.0))
        .collect()
}

#[test]
fn the_controller_lists_accounts_by_the_calls_that_it_makes_and_assumes_one_role_in_all_of_them() {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let assumes = (
        "AssumeRoles".to_owned(),
        texts(&["sts:AssumeRole", "sts:TagSession"]),
        texts(&["arn:aws:iam::*:role/amiseal"]),
    );
    for (from, actions) in [
        ("organization: {}", &["organizations:ListAccounts"][..]),
        (
            "organizationalUnits: [ou-ab12-c3d4e5f6]",
            &[
                "organizations:ListAccountsForParent",
                "organizations:ListOrganizationalUnitsForParent",
            ],
        ),
    ] {
        let lists = ("ListAccounts".to_owned(), texts(actions), texts(&["*"]));
        assert_eq!(of_controller(&listing(from, "")), [assumes.clone(), lists], "{from}");
    }
}

#[test]
fn a_role_that_lists_accounts_has_that_right_and_the_controller_assumes_it() {
    let policy = listing(&format!("organization: {{}}, roleARN: '{LISTS}', externalID: org"), "");
    let rights = of(std::slice::from_ref(&policy), &options());
    let role = rights
        .accounts
        .iter()
        .find(|account| account.account_id == "444455556666");
    let role = role.expect("the role");
    assert_eq!(grants(role), [Grant::ListAccounts].into());
    assert!(role.trust.is_some() && role.keys.is_empty());
    let [assumes] = &rights.controller.statements[..] else {
        panic!("{:?}", rights.controller);
    };
    assert!(assumes.resource.has(LISTS) && assumes.resource.has("arn:aws:iam::*:role/amiseal"));
    // A template is of the role in the accounts.
    let options = Options {
        is_template: true,
        ..options()
    };
    assert!(template(&of(&[policy], &options), &options, false).is_ok());
}

#[test]
fn the_role_in_each_account_is_bound_to_its_own_account_and_its_key_says_nothing_of_a_role_in_any() {
    let account = account(&listing("organization: {}", ""), &options());
    assert_eq!(account.role.as_deref(), Some("arn:aws:iam::*:role/amiseal"));
    let text = serde_json::to_string(&account.statements()).expect("JSON");
    assert!(text.contains(r#""ec2:Owner":"${aws:PrincipalAccount}""#), "{text}");
    assert!(!text.contains(r#""ec2:Owner":"*""#), "{text}");
    assert!(
        account.keys.iter().all(|key| key.statements.is_empty()),
        "{:?}",
        account.keys
    );
    let rights = of(&[listing("organization: {}", "")], &options());
    assert!(
        configuration(&rights, false)
            .expect("a configuration")
            .contains("amiseal_listed_1")
    );
}
