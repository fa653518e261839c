//! Objects by account and region, so that a visit to one target does not look through those of all others.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use kube::{Resource, ResourceExt};

use super::watched::Seen;
use crate::api::{AMIEncryptionTarget, AMIMigration};

/// An object of one account and region.
pub(crate) trait Scoped {
    /// The account's ID and the region, as in the spec.
    fn scope(&self) -> (&str, &str);
}

impl Scoped for AMIEncryptionTarget {
    fn scope(&self) -> (&str, &str) {
        (&self.spec.account_id, &self.spec.region)
    }
}

impl Scoped for AMIMigration {
    fn scope(&self) -> (&str, &str) {
        (&self.spec.account_id, &self.spec.region)
    }
}

/// Objects of one kind, as last seen, by account and region.
#[derive(Debug)]
pub(crate) struct Index<K>(RwLock<Places<K>>);

#[derive(Debug)]
struct Places<K> {
    objects: HashMap<Key, HashMap<String, Arc<K>>>,
    /// Where each object is, by its name: it may be deleted and created elsewhere while nobody watches.
    keys: HashMap<String, Key>,
}

type Key = (String, String);

impl<K> Default for Places<K> {
    fn default() -> Self {
        Self {
            objects: HashMap::new(),
            keys: HashMap::new(),
        }
    }
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: Scoped + Resource<DynamicType = ()>> Index<K> {
    /// The objects of an account and region, all of one moment.
    pub(super) fn of(&self, account: &str, region: &str) -> Vec<Arc<K>> {
        // Every change is complete in itself, so a panic elsewhere leaves the maps sound.
        let places = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let objects = places.objects.get(&(account.to_owned(), region.to_owned()));
        objects.into_iter().flat_map(HashMap::values).cloned().collect()
    }

    /// Takes in what the watch has seen.
    pub(super) fn note(&self, seen: &Seen<'_, K>) {
        let mut places = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match seen {
            Seen::Listed(objects) => {
                *places = Places::default();
                for object in *objects {
                    places.insert(object);
                }
            }
            Seen::Applied(object) => places.insert(object),
            Seen::Deleted(object) => places.remove(&object.name_any()),
        }
    }
}

impl<K: Scoped + Resource<DynamicType = ()>> Places<K> {
    fn insert(&mut self, object: &Arc<K>) {
        let name = object.name_any();
        self.remove(&name);
        let (account, region) = object.scope();
        let key = (account.to_owned(), region.to_owned());
        self.keys.insert(name.clone(), key.clone());
        self.objects.entry(key).or_default().insert(name, object.clone());
    }

    fn remove(&mut self, name: &str) {
        let Some(key) = self.keys.remove(name) else { return };
        if let Some(objects) = self.objects.get_mut(&key) {
            objects.remove(name);
            if objects.is_empty() {
                self.objects.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::AMIMigrationSpec;

    fn migration(name: &str, account: &str, region: &str) -> Arc<AMIMigration> {
        let spec = AMIMigrationSpec {
            policy: "p".to_owned(),
            account_id: account.to_owned(),
            region: region.to_owned(),
            source_image_id: name.to_owned(),
            key_arn: String::new(),
        };
        Arc::new(AMIMigration::new(name, spec))
    }

    fn names(index: &Index<AMIMigration>, account: &str, region: &str) -> Vec<String> {
        let mut names: Vec<String> = index.of(account, region).iter().map(|m| m.name_any()).collect();
        names.sort();
        names
    }

    #[test]
    fn objects_are_found_where_they_were_last_seen_and_nowhere_else() {
        let index = Index::default();
        index.note(&Seen::Applied(&migration("a", "1", "x")));
        index.note(&Seen::Applied(&migration("b", "1", "y")));
        index.note(&Seen::Applied(&migration("c", "1", "x")));
        assert_eq!(names(&index, "1", "x"), ["a", "c"]);
        index.note(&Seen::Applied(&migration("a", "2", "x")));
        assert_eq!(
            (names(&index, "1", "x"), names(&index, "2", "x")),
            (vec!["c".to_owned()], vec!["a".to_owned()])
        );
        index.note(&Seen::Deleted(&migration("a", "1", "x")));
        assert_eq!(names(&index, "2", "x"), [""; 0]);
        index.note(&Seen::Listed(&[migration("d", "1", "y")]));
        assert_eq!(names(&index, "1", "y"), ["d"]);
        assert_eq!(names(&index, "1", "x"), [""; 0]);
    }
}
