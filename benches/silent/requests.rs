//! What was asked of the API server, by the double's journal and history.

use anyhow::Result;
use kubesim::{ApiServer, Change, Entry, Version};
use serde_json::Value;

use crate::calls::{Counts, one_more};
use crate::product::CLIENT;

/// What changes of a target with each scan and each reading that find nothing new, and what the API server changes with it.
const TIMES: [&str; 5] = [
    "/status/lastScanTime",
    "/status/usage/readTime",
    "/status/findings/readTime",
    "/metadata/resourceVersion",
    "/metadata/managedFields",
];

/// Requests over a while.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pub(crate) total: u32,
    /// By verb and kind, as in `watch AMIMigration`.
    pub(crate) by_kind: Counts,
    /// Those that write, Events included.
    pub(crate) writes: u32,
    /// Those of them that changed nothing but times of a target.
    pub(crate) of_times: u32,
}

impl Requests {
    /// Counts the controllers' requests after the first `entries` of the journal and after `revision`.
    pub(crate) fn since(api: &ApiServer, entries: usize, revision: u64) -> Result<Self> {
        let mut all = Self::default();
        for entry in api.journal_after(entries).iter().filter(|entry| entry.client == CLIENT) {
            all.add(entry);
        }
        let of_times = api
            .history(revision)
            .iter()
            .filter(|version| is_of_times(version))
            .count();
        all.of_times = u32::try_from(of_times)?;
        Ok(all)
    }

    fn add(&mut self, entry: &Entry) {
        self.total += 1;
        let mut kind = format!("{} {}", entry.verb.as_str(), entry.kind);
        if !entry.subresource.is_empty() {
            kind = format!("{kind}/{}", entry.subresource);
        }
        one_more(&mut self.by_kind, &kind);
        self.writes += u32::from(entry.verb.writes());
    }

    /// Those that write something else.
    pub(crate) fn others(&self) -> u32 {
        self.writes.saturating_sub(self.of_times)
    }
}

fn is_of_times(version: &Version) -> bool {
    let before = version.before.as_ref();
    version.change == Change::Modified
        && version.kind == "AMIEncryptionTarget"
        && before.is_some_and(|before| timeless(before) == timeless(&version.object))
}

fn timeless(object: &Value) -> Value {
    let mut object = object.clone();
    for path in TIMES {
        if let Some(time) = object.pointer_mut(path) {
            *time = Value::Null;
        }
    }
    object
}
