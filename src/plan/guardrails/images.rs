//! Allowed AMIs: what is set of them, and whether they would refuse what is in use. AWS never refuses an account its own images.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::key::Hindrance;
use super::launchers::passes;
use super::request::later;
use super::{Asked, Launchers, Reading};
use crate::api::conditions::cut;
use crate::domain::{
    AccountId, AllowedImages, AllowedState, AwsError, Consumer, Guardrail, GuardrailChange, Image, ImageCriterion,
    ImageId, are_same_criteria,
};
use crate::plan::access::allowed::{Candidate, Verdict, judge};
use crate::plan::problem;
use crate::plan::usage::Graph;

/// So many images are named.
const NAMED: usize = 5;
/// So many characters of an ID or a name.
const ID: usize = 64;
/// So far ahead an image has to be allowed. AWS counts in days, it is not known from when to when, and takes its time to show what is set.
const AHEAD: Duration = Duration::from_secs(24 * 3600);

/// Whether Allowed AMIs with the policy's criteria would refuse anything that is in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ImagesStanding {
    /// That was not asked.
    #[default]
    Unasked,
    /// It is not known yet what is in use.
    Waiting,
    /// With these criteria they would not.
    Clear(Vec<ImageCriterion>),
    /// With these criteria they would, or that cannot be told, for this.
    MayRefuse(Vec<ImageCriterion>, String),
    /// It could not be read, for a fault that passes by itself.
    Unread(AwsError),
}

impl ImagesStanding {
    /// Whether nothing that is in use would be refused.
    pub(super) fn is_clear_for(&self, wanted: &AllowedImages) -> bool {
        matches!(self, Self::Clear(criteria) if are_same_criteria(criteria, &wanted.criteria))
    }

    /// What would be refused.
    pub(super) fn note(&self, wanted: &AllowedImages) -> Option<&str> {
        match self {
            Self::MayRefuse(criteria, why) if are_same_criteria(criteria, &wanted.criteria) => Some(why),
            _ => None,
        }
    }

    /// What keeps Allowed AMIs from refusing what the criteria do not allow.
    pub(super) fn hindrance(&self, wanted: &AllowedImages) -> Option<Hindrance> {
        if self.is_clear_for(wanted) {
            return None;
        }
        if let Some(why) = self.note(wanted) {
            return Some(Hindrance::NotUsable(why.to_owned()));
        }
        Some(Hindrance::NotKnown(match self {
            Self::Unread(error) => format!(
                "It could not be read whose the images are that are in use here. {}",
                problem::of_error(error).message
            ),
            _ => "before it is set, amiseal waits for a new reading of which images are in use here.".to_owned(),
        }))
    }
}

/// Whether Allowed AMIs are as a policy wants them. What refuses more than it asks for is as good.
pub(super) fn are_as_wanted(wanted: &AllowedImages, state: &str, criteria: &[ImageCriterion]) -> bool {
    let is_state = match (AllowedState::named(state), &wanted.state) {
        (AllowedState::Enabled, _) => true,
        (AllowedState::AuditMode, state) => *state != AllowedState::Enabled,
        (AllowedState::Disabled | AllowedState::Other(_), _) => false,
    };
    is_state && are_same_criteria(criteria, &wanted.criteria)
}

/// What sets them, in this order: the criteria first. `enabled` follows audit mode only, and only criteria that AWS shows; that and
/// criteria in place of those that refuse take that nothing in use would be refused, which is `is_clear`.
pub(super) fn changes(
    wanted: &AllowedImages,
    state: &str,
    criteria: &[ImageCriterion],
    is_clear: bool,
) -> Vec<GuardrailChange> {
    let state = AllowedState::named(state);
    let are_set = are_same_criteria(criteria, &wanted.criteria);
    let replace = || GuardrailChange::ImageCriteria(wanted.criteria.clone());
    match state {
        AllowedState::Disabled if are_set => vec![GuardrailChange::AuditImages],
        AllowedState::Disabled => vec![replace(), GuardrailChange::AuditImages],
        AllowedState::AuditMode if !are_set => vec![replace()],
        AllowedState::AuditMode if is_clear && wanted.state == AllowedState::Enabled => {
            vec![GuardrailChange::RefuseImages]
        }
        AllowedState::Enabled if is_clear && !are_set => vec![replace()],
        // What a later version of AWS may know is left as it is.
        AllowedState::AuditMode | AllowedState::Enabled | AllowedState::Other(_) => Vec::new(),
    }
}

