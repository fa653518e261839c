//! What AWS refuses, and what it does not show.

use super::super::*;
use super::store::{Store, kept, said};
use super::{PREFIX, PUBLISHED};
use crate::api::conditions::{Status, reason};
use crate::domain::Operation;
use crate::plan::map::say::Said;
use crate::plan::testing::{at, image_id};

#[test]
fn failures_are_waited_out_and_told_unless_they_pass_at_once() {
    let (mut store, mut watch) = (Store::default(), ParameterWatch::default());
    let wanted = kept([(1, 101)]);
    store.refuses = Some((Operation::GetParametersByPath, ErrorClass::Transient));
    store.visit(&mut watch, &wanted, at(0));
    assert_eq!((watch.said(PREFIX, false), watch.due()), (None, Some(at(2))));
    store.visits(&mut watch, &wanted, (1, 5));
    assert_eq!((store.refused, watch.said(PREFIX, false)), (2, None), "it waits");
    store.visit(&mut watch, &wanted, at(6));
    assert_eq!(said(&watch), (Status::False, reason::TRANSIENT_ERROR));
    store.refuses = None;
    store.visits(&mut watch, &wanted, (14, 60));
    assert_eq!((said(&watch), store.there.len()), (PUBLISHED, 1));

    let wanted = kept([(1, 101), (2, 102)]);
    store.refuses = Some((Operation::PutParameter, ErrorClass::Denied));
    store.visit(&mut watch, &wanted, at(100));
    assert_eq!(
        watch.said(PREFIX, false),
        Some(&Said::new(
            Status::False,
            reason::ACCESS_DENIED,
            "promotion.map.ssmPrefix: ssm:PutParameter: not permitted; grant ssm:PutParameter to the role."
        ))
    );
    // A reading says nothing of what may be written.
    store.visits(&mut watch, &wanted, (101, 699));
    assert_eq!(
        (store.refused, said(&watch)),
        (4, (Status::False, reason::ACCESS_DENIED))
    );
    store.visits(&mut watch, &wanted, (700, 701));
    assert_eq!(store.refused, 5);
    // Somebody has changed the policy.
    store.refuses = None;
    watch.renewed();
    store.visits(&mut watch, &wanted, (710, 730));
    assert_eq!(said(&watch), PUBLISHED);
    let wanted = kept([(1, 101), (2, 102), (3, 103)]);
    store.refuses = Some((Operation::PutParameter, ErrorClass::NotOurs));
    store.visit(&mut watch, &wanted, at(740));
    assert_eq!(said(&watch), PUBLISHED, "another replica sees to it");
    // Nothing takes what is refused any more.
    store.refuses = Some((Operation::PutParameter, ErrorClass::Denied));
    watch.renewed();
    store.visit(&mut watch, &wanted, at(750));
    assert_eq!(said(&watch), (Status::False, reason::ACCESS_DENIED));
    store.visit(&mut watch, &kept([(1, 101), (2, 102)]), at(760));
    assert_eq!(said(&watch), PUBLISHED);
}

