use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time that exists")
}

fn set(conditions: &mut Vec<Condition>, status: Status, reason: &str, message: &str, second: i64) {
    set_condition(conditions, READY, status, reason, message, Some(second), at(second));
}

#[test]
fn a_condition_that_was_never_set_is_added() {
    let mut conditions = Vec::new();
    set(&mut conditions, Status::False, reason::PROGRESSING, "copying", 1);
    assert_eq!(
        conditions,
        [Condition {
            type_: "Ready".to_owned(),
            status: "False".to_owned(),
            reason: "Progressing".to_owned(),
            message: "copying".to_owned(),
            observed_generation: Some(1),
            last_transition_time: Time(at(1)),
        }]
    );
}

#[test]
fn a_transition_is_a_change_of_status_and_of_nothing_else() {
    let mut conditions = Vec::new();
    set(&mut conditions, Status::False, reason::COPYING, "one", 1);
    set(&mut conditions, Status::False, reason::VERIFYING, "two", 2);
    let ready = find(&conditions, READY).expect("set before");
    assert_eq!(ready.last_transition_time, Time(at(1)));
    assert_eq!((ready.reason.as_str(), ready.message.as_str()), ("Verifying", "two"));
    assert_eq!(ready.observed_generation, Some(2));

    set(&mut conditions, Status::True, reason::SUCCEEDED, "three", 3);
    let ready = find(&conditions, READY).expect("set before");
    assert_eq!(ready.last_transition_time, Time(at(3)));
}

#[test]
fn setting_the_same_again_later_changes_nothing() {
    let mut conditions = Vec::new();
    set_condition(
        &mut conditions,
        READY,
        Status::True,
        reason::SUCCEEDED,
        "",
        Some(1),
        at(1),
    );
    let before = conditions.clone();
    set_condition(
        &mut conditions,
        READY,
        Status::True,
        reason::SUCCEEDED,
        "",
        Some(1),
        at(9),
    );
    assert_eq!(conditions, before);
}

#[test]
fn conditions_of_other_types_stay_and_keep_their_order() {
    let mut conditions = Vec::new();
    for type_ in [READY, STALLED, COMPLIANT, STALLED] {
        set_condition(
            &mut conditions,
            type_,
            Status::Unknown,
            reason::INITIALIZING,
            "",
            None,
            at(1),
        );
    }
    let types: Vec<_> = conditions.iter().map(|condition| condition.type_.as_str()).collect();
    assert_eq!(types, [READY, STALLED, COMPLIANT]);
}

#[test]
fn only_true_is_true() {
    for (status, holds) in [(Status::True, true), (Status::False, false), (Status::Unknown, false)] {
        let mut conditions = Vec::new();
        assert!(!is_true(&conditions, READY), "not before it was set");
        set(&mut conditions, status, reason::SUCCEEDED, "", 1);
        assert_eq!(is_true(&conditions, READY), holds);
        assert!(has_status(&conditions, READY, status));
    }
}

#[test]
fn a_message_that_the_schema_would_refuse_is_cut() {
    let mut conditions = Vec::new();
    for (length, kept) in [(MAX_MESSAGE, MAX_MESSAGE), (MAX_MESSAGE + 1, MAX_MESSAGE)] {
        set(&mut conditions, Status::False, reason::COPYING, &"é".repeat(length), 1);
        let message = &find(&conditions, READY).expect("set").message;
        assert_eq!(message.chars().count(), kept);
        assert_eq!(message.ends_with('…'), length > MAX_MESSAGE);
    }
}

#[test]
fn conditions_say_the_same_whatever_their_messages_and_order() {
    let made = |ready: Status, why: &str, message: &str| {
        let mut conditions = Vec::new();
        set(&mut conditions, ready, why, message, 1);
        conditions
    };
    let one = made(Status::False, reason::COPYING, "1 image");
    assert!(say_the_same(&one, &made(Status::False, reason::COPYING, "2 images")));
    assert!(!say_the_same(&one, &made(Status::True, reason::COPYING, "1 image")));
    assert!(!say_the_same(&one, &made(Status::False, reason::VERIFYING, "1 image")));
    assert!(!say_the_same(&one, &[]));
}

#[test]
fn reasons_are_camel_case_words_that_differ() {
    let mut seen = std::collections::BTreeSet::new();
    for reason in reason::ALL {
        assert!(seen.insert(reason), "{reason} is there twice");
        assert!(reason.starts_with(|first: char| first.is_ascii_uppercase()), "{reason}");
        assert!(reason.chars().all(|letter| letter.is_ascii_alphanumeric()), "{reason}");
    }
}