/// What a policy wants of Allowed AMIs, where it has to be known what they would refuse: all but where they refuse it already.
pub fn asks_about_images<'a>(asked: &'a [Asked], readings: &[Reading]) -> Option<&'a AllowedImages> {
    let asked = asked.iter().find(|one| one.guardrail == Guardrail::AllowedImages)?;
    let wanted = asked.allowed.as_ref()?;
    let mut readings = readings.iter();
    let reading = readings.find(|reading| reading.guardrail() == Guardrail::AllowedImages)?;
    reading.asks_about_images(wanted).then_some(wanted)
}

impl Launchers<'_> {
    /// When it was read which images are in use; none while more may be known of them without anybody's doing, or nothing is read.
    pub fn images_read_at(&self) -> Option<Timestamp> {
        let is_waited_for = matches!(self.unknown_images(), Some(Unknown::Passing));
        let is_known = self.are_read && !self.may_launch_others() && !is_waited_for;
        self.graph.filter(|_| is_known)?.listed_at()
    }

    /// What is said of Allowed AMIs where it is not known what is in use, so that no image is judged.
    pub fn stand_without_images(&self, wanted: &AllowedImages) -> Option<ImagesStanding> {
        Some(match self.unknown_images()? {
            Unknown::Passing => ImagesStanding::Waiting,
            Unknown::Lasting(why) => ImagesStanding::MayRefuse(
                wanted.criteria.clone(),
                format!("It is not known what enabled would refuse. {why}"),
            ),
        })
    }

    /// How Allowed AMIs stand by what is known. More may have come into use where that is to be read anew, and it is waited for.
    pub fn confirm_images(&self, standing: ImagesStanding) -> ImagesStanding {
        match standing {
            ImagesStanding::Clear(_) if self.may_launch_others() => ImagesStanding::Waiting,
            other => other,
        }
    }

    /// Whether what was read is to be read anew, is too old for what comes to be set by it, or does not show yet what amiseal itself has
    /// moved to a copy that another account owns.
    fn may_launch_others(&self) -> bool {
        let read = self.graph.and_then(Graph::listed_at);
        let is_old = self.since.is_some_and(|since| read.is_none_or(|read| read < since));
        self.is_due || is_old || self.moved.is_some_and(|moved| read.is_none_or(|read| read <= moved))
    }

    /// Whether the last reading is too old for what comes to be set by it, and no other is due by itself.
    pub fn are_to_be_read(&self) -> bool {
        let is_read = self.are_read && self.graph.is_some();
        is_read && self.since.is_some() && !self.is_due && self.may_launch_others()
    }

    fn unknown_images(&self) -> Option<Unknown> {
        if !self.are_read {
            let why = "Consumers are not read: set spec.consumers.read to true.";
            return Some(Unknown::Lasting(why.to_owned()));
        }
        let Some(graph) = self.graph else {
            return Some(Unknown::Passing);
        };
        let unread = graph.unread().iter().map(|(kind, problem)| (kind.noun(), problem));
        let unconfirmed = graph.unconfirmed().map(|problem| ("consumer", problem));
        if let Some((what, problem)) = unread.chain(unconfirmed).min_by_key(|(_, problem)| passes(problem)) {
            return Some(match passes(problem) {
                true => Unknown::Passing,
                false => Unknown::Lasting(format!("Not every {what} could be read. {}", problem.message)),
            });
        }
        if let Some(one) = graph.unresolved().next() {
            return Some(Unknown::Lasting(format!(
                "The {} {} names {}, and it is not known which image that is.",
                one.kind.noun(),
                cut(&one.id, ID),
                cut(&one.names, ID)
            )));
        }
        // Another reading follows by itself.
        (!graph.is_seen_twice()).then_some(Unknown::Passing)
    }
}

