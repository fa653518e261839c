mod failing;
mod handing_over;
mod images;
mod images_whatever;
mod stage;
mod tables;
mod whatever;

use serde_json::json;

use self::stage::{ENCRYPTION, IMAGES, SNAPSHOTS, Stage, usable};
use super::*;
use crate::api::GuardrailManager;
use crate::domain::{ErrorClass, GuardrailChange, KeyProblem, Operation};
use crate::plan::testing::key;

const SET_KEY: Operation = Operation::ModifyEbsDefaultKmsKeyId;
const TURN_ON: Operation = Operation::EnableEbsEncryptionByDefault;
const BLOCK: Operation = Operation::EnableImageBlockPublicAccess;

#[test]
fn each_is_on_record_then_set_then_shown_and_left_alone() {
    let mut stage = Stage::new();
    stage.visit(0);
    assert_eq!((stage.calls.len(), stage.says().as_str()), (0, "False/Requested"));
    let rows: Vec<_> = stage
        .status
        .guardrails
        .iter()
        .map(|row| row.requested_at.is_some())
        .collect();
    assert_eq!(rows, [true; 3], "it is on record first");
    stage.visit(1);
    assert_eq!(
        stage.calls,
        [
            (1, GuardrailChange::DefaultKey(key(1))),
            (1, GuardrailChange::EncryptionByDefault),
            (1, GuardrailChange::BlockImages),
            (1, GuardrailChange::BlockSnapshots),
        ]
    );
    stage.visit(2);
    assert_eq!(stage.says(), "False/Requested", "it is not read back yet");
    stage.visits((5, 30));
    assert_eq!(stage.says(), "True/Enforced");
    let row = stage.row(ENCRYPTION).expect("a row");
    assert_eq!(
        (row.state.as_deref(), row.key_arn.as_deref()),
        (Some("enabled"), Some(key(1).as_str()))
    );
    assert_eq!((row.holds, row.drifts, &row.message), (Some(true), 0, &None));
    assert!(row.requested_at.is_some() && row.held_since.is_some());
    let status = stage.status.clone();
    stage.visits((35, 895));
    assert_eq!(stage.status, status, "nothing is written meanwhile");
    stage.visits((900, 4000));
    assert!(stage.status.guardrails.iter().all(|row| row.requested_at.is_none()));
    assert_eq!((stage.calls.len(), stage.says().as_str()), (4, "True/Enforced"));
    let reads = stage.reads;
    stage.visits((4005, 7600));
    assert_eq!(stage.reads - reads, 4, "they are read with each scan");
}

#[test]
fn what_shows_late_is_not_set_again_and_what_never_shows_is_after_a_quarter_of_an_hour() {
    let mut stage = Stage::new();
    stage.lag = 600;
    stage.visits((0, 1500));
    assert_eq!((stage.calls.len(), stage.says().as_str()), (4, "True/Enforced"));
    assert_eq!(stage.drifts(IMAGES), 0);

    let mut stage = Stage::new();
    stage.lag = 100_000;
    stage.visits((0, 895));
    assert_eq!(stage.count(BLOCK), 1);
    assert_eq!(stage.says(), "False/Requested");
    assert!(stage.message().contains("may take ten minutes"), "{}", stage.message());
    let since = stage.row(IMAGES).expect("a row").requested_at.clone();
    stage.visits((900, 1000));
    assert_eq!(stage.count(BLOCK), 2);
    assert_ne!(stage.row(IMAGES).expect("a row").requested_at, since);
    stage.visits((1005, 3600));
    assert_eq!(stage.count(BLOCK), 4);
}

