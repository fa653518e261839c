use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::api::{PromotionSettings, labels};
use crate::domain::{
    ErrorClass, ImageId, ImageRef, Launcher, Launches, MappedVolume, Mapping, Operation, Owner, ParameterNow, Readings,
    Tags, TemplateId, TemplateNow, TemplateVersion, VersionNow, VersionRef,
};
use crate::plan::testing::{account, at, failed_call, image, image_id, key, snapshot_id};
use crate::plan::usage::graph;

const TEMPLATE: &str = "lt-1";
const PARAMETER: &str = "/golden/web";

/// The versions of the template, its default version, and the parameter's values.
type Before = (Vec<VersionNow>, i64, Vec<String>);

/// AWS with a launch template and a parameter, and a migration of what they launch.
struct Case {
    settings: AMIEncryptionTargetSpec,
    source: Image,
    copy: Image,
    /// Versions of the template, by number from 1.
    versions: Vec<VersionNow>,
    default: i64,
    tags: Vec<(&'static str, &'static str)>,
    owner: Option<Owner>,
    values: Vec<String>,
    rows: Vec<MovedConsumer>,
    approval: Approval,
    desired: Desired,
    turn: Turn,
    /// What the key's policy says.
    allows: bool,
    /// Whether Auto Scaling groups may not be read.
    unread: bool,
    /// The world as it was before each change, and when that was made. What is read may show that for five minutes.
    history: Vec<(i64, Before)>,
    now: i64,
    /// When who uses the images was read last.
    read_at: i64,
    changes: Vec<Change>,
}

fn version(number: i64, names: u64) -> VersionNow {
    VersionNow {
        number,
        description: None,
        image: Some(ImageRef::Image(image_id(names))),
        mappings: Vec::new(),
    }
}

impl Case {
    fn new() -> Self {
        let settings = serde_json::json!({
            "policy": "production", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami",
            "mode": "Enforce", "scanInterval": "15m", "otherKey": "Report", "copy": {},
            "promotion": {"launchTemplates": "Update", "ssmParameters": "Update"},
        });
        Self {
            settings: serde_json::from_value(settings).expect("settings"),
            source: image(1, 1),
            copy: image(2, 1),
            versions: vec![version(1, 1)],
            default: 1,
            tags: Vec::new(),
            owner: None,
            values: Vec::new(),
            rows: Vec::new(),
            approval: Approval::Pending,
            desired: Desired::Migrated,
            turn: Turn::Free,
            allows: true,
            unread: false,
            history: Vec::new(),
            now: 10_000,
            read_at: 10_000,
            changes: Vec::new(),
        }
    }

    fn promotion(&mut self) -> &mut PromotionSettings {
        &mut self.settings.promotion
    }

    /// Who uses the images, by listings that show everything.
    fn picture(&self) -> Picture {
        let mut readings = Readings::default();
        let named = |launches: Launches| ("".into(), launches);
        if !self.versions.is_empty() {
            let id = TemplateId::Id(TEMPLATE.into());
            readings.launchers.push(Launcher {
                kind: ConsumerKind::LaunchTemplate,
                id: TEMPLATE.into(),
                launches: vec![
                    named(Launches::Template(id.clone(), VersionRef::Latest)),
                    named(Launches::Template(id, VersionRef::Default)),
                ],
                owner: self.owner.clone(),
            });
        }
        for version in &self.versions {
            readings.versions.push(TemplateVersion {
                template: TEMPLATE.into(),
                name: "web".into(),
                number: version.number,
                is_default: version.number == self.default,
                image: version.image.clone(),
            });
        }
        if let Some(value) = self.values.last().and_then(|value| value.parse().ok()) {
            readings.launchers.push(Launcher {
                kind: ConsumerKind::Parameter,
                id: PARAMETER.into(),
                launches: vec![named(Launches::Image(ImageRef::Image(value)))],
                owner: None,
            });
        }
        if self.unread {
            let kind = ConsumerKind::AutoScalingGroup;
            let denied = failed_call(Operation::DescribeAutoScalingGroups, ErrorClass::Denied);
            readings.unread.insert(kind, denied);
        }
        Picture {
            graph: graph(&readings, &account(), at(self.read_at)),
            ..Picture::default()
        }
    }

