//! What becomes of a migration whose copy is launched and is no more.

use super::*;
use crate::api::labels::TAG_HOLD;
use crate::api::{ConsumerState, ConsumerUpdate, ConsumerVersions, MovedConsumer};
use crate::domain::{Change, ConsumerKind, Made, ParameterNow, Tags};

pub(super) const PARAMETER: &str = "/golden/web";

pub(super) fn parameter(version: i64, image: &ImageId) -> Movable {
    Movable::Parameter(ParameterNow {
        version,
        value: image.as_str().into(),
        kind: "String".into(),
        data_type: "text".into(),
        tier: "Standard".into(),
        description: None,
        allowed_pattern: None,
        policies: Vec::new(),
        oldest: 1,
        labelled: Vec::new(),
        modified_by: None,
        owner: None,
        tags: Tags::default(),
    })
}

pub(super) fn parameter_key() -> ConsumerKey {
    ConsumerKey {
        kind: ConsumerKind::Parameter,
        id: PARAMETER.into(),
    }
}

/// A finished migration to whose copy a parameter was moved.
pub(super) fn moved() -> (Case, ImageId) {
    let mut case = Case::new();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    case.settle();
    let versions = |latest| {
        Some(ConsumerVersions {
            latest,
            ..ConsumerVersions::default()
        })
    };
    case.settings.promotion.ssm_parameters = ConsumerUpdate::Update;
    case.status.consumers = vec![MovedConsumer {
        kind: "Parameter".to_owned(),
        id: PARAMETER.to_owned(),
        state: ConsumerState::Moved,
        previous: versions(1),
        current: versions(2),
        ..MovedConsumer::default()
    }];
    case.consumers.insert(parameter_key(), parameter(2, &id));
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    (case, id)
}

#[test]
fn while_consumers_launch_a_copy_that_is_no_more_a_person_says_what_becomes_of_them() {
    for state in [ImageState::Deregistered, ImageState::Disabled] {
        let (mut case, id) = moved();
        case.change_copy(&id, |copy| copy.state = state);
        assert_eq!(
            (case.settle(), case.reason()),
            (Next::Wait, reason::PROMOTED_COPY_GONE),
            "{state:?}"
        );
        assert!(case.stalls());
        let said = conditions::find(&case.status.conditions, conditions::CONSUMERS_MOVED).expect("said");
        assert!(said.message.contains("1 consumer was moved to"), "{}", said.message);
        assert!(said.message.contains("spec.desired: RolledBack"), "{}", said.message);
        // It stays said, and no other copy is made meanwhile.
        let before = case.status.clone();
        case.now += 3600;
        assert_eq!((case.settle(), &case.status), (Next::Wait, &before), "{state:?}");

        case.desired = Desired::RolledBack;
        let Next::Do(Effect::Move(key, change)) = case.settle() else {
            panic!("{:?}", case.status)
        };
        let Change::PutValue { value, .. } = &change else {
            panic!("{change:?}")
        };
        assert_eq!(&**value, case.of.source.as_str());
        case.answer(Answer::Moved(&key, &change, &Made::Version(3)));
        let source = case.of.source.clone();
        case.consumers.insert(parameter_key(), parameter(3, &source));
        let then = case.settle();
        assert_eq!(case.status.consumers[0].state, ConsumerState::PutBack, "{state:?}");
        if state == ImageState::Deregistered {
            assert!(matches!(then, Next::Do(Effect::Copy(_))), "{then:?}");
        } else {
            assert_eq!((then, case.reason()), (Next::Wait, reason::COPY_DISABLED));
        }
    }
}