#[test]
fn what_somebody_turns_off_is_mended_at_the_next_scan_and_counted() {
    let mut stage = Stage::sound();
    stage.visits((0, 1000));
    assert_eq!((stage.calls.len(), stage.says().as_str()), (0, "True/Enforced"));
    assert_eq!(
        stage.row(SNAPSHOTS).expect("a row").state.as_deref(),
        Some("block-all-sharing")
    );
    stage.images = "unblocked";
    stage.is_on = false;
    let before = stage.status.guardrails.clone();
    stage.visits((1005, 1795));
    assert_eq!(stage.drifts(IMAGES), 0);
    stage.visits((1800, 1800));
    let told: Vec<GuardrailName> = drifts(&before, &stage.status.guardrails)
        .iter()
        .map(|one| one.name)
        .collect();
    assert_eq!(
        told,
        [
            GuardrailName::EbsEncryptionByDefault,
            GuardrailName::ImageBlockPublicAccess
        ]
    );
    let drift = drifts(&before, &stage.status.guardrails).remove(1);
    let words =
        "ImageBlockPublicAccess held, and was found undone: it is unblocked now. CloudTrail knows who did that.";
    assert_eq!(drift.blaming(None), words);
    let by = "arn:aws:iam::111122223333:user/jo";
    assert_eq!(drift.blaming(Some(by)), format!("{words} An event names {by}."));
    stage.visits((1805, 1900));
    assert_eq!(
        (stage.count(BLOCK), stage.count(TURN_ON), stage.count(SET_KEY)),
        (1, 1, 0)
    );
    assert_eq!([ENCRYPTION, IMAGES, SNAPSHOTS].map(|one| stage.drifts(one)), [1, 1, 0]);
    assert_eq!(stage.says(), "True/Enforced");

    // Once more, and too soon: AWS may only show it as it was.
    stage.images = "unblocked";
    stage.watch.scanned();
    stage.visits((1905, 2695));
    assert_eq!((stage.count(BLOCK), stage.drifts(IMAGES)), (1, 1));
    assert_eq!(stage.says(), "False/Requested");
    stage.visits((2700, 2900));
    assert_eq!((stage.count(BLOCK), stage.drifts(IMAGES)), (2, 2));
}

#[test]
fn what_a_declarative_policy_holds_is_reported_and_never_fought() {
    let mut stage = Stage::new();
    stage.is_declared = true;
    stage.visits((0, 3600));
    assert_eq!(
        (stage.count(BLOCK), stage.count(TURN_ON)),
        (0, 1),
        "none holds encryption"
    );
    assert_eq!(stage.says(), "False/HeldByDeclarativePolicy");
    assert!(
        needs_a_person(reason_of(&stage)) && stage.message().contains("unblocked"),
        "{}",
        stage.message()
    );
    let row = stage.row(IMAGES).expect("a row");
    assert_eq!(
        (row.managed_by, row.holds),
        (Some(GuardrailManager::DeclarativePolicy), Some(false))
    );
    assert_eq!(row.requested_at, None);

    // It is good, and still nobody's to change.
    (stage.images, stage.snapshots) = ("block-new-sharing", "block-new-sharing");
    stage.visits((3605, 4600));
    assert_eq!(stage.says(), "True/Enforced");
    let row = stage.row(IMAGES).expect("a row");
    assert_eq!(row.managed_by, Some(GuardrailManager::DeclarativePolicy));
    assert!(
        row.message
            .as_deref()
            .is_some_and(|message| message.contains("declarative policy"))
    );
    stage.images = "unblocked";
    stage.visits((4605, 5600));
    assert_eq!(
        (stage.count(BLOCK), stage.drifts(IMAGES)),
        (0, 0),
        "the organization has changed it"
    );
}

fn reason_of(stage: &Stage) -> &'static str {
    let says = stage.says();
    let (_, why) = says.split_once('/').expect("a condition");
    let all = crate::api::conditions::reason::ALL.iter();
    all.copied().find(|reason| *reason == why).expect("a reason")
}

#[test]
fn no_key_is_set_before_it_is_known_to_be_usable_and_encryption_is_not_turned_on_either() {
    let not = |why: &str| KeyStanding::Unusable(key(1), why.to_owned());
    let disabled = KeyView::Unresolved(KeyProblem::Disabled);
    for (view, standing, expected) in [
        (disabled, KeyStanding::Unasked, "False/KeyNotUsable"),
        (KeyView::Unknown, KeyStanding::Unasked, "Unknown/NotRead"),
        (usable(1), not("The account may not use it."), "False/KeyNotUsable"),
        (usable(1), KeyStanding::Waiting, "Unknown/NotRead"),
        (usable(1), KeyStanding::Unasked, "Unknown/NotRead"),
        // Of another key that was known.
        (usable(2), KeyStanding::Usable(key(1)), "Unknown/NotRead"),
    ] {
        let mut stage = Stage::of_encryption();
        (stage.key, stage.standing) = (view, standing.clone());
        stage.visits((0, 3600));
        assert_eq!(
            (stage.calls.len(), stage.says().as_str()),
            (0, expected),
            "{standing:?}"
        );
        let row = stage.row(ENCRYPTION).expect("a row");
        assert_eq!(
            (row.requested_at.as_ref(), row.holds),
            (None, Some(false)),
            "{standing:?}"
        );
        (stage.key, stage.standing) = (usable(1), KeyStanding::Usable(key(1)));
        stage.visits((3605, 4600));
        assert_eq!(
            (stage.calls.len(), stage.says().as_str()),
            (2, "True/Enforced"),
            "{standing:?}"
        );
    }
}

