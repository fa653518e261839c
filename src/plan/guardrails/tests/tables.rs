//! What is asked for, which key is the default one, and who has to be able to use it.

use std::collections::BTreeSet;

use serde_json::json;

use super::stage::{ENCRYPTION, IMAGES, settings, spec};
use crate::domain::{
    ConsumerKind, ErrorClass, Guardrail, ImageRef, Key, KeyAccess, KeyGrant, KeyUsability, Launcher, Launches,
    Operation, Readings,
};
use crate::plan::access::{NEEDED, Principal};
use crate::plan::guardrails::key::{self, KeyStanding, needs, standing, unread_launchers};
use crate::plan::guardrails::{Asked, asked, turned_on};
use crate::plan::testing::{account, at, failed_call, image_id, key as key_arn, scope};
use crate::plan::usage::{Graph, graph};

const ROLE: &str =
    "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";

#[test]
fn a_guardrail_is_set_where_policy_and_target_enforce_it_and_no_older_policy_speaks_of_it() {
    let all = json!({"ebsEncryptionByDefault": "Enforce", "imageBlockPublicAccess": "Audit",
        "snapshotBlockPublicAccess": "Ignore"});
    let older = settings(&json!({"ebsEncryptionByDefault": "Audit", "allowedImages": "Ignore"}));
    let ignoring = settings(&json!({"ebsEncryptionByDefault": "Ignore", "allowedImages": "Ignore"}));
    let set = |asked: &[Asked]| -> Vec<Guardrail> {
        let set = asked.iter().filter(|one| one.enforces);
        set.map(|one| one.guardrail).collect()
    };
    let which = [ENCRYPTION, IMAGES, Guardrail::AllowedImages];
    for (mode, may_change, others, expected) in [
        ("Enforce", true, vec![], vec![ENCRYPTION]),
        ("Audit", true, vec![], vec![]),
        ("Enforce", false, vec![], vec![]),
        ("Enforce", true, vec![("a", None)], vec![ENCRYPTION]),
        ("Enforce", true, vec![("a", Some(ignoring))], vec![ENCRYPTION]),
        ("Enforce", true, vec![("a", Some(ignoring)), ("b", Some(older))], vec![]),
    ] {
        let found = asked(&spec(&all, mode), may_change, &others);
        assert_eq!(found.iter().map(|one| one.guardrail).collect::<Vec<_>>(), which);
        assert_eq!(set(&found), expected, "{mode} {may_change} {others:?}");
        let governor = found[0].governor.as_deref();
        assert_eq!(governor, others.get(1).map(|(policy, _)| *policy), "{others:?}");
    }
    let mut suspended = spec(&all, "Enforce");
    suspended.suspend = true;
    assert!(set(&asked(&suspended, true, &[])).is_empty());
    suspended.guardrails = None;
    assert!(asked(&suspended, true, &[]).is_empty());
    let every = asked(&spec(&json!({}), "Enforce"), true, &[]);
    assert_eq!(
        every.iter().map(|one| one.guardrail).collect::<Vec<_>>(),
        Guardrail::ALL
    );
    assert!(
        set(&every).is_empty(),
        "each is audited unless the policy says otherwise"
    );
}

#[test]
fn a_default_key_is_known_by_its_arn_its_id_or_the_alias_of_awss_own() {
    let key = |aws_managed| Key {
        arn: key_arn(1),
        usability: KeyUsability::Usable,
        aws_managed,
    };
    let by_alias_arn = "arn:aws:kms:eu-west-1:111122223333:alias/aws/ebs";
    for (shown, of_customer, of_aws) in [
        (key_arn(1).as_str(), true, true),
        ("00000001", true, true),
        (key_arn(2).as_str(), false, false),
        ("alias/aws/ebs", false, true),
        (by_alias_arn, false, true),
        ("alias/ami", false, false),
        ("", false, false),
    ] {
        let found = [false, true].map(|aws_managed| key::is_default(shown, &key(aws_managed)));
        assert_eq!(found, [of_customer, of_aws], "{shown}");
    }
}

/// What launches an image in the account: a group and an instance.
fn launching(readings: Readings) -> Graph {
    let launchers = [(ConsumerKind::AutoScalingGroup, "web"), (ConsumerKind::Instance, "i-1")];
    let launchers = launchers.map(|(kind, id)| Launcher {
        kind,
        id: id.into(),
        launches: vec![("".into(), Launches::Image(ImageRef::Image(image_id(1))))],
        owner: None,
    });
    let readings = Readings {
        launchers: launchers.into(),
        ..readings
    };
    graph(&readings, &account(), at(0))
}

