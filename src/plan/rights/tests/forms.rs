//! What is printed: trust, keys, and the forms.

use serde_json::{Value, json};

use super::*;

const CONTROLLER: &str = "arn:aws:iam::999900001111:role/amiseal-controller";

fn named() -> Options {
    Options {
        controller: Some(CONTROLLER.to_owned()),
        trusted: vec!["arn:aws:iam::999900001111:role/engineer".to_owned()],
        ..options()
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_role_trusts_the_controller_and_who_is_named_by_the_external_id() {
    let trust = json!(account(&policy("Audit", ""), &named()).trust);
    let principal = json!({"AWS": [CONTROLLER, "arn:aws:iam::999900001111:role/engineer"]});
    assert_eq!(
        trust["Statement"],
        json!([
            {
                "Sid": "TrustTheController",
                "Effect": "Allow",
                "Principal": principal,
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": "platform"}},
            },
            {"Sid": "TagTheSession", "Effect": "Allow", "Principal": principal, "Action": "sts:TagSession"},
        ]),
        "a session is tagged without an external ID"
    );
    let unnamed = json!(account(&policy("Audit", ""), &options()).trust);
    let placeholder = &unnamed["Statement"][0]["Principal"]["AWS"];
    assert_eq!(*placeholder, "arn:aws:iam::CONTROLLER_ACCOUNT:role/CONTROLLER_ROLE");
}

#[test]
fn a_role_that_one_policy_assumes_without_an_external_id_asks_for_none() {
    let mut open = policy("Audit", "");
    open.metadata.name = Some("open".to_owned());
    open.spec.defaults.get_or_insert_default().external_id = None;
    let trust = |policies: &[AMIEncryptionPolicy]| json!(of(policies, &named()).accounts[0].trust);
    let closed = trust(&[policy("Audit", "")]);
    assert!(closed["Statement"][0].get("Condition").is_some());
    let both = trust(&[policy("Audit", ""), open]);
    assert_eq!(both["Statement"].as_array().map(Vec::len), Some(1), "{both}");
    assert!(both["Statement"][0].get("Condition").is_none(), "{both}");
    assert_eq!(
        both["Statement"][0]["Action"],
        json!(["sts:AssumeRole", "sts:TagSession"])
    );
}

#[test]
fn the_controllers_role_trusts_its_service_account_as_the_cluster_has_it() {
    let trust = |options: Options| json!(of(&[policy("Audit", "")], &options).controller.trust)["Statement"][0].clone();
    assert_eq!(trust(named()), Value::Null, "it has the role in another way");
    let irsa = Options {
        trust: Trust::Irsa,
        oidc_provider: Some("oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE".to_owned()),
        ..named()
    };
    assert_eq!(
        trust(irsa),
        json!({
            "Sid": "TrustTheServiceAccount",
            "Effect": "Allow",
            "Principal": {"Federated": "arn:aws:iam::999900001111:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {
                "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE:aud": "sts.amazonaws.com",
                "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE:sub": "system:serviceaccount:amiseal-system:amiseal",
            }},
        })
    );
    let pod_identity = Options {
        trust: Trust::PodIdentity,
        cluster: Some("arn:aws:eks:eu-west-1:999900001111:cluster/platform".to_owned()),
        ..named()
    };
    let pod_identity = trust(pod_identity);
    assert_eq!(pod_identity["Principal"], json!({"Service": "pods.eks.amazonaws.com"}));
    assert_eq!(
        pod_identity["Condition"]["StringEquals"],
        json!({
            "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:eu-west-1:999900001111:cluster/platform",
            "aws:RequestTag/kubernetes-namespace": "amiseal-system",
            "aws:RequestTag/kubernetes-service-account": "amiseal",
        })
    );
    let unnamed = Options {
        trust: Trust::Irsa,
        ..options()
    };
    let rights = of(&[policy("Audit", "")], &unnamed);
    let said = notes(&rights, &unnamed).join("\n");
    assert!(
        said.contains("--oidc-provider") && said.contains("--controller"),
        "{said}"
    );
}

#[test]
fn a_keys_policy_lets_the_role_use_it_by_way_of_ec2_and_whoever_launches() {
    let launchers = Options {
        launchers: vec![
            "444455556666".to_owned(),
            "arn:aws:iam::111122223333:role/web".to_owned(),
        ],
        ..named()
    };
    let looks = account(&policy("Audit", ""), &launchers);
    let names = |account: &AccountRights| -> Vec<String> {
        account.keys[0]
            .statements
            .iter()
            .map(|statement| statement.sid.clone())
            .collect()
    };
    assert_eq!(
        names(&looks),
        ["DescribeForAmiseal"],
        "nobody launches from copies that are not made"
    );
    let copies = account(&policy("Enforce", ""), &launchers);
    assert_eq!(
        names(&copies),
        [
            "DescribeForAmiseal",
            "UseForAmiseal",
            "LendToEC2ForAmiseal",
            "LaunchFromEncryptedImages",
            "LaunchFromEncryptedImagesByGrants",
        ]
    );
    let statements = json!(copies.keys[0].statements);
    let launches = &statements[3]["Principal"]["AWS"];
    assert_eq!(
        *launches,
        json!(["arn:aws:iam::444455556666:root", "arn:aws:iam::111122223333:role/web"])
    );
    for (number, statement) in copies.keys[0].statements.iter().enumerate() {
        let grants = statement.action.has("kms:CreateGrant");
        let for_aws = statements[number]["Condition"]["Bool"]["kms:GrantIsForAWSResource"] == "true";
        assert_eq!(grants, for_aws, "{}", statement.sid);
        assert!(
            !statement.action.0.iter().any(|action| action.contains('*')),
            "{}",
            statement.sid
        );
    }
}

#[test]
fn the_document_has_what_to_attach_to_what_and_one_part_is_as_aws_takes_it() {
    let more = format!("audit: {{}}\n{LAUNCH}\npromotion: {{launchTemplates: Update, ssmParameters: Update}}");
    let rights = of(&[policy("Enforce", &more)], &named());
    let all = parsed(&document(&rights, true).expect("a document"));
    assert_eq!(all["controller"]["roleARN"], CONTROLLER);
    let of_account = &all["accounts"][0];
    assert_eq!(of_account["roleARN"], "arn:aws:iam::111122223333:role/amiseal");
    let policies = of_account["permissionsPolicies"].as_array().expect("policies");
    assert!(policies.len() > 1, "AWS takes no such large one");
    assert_eq!(policies[0]["name"], "amiseal-1");
    let explained = of_account["explained"].as_array().expect("what each is for");
    assert_eq!(explained.len(), rights.accounts[0].rights.len());
    assert!(
        notes(&rights, &named())
            .iter()
            .any(|note| note.contains("6144 characters"))
    );

    let permissions = parsed(&part(&rights, Part::Permissions).expect("a part"));
    let statements: Vec<&Value> = policies
        .iter()
        .flat_map(|policy| policy["policy"]["Statement"].as_array().expect("statements"))
        .collect();
    assert_eq!(permissions["Statement"], json!(statements));
    for of in [Part::Trust, Part::Key, Part::Controller] {
        assert_eq!(parsed(&part(&rights, of).expect("a part"))["Version"], "2012-10-17");
    }
}

#[test]
fn beside_a_part_is_said_only_what_concerns_it() {
    let more = format!("audit: {{}}\n{LAUNCH}\npromotion: {{launchTemplates: Update, autoScalingGroups: Update}}");
    let unnamed = Options {
        trust: Trust::Irsa,
        ..options()
    };
    let rights = of(&[policy("Enforce", &more)], &unnamed);
    let (controller, provider, keys) = ("CONTROLLER_ROLE", "OIDC_PROVIDER", "--launcher");
    let permissions = ["6144 characters", "--launch-template"];
    let all = [permissions[0], permissions[1], controller, provider, keys];
    let said = |notes: &[String]| -> BTreeSet<&str> {
        let of = |part: &&&str| notes.iter().any(|note| note.contains(**part));
        all.iter().filter(of).copied().collect()
    };
    assert_eq!(said(&notes(&rights, &unnamed)), BTreeSet::from(all));
    for (only, expected) in [
        (Part::Permissions, &permissions[..]),
        (Part::Trust, &[controller]),
        (Part::Key, &[keys]),
        (Part::Controller, &[]),
    ] {
        let text = part(&rights, only).expect("a part");
        let notes = crate::plan::rights::notes(&rights, &unnamed, Some(only), &text);
        assert_eq!(said(&notes), expected.iter().copied().collect(), "{only:?}: {notes:?}");
        assert_eq!(notes.len(), expected.len(), "{only:?}: {notes:?}");
    }
    let template_options = Options {
        is_template: true,
        ..unnamed
    };
    let rights = of(&[policy("Enforce", &more)], &template_options);
    let text = template(&rights, &template_options, false).expect("a template");
    let notes = crate::plan::rights::notes(&rights, &template_options, None, &text);
    let expected = [permissions[0], permissions[1], controller];
    assert_eq!(
        said(&notes),
        BTreeSet::from(expected),
        "a template has neither keys nor the controller: {notes:?}"
    );
}

#[test]
fn a_part_that_is_not_one_is_refused_in_a_sentence() {
    let accounts = "accounts: [{accountID: '111122223333'}, {accountID: '444455556666'}]";
    let mut two = of_accounts("Audit", accounts, "");
    let regions = policy("Audit", "").spec.accounts[0].regions.clone();
    two.spec.defaults.get_or_insert_default().regions = regions;
    let rights = of(&[two], &named());
    let said = part(&rights, Part::Permissions).expect_err("two roles");
    assert!(said.contains("--account"), "{said}");
    let nothing = of(&[policy("Audit", "")], &named()).of_account("999999999999");
    assert_eq!(part(&nothing, Part::Trust), Err("there is nothing to print".to_owned()));
}

#[test]
fn a_template_is_for_all_accounts_that_take_the_same_and_names_none() {
    let options = Options {
        is_template: true,
        ..named()
    };
    let shared = "accounts:
- {accountID: '111122223333', regions: [{name: eu-west-1, kmsKeyID: alias/ami}]}
- {accountID: '444455556666', regions: [{name: eu-west-1, kmsKeyID: alias/ami}]}
";
    let rights = of(&[of_accounts("Enforce", shared, EVERYTHING)], &options);
    let text = template(&rights, &options, true).expect("a template");
    assert!(!text.contains(ACCOUNT) && !text.contains("444455556666"), "{text}");
    let template_of = parsed(&text);
    let role = &template_of["Resources"]["Role"]["Properties"];
    assert_eq!(role["RoleName"], json!({"Ref": "RoleName"}));
    let trust = role["AssumeRolePolicyDocument"]["Statement"]
        .as_array()
        .expect("statements");
    assert_eq!(trust.len(), 2);
    for statement in trust {
        assert_eq!(statement["Principal"], json!({"AWS": {"Ref": "TrustedPrincipals"}}));
    }
    let attached = role["ManagedPolicyArns"].as_array().expect("policies");
    for reference in attached {
        let id = reference["Ref"].as_str().expect("a name");
        assert_eq!(template_of["Resources"][id]["Type"], "AWS::IAM::ManagedPolicy");
    }
    let copies = text.contains(r#"{"Fn::Sub": "arn:${AWS::Partition}:ec2:eu-west-1::image/*"}"#);
    assert!(copies, "{text}");
    assert!(
        text.contains(r#""ec2:Owner": {"Fn::Sub": "${AWS::AccountId}"}"#),
        "{text}"
    );

    let own = shared.replacen("alias/ami", "alias/other", 1);
    let rights = of(&[of_accounts("Enforce", &own, "")], &options);
    let said = template(&rights, &options, false).expect_err("they differ");
    assert!(
        said.contains("111122223333 and 444455556666 differ") && said.contains("--account"),
        "{said}"
    );
}

#[test]
fn the_configuration_of_terraform_attaches_each_policy_to_the_role() {
    let rights = of(&[policy("Enforce", EVERYTHING)], &named());
    let text = configuration(&rights, true).expect("a configuration");
    for line in [
        "resource \"aws_iam_role\" \"amiseal_111122223333\" {",
        "resource \"aws_iam_policy\" \"amiseal_111122223333_1\" {",
        "resource \"aws_iam_policy\" \"amiseal_111122223333_2\" {",
        "  policy_arn = aws_iam_policy.amiseal_111122223333_2.arn",
        "# CopyImages (ec2:CopyImage): Copies images of the account.",
    ] {
        assert!(text.lines().any(|this| this == line), "no {line} in\n{text}");
    }
    assert!(!text.contains("provider ="), "there is one account");
    assert_eq!(text.matches('{').count(), text.matches('}').count());
}

#[test]
fn the_table_of_the_documentation_has_every_statement() {
    let table = table();
    assert_eq!(table.lines().count(), Grant::ALL.len() + 2);
    for line in table.lines() {
        assert_eq!(line.matches('|').count(), 6, "{line}");
    }
}
