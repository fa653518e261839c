//! Instance refreshes.

use super::super::*;
use super::case::{Case, TEMPLATE, pins, version};
use crate::api::labels;
use crate::domain::{
    ErrorClass, GroupPart, ImageRef, Named, Place, RefreshPreferences, TemplateId, VersionNow, VersionRef,
};

fn follows() -> GroupPart {
    GroupPart {
        at: Place::Template,
        names: Named::Version(TemplateId::Id(TEMPLATE.into()), VersionRef::Latest),
    }
}

/// A group with this part, of which two instances run the original.
fn refreshing(part: GroupPart) -> Case {
    let mut case = Case::new();
    case.parts = vec![part];
    case.instances = vec![1, 1];
    case.promotion().auto_scaling_groups = GroupUpdate::Refresh;
    case
}

fn group(case: &Case) -> &MovedConsumer {
    case.row(ConsumerKind::AutoScalingGroup).expect("a row")
}

fn starts(case: &Case) -> usize {
    case.changes
        .iter()
        .filter(|change| matches!(change, Change::StartRefresh(_)))
        .count()
}

fn preferences() -> RefreshPreferences {
    RefreshPreferences {
        strategy: "Rolling".into(),
        min_healthy: Some(50),
        ..RefreshPreferences::default()
    }
}

#[test]
fn a_group_is_refreshed_once_and_set_by_that() {
    for part in [pins(Place::Template, 1), follows()] {
        let mut case = refreshing(part.clone());
        assert_eq!(case.settle(), Then::Later(REFRESH_POLL));
        let row = group(&case).clone();
        assert_eq!(row.state, ConsumerState::Refreshing);
        let refresh = row.refresh.expect("a refresh");
        assert_eq!(refresh.id.as_deref(), Some("refresh-1"));
        // AWS sets it once all instances are replaced.
        assert_eq!(case.parts, std::slice::from_ref(&part));
        (case.now, case.read_at) = (20_000, 20_000);
        assert_eq!((case.settle(), starts(&case)), (Then::Later(REFRESH_POLL), 1));
        case.end("Successful");
        assert_eq!(case.settle(), Then::Rest);
        assert_eq!(group(&case).state, ConsumerState::Moved);
        assert_eq!(case.instances, [2, 2]);
        let is_pinned = part != follows();
        assert_eq!(case.parts == [pins(Place::Template, 2)], is_pinned);
        assert_eq!(case.tagged.is_some(), is_pinned);
        (case.now, case.read_at) = (30_000, 30_000);
        assert_eq!((case.settle(), starts(&case)), (Then::Rest, 1));

        // Back, and the instances too.
        case.desired = Desired::RolledBack;
        assert_eq!(case.settle(), Then::Later(REFRESH_POLL));
        assert_eq!((case.parts.clone(), starts(&case)), (vec![part], 2));
        case.end("Successful");
        assert_eq!((case.settle(), case.instances.clone()), (Then::Rest, vec![1, 1]));
        assert_eq!(group(&case).state, ConsumerState::PutBack);
        (case.now, case.read_at) = (40_000, 40_000);
        assert_eq!((case.settle(), starts(&case)), (Then::Rest, 2));
    }
}

#[test]
fn a_group_without_instances_of_the_original_is_set_and_not_refreshed() {
    let mut case = refreshing(pins(Place::Template, 1));
    case.instances = vec![9];
    assert_eq!((case.settle(), starts(&case)), (Then::Rest, 0));
    assert_eq!(case.parts, [pins(Place::Template, 2)]);
}

#[test]
fn a_group_whose_template_was_moved_before_is_refreshed_when_that_is_asked_for() {
    for part in [pins(Place::Template, 1), follows()] {
        let mut case = refreshing(part);
        case.promotion().auto_scaling_groups = GroupUpdate::Update;
        assert_eq!((case.settle(), starts(&case)), (Then::Rest, 0));
        case.promotion().auto_scaling_groups = GroupUpdate::Refresh;
        (case.now, case.read_at) = (20_000, 20_000);
        assert_eq!((case.settle(), starts(&case)), (Then::Later(REFRESH_POLL), 1));
        case.end("Successful");
        assert_eq!((case.settle(), case.instances.clone()), (Then::Rest, vec![2, 2]));
    }
}

