use std::collections::HashSet;

use super::*;
use crate::api::conditions::reason;
use crate::api::labels::{TAG_ATTEMPT, TAG_SOURCE_IMAGE, TAG_TIMEOUT, TAG_VALIDATES};
use crate::api::{Duration as Length, LaunchSettings};
use crate::domain::{Checks, Image, InstanceNow, InstanceRef, InstanceState, TaggedInstance};
use crate::plan::testing::{at, copy_of, image, image_id, scope};

const BEGAN: i64 = 10_000;
const ID: &str = "i-0123456789abcdef0";

pub(super) fn settings() -> LaunchSettings {
    LaunchSettings {
        instance_type: "t3.nano".to_owned(),
        subnet_id: "subnet-0123456789abcdef0".to_owned(),
        security_group_ids: Vec::new(),
        timeout: Length::from_mins(10),
        max_concurrent: 1,
    }
}

pub(super) fn decided(
    settings: &LaunchSettings,
    record: Option<&LaunchStatus>,
    retry: Option<&str>,
    copy: &Image,
    now: i64,
) -> Verdict {
    let (of, source) = (copy_of(), image(1, 1));
    let wanted = Wanted {
        of: &of,
        source: &source,
        copy,
        settings,
        max_attempts: 2,
        retry,
    };
    decide(wanted, record, at(now))
}

/// A launch that is announced.
fn announced() -> LaunchStatus {
    match decided(&settings(), None, None, &image(7, 1), BEGAN) {
        Verdict::Begin(launch) => *launch,
        other => panic!("{other:?}"),
    }
}

fn in_state(state: LaunchState, id: Option<&str>) -> LaunchStatus {
    LaunchStatus {
        state,
        instance_id: id.map(str::to_owned),
        ..announced()
    }
}

fn there(state: InstanceState, checks: Option<Checks>) -> InstanceNow {
    InstanceNow::There {
        id: ID.into(),
        state,
        reason: Some("Client.InternalError: Client error on launch".into()),
        checks,
    }
}

fn ended(result: LaunchResult, failures: u32, now: i64) -> LaunchStatus {
    LaunchStatus {
        result: Some(result),
        failures,
        message: Some("It has failed.".to_owned()),
        time: Some(Time(at(now))),
        ..in_state(LaunchState::Ended, Some(ID))
    }
}

#[test]
fn what_is_launched_is_on_record_before_and_nothing_is_launched_twice() {
    let launch = announced();
    assert_eq!(
        (launch.state, launch.attempt, launch.failures),
        (LaunchState::Launching, 1, 0)
    );
    assert_eq!(follow(&launch, true, None, at(BEGAN), at(BEGAN + 99_999)), Next::Launch);
    let again = decided(&settings(), None, None, &image(7, 1), BEGAN + 50);
    let Verdict::Begin(again) = again else {
        panic!("{again:?}")
    };
    assert_eq!(again.client_token, launch.client_token, "by whoever comes next");
    let request = request(&image_id(1), &launch, &image(7, 2)).expect("a request");
    assert_eq!(request.devices.len(), 2, "all volumes go with the instance");
    assert_eq!(request.client_token, launch.client_token);
    assert_eq!(
        super::request(&image_id(1), &launch, &image(8, 1)),
        None,
        "of another copy"
    );
}