    /// What a read of one consumer shows, `behind` so many changes.
    fn read(&self, asked: &ConsumerKey, former: Option<i64>, behind: usize) -> Movable {
        let present = (self.versions.clone(), self.default, self.values.clone());
        let lately = self.history.iter().rev().take_while(|(made, _)| self.now - made < 300);
        let (versions, default, values) = match lately.take(behind).last() {
            Some((_, before)) => before.clone(),
            None => present,
        };
        let numbered = |number: i64| versions.iter().find(|version| version.number == number).cloned();
        if asked.kind == ConsumerKind::Parameter {
            return Movable::Parameter(ParameterNow {
                version: i64::try_from(values.len()).expect("few"),
                value: values.last().expect("a value").as_str().into(),
                kind: "String".into(),
                data_type: "aws:ec2:image".into(),
                tier: "Standard".into(),
                description: None,
                allowed_pattern: None,
                policies: Vec::new(),
                owner: None,
                tags: Tags::of(&self.tags),
            });
        }
        Movable::Template(TemplateNow {
            latest: versions.last().cloned().expect("a version"),
            default: numbered(default).expect("a default version"),
            former: former.and_then(numbered),
            owner: self.owner.clone(),
            tags: Tags::of(&self.tags),
        })
    }

    fn access(&self) -> KeyAccess {
        let principal = if self.allows {
            "*"
        } else {
            "arn:aws:iam::999999999999:root"
        };
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:*", "Resource": "*"}]});
        KeyAccess {
            policy: Ok(policy.to_string().into()),
            grants: Ok(Vec::new()),
        }
    }

    /// The next thing to do, with everything read that is asked for, `behind` so many changes.
    fn decide(&self, behind: usize) -> Outcome {
        let picture = self.picture();
        let snapshots = BTreeMap::from([(snapshot_id(100), snapshot_id(200))]);
        let (arn, mut seen, mut access) = (key(1), BTreeMap::new(), None);
        for _ in 0..20 {
            let outcome = next(Facts {
                source: &self.source,
                copy: &self.copy,
                key: &arn,
                aws_managed: false,
                snapshots: &snapshots,
                settings: &self.settings,
                approval: self.approval,
                desired: self.desired,
                rows: &self.rows,
                picture: Some(&picture),
                seen: &seen,
                access: access.as_ref(),
                turn: self.turn,
                now: at(self.now),
            });
            match &outcome.then {
                Then::Look(asked, former) => {
                    let known = Seen {
                        picture: Some(at(self.read_at)),
                        fresh: true,
                        now: self.read(asked, *former, behind),
                    };
                    assert!(seen.insert(asked.clone(), known).is_none(), "asked twice");
                }
                Then::ReadAccess => access = Some(Some(self.access())),
                _ => return outcome,
            }
        }
        panic!("it asks for ever: {:?}", self.rows)
    }

    fn apply(&mut self, change: &Change) -> i64 {
        let before = (self.versions.clone(), self.default, self.values.clone());
        self.history.push((self.now, before));
        self.changes.push(change.clone());
        match change {
            Change::NewVersion(new) => {
                let marker = Some(new.description.as_str().into());
                if let Some(made) = self.versions.iter().find(|version| version.description == marker) {
                    // AWS answers a repeated token with what it has made.
                    return made.number;
                }
                let number = self.versions.last().expect("a version").number + 1;
                self.versions.push(VersionNow {
                    number,
                    description: marker,
                    image: ImageRef::parse(&new.image),
                    mappings: new.mappings.clone(),
                });
                number
            }
            Change::SetDefault { version, .. } => {
                self.default = *version;
                *version
            }
            Change::PutValue { value, .. } => {
                self.values.push(value.to_string());
                i64::try_from(self.values.len()).expect("few")
            }
        }
    }

