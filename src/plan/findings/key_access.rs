//! Whether those who launch encrypted images, and those whom they are shared with, may use the images' keys.

use std::collections::BTreeMap;

use super::unread::{Part, unknown};
use super::{Check, Finding, Subject};
use crate::domain::{ImageState, KeyArn};
use crate::plan::access::KeyFacts;
use crate::plan::access::form::{self, Row, State};
use crate::plan::access::who::{self, Needs};
use crate::plan::usage::form::Unknown;

/// So many of those who may not use a key are named in one finding.
const NAMED: usize = 3;

impl Subject<'_> {
    /// Who needs which key. An image that another key opens too is left out, and one that nobody can launch.
    pub fn key_needs(&self) -> BTreeMap<KeyArn, Needs> {
        let mut all = BTreeMap::new();
        for (key, mut needs, shared) in self.needs_of_keys() {
            for (principal, uses) in shared {
                needs.entry(principal).or_default().images.extend(uses.images);
            }
            if !needs.is_empty() {
                all.insert(key.clone(), needs);
            }
        }
        all
    }

    /// For each key those who launch its images in the account, and those whom these are shared with.
    fn needs_of_keys(&self) -> Vec<(&KeyArn, Needs, Needs)> {
        let partition = self.scope.region.partition();
        let of_key = self.by_key().into_iter().map(|(key, under)| {
            let (mut needs, mut shared) = (Needs::new(), Needs::new());
            for image in under.only.iter().filter(|image| image.state == ImageState::Available) {
                who::add_consumers(&mut needs, &image.id, &self.picture.graph, partition);
                if let Some(permissions) = self.picture.shared.get(&image.id) {
                    who::add_shared(&mut shared, &image.id, permissions, &self.scope.account);
                }
            }
            (key, needs, shared)
        });
        of_key.collect()
    }

    fn facts<'s>(&'s self, key: &'s KeyArn) -> KeyFacts<'s> {
        KeyFacts {
            arn: key,
            aws_managed: false,
            access: self.observed.key_access.get(key),
        }
    }

    /// Keys that somebody who launches may not use, and images that are shared with somebody who may not use their key. What is not
    /// known is no finding: the report says that it is unknown.
    pub(super) fn key_access_findings(&self, found: &mut Vec<Finding>) {
        let is_denied = |row: &Row| row.state == State::Denied;
        for (key, needs, shared) in self.needs_of_keys() {
            let own = &self.scope.account;
            let denied: Vec<Row> = form::rows(self.facts(key), &needs, own)
                .into_iter()
                .filter(is_denied)
                .collect();
            if !denied.is_empty() {
                let check = Check::KeyUnusableByConsumers;
                found.push(self.finding(check, key.to_string(), said(&denied), None));
            }
            self.shared_in_vain(key, &shared, found);
        }
    }

    /// Images that are shared with accounts that may not use their key.
    fn shared_in_vain(&self, key: &KeyArn, shared: &Needs, found: &mut Vec<Finding>) {
        let mut by_image: BTreeMap<_, Needs> = BTreeMap::new();
        for (principal, uses) in shared {
            for image in &uses.images {
                by_image
                    .entry(image)
                    .or_default()
                    .insert(principal.clone(), uses.clone());
            }
        }
        for (id, needs) in by_image {
            let rows = form::rows(self.facts(key), &needs, &self.scope.account);
            let denied: Vec<Row> = rows.into_iter().filter(|row| row.state == State::Denied).collect();
            let image = self.inventory.images.get(id).map(AsRef::as_ref);
            if let (false, Some(image)) = (denied.is_empty(), image) {
                let what = format!("{} is shared in vain. {}", image.name, said(&denied));
                found.push(self.finding(Check::KeyUnusableByConsumers, id.to_string(), what, Some(image)));
            }
        }
    }

    /// Of whom it is not known whether they may use a key. What other accounts' own policies say is nothing to find out here.
    pub(super) fn key_access_unread(&self) -> Vec<Unknown> {
        let mut unread = Vec::new();
        if !self.thresholds.asks_for(Check::KeyUnusableByConsumers) {
            return unread;
        }
        for (key, needs) in self.key_needs() {
            let rows = form::rows(self.facts(&key), &needs, &self.scope.account);
            let mut messages: Vec<String> = rows
                .into_iter()
                .filter(|row| row.state == State::Unknown && is_meant(row))
                .map(|row| row.message)
        self.key_access_unknown(|row| row.unread)
    }

    /// Of whom that stays unknown however much is read: a person has to look. What other accounts' own policies say is nothing to find
    /// out here.
    pub(super) fn key_access_undecided(&self) -> Vec<Unknown> {
        self.key_access_unknown(|row| !row.unread)
    }

    fn key_access_unknown(&self, is_meant: impl Fn(&Row) -> bool) -> Vec<Unknown> {
                .collect();
            let more = messages.len().saturating_sub(NAMED);
            messages.truncate(NAMED);
            if more > 0 {
                messages.push(format!("So it is of {more} more."));
            }
            if !messages.is_empty() {
                unread.push(unknown(Part::KeyAccess, Some(key.as_str()), messages.join(" ")));
            }
        }
        unread
    }
}

/// Who may not, and what fixes it.
fn said(denied: &[Row]) -> String {
    let mut sentences: Vec<String> = denied.iter().take(NAMED).map(Row::text).collect();
    match denied.len().saturating_sub(NAMED) {
        0 => {}
        more => sentences.push(format!("And so it is with {more} more.")),
    }
    sentences.join(" ")
}
