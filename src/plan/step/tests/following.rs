//! Migrations of another account's image, which follow the one of its owner.

use super::launched::{PARAMETER, parameter, parameter_key};
use super::*;
use crate::api::{AMIMigrationSpec, ConsumerState, ConsumerUpdate};
use crate::domain::{
    AllowedImages, AllowedState, BlockDevice, Change, ConsumerKind, ImageCriterion, ImageRef, Launcher, Launches, Made,
    ParameterNow, Readings,
};
use crate::plan::usage::graph;

const OWN: &str = "444455556666";

/// A migration in an account of which a parameter names another's image, whose owner has a copy that is published.
fn following() -> Case {
    let mut case = Case::new();
    case.settings.account_id = OWN.to_owned();
    case.settings.promotion.ssm_parameters = ConsumerUpdate::Update;
    case.world = World::of([]);
    case.owner = Some((account("111122223333"), Some(owners(101))));
    case.foreign.insert(image_id(1), seen(1, AllowedState::Disabled));
    case.foreign.insert(image_id(101), seen(101, AllowedState::Disabled));
    case.foreign.insert(image_id(102), seen(102, AllowedState::Disabled));
    // What the key leaves to the account's own policies somebody has to approve.
    case.approval = Approval::Approved;
    case.consumers.insert(parameter_key(), parameter(1, &image_id(1)));
    case.picture = Some(picture());
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{OWN}:root")}, "Action": "kms:*", "Resource": "*"}]});
    case.key_access = Some(KeyAccess {
        policy: Ok(policy.to_string().into()),
        grants: Ok(Vec::new()),
    });
    case
}

fn account(id: &str) -> AccountId {
    id.parse().expect("an account")
}

fn picture() -> Picture {
    picture_of(PARAMETER, 1)
}

fn picture_of(parameter: &str, names: u64) -> Picture {
    let launcher = Launcher {
        kind: ConsumerKind::Parameter,
        id: parameter.into(),
        launches: vec![("".into(), Launches::Image(ImageRef::Image(image_id(names))))],
        owner: None,
    };
    let readings = Readings {
        launchers: vec![launcher],
        ..Readings::default()
    };
    Picture {
        graph: graph(&readings, &account(OWN), at(9_000)),
        ..Picture::default()
    }
}

/// The owner's migration, which has made and published this copy.
fn owners(copy: u64) -> AMIMigration {
    let mut case = Case::new();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, copy);
    case.accept_copy(&id);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    let spec = AMIMigrationSpec {
        key_arn: case.of.key.to_string(),
        ..AMIMigrationSpec::default()
    };
    AMIMigration {
        status: Some(case.status),
        ..AMIMigration::new("owners", spec)
    }
}

/// What the account sees of a copy, where its settings let nobody launch but what is called golden.
fn seen(copy: u64, state: AllowedState) -> ForeignCopy {
    let golden = ImageCriterion {
        names: vec!["golden-*".into()],
        ..ImageCriterion::default()
    };
    let mut copy = image(copy, 1);
    copy.owner = Some(account("111122223333"));
    for device in &mut copy.devices {
        if let BlockDevice::Ebs { volume, .. } = device {
            volume.encrypted = Some(true);
        }
    }
    ForeignCopy {
        image: Some(copy),
        allowed: AllowedImages {
            state,
            criteria: vec![golden],
        },
    }
}

fn move_of(next: Next) -> (ConsumerKey, Change) {
    let Next::Do(Effect::Move(key, change)) = next else {
        panic!("{next:?}")
    };
    (key, change)
}

/// The same, once the parameter is moved.
fn moved() -> Case {
    let mut case = following();
    let (key, change) = move_of(case.settle());
    let Change::PutValue { value, .. } = &change else {
        panic!("{change:?}")
    };
    assert_eq!(&**value, image_id(101).as_str());
    case.answer(Answer::Moved(&key, &change, &Made::Version(2)));
    case.consumers.insert(parameter_key(), parameter(2, &image_id(101)));
    assert_eq!(
        (case.settle(), case.state()),
        (Next::Wait, MigrationState::Completed),
        "{:?}",
        case.status
    );
    assert_eq!(case.status.consumers[0].state, ConsumerState::Moved);
    case
}

fn owner(case: &mut Case) -> &mut AMIMigration {
    case.owner
        .as_mut()
        .and_then(|(_, migration)| migration.as_mut())
        .expect("an owner")
}

