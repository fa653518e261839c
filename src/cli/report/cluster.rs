//! The report on what the controller has found: from the API server, by the caller's kubeconfig. AWS is not asked.

use anyhow::Result;
use jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use crate::api::{AMIEncryptionTarget, AMIMigration};
use crate::cli::check::unreadable;
use crate::cli::run;
use crate::plan::findings::of_cluster;
use crate::plan::findings::report::Report;

/// So many objects are in one answer.
const PAGE: u32 = 500;

/// Reads what the cluster holds. Fails with a sentence where it cannot be read, or holds nothing.
pub(super) async fn report(now: Timestamp) -> Result<Result<Report, String>> {
    let (client, _) = run::cluster(None).await?;
    let targets = match all::<AMIEncryptionTarget>(&client, "amiencryptiontargets").await {
        Ok(targets) => targets,
        Err(sentence) => return Ok(Err(sentence)),
    };
    if targets.is_empty() {
        let sentence = "the cluster has no targets, so that nothing was looked at: apply an AMIEncryptionPolicy.";
        return Ok(Err(sentence.to_owned()));
    }
    let migrations = match all::<AMIMigration>(&client, "amimigrations").await {
        Ok(migrations) => migrations,
        Err(sentence) => return Ok(Err(sentence)),
    };
    Ok(Ok(of_cluster(&targets, &migrations, now)))
}

/// All objects of a kind, or a sentence.
async fn all<K>(client: &Client, plural: &str) -> Result<Vec<K>, String>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let api = Api::<K>::all(client.clone());
    let mut found = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api.list(&page).await.map_err(|error| unreadable(plural, &error))?;
        found.extend(list.items);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}
