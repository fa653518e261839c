use std::collections::BTreeSet;

use super::*;
use crate::plan::testing::{at, image_id, scope};

#[path = "on_demand_whatever.rs"]
mod whatever;

const BEGAN: i64 = 10_000;

/// The state of the case: what is on record, what AWS shows of the copy's last scan, and whatever else matters.
struct Case<'a> {
    record: Option<OnDemandScanStatus>,
    last: Option<ScanNow>,
    retry: Option<&'a str>,
    /// When the scan was made that EC2 is known to show.
    shown: Option<i64>,
    is_late: bool,
    /// Since when the process has known of the record, if that is not since it was written.
    known: Option<i64>,
}

/// A case of which nothing is on record yet.
fn nothing() -> Case<'static> {
    Case {
        record: None,
        last: None,
        retry: None,
        shown: None,
        is_late: false,
        known: None,
    }
}

fn case(record: OnDemandScanStatus) -> Case<'static> {
    Case {
        record: Some(record),
        ..nothing()
    }
}

impl Case<'_> {
    /// The decision on what was read, if anything was.
    fn decided(&self, seen: Seen<'_>, now: i64) -> Next {
        let (scope, copy) = (scope(), image_id(7));
        let written = self.record.as_ref().and_then(|record| record.time.as_ref());
        let known = self.known.map(at).or(written.map(|time| time.0));
        let wanted = Wanted {
            scope: &scope,
            copy: &copy,
            shown: self.shown.map(at),
            is_late: self.is_late,
            known_since: known.unwrap_or(at(now)),
            retry: self.retry,
        };
        decide(wanted, self.record.as_ref(), seen, at(now))
    }

    /// What comes next once all is read that the decision wants to know.
    fn next(&self, now: i64) -> Next {
        match self.decided(Seen::default(), now) {
            Next::Ask(which) => {
                let seen = Seen {
                    scan: Some((&which, self.last.as_ref())),
                    ..Seen::default()
                };
                self.decided(seen, now)
            }
            Next::Show(_) => {
                let copy = image_id(7);
                let seen = Seen {
                    unscanned: Some(&copy),
                    ..Seen::default()
                };
                self.decided(seen, now)
            }
            other => other,
        }
    }
}

/// Another scan that is to be on record.
fn begun(next: Next) -> OnDemandScanStatus {
    let scan = recorded(next);
    assert_eq!((scan.state, &scan.scan_id), (OnDemandScanState::Requesting, &None));
    scan
}

fn recorded(next: Next) -> OnDemandScanStatus {
    match next {
        Next::Record(scan) => *scan,
        other => panic!("{other:?}"),
    }
}

fn announced() -> OnDemandScanStatus {
    begun(nothing().next(BEGAN))
}

fn running() -> OnDemandScanStatus {
    started(&announced(), "scan-1", at(BEGAN))
}

fn shows(id: &str, progress: ScanProgress) -> Option<ScanNow> {
    shows_of(BEGAN, id, progress)
}

/// What AWS shows of a scan that was started then.
fn shows_of(started: i64, id: &str, progress: ScanProgress) -> Option<ScanNow> {
    Some(ScanNow {
        id: id.into(),
        started: at(started),
        progress,
    })
}

fn fails(why: &str) -> ScanProgress {
    ScanProgress::Failed(why.into())
}

/// A scan that has failed for this reason after so many others.
fn broken(failures: u32, why: &str) -> OnDemandScanStatus {
    let running = OnDemandScanStatus { failures, ..running() };
    unsuccessful(&running, why, at(BEGAN))
}

