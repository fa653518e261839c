//! What several processes do one after the other, and what changes while AWS is asked.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::BLOCK;
use super::stage::{IMAGES, Stage};
use crate::api::{GuardrailName, GuardrailStatus, Mode};
use crate::plan::testing::at;

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
