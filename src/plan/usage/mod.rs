//! Who uses an image: everything that can launch it, by whatever it names it. What could not be read may use every image.

pub mod form;
pub mod keys;
pub mod objects;
mod picture;
pub mod record;
pub mod reports;
mod resolve;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{
    AccountId, AwsError, Consumer, ConsumerKind, Image, ImageId, ImageReference, LaunchPermission, Launcher, Launches,
    Readings, VersionRef,
};
use crate::plan::access::who::is_service;
use crate::plan::obstacle::Problem;
use crate::plan::problem;

use objects::Objects;
pub use picture::{Elsewhere, Picture};
pub use resolve::{Wanted, wanted};
pub use watch::{Begun, Read, UsageWatch, is_passing, passes};

/// AWS says up to a day late that an image was launched (API reference of Image, `LastLaunchedTime`).
const LAUNCH_LAG: Duration = Duration::from_secs(24 * 3600);

/// By what something uses an image that AWS finds and no listing has shown.
const UNLISTED: &str = "a version that is neither the default nor the latest";

/// Whether it is by an older version alone that something names an image, as `via` says.
pub fn is_of_old_version(via: &str) -> bool {
    via == UNLISTED
}

/// Whether it is by labels of an older version that a parameter names an image, as `via` says: `version 3 (prod)`.
pub fn is_by_label(via: &str) -> bool {
    via.starts_with("version ") && via.ends_with(')')
}

/// Who uses the images of one account and region.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    users: HashMap<ImageId, Vec<Consumer>>,
    /// Services that launch the default version of a template of which the latest names an image, or the other way round.
    beside: HashMap<ImageId, Vec<Consumer>>,
    /// Kinds of which not everything could be read, and why.
    unread: BTreeMap<ConsumerKind, Problem>,
    /// Of objects of the cluster, the kinds of which not everything could be read.
    unread_objects: BTreeSet<Box<str>>,
    /// Things of which it is not known what they launch.
    unresolved: BTreeSet<Unresolved>,
    /// By which roles Auto Scaling groups launch, by the groups' names.
    group_roles: HashMap<Box<str>, Box<str>>,
    /// What services of AWS launch by roles of their own, whatever that is.
    services: BTreeSet<(ConsumerKind, Box<str>)>,
    /// The Auto Scaling groups of whose instances one runs an image.
    running: HashMap<ImageId, BTreeSet<Box<str>>>,
    /// Whether a listing of it had several pages, of a kind that AWS is not asked about by itself.
    paged: bool,
    /// The images that the reading before showed to be used, if there was one that could read everything.
    used_before: Option<BTreeSet<ImageId>>,
    /// What the reading before showed to use images and a listing of this one may have missed.
    missed: HashMap<ImageId, Vec<Consumer>>,
    /// What services the reading before showed to launch, if there was one that could read all of those.
    services_before: Option<BTreeSet<(ConsumerKind, Box<str>)>>,
    /// When reading it began.
    began: Option<Timestamp>,
    /// When reading what AWS lists of it began. What the cluster has may be of an earlier reading, which all share.
    listed: Option<Timestamp>,
    /// Images of which AWS was asked by itself what names them.
    confirmed: BTreeSet<ImageId>,
    /// Those of which its answer had several pages, which may miss what names them.
    doubtful: BTreeSet<ImageId>,
    /// Whether listings were read twice at once, and AWS was asked what names images once.
    looked_twice: bool,
    /// Why it could not be asked of all of them what names them, or who may launch them.
    unconfirmed: Option<Problem>,
}

/// Something of which it is not known what it launches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unresolved {
    /// What it is.
    pub kind: ConsumerKind,
    /// Its ID or name.
    pub id: Box<str>,
    /// What it names that could not be read.
    pub names: Box<str>,
}

