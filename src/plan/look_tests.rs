use std::sync::Arc;

use proptest::prelude::*;

use super::news_tests::{Change, changed, first};
use super::*;
use crate::api::conditions::reason;
use crate::domain::{ErrorClass, Operation};
use crate::plan::problem;
use crate::plan::testing::{at, failed_call, image_id};

const MINUTE: Option<Duration> = Some(Duration::from_secs(60));

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// The days, as AWS is asked for them.
fn texts(days: &BTreeSet<Date>) -> Vec<String> {
    days.iter().map(ToString::to_string).collect()
}

fn read_at(began: Timestamp) -> LookWatch {
    let mut looks = LookWatch::default();
    looks.scanned(&Inventory::new(began), &HashSet::new(), began);
    looks
}

#[test]
fn a_look_asks_for_today_and_around_midnight_and_after_a_pause_for_the_days_before_as_well() {
    for (read, now, expected) in [
        ("2026-11-30T12:00:00Z", "2026-11-30T12:01:00Z", &["2026-11-30"][..]),
        // An image of the evening may show in the morning.
        (
            "2026-11-30T23:59:30Z",
            "2026-12-01T00:00:30Z",
            &["2026-11-30", "2026-12-01"],
        ),
        (
            "2026-12-01T00:14:00Z",
            "2026-12-01T00:15:00Z",
            &["2026-11-30", "2026-12-01"],
        ),
        ("2026-12-01T00:15:00Z", "2026-12-01T00:16:00Z", &["2026-12-01"]),
        // AWS's clock may be ahead.
        (
            "2026-11-30T23:55:00Z",
            "2026-11-30T23:56:00Z",
            &["2026-11-30", "2026-12-01"],
        ),
        ("2026-11-30T23:53:00Z", "2026-11-30T23:54:00Z", &["2026-11-30"]),
        (
            "2026-02-27T12:00:00Z",
            "2026-03-01T12:00:00Z",
            &["2026-02-27", "2026-02-28", "2026-03-01"],
        ),
        // What is older is left to a scan.
        (
            "2026-01-01T12:00:00Z",
            "2026-11-30T12:00:00Z",
            &[
                "2026-11-23",
                "2026-11-24",
                "2026-11-25",
                "2026-11-26",
                "2026-11-27",
                "2026-11-28",
                "2026-11-29",
                "2026-11-30",
            ],
        ),
    ] {
        let looks = read_at(time(read));
        assert_eq!(
            texts(&looks.days(time(now), time(now))),
            expected,
            "{now}, read at {read}"
        );
    }
}

#[test]
fn days_are_those_of_the_machine_however_it_is_set_and_pauses_those_that_have_passed() {
    let looks = read_at(time("2026-11-30T12:00:00Z"));
    let now = time("2026-11-30T12:01:00Z");
    for (system_time, expected) in [
        ("2026-11-30T12:01:00Z", &["2026-11-30"][..]),
        ("2027-06-01T12:01:00Z", &["2027-06-01"]),
        ("2020-06-01T12:01:00Z", &["2020-06-01"]),
        ("2026-11-30T00:01:00Z", &["2026-11-29", "2026-11-30"]),
    ] {
        assert_eq!(texts(&looks.days(now, time(system_time))), expected, "at {system_time}");
    }
    // A clock that goes back does not make a look that asks for nothing.
    assert_eq!(texts(&looks.days(time("2026-11-29T12:00:00Z"), now)), ["2026-11-30"]);
    for end in [Timestamp::MIN, Timestamp::MAX] {
        assert!(!looks.days(end, end).is_empty());
    }
}

#[test]
fn days_of_images_that_are_not_finished_are_asked_for_for_a_few_days_until_a_read_shows_none() {
    let now = time("2026-11-30T12:00:00Z");
    let day = |text: &str| text.parse::<Date>().expect("a day");
    let pending: Change = |image, _| image.state = ImageState::Pending;
    let cases: [(&str, Change, bool); 7] = [
        ("2026-11-27", pending, true),
        ("2026-11-26", pending, false),
        (
            "2026-11-28",
            |image, snapshots| drop(snapshots.remove(&first(image))),
            true,
        ),
        (
            "2026-11-28",
            |image, _| image.extras.get_or_insert_default().unread = Some("odd".into()),
            true,
        ),
        ("2026-11-28", |_, _| {}, false),
        ("2026-11-28", |image, _| image.state = ImageState::Failed, false),
        ("2026-11-28", |image, _| image.state = ImageState::Deregistered, false),
    ];
    for (made, change, is_followed) in cases {
        let mut world = changed(1, change);
        for image in world.images.values_mut() {
            Arc::make_mut(image).created = Some(time(&format!("{made}T12:00:00Z")));
        }
        let inventory = world.inventory(now);
        let mut looks = LookWatch::default();
        looks.scanned(&inventory, &HashSet::new(), now);
        let days = looks.days(now, now);
        assert_eq!(
            days.contains(&day(made)),
            is_followed,
            "made on {made}, of {inventory:?}"
        );
        looks.scanned(&inventory, &HashSet::from([image_id(1)]), now);
        assert_eq!(texts(&looks.days(now, now)), ["2026-11-30"], "a migration follows it");
        looks.looked(now, News::default(), now);
        assert_eq!(texts(&looks.days(now, now)), ["2026-11-30"]);
    }
}

