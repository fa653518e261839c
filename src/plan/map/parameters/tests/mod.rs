mod failing;
mod letting_go;
mod paging;
mod store;
mod theirs;

use proptest::prelude::*;

use self::store::{Store, kept, said};
use super::*;
use crate::api::conditions::{self, Status, reason};
use crate::api::{AMIEncryptionTargetSpec, AMIEncryptionTargetStatus, Desired, MigrationState, TargetMapStatus};
use crate::plan::map::tests::{migration, says};
use crate::plan::testing::{at, image_id};

const PREFIX: &str = "/amiseal/images";

const PUBLISHED: (Status, &str) = (Status::True, reason::PUBLISHED);

#[test]
fn each_original_has_its_parameter_a_few_at_a_time_and_then_nothing_is_written() {
    let (mut store, mut watch) = (Store::default(), ParameterWatch::default());
    let wanted = kept((1..=25).map(|number| (number, 100 + number)));
    for (second, written) in [(0, 10), (1, 10), (5, 20), (10, 25), (11, 25)] {
        store.visit(&mut watch, &wanted, at(second));
        assert_eq!(store.there.len(), written, "at {second}");
        assert_eq!(said(&watch), (Status::Unknown, reason::PROGRESSING));
    }
    assert_eq!(watch.due(), Some(at(25)), "it is read whether they show");
    store.visit(&mut watch, &wanted, at(25));
    assert_eq!((said(&watch), watch.due()), (PUBLISHED, Some(at(625))));
    assert_eq!(store.value(7), Some(image_id(107).as_str()));
    let tags = &store.there[&wanted.name(&image_id(7))].2;
    assert!(wanted.owns(tags, &image_id(7)) && !wanted.owns(tags, &image_id(8)));

    // Another copy, another image, and one that somebody has deleted.
    let mut wanted = kept((1..=26).map(|number| (number, 100 + number)));
    wanted.copies.insert(image_id(3), image_id(203));
    store.there.remove(&wanted.name(&image_id(4)));
    store.visit(&mut watch, &wanted, at(30));
    assert_eq!(store.changes.len(), 27);
    assert_eq!(
        (store.value(3), store.value(26).is_some()),
        (Some(image_id(203).as_str()), true)
    );
    assert_eq!(said(&watch), PUBLISHED, "it is brought up to date");
    store.visits(&mut watch, &wanted, (31, 2000));
    assert_eq!(store.value(4), Some(image_id(104).as_str()));
    assert_eq!((store.changes.len(), said(&watch)), (28, PUBLISHED));
}

#[test]
fn who_has_decided_about_an_original_sees_its_parameter_go_at_once_and_all_others_stay_a_while() {
    let (mut store, mut watch) = (Store::default(), ParameterWatch::default());
    let all = kept([(1, 101), (2, 102), (3, 103)]);
    store.visits(&mut watch, &all, (0, 100));
    let mut held = kept([(3, 103)]);
    held.decided.insert(image_id(1));
    store.visit(&mut watch, &held, at(200));
    let there = |store: &Store| [1, 2, 3].map(|original| store.value(original).is_some());
    assert_eq!(there(&store), [false, true, true]);
    // The second one is back in time, and the first one as soon as AWS lets a name be used again.
    store.visits(&mut watch, &held, (210, 220));
    store.visit(&mut watch, &all, at(221));
    assert_eq!(there(&store), [false, true, true]);
    store.visits(&mut watch, &all, (222, 300));
    assert_eq!((there(&store), said(&watch)), ([true; 3], PUBLISHED));
    let one = kept([(3, 103)]);
    store.visits(&mut watch, &one, (301, 900));
    assert_eq!(there(&store), [true; 3]);
    store.visits(&mut watch, &one, (901, 1000));
    assert_eq!((there(&store), said(&watch)), ([false, false, true], PUBLISHED));
}

#[test]
fn a_reading_that_takes_long_is_not_begun_again_as_soon_as_it_ends() {
    let (store, mut watch) = (Store::default(), ParameterWatch::default());
    let wanted = kept([]);
    watch.begins(&wanted, at(0));
    watch.read(&wanted, store.listed(PREFIX), at(0), at(700));
    watch.settle(&wanted, at(700));
    assert_eq!(watch.due(), Some(at(1300)));
    assert!(!watch.is_read_due(&wanted, at(1299)) && watch.is_read_due(&wanted, at(1300)));
}

