use super::*;
use crate::api::Duration as Length;
use crate::domain::{Extras, ImageScan, Vulnerability};
use crate::plan::testing::{at, image};

/// When the copy was made, and when it was first asked what Amazon Inspector says of it.
const CREATED: i64 = 7;
const BEGAN: i64 = 10_000;
const HOUR: i64 = 3600;

fn settings(maximum_severity: InspectorSeverity) -> InspectorSettings {
    InspectorSettings {
        maximum_severity,
        scan: InspectorScan::Continuous,
        timeout: Length::from_mins(24 * 60),
    }
}

/// The copy, with a scan of that time that has found this.
fn copy(scan: Option<(i64, WorstFinding)>) -> Image {
    let mut copy = image(7, 1);
    assert_eq!(copy.created, Some(at(CREATED)));
    copy.extras = scan.map(|(scanned, worst)| {
        Box::new(Extras {
            scan: Some(ImageScan {
                scanned: Some(at(scanned)),
                worst,
                ..ImageScan::default()
            }),
            ..Extras::default()
        })
    });
    copy
}

fn judged(
    copy: &Image,
    maximum: InspectorSeverity,
    record: Option<&InspectorStatus>,
    read: i64,
) -> (InspectorStatus, Verdict) {
    judged_by(copy, &settings(maximum), record, read)
}

fn judged_by(
    copy: &Image,
    settings: &InspectorSettings,
    record: Option<&InspectorStatus>,
    read: i64,
) -> (InspectorStatus, Verdict) {
    let wanted = Wanted {
        copy,
        read: at(read),
        settings,
    };
    // It is always a while later that something is made of a reading.
    judge(wanted, record, at(read + 60))
}

/// What is on record once it was asked for the first time.
fn waiting() -> InspectorStatus {
    let (status, verdict) = judged(&copy(None), InspectorSeverity::High, None, BEGAN - 60);
    assert_eq!(verdict, Verdict::Waiting);
    status
}

fn why(verdict: &Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Stalled(problem) => Some(problem.reason),
        Verdict::Proven | Verdict::Waiting => None,
    }
}

#[test]
fn what_is_not_scanned_is_waited_for_until_a_reading_from_after_the_deadline_shows_no_scan() {
    use InspectorState::{TimedOut, Waiting};
    let first = waiting();
    assert_eq!(
        (first.state, first.waiting_since.clone()),
        (Waiting, Some(Time(at(BEGAN))))
    );
    assert_eq!((first.scan_time.clone(), first.severity.clone()), (None, None));
    let deadline = BEGAN + 24 * HOUR;
    for (read, state) in [
        (BEGAN, Waiting),
        (deadline - 1, Waiting),
        (deadline, TimedOut),
        (deadline + 99 * HOUR, TimedOut),
    ] {
        let (status, verdict) = judged(&copy(None), InspectorSeverity::High, Some(&first), read);
        let expected = (state == TimedOut).then_some(reason::COPY_NOT_SCANNED);
        assert_eq!((status.state, why(&verdict)), (state, expected), "{read}");
        assert_eq!(
            status.waiting_since, first.waiting_since,
            "the same deadline for whoever comes next"
        );
    }
    let (_, verdict) = judged(&copy(None), InspectorSeverity::High, Some(&first), deadline);
    let Verdict::Stalled(problem) = verdict else { panic!() };
    for words in [
        "within 24h",
        "machine image scanning is on",
        "excludeCopiedAmis",
        "the key",
    ] {
        assert!(problem.message.contains(words), "{problem:?}");
    }
}

