//! Rights of policies that take all regions of an account.

use super::*;

const KEY: &str = "mrk-1234abcd12ab34cd56ef1234567890ab";

fn taking(regions: &str, key: &str) -> AMIEncryptionPolicy {
    let accounts = format!("accounts: [{{accountID: '{ACCOUNT}', {regions}allRegions: {{kmsKeyID: {key}}}}}]");
    of_accounts("Enforce", &accounts, "")
}

#[test]
fn a_role_reads_regions_exactly_where_a_policy_takes_all_of_them() {
    assert!(!grants(&account(&policy("Enforce", ""), &options())).contains(&Grant::SeeRegions));
    for regions in ["", "regions: [{name: eu-west-1, kmsKeyID: alias/own}], "] {
        let account = account(&taking(regions, "alias/ami"), &options());
        let sees = statement(&account, Grant::SeeRegions);
        assert_eq!(
            (sees.action.0, sees.resource.0),
            (vec!["ec2:DescribeRegions".to_owned()], vec!["*".to_owned()])
        );
    }
}

#[test]
fn no_right_names_a_region_where_all_of_them_are_taken() {
    for regions in ["", "regions: [{name: eu-west-1, kmsKeyID: alias/own}], "] {
        let account = account(&taking(regions, "alias/ami"), &options());
        let text = serde_json::to_string(&account.statements()).expect("JSON");
        for region in ["aws:RequestedRegion", "eu-west-1", "us-east-1"] {
            assert!(!text.contains(region), "{region}: {text}");
        }
        assert!(text.contains(r#""kms:ViaService":"ec2.*.amazonaws.com""#), "{text}");
    }
    // One that is named by its ID is the same in each region.
    let account = account(&taking("", KEY), &options());
    let uses = statement(&account, Grant::UseTheKey);
    assert_eq!(uses.resource.0, [format!("arn:aws:kms:*:{ACCOUNT}:key/{KEY}")]);
}

#[test]
fn what_is_left_out_is_allowed_nowhere_but_for_asking_which_regions_there_are() {
    let global = [Grant::SeeRegions, Grant::PassInstanceRoles];
    let via = [
        Grant::UseTheKey,
        Grant::LendTheKeyToEC2,
        Grant::ReadUnderOtherKeys,
        Grant::LendOtherKeysToEC2,
    ];
    let except = |regions: &[&str]| regions.iter().copied().collect::<Texts>();
    // What is listed, what is left out, and what of that the conditions have: what is listed is not left out.
    for (listed, left_out, expected) in [
        ("", "eu-west-3", &["eu-west-3"][..]),
        ("", "us-east-1, eu-west-3", &["us-east-1", "eu-west-3"]),
        (
            "regions: [{name: eu-west-1, kmsKeyID: alias/own}], ",
            "eu-west-3, eu-west-1",
            &["eu-west-3"],
        ),
        ("regions: [{name: eu-west-1, kmsKeyID: alias/own}], ", "eu-west-1", &[]),
    ] {
        let accounts = format!(
            "accounts: [{{accountID: '{ACCOUNT}', {listed}allRegions: {{kmsKeyID: alias/ami, exclude: [{left_out}]}}}}]"
        );
        let account = account(&of_accounts("Enforce", &accounts, EVERYTHING), &with_groups());
        assert!(grants(&account).is_superset(&global.into_iter().chain(via).collect()));
        for Right { grant, statement } in &account.rights {
            let said = statement.condition.get("StringNotEquals");
            let of_region = said.and_then(|keys| keys.get("aws:RequestedRegion"));
            let of_ec2 = said.and_then(|keys| keys.get("kms:ViaService"));
            let is_some = !expected.is_empty();
            let regions = (is_some && !via.contains(grant) && !global.contains(grant)).then(|| except(expected));
            let services = expected.iter().map(|region| format!("ec2.{region}.amazonaws.com"));
            let services = (is_some && via.contains(grant)).then(|| services.collect::<Texts>());
            assert_eq!(
                (of_region, of_ec2),
                (regions.as_ref(), services.as_ref()),
                "{listed}{left_out}: {}",
                statement.sid
            );
        }
    }
}

#[test]
fn to_leave_out_more_takes_no_new_rights_and_to_leave_out_less_takes_some() {
    let rights = |left_out: &str| {
        let accounts = format!(
            "accounts: [{{accountID: '{ACCOUNT}', allRegions: {{kmsKeyID: alias/ami, exclude: [{left_out}]}}}}]"
        );
        of(&[of_accounts("Enforce", &accounts, "")], &options())
    };
    for (earlier, later, is_more) in [
        ("", "", false),
        ("", "eu-west-3", false),
        ("eu-west-3", "eu-west-2, eu-west-3", false),
        ("eu-west-3", "", true),
        ("eu-west-2, eu-west-3", "eu-west-3", true),
        ("eu-west-2", "eu-west-3", true),
    ] {
        let new = since(rights(later), &rights(earlier));
        assert_eq!(!new.accounts.is_empty(), is_more, "{earlier} -> {later}: {new:#?}");
    }
}

#[test]
fn what_is_left_out_by_defaults_is_left_out_in_accounts_that_are_listed() {
    let yaml = "mode: Audit\naccountsFrom: {organization: {}}\n\
                defaults: {roleName: amiseal, allRegions: {kmsKeyID: alias/ami, exclude: [cn-north-1]}}";
    let spec: AMIEncryptionPolicySpec = serde_saphyr::from_str(yaml).expect("a policy");
    let options = Options {
        controller: Some("arn:aws-cn:iam::999900001111:role/amiseal".to_owned()),
        ..options()
    };
    let rights = of(&[AMIEncryptionPolicy::new("everything", spec)], &options);
    let looks = statement(&rights.accounts[0], Grant::LookAtKeys);
    assert_eq!(
        serde_json::to_value(&looks.condition).expect("JSON"),
        serde_json::json!({"StringNotEquals": {"aws:RequestedRegion": "cn-north-1"}})
    );
}

#[test]
fn the_controllers_role_tells_the_partition_where_the_policy_does_not_and_else_a_note_says_so() {
    let policies = [taking("", "alias/ami")];
    let controller = |partition: &str| Options {
        controller: Some(format!("arn:{partition}:iam::999900001111:role/amiseal")),
        ..options()
    };
    let listed = [taking(
        "regions: [{name: us-gov-west-1, kmsKeyID: alias/own}], ",
        "alias/ami",
    )];
    for (policies, options, partition, is_assumed) in [
        (&policies, options(), "aws", true),
        (&policies, controller("aws"), "aws", false),
        (&policies, controller("aws-cn"), "aws-cn", false),
        (&listed, options(), "aws-us-gov", false),
    ] {
        let rights = of(policies, &options);
        assert_eq!(rights.accounts[0].partition, partition);
        let notes = notes(&rights, &options);
        let is_said = notes
            .iter()
            .any(|note| note.starts_with("Nothing tells which partition"));
        assert_eq!(is_said, is_assumed, "{partition}: {notes:?}");
    }
}

#[test]
fn each_key_has_its_policy_and_that_of_all_other_regions_one_for_all() {
    let account = account(
        &taking("regions: [{name: eu-west-1, kmsKeyID: alias/own}], ", "alias/ami"),
        &options(),
    );
    let keys: Vec<_> = account
        .keys
        .iter()
        .map(|key| (key.region.as_str(), key.key.as_str()))
        .collect();
    assert_eq!(keys, [("eu-west-1", "alias/own"), ("*", "alias/ami")]);
    let text = serde_json::to_string(&account.keys[1].statements).expect("JSON");
    assert!(
        text.contains(r#""StringLike":{"kms:ViaService":"ec2.*.amazonaws.com"}"#),
        "{text}"
    );
}

#[test]
fn the_partition_is_that_of_the_role_where_no_region_is_listed() {
    let role = "roleARN: 'arn:aws-cn:iam::111122223333:role/amiseal', ";
    let account = account(&taking(role, "alias/ami"), &options());
    assert_eq!(account.partition, "aws-cn");
    let keys = statement(&account, Grant::LookAtKeys);
    assert_eq!(keys.resource.0, ["arn:aws-cn:kms:*:*:key/*"]);
}

#[test]
fn the_partition_of_accounts_that_are_listed_is_that_of_the_role_that_lists_them() {
    let yaml = "mode: Enforce\naccountsFrom: {organization: {}, roleARN: 'arn:aws-cn:iam::999900001111:role/lists'}\n\
                defaults: {roleName: amiseal, allRegions: {kmsKeyID: alias/ami}}";
    let spec: AMIEncryptionPolicySpec = serde_saphyr::from_str(yaml).expect("a policy");
    let rights = of(&[AMIEncryptionPolicy::new("everything", spec)], &options());
    let partitions: BTreeSet<&str> = rights.accounts.iter().map(|account| account.partition).collect();
    assert_eq!(partitions, BTreeSet::from(["aws-cn"]));
}
