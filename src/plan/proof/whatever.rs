//! Whatever happens in between: calls and answers that are lost, reads that show what was there before, other settings.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::tests::{decided, settings};
use super::*;
use crate::api::LaunchSettings;
use crate::domain::{Checks, InstanceNow, InstanceRef, InstanceState, LaunchRequest, TaggedInstance};
use crate::plan::testing::{at, image, image_id, scope};

/// How long what was launched may not show, how long it takes to pass its checks, and after how long AWS forgets what is terminated.
const SHOWS: i64 = 60;
const PASSES: i64 = 150;
const FORGETS: i64 = 3600;

#[derive(Debug, Clone)]
struct Machine {
    request: LaunchRequest,
    launched: i64,
    /// Since when it is terminated.
    ended: Option<i64>,
    /// Whether it never passes its checks.
    broken: bool,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    LostBefore,
    LostAfter,
    Refused,
}

#[derive(Debug, Default)]
struct Aws {
    machines: BTreeMap<String, Machine>,
    launches: usize,
}

impl Aws {
    /// The instance of this token, launched unless it was.
    fn launch(&mut self, request: &LaunchRequest, broken: bool, now: i64) -> Result<String, bool> {
        let known = self
            .machines
            .iter()
            .find(|(_, machine)| machine.request.client_token == request.client_token);
        if let Some((id, machine)) = known {
            return if machine.ended.is_some() {
                Err(true)
            } else if machine.request == *request {
                Ok(id.clone())
            } else {
                Err(false)
            };
        }
        self.launches += 1;
        let id = format!("i-{:017}", self.launches);
        let machine = Machine {
            request: request.clone(),
            launched: now,
            ended: None,
            broken,
        };
        self.machines.insert(id.clone(), machine);
        Ok(id)
    }

    fn read(&self, which: &InstanceRef, lag: i64, now: i64) -> InstanceNow {
        let seen_at = now - lag;
        let found = self.machines.iter().find(|(id, machine)| match which {
            InstanceRef::Id(wanted) => **wanted == **id,
            InstanceRef::Token(token) => **token == *machine.request.client_token,
        });
        let Some((id, machine)) = found.filter(|(_, machine)| machine.launched <= seen_at) else {
            return InstanceNow::Gone;
        };
        let (state, checks) = match machine.ended {
            Some(ended) if ended + FORGETS <= seen_at => return InstanceNow::Gone,
            Some(ended) if ended <= seen_at => (InstanceState::Terminated, None),
            _ if seen_at - machine.launched < PASSES => (InstanceState::Running, Some(Checks::Initializing)),
            _ if machine.broken => (InstanceState::Running, Some(Checks::InstanceImpaired)),
            _ => (InstanceState::Running, Some(Checks::Ok)),
        };
        InstanceNow::There {
            id: id.as_str().into(),
            state,
            reason: None,
            checks,
        }
    }

    fn running(&self) -> usize {
        self.machines.values().filter(|machine| machine.ended.is_none()).count()
    }
}

#[derive(Debug, Clone, Copy)]
struct Turn {
    fate: Fate,
    lag: i64,
    wait: i64,
    /// What somebody does.
    deed: u8,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let fate = prop_oneof![
        4 => Just(Fate::Answered),
        1 => Just(Fate::LostBefore),
        1 => Just(Fate::LostAfter),
        1 => Just(Fate::Refused),
    ];
    let turn =
        (fate, 0..SHOWS, 0..200_i64, 0..24_u8).prop_map(|(fate, lag, wait, deed)| Turn { fate, lag, wait, deed });
    prop::collection::vec(turn, 0..60)
}

/// A migration that proves its copy. What it knows is what is on record.
struct Case {
    aws: Aws,
    record: Option<LaunchStatus>,
    /// What was on record before.
    former: Vec<Option<LaunchStatus>>,
    settings: LaunchSettings,
    asked: bool,
    broken: bool,
    retry: u32,
    now: i64,
    /// What was last seen on record, and since when.
    known: (Option<LaunchStatus>, i64),
}

impl Case {
    fn new() -> Self {
        Self {
            aws: Aws::default(),
            record: None,
            former: Vec::new(),
            settings: settings(),
            asked: true,
            broken: false,
            retry: 0,
            now: 100_000,
            known: (None, 100_000),
        }
    }

    fn known_since(&mut self) -> Timestamp {
        if self.known.0 != self.record {
            self.known = (self.record.clone(), self.now);
        }
        at(self.known.1)
    }

    fn deed(&mut self, deed: u8) {
        match deed {
            0 => self.asked = !self.asked,
            1 => self.settings.subnet_id = "subnet-0123456789abcdef1".to_owned(),
            2 => self.settings = settings(),
            3 => self.settings.security_group_ids = vec!["sg-0123456789abcdef0".to_owned()],
            4 => self.broken = !self.broken,
            5 => self.retry += 1,
            // Its migration is deleted, and made again.
            6 => self.record = None,
            // An earlier status is put back, of long ago or of just now.
            7 => self.record = self.former.first().cloned().flatten(),
            8 => self.record = self.former.last().cloned().flatten(),
            9 => self.record = self.former.get(self.former.len() / 2).cloned().flatten(),
            // Nobody works for a while.
            10 => self.now += 2 * FORGETS,
            _ => {}
        }
    }

    /// One visit. Says whether the copy may be published.
    fn visit(&mut self, turn: Turn) -> Result<bool, TestCaseError> {
        self.now += turn.wait;
        self.deed(turn.deed);
        let before = self.record.clone();
        let is_proven = self.decide(turn)?;
        if self.record != before {
            self.former.push(before);
        }
        Ok(is_proven)
    }

