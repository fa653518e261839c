//! What several processes do one after the other, and what changes while AWS is asked.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::stage::{IMAGES, Stage};
use super::{BLOCK, SET_KEY};
use crate::api::{GuardrailName, GuardrailStatus, Mode};
use crate::plan::guardrails::{GuardrailWatch, KeyStanding};
use crate::plan::testing::{at, key};

#[test]
fn what_another_process_has_asked_for_takes_the_place_of_what_is_only_intended() {
    let mut stage = Stage::new();
    // It is read, and the API server does not take the status of this process, since another one has written it.
    stage.loses_writes = true;
    stage.visit(10);
    stage.loses_writes = false;
    let mut theirs = GuardrailStatus::new(GuardrailName::ImageBlockPublicAccess, Mode::Enforce);
    theirs.requested_at = Some(Time(at(8)));
    stage.status.guardrails = vec![theirs.clone()];
    stage.visits((15, 910));
    assert_eq!(stage.count(BLOCK), 0, "it may come to show yet");
    assert_eq!(stage.row(IMAGES).expect("a row").requested_at, theirs.requested_at);
    stage.visits((915, 1000));
    assert_eq!((stage.count(BLOCK), stage.says().as_str()), (1, "True/Enforced"));
}

#[test]
fn a_record_that_shows_late_what_is_over_is_not_taken_for_that_of_another_process() {
    let mut stage = Stage::new();
    stage.lag = 100_000;
    stage.visits((0, 895));
    assert_eq!(stage.count(BLOCK), 1);
    // It is intended anew, and what is on record is the former request.
    stage.loses_writes = true;
    stage.visits((900, 920));
    stage.loses_writes = false;
    stage.visits((925, 940));
    assert_eq!(stage.count(BLOCK), 2);
}

#[test]
fn nobody_is_asked_about_the_key_while_aws_may_not_show_it_yet() {
    let mut stage = Stage::of_encryption();
    stage.lag = 100_000;
    stage.visits((0, 5));
    assert_eq!((stage.asks, stage.count(SET_KEY)), (1, 1));
    let reads = stage.reads;
    stage.visits((10, 840));
    assert!(stage.reads > reads + 3, "it is read back");
    assert_eq!((stage.asks, stage.says().as_str()), (1, "False/Requested"));
    // Before it is set again, it is asked anew.
    stage.standing = KeyStanding::Unusable(key(1), "They may not.".to_owned());
    stage.visits((845, 1000));
    assert_eq!((stage.count(SET_KEY), stage.says().as_str()), (1, "False/KeyNotUsable"));
    stage.standing = KeyStanding::Usable(key(1));
    stage.watch.scanned();
    stage.visits((1005, 1010));
    assert_eq!((stage.count(SET_KEY), stage.says().as_str()), (2, "False/Requested"));

    // A new process that finds that they may not says so until they may.
    stage.standing = KeyStanding::Unusable(key(1), "They may not.".to_owned());
    stage.watch = GuardrailWatch::default();
    for second in (1015..1500).step_by(5) {
        stage.visit(second);
        assert_eq!(stage.says(), "False/KeyNotUsable", "{second}");
    }
}
