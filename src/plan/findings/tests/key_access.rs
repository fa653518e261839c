use serde_json::json;

use super::*;
use crate::domain::{Image, KeyAccess, LaunchPermission, Operation};

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
        snapshot.also = Some(Box::new(key(2)));
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