fn consumers_say(case: &Case) -> &str {
    let said = conditions::find(&case.status.conditions, conditions::CONSUMERS_MOVED);
    said.map_or("", |said| &said.reason)
}

#[test]
fn what_launches_anothers_image_is_moved_to_the_copy_of_its_owner_and_nothing_is_copied() {
    let case = moved();
    let copy = case.status.copy.as_ref().and_then(|copy| copy.image_id.as_deref());
    assert_eq!(copy, Some(image_id(101).as_str()));
    assert_eq!(case.status.snapshots.len(), 2);
    assert_eq!(consumers_say(&case), reason::SUCCEEDED);
}

#[test]
fn nothing_is_moved_before_the_owner_has_a_copy_that_is_published_and_under_the_same_key() {
    let mut unpublished = owners(101);
    let status = unpublished.status.as_mut().expect("a status");
    status
        .conditions
        .retain(|condition| condition.type_ != conditions::PROMOTED);
    let mut under_other_key = owners(101);
    under_other_key.spec.key_arn = key(2).to_string();
    let mut gone = owners(101);
    gone.status.as_mut().expect("a status").stalled = Some(reason::PROMOTED_COPY_GONE.to_owned());
    for owner in [None, Some(unpublished), Some(under_other_key), Some(gone)] {
        let mut case = following();
        case.owner = Some((account("111122223333"), owner));
        assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::WAITING_FOR_OWNER));
        assert!(case.status.copy.is_none() && case.status.consumers.is_empty());
    }
}

#[test]
fn that_the_owner_has_no_copy_any_more_is_waited_for_and_said_until_there_is_another_one() {
    let mut case = following();
    // It is not this image's turn yet.
    case.turn = Turn::Busy;
    case.settle();
    assert_eq!(
        (consumers_say(&case), case.reason()),
        (reason::MOVING_CONSUMERS, reason::MOVING_CONSUMERS)
    );
    let mut gone = owners(101);
    gone.status.as_mut().expect("a status").stalled = Some(reason::PROMOTED_COPY_GONE.to_owned());
    case.owner = Some((account("111122223333"), Some(gone)));
    case.turn = Turn::Free;
    assert_eq!(
        (case.settle(), case.reason()),
        (Next::Later(Duration::from_secs(300)), reason::WAITING_FOR_OWNER)
    );
    assert_eq!(consumers_say(&case), reason::WAITING_FOR_OWNER);
    assert!(!case.stalls() && case.status.consumers.is_empty());
    // Another copy is moved to.
    case.owner = Some((account("111122223333"), Some(owners(102))));
    let (_, change) = move_of(case.settle());
    assert!(
        matches!(&change, Change::PutValue { value, .. } if &**value == image_id(102).as_str()),
        "{change:?}"
    );
}

#[test]
fn nothing_is_moved_to_a_copy_that_the_account_may_not_launch() {
    let hidden = ForeignCopy {
        image: None,
        ..seen(101, AllowedState::Disabled)
    };
    let plain = ForeignCopy {
        image: Some(image(101, 1)),
        ..seen(101, AllowedState::Disabled)
    };
    let again = Next::Later(Duration::from_secs(300));
    let not_allowed = Some((Next::Wait, reason::COPY_NOT_ALLOWED));
    for (foreign, approval, expected) in [
        (
            hidden.clone(),
            Approval::Approved,
            Some((again, reason::COPY_NOT_SHARED)),
        ),
        (
            plain,
            Approval::Approved,
            Some((Next::Wait, reason::COPY_NOT_ENCRYPTED)),
        ),
        (
            seen(101, AllowedState::Enabled),
            Approval::Approved,
            not_allowed.clone(),
        ),
        (
            seen(101, AllowedState::Other("new".into())),
            Approval::Pending,
            not_allowed,
        ),
        // What is not known somebody may approve.
        (seen(101, AllowedState::Other("new".into())), Approval::Approved, None),
        (seen(101, AllowedState::AuditMode), Approval::Approved, None),
    ] {
        let mut case = following();
        case.now += 600;
        case.approval = approval;
        case.foreign.insert(image_id(101), foreign);
        let next = case.settle();
        match expected {
            Some(expected) => assert_eq!((next, case.reason()), expected),
            None => drop(move_of(next)),
        }
    }
    // AWS shows what is shared a while later.
    let mut case = following();
    case.foreign.insert(image_id(101), hidden);
    assert!(matches!(case.settle(), Next::Later(_)));
    assert!(!case.stalls());
}

