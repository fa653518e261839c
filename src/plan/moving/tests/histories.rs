//! Histories: reads that come late, answers that are lost, and people who want this and that.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::*;
use super::case::{Case, number, pins};
use crate::api::labels;
use crate::domain::{GroupPart, ImageRef, Named, Place};
use crate::plan::testing::image_id;

/// What the group launches: nothing, or a template's version, perhaps with overrides.
fn parts() -> impl Strategy<Value = Vec<GroupPart>> {
    let image = GroupPart {
        at: Place::Image(2),
        names: Named::Image(ImageRef::Image(image_id(1))),
    };
    prop::sample::select(vec![
        Vec::new(),
        vec![pins(Place::Template, 1)],
        vec![pins(Place::Template, 1), pins(Place::Override(1), 1), image],
    ])
}

/// Whether a part names what was there before, or what was made of exactly that.
fn is_of_same(case: &Case, before: &[GroupPart], part: &GroupPart) -> bool {
    let Some(was) = before.iter().find(|was| was.at == part.at) else {
        return false;
    };
    let (Some(old), Some(new)) = (number(was), number(part)) else {
        return matches!(&part.names, Named::Image(ImageRef::Image(id)) if [image_id(1), image_id(2)].contains(id));
    };
    let made = case.versions.iter().find(|version| version.number == new);
    let made = made.and_then(|version| version.description.as_deref());
    old == new || made.is_some_and(|text| template::made_of(text, &image_id(1), &image_id(2)) == Some(old))
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Step {
        behind: usize,
        loses_answer: bool,
    },
    Reads,
    Passes(i64),
    Holds(bool),
    Wants(Desired),
    /// A refresh that goes on ends so.
    Ends(&'static str),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let desired = prop::sample::select(vec![Desired::Migrated, Desired::RolledBack, Desired::Held]);
    let event = prop_oneof![
        6 => (0usize..3, any::<bool>()).prop_map(|(behind, loses_answer)| Event::Step { behind, loses_answer }),
        2 => Just(Event::Reads),
        1 => (1i64..2000).prop_map(Event::Passes),
        1 => any::<bool>().prop_map(Event::Holds),
        1 => desired.prop_map(Event::Wants),
        1 => prop::sample::select(vec!["Successful", "Failed"]).prop_map(Event::Ends),
    ];
    prop::collection::vec(event, 0..60)
}

/// The refresh that goes on ends so, if there is one; one that is turned back comes to the end of that.
fn end(case: &mut Case, status: &str) {
    let active = case.refreshes.iter().find(|refresh| refresh.is_active());
    match active.map(|active| &*active.status) {
        Some("RollbackInProgress") => case.end("RollbackSuccessful"),
        Some(_) => case.end(status),
        None => {}
    }
}

proptest! {
    /// Whatever is read late, whatever answer is lost, and whatever people want: each version that is made is made of the latest one
    /// or puts back, nothing but original and copy is ever named, no two refreshes are asked for where one is, labels of older versions of a
    /// parameter stay, and in the end everything is as people want it, unless a refresh has failed.
    #[test]
    fn every_history_comes_to_what_people_want(events in events(), parts in parts(), labels in 0usize..3, refreshes: bool, ends in prop::sample::select(vec![Desired::Migrated, Desired::RolledBack])) {
        let mut case = Case::new();
        case.values = vec![image_id(1).to_string(); 2];
        let labels = &["prod", "canary"][..labels];
        case.labels = labels.iter().map(|label| ((*label).to_owned(), 2)).collect();
        case.labels.push(("pinned".to_owned(), 1));
        case.parts = parts;
        let before = case.parts.clone();
        if refreshes && !before.is_empty() {
            case.promotion().auto_scaling_groups = GroupUpdate::Refresh;
            case.instances = vec![1, 1];
        }
        let wants = 1 + events.iter().filter(|event| matches!(event, Event::Wants(_))).count();
        for event in events {
            case.now += 1;
            match event {
                Event::Step { behind, loses_answer } => {
                    case.step(behind, loses_answer);
                }
                Event::Reads => case.read_at = case.now,
                Event::Passes(seconds) => case.now += seconds,
                Event::Holds(held) => case.tags = if held { vec![(labels::TAG_HOLD, "")] } else { Vec::new() },
                Event::Wants(desired) => case.desired = desired,
                Event::Ends(status) => end(&mut case, status),
            }
            for change in &case.changes {
                let change = match change {
                    Change::SetGroup(change) => Some(change),
                    Change::StartRefresh(start) => Some(&start.change),
                    _ => None,
                };
                if let Some(change) = change {
                    prop_assert!(change.to.iter().all(|part| is_of_same(&case, &before, part)), "{:?} {:?}", change, case.versions);
                }
            }
            for version in &case.versions {
                let named = case.launches(version.number);
                prop_assert!([image_id(1), image_id(2)].contains(&named));
            }
            prop_assert_eq!(case.labelled("pinned"), Some(1));
        }
        case.tags.clear();
        case.desired = ends;
        for _ in 0..120 {
            case.now += 60;
            case.read_at = case.now;
            case.step(0, false);
            if case.now % 180 < 60 {
                end(&mut case, "Successful");
            }
        }
        // One forth and one back for each time that somebody has wanted something.
        prop_assert!(case.refreshes.len() <= 2 * (wants + 1), "{:?}", case.refreshes);
        if case.rows.iter().any(refresh::has_failed) {
            return Ok(());
        }
        let rows: HashMap<&str, &MovedConsumer> = case.rows.iter().map(|row| (row.kind.as_str(), row)).collect();
        let wanted = if ends == Desired::Migrated { image_id(2) } else { image_id(1) };
        let is_left = |kind: ConsumerKind| rows.get(kind.as_str()).is_some_and(|row| row.state == ConsumerState::Left);
        let template = ConsumerKind::LaunchTemplate;
        prop_assert!(is_left(template) || case.launches(case.latest()) == wanted && case.launches(case.default) == wanted,
            "{:?} default {} {:?}", case.versions, case.default, case.rows);
        let launches = |part: &GroupPart| match &part.names {
            Named::Image(image) => image.clone(),
            Named::Version(..) => ImageRef::Image(case.launches(number(part).expect("a number"))),
        };
        let group = ConsumerKind::AutoScalingGroup;
        prop_assert!(is_left(group) || case.parts.iter().all(|part| launches(part) == ImageRef::Image(wanted.clone())),
            "{:?} {:?} {:?}", case.parts, case.versions, case.rows);
        prop_assert!(is_left(group) || ends == Desired::Migrated || case.parts == before, "{:?} {:?}", before, case.parts);
        prop_assert!(is_left(group) || case.instances.iter().all(|run| image_id(*run) == wanted), "{:?} {:?}", case.instances, case.rows);
        let parameter = ConsumerKind::Parameter;
        prop_assert!(is_left(parameter) || case.values.last() == Some(&wanted.to_string()), "{:?} {:?}", case.values, case.rows);
        for label in labels {
            let is_so = case.launched_by(label) == wanted.as_str();
            prop_assert!(is_left(parameter) || is_so, "{:?} {:?} {:?}", case.labels, case.values, case.rows);
            prop_assert!(is_left(parameter) || ends == Desired::Migrated || case.labelled(label) == Some(2), "{:?}", case.labels);
        }
    }
}
