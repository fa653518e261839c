use std::sync::Arc;

use super::*;
use crate::domain::{Attributes, BlockDevice, ErrorClass, Operation, SnapshotState, Tags};
use crate::plan::testing::{World, at, failed_call, image, image_id, snapshot_id};

/// What makes an image other than it is.
pub(super) type Change = fn(&mut Image, &mut Snapshots);

/// An image of two volumes and its snapshots, changed.
pub(super) fn changed(number: u64, change: Change) -> World {
    let mut image = image(number, 2);
    let mut world = World::of([image.clone()]);
    change(&mut image, &mut world.snapshots);
    world.images.insert(image.id.clone(), Arc::new(image));
    world
}

/// The snapshot of an image's first volume.
pub(super) fn first(image: &Image) -> SnapshotId {
    let (_, _, id) = image.volumes().next().expect("a volume");
    id.clone()
}

/// An account and region, after a scan.
struct Case {
    looks: LookWatch,
    inventory: Inventory,
    on_record: HashSet<ImageId>,
    now: i64,
}

impl Case {
    fn scanned(world: World) -> Self {
        let mut case = Self {
            looks: LookWatch::default(),
            inventory: Inventory::default(),
            on_record: HashSet::new(),
            now: 0,
        };
        case.scan(world);
        case
    }

    /// A scan shows this.
    fn scan(&mut self, world: World) {
        self.inventory = world.inventory(at(self.now));
        self.looks.scanned(&self.inventory, &self.on_record, at(self.now));
    }

    /// A look a minute later shows this. Gives the images that it takes in.
    fn look(&mut self, world: &World) -> Vec<ImageId> {
        self.now += 60;
        let shown = world.images.values().map(|image| Image::clone(image)).collect();
        let mut news = self.looks.news(shown, &self.inventory, &self.on_record);
        let mut found = world.snapshots.clone();
        let asked = news.snapshots(&self.inventory);
        found.retain(|id, _| asked.contains(id));
        news.leave_incomplete(&self.inventory, &found);
        let images = self.looks.looked(at(self.now), news, at(self.now));
        let taken = images.iter().map(|image| image.id.clone()).collect();
        self.inventory.take_in(images, found);
        taken
    }

    /// The days that a look asks for again, whenever it is made.
    fn unfinished(&self) -> &BTreeSet<Date> {
        &self.looks.unfinished
    }
}

#[test]
fn what_is_new_is_taken_in_once_two_looks_have_shown_it_alike_and_follows_what_changes_until_a_scan_shows_it() {
    let mut case = Case::scanned(World::default());
    let mut new = image(2, 1);
    let mut looked = |new: &Image| (case.look(&World::of([new.clone()])), case.inventory.clone());
    assert!(looked(&new).0.is_empty(), "its owner may not be done with it");
    new.tags = Tags::of(&[("amiseal.dev/exempt", "until July")]);
    assert!(looked(&new).0.is_empty(), "nor here");
    assert_eq!(looked(&new).0, [image_id(2)]);
    assert!(looked(&new).0.is_empty(), "it is known");

    let changes: [fn(&mut Image); 3] = [
        |image| image.tags = Tags::new(),
        |image| image.attributes = Arc::new(Attributes::from([("imdsSupport", "v2.0".into())])),
        |image| image.state = ImageState::Disabled,
    ];
    for change in changes {
        change(&mut new);
        let (taken, inventory) = looked(&new);
        assert_eq!((taken, &*inventory.images[&image_id(2)]), (vec![image_id(2)], &new));
    }
    for state in [ImageState::Pending, ImageState::Failed, ImageState::Deregistered] {
        let mut other = new.clone();
        other.state = state;
        assert!(looked(&other).0.is_empty(), "{state:?} is left to scans");
    }

    let scan = World::of([new.clone()]);
    assert!(!case.looks.are_missed_by(&scan.inventory(at(case.now))));
    case.scan(World::of([new.clone()]));
    new.tags = Tags::of(&[("team", "web")]);
    for _ in 0..3 {
        assert!(case.look(&World::of([new.clone()])).is_empty(), "so is what scans show");
    }
}

#[test]
fn news_is_what_is_there_and_was_not_known_as_finished_and_is_no_copy_on_record() {
    let known = image(1, 1);
    let mut pending = image(2, 1);
    pending.state = ImageState::Pending;
    let mut case = Case::scanned(World::of([known.clone(), pending]));
    case.on_record = HashSet::from([image_id(7)]);
    let with = |number: u64, change: &dyn Fn(&mut Image)| {
        let mut image = image(number, 1);
        change(&mut image);
        image
    };
    let shown = World::of([
        with(1, &|image| image.name = "another".into()),
        image(2, 1),
        image(3, 1),
        with(4, &|image| image.state = ImageState::Disabled),
        with(5, &|image| image.state = ImageState::Failed),
        with(6, &|image| image.state = ImageState::Deregistered),
        image(7, 1),
        with(8, &|image| image.state = ImageState::Other),
        with(9, &|image| image.state = ImageState::Pending),
        with(10, &|image| {
            image.ebs_root = false;
            image.devices.clear();
        }),
    ]);
    assert!(case.look(&shown).is_empty());
    assert_eq!(case.look(&shown), [2, 3, 4, 10].map(image_id));
    assert_eq!(*case.unfinished(), BTreeSet::from([day_of(at(9))]));
    assert_eq!(*case.inventory.images[&image_id(1)], known, "what is known stays");
    assert_eq!(case.inventory.scanned, at(0), "a look is no scan");
}