    /// One step: what is to be on record is put there, or what is on record is done. Says whether there was anything.
    fn step(&mut self, behind: usize, loses_answer: bool) -> Option<Then> {
        let outcome = self.decide(behind);
        if outcome.rows != self.rows {
            self.rows = outcome.rows;
            return None;
        }
        if let Then::Do(of, change) = &outcome.then {
            let version = self.apply(change);
            if loses_answer {
                return None;
            }
            let row = self
                .rows
                .iter_mut()
                .find(|row| key_of(row).as_ref() == Some(of))
                .expect("it is on record");
            *row = answered(row, change, version, at(self.now));
            return None;
        }
        Some(outcome.then)
    }

    /// Goes on until there is nothing to do.
    fn settle(&mut self) -> Then {
        for _ in 0..40 {
            self.now += 1;
            if let Some(then) = self.step(0, false) {
                return then;
            }
        }
        panic!("it never comes to rest: {:?}", self.rows)
    }

    fn row(&self, kind: ConsumerKind) -> Option<&MovedConsumer> {
        self.rows.iter().find(|row| row.kind == kind.as_str())
    }

    fn reason(&self) -> Option<&str> {
        self.rows.first().and_then(|row| row.reason.as_deref())
    }

    fn launches(&self, version: i64) -> ImageId {
        let version = self.versions.iter().find(|known| known.number == version);
        match version.and_then(|version| version.image.clone()) {
            Some(ImageRef::Image(image)) => image,
            other => panic!("{other:?}"),
        }
    }

    fn latest(&self) -> i64 {
        self.versions.last().expect("a version").number
    }
}

#[test]
fn a_template_gets_a_version_that_names_the_copy_which_becomes_the_default() {
    let mut case = Case::new();
    case.versions[0].mappings = vec![
        Mapping {
            device: Some("/dev/sda".into()),
            ebs: Some(MappedVolume {
                snapshot: Some(snapshot_id(100)),
                encrypted: Some(false),
                size_gib: Some(50),
                ..MappedVolume::default()
            }),
            ..Mapping::default()
        },
        Mapping {
            device: Some("/dev/sdb".into()),
            ebs: Some(MappedVolume {
                encrypted: Some(true),
                size_gib: Some(8),
                ..MappedVolume::default()
            }),
            ..Mapping::default()
        },
    ];
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!((case.latest(), case.default, case.launches(2)), (2, 2, image_id(2)));
    let row = case.row(ConsumerKind::LaunchTemplate).expect("a row");
    assert_eq!(row.state, ConsumerState::Moved);
    let before = ConsumerVersions {
        latest: 1,
        default: Some(1),
    };
    assert_eq!(row.previous, Some(before));
    let volumes: Vec<_> = case.versions[1]
        .mappings
        .iter()
        .filter_map(|mapping| mapping.ebs.clone())
        .collect();
    // Never whether it is encrypted beside a snapshot; all else as it was.
    assert_eq!(
        (volumes[0].snapshot.clone(), volumes[0].encrypted),
        (Some(snapshot_id(200)), None)
    );
    assert_eq!((volumes[0].size_gib, volumes[1].encrypted), (Some(50), Some(true)));
    let said = case.versions[1].description.clone().expect("a description");
    assert!(
        is_ours(&said, &image_id(1)) && said.contains("default version was 1"),
        "{said}"
    );
    // Nothing more, whatever is read later.
    (case.now, case.read_at) = (20_000, 20_000);
    assert_eq!((case.settle(), case.changes.len()), (Then::Rest, 2));
}

