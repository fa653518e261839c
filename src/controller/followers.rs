//! Migrations that follow those of other accounts: what becomes of one leads to a look at those that follow it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use futures::channel::mpsc::UnboundedSender;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::index::Index;
use super::registry::{Registry, lock};
use super::watched::Seen;
use super::{Context, migrations};
use crate::api::{AMIEncryptionTarget, AMIMigration, labels};
use crate::domain::{ImageId, Region};
use crate::plan::step;

/// The migration of an image in the account that owns it, as long as there is a policy that asks for it.
pub(super) fn of_owner(ctx: &Context, image: &ImageId, region: &Region) -> Option<Arc<AMIMigration>> {
    let name = labels::migration_name(image.as_str(), region.as_str());
    let owner = ctx.migrations.get(&ObjectRef::new(&name))?;
    let is_meant = owner.spec.owner_account_id.is_none() && owner.metadata.deletion_timestamp.is_none();
    (is_meant && migrations::owner(&owner, ctx).is_some()).then_some(owner)
}

/// Which migrations follow which, and who is told of what becomes of those that are followed.
#[derive(Debug)]
pub(crate) struct Followers {
    known: Mutex<Known>,
    targets: Arc<Index<AMIEncryptionTarget>>,
    wake: UnboundedSender<ObjectRef<AMIMigration>>,
    wake_target: UnboundedSender<ObjectRef<AMIEncryptionTarget>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Names of migrations that follow another one, by the name of that.
    followers: HashMap<String, BTreeSet<String>>,
    /// Names of those that have a copy for others.
    offering: HashSet<String>,
    /// Originals by their copies, and the copies by the names of their migrations.
    originals: HashMap<ImageId, ImageId>,
    copies: HashMap<String, ImageId>,
}

impl Followers {
    pub(super) fn new(targets: Arc<Index<AMIEncryptionTarget>>, registry: &Registry) -> Self {
        Self {
            known: Mutex::default(),
            targets,
            wake: registry.migration_waker(),
            wake_target: registry.waker(),
        }
    }

    /// Takes in what the watch has seen.
    pub(super) fn note(&self, seen: &Seen<'_, AMIMigration>) {
        let mut known = lock(&self.known);
        match seen {
            // Each migration is looked at after a listing.
            Seen::Listed(objects) => {
                let before = std::mem::take(&mut *known);
                for object in *objects {
                    known.insert(object);
                }
                drop(known);
                let is_new = |object: &&Arc<AMIMigration>| {
                    step::offered(object).is_some() && !before.offering.contains(&object.name_any())
                };
                objects
                    .iter()
                    .filter(is_new)
                    .for_each(|object| self.wake_targets(object));
            }
            Seen::Applied(object) => {
                let is_new_offer = known.insert(object);
                self.wake_followers(&known, object);
                drop(known);
                if is_new_offer {
                    self.wake_targets(object);
                }
            }
            Seen::Deleted(object) => {
                known.remove(object);
                self.wake_followers(&known, object);
            }
        }
    }

    /// What an image is a copy of, as a migration of its owner says.
    pub(super) fn original_of(&self, copy: &ImageId) -> Option<ImageId> {
        lock(&self.known).originals.get(copy).cloned()
    }

    fn wake_followers(&self, known: &Known, object: &AMIMigration) {
        for name in known.followers.get(&object.name_any()).into_iter().flatten() {
            // Without a receiver the controllers are not running, and look at everything when they start.
            let _ = self.wake.unbounded_send(ObjectRef::new(name));
        }
    }

    /// Lets those targets look again that say that an image of this owner is launched there.
    fn wake_targets(&self, owner: &AMIMigration) {
        let Ok(region) = owner.spec.region.parse::<Region>() else {
            return;
        };
        let launches = |target: &Arc<AMIEncryptionTarget>| {
            let usage = target.status.as_ref().and_then(|status| status.usage.as_ref());
            let mut foreign = usage.into_iter().flat_map(|usage| &usage.foreign_images);
            foreign.any(|image| image.image_id == owner.spec.source_image_id)
        };
        for target in self.targets.in_region(&region).iter().filter(|target| launches(target)) {
            let _ = self.wake_target.unbounded_send(ObjectRef::from_obj(&**target));
        }
    }
}

