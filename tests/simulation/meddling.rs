//! What people do to guardrails and to what they depend on, and the images that they make between two scans.

use std::time::Duration;

use amiseal::api::GuardrailName;
use ec2sim::Edit;
use ec2sim::model::{Guardrails, Region};
use ec2sim::spec::{CopiedExpectation, Expectation, ImageSpec, Keep, TagExpectation};

use super::catalogue::Fault;
use super::guarding::{self, KEY, RAILS};
use super::notes::New;
use super::stage::Stage;
use super::world::{EXEMPT, OTHER_KEY, PLACES};

/// How long a declarative policy lasts, and those who launch may not use the key: longer than AWS takes to show what it has set.
const MEANWHILE: Duration = Duration::from_secs(25 * 60);
/// How long after somebody has made an image they tag it.
const TAGGED_AFTER: Duration = Duration::from_secs(40);

/// Does it in one of the accounts and regions, by the number of the write that is struck.
pub(super) fn act(stage: &Stage, fault: Fault, number: u64) {
    let turn = usize::try_from(number).unwrap_or(0);
    let place = PLACES[turn % PLACES.len()];
    let turn = turn / PLACES.len();
    match fault {
        Fault::GuardrailTurnedOff => turn_off(stage, place, RAILS[turn % RAILS.len()].name),
        Fault::DefaultKeySet => set(stage, place, |set| set.ebs_default_key = Some(OTHER_KEY.to_owned())),
        Fault::GuardrailDeclared => declare(stage, place, turn.is_multiple_of(2)),
        Fault::LauncherRevoked => {
            guarding::let_use(stage, place, guarding::users(place.0, true));
            stage.later(MEANWHILE, move |stage| {
                let before = stage.before.key(place.0, place.1, KEY);
                let users = before.and_then(|key| key.allowed_principals.clone());
                guarding::let_use(stage, place, users.unwrap_or_else(|| guarding::users(place.0, true)));
            });
        }
        Fault::ImageMade => make(stage, place, turn.is_multiple_of(2)),
        other => panic!("{other:?} is no act of people on guardrails"),
    }
}

/// Sets an account and region otherwise than it was to be set, all of which shows at once.
fn set(stage: &Stage, (account, region): (&str, &str), change: impl FnOnce(&mut Guardrails)) {
    let asked = stage
        .sim
        .with_world(|world| world.region(account, region).map(Region::guardrails_asked));
    let Some(mut guardrails) = asked else { return };
    change(&mut guardrails);
    let now = stage.clock.age();
    stage.note(|notes| notes.settings_touched.push(now));
    stage.edit(Edit::SetGuardrails {
        account: account.to_owned(),
        region: region.to_owned(),
        guardrails: Box::new(guardrails),
    });
}

/// Nobody in the account can turn off what a declarative policy holds.
pub(super) fn turn_off(stage: &Stage, place: (&str, &str), name: GuardrailName) {
    set(stage, place, |set| match name {
        GuardrailName::EbsEncryptionByDefault => set.ebs_encryption_by_default = false,
        _ if set.by_declarative_policy => {}
        GuardrailName::ImageBlockPublicAccess => set.image_public_access = None,
        _ => set.snapshot_public_access = None,
    });
}

/// The organization has a declarative policy hold what is set for a while, at every other moment turned off. One that is there stays.
fn declare(stage: &Stage, place: (&'static str, &'static str), is_off: bool) {
    let is_there = stage.sim.with_world(|world| {
        let region = world.region(place.0, place.1);
        region.is_none_or(|region| region.guardrails.by_declarative_policy)
    });
    if is_there {
        return;
    }
    set(stage, place, |set| {
        set.by_declarative_policy = true;
        if is_off {
            set.image_public_access = None;
            set.snapshot_public_access = None;
        }
    });
    stage.later(MEANWHILE, move |stage| {
        set(stage, place, |set| set.by_declarative_policy = false);
    });
}

/// What is to become of an image that is to be copied as it is.
pub(super) fn copied() -> Expectation {
    Expectation::Copied(CopiedExpectation {
        key: KEY.to_owned(),
        launch_permissions: Keep::default(),
        description: Keep::default(),
        deprecation: Keep::default(),
        imds: Keep::default(),
        tags: TagExpectation::default(),
    })
}

/// Somebody makes an image that is not encrypted, and at every other moment tags it as exempt a moment later.
fn make(stage: &Stage, (account, region): (&'static str, &'static str), is_exempt: bool) {
    let now = stage.clock.age();
    let name = format!("made-{}", stage.notes().new_images.len());
    let spec = ImageSpec {
        name: name.clone(),
        expect: if is_exempt { Expectation::Any } else { copied() },
        ..ImageSpec::default()
    };
    stage.edit(Edit::AddImage {
        account: account.to_owned(),
        region: region.to_owned(),
        image: Box::new(spec),
    });
    let id = stage.sim.with_world(|world| {
        let region = world.region(account, region)?;
        let image = region.images.values().find(|image| image.name == name)?;
        Some(image.id.clone())
    });
    let Some(image) = id else { return };
    let made = New {
        account: account.to_owned(),
        region: region.to_owned(),
        at: now,
    };
    stage.note(|notes| {
        notes.new_images.insert(image.clone(), made);
    });
    if is_exempt {
        stage.later(TAGGED_AFTER, move |stage| {
            stage.edit(Edit::SetTags {
                image,
                tags: [(EXEMPT.to_owned(), "it is rebuilt each day".to_owned())].into(),
            });
        });
    }
}
