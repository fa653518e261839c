//! A reading that takes more than one visit: a target does other things besides, which thousands of parameters would hold up.

use std::time::Duration;

use jiff::Timestamp;

use super::{Call, ParameterWatch, Wanted};
use crate::domain::{AwsError, ErrorClass, ParameterPages, StoredParameter};

/// So many pages are read in one visit,
pub const PAGES_AT_A_TIME: usize = 20;
/// and after so long it goes on with the next ones.
const GOES_ON: Duration = Duration::from_secs(1);
/// A reading that began longer ago is begun anew.
const LISTS_FOR: Duration = Duration::from_secs(3600);

/// What was read so far. Nothing is decided on a part of it.
#[derive(Debug)]
pub(super) struct Listing {
    began: Timestamp,
    found: Vec<StoredParameter>,
    /// From where it goes on; none where it begins anew.
    next: Option<Box<str>>,
    goes_on_at: Timestamp,
}

impl ParameterWatch {
    /// From where the reading goes on; none where it begins.
    pub fn reads_from(&self) -> Option<&str> {
        self.listing.as_ref()?.next.as_deref()
    }

    /// When it goes on, where one is under way.
    pub(super) fn listing_goes_on_at(&self) -> Option<Timestamp> {
        self.listing.as_ref().map(|listing| listing.goes_on_at)
    }

    pub(super) fn forget_old_listing(&mut self, now: Timestamp) {
        self.listing.take_if(|listing| listing.began + LISTS_FOR <= now);
    }

    /// Pages were read, the first of which `from` led to, from `began` until now. What belongs to another reading than the one that is
    /// under way counts for nothing: a part is never taken for the whole.
    pub fn read_some(
        &mut self,
        wanted: &Wanted<'_>,
        from: Option<&str>,
        pages: ParameterPages,
        began: Timestamp,
        now: Timestamp,
    ) {
        if self.reads_from() != from {
            return;
        }
        let (began, mut found) = match self.listing.take() {
            Some(listing) if listing.next.is_some() => (listing.began, listing.found),
            _ => (began, Vec::new()),
        };
        found.extend(pages.parameters);
        match pages.next {
            Some(next) => {
                self.listing = Some(Listing {
                    began,
                    found,
                    next: Some(next),
                    goes_on_at: now + GOES_ON,
                });
                // What has failed before these and what fails after them is not in a row.
                if self.refuses_tokens {
                    self.failures.went_on(Call::Read);
                } else {
                    self.failures.passed(&[Call::Read]);
                }
            }
            None => self.read(wanted, found, began, now),
        }
    }

    /// A page could not be read. Where that passes by itself, what was read before it holds. AWS knows the token of a page for a while
    /// only: the first one that it refuses has all of them read from the beginning. Says whether it is a failure, which that is not.
    pub(super) fn could_not_read(&mut self, error: &AwsError, now: Timestamp) -> bool {
        if matches!(error.class, ErrorClass::Transient | ErrorClass::Throttled) {
            return true;
        }
        let is_by_token = error.class == ErrorClass::Invalid && error.cause.is_none() && self.reads_from().is_some();
        let begins_anew = is_by_token && !self.refuses_tokens;
        self.refuses_tokens |= is_by_token;
        self.listing = begins_anew.then(|| Listing {
            began: now,
            found: Vec::new(),
            next: None,
            goes_on_at: now + GOES_ON,
        });
        !begins_anew
    }
}
