//! Where copies have to pass what Amazon Inspector says of them as well: in which ways it comes to them, and what people do in time
//! where none can pass.

use std::collections::BTreeMap;
use std::time::Duration;

use amiseal::api::{AMIMigrationStatus, conditions};
use ec2sim::model::World;
use ec2sim::spec::{InspectorFinding, InspectorSettings, OnDemandSettings};
use ec2sim::{Edit, SimTime};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::stage::Stage;
use super::world::PLACES;

/// So many of the histories that prove copies have it.
const INSPECTED: f64 = 0.6;
/// In so many of those in which Amazon Inspector scans in time, it is asked for each scan.
const ASKED: f64 = 0.5;
/// How many seconds an on-demand scan takes, how late it may show, and how long after its end EC2 shows the result.
const ON_DEMAND: f64 = 300.0;
const SHOWS_LATE: f64 = 45.0;
const RESULT_LATE: f64 = 60.0;
/// How many seconds after it has become available an image is scanned.
const SCANNED_AFTER: f64 = 300.0;
/// What is too severe, and what is not.
const TOO_SEVERE: &str = "critical";
const ALLOWED: &str = "high";
/// How long somebody waits until they have what is in the way put right: longer than a scan is waited for, and than it takes until
/// that is seen.
const HELPS_AFTER: Duration = Duration::from_secs(100 * 60);

/// How Amazon Inspector comes to copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inspection {
    /// In time, and it finds nothing that is too severe.
    Prompt,
    /// It leaves them out before somebody has it scan them too.
    WithoutCopies,
    /// It finds too much in them before it scans them once more.
    Severe,
    /// It is off, and is asked for a scan of each. It knows no client token again.
    OnDemand,
}

impl Inspection {
    /// That of a seed whose policies have copies proven, if there is one.
    pub(crate) fn of(seed: u64) -> Option<Self> {
        // Drawn by itself, so that all else is as it is without.
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x1a59);
        let all = [Self::Prompt, Self::WithoutCopies, Self::Severe];
        let some = rng
            .random_bool(INSPECTED)
            .then(|| all[rng.random_range(0..all.len())])?;
        let is_asked = some == Self::Prompt && rng.random_bool(ASKED);
        Some(if is_asked { Self::OnDemand } else { some })
    }

    /// What a policy asks for.
    pub(crate) fn settings(self) -> Value {
        let scan = if self == Self::OnDemand {
            "OnDemand"
        } else {
            "Continuous"
        };
        json!({"maximumSeverity": "High", "scan": scan, "timeout": "30m"})
    }

    /// How Amazon Inspector is set in the beginning.
    pub(crate) fn beginning(self) -> InspectorSettings {
        let highest = if self == Self::Severe { TOO_SEVERE } else { ALLOWED };
        InspectorSettings {
            scan_seconds: (self != Self::OnDemand).then_some(SCANNED_AFTER),
            exclude_copied_amis: self == Self::WithoutCopies,
            findings: found(highest),
            on_demand: OnDemandSettings {
                seconds: ON_DEMAND,
                visible_seconds: SHOWS_LATE,
                result_seconds: Some(RESULT_LATE),
                forgets_tokens: true,
                ..OnDemandSettings::default()
            },
        }
    }
}

/// That it finds this in all images.
fn found(highest: &str) -> Vec<InspectorFinding> {
    vec![InspectorFinding {
        image: "*".to_owned(),
        highest: highest.to_owned(),
    }]
}

/// What people do in time where it is for them that no copy passes.
pub(crate) fn help(stage: &Stage, inspection: Inspection) {
    let now = stage.clock.age();
    if now < HELPS_AFTER || stage.notes().inspection_helped.is_some() {
        return;
    }
    stage.note(|notes| notes.inspection_helped = Some(now));
    match inspection {
        Inspection::Prompt | Inspection::OnDemand => {}
        Inspection::WithoutCopies => stage
            .sim
            .change_settings(|settings| settings.inspector.exclude_copied_amis = false),
        Inspection::Severe => {
            stage
                .sim
                .change_settings(|settings| settings.inspector.findings = found(ALLOWED));
            let severe: Vec<String> = stage.sim.with_world(|world| {
                let images = world.regions().flat_map(|(_, region)| region.images.values());
                let is_severe = |scan: &ec2sim::model::Scan| scan.highest.as_deref() == Some(TOO_SEVERE);
                let severe = images.filter(|image| image.scan.as_ref().is_some_and(is_severe));
                severe.map(|image| image.id.clone()).collect()
            });
            for image in severe {
                let highest = Some(ALLOWED.to_owned());
                stage.edit(Edit::Scan { image, highest });
            }
        }
    }
}

/// Of these copies, and since when they have passed all else, those that have passed this too, and since when they have passed all.
pub(crate) fn passed(world: &World, others: BTreeMap<String, SimTime>) -> BTreeMap<String, SimTime> {
    let scanned = |id: &str| {
        let mut places = PLACES.iter();
        let image = places.find_map(|(account, region)| world.region(account, region)?.images.get(id))?;
        let scan = image.scan.as_ref()?;
        scan.scanned.filter(|_| scan.highest.as_deref() != Some(TOO_SEVERE))
    };
    let both = others
        .into_iter()
        .filter_map(|(id, at)| scanned(&id).map(|scanned| (id, at.max(scanned))));
    both.collect()
}

/// An image that more on-demand scans were made of than one, and one for each time that somebody has asked for another attempt.
pub(crate) fn scanned_too_often(world: &World, asked: usize) -> Option<String> {
    let mut scans: BTreeMap<&str, usize> = BTreeMap::new();
    let all = PLACES
        .iter()
        .filter_map(|(account, region)| world.region(account, region));
    for scan in all.flat_map(|region| &region.on_demand_scans) {
        *scans.entry(&scan.image).or_default() += usize::from(scan.is_successful());
    }
    let (image, count) = scans.into_iter().find(|(_, count)| *count > 1 + asked)?;
    Some(format!(
        "{image} was scanned {count} times on demand, and somebody has asked {asked} times for more"
    ))
}

/// Whether a migration waits for nothing else than a scan by Amazon Inspector, which is seen when the account and region is looked
/// through next: until then there is nothing to ask.
pub(crate) fn is_waited_for(status: &AMIMigrationStatus) -> bool {
    let ready = conditions::find(&status.conditions, conditions::READY);
    ready.is_some_and(|ready| ready.message == "Waiting until Amazon Inspector has scanned the copy.")
}