    fn decide(&mut self, turn: Turn) -> Result<bool, TestCaseError> {
        let copy = image(7, 1);
        let Some(launch) = self.record.clone().filter(is_under_way) else {
            if !self.asked {
                return Ok(false);
            }
            let retry = (self.retry > 0).then(|| self.retry.to_string());
            return Ok(
                match decided(&self.settings, self.record.as_ref(), retry.as_deref(), &copy, self.now) {
                    Verdict::Proven => true,
                    Verdict::Begin(launch) => {
                        self.record = Some(*launch);
                        false
                    }
                    Verdict::Stalled(..) | Verdict::Failed(..) => false,
                },
            );
        };
        let is_wanted = self.asked && is_as_asked(&launch, &self.settings);
        let known = self.known_since();
        let mut next = follow(&launch, is_wanted, None, known, at(self.now));
        if let Next::Ask(which) = &next {
            if turn.fate != Fate::Answered {
                return Ok(false);
            }
            let seen = self.aws.read(which, turn.lag, self.now);
            next = follow(&launch, is_wanted, Some(&seen), known, at(self.now));
        }
        match next {
            Next::Record(launch) => self.record = Some(*launch),
            Next::Launch => {
                let request = request(&image_id(1), &launch, &copy).expect("a request");
                self.call_launch(&launch, &request, turn.fate);
            }
            Next::Terminate(id) => {
                if matches!(turn.fate, Fate::Answered | Fate::LostAfter) {
                    let machine = self.aws.machines.get_mut(&*id);
                    prop_assert!(machine.is_some(), "{id} was never launched");
                    if let Some(machine) = machine {
                        machine.ended.get_or_insert(self.now);
                    }
                }
                if turn.fate == Fate::Answered {
                    self.record = Some(terminated(&launch, at(self.now)));
                }
            }
            Next::Later(_) => {}
            Next::Ask(which) => prop_assert!(false, "{which:?} is asked for twice"),
        }
        Ok(false)
    }

    fn call_launch(&mut self, launch: &LaunchStatus, request: &LaunchRequest, fate: Fate) {
        let now = at(self.now);
        match fate {
            Fate::LostBefore => {}
            Fate::Refused => self.record = Some(refused(launch, "No.", now)),
            Fate::LostAfter | Fate::Answered => {
                let answer = self.aws.launch(request, self.broken, self.now);
                if fate == Fate::Answered {
                    self.record = Some(match answer {
                        Ok(id) => launched(launch, &id, now),
                        Err(is_terminated) => void(launch, is_terminated, now),
                    });
                }
            }
        }
    }

    /// What whoever holds the shard does at each scan.
    fn sweep(&mut self) {
        let live: HashSet<String> = self
            .record
            .iter()
            .filter(|launch| is_under_way(launch))
            .map(|launch| launch.client_token.clone())
            .collect();
        let tagged: Vec<TaggedInstance> = self
            .aws
            .machines
            .iter()
            .filter(|(_, machine)| machine.ended.is_none())
            .map(|(id, machine)| TaggedInstance {
                id: id.as_str().into(),
                image: machine.request.image.clone(),
                instance_type: machine.request.instance_type.as_str().into(),
                subnet: Some(machine.request.subnet.as_str().into()),
                client_token: Some(machine.request.client_token.as_str().into()),
                launched: Some(at(machine.launched)),
                tags: machine.request.tags.clone(),
            })
            .collect();
        let scope = scope();
        let ended: Vec<String> = leftovers(&scope, &tagged, &live, at(self.now))
            .map(|instance| instance.id.to_string())
            .collect();
        for id in ended {
            if let Some(machine) = self.aws.machines.get_mut(&id) {
                machine.ended = Some(self.now);
            }
        }
    }
}

const QUIET: Turn = Turn {
    fate: Fate::Answered,
    lag: 0,
    wait: 60,
    deed: 99,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn at_the_end_no_instance_runs_and_none_was_launched_twice(turns in turns(), ends_asked: bool, ends_broken: bool) {
        let mut case = Case::new();
        for turn in turns {
            let is_proven = case.visit(turn)?;
            if is_proven {
                let by = case.record.as_ref().and_then(|launch| launch.instance_id.as_deref());
                let machine = by.and_then(|id| case.aws.machines.get(id));
                prop_assert!(machine.is_some_and(|machine| !machine.broken && machine.ended.is_some()));
            }
            let tokens: HashSet<&str> =
                case.aws.machines.values().map(|machine| machine.request.client_token.as_str()).collect();
            prop_assert_eq!(tokens.len(), case.aws.machines.len(), "two instances of one token");
        }
        // Faults stop.
        (case.asked, case.broken) = (ends_asked, ends_broken);
        let mut is_proven = false;
        for _ in 0..200 {
            is_proven = case.visit(QUIET)?;
        }
        let ends = case.record.as_ref().is_none_or(|launch| !is_under_way(launch));
        prop_assert!(ends, "{:?}", case.record);
        case.sweep();
        prop_assert_eq!(case.aws.running(), 0, "{:?}", case.record);
        let launches = case.aws.launches;
        if !ends_broken && ends_asked {
            let stalls = case.record.as_ref().is_some_and(|launch| launch.failures >= 2);
            prop_assert!(is_proven || stalls, "{:?}", case.record);
        }
        // Then nothing is launched any more.
        for _ in 0..50 {
            case.visit(QUIET)?;
        }
        prop_assert_eq!(case.aws.launches, launches);
    }
}
