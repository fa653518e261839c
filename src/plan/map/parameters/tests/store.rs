//! Parameter Store, in which a map is kept.

use jiff::Timestamp;

use super::super::*;
use super::PREFIX;
use crate::api::conditions::Status;
use crate::domain::{Operation, ParameterPages, StoredParameter};
use crate::plan::testing::{at, failed_call, image_id};

/// What stands in Parameter Store, and what was done there.
#[derive(Default)]
pub(super) struct Store {
    pub(super) there: BTreeMap<String, (String, i64, Tags)>,
    /// What AWS has taken and looks at for ever.
    pub(super) hides: bool,
    /// This call is refused.
    pub(super) refuses: Option<(Operation, ErrorClass)>,
    pub(super) refused: usize,
    pub(super) changes: Vec<String>,
    pub(super) judged: usize,
    pub(super) listings: usize,
    /// How many are listed in one visit, if not all.
    pub(super) at_a_time: Option<usize>,
}

impl Store {
    pub(super) fn put(&mut self, name: &str, value: &str, tags: &Tags) {
        let version = self.there.get(name).map_or(1, |(_, version, _)| version + 1);
        self.there
            .insert(name.to_owned(), (value.to_owned(), version, tags.clone()));
    }

    pub(super) fn value(&self, original: u64) -> Option<&str> {
        let found = self.there.get(&format!("{PREFIX}/{}", image_id(original)))?;
        Some(&found.0)
    }

    fn call(&mut self, operation: Operation) -> Result<(), AwsError> {
        match self.refuses {
            Some((refused, class)) if refused == operation => {
                self.refused += 1;
                Err(failed_call(operation, class))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn listed(&self, prefix: &str) -> Vec<StoredParameter> {
        let under = |name: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
        let shown = self.there.iter().filter(|(name, _)| under(name));
        shown
            .map(|(name, (value, version, _))| StoredParameter {
                name: name.as_str().into(),
                value: value.as_str().into(),
                version: *version,
            })
            .collect()
    }

    /// Those that are listed in one visit. What leads to the others is the name of the last one.
    pub(super) fn pages(&self, prefix: &str, from: Option<&str>) -> ParameterPages {
        let mut parameters = self.listed(prefix);
        parameters.retain(|one| from.is_none_or(|from| &*one.name > from));
        let most = self.at_a_time.unwrap_or(usize::MAX);
        let is_more = parameters.len() > most;
        parameters.truncate(most);
        let last = parameters.last().filter(|_| is_more);
        let next = last.map(|last| last.name.clone());
        ParameterPages { parameters, next }
    }

    /// Does as the controller does.
    pub(super) fn make(&mut self, wanted: &Wanted<'_>, step: &Step) -> Result<Outcome, AwsError> {
        let name = wanted.name(step.original());
        let found = self.there.get(&name).map(|(.., tags)| tags.clone());
        match (step, found) {
            (Step::Create { .. }, Some(_)) => return Ok(Outcome::Taken),
            (Step::Create { original, copy }, None) => {
                self.call(Operation::PutParameter)?;
                let new = wanted.parameter(original, copy);
                if !self.hides {
                    self.put(&new.name, &new.value, &new.tags);
                }
            }
            (_, None) => return Ok(Outcome::Gone),
            (_, Some(tags)) => {
                self.judged += 1;
                self.call(Operation::ListTagsForResource)?;
                if !wanted.owns(&tags, step.original()) {
                    return Ok(Outcome::Theirs);
                }
                let is_deleted = matches!(step, Step::Delete { .. });
                self.call(if is_deleted {
                    Operation::DeleteParameter
                } else {
                    Operation::PutParameter
                })?;
                match step {
                    Step::Set { copy, .. } if !self.hides => self.put(&name, copy.as_str(), &tags),
                    Step::Delete { .. } => drop(self.there.remove(&name)),
                    _ => {}
                }
            }
        }
        self.changes.push(name);
        Ok(Outcome::Done)
    }

    pub(super) fn visit(&mut self, watch: &mut ParameterWatch, wanted: &Wanted<'_>, now: Timestamp) {
        watch.begins(wanted, now);
        self.work(watch, wanted, now);
        watch.settle(wanted, now);
    }

    fn work(&mut self, watch: &mut ParameterWatch, wanted: &Wanted<'_>, now: Timestamp) {
        if watch.is_read_due(wanted, now) {
            self.listings += 1;
            match self.call(Operation::GetParametersByPath) {
                Ok(()) => {
                    let from = watch.reads_from().map(str::to_owned);
                    let pages = self.pages(wanted.prefix, from.as_deref());
                    watch.read_some(wanted, from.as_deref(), pages, now, now);
                }
                Err(error) => {
                    watch.failed(&error, None, now, |wait| wait);
                    if !keeps_no_other_back(&error) {
                        return;
                    }
                }
            }
        }
        for step in watch.steps(wanted, now) {
            if !watch.may(&step, now) {
                continue;
            }
            match self.make(wanted, &step) {
                Ok(outcome) => watch.made(&step, outcome, now),
                Err(error) => {
                    watch.failed(&error, Some(&step), now, |wait| wait);
                    if !keeps_no_other_back(&error) {
                        return;
                    }
                }
            }
        }
    }

    /// Visits at once, and whenever that is due until then.
    pub(super) fn visits(&mut self, watch: &mut ParameterWatch, wanted: &Wanted<'_>, (from, until): (i64, i64)) {
        let mut now = from;
        while now <= until {
            self.visit(watch, wanted, at(now));
            let due = watch.due().expect("something is due").as_second() - at(0).as_second();
            assert!(due > now, "{watch:?} is due at once, again and again");
            now = due;
        }
    }
}

pub(super) fn kept(copies: impl IntoIterator<Item = (u64, u64)>) -> Wanted<'static> {
    let copies = copies.into_iter();
    Wanted {
        lets_go: false,
        copies: copies
            .map(|(original, copy)| (image_id(original), image_id(copy)))
            .collect(),
        ..Wanted::let_go("production", PREFIX)
    }
}

pub(super) fn said(watch: &ParameterWatch) -> (Status, &'static str) {
    let said = watch.said(PREFIX, false).expect("something is said");
    (said.status, said.reason)
}
