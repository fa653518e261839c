//! Which images of others an account lets its people launch, as it was read last: once for all migrations of a target that want to know,
//! and for each reading of what launches images there.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::AllowedImages;

/// For how long the settings are taken as known, where no new reading says that they are old.
const HOLD_FOR: Duration = Duration::from_secs(3600);
/// How soon it is looked again whether somebody else's call was answered.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// After so long nobody waits for that answer any more.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// When the reading of what launches images began; none before the first one.
pub type Round = Option<Timestamp>;

/// The settings of an account and region as they were read last.
#[derive(Debug, Default)]
pub struct AllowedWatch {
    known: Option<Known>,
    /// Until when nobody else asks, as somebody does.
    asked_until: Option<Timestamp>,
}

#[derive(Debug)]
struct Known {
    settings: AllowedImages,
    /// For which reading they were asked for.
    round: Round,
    due: Timestamp,
}

/// What becomes of a question for the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// They are known.
    Known(AllowedImages),
    /// Ask AWS.
    Now,
    /// Somebody else is asking AWS: look again after so long.
    Later(Duration),
}

impl AllowedWatch {
    /// The settings, where they are known for this reading.
    pub fn known(&self, round: Round, now: Timestamp) -> Option<&AllowedImages> {
        let known = self.known.as_ref()?;
        (known.round == round && now < known.due).then_some(&known.settings)
    }

    /// When they have to be read again by those who want to know them.
    pub fn due(&self) -> Option<Timestamp> {
        Some(self.known.as_ref()?.due)
    }

    /// Somebody wants to know them.
    pub fn ask(&mut self, round: Round, now: Timestamp) -> Ask {
        if let Some(settings) = self.known(round, now) {
            return Ask::Known(settings.clone());
        }
        if self.asked_until.is_some_and(|until| now < until) {
            return Ask::Later(LOOK_AGAIN);
        }
        self.asked_until = Some(later(now, ANSWERS_WITHIN));
        Ask::Now
    }

    /// AWS has answered to whoever asked for this reading.
    pub fn read(&mut self, settings: AllowedImages, round: Round, now: Timestamp) {
        self.known = Some(Known {
            settings,
            round,
            due: later(now, HOLD_FOR),
        });
        self.asked_until = None;
    }

    /// They could not be read: the next one who wants to know them asks.
    pub fn failed(&mut self) {
        self.asked_until = None;
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AllowedState;
    use crate::plan::testing::at;

    fn settings(state: AllowedState) -> AllowedImages {
        AllowedImages {
            state,
            criteria: Vec::new(),
        }
    }

    #[test]
    fn the_settings_are_asked_for_once_in_each_reading_and_not_for_longer_than_an_hour() {
        let (first, second) = (Some(at(100)), Some(at(900)));
        let (old, new) = (settings(AllowedState::Disabled), settings(AllowedState::Enabled));
        let mut watch = AllowedWatch::default();
        assert_eq!((watch.due(), watch.known(first, at(110))), (None, None));
        assert_eq!(watch.ask(first, at(110)), Ask::Now);
        watch.read(old.clone(), first, at(111));
        assert_eq!(watch.due(), Some(at(3711)));
        for (round, time, expected) in [
            (first, 111, Some(&old)),
            (first, 3710, Some(&old)),
            (first, 3711, None),
            (second, 901, None),
            (None, 111, None),
        ] {
            assert_eq!(watch.known(round, at(time)), expected, "{round:?} {time}");
        }
        assert_eq!(watch.ask(first, at(3000)), Ask::Known(old));
        assert_eq!(watch.ask(second, at(3000)), Ask::Now);
        watch.read(new.clone(), second, at(3001));
        assert_eq!(watch.ask(second, at(3002)), Ask::Known(new));
    }

    #[test]
    fn while_one_asks_others_wait_and_no_longer_than_until_it_has_failed_or_is_gone() {
        type Act = fn(&mut AllowedWatch);
        let round = Some(at(100));
        let table: [(Act, i64, Ask); 5] = [
            (|_| {}, 111, Ask::Later(LOOK_AGAIN)),
            (|_| {}, 169, Ask::Later(LOOK_AGAIN)),
            (|_| {}, 170, Ask::Now),
            (AllowedWatch::failed, 111, Ask::Now),
            (
                |watch| watch.read(settings(AllowedState::AuditMode), Some(at(100)), at(111)),
                111,
                Ask::Known(settings(AllowedState::AuditMode)),
            ),
        ];
        for (act, time, expected) in table {
            let mut watch = AllowedWatch::default();
            assert_eq!(watch.ask(round, at(110)), Ask::Now);
            act(&mut watch);
            assert_eq!(watch.ask(round, at(time)), expected, "{time}");
        }
    }
}
