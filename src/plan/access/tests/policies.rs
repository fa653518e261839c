//! Kinds of policies, and whom they let use a key: the account, its role, another account, and that one's role.

use super::*;

/// What AWS's documents say has to be in a key's policy for a role of Auto Scaling.
fn documented(principal: &str) -> [Value; 2] {
    let actions = json!([
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:ReEncrypt*",
        "kms:GenerateDataKey*",
        "kms:DescribeKey"
    ]);
    let who = json!({"AWS": [principal]});
    let grants = allow(&who, &json!(["kms:CreateGrant"]));
    let condition = json!({"Bool": {"kms:GrantIsForAWSResource": true}});
    [allow(&who, &actions), with(grants, "Condition", condition)]
}

fn check(name: &str, statements: &[Value], expected: &str) {
    assert_eq!(letters(&access(statements, Vec::new())), expected, "{name}");
}

#[test]
fn whom_a_policy_names_decides_who_may_use_the_key() {
    let everything = json!("kms:*");
    let [using, granting] = documented(ROLE);
    let everybody = allow(&json!("*"), &everything);
    check("nothing", &[], "DDDD");
    // The trap: IAM cannot let a service's role.
    check("a new key", &[enable_iam()], "IDDD");
    check(
        "as documented",
        &[enable_iam(), using.clone(), granting.clone()],
        "IADD",
    );
    check("only the role", &[using.clone(), granting.clone()], "IADD");
    check("no grants", &[enable_iam(), using], "IDDD");
    check("only grants", &[enable_iam(), granting], "IDDD");
    check(
        "an account by its number",
        &[allow(&json!({"AWS": "111122223333"}), &everything)],
        "IDDD",
    );
    check(
        "another account",
        &[enable_iam(), allow(&json!({"AWS": root(OTHER)}), &everything)],
        "IDID",
    );
    // Another account's role needs IAM too, and has nothing there.
    check(
        "another account's role",
        &[allow(&json!({"AWS": FOREIGN}), &everything)],
        "DDID",
    );
    check("everybody", std::slice::from_ref(&everybody), "AAID");
    check("everybody as AWS", &[allow(&json!({"AWS": "*"}), &everything)], "AAID");
    check(
        "a role of people",
        &[allow(&json!({"AWS": "arn:aws:iam::111122223333:role/ci"}), &everything)],
        "IDDD",
    );
    check(
        "a service",
        &[allow(&json!({"Service": "ec2.amazonaws.com"}), &everything)],
        "DDDD",
    );
    check(
        "somebody who is gone",
        &[allow(&json!({"AWS": "AROAABCDEFGHIJKLMNOPQ"}), &everything)],
        "DDDD",
    );
    let session = "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForAutoScaling/AutoScaling";
    check("a session", &[allow(&json!({"AWS": session}), &everything)], "I?DD");
    let not = json!({"Effect": "Allow", "NotPrincipal": {"AWS": root(OTHER)}, "Action": "kms:*", "Resource": "*"});
    check("everybody but another account", &[not], "AA??");
    check("one statement that is no list", &[], "DDDD");
    let single = KeyAccess {
        policy: Ok(json!({"Statement": everybody}).to_string().into()),
        grants: Ok(Vec::new()),
    };
    assert_eq!(letters(&single), "AAID");
}

