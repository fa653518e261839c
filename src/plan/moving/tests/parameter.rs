//! Labels of parameters: which go along, which are left, and which are put back.

use super::super::*;
use super::case::Case;
use crate::api::labels;
use crate::plan::testing::image_id;

/// A parameter that has had these images, with these labels.
fn holding(images: &[u64], labels: &[(&str, i64)]) -> Case {
    let mut case = Case::new();
    case.versions.clear();
    case.values = images.iter().map(|image| image_id(*image).to_string()).collect();
    case.labels = labels
        .iter()
        .map(|(label, version)| ((*label).to_owned(), *version))
        .collect();
    case
}

fn parameter(case: &Case) -> &MovedConsumer {
    case.row(ConsumerKind::Parameter).expect("a row")
}

/// The labels that are on record, before and now.
fn on_record(case: &Case) -> [Vec<(&str, i64)>; 2] {
    let row = parameter(case);
    [&row.previous, &row.current].map(|versions| {
        let labels = versions.iter().flat_map(|versions| &versions.labels);
        labels.map(|label| (label.name.as_str(), label.version)).collect()
    })
}

#[test]
fn labels_of_the_version_that_held_the_original_go_to_that_of_the_copy_and_back_as_often_as_somebody_wants() {
    let mut case = holding(&[9, 1], &[("prod", 2), ("canary", 2), ("first", 1)]);
    let (original, copy) = (image_id(1).to_string(), image_id(2).to_string());
    for (desired, latest, launches, on) in [
        (Desired::Migrated, 3, &copy, 3),
        (Desired::RolledBack, 4, &original, 2),
        (Desired::Migrated, 5, &copy, 5),
        (Desired::RolledBack, 6, &original, 2),
    ] {
        case.desired = desired;
        assert_eq!(case.settle(), Then::Rest, "{:?}", case.rows);
        assert_eq!((case.values.len(), case.values.last()), (latest, Some(launches)));
        for label in ["prod", "canary"] {
            assert_eq!(
                (case.labelled(label), case.launched_by(label)),
                (Some(on), launches.as_str())
            );
        }
        assert_eq!(case.labelled("first"), Some(1));
        let both = |version| vec![("prod", version), ("canary", version)];
        assert_eq!(on_record(&case), [both(2), both(on)]);
        let state = if desired == Desired::Migrated {
            ConsumerState::Moved
        } else {
            ConsumerState::PutBack
        };
        assert_eq!((parameter(&case).state, case.reason()), (state, None));
    }
    // One call for all of them each time: forth after the value, and back before it.
    let moves: Vec<bool> = case
        .changes
        .iter()
        .map(|change| matches!(change, Change::MoveLabels { .. }))
        .collect();
    assert_eq!(moves, [false, true, true, false, false, true, true, false]);
}

#[test]
fn nothing_is_asked_for_where_there_are_no_labels() {
    let mut case = holding(&[1], &[]);
    assert_eq!((case.settle(), case.changes.len()), (Then::Rest, 1));
    case.desired = Desired::RolledBack;
    assert_eq!((case.settle(), case.changes.len()), (Then::Rest, 2));
    assert_eq!(on_record(&case), [vec![], vec![]]);
}

#[test]
fn labels_of_older_versions_are_left_and_where_they_name_the_original_that_is_said() {
    let mut case = holding(&[1, 1], &[("pinned", 1), ("prod", 2)]);
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!((case.labelled("pinned"), case.labelled("prod")), (Some(1), Some(3)));
    let row = parameter(&case);
    let said = row.message.clone().unwrap_or_default();
    assert_eq!(row.state, ConsumerState::Moved);
    assert!(
        said.starts_with("Its version 1 with the label pinned still names the original"),
        "{said}"
    );

    let mut case = holding(&[1, 9], &[("prod", 1), ("canary", 1)]);
    assert_eq!((case.settle(), case.reason()), (Then::Rest, Some(left::LABEL_PINNED)));
    let said = parameter(&case).message.clone().unwrap_or_default();
    assert!(said.contains("version 1 with the labels prod, canary"), "{said}");
    assert_eq!((case.changes.len(), &parameter(&case).previous), (0, &None));
    // Once they are elsewhere, nothing is said.
    case.labels = vec![("prod".to_owned(), 2)];
    assert_eq!((case.settle(), case.rows.len()), (Then::Rest, 0));

    // The same of what somebody holds.
    let mut case = holding(&[1, 9], &[("prod", 1)]);
    case.tags = vec![(labels::TAG_HOLD, "")];
    assert_eq!((case.settle(), case.reason()), (Then::Rest, Some(left::HELD)));
}

