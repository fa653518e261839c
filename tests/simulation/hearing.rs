//! Where a queue tells amiseal of what changes in AWS: which histories those are, in which ways they differ, and what their worlds have
//! besides.

use amiseal::domain::QueueUrl;
use ec2sim::WorldSpec;
use ec2sim::model::{EventsTo, Message, World};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::groups::read;
use super::odd::Odd;
use super::proving::Proofs;
use super::undisturbed::{GUARDS, HEARS, LISTS, MOVES};
use super::world::{CONTROLLER, PLACES};
use super::{moving, regressions};

/// Of the histories that neither move consumers nor prove copies, so many have a queue.
const HEARING: f64 = 0.4;
/// Where the queue is, in the controller's own account.
pub(crate) const REGION: &str = "eu-west-1";
/// Its name.
pub(crate) const QUEUE: &str = "amiseal";
/// For how many seconds nobody else sees a message that was received.
const INVISIBLE: u32 = 30;
/// The longest that SQS waits for a message, in seconds.
const LONGEST_WAIT: f64 = 20.0;
/// The word that is reached where messages were read.
pub(crate) const HEARD: &str = "messages were read";

/// How the queue tells of what changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hearing {
    /// How many seconds an event takes to get there.
    lag: f64,
    /// The shares of events that come twice, and not at all.
    doubled: f64,
    lost: f64,
    /// The share of messages that outlive their deletion once.
    outlives: f64,
    /// Whether calls of the API are told as well.
    calls: bool,
    /// Which accounts and regions send there what happens in them.
    sends: [bool; PLACES.len()],
}

impl Hearing {
    /// How it does in this seed's history, if there is one. What histories that are kept play stays what it was.
    pub(crate) fn of(seed: u64) -> Option<Self> {
        if seed == HEARS {
            return Some(Self {
                lag: 5.0,
                doubled: 0.3,
                lost: 0.0,
                outlives: 0.3,
                calls: true,
                sends: [true; PLACES.len()],
            });
        }
        let is_played_alone = [MOVES, GUARDS, LISTS].contains(&seed);
        let is_kept = regressions::is_kept(seed) || regressions::is_known(seed) || is_played_alone;
        let is_plain = !moving::is_moving(seed) && Proofs::of(seed).is_none() && !Odd::of(seed).contests();
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x4ea2);
        if is_kept || !is_plain || !rng.random_bool(HEARING) {
            return None;
        }
        let some = [0.0, 0.0, 0.3];
        Some(Self {
            lag: [0.0, 5.0, 45.0][rng.random_range(0..3)],
            doubled: some[rng.random_range(0..some.len())],
            lost: some[rng.random_range(0..some.len())],
            outlives: some[rng.random_range(0..some.len())],
            calls: rng.random_bool(0.5),
            sends: [(); PLACES.len()].map(|()| rng.random_bool(0.8)),
        })
    }
}

/// Gives the controller a queue, and has accounts and regions send to it what happens in them.
pub(crate) fn join(seed: u64, world: &mut WorldSpec) -> Option<Hearing> {
    let hearing = Hearing::of(seed)?;
    let settings = &mut world.settings;
    settings.event_lag = hearing.lag;
    settings.event_doubled = hearing.doubled;
    settings.event_lost = hearing.lost;
    settings.queues.doubled = hearing.outlives;
    settings.queues.wait_seconds = LONGEST_WAIT;
    if seed == HEARS {
        // Where scans are slow, that alone bounds how many there are.
        settings.lists.page_seconds = 0.0;
    }
    for identity in &mut world.identities {
        identity.allow.push("sqs:*".to_owned());
    }
    if let Some(home) = world.accounts.iter_mut().find(|account| account.id == CONTROLLER) {
        let queues = json!([{"name": QUEUE, "visibilityTimeout": INVISIBLE}]);
        home.regions.push(read(json!({"name": REGION, "queues": queues})));
    }
    for ((account, region), sends) in PLACES.into_iter().zip(hearing.sends) {
        let accounts = world.accounts.iter_mut().filter(|one| one.id == account);
        let mut regions = accounts.flat_map(|account| &mut account.regions);
        if let Some(place) = regions.find(|one| one.name == region).filter(|_| sends) {
            place.events_to = Some(EventsTo {
                account: CONTROLLER.to_owned(),
                region: REGION.to_owned(),
                queue: QUEUE.to_owned(),
                api_calls: Some(hearing.calls),
            });
        }
    }
    Some(hearing)
}

/// The queue of a world, if it has one.
pub(crate) fn queue(world: &World) -> Option<QueueUrl> {
    let queue = world.region(CONTROLLER, REGION)?.queues.first()?;
    let url = format!("https://sqs.{REGION}.amazonaws.com/{CONTROLLER}/{}", queue.name);
    Some(url.parse().expect("the URL of a queue"))
}

/// The messages that are in it.
pub(crate) fn messages(world: &World) -> impl Iterator<Item = &Message> {
    let queues = world.region(CONTROLLER, REGION).map(|region| &region.queues);
    queues.into_iter().flatten().flat_map(|queue| &queue.messages)
}
