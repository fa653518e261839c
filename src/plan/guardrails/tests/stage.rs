//! An account and region of AWS as far as guardrails go, and a controller that visits it.

use jiff::Timestamp;
use serde_json::json;

use crate::api::conditions;
use crate::api::{
    AMIEncryptionTargetSpec, AMIEncryptionTargetStatus, GuardrailName, GuardrailSettings, GuardrailStatus,
};
use crate::domain::{
    AwsError, ErrorClass, Guardrail, GuardrailChange, GuardrailState, ImageCriterion, Key, KeyArn, KeyUsability,
    ManagedBy, Operation,
};
use crate::plan::guardrails::{
    Asked, Fetched, GuardrailWatch, ImagesStanding, KeyStanding, Knows, Reading, View, asked, asks_about_images,
    asks_about_key, tell,
};
use crate::plan::obstacle::KeyView;
use crate::plan::testing::{at, key};

pub(super) const ENCRYPTION: Guardrail = Guardrail::EncryptionByDefault;
pub(super) const IMAGES: Guardrail = Guardrail::ImageBlockPublicAccess;
pub(super) const SNAPSHOTS: Guardrail = Guardrail::SnapshotBlockPublicAccess;
pub(super) const ALLOWED: Guardrail = Guardrail::AllowedImages;
/// How often is scanned, in seconds.
pub(super) const SCANS: i64 = 900;