#[test]
fn an_instance_is_waited_for_until_it_has_passed_and_is_terminated_whatever_comes_of_it() {
    use InstanceState::{Pending, Running, ShuttingDown, Stopped, Terminated};
    let checking = launched(&announced(), ID, at(BEGAN));
    let late = 600;
    let waits = Err(Some(LOOK_AGAIN));
    let asks = Err(None);
    let table = [
        (None, 0, asks),
        (None, late, asks),
        (None, late + 300, Ok((LaunchResult::Failed, "within 10 minutes"))),
        (Some(InstanceNow::Gone), 0, waits),
        (
            Some(InstanceNow::Gone),
            late,
            Ok((LaunchResult::Failed, "within 10 minutes")),
        ),
        (Some(there(Pending, None)), 0, waits),
        (Some(there(Running, Some(Checks::Initializing))), late - 1, waits),
        (
            Some(there(Running, Some(Checks::Initializing))),
            late,
            Ok((LaunchResult::Failed, "timeout")),
        ),
        (
            Some(there(Running, Some(Checks::Ok))),
            late + 1,
            Ok((LaunchResult::Passed, "both status checks")),
        ),
        (
            Some(there(Running, Some(Checks::InstanceImpaired))),
            0,
            Ok((LaunchResult::Failed, "instance status check")),
        ),
        (
            Some(there(Running, Some(Checks::SystemImpaired))),
            0,
            Ok((LaunchResult::Failed, "system status check")),
        ),
        (
            Some(there(Stopped, None)),
            0,
            Ok((LaunchResult::Failed, "stopped by itself")),
        ),
        (
            Some(there(ShuttingDown, None)),
            0,
            Ok((LaunchResult::Failed, "Client error on launch")),
        ),
        (
            Some(there(Terminated, None)),
            0,
            Ok((LaunchResult::Failed, "key's policy")),
        ),
    ];
    for (seen, after, expected) in table {
        let next = follow(&checking, true, seen.as_ref(), at(BEGAN), at(BEGAN + after));
        match (expected, next) {
            (Err(None), next) => assert_eq!(next, Next::Ask(InstanceRef::Id(ID.into())), "{seen:?}"),
            (Err(Some(wait)), next) => assert_eq!(next, Next::Later(wait), "{seen:?}"),
            (Ok((result, words)), Next::Record(launch)) => {
                assert_eq!(
                    (launch.state, launch.result),
                    (LaunchState::Ending, Some(result)),
                    "{seen:?}"
                );
                assert_eq!(launch.failures, u32::from(result == LaunchResult::Failed));
                let said = launch.message.clone().unwrap_or_default();
                assert!(said.contains(words), "{said}");
                let next = follow(&launch, true, None, at(BEGAN), at(BEGAN + after));
                assert_eq!(next, Next::Terminate(ID.into()), "{seen:?}");
            }
            (expected, next) => panic!("{seen:?}: {expected:?}, but {next:?}"),
        }
    }
}

#[test]
fn what_is_not_wanted_any_more_is_looked_for_and_terminated() {
    let mut launch = announced();
    for _ in 0..2 {
        // With its ID, and where the answer to the call has not come.
        let Next::Record(ending) = follow(&launch, false, None, at(BEGAN), at(BEGAN)) else {
            panic!("{launch:?}")
        };
        assert_eq!(
            (ending.state, ending.result),
            (LaunchState::Ending, Some(LaunchResult::Abandoned))
        );
        assert_eq!(ending.failures, 0);
        launch = launched(&launch, ID, at(BEGAN));
    }
    let lost = LaunchStatus {
        time: Some(Time(at(BEGAN))),
        ..in_state(LaunchState::Ending, None)
    };
    let token = InstanceRef::Token(lost.client_token.as_str().into());
    assert_eq!(follow(&lost, false, None, at(BEGAN), at(BEGAN)), Next::Ask(token));
    assert_eq!(
        follow(&lost, false, Some(&InstanceNow::Gone), at(BEGAN), at(BEGAN + 599)),
        Next::Later(LOOK_AGAIN),
        "it may show yet"
    );
    let Next::Record(none) = follow(&lost, false, Some(&InstanceNow::Gone), at(BEGAN), at(BEGAN + 600)) else {
        panic!()
    };
    assert_eq!(none.state, LaunchState::Ended);
    let seen = there(InstanceState::Running, Some(Checks::Ok));
    let Next::Record(found) = follow(&lost, false, Some(&seen), at(BEGAN), at(BEGAN + 599)) else {
        panic!()
    };
    assert_eq!(
        follow(&found, false, None, at(BEGAN), at(BEGAN)),
        Next::Terminate(ID.into())
    );
}

