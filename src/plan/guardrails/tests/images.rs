//! Allowed AMIs: what is set of them, in which order, and what keeps them from refusing images.

use jiff::Timestamp;
use serde_json::json;

use super::stage::{ALLOWED, Stage, allowing, by, spec};
use crate::domain::{
    AllowedImages, AllowedState, ConsumerKind, ErrorClass, Guardrail, GuardrailChange, GuardrailState, Image,
    ImageCriterion, ImageRef, Launcher, Launches, ManagedBy, Operation, Readings, ScanFilter,
};
use crate::plan::guardrails::images::{are_as_wanted, changes};
use crate::plan::guardrails::{
    GuardrailWatch, ImagesStanding, Launchers, Reading, asked, foreign_images, images_standing,
};
use crate::plan::testing::{account, at, failed_call, image, image_id};
use crate::plan::usage::{Graph, graph};

const REPLACE: Operation = Operation::ReplaceImageCriteriaInAllowedImagesSettings;
const ENABLE: Operation = Operation::EnableAllowedImagesSettings;

fn refusing() -> ImagesStanding {
    ImagesStanding::MayRefuse(by("amazon"), "enabled would refuse ami-1.".to_owned())
}

fn wanted(state: AllowedState) -> AllowedImages {
    AllowedImages {
        state,
        criteria: by("amazon"),
    }
}

#[test]
fn what_is_set_follows_from_what_is_shown_and_nothing_is_ever_weakened() {
    use AllowedState::{AuditMode, Enabled};
    let replace = || GuardrailChange::ImageCriteria(by("amazon"));
    let audit = || GuardrailChange::AuditImages;
    for (state, has_criteria, shown, is_clear, holds, expected) in [
        (AuditMode, false, "disabled", false, false, vec![replace(), audit()]),
        (AuditMode, true, "disabled", false, false, vec![audit()]),
        (AuditMode, false, "audit-mode", false, false, vec![replace()]),
        (AuditMode, true, "audit-mode", true, true, vec![]),
        (AuditMode, false, "enabled", false, false, vec![]),
        (AuditMode, false, "enabled", true, false, vec![replace()]),
        (AuditMode, true, "enabled", true, true, vec![]),
        (Enabled, false, "disabled", true, false, vec![replace(), audit()]),
        (Enabled, true, "disabled", true, false, vec![audit()]),
        (Enabled, false, "audit-mode", true, false, vec![replace()]),
        (Enabled, true, "audit-mode", false, false, vec![]),
        (
            Enabled,
            true,
            "audit-mode",
            true,
            false,
            vec![GuardrailChange::RefuseImages],
        ),
        (Enabled, false, "enabled", false, false, vec![]),
        (Enabled, true, "enabled", false, true, vec![]),
        (Enabled, true, "strict", true, false, vec![]),
    ] {
        let wanted = wanted(state);
        let criteria = if has_criteria { by("amazon") } else { by("none") };
        let case = format!("{wanted:?} {shown} {has_criteria} {is_clear}");
        assert_eq!(changes(&wanted, shown, &criteria, is_clear), expected, "{case}");
        assert_eq!(are_as_wanted(&wanted, shown, &criteria), holds, "{case}");
    }
}

#[test]
fn criteria_and_audit_mode_are_set_at_once_and_enabled_a_quarter_of_an_hour_later() {
    let mut stage = Stage::of_allowed("Enabled");
    stage.visits((0, 5));
    let set: Vec<&GuardrailChange> = stage.calls.iter().map(|(_, change)| change).collect();
    assert_eq!(
        set,
        [
            &GuardrailChange::ImageCriteria(by("amazon")),
            &GuardrailChange::AuditImages
        ]
    );
    stage.visits((10, 900));
    assert_eq!((stage.calls.len(), stage.says().as_str()), (2, "False/Requested"));
    stage.visits((905, 1000));
    assert_eq!((stage.count(ENABLE), stage.allowed), (2, "enabled"));
    assert_eq!((stage.count(REPLACE), stage.says().as_str()), (1, "True/Enforced"));

    let mut stage = Stage::of_allowed("AuditMode");
    stage.visits((0, 4000));
    assert_eq!((stage.calls.len(), stage.allowed), (2, "audit-mode"));
    assert_eq!(stage.says(), "True/Enforced");
    assert_eq!(stage.row(ALLOWED).expect("a row").message, None);
}

