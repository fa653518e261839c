//! Objects of the cluster, page by page.

use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::check::unreadable;

/// So many objects are in one answer.
const PAGE: u32 = 500;

/// All objects of a kind that have these labels, or a sentence.
pub(super) async fn all<K>(client: &Client, plural: &str, selector: Option<&str>) -> Result<Vec<K>, String>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let api = Api::<K>::all(client.clone());
    let mut found = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    page.label_selector = selector.map(str::to_owned);
    loop {
        let list = api.list(&page).await.map_err(|error| unreadable(plural, &error))?;
        found.extend(list.items);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}