#[test]
fn where_a_refresh_fails_nothing_more_is_moved_until_somebody_acts() {
    for status in ["Failed", "Cancelled", "RollbackSuccessful", "RollbackFailed"] {
        let mut case = refreshing(pins(Place::Template, 1));
        case.settle();
        case.end(status);
        let Then::Stalled(problem) = case.settle() else {
            panic!("{:?}", case.rows)
        };
        assert_eq!(problem.reason, reason::REFRESH_FAILED);
        assert!(problem.message.contains(status), "{}", problem.message);
        assert_eq!(problem.message.contains("could not be launched"), status == "Failed");
        assert_eq!(group(&case).reason.as_deref(), Some(left::REFRESH_FAILED));
        // Nothing more: not even a parameter.
        case.values = vec![crate::plan::testing::image_id(1).to_string()];
        let changes = case.changes.len();
        (case.now, case.read_at) = (20_000, 20_000);
        assert!(matches!(case.settle(), Then::Stalled(_)));
        assert_eq!((case.changes.len(), starts(&case)), (changes, 1));
        // Without another refresh, where nobody wants it any more.
        case.promotion().auto_scaling_groups = GroupUpdate::Update;
        (case.now, case.read_at) = (30_000, 30_000);
        assert_eq!((case.settle(), starts(&case)), (Then::Rest, 1));
        assert_eq!(case.parts, [pins(Place::Template, 2)]);
    }
    // Or back.
    let mut case = refreshing(pins(Place::Template, 1));
    case.settle();
    case.end("Failed");
    case.settle();
    case.desired = Desired::RolledBack;
    assert_eq!(
        (case.settle(), case.parts.clone()),
        (Then::Rest, vec![pins(Place::Template, 1)])
    );
    assert_eq!(group(&case).state, ConsumerState::PutBack);
}

#[test]
fn somebody_elses_refresh_is_waited_for() {
    let mut case = refreshing(pins(Place::Template, 1));
    case.begin("theirs", preferences(), Vec::new());
    assert_eq!((case.settle(), starts(&case)), (Then::Rest, 0));
    assert_eq!(group(&case).reason.as_deref(), Some(left::REFRESH_UNDER_WAY));
    case.end("Successful");
    case.instances = vec![1, 1];
    assert_eq!((case.settle(), starts(&case)), (Then::Later(REFRESH_POLL), 1));

    // It begins between the record and the call, and is not taken for ours.
    let mut case = refreshing(pins(Place::Template, 1));
    while case.row(ConsumerKind::AutoScalingGroup).is_none() {
        case.now += 1;
        case.step(0, false);
    }
    case.promotion().instance_refresh.min_healthy_percentage = Some(90);
    case.begin("theirs", preferences(), Vec::new());
    case.settle();
    assert_eq!(
        (starts(&case), group(&case).reason.as_deref()),
        (0, Some(left::REFRESH_UNDER_WAY))
    );
}

#[test]
fn a_lost_answer_starts_no_second_refresh() {
    let mut case = refreshing(pins(Place::Template, 1));
    for _ in 0..40 {
        case.now += 1;
        case.step(0, true);
    }
    assert_eq!(starts(&case), 1);
    assert_eq!(
        group(&case).refresh.as_ref().and_then(|refresh| refresh.id.as_deref()),
        Some("refresh-1")
    );
}

#[test]
fn a_lost_answer_is_found_again_though_the_settings_were_changed_meanwhile() {
    let mut case = refreshing(pins(Place::Template, 1));
    while starts(&case) == 0 {
        case.now += 1;
        case.step(0, true);
    }
    case.promotion().instance_refresh.min_healthy_percentage = Some(90);
    assert_eq!((case.settle(), starts(&case)), (Then::Later(REFRESH_POLL), 1));
    let refresh = group(&case).refresh.clone().expect("a refresh");
    assert_eq!(refresh.id.as_deref(), Some("refresh-1"));
    case.end("Successful");
    assert_eq!((case.settle(), group(&case).state), (Then::Rest, ConsumerState::Moved));
}

