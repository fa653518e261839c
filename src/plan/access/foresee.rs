//! Who could not launch the copies of images: their own account and those that they are shared with.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::allowed::{self, Candidate, Verdict};
use super::form::{self, Row, State};
use super::who::{self, Needs};
use super::{KeyFacts, Principal};
use crate::domain::{AccountId, AllowedImages, AwsError, ImageId, LaunchPermission, Scope};
use crate::plan::problem;
use crate::plan::usage::Graph;

/// An image that is to be copied.
#[derive(Debug, Clone)]
pub struct Ahead {
    /// Its ID.
    pub id: ImageId,
    /// Whom its copy will be shared with; none where that could not be read.
    pub shared: Option<BTreeSet<LaunchPermission>>,
    /// The image.
    pub original: Candidate,
    /// Its copy.
    pub copy: Candidate,
}

impl Ahead {
    /// Whether anybody else may launch its copy, as far as is known.
    pub fn may_be_shared(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| !shared.is_empty())
    }
}

/// Another account in the same region.
#[derive(Debug, Clone, Copy)]
pub struct Neighbour<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// Who uses images there.
    pub graph: &'a Graph,
    /// Which images of others it lets its people launch.
    pub allowed: &'a Result<AllowedImages, AwsError>,
}

/// Images, and all that launches them.
#[derive(Debug, Clone, Copy)]
pub struct Outlook<'a> {
    /// Where they are.
    pub scope: &'a Scope,
    /// The key of the copies.
    pub key: KeyFacts<'a>,
    /// The images.
    pub images: &'a [Ahead],
    /// Who uses images there.
    pub graph: &'a Graph,
    /// The other accounts of the region that were read.
    pub neighbours: &'a [Neighbour<'a>],
}

impl Outlook<'_> {
    /// Those who could not launch a copy, or of whom that is not known.
    pub fn rows(&self, now: Timestamp) -> Vec<Row> {
        let mut rows = form::rows(self.key, &self.needs(), &self.scope.account);
        for neighbour in self.neighbours {
            rows.extend(self.refused(*neighbour, now));
        }
        rows
    }

    /// Who needs the key.
    pub fn needs(&self) -> Needs {
        let partition = self.scope.region.partition();
        let mut needs = Needs::new();
        for image in self.images {
            who::add_consumers(&mut needs, &image.id, self.graph, partition);
            if !image.may_be_shared() {
                continue;
            }
            if let Some(shared) = &image.shared {
                who::add_shared(&mut needs, &image.id, shared, &self.scope.account);
            }
            for neighbour in self.neighbours {
                who::add_consumers(&mut needs, &image.id, neighbour.graph, partition);
            }
        }
        needs
    }

    /// What another account would refuse that it does not refuse now.
    fn refused(&self, neighbour: Neighbour<'_>, now: Timestamp) -> Vec<Row> {
        let account = neighbour.account;
        let shared = self.images.iter().filter(|image| {
            let with = LaunchPermission::Account(account.clone());
            let is_shared = image.shared.as_ref().is_some_and(|shared| shared.contains(&with));
            is_shared || (image.may_be_shared() && !neighbour.graph.consumers(&image.id).is_empty())
        });
        let settings = match neighbour.allowed {
            Ok(settings) => settings,
            Err(error) => {
                let message = format!(
                    "It is not known whether the Allowed AMIs of {} refuse the copies. {}",
                    Principal::Account(account.clone()),
                    problem::of_error(error).message
                );
                let images = shared.count();
                let unknown = (images > 0).then(|| form::refused(State::Unknown, account, message, images));
                return unknown.into_iter().collect();
            }
        };
        let mut found: BTreeMap<(State, String), usize> = BTreeMap::new();
        for image in shared {
            let before = allowed::judge(settings, &image.original, account, now);
            // What is refused now is launched by nobody there.
            if matches!(before, Verdict::Refused(_)) {
                continue;
            }
            let (state, why) = match allowed::judge(settings, &image.copy, account, now) {
                Verdict::Allowed => continue,
                Verdict::Refused(why) => (State::Refused, format!("refuse copies: {why}.")),
                Verdict::WouldBeRefused(why) => {
                    (State::WouldBeRefused, format!("would refuse copies if enabled: {why}."))
                }
                Verdict::Unknown(why) => (State::Unknown, format!("may refuse copies. {why}.")),
            };
            let message = format!("The Allowed AMIs of {} {why}", Principal::Account(account.clone()));
            *found.entry((state, message)).or_default() += 1;
        }
        found
            .into_iter()
            .map(|((state, message), images)| form::refused(state, account, message, images))
            .collect()
    }
}