#[test]
fn what_is_to_be_asked_for_is_not_late_before_it_is_asked_for_and_then_says_what_has_become_of_it() {
    use OnDemandScanState::{Refused, Requesting, Started, Succeeded};
    let settings = InspectorSettings {
        scan: InspectorScan::OnDemand,
        ..settings(InspectorSeverity::High)
    };
    let judged = |copy: &Image, record: &InspectorStatus, read| judged_by(copy, &settings, Some(record), read);
    let deadline = BEGAN + 24 * HOUR;
    let (status, verdict) = judged(&copy(None), &waiting(), deadline + 99 * HOUR);
    assert_eq!((status.state, verdict), (InspectorState::Waiting, Verdict::Waiting));
    for (state, words) in [
        (
            Succeeded,
            [
                "has ended its on-demand scan scan-1",
                "EC2 has shown no result",
                "amiseal.dev/retry",
            ],
        ),
        (
            Started,
            [
                "has not ended its on-demand scan scan-1",
                "--scan-id scan-1",
                "inspector.timeout",
            ],
        ),
        (Requesting, ["could not be asked", "logs", "reached"]),
        (Refused, ["could not be asked", "logs", "reached"]),
    ] {
        let scan = OnDemandScanStatus {
            state,
            scan_id: Some("scan-1".to_owned()),
            ..OnDemandScanStatus::default()
        };
        let asked = InspectorStatus {
            scan: Some(scan.clone()),
            ..waiting()
        };
        let (status, verdict) = judged(&copy(None), &asked, deadline - 1);
        assert_eq!((status.state, verdict), (InspectorState::Waiting, Verdict::Waiting));
        assert_eq!(status.scan.as_ref(), Some(&scan), "it stays on record");
        let (status, verdict) = judged(&copy(None), &asked, deadline);
        assert_eq!(
            (status.state, why(&verdict)),
            (InspectorState::TimedOut, Some(reason::COPY_NOT_SCANNED))
        );
        let Verdict::Stalled(problem) = verdict else { panic!() };
        for words in words.into_iter().chain(["within 24h", "ami-"]) {
            assert!(problem.message.contains(words), "{problem:?}");
        }
        // What EC2 shows counts, whatever is said of the scan; and where none is to be asked for, none is on record.
        let scanned = copy(Some((BEGAN + 5, WorstFinding::Nothing)));
        assert_eq!(super::scanned(&scanned), Some(at(BEGAN + 5)));
        assert_eq!(super::scanned(&copy(None)), None);
        let (status, verdict) = judged(&scanned, &asked, deadline);
        assert_eq!((status.state, verdict), (InspectorState::Passed, Verdict::Proven));
        let severe = copy(Some((BEGAN + 5, WorstFinding::Of(Vulnerability::Critical))));
        let (_, verdict) = judged(&severe, &asked, deadline);
        let Verdict::Stalled(problem) = verdict else { panic!() };
        assert!(
            problem.message.ends_with("amiseal.dev/retry to have it scanned again."),
            "{problem:?}"
        );
        let (status, _) = self::judged(&copy(None), InspectorSeverity::High, Some(&asked), BEGAN);
        assert_eq!(status.scan, None);
    }
}

#[test]
fn what_is_found_is_held_against_the_worst_that_is_allowed() {
    use InspectorSeverity::{Critical, High, Informational, Low, Medium};
    let of = WorstFinding::Of;
    let unknown = || WorstFinding::Unknown("untriaged".into());
    for (worst, maximum, name, passes) in [
        (WorstFinding::Nothing, Informational, None, true),
        (
            of(Vulnerability::Informational),
            Informational,
            Some("Informational"),
            true,
        ),
        (of(Vulnerability::Low), Informational, Some("Low"), false),
        (of(Vulnerability::Medium), Low, Some("Medium"), false),
        (of(Vulnerability::Medium), Medium, Some("Medium"), true),
        (of(Vulnerability::High), High, Some("High"), true),
        (of(Vulnerability::Critical), High, Some("Critical"), false),
        (of(Vulnerability::Critical), Critical, Some("Critical"), true),
        (unknown(), Critical, Some("untriaged"), false),
        (unknown(), High, Some("untriaged"), false),
    ] {
        let scanned = copy(Some((BEGAN + 5, worst.clone())));
        let (status, verdict) = judged(&scanned, maximum, Some(&waiting()), BEGAN + HOUR);
        let expected = if passes {
            (InspectorState::Passed, None)
        } else {
            (InspectorState::Failed, Some(reason::COPY_VULNERABLE))
        };
        assert_eq!((status.state, why(&verdict)), expected, "{worst:?} {maximum:?}");
        assert_eq!(status.severity.as_deref(), name, "{worst:?}");
        assert_eq!(status.scan_time, Some(Time(at(BEGAN + 5))));
        let Verdict::Stalled(problem) = verdict else { continue };
        let words = [name.unwrap_or_default(), maximum.as_str(), " on 2026-09-21", "ami-"];
        assert!(
            words.iter().all(|words| problem.message.contains(words)),
            "{words:?}: {problem:?}"
        );
        assert!(problem.message.contains("validation.inspector"), "{problem:?}");
    }
}

