//! What etcd would hold: every object, every version of it, and one counter for all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::object::set_meta;

/// Where an object is. Objects are listed in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It was created.
    Added,
    /// It was changed.
    Modified,
    /// It was removed.
    Deleted,
}

impl Change {
    /// As watch events say it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One version of one object.
#[derive(Clone, Debug)]
pub struct Version {
    /// The resourceVersion that it was written with: unique, and rising over all kinds.
    pub revision: u64,
    /// When it was written, by the clock of the server.
    pub at: Timestamp,
    /// The kind, as in `AMIMigration`.
    pub kind: String,
    /// The namespace; empty for objects of the whole cluster.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// Which request wrote it: the number of its entry in the journal. 0 stands for the garbage collector.
    pub request: u64,
    /// What happened.
    pub change: Change,
    /// The object as of this version; of a deleted one, the last that it was.
    pub object: Arc<Value>,
    /// The object before. Absent for one that was created.
    pub before: Option<Arc<Value>>,
}

impl Version {
    pub(crate) fn is_of(&self, kind: &str, namespace: &str) -> bool {
        self.kind == kind && (namespace.is_empty() || self.namespace == namespace)
    }
}

/// The store.
#[derive(Debug)]
pub(crate) struct Store {
    revision: u64,
    objects: BTreeMap<Key, Arc<Value>>,
    /// Those that nothing was written to since they were created.
    untouched: BTreeSet<Key>,
    versions: Vec<Version>,
    /// Versions up to this one are known no more to lists and watches.
    compacted: u64,
    /// How many versions lists and watches may look back.
    window: Option<u64>,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            // A new cluster has written something before anybody asks; 0 has a meaning of its own.
            revision: 1,
            objects: BTreeMap::new(),
            untouched: BTreeSet::new(),
            versions: Vec::new(),
            compacted: 0,
            window: None,
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// Whether nothing was written to an object since it was created.
    pub(crate) fn is_as_created(&self, key: &Key) -> bool {
        self.untouched.contains(key)
    }

    /// All objects there are, in order.
    pub(crate) fn objects(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// The objects of a kind as of a version, in order. An empty namespace stands for all.
    pub(crate) fn list(&self, kind: &str, namespace: &str, at: u64) -> Vec<(Key, Arc<Value>)> {
        if at >= self.revision {
            let of_kind = self.objects.iter().filter(|(key, _)| key.kind == kind);
            let of_kind = of_kind.filter(|(key, _)| namespace.is_empty() || key.namespace == namespace);
            return of_kind.map(|(key, object)| (key.clone(), object.clone())).collect();
        }
        let mut objects = BTreeMap::new();
        let until = self.versions.partition_point(|version| version.revision <= at);
        for version in self.versions[..until]
            .iter()
            .filter(|version| version.is_of(kind, namespace))
        {
            let key = Key {
                kind: version.kind.clone(),
                namespace: version.namespace.clone(),
                name: version.name.clone(),
            };
            if version.change == Change::Deleted {
                objects.remove(&key);
            } else {
                objects.insert(key, version.object.clone());
            }
        }
        objects.into_iter().collect()
    }

    /// An object as of a version.
    pub(crate) fn get_at(&self, key: &Key, at: u64) -> Option<Arc<Value>> {
        if at >= self.revision {
            return self.get(key).cloned();
        }
        let until = self.versions.partition_point(|version| version.revision <= at);
        let mut back = self.versions[..until].iter().rev();
        let last = back.find(|v| v.kind == key.kind && v.namespace == key.namespace && v.name == key.name)?;
        (last.change != Change::Deleted).then(|| last.object.clone())
    }

    /// What happened after a version.
    pub(crate) fn since(&self, revision: u64) -> &[Version] {
        &self.versions[self.versions.partition_point(|version| version.revision <= revision)..]
    }

    /// Forgets, as far as lists and watches go, what was before a version.
    pub(crate) fn compact(&mut self, revision: u64) {
        self.compacted = self.compacted.max(revision.min(self.revision));
    }

    /// Lets lists and watches look back over so many versions only.
    pub(crate) fn set_window(&mut self, versions: Option<u64>) {
        self.window = versions;
        self.slide();
    }

    fn slide(&mut self) {
        if let Some(window) = self.window {
            self.compact(self.revision.saturating_sub(window));
        }
    }

    /// Whether lists and watches can begin at a version.
    pub(crate) fn reaches_back_to(&self, revision: u64) -> Result<(), Failure> {
        if revision < self.compacted {
            let message = format!("too old resource version: {revision} ({})", self.compacted);
            return Err(Failure::expired(message));
        }
        Ok(())
    }

    /// Writes an object, or removes it, and returns what came of it.
    pub(crate) fn write(&mut self, key: &Key, object: Option<Value>, at: Timestamp, request: u64) -> Option<&Version> {
        let before = self.objects.get(key).cloned();
        let (change, mut object) = match (object, &before) {
            (Some(object), None) => (Change::Added, object),
            (Some(object), Some(_)) => (Change::Modified, object),
            (None, Some(before)) => (Change::Deleted, before.as_ref().clone()),
            (None, None) => return None,
        };
        self.revision += 1;
        set_meta(&mut object, "resourceVersion", Some(json!(self.revision.to_string())));
        let object = Arc::new(object);
        if change == Change::Added {
            self.untouched.insert(key.clone());
        } else {
            self.untouched.remove(key);
        }
        if change == Change::Deleted {
            self.objects.remove(key);
        } else {
            self.objects.insert(key.clone(), object.clone());
        }
        self.versions.push(Version {
            revision: self.revision,
            at,
            kind: key.kind.clone(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            request,
            change,
            object,
            before,
        });
        self.slide();
        self.versions.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key {
            kind: "Thing".to_owned(),
            namespace: String::new(),
            name: name.to_owned(),
        }
    }

    fn names(store: &Store, at: u64) -> Vec<String> {
        store
            .list("Thing", "", at)
            .into_iter()
            .map(|(key, _)| key.name)
            .collect()
    }

    #[test]
    fn the_past_can_be_listed_until_it_is_forgotten() {
        let mut store = Store::new();
        for (name, object) in [("b", Some(json!({}))), ("a", Some(json!({}))), ("b", None)] {
            store.write(&key(name), object, Timestamp::UNIX_EPOCH, 0);
        }
        assert_eq!(store.revision(), 4);
        assert_eq!([1, 2, 3, 4].map(|at| names(&store, at).join("")), ["", "b", "ab", "a"]);
        assert!(store.get_at(&key("b"), 3).is_some());
        assert!(store.get_at(&key("b"), 4).is_none());
        assert!(store.reaches_back_to(1).is_ok());
        store.set_window(Some(1));
        assert!(store.reaches_back_to(3).is_ok());
        assert_eq!(store.reaches_back_to(2).map_err(|failure| failure.code), Err(410));
    }

    #[test]
    fn what_is_not_there_cannot_be_removed() {
        let mut store = Store::new();
        assert!(store.write(&key("a"), None, Timestamp::UNIX_EPOCH, 0).is_none());
        assert_eq!(store.revision(), 1);
    }
}
