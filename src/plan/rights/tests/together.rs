//! What several policies take together.

use super::*;

#[test]
fn two_policies_of_one_role_take_what_both_ask_for() {
    let looks = AMIEncryptionPolicy::new("looks", policy("Audit", "").spec);
    let copies = policy("Enforce", "consumers: {read: false}");
    let both = of(&[looks.clone(), copies.clone()], &options());
    let [both] = <[AccountRights; 1]>::try_from(both.accounts).expect("one role");
    let (one, other) = (account(&looks, &options()), account(&copies, &options()));
    assert_eq!(actions(&both), &actions(&one) | &actions(&other));
    // What both ask for stands there once, in the usual order.
    assert_eq!(
        both.rights
            .iter()
            .filter(|right| right.grant == Grant::LookAtImages)
            .count(),
        1
    );
    assert!(both.rights.is_sorted_by_key(|right| right.grant));
    // What is of a policy by its name is of each.
    let asks = |name: &str| AMIEncryptionPolicy::new(name, policy("Enforce", "consumers: {usageReports: Create}").spec);
    let rights = of(&[asks("a"), asks("b")], &options());
    let deletes: Vec<&Right> = rights.accounts[0]
        .rights
        .iter()
        .filter(|right| right.grant == Grant::DeleteUsageReports)
        .collect();
    let names: Vec<&str> = deletes.iter().map(|right| right.statement.sid.as_str()).collect();
    assert_eq!(names, ["DeleteUsageReports", "DeleteUsageReports2"]);
}

#[test]
fn who_may_use_the_key_is_read_too_where_another_policy_moves_what_launches_the_accounts_images() {
    let owner = policy("Enforce", "");
    let accounts = "accounts: [{accountID: '444455556666', regions: [{name: eu-west-1, kmsKeyID: alias/ami}]}]";
    let launching = |mode: &str, more: &str| {
        let launching = of_accounts(mode, accounts, more);
        AMIEncryptionPolicy::new("launching", launching.spec)
    };
    let moves = "promotion: {launchTemplates: Update}";
    for (mode, more, expected) in [
        ("Enforce", moves, true),
        ("Enforce", "", false),
        ("Audit", moves, false),
    ] {
        let rights = of(&[owner.clone(), launching(mode, more)], &options());
        let owners = &rights.accounts[0];
        assert_eq!(owners.account_id, ACCOUNT);
        let reads = grants(owners).contains(&Grant::SeeWhoMayUseTheKey);
        assert_eq!(reads, expected, "{mode} {more}");
        // Allowed AMIs are of the account that launches.
        assert!(!grants(owners).contains(&Grant::SeeAllowedImages), "{mode} {more}");
    }
    // Where nothing is copied, there is no copy to move to.
    let rights = of(&[policy("Audit", ""), launching("Enforce", moves)], &options());
    assert!(!grants(&rights.accounts[0]).contains(&Grant::SeeWhoMayUseTheKey));
}
