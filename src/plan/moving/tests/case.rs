//! AWS with what launches an image, and a migration of it.

use super::super::*;
use super::store::Values;
use crate::api::{AMIEncryptionTargetSpec, Approval, PromotionSettings, labels};
use crate::domain::{
    AwsError, Besides, Cause, ErrorClass, GroupNow, GroupPart, Image, ImageId, ImageRef, KeyAccess, Launcher, Launches,
    Made, Named, Operation, Origin, Owner, Place, Readings, RefreshNow, RefreshPreferences, Tags, TemplateId,
    TemplateNow, TemplateVersion, VersionNow, VersionRef,
};
use crate::plan::testing::{account, at, failed_call, image, image_id, key, snapshot_id};
use crate::plan::usage::{Graph, Picture, graph};

pub(super) const TEMPLATE: &str = "lt-1";
pub(super) const PARAMETER: &str = "/golden/web";
pub(super) const GROUP: &str = "fleet";

/// The versions of the template, its default version, the parameter's values and labels, the group's parts, and what its tag says of
/// before.
type Before = (Vec<VersionNow>, i64, Values, Vec<GroupPart>, Option<String>);

/// AWS with a launch template, a parameter and a group, and a migration of what they launch.
pub(super) struct Case {
    pub(super) settings: AMIEncryptionTargetSpec,
    pub(super) source: Image,
    pub(super) copy: Image,
    /// Versions of the template, by number from 1.
    pub(super) versions: Vec<VersionNow>,
    pub(super) default: i64,
    pub(super) tags: Vec<(&'static str, &'static str)>,
    pub(super) owner: Option<Owner>,
    /// The parameter's name.
    pub(super) parameter: String,
    /// Values of the parameter, by version from 1.
    pub(super) values: Vec<String>,
    /// Labels of the parameter, each with the version that it is on.
    pub(super) labels: Vec<(String, i64)>,
    /// The oldest version of the parameter that is there.
    pub(super) oldest: i64,
    /// What the group launches; none where there is no group.
    pub(super) parts: Vec<GroupPart>,
    /// The launch configuration that it launches by, and what this names.
    pub(super) configuration: Option<u64>,
    /// What its tag says that was there before.
    pub(super) tagged: Option<String>,
    /// The images that its instances run.
    pub(super) instances: Vec<u64>,
    /// Its instance refreshes, the newest first.
    pub(super) refreshes: Vec<RefreshNow>,
    /// How many groups of other images are being refreshed.
    pub(super) refreshing: usize,
    pub(super) rows: Vec<MovedConsumer>,
    pub(super) approval: Approval,
    pub(super) desired: Desired,
    pub(super) turn: Turn,
    /// Whether AWS has refused what is on record.
    pub(super) stalled: bool,
    pub(super) failures: usize,
    /// The versions of the parameter that amiseal has made.
    pub(super) by_amiseal: Vec<i64>,
    /// What the key's policy says.
    pub(super) allows: bool,
    /// What it said when it was read a while ago, if it was.
    pub(super) allowed: Option<bool>,
    /// Kinds that could not be read, and why.
    pub(super) unread: BTreeMap<ConsumerKind, AwsError>,
    /// Whether listings have several pages.
    pub(super) paged: bool,
    /// Who used the images by the reading before, if there was one.
    pub(super) before: Option<Graph>,
    /// The world as it was before each change, and when that was made. What is read may show that for five minutes.
    pub(super) history: Vec<(i64, Before)>,
    pub(super) now: i64,
    /// When who uses the images was read last.
    pub(super) read_at: i64,
    pub(super) changes: Vec<Change>,
}

pub(super) fn version(number: i64, names: u64) -> VersionNow {
    VersionNow {
        number,
        description: None,
        image: Some(ImageRef::Image(image_id(names))),
        mappings: Vec::new(),
    }
}

/// Who may use the key, by a policy that lets everybody use it or somebody else.
fn of_key(allows: bool) -> KeyAccess {
    let principal = if allows { "*" } else { "arn:aws:iam::999999999999:root" };
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:*", "Resource": "*"}]});
    KeyAccess {
        policy: Ok(policy.to_string().into()),
        grants: Ok(Vec::new()),
    }
}

