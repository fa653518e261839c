//! Prefixes under which nothing is kept any more.

use super::super::*;
use super::PREFIX;
use super::store::{Store, kept};
use crate::api::conditions::{Status, reason};
use crate::domain::Operation;
use crate::plan::testing::{at, image_id};

#[test]
fn a_prefix_that_is_let_go_of_loses_what_is_ours_and_nothing_else() {
    let (mut store, mut watch) = (Store::default(), ParameterWatch::default());
    let wanted = kept((1..=12).map(|number| (number, 100 + number)));
    let theirs = format!("{PREFIX}/{}", image_id(99));
    store.put(&theirs, "ami-12345678", &Tags::new());
    store.visits(&mut watch, &wanted, (0, 700));
    assert_eq!(store.there.len(), 13);
    let let_go = Wanted::let_go("production", PREFIX);
    assert!(!watch.has_let_go(PREFIX));
    store.visits(&mut watch, &let_go, (701, 720));
    assert_eq!(store.there.keys().collect::<Vec<_>>(), [&theirs]);
    assert!(!watch.has_let_go(PREFIX), "what was written last may show late");
    assert_eq!(watch.said(PREFIX, false), None);
    let said = watch.said(PREFIX, true).expect("something is said");
    assert_eq!((said.status, said.reason), (Status::Unknown, reason::PROGRESSING));
    store.visits(&mut watch, &let_go, (721, 780));
    assert!(watch.has_let_go(PREFIX) && !watch.has_let_go("/other"));

    // A process that has just begun knows nothing of what was written.
    let mut watch = ParameterWatch::default();
    let listings = store.listings;
    store.visits(&mut watch, &let_go, (1000, 1599));
    assert!(!watch.has_let_go(PREFIX));
    store.visits(&mut watch, &let_go, (1600, 1610));
    assert!(watch.has_let_go(PREFIX));
    assert!(
        (10..=12).contains(&(store.listings - listings)),
        "{} listings",
        store.listings
    );
    watch.rest();
    assert_eq!(watch.due(), None);
}

#[test]
fn a_prefix_is_let_go_of_soon_by_who_knows_all_that_was_written_there() {
    let (mut store, mut watch) = (Store::default(), ParameterWatch::default());
    let wanted = kept([(1, 101)]);
    let let_go = Wanted::let_go("production", PREFIX);
    watch.records(PREFIX);
    store.visits(&mut watch, &wanted, (0, 100));
    store.visits(&mut watch, &let_go, (101, 160));
    assert!(watch.has_let_go(PREFIX));
    // So is the one that comes after it.
    let other = |wanted: Wanted<'static>| Wanted {
        prefix: "/other",
        ..wanted
    };
    store.visits(&mut watch, &other(wanted.clone()), (161, 200));
    store.visits(&mut watch, &other(let_go.clone()), (201, 260));
    assert!(watch.has_let_go("/other") && store.there.is_empty());

    // A call without an answer may have been taken.
    let mut watch = ParameterWatch::default();
    watch.records(PREFIX);
    store.refuses = Some((Operation::PutParameter, ErrorClass::Transient));
    store.visit(&mut watch, &wanted, at(1000));
    store.refuses = None;
    store.visits(&mut watch, &let_go, (1001, 1599));
    assert!(!watch.has_let_go(PREFIX));
    store.visits(&mut watch, &let_go, (1600, 1610));
    assert!(watch.has_let_go(PREFIX));
}

#[test]
fn while_a_prefix_is_emptied_it_is_not_read_again_and_again() {
    let (mut store, mut watch) = (Store::default(), ParameterWatch::default());
    let wanted = kept((1..=90).map(|number| (number, 1000 + number)));
    watch.records(PREFIX);
    store.visits(&mut watch, &wanted, (0, 100));
    let let_go = Wanted::let_go("production", PREFIX);
    for name in store.there.keys().cloned().collect::<Vec<_>>() {
        store.put(&name, "ami-12345678", &Tags::new());
    }
    store.visits(&mut watch, &let_go, (701, 730));
    let listings = store.listings;
    // Nothing is deleted in all that time.
    store.visits(&mut watch, &let_go, (731, 745));
    assert_eq!((store.judged, store.listings, store.there.len()), (90, listings, 90));

    // Nor is it where none may be deleted. The one that is asked for now is not meant.
    let (mut store, mut watch) = (Store::default(), ParameterWatch::default());
    store.visits(&mut watch, &wanted, (0, 700));
    store.refuses = Some((Operation::DeleteParameter, ErrorClass::Denied));
    let listings = store.listings;
    store.visits(&mut watch, &let_go, (701, 1300));
    assert_eq!((store.refused, store.listings - listings), (1, 1));
    let said = watch.said(PREFIX, true).expect("something is said");
    assert_eq!((said.status, said.reason), (Status::False, reason::ACCESS_DENIED));
    assert_eq!(
        said.message,
        "promotion.map.ssmPrefix (under /amiseal/images, named before): ssm:DeleteParameter: not permitted; grant \
         ssm:DeleteParameter to the role."
    );
}
