use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::api::conditions::reason;
use crate::domain::{ErrorClass, Operation};
use crate::plan::testing::{World, at, failed_call, image, image_id, snapshot_id};

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
    looks.covered(began, BTreeSet::new(), began);
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
fn days_of_images_that_are_still_being_made_are_asked_for_until_a_read_shows_none() {
    let now = time("2026-11-30T12:00:00Z");
    let mut looks = LookWatch::default();
    let day = |text: &str| text.parse::<Date>().expect("a day");
    looks.covered(now, BTreeSet::from([day("2026-11-27")]), now);
    assert_eq!(texts(&looks.days(now, now)), ["2026-11-27", "2026-11-30"]);
    looks.covered(now, BTreeSet::new(), now);
    assert_eq!(texts(&looks.days(now, now)), ["2026-11-30"]);
    let many = std::iter::successors(Some(day("2025-01-01")), |day| day.tomorrow().ok());
    looks.covered(now, many.take(100).collect(), now);
    let days = looks.days(now, now);
    assert_eq!(days.len(), MOST_UNFINISHED + 1);
    assert_eq!(days.first(), Some(&day("2025-03-11")), "the latest");
}

#[test]
fn a_look_is_due_a_while_after_a_scan_or_a_look_and_never_before_a_scan_or_where_none_is_wanted() {
    let mut looks = LookWatch::default();
    assert_eq!(looks.due(MINUTE), None);
    looks.covered(at(0), BTreeSet::new(), at(20));
    assert_eq!((looks.due(MINUTE), looks.due(None)), (Some(at(80)), None));
    looks.covered(at(80), BTreeSet::new(), at(81));
    assert_eq!(looks.due(MINUTE), Some(at(141)));
}

#[test]
fn a_look_that_has_failed_is_made_again_no_sooner_than_it_was_due_and_over_the_same_time() {
    let started = time("2026-11-30T12:00:00Z");
    let later = |seconds: i64| started + SignedDuration::from_secs(seconds);
    let error = |class| failed_call(Operation::DescribeImages, class);
    let mut looks = read_at(started);
    assert_eq!(looks.failed(&error(ErrorClass::Throttled), later(60), |wait| wait), 1);
    assert_eq!(looks.due(MINUTE), Some(later(120)), "its own wait is shorter");
    assert_eq!(looks.problem(), None, "one is not worth a word");
    assert_eq!(looks.failed(&error(ErrorClass::Denied), later(120), |wait| wait), 2);
    assert_eq!(looks.due(MINUTE), Some(later(720)), "its own wait is longer");
    assert_eq!(
        looks.problem().map(|problem| problem.reason),
        Some(reason::ACCESS_DENIED),
        "somebody has to act"
    );
    let tomorrow = later(86_400);
    assert_eq!(texts(&looks.days(tomorrow, tomorrow)), ["2026-11-30", "2026-12-01"]);
    // A scan that succeeds has shown more than a look would have.
    looks.covered(later(200), BTreeSet::new(), later(210));
    assert_eq!((looks.due(MINUTE), looks.problem()), (Some(later(270)), None));
}

#[test]
fn news_is_what_is_finished_and_was_not_known_as_that_and_nothing_else() {
    let known = image(1, 1);
    let mut pending = image(2, 1);
    pending.state = ImageState::Pending;
    let inventory = World::of([known.clone(), pending.clone()]).inventory(at(0));
    let with = |number: u64, change: &dyn Fn(&mut Image)| {
        let mut image = image(number, 1);
        change(&mut image);
        image
    };
    let changed = with(1, &|image| image.name = "another".into());
    let done = with(2, &|_| {});
    let unread = |image: &mut Image| {
        image.unread = Some("imageState is missing".into());
        image.state = ImageState::Other;
    };
    let followed = HashSet::from([image_id(7)]);
    let shown = vec![
        changed,
        done.clone(),
        with(3, &|_| {}),
        with(4, &|image| image.state = ImageState::Disabled),
        with(5, &|image| image.state = ImageState::Failed),
        with(6, &|image| image.state = ImageState::Deregistered),
        with(7, &|_| {}),
        with(8, &unread),
        with(9, &|image| image.state = ImageState::Pending),
    ];
    let news = News::of(shown, &inventory, &followed);
    let ids: Vec<ImageId> = news.images.iter().map(|image| image.id.clone()).collect();
    assert_eq!(ids, [2, 3, 4, 8].map(image_id));
    assert_eq!(news.unfinished, BTreeSet::from([day_of(at(9))]));

    let mut inventory = inventory;
    assert_eq!(inventory.take_in(news.images, Snapshots::new()), 4);
    assert_eq!(*inventory.images[&image_id(1)], known, "what is known stays");
    assert_eq!(*inventory.images[&image_id(2)], done);
    assert_eq!(
        inventory.take_in(vec![pending], Snapshots::new()),
        0,
        "nothing goes back"
    );
    assert_eq!(inventory.scanned, at(0), "a look is no scan");
}

#[test]
fn an_image_whose_snapshots_do_not_show_as_complete_is_left_for_a_later_look() {
    let inventory = World::of([image(1, 2)]).inventory(at(0));
    // Of a snapshot that is known already, and one of its own each.
    let mut shown = Vec::new();
    for number in [2, 3, 4] {
        let mut new = image(number, 2);
        new.devices[0] = image(1, 1).devices[0].clone();
        shown.push(new);
    }
    let mut news = News::of(shown, &inventory, &HashSet::new());
    let read = news.snapshots(&inventory);
    assert_eq!(
        read,
        BTreeSet::from([201, 301, 401].map(snapshot_id)),
        "what is known is not read"
    );
    let mut found = World::of([image(2, 2), image(3, 2)]).snapshots;
    found.get_mut(&snapshot_id(301)).expect("a snapshot").state = SnapshotState::Pending;
    news.leave_incomplete(&inventory, &found);
    let ids: Vec<ImageId> = news.images.iter().map(|image| image.id.clone()).collect();
    assert_eq!(ids, [image_id(2)]);
    assert_eq!(
        news.unfinished,
        BTreeSet::from([day_of(at(3)), day_of(at(4))]),
        "their days are asked for again"
    );
}

#[test]
fn copies_that_migrations_follow_are_none_that_a_look_waits_for() {
    let mut images = [image(1, 1), image(2, 1)];
    for image in &mut images {
        image.state = ImageState::Pending;
        image.created = Some(time("2026-11-20T12:00:00Z"));
    }
    let followed = HashSet::from([image_id(1)]);
    assert!(unfinished(images[..1].iter(), &followed).is_empty());
    assert_eq!(texts(&unfinished(images.iter(), &followed)), ["2026-11-20"]);
    let known = images.map(Arc::new);
    assert_eq!(unfinished(known.iter().map(|image| &**image), &HashSet::new()).len(), 1);
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
            watch.covered(own(now), BTreeSet::new(), own(now));
        }
    }
}