#[test]
fn a_version_is_never_made_of_another_one_than_the_latest() {
    // (what versions name, the default, whether the latest is moved, the default afterwards)
    for (names, default, moves, after) in [
        (vec![1, 1], 1, true, 1),
        (vec![1, 3], 1, false, 1),
        (vec![3, 1], 1, true, 1),
        (vec![3, 1], 2, true, 3),
        (vec![3, 3], 1, false, 1),
    ] {
        let mut case = Case::new();
        case.versions = names
            .iter()
            .zip(1..)
            .map(|(names, number)| version(number, *names))
            .collect();
        case.default = default;
        let latest = case.latest();
        assert_eq!(case.settle(), Then::Rest);
        let made: Vec<i64> = case
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::NewVersion(new) => Some(new.source),
                _ => None,
            })
            .collect();
        assert_eq!(made, if moves { vec![latest] } else { vec![] }, "{names:?}");
        assert_eq!(case.default, after, "{names:?}");
        let is_left = names[usize::try_from(default).expect("small") - 1] == 1 && after == default;
        let says = case
            .rows
            .first()
            .and_then(|row| row.message.as_deref())
            .unwrap_or_default();
        assert_eq!(
            says.contains(&format!("default version {default}")),
            is_left,
            "{names:?}: {says}"
        );
    }
}

#[test]
fn what_is_somebody_elses_or_held_is_left_alone_and_says_why() {
    let owner = Owner {
        by: "CloudFormation".into(),
        name: Some("shop".into()),
    };
    type Given = fn(&mut Case, Owner);
    let cases: [(Given, &str, &str); 4] = [
        (
            |case, owner| case.owner = Some(owner),
            left::OWNED,
            "CloudFormation shop",
        ),
        (
            |case, _| case.tags = vec![(labels::TAG_HOLD, "")],
            left::HELD,
            labels::TAG_HOLD,
        ),
        (
            |case, _| {
                case.versions[0].mappings = vec![Mapping {
                    ebs: Some(MappedVolume {
                        snapshot: Some(snapshot_id(7)),
                        encrypted: Some(true),
                        ..MappedVolume::default()
                    }),
                    ..Mapping::default()
                }];
            },
            left::MAPPING_NOT_MOVABLE,
            "snap-",
        ),
        (
            |case, _| {
                case.versions.clear();
                case.values = vec!["{\"web\": \"ami-00000000000000001\"}".to_owned()];
            },
            "",
            "",
        ),
    ];
    for (given, reason, says) in cases {
        let mut case = Case::new();
        given(&mut case, owner.clone());
        assert_eq!(case.settle(), Then::Rest);
        assert_eq!(case.changes, [], "{reason}");
        let row = case.rows.first();
        assert_eq!(row.and_then(|row| row.reason.as_deref()).unwrap_or_default(), reason);
        let message = row.and_then(|row| row.message.as_deref()).unwrap_or_default();
        assert!(message.contains(says), "{message}");
    }
    // Once nothing is in the way any more, it is moved.
    let mut case = Case::new();
    case.tags = vec![(labels::TAG_HOLD, "")];
    case.settle();
    case.tags.clear();
    case.settle();
    assert_eq!(case.default, 2);
}

#[test]
fn nobody_is_moved_to_a_copy_whose_key_they_may_not_use_nor_before_somebody_has_approved_it() {
    let mut case = Case::new();
    case.allows = false;
    let Then::Stalled(problem) = case.settle() else {
        panic!("{:?}", case.rows)
    };
    assert_eq!((problem.reason, case.changes.len()), (reason::KEY_NOT_USABLE, 0));

    // A group that could not be read may launch it by a role that may not use the key.
    let mut case = Case::new();
    case.unread = true;
    let Then::Stalled(problem) = case.settle() else {
        panic!("{:?}", case.rows)
    };
    assert_eq!((problem.reason, case.changes.len()), (reason::KEY_NOT_USABLE, 0));
    assert!(
        problem.message.contains("autoscaling:DescribeAutoScalingGroups"),
        "{}",
        problem.message
    );
    case.promotion().approval = ApprovalPolicy::Manual;
    case.approval = Approval::Approved;
    assert_eq!((case.settle(), case.default), (Then::Rest, 2));

    let mut case = Case::new();
    case.promotion().approval = ApprovalPolicy::Manual;
    let Then::Stalled(problem) = case.settle() else {
        panic!("{:?}", case.rows)
    };
    assert_eq!((problem.reason, case.changes.len()), (reason::APPROVAL_REQUIRED, 0));
    assert!(
        problem.message.starts_with("LaunchTemplate lt-1 would"),
        "{}",
        problem.message
    );
    case.approval = Approval::Approved;
    assert_eq!((case.settle(), case.default), (Then::Rest, 2));

    for turn in [Turn::Busy, Turn::DayIsFull] {
        let mut case = Case::new();
        case.turn = turn;
        assert_eq!((case.settle(), case.changes.len()), (Then::Later(TURN), 0), "{turn:?}");
    }
    for held in [true, false] {
        let mut case = Case::new();
        if held {
            case.desired = Desired::Held;
        } else {
            case.source.tags.insert(labels::TAG_HOLD.into(), "".into());
        }
        assert_eq!((case.settle(), case.changes.len()), (Then::Rest, 0));
        let (_, why, _) = case.decide(0).says.expect("it says so");
        assert_eq!(why, reason::HELD);
    }
}