#[test]
fn a_look_is_due_a_while_after_a_read_and_never_before_a_scan_while_scans_fail_or_where_none_is_wanted() {
    let mut scans = ScanSchedule::default();
    assert_eq!(LookWatch::default().due(MINUTE, &scans), None);
    let mut looks = LookWatch::default();
    looks.scanned(&Inventory::new(at(0)), &HashSet::new(), at(20));
    assert_eq!(
        (looks.due(MINUTE, &scans), looks.due(None, &scans)),
        (Some(at(80)), None)
    );
    looks.looked(at(80), News::default(), at(81));
    assert_eq!(looks.due(MINUTE, &scans), Some(at(141)));
    let error = failed_call(Operation::DescribeSnapshots, ErrorClass::Throttled);
    scans.failed(&error, at(100), |wait| wait);
    assert_eq!(looks.due(MINUTE, &scans), None, "the scan goes first");
    scans.completed(None, at(1000));
    assert_eq!(looks.due(MINUTE, &scans), Some(at(141)));
}

#[test]
fn a_look_that_has_failed_is_made_again_no_sooner_than_it_was_due_and_over_the_same_time() {
    let started = time("2026-11-30T12:00:00Z");
    let later = |seconds: i64| started + SignedDuration::from_secs(seconds);
    let error = |class| failed_call(Operation::DescribeImages, class);
    let due = |looks: &LookWatch| looks.due(MINUTE, &ScanSchedule::default());
    let mut looks = read_at(started);
    assert_eq!(looks.failed(&error(ErrorClass::Throttled), later(60), |wait| wait), 1);
    assert_eq!(due(&looks), Some(later(120)), "its own wait is shorter");
    assert_eq!(looks.problem(), None, "one is not worth a word");
    assert_eq!(looks.failed(&error(ErrorClass::Denied), later(120), |wait| wait), 2);
    assert_eq!(due(&looks), Some(later(720)), "its own wait is longer");
    let tomorrow = later(86_400);
    assert_eq!(texts(&looks.days(tomorrow, tomorrow)), ["2026-11-30", "2026-12-01"]);

    let said = |looks: &LookWatch| looks.problem().map(|problem| problem.reason);
    assert_eq!(said(&looks), Some(reason::ACCESS_DENIED), "somebody has to act");
    // Else that would be said anew between any two scans.
    looks.scanned(&Inventory::new(later(200)), &HashSet::new(), later(210));
    assert_eq!(
        (due(&looks), said(&looks)),
        (Some(later(720)), Some(reason::ACCESS_DENIED))
    );
    let mut renewed = looks.clone();
    renewed.renewed();
    assert_eq!((due(&renewed), said(&renewed)), (Some(later(270)), None));
    looks.looked(later(720), News::default(), later(721));
    assert_eq!((due(&looks), said(&looks)), (Some(later(781)), None));
}

#[test]
fn looks_succeed_until_people_have_to_know_and_say_nothing_before_a_scan_or_where_something_else_fails() {
    let throttled = failed_call(Operation::DescribeImages, ErrorClass::Throttled);
    let hinders = problem::of_error(&throttled);
    assert_eq!(LookWatch::default().succeed(None), None);
    let mut looks = read_at(at(0));
    assert_eq!((looks.succeed(None), looks.succeed(Some(&hinders))), (Some(true), None));
    for (failures, expected) in [(1, true), (2, true), (3, false), (4, false)] {
        assert_eq!(looks.failed(&throttled, at(60), |wait| wait), failures);
        assert_eq!(looks.succeed(None), Some(expected), "{failures}");
    }
    assert_eq!(looks.succeed(Some(&hinders)), None);
    looks.scanned(&Inventory::new(at(90)), &HashSet::new(), at(100));
    assert_eq!(looks.succeed(None), Some(false), "a scan is no answer to that");
    looks.looked(at(120), News::default(), at(121));
    assert_eq!(looks.succeed(None), Some(true));
}

proptest! {
    /// Whenever an image is made, and however looks fail, the first one that succeeds once the image shows asks for its day: the
    /// machine's clock may be five minutes off at each of them, and the image show ten minutes late.
    #[test]
    fn no_image_falls_between_two_looks(
        began in 0..400 * 86_400i64,
        offset in -1_000_000..1_000_000i64,
        looks in prop::collection::vec((20..86_400i64, -300..=300i64, prop::bool::weighted(0.3)), 1..7),
        made in 0..6 * 86_400i64,
        late in 0..=600i64,
    ) {
        // By AWS's clock, which is right.
        let aws = |seconds: i64| Timestamp::from_second(1_790_000_000 + seconds).expect("a time");
        // What times reads is a clock of its own.
        let own = |seconds: i64| aws(seconds + offset);
        let made = began + made - 600;
        // Else the scan has shown it.
        prop_assume!(made + late > began);
        let mut watch = read_at(own(began));
        let mut now = began;
        let error = failed_call(Operation::DescribeImages, ErrorClass::Throttled);
        for (gap, wrong, fails) in looks {
            now += gap;
            let days = watch.days(own(now), aws(now + wrong));
            prop_assert!(days.len() <= MOST_DAYS);
            if fails {
                watch.failed(&error, own(now), |wait| wait);
                continue;
            }
            if made + late <= now {
                prop_assert!(days.contains(&day_of(aws(made))), "{days:?} lacks {}", aws(made));
                break;
            }
            watch.looked(own(now), News::default(), own(now));
        }
    }
}