#[test]
fn actions_are_matched_by_wildcards_in_any_case() {
    let role = json!({"AWS": ROLE});
    for (actions, expected) in [
        (json!("*"), 'A'),
        (json!("kms:*"), 'A'),
        (json!("KMS:*"), 'A'),
        (
            json!([
                "kms:createGrant",
                "kms:decrypt",
                "kms:Describe*",
                "kms:generatedatakey*",
                "kms:ReEncrypt*"
            ]),
            'A',
        ),
        (
            json!([
                "kms:CreateGrant",
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:GenerateDataKeyWithoutPlaintex?",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo"
            ]),
            'A',
        ),
        (
            json!([
                "kms:CreateGrant",
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:GenerateDataKey",
                "kms:ReEncrypt*"
            ]),
            'D',
        ),
        (
            json!([
                "kms:CreateGrant",
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:GenerateDataKey*",
                "kms:ReEncrypt"
            ]),
            'D',
        ),
        (json!("ec2:*"), 'D'),
        (json!("kms:Decrypt"), 'D'),
    ] {
        let access = access(&[allow(&role, &actions)], Vec::new());
        assert_eq!(letter(&judged(&access, &super::role())), expected, "{actions}");
    }
    let but = |action: &str| json!({"Effect": "Allow", "Principal": role, "NotAction": [action], "Resource": "*"});
    for (action, expected) in [
        ("kms:ScheduleKeyDeletion", 'A'),
        ("kms:CreateGrant", 'D'),
        ("kms:*", 'D'),
    ] {
        let access = access(&[but(action)], Vec::new());
        assert_eq!(letter(&judged(&access, &super::role())), expected, "{action}");
    }
}

#[test]
fn what_is_missing_is_named_and_nothing_else() {
    let access = access(
        &[allow(
            &json!({"AWS": ROLE}),
            &json!(["kms:Decrypt", "kms:Re*", "kms:D*"]),
        )],
        Vec::new(),
    );
    let Access::Denied(denial) = judged(&access, &role()) else {
        panic!("it may");
    };
    assert_eq!(
        denial.missing,
        ["kms:CreateGrant", "kms:GenerateDataKeyWithoutPlaintext"]
    );
    assert_eq!(denial.by, None);
}

#[test]
fn a_statement_on_another_key_is_none() {
    let of = |resource: Value| {
        access(
            &[with(allow(&json!("*"), &json!("kms:*")), "Resource", resource)],
            Vec::new(),
        )
    };
    for (resource, expected) in [
        (json!("*"), 'A'),
        (json!(key(1).as_str()), 'A'),
        (json!(["arn:aws:kms:*:111122223333:key/*"]), 'A'),
        (json!(key(2).as_str()), 'D'),
        (json!("arn:aws:kms:eu-west-1:111122223333:alias/ami"), 'D'),
    ] {
        assert_eq!(letter(&judged(&of(resource.clone()), &role())), expected, "{resource}");
    }
}

