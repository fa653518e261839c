use serde_json::json;

use super::*;
use crate::api::{Backups, ImageSelector};
use crate::domain::{AwsError, ErrorClass, ImageRef, LaunchPermission, Launcher, Launches, Operation, Owner, Readings};
use crate::plan::testing::{account, at, failed_call, image, image_id};
use crate::plan::usage::objects::{self, ObjectKinds, Objects};
use crate::plan::usage::{self};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Long after everything.
const NOW: i64 = 400 * 24 * 3600;

fn launcher(kind: ConsumerKind, id: &str, images: &[u64]) -> Launcher {
    let launches = images
        .iter()
        .map(|number| ("".into(), Launches::Image(ImageRef::Image(image_id(*number)))));
    Launcher {
        kind,
        id: id.into(),
        launches: launches.collect(),
        owner: None,
    }
}

fn old_image(number: u64) -> Image {
    let mut image = image(number, number);
    image.created = Some(at(0));
    image.last_launched = Some(at(1));
    image
}

fn inventory(numbers: impl IntoIterator<Item = u64>) -> Inventory {
    let mut inventory = Inventory::new(at(0));
    numbers
        .into_iter()
        .for_each(|number| inventory.insert(old_image(number)));
    inventory
}

fn picture(launchers: Vec<Launcher>) -> Picture {
    let readings = Readings {
        launchers,
        ..Readings::default()
    };
    Picture {
        graph: usage::graph(&readings, &account(), at(NOW)),
        ..Picture::default()
    }
}

/// As after AWS was asked of all images what else names them and who may launch them.
fn confirmed(mut picture: Picture, numbers: impl IntoIterator<Item = u64>) -> Picture {
    for number in numbers {
        let id = image_id(number);
        picture.graph.confirm(std::slice::from_ref(&id), &[], &account());
        picture.shared.entry(id).or_default();
    }
    picture
}

fn of_target(picture: &Picture, inventory: &Inventory) -> UsageStatus {
    let selector = Selector::new(&ImageSelector::default(), Backups::Exclude);
    super::of_target(picture, inventory, &selector, 90 * DAY, at(NOW))
}

fn usage_of(picture: &Picture, number: u64) -> ImageUsage {
    super::of_image(picture, &old_image(number), 90 * DAY, at(NOW))
}

#[test]
fn a_target_counts_images_and_each_consumer_once_and_lists_those_of_other_accounts_apart() {
    let seen = picture(vec![
        launcher(ConsumerKind::Instance, "i-1", &[1]),
        launcher(ConsumerKind::Instance, "i-2", &[9]),
        launcher(ConsumerKind::AutoScalingGroup, "web", &[1, 2, 9]),
    ]);
    let status = of_target(&confirmed(seen, [3]), &inventory(1..=4));
    assert_eq!((status.used, status.unused, status.unknown), (2, 1, 1));
    assert_eq!(status.unused_gib, 24);
    let kinds: Vec<_> = status.consumers.iter().map(|row| (&*row.kind, row.count)).collect();
    assert_eq!(kinds, [("Instance", 1), ("AutoScalingGroup", 1)]);
    let foreign = |row: &ForeignImage| (row.image_id.clone(), row.kind.clone(), row.count);
    let id = image_id(9).to_string();
    assert_eq!(
        status.foreign_images.iter().map(foreign).collect::<Vec<_>>(),
        [(id.clone(), "Instance".into(), 1), (id, "AutoScalingGroup".into(), 1)]
    );
    assert_eq!((status.foreign_images_omitted, status.unread), (0, Vec::new()));
}

#[test]
fn what_is_launched_in_another_account_is_used_and_what_is_shared_is_never_unused() {
    let consumer: AccountId = "444455556666".parse().expect("an account");
    let their = |launches: &[u64]| {
        let seen = picture(vec![launcher(ConsumerKind::LaunchTemplate, "lt-1", launches)]);
        of_target(&seen, &Inventory::new(at(0)))
    };
    let usage = |status: &UsageStatus| {
        let mut seen = confirmed(picture(Vec::new()), [1]);
        let shared = [LaunchPermission::Account(consumer.clone())];
        seen.shared.insert(image_id(1), shared.into());
        super::elsewhere(&mut seen.elsewhere, &consumer, status);
        usage_of(&seen, 1)
    };
    let used = usage(&their(&[1]));
    assert_eq!(used.state, UsageState::Used);
    let row = ConsumerCount {
        kind: "LaunchTemplate".into(),
        account_id: consumer.to_string(),
        count: 1,
    };
    assert_eq!((used.counts, used.omitted), (vec![row], 1));
    // An old version of a template there may name it.
    let unknown = usage(&their(&[2]));
    assert_eq!(unknown.state, UsageState::Unknown);
    let message = unknown.message.expect("why");
    assert_eq!(message, "Other accounts may launch it, or who may was not read.");
    let many: Vec<u64> = (100..400).collect();
    let cut = their(&many);
    assert_eq!(
        (cut.foreign_images.len(), cut.foreign_images_omitted),
        (FOREIGN_IMAGES, 100)
    );
}

