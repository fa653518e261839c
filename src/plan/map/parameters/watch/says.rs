//! What is said of the parameters after a visit.

use super::{ParameterWatch, Wanted, Written};
use crate::api::conditions::{Status, reason};
use crate::domain::ImageId;
use crate::plan::map::say::Said;
use crate::plan::obstacle::Problem;

/// The field that asks for them.
const FIELD: &str = "promotion.map.ssmPrefix";

impl ParameterWatch {
    /// What is to be said; nothing before they were read, unless a problem was said that is over. What was there before stays said while it
    /// is brought up to date.
    pub(super) fn say(&self, wanted: &Wanted<'_>, is_more: bool) -> Option<Said> {
        let prefix = wanted.prefix;
        if let Some(problem) = self.hindrance(wanted) {
            // The policy names another one by now, or none.
            let which = if wanted.lets_go {
                format!("{FIELD} (under {prefix}, named before)")
            } else {
                FIELD.to_owned()
            };
            let message = format!("{which}: {}", problem.message);
            return Some(Said::new(Status::False, problem.reason, message));
        }
        let under_way = |message: String| Some(Said::new(Status::Unknown, reason::PROGRESSING, message));
        if self.read.is_none() {
            // What was in the way is over, and nothing else is known yet.
            let was_told = self.said.as_ref().filter(|said| said.status == Status::False);
            return was_told.and_then(|_| under_way(format!("The parameters under {prefix} are being read.")));
        }
        if wanted.lets_go {
            return under_way(format!(
                "The parameters under {prefix}, which {FIELD} named before, are being deleted."
            ));
        }
        let is_right = |(original, copy): (&ImageId, &ImageId)| {
            let shown = self.shown.get(original);
            shown.is_some_and(|shown| *shown.value == *copy.as_str())
        };
        if !is_more && wanted.copies.iter().all(is_right) {
            let message = format!("The parameters under {prefix} have the map.");
            return Some(Said::new(Status::True, reason::PUBLISHED, message));
        }
        if self.said.as_ref().is_some_and(|said| said.status == Status::True) {
            return None;
        }
        under_way(format!("The parameters under {prefix} are being written."))
    }

    /// What a person has to hear of.
    fn hindrance(&self, wanted: &Wanted<'_>) -> Option<Problem> {
        if let Some(problem) = self.failures.told() {
            return Some(problem.clone());
        }
        if let Some((original, problem)) = self.refused.first_key_value() {
            let message = format!("parameter {}: {}", wanted.name(original), problem.message);
            return Some(Problem::new(problem.reason, message));
        }
        self.taken(wanted).or_else(|| self.late(wanted))
    }

    /// Those that are not ours and in the way.
    fn taken(&self, wanted: &Wanted<'_>) -> Option<Problem> {
        let value = |original: &ImageId| self.shown.get(original).map(|shown| &*shown.value);
        let is_in_the_way = |original: &&ImageId| match wanted.copies.get(*original) {
            Some(copy) => value(original) != Some(copy.as_str()),
            // One that holds the original leads nobody to the copy.
            None => wanted.decided.contains(*original) && value(original) != Some(original.as_str()),
        };
        let mut taken = self.theirs.keys().filter(is_in_the_way);
        let first = taken.next()?;
        let name = wanted.name(first);
        let mut message = if wanted.copies.contains_key(first) {
            format!(
                "parameter {name} exists already and is not this policy's, so it is left as it is: name another prefix, or delete it."
            )
        } else {
            format!(
                "parameter {name} is not this policy's, so it stays though {first} is held, rolled back or not approved: name another \
                 prefix, or delete it."
            )
        };
        let others = taken.count();
        if others > 0 {
            message += &format!(" The same is true of {others} more.");
        }
        Some(Problem::new(reason::NOT_OURS, message))
    }

    /// One that AWS has taken and has not shown in time.
    fn late(&self, wanted: &Wanted<'_>) -> Option<Problem> {
        let began = self.read?.began;
        let is_late = |(original, written): &(&ImageId, &Written)| {
            wanted.copies.get(*original) == Some(&written.copy) && written.is_late(began)
        };
        let (original, written) = self.written.iter().find(is_late)?;
        let (name, copy) = (wanted.name(original), &written.copy);
        let shown = self.shown.get(original).map_or(0, |shown| shown.version);
        let message = if shown > written.over {
            format!(
                "AWS has taken {copy} as the value of parameter {name}, and somebody sets it back: have them leave it, or name another \
                 prefix."
            )
        } else {
            format!(
                "AWS has taken {copy} as the value of parameter {name} and does not show it: see that the image is there, and that the \
                 role may call ec2:DescribeImages."
            )
        };
        Some(Problem::new(reason::NOT_SHOWN, message))
    }

    /// What is said of those under this prefix, which are kept or let go of; nothing before they were read.
    pub fn said(&self, prefix: &str, lets_go: bool) -> Option<&Said> {
        let is_meant = *self.prefix == *prefix && self.lets_go_since.is_some() == lets_go;
        self.said.as_ref().filter(|_| is_meant)
    }
}