#[test]
fn nothing_is_begun_by_what_the_account_was_allowed_to_launch_long_ago() {
    use AllowedState::{Disabled, Enabled};
    for (then, now, moves) in [
        (Disabled, Disabled, true),
        (Disabled, Enabled, false),
        // A refusal stays said until all is read again.
        (Enabled, Disabled, false),
    ] {
        let case_of = format!("{then:?} {now:?}");
        let mut case = following();
        case.now += 600;
        case.known_foreign = [(image_id(1), seen(1, Disabled)), (image_id(101), seen(101, then))].into();
        case.foreign.insert(image_id(101), seen(101, now));
        let next = case.settle();
        if moves {
            drop(move_of(next));
        } else {
            assert_eq!(
                (next, case.reason()),
                (Next::Wait, reason::COPY_NOT_ALLOWED),
                "{case_of}"
            );
            assert!(case.status.consumers.is_empty(), "{case_of}");
        }
    }
}

#[test]
fn nothing_is_moved_without_an_approval_where_it_is_not_known_who_may_use_the_key() {
    let read = following().key_access;
    for access in [None, read] {
        let mut case = following();
        case.approval = Approval::Pending;
        case.key_access = access;
        assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::KEY_NOT_USABLE));
    }
}

#[test]
fn that_a_key_may_not_be_used_stays_said_while_it_is_read_again() {
    let asks = |case: &Case| {
        let mut steps = case.steps();
        steps.retain(|step| matches!(step.then, Next::Ask(_)));
        assert!(!steps.is_empty());
        steps
    };
    let mut case = following();
    case.approval = Approval::Pending;
    case.key_access = None;
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::KEY_NOT_USABLE));
    let steps = asks(&case);
    assert!(steps.iter().any(|step| step.then == Next::Ask(Question::KeyAccess)));
    assert!(steps.iter().all(|step| step.status == case.status), "{steps:?}");
    // What a read was refused for is said, and that consumers are put back.
    case.problem = Some(Problem::new(reason::ACCESS_DENIED, "AWS denies it: allow it."));
    let is_said = |step: &Step| step.status.stalled.as_deref() == Some(reason::ACCESS_DENIED);
    assert!(asks(&case).iter().all(is_said));
    let mut case = moved();
    case.status.stalled = Some(reason::KEY_NOT_USABLE.to_owned());
    case.status.state = Some(MigrationState::Promoting);
    case.desired = Desired::RolledBack;
    assert!(asks(&case).iter().all(|step| step.status.stalled.is_none()));
}

#[test]
fn what_aws_takes_that_it_had_refused_is_stalled_no_more() {
    let mut case = following();
    let (key, change) = move_of(case.settle());
    let mut writer = conditions::Writer {
        conditions: &mut case.status.conditions,
        generation: None,
        now: Timestamp::UNIX_EPOCH,
    };
    writer.set(
        conditions::STALLED,
        conditions::Status::True,
        reason::ACCESS_DENIED,
        "refused",
    );
    assert!(case.stalls());
    case.answer(Answer::Moved(&key, &change, &Made::Version(2)));
    assert!(!case.stalls(), "{:?}", case.status);
}

#[test]
fn whoever_rolls_the_owners_migration_back_has_consumers_put_back_in_all_accounts() {
    let mut case = moved();
    owner(&mut case).spec.desired = Desired::RolledBack;
    let (key, change) = move_of(case.settle());
    let Change::PutValue { value, .. } = &change else {
        panic!("{change:?}")
    };
    assert_eq!(&**value, image_id(1).as_str());
    case.answer(Answer::Moved(&key, &change, &Made::Version(3)));
    case.consumers.insert(parameter_key(), parameter(3, &image_id(1)));
    case.settle();
    assert_eq!(case.status.consumers[0].state, ConsumerState::PutBack);
    assert_eq!(consumers_say(&case), reason::ROLLED_BACK);
}

#[test]
fn whoever_holds_the_owners_migration_holds_this_one_unless_it_is_rolled_back_itself() {
    let mut case = following();
    owner(&mut case).spec.desired = Desired::Held;
    assert_eq!((case.settle(), consumers_say(&case)), (Next::Wait, reason::HELD));
    assert_eq!(case.status.consumers, []);
    owner(&mut case).spec.desired = Desired::Migrated;
    drop(move_of(case.settle()));
    let mut case = moved();
    owner(&mut case).spec.desired = Desired::Held;
    case.desired = Desired::RolledBack;
    drop(move_of(case.settle()));
}