/// That it is not known what is in use.
enum Unknown {
    /// It may be the next time, without anybody's doing.
    Passing,
    /// It may not, for this.
    Lasting(String),
}

/// Images that are in use, or were by the reading before where this one may have missed that, and that are not among the account's own.
pub fn foreign_images(graph: &Graph, is_own: impl Fn(&ImageId) -> bool) -> Vec<ImageId> {
    let launched = graph.launched().map(|(image, _)| image);
    let all: BTreeSet<&ImageId> = launched.chain(graph.used_before()).collect();
    all.into_iter().filter(|image| !is_own(image)).cloned().collect()
}

/// Whether an account's Allowed AMIs would refuse any of the images that it has in use, now or within a day: of those that are not its own,
/// `seen` are what AWS shows. What it does not show cannot be launched now either.
pub fn images_standing(
    wanted: &AllowedImages,
    graph: &Graph,
    seen: &[Image],
    account: &AccountId,
    now: Timestamp,
) -> ImagesStanding {
    let settings = AllowedImages {
        state: AllowedState::Enabled,
        criteria: wanted.criteria.clone(),
    };
    let verdict = |image: &Image, at: Timestamp| match &image.owner {
        Some(owner) => judge(&settings, &Candidate::original(image, owner), account, at),
        None => Verdict::Unknown("AWS does not say whose it is".to_owned()),
    };
    let (mut refused, mut unknown) = (Vec::new(), Vec::new());
    let mut images: Vec<&Image> = seen.iter().collect();
    images.sort_by(|one, other| one.id.cmp(&other.id));
    images.dedup_by(|one, other| one.id == other.id);
    for image in images {
        // By its age an image only ever comes to be refused, and never to be allowed.
        match verdict(image, later(now, AHEAD)) {
            Verdict::Allowed => {}
            Verdict::Refused(_) | Verdict::WouldBeRefused(_) => {
                let is_soon = verdict(image, now) == Verdict::Allowed;
                refused.push(named(image, graph, is_soon.then_some("within a day")));
            }
            Verdict::Unknown(why) => unknown.push(named(image, graph, Some(&why))),
        }
    }
    let (begins, images) = match (refused.is_empty(), unknown.is_empty()) {
        (true, true) => return ImagesStanding::Clear(settings.criteria),
        (false, _) => ("enabled would refuse", refused),
        (true, false) => ("It is not known whether enabled would refuse", unknown),
    };
    let why = format!(
        "{begins} {} in use here: {}. Have it launch what spec.guardrails.allowedImages allows, or add a criterion.",
        count(images.len()),
        list(&images)
    );
    ImagesStanding::MayRefuse(settings.criteria, why)
}

fn count(images: usize) -> String {
    match images {
        1 => "1 image that is".to_owned(),
        more => format!("{more} images that are"),
    }
}

fn list(images: &[String]) -> String {
    let more = images.len().saturating_sub(NAMED);
    let named = images[..images.len() - more].join(", ");
    match more {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// An image with its owner and who uses it: `ami-1 of 444455556666 (launch template web and 2 more)`.
fn named(image: &Image, graph: &Graph, why: Option<&str>) -> String {
    let owner = image.owner.as_ref().map(|owner| format!(" of {owner}"));
    let users = match graph.consumers(&image.id) {
        [] => "used before".to_owned(),
        [one] => user(one),
        [one, more @ ..] => format!("{} and {} more", user(one), more.len()),
    };
    let why = why.map(|why| format!("; {}", cut(why, ID))).unwrap_or_default();
    format!("{}{} ({users}{why})", image.id, owner.unwrap_or_default())
}

fn user(consumer: &Consumer) -> String {
    format!("{} {}", consumer.kind.noun(), cut(&consumer.id, ID))
}
