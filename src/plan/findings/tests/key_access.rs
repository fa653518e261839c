use proptest::prelude::*;
use serde_json::json;

use super::super::key_access::{brief, said};
use super::*;
use crate::api::FindingsStatus;
use crate::domain::{Image, KeyAccess, LaunchPermission, Operation};
use crate::plan::access::Fix;
use crate::plan::access::form::{Row, State};
use crate::plan::findings::record;

/// A world with one image under key 1 that a group launches.
fn case(statement: &serde_json::Value) -> Case {
    let mut case = Case::of([]);
    let mut copy = encrypted_copy(&image(1, 1), 2, &key(1), &mut case.world);
    (copy.copied_from, copy.created, copy.last_launched) = (None, Some(at(0)), Some(at(0)));
    case.world.images.insert(copy.id.clone(), std::sync::Arc::new(copy));
    let policy = json!({"Statement": [statement]});
    case.observed.key_access.insert(
        key(1),
        KeyAccess {
            policy: Ok(policy.to_string().into()),
            grants: Ok(Vec::new()),
        },
    );
    case.launches(ConsumerKind::AutoScalingGroup, "web", 2)
}

fn allow(principal: &str) -> serde_json::Value {
    json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:*", "Resource": "*"})
}

const ROOT: &str = "arn:aws:iam::111122223333:root";
const ROLE: &str =
    "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";

fn of_check(case: &Case) -> Vec<String> {
    let lines = case.lines().into_iter();
    lines.filter(|line| line.starts_with("key-unusable")).collect()
}

#[test]
fn a_key_that_leaves_all_to_iam_is_found_where_a_group_launches_by_it() {
    assert_eq!(of_check(&case(&allow(ROLE))), [""; 0]);
    let case = case(&allow(ROOT));
    assert_eq!(of_check(&case), [format!("key-unusable-by-consumers {}", key(1))]);
    let said = case.said(Check::KeyUnusableByConsumers);
    assert!(
        said[0].contains("Affected: AutoScalingGroup web. Add to the key's policy: {"),
        "{said:?}"
    );
    assert_eq!(case.unread(), []);
    let without_a_group = Case {
        readings: Readings::default(),
        ..case
    };
    assert_eq!(of_check(&without_a_group), [""; 0]);
}

#[test]
fn an_image_that_nobody_can_launch_or_that_another_key_opens_asks_for_none() {
    let disable = |image: &mut Image| image.state = ImageState::Disabled;
    let mut disabled = case(&allow(ROOT));
    disable(std::sync::Arc::make_mut(
        disabled.world.images.get_mut(&image_id(2)).expect("an image"),
    ));
    assert_eq!(of_check(&disabled), [""; 0]);
    let mut opened = case(&allow(ROOT));
    for snapshot in opened.world.snapshots.values_mut() {
        snapshot.extras.get_or_insert_default().also = Some(key(2));
    }
    assert_eq!(of_check(&opened), [""; 0]);
}

#[test]
fn an_image_is_shared_in_vain_with_an_account_that_may_not_use_its_key() {
    let share = |case: &mut Case| {
        let account = LaunchPermission::Account("444455556666".parse().expect("an account"));
        case.shared.insert(image_id(2), [account].into());
    };
    let mut case = case(&allow(ROLE));
    assert_eq!(of_check(&case), [""; 0]);
    share(&mut case);
    assert_eq!(of_check(&case), [format!("key-unusable-by-consumers {}", image_id(2))]);
    let said = case.said(Check::KeyUnusableByConsumers);
    assert!(
        said[0].contains("is shared in vain. The account 444455556666 may not use"),
        "{said:?}"
    );
    let mut let_in = super::key_access::case(&json!({
        "Effect": "Allow", "Principal": {"AWS": [ROLE, "444455556666"]}, "Action": "kms:*", "Resource": "*",
    }));
    share(&mut let_in);
    assert_eq!(of_check(&let_in), [""; 0]);
    assert_eq!(let_in.unread(), [], "what its own policies say is theirs");
}

#[test]
fn what_is_not_known_of_a_key_is_unread_and_no_finding() {
    let mut case = case(&allow(ROOT));
    let denied = AwsError::new(Operation::GetKeyPolicy, ErrorClass::Denied, None);
    case.observed.key_access.get_mut(&key(1)).expect("a key").policy = Err(denied);
    assert_eq!(of_check(&case), [""; 0]);
    let unread = case.unread();
    let found: Vec<(&str, Option<&str>)> = unread
        .iter()
        .map(|(kind, id, _)| (kind.as_str(), id.as_deref()))
        .collect();
    assert_eq!(found, [("KeyAccess", Some(key(1).as_str()))]);
    assert!(unread[0].2.contains("kms:GetKeyPolicy"), "{unread:?}");
}