#[test]
fn a_copy_that_consumers_were_moved_to_and_that_the_account_cannot_launch_any_more_is_said() {
    let mut case = moved();
    let hidden = ForeignCopy {
        image: None,
        ..seen(101, AllowedState::Disabled)
    };
    case.foreign.insert(image_id(101), hidden);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::PROMOTED_COPY_GONE));
    assert!(case.stalls());
    case.foreign.insert(image_id(101), seen(101, AllowedState::Disabled));
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
}

#[test]
fn what_was_moved_stays_with_its_copy_whatever_its_owner_does_next() {
    let mut case = moved();
    let before = case.status.clone();
    for owner in [None, Some(owners(102))] {
        case.owner = Some((account("111122223333"), owner));
        assert_eq!((case.settle(), &case.status), (Next::Wait, &before));
    }
    // It can be put back all the same.
    case.desired = Desired::RolledBack;
    drop(move_of(case.settle()));
}

#[test]
fn a_tag_on_the_image_holds_it_for_everybody_whatever_is_wanted() {
    let mut case = moved();
    let owner = owner(&mut case).status.as_mut().expect("a status");
    let mut write = conditions::Writer {
        conditions: &mut owner.conditions,
        generation: None,
        now: at(0),
    };
    write.set(conditions::CONSUMERS_MOVED, conditions::Status::False, reason::HELD, "");
    case.desired = Desired::RolledBack;
    assert_eq!((case.settle(), consumers_say(&case)), (Next::Wait, reason::HELD));
    assert_eq!(case.status.consumers[0].state, ConsumerState::Moved);
}

#[test]
fn a_tag_on_a_consumer_of_the_owner_holds_that_one_alone() {
    let mut case = moved();
    let owner = owner(&mut case).status.as_mut().expect("a status");
    let mut write = conditions::Writer {
        conditions: &mut owner.conditions,
        generation: None,
        now: at(0),
    };
    let message =
        "Consumers that are to be put back have the tag amiseal.dev/hold: remove it from LaunchTemplate lt-1.";
    write.set(
        conditions::CONSUMERS_MOVED,
        conditions::Status::False,
        reason::HELD,
        message,
    );
    case.desired = Desired::RolledBack;
    drop(move_of(case.settle()));
}

#[test]
fn nothing_is_put_back_to_an_original_that_the_account_cannot_launch_any_more() {
    let mut case = moved();
    case.desired = Desired::RolledBack;
    let hidden = ForeignCopy {
        image: None,
        ..seen(1, AllowedState::Disabled)
    };
    let mut disabled = seen(1, AllowedState::Disabled);
    disabled.image.as_mut().expect("an image").state = ImageState::Disabled;
    for foreign in [hidden, disabled] {
        case.foreign.insert(image_id(1), foreign);
        assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_NOT_SHARED));
        assert_eq!(case.status.consumers[0].state, ConsumerState::Moved);
    }
    case.foreign.insert(image_id(1), seen(1, AllowedState::Disabled));
    drop(move_of(case.settle()));
}

#[test]
fn what_is_begun_is_not_put_back_either_to_an_original_that_the_account_cannot_launch_any_more() {
    let mut case = moved();
    case.desired = Desired::RolledBack;
    drop(move_of(case.settle()));
    assert_eq!(case.status.consumers[0].state, ConsumerState::PuttingBack);
    // Whoever takes the rollback back does not stop what is begun.
    case.desired = Desired::Migrated;
    let mut disabled = seen(1, AllowedState::Disabled);
    disabled.image.as_mut().expect("an image").state = ImageState::Disabled;
    case.foreign.insert(image_id(1), disabled);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_NOT_SHARED));
    assert_eq!(case.status.consumers[0].state, ConsumerState::PuttingBack);
    case.foreign.insert(image_id(1), seen(1, AllowedState::Disabled));
    drop(move_of(case.settle()));
}

