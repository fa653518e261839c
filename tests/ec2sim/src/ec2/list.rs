//! What lists have in common: filters, and pages in an order of their own.

use super::invalid_value;
use crate::engine::{Request, State};
use crate::glob;
use crate::model::Tags;
use crate::paging::{Ask, Page, cut};
use crate::spec::IdWildcards;
use crate::wire::{ApiError, Params};

/// `Filter.N`: all must match, each by any of its values.
pub(super) struct Filters(Vec<(String, Vec<String>)>);

/// The filters of IDs, in which AWS may or may not take wildcards.
fn is_of_ids(name: &str) -> bool {
    matches!(name, "image-id" | "snapshot-id")
}

fn has_wildcard(value: &str) -> bool {
    value.contains(['*', '?'])
}

impl Filters {
    pub(super) fn read(params: &Params) -> Result<Self, ApiError> {
        let mut filters = Vec::new();
        for i in params.indices("Filter") {
            let name = params.required(&format!("Filter.{i}.Name"))?.to_owned();
            // An empty value is a value: it matches what is empty.
            let prefix = format!("Filter.{i}.Value.");
            let values: Vec<String> = params
                .as_map()
                .iter()
                .filter(|(k, _)| k.starts_with(&prefix))
                .map(|(_, v)| v.clone())
                .collect();
            if values.is_empty() {
                return Err(invalid_value(format!(
                    "The filter '{name}' requires at least one value"
                )));
            }
            if values.len() > 200 {
                return Err(ApiError::new(
                    "FilterLimitExceeded",
                    "The maximum number of filter values specified on a single call is 200",
                ));
            }
            filters.push((name, values));
        }
        Ok(Self(filters))
    }

    /// Reads them for a list of images or snapshots, in which wildcards of IDs may be something else.
    pub(super) fn of_list(params: &Params, wildcards: IdWildcards) -> Result<Self, ApiError> {
        let mut filters = Self::read(params)?;
        let is_meant =
            |(name, values): &(String, Vec<String>)| is_of_ids(name) && values.iter().any(|v| has_wildcard(v));
        match wildcards {
            IdWildcards::Taken => {}
            IdWildcards::Ignored => filters.0.retain(|filter| !is_meant(filter)),
            IdWildcards::Literal => {
                let literal = |value: &String| value.replace('*', "\\*").replace('?', "\\?");
                for (_, values) in filters.0.iter_mut().filter(|filter| is_meant(filter)) {
                    *values = values.iter().map(literal).collect();
                }
            }
            IdWildcards::Refused => {
                if let Some((name, _)) = filters.0.iter().find(|filter| is_meant(filter)) {
                    return Err(invalid_value(format!("The filter '{name}' takes no wildcards")));
                }
            }
        }
        Ok(filters)
    }

    /// Whether a thing matches; `values` tells what it has under a filter's name, or that there is no such filter.
    pub(super) fn accept(&self, mut values: impl FnMut(&str) -> Option<Vec<String>>) -> Result<bool, ApiError> {
        for (name, patterns) in &self.0 {
            let has = values(name).ok_or_else(|| invalid_value(format!("The filter '{name}' is invalid")))?;
            if !has.iter().any(|v| patterns.iter().any(|p| glob::matches(p, v))) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Refuses filters with other names than these, for lists that may be empty.
    pub(super) fn check_names(&self, known: &[&str]) -> Result<(), ApiError> {
        for (name, _) in &self.0 {
            if !known.contains(&name.as_str()) && !name.starts_with("tag:") {
                return Err(invalid_value(format!("The filter '{name}' is invalid")));
            }
        }
        Ok(())
    }
}

/// What a thing has under `tag:<key>`, `tag-key` and `tag-value`.
pub(super) fn tag_values(name: &str, tags: &Tags) -> Option<Vec<String>> {
    match name {
        "tag-key" => Some(tags.keys().cloned().collect()),
        "tag-value" => Some(tags.values().cloned().collect()),
        _ => {
            let key = name.strip_prefix("tag:")?;
            Some(tags.get(key).cloned().into_iter().collect())
        }
    }
}

/// Cuts a page out of a list. `smallest` and `largest` bound MaxResults; without it everything comes at once, as AWS
/// does for images.
pub(super) fn page(
    state: &mut State,
    request: &Request,
    ids: Vec<String>,
    bounds: (usize, usize),
    exclusive: &str,
) -> Result<Page, ApiError> {
    let asked = asked(&request.params, bounds, &[exclusive])?;
    cut_page(state, request, ids, asked, &[exclusive])
}

/// As [`page`], for lists that come in pages of the largest size also when none is asked for, and that may be asked for
/// by any of these parameters together with MaxResults.
pub(super) fn page_by_default(
    state: &mut State,
    request: &Request,
    ids: Vec<String>,
    (smallest, largest): (usize, usize),
    named_by: &[&str],
) -> Result<Page, ApiError> {
    let asked = asked(&request.params, (smallest, largest), &[])?.or(Some(largest));
    cut_page(state, request, ids, asked, named_by)
}

fn asked(params: &Params, (smallest, largest): (usize, usize), exclusive: &[&str]) -> Result<Option<usize>, ApiError> {
    let Some(text) = params.get("MaxResults") else {
        return Ok(None);
    };
    if let Some(by) = exclusive.iter().find(|name| !params.indices(name).is_empty()) {
        return Err(ApiError::new(
            "InvalidParameterCombination",
            format!("The parameter {by} cannot be used with the parameter MaxResults"),
        ));
    }
    let n: usize = text
        .parse()
        .map_err(|_| invalid_value(format!("Invalid value '{text}' for MaxResults")))?;
    if n < smallest {
        return Err(invalid_value(format!(
            "Value ( {n} ) for parameter maxResults is invalid. Expecting a value between {smallest} and {largest}."
        )));
    }
    Ok(Some(n.min(largest)))
}

fn cut_page(
    state: &mut State,
    request: &Request,
    ids: Vec<String>,
    size: Option<usize>,
    named_by: &[&str],
) -> Result<Page, ApiError> {
    let params = &request.params;
    let filter = params.get("Filter.1.Name");
    let is_by_beginnings = filter.is_some_and(is_of_ids) && params.get("Filter.1.Value.1").is_some_and(has_wildcard);
    let by_name = named_by
        .iter()
        .any(|name| params.get(name).is_some() || !params.indices(name).is_empty());
    let ask = Ask {
        size,
        token: params.get("NextToken"),
        whole: (filter.is_none() || is_by_beginnings) && !by_name,
    };
    cut(state, request, ids, &ask)
}
