use super::*;
use crate::plan::testing::{account, at, image_id};

const POLICY: &str = "production";
const HOUR: i64 = 3600;
const A_DAY: i64 = 24 * HOUR;

fn stranger() -> AccountId {
    "777788889999".parse().expect("an account")
}

fn shared_with(account: AccountId) -> BTreeSet<LaunchPermission> {
    [LaunchPermission::Account(account)].into()
}

fn images(numbers: impl IntoIterator<Item = u64>) -> Vec<ImageId> {
    numbers.into_iter().map(image_id).collect()
}

/// A report of ours as it was asked for when the image was shared with the stranger.
fn report(number: u64, created: i64, state: ReportState) -> UsageReport {
    UsageReport {
        id: format!("amiur-{number}-{created}").into(),
        image: image_id(number),
        created: at(created),
        state,
        is_whole: true,
        tags: Tags::of(&[(TAG_POLICY, POLICY), (TAG_SHARING, &hash_of(&shared_with(stranger())))]),
    }
}

fn entry(report: &UsageReport, count: u32) -> ReportEntry {
    ReportEntry {
        report: report.id.clone(),
        account: stranger(),
        kind: "LaunchTemplate".into(),
        count,
    }
}

/// What is known of these images, which are shared with the stranger, by what AWS lists.
struct Case {
    reports: Reports,
    images: Vec<ImageId>,
}

impl Case {
    fn of(numbers: impl IntoIterator<Item = u64>) -> Self {
        let images = images(numbers);
        let mut reports = Reports::default();
        for image in &images {
            reports.looked(image, &shared_with(stranger()), at(0));
        }
        Self { reports, images }
    }

