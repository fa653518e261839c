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