#[test]
fn a_refresh_that_is_not_shown_for_a_moment_goes_on_and_one_that_stays_away_is_judged_by_the_group() {
    let began = || {
        let mut case = refreshing(pins(Place::Template, 1));
        assert_eq!(case.settle(), Then::Later(REFRESH_POLL));
        // It was asked for long ago.
        case.now += 50_000;
        let refreshes = std::mem::take(&mut case.refreshes);
        assert_eq!(case.settle(), Then::Later(REFRESH_POLL));
        assert_eq!(group(&case).state, ConsumerState::Refreshing);
        (case, refreshes)
    };
    let (mut case, refreshes) = began();
    case.refreshes = refreshes.clone();
    case.settle();
    assert_eq!(group(&case).message, None);
    // Each time anew.
    case.now += 50_000;
    case.refreshes.clear();
    assert_eq!(case.settle(), Then::Later(REFRESH_POLL));
    case.refreshes = refreshes;
    case.end("Successful");
    assert_eq!((case.settle(), group(&case).state), (Then::Rest, ConsumerState::Moved));

    let (mut case, _) = began();
    case.now += 700;
    let Then::Stalled(problem) = case.settle() else {
        panic!("{:?}", case.rows)
    };
    assert_eq!(problem.reason, reason::REFRESH_FAILED);
    assert!(problem.message.contains("does not show"), "{}", problem.message);

    let (mut case, _) = began();
    case.now += 700;
    (case.parts, case.instances) = (vec![pins(Place::Template, 2)], vec![2, 2]);
    assert_eq!((case.settle(), starts(&case)), (Then::Rest, 1));
    assert_eq!(group(&case).state, ConsumerState::Moved);

    // The same on the way back: nothing is set while a refresh may go on.
    let (mut case, _) = began();
    case.desired = Desired::RolledBack;
    assert_eq!(case.settle(), Then::Later(REFRESH_POLL));
    assert_eq!(group(&case).state, ConsumerState::PuttingBack);
    case.now += 700;
    assert_eq!(
        (case.settle(), group(&case).state),
        (Then::Rest, ConsumerState::PutBack)
    );
}

#[test]
fn what_is_under_way_is_looked_at_while_nothing_more_may_begin() {
    let mut case = refreshing(pins(Place::Template, 1));
    case.settle();
    case.values = vec![crate::plan::testing::image_id(1).to_string()];
    (case.now, case.read_at) = (20_000, 20_000);
    case.failures = 100;
    assert!(matches!(case.settle(), Then::Stalled(_)));
    assert_eq!(case.decide(0).look_again, Some(REFRESH_POLL));
    case.end("Successful");
    assert!(matches!(case.settle(), Then::Stalled(_)));
    assert_eq!(group(&case).state, ConsumerState::Moved);
    assert_eq!(case.decide(0).look_again, None);
}

#[test]
fn a_refresh_is_turned_back_where_aws_can_and_else_waited_for() {
    let mut case = refreshing(pins(Place::Template, 1));
    case.settle();
    case.desired = Desired::RolledBack;
    assert_eq!(case.settle(), Then::Later(REFRESH_POLL));
    let is_turned = |change: &Change| matches!(change, Change::RollBackRefresh { .. });
    assert!(case.changes.iter().any(is_turned));
    assert_eq!(group(&case).state, ConsumerState::PuttingBack);
    case.end("RollbackSuccessful");
    assert_eq!((case.settle(), starts(&case)), (Then::Rest, 1));
    assert_eq!(
        (case.parts.clone(), group(&case).state),
        (vec![pins(Place::Template, 1)], ConsumerState::PutBack)
    );

    let mut case = refreshing(follows());
    case.settle();
    case.desired = Desired::RolledBack;
    case.settle();
    let turned = case
        .changes
        .iter()
        .any(|change| matches!(change, Change::RollBackRefresh { .. }));
    assert!(!turned);
    case.end("Successful");
    case.instances = vec![2, 2];
    assert_eq!((case.settle(), starts(&case)), (Then::Later(REFRESH_POLL), 2));
    case.end("Successful");
    assert_eq!((case.settle(), case.instances.clone()), (Then::Rest, vec![1, 1]));
}