#[test]
fn what_is_wanted_is_the_map_and_what_people_decide_is_no_accident() {
    let number = |number: u32| migration("111122223333", "eu-west-1", number);
    let mut held = number(2);
    held.spec.desired = Desired::Held;
    let mut copying = number(3);
    copying.status.get_or_insert_default().state = Some(MigrationState::Copying);
    let bad = says(
        number(4),
        conditions::VERIFIED,
        Status::False,
        reason::ATTRIBUTE_MISMATCH,
    );
    // A reading that fails leads to this too.
    let mut unusable = number(5);
    unusable.status.get_or_insert_default().stalled = Some(reason::KEY_NOT_USABLE.to_owned());
    let all = [number(1), held, copying, bad, unusable];
    let wanted = Wanted::kept("production", PREFIX, ApprovalPolicy::Automatic, &all);
    let id = |text: &str| text.parse::<ImageId>().expect("an image");
    let copies: BTreeMap<ImageId, ImageId> = [(id("ami-00000000000000001"), id("ami-f0000000000000001"))].into();
    assert_eq!(wanted.copies, copies);
    assert_eq!(wanted.decided, [id("ami-00000000000000002")].into());
    let wanted = Wanted::kept("production", PREFIX, ApprovalPolicy::Manual, &all[..1]);
    assert!(wanted.copies.is_empty());
    assert_eq!(wanted.decided, [id("ami-00000000000000001")].into());
    assert_eq!(
        wanted.original("/amiseal/images/ami-12345678"),
        Some(id("ami-12345678"))
    );
    for other in [
        "/amiseal/images",
        "/amiseal/imagesami-12345678",
        "/amiseal/images/x",
        "/amiseal/images/a/ami-12345678",
    ] {
        assert_eq!(wanted.original(other), None, "{other}");
    }
}

fn spec(prefix: Option<&str>, mode: &str, suspend: bool) -> AMIEncryptionTargetSpec {
    let map = prefix.map(|prefix| serde_json::json!({"ssmPrefix": prefix}));
    serde_json::from_value(serde_json::json!({
        "policy": "production", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami",
        "mode": mode, "suspend": suspend, "scanInterval": "15m", "otherKey": "Report", "copy": {}, "promotion": {"map": map},
    }))
    .expect("a target's spec")
}

fn on_record(prefix: Option<&str>) -> AMIEncryptionTargetStatus {
    AMIEncryptionTargetStatus {
        map: prefix.map(|prefix| TargetMapStatus {
            ssm_prefix: prefix.to_owned(),
        }),
        ..AMIEncryptionTargetStatus::default()
    }
}

#[test]
fn a_prefix_is_on_record_before_anything_is_written_there_and_until_nothing_is_left() {
    let mut published = ParameterWatch::default();
    Store::default().visits(&mut published, &kept([(1, 101)]), (0, 60));
    let mut let_go = ParameterWatch::default();
    Store::default().visits(&mut let_go, &Wanted::let_go("production", PREFIX), (0, 700));
    let nothing = ParameterWatch::default();
    let other = Some("/other");
    let (here, none) = (Some(PREFIX), None::<&str>);
    let progressing = Some("Unknown/Progressing");
    for (recorded, asked, watch, record, expected) in [
        (none, none, &nothing, none, None),
        (none, here, &nothing, here, progressing),
        (here, here, &nothing, here, progressing),
        (here, here, &published, here, Some("True/Published")),
        (here, none, &published, here, progressing),
        (here, none, &let_go, none, None),
        (here, other, &published, here, progressing),
        (here, other, &let_go, other, progressing),
    ] {
        let mut status = on_record(recorded);
        tell(&mut status, &spec(asked, "Enforce", false), watch, Some(1), at(0));
        let now = status.map.as_ref().map(|map| map.ssm_prefix.as_str());
        let condition = conditions::find(&status.conditions, conditions::MAP_PUBLISHED);
        let says = condition.map(|said| format!("{}/{}", said.status, said.reason));
        let case = format!("{recorded:?} {asked:?}");
        assert_eq!((now, says.as_deref()), (record, expected), "{case}");
        // What is not done is said, and nothing else changes.
        for (mode, suspend, why) in [
            ("Audit", false, "Unknown/Audit"),
            ("Enforce", true, "Unknown/Suspended"),
        ] {
            let mut status = on_record(recorded);
            tell(&mut status, &spec(asked, mode, suspend), watch, Some(1), at(0));
            assert_eq!(status.map, on_record(recorded).map, "{case}");
            let condition = conditions::find(&status.conditions, conditions::MAP_PUBLISHED);
            let says = condition.map(|said| format!("{}/{}", said.status, said.reason));
            let is_any = recorded.is_some() || asked.is_some();
            assert_eq!(says.as_deref(), is_any.then_some(why), "{case}");
        }
    }
}