#[test]
fn what_somebody_sets_back_is_said_once_and_never_set_again() {
    type Act = fn(&mut Case);
    let acts: [Act; 4] = [
        |case| case.default = 1,
        |case| case.versions.push(version(3, 1)),
        |case| {
            case.versions.push(version(3, 1));
            case.default = 3;
        },
        |case| case.values.push(image_id(1).to_string()),
    ];
    for (number, act) in acts.into_iter().enumerate() {
        let mut case = Case::new();
        case.values = vec![image_id(1).to_string()];
        case.settle();
        let changes = case.changes.len();
        act(&mut case);
        for later in [20_000, 30_000, 40_000] {
            (case.now, case.read_at) = (later, later);
            assert_eq!(case.settle(), Then::Rest, "{number}");
        }
        assert_eq!(case.changes.len(), changes, "{number}");
        let reverted = case
            .rows
            .iter()
            .filter(|row| row.reason.as_deref() == Some(left::REVERTED_BY_OWNER));
        assert_eq!(reverted.count(), 1, "{number}: {:?}", case.rows);
    }
    // What somebody moves on to something else is nobody's matter.
    let mut case = Case::new();
    case.settle();
    case.versions.push(version(3, 9));
    case.default = 3;
    (case.now, case.read_at) = (20_000, 20_000);
    assert_eq!((case.settle(), case.reason()), (Then::Rest, None));
}

#[test]
fn what_somebody_changes_between_the_record_and_the_call_is_respected() {
    let mut case = Case::new();
    assert_eq!(case.step(0, false), None);
    assert_eq!(case.rows[0].state, ConsumerState::Moving);
    case.versions.push(version(2, 1));
    assert_eq!(
        (case.settle(), case.reason()),
        (Then::Rest, Some(left::CHANGED_MEANWHILE))
    );
    assert_eq!(case.changes, []);

    let mut case = Case::new();
    case.step(0, false);
    case.versions.push(version(2, 9));
    case.default = 2;
    assert_eq!((case.settle(), case.rows.len(), case.changes.len()), (Then::Rest, 0, 0));

    // The default goes somewhere else while the version is made.
    let mut case = Case::new();
    case.versions = vec![version(1, 9), version(2, 1)];
    case.default = 2;
    case.step(0, false);
    case.step(0, false);
    assert_eq!(case.latest(), 3);
    case.default = 1;
    assert_eq!((case.settle(), case.default), (Then::Rest, 1));
}

#[test]
fn a_parameter_gets_the_copy_and_back_what_it_held() {
    let mut case = Case::new();
    case.versions.clear();
    case.values = vec![image_id(1).to_string()];
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!(case.values, [image_id(1).to_string(), image_id(2).to_string()]);
    assert_eq!(
        case.row(ConsumerKind::Parameter).map(|row| row.state),
        Some(ConsumerState::Moved)
    );
    case.desired = Desired::RolledBack;
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!(case.values.last(), Some(&image_id(1).to_string()));
    assert_eq!(
        case.row(ConsumerKind::Parameter).map(|row| row.state),
        Some(ConsumerState::PutBack)
    );
}

