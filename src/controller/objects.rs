//! Reading which objects of this cluster launch images: by lists and not by watches, and once for all targets that read at about the
//! same time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{self, StatusCode};
use futures::future;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIResource, APIResourceList};
use kube::Client;
use kube::api::ListParams;
use kube::core::Request;
use serde_json::Value;
use tokio::sync::Mutex;

use super::answers::is_unreachable;
use crate::clock::Clock;
use crate::plan::usage::objects::{Failure, ObjectKind, Objects, is_served};

/// For so long a whole reading does for others as well.
const FRESH: Duration = Duration::from_secs(60);
/// How long reading one kind may take.
const LIMIT: Duration = Duration::from_secs(120);
/// So many objects are listed at a time.
const PAGE: u32 = 500;
/// The only version of the core group.
const CORE: &str = "v1";

/// Reads the objects that the controller is told of.
pub(crate) struct ObjectReader {
    client: Client,
    clock: Arc<dyn Clock>,
    kinds: Vec<ObjectKind>,
    /// The last reading. Whoever waits for one waits here.
    last: Mutex<Option<Last>>,
}

impl fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectReader")
            .field("kinds", &self.kinds)
            .finish_non_exhaustive()
    }
}

/// What was read, and since when it is so.
#[derive(Debug, Clone)]
pub(crate) struct ObjectReading {
    /// What objects launch.
    pub(crate) objects: Arc<Objects>,
    /// When the reading began.
    pub(crate) began: Timestamp,
}

#[derive(Debug)]
struct Last {
    reading: ObjectReading,
    /// Since some fixed moment, when it began and ended.
    began: Duration,
    ended: Duration,
}

impl Last {
    /// Whether it does for somebody who has asked at `asked`, at `now`: whoever waited for its end has it, and if it is whole, others
    /// have it for a while too. One that lacks something is not given out later: what it lacks may have been mended.
    fn does_for(&self, asked: Duration, now: Duration) -> bool {
        let is_fresh = now.saturating_sub(self.began) < FRESH;
        self.ended > asked || self.reading.objects.is_whole() && is_fresh
    }
}

impl ObjectReader {
    /// Reads these kinds with this client.
    pub(crate) fn new(client: Client, clock: Arc<dyn Clock>, kinds: Vec<ObjectKind>) -> Self {
        Self {
            client,
            clock,
            kinds,
            last: Mutex::default(),
        }
    }

    /// What objects launch, as it is now or was a minute ago. What could not be read is in the answer too.
    pub(crate) async fn read(&self) -> ObjectReading {
        if self.kinds.is_empty() {
            return ObjectReading {
                objects: Arc::default(),
                began: self.clock.now(),
            };
        }
        let asked = self.clock.monotonic();
        // One reads, the others wait for it. If that one is not wanted any more, the next one reads.
        let mut last = self.last.lock().await;
        let now = self.clock.monotonic();
        if let Some(last) = last.as_ref().filter(|last| last.does_for(asked, now)) {
            return last.reading.clone();
        }
        let began = self.clock.now();
        let objects = Arc::new(self.read_all().await);
        let before = last.as_ref().map(|last| last.reading.objects.absent().clone());
        if before.as_ref() != Some(objects.absent()) && !objects.absent().is_empty() {
            let absent: Vec<&str> = objects.absent().iter().map(String::as_str).collect();
            let absent = absent.join(", ");
            tracing::info!(
                absent,
                "the cluster does not have all kinds of clusterConsumers: nothing of these launches images"
            );
        }
        let reading = ObjectReading { objects, began };
        *last = Some(Last {
            reading: reading.clone(),
            began: now,
            ended: self.clock.monotonic(),
        });
        reading
    }

    async fn read_all(&self) -> Objects {
        let each = self.kinds.iter().map(|kind| self.read_kind(kind));
        let mut objects = Objects::default();
        for of_kind in future::join_all(each).await {
            objects.absorb(of_kind);
        }
        objects
    }

    /// Reads a kind, or as much of it as can be.
    async fn read_kind(&self, kind: &ObjectKind) -> Objects {
        let mut objects = Objects::default();
        let failure = tokio::select! {
            listed = self.list(kind, &mut objects) => listed.err(),
            () = self.clock.sleep(LIMIT) => Some(Failure::Unanswered(format!("not within {LIMIT:?}"))),
        };
        if let Some(failure) = failure {
            tracing::debug!(%kind, ?failure, "could not read all objects of a kind that launches images");
            objects.could_not_read(kind, &failure);
        }
        objects.ends(kind);
        objects
    }

