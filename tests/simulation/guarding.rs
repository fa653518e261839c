//! Where the policies have guardrails held, and new images looked for between two scans: which histories those are, in which ways they
//! differ, what their worlds have besides, and what people do in time where those who launch may not use the key.

use std::time::Duration;

use amiseal::api::GuardrailName;
use ec2sim::model::{Guardrails, World};
use ec2sim::spec::{AllowedCall, BadDefaultKeys, RegionSpec};
use ec2sim::{Edit, WorldSpec};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::groups::{by, read, template};
use super::odd::Odd;
use super::proving::Proofs;
use super::stage::Stage;
use super::undisturbed::{GUARDS, HEARS, LISTS, MOVES};
use super::world::{ONE, PLACES, TWO};
use super::{moving, regressions};

/// Of the histories in which no consumers are moved, so many have guardrails held.
const GUARDING: f64 = 0.5;
/// In so many of these new images are looked for between two scans, and how often.
const LOOKING: f64 = 0.7;
const LOOK_EVERY: &str = "2m";
/// In so many of the accounts and regions of these those who launch may not use the key before people have seen to it.
const NARROW: f64 = 0.2;
/// How long somebody waits until they have that put right.
const HELPS_AFTER: Duration = Duration::from_secs(40 * 60);
/// The key of the policies.
pub(crate) const KEY: &str = "alias/ami";
/// The image that the last of the accounts and regions always has.
const ALWAYS: &str = "image-always";

/// A guardrail that amiseal sets.
#[derive(Debug)]
pub(crate) struct Rail {
    pub(crate) name: GuardrailName,
    /// As policies have it.
    field: &'static str,
    /// The calls that set it.
    pub(crate) calls: &'static [&'static str],
    /// The call that reads it.
    pub(crate) read: &'static str,
}

/// All of them.
pub(crate) const RAILS: &[Rail; 3] = &[
    Rail {
        name: GuardrailName::EbsEncryptionByDefault,
        field: "ebsEncryptionByDefault",
        calls: &["ModifyEbsDefaultKmsKeyId", "EnableEbsEncryptionByDefault"],
        read: "GetEbsEncryptionByDefault",
    },
    Rail {
        name: GuardrailName::ImageBlockPublicAccess,
        field: "imageBlockPublicAccess",
        calls: &["EnableImageBlockPublicAccess"],
        read: "GetImageBlockPublicAccessState",
    },
    Rail {
        name: GuardrailName::SnapshotBlockPublicAccess,
        field: "snapshotBlockPublicAccess",
        calls: &["EnableSnapshotBlockPublicAccess"],
        read: "GetSnapshotBlockPublicAccessState",
    },
];

/// The guardrail that a call sets.
pub(crate) fn set_by(operation: &str) -> Option<&'static Rail> {
    RAILS.iter().find(|rail| rail.calls.contains(&operation))
}

impl Rail {
    /// Whether it holds in an account and region, as that shows.
    pub(crate) fn holds(&self, world: &World, (account, region): (&str, &str)) -> bool {
        let Some(set) = world.region(account, region).map(|region| &region.guardrails) else {
            return false;
        };
        match self.name {
            GuardrailName::ImageBlockPublicAccess => set.image_access() == "block-new-sharing",
            GuardrailName::SnapshotBlockPublicAccess => set.snapshot_access() != "unblocked",
            _ => {
                let arn = |key: &str| world.key(account, region, key).map(|key| key.arn.as_str());
                let default = set.ebs_default_key.as_deref().and_then(arn);
                set.ebs_encryption_by_default && default.is_some() && default == arn(KEY)
            }
        }
    }

    /// Whether a declarative policy holds it in an account and region.
    pub(crate) fn is_declared(&self, world: &World, (account, region): (&str, &str)) -> bool {
        let region = world.region(account, region);
        let is_declared = region.is_some_and(|region| region.guardrails.by_declarative_policy);
        is_declared && self.name != GuardrailName::EbsEncryptionByDefault
    }
}

/// What an account and region is set to at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Nothing,
    /// All that can be without naming a key.
    Much,
    /// What a declarative policy says, to the end.
    Declared,
}