#[test]
fn another_key_of_the_policy_is_set_and_nobody_has_undone_anything() {
    let mut stage = Stage::sound();
    (stage.key, stage.standing) = (usable(2), KeyStanding::Usable(key(2)));
    stage.default_key = key(2).as_str().into();
    stage.visits((0, 1000));
    assert_eq!((stage.calls.len(), stage.says().as_str()), (0, "True/Enforced"));
    (stage.key, stage.standing) = (usable(1), KeyStanding::Usable(key(1)));
    stage.visits((1005, 2000));
    assert_eq!(stage.calls.len(), 1, "{:?}", stage.calls);
    assert_eq!((stage.count(SET_KEY), stage.drifts(ENCRYPTION)), (1, 0));
    // Somebody in the account sets another one.
    stage.visits((2005, 3600));
    stage.default_key = key(3).as_str().into();
    stage.visits((3605, 4600));
    assert_eq!((stage.count(SET_KEY), stage.drifts(ENCRYPTION)), (2, 1));
}

#[test]
fn another_key_is_set_while_aws_may_not_show_the_former_one_yet() {
    for lag in [0, 300] {
        let mut stage = Stage::of_encryption();
        stage.lag = lag;
        stage.visits((0, 60));
        assert_eq!(stage.count(SET_KEY), 1, "{lag}");
        // It is not known yet who may use it, and AWS was not asked for it.
        (stage.key, stage.standing) = (usable(2), KeyStanding::Waiting);
        stage.visits((65, 80));
        assert_eq!(
            (stage.count(SET_KEY), stage.says().as_str()),
            (1, "Unknown/NotRead"),
            "{lag}"
        );
        stage.standing = KeyStanding::Usable(key(2));
        stage.visits((85, 100));
        let set = stage.calls.iter().rfind(|(_, change)| change.operation() == SET_KEY);
        let set = set.map(|(_, change)| change);
        assert_eq!(set, Some(&GuardrailChange::DefaultKey(key(2))), "{lag}");
        stage.visits((105, 880));
        assert_eq!(
            (stage.count(SET_KEY), stage.says().as_str()),
            (2, "True/Enforced"),
            "{lag}"
        );
        stage.visits((885, 2000));
        assert_eq!((stage.count(SET_KEY), stage.drifts(ENCRYPTION)), (2, 0), "{lag}");
        assert_eq!(*stage.default_key, *key(2).as_str(), "{lag}");
    }
}

#[test]
fn where_somebodys_key_is_the_default_one_encryption_is_turned_on_only_once_aws_shows_the_policys() {
    for lag in [0, 600] {
        let mut stage = Stage::of_encryption();
        stage.default_key = key(2).as_str().into();
        stage.lag = lag;
        stage.visits((0, 895));
        assert_eq!((stage.count(SET_KEY), stage.count(TURN_ON)), (1, 0), "{lag}");
        stage.visits((900, 2500));
        assert_eq!((stage.count(SET_KEY), stage.count(TURN_ON)), (1, 1), "{lag}");
        assert_eq!(stage.says(), "True/Enforced", "{lag}");
    }
}

