use serde_json::json;

use super::*;
use crate::domain::{
    AwsError, ConsumerKind, ErrorClass, ImageRef, LaunchPermission, Launcher, Launches, Operation, Readings,
};
use crate::plan::testing::{account, at, image_id, key, scope};
use crate::plan::usage::graph;

const ROLE: &str =
    "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";

/// An image that a group and an instance launch, with a key whose policy says this.
fn picture(policy: Result<&serde_json::Value, AwsError>) -> Picture {
    let launchers = [(ConsumerKind::AutoScalingGroup, "web"), (ConsumerKind::Instance, "i-1")];
    let launchers = launchers.map(|(kind, id)| Launcher {
        kind,
        id: id.into(),
        launches: vec![("".into(), Launches::Image(ImageRef::Image(image_id(1))))],
        owner: None,
    });
    let readings = Readings {
        launchers: launchers.into(),
        ..Readings::default()
    };
    let access = KeyAccess {
        policy: policy.map(|statements| json!({"Statement": statements}).to_string().into()),
        grants: Ok(Vec::new()),
    };
    Picture {
        graph: graph(&readings, &account(), at(0)),
        copy_key: Some(CopyKey { arn: key(1), access }),
        ..Picture::default()
    }
}

fn allow(principal: &str) -> serde_json::Value {
    json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:*", "Resource": "*"})
}

fn said_of(picture: &Picture) -> Vec<(String, KeyAccessState)> {
    let rows = rows(picture, &image_id(1), &key(1), &scope());
    rows.into_iter().map(|row| (row.who, row.state)).collect()
}

#[test]
fn each_who_launches_an_image_is_said_to_be_able_to_use_the_key_or_not_with_what_fixes_it() {
    use KeyAccessState::{Allowed, Delegated, Denied, Unknown};
    let (role, own) = (ROLE.to_owned(), "account 111122223333".to_owned());
    let new_key = json!([allow("arn:aws:iam::111122223333:root")]);
    let denied = AwsError::new(Operation::GetKeyPolicy, ErrorClass::Denied, None);
    for (policy, expected) in [
        (Ok(&new_key), [(role.clone(), Denied), (own.clone(), Delegated)]),
        (
            Ok(&json!([allow("*")])),
            [(own.clone(), Allowed), (role.clone(), Allowed)],
        ),
        (Err(denied.clone()), [(own.clone(), Unknown), (role.clone(), Unknown)]),
    ] {
        assert_eq!(said_of(&picture(policy)), expected);
    }
    let told = rows(&picture(Ok(&new_key)), &image_id(1), &key(1), &scope());
    let message = told[0].message.as_deref().expect("a message");
    assert!(
        message.contains("AutoScalingGroup web") && message.contains("Add to the key's policy"),
        "{message}"
    );
    let told = rows(&picture(Err(denied)), &image_id(1), &key(1), &scope());
    let message = told[0].message.as_deref().expect("a message");
    assert!(message.contains("kms:GetKeyPolicy"), "{message}");
}

#[test]
fn nothing_is_said_of_another_key_nor_of_one_that_was_not_asked_for() {
    let statements = json!([allow("*")]);
    let mut known = picture(Ok(&statements));
    assert!(rows(&known, &image_id(1), &key(2), &scope()).is_empty());
    assert!(
        rows(&known, &image_id(2), &key(1), &scope()).is_empty(),
        "nobody launches it"
    );
    known.copy_key = None;
    assert!(said_of(&known).is_empty());
}

#[test]
fn those_whom_an_image_is_shared_with_count_too_and_no_more_than_twenty_are_named() {
    let statements = json!([allow("*")]);
    let mut many = picture(Ok(&statements));
    let shared = (0..30).map(|number| {
        let account = format!("{number:012}").parse().expect("an account");
        LaunchPermission::Account(account)
    });
    many.shared.insert(image_id(1), shared.collect());
    let rows = said_of(&many);
    assert_eq!(rows.len(), KEY_ACCESS_ROWS);
    assert!(rows.iter().any(|(who, _)| who == "account 000000000000"), "{rows:?}");
}
