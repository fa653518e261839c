//! What happens between the controller and AWS. AWS itself goes on: copies that it was asked for are made.

use std::time::Duration;

use anyhow::Result;
use rig::{Way, read_metrics};
use tokio::time::Instant;

use super::Struck;
use crate::stage::Stage;

/// Lets through only what each `way` says, for so many seconds. The calls that the controller counts under `code` are those
/// that the fault struck.
pub(super) async fn unreachable(stage: &mut Stage, ways: &[(Way, u64)], code: &str) -> Result<Struck> {
    let left = stage.left();
    let before = failed_calls(stage, code).await?;
    for (way, seconds) in ways {
        stage.relay.set(*way);
        tokio::time::sleep(Duration::from_secs(*seconds)).await;
    }
    let failed = failed_calls(stage, code).await?.saturating_sub(before);
    stage.relay.set(Way::Open);
    Ok(Struck::new(failed, "calls failed", left, Instant::now()))
}

/// How many calls the controller says have ended so.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of calls"
)]
async fn failed_calls(stage: &Stage, code: &str) -> Result<usize> {
    let mut failed = 0.0;
    for replica in &stage.replicas {
        let Some(listens) = replica.listens() else { continue };
        let samples = read_metrics(&listens).await?;
        let of_code = samples.iter().filter(|sample| {
            sample.name == "amiseal_aws_requests_total" && sample.labels.get("code").is_some_and(|c| c == code)
        });
        failed += of_code.map(|sample| sample.value).sum::<f64>();
    }
    Ok(failed as usize)
}