#[test]
fn what_is_in_use_keeps_them_in_audit_mode_until_nobody_uses_it() {
    let mut stage = Stage::of_allowed("Enabled");
    stage.in_use = refusing();
    stage.visits((0, 2000));
    assert_eq!((stage.count(ENABLE), stage.allowed), (1, "audit-mode"));
    assert_eq!(stage.says(), "False/MayRefuseImages");
    assert!(
        stage
            .message()
            .starts_with("AllowedImages stays audit-mode. enabled would refuse"),
        "{}",
        stage.message()
    );
    let row = stage.row(ALLOWED).expect("a row");
    assert_eq!(
        (&row.requested_at, row.holds),
        (&None, Some(false)),
        "all of it is settled"
    );
    // It is looked again as soon as it is read anew what is in use.
    stage.in_use = ImagesStanding::Clear(by("amazon"));
    let reads = stage.reads;
    stage.visits((2005, 2100));
    assert_eq!(stage.reads, reads);
    stage.picture = 2100;
    stage.visits((2105, 2200));
    assert_eq!((stage.count(ENABLE), stage.says().as_str()), (2, "True/Enforced"));

    // What is only said of what enabled would refuse does not keep audit mode from being as asked for.
    let mut stage = Stage::of_allowed("AuditMode");
    stage.in_use = refusing();
    stage.visits((0, 2000));
    assert_eq!(stage.says(), "True/Enforced");
    let message = stage.row(ALLOWED).expect("a row").message.as_deref();
    assert_eq!(message, Some("enabled would refuse ami-1."));
}

#[test]
fn criteria_that_refuse_already_are_not_replaced_while_the_new_ones_may_refuse_more() {
    for state in ["Enabled", "AuditMode"] {
        let mut stage = Stage::of_allowed(state);
        (stage.allowed, stage.criteria) = ("enabled", by("444455556666"));
        stage.in_use = refusing();
        stage.visits((0, 2000));
        assert_eq!((stage.calls.len(), stage.says().as_str()), (0, "False/MayRefuseImages"));
        assert!(
            stage.message().contains("enabled with other criteria"),
            "{}",
            stage.message()
        );
        stage.in_use = ImagesStanding::Clear(by("amazon"));
        stage.watch.scanned();
        stage.visits((2005, 2100));
        let set: Vec<&GuardrailChange> = stage.calls.iter().map(|(_, change)| change).collect();
        assert_eq!(set, [&GuardrailChange::ImageCriteria(by("amazon"))]);
        assert_eq!((stage.allowed, stage.says().as_str()), ("enabled", "True/Enforced"));
    }
}

#[test]
fn while_it_is_not_known_what_is_in_use_nothing_comes_to_be_refused() {
    let throttled = failed_call(Operation::DescribeImages, ErrorClass::Throttled);
    for standing in [ImagesStanding::Waiting, ImagesStanding::Unread(throttled)] {
        let mut stage = Stage::of_allowed("Enabled");
        (stage.allowed, stage.criteria) = ("audit-mode", by("amazon"));
        (stage.in_use, stage.knows_launchers) = (standing.clone(), false);
        stage.visits((0, 1000));
        assert_eq!(
            (stage.calls.len(), stage.says().as_str()),
            (0, "Unknown/NotRead"),
            "{standing:?}"
        );
        (stage.in_use, stage.knows_launchers) = (ImagesStanding::Clear(by("amazon")), true);
        stage.visits((1005, 2000));
        assert_eq!(
            (stage.calls.len(), stage.says().as_str()),
            (1, "True/Enforced"),
            "{standing:?}"
        );
    }
    // By criteria that are not the policy's any more nobody is cleared.
    let mut stage = Stage::of_allowed("Enabled");
    (stage.allowed, stage.criteria) = ("audit-mode", by("amazon"));
    stage.in_use = ImagesStanding::Clear(by("none"));
    stage.visits((0, 1000));
    assert_eq!((stage.calls.len(), stage.says().as_str()), (0, "Unknown/NotRead"));
}