impl Known {
    /// Notes a migration, and says whether it has a copy for others and had none before.
    fn insert(&mut self, object: &AMIMigration) -> bool {
        if object.spec.owner_account_id.is_some() {
            self.followers
                .entry(followed(object))
                .or_default()
                .insert(object.name_any());
            return false;
        }
        self.note_copy(object);
        if step::offered(object).is_some() {
            return self.offering.insert(object.name_any());
        }
        self.offering.remove(&object.name_any());
        false
    }

    fn note_copy(&mut self, object: &AMIMigration) {
        let name = object.name_any();
        let copy = object.status.as_ref().and_then(step::recorded_copy);
        let Some((copy, original)) = copy.zip(object.spec.source_image_id.parse().ok()) else {
            return self.forget_copy(&name);
        };
        if self.copies.get(&name) != Some(&copy) {
            self.forget_copy(&name);
            self.originals.insert(copy.clone(), original);
            self.copies.insert(name, copy);
        }
    }

    fn forget_copy(&mut self, name: &str) {
        if let Some(copy) = self.copies.remove(name) {
            self.originals.remove(&copy);
        }
    }

    fn remove(&mut self, object: &AMIMigration) {
        self.forget_copy(&object.name_any());
        self.offering.remove(&object.name_any());
        if object.spec.owner_account_id.is_none() {
            return;
        }
        let followed = followed(object);
        if let Some(of_one) = self.followers.get_mut(&followed) {
            of_one.remove(&object.name_any());
            if of_one.is_empty() {
                self.followers.remove(&followed);
            }
        }
    }
}

fn followed(follower: &AMIMigration) -> String {
    labels::migration_name(&follower.spec.source_image_id, &follower.spec.region)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::AMIMigrationSpec;

    const REGION: &str = "eu-west-1";

    fn migration(image: &str, follower: Option<&str>) -> Arc<AMIMigration> {
        let spec = AMIMigrationSpec {
            source_image_id: image.to_owned(),
            region: REGION.to_owned(),
            owner_account_id: follower.map(|_| "111122223333".to_owned()),
            ..AMIMigrationSpec::default()
        };
        let name = follower.map_or_else(
            || labels::migration_name(image, REGION),
            |account| labels::follower_name(image, REGION, account),
        );
        Arc::new(AMIMigration::new(&name, spec))
    }

    #[test]
    fn a_change_of_the_owners_migration_wakes_those_that_follow_it_and_no_others() {
        let (registry, mut wakes) = Registry::new();
        let followers = Followers::new(Arc::default(), &registry);
        let [one, other, lone] = [("ami-1", "222"), ("ami-1", "333"), ("ami-2", "222")]
            .map(|(image, account)| migration(image, Some(account)));
        let mut names = || {
            let mut names: Vec<String> = std::iter::from_fn(|| wakes.migrations.try_recv().ok())
                .map(|object| object.name)
                .collect();
            names.sort();
            names
        };
        followers.note(&Seen::Listed(&[one.clone(), lone.clone(), migration("ami-1", None)]));
        followers.note(&Seen::Applied(&other));
        assert_eq!(names(), [""; 0]);
        followers.note(&Seen::Applied(&migration("ami-1", None)));
        assert_eq!(names(), [one.name_any(), other.name_any()]);
        followers.note(&Seen::Deleted(&other));
        followers.note(&Seen::Deleted(&migration("ami-1", None)));
        assert_eq!(names(), [one.name_any()]);
        followers.note(&Seen::Applied(&migration("ami-3", None)));
        assert_eq!(names(), [""; 0]);
    }
}