#[test]
fn a_template_that_names_an_image_twice_is_one_consumer() {
    let mut template = launcher(ConsumerKind::LaunchTemplate, "lt-1", &[1, 1]);
    template.launches[0].0 = "$Default".into();
    template.launches[1].0 = "$Latest".into();
    let usage = usage_of(&picture(vec![template]), 1);
    assert_eq!((usage.counts[0].count, usage.consumers.len(), usage.omitted), (1, 1, 0));
}

#[test]
fn a_migration_names_what_launches_others_before_instances_and_says_how_many_it_does_not_name() {
    let mut launchers: Vec<Launcher> = (0..30)
        .map(|number| launcher(ConsumerKind::Instance, &format!("i-{number:02}"), &[1]))
        .collect();
    let mut group = launcher(ConsumerKind::AutoScalingGroup, "web", &[1]);
    group.owner = Some(Owner {
        by: "CloudFormation".into(),
        name: Some("shop".into()),
    });
    launchers.push(group);
    let usage = usage_of(&picture(launchers), 1);
    assert_eq!(usage.state, UsageState::Used);
    assert_eq!((usage.consumers.len(), usage.omitted), (NAMED_CONSUMERS, 11));
    let first = &usage.consumers[0];
    assert_eq!(
        (&*first.kind, first.owner.as_deref()),
        ("AutoScalingGroup", Some("CloudFormation shop"))
    );
    let counts: Vec<_> = usage.counts.iter().map(|row| (&*row.kind, row.count)).collect();
    assert_eq!(counts, [("AutoScalingGroup", 1), ("Instance", 30)]);
    assert_eq!(usage.last_launched.map(|time| time.0), Some(at(1)));
}

#[test]
fn numbers_are_written_once_an_hour_and_everything_else_at_once() {
    let read = |instances: usize, groups: &[&str], second: i64| {
        let mut launchers: Vec<Launcher> = (0..instances)
            .map(|number| launcher(ConsumerKind::Instance, &format!("i-{number}"), &[1]))
            .collect();
        launchers.extend(
            groups
                .iter()
                .map(|id| launcher(ConsumerKind::AutoScalingGroup, id, &[1])),
        );
        let mut usage = usage_of(&picture(launchers), 1);
        usage.read_time = Some(Time(at(second)));
        usage
    };
    let recorded = read(2, &["web"], 0);
    assert_eq!(amended(None, recorded.clone()), recorded);
    for (fresh, is_written) in [
        (read(2, &["web"], 7200), false),
        (read(2, &["web"], 24 * 3600), false),
        (read(3, &["web"], -3600), true),
        (read(3, &["web"], 60), false),
        (read(3, &["web"], 3600), true),
        (read(2, &["web", "shop"], 60), true),
        (read(2, &[], 60), true),
        (read(0, &["web"], 60), true),
    ] {
        let expected = if is_written { fresh.clone() } else { recorded.clone() };
        assert_eq!(amended(Some(&recorded), fresh), expected);
    }
}

