//! Objects by account and region, so that a visit to one target does not look through those of all others.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use kube::{Resource, ResourceExt};

use super::watched::Seen;
use crate::api::{AMIEncryptionTarget, AMIMigration};
use crate::domain::{Malformed, Region, Scope};

/// An object of one account and region.
pub(crate) trait Scoped {
    /// The account and region of the spec. The API server refuses malformed ones; an object may be older than that rule.
    fn scope(&self) -> Result<Scope, Malformed>;
}

impl Scoped for AMIEncryptionTarget {
    fn scope(&self) -> Result<Scope, Malformed> {
        Scope::parse(&self.spec.account_id, &self.spec.region)
    }
}

impl Scoped for AMIMigration {
    fn scope(&self) -> Result<Scope, Malformed> {
        Scope::parse(&self.spec.account_id, &self.spec.region)
    }
}

/// Objects of one kind, as last seen, by account and region.
#[derive(Debug)]
pub(crate) struct Index<K>(RwLock<Scopes<K>>);

#[derive(Debug)]
struct Scopes<K> {
    objects: HashMap<Scope, HashMap<String, Arc<K>>>,
    /// Where each object is, by its name: it may be deleted and created elsewhere while nobody watches.
    scopes: HashMap<String, Scope>,
}

impl<K> Default for Scopes<K> {
    fn default() -> Self {
        Self {
            objects: HashMap::new(),
            scopes: HashMap::new(),
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
    pub(super) fn of(&self, scope: &Scope) -> Vec<Arc<K>> {
        // Every change is complete in itself, so a panic elsewhere leaves the maps sound.
        let scopes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let objects = scopes.objects.get(scope);
        objects.into_iter().flat_map(HashMap::values).cloned().collect()
    }

    /// The objects of a region in all accounts.
    pub(super) fn in_region(&self, region: &Region) -> Vec<Arc<K>> {
        let scopes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let objects = scopes.objects.iter().filter(|(scope, _)| scope.region == *region);
        objects.flat_map(|(_, objects)| objects.values()).cloned().collect()
    }

    /// Takes in what the watch has seen.
    pub(super) fn note(&self, seen: &Seen<'_, K>) {
        let mut scopes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match seen {
            Seen::Listed(objects) => {
                *scopes = Scopes::default();
                for object in *objects {
                    scopes.insert(object);
                }
            }
            Seen::Applied(object) => scopes.insert(object),
            Seen::Deleted(object) => scopes.remove(&object.name_any()),
        }
    }
}

impl<K: Scoped + Resource<DynamicType = ()>> Scopes<K> {
    fn insert(&mut self, object: &Arc<K>) {
        let name = object.name_any();
        self.remove(&name);
        // One that is malformed is worked on by nobody.
        let Ok(scope) = object.scope() else { return };
        self.scopes.insert(name.clone(), scope.clone());
        self.objects.entry(scope).or_default().insert(name, object.clone());
    }

    fn remove(&mut self, name: &str) {
        let Some(scope) = self.scopes.remove(name) else { return };
        if let Some(objects) = self.objects.get_mut(&scope) {
            objects.remove(name);
            if objects.is_empty() {
                self.objects.remove(&scope);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::AMIMigrationSpec;

    const ONE: &str = "111122223333";
    const OTHER: &str = "444455556666";

    fn migration(name: &str, account: &str, region: &str) -> Arc<AMIMigration> {
        let spec = AMIMigrationSpec {
            policy: "p".to_owned(),
            account_id: account.to_owned(),
            region: region.to_owned(),
            source_image_id: name.to_owned(),
            key_arn: String::new(),
            ..AMIMigrationSpec::default()
        };
        Arc::new(AMIMigration::new(name, spec))
    }

    fn names(index: &Index<AMIMigration>, account: &str, region: &str) -> Vec<String> {
        let mut names: Vec<String> = index
            .of(&Scope::parse(account, region).expect("a scope"))
            .iter()
            .map(|m| m.name_any())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn objects_are_found_where_they_were_last_seen_and_nowhere_else() {
        let index = Index::default();
        index.note(&Seen::Applied(&migration("a", ONE, "eu-west-1")));
        index.note(&Seen::Applied(&migration("b", ONE, "eu-west-2")));
        index.note(&Seen::Applied(&migration("c", ONE, "eu-west-1")));
        assert_eq!(names(&index, ONE, "eu-west-1"), ["a", "c"]);
        index.note(&Seen::Applied(&migration("a", OTHER, "eu-west-1")));
        assert_eq!(
            (names(&index, ONE, "eu-west-1"), names(&index, OTHER, "eu-west-1")),
            (vec!["c".to_owned()], vec!["a".to_owned()])
        );
        index.note(&Seen::Deleted(&migration("a", ONE, "eu-west-1")));
        assert_eq!(names(&index, OTHER, "eu-west-1"), [""; 0]);
        index.note(&Seen::Listed(&[migration("d", ONE, "eu-west-2")]));
        assert_eq!(names(&index, ONE, "eu-west-2"), ["d"]);
        assert_eq!(names(&index, ONE, "eu-west-1"), [""; 0]);
    }
}
