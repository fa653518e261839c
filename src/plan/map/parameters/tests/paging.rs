//! Readings that take several visits.

use super::super::*;
use super::store::{Store, kept, said};
use super::{PREFIX, PUBLISHED};
use crate::api::conditions::{Status, reason};
use crate::domain::{Cause, Operation, ParameterPages};
use crate::plan::testing::{at, failed_call, image_id};

/// Parameter Store with the parameters of so many originals, of which ten are listed in a visit.
fn with(count: u64) -> (Store, Wanted<'static>) {
    let wanted = kept((1..=count).map(|number| (number, 1000 + number)));
    let mut store = Store {
        at_a_time: Some(10),
        ..Store::default()
    };
    for (original, copy) in &wanted.copies {
        let new = wanted.parameter(original, copy);
        store.put(&new.name, &new.value, &new.tags);
    }
    (store, wanted)
}

#[test]
fn nothing_is_decided_on_a_part_of_them_and_the_whole_is_read_in_as_many_visits_as_it_takes() {
    for (count, visits) in [(0, 1), (10, 1), (11, 2), (25, 3), (30, 3), (31, 4)] {
        let (mut store, wanted) = with(count);
        let mut watch = ParameterWatch::default();
        for second in 0..visits {
            assert_eq!(watch.said(PREFIX, false), None, "{count} at {second}");
            store.visit(&mut watch, &wanted, at(second));
        }
        assert_eq!((watch.reads_from(), said(&watch)), (None, PUBLISHED), "{count}");
        assert_eq!(watch.due(), Some(at(visits - 1 + 600)), "{count}");
        // A visit that comes before its time reads nothing more.
        store.visit(&mut watch, &wanted, at(visits));
        let listings = i64::try_from(store.listings).expect("few");
        assert_eq!((store.changes.len(), listings), (0, visits), "{count}");
    }
}

#[test]
fn while_they_are_read_only_what_is_decided_about_goes_and_then_all_is_done_that_is_wanted_by_then() {
    let (mut store, wanted) = with(25);
    let mut watch = ParameterWatch::default();
    store.visits(&mut watch, &wanted, (0, 500));
    let mut more = kept((1..=26).map(|number| (number, 1000 + number)));
    more.decided.insert(image_id(3));
    more.copies.remove(&image_id(3));
    for (second, changes) in [(602, 1), (603, 1), (604, 1), (607, 2)] {
        store.visit(&mut watch, &more, at(second));
        assert_eq!(store.changes.len(), changes, "at {second}");
        // What was said stays said meanwhile.
        assert_eq!(said(&watch), PUBLISHED, "at {second}");
    }
    assert_eq!((store.value(3), store.value(26).is_some()), (None, true));
}

/// Parameters that were read, of which somebody has since decided about one.
fn with_held() -> (Store, ParameterWatch, Wanted<'static>, Wanted<'static>) {
    let (mut store, wanted) = with(25);
    let mut watch = ParameterWatch::default();
    store.visits(&mut watch, &wanted, (0, 500));
    let mut held = wanted.clone();
    held.copies.remove(&image_id(3));
    held.decided.insert(image_id(3));
    (store, watch, wanted, held)
}

#[test]
fn one_that_goes_while_they_are_read_is_not_taken_for_there_by_a_page_from_before() {
    const NOT_OURS: (Status, &str) = (Status::False, reason::NOT_OURS);
    // Whether it stays held, whether somebody else makes one, and what comes of it.
    for (stays, is_taken, holds, told) in [
        (true, false, None, PUBLISHED),
        (false, false, Some(image_id(1003)), PUBLISHED),
        (true, true, Some(image_id(103)), NOT_OURS),
        (false, true, Some(image_id(103)), NOT_OURS),
    ] {
        let case = format!("{stays} {is_taken}");
        let (mut store, mut watch, wanted, held) = with_held();
        // Its page comes first, and then it goes.
        store.visit(&mut watch, &held, at(602));
        assert!(watch.reads_from().is_some(), "{case}");
        assert_eq!((store.value(3), store.judged), (None, 1), "{case}");
        if is_taken {
            store.put(&wanted.name(&image_id(3)), image_id(103).as_str(), &Tags::new());
        }
        let then = if stays { &held } else { &wanted };
        store.visits(&mut watch, then, (603, 760));
        let value = store.value(3);
        assert_eq!(
            (value, said(&watch)),
            (holds.as_ref().map(ImageId::as_str), told),
            "{case}"
        );
        assert_eq!(store.judged, 1 + usize::from(is_taken), "{case}");
    }
}