impl Case {
    pub(super) fn new() -> Self {
        let settings = serde_json::json!({
            "policy": "production", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami",
            "mode": "Enforce", "scanInterval": "15m", "otherKey": "Report", "copy": {},
            "promotion": {"launchTemplates": "Update", "ssmParameters": "Update", "autoScalingGroups": "Update"},
        });
        Self {
            settings: serde_json::from_value(settings).expect("settings"),
            source: image(1, 1),
            copy: image(2, 1),
            versions: vec![version(1, 1)],
            default: 1,
            tags: Vec::new(),
            owner: None,
            parameter: PARAMETER.to_owned(),
            values: Vec::new(),
            labels: Vec::new(),
            oldest: 1,
            parts: Vec::new(),
            configuration: None,
            tagged: None,
            instances: Vec::new(),
            refreshes: Vec::new(),
            refreshing: 0,
            rows: Vec::new(),
            approval: Approval::Pending,
            desired: Desired::Migrated,
            turn: Turn::Free,
            stalled: false,
            failures: 0,
            by_amiseal: Vec::new(),
            allows: true,
            allowed: None,
            unread: BTreeMap::new(),
            paged: false,
            before: None,
            history: Vec::new(),
            now: 10_000,
            read_at: 10_000,
            changes: Vec::new(),
        }
    }

    pub(super) fn promotion(&mut self) -> &mut PromotionSettings {
        &mut self.settings.promotion
    }

    /// Who uses the images, by listings that show everything.
    pub(super) fn picture(&self) -> Picture {
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
        readings.launchers.extend(self.parameter());
        if !self.parts.is_empty() || self.configuration.is_some() {
            let of_part = |part: &GroupPart| match &part.names {
                Named::Version(template, version) => Launches::Template(template.clone(), *version),
                Named::Image(image) => Launches::Image(image.clone()),
            };
            let by_configuration = self.configuration.map(|_| Launches::Configuration("old".into()));
            let launches = self.parts.iter().map(of_part).chain(by_configuration);
            readings.launchers.push(Launcher {
                kind: ConsumerKind::AutoScalingGroup,
                id: GROUP.into(),
                launches: launches.map(named).collect(),
                owner: self.owner.clone(),
            });
        }
        for (instance, image) in self
            .instances
            .iter()
            .zip(1..)
            .map(|(image, number)| (format!("i-{number}"), *image))
        {
            let instance: Box<str> = instance.into();
            readings.launchers.push(Launcher {
                kind: ConsumerKind::Instance,
                id: instance.clone(),
                launches: vec![named(Launches::Image(ImageRef::Image(image_id(image))))],
                owner: None,
            });
            let origin = Origin {
                kind: ConsumerKind::AutoScalingGroup,
                id: GROUP.into(),
            };
            readings.origins.insert(instance, origin);
        }
        if let Some(names) = self.configuration {
            readings
                .configurations
                .insert("old".into(), ImageRef::Image(image_id(names)));
        }
        readings.unread.clone_from(&self.unread);
        readings.paged = self.paged;
        let mut graph = graph(&readings, &account(), at(self.read_at));
        if let Some(before) = &self.before {
            graph.keep(before);
        }
        Picture {
            graph,
            ..Picture::default()
        }
    }

    /// What a read of one consumer shows, `behind` so many changes.
    pub(super) fn read(&self, asked: &ConsumerKey, besides: &Besides, behind: usize) -> Movable {
        let present = self.present();
        let lately = self.history.iter().rev().take_while(|(made, _)| self.now - made < 300);
        let (versions, default, values, parts, tagged) = match lately.take(behind).last() {
            Some((_, before)) => before.clone(),
            None => present,
        };
        let numbered = |number: i64| versions.iter().find(|version| version.number == number).cloned();
        if asked.kind == ConsumerKind::AutoScalingGroup {
            let first = parts
                .iter()
                .filter_map(number)
                .chain(besides.versions.first().copied())
                .min()
                .unwrap_or(i64::MAX);
            let template = TemplateId::Id(TEMPLATE.into());
            let latest = versions
                .last()
                .map(|latest| ((template.clone(), VersionRef::Latest), latest.clone()));
            let of_default = versions.iter().find(|version| version.number == default);
            let of_default = of_default.map(|version| ((template.clone(), VersionRef::Default), version.clone()));
            let followed = latest
                .into_iter()
                .chain(of_default)
                .filter(|_| besides.running.is_some())
                .collect();
            let from_first = versions.into_iter().filter(|version| version.number >= first).collect();
            let mut tags: Vec<(&str, &str)> = self.tags.clone();
            tags.extend(tagged.as_deref().map(|tagged| (labels::TAG_PREVIOUS, tagged)));
            return Movable::Group(GroupNow {
                parts,
                configuration: self
                    .configuration
                    .map(|names| ("old".into(), Some(ImageRef::Image(image_id(names))))),
                versions: BTreeMap::from([(template, from_first)]),
                followed,
                overrides: 0,
                runs: besides.running.clone().map(|image| {
                    let runs = self.instances.iter().any(|run| image_id(*run) == image);
                    (image, runs)
                }),
                refreshes: if besides.running.is_some() {
                    self.refreshes.clone()
                } else {
                    Vec::new()
                },
                owner: self.owner.clone(),
                tags: Tags::of(&tags),
            });
        }
        if asked.kind == ConsumerKind::Parameter {
            return Movable::Parameter(self.parameter_now(&values));
        }
        Movable::Template(TemplateNow {
            latest: versions.last().cloned().expect("a version"),
            default: numbered(default).expect("a default version"),
            others: besides
                .versions
                .iter()
                .map(|number| (*number, numbered(*number)))
                .collect(),
            owner: self.owner.clone(),
            tags: Tags::of(&self.tags),
        })
    }