#[test]
fn a_later_scan_counts_whatever_was_before_and_so_do_other_settings() {
    use InspectorSeverity::{Critical, High};
    let critical = || WorstFinding::Of(Vulnerability::Critical);
    let deadline = BEGAN + 24 * HOUR;
    // Not scanned in time, and then it is.
    let (late, _) = judged(&copy(None), High, Some(&waiting()), deadline);
    let scanned = copy(Some((deadline + HOUR, WorstFinding::Of(Vulnerability::Low))));
    let (passed, verdict) = judged(&scanned, High, Some(&late), deadline + 2 * HOUR);
    assert_eq!((passed.state, verdict), (InspectorState::Passed, Verdict::Proven));
    // Too severe, and then it is not.
    let (failed, verdict) = judged(&copy(Some((BEGAN, critical()))), High, Some(&waiting()), BEGAN + HOUR);
    assert_eq!(why(&verdict), Some(reason::COPY_VULNERABLE));
    let (passed, verdict) = judged(&scanned, High, Some(&failed), deadline + 2 * HOUR);
    assert_eq!((passed.state, verdict), (InspectorState::Passed, Verdict::Proven));
    // Or somebody allows more.
    let (_, verdict) = judged(&copy(Some((BEGAN, critical()))), Critical, Some(&failed), BEGAN + HOUR);
    assert_eq!(verdict, Verdict::Proven);
    // It has passed, and something is found before it is published.
    let worse = copy(Some((deadline + 3 * HOUR, critical())));
    let (_, verdict) = judged(&worse, High, Some(&passed), deadline + 4 * HOUR);
    assert_eq!(why(&verdict), Some(reason::COPY_VULNERABLE));
    // Amazon Inspector says nothing any more: that is unknown again.
    let (gone, verdict) = judged(&copy(None), High, Some(&passed), deadline - 1);
    assert_eq!((gone.state, verdict), (InspectorState::Waiting, Verdict::Waiting));
    let (gone, verdict) = judged(&copy(None), High, Some(&passed), deadline);
    assert_eq!(
        (gone.state, why(&verdict)),
        (InspectorState::TimedOut, Some(reason::COPY_NOT_SCANNED))
    );
}

#[test]
fn a_scan_from_before_the_copy_was_made_or_without_a_date_does_not_count() {
    for (scanned, counts) in [(CREATED - 1, false), (CREATED, true), (CREATED + 1, true)] {
        let copy = copy(Some((scanned, WorstFinding::Nothing)));
        let (status, verdict) = judged(&copy, InspectorSeverity::High, Some(&waiting()), BEGAN + HOUR);
        assert_eq!(verdict == Verdict::Proven, counts, "{scanned}");
        assert_eq!(status.scan_time.is_some(), counts, "{scanned}");
    }
    let mut undated = copy(Some((BEGAN, WorstFinding::Nothing)));
    undated.created = None;
    let (_, verdict) = judged(&undated, InspectorSeverity::High, None, BEGAN);
    assert_eq!(verdict, Verdict::Waiting);
    let mut undated = copy(Some((BEGAN, WorstFinding::Nothing)));
    let scan = undated.extras.as_mut().and_then(|extras| extras.scan.as_mut());
    scan.expect("a scan").scanned = None;
    let (_, verdict) = judged(&undated, InspectorSeverity::High, None, BEGAN);
    assert_eq!(verdict, Verdict::Waiting);
}

#[test]
fn another_copy_is_waited_for_anew() {
    let of_another = InspectorStatus {
        image_id: "ami-0123456789abcdef0".to_owned(),
        ..waiting()
    };
    let (status, verdict) = judged(
        &copy(None),
        InspectorSeverity::High,
        Some(&of_another),
        BEGAN + 99 * HOUR,
    );
    assert_eq!(verdict, Verdict::Waiting);
    assert_eq!(status.waiting_since, Some(Time(at(BEGAN + 99 * HOUR + 60))));
}

#[test]
fn a_time_is_kept_as_a_status_keeps_it_so_that_nothing_is_written_twice() {
    let scanned = at(BEGAN)
        .checked_add(std::time::Duration::from_millis(123))
        .expect("a time");
    let mut copy = copy(Some((BEGAN, WorstFinding::Nothing)));
    let scan = copy.extras.as_mut().and_then(|extras| extras.scan.as_mut());
    scan.expect("a scan").scanned = Some(scanned);
    let (status, _) = judged(&copy, InspectorSeverity::High, Some(&waiting()), BEGAN + HOUR);
    let json = serde_json::to_value(&status).expect("JSON");
    let read: InspectorStatus = serde_json::from_value(json).expect("a record");
    assert_eq!(read, status);
    assert_eq!(
        judged(&copy, InspectorSeverity::High, Some(&read), BEGAN + HOUR).0,
        read
    );
}