#[test]
fn a_scan_is_on_record_before_it_is_asked_for_and_what_ec2_shows_already_is_not_scanned_again() {
    let scan = announced();
    assert_eq!(
        (scan.state, scan.attempt, scan.failures, scan.scan_id.clone()),
        (OnDemandScanState::Requesting, 1, 0, None)
    );
    assert!((1..=64).contains(&scan.client_token.len()), "{scan:?}");
    assert_eq!(announced(), scan, "whoever comes next asks for the same");
    // It is looked whether there is one, and then it is asked for, under the token that is on record.
    assert_eq!(
        case(scan.clone()).decided(Seen::default(), BEGAN),
        Next::Ask(ScanRef::Last(image_id(7)))
    );
    let request = ScanRequest {
        image: image_id(7),
        client_token: scan.client_token.clone(),
    };
    assert_eq!(case(scan).next(BEGAN + 9999), Next::Start(request));
    // What EC2 is known to show may be from long ago: it is read once more before anything is paid for.
    assert_eq!(nothing().decided(Seen::default(), BEGAN), Next::Show(None));
    let shown = Case {
        shown: Some(BEGAN),
        ..nothing()
    };
    assert_eq!(shown.decided(Seen::default(), BEGAN), Next::Wait);
}

#[test]
fn a_scan_whose_answer_was_lost_or_that_somebody_else_has_asked_for_is_taken_and_none_is_asked_for() {
    use OnDemandScanState::{Failed, Started, Succeeded};
    let after = OnDemandScanStatus {
        previous_scan_id: Some("scan-1".to_owned()),
        ..announced()
    };
    let table = [
        (announced(), shows("scan-1", ScanProgress::InProgress), Some(Started)),
        (announced(), shows("scan-1", ScanProgress::Successful), Some(Succeeded)),
        (announced(), shows("scan-1", fails("INTERNAL_ERROR")), Some(Failed)),
        (announced(), None, None),
        // The one before it says nothing of this one.
        (after.clone(), shows("scan-1", ScanProgress::Successful), None),
        (after, shows("scan-2", ScanProgress::InProgress), Some(Started)),
    ];
    for (scan, last, expected) in table {
        let found = last.clone().map(|scan| scan.id.to_string());
        let next = Case { last, ..case(scan) }.next(BEGAN + 60);
        match expected {
            None => assert!(matches!(next, Next::Start(_)), "{next:?}"),
            Some(state) => {
                let scan = recorded(next);
                assert_eq!((scan.state, &scan.scan_id), (state, &found));
                assert_eq!(scan.failures, u32::from(state == Failed));
            }
        }
    }
}

#[test]
fn a_scan_is_followed_to_its_end_and_then_it_is_looked_what_ec2_shows_until_it_is_late() {
    let follow = |last: Option<ScanNow>, after: i64| {
        Case {
            last,
            ..case(running())
        }
        .next(BEGAN + after)
    };
    assert_eq!(
        case(running()).decided(Seen::default(), BEGAN),
        Next::Ask(ScanRef::Id(image_id(7), "scan-1".into()))
    );
    assert_eq!(
        follow(shows("scan-1", ScanProgress::InProgress), 99_999),
        Next::Later(LOOK_AGAIN)
    );
    // It may not show yet; after a while it never will.
    assert_eq!(follow(None, 599), Next::Later(LOOK_AGAIN));
    let other = Case {
        known: Some(BEGAN + 900),
        ..case(running())
    };
    assert_eq!(
        other.next(BEGAN + 1499),
        Next::Later(LOOK_AGAIN),
        "the clock of another process may have been behind"
    );
    let lost = recorded(follow(None, 600));
    assert_eq!((lost.state, lost.failures), (OnDemandScanState::Failed, 1));
    assert!(lost.message.is_some_and(|message| message.contains("scan-1")));
    let done = recorded(follow(shows("scan-1", ScanProgress::Successful), 60));
    assert_eq!((done.state, done.failures), (OnDemandScanState::Succeeded, 0));
    assert_eq!(
        case(done.clone()).decided(Seen::default(), BEGAN),
        Next::Show(Some(at(BEGAN)))
    );
    // Somebody else has taken its ID away.
    let forged = OnDemandScanStatus {
        scan_id: None,
        ..running()
    };
    assert_eq!(recorded(case(forged).next(BEGAN)).state, OnDemandScanState::Requesting);
    // Another one is made only if somebody asks, whatever EC2 shows.
    for shown in [None, Some(BEGAN + 30)] {
        let asked = Case {
            retry: Some("1"),
            shown,
            ..case(done.clone())
        };
        let next = begun(asked.next(BEGAN));
        assert_eq!(
            (next.attempt, next.previous_scan_id.as_deref(), next.scan_id.as_deref()),
            (2, Some("scan-1"), None)
        );
        assert_ne!(next.client_token, done.client_token);
        let again = Case {
            retry: Some("1"),
            ..case(OnDemandScanStatus {
                state: OnDemandScanState::Succeeded,
                ..next
            })
        };
        assert_eq!(again.next(BEGAN), Next::Later(LOOK_AGAIN), "once for each value");
    }
}