impl Set {
    fn guardrails(self) -> Guardrails {
        let blocks = "block-new-sharing";
        match self {
            Self::Nothing => Guardrails::default(),
            Self::Much => Guardrails {
                ebs_encryption_by_default: true,
                image_public_access: Some(blocks.to_owned()),
                snapshot_public_access: Some(blocks.to_owned()),
                ..Guardrails::default()
            },
            Self::Declared => Guardrails {
                snapshot_public_access: Some("block-all-sharing".to_owned()),
                by_declarative_policy: true,
                ..Guardrails::default()
            },
        }
    }
}

/// How guardrails are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guarding {
    /// What each of the first two policies says of each guardrail.
    modes: [[&'static str; RAILS.len()]; 2],
    /// What each account and region is set to at first.
    set: [Set; PLACES.len()],
    /// Where those who launch may not use the key at first.
    narrow: [bool; PLACES.len()],
    /// How many seconds AWS takes at most to show what it was asked to set.
    late: u32,
    bad_keys: BadDefaultKeys,
    /// Whether new images are looked for between two scans.
    pub(crate) looks: bool,
}

impl Guarding {
    /// How they are in this seed's history, if they are. What histories that are kept play stays what it was.
    pub(crate) fn of(seed: u64) -> Option<Self> {
        if seed == GUARDS {
            return Some(Self {
                modes: [["Enforce"; 3], ["Enforce", "Enforce", "Audit"]],
                set: [Set::Nothing, Set::Declared, Set::Nothing],
                narrow: [false, false, true],
                late: 600,
                bad_keys: BadDefaultKeys::Kept,
                looks: true,
            });
        }
        if seed == HEARS {
            return Some(Self {
                modes: [["Enforce"; 3]; 2],
                set: [Set::Nothing; PLACES.len()],
                narrow: [false; PLACES.len()],
                late: 30,
                bad_keys: BadDefaultKeys::Dropped,
                looks: false,
            });
        }
        let is_kept = regressions::is_kept(seed) || regressions::is_known(seed) || [MOVES, LISTS].contains(&seed);
        // Of two policies for the same account the older one governs, which people may make the other.
        let is_plain = !moving::is_moving(seed) && Proofs::of(seed).is_none() && !Odd::of(seed).contests();
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x6a4d);
        if is_kept || !is_plain || !rng.random_bool(GUARDING) {
            return None;
        }
        let modes = ["Enforce", "Enforce", "Enforce", "Audit", "Ignore"];
        let set = [Set::Nothing, Set::Nothing, Set::Much, Set::Declared];
        let keys = [BadDefaultKeys::Dropped, BadDefaultKeys::Kept, BadDefaultKeys::Refused];
        Some(Self {
            modes: [(); 2].map(|()| [(); RAILS.len()].map(|()| modes[rng.random_range(0..modes.len())])),
            set: [(); PLACES.len()].map(|()| set[rng.random_range(0..set.len())]),
            narrow: [(); PLACES.len()].map(|()| rng.random_bool(NARROW)),
            late: [0, 30, 300, 600][rng.random_range(0..4)],
            bad_keys: keys[rng.random_range(0..keys.len())],
            looks: rng.random_bool(LOOKING),
        })
    }

    /// What the policy of an account says of a guardrail. The third one, where it says anything, only looks.
    pub(crate) fn mode_of(&self, account: &str, name: GuardrailName) -> &'static str {
        let policy = [ONE, TWO].iter().position(|one| *one == account);
        let rail = RAILS.iter().position(|rail| rail.name == name);
        match (policy, rail) {
            (Some(policy), Some(rail)) => self.modes[policy][rail],
            _ => "Audit",
        }
    }
}