    /// Auto Scaling groups cannot be read, for this.
    pub(super) fn cannot_read_groups(&mut self, class: ErrorClass, cause: Option<Cause>) {
        let error = AwsError {
            cause,
            ..failed_call(Operation::DescribeAutoScalingGroups, class)
        };
        self.unread.insert(ConsumerKind::AutoScalingGroup, error);
    }

    /// The next thing to do, with everything read that is asked for, `behind` so many changes.
    pub(super) fn decide(&self, behind: usize) -> Outcome {
        self.outcome(behind, true)
    }

    /// The same, as long as who may use the key was not read.
    pub(super) fn decide_without_key(&self) -> Outcome {
        self.outcome(0, false)
    }

    fn outcome(&self, behind: usize, reads_key: bool) -> Outcome {
        let picture = self.picture();
        let snapshots = BTreeMap::from([(snapshot_id(100), snapshot_id(200))]);
        let (arn, mut seen) = (key(1), BTreeMap::new());
        let mut access = self.allowed.map(|allows| Some(of_key(allows)));
        let mut access_is_fresh = false;
        for _ in 0..20 {
            let outcome = next(Facts {
                source: (&self.source).into(),
                foreign: None,
                copy: &self.copy.id,
                copy_tags: Some(&self.copy.tags),
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
                access_is_fresh,
                turn: self.turn,
                stalled: self.stalled,
                failures: self.failures,
                system_time: at(self.now),
                refreshing: self.refreshing,
                now: at(self.now),
            });
            match &outcome.then {
                Then::Look(asked, besides) => {
                    let known = Seen {
                        picture: Some(at(self.read_at)),
                        fresh: true,
                        now: self.read(asked, besides, behind),
                    };
                    assert!(seen.insert(asked.clone(), known).is_none(), "asked twice");
                }
                Then::ReadAccess if reads_key => {
                    assert!(!access_is_fresh, "asked twice");
                    (access, access_is_fresh) = (Some(Some(of_key(self.allows))), true);
                }
                _ => return outcome,
            }
        }
        panic!("it asks for ever: {:?}", self.rows)
    }

    pub(super) fn present(&self) -> Before {
        let parts = (self.parts.clone(), self.tagged.clone());
        (
            self.versions.clone(),
            self.default,
            (self.values.clone(), self.labels.clone()),
            parts.0,
            parts.1,
        )
    }