#[test]
fn a_scan_that_has_failed_is_asked_for_twice_more_and_then_when_somebody_asks() {
    let passing = "INTERNAL_ERROR";
    // How many have failed before this one, why, the annotation, after how many seconds, and what begins: which and after how many.
    let table = [
        (0, passing, None, 119, None),
        (0, passing, None, 120, Some((2, 1))),
        (1, passing, None, 120, Some((2, 2))),
        (2, passing, None, 99_999, None),
        (2, passing, Some("1"), 0, Some((2, 0))),
        (0, "UNSUPPORTED_OS", None, 99_999, None),
        (0, "AGENTLESS_INSTANCE_STORAGE_LIMIT_EXCEEDED", None, 99_999, None),
        (0, "UNSUPPORTED_OS", Some("1"), 0, Some((2, 0))),
    ];
    for (failures, why, retry, after, expected) in table {
        let next = Case {
            retry,
            ..case(broken(failures, why))
        }
        .next(BEGAN + after);
        let begins = match &next {
            Next::Record(scan) => {
                assert_eq!(scan.state, OnDemandScanState::Requesting);
                assert_eq!(scan.previous_scan_id.as_deref(), Some("scan-1"));
                Some((scan.attempt, scan.failures))
            }
            Next::Stalled(problem, wait) => {
                assert_eq!((problem.reason, *wait), (reason::COPY_NOT_SCANNED, None));
                for words in ["scan-1", why, "amiseal.dev/retry"] {
                    assert!(problem.message.contains(words), "{problem:?}");
                }
                None
            }
            Next::Failed(message, wait) => {
                assert!(message.contains(why), "{message}");
                assert_eq!(wait.as_secs(), 1);
                None
            }
            other => panic!("{failures} {why} {after}: {other:?}"),
        };
        assert_eq!(begins, expected, "{failures} {why} {retry:?} {after}");
        // What EC2 shows meanwhile is what counts.
        let shown = Case {
            shown: Some(BEGAN),
            retry,
            ..case(broken(failures, why))
        };
        assert_eq!(shown.next(BEGAN + after) == Next::Wait, retry.is_none());
        // It is read once more before another one is made that nobody has asked for.
        let first = case(broken(failures, why)).decided(Seen::default(), BEGAN + after);
        let is_repeated = expected.is_some() && retry.is_none();
        assert_eq!(first == Next::Show(None), is_repeated, "{first:?}");
    }
}

#[test]
fn a_scan_that_is_refused_is_asked_for_every_ten_minutes_by_the_same_token_and_says_so_meanwhile() {
    let why = "Amazon Inspector does not start a scan of the copy.";
    let scan = refused(&announced(), why, at(BEGAN));
    let problem = refusal(&scan).expect("a problem");
    assert_eq!(
        (problem.reason, problem.message.as_str()),
        (reason::COPY_NOT_SCANNED, why)
    );
    let stalled = case(scan.clone()).next(BEGAN + 1);
    assert_eq!(stalled, Next::Stalled(problem.clone(), Some(Duration::from_secs(599))));
    for (retry, after) in [(None, 600), (Some("1"), 0)] {
        let again = recorded(
            Case {
                retry,
                ..case(scan.clone())
            }
            .next(BEGAN + after),
        );
        assert_eq!(again.state, OnDemandScanState::Requesting);
        assert_eq!(
            (again.attempt, again.failures, &again.client_token),
            (1, 0, &scan.client_token)
        );
        assert_eq!(refusal(&again), Some(problem.clone()));
        assert_eq!(refusal(&started(&again, "scan-1", at(BEGAN + after))), None);
    }
    assert_eq!(refusal(&announced()), None);
    assert_eq!(refusal(&broken(0, "INTERNAL_ERROR")), None);
}

