//! What many migrations of a target want to know of AWS at once, as it was read last: once for all of them, and for each reading of what
//! launches images there.

use std::time::Duration;

use jiff::Timestamp;

/// For how long it is taken as known, where no new reading says that it is old.
const HOLD_FOR: Duration = Duration::from_secs(3600);
/// For how long who asks gets the answer that somebody else got: they may ask for they are about to change something by it.
const SHARED_FOR: Duration = Duration::from_secs(300);
/// How soon it is looked again whether somebody else's call was answered.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// After so long nobody waits for that answer any more.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// When the reading of what launches images began; none before the first one.
pub type Round = Option<Timestamp>;

/// Something as it was read last.
#[derive(Debug)]
pub struct SharedRead<T> {
    known: Option<Known<T>>,
    /// Until when nobody else asks, as somebody does.
    asked_until: Option<Timestamp>,
}

#[derive(Debug)]
struct Known<T> {
    answer: T,
    /// For which reading it was asked for.
    round: Round,
    /// When it was answered.
    read: Timestamp,
}

/// What becomes of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask<T> {
    /// The answer is known.
    Known(T),
    /// Ask AWS.
    Now,
    /// Somebody else is asking AWS: look again after so long.
    Later(Duration),
}

impl<T> Default for SharedRead<T> {
    fn default() -> Self {
        Self {
            known: None,
            asked_until: None,
        }
    }
}

impl<T: Clone> SharedRead<T> {
    /// The answer, where it is known for this reading.
    pub fn known(&self, round: Round, now: Timestamp) -> Option<&T> {
        let known = self.known.as_ref()?;
        (known.round == round && now < later(known.read, HOLD_FOR)).then_some(&known.answer)
    }

    /// Whether that was answered lately.
    fn is_shared(&self, now: Timestamp) -> bool {
        let known = self.known.as_ref();
        known.is_some_and(|known| now < later(known.read, SHARED_FOR))
    }

    /// Somebody wants to know it as it is now, or was five minutes ago, and says whether what is known is enough for that.
    pub fn ask(&mut self, round: Round, now: Timestamp, is_enough: impl FnOnce(&T) -> bool) -> Ask<T> {
        let known = self.known(round, now).filter(|_| self.is_shared(now));
        if let Some(answer) = known.filter(|answer| is_enough(answer)) {
            return Ask::Known(answer.clone());
        }
        if self.asked_until.is_some_and(|until| now < until) {
            return Ask::Later(LOOK_AGAIN);
        }
        self.asked_until = Some(later(now, ANSWERS_WITHIN));
        Ask::Now
    }

    /// AWS has answered to whoever asked for this reading.
    pub fn read(&mut self, answer: T, round: Round, now: Timestamp) {
        self.known = Some(Known {
            answer,
            round,
            read: now,
        });
        self.asked_until = None;
    }

    /// It could not be read: the next one who wants to know it asks.
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
    use crate::plan::testing::at;

    type Watch = SharedRead<&'static str>;

    #[test]
    fn it_is_asked_for_once_in_each_reading_and_known_for_an_hour_and_shared_for_five_minutes() {
        let (first, second) = (Some(at(100)), Some(at(900)));
        let mut watch = Watch::default();
        assert_eq!(watch.known(first, at(110)), None);
        assert_eq!(watch.ask(first, at(110), |_| true), Ask::Now);
        watch.read("old", first, at(111));
        for (round, time, expected) in [
            (first, 111, Some(&"old")),
            (first, 3710, Some(&"old")),
            (first, 3711, None),
            (second, 901, None),
            (None, 111, None),
        ] {
            assert_eq!(watch.known(round, at(time)), expected, "{round:?} {time}");
        }
        assert_eq!(watch.ask(first, at(410), |_| true), Ask::Known("old"));
        assert_eq!(watch.ask(first, at(411), |_| true), Ask::Now);
        watch.failed();
        assert_eq!(watch.known(first, at(412)), Some(&"old"), "that it fails says nothing");
        assert_eq!(watch.ask(first, at(412), |_| true), Ask::Now, "nor is it an answer");
        watch.failed();
        assert_eq!(watch.ask(second, at(3000), |_| true), Ask::Now);
        watch.read("new", second, at(3001));
        assert_eq!(watch.ask(second, at(3002), |_| true), Ask::Known("new"));
    }

    #[test]
    fn who_has_not_enough_in_what_is_known_asks_for_more_and_the_others_go_on_with_it() {
        let round = Some(at(100));
        let mut watch = Watch::default();
        watch.read("policy", round, at(110));
        assert_eq!(watch.ask(round, at(120), |known| *known == "grants"), Ask::Now);
        assert_eq!(
            watch.ask(round, at(121), |known| *known == "policy"),
            Ask::Known("policy")
        );
        assert_eq!(
            watch.ask(round, at(121), |known| *known == "grants"),
            Ask::Later(LOOK_AGAIN)
        );
        watch.read("grants", round, at(122));
        assert_eq!(
            watch.ask(round, at(123), |known| *known == "grants"),
            Ask::Known("grants")
        );
    }

    #[test]
    fn while_one_asks_others_wait_and_no_longer_than_until_it_has_failed_or_is_gone() {
        type Act = fn(&mut Watch);
        let round = Some(at(100));
        let table: [(Act, i64, Ask<&str>); 5] = [
            (|_| {}, 111, Ask::Later(LOOK_AGAIN)),
            (|_| {}, 169, Ask::Later(LOOK_AGAIN)),
            (|_| {}, 170, Ask::Now),
            (Watch::failed, 111, Ask::Now),
            (
                |watch| watch.read("answer", Some(at(100)), at(111)),
                111,
                Ask::Known("answer"),
            ),
        ];
        for (act, time, expected) in table {
            let mut watch = Watch::default();
            assert_eq!(watch.ask(round, at(110), |_| true), Ask::Now);
            act(&mut watch);
            assert_eq!(watch.ask(round, at(time), |_| true), expected, "{time}");
        }
    }
}