#[test]
fn an_instance_counts_as_gone_once_that_is_read_back() {
    let asked = terminated(&launched(&announced(), ID, at(BEGAN)), at(BEGAN));
    let running = there(InstanceState::Running, Some(Checks::Ok));
    let by_id = InstanceRef::Id(ID.into());
    assert_eq!(follow(&asked, true, None, at(BEGAN), at(BEGAN)), Next::Ask(by_id));
    assert_eq!(
        follow(&asked, true, Some(&running), at(BEGAN), at(BEGAN + 59)),
        Next::Later(LOOK_AGAIN)
    );
    assert_eq!(
        follow(&asked, true, Some(&running), at(BEGAN), at(BEGAN + 60)),
        Next::Terminate(ID.into())
    );
    // It may not show yet, and is not asked for once more meanwhile. By the clock of another process it may be long ago.
    for (known, after) in [(0, 1), (0, 599), (900, 1499)] {
        let gone = Some(&InstanceNow::Gone);
        assert_eq!(
            follow(&asked, true, gone, at(BEGAN + known), at(BEGAN + after)),
            Next::Later(LOOK_AGAIN),
            "{known} {after}"
        );
    }
    for (seen, after) in [
        (there(InstanceState::ShuttingDown, None), 0),
        (there(InstanceState::Terminated, None), 0),
        (InstanceNow::Gone, 600),
    ] {
        let Next::Record(gone) = follow(&asked, true, Some(&seen), at(BEGAN), at(BEGAN + after)) else {
            panic!("{seen:?}")
        };
        assert!(!is_under_way(&gone), "{seen:?}");
    }
}

#[test]
fn a_copy_is_tried_so_often_and_again_when_somebody_asks_or_the_settings_change() {
    let copy = image(7, 1);
    let other = LaunchSettings {
        subnet_id: "subnet-0123456789abcdef1".to_owned(),
        ..settings()
    };
    let (failed, passed) = (LaunchResult::Failed, LaunchResult::Passed);
    let begins = |verdict: Verdict| match verdict {
        Verdict::Begin(launch) => Some((launch.attempt, launch.failures)),
        _ => None,
    };
    let once = ended(failed, 1, BEGAN);
    assert!(matches!(
        decided(&settings(), Some(&once), None, &copy, BEGAN),
        Verdict::Failed(..)
    ));
    assert_eq!(
        begins(decided(&settings(), Some(&once), None, &copy, BEGAN + 120)),
        Some((2, 1))
    );
    let twice = ended(failed, 2, BEGAN);
    let Verdict::Stalled(problem, None) = decided(&settings(), Some(&twice), None, &copy, BEGAN + 9999) else {
        panic!()
    };
    assert_eq!(problem.reason, reason::VALIDATION_FAILED);
    assert!(problem.message.contains("amiseal.dev/retry"), "{problem:?}");
    assert_eq!(
        begins(decided(&settings(), Some(&twice), Some("1"), &copy, BEGAN)),
        Some((2, 0))
    );
    assert_eq!(begins(decided(&other, Some(&twice), None, &copy, BEGAN)), Some((2, 0)));
    let done = ended(passed, 0, BEGAN);
    assert_eq!(decided(&settings(), Some(&done), None, &copy, BEGAN), Verdict::Proven);
    assert_eq!(begins(decided(&other, Some(&done), None, &copy, BEGAN)), Some((2, 0)));
    assert_eq!(
        begins(decided(&settings(), Some(&done), None, &image(8, 1), BEGAN)),
        Some((1, 0))
    );
    let given_up = ended(LaunchResult::Abandoned, 1, BEGAN);
    assert_eq!(
        begins(decided(&settings(), Some(&given_up), None, &copy, BEGAN)),
        Some((2, 1))
    );
    let refused = refused(&announced(), "No room.", at(BEGAN));
    let Verdict::Stalled(problem, Some(wait)) = decided(&settings(), Some(&refused), None, &copy, BEGAN + 1) else {
        panic!()
    };
    assert_eq!(
        (problem.reason, wait),
        (reason::LAUNCH_REFUSED, Duration::from_secs(599))
    );
    assert!(!is_under_way(&refused), "others may go on");
    for (retry, after) in [(None, 600), (Some("now"), 0)] {
        let again = decided(&settings(), Some(&refused), retry, &copy, BEGAN + after);
        assert_eq!(begins(again), Some((1, 0)), "by the same token");
    }
}