#[test]
fn the_original_is_looked_at_before_anything_is_put_back_to_it_also_where_nothing_is_on_record() {
    let mut case = moved();
    case.status.consumers.clear();
    case.desired = Desired::RolledBack;
    let by_amiseal = |version, image: &ImageId| {
        let Movable::Parameter(now) = parameter(version, image) else {
            panic!("no parameter")
        };
        let session = "arn:aws:sts::444455556666:assumed-role/amiseal/amiseal-production";
        Movable::Parameter(ParameterNow {
            modified_by: Some(session.into()),
            ..now
        })
    };
    case.consumers.insert(parameter_key(), by_amiseal(2, &image_id(101)));
    case.picture = Some(picture_of(PARAMETER, 101));
    let mut disabled = seen(1, AllowedState::Disabled);
    disabled.image.as_mut().expect("an image").state = ImageState::Disabled;
    case.foreign.insert(image_id(1), disabled);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_NOT_SHARED));
    assert_eq!(case.status.consumers, []);
    case.foreign.insert(image_id(1), seen(1, AllowedState::Disabled));
    drop(move_of(case.settle()));
}

#[test]
fn a_change_that_is_about_to_be_made_is_not_made_where_the_owner_has_the_copy_for_it_no_more() {
    let mut case = following();
    let (..) = move_of(case.settle());
    assert_eq!(case.status.consumers[0].state, ConsumerState::Moving);
    case.owner_is_active = false;
    assert!(!matches!(case.settle(), Next::Do(_)));
    assert_eq!(case.status.consumers, []);
    case.owner_is_active = true;
    drop(move_of(case.settle()));
}

#[test]
fn what_was_rolled_back_with_a_former_migration_of_the_owner_takes_an_approval() {
    let mut case = moved();
    owner(&mut case).spec.desired = Desired::RolledBack;
    let (key, change) = move_of(case.settle());
    case.answer(Answer::Moved(&key, &change, &Made::Version(3)));
    let Movable::Parameter(mut now) = parameter(3, &image_id(1)) else {
        unreachable!("it is one")
    };
    now.modified_by = Some("arn:aws:sts::444455556666:assumed-role/amiseal/amiseal-production".into());
    case.consumers.insert(parameter_key(), Movable::Parameter(now));
    case.settle();
    assert_eq!(case.status.consumers[0].state, ConsumerState::PutBack);
    // It goes on where that migration is gone meanwhile, and is not undone by the next one.
    let mut next = owners(101);
    next.metadata.creation_timestamp = Some(Time(at(case.now + 60)));
    case.approval = Approval::Pending;
    case.owner = Some((account("111122223333"), None));
    case.settle();
    assert_eq!(case.status.consumers[0].state, ConsumerState::PutBack);
    case.owner = Some((account("111122223333"), Some(next)));
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::APPROVAL_REQUIRED));
}

#[test]
fn once_the_original_is_gone_nothing_is_moved_or_put_back() {
    let mut case = moved();
    owner(&mut case).status.as_mut().expect("a status").source_gone_time = Some(Time(at(0)));
    case.desired = Desired::RolledBack;
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_GONE));
    assert!(case.status.source_gone_time.is_some());
    assert_eq!(
        consumers_say(&case),
        reason::SOURCE_GONE,
        "nobody takes it for rolled back"
    );
    // The copy goes, or its owner shares it no more, and it is back.
    let hidden = ForeignCopy {
        image: None,
        ..seen(101, AllowedState::Disabled)
    };
    let shown = case.foreign.insert(image_id(101), hidden).expect("it was shown");
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::PROMOTED_COPY_GONE));
    assert!(case.stalls());
    let before = case.status.clone();
    assert_eq!((case.settle(), &case.status), (Next::Wait, &before));
    case.foreign.insert(image_id(101), shown);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_GONE));
}

#[test]
fn another_consumer_is_not_moved_to_another_copy_before_the_first_ones_are() {
    let mut case = moved();
    case.now += 600;
    case.owner = Some((account("111122223333"), Some(owners(102))));
    let other = ConsumerKey {
        id: "/golden/other".into(),
        ..parameter_key()
    };
    case.picture = Some(picture_of(&other.id, 1));
    case.consumers.insert(other, parameter(1, &image_id(1)));
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::COPY_REPLACED));
}

#[test]
fn nothing_is_changed_where_the_policy_is_suspended_or_only_audits() {
    for (suspend, mode, why) in [
        (true, Mode::Enforce, reason::SUSPENDED),
        (false, Mode::Audit, reason::AUDIT),
    ] {
        let mut case = following();
        (case.settings.suspend, case.settings.mode) = (suspend, mode);
        assert_eq!((case.settle(), case.reason()), (Next::Wait, why));
    }
}