/// Why it cannot be said that nobody uses an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt<'g> {
    /// Nothing was read yet.
    NotRead,
    /// A kind of consumer could not be read, or not all of it.
    Unread(ConsumerKind, &'g Problem),
    /// Something names what could not be read.
    Unresolved(&'g Unresolved),
    /// Listings of many pages may miss what changes its place between two of them, and no other reading has shown the same yet.
    SeenOnce,
    /// AWS was not asked whether it finds anything that names it.
    Unconfirmed,
    /// The image can be launched in other accounts.
    Shared,
    /// The same, and AWS was asked then for a report of what they use.
    Asked(Timestamp),
    /// The same, and the report that was asked for then counts nothing there.
    NotCounted(Timestamp),
    /// AWS does not say when it was last launched.
    LastLaunchUnknown,
    /// It was launched, or made, not long enough ago.
    Recent(Timestamp),
}

/// What is known of the use of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Usage<'g> {
    /// These can launch it, and perhaps others.
    Used(&'g [Consumer]),
    /// Nobody is known to, and that nobody does cannot be said.
    Unknown(Vec<Doubt<'g>>),
    /// Nobody does.
    Unused(Unused),
}

/// The proof that nobody uses an image. Nothing but [`Graph::usage`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    image: ImageId,
    /// When the reading began that has shown it.
    since: Timestamp,
}

impl Unused {
    /// The image that nobody uses.
    pub fn image(&self) -> &ImageId {
        &self.image
    }

    /// When the reading began that has shown it.
    pub fn read_at(&self) -> Timestamp {
        self.since
    }
}

/// Makes the graph of what was read of `account`, by a reading that began at `began`.
pub fn graph(readings: &Readings, account: &AccountId, began: Timestamp) -> Graph {
    // An environment of Batch without an image may well be one of Fargate. The groups that it makes are listed by themselves.
    let launches = |launcher: &&Launcher| is_service(launcher.kind) && !launcher.launches.is_empty();
    let services = readings.launchers.iter().filter(launches);
    let mut graph = Graph {
        unread: readings
            .unread
            .iter()
            .map(|(kind, error)| (*kind, problem::of_error(error)))
            .collect(),
        group_roles: readings.group_roles.clone(),
        services: services.map(|launcher| (launcher.kind, launcher.id.clone())).collect(),
        paged: readings.paged,
        began: Some(began),
        listed: Some(began),
        ..Graph::default()
    };
    let resolver = resolve::Resolver::new(readings);
    for launcher in &readings.launchers {
        let mut seen: BTreeSet<(ImageId, Box<str>)> = BTreeSet::new();
        for (what, launches) in &launcher.launches {
            let found = resolver.images(what, launches);
            for missing in found.unknown {
                graph.unresolved.insert(Unresolved {
                    kind: launcher.kind,
                    id: launcher.id.clone(),
                    names: missing,
                });
            }
            let group = readings.origins.get(&launcher.id);
            let group =
                group.filter(|by| launcher.kind == ConsumerKind::Instance && by.kind == ConsumerKind::AutoScalingGroup);
            for (image, via) in found.images {
                if let Some(group) = group {
                    graph.running.entry(image.clone()).or_default().insert(group.id.clone());
                }
                if !seen.insert((image.clone(), via.clone())) {
                    continue;
                }
                graph.users.entry(image).or_default().push(Consumer {
                    kind: launcher.kind,
                    account: Some(account.clone()),
                    id: launcher.id.clone(),
                    via: (!via.is_empty()).then_some(via),
                    owner: launcher.owner.clone(),
                });
            }
            for (image, via) in beside(&resolver, launcher.kind, what, launches) {
                graph.beside.entry(image).or_default().push(Consumer {
                    kind: launcher.kind,
                    account: Some(account.clone()),
                    id: launcher.id.clone(),
                    via: Some(via),
                    owner: None,
                });
            }
        }
    }
    graph.sort();
    graph
}

/// What a service would launch if somebody made the other of a template's default and latest versions the one that it launches.
fn beside(
    resolver: &resolve::Resolver<'_>,
    kind: ConsumerKind,
    what: &str,
    launches: &Launches,
) -> Vec<(ImageId, Box<str>)> {
    let other = match launches {
        Launches::Template(template, VersionRef::Default) => (template, VersionRef::Latest),
        Launches::Template(template, VersionRef::Latest) => (template, VersionRef::Default),
        Launches::Template(_, VersionRef::Number(_)) | Launches::Image(_) | Launches::Configuration(_) => {
            return Vec::new();
        }
    };
    if !is_service(kind) {
        return Vec::new();
    }
    resolver
        .images(what, &Launches::Template(other.0.clone(), other.1))
        .images
}

impl Graph {
    fn sort(&mut self) {
        for users in self.users.values_mut() {
            users.sort_by(|one, other| (one.kind, &one.id, &one.via).cmp(&(other.kind, &other.id, &other.via)));
        }
    }

    /// Those that are known to use an image, in a stable order.
    pub fn consumers(&self, image: &ImageId) -> &[Consumer] {
        self.users.get(image).map_or(&[], Vec::as_slice)
    }

    /// What launches an image, also what the reading before showed to do so and a listing of this one may have missed.
    pub fn launchers(&self, image: &ImageId) -> impl Iterator<Item = &Consumer> {
        self.consumers(image)
            .iter()
            .chain(self.missed.get(image).into_iter().flatten())
    }

    /// What does not launch an image, and would once somebody changed the default version of a template: that may be between a reading
    /// and what is done by it.
    pub fn launchers_of_other_versions(&self, image: &ImageId) -> &[Consumer] {
        self.beside.get(image).map_or(&[], Vec::as_slice)
    }

    /// The ARN of the role by which an Auto Scaling group launches, where AWS says it.
    pub fn group_role(&self, group: &str) -> Option<&str> {
        self.group_roles.get(group).map(|role| &**role)
    }

    /// What services of AWS launch by roles of their own, also where it is not known what that is, and what a listing may have missed.
    pub fn services(&self) -> impl Iterator<Item = &(ConsumerKind, Box<str>)> {
        let before = self.services_before.as_ref().filter(|_| self.paged);
        let missed = before.into_iter().flat_map(|before| before.difference(&self.services));
        self.services.iter().chain(missed)
    }

    /// Whether no listing of several pages may have missed what a service launches and no other reading has shown either.
    pub fn are_services_seen_twice(&self) -> bool {
        !self.paged || self.services_before.is_some()
    }

    /// Whether all could be read that services launch.
    fn has_read_services(&self) -> bool {
        !self.unread.keys().any(|kind| is_service(*kind))
    }

    /// Whether another reading is all that is lacking to know what services launch.
    pub fn is_to_be_read_again(&self) -> bool {
        self.has_read_services() && !self.are_services_seen_twice()
    }

    /// The Auto Scaling groups of whose instances one runs an image.
    pub fn groups_running(&self, image: &ImageId) -> impl Iterator<Item = &str> {
        self.running.get(image).into_iter().flatten().map(|group| &**group)
    }

    /// Every image that something launches, whether or not it is there.
    pub fn launched(&self) -> impl Iterator<Item = (&ImageId, &[Consumer])> {
        self.users.iter().map(|(image, users)| (image, users.as_slice()))
    }

    /// Adds what AWS itself finds to name `images`. What the listings did not show of it is a use too: an older version of a template,
    /// or what one of them has missed.
    pub fn confirm(&mut self, images: &[ImageId], references: &[ImageReference], account: &AccountId) {
        self.confirmed.extend(images.iter().cloned());
        for reference in references {
            let users = self.users.entry(reference.image.clone()).or_default();
            if users
                .iter()
                .any(|user| user.kind == reference.kind && user.id == reference.id)
            {
                continue;
            }
            users.push(Consumer {
                kind: reference.kind,
                account: Some(account.clone()),
                id: reference.id.clone(),
                via: Some(UNLISTED.into()),
                owner: None,
            });
        }
        self.sort();
    }

    /// AWS's answer about these images had several pages: as with listings of such, it takes another reading to say that nothing names them.
    pub fn may_lack_references(&mut self, images: &[ImageId]) {
        self.doubtful.extend(images.iter().cloned());
    }

    /// Adds what objects of the cluster launch, by a reading that began at `began`: of images that are `ours` who uses them, as the cluster
    /// may well hold images of a hundred accounts, and whatever could not be read.
    pub fn add_objects(&mut self, objects: &Objects, began: Timestamp, ours: impl Fn(&ImageId) -> bool) {
        for (image, users) in objects.users().filter(|(image, _)| ours(image)) {
            self.users.entry(image.clone()).or_default().extend_from_slice(users);
        }
        self.unresolved.extend(objects.unresolved().cloned());
        self.unread_objects.extend(objects.unread().map(Into::into));
        if let Some(problem) = objects.problem() {
            self.unread.insert(ConsumerKind::KubernetesObject, problem);
        }
        self.began = self.began.map(|at| at.min(began));
        self.sort();
    }

    /// It could not be asked of all images what names them, or who may launch them.
    pub fn not_confirmed(&mut self, error: &AwsError) {
        self.unconfirmed = Some(problem::of_error(error));
    }

    /// What two looks have shown is in it: neither may have missed what the other has.
    pub fn has_looked_twice(&mut self) {
        self.used_before = Some(BTreeSet::new());
        self.services_before = Some(BTreeSet::new());
        self.looked_twice = true;
    }

    /// Whether AWS was asked by itself what names an image.
    pub fn is_confirmed(&self, image: &ImageId) -> bool {
        self.confirmed.contains(image)
    }

    /// Whether everything could be read that can launch images.
    pub fn is_whole(&self) -> bool {
        self.unread.is_empty() && self.unresolved.is_empty() && self.unconfirmed.is_none()
    }

    /// Whether no listing of several pages may have missed what no other reading has shown either.
    pub fn is_seen_twice(&self) -> bool {
        !self.paged || self.used_before.is_some()
    }

    /// The images that the reading before showed to be used, where a listing of this one may have missed that.
    pub fn used_before(&self) -> impl Iterator<Item = &ImageId> {
        let before = self.used_before.iter().filter(move |_| self.paged);
        before.flatten()
    }

    /// Why it could not.
    pub fn unconfirmed(&self) -> Option<&Problem> {
        self.unconfirmed.as_ref()
    }

    /// Kinds of which not everything could be read, and why.
    pub fn unread(&self) -> &BTreeMap<ConsumerKind, Problem> {
        &self.unread
    }

    /// Things of which it is not known what they launch.
    pub fn unresolved(&self) -> impl Iterator<Item = &Unresolved> {
        self.unresolved.iter()
    }

    /// Takes over from an earlier reading what may still be so: consumers of kinds of which not everything could be read now, and those
    /// of which it is not known now what they launch.
    pub fn keep(&mut self, earlier: &Self) {
        let used = earlier.users.iter().filter(|(_, users)| !users.is_empty());
        self.used_before = earlier
            .is_whole()
            .then(|| used.map(|(image, _)| image.clone()).collect());
        self.services_before = earlier.has_read_services().then(|| earlier.services.clone());
        let unresolved = &self.unresolved;
        let (unread, objects) = (&self.unread, &self.unread_objects);
        let is_unread = |user: &Consumer| match user.kind {
            // One kind of objects that could not be read keeps nothing of another.
            ConsumerKind::KubernetesObject => objects.contains(objects::kind_of(&user.id)),
            kind => unread.contains_key(&kind),
        };
        let may_be = |user: &Consumer| {
            is_unread(user) || unresolved.iter().any(|one| one.kind == user.kind && one.id == user.id)
        };
        if self.unread.contains_key(&ConsumerKind::Instance) {
            for (image, groups) in &earlier.running {
                self.running
                    .entry(image.clone())
                    .or_default()
                    .extend(groups.iter().cloned());
            }
        }
        for (group, role) in &earlier.group_roles {
            self.group_roles.entry(group.clone()).or_insert_with(|| role.clone());
        }
        for (image, users) in &earlier.users {
            for user in users.iter().filter(|user| may_be(user)) {
                let ours = self.users.entry(image.clone()).or_default();
                if !ours.contains(user) {
                    ours.push(user.clone());
                }
            }
        }
        self.sort();
        self.missed = if self.paged {
            self.not_shown(earlier)
        } else {
            HashMap::new()
        };
    }

    /// What an earlier reading showed to use images, and this one does not.
    fn not_shown(&self, earlier: &Self) -> HashMap<ImageId, Vec<Consumer>> {
        let missing = earlier.users.iter().map(|(image, users)| {
            let shown = self.consumers(image);
            // They are sorted, and an image may have thousands.
            let is_shown = |user: &Consumer| {
                let found = shown.binary_search_by(|one| (one.kind, &one.id).cmp(&(user.kind, &user.id)));
                found.is_ok()
            };
            let users = users.iter().filter(|user| !is_shown(user)).cloned().collect();
            (image.clone(), users)
        });
        missing.filter(|(_, users): &(_, Vec<_>)| !users.is_empty()).collect()
    }

    /// When reading began; none where nothing was read yet.
    pub fn read_at(&self) -> Option<Timestamp> {
        self.began
    }

    /// When reading what AWS lists began, by which one reading is told from another; none where nothing was read yet.
    pub fn listed_at(&self) -> Option<Timestamp> {
        self.listed
    }

    /// What is known of the use of an image at `now`. `shared` are its launch permissions, where they were read. An image that another
    /// account may launch is not unused, nor one that was launched or made within `after`.
    pub fn usage(
        &self,
        image: &Image,
        shared: Option<&BTreeSet<LaunchPermission>>,
        after: Duration,
        now: Timestamp,
    ) -> Usage<'_> {
        let consumers = self.consumers(&image.id);
        if !consumers.is_empty() {
            return Usage::Used(consumers);
        }
        let Some(began) = self.began else {
            return Usage::Unknown(vec![Doubt::NotRead]);
        };
        let mut doubts: Vec<Doubt<'_>> = self
            .unread
            .iter()
            .map(|(kind, problem)| Doubt::Unread(*kind, problem))
            .collect();
        doubts.extend(self.unresolved.iter().map(Doubt::Unresolved));
        let is_doubtful = self.doubtful.contains(&image.id);
        let was_unused = self.used_before.as_ref().is_some_and(|used| !used.contains(&image.id));
        if (self.paged || is_doubtful) && !was_unused || is_doubtful && self.looked_twice {
            doubts.push(Doubt::SeenOnce);
        }
        if !self.confirmed.contains(&image.id) {
            doubts.push(Doubt::Unconfirmed);
        }
        if image.public || shared.is_none_or(|shared| !shared.is_empty()) {
            doubts.push(Doubt::Shared);
        }
        match image.last_launched {
            None => doubts.push(Doubt::LastLaunchUnknown),
            Some(launched) => {
                let last = image.created.map_or(launched, |created| created.max(launched));
                let quiet = now.duration_since(last).as_secs_f64();
                if quiet < (after + LAUNCH_LAG).as_secs_f64() {
                    doubts.push(Doubt::Recent(last));
                }
            }
        }
        if doubts.is_empty() {
            Usage::Unused(Unused {
                image: image.id.clone(),
                since: began,
            })
        } else {
            Usage::Unknown(doubts)
        }
    }
}