#[test]
fn an_image_is_taken_in_once_all_of_it_shows_also_where_a_scan_has_shown_half_of_it() {
    let halves: [(&str, Change); 6] = [
        ("a snapshot does not show", |image, snapshots| {
            snapshots.remove(&first(image));
        }),
        ("a snapshot is in the making", |image, snapshots| {
            snapshots.get_mut(&first(image)).expect("a snapshot").state = SnapshotState::Pending;
        }),
        ("the root's mapping is missing", |image, _| {
            drop(image.devices.remove(0))
        }),
        ("no mapping is there", |image, _| image.devices.clear()),
        ("the root's snapshot has no ID", |image, _| {
            if let BlockDevice::Ebs { volume, .. } = &mut image.devices[0] {
                volume.snapshot = None;
            }
        }),
        ("it cannot be read", |image, _| {
            image.extras.get_or_insert_default().unread = Some("imageState is missing".into());
            image.state = ImageState::Other;
        }),
    ];
    let whole = changed(2, |_, _| {});
    let image = whole.images[&image_id(2)].clone();
    for (what, change) in halves {
        for is_scanned in [false, true] {
            let half = || changed(2, change);
            let mut case = Case::scanned(if is_scanned { half() } else { World::default() });
            for _ in 0..3 {
                assert!(case.look(&half()).is_empty(), "{what}");
                assert_eq!(*case.unfinished(), BTreeSet::from([day_of(at(2))]), "{what}");
            }
            assert!(!case.inventory.knows(&image), "{what}");
            let taken = [case.look(&whole), case.look(&whole)].concat();
            assert_eq!(taken, [image_id(2)], "{what}");
            assert!(case.inventory.knows(&image) && case.unfinished().is_empty(), "{what}");
        }
    }
}

#[test]
fn of_what_two_looks_have_shown_alike_the_snapshots_are_read_that_are_not_known() {
    let inventory = World::of([image(1, 2)]).inventory(at(0));
    let mut new = image(2, 2);
    new.devices[0] = image(1, 1).devices[0].clone();
    let mut looks = LookWatch::default();
    for expected in [BTreeSet::new(), BTreeSet::from([snapshot_id(201)])] {
        let news = looks.news(vec![new.clone()], &inventory, &HashSet::new());
        assert_eq!(news.snapshots(&inventory), expected);
        looks.looked(at(60), news, at(60));
    }
}

#[test]
fn a_scan_that_lacks_what_a_look_took_in_shortly_before_may_lack_images() {
    let world = || World::of([image(2, 1)]);
    for (seconds, shows, expected) in [
        (60, false, true),
        (60, true, false),
        (899, false, true),
        (900, false, false),
    ] {
        let mut case = Case::scanned(World::default());
        assert!(!case.looks.are_missed_by(&case.inventory), "no look was made");
        case.look(&world());
        assert!(!case.looks.are_missed_by(&case.inventory), "none has taken it in");
        case.look(&world());
        let scan = if shows { world() } else { World::default() };
        let scan = scan.inventory(at(case.now + seconds));
        for scan_again in [false, true] {
            let lacks = case.looks.are_missed_by(&scan);
            assert_eq!(lacks, expected, "{seconds} s, again: {scan_again}");
        }
        case.inventory = scan;
        let found_again = case.look(&world()) == [image_id(2)];
        assert_eq!(found_again, expected, "{seconds} s later it needs no second look");
    }
}

#[test]
fn a_look_for_an_event_is_confirmed_soon_where_it_has_shown_something_and_only_there() {
    let every = Some(Duration::from_secs(600));
    let scans = ScanSchedule::default();
    let mut case = Case::scanned(changed(1, |_, _| {}));
    assert_eq!(case.looks.due(every, &scans), Some(at(600)));
    case.looks.hinted(at(5));
    assert_eq!(case.looks.due(every, &scans), Some(at(5)));
    assert_eq!(case.looks.due(None, &scans), None, "nobody has asked for looks");

    let world = changed(2, |_, _| {});
    assert!(case.look(&world).is_empty());
    assert_eq!(case.looks.due(every, &scans), Some(at(70)));
    assert_eq!(case.look(&world), [image_id(2)]);
    assert_eq!(case.looks.due(every, &scans), Some(at(720)), "it is taken in");

    case.looks.hinted(at(125));
    assert!(case.look(&world).is_empty());
    assert_eq!(case.looks.due(every, &scans), Some(at(780)), "nothing is new");

    // An image that is never twice the same is left to regular looks.
    case.looks.hinted(at(185));
    for (named, due) in [("a", 250), ("b", 310), ("c", 960)] {
        let mut world = changed(3, |_, _| {});
        for image in world.images.values_mut() {
            Arc::make_mut(image).name = named.into();
        }
        assert!(case.look(&world).is_empty());
        assert_eq!(case.looks.due(every, &scans), Some(at(due)), "{named}");
    }
}

#[test]
fn a_look_for_an_event_that_fails_is_made_again_as_soon_as_that_may_be_and_a_regular_one_at_its_time() {
    let every = Some(Duration::from_secs(600));
    let scans = ScanSchedule::default();
    let throttled = failed_call(Operation::DescribeImages, ErrorClass::Throttled);
    let world = changed(1, |_, _| {});
    let mut case = Case::scanned(changed(1, |_, _| {}));
    case.looks.failed(&throttled, at(1), |wait| wait);
    assert_eq!(case.looks.due(every, &scans), Some(at(601)));
    case.looks.hinted(at(5));
    case.looks.failed(&throttled, at(6), |wait| wait);
    assert_eq!(
        case.looks.due(every, &scans),
        Some(at(10)),
        "the second failure in a row"
    );
    assert!(case.look(&world).is_empty());
    assert_eq!(case.looks.due(every, &scans), Some(at(660)), "it has succeeded");
}
