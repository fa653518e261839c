//! Whether those who launch encrypted images, and those whom they are shared with, may use the images' keys.

use std::collections::BTreeMap;

use super::record::WHAT;
use super::unread::{Part, unknown};
use super::{Check, Finding, Subject};
use crate::api::conditions::cut;
use crate::domain::{Image, ImageState, KeyArn};
use crate::plan::access::KeyFacts;
use crate::plan::access::form::{self, Row, State};
use crate::plan::access::who::{self, Needs};
use crate::plan::usage::form::Unknown;

/// So many of those who may not use a key are named in one finding.
const NAMED: usize = 3;
/// What ends a text that has no room in a status.
const REST: &str = " `amiseal report -f` says the rest.";

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
                found.push(self.unusable(key.to_string(), &said(None, &denied), None));
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
                let vain = format!("{} is shared in vain.", image.name);
                found.push(self.unusable(id.to_string(), &said(Some(vain), &denied), Some(image)));
            }
        }
    }

    fn unusable(&self, resource: String, said: &[String], image: Option<&Image>) -> Finding {
        Finding {
            brief: brief(said),
            ..self.finding(Check::KeyUnusableByConsumers, resource, said.concat(), image)
        }
    }

    /// Of whom it is not known whether they may use a key, as its policy or grants could not be read.
    pub(super) fn key_access_unread(&self) -> Vec<Unknown> {
        self.key_access_unknown(|row| row.unread)
    }

    /// Of whom that stays unknown however much is read: a person has to look. What other accounts' own policies say is nothing to find
    /// out here.
    pub(super) fn key_access_undecided(&self) -> Vec<Unknown> {
        self.key_access_unknown(|row| !row.unread)
    }

    fn key_access_unknown(&self, is_meant: impl Fn(&Row) -> bool) -> Vec<Unknown> {
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

/// Who may not, and what fixes it, in pieces: what ends with any of them can be read.
pub(super) fn said(first: Option<String>, denied: &[Row]) -> Vec<String> {
    let mut pieces: Vec<String> = first.into_iter().collect();
    for row in denied.iter().take(NAMED) {
        let mut of_row = row.pieces().into_iter();
        let between = if pieces.is_empty() { "" } else { " " };
        pieces.extend(of_row.next().map(|piece| between.to_owned() + &piece));
        pieces.extend(of_row);
    }
    match denied.len().saturating_sub(NAMED) {
        0 => {}
        more => pieces.push(format!(" And so it is with {more} more.")),
    }
    pieces
}

/// As many of these as a status has room for, where that is not all of them, and where to read the others.
pub(super) fn brief(pieces: &[String]) -> Option<String> {
    let length = |text: &str| text.chars().count();
    if pieces.iter().map(|piece| length(piece)).sum::<usize>() <= WHAT {
        return None;
    }
    let room = WHAT - length(REST);
    let mut used = 0;
    let fitting = pieces.iter().take_while(|piece| {
        used += length(piece);
        used <= room
    });
    let mut text: String = fitting.map(String::as_str).collect();
    if text.is_empty() {
        text = cut(pieces.first()?, room);
    }
    Some(text + REST)
}
