//! Accounts, partitions, regions, and keys.

use serde_json::{Value, json};

use super::*;

fn in_regions(regions: &str, mode: &str, more: &str) -> AMIEncryptionPolicy {
    let accounts = format!("accounts: [{{accountID: '111122223333', regions: [{regions}]}}]");
    of_accounts(mode, &accounts, more)
}

fn resource(account: &AccountRights, grant: Grant) -> Value {
    json!(statement(account, grant).resource)
}

#[test]
fn each_partition_has_arns_of_its_own_and_says_by_way_of_ec2_only_where_aws_documents_how() {
    for (region, partition, via) in [
        ("eu-west-1", "aws", true),
        ("us-gov-west-1", "aws-us-gov", true),
        ("cn-north-1", "aws-cn", false),
        ("eusc-de-east-1", "aws-eusc", false),
    ] {
        let policy = in_regions(
            &format!("{{name: {region}, kmsKeyID: alias/ami}}"),
            "Enforce",
            EVERYTHING,
        );
        let rights = of(&[policy], &options());
        let account = &rights.accounts[0];
        assert_eq!(
            account.role,
            Some(format!("arn:{partition}:iam::{ACCOUNT}:role/amiseal"))
        );
        for statement in account.statements() {
            for resource in statement.resource.0.iter().filter(|resource| *resource != "*") {
                assert!(resource.starts_with(&format!("arn:{partition}:")), "{resource}");
            }
        }
        let uses = statement(account, Grant::UseTheKey).condition;
        let service = uses.get("StringEquals").and_then(|keys| keys.get("kms:ViaService"));
        let expected = via.then(|| Texts::one(format!("ec2.{region}.amazonaws.com")));
        assert_eq!(service, expected.as_ref(), "{region}");
        let trust = json!(account.trust);
        let trusted = trust["Statement"][0]["Principal"]["AWS"].as_str().expect("a principal");
        assert!(trusted.starts_with(&format!("arn:{partition}:iam::")), "{trusted}");
    }
}

#[test]
fn roles_are_passed_to_ec2_by_its_name_in_each_partition() {
    for (region, names) in [
        ("eu-west-1", json!("ec2.amazonaws.com")),
        ("us-gov-west-1", json!("ec2.amazonaws.com")),
        ("cn-north-1", json!(["ec2.amazonaws.com", "ec2.amazonaws.com.cn"])),
    ] {
        let policy = in_regions(
            &format!("{{name: {region}, kmsKeyID: alias/ami}}"),
            "Enforce",
            EVERYTHING,
        );
        let options = Options {
            launch_templates: vec!["lt-0123456789abcdef0".to_owned()],
            instance_roles: vec![format!("arn:aws:iam::{ACCOUNT}:role/web")],
            ..options()
        };
        let rights = of(&[policy], &options);
        let passes = statement(&rights.accounts[0], Grant::PassInstanceRoles);
        let said = json!(passes.condition);
        assert_eq!(said["StringEquals"]["iam:PassedToService"], names, "{region}");
    }
}

#[test]
fn one_region_stands_in_the_arns_and_several_in_a_condition() {
    let one = account(&policy("Enforce", EVERYTHING), &options());
    assert_eq!(
        resource(&one, Grant::MoveTemplates),
        "arn:aws:ec2:eu-west-1:111122223333:launch-template/*"
    );
    let several = "{name: eu-west-1, kmsKeyID: alias/ami}, {name: us-east-1, kmsKeyID: alias/ami}";
    let several = account(&in_regions(several, "Enforce", EVERYTHING), &options());
    assert_eq!(
        resource(&several, Grant::MoveTemplates),
        "arn:aws:ec2:*:111122223333:launch-template/*"
    );
    let via = [
        Grant::UseTheKey,
        Grant::LendTheKeyToEC2,
        Grant::ReadUnderOtherKeys,
        Grant::LendOtherKeysToEC2,
    ];
    for (account, regions) in [(&one, &["eu-west-1"][..]), (&several, &["eu-west-1", "us-east-1"][..])] {
        for right in &account.rights {
            let (sid, statement) = (&right.statement.sid, &right.statement);
            let said = statement.condition.get("StringEquals");
            let of_region = said.and_then(|keys| keys.get("aws:RequestedRegion"));
            let of_ec2 = said.and_then(|keys| keys.get("kms:ViaService"));
            if via.contains(&right.grant) {
                let services = regions.iter().map(|region| format!("ec2.{region}.amazonaws.com"));
                let services: Texts = services.collect();
                assert_eq!((of_region, of_ec2), (None, Some(&services)), "{sid}");
                continue;
            }
            let everywhere = statement
                .resource
                .0
                .iter()
                .any(|resource| resource == "*" || resource.split(':').nth(3).is_some_and(|region| region == "*"));
            let expected: Option<Texts> = everywhere.then(|| regions.iter().copied().collect());
            assert_eq!(of_region, expected.as_ref(), "{sid}");
        }
    }
}

#[test]
fn the_use_of_keys_is_of_just_those_that_the_policy_names() {
    let key = "1234abcd-12ab-34cd-56ef-1234567890ab";
    let arn = |account: &str, id: &str| format!("arn:aws:kms:eu-west-1:{account}:key/{id}");
    let aliases = |name: &str| Some(json!({"kms:ResourceAliases": name}));
    for (named, resource_of, alias) in [
        (key.to_owned(), arn(ACCOUNT, key), None),
        (arn("444455556666", key), arn("444455556666", key), None),
        ("alias/ami".to_owned(), arn(ACCOUNT, "*"), aliases("alias/ami")),
        (
            "arn:aws:kms:eu-west-1:444455556666:alias/ami".to_owned(),
            arn("444455556666", "*"),
            aliases("alias/ami"),
        ),
    ] {
        let policy = in_regions(&format!("{{name: eu-west-1, kmsKeyID: '{named}'}}"), "Enforce", "");
        let account = account(&policy, &options());
        for grant in [Grant::UseTheKey, Grant::LendTheKeyToEC2] {
            assert_eq!(resource(&account, grant), json!(resource_of), "{named}");
            let condition = json!(statement(&account, grant).condition);
            assert_eq!(condition.get("ForAnyValue:StringEquals").cloned(), alias, "{named}");
        }
    }
}

