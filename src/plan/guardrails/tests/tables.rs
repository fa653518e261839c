//! What is asked for, which key is the default one, and who has to be able to use it.

use std::collections::BTreeSet;

use serde_json::json;

use super::stage::{ENCRYPTION, IMAGES, SNAPSHOTS, settings, spec};
use crate::domain::{
    AwsError, Cause, ConsumerKind, ErrorClass, Guardrail, GuardrailChange, ImageRef, Key, KeyAccess, KeyGrant,
    KeyUsability, Launcher, Launches, Operation, Readings,
};
use crate::plan::access::{NEEDED, Principal};
use crate::plan::guardrails::key::{self, KeyStanding, standing};
use crate::plan::guardrails::{Asked, Launchers, asked, turned_on};
use crate::plan::testing::{account, at, failed_call, image_id, key as key_arn, scope};
use crate::plan::usage::{Graph, graph};

const ROLE: &str =
    "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";

#[test]
fn a_guardrail_is_set_where_policy_and_target_enforce_it_and_no_older_policy_speaks_of_it() {
    let all = json!({"ebsEncryptionByDefault": "Enforce", "imageBlockPublicAccess": "Audit",
        "snapshotBlockPublicAccess": "Ignore"});
    let older = settings(&json!({"ebsEncryptionByDefault": "Audit", "allowedImages": {"mode": "Ignore"}}));
    let ignoring = settings(&json!({"ebsEncryptionByDefault": "Ignore", "allowedImages": {"mode": "Ignore"}}));
    let (older, ignoring) = (Some(&older), Some(&ignoring));
    let set = |asked: &[Asked]| -> Vec<Guardrail> {
        let set = asked.iter().filter(|one| one.enforces);
        set.map(|one| one.guardrail).collect()
    };
    let which = [ENCRYPTION, IMAGES, Guardrail::AllowedImages];
    let same = settings(&all);
    let same = Some(&same);
    // What the policy says by now: it was changed, and its target has not heard of it.
    let audits = settings(&json!({"imageBlockPublicAccess": "Enforce"}));
    let audits = Some(&audits);
    for (mode, policy, others, expected) in [
        ("Enforce", same, vec![], vec![ENCRYPTION]),
        ("Audit", same, vec![], vec![]),
        ("Enforce", None, vec![], vec![]),
        ("Enforce", audits, vec![], vec![]),
        ("Enforce", same, vec![("a", None)], vec![ENCRYPTION]),
        ("Enforce", same, vec![("a", ignoring)], vec![ENCRYPTION]),
        ("Enforce", same, vec![("a", ignoring), ("b", older)], vec![]),
    ] {
        let found = asked(&spec(&all, mode), policy, &others);
        assert_eq!(found.iter().map(|one| one.guardrail).collect::<Vec<_>>(), which);
        assert_eq!(set(&found), expected, "{mode} {policy:?} {others:?}");
        let governor = found[0].governor.as_deref();
        assert_eq!(governor, others.get(1).map(|(policy, _)| *policy), "{others:?}");
    }
    let mut suspended = spec(&all, "Enforce");
    suspended.suspend = true;
    assert!(set(&asked(&suspended, same, &[])).is_empty());
    suspended.guardrails = None;
    assert!(asked(&suspended, same, &[]).is_empty());
    let every = asked(&spec(&json!({}), "Enforce"), same, &[]);
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
    let names = |graph: Option<&Graph>| -> BTreeSet<Principal> { read(graph).needs(&scope()).into_keys().collect() };
    assert_eq!(names(None), [own.clone()].into());
    assert_eq!(
        names(Some(&launching(Readings::default()))),
        [own.clone(), role.clone()].into()
    );
    // It launches by the same role what could not be read, and does not launch where it names nothing.
    let unread = Launches::Image(ImageRef::Other("resolve:no-such-thing".into()));
    let group = |launches: Vec<(Box<str>, Launches)>| {
        let launchers = vec![Launcher {
            kind: ConsumerKind::AutoScalingGroup,
            id: "web".into(),
            launches,
            owner: None,
        }];
        let readings = Readings {
            launchers,
            ..Readings::default()
        };
        graph(&readings, &account(), at(0))
    };
    let unresolved = group(vec![("".into(), unread)]);
    assert_eq!(unresolved.launched().count(), 0);
    assert_eq!(names(Some(&unresolved)), [own.clone(), role].into());
    assert_eq!(names(Some(&group(Vec::new()))), [own].into());
}

