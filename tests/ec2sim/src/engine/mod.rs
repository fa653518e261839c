//! The engine: takes a request, changes the world, gives an answer. It does no input or output of its own and
//! reads no clock but its own, so that one seed and one sequence of calls give one history.

mod dispatch;
mod guarding;
mod inspecting;
mod operation;
mod raw;
mod refreshing;
mod settle;
mod sim;
mod starting;

pub(crate) use dispatch::session_time;
pub(crate) use operation::{About, Change, Operation, anything, change_of, ensure_region, run_of};
pub use sim::{Directive, Sim};
pub(crate) use starting::Starting;

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::clock::SimTime;
use crate::faults::{Act, Faults};
use crate::iam::{Caller, Session};
use crate::journal::Call;
use crate::model::{Parameter, ParameterVersion, Setting, World};
use crate::spec::{InspectorSettings, Settings, WorldSpec};
use crate::throttle::Throttle;
use crate::wire::{ApiError, Body, Params, Service, Xml};

/// One call, once it is known who makes it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Its number in the journal.
    pub(crate) seq: u64,
    /// When.
    pub(crate) now: SimTime,
    /// The same by real time.
    pub(crate) real_now: SimTime,
    pub(crate) service: Service,
    pub(crate) operation: String,
    pub(crate) caller: Caller,
    pub(crate) region: String,
    pub(crate) params: Params,
    pub(crate) json: Value,
    pub(crate) dry_run: bool,
    /// What the copy that this call makes gets wrong.
    pub(crate) lie: Option<Act>,
    /// Scheme and host that the caller has sent it to, when it says so.
    pub(crate) endpoint: Option<String>,
}

impl Request {
    pub(crate) fn account(&self) -> &str {
        &self.caller.account
    }
}

/// What an operation did.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) body: Body,
    /// Whether it changed something.
    pub(crate) effect: bool,
    /// IDs of what it made or changed.
    pub(crate) effects: Vec<String>,
}

impl Done {
    /// A read.
    pub(crate) const fn read(xml: Xml) -> Self {
        Self {
            body: Body::Xml(xml),
            effect: false,
            effects: Vec::new(),
        }
    }

    /// A JSON answer.
    pub(crate) const fn json(value: Value) -> Self {
        Self {
            body: Body::Json(value),
            effect: false,
            effects: Vec::new(),
        }
    }

    /// A write with a JSON answer.
    pub(crate) const fn did(value: Value, effects: Vec<String>) -> Self {
        Self {
            body: Body::Json(value),
            effect: !effects.is_empty(),
            effects,
        }
    }

    /// A write that changed these things; none: it changed nothing.
    pub(crate) fn wrote(xml: Xml, effects: Vec<String>) -> Self {
        Self {
            body: Body::Xml(xml),
            effect: !effects.is_empty(),
            effects,
        }
    }

    /// A write that answers `<return>true</return>`.
    pub(crate) fn returned(effects: Vec<String>) -> Self {
        let mut xml = Xml::new();
        xml.text("return", "true");
        Self::wrote(xml, effects)
    }
}

/// What an operation comes to.
pub(crate) type Outcome = Result<Done, ApiError>;

/// Something that happens by itself at a time. Snapshots come before images of the same time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    Snapshot {
        account: String,
        region: String,
        id: String,
    },
    Image {
        account: String,
        region: String,
        id: String,
    },
    /// The image of a parameter has been looked for.
    Parameter {
        account: String,
        region: String,
        name: String,
        number: u64,
    },
    /// An instance comes to a state.
    Instance {
        account: String,
        region: String,
        id: String,
        to: &'static str,
    },
    /// An instance refresh goes on.
    Refresh {
        account: String,
        region: String,
        id: String,
    },
    /// Amazon Inspector comes to an image.
    Scan {
        account: String,
        region: String,
        id: String,
    },
    /// An on-demand scan ends.
    OnDemandScan {
        account: String,
        region: String,
        id: String,
    },
    /// EC2 comes to show what it has found.
    OnDemandResult {
        account: String,
        region: String,
        id: String,
    },
    /// A setting of a region comes to show and to hold.
    Setting {
        account: String,
        region: String,
        setting: Setting,
    },
    /// EventBridge sends an event to a queue.
    Delivery {
        account: String,
        region: String,
        queue: String,
        body: String,
    },
}

impl Event {
    /// Whether it is of a copy.
    pub(crate) const fn is_of_copy(&self) -> bool {
        matches!(self, Self::Snapshot { .. } | Self::Image { .. })
    }
}

/// A new version of a parameter, whose image is still to be looked for.
#[derive(Clone, Debug)]
pub(crate) struct Validation {
    pub(crate) account: String,
    pub(crate) region: String,
    /// The parameter as it is to be, without that version.
    pub(crate) parameter: Parameter,
    pub(crate) version: ParameterVersion,
    /// Whether the caller may look for images.
    pub(crate) may_look: bool,
}

/// Everything that a call can read and change.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) seed: u64,
    pub(crate) start: SimTime,
    pub(crate) world: World,
    pub(crate) settings: Settings,
    pub(crate) journal: Vec<Call>,
    pub(crate) faults: Faults,
    pub(crate) throttle: Throttle,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) events: BTreeSet<(SimTime, Event)>,
    /// Versions of parameters whose image is still to be looked for.
    pub(crate) validations: Vec<Validation>,
    /// How pending instances are launched, by ID.
    pub(crate) starting: BTreeMap<String, Starting>,
    /// Calls whose effect was put off.
    pub(crate) deferred: Vec<(SimTime, Request)>,
}

impl State {
    pub(crate) fn new(spec: &WorldSpec, world: World, start: SimTime) -> Self {
        let mut faults = Faults::default();
        for rule in &spec.faults {
            faults.add(rule.clone());
        }
        let mut state = Self {
            seed: spec.seed,
            start,
            world,
            settings: spec.settings.clone(),
            journal: Vec::new(),
            faults,
            throttle: Throttle::default(),
            sessions: BTreeMap::new(),
            rng: ChaCha8Rng::seed_from_u64(spec.seed),
            events: BTreeSet::new(),
            validations: Vec::new(),
            starting: BTreeMap::new(),
            deferred: Vec::new(),
        };
        state.inspector_changed(&InspectorSettings::default(), start);
        state
    }

    /// A number from 0 up to 1.
    pub(crate) fn draw(&mut self) -> f64 {
        self.rng.random::<f64>()
    }

    /// That many hex digits.
    pub(crate) fn hex(&mut self, digits: usize) -> String {
        (0..digits)
            .map(|_| char::from(b"0123456789abcdef"[self.rng.random_range(0..16)]))
            .collect()
    }

    /// That many letters and digits of base 32.
    pub(crate) fn base32(&mut self, digits: usize) -> String {
        (0..digits)
            .map(|_| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[self.rng.random_range(0..32)]))
            .collect()
    }

    pub(crate) fn request_id(&mut self) -> String {
        let h = self.hex(32);
        format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
    }

    /// When a change made now shows, if it may take up to `longest` seconds.
    pub(crate) fn visible_at(&mut self, now: SimTime, longest: f64) -> SimTime {
        if longest <= 0.0 {
            return now;
        }
        let share = self.draw();
        now.plus_seconds(share * longest)
    }
}