/// All of it. Times are seconds.
pub(super) struct Stage {
    pub(super) spec: AMIEncryptionTargetSpec,
    pub(super) status: AMIEncryptionTargetStatus,
    pub(super) watch: GuardrailWatch,
    pub(super) key: KeyView,
    pub(super) standing: KeyStanding,
    /// Whether it is known by now who launches there, and what.
    pub(super) knows_launchers: bool,
    /// Whether Allowed AMIs would refuse what is in use.
    pub(super) in_use: ImagesStanding,
    /// When what is in use was read.
    pub(super) picture: i64,
    /// Of which generation the target is.
    pub(super) generation: i64,
    pub(super) older: Vec<(&'static str, Option<GuardrailSettings>)>,
    /// Whether the API server takes no status.
    pub(super) loses_writes: bool,
    // AWS.
    pub(super) is_on: bool,
    pub(super) default_key: Box<str>,
    pub(super) images: &'static str,
    pub(super) snapshots: &'static str,
    pub(super) allowed: &'static str,
    pub(super) criteria: Vec<ImageCriterion>,
    /// Whether a declarative policy holds the two blocks, and whether it did when they were read last.
    pub(super) is_declared: bool,
    was_declared: bool,
    /// The default key as it was read last.
    was_default: Box<str>,
    /// Allowed AMIs as they were read last, and what was known then of what they would refuse.
    was_allowed: (&'static str, Vec<ImageCriterion>, ImagesStanding),
    /// How long AWS takes to show what it has taken.
    pub(super) lag: i64,
    pending: Vec<(Timestamp, GuardrailChange)>,
    /// What comes of calls that set something, and whether AWS takes them all the same.
    pub(super) fails: Option<(AwsError, bool)>,
    /// The same of calls that read.
    pub(super) unread: Option<AwsError>,
    pub(super) calls: Vec<(i64, GuardrailChange)>,
    pub(super) reads: usize,
    /// How often it was asked who may use the key.
    pub(super) asks: usize,
    /// When each was set last, but for calls that AWS has refused.
    set: Vec<(i64, Guardrail, Option<KeyArn>)>,
}

pub(super) fn spec(guardrails: &serde_json::Value, mode: &str) -> AMIEncryptionTargetSpec {
    serde_json::from_value(json!({
        "policy": "production", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami",
        "mode": mode, "scanInterval": "15m", "otherKey": "Report", "copy": {}, "promotion": {}, "guardrails": guardrails,
    }))
    .expect("a target's spec")
}

pub(super) fn settings(guardrails: &serde_json::Value) -> GuardrailSettings {
    serde_json::from_value(guardrails.clone()).expect("settings")
}

/// The criterion that an image is of this provider.
pub(super) fn by(provider: &str) -> Vec<ImageCriterion> {
    vec![ImageCriterion {
        providers: vec![provider.into()],
        ..ImageCriterion::default()
    }]
}

/// Settings by which Allowed AMIs alone are set.
pub(super) fn allowing(state: &str, provider: &str) -> serde_json::Value {
    json!({
        "ebsEncryptionByDefault": "Ignore",
        "imageBlockPublicAccess": "Ignore",
        "snapshotBlockPublicAccess": "Ignore",
        "allowedImages": {"mode": "Enforce", "state": state, "criteria": [{"imageProviders": [provider]}]},
    })
}

/// A policy's key.
pub(super) fn usable(number: u32) -> KeyView {
    KeyView::Known(Key {
        arn: key(number),
        usability: KeyUsability::Usable,
        aws_managed: false,
    })
}

/// A call that failed.
pub(super) fn failed(operation: Operation, class: ErrorClass) -> AwsError {
    AwsError::new(operation, class, None)
}

impl Stage {
    /// A region that nobody has set anything in, and a policy that has all three set.
    pub(super) fn new() -> Self {
        Self::of(&json!({
            "ebsEncryptionByDefault": "Enforce",
            "imageBlockPublicAccess": "Enforce",
            "snapshotBlockPublicAccess": "Enforce",
            "allowedImages": {"mode": "Ignore"},
        }))
    }

    /// The same, and a policy that has encryption set alone.
    pub(super) fn of_encryption() -> Self {
        Self::of(&json!({
            "ebsEncryptionByDefault": "Enforce",
            "imageBlockPublicAccess": "Ignore",
            "snapshotBlockPublicAccess": "Ignore",
            "allowedImages": {"mode": "Ignore"},
        }))
    }

    /// The same, and a policy that has Allowed AMIs set alone, to this state and by the criterion that an image is Amazon's.
    pub(super) fn of_allowed(state: &str) -> Self {
        Self::of(&allowing(state, "amazon"))
    }

    pub(super) fn of(guardrails: &serde_json::Value) -> Self {
        Self {
            spec: spec(guardrails, "Enforce"),
            status: AMIEncryptionTargetStatus::default(),
            watch: GuardrailWatch::default(),
            key: usable(1),
            standing: KeyStanding::Usable(key(1)),
            knows_launchers: true,
            in_use: ImagesStanding::Clear(by("amazon")),
            picture: 0,
            generation: 1,
            older: Vec::new(),
            loses_writes: false,
            is_on: false,
            default_key: "alias/aws/ebs".into(),
            images: "unblocked",
            snapshots: "unblocked",
            allowed: "disabled",
            criteria: Vec::new(),
            is_declared: false,
            was_declared: false,
            was_default: "alias/aws/ebs".into(),
            was_allowed: ("disabled", Vec::new(), ImagesStanding::Unasked),
            lag: 0,
            pending: Vec::new(),
            fails: None,
            unread: None,
            calls: Vec::new(),
            reads: 0,
            asks: 0,
            set: Vec::new(),
        }
    }

    /// Everything as the policy asks for, long since.
    pub(super) fn sound() -> Self {
        Self {
            is_on: true,
            default_key: key(1).as_str().into(),
            images: "block-new-sharing",
            snapshots: "block-all-sharing",
            ..Self::new()
        }
    }

    /// What a visit does, and the status that is written after it.
    pub(super) fn visit(&mut self, second: i64) {
        let now = at(second);
        self.shows(now);
        let older: Vec<_> = self
            .older
            .iter()
            .map(|(name, theirs)| (*name, theirs.as_ref()))
            .collect();
        let asked = asked(&self.spec, self.spec.guardrails.as_ref(), &older);
        if asked.is_empty() {
            self.watch.rest();
        } else {
            self.work(&asked, second);
        }
        let before = self.status.clone();
        self.status.key_arn = self.key.arn().map(ToString::to_string);
        let view = View {
            spec: &self.spec,
            asked: &asked,
            watch: &self.watch,
            key: &self.key,
            generation: Some(self.generation),
            now,
        };
        tell(&mut self.status, &before, &view);
        if self.loses_writes {
            self.status = before;
        }
    }

    /// A visit every five seconds, and a scan every now and then.
    pub(super) fn visits(&mut self, (from, to): (i64, i64)) {
        for second in (from..=to).step_by(5) {
            if second / SCANS != (second - 5) / SCANS {
                self.watch.scanned();
            }
            self.visit(second);
        }
    }

    fn work(&mut self, asked: &[Asked], second: i64) {
        let now = at(second);
        let knows = Knows {
            launchers: self.knows_launchers,
            images: self.knows_launchers.then(|| at(self.picture)),
        };
        if self.watch.is_read_due(asked, knows, now) {
            self.reads += 1;
            if self.unread.is_none() {
                self.was_declared = self.is_declared;
                self.was_default = self.default_key.clone();
                self.was_allowed = (self.allowed, self.criteria.clone(), self.in_use.clone());
            }
            let readings: Vec<Reading> = asked.iter().map(|one| self.read(one.guardrail, now)).collect();
            let is_asked = asks_about_key(&self.watch, asked, &readings, &self.key, now);
            self.asks += usize::from(is_asked);
            let asks_images = asks_about_images(asked, &readings).is_some();
            let fetched = Fetched {
                readings,
                images_of: Some(at(self.picture)),
                images: Some(self.in_use.clone()).filter(|_| asks_images).unwrap_or_default(),
                key: Some(self.standing.clone()).filter(|_| is_asked).unwrap_or_default(),
                key_of: self.key.arn().cloned(),
            };
            let interval = self.spec.scan_interval.as_std();
            self.watch.fetched(fetched, interval, now, |wait| wait);
        }
        for guardrail in self.watch.decide(asked, &self.key, &self.status.guardrails, now) {
            let enforces = asked.iter().any(|one| one.guardrail == guardrail && one.enforces);
            assert!(enforces, "{guardrail} is set, and only reported");
            let one = asked
                .iter()
                .find(|one| one.guardrail == guardrail)
                .expect("it is asked for");
            self.set(one, second);
        }
        self.watch.settle(asked, &self.key, now);
    }

    fn read(&self, guardrail: Guardrail, now: Timestamp) -> Reading {
        let (state, holds) = match guardrail {
            Guardrail::EncryptionByDefault if self.is_on => ("enabled", true),
            Guardrail::EncryptionByDefault => ("disabled", false),
            Guardrail::AllowedImages => (self.allowed, self.allowed == "enabled"),
            Guardrail::ImageBlockPublicAccess => (self.images, self.images != "unblocked"),
            Guardrail::SnapshotBlockPublicAccess => (self.snapshots, self.snapshots != "unblocked"),
        };
        let is_of_key = guardrail == Guardrail::EncryptionByDefault;
        let managed_by = match self.is_declared {
            _ if is_of_key => None,
            true => Some(ManagedBy::DeclarativePolicy),
            false => Some(ManagedBy::Account),
        };
        let error = self.unread.clone();
        let state = GuardrailState {
            guardrail,
            holds: holds && error.is_none(),
            state: error.clone().map_or(Ok(state.into()), Err),
            managed_by: managed_by.filter(|_| error.is_none()),
            criteria: match guardrail {
                Guardrail::AllowedImages if error.is_none() => self.criteria.clone(),
                _ => Vec::new(),
            },
        };
        let key = error.map_or(Ok(self.default_key.clone()), Err);
        Reading::new(state, is_of_key.then_some(key), now)
    }

    fn set(&mut self, one: &Asked, second: i64) {
        let guardrail = one.guardrail;
        let changes = self.watch.changes(one, &self.key);
        self.may_set(guardrail, &changes, second);
        self.watch.begins(guardrail, at(second));
        let mut took_some = false;
        for change in changes {
            self.calls.push((second, change.clone()));
            if let Some((error, is_taken)) = self.fails.clone() {
                if is_taken {
                    self.take(guardrail, change, second);
                }
                self.watch.failed(guardrail, &error, took_some, at(second), |wait| wait);
                return;
            }
            self.take(guardrail, change, second);
            took_some = true;
        }
        self.watch.taken(guardrail, at(second));
    }

    /// What has to be so whenever AWS is asked to set something.
    fn may_set(&self, guardrail: Guardrail, changes: &[GuardrailChange], second: i64) {
        let row = self.row(guardrail).expect("it is on record");
        assert!(
            row.requested_at.is_some(),
            "{guardrail} is set, and that is not on record"
        );
        assert!(!changes.is_empty(), "{guardrail} is set to nothing");
        let is_same = |of: Guardrail, key: &Option<KeyArn>| {
            of == guardrail && (of != ENCRYPTION || key.as_ref() == self.key.arn())
        };
        let before = self.set.iter().rev().find(|(_, of, key)| is_same(*of, key));
        if let Some((before, _, _)) = before {
            assert!(second - before >= 900, "{guardrail} is set at {before} and at {second}");
        }
        if guardrail != ENCRYPTION {
            assert!(
                !self.was_declared,
                "{guardrail} is set, and a declarative policy holds it"
            );
            self.may_refuse(changes);
            return;
        }
        let KeyView::Known(Key {
            arn,
            usability: KeyUsability::Usable,
            ..
        }) = &self.key
        else {
            panic!("the key cannot be used")
        };
        let is_usable = KeyStanding::Usable(arn.clone());
        assert_eq!(self.standing, is_usable, "who launches may not use it");
        let turns_on = changes
            .iter()
            .position(|one| *one == GuardrailChange::EncryptionByDefault);
        let sets_key = changes
            .iter()
            .position(|one| *one == GuardrailChange::DefaultKey(arn.clone()));
        if let Some(turns_on) = turns_on {
            let is_first = sets_key.is_some_and(|sets_key| sets_key < turns_on);
            // Somebody may set another one just after that was read.
            assert!(
                is_first || *self.was_default == *arn.as_str(),
                "the key is set before encryption is turned on"
            );
        }
    }

    /// Nothing comes to be refused that is in use, or may be.
    fn may_refuse(&self, changes: &[GuardrailChange]) {
        let (state, shown, in_use) = &self.was_allowed;
        for change in changes {
            let is_clear = match (change, in_use) {
                (GuardrailChange::ImageCriteria(criteria), ImagesStanding::Clear(clear)) => criteria == clear,
                (GuardrailChange::RefuseImages, ImagesStanding::Clear(clear)) => shown == clear,
                _ => false,
            };
            match change {
                GuardrailChange::ImageCriteria(_) => {
                    assert!(is_clear || *state != "enabled", "criteria that refuse are replaced");
                }
                GuardrailChange::RefuseImages => {
                    assert!(is_clear, "what is in use is refused");
                    assert_eq!(*state, "audit-mode", "audit mode comes first");
                }
                GuardrailChange::AuditImages => assert_eq!(*state, "disabled", "nothing is weakened"),
                _ => {}
            }
        }
    }

    fn take(&mut self, guardrail: Guardrail, change: GuardrailChange, second: i64) {
        self.set.push((second, guardrail, self.key.arn().cloned()));
        self.pending.push((at(second + self.lag), change));
        self.shows(at(second));
    }

    fn shows(&mut self, now: Timestamp) {
        for (_, change) in self.pending.extract_if(.., |(at, _)| *at <= now) {
            match change {
                GuardrailChange::DefaultKey(key) => self.default_key = key.as_str().into(),
                GuardrailChange::EncryptionByDefault => self.is_on = true,
                GuardrailChange::BlockImages => self.images = "block-new-sharing",
                GuardrailChange::BlockSnapshots => self.snapshots = "block-new-sharing",
                GuardrailChange::ImageCriteria(criteria) => self.criteria = criteria,
                GuardrailChange::AuditImages => self.allowed = "audit-mode",
                GuardrailChange::RefuseImages => self.allowed = "enabled",
            }
        }
    }

    pub(super) fn row(&self, guardrail: Guardrail) -> Option<&GuardrailStatus> {
        let name = GuardrailName::from(guardrail);
        self.status.guardrails.iter().find(|row| row.name == name)
    }

    pub(super) fn drifts(&self, guardrail: Guardrail) -> u32 {
        self.row(guardrail).map_or(0, |row| row.drifts)
    }

    /// Status and reason of the condition; empty where it is not there.
    pub(super) fn says(&self) -> String {
        let said = conditions::find(&self.status.conditions, conditions::GUARDRAILS_ENFORCED);
        said.map_or_else(String::new, |said| format!("{}/{}", said.status, said.reason))
    }

    pub(super) fn message(&self) -> &str {
        let said = conditions::find(&self.status.conditions, conditions::GUARDRAILS_ENFORCED);
        said.map_or("", |said| said.message.as_str())
    }

    /// How often each of the calls was made.
    pub(super) fn count(&self, operation: Operation) -> usize {
        let all = self.calls.iter();
        all.filter(|(_, change)| change.operation() == operation).count()
    }
}