    fn with<T>(&mut self, now: i64, work: impl FnOnce(&mut Reports, &[ImageId], Asker<'_>) -> T) -> T {
        let known = [account()].into();
        let asker = Asker {
            policy: POLICY,
            known: &known,
            now: at(now),
        };
        work(&mut self.reports, &self.images, asker)
    }

    fn take_in(&mut self, listed: &[UsageReport], entries: Vec<ReportEntry>) {
        self.with(0, |reports, images, asker| {
            reports.take_in(listed, entries, asker, images)
        });
    }

    /// The images to ask about, each with how many reports that replaces.
    fn next(&mut self, now: i64, listed: &[UsageReport]) -> Vec<(ImageId, usize)> {
        let requests = self.with(now, |reports, images, asker| reports.next(images, listed, asker));
        let row = |request: ReportRequest| (request.image, request.replaces.len());
        requests.into_iter().map(row).collect()
    }

    fn users(&self, number: u64) -> Vec<(String, String, u32)> {
        let mut elsewhere = Elsewhere::default();
        self.reports.uses(&mut elsewhere, &account());
        let image = image_id(number);
        let users = elsewhere.users(&image);
        users
            .map(|(account, kind, count)| (account.to_string(), kind.to_owned(), count))
            .collect()
    }
}

#[test]
fn a_report_is_asked_for_once_renewed_after_a_week_and_tried_again_after_a_day() {
    use ReportState::{Available, Failed, Pending};
    let mut case = Case::of([1]);
    let again = vec![(image_id(1), 1)];
    assert_eq!(case.next(0, &[]), [(image_id(1), 0)]);
    for (state, age, is_due) in [
        (Pending, HOUR, false),
        (Pending, A_DAY, true),
        (Failed, A_DAY - 1, false),
        (Failed, A_DAY, true),
        (Available, 7 * A_DAY - 1, false),
        (Available, 7 * A_DAY, true),
    ] {
        let expected = if is_due { again.clone() } else { vec![] };
        assert_eq!(
            case.next(age, &[report(1, 0, state)]),
            expected,
            "{state:?} after {age} s"
        );
    }
    // It is shared with somebody else now, or the report leaves something out.
    let other = UsageReport {
        tags: Tags::of(&[(TAG_POLICY, POLICY), (TAG_SHARING, "0123456789abcdef")]),
        ..report(1, 0, Available)
    };
    let part = UsageReport {
        is_whole: false,
        ..report(1, 0, Available)
    };
    for lacking in [other, part] {
        assert_eq!(case.next(A_DAY - 1, std::slice::from_ref(&lacking)), []);
        assert_eq!(case.next(A_DAY, &[lacking]), again);
    }
}

#[test]
fn only_images_that_strangers_may_launch_are_asked_about() {
    let mut case = Case::of([1, 2, 3, 4, 5]);
    let set = |case: &mut Case, number: u64, shared: &BTreeSet<LaunchPermission>| {
        case.reports.looked(&image_id(number), shared, at(0));
    };
    set(&mut case, 2, &shared_with(account()));
    set(&mut case, 3, &BTreeSet::new());
    set(&mut case, 4, &[LaunchPermission::Organization("arn".into())].into());
    set(&mut case, 5, &[LaunchPermission::Public].into());
    // Nobody has looked at this one.
    case.images.push(image_id(6));
    let asked: Vec<ImageId> = case.next(0, &[]).into_iter().map(|(image, _)| image).collect();
    assert_eq!(asked, images([1, 4, 5]));
}

#[test]
fn five_are_made_at_a_time_those_first_that_were_never_made_and_then_the_oldest() {
    use ReportState::{Available, Pending};
    let mut case = Case::of(1..=9);
    let week = 7 * A_DAY;
    let listed = [
        report(1, 20, Available),
        report(2, 10, Available),
        report(3, week, Pending),
        report(4, week, Pending),
    ];
    let asked: Vec<ImageId> = case
        .next(week + 30, &listed)
        .into_iter()
        .map(|(image, _)| image)
        .collect();
    assert_eq!(asked, images([5, 6, 7]), "two are under way");
    let mut case = Case::of([1, 2, 5]);
    let asked: Vec<ImageId> = case
        .next(week + 30, &listed)
        .into_iter()
        .map(|(image, _)| image)
        .collect();
    assert_eq!(asked, images([5, 2, 1]));
}

#[test]
fn a_report_of_somebody_else_is_read_and_never_replaced() {
    let foreign = UsageReport {
        tags: Tags::of(&[(TAG_POLICY, "another")]),
        ..report(1, 0, ReportState::Available)
    };
    let mut case = Case::of([1]);
    let listed = [foreign.clone()];
    assert_eq!(case.reports.to_read(&listed), std::slice::from_ref(&foreign.id));
    case.take_in(&listed, vec![entry(&foreign, 2)]);
    assert_eq!(
        case.users(1),
        [("777788889999".to_owned(), "LaunchTemplate".to_owned(), 2)]
    );
    assert_eq!(case.next(20 * A_DAY, &listed), []);
    // That it counts nothing says nothing: it may leave something out.
    let mut case = Case::of([1]);
    case.take_in(&listed, vec![]);
    assert_eq!(case.reports.doubt(&image_id(1)), None);
    assert_eq!(case.reports.unread(), None);
}

#[test]
fn an_answer_stays_while_it_is_made_anew_and_no_longer() {
    use ReportState::{Available, Failed, Pending};
    let first = report(1, 0, Available);
    let mut case = Case::of([1]);
    case.take_in(
        std::slice::from_ref(&first),
        vec![entry(&first, 3), entry(&report(2, 0, Available), 1)],
    );
    assert_eq!(case.users(1).len(), 1);
    assert!(
        case.reports.to_read(std::slice::from_ref(&first)).is_empty(),
        "it is known"
    );
    let second = |state| [report(1, 8 * A_DAY, state)];
    case.take_in(&second(Pending), vec![]);
    assert_eq!(case.users(1).len(), 1, "what was counted stays");
    assert_eq!(case.reports.answered(&image_id(1)), Some(at(0)));
    assert_eq!(case.reports.to_read(&second(Available)).len(), 1);
    case.take_in(&second(Available), vec![]);
    assert!(case.users(1).is_empty());
    assert_eq!(case.reports.doubt(&image_id(1)), Some(Doubt::NotCounted(at(8 * A_DAY))));
    case.take_in(&second(Failed), vec![]);
    assert_eq!(case.reports.doubt(&image_id(1)), None);
    let told = case.reports.unread().expect("a failure");
    assert!(told.contains(image_id(1).as_str()), "{told}");
}

#[test]
fn that_nothing_is_counted_holds_as_long_as_the_image_is_shared_with_the_same() {
    let listed = [report(1, 0, ReportState::Available)];
    let mut case = Case::of([1]);
    case.take_in(&listed, vec![entry(&listed[0], 0)]);
    assert_eq!(case.reports.doubt(&image_id(1)), Some(Doubt::NotCounted(at(0))));
    assert!(case.users(1).is_empty(), "none of a kind is none");
    case.reports
        .looked(&image_id(1), &[LaunchPermission::Public].into(), at(1));
    assert_eq!(case.reports.doubt(&image_id(1)), None);
    case.reports.asked(&image_id(1), at(2));
    assert_eq!(case.reports.doubt(&image_id(1)), Some(Doubt::Asked(at(2))));
}

#[test]
fn a_call_that_is_made_again_on_the_same_day_has_the_same_token() {
    let mut case = Case::of([1, 2]);
    let mut token = |now: i64, listed: &[UsageReport]| {
        let requests = case.with(now, |reports, images, asker| reports.next(images, listed, asker));
        requests
            .into_iter()
            .map(|request| request.client_token)
            .collect::<Vec<_>>()
    };
    let first = token(0, &[]);
    assert!(first.iter().all(|token| token.len() <= 64 && token.is_ascii()));
    assert_ne!(first[0], first[1]);
    assert_eq!(token(1, &[]), first);
    assert_ne!(token(A_DAY, &[])[0], first[0]);
    let replacing = token(A_DAY, &[report(1, 0, ReportState::Failed)]);
    assert!(!token(A_DAY, &[]).contains(&replacing[1]) && !first.contains(&replacing[1]));
}

#[test]
fn whom_an_image_is_shared_with_is_looked_at_once_a_day_a_few_at_a_time() {
    let images = images(1..=60);
    let mut reports = Reports::default();
    let first = reports.to_look(&images, at(0));
    assert_eq!(first, images[..LOOKS]);
    for image in &first {
        reports.looked(image, &BTreeSet::new(), at(0));
    }
    assert_eq!(reports.to_look(&images, at(10)), images[LOOKS..]);
    let tomorrow = reports.to_look(&images, at(A_DAY));
    assert_eq!(tomorrow[..10], images[LOOKS..], "those first that were never looked at");
    assert_eq!(tomorrow.len(), LOOKS);
}