fn tagged(launch: &LaunchStatus, launched: i64) -> TaggedInstance {
    let source = image_id(1);
    TaggedInstance {
        id: ID.into(),
        image: image_id(7),
        instance_type: launch.instance_type.as_str().into(),
        subnet: Some(launch.subnet_id.as_str().into()),
        client_token: Some(launch.client_token.as_str().into()),
        launched: Some(at(launched)),
        tags: request(&source, launch, &image(7, 1)).expect("a request").tags,
    }
}

#[test]
fn only_what_amiseal_has_launched_is_ever_terminated_and_only_once_nobody_has_it_or_its_time_is_over() {
    type Spoil = fn(&mut TaggedInstance);
    let launch = announced();
    let ours = tagged(&launch, BEGAN);
    let live: HashSet<String> = [launch.client_token.clone()].into();
    let nobody = HashSet::new();
    let ends = |instance: &TaggedInstance, live: &HashSet<String>, now| {
        leftovers(&scope(), std::slice::from_ref(instance), live, at(now)).count() == 1
    };
    assert!(!ends(&ours, &live, BEGAN + 899));
    assert!(ends(&ours, &live, BEGAN + 900), "beyond its time");
    assert!(ends(&ours, &nobody, BEGAN), "its migration is gone");
    let theirs: [Spoil; 8] = [
        |i| i.client_token = None,
        |i| i.client_token = Some("amiseal-0123".into()),
        |i| i.image = image_id(9),
        |i| i.subnet = None,
        |i| i.instance_type = "t3.micro".into(),
        |i| i.tags.insert(TAG_TIMEOUT.into(), "1".into()),
        |i| i.tags.insert(TAG_ATTEMPT.into(), "2".into()),
        |i| i.tags.insert(TAG_SOURCE_IMAGE.into(), image_id(2).as_str().into()),
    ];
    for (number, spoil) in theirs.iter().enumerate() {
        let mut instance = ours.clone();
        spoil(&mut instance);
        assert!(!is_ours(&scope(), &instance), "{number}");
        assert!(!ends(&instance, &nobody, BEGAN + 99_999), "{number}");
    }
    // Somebody has written all of the tags.
    let theirs = TaggedInstance {
        client_token: Some("terraform-20260101".into()),
        ..ours.clone()
    };
    assert!(!ends(&theirs, &nobody, BEGAN + 99_999));
    assert_eq!(ours.tags.get(TAG_VALIDATES), Some(image_id(7).as_str()));
}

#[test]
fn a_look_is_taken_soon_where_a_migration_is_gone_and_now_and_then_while_instances_are_under_way() {
    let mut watch = ProofWatch::default();
    let uids = |all: &[&str]| all.iter().map(|uid| (*uid).to_owned()).collect();
    let now = at(BEGAN);
    watch.observe(uids(&[]), |_| true, now);
    assert_eq!(watch.due(), None, "quiet where nothing is asked for");
    watch.observe(uids(&["a", "b"]), |_| true, now);
    assert_eq!(watch.due(), Some(at(BEGAN + 600)));
    watch.observe(uids(&["b"]), |uid| uid != "a", now);
    assert!(watch.is_due(now) && watch.may_have_left_any());
    watch.looked(true, now);
    assert_eq!(watch.due(), Some(at(BEGAN + 60)));
    watch.looked(false, now);
    assert_eq!(watch.due(), Some(at(BEGAN + 600)));
    watch.observe(uids(&[]), |_| true, now);
    watch.looked(false, now);
    assert!(watch.due().is_none() && !watch.may_have_left_any());
}
