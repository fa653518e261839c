//! Parameters that somebody else has made.

use super::super::*;
use super::store::{Store, kept, said};
use super::{PREFIX, PUBLISHED};
use crate::api::conditions::{Status, reason};
use crate::plan::testing::{at, image_id};

#[test]
fn what_is_not_ours_is_left_as_it_is_and_told_where_it_is_in_the_way() {
    let (mut store, mut watch) = (Store::default(), ParameterWatch::default());
    let wanted = kept([(1, 101), (2, 102), (3, 103)]);
    let of_another = Wanted {
        policy: "staging",
        ..wanted.clone()
    };
    let theirs = of_another.parameter(&image_id(2), &image_id(999));
    store.put(&theirs.name, &theirs.value, &theirs.tags);
    // It says the right thing, and is nobody's of ours all the same.
    store.put(&wanted.name(&image_id(3)), image_id(103).as_str(), &Tags::new());
    // These are not asked for.
    store.put(&wanted.name(&image_id(4)), image_id(104).as_str(), &Tags::new());
    store.put(&format!("{PREFIX}/readme"), "keep", &Tags::new());
    store.put(&format!("{PREFIX}/ami-12345678/nested"), "keep", &Tags::new());
    let before = store.there.clone();
    store.visits(&mut watch, &wanted, (0, 4000));
    assert_eq!(said(&watch), (Status::False, reason::NOT_OURS));
    let message = &watch.said(PREFIX, false).expect("a message").message;
    let name = wanted.name(&image_id(2));
    assert!(
        message.starts_with(&format!("promotion.map.ssmPrefix: parameter {name} exists already")),
        "{message}"
    );
    assert_eq!(store.changes, [wanted.name(&image_id(1))]);
    for (name, there) in &before {
        assert_eq!(store.there.get(name), Some(there), "{name}");
    }
    // Whoever deletes it has it made.
    store.there.remove(&name);
    store.visits(&mut watch, &wanted, (4001, 5000));
    assert_eq!(
        (said(&watch), store.value(2)),
        (PUBLISHED, Some(image_id(102).as_str()))
    );
    assert_eq!(store.judged, 3, "once an hour, and once of what is in nobody's way");
    let judged = store.judged;
    store.visits(&mut watch, &wanted, (5001, 50_000));
    assert_eq!(
        store.judged, judged,
        "it is not asked again and again whose a parameter is that is in nobody's way"
    );
}

#[test]
fn one_that_is_not_ours_is_told_too_where_its_original_is_to_leave_the_map() {
    let (mut store, mut watch) = (Store::default(), ParameterWatch::default());
    let mut wanted = kept([(2, 102)]);
    wanted.decided.insert(image_id(1));
    let name = wanted.name(&image_id(1));
    store.put(&name, image_id(101).as_str(), &Tags::new());
    store.visits(&mut watch, &wanted, (0, 3000));
    let message = &watch.said(PREFIX, false).expect("a message").message;
    let expected = format!("promotion.map.ssmPrefix: parameter {name} is not this policy's, so it stays though");
    assert!(message.starts_with(&expected), "{message}");
    assert_eq!((said(&watch), store.judged), ((Status::False, reason::NOT_OURS), 1));
    // Somebody gives it the tags: it is asked again within an hour.
    let ours = wanted.parameter(&image_id(1), &image_id(101));
    if let Some((.., tags)) = store.there.get_mut(&name) {
        *tags = ours.tags;
    }
    store.visits(&mut watch, &wanted, (3001, 3599));
    assert_eq!(store.value(1), Some(image_id(101).as_str()));
    store.visits(&mut watch, &wanted, (3600, 4300));
    assert_eq!((store.value(1), said(&watch)), (None, PUBLISHED));
    // One that holds the original leads nobody to the copy.
    store.put(&name, image_id(1).as_str(), &Tags::new());
    store.visits(&mut watch, &wanted, (4301, 6000));
    assert_eq!((store.judged, said(&watch)), (3, PUBLISHED));
}

#[test]
fn tags_that_do_not_show_yet_make_nothing_somebody_elses() {
    let (mut store, mut watch) = (Store::default(), ParameterWatch::default());
    let wanted = kept([(1, 101)]);
    store.visits(&mut watch, &wanted, (0, 20));
    let name = wanted.name(&image_id(1));
    let hidden = store.there[&name].2.clone();
    let set = |store: &mut Store, tags: Tags| {
        if let Some((.., known)) = store.there.get_mut(&name) {
            *known = tags;
        }
    };
    set(&mut store, Tags::new());
    let mut held = kept([]);
    held.decided.insert(image_id(1));
    store.visits(&mut watch, &held, (21, 80));
    assert_eq!((store.judged, store.value(1).is_some()), (1, true));
    set(&mut store, hidden);
    store.visits(&mut watch, &held, (81, 90));
    assert_eq!((store.judged, store.value(1)), (2, None));
    assert_eq!(said(&watch), PUBLISHED);
}

#[test]
fn a_name_that_is_taken_without_having_been_shown_is_read_again_and_never_taken_over() {
    let (mut store, mut watch) = (Store::default(), ParameterWatch::default());
    let wanted = kept([(1, 101)]);
    store.visit(&mut watch, &kept([]), at(0));
    let name = wanted.name(&image_id(1));
    store.put(&name, "ami-12345678", &Tags::new());
    store.visits(&mut watch, &wanted, (1, 60));
    assert_eq!(said(&watch), (Status::False, reason::NOT_OURS));
    assert_eq!(store.there[&name].0, "ami-12345678");
    assert!(store.changes.is_empty());
}
