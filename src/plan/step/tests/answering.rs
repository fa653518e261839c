//! What the answers to calls leave on record, and what is to be done where AWS contradicts itself.

use super::*;

fn warning(case: &Case, answer: Answer<'_>) -> Option<String> {
    let inventory = case.inventory();
    let answered = answered(case.facts(&inventory), answer, at(case.now));
    answered.warning.map(|warning| warning.message)
}

fn asked() -> (Case, CopyCall) {
    let mut case = Case::new();
    match case.settle() {
        Next::Do(Effect::Copy(call)) => (case, call),
        other => panic!("no call: {other:?}"),
    }
}

#[test]
fn a_copy_that_failed_is_warned_of_with_what_its_snapshots_say_before_what_the_image_does() {
    let (mut case, call) = asked();
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    let says = |case: &Case, why: &str| {
        let warning = warning(case, Answer::Removed(&id)).expect("a warning");
        assert_eq!(
            warning,
            format!("AWS could not make the copy ({why}); check the key's policy.")
        );
    };
    says(&case, "it does not say why");
    case.change_copy(&id, |copy| {
        copy.extras.get_or_insert_default().state_code = Some("Client.InternalError".into())
    });
    says(&case, "Client.InternalError");
    let copy = &case.world.images[&id];
    let (_, _, snapshot) = copy.volumes().next().expect("a snapshot");
    let snapshot = snapshot.clone();
    let known = case.world.snapshots.get(&snapshot).expect("it is known").clone();
    case.world.snapshots.insert(
        snapshot,
        Snapshot {
            extras: Some(Box::new(crate::domain::SnapshotExtras {
                why: Some("Given key ID is not accessible".into()),
                ..crate::domain::SnapshotExtras::default()
            })),
            ..known
        },
    );
    says(&case, "Given key ID is not accessible");
}

#[test]
fn what_is_left_of_a_copy_says_why_it_failed_where_the_image_is_gone() {
    let (mut case, _) = asked();
    let gone = image_id(101);
    case.accept_copy(&gone);
    let remains = Remains {
        why: Some("KMS refused".into()),
        ..Remains::default()
    };
    case.remains.insert(gone.clone(), remains);
    let warning = warning(&case, Answer::Removed(&gone)).expect("a warning");
    assert!(warning.contains("(KMS refused)"), "{warning}");
    case.answer(Answer::Removed(&gone));
    assert_eq!(case.state(), MigrationState::Pending);
    assert_eq!(case.status.copy.as_ref().and_then(|copy| copy.failures), Some(1));
}

#[test]
fn a_token_or_name_that_is_taken_is_given_up_only_where_its_copy_cannot_be_on_the_way() {
    let (mut case, call) = asked();
    let judged = |case: &Case, is_name_taken, after| {
        let inventory = case.inventory();
        contradiction(case.facts(&inventory), is_name_taken, at(case.now + after))
    };
    assert_eq!(judged(&case, false, 599), Contradiction::Unclear, "it may not show yet");
    assert_eq!(judged(&case, false, 600), Contradiction::Useless);
    assert_eq!(
        judged(&case, true, 0),
        Contradiction::Useless,
        "somebody else's, for ever"
    );
    case.make_copy(&call, 101);
    assert_eq!(judged(&case, true, 600), Contradiction::Adoptable);
}
