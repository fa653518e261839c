//! Writing statuses: only when they differ, and only on what the decision was made on.

use kube::api::{Patch, PatchParams};
use kube::core::Status;
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Context;

/// The field manager of everything that amiseal applies.
pub(super) const FIELD_MANAGER: &str = "amiseal";

/// Writes `status` of `object` by server-side apply.
///
/// UID and resourceVersion of the object that the decision was made on are sent along: if it has changed since, or is
/// another one under the same name, the API server answers with a conflict and the decision is discarded.
pub(super) async fn write_status<K, S>(ctx: &Context, object: &K, status: &S) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
    S: Serialize,
{
    let name = object.name_any();
    if !ctx.fleet.memory.may_write(object, ctx.clock.monotonic()) {
        tracing::warn!(
            kind = %K::kind(&()),
            object = name,
            "the status is written over again and again: does another amiseal run in this cluster?"
        );
        // Like any other conflict: what was decided is discarded.
        let refused = Status::failure("written too often", "TooManyWrites").with_code(409);
        return Err(kube::Error::Api(refused.boxed()));
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
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let api = Api::<K>::all(ctx.client.clone());
    let written = api.patch_status(&name, &parameters, &Patch::Apply(&body)).await?;
    ctx.fleet.memory.wrote(&written, ctx.clock.monotonic());
    Ok(())
}

/// Whether the API server refused a write since the object is not what it was.
pub(super) fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// Whether the API server says that the object is not there.
pub(super) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