#[test]
fn a_refresh_waits_for_its_turn_and_for_who_holds_the_group() {
    let mut case = refreshing(pins(Place::Template, 1));
    case.refreshing = 1;
    assert_eq!((case.settle(), starts(&case)), (Then::Later(TURN), 0));
    case.promotion().instance_refresh.max_concurrent_groups = 2;
    assert_eq!((case.settle(), starts(&case)), (Then::Later(REFRESH_POLL), 1));

    let mut case = Case {
        tags: vec![(labels::TAG_HOLD, "")],
        ..refreshing(follows())
    };
    case.versions.push(super::case::version(2, 2));
    case.default = 2;
    assert_eq!((case.settle(), starts(&case)), (Then::Rest, 0));
    assert_eq!(group(&case).reason.as_deref(), Some(left::HELD));
    case.tags.clear();
    // What a person has to see to comes before that.
    (case.refreshing, case.allows) = (1, false);
    let Then::Stalled(problem) = case.settle() else {
        panic!("{:?}", case.rows)
    };
    assert_eq!((problem.reason, starts(&case)), (reason::KEY_NOT_USABLE, 0));
    case.allows = true;
    assert_eq!((case.settle(), starts(&case)), (Then::Later(TURN), 0));
    // What could not be read for a moment does not.
    case.cannot_read_groups(ErrorClass::Throttled, None);
    assert_eq!((case.settle(), starts(&case)), (Then::Later(TURN), 0));
    case.unread.clear();
    case.refreshing = 0;
    assert_eq!((case.settle(), starts(&case)), (Then::Later(REFRESH_POLL), 1));

    let mut case = refreshing(pins(Place::Template, 1));
    case.promotion().instance_refresh.strategy = crate::api::RefreshStrategy::ReplaceRootVolume;
    case.source.devices.clear();
    case.settle();
    assert_eq!(
        (starts(&case), group(&case).reason.as_deref()),
        (0, Some(left::CANNOT_REFRESH))
    );
}

#[test]
fn aws_is_not_asked_to_turn_back_a_group_of_which_a_part_takes_its_image_from_a_parameter() {
    for takes_from_parameter in [false, true] {
        let mut case = refreshing(pins(Place::Template, 2));
        let image = if takes_from_parameter {
            ImageRef::parse("resolve:ssm:/golden/arm")
        } else {
            version(1, 9).image
        };
        let of_override = VersionNow { image, ..version(1, 9) };
        (case.versions, case.default) = (vec![of_override, version(2, 1)], 2);
        case.parts.push(pins(Place::Override(1), 1));
        case.promotion().instance_refresh.auto_rollback = true;
        assert_eq!((case.settle(), starts(&case)), (Then::Later(REFRESH_POLL), 1));
        assert_eq!(case.refreshes[0].preferences.auto_rollback, !takes_from_parameter);
        case.desired = Desired::RolledBack;
        case.settle();
        let is_turned = |change: &Change| matches!(change, Change::RollBackRefresh { .. });
        assert_eq!(case.changes.iter().any(is_turned), !takes_from_parameter);
    }
}

#[test]
fn a_refresh_that_aws_has_refused_is_tried_again_when_there_is_a_place_for_it() {
    let mut case = refreshing(follows());
    while case.row(ConsumerKind::AutoScalingGroup).is_none() {
        case.now += 1;
        case.step(0, false);
    }
    case.refreshing = 1;
    assert!(matches!(case.decide(0).then, Then::Do(..)), "it has its place");
    case.stalled = true;
    assert_eq!((case.settle(), starts(&case)), (Then::Behind(TURN), 0));
    case.refreshing = 0;
    assert_eq!((case.settle(), starts(&case)), (Then::Later(REFRESH_POLL), 1));
}