#[test]
fn a_key_is_asked_about_where_somebody_needs_it() {
    let case = case(&allow(ROOT));
    let keys: Vec<KeyArn> = case.with(|subject| subject.key_needs()).into_keys().collect();
    assert_eq!(keys, [key(1)]);
    let unused = Case {
        readings: Readings::default(),
        ..case
    };
    assert!(unused.with(|subject| subject.key_needs()).is_empty());
}

#[test]
fn what_no_reading_can_tell_is_not_unread_and_a_report_says_it_all_the_same() {
    let organization = LaunchPermission::Organization("arn:aws:organizations::111122223333:organization/o-1".into());
    let mut with_organization = case(&allow(ROLE));
    with_organization.shared.insert(image_id(2), [organization].into());
    let mut of_another = case(&allow(ROLE));
    for snapshot in of_another.world.snapshots.values_mut() {
        snapshot.key = Some("arn:aws:kms:eu-west-1:444455556666:key/1".parse().expect("an ARN"));
    }
    let by_batch = case(&allow(ROOT));
    let by_batch = Case {
        readings: Readings::default(),
        ..by_batch
    };
    let by_batch = by_batch.launches(ConsumerKind::ComputeEnvironment, "jobs", 2);
    let mut statement = allow(ROLE);
    statement["Condition"] = json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}});
    for (case, why) in [
        (with_organization, "Which accounts are in arn:aws:organizations"),
        (of_another, "in the account 444455556666 only"),
        (by_batch, "AWS Batch launches by other roles too"),
        (
            case(&statement),
            "It is not known whether arn:aws:iam::111122223333:role",
        ),
    ] {
        assert_eq!((of_check(&case), case.unread()), (Vec::new(), Vec::new()), "{why}");
        let status = case.with(|subject| record::of_target(subject, None, at(0)));
        assert!(record::is_known(&status), "{status:#?}");
        let undecided = case.with(|subject| subject.key_access_undecided());
        assert_eq!(undecided.len(), 1, "{undecided:?}");
        assert!(undecided[0].message.contains(why), "{undecided:?}");
        let report = case.with(|subject| {
            let mut report = crate::plan::findings::report::Report::new(at(0));
            report.add(subject, Vec::new());
            report
        });
        assert_eq!(report.scopes[0].unknown, undecided);
    }
}

#[test]
fn a_status_has_room_for_one_role_and_what_fixes_it() {
    let status: FindingsStatus = case(&allow(ROOT)).with(|subject| record::of_target(subject, None, at(0)));
    let named = status
        .named
        .iter()
        .find(|named| named.check == "key-unusable-by-consumers");
    let what = &named.expect("a finding").what;
    assert!(what.ends_with("\"Resource\":\"*\"}"), "{}: {what}", what.len());
}

fn texts() -> impl Strategy<Value = String> {
    "[A-Z][a-z {}\\[\\]\",.:é]{0,400}\\."
}

fn denied() -> impl Strategy<Value = Row> {
    let statements = prop::collection::vec(texts().prop_map(|text| json!({"Sid": text})), 0..3);
    let consumers = prop::collection::vec("[A-Za-z {},.]{1,200}", 0..5);
    (texts(), statements, prop::option::of(texts()), consumers).prop_map(|(message, statements, advice, consumers)| {
        Row {
            state: State::Denied,
            account_id: None,
            principal: String::new(),
            missing: Vec::new(),
            message,
            fix: Some(Fix {
                statements,
                command: None,
                advice,
            }),
            images: 1,
            consumers,
            unread: false,
        }
    })
}

proptest! {
    #[test]
    fn what_a_status_says_is_whole_sentences_and_statements_and_names_where_the_rest_is(
        first in prop::option::of(texts()),
        rows in prop::collection::vec(denied(), 1..6),
    ) {
        let pieces = said(first, &rows);
        let whole = pieces.concat();
        let Some(brief) = brief(&pieces) else {
            prop_assert!(whole.chars().count() <= 1024);
            return Ok(());
        };
        prop_assert!(whole.chars().count() > 1024 && brief.chars().count() <= 1024);
        let said = brief.strip_suffix(" `amiseal report -f` says the rest.").expect("where the rest is");
        let ends: Vec<String> = (1..pieces.len()).map(|count| pieces[..count].concat()).collect();
        prop_assert!(ends.iter().any(|end| end == said), "{said}");
        let next = ends.iter().position(|end| end == said).map_or(0, |count| pieces[count + 1].chars().count());
        prop_assert!(brief.chars().count() + next > 1024, "there is room for more");
    }
}
