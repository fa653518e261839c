//! What lists have in common: filters, and pages in an order of their own.

use super::invalid_value;
use crate::engine::{Request, State};
use crate::glob;
use crate::model::Tags;
use crate::spec::{IdWildcards, digest};
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

/// A page of IDs, and the token of the next.
pub(super) struct Page {
    pub(super) ids: Vec<String>,
    pub(super) next: Option<String>,
}

/// Cuts a page out of a list. `smallest` and `largest` bound MaxResults.
pub(super) fn page(
    state: &mut State,
    request: &Request,
    ids: Vec<String>,
    (smallest, largest): (usize, usize),
    exclusive: &str,
) -> Result<Page, ApiError> {
    let params = &request.params;
    let asked = params.get("MaxResults");
    let token = params.get("NextToken");
    if asked.is_some() && !params.indices(exclusive).is_empty() {
        return Err(ApiError::new(
            "InvalidParameterCombination",
            format!("The parameter {exclusive} cannot be used with the parameter MaxResults"),
        ));
    }
    let size = match asked {
        None => None,
        Some(text) => {
            let n: usize = text
                .parse()
                .map_err(|_| invalid_value(format!("Invalid value '{text}' for MaxResults")))?;
            if n < smallest {
                return Err(invalid_value(format!(
                    "Value ( {n} ) for parameter maxResults is invalid. Expecting a value between {smallest} and {largest}."
                )));
            }
            Some(n.min(largest))
        }
    };
    let settings = state.settings.pagination.clone();
    // Without MaxResults everything comes at once, as AWS does for images; a page is cut only where the world says so.
    let size = match (size, settings.largest_page) {
        (Some(n), Some(cap)) => n.min(cap.max(1)),
        (Some(n), None) => n,
        (None, Some(cap)) if token.is_some() => cap.max(1),
        (None, _) => usize::MAX,
    };
    let scope = digest(
        0,
        &[
            request.account(),
            &request.region,
            &request.operation,
            &params.fingerprint(&["NextToken", "MaxResults", "DryRun"]),
        ],
    )[..16]
        .to_owned();
    let (order, cursor) = match token {
        None if settings.unstable_order => (state.hex(16), String::new()),
        None => ("0".repeat(16), String::new()),
        Some(token) => read_token(token, &scope)?,
    };
    let place = |id: &str| {
        if order.bytes().all(|b| b == b'0') {
            id.to_owned()
        } else {
            format!("{:016x}-{id}", mix(&order, id))
        }
    };
    let mut placed: Vec<(String, String)> = ids
        .into_iter()
        .map(|id| (place(&id), id))
        .filter(|(place, _)| place > &cursor)
        .collect();
    placed.sort();
    let more_than_this = placed.len() > size;
    let empty =
        size != usize::MAX && !placed.is_empty() && settings.empty_pages > 0.0 && state.draw() < settings.empty_pages;
    if empty {
        return Ok(Page {
            ids: Vec::new(),
            next: Some(write_token(state, &scope, &order, &cursor)),
        });
    }
    placed.truncate(size);
    let next = match placed.last() {
        Some((place, _)) if more_than_this => Some(write_token(state, &scope, &order, place)),
        _ => None,
    };
    let mut ids: Vec<String> = placed.into_iter().map(|(_, id)| id).collect();
    let has_pages = next.is_some() || token.is_some();
    let filter = params.get("Filter.1.Name");
    let is_by_beginnings = filter.is_some_and(is_of_ids) && params.get("Filter.1.Value.1").is_some_and(has_wildcard);
    let is_whole_listing = (filter.is_none() || is_by_beginnings) && params.indices(exclusive).is_empty();
    if settings.missed > 0.0 && has_pages && is_whole_listing {
        ids.retain(|_| state.draw() >= settings.missed);
    }
    Ok(Page { ids, next })
}

/// A number that depends on the order's name and the ID: FNV-1a, finished so that near IDs part.
fn mix(order: &str, id: &str) -> u64 {
    let mut h = order.bytes().chain(id.bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    h ^ (h >> 31)
}

/// No two tokens are the same: clients take one that comes twice for a loop.
fn write_token(state: &mut State, scope: &str, order: &str, cursor: &str) -> String {
    let unique = state.hex(8);
    hex::encode(format!("{scope}:{unique}:{order}:{cursor}"))
}

fn read_token(token: &str, scope: &str) -> Result<(String, String), ApiError> {
    let bad = || {
        ApiError::new(
            "InvalidPaginationToken",
            "The specified pagination token is not valid or is expired.",
        )
    };
    let text = hex::decode(token)
        .ok()
        .and_then(|b| String::from_utf8(b).ok())
        .ok_or_else(bad)?;
    match text.splitn(4, ':').collect::<Vec<_>>()[..] {
        [of, _, order, cursor] if of == scope => Ok((order.to_owned(), cursor.to_owned())),
        _ => Err(bad()),
    }
}