#[test]
fn keys_by_id_and_by_alias_take_a_statement_each() {
    let key = "1234abcd-12ab-34cd-56ef-1234567890ab";
    let regions = format!(
        "{{name: eu-west-1, kmsKeyID: {key}}}, {{name: us-east-1, kmsKeyID: alias/a}}, {{name: us-west-2, kmsKeyID: alias/b}}"
    );
    let account = account(&in_regions(&regions, "Enforce", ""), &options());
    let uses = account.rights.iter().filter(|right| right.grant == Grant::UseTheKey);
    let uses: Vec<(&str, Value, Option<Value>)> = uses
        .map(|right| {
            let condition = json!(right.statement.condition);
            let alias = condition.get("ForAnyValue:StringEquals").cloned();
            (right.statement.sid.as_str(), json!(right.statement.resource), alias)
        })
        .collect();
    let by_id = json!(format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/{key}"));
    let by_alias = json!(format!("arn:aws:kms:*:{ACCOUNT}:key/*"));
    let aliases = Some(json!({"kms:ResourceAliases": ["alias/a", "alias/b"]}));
    assert_eq!(
        uses,
        [("UseTheKey", by_id, None), ("UseTheKeyByAlias", by_alias, aliases)]
    );
}

#[test]
fn the_key_of_aws_takes_no_rights_as_everybody_in_the_account_may_use_it_through_ec2() {
    let policy = in_regions("{name: eu-west-1, kmsKeyID: alias/aws/ebs}", "Enforce", "");
    let account = account(&policy, &options());
    assert!(!grants(&account).contains(&Grant::UseTheKey) && !grants(&account).contains(&Grant::LendTheKeyToEC2));
    assert!(
        grants(&account).contains(&Grant::ReadUnderOtherKeys),
        "an original may have another one"
    );
    assert!(account.keys.is_empty(), "nobody can change its policy");
}

#[test]
fn who_may_use_a_key_is_read_only_in_the_account_that_owns_it() {
    let moves = "promotion: {launchTemplates: Update}";
    let own = account(&policy("Enforce", moves), &options());
    assert!(grants(&own).contains(&Grant::SeeWhoMayUseTheKey));
    let foreign = "{name: eu-west-1, kmsKeyID: 'arn:aws:kms:eu-west-1:444455556666:alias/ami'}";
    let foreign = account(&in_regions(foreign, "Enforce", moves), &options());
    assert!(!grants(&foreign).contains(&Grant::SeeWhoMayUseTheKey));
}

#[test]
fn each_account_takes_rights_of_its_own_for_its_role_its_regions_and_its_keys() {
    let accounts = "accounts:
- {accountID: '111122223333', regions: [{name: eu-west-1, kmsKeyID: alias/a}]}
- {accountID: '444455556666', roleName: path/other, externalID: own, regions: [{name: us-east-1, kmsKeyID: alias/b}]}
";
    let rights = of(&[of_accounts("Enforce", accounts, "")], &options());
    let [one, other] = <[AccountRights; 2]>::try_from(rights.accounts).expect("two accounts");
    assert_eq!((one.name(), other.name()), ("amiseal", "other"));
    for (account, id, region, alias) in [
        (&one, "111122223333", "eu-west-1", "alias/a"),
        (&other, "444455556666", "us-east-1", "alias/b"),
    ] {
        let uses = statement(account, Grant::UseTheKey);
        assert_eq!(uses.resource, Texts::one(format!("arn:aws:kms:{region}:{id}:key/*")));
        assert_eq!(
            json!(uses.condition)["ForAnyValue:StringEquals"]["kms:ResourceAliases"],
            alias
        );
        let [key] = &account.keys[..] else {
            panic!("{:?}", account.keys)
        };
        assert_eq!((key.region.as_str(), key.key.as_str()), (region, alias));
    }
    let assumed = &rights.controller.statements[0];
    let roles =
        ["111122223333:role/amiseal", "444455556666:role/path/other"].map(|role| format!("arn:aws:iam::{role}"));
    assert_eq!(assumed.resource, roles.into_iter().collect());
    assert_eq!(
        assumed.action,
        ["sts:AssumeRole", "sts:TagSession"].into_iter().collect()
    );
}

#[test]
fn without_a_role_the_controllers_own_identity_takes_the_rights() {
    let yaml =
        "mode: Enforce\naccounts: [{accountID: '111122223333', regions: [{name: eu-west-1, kmsKeyID: alias/ami}]}]";
    let spec: AMIEncryptionPolicySpec = serde_saphyr::from_str(yaml).expect("a policy");
    let rights = of(&[AMIEncryptionPolicy::new("own", spec)], &options());
    assert_eq!((&rights.accounts[0].role, &rights.accounts[0].trust), (&None, &None));
    assert!(rights.controller.is_empty(), "there is no role to assume");
    assert!(
        rights.accounts[0].keys[0].statements.is_empty(),
        "nobody is known to be let use the key"
    );
    let notes = notes(&rights, &options());
    assert!(
        notes.iter().any(|note| note.contains("the controller's own role")),
        "{notes:?}"
    );
}