#[test]
fn what_an_earlier_process_has_said_stays_until_this_one_has_looked() {
    let mut status = on_record(Some(PREFIX));
    let asks = spec(Some(PREFIX), "Enforce", false);
    let mut published = ParameterWatch::default();
    Store::default().visits(&mut published, &kept([(1, 101)]), (0, 60));
    tell(&mut status, &asks, &published, Some(1), at(60));
    let before = status.clone();
    tell(&mut status, &asks, &ParameterWatch::default(), Some(1), at(70));
    assert_eq!(status, before);
    tell(
        &mut status,
        &spec(Some(PREFIX), "Enforce", true),
        &published,
        Some(1),
        at(80),
    );
    tell(&mut status, &asks, &ParameterWatch::default(), Some(1), at(90));
    let said = conditions::find(&status.conditions, conditions::MAP_PUBLISHED).expect("a condition");
    assert_eq!(said.reason, reason::PROGRESSING);
}

/// What happens between two visits.
#[derive(Debug, Clone)]
enum Event {
    /// The map changes: the copy of an original, or none.
    Map(u64, Option<u64>),
    /// Somebody decides about an original.
    Decide(u64),
    /// Somebody puts a parameter of their own in the place of one.
    Put(u64, u64),
    /// Somebody deletes one.
    Delete(u64),
    /// The policy keeps none any more, or does again.
    Turn(bool),
    /// Another process takes over.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..5_u64, prop::option::of(101..104_u64)).prop_map(|(original, copy)| Event::Map(original, copy)),
        1 => (1..5_u64).prop_map(Event::Decide),
        2 => (1..6_u64, 101..104_u64).prop_map(|(original, value)| Event::Put(original, value)),
        1 => (1..6_u64).prop_map(Event::Delete),
        1 => any::<bool>().prop_map(Event::Turn),
        1 => Just(Event::Restart),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_nothing_of_others_changes_and_in_the_end_what_is_ours_is_the_map(
        events in prop::collection::vec((event(), 1..400_i64), 0..24),
        at_a_time in prop::option::of(1..4_usize),
    ) {
        let (mut store, mut watch) = (Store::default(), ParameterWatch::default());
        store.at_a_time = at_a_time;
        let mut wanted = kept([]);
        let mut theirs: BTreeMap<String, (String, i64, Tags)> = BTreeMap::new();
        let mut now = 0;
        for (event, seconds) in events {
            match event {
                Event::Map(original, copy) => {
                    wanted.decided.remove(&image_id(original));
                    wanted.copies.remove(&image_id(original));
                    wanted.copies.extend(copy.map(|copy| (image_id(original), image_id(copy))));
                }
                Event::Decide(original) => {
                    wanted.copies.remove(&image_id(original));
                    wanted.decided.insert(image_id(original));
                }
                Event::Put(original, value) => {
                    let name = wanted.name(&image_id(original));
                    store.put(&name, image_id(value).as_str(), &Tags::new());
                    theirs.insert(name.clone(), store.there[&name].clone());
                }
                Event::Delete(original) => {
                    let name = wanted.name(&image_id(original));
                    store.there.remove(&name);
                    theirs.remove(&name);
                }
                Event::Turn(lets_go) => wanted.lets_go = lets_go,
                Event::Restart => watch = ParameterWatch::default(),
            }
            let mut seen = wanted.clone();
            if wanted.lets_go {
                seen = Wanted::let_go("production", PREFIX);
            }
            store.visits(&mut watch, &seen, (now, now + seconds));
            now += seconds + 1;
            for (name, there) in &theirs {
                prop_assert_eq!(store.there.get(name), Some(there));
            }
        }
        let seen = if wanted.lets_go { Wanted::let_go("production", PREFIX) } else { wanted.clone() };
        store.visits(&mut watch, &seen, (now, now + 3000));
        for original in 1..6 {
            let name = wanted.name(&image_id(original));
            if theirs.contains_key(&name) {
                continue;
            }
            let copy = seen.copies.get(&image_id(original)).map(ImageId::as_str);
            prop_assert_eq!(store.value(original), copy, "{}", original);
        }
        prop_assert_eq!(watch.has_let_go(PREFIX), seen.lets_go);
    }
}