#[test]
fn a_label_that_somebody_takes_back_is_theirs() {
    let mut case = holding(&[9, 1], &[("prod", 2)]);
    case.settle();
    let changes = case.changes.len();
    case.labels = vec![("prod".to_owned(), 2)];
    for later in [20_000, 30_000, 40_000] {
        (case.now, case.read_at) = (later, later);
        assert_eq!(
            (case.settle(), case.reason()),
            (Then::Rest, Some(left::REVERTED_BY_OWNER))
        );
    }
    let said = parameter(&case).message.clone().unwrap_or_default();
    assert!(said.contains("its label prod on version 2"), "{said}");
    assert_eq!((case.changes.len(), case.labelled("prod")), (changes, Some(2)));

    // To have it launch something else is nobody's matter, and it stays there also when all else is put back.
    let mut case = holding(&[9, 1], &[("prod", 2), ("canary", 2)]);
    case.settle();
    case.label(1, &["prod".into()]);
    (case.now, case.read_at) = (20_000, 20_000);
    assert_eq!((case.settle(), case.reason()), (Then::Rest, None));
    case.desired = Desired::RolledBack;
    // It might be that it does not show yet.
    assert_eq!(case.settle(), Then::Later(LOOK_AGAIN));
    assert_eq!((case.labelled("prod"), case.labelled("canary")), (Some(1), Some(2)));
    assert_eq!(case.values.last(), Some(&image_id(1).to_string()));
    case.now += 700;
    assert_eq!(case.settle(), Then::Rest);
    let row = parameter(&case);
    let said = row.message.as_deref();
    assert_eq!(
        (row.state, said),
        (
            ConsumerState::PutBack,
            Some("Somebody has moved its label prod since, which stays there.")
        )
    );
    assert_eq!(case.labelled("prod"), Some(1));
}

#[test]
fn what_somebody_does_with_a_label_while_it_is_about_to_be_moved_is_respected() {
    let mut case = holding(&[9, 1], &[("prod", 2)]);
    assert_eq!(case.step(0, false), None);
    assert_eq!(on_record(&case), [vec![("prod", 2)], vec![]]);
    assert_eq!(case.step(0, false), None);
    assert_eq!(case.values.len(), 3);
    case.label(1, &["prod".into()]);
    assert_eq!(case.settle(), Then::Later(LOOK_AGAIN));
    case.now += 700;
    assert_eq!((case.settle(), case.changes.len()), (Then::Rest, 1));
    assert_eq!(
        (parameter(&case).state, case.labelled("prod")),
        (ConsumerState::Moved, Some(1))
    );
    assert_eq!(on_record(&case), [vec![("prod", 2)], vec![]]);
    case.desired = Desired::RolledBack;
    assert_eq!((case.settle(), case.labelled("prod")), (Then::Rest, Some(1)));

    // A value that somebody has put since has the latest version, and the labels stay at what they name.
    let mut case = holding(&[9, 1], &[("prod", 2)]);
    case.step(0, false);
    case.step(0, false);
    case.values.push(image_id(9).to_string());
    assert_eq!((case.settle(), case.labelled("prod")), (Then::Rest, Some(2)));
    let said = parameter(&case).message.clone().unwrap_or_default();
    assert!(said.contains("version 2 with the label prod still"), "{said}");
}

#[test]
fn a_label_whose_version_is_gone_stays_and_a_person_is_told() {
    let mut case = holding(&[9, 1], &[("prod", 2)]);
    case.settle();
    case.oldest = 3;
    case.desired = Desired::RolledBack;
    assert_eq!(
        (case.settle(), case.reason()),
        (Then::Rest, Some(left::CANNOT_PUT_BACK))
    );
    assert_eq!(
        (case.values.last(), case.labelled("prod")),
        (Some(&image_id(1).to_string()), Some(3))
    );
}

#[test]
fn labels_are_put_back_also_where_nothing_is_on_record() {
    let mut case = holding(&[9, 1], &[("prod", 2), ("first", 1)]);
    case.settle();
    case.rows.clear();
    case.desired = Desired::RolledBack;
    case.read_at = case.now;
    assert_eq!(case.settle(), Then::Rest, "{:?}", case.rows);
    assert_eq!((case.labelled("prod"), case.labelled("first")), (Some(2), Some(1)));
    assert_eq!(case.values.last(), Some(&image_id(1).to_string()));
}

#[test]
fn a_parameter_that_a_map_is_kept_in_is_neither_moved_nor_put_back() {
    for (image, desired) in [(1, Desired::Migrated), (2, Desired::RolledBack)] {
        let mut case = holding(&[9, image], &[]);
        case.tags = vec![
            (labels::TAG_POLICY, "production"),
            (labels::TAG_SOURCE_IMAGE, "ami-12345678"),
        ];
        case.desired = desired;
        assert_eq!(case.settle(), Then::Rest, "{:?}", case.rows);
        assert_eq!((case.changes.len(), case.rows.len()), (0, 0), "{desired:?}");
    }
}

#[test]
fn a_parameter_whose_tags_somebody_has_removed_is_not_put_back_where_a_map_may_be_kept_in_it() {
    let golden = "/golden/web".to_owned();
    for (images, name, is_put_back) in [
        (&[1, 2][..], golden.clone(), true),
        // amiseal has made it.
        (&[2], golden, false),
        (&[9, 2], format!("/amiseal/images/{}", image_id(1)), false),
    ] {
        let mut case = holding(images, &[]);
        case.parameter = name;
        case.by_amiseal = vec![i64::try_from(images.len()).expect("few")];
        case.desired = Desired::RolledBack;
        assert_eq!(case.settle(), Then::Rest, "{images:?}: {:?}", case.rows);
        assert_eq!(!case.changes.is_empty(), is_put_back, "{images:?}");
    }
}