#[test]
fn what_is_decided_about_waits_for_no_page_that_cannot_be_read_but_for_the_first_whole_reading() {
    let (mut store, mut watch, wanted, held) = with_held();
    store.visit(&mut watch, &wanted, at(602));
    store.refuses = Some((Operation::GetParametersByPath, ErrorClass::Throttled));
    store.visit(&mut watch, &wanted, at(603));
    store.visit(&mut watch, &held, at(604));
    assert_eq!((store.refused, store.value(3)), (1, None));

    let (mut store, _, _, held) = with_held();
    let mut watch = ParameterWatch::default();
    for (second, is_there) in [(0, true), (1, true), (2, false)] {
        store.visit(&mut watch, &held, at(second));
        assert_eq!(store.value(3).is_some(), is_there, "at {second}");
    }
}

#[test]
fn a_reading_comes_to_its_end_however_long_that_takes_as_long_as_pages_come() {
    let (mut store, wanted) = with(35);
    let mut watch = ParameterWatch::default();
    for second in [0, 3000, 6000, 9000] {
        assert_eq!(watch.said(PREFIX, false), None, "at {second}");
        store.visit(&mut watch, &wanted, at(second));
    }
    assert_eq!((said(&watch), store.listings), (PUBLISHED, 4));
}

#[test]
fn a_reading_goes_on_unless_something_says_that_it_is_no_good_any_more() {
    type Act = fn(&mut ParameterWatch, &Wanted<'_>);
    let fails = |watch: &mut ParameterWatch, class| {
        let error = failed_call(Operation::GetParametersByPath, class);
        watch.failed(&error, None, at(1), |wait| wait);
    };
    for (class, goes_on) in [
        (ErrorClass::Transient, true),
        (ErrorClass::Throttled, true),
        (ErrorClass::Denied, false),
        (ErrorClass::NotOurs, false),
    ] {
        let (mut store, wanted) = with(25);
        let mut watch = ParameterWatch::default();
        store.visit(&mut watch, &wanted, at(0));
        fails(&mut watch, class);
        assert_eq!(watch.reads_from().is_some(), goes_on, "{class:?}");
        watch.settle(&wanted, at(1));
        assert!(!watch.is_read_due(&wanted, at(1)), "{class:?}: it waits");
        store.visits(&mut watch, &wanted, (2, 700));
        assert_eq!((said(&watch), store.changes.len()), (PUBLISHED, 0), "{class:?}");
    }
    let table: [(&str, Act, bool); 6] = [
        ("nothing", |watch, wanted| watch.begins(wanted, at(1)), true),
        ("the policy is changed", |watch, _| watch.renewed(), false),
        (
            "the prefix is let go of",
            |watch, wanted| watch.begins(&Wanted::let_go(wanted.policy, wanted.prefix), at(1)),
            false,
        ),
        (
            "another prefix",
            |watch, wanted| {
                let other = Wanted {
                    prefix: "/other",
                    ..wanted.clone()
                };
                watch.begins(&other, at(1));
            },
            false,
        ),
        ("no page comes", |watch, wanted| watch.begins(wanted, at(3599)), true),
        (
            "no page comes for too long",
            |watch, wanted| watch.begins(wanted, at(3600)),
            false,
        ),
    ];
    for (what, act, goes_on) in table {
        let (mut store, wanted) = with(25);
        let mut watch = ParameterWatch::default();
        store.visit(&mut watch, &wanted, at(0));
        assert!(watch.reads_from().is_some());
        act(&mut watch, &wanted);
        assert_eq!(watch.reads_from().is_some(), goes_on, "{what}");
    }
}

#[test]
fn failures_between_pages_that_come_are_not_in_a_row() {
    let progresses = Some((Status::Unknown, reason::PROGRESSING));
    let throttled = Some((Status::False, reason::THROTTLED));
    // What is said after so many failures in a row before each of four parts, and once the next part has come.
    for (failures, told, then) in [
        (0, None, None),
        (1, None, None),
        (2, None, None),
        (3, throttled, progresses),
        (4, throttled, progresses),
    ] {
        let (mut store, wanted) = with(35);
        let (mut watch, mut now) = (ParameterWatch::default(), at(0));
        let said_now = |watch: &ParameterWatch| watch.said(PREFIX, false).map(|said| (said.status, said.reason));
        for part in 0..4 {
            store.refuses = Some((Operation::GetParametersByPath, ErrorClass::Throttled));
            for failure in 0..failures {
                store.visit(&mut watch, &wanted, now);
                let expected = if failure < 2 { then.filter(|_| part > 0) } else { told };
                assert_eq!(said_now(&watch), expected, "{failure} of {failures}, part {part}");
                now = watch.due().expect("it is tried again");
            }
            store.refuses = None;
            store.visit(&mut watch, &wanted, now);
            let expected = if part < 3 { then } else { Some(PUBLISHED) };
            assert_eq!(said_now(&watch), expected, "{failures} failures, part {part}");
            now = watch.due().expect("it goes on");
        }
    }
}

#[test]
fn a_token_that_aws_does_not_know_any_more_has_them_read_anew_and_is_told_where_that_is_of_no_use() {
    const REFUSED: (Status, &str) = (Status::False, reason::INVALID_REQUEST);
    let (whole, again, none): (&[bool], &[bool], &[bool]) = (&[true; 3], &[true, false], &[false]);
    // Whether each call is answered, of which three read all, and what is said after the last one.
    let table = [
        (vec![again], None),
        (vec![again, whole], Some(PUBLISHED)),
        (vec![none], Some(REFUSED)),
        // Without a token, or once more with one.
        (vec![again, none], Some(REFUSED)),
        (vec![again, again], Some(REFUSED)),
        (vec![again, again, again], Some(REFUSED)),
        (vec![again, again, whole], Some(PUBLISHED)),
        (vec![again, whole, again, whole, again], Some(PUBLISHED)),
    ];
    for (calls, expected) in table {
        let (mut store, wanted) = with(25);
        let (mut watch, mut now) = (ParameterWatch::default(), at(0));
        for is_answered in calls.concat() {
            store.refuses = (!is_answered).then_some((Operation::GetParametersByPath, ErrorClass::Invalid));
            store.visit(&mut watch, &wanted, now);
            let due = watch.due().expect("it goes on");
            assert!(due > now, "{calls:?}");
            now = due;
        }
        let told = watch.said(PREFIX, false).map(|said| (said.status, said.reason));
        assert_eq!((told, store.changes.len()), (expected, 0), "{calls:?}");
    }
    // What the answer lacks is told at once.
    let (mut store, wanted) = with(25);
    let mut watch = ParameterWatch::default();
    store.visit(&mut watch, &wanted, at(0));
    let error = AwsError {
        cause: Some(Cause::MalformedAnswer),
        ..failed_call(Operation::GetParametersByPath, ErrorClass::Invalid)
    };
    assert_eq!(watch.failed(&error, None, at(1), |wait| wait), 1);
    assert_eq!(watch.reads_from(), None);
}

#[test]
fn what_a_reading_should_show_is_told_by_when_it_began_and_not_by_when_it_ended() {
    let hides = || Store {
        hides: true,
        ..Store::default()
    };
    for (began, ended, is_late) in [
        (15, 20, false),
        (15, 900, false),
        (599, 1500, false),
        (600, 600, true),
        (600, 1500, true),
    ] {
        let case = format!("from {began} to {ended}");
        let (mut store, mut watch) = (hides(), ParameterWatch::default());
        let wanted = kept([(1, 101)]);
        store.visit(&mut watch, &wanted, at(0));
        assert_eq!(store.changes.len(), 1, "{case}");
        watch.read(&wanted, store.listed(PREFIX), at(began), at(ended));
        // Nor is it written once more.
        let steps = watch.steps(&wanted, at(ended));
        watch.settle(&wanted, at(ended));
        let expected = if is_late {
            (Status::False, reason::NOT_SHOWN)
        } else {
            (Status::Unknown, reason::PROGRESSING)
        };
        assert_eq!((steps.len(), said(&watch)), (usize::from(is_late), expected), "{case}");

        // As long as it may come to show, the prefix is not let go of.
        let (mut store, mut watch) = (hides(), ParameterWatch::default());
        watch.records(PREFIX);
        store.visit(&mut watch, &wanted, at(0));
        let let_go = Wanted::let_go("production", PREFIX);
        store.visit(&mut watch, &let_go, at(10));
        watch.read(&let_go, Vec::new(), at(began), at(ended));
        watch.settle(&let_go, at(ended));
        assert_eq!(watch.has_let_go(PREFIX), is_late, "{case}");
    }
}

#[test]
fn pages_of_another_reading_count_for_nothing() {
    let (mut store, wanted) = with(25);
    let mut watch = ParameterWatch::default();
    store.visit(&mut watch, &wanted, at(0));
    let from = watch.reads_from().expect("it goes on").to_owned();
    // A last page, of a reading that began anew meanwhile, or of the one that was given up.
    for stale in [None, Some("another")] {
        watch.read_some(&wanted, stale, ParameterPages::default(), at(1), at(1));
        assert_eq!(watch.reads_from(), Some(from.as_str()), "{stale:?}");
        assert_eq!(watch.said(PREFIX, false), None);
    }
    watch.renewed();
    watch.read_some(&wanted, Some(from.as_str()), ParameterPages::default(), at(1), at(1));
    watch.settle(&wanted, at(1));
    assert_eq!((watch.reads_from(), watch.said(PREFIX, false)), (None, None));
    store.visits(&mut watch, &wanted, (2, 100));
    assert_eq!((said(&watch), store.changes.len()), (PUBLISHED, 0));
}