#[test]
fn everything_is_put_back_as_it_was_and_what_somebody_has_made_since_is_left() {
    let mut case = Case::new();
    case.versions = vec![version(1, 9), version(2, 1)];
    case.versions[1].mappings = vec![Mapping {
        ebs: Some(MappedVolume {
            snapshot: Some(snapshot_id(100)),
            ..MappedVolume::default()
        }),
        ..Mapping::default()
    }];
    case.default = 2;
    case.settle();
    assert_eq!((case.default, case.latest()), (3, 3));
    case.desired = Desired::RolledBack;
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!((case.default, case.latest()), (2, 4));
    let (former, again) = (&case.versions[1], &case.versions[3]);
    assert_eq!((&former.image, &former.mappings), (&again.image, &again.mappings));
    let changes = case.changes.len();
    (case.now, case.read_at) = (20_000, 20_000);
    assert_eq!((case.settle(), case.changes.len()), (Then::Rest, changes));
    let (_, why, message) = case.decide(0).says.expect("it says so");
    assert_eq!(
        (why, &*message),
        (reason::ROLLED_BACK, "1 moved consumer launches as before.")
    );
    // And once more where somebody wants that.
    case.desired = Desired::Migrated;
    assert_eq!((case.settle(), case.launches(case.latest())), (Then::Rest, image_id(2)));

    let mut case = Case::new();
    case.settle();
    case.versions.push(version(3, 9));
    case.default = 3;
    case.desired = Desired::RolledBack;
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!((case.default, case.latest()), (3, 3));
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Step { behind: usize, loses_answer: bool },
    Reads,
    Passes(i64),
    Holds(bool),
    Wants(Desired),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let desired = prop::sample::select(vec![Desired::Migrated, Desired::RolledBack, Desired::Held]);
    let event = prop_oneof![
        6 => (0usize..3, any::<bool>()).prop_map(|(behind, loses_answer)| Event::Step { behind, loses_answer }),
        2 => Just(Event::Reads),
        1 => (1i64..2000).prop_map(Event::Passes),
        1 => any::<bool>().prop_map(Event::Holds),
        1 => desired.prop_map(Event::Wants),
    ];
    prop::collection::vec(event, 0..60)
}

proptest! {
    /// Whatever is read late, whatever answer is lost, and whatever people want: each version that is made is made of the latest one
    /// or puts back, nothing but original and copy is ever named, and in the end everything is as people want it.
    #[test]
    fn every_history_comes_to_what_people_want(events in events(), ends in prop::sample::select(vec![Desired::Migrated, Desired::RolledBack])) {
        let mut case = Case::new();
        case.values = vec![image_id(1).to_string()];
        for event in events {
            case.now += 1;
            match event {
                Event::Step { behind, loses_answer } => {
                    case.step(behind, loses_answer);
                }
                Event::Reads => case.read_at = case.now,
                Event::Passes(seconds) => case.now += seconds,
                Event::Holds(held) => case.tags = if held { vec![(labels::TAG_HOLD, "")] } else { Vec::new() },
                Event::Wants(desired) => case.desired = desired,
            }
            for version in &case.versions {
                let named = case.launches(version.number);
                prop_assert!([image_id(1), image_id(2)].contains(&named));
            }
        }
        case.tags.clear();
        case.desired = ends;
        for _ in 0..60 {
            case.now += 60;
            case.read_at = case.now;
            case.step(0, false);
        }
        let rows: HashMap<&str, &MovedConsumer> = case.rows.iter().map(|row| (row.kind.as_str(), row)).collect();
        let wanted = if ends == Desired::Migrated { image_id(2) } else { image_id(1) };
        let is_left = |kind: ConsumerKind| rows.get(kind.as_str()).is_some_and(|row| row.state == ConsumerState::Left);
        let template = ConsumerKind::LaunchTemplate;
        prop_assert!(is_left(template) || case.launches(case.latest()) == wanted && case.launches(case.default) == wanted,
            "{:?} default {} {:?}", case.versions, case.default, case.rows);
        let parameter = ConsumerKind::Parameter;
        prop_assert!(is_left(parameter) || case.values.last() == Some(&wanted.to_string()), "{:?} {:?}", case.values, case.rows);
    }
}