    /// Lists a kind in all namespaces, page by page.
    async fn list(&self, kind: &ObjectKind, into: &mut Objects) -> Result<(), Failure> {
        if !self.is_there(kind).await? {
            into.does_not_have(kind);
            return Ok(());
        }
        let request = Request::new(format!("{}/{}", root(&kind.api_version()), kind.resource));
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let asked = request
                .list(&params)
                .map_err(|error| Failure::Refused(error.to_string()))?;
            let Some(page) = found(self.client.request::<Value>(asked).await)? else {
                // It has gone meanwhile.
                into.does_not_have(kind);
                return Ok(());
            };
            match &page["items"] {
                Value::Array(items) => items.iter().for_each(|item| into.add(kind, item)),
                // As Go writes a list with nothing in it.
                Value::Null if page.get("items").is_some() => {}
                _ => return Err(Failure::Unanswered("a list without its items".to_owned())),
            }
            match page["metadata"]["continue"].as_str() {
                Some(token) if !token.is_empty() => params = params.continue_token(token),
                _ => return Ok(()),
            }
        }
    }

    /// Whether the cluster has a kind. What is not installed is told from what may not be listed: the API server refuses both alike.
    async fn is_there(&self, kind: &ObjectKind) -> Result<bool, Failure> {
        if let Some(served) = self.resources(&kind.api_version()).await?
            && is_served(kind, names(&served))?
        {
            return Ok(true);
        }
        for version in self.versions(kind).await? {
            if *version == *kind.version {
                continue;
            }
            let served = self.resources(&format!("{}/{version}", kind.group)).await?;
            let served = served.unwrap_or_default();
            if names(&served).any(|(resource, other)| resource == &*kind.resource && other == &*kind.kind) {
                return Err(Failure::OtherVersion(version));
            }
        }
        Ok(false)
    }

    /// The versions of a kind's group; none where the cluster does not have the group.
    async fn versions(&self, kind: &ObjectKind) -> Result<Vec<String>, Failure> {
        if kind.group.is_empty() {
            return Ok(vec![CORE.to_owned()]);
        }
        let group: Option<APIGroup> = self.get(&format!("/apis/{}", kind.group)).await?;
        let versions = group.map(|group| group.versions).unwrap_or_default();
        Ok(versions.into_iter().map(|version| version.version).collect())
    }

    /// What is served in a version of a group; nothing where that is not.
    async fn resources(&self, api_version: &str) -> Result<Option<Vec<APIResource>>, Failure> {
        let list: Option<APIResourceList> = self.get(&root(api_version)).await?;
        Ok(list.map(|list| list.resources))
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Failure> {
        let request = http::Request::get(path).body(Vec::new());
        let request = request.map_err(|error| Failure::Refused(error.to_string()))?;
        match found(self.client.request(request).await) {
            // Every user may ask that by default; it is no right on the kind.
            Err(Failure::Denied) => Err(Failure::Refused(format!(
                "it may not be asked what it serves: bind the ClusterRole system:discovery, for {path}"
            ))),
            answer => answer,
        }
    }
}

/// Where a version of an API is served.
fn root(api_version: &str) -> String {
    let prefix = if api_version == CORE { "/api" } else { "/apis" };
    format!("{prefix}/{api_version}")
}

fn names(served: &[APIResource]) -> impl Iterator<Item = (&str, &str)> {
    served
        .iter()
        .map(|resource| (resource.name.as_str(), resource.kind.as_str()))
}

/// An answer; nothing where the API server knows no such path. What is said of a failure is the same each time.
fn found<T>(answer: Result<T, kube::Error>) -> Result<Option<T>, Failure> {
    let error = match answer {
        Ok(found) => return Ok(Some(found)),
        Err(error) => error,
    };
    let code = match &error {
        kube::Error::Api(status) => StatusCode::from_u16(status.code).ok(),
        error if is_unreachable(error) => return Err(Failure::Unanswered("it cannot be reached".to_owned())),
        _ => None,
    };
    let Some(code) = code else {
        tracing::debug!(%error, "an answer of the API server makes no sense");
        return Err(Failure::Unanswered("its answer makes no sense".to_owned()));
    };
    match code {
        StatusCode::NOT_FOUND => Ok(None),
        StatusCode::FORBIDDEN => Err(Failure::Denied),
        // A token is renewed, a list that took too long begins anew, and the rest is over at some time.
        StatusCode::UNAUTHORIZED | StatusCode::REQUEST_TIMEOUT | StatusCode::GONE | StatusCode::TOO_MANY_REQUESTS => {
            Err(Failure::Unanswered(format!("it answers {code}")))
        }
        code if code.is_server_error() => Err(Failure::Unanswered(format!("it answers {code}"))),
        code => Err(Failure::Refused(format!("it answers {code}"))),
    }
}

#[cfg(test)]
#[path = "objects_tests.rs"]
mod tests;
