//! What is new against other policies.

use super::*;

fn new(policy: &AMIEncryptionPolicy, earlier: &AMIEncryptionPolicy) -> Rights {
    let of_one = |policy: &AMIEncryptionPolicy| of(std::slice::from_ref(policy), &options());
    since(of_one(policy), &of_one(earlier))
}

#[test]
fn nothing_is_new_against_the_same_policy() {
    for more in ["", EVERYTHING] {
        let rights = new(&policy("Enforce", more), &policy("Enforce", more));
        assert!(rights.accounts.is_empty() && rights.controller.is_empty(), "{rights:?}");
        assert!(rights.is_empty(None), "{rights:?}");
    }
}

#[test]
fn a_setting_that_is_added_takes_only_what_it_takes_and_one_that_is_removed_takes_nothing() {
    use Grant::*;
    let base = policy("Enforce", "");
    for (more, added) in [
        ("promotion: {seal: x-y-z}", vec![SealCopies]),
        (
            "promotion: {ssmParameters: Update}",
            vec![
                SeeWhoMayUseTheKey,
                SeeAllowedImages,
                SeeParameterTags,
                MoveParameters,
                MoveLabels,
            ],
        ),
        (
            "promotion: {map: {ssmPrefix: /amiseal/images}}",
            vec![ReadTheMap, AddToTheMap, SetTheMap, RemoveFromTheMap],
        ),
        (ON_DEMAND, vec![ScanCopies]),
        (
            "guardrails: {snapshotBlockPublicAccess: Enforce, ebsEncryptionByDefault: Ignore}",
            vec![SeeGuardrails, HoldGuardrails],
        ),
        (
            "audit: {disabledChecks: [cloudtrail-off]}",
            vec![SeeGuardrails, SeeKeyRotation, SeeWhoMayUseKeys],
        ),
    ] {
        let rights = new(&policy("Enforce", more), &base);
        let [account] = &rights.accounts[..] else {
            panic!("{rights:?}")
        };
        assert_eq!(grants(account), added.into_iter().collect(), "{more}");
        let parts = [Part::Permissions, Part::Trust, Part::Key, Part::Controller];
        let new_parts = parts.map(|part| !rights.is_empty(Some(part)));
        assert_eq!(new_parts, [true, false, false, false], "{more}");
        assert!(!rights.is_empty(None), "{more}");
        assert_eq!((&account.trust, account.keys.len()), (&None, 0), "{more}");
        assert!(new(&base, &policy("Enforce", more)).accounts.is_empty(), "{more}");
    }
}

#[test]
fn an_action_that_is_allowed_already_is_not_new() {
    let update = policy("Enforce", "promotion: {autoScalingGroups: Update}");
    let refresh = policy("Enforce", "promotion: {autoScalingGroups: Refresh}");
    let rights = new(&refresh, &update);
    assert_eq!(
        actions(&rights.accounts[0]),
        [
            "autoscaling:DescribeInstanceRefreshes",
            "autoscaling:RollbackInstanceRefresh",
            "autoscaling:StartInstanceRefresh",
        ]
        .map(str::to_owned)
        .into()
    );
}

#[test]
fn an_account_that_is_added_takes_its_rights_and_the_controller_one_role_more() {
    let two = "accounts:
- {accountID: '111122223333', regions: [{name: eu-west-1, kmsKeyID: alias/ami}]}
- {accountID: '444455556666', regions: [{name: eu-west-1, kmsKeyID: alias/ami}]}
";
    let rights = new(&of_accounts("Enforce", two, ""), &policy("Enforce", ""));
    let [account] = &rights.accounts[..] else {
        panic!("{rights:?}")
    };
    assert_eq!(account.account_id, "444455556666");
    assert!(account.trust.is_some() && !account.keys.is_empty());
    let role = Texts::one("arn:aws:iam::444455556666:role/amiseal");
    assert_eq!(rights.controller.statements[0].resource, role);
}

#[test]
fn another_prefix_takes_the_same_on_other_names() {
    let under = |prefix: &str| policy("Enforce", &format!("promotion: {{map: {{ssmPrefix: {prefix}}}}}"));
    let rights = new(&under("/platform"), &under("/amiseal/images"));
    let [account] = &rights.accounts[..] else {
        panic!("{rights:?}")
    };
    let statements = account.statements();
    let names: Vec<&str> = statements.iter().map(|statement| statement.sid.as_str()).collect();
    assert_eq!(names, ["ReadTheMap", "AddToTheMap", "SetTheMap", "RemoveFromTheMap"]);
    let resources = statements.iter().flat_map(|statement| &statement.resource.0);
    for resource in resources {
        assert!(resource.contains(":parameter/platform"), "{resource}");
    }
}

#[test]
fn another_key_takes_its_use_and_nothing_else() {
    let accounts = "accounts: [{accountID: '111122223333', regions: [{name: eu-west-1, kmsKeyID: alias/ami-2027}]}]";
    let rights = new(&of_accounts("Enforce", accounts, ""), &policy("Enforce", ""));
    let [account] = &rights.accounts[..] else {
        panic!("{rights:?}")
    };
    assert_eq!(grants(account), [Grant::UseTheKey, Grant::LendTheKeyToEC2].into());
    assert_eq!(account.keys[0].key, "alias/ami-2027");
}

#[test]
fn what_is_allowed_in_more_regions_is_not_new_in_fewer() {
    let in_regions = |names: &[&str]| {
        let regions: Vec<String> = names
            .iter()
            .map(|name| format!("{{name: {name}, kmsKeyID: alias/ami}}"))
            .collect();
        let accounts = format!(
            "accounts: [{{accountID: '111122223333', regions: [{}]}}]",
            regions.join(", ")
        );
        of_accounts("Enforce", &accounts, "")
    };
    let (one, two) = (in_regions(&["eu-west-1"]), in_regions(&["eu-west-1", "us-east-1"]));
    let is_new = |rights: &Rights| {
        let mut all = rights.accounts.iter().flat_map(grants);
        all.any(|grant| grant == Grant::LookAtImages)
    };
    assert!(!is_new(&new(&one, &two)));
    assert!(is_new(&new(&two, &one)));
}