#[test]
fn what_held_under_another_key_or_by_a_declarative_policy_nobody_has_undone() {
    // The policy's key changes while the default key cannot be read.
    let mut stage = Stage::sound();
    (stage.key, stage.standing) = (usable(2), KeyStanding::Usable(key(2)));
    stage.default_key = key(2).as_str().into();
    stage.visits((0, 100));
    stage.unread = Some(stage::failed(Operation::GetEbsDefaultKmsKeyId, ErrorClass::Denied));
    stage.watch.scanned();
    stage.visits((105, 200));
    (stage.key, stage.standing) = (usable(1), KeyStanding::Usable(key(1)));
    stage.visits((205, 300));
    stage.unread = None;
    stage.images = "unblocked";
    stage.visits((305, 1500));
    assert_eq!((stage.count(SET_KEY), stage.drifts(ENCRYPTION)), (1, 0));
    assert_eq!(stage.drifts(IMAGES), 1, "it has no key");

    // The organization lets go of what it has held.
    let mut stage = Stage::sound();
    stage.is_declared = true;
    stage.visits((0, 1000));
    assert_eq!(stage.says(), "True/Enforced");
    (stage.is_declared, stage.images) = (false, "unblocked");
    stage.visits((1005, 2000));
    assert_eq!((stage.count(BLOCK), stage.drifts(IMAGES)), (1, 0));
}

#[test]
fn under_mode_audit_and_where_an_older_policy_governs_everything_is_only_reported() {
    let governing = stage::settings(&json!({"imageBlockPublicAccess": "Audit", "snapshotBlockPublicAccess": "Ignore"}));
    let audits = |stage: &mut Stage| stage.spec = stage::spec(&json!({}), "Audit");
    let is_governed = |stage: &mut Stage| stage.older = vec![("old", None), ("older", Some(governing.clone()))];
    let mut stage = Stage::new();
    audits(&mut stage);
    stage.visits((0, 3600));
    assert_eq!((stage.calls.len(), stage.says().as_str()), (0, "False/NotEnforced"));
    for words in ["AllowedImages is disabled", "In mode Audit"] {
        assert!(stage.message().contains(words), "{}", stage.message());
    }
    assert!(!needs_a_person(reason_of(&stage)));

    let mut stage = Stage::new();
    is_governed(&mut stage);
    stage.visits((0, 3600));
    let set: Vec<&GuardrailChange> = stage.calls.iter().map(|(_, change)| change).collect();
    assert_eq!(set, [&GuardrailChange::BlockSnapshots], "the older one ignores it");
    assert_eq!(stage.says(), "False/NotEnforced");
    assert!(
        stage.message().contains("the older policy older governs it"),
        "{}",
        stage.message()
    );
    let modes: Vec<Mode> = stage.status.guardrails.iter().map(|row| row.mode).collect();
    assert_eq!(modes, [Mode::Audit, Mode::Audit, Mode::Enforce]);
    // It goes, and the other one takes over.
    stage.older.clear();
    stage.visits((3605, 4600));
    assert_eq!((stage.calls.len(), stage.says().as_str()), (4, "True/Enforced"));
}

#[test]
fn a_new_process_waits_for_what_an_earlier_one_has_asked_for() {
    let mut stage = Stage::new();
    stage.lag = 100_000;
    stage.visits((0, 100));
    assert_eq!(stage.count(BLOCK), 1);
    let said = stage.says();
    stage.watch = GuardrailWatch::default();
    stage.visits((105, 1000));
    assert_eq!((stage.count(BLOCK), stage.says()), (1, said));
    stage.visits((1005, 1100));
    assert_eq!(stage.count(BLOCK), 2);

    // What holds for long is no reason to wait.
    let mut stage = Stage::sound();
    stage.visits((0, 1000));
    stage.watch = GuardrailWatch::default();
    stage.images = "unblocked";
    stage.visits((1005, 1100));
    assert_eq!(
        (stage.count(BLOCK), stage.drifts(IMAGES)),
        (1, 1),
        "it is on record that it held"
    );
}

#[test]
fn without_the_setting_nothing_is_said_and_what_was_asked_for_is_remembered() {
    let mut stage = Stage::new();
    stage.lag = 100_000;
    let asks = stage.spec.clone();
    stage.visits((0, 100));
    stage.spec.guardrails = None;
    stage.visits((105, 200));
    assert_eq!((stage.says().as_str(), stage.status.guardrails.len()), ("", 0));
    stage.spec = asks;
    stage.visits((205, 800));
    assert_eq!(stage.count(BLOCK), 1, "it may come to show yet");

    stage.spec.suspend = true;
    stage.visit(805);
    assert_eq!(stage.says(), "Unknown/Suspended");
    assert_eq!(stage.status.guardrails.len(), 3, "what was found stays");
}