#[test]
fn whoever_has_consumers_put_back_that_a_tag_of_the_original_holds_is_told_of_the_tag() {
    let (mut case, id) = moved();
    case.change_copy(&id, |copy| copy.state = ImageState::Deregistered);
    case.desired = Desired::RolledBack;
    let source = case.of.source.clone();
    case.change_copy(&source, |original| {
        original.tags = Tags::of(&[(TAG_HOLD, "")]);
    });
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::PROMOTED_COPY_GONE));
    let said = conditions::find(&case.status.conditions, conditions::CONSUMERS_MOVED).expect("said");
    let ends = format!(
        "which is no more: remove what keeps them from being put back. {source} has the tag {TAG_HOLD}: no consumer is moved, and none \
         is put back."
    );
    assert!(said.message.ends_with(&ends), "{}", said.message);
    let before = case.status.clone();
    assert_eq!((case.settle(), &case.status), (Next::Wait, &before));
    case.change_copy(&source, |original| original.tags = Tags::default());
    assert!(matches!(case.settle(), Next::Do(Effect::Move(..))));
}

#[test]
fn a_disabled_copy_that_is_enabled_again_is_published_anew_and_its_consumers_stay() {
    let (mut case, id) = moved();
    case.change_copy(&id, |copy| copy.state = ImageState::Disabled);
    case.settle();
    case.change_copy(&id, |copy| copy.state = ImageState::Available);
    let then = case.settle();
    assert_eq!(
        (then, case.state()),
        (Next::Wait, MigrationState::Completed),
        "{:?}",
        case.status
    );
    assert_eq!(case.status.consumers[0].state, ConsumerState::Moved);
}

#[test]
fn nothing_is_put_back_to_an_original_that_is_disabled_and_a_person_is_told_to_enable_it() {
    for is_gone in [false, true] {
        let (mut case, id) = moved();
        let source = case.of.source.clone();
        case.desired = Desired::RolledBack;
        case.change_copy(&source, |original| original.state = ImageState::Disabled);
        if is_gone {
            // Neither can be launched, and it is the original that is wanted.
            case.change_copy(&id, |copy| copy.state = ImageState::Deregistered);
        }
        let rows = case.status.consumers.clone();
        assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::IMAGE_DISABLED));
        assert!(case.stalls());
        let said = conditions::find(&case.status.conditions, conditions::CONSUMERS_MOVED).expect("said");
        assert_eq!(said.reason, reason::IMAGE_DISABLED);
        assert!(said.message.contains("enable it"), "{}", said.message);
        assert_eq!(case.status.consumers, rows);
        let before = case.status.clone();
        case.now += 3600;
        assert_eq!((case.settle(), &case.status), (Next::Wait, &before));

        case.change_copy(&source, |original| original.state = ImageState::Available);
        let then = case.settle();
        assert!(matches!(then, Next::Do(Effect::Move(..))), "{then:?}");
        // It may be disabled at any time.
        case.change_copy(&source, |original| original.state = ImageState::Disabled);
        assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::IMAGE_DISABLED));
    }
}

#[test]
fn what_aws_has_refused_stays_said_while_a_consumer_of_another_image_is_moved() {
    let (mut case, _) = moved();
    let source = case.of.source.clone();
    case.settings.consumers.read = true;
    let row = &mut case.status.consumers[0];
    (row.state, row.current) = (ConsumerState::Moving, None);
    case.consumers.insert(parameter_key(), parameter(1, &source));
    case.problem = Some(Problem::new(reason::ACCESS_DENIED, "ssm:PutParameter: AWS refuses."));
    assert!(matches!(case.settle(), Next::Do(Effect::Move(..))), "{:?}", case.status);
    assert!(case.stalls());
    let before = case.status.clone();
    case.turn = Turn::Busy;
    // Also by a process that has not seen it refused.
    for problem in [case.problem.clone(), None] {
        case.problem = problem;
        let then = case.settle();
        assert!(matches!(then, Next::Later(_)), "{then:?}");
        assert_eq!(case.status, before);
    }
    case.turn = Turn::Free;
    assert!(matches!(case.settle(), Next::Do(Effect::Move(..))), "{:?}", case.status);
    assert!(!case.stalls());
}