#[test]
fn the_account_needs_the_key_and_so_do_the_roles_by_which_services_launch_there() {
    let own = Principal::Account(account());
    let role = Principal::Role {
        arn: ROLE.into(),
        account: account(),
    };
    let names = |graph: Option<&Graph>| -> BTreeSet<Principal> { needs(&scope(), graph).into_keys().collect() };
    assert_eq!(names(None), [own.clone()].into());
    assert_eq!(names(Some(&launching(Readings::default()))), [own, role].into());
}

fn allowing(principals: &[&str]) -> KeyAccess {
    let statement = json!({"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "kms:*", "Resource": "*"});
    KeyAccess {
        policy: Ok(json!({"Statement": [statement]}).to_string().into()),
        grants: Ok(Vec::new()),
    }
}

#[test]
fn a_key_may_be_the_default_one_where_each_of_them_may_use_it_and_that_is_known() {
    let graph = launching(Readings::default());
    let root = "arn:aws:iam::111122223333:root";
    let other = "arn:aws:iam::444455556666:root";
    let denied = failed_call(Operation::GetKeyPolicy, ErrorClass::Denied);
    let unread = KeyAccess {
        policy: Err(denied),
        grants: Ok(Vec::new()),
    };
    let key = |aws_managed| Key {
        arn: key_arn(1),
        usability: KeyUsability::Usable,
        aws_managed,
    };
    let judged = |aws_managed, access: Option<&KeyAccess>, graph: Option<&Graph>| {
        standing(&key(aws_managed), &needs(&scope(), graph), access, &account())
    };
    let usable = KeyStanding::Usable(key_arn(1));
    assert_eq!(
        judged(false, Some(&allowing(&[root])), None),
        usable,
        "as with every new key"
    );
    assert_eq!(judged(false, Some(&allowing(&[root, ROLE])), Some(&graph)), usable);
    assert_eq!(
        judged(true, None, Some(&graph)),
        usable,
        "AWS's own is for everybody there"
    );
    // Who launches besides may be anybody of the account: a policy that names some of them stops all others.
    let some = "arn:aws:iam::111122223333:role/ci";
    let by_grant = KeyAccess {
        grants: Ok(vec![KeyGrant {
            grantee: some.into(),
            operations: NEEDED.iter().map(|action| action.trim_start_matches("kms:").into()).collect(),
            constrained: false,
        }]),
        ..allowing(&[other])
    };
    assert_eq!(judged(false, Some(&allowing(&[some, root])), None), usable);
    assert_eq!(judged(false, Some(&allowing(&["*"])), None), usable);
    for (access, graph, words) in [
        (
            Some(allowing(&[some])),
            None,
            "That some of the account may is not enough.",
        ),
        (Some(by_grant), None, "That some of the account may is not enough."),
        (Some(allowing(&[other])), None, "The account 111122223333 may not use"),
        (Some(allowing(&[root])), Some(&graph), "AutoScalingGroup web"),
        (Some(unread), None, "grant kms:GetKeyPolicy to the role"),
        (None, None, "It is not known whether"),
    ] {
        let KeyStanding::Unusable(_, why) = judged(false, access.as_ref(), graph) else {
            panic!("{words}")
        };
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn where_what_launches_by_a_role_could_not_be_read_it_is_not_known_who_needs_the_key() {
    let denied = |operation| failed_call(operation, ErrorClass::Denied);
    let lacking = |kind, operation| {
        let unread = [(kind, denied(operation))].into();
        launching(Readings {
            unread,
            ..Readings::default()
        })
    };
    let groups = lacking(ConsumerKind::AutoScalingGroup, Operation::DescribeAutoScalingGroups);
    let why = unread_launchers(&groups).expect("unknown");
    assert!(why.contains("autoscaling:DescribeAutoScalingGroups"), "{why}");
    let recipes = lacking(ConsumerKind::Recipe, Operation::ListImageRecipes);
    assert_eq!(unread_launchers(&recipes), None);
    assert_eq!(unread_launchers(&launching(Readings::default())), None);
}

#[test]
fn an_event_says_what_was_turned_on() {
    let key = key_arn(1);
    for guardrail in Guardrail::ALL {
        let note = turned_on(guardrail, Some(&key));
        assert!(note.starts_with("Turned on ") && note.ends_with('.'), "{note}");
        assert_eq!(note.contains(key.as_str()), guardrail == ENCRYPTION, "{note}");
    }
}