#[test]
fn what_could_not_be_read_is_named_with_what_to_do_and_no_image_is_unused() {
    let denied = |operation| failed_call(operation, ErrorClass::Denied);
    let mut readings = Readings::default();
    for (kind, operation) in [
        (ConsumerKind::AutoScalingGroup, Operation::DescribeAutoScalingGroups),
        (ConsumerKind::Instance, Operation::DescribeInstances),
    ] {
        readings.unread.insert(kind, denied(operation));
    }
    let mut seen = confirmed(
        Picture {
            graph: usage::graph(&readings, &account(), at(NOW)),
            ..Picture::default()
        },
        [1],
    );
    seen.graph.not_confirmed(&denied(Operation::DescribeImageReferences));
    let status = of_target(&seen, &inventory([1]));
    assert_eq!((status.unused, status.unknown), (0, 1));
    let kinds: Vec<&str> = status.unread.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, ["AutoScalingGroup", "CrossCheck", "Instance"]);
    let said = lacking(&status.unread);
    for part in [
        "AutoScalingGroup, CrossCheck, Instance",
        "autoscaling:DescribeAutoScalingGroups",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn what_was_known_of_a_kind_that_cannot_be_read_any_more_stays() {
    let before = picture(vec![
        launcher(ConsumerKind::Instance, "i-1", &[1]),
        launcher(ConsumerKind::AutoScalingGroup, "web", &[2]),
    ]);
    let error: AwsError = failed_call(Operation::DescribeInstances, ErrorClass::Throttled);
    let mut readings = Readings::default();
    readings.unread.insert(ConsumerKind::Instance, error);
    let mut seen = Picture {
        graph: usage::graph(&readings, &account(), at(NOW)),
        ..Picture::default()
    };
    seen.graph.keep(&before.graph);
    seen.graph.keep(&before.graph);
    assert_eq!(seen.graph.consumers(&image_id(1)).len(), 1, "once");
    assert_eq!(seen.graph.consumers(&image_id(2)).len(), 0, "groups were read");
}

#[test]
fn an_object_of_the_cluster_belongs_to_no_account_and_is_said_of_no_image_of_others() {
    let ObjectKinds(kinds) = objects::DEFAULT.parse().expect("the default");
    let class = |name: &str, images: &[u64]| {
        let amis = images.iter().map(|number| json!({"id": image_id(*number).to_string()}));
        json!({
            "metadata": {"name": name, "labels": {"kustomize.toolkit.fluxcd.io/name": "nodes"}},
            "status": {"amis": amis.collect::<Vec<_>>()},
        })
    };
    let mut all = Objects::default();
    all.add(&kinds[0], &class("default", &[1, 9]));
    all.add(&kinds[0], &class("gpu", &[1]));
    let mut seen = picture(vec![launcher(ConsumerKind::Instance, "i-9", &[9])]);
    // Whatever is added to it, also of images that went meanwhile.
    seen.graph.add_objects(&all, at(NOW), |_| true);
    let status = of_target(&seen, &inventory([1, 2]));
    let kinds: Vec<_> = status.consumers.iter().map(|row| (&*row.kind, row.count)).collect();
    assert_eq!(kinds, [("KubernetesObject", 2)]);
    let foreign: Vec<_> = status
        .foreign_images
        .iter()
        .map(|row| (&*row.kind, row.count))
        .collect();
    assert_eq!((status.used, foreign), (1, vec![("Instance", 1)]));

    let usage = usage_of(&seen, 1);
    let row = ConsumerCount {
        kind: "KubernetesObject".into(),
        account_id: String::new(),
        count: 2,
    };
    assert_eq!((usage.state, &usage.counts), (UsageState::Used, &vec![row]));
    let named = NamedConsumer {
        kind: "KubernetesObject".into(),
        account_id: String::new(),
        id: "EC2NodeClass/default".into(),
        via: Some(".status.amis[*].id".into()),
        owner: Some("Flux nodes".into()),
    };
    assert_eq!((&usage.consumers[0], usage.omitted), (&named, 0));
    let written = serde_json::to_value(&usage).expect("JSON");
    assert_eq!(written["counts"], json!([{"kind": "KubernetesObject", "count": 2}]));
    assert_eq!(written["consumers"][0].get("accountID"), None, "none is pretended");
}

#[test]
fn what_a_report_counts_is_a_use_and_that_it_counts_nothing_is_told_and_proves_nothing() {
    use crate::api::labels::TAG_POLICY;
    use crate::domain::{ReportEntry, ReportState, Tags, UsageReport};
    use crate::plan::usage::reports::Asker;
    let stranger: AccountId = "777788889999".parse().expect("an account");
    let shared = [LaunchPermission::Account(stranger.clone())].into();
    let mut seen = confirmed(picture(vec![]), [1, 2]);
    let known = [account()].into();
    let asker = Asker {
        policy: "production",
        known: &known,
        now: at(NOW),
    };
    let images = [image_id(1), image_id(2)];
    for image in &images {
        seen.shared.insert(image.clone(), BTreeSet::clone(&shared));
        seen.reports.looked(image, &shared, at(NOW));
    }
    // As they were asked for.
    let requests = seen.reports.next(&images, &[], asker);
    let made = requests.iter().zip(["amiur-1", "amiur-2"]);
    let listed: Vec<UsageReport> = made
        .map(|(request, id)| UsageReport {
            id: id.into(),
            image: request.image.clone(),
            created: at(NOW),
            state: ReportState::Available,
            is_whole: true,
            tags: request.tags.clone(),
        })
        .collect();
    assert_eq!(listed[0].tags.get(TAG_POLICY), Some("production"));
    let entry = ReportEntry {
        report: "amiur-1".into(),
        account: stranger,
        kind: "LaunchTemplate".into(),
        count: 4,
    };
    assert!(
        usage_of(&seen, 2)
            .message
            .is_some_and(|why| why.contains("Other accounts may launch it"))
    );
    seen.reports.take_in(&listed, vec![entry], asker, &images);
    seen.reports.uses(&mut seen.elsewhere, &account());
    let used = usage_of(&seen, 1);
    assert_eq!((used.state, used.omitted), (UsageState::Used, 4));
    assert_eq!(used.counts[0].account_id, "777788889999");
    assert_eq!(used.report_time, Some(Time(at(NOW))));
    let spare = usage_of(&seen, 2);
    assert_eq!(spare.state, UsageState::Unknown);
    let why = spare.message.expect("why");
    assert!(why.contains("counts no instance and no launch template"), "{why}");
    assert_eq!(of_target(&seen, &inventory([1, 2])).unread, []);

    // AWS could make none of the second image.
    let failed = UsageReport {
        state: ReportState::Failed,
        tags: Tags::clone(&listed[1].tags),
        ..listed[1].clone()
    };
    seen.reports
        .take_in(&[listed[0].clone(), failed], vec![], asker, &images);
    let status = of_target(&seen, &inventory([1, 2]));
    let kinds: Vec<&str> = status.unread.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, ["UsageReport"]);
    let said = lacking(&status.unread);
    assert!(
        said.contains("usage reports") && said.contains(image_id(2).as_str()),
        "{said}"
    );
}
