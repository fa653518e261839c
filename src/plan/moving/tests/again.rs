//! What was put back, where the migration was deleted and made anew.

use super::super::*;
use super::case::{Case, version};
use crate::api::labels::{self, TAG_SOURCE_IMAGE};
use crate::api::{Approval, ApprovalPolicy};
use crate::domain::{GroupPart, ImageRef, Named, Place};
use crate::plan::testing::image_id;

fn template() -> Case {
    Case::new()
}

fn parameter() -> Case {
    Case {
        versions: Vec::new(),
        values: vec![image_id(1).to_string()],
        ..Case::new()
    }
}

fn group() -> Case {
    Case {
        versions: Vec::new(),
        parts: vec![GroupPart {
            at: Place::Image(1),
            names: Named::Image(ImageRef::Image(image_id(1))),
        }],
        ..Case::new()
    }
}

/// It was moved and put back, and then its migration was deleted, and made anew.
fn forgotten(mut case: Case) -> Case {
    assert_eq!(case.settle(), Then::Rest);
    case.desired = Desired::RolledBack;
    assert_eq!(case.settle(), Then::Rest);
    case.rows.clear();
    case.desired = Desired::Migrated;
    (case.now, case.read_at) = (20_000, 20_000);
    case
}

#[test]
fn what_was_put_back_is_not_moved_by_a_migration_that_was_made_anew_before_somebody_approves_it() {
    for (case, who) in [
        (template(), "LaunchTemplate lt-1"),
        (parameter(), "Parameter /golden/web"),
        (group(), "AutoScalingGroup fleet"),
    ] {
        let mut case = forgotten(case);
        let changes = case.changes.len();
        for policy in [ApprovalPolicy::Automatic, ApprovalPolicy::Manual] {
            case.promotion().approval = policy;
            let Then::Stalled(problem) = case.settle() else {
                panic!("{who}: {:?}", case.rows)
            };
            assert_eq!(
                (problem.reason, case.changes.len()),
                (reason::APPROVAL_REQUIRED, changes),
                "{who}"
            );
            let said = format!("{who} (put back before) would be moved");
            assert!(problem.message.starts_with(&said), "{}", problem.message);
            assert_eq!(case.rows, [], "{who}");
        }
        case.promotion().approval = ApprovalPolicy::Automatic;
        // It may be held meanwhile.
        case.tags = vec![(labels::TAG_HOLD, "")];
        assert_eq!((case.settle(), case.reason()), (Then::Rest, Some(left::HELD)), "{who}");
        case.tags.clear();
        assert!(matches!(case.settle(), Then::Stalled(_)), "{who}");
        case.approval = Approval::Approved;
        assert_eq!(case.settle(), Then::Rest, "{who}");
        assert_eq!(case.rows[0].state, ConsumerState::Moved, "{who}");
    }
}

#[test]
fn a_group_waits_with_the_template_that_was_put_back() {
    let mut case = Case::new();
    case.parts = vec![super::case::pins(Place::Template, 1)];
    let mut case = forgotten(case);
    let Then::Stalled(problem) = case.settle() else {
        panic!("{:?}", case.rows)
    };
    let said = "LaunchTemplate lt-1 (put back before), AutoScalingGroup fleet would be moved";
    assert!(problem.message.starts_with(said), "{}", problem.message);
}

#[test]
fn what_people_have_set_since_takes_no_approval() {
    type Act = fn(&mut Case);
    let cases: [(Case, Act); 4] = [
        (template(), |case| {
            let next = case.latest() + 1;
            case.versions.push(version(next, 1));
        }),
        (parameter(), |case| case.values.push(image_id(1).to_string())),
        (group(), |case| case.tagged = None),
        // amiseal itself had moved it there, to what was a copy then.
        (parameter(), |case| {
            case.source
                .tags
                .insert(TAG_SOURCE_IMAGE.into(), image_id(7).as_str().into());
        }),
    ];
    for (number, (case, act)) in cases.into_iter().enumerate() {
        let mut case = forgotten(case);
        act(&mut case);
        assert_eq!(case.settle(), Then::Rest, "{number}");
        assert_eq!(case.rows[0].state, ConsumerState::Moved, "{number}");
    }
}
