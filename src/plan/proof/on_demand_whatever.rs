//! Whatever is lost, refused or forgotten, nobody pays for a scan that nobody has asked for.

use proptest::prelude::*;

use super::*;

/// How long a scan takes, and how long one may not show.
const TAKES: i64 = 900;
const SHOWS: i64 = 60;

#[derive(Debug, Clone)]
struct Scan {
    token: String,
    began: i64,
    fails: bool,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    LostBefore,
    LostAfter,
    Refused,
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
        (fate, 0..SHOWS, 0..500_i64, 0..12_u8).prop_map(|(fate, lag, wait, deed)| Turn { fate, lag, wait, deed });
    prop::collection::vec(turn, 0..60)
}

/// A copy, and an Amazon Inspector that remembers tokens or does not.
#[derive(Debug)]
struct World {
    scans: Vec<Scan>,
    remembers: bool,
    breaks: bool,
    record: Option<OnDemandScanStatus>,
    retry: u32,
    now: i64,
    /// By how much the clock of the process is ahead that decides.
    ahead: i64,
    /// What it has last seen on record, and since when.
    known: (Option<OnDemandScanStatus>, i64),
}

impl World {
    /// The time by the clock of the process that decides.
    fn own_now(&self) -> i64 {
        self.now + self.ahead
    }

    fn known_since(&mut self) -> i64 {
        if self.known.0 != self.record {
            self.known = (self.record.clone(), self.own_now());
        }
        self.known.1
    }

    fn progress(&self, scan: &Scan, seen_at: i64) -> ScanProgress {
        if seen_at - scan.began < TAKES {
            ScanProgress::InProgress
        } else if scan.fails {
            fails("INTERNAL_ERROR")
        } else {
            ScanProgress::Successful
        }
    }

    fn read(&self, which: &ScanRef, lag: i64) -> Option<ScanNow> {
        let seen_at = self.now - lag;
        let mut shown = self.scans.iter().enumerate().filter(|(_, scan)| scan.began <= seen_at);
        let found = match which {
            ScanRef::Last(_) => shown.next_back(),
            ScanRef::Id(_, id) => shown.find(|(number, _)| **id == *number.to_string()),
        };
        let (number, scan) = found?;
        shows_of(scan.began, &number.to_string(), self.progress(scan, seen_at))
    }

    /// The scan of this token; none where another one is under way.
    fn start(&mut self, token: &str) -> Option<String> {
        let known = self.scans.iter().position(|scan| scan.token == token);
        if let Some(number) = known.filter(|_| self.remembers) {
            return Some(number.to_string());
        }
        if self.scans.last().is_some_and(|last| self.now - last.began < TAKES) {
            return None;
        }
        self.scans.push(Scan {
            token: token.to_owned(),
            began: self.now,
            fails: self.breaks,
        });
        Some((self.scans.len() - 1).to_string())
    }

    fn visit(&mut self, turn: Turn) -> Result<(), TestCaseError> {
        self.now += turn.wait;
        match turn.deed {
            0 => self.retry += 1,
            1 => self.breaks = !self.breaks,
            // The migration is deleted, and made again.
            2 => self.record = None,
            // Another process takes over.
            3 => {
                self.ahead = 1200 - self.ahead;
                self.known = (self.record.clone(), self.own_now());
            }
            _ => {}
        }
        let retry = (self.retry > 0).then(|| self.retry.to_string());
        let (known, now) = (self.known_since(), self.own_now());
        let case = Case {
            record: self.record.clone(),
            retry: retry.as_deref(),
            known: Some(known),
            ..nothing()
        };
        let mut next = case.decided(Seen::default(), now);
        let copy = image_id(7);
        if matches!(next, Next::Show(_)) {
            if turn.fate != Fate::Answered {
                return Ok(());
            }
            let seen = Seen {
                unscanned: Some(&copy),
                ..Seen::default()
            };
            next = case.decided(seen, now);
        }
        if let Next::Ask(which) = &next {
            if turn.fate != Fate::Answered {
                return Ok(());
            }
            let found = self.read(which, turn.lag);
            let seen = Seen {
                scan: Some((which, found.as_ref())),
                ..Seen::default()
            };
            next = case.decided(seen, now);
        }
        match next {
            Next::Record(scan) => self.record = Some(*scan),
            Next::Start(request) => self.call(&request, turn.fate),
            Next::Ask(which) => prop_assert!(false, "{which:?} is asked for twice"),
            Next::Show(_) => prop_assert!(false, "what EC2 shows is asked for twice"),
            Next::Wait | Next::Later(_) | Next::Stalled(..) | Next::Failed(..) => {}
        }
        Ok(())
    }

    fn call(&mut self, request: &ScanRequest, fate: Fate) {
        let Some(scan) = self.record.clone() else { return };
        match fate {
            Fate::LostBefore => {}
            Fate::Refused => self.record = Some(refused(&scan, "No.", at(self.own_now()))),
            Fate::LostAfter | Fate::Answered => {
                let answer = self.start(&request.client_token);
                if let Some(id) = answer.filter(|_| fate == Fate::Answered) {
                    self.record = Some(started(&scan, &id, at(self.own_now())));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever is lost, refused or forgotten, nobody pays for a scan that nobody has asked for.
    #[test]
    fn one_scan_of_a_copy_succeeds_and_another_one_for_each_time_that_somebody_asks(turns in turns(), remembers: bool) {
        let mut world = World {
            scans: Vec::new(),
            remembers,
            breaks: false,
            record: None,
            retry: 0,
            now: 100_000,
            ahead: 0,
            known: (None, 100_000),
        };
        let paid = |world: &World| world.scans.iter().filter(|scan| !scan.fails).count();
        for turn in turns {
            world.visit(turn)?;
            prop_assert!(paid(&world) <= 1 + world.retry as usize, "{world:?}");
        }
        // Faults stop.
        world.breaks = false;
        world.retry += 1;
        let quiet = Turn { fate: Fate::Answered, lag: 0, wait: 300, deed: 99 };
        for _ in 0..60 {
            world.visit(quiet)?;
        }
        let ended = world.record.as_ref().map(|scan| scan.state);
        prop_assert_eq!(ended, Some(OnDemandScanState::Succeeded));
        prop_assert!(paid(&world) <= 1 + world.retry as usize, "{world:?}");
        // Then nothing is asked for any more.
        let scans = world.scans.len();
        for _ in 0..20 {
            world.visit(quiet)?;
        }
        prop_assert_eq!(world.scans.len(), scans);
    }
}
