//! Pages of listings, of every service: an order of their own, empty pages, entries that are left out.

use crate::engine::{Request, State};
use crate::glob;
use crate::spec::digest;
use crate::wire::{ApiError, Params, Service};

/// A page of IDs, and the token of the next.
pub(crate) struct Page {
    pub(crate) ids: Vec<String>,
    pub(crate) next: Option<String>,
}

/// Which page is asked for.
pub(crate) struct Ask<'a> {
    /// How many; absent: all at once.
    pub(crate) size: Option<usize>,
    /// Where the last page ended.
    pub(crate) token: Option<&'a str>,
    /// Neither by ID nor by a filter: the listing may leave entries out.
    pub(crate) whole: bool,
}

/// What of a call is not part of what it lists.
const OF_PAGES: [&str; 8] = [
    "NextToken",
    "MaxResults",
    "DryRun",
    "MaxRecords",
    "nextToken",
    "maxResults",
    "Marker",
    "Limit",
];

/// How many entries a page is to have, by this parameter.
pub(crate) fn size_of(
    params: &Params,
    service: Service,
    name: &str,
    (smallest, largest, default): (usize, usize, usize),
) -> Result<Option<usize>, ApiError> {
    let Some(text) = params.get(name) else {
        return Ok(Some(default));
    };
    match text.parse() {
        Ok(n) if (smallest..=largest).contains(&n) => Ok(Some(n)),
        _ => Err(service.invalid(format!(
            "1 validation error detected: Value '{text}' at '{name}' failed to satisfy constraint: Member must have value between {smallest} and {largest}"
        ))),
    }
}

/// Cuts a page out of a list.
pub(crate) fn cut(state: &mut State, request: &Request, ids: Vec<String>, ask: &Ask<'_>) -> Result<Page, ApiError> {
    let settings = state.settings.pagination.clone();
    // A list that comes at once is cut only where the world says so.
    let size = match (ask.size, settings.largest_page) {
        (Some(n), Some(cap)) => n.min(cap.max(1)),
        (Some(n), None) => n,
        (None, Some(cap)) if ask.token.is_some() => cap.max(1),
        (None, _) => usize::MAX,
    };
    let scope = digest(
        0,
        &[
            request.account(),
            &request.region,
            &request.operation,
            &request.params.fingerprint(&OF_PAGES),
        ],
    )[..16]
        .to_owned();
    let (order, cursor) = match ask.token {
        None if settings.unstable_order => (state.hex(16), String::new()),
        None => ("0".repeat(16), String::new()),
        Some(token) => read_token(token, &scope, request.service)?,
    };
    let is_stable = order.bytes().all(|b| b == b'0');
    let place = |id: &str| {
        if is_stable {
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
    let more_than_this = placed.len() > size;
    // Only what is on the page need be in order.
    if more_than_this {
        placed.select_nth_unstable(size);
        placed.truncate(size + 1);
    }
    placed.sort();
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
    let has_pages = next.is_some() || ask.token.is_some();
    if has_pages && ask.whole {
        if settings.missed > 0.0 {
            ids.retain(|_| state.draw() >= settings.missed);
        }
        ids.retain(|id| !settings.missed_ids.iter().any(|p| glob::matches(p, id)));
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

fn read_token(token: &str, scope: &str, service: Service) -> Result<(String, String), ApiError> {
    let bad = || service.bad_token();
    let text = hex::decode(token)
        .ok()
        .and_then(|b| String::from_utf8(b).ok())
        .ok_or_else(bad)?;
    match text.splitn(4, ':').collect::<Vec<_>>()[..] {
        [of, _, order, cursor] if of == scope => Ok((order.to_owned(), cursor.to_owned())),
        _ => Err(bad()),
    }
}
