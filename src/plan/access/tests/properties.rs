//! Whatever a policy says: nobody is let in who may be denied, and what fixes a denial fixes it.

use proptest::prelude::*;

use super::*;

fn principal() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("*")),
        Just(json!({"AWS": "*"})),
        Just(json!({"AWS": root("111122223333")})),
        Just(json!({"AWS": OTHER})),
        Just(json!({"AWS": [ROLE, FOREIGN]})),
        Just(json!({"AWS": ROLE})),
        Just(json!({"Service": "ec2.amazonaws.com"})),
    ]
}

fn action() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("kms:*")),
        Just(json!([
            "kms:Decrypt",
            "kms:GenerateDataKey*",
            "kms:ReEncrypt*",
            "kms:DescribeKey"
        ])),
        Just(json!("kms:CreateGrant")),
        Just(json!("kms:Decrypt")),
    ]
}

fn condition() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(json!({"Bool": {"kms:GrantIsForAWSResource": "true"}}))),
        1 => Just(Some(json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}))),
        1 => Just(Some(json!({"StringEquals": {"kms:CallerAccount": "111122223333"}}))),
    ]
}

fn statement() -> impl Strategy<Value = Value> {
    (any::<bool>(), principal(), action(), condition(), any::<bool>()).prop_map(
        |(allows, principal, action, condition, others)| {
            let who = if others { "NotPrincipal" } else { "Principal" };
            let effect = if allows { "Allow" } else { "Deny" };
            let mut statement = json!({"Effect": effect, who: principal, "Action": action, "Resource": "*"});
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            statement
        },
    )
}

fn anybody() -> impl Strategy<Value = Principal> {
    prop_oneof![Just(own()), Just(theirs()), Just(role()), Just(foreign_role())]
}

fn grants() -> impl Strategy<Value = Vec<KeyGrant>> {
    let grant = prop_oneof![
        Just(whole_grant(ROLE)),
        Just(whole_grant(FOREIGN)),
        Just(grant(ROLE, &["Decrypt"])),
    ];
    prop::collection::vec(grant, 0..3)
}

proptest! {
    /// A denial that names somebody is never outdone.
    #[test]
    fn whom_a_statement_denies_is_never_allowed(
        statements in prop::collection::vec(statement(), 0..6),
        grants in grants(),
        principal in anybody(),
        place in 0usize..6,
    ) {
        let mut statements = statements;
        let named = match &principal {
            Principal::Role { arn, .. } => json!({"AWS": &**arn}),
            other => json!({"AWS": root(other.account().expect("an account").as_str())}),
        };
        statements.insert(place.min(statements.len()), deny(&named, None));
        let is_denied = matches!(judged(&access(&statements, grants), &principal), Access::Denied(_));
        prop_assert!(is_denied);
    }

    /// One more statement that denies lets nobody in.
    #[test]
    fn one_more_denial_lets_nobody_in(
        statements in prop::collection::vec(statement(), 0..6),
        more in statement(),
        grants in grants(),
        principal in anybody(),
    ) {
        let more = with(more, "Effect", json!("Deny"));
        let before = judged(&access(&statements, grants.clone()), &principal);
        let mut statements = statements;
        statements.push(more);
        let after = judged(&access(&statements, grants), &principal);
        prop_assert!(after != Access::Allowed || before == Access::Allowed, "{before:?} {after:?}");
    }

    /// What fixes a denial is enough, where nothing but it is in the way.
    #[test]
    fn what_mends_a_denial_lets_them_in(
        statements in prop::collection::vec(statement(), 0..6),
        grants in grants(),
        principal in anybody(),
    ) {
        let key = key(1);
        let before = access(&statements, grants.clone());
        let Access::Denied(denial) = judged(&before, &principal) else { return Ok(()) };
        prop_assume!(denial.by.is_none());
        let fix = fix::of(facts(&key, &before), &principal, &denial);
        let (mut statements, mut grants) = (statements, grants);
        statements.extend(fix.statements.iter().cloned());
        if let Some(command) = &fix.command {
            let mut words = command.split(' ').skip_while(|word| *word != "--grantee-principal").skip(1);
            let grantee = words.next().expect("a grantee").to_owned();
            let operations: Vec<&str> = words.skip(1).collect();
            grants.push(grant(&grantee, &operations));
        }
        let after = judged(&access(&statements, grants), &principal);
        let is_mended = !matches!(&after, Access::Denied(Denial { by: None, .. }));
        prop_assert!(is_mended, "{after:?}");
    }

    #[test]
    fn garbage_lets_nobody_in(text in ".{0,200}", principal in anybody()) {
        let access = KeyAccess { policy: Ok(text.into()), grants: Ok(vec![whole_grant(ROLE)]) };
        let is_unknown = matches!(judged(&access, &principal), Access::Unknown(_));
        prop_assert!(is_unknown);
    }

    /// A policy with a part that is anything at all: whoever is let in is let in without that part too.
    #[test]
    fn a_part_that_is_garbage_lets_nobody_in(
        element in prop_oneof![Just("Effect"), Just("Principal"), Just("Action"), Just("Resource"), Just("Condition")],
        value in prop_oneof![Just(json!(null)), Just(json!(1)), Just(json!({"a": []})), Just(json!([[]])), any::<String>().prop_map(Value::from)],
        principal in anybody(),
    ) {
        let statement = with(allow(&json!({"AWS": "arn:aws:iam::999900001111:root"}), &json!("kms:x")), element, value);
        let verdict = judged(&access(&[statement], Vec::new()), &principal);
        prop_assert_ne!(verdict, Access::Allowed);
    }
}
