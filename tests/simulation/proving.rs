//! Where the policies have copies proven by an instance before anything is published on them, and in some of these by what Amazon
//! Inspector says as well: which histories those are, in which ways they differ, and what people do in time where it is for them that
//! no proof passes.

use std::time::Duration;

use amiseal::api::labels::TAG_VALIDATES;
use ec2sim::WorldSpec;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::inspecting::{self, Inspection};
use super::odd::Odd;
use super::stage::Stage;
use super::undisturbed::{MOVES, PROVES};
use super::world::{POLICIES, THIRD};
use super::{people, regressions};

/// So many of the histories do.
const PROVING: f64 = 0.12;
/// In so many of these no proof passes before somebody has that put right.
const HINDERED: f64 = 0.4;
/// Where instances are launched, and a subnet that is not there.
const SUBNET: &str = "subnet-0a1b2c3d4e5f60718";
const NO_SUBNET: &str = "subnet-00000000000000000";
/// The type that instances have, and one of another architecture than the images.
const TYPE: &str = "t3.nano";
const OTHER_TYPE: &str = "t4g.nano";
/// How many seconds the status checks of an instance take, and how many where they take too long.
pub(crate) const CHECKS: f64 = 60.0;
const TOO_LONG: f64 = 36_000.0;
/// How long an instance has by the policies.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// How long somebody waits until they have what is in the way put right.
const HELPS_AFTER: Duration = Duration::from_secs(55 * 60);

/// What keeps proofs from passing at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hindrance {
    /// Instances do not pass their status checks in time.
    Slow,
    /// AWS refuses to launch any.
    NoSubnet,
    /// The images cannot be launched on the type that the policies name.
    OtherType,
}

/// How copies are proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proofs {
    /// How many instances there may be at a time in an account and region.
    pub(crate) at_a_time: u32,
    hindrance: Option<Hindrance>,
    /// How Amazon Inspector comes to copies, where these have to pass what it says too.
    pub(crate) inspection: Option<Inspection>,
}

/// Whether the policies of this seed have copies proven. Where two policies are for one account, the third does not ask for it.
fn is_proving(seed: u64) -> bool {
    if seed == PROVES {
        return true;
    }
    let may = !regressions::is_kept(seed) && seed != MOVES && !Odd::of(seed).contests();
    may && rng(seed).random_bool(PROVING)
}

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed ^ 0x9f00)
}

impl Proofs {
    /// How the copies of this seed's history are proven, if they are.
    pub(crate) fn of(seed: u64) -> Option<Self> {
        if !is_proving(seed) {
            return None;
        }
        let plain = Self {
            at_a_time: 1,
            hindrance: None,
            inspection: Some(Inspection::OnDemand),
        };
        if seed == PROVES {
            return Some(plain);
        }
        let mut rng = rng(seed);
        // That it is proving.
        rng.random_bool(PROVING);
        let at_a_time = rng.random_range(1..=2);
        let hindrances = [Hindrance::Slow, Hindrance::NoSubnet, Hindrance::OtherType];
        let hindrance = hindrances[rng.random_range(0..hindrances.len())];
        let hindrance = rng.random_bool(HINDERED).then_some(hindrance);
        Some(Self {
            at_a_time,
            hindrance,
            inspection: Inspection::of(seed),
        })
    }

    /// Whether checks are only passed from when somebody has had them put right.
    pub(crate) fn is_slow(self) -> bool {
        self.hindrance == Some(Hindrance::Slow)
    }
}

/// Has the first two policies prove copies.
pub(crate) fn join(seed: u64, world: &mut WorldSpec, policies: &mut [Value]) {
    let Some(proofs) = Proofs::of(seed) else { return };
    world.expect.temporary_instances.push(TAG_VALIDATES.to_owned());
    let hindered = |by: Hindrance| proofs.hindrance == Some(by);
    let launches = &mut world.settings.launches;
    launches.status_seconds = if hindered(Hindrance::Slow) { TOO_LONG } else { CHECKS };
    let subnet = if hindered(Hindrance::NoSubnet) {
        NO_SUBNET
    } else {
        SUBNET
    };
    launches.subnets = vec![subnet.to_owned()];
    let instance_type = if hindered(Hindrance::OtherType) {
        OTHER_TYPE
    } else {
        TYPE
    };
    for policy in policies.iter_mut().filter(|policy| policy["metadata"]["name"] != THIRD) {
        policy["spec"]["validation"] = json!({
            "launch": {
                "instanceType": instance_type,
                "subnetID": SUBNET,
                "timeout": format!("{}m", TIMEOUT.as_secs() / 60),
                "maxConcurrent": proofs.at_a_time,
            },
            "maxAttempts": if hindered(Hindrance::Slow) { 1 } else { 2 },
        });
        if let Some(inspection) = proofs.inspection {
            policy["spec"]["validation"]["inspector"] = inspection.settings();
        }
    }
    if let Some(inspection) = proofs.inspection {
        world.settings.inspector = inspection.beginning();
    }
}

/// What people do in time where it is for them that no proof passes.
pub(crate) fn help(stage: &Stage, proofs: Proofs) {
    if let Some(inspection) = proofs.inspection {
        inspecting::help(stage, inspection);
    }
    let now = stage.clock.age();
    let Some(hindrance) = proofs.hindrance.filter(|_| now >= HELPS_AFTER) else {
        return;
    };
    let is_first = stage.notes().proofs_helped.is_none();
    if is_first {
        stage.note(|notes| notes.proofs_helped = Some(now));
    }
    match hindrance {
        Hindrance::Slow if is_first => {
            stage
                .sim
                .change_settings(|settings| settings.launches.status_seconds = CHECKS);
            people::ask_for_another_attempt(stage);
        }
        Hindrance::NoSubnet if is_first => {
            let there = vec![SUBNET.to_owned()];
            stage.sim.change_settings(|settings| settings.launches.subnets = there);
        }
        Hindrance::Slow | Hindrance::NoSubnet => {}
        // A policy that was deleted meanwhile comes back as it was.
        Hindrance::OtherType => people::launch_on(stage, POLICIES.map(|(name, ..)| name), OTHER_TYPE, TYPE),
    }
}
