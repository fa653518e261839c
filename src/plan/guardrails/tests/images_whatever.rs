//! What holds of Allowed AMIs whatever happens: the checks are those of the stage, at each call.

use proptest::prelude::*;

use super::stage::{Stage, allowing, by, failed, spec};
use crate::domain::{ErrorClass, Operation};
use crate::plan::guardrails::{GuardrailWatch, ImagesStanding};

const ENABLE: Operation = Operation::EnableAllowedImagesSettings;

/// Something that happens.
#[derive(Debug, Clone, Copy)]
enum Event {
    Scan,
    /// Somebody sets the state, and criteria that are the policy's or are not.
    Set(&'static str, bool),
    Lag(i64),
    Declared(bool),
    InUse(bool),
    Wanted(&'static str, &'static str),
    WritesLost(bool),
    CallsFail(Option<(ErrorClass, bool)>),
    ReadsFail(Option<ErrorClass>),
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let class = prop::sample::select(vec![ErrorClass::Denied, ErrorClass::Throttled, ErrorClass::Transient]);
    let is_taken = |(class, is_taken): (ErrorClass, bool)| (class, is_taken && class == ErrorClass::Transient);
    let fails = prop::option::of((class.clone(), any::<bool>()).prop_map(is_taken));
    let states = prop::sample::select(vec!["disabled", "audit-mode", "enabled"]);
    let asked = prop::sample::select(vec!["AuditMode", "Enabled"]);
    let providers = prop::sample::select(vec!["amazon", "aws-marketplace"]);
    prop_oneof![
        Just(Event::Scan),
        (states, any::<bool>()).prop_map(|(state, is_ours)| Event::Set(state, is_ours)),
        (0_i64..700).prop_map(Event::Lag),
        any::<bool>().prop_map(Event::Declared),
        any::<bool>().prop_map(Event::InUse),
        (asked, providers).prop_map(|(state, provider)| Event::Wanted(state, provider)),
        any::<bool>().prop_map(Event::WritesLost),
        fails.prop_map(Event::CallsFail),
        prop::option::of(class).prop_map(Event::ReadsFail),
        Just(Event::Restart),
    ]
}

/// A world in which the policy wants these criteria.
struct World {
    stage: Stage,
    provider: &'static str,
    is_in_use: bool,
}

impl World {
    fn happens(&mut self, event: Event) {
        let stage = &mut self.stage;
        match event {
            Event::Scan => stage.watch.scanned(),
            Event::Set(state, is_ours) => {
                stage.allowed = state;
                stage.criteria = by(if is_ours { self.provider } else { "none" });
            }
            Event::Lag(seconds) => stage.lag = seconds,
            Event::Declared(is_declared) => stage.is_declared = is_declared,
            Event::InUse(is_in_use) => self.is_in_use = is_in_use,
            Event::Wanted(state, provider) => {
                stage.spec = spec(&allowing(state, provider), "Enforce");
                stage.generation += 1;
                stage.watch.renewed();
                self.provider = provider;
            }
            Event::WritesLost(are_lost) => stage.loses_writes = are_lost,
            Event::CallsFail(fails) => stage.fails = fails.map(|(class, is_taken)| (failed(ENABLE, class), is_taken)),
            Event::ReadsFail(class) => stage.unread = class.map(|class| failed(ENABLE, class)),
            Event::Restart => stage.watch = GuardrailWatch::default(),
        }
        let criteria = by(self.provider);
        self.stage.in_use = match self.is_in_use {
            true => ImagesStanding::MayRefuse(criteria, "It is in use.".to_owned()),
            false => ImagesStanding::Clear(criteria),
        };
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_nothing_that_is_in_use_comes_to_be_refused_and_in_the_end_they_are_as_wanted(
        history in prop::collection::vec((event(), 1_i64..100), 1..40),
    ) {
        let stage = Stage::of_allowed("Enabled");
        let mut world = World { stage, provider: "amazon", is_in_use: false };
        let mut now = 0;
        for (event, visits) in history {
            world.happens(event);
            let until = now + 5 * visits;
            world.stage.visits((now, until));
            now = until + 5;
        }
        for event in [
            Event::Lag(0), Event::CallsFail(None), Event::ReadsFail(None), Event::Declared(false),
            Event::WritesLost(false), Event::InUse(false), Event::Wanted("Enabled", "amazon"), Event::Scan,
        ] {
            world.happens(event);
        }
        let mut stage = world.stage;
        stage.visits((now, now + 7200));
        prop_assert_eq!(stage.says(), "True/Enforced", "{}", stage.message());
        prop_assert_eq!((stage.allowed, &stage.criteria), ("enabled", &by("amazon")));
    }
}
