//! The report on what the controller has found: from the API server, by the caller's kubeconfig. AWS is not asked.

use anyhow::Result;
use jiff::Timestamp;

use crate::api::{AMIEncryptionTarget, AMIMigration};
use crate::cli::listing::all;
use crate::cli::run;
use crate::plan::findings::of_cluster;
use crate::plan::findings::report::Report;

/// Reads what the cluster holds. Fails with a sentence where it cannot be read, or holds nothing.
pub(super) async fn report(now: Timestamp) -> Result<Result<Report, String>> {
    let (client, _) = run::cluster(None).await?;
    let targets = match all::<AMIEncryptionTarget>(&client, "amiencryptiontargets", None).await {
        Ok(targets) => targets,
        Err(sentence) => return Ok(Err(sentence)),
    };
    if targets.is_empty() {
        let sentence = "the cluster has no targets, so that nothing was looked at: apply an AMIEncryptionPolicy.";
        return Ok(Err(sentence.to_owned()));
    }
    let migrations = match all::<AMIMigration>(&client, "amimigrations", None).await {
        Ok(migrations) => migrations,
        Err(sentence) => return Ok(Err(sentence)),
    };
    Ok(Ok(of_cluster(&targets, &migrations, now)))
}