#[test]
fn what_the_role_may_not_do_keeps_nothing_else_back_and_what_is_deleted_makes_room() {
    let published = || {
        let (mut store, mut watch) = (Store::default(), ParameterWatch::default());
        store.visits(&mut watch, &kept([(1, 101), (2, 102), (3, 103)]), (0, 100));
        (store, watch)
    };
    let there = |store: &Store| [1, 2, 3, 4].map(|original| store.value(original).is_some());
    // One is held, one has left the map, one has another copy, and two are new.
    let mut wanted = kept([(3, 203), (4, 104), (5, 105)]);
    wanted.decided.insert(image_id(1));
    for (refuses, why, refused, expected) in [
        (
            (Operation::PutParameter, ErrorClass::Quota),
            reason::QUOTA_EXCEEDED,
            4,
            [false, false, true, false],
        ),
        (
            (Operation::DeleteParameter, ErrorClass::Denied),
            reason::ACCESS_DENIED,
            2,
            [true, true, true, true],
        ),
        (
            (Operation::ListTagsForResource, ErrorClass::Denied),
            reason::ACCESS_DENIED,
            2,
            [true, true, true, true],
        ),
    ] {
        let (mut store, mut watch) = published();
        store.refuses = Some(refuses);
        store.visits(&mut watch, &wanted, (110, 720));
        assert_eq!((store.refused, there(&store)), (refused, expected), "{refuses:?}");
        assert_eq!(said(&watch), (Status::False, why), "{refuses:?}");
        store.refuses = None;
        watch.renewed();
        store.visits(&mut watch, &wanted, (800, 900));
        assert_eq!(
            (there(&store), said(&watch)),
            ([false, false, true, true], PUBLISHED),
            "{refuses:?}"
        );
    }
    // While they may not be listed, what is known is enough to delete one.
    let (mut store, mut watch) = published();
    store.refuses = Some((Operation::GetParametersByPath, ErrorClass::Denied));
    watch.renewed();
    store.visit(&mut watch, &wanted, at(110));
    assert_eq!((store.refused, there(&store)), (1, [false, true, true, true]));
    assert_eq!(said(&watch), (Status::False, reason::ACCESS_DENIED));
}

#[test]
fn one_that_aws_refuses_or_does_not_show_is_told_and_keeps_no_other_back() {
    let mut watch = ParameterWatch::default();
    let wanted = kept([(1, 101), (2, 102)]);
    let mut store = Store::default();
    watch.begins(&wanted, at(0));
    watch.read(&wanted, store.listed(PREFIX), at(0), at(0));
    let problem = crate::plan::obstacle::Problem::new(reason::INVALID_REQUEST, "It has a pattern.");
    for step in watch.steps(&wanted, at(0)) {
        let outcome = if *step.original() == image_id(1) {
            Outcome::Refused(problem.clone())
        } else {
            store.make(&wanted, &step).expect("an outcome")
        };
        watch.made(&step, outcome, at(0));
    }
    watch.settle(&wanted, at(0));
    assert_eq!(said(&watch), (Status::False, reason::INVALID_REQUEST));
    assert!(store.value(2).is_some());
    store.visits(&mut watch, &wanted, (15, 100));
    assert_eq!(said(&watch), PUBLISHED, "it is tried again after a reading");

    let mut hides = Store {
        hides: true,
        ..Store::default()
    };
    let mut watch = ParameterWatch::default();
    hides.visits(&mut watch, &wanted, (0, 590));
    assert_eq!(
        (hides.changes.len(), said(&watch)),
        (2, (Status::Unknown, reason::PROGRESSING))
    );
    hides.visits(&mut watch, &wanted, (591, 1100));
    assert_eq!(
        (hides.changes.len(), said(&watch)),
        (4, (Status::False, reason::NOT_SHOWN))
    );
    let message = |watch: &ParameterWatch| watch.said(PREFIX, false).expect("a message").message.clone();
    assert!(message(&watch).contains("does not show it"), "{}", message(&watch));
    // It is told, so that nobody is helped by reading them every minute.
    let listings = hides.listings;
    hides.visits(&mut watch, &wanted, (1101, 1100 + 3600));
    assert!(
        hides.listings - listings <= 14,
        "{} listings",
        hides.listings - listings
    );

    // Somebody sets one back before it is seen.
    let mut sets_back = Store {
        hides: true,
        ..Store::default()
    };
    let name = wanted.name(&image_id(1));
    let ours = wanted.parameter(&image_id(1), &image_id(1));
    sets_back.put(&name, image_id(1).as_str(), &ours.tags);
    let mut watch = ParameterWatch::default();
    let only = kept([(1, 101)]);
    sets_back.visit(&mut watch, &only, at(0));
    sets_back.put(&name, image_id(1).as_str(), &ours.tags);
    sets_back.visits(&mut watch, &only, (1, 1100));
    assert_eq!(said(&watch), (Status::False, reason::NOT_SHOWN));
    assert!(message(&watch).contains("somebody sets it back"), "{}", message(&watch));
}
