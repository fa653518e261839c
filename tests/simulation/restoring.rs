//! A person who puts statuses back as they were, as a restore from a backup does: the whole object is replaced, under a name
//! of its own among the managers of its fields.

use std::sync::Arc;

use serde_json::Value;

use super::people::SOMEBODY;
use super::stage::Stage;

/// Puts an earlier status of this object back, which one by the number of the write that is struck. Nothing happens where it
/// never had another.
pub(super) fn restore(stage: &Stage, kind: &str, name: &str, number: u64) {
    let Some(now) = stage.api.get(kind, ("", name)) else {
        return;
    };
    let earlier = earlier(stage, kind, name, &now);
    let turn = usize::try_from(number).unwrap_or(0);
    let Some(earlier) = turn.checked_rem(earlier.len()).and_then(|index| earlier.get(index)) else {
        return;
    };
    let mut restored = now.as_ref().clone();
    restored["status"] = earlier["status"].clone();
    // Nobody writes meanwhile.
    let _ = stage.api.replace(SOMEBODY, &restored, "status");
}

/// The versions of an object whose status was another than it is now.
fn earlier(stage: &Stage, kind: &str, name: &str, now: &Value) -> Vec<Arc<Value>> {
    let versions = stage.api.history(0).into_iter();
    let of_object = versions.filter(|version| version.kind == kind && version.name == name);
    let objects = of_object.map(|version| version.object);
    let same = |object: &Value| object["metadata"]["uid"] == now["metadata"]["uid"];
    let mut earlier: Vec<Arc<Value>> = objects
        .filter(|object| same(object) && object["status"].is_object() && object["status"] != now["status"])
        .collect();
    earlier.dedup_by(|one, other| one["status"] == other["status"]);
    earlier
}