    /// Makes a change, unless AWS refuses it.
    pub(super) fn apply(&mut self, change: &Change) -> Option<Made> {
        match change {
            Change::SetGroup(group) if group.expects != self.parts => return None,
            Change::StartRefresh(start) if start.change.expects != self.parts => return None,
            Change::StartRefresh(_) if self.refreshes.iter().any(RefreshNow::is_active) => return None,
            _ => {}
        }
        self.history.push((self.now, self.present()));
        self.changes.push(change.clone());
        Some(Made::Version(match change {
            Change::NewVersion(new) => {
                let marker = Some(new.description.as_str().into());
                if let Some(made) = self.versions.iter().find(|version| version.description == marker) {
                    // AWS answers a repeated token with what it has made.
                    return Some(Made::Version(made.number));
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
                let number = i64::try_from(self.values.len()).expect("few");
                self.by_amiseal.push(number);
                number
            }
            Change::MoveLabels { version, labels, .. } => {
                self.label(*version, labels);
                *version
            }
            Change::TagGroup { value, .. } => {
                self.tagged = Some(value.clone());
                0
            }
            Change::SetGroup(group) => {
                self.set(&group.to);
                return Some(Made::Nothing);
            }
            Change::StartRefresh(start) => {
                let id = format!("refresh-{}", self.refreshes.len() + 1);
                self.begin(&id, start.preferences.clone(), start.change.to.clone());
                return Some(Made::Refresh(id.into()));
            }
            Change::RollBackRefresh { .. } => {
                if let Some(active) = self.refreshes.iter_mut().find(|refresh| refresh.is_active()) {
                    active.status = "RollbackInProgress".into();
                }
                return Some(Made::Nothing);
            }
        }))
    }

    fn set(&mut self, to: &[GroupPart]) {
        for part in to {
            let known = self.parts.iter_mut().find(|known| known.at == part.at);
            *known.expect("a part") = part.clone();
        }
    }

    /// Begins a refresh.
    pub(super) fn begin(&mut self, id: &str, preferences: RefreshPreferences, desired: Vec<GroupPart>) {
        let refresh = RefreshNow {
            id: id.into(),
            status: "InProgress".into(),
            reason: None,
            ended: None,
            preferences,
            desired,
        };
        self.refreshes.insert(0, refresh);
    }

    /// The refresh that goes on ends so. If it is successful, the group and its instances are as was desired.
    pub(super) fn end(&mut self, status: &str) {
        self.history.push((self.now, self.present()));
        let now = at(self.now);
        let active = self.refreshes.iter_mut().find(|refresh| refresh.is_active());
        let active = active.expect("a refresh that goes on");
        active.status = status.into();
        active.ended = Some(now);
        active.reason = (status == "Failed").then(|| "An instance could not be launched.".into());
        let desired = active.desired.clone();
        if status == "Successful" {
            self.set(&desired);
            self.instances = vec![self.launched(); self.instances.len()];
        }
    }

    /// The image that the group launches by its template.
    fn launched(&self) -> u64 {
        let version = match &self.parts[0].names {
            Named::Version(_, VersionRef::Number(number)) => self.launches(*number),
            Named::Version(_, VersionRef::Latest) => self.launches(self.latest()),
            Named::Version(_, VersionRef::Default) => self.launches(self.default),
            Named::Image(ImageRef::Image(image)) => image.clone(),
            Named::Image(other) => panic!("{other:?}"),
        };
        let numbers = [1, 2, 9].into_iter();
        numbers
            .into_iter()
            .find(|number| image_id(*number) == version)
            .expect("an image")
    }

    /// One step: what is to be on record is put there, or what is on record is done. Says whether there was anything.
    pub(super) fn step(&mut self, behind: usize, loses_answer: bool) -> Option<Then> {
        let outcome = self.decide(behind);
        if outcome.rows != self.rows {
            self.rows = outcome.rows;
            return None;
        }
        if let Then::Do(of, change) = &outcome.then {
            let made = self.apply(change).filter(|_| !loses_answer)?;
            let row = self
                .rows
                .iter_mut()
                .find(|row| key_of(row).as_ref() == Some(of))
                .expect("it is on record");
            *row = answered(row, change, &made, at(self.now));
            return None;
        }
        Some(outcome.then)
    }

    /// Goes on until there is nothing to do.
    pub(super) fn settle(&mut self) -> Then {
        for _ in 0..40 {
            self.now += 1;
            if let Some(then) = self.step(0, false) {
                return then;
            }
        }
        panic!("it never comes to rest: {:?}", self.rows)
    }

    pub(super) fn row(&self, kind: ConsumerKind) -> Option<&MovedConsumer> {
        self.rows.iter().find(|row| row.kind == kind.as_str())
    }

    pub(super) fn reason(&self) -> Option<&str> {
        self.rows.first().and_then(|row| row.reason.as_deref())
    }

    pub(super) fn launches(&self, version: i64) -> ImageId {
        let version = self.versions.iter().find(|known| known.number == version);
        match version.and_then(|version| version.image.clone()) {
            Some(ImageRef::Image(image)) => image,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn latest(&self) -> i64 {
        self.versions.last().expect("a version").number
    }
}
/// A part of the group that pins this version of the template.
pub(super) fn pins(at: Place, version: i64) -> GroupPart {
    GroupPart {
        at,
        names: Named::Version(TemplateId::Id(TEMPLATE.into()), VersionRef::Number(version)),
    }
}

/// The version that a part pins.
pub(super) fn number(part: &GroupPart) -> Option<i64> {
    match part.names {
        Named::Version(_, VersionRef::Number(number)) => Some(number),
        _ => None,
    }
}