#[test]
fn conditions_on_what_a_launch_is_are_told_and_others_are_unknown() {
    let everybody = allow(&json!("*"), &json!("kms:*"));
    for (condition, expected) in [
        (json!({}), 'A'),
        (
            json!({"StringEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}}),
            'A',
        ),
        (
            json!({"StringEquals": {"kms:viaservice": ["s3.eu-west-1.amazonaws.com", "ec2.eu-west-1.amazonaws.com"]}}),
            'A',
        ),
        (json!({"StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"}}), 'A'),
        (
            json!({"StringEquals": {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}}),
            'D',
        ),
        (
            json!({"StringNotEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}}),
            'D',
        ),
        (json!({"StringEquals": {"kms:CallerAccount": "111122223333"}}), 'A'),
        (json!({"StringEquals": {"kms:CallerAccount": 111_122_223_333_u64}}), 'A'),
        (json!({"StringEquals": {"aws:PrincipalAccount": OTHER}}), 'D'),
        (
            json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/aws-service-role/autoscaling.amazonaws.com/*"}}),
            'A',
        ),
        (json!({"ArnEquals": {"aws:PrincipalArn": ROLE}}), 'A'),
        (
            json!({"StringLike": {"aws:PrincipalArn": "*/AWSServiceRoleForAutoScaling"}}),
            'A',
        ),
        (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ci"}}), 'D'),
        (
            json!({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ci"}}),
            'A',
        ),
        // Only CreateGrant has it.
        (json!({"Bool": {"kms:GrantIsForAWSResource": "true"}}), 'D'),
        (json!({"BoolIfExists": {"kms:GrantIsForAWSResource": "true"}}), 'A'),
        (json!({"BoolIfExists": {"kms:GrantIsForAWSResource": "false"}}), 'D'),
        (json!({"Null": {"kms:ViaService": "false"}}), 'A'),
        (json!({"Null": {"kms:ViaService": "true"}}), 'D'),
        (json!({"Bool": {"aws:SecureTransport": "true"}}), 'A'),
        (json!({"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}}), '?'),
        (
            json!({"StringEquals": {"aws:PrincipalAccount": "${aws:ResourceAccount}"}}),
            '?',
        ),
        (
            json!({"ForAnyValue:StringEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}}),
            '?',
        ),
        (json!({"NumericLessThan": {"kms:ViaService": "1"}}), '?'),
        (
            json!({"StringEquals": {"kms:CallerAccount": "111122223333", "aws:PrincipalOrgID": "o-1"}}),
            '?',
        ),
        (
            json!({"StringEquals": {"kms:CallerAccount": OTHER, "aws:PrincipalOrgID": "o-1"}}),
            'D',
        ),
        (json!({"StringEquals": {"kms:CallerAccount": {"a": 1}}}), '?'),
        (json!("x"), '?'),
    ] {
        let access = access(&[with(everybody.clone(), "Condition", condition.clone())], Vec::new());
        assert_eq!(letter(&judged(&access, &role())), expected, "{condition}");
    }
}

#[test]
fn a_denial_wins_and_one_that_may_hold_makes_unknown() {
    let everybody = allow(&json!("*"), &json!("kms:*"));
    let by = |condition| access(&[everybody.clone(), deny(&json!("*"), condition)], Vec::new());
    assert_eq!(letters(&by(None)), "DDDD");
    let org = json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-1234567890"}});
    assert_eq!(letters(&by(Some(org))), "???D");
    let not_tls = json!({"Bool": {"aws:SecureTransport": "false"}});
    assert_eq!(letters(&by(Some(not_tls))), "AAID");
    for (principal, expected) in [
        (json!({"AWS": root("111122223333")}), "DDID"),
        (json!({"AWS": ROLE}), "ADID"),
        (json!({"AWS": "arn:aws:iam::111122223333:role/ci"}), "AAID"),
        (json!({"AWS": OTHER}), "AADD"),
        (json!({"Service": "ec2.amazonaws.com"}), "AAID"),
    ] {
        let access = access(&[everybody.clone(), deny(&principal, None)], Vec::new());
        assert_eq!(letters(&access), expected, "{principal}");
    }
    let Access::Denied(denial) = judged(&by(None), &role()) else {
        panic!("it may");
    };
    assert_eq!(denial.by.as_deref(), Some("statement \"no\""));
}

#[test]
fn a_denial_for_everybody_but_some_excepts_a_role_with_its_account_only() {
    let everybody = allow(&json!("*"), &json!("kms:*"));
    let root = root("111122223333");
    for (but, expected) in [
        (json!({"AWS": [ROLE, root]}), 'A'),
        (json!({"AWS": ROLE}), '?'),
        (json!({"AWS": root}), '?'),
        (json!({"AWS": OTHER}), 'D'),
        (json!("*"), 'A'),
    ] {
        let denial = json!({"Effect": "Deny", "NotPrincipal": but, "Action": "kms:*", "Resource": "*"});
        let access = access(&[everybody.clone(), denial], Vec::new());
        assert_eq!(letter(&judged(&access, &role())), expected, "{but}");
    }
}

#[test]
fn a_grant_lets_a_role_of_any_account_and_a_denial_stands_above_it() {
    let both = vec![whole_grant(ROLE), whole_grant(FOREIGN)];
    assert_eq!(letters(&access(&[enable_iam()], both.clone())), "IAIA");
    assert_eq!(letters(&access(&[enable_iam(), deny(&json!("*"), None)], both)), "DDDD");
    let part = vec![grant(FOREIGN, &["Decrypt", "CreateGrant"])];
    assert_eq!(letter(&judged(&access(&[], part), &foreign_role())), 'D');
    let constrained = KeyGrant {
        constrained: true,
        ..whole_grant(FOREIGN)
    };
    assert_eq!(letter(&judged(&access(&[], vec![constrained]), &foreign_role())), '?');
    let elsewhere = vec![whole_grant(&FOREIGN.replace("_blue", ""))];
    assert_eq!(letter(&judged(&access(&[], elsewhere), &foreign_role())), 'D');
}

#[test]
fn what_could_not_be_read_or_is_not_understood_is_unknown() {
    let unread = KeyAccess {
        policy: Err(denied(Operation::GetKeyPolicy)),
        grants: Ok(vec![whole_grant(ROLE)]),
    };
    let Access::Unread(why) = judged(&unread, &role()) else {
        panic!("it is known");
    };
    assert!(why.contains("kms:GetKeyPolicy"), "{why}");
    let no_grants = KeyAccess {
        grants: Err(denied(Operation::ListGrants)),
        ..access(&[enable_iam()], Vec::new())
    };
    let Access::Unread(why) = judged(&no_grants, &role()) else {
        panic!("it is known");
    };
    assert!(why.contains("kms:ListGrants"), "{why}");
    for policy in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"Statement": 1}"#,
        r#"{"Statement": [1]}"#,
        r#"{"Statement": [], "Rules": []}"#,
        r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}}"#,
        r#"{"Statement": {"Effect": "Perhaps", "Principal": "*", "Action": "*", "Resource": "*"}}"#,
        r#"{"Statement": {"Effect": "Allow", "Principal": "everybody", "Action": "*", "Resource": "*"}}"#,
        r#"{"Statement": {"Effect": "Allow", "Principal": {"Who": "*"}, "Action": "*", "Resource": "*"}}"#,
        r#"{"Statement": {"Effect": "Allow", "Principal": "*", "NotPrincipal": "*", "Action": "*", "Resource": "*"}}"#,
        r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Unless": {}}}"#,
    ] {
        let access = KeyAccess {
            policy: Ok(policy.into()),
            grants: Ok(Vec::new()),
        };
        assert_eq!(letters(&access), "????", "{policy}");
    }
    let key = key(1);
    let facts = KeyFacts {
        arn: &key,
        aws_managed: false,
        access: None,
    };
    assert!(matches!(judge(facts, &role()), Access::Unknown(why) if why.contains("111122223333")));
}

#[test]
fn the_key_of_aws_is_for_its_account_alone() {
    let key = key(1);
    let facts = KeyFacts {
        arn: &key,
        aws_managed: true,
        access: None,
    };
    let letters: String = [own(), role(), theirs(), foreign_role()]
        .iter()
        .map(|principal| letter(&judge(facts, principal)))
        .collect();
    assert_eq!(letters, "AADD");
    // The same by its policy, as AWS's documents show it.
    let using = json!([
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:ReEncrypt*",
        "kms:GenerateDataKey*",
        "kms:CreateGrant",
        "kms:DescribeKey"
    ]);
    let condition =
        json!({"StringEquals": {"kms:CallerAccount": "111122223333", "kms:ViaService": "ec2.eu-west-1.amazonaws.com"}});
    let everybody = with(allow(&json!({"AWS": "*"}), &using), "Condition", condition);
    let metadata = allow(
        &json!({"AWS": root("111122223333")}),
        &json!(["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"]),
    );
    assert_eq!(super::letters(&access(&[everybody, metadata], Vec::new())), "AADD");
}

#[test]
fn grants_are_read_where_the_policy_alone_does_not_let_somebody() {
    let key = key(1);
    for (statements, principal, asks) in [
        (vec![enable_iam()], role(), true),
        (vec![enable_iam()], own(), false),
        (vec![allow(&json!("*"), &json!("kms:*"))], role(), false),
        (vec![deny(&json!("*"), None)], role(), false),
        (vec![enable_iam()], theirs(), true),
    ] {
        let access = access(&statements, Vec::new());
        assert_eq!(
            asks_for_grants(facts(&key, &access), [&principal]),
            asks,
            "{statements:?} {principal}"
        );
    }
}