#[test]
fn the_result_of_a_scan_is_looked_for_whatever_ec2_has_shown_before_and_for_a_while_where_it_is_late() {
    // It is seen to be started, and to have ended, a while after it was.
    let ends = Case {
        last: shows_of(BEGAN, "scan-1", ScanProgress::Successful),
        ..case(announced())
    };
    let done = recorded(ends.next(BEGAN + 500));
    assert_eq!(done.requested_at, Some(Time(at(BEGAN))), "by the clock of AWS");
    // What EC2 shows, whether it is late, how long after its end, and whether it is looked for.
    let table = [
        (None, false, 0, true),
        (None, false, 99_999, true),
        (None, true, 599, true),
        (None, true, 600, false),
        (Some(BEGAN - 1), false, 99_999, true),
        (Some(BEGAN - 1), true, 599, true),
        (Some(BEGAN - 1), true, 600, false),
        (Some(BEGAN), false, 0, false),
        (Some(BEGAN + 300), true, 0, false),
    ];
    for (shown, is_late, after, is_looked_for) in table {
        let case = Case {
            shown,
            is_late,
            ..case(done.clone())
        };
        let now = BEGAN + 500 + after;
        let (first, then) = if is_looked_for {
            (Next::Show(Some(at(BEGAN))), Next::Later(LOOK_AGAIN))
        } else {
            (Next::Wait, Next::Wait)
        };
        assert_eq!(case.decided(Seen::default(), now), first, "{shown:?} {is_late} {after}");
        assert_eq!(case.next(now), then, "{shown:?} {is_late} {after}");
    }
    for (shown, since, expected) in [
        (None, None, false),
        (None, Some(7), false),
        (Some(7), None, true),
        (Some(6), Some(7), false),
        (Some(7), Some(7), true),
        (Some(8), Some(7), true),
    ] {
        assert_eq!(is_from(shown.map(at), since.map(at)), expected, "{shown:?} {since:?}");
    }
    let later = at(7).checked_add(Duration::from_millis(900)).expect("a time");
    assert!(is_from(Some(at(7)), Some(later)), "a status keeps no fractions");
}

#[test]
fn whoever_asks_while_a_scan_is_under_way_has_it_made_once_unless_it_fails() {
    let ends = |record: OnDemandScanStatus, progress| {
        let asked = Case {
            retry: Some("1"),
            last: shows("scan-1", progress),
            ..case(record)
        };
        recorded(asked.next(BEGAN + 60))
    };
    for record in [running(), announced()] {
        let done = ends(record.clone(), ScanProgress::Successful);
        assert_eq!(
            (done.state, done.observed_retry.as_deref()),
            (OnDemandScanState::Succeeded, Some("1"))
        );
        let then = Case {
            retry: Some("1"),
            ..case(done.clone())
        };
        assert_eq!(then.next(BEGAN + 60), Next::Later(LOOK_AGAIN));
        let once_more = Case {
            retry: Some("2"),
            ..case(done)
        };
        assert_eq!(begun(once_more.next(BEGAN + 60)).attempt, 2);
        // One that fails costs nothing, and nothing has come of it.
        let failed = Case {
            retry: Some("1"),
            ..case(ends(record, fails("UNSUPPORTED_OS")))
        };
        assert_eq!(begun(failed.next(BEGAN + 60)).attempt, 2);
    }
}

