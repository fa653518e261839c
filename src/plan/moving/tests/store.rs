//! Parameter Store, with one parameter: its values and its labels.

use super::super::*;
use super::case::Case;
use crate::domain::{ImageRef, LabelledVersion, Launcher, Launches, ParameterNow, Tags};

/// The values of a parameter, by version from 1, and its labels, each with the version that it is on.
pub(super) type Values = (Vec<String>, Vec<(String, i64)>);

fn last((values, _): &Values) -> i64 {
    i64::try_from(values.len()).expect("few")
}

/// The versions that have labels.
fn labelled(all: &Values) -> Vec<LabelledVersion> {
    let (values, labels) = all;
    let versions = (1..=last(all)).zip(values).map(|(number, value)| LabelledVersion {
        number,
        value: value.as_str().into(),
        labels: labels
            .iter()
            .filter(|(_, on)| *on == number)
            .map(|(label, _)| label.as_str().into())
            .collect(),
    });
    versions.filter(|version| !version.labels.is_empty()).collect()
}

impl Case {
    /// What a listing shows of the parameter, where it names an image: its latest version, and older ones that have labels.
    pub(super) fn parameter(&self) -> Option<Launcher> {
        let all = (self.values.clone(), self.labels.clone());
        let older = labelled(&all)
            .into_iter()
            .filter(|version| version.number != last(&all));
        let older = older.map(|version| {
            let via = format!("version {} ({})", version.number, version.labels.join(", "));
            (via, version.value.to_string())
        });
        let latest = self.values.last().map(|value| (String::new(), value.clone()));
        let named = latest.into_iter().chain(older);
        let launches: Vec<(Box<str>, Launches)> = named
            .filter_map(|(via, value)| {
                let image = ImageRef::Image(value.parse().ok()?);
                Some((via.into(), Launches::Image(image)))
            })
            .collect();
        (!launches.is_empty()).then(|| Launcher {
            kind: ConsumerKind::Parameter,
            id: self.parameter.as_str().into(),
            launches,
            owner: self.owner.clone(),
        })
    }

    /// What a read shows of the parameter while it has these values and labels.
    pub(super) fn parameter_now(&self, all: &Values) -> ParameterNow {
        ParameterNow {
            version: last(all),
            value: all.0.last().expect("a value").as_str().into(),
            kind: "String".into(),
            data_type: "aws:ec2:image".into(),
            tier: "Standard".into(),
            description: None,
            allowed_pattern: None,
            policies: Vec::new(),
            oldest: self.oldest,
            labelled: labelled(all),
            modified_by: Some(if self.by_amiseal.contains(&last(all)) {
                "arn:aws:sts::111122223333:assumed-role/amiseal/amiseal-production".into()
            } else {
                "arn:aws:iam::111122223333:user/amiseal-admin".into()
            }),
            owner: self.owner.clone(),
            tags: Tags::of(&self.tags),
        }
    }

    /// Labels go to a version.
    pub(super) fn label(&mut self, version: i64, labels: &[Box<str>]) {
        let (first, last) = (self.oldest, i64::try_from(self.values.len()).expect("few"));
        assert!((first..=last).contains(&version), "there is no version {version}");
        for label in labels {
            self.labels.retain(|(known, _)| **known != **label);
            self.labels.push((label.to_string(), version));
        }
    }

    /// The version that a label is on.
    pub(super) fn labelled(&self, label: &str) -> Option<i64> {
        let found = self.labels.iter().find(|(known, _)| known == label);
        found.map(|(_, version)| *version)
    }

    /// The image that is launched by a label.
    pub(super) fn launched_by(&self, label: &str) -> &str {
        let version = usize::try_from(self.labelled(label).expect("a label")).expect("a version");
        &self.values[version - 1]
    }
}