#[test]
fn nobody_waits_for_instances_that_aws_replaces() {
    let waits = |case: &Case| case.rows.iter().any(keeps_waiting);
    for part in [pins(Place::Template, 1), follows()] {
        let mut case = refreshing(part);
        assert_eq!((case.settle(), waits(&case)), (Then::Later(REFRESH_POLL), false));
        case.desired = Desired::RolledBack;
        assert_eq!((case.settle(), waits(&case)), (Then::Later(REFRESH_POLL), false));
        assert_eq!(group(&case).state, ConsumerState::PuttingBack);
        if case.parts == [follows()] {
            case.end("Successful");
            case.instances = vec![2, 2];
            assert_eq!((case.settle(), waits(&case)), (Then::Later(REFRESH_POLL), false));
            assert_eq!(group(&case).state, ConsumerState::PuttingBack);
        }
    }
    let row = |state, refresh: Option<(Option<&str>, bool)>| MovedConsumer {
        state,
        refresh: refresh.map(|(id, back)| ConsumerRefresh {
            id: id.map(str::to_owned),
            after: None,
            back,
            requested_at: None,
        }),
        ..MovedConsumer::default()
    };
    for (row, expected) in [
        (row(ConsumerState::Moving, None), true),
        (row(ConsumerState::PuttingBack, None), true),
        (row(ConsumerState::PuttingBack, Some((None, false))), true),
        (row(ConsumerState::PuttingBack, Some((Some("r"), false))), false),
        (row(ConsumerState::PuttingBack, Some((None, true))), false),
        (row(ConsumerState::Refreshing, Some((None, false))), false),
        (row(ConsumerState::Moved, None), false),
    ] {
        assert_eq!(keeps_waiting(&row), expected, "{row:?}");
    }
}

#[test]
fn a_rollback_does_not_wait_for_refreshes_of_other_images() {
    let mut case = refreshing(follows());
    case.settle();
    case.end("Successful");
    assert_eq!((case.settle(), starts(&case)), (Then::Rest, 1));
    case.refreshing = 1;
    case.desired = Desired::RolledBack;
    assert_eq!((case.settle(), starts(&case)), (Then::Later(REFRESH_POLL), 2));
}

#[test]
fn a_group_is_put_back_after_its_template_whether_or_not_that_is_on_record() {
    fn names(changes: &[Change]) -> Vec<&'static str> {
        let name = |change: &Change| match change {
            Change::SetDefault { .. } => "default",
            Change::NewVersion(_) => "version",
            Change::SetGroup(_) => "group",
            Change::StartRefresh(_) => "refresh",
            _ => "another",
        };
        changes.iter().map(name).collect()
    }
    let of_pinned = ["default", "version", "group", "refresh"];
    let of_following = ["default", "version", "refresh"];
    for (part, expected) in [
        (pins(Place::Template, 1), &of_pinned[..]),
        (follows(), &of_following[..]),
    ] {
        for is_lost in [false, true] {
            let mut case = refreshing(part.clone());
            case.settle();
            case.end("Successful");
            assert_eq!((case.settle(), case.instances.clone()), (Then::Rest, vec![2, 2]));
            if is_lost {
                case.rows
                    .retain(|row| row.kind == ConsumerKind::AutoScalingGroup.as_str());
            }
            (case.now, case.read_at) = (20_000, 20_000);
            case.desired = Desired::RolledBack;
            let before = case.changes.len();
            assert_eq!(case.settle(), Then::Later(REFRESH_POLL));
            assert_eq!(names(&case.changes[before..]), expected, "{part:?} {is_lost}");
            case.end("Successful");
            assert_eq!((case.settle(), case.instances.clone()), (Then::Rest, vec![1, 1]));
            assert_eq!(case.parts, std::slice::from_ref(&part));
        }
    }
}

#[test]
fn what_is_put_back_while_people_change_their_minds_comes_to_an_end() {
    let mut case = refreshing(follows());
    case.settle();
    case.end("Successful");
    assert_eq!(case.settle(), Then::Rest);
    // At each moment of the rollback somebody wants it moved after all.
    for steps in 1..=8 {
        case.desired = Desired::RolledBack;
        for _ in 0..steps {
            case.now += 1;
            case.step(0, false);
        }
        case.desired = Desired::Migrated;
        for _ in 0..4 {
            (case.now, case.read_at) = (case.now + 10_000, case.now + 10_000);
            case.settle();
            if case.refreshes.first().is_some_and(crate::domain::RefreshNow::is_active) {
                case.end("Successful");
            }
        }
        let states: Vec<ConsumerState> = case.rows.iter().map(|row| row.state).collect();
        assert_eq!(states, [ConsumerState::Moved; 2], "{steps}: {:?}", case.rows);
        assert_eq!(
            (case.launches(case.latest()), case.instances.clone()),
            (crate::plan::testing::image_id(2), vec![2, 2])
        );
    }
}