/// Has the first two policies hold guardrails and look for new images, and the third one say that it would where it only looks. Something
/// launches in each account and region by a role of a service, of the images of these `names`, by the number of their place.
pub(crate) fn join(
    seed: u64,
    names: &[Vec<String>],
    world: &mut WorldSpec,
    policies: &mut [Value],
) -> Option<Guarding> {
    let guarding = Guarding::of(seed)?;
    for (policy, modes) in policies.iter_mut().zip(guarding.modes) {
        policy["spec"]["guardrails"] = settings(modes);
        policy["spec"]["consumers"]["read"] = json!(true);
        if guarding.looks {
            policy["spec"]["newImages"] = json!({"lookEvery": LOOK_EVERY});
        }
    }
    if let Some(third) = policies.get_mut(2).filter(|_| Odd::of(seed).audits()) {
        third["spec"]["guardrails"] = settings(["Enforce"; RAILS.len()]);
    }
    world.settings.guardrail_seconds = f64::from(guarding.late);
    world.settings.bad_default_keys = guarding.bad_keys;
    for operation in RAILS.iter().flat_map(|rail| rail.calls) {
        world.expect.allow.push(AllowedCall {
            operation: Some((*operation).to_owned()),
            ..AllowedCall::default()
        });
    }
    for (number, (account, region)) in PLACES.iter().enumerate() {
        let accounts = world.accounts.iter_mut().filter(|one| one.id == *account);
        let mut regions = accounts.flat_map(|account| &mut account.regions);
        let Some(place) = regions.find(|one| one.name == *region) else {
            continue;
        };
        place.guardrails = guarding.set[number].guardrails();
        let users = users(account, guarding.narrow[number]);
        for key in place
            .keys
            .iter_mut()
            .filter(|key| key.alias.iter().any(|alias| alias == KEY))
        {
            key.allowed_principals = Some(users.clone());
        }
        let first = names.get(number).and_then(|names| names.first()).map(String::as_str);
        if let Some(image) = first.or((number + 1 == PLACES.len()).then_some(ALWAYS)) {
            launch(place, image);
        }
    }
    Some(guarding)
}

/// What a policy says of guardrails.
fn settings(modes: [&str; RAILS.len()]) -> Value {
    let mut settings = json!({"allowedImages": {"mode": "Ignore"}});
    for (rail, mode) in RAILS.iter().zip(modes) {
        settings[rail.field] = json!(mode);
    }
    settings
}

/// Has a group launch an image.
fn launch(place: &mut RegionSpec, image: &str) {
    let name = format!("guarded-{image}");
    let versions = json!([{"image": image, "instanceType": "t3.micro"}]);
    place.launch_templates.push(read(template(&name, &versions)));
    place.auto_scaling_groups.push(read(by(&name, "$Default")));
}

/// Who may use the key of an account: all of it, and the roles by which services launch there, unless that is `narrow`.
pub(crate) fn users(account: &str, is_narrow: bool) -> Vec<String> {
    let services = [
        ("autoscaling", "AutoScaling"),
        ("batch", "Batch"),
        ("ec2fleet", "EC2Fleet"),
        ("spot", "EC2Spot"),
        ("spotfleet", "EC2SpotFleet"),
    ];
    let role = |(service, role): &(&str, &str)| {
        format!("arn:aws:iam::{account}:role/aws-service-role/{service}.amazonaws.com/AWSServiceRoleFor{role}")
    };
    let roles = services.iter().filter(|_| !is_narrow).map(role);
    std::iter::once(account.to_owned()).chain(roles).collect()
}

/// Lets these use the key of an account and region.
pub(crate) fn let_use(stage: &Stage, (account, region): (&str, &str), users: Vec<String>) {
    let now = stage.clock.age();
    stage.note(|notes| notes.settings_touched.push(now));
    stage.edit(Edit::SetKeyPrincipals {
        account: account.to_owned(),
        region: region.to_owned(),
        key: KEY.to_owned(),
        allowed_principals: Some(users),
    });
}

/// What people do in time where those who launch may not use the key.
pub(crate) fn help(stage: &Stage) {
    if stage.clock.age() < HELPS_AFTER || stage.has_mends() {
        return;
    }
    for (account, region) in PLACES {
        let users = users(account, false);
        let may_all = stage.sim.with_world(|world| {
            let key = world.key(account, region, KEY);
            key.is_some_and(|key| key.allowed_principals.as_ref() == Some(&users))
        });
        if !may_all {
            let_use(stage, (account, region), users);
        }
    }
}
