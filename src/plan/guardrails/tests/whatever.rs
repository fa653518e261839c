//! What holds whatever happens: the checks are those of the stage, at each call.

use proptest::prelude::*;
use serde_json::json;

use super::stage::{Stage, failed, spec, usable};
use super::{BLOCK, GuardrailWatch};
use crate::domain::{ErrorClass, KeyProblem};
use crate::plan::guardrails::KeyStanding;
use crate::plan::obstacle::KeyView;
use crate::plan::testing::key;

/// Something that happens.
#[derive(Debug, Clone, Copy)]
enum Event {
    Nothing,
    Scan,
    TurnedOff,
    KeyChangedBySomebody,
    Lag(i64),
    Declared(bool),
    KeyDisabled(bool),
    KeyForbidden(bool),
    Audit(bool),
    Off(bool),
    Governed(bool),
    WritesLost(bool),
    CallsFail(Option<(ErrorClass, bool)>),
    ReadsFail(Option<ErrorClass>),
    Restart,
    Renewed,
}

fn event() -> impl Strategy<Value = Event> {
    let class = prop::sample::select(vec![
        ErrorClass::Denied,
        ErrorClass::Throttled,
        ErrorClass::Transient,
        ErrorClass::Invalid,
        ErrorClass::NotOurs,
    ]);
    let is_taken = |(class, is_taken): (ErrorClass, bool)| (class, is_taken && class == ErrorClass::Transient);
    let fails = prop::option::of((class.clone(), any::<bool>()).prop_map(is_taken));
    prop_oneof![
        Just(Event::Nothing),
        Just(Event::Scan),
        Just(Event::TurnedOff),
        Just(Event::KeyChangedBySomebody),
        (0_i64..700).prop_map(Event::Lag),
        any::<bool>().prop_map(Event::Declared),
        any::<bool>().prop_map(Event::KeyDisabled),
        any::<bool>().prop_map(Event::KeyForbidden),
        any::<bool>().prop_map(Event::Audit),
        any::<bool>().prop_map(Event::Off),
        any::<bool>().prop_map(Event::Governed),
        any::<bool>().prop_map(Event::WritesLost),
        fails.prop_map(Event::CallsFail),
        prop::option::of(class).prop_map(Event::ReadsFail),
        Just(Event::Restart),
        Just(Event::Renewed),
    ]
}

fn all_enforced(mode: &str) -> crate::api::AMIEncryptionTargetSpec {
    let settings = json!({"ebsEncryptionByDefault": "Enforce", "imageBlockPublicAccess": "Enforce",
        "snapshotBlockPublicAccess": "Enforce", "allowedImages": {"mode": "Ignore"}});
    spec(&settings, mode)
}

fn happens(stage: &mut Stage, event: Event) {
    match event {
        Event::Nothing => {}
        Event::Scan => stage.watch.scanned(),
        Event::TurnedOff => (stage.is_on, stage.images, stage.snapshots) = (false, "unblocked", "unblocked"),
        Event::KeyChangedBySomebody => stage.default_key = key(7).as_str().into(),
        Event::Lag(seconds) => stage.lag = seconds,
        Event::Declared(is_declared) => stage.is_declared = is_declared,
        Event::KeyDisabled(true) => stage.key = KeyView::Unresolved(KeyProblem::Disabled),
        Event::KeyDisabled(false) => stage.key = usable(1),
        // That is told by a reading alone.
        Event::KeyForbidden(is_forbidden) => {
            stage.standing = if is_forbidden {
                KeyStanding::Unusable(key(1), "They may not use it.".to_owned())
            } else {
                KeyStanding::Usable(key(1))
            };
            stage.watch.scanned();
        }
        Event::Audit(true) => stage.spec = all_enforced("Audit"),
        Event::Audit(false) => stage.spec = all_enforced("Enforce"),
        // A setting that is taken away and put back, by one process.
        Event::Off(is_off) => stage.spec.guardrails = all_enforced("Enforce").guardrails.filter(|_| !is_off),
        Event::Governed(is_governed) => {
            let settings = stage.spec.guardrails.clone().filter(|_| is_governed);
            stage.older = vec![("older", settings)];
        }
        Event::WritesLost(are_lost) => stage.loses_writes = are_lost,
        Event::CallsFail(fails) => stage.fails = fails.map(|(class, is_taken)| (failed(BLOCK, class), is_taken)),
        Event::ReadsFail(class) => stage.unread = class.map(|class| failed(BLOCK, class)),
        // Without the setting nothing of it is on record.
        Event::Restart if stage.spec.guardrails.is_none() => {}
        Event::Restart => stage.watch = GuardrailWatch::default(),
        Event::Renewed => stage.watch.renewed(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_is_set_twice_too_soon_nor_what_is_not_amiseals_to_set_and_in_the_end_all_of_it_holds(
        history in prop::collection::vec((event(), 1_i64..100), 1..40),
    ) {
        let mut stage = Stage::new();
        let mut now = 0;
        let mut is_cleared = false;
        for (event, visits) in history {
            // Whoever takes the setting away for good leaves no record to a new process.
            is_cleared |= stage.spec.guardrails.is_none();
            if !(is_cleared && matches!(event, Event::Restart)) {
                happens(&mut stage, event);
            }
            let until = now + 5 * visits;
            stage.visits((now, until));
            now = until + 5;
        }
        (stage.lag, stage.fails, stage.unread) = (0, None, None);
        (stage.is_declared, stage.loses_writes) = (false, false);
        stage.spec = all_enforced("Enforce");
        stage.older.clear();
        stage.key = usable(1);
        stage.standing = KeyStanding::Usable(key(1));
        stage.watch.scanned();
        stage.visits((now, now + 3600));
        prop_assert_eq!(stage.says(), "True/Enforced", "{}", stage.message());
        prop_assert!(stage.is_on && *stage.default_key == *key(1).as_str());
    }
}