#[test]
fn what_somebody_changes_is_counted_and_mended_and_what_the_policy_changes_is_not_counted() {
    let mut stage = Stage::of_allowed("Enabled");
    (stage.allowed, stage.criteria) = ("enabled", by("amazon"));
    stage.visits((0, 1000));
    assert_eq!((stage.calls.len(), stage.says().as_str()), (0, "True/Enforced"));
    stage.allowed = "audit-mode";
    stage.visits((1005, 1900));
    assert_eq!((stage.drifts(ALLOWED), stage.allowed), (1, "enabled"));
    stage.criteria = by("none");
    stage.visits((1905, 3700));
    assert_eq!((stage.drifts(ALLOWED), stage.count(REPLACE)), (2, 1));

    stage.spec = spec(&allowing("Enabled", "aws-marketplace"), "Enforce");
    stage.generation = 2;
    stage.in_use = ImagesStanding::Clear(by("aws-marketplace"));
    stage.watch.renewed();
    stage.visits((3705, 5600));
    assert_eq!((stage.drifts(ALLOWED), stage.count(REPLACE)), (2, 2));
    assert_eq!(stage.criteria, by("aws-marketplace"));
}

#[test]
fn what_a_declarative_policy_holds_is_not_fought_and_under_audit_it_is_only_told() {
    let mut stage = Stage::of_allowed("Enabled");
    (stage.allowed, stage.is_declared) = ("audit-mode", true);
    stage.visits((0, 2000));
    assert_eq!(
        (stage.calls.len(), stage.says().as_str()),
        (0, "False/HeldByDeclarativePolicy")
    );
    assert!(
        stage.message().contains("audit-mode with other criteria"),
        "{}",
        stage.message()
    );

    let mut settings = allowing("Enabled", "amazon");
    settings["allowedImages"]["mode"] = json!("Audit");
    let mut stage = Stage::of(&settings);
    stage.in_use = refusing();
    stage.visits((0, 2000));
    assert_eq!((stage.calls.len(), stage.says().as_str()), (0, "False/NotEnforced"));
    assert!(
        stage
            .message()
            .contains("disabled with other criteria, which is only reported. enabled would refuse"),
        "{}",
        stage.message()
    );
}

fn launcher(kind: ConsumerKind, id: String, number: u64) -> Launcher {
    Launcher {
        kind,
        id: id.into(),
        launches: vec![("".into(), Launches::Image(ImageRef::Image(image_id(number))))],
        owner: None,
    }
}

/// What launches each of these images in the account: a template and so many instances.
fn launching(readings: Readings, images: &[u64], instances: usize) -> Graph {
    let mut launchers = Vec::new();
    for number in images.iter().copied() {
        for index in 0..instances {
            launchers.push(launcher(ConsumerKind::Instance, format!("i-{number}-{index}"), number));
        }
        launchers.push(launcher(ConsumerKind::LaunchTemplate, format!("lt-{number}"), number));
    }
    let readings = Readings { launchers, ..readings };
    graph(&readings, &account(), at(0))
}

fn of_others(number: u64) -> Image {
    Image {
        owner: Some("444455556666".parse().expect("an account")),
        ..image(number, 1)
    }
}