/// Launchers that are read, and that nobody has to read again.
fn read(graph: Option<&Graph>) -> Launchers<'_> {
    Launchers {
        are_read: true,
        graph,
        is_due: false,
        moved: None,
        since: None,
    }
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
        standing(&key(aws_managed), &read(graph).needs(&scope()), access, &account())
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
            operations: NEEDED
                .iter()
                .map(|action| action.trim_start_matches("kms:").into())
                .collect(),
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
fn a_denial_for_some_of_the_account_stops_a_key_from_being_the_default_one() {
    let key = Key {
        arn: key_arn(1),
        usability: KeyUsability::Usable,
        aws_managed: false,
    };
    let denying = |principal: &str, action: &str| {
        let allow = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Action": "kms:*", "Resource": "*"});
        let deny = json!({"Effect": "Deny", "Principal": {"AWS": principal}, "Action": action, "Resource": "*"});
        KeyAccess {
            policy: Ok(json!({"Statement": [allow, deny]}).to_string().into()),
            grants: Ok(Vec::new()),
        }
    };
    for (principal, action, words) in [
        (
            "arn:aws:iam::111122223333:role/web",
            "kms:*",
            "denies some of the account",
        ),
        (
            "arn:aws:iam::111122223333:user/web",
            "kms:*",
            "denies some of the account",
        ),
        (
            "arn:aws:sts::111122223333:assumed-role/web/one",
            "kms:CreateGrant",
            "denies some of the account",
        ),
        ("arn:aws:iam::111122223333:root", "kms:*", "may not use"),
        ("arn:aws:iam::111122223333:role/web", "kms:ScheduleKeyDeletion", ""),
        ("arn:aws:iam::444455556666:role/web", "kms:*", ""),
    ] {
        let access = denying(principal, action);
        match standing(&key, &read(None).needs(&scope()), Some(&access), &account()) {
            KeyStanding::Usable(_) => assert_eq!(words, "", "{principal} {action}"),
            KeyStanding::Unusable(_, why) => assert!(!words.is_empty() && why.contains(words), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn no_key_is_said_to_be_usable_where_it_is_not_known_who_launches() {
    let lacking = |kind, error| {
        let unread = [(kind, error)].into();
        launching(Readings {
            unread,
            ..Readings::default()
        })
    };
    let failed = |class| failed_call(Operation::DescribeAutoScalingGroups, class);
    let groups = |error| lacking(ConsumerKind::AutoScalingGroup, error);
    let (denied, throttled) = (
        groups(failed(ErrorClass::Denied)),
        groups(failed(ErrorClass::Throttled)),
    );
    let transient = groups(failed(ErrorClass::Transient));
    let caused = |cause| {
        groups(AwsError {
            cause: Some(cause),
            ..failed(ErrorClass::Transient)
        })
    };
    let (unreachable, late) = (caused(Cause::Unreachable), caused(Cause::Timeout));
    let recipes = failed_call(Operation::ListImageRecipes, ErrorClass::Denied);
    let recipes = lacking(ConsumerKind::Recipe, recipes);
    let whole = launching(Readings::default());
    let paged = || Readings {
        paged: true,
        ..Readings::default()
    };
    let once = launching(paged());
    let (mut twice, mut after_denied, mut after_recipes) = (once.clone(), once.clone(), once.clone());
    twice.keep(&once);
    after_denied.keep(&denied);
    after_recipes.keep(&recipes);
    let not_read = Launchers {
        are_read: false,
        ..read(Some(&whole))
    };
    let key = |aws_managed| Key {
        arn: key_arn(1),
        usability: KeyUsability::Usable,
        aws_managed,
    };
    // What is said, and whether more will be known without anybody's doing.
    for (launchers, said, are_known) in [
        (read(Some(&whole)), "", true),
        (read(Some(&recipes)), "", true),
        (read(Some(&denied)), "autoscaling:DescribeAutoScalingGroups", true),
        (not_read, "set spec.consumers.read to true", true),
        (read(Some(&throttled)), "waits", false),
        (read(Some(&transient)), "waits", false),
        (read(Some(&unreachable)), "autoscaling:DescribeAutoScalingGroups", true),
        (read(Some(&late)), "autoscaling:DescribeAutoScalingGroups", true),
        (read(None), "waits", false),
        // A listing of several pages may have missed a group, unless the reading before could read all of them.
        (read(Some(&once)), "waits", false),
        (read(Some(&after_denied)), "waits", false),
        (read(Some(&after_recipes)), "", true),
        (read(Some(&twice)), "", true),
    ] {
        match launchers.stands(&key(false)) {
            None => assert_eq!(said, ""),
            Some(KeyStanding::Waiting) => assert_eq!(said, "waits"),
            Some(KeyStanding::Unusable(_, why)) => assert!(!said.is_empty() && why.contains(said), "{why}"),
            Some(other) => panic!("{other:?}"),
        }
        assert_eq!(launchers.are_known(), are_known, "{said}");
        assert_eq!(launchers.stands(&key(true)), None, "AWS's own is for everybody there");
    }
}

#[test]
fn whom_a_listing_may_have_missed_needs_the_key_as_well() {
    for (paged, expected) in [(true, 2), (false, 1)] {
        let readings = || Readings {
            paged,
            ..Readings::default()
        };
        let nobody = || graph(&readings(), &account(), at(0));
        let needs = |graph: &Graph| read(Some(graph)).needs(&scope()).len();
        let mut once = nobody();
        once.keep(&launching(readings()));
        assert_eq!(needs(&once), expected, "several pages: {paged}");
        let mut twice = nobody();
        twice.keep(&once);
        assert_eq!(needs(&twice), 1, "two readings in a row did not show it");
    }
}

#[test]
fn who_may_have_come_to_launch_since_is_read_before_a_key_is_said_to_be_usable() {
    let whole = launching(Readings::default());
    let usable = || KeyStanding::Usable(key_arn(1));
    let not = || KeyStanding::Unusable(key_arn(1), "They may not.".to_owned());
    let due = Launchers {
        is_due: true,
        ..read(Some(&whole))
    };
    let key = |aws_managed| Key {
        arn: key_arn(1),
        usability: KeyUsability::Usable,
        aws_managed,
    };
    for (launchers, aws_managed, standing, expected) in [
        (due, false, usable(), KeyStanding::Waiting),
        // It does not wait for who else launches.
        (due, false, not(), not()),
        (due, true, usable(), usable()),
        (read(Some(&whole)), false, usable(), usable()),
        (read(Some(&whole)), true, usable(), usable()),
    ] {
        let found = launchers.confirm(&key(aws_managed), standing);
        assert_eq!(found, expected, "{launchers:?} {aws_managed}");
    }
    assert!(!due.are_known());
}

#[test]
fn an_event_says_what_was_turned_on() {
    let key = || GuardrailChange::DefaultKey(key_arn(1));
    let turn_on = || GuardrailChange::EncryptionByDefault;
    for (guardrail, changes, begins, has_key) in [
        (ENCRYPTION, vec![key(), turn_on()], "Turned on EBS encryption", true),
        (ENCRYPTION, vec![turn_on()], "Turned on EBS encryption", false),
        (ENCRYPTION, vec![key()], "Made ", true),
        (IMAGES, vec![GuardrailChange::BlockImages], "Turned on Image", false),
        (
            Guardrail::AllowedImages,
            vec![GuardrailChange::ImageCriteria(Vec::new()), GuardrailChange::AuditImages],
            "Replaced the criteria of Allowed AMIs. Set Allowed AMIs to audit-mode",
            false,
        ),
        (
            Guardrail::AllowedImages,
            vec![GuardrailChange::RefuseImages],
            "Set Allowed AMIs to enabled",
            false,
        ),
        (
            SNAPSHOTS,
            vec![GuardrailChange::BlockSnapshots],
            "Turned on Snapshot",
            false,
        ),
    ] {
        let note = turned_on(guardrail, &changes);
        assert!(note.starts_with(begins) && note.ends_with('.'), "{note}");
        assert_eq!(note.contains(key_arn(1).as_str()), has_key, "{note}");
    }
}
