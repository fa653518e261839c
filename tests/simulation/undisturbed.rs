//! The histories that nothing strikes, and at which moments of them each fault strikes.

use super::campaign::play;
use super::catalogue::Fault;
use super::fate::Side;
use super::history::Outcome;
use super::plan::Plan;

/// The seed of the history in which each fault strikes at each moment: one of few calls, in an AWS that shows changes late.
pub(crate) const SINGLES: u64 = 1;
/// The same where what launches the originals is moved: in a world of few consumers.
pub(crate) const MOVES: u64 = 209;
/// The same where copies are proven, by instances and by on-demand scans.
pub(crate) const PROVES: u64 = 2;
/// The same where guardrails are held and new images are looked for between two scans: the third policy only looks there.
pub(crate) const GUARDS: u64 = 313;
/// The same where a queue tells of what changes, and guardrails are held.
pub(crate) const HEARS: u64 = 3;
/// The same where a policy takes its accounts from AWS Organizations.
pub(crate) const LISTS: u64 = 4;
/// Each fault strikes at so many moments from the beginning on, and then, as where the finished world is looked through, at every so
/// many. That number is odd, as some faults are others at every other moment.
const FIRST: u64 = 60;
const LATER: usize = 9;
/// Where consumers are moved, at every so many from the first change of one to the last, and what people do to them at every so many of
/// all.
const MOVING: usize = 10;
/// Where copies are proven, at every so many from the first launch to the last instance's end.
const PROVING: usize = 16;
/// Where guardrails are held, at every so many from the first call that sets one to the last, and what people do about them at every so
/// many of all.
const GUARDING: usize = 16;
/// Where a queue tells of what changes, or accounts come from AWS Organizations, calls to AWS at every so many from the first of those that
/// read that to the last, and what happens to either at every so many of all writes.
const READING: usize = 24;
const HAPPENING: usize = 4;

/// The histories that nothing strikes, beside which others are looked at.
#[derive(Debug)]
pub(crate) struct Undisturbed {
    usual: Outcome,
    pub(crate) moves: Outcome,
    proves: Outcome,
    guards: Outcome,
    hears: Outcome,
    lists: Outcome,
}

impl Undisturbed {
    pub(crate) fn play() -> Self {
        Self {
            usual: play(&Plan::undisturbed(SINGLES)),
            moves: play(&Plan::undisturbed(MOVES)),
            proves: play(&Plan::undisturbed(PROVES)),
            guards: play(&Plan::undisturbed(GUARDS)),
            hears: play(&Plan::undisturbed(HEARS)),
            lists: play(&Plan::undisturbed(LISTS)),
        }
    }

    pub(crate) fn of(&self, seed: u64) -> &Outcome {
        match seed {
            MOVES => &self.moves,
            PROVES => &self.proves,
            GUARDS => &self.guards,
            HEARS => &self.hears,
            LISTS => &self.lists,
            _ => &self.usual,
        }
    }

    pub(crate) fn all(&self) -> [(Plan, &Outcome, &'static str); 6] {
        [
            (Plan::undisturbed(SINGLES), &self.usual, ""),
            (Plan::undisturbed(MOVES), &self.moves, " that moves consumers"),
            (Plan::undisturbed(PROVES), &self.proves, " that proves copies"),
            (Plan::undisturbed(GUARDS), &self.guards, " that holds guardrails"),
            (Plan::undisturbed(HEARS), &self.hears, " that reads a queue"),
            (Plan::undisturbed(LISTS), &self.lists, " that lists accounts"),
        ]
    }

    /// The moments at which a fault strikes in the history of this seed: each in the beginning, and some of the later ones; where
    /// consumers are moved, copies proven, guardrails held, messages read or accounts listed, some of those at which that is done.
    pub(crate) fn points(&self, seed: u64, fault: Fault) -> Vec<u64> {
        // The worlds of these have nothing that it does anything to.
        let is_made = seed == HEARS && fault == Fault::ImageMade;
        let is_elsewhere = fault.is_of_guardrails() && seed != GUARDS && !is_made
            || fault.is_of_messages() && seed != HEARS
            || fault.is_of_accounts() && seed != LISTS;
        if fault.is_of_some_worlds() || is_elsewhere {
            return Vec::new();
        }
        let (outcome, side) = (self.of(seed), fault.side() as usize);
        let all = outcome.calls[side];
        if [HEARS, LISTS].contains(&seed) {
            if is_made || fault.is_of_messages() || fault.is_of_accounts() {
                return (1..=all).step_by(HAPPENING).collect();
            }
            let window = if seed == HEARS {
                outcome.messages
            } else {
                outcome.listings
            };
            let window = window.filter(|_| fault.side() == Side::Aws && !fault.is_of_consumers());
            return window.map_or_else(Vec::new, |[first, last]| {
                (first[side].max(1)..=last[side]).step_by(READING).collect()
            });
        }
        if seed == SINGLES {
            if fault.is_of_consumers() {
                return Vec::new();
            }
            let first = FIRST.min(outcome.done[side]);
            return (1..=first).chain((first + 1..=all).step_by(LATER)).collect();
        }
        if seed == PROVES {
            let window = outcome.launches.filter(|_| !fault.is_of_consumers());
            return window.map_or_else(Vec::new, |[first, last]| {
                (first[side].max(1)..=last[side]).step_by(PROVING).collect()
            });
        }
        if seed == GUARDS {
            if fault.is_of_guardrails() {
                return (1..=all).step_by(GUARDING / 4).collect();
            }
            let window = outcome.guards.filter(|_| !fault.is_of_consumers());
            return window.map_or_else(Vec::new, |[first, last]| {
                (first[side].max(1)..=last[side]).step_by(GUARDING).collect()
            });
        }
        if fault.is_of_consumers() {
            return (1..=all).step_by(MOVING / 2).collect();
        }
        let Some([first, last]) = outcome.moves else {
            return Vec::new();
        };
        (first[side]..=last[side]).step_by(MOVING).collect()
    }
}