#[test]
fn what_ec2_comes_to_show_before_a_scan_is_started_is_not_paid_for_unless_somebody_asks() {
    /// What comes next.
    #[derive(Debug, PartialEq)]
    enum Comes {
        Nothing,
        ThisOne,
        Another,
    }
    use Comes::{Another, Nothing, ThisOne};
    let refused = |scan: &OnDemandScanStatus| refused(scan, "No.", at(BEGAN));
    let repeated = begun(case(broken(0, "INTERNAL_ERROR")).next(BEGAN + 120));
    let done = OnDemandScanStatus {
        state: OnDemandScanState::Succeeded,
        ..running()
    };
    let asked = Case {
        retry: Some("0"),
        ..case(done)
    };
    let asked = begun(asked.next(BEGAN));
    assert_eq!((repeated.failures, asked.failures), (1, 0));
    let table = [
        (announced(), None, Nothing),
        (announced(), Some("1"), Another),
        (repeated.clone(), None, Nothing),
        (repeated.clone(), Some("1"), Another),
        (refused(&announced()), None, Nothing),
        (refused(&announced()), Some("1"), Another),
        (refused(&repeated), Some("1"), Another),
        // Whoever has asked for it knows what EC2 shows.
        (asked.clone(), Some("0"), ThisOne),
        (refused(&asked), Some("1"), Another),
    ];
    for (record, retry, expected) in table {
        let shown = Case {
            retry,
            shown: Some(BEGAN + 30),
            ..case(record.clone())
        };
        let comes = match shown.next(BEGAN + 60) {
            Next::Wait => Nothing,
            Next::Start(request) => {
                assert_eq!(request.client_token, record.client_token);
                ThisOne
            }
            other => {
                let scan = begun(other);
                assert_eq!((scan.attempt, scan.failures), (record.attempt + 1, 0));
                assert_eq!(scan.previous_scan_id, record.previous_scan_id);
                assert_ne!(scan.client_token, record.client_token);
                // It is asked for whatever EC2 shows.
                let shown = Case {
                    retry,
                    shown: Some(BEGAN + 30),
                    ..case(scan)
                };
                let next = shown.next(BEGAN + 60);
                assert!(matches!(next, Next::Start(_)), "{next:?}");
                Another
            }
        };
        assert_eq!(comes, expected, "{record:?} {retry:?}");
    }
}

#[test]
fn a_scan_has_its_time_from_when_it_is_started_however_long_it_was_refused() {
    use InspectorState::{Failed, TimedOut, Waiting};
    let (since, now) = (Time(at(BEGAN)), Time(at(BEGAN + 99_999)));
    let refused = refused(&announced(), "No.", at(BEGAN));
    let first = announced();
    let again = in_state(&refused, OnDemandScanState::Requesting, now.0);
    let started = started(&again, "scan-1", now.0);
    let ended = in_state(&started, OnDemandScanState::Succeeded, now.0);
    let another = OnDemandScanStatus {
        attempt: 2,
        scan_id: None,
        ..again.clone()
    };
    // What was on record and how that stood, what is put there, and whether it is waited for anew.
    let table = [
        (None, Waiting, &first, true, Waiting),
        (Some(&refused), TimedOut, &again, false, TimedOut),
        (Some(&again), TimedOut, &started, true, Waiting),
        (Some(&again), Failed, &started, true, Failed),
        (Some(&started), TimedOut, &ended, false, TimedOut),
        (Some(&ended), TimedOut, &another, true, Waiting),
    ];
    for (known, state, scan, is_new, then) in table {
        let mut record = InspectorStatus {
            state,
            waiting_since: Some(since.clone()),
            scan: known.cloned(),
            ..InspectorStatus::default()
        };
        assert_eq!(put(&mut record, scan.clone(), now.0), is_new, "{scan:?}");
        let expected = if is_new { &now } else { &since };
        assert_eq!((record.waiting_since.as_ref(), record.state), (Some(expected), then));
        assert_eq!(record.scan.as_ref(), Some(scan));
    }
}

#[test]
fn a_token_is_of_one_scan_of_one_copy_in_one_place() {
    let (scope, copy, other) = (scope(), image_id(7), image_id(8));
    let wanted = |copy| Wanted {
        scope: &scope,
        copy,
        shown: None,
        is_late: false,
        known_since: at(BEGAN),
        retry: None,
    };
    let tokens = [
        wanted(&copy).token(1, None),
        wanted(&copy).token(2, None),
        // Somebody has taken the record away, and the count has begun anew.
        wanted(&copy).token(2, Some("scan-1")),
        wanted(&copy).token(2, Some("scan-2")),
        wanted(&other).token(1, None),
    ];
    let different: BTreeSet<&String> = tokens.iter().collect();
    assert_eq!(different.len(), tokens.len());
}