fn judged(graph: &Graph, seen: &[Image], criteria: &[ImageCriterion]) -> Result<(), String> {
    let wanted = AllowedImages {
        state: AllowedState::AuditMode,
        criteria: criteria.to_vec(),
    };
    match images_standing(&wanted, graph, seen, &account(), at(1000)) {
        ImagesStanding::Clear(of) => {
            assert_eq!(of, criteria);
            Ok(())
        }
        ImagesStanding::MayRefuse(of, why) => {
            assert_eq!(of, criteria);
            Err(why)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn images_of_others_that_are_in_use_have_to_meet_a_criterion_and_at_most_five_are_named() {
    let graph = launching(Readings::default(), &[1, 2], 2);
    assert_eq!(
        judged(&graph, &[], &by("none")),
        Ok(()),
        "what AWS does not show is launched by nobody"
    );
    assert_eq!(judged(&graph, &[of_others(1)], &by("444455556666")), Ok(()));
    assert_eq!(judged(&graph, &[image(1, 1)], &by("none")), Ok(()), "its own");
    let why = judged(&graph, &[of_others(2), of_others(1), of_others(1)], &by("amazon")).expect_err("a sentence");
    let (first, second) = (image_id(1), image_id(2));
    let expected = format!(
        "enabled would refuse 2 images that are in use here: {first} of 444455556666 (instance i-1-0 and 2 more), {second} of \
         444455556666 (instance i-2-0 and 2 more). "
    );
    assert!(why.starts_with(&expected), "{why}");

    let numbers: Vec<u64> = (1..=8).collect();
    let many: Vec<Image> = numbers.iter().map(|number| of_others(*number)).collect();
    let graph = launching(Readings::default(), &numbers, 0);
    let why = judged(&graph, &many, &by("amazon")).expect_err("a sentence");
    assert_eq!(why.matches("ami-").count(), 5, "{why}");
    assert!(
        why.contains("8 images that are in use here") && why.contains(" and 3 more."),
        "{why}"
    );
    assert!(why.len() < 900, "{}", why.len());

    // What cannot be told is not cleared either.
    let scanned = vec![ImageCriterion {
        scan: Some(ScanFilter::default()),
        ..ImageCriterion::default()
    }];
    let why = judged(&graph, &many[..1], &scanned).expect_err("a sentence");
    assert!(
        why.starts_with("It is not known whether enabled would refuse 1 image that is"),
        "{why}"
    );
    let nobodys = Image {
        owner: None,
        ..image(1, 1)
    };
    let why = judged(&graph, &[nobodys], &by("amazon")).expect_err("a sentence");
    assert!(why.contains("AWS does not say whose it is"), "{why}");
}

#[test]
fn an_image_that_is_refused_tomorrow_by_its_age_is_not_cleared_today() {
    const DAY: i64 = 24 * 3600;
    let graph = launching(Readings::default(), &[1], 0);
    let made = |seconds| Image {
        created: Some(at(seconds)),
        deprecation_time: None,
        ..of_others(1)
    };
    let deprecated = |seconds| Image {
        deprecation_time: Some(at(seconds)),
        ..made(0)
    };
    let younger_than = |days| ImageCriterion {
        max_days_since_created: Some(days),
        ..ImageCriterion::default()
    };
    let deprecated_for = |days| ImageCriterion {
        max_days_since_deprecated: Some(days),
        ..ImageCriterion::default()
    };
    // It is judged at second 1000.
    for (image, criterion, refused) in [
        (made(0), younger_than(2), None),
        (made(0), younger_than(1), Some("within a day)")),
        (made(1000 - DAY), younger_than(2), None),
        (made(999 - DAY), younger_than(2), Some("within a day)")),
        (made(999 - 2 * DAY), younger_than(2), Some("lt-1)")),
        (made(0), deprecated_for(0), None),
        (deprecated(1001 + DAY), deprecated_for(0), None),
        (deprecated(1000 + DAY), deprecated_for(0), Some("within a day)")),
        (deprecated(500), deprecated_for(0), Some("lt-1)")),
        (deprecated(500), deprecated_for(2), None),
        (deprecated(500), deprecated_for(1), Some("within a day)")),
    ] {
        let case = format!("{:?} {:?} {criterion:?}", image.created, image.deprecation_time);
        match (judged(&graph, &[image], &[criterion]), refused) {
            (Ok(()), None) => {}
            (Err(why), Some(says)) => assert!(why.contains(says), "{case}: {why}"),
            (other, _) => panic!("{case}: {other:?}"),
        }
    }
}

#[test]
fn images_of_others_are_asked_for_and_not_the_accounts_own() {
    let graph = launching(Readings::default(), &[1, 2, 3], 1);
    let own = image_id(2);
    assert_eq!(
        foreign_images(&graph, |image| *image == own),
        [image_id(1), image_id(3)]
    );
    // A listing of several pages may have missed what was used before.
    let paged = |images: &[u64]| {
        let readings = Readings {
            paged: true,
            ..Readings::default()
        };
        launching(readings, images, 1)
    };
    let mut now = paged(&[1]);
    assert!(!now.is_seen_twice());
    now.keep(&paged(&[1, 4]));
    assert!(now.is_seen_twice());
    assert_eq!(foreign_images(&now, |_| false), [image_id(1), image_id(4)]);
}

#[test]
fn where_it_is_not_known_what_is_in_use_nothing_is_judged() {
    let lacking = |class| {
        let error = failed_call(Operation::DescribeInstances, class);
        let readings = Readings {
            unread: [(ConsumerKind::Instance, error)].into(),
            ..Readings::default()
        };
        launching(readings, &[1], 1)
    };
    let (denied, throttled) = (lacking(ErrorClass::Denied), lacking(ErrorClass::Throttled));
    let whole = launching(Readings::default(), &[1], 1);
    let unresolved = {
        let launchers = vec![Launcher {
            kind: ConsumerKind::AutoScalingGroup,
            id: "web".into(),
            launches: vec![(
                "".into(),
                Launches::Image(ImageRef::Other("resolve:no-such-thing".into())),
            )],
            owner: None,
        }];
        let readings = Readings {
            launchers,
            ..Readings::default()
        };
        graph(&readings, &account(), at(0))
    };
    let read = |graph| Launchers {
        are_read: true,
        graph,
        is_due: false,
        moved: None,
        since: None,
    };
    let not_read = Launchers {
        are_read: false,
        ..read(Some(&whole))
    };
    let due = Launchers {
        is_due: true,
        ..read(Some(&whole))
    };
    let wanted = wanted(AllowedState::Enabled);
    for (launchers, said, are_known) in [
        (read(Some(&whole)), "", true),
        (due, "", false),
        (not_read, "set spec.consumers.read to true", false),
        (read(None), "waits", false),
        (read(Some(&throttled)), "waits", false),
        (read(Some(&denied)), "Not every instance could be read.", true),
        (
            read(Some(&unresolved)),
            "Auto Scaling group web names resolve:no-such-thing",
            true,
        ),
    ] {
        match launchers.stand_without_images(&wanted) {
            None => assert_eq!(said, ""),
            Some(ImagesStanding::Waiting) => assert_eq!(said, "waits"),
            Some(ImagesStanding::MayRefuse(criteria, why)) => {
                assert!(!said.is_empty() && why.contains(said), "{why}");
                assert_eq!(criteria, wanted.criteria);
            }
            Some(other) => panic!("{other:?}"),
        }
        assert_eq!(launchers.images_read_at().is_some(), are_known, "{said}");
    }
    let clear = || ImagesStanding::Clear(by("amazon"));
    assert_eq!(read(Some(&whole)).confirm_images(clear()), clear());
    assert_eq!(due.confirm_images(clear()), ImagesStanding::Waiting);
    // What was read at second 0 does not show what amiseal has moved since.
    for (moved, standing) in [
        (-1, clear()),
        (0, ImagesStanding::Waiting),
        (7, ImagesStanding::Waiting),
    ] {
        let launchers = Launchers {
            moved: Some(at(moved)),
            ..read(Some(&whole))
        };
        let is_shown = standing == clear();
        assert_eq!(launchers.confirm_images(clear()), standing, "{moved}");
        assert_eq!(launchers.images_read_at().is_some(), is_shown, "{moved}");
        assert_eq!(launchers.confirm_images(refusing()), refusing());
    }
    assert_eq!(due.confirm_images(refusing()), refusing());
    // Nor does it show what came into use before something comes to be refused. Another reading is asked for, but where one comes anyway.
    for (since, is_due, standing, is_asked) in [
        (-1, false, clear(), false),
        (0, false, clear(), false),
        (1, false, ImagesStanding::Waiting, true),
        (1, true, ImagesStanding::Waiting, false),
    ] {
        let launchers = Launchers {
            since: Some(at(since)),
            is_due,
            ..read(Some(&whole))
        };
        let case = format!("{since} {is_due}");
        assert_eq!(launchers.images_read_at().is_some(), standing == clear(), "{case}");
        assert_eq!(launchers.confirm_images(clear()), standing, "{case}");
        assert_eq!(launchers.are_to_be_read(), is_asked, "{case}");
        assert_eq!(launchers.confirm_images(refusing()), refusing(), "{case}");
    }
    let unread = Launchers {
        since: Some(at(1)),
        ..read(None)
    };
    assert!(!unread.are_to_be_read(), "the first reading comes by itself");
}

/// Allowed AMIs as they were read, with the criterion that an image is of this provider.
fn shown(state: &str, provider: &str, managed_by: ManagedBy) -> Vec<Reading> {
    let state = GuardrailState {
        guardrail: Guardrail::AllowedImages,
        holds: state == "enabled",
        state: Ok(state.into()),
        managed_by: Some(managed_by),
        criteria: by(provider),
    };
    vec![Reading::new(state, None, at(0))]
}

#[test]
fn images_come_to_be_refused_by_a_reading_of_what_is_in_use_that_began_when_nothing_else_was_waited_for() {
    let of = |settings: &serde_json::Value| {
        let spec = spec(settings, "Enforce");
        asked(&spec, spec.guardrails.as_ref(), &[])
    };
    let enabled = of(&allowing("Enabled", "amazon"));
    let mut reported = allowing("Enabled", "amazon");
    reported["allowedImages"]["mode"] = json!("Audit");
    let (audit, reported) = (of(&allowing("AuditMode", "amazon")), of(&reported));
    let (own, declared) = (ManagedBy::Account, ManagedBy::DeclarativePolicy);
    for (asked, state, provider, managed_by, refuses) in [
        (&enabled, "disabled", "amazon", own, false),
        (&enabled, "audit-mode", "none", own, false),
        (&enabled, "audit-mode", "amazon", own, true),
        (&enabled, "audit-mode", "amazon", declared, false),
        (&enabled, "enabled", "amazon", own, false),
        (&enabled, "enabled", "none", own, true),
        (&audit, "audit-mode", "amazon", own, false),
        (&audit, "enabled", "none", own, true),
        (&reported, "audit-mode", "amazon", own, false),
    ] {
        let mut watch = GuardrailWatch::default();
        watch.looks_ahead(asked, &shown(state, provider, managed_by), at(100));
        let case = format!("{state} {provider} {managed_by:?}");
        assert_eq!(watch.in_use_since(at(100)), refuses.then(|| at(40)), "{case}");
        assert_eq!(watch.waits_for_images(), refuses, "{case}");
    }

    // AWS is asked at second 5, and asked nothing more for a quarter of an hour.
    let mut stage = Stage::of_allowed("Enabled");
    stage.visits((0, 5));
    assert_eq!(stage.calls.len(), 2);
    let mut watch = stage.watch;
    let ready = || shown("audit-mode", "amazon", own);
    watch.looks_ahead(&enabled, &ready(), at(20));
    assert_eq!(
        watch.in_use_since(at(20)),
        Some(Timestamp::MAX),
        "no reading is new enough"
    );
    assert!(!watch.waits_for_images(), "and none is asked for");
    for (judged, now, since) in [
        (905, 905, 845),
        (910, 950, 845),
        (1000, 905 + 3600, 905),
        (1000, 905 + 7200, 4505),
    ] {
        watch.looks_ahead(&enabled, &ready(), at(judged));
        assert_eq!(watch.in_use_since(at(now)), Some(at(since)), "{judged} {now}");
        assert!(watch.waits_for_images());
    }
    // What cannot be read may be as before, and the next call takes a reading of its own.
    let throttled = failed_call(Operation::GetAllowedImagesSettings, ErrorClass::Throttled);
    let unread = GuardrailState {
        guardrail: Guardrail::AllowedImages,
        holds: false,
        state: Err(throttled),
        managed_by: None,
        criteria: Vec::new(),
    };
    watch.looks_ahead(&enabled, &[Reading::new(unread, None, at(1000))], at(1000));
    assert_eq!(watch.in_use_since(at(1000)), Some(at(845)));
    watch.begins(Guardrail::AllowedImages, at(1000));
    assert_eq!(watch.in_use_since(at(1000)), None);
    // Where AWS refuses it nothing was set, and the next try goes by what was read in the last hour.
    let refused = failed_call(Operation::EnableAllowedImagesSettings, ErrorClass::Denied);
    watch.failed(Guardrail::AllowedImages, &refused, false, at(5000), |wait| wait);
    watch.looks_ahead(&enabled, &ready(), at(5600));
    assert_eq!(watch.in_use_since(at(5600)), Some(at(2000)));
}
