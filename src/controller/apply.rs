//! Writing statuses: only when they differ, and only on what the decision was made on.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use kube::api::PostParams;
use kube::core::Request;
use kube::core::object::HasStatus;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Context;
use crate::plan::allowance::Urgency;

/// The field manager of everything that amiseal writes.
pub(super) const FIELD_MANAGER: &str = "amiseal";
/// How long to wait for the API server's newer version of an object after a conflict, if it does not lead here by itself.
pub(super) const AFTER_CONFLICT: Duration = Duration::from_secs(1);

/// What has become of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done.
    Written,
    /// The object is no more.
    Gone,
    /// It was not made: what was decided is discarded, and decided again after that time.
    Discarded(Duration),
}

/// Writes `status` of `object`, whole: what it does not say any more is gone, whoever had written it. Server-side apply would
/// leave what another manager owns besides, as one who restores a backup does.
///
/// UID and resourceVersion of the object that the decision was made on are sent along: if it has changed since, or is
/// another one under the same name, the API server answers with a conflict and the decision is discarded. Only the status is
/// taken from what is sent, so that nothing else has to be.
///
/// A write that is not urgent is not made while many were lately: one that is decided later says as much.
pub(super) async fn write_status<K, S>(
    ctx: &Context,
    object: &K,
    status: &S,
    urgency: Urgency,
) -> Result<Outcome, kube::Error>
where
    K: Resource<DynamicType = ()> + HasStatus<Status = S> + Clone + std::fmt::Debug + DeserializeOwned,
    S: Serialize,
{
    let name = object.name_any();
    let memory = &ctx.registry.memory;
    let now = ctx.clock.monotonic();
    memory.saw(object, digest(object.status()), now);
    if !memory.may_write(object, now) {
        if memory.has_to_tell_of_another(object) {
            tracing::warn!(
                kind = %K::kind(&()),
                object = name,
                "another writer keeps overwriting the status: does another amiseal run in this cluster?"
            );
        }
        return Ok(Outcome::Discarded(
            memory.rest(object, urgency, now).max(AFTER_CONFLICT),
        ));
    }
    let rest = memory.rest(object, urgency, now);
    if !rest.is_zero() {
        return Ok(Outcome::Discarded(rest));
    }
    let body = serde_json::json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {
            "name": name,
            "uid": object.uid(),
            "resourceVersion": object.resource_version(),
        },
        "status": status,
    });
    let parameters = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    let body = serde_json::to_vec(&body).map_err(kube::Error::SerdeError)?;
    let request = Request::new(K::url_path(&(), None))
        .replace_subresource("status", &name, &parameters, body)
        .map_err(kube::Error::BuildRequest)?;
    match ctx.client.request::<K>(request).await {
        Ok(written) => {
            memory.wrote(&written, digest(written.status()), ctx.clock.monotonic());
            Ok(Outcome::Written)
        }
        // Most often a change leads here again, but the API server may also refuse without one.
        Err(error) if is_conflict(&error) => Ok(Outcome::Discarded(AFTER_CONFLICT)),
        Err(error) if is_not_found(&error) => Ok(Outcome::Gone),
        Err(error) => Err(error),
    }
}

/// A status as a number: two that differ have different ones, as good as always.
fn digest(status: Option<&impl Serialize>) -> u64 {
    let mut hasher = DefaultHasher::new();
    // What cannot be written as JSON never came from there.
    serde_json::to_vec(&status).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// Whether the API server refused a write since the object is not what it was.
pub(super) fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// Whether the API server says that the object is not there.
pub(super) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
