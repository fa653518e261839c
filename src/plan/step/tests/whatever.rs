//! Whatever happens between two steps.

use super::*;

/// What may happen between two steps.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A step: a status is written, or a call is made and answered.
    Step,
    /// A call has its effect, and the process dies before it hears of it.
    EffectThenCrash,
    /// All statuses are lost, as when the policy is deleted and applied again.
    Forget,
    /// The copy in flight is done, or has failed.
    Done,
    Fail,
    /// A day goes by.
    Later,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => Just(Event::Step),
        1 => Just(Event::EffectThenCrash),
        1 => Just(Event::Forget),
        2 => Just(Event::Done),
        1 => Just(Event::Fail),
        1 => Just(Event::Later),
    ]
}

proptest! {
    /// AWS answers a token that it knows with the image that it made for it. Under that, whatever crashes and fails, the
    /// copies that had an effect are those that were needed plus those that failed.
    #[test]
    fn whatever_happens_no_more_copies_are_made_than_are_needed(events in prop::collection::vec(event(), 0..60)) {
        let mut case = Case::new();
        let mut tokens: std::collections::HashMap<String, ImageId> = std::collections::HashMap::new();
        let (mut made, mut failed, mut number) = (0, 0, 100);
        for event in events.into_iter().chain([Event::Step; 12]) {
            match event {
                Event::Step | Event::EffectThenCrash => {
                    let step = case.step();
                    if step.status != case.status {
                        case.status = step.status;
                        continue;
                    }
                    match step.then {
                        Next::Do(Effect::Copy(call)) => {
                            let recorded = case.status.copy.clone().expect("an intent");
                            prop_assert_eq!(&recorded.client_token, &call.client_token);
                            let known = tokens.get(&call.client_token).cloned();
                            let id = known.unwrap_or_else(|| {
                                number += 1;
                                made += 1;
                                let id = case.make_copy(&call, number);
                                case.change_copy(&id, |copy| copy.state = ImageState::Pending);
                                tokens.insert(call.client_token.clone(), id.clone());
                                id
                            });
                            if !matches!(event, Event::EffectThenCrash) {
                                case.accept_copy(&id);
                            }
                        }
                        Next::Do(Effect::RemoveFailed(id)) => {
                            prop_assert_eq!(case.world.images[&id].state, ImageState::Failed);
                            case.change_copy(&id, |copy| copy.state = ImageState::Deregistered);
                            case.answer(Answer::Removed(&id));
                        }
                        Next::Wait => {}
                        other => prop_assert!(false, "nothing is to be published or moved: {other:?}"),
                    }
                }
                Event::Forget => case.status = AMIMigrationStatus::default(),
                Event::Done | Event::Fail => {
                    let pending = case.world.images.values().find(|i| i.state == ImageState::Pending).map(|i| i.id.clone());
                    if let Some(id) = pending {
                        let fails = matches!(event, Event::Fail);
                        failed += usize::from(fails);
                        let state = if fails { ImageState::Failed } else { ImageState::Available };
                        case.change_copy(&id, |copy| copy.state = state);
                    }
                }
                Event::Later => case.now += 86_400,
            }
            let alive = case.world.images.values().filter(|image| {
                image.copied_from.is_some() && matches!(image.state, ImageState::Pending | ImageState::Available)
            });
            prop_assert!(alive.count() <= 1, "two copies at a time");
            prop_assert!(made <= failed + 1, "{made} copies, {failed} of them failed");
            if case.status.state == Some(MigrationState::Completed) {
                let copy = case.status.copy.as_ref().and_then(|copy| copy.image_id.as_deref());
                let copy = case.world.images.values().find(|image| Some(image.id.as_str()) == copy);
                prop_assert_eq!(copy.map(|copy| copy.state), Some(ImageState::Available));
            }
        }
    }
}
