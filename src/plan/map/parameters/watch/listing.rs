//! A reading that takes more than one visit: a target does other things besides, which thousands of parameters would hold up.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use jiff::Timestamp;

use super::{Call, ParameterWatch, READ_BACK_AGAIN, Wanted};
use crate::domain::{AwsError, ErrorClass, ImageId, ParameterPages, StoredParameter};

/// So many pages are read in one visit,
pub const PAGES_AT_A_TIME: NonZeroUsize = match NonZeroUsize::new(20) {
    Some(pages) => pages,
    None => NonZeroUsize::MIN,
};
/// and after so long it goes on with the next ones.
const GOES_ON: Duration = Duration::from_secs(1);
/// A reading is begun anew where no page of it could be read for so long.
const STANDS_FOR: Duration = Duration::from_secs(3600);

/// What was read so far. Nothing is decided on a part of it.
#[derive(Debug)]
pub(super) struct Listing {
    began: Timestamp,
    /// When the last pages were read.
    went_on: Timestamp,
    found: Vec<StoredParameter>,
    /// From where it goes on; none where it begins anew.
    next: Option<Box<str>>,
    /// Those that have gone since, which the pages from before still show.
    gone: BTreeSet<ImageId>,
}

impl Listing {
    fn new(began: Timestamp) -> Self {
        Self {
            began,
            went_on: began,
            found: Vec::new(),
            next: None,
            gone: BTreeSet::new(),
        }
    }
}

impl ParameterWatch {
    /// From where the reading goes on; none where it begins.
    pub fn reads_from(&self) -> Option<&str> {
        self.listing.as_ref()?.next.as_deref()
    }

    /// When it goes on, where one is under way.
    pub(super) fn listing_goes_on_at(&self) -> Option<Timestamp> {
        self.listing.as_ref().map(|listing| listing.went_on + GOES_ON)
    }

    pub(super) fn forget_old_listing(&mut self, now: Timestamp) {
        self.listing.take_if(|listing| listing.went_on + STANDS_FOR <= now);
    }

    /// The parameter of an original is gone, whatever the pages show that were read before.
    pub(super) fn leaves_listing(&mut self, original: &ImageId) {
        if let Some(listing) = &mut self.listing {
            listing.gone.insert(original.clone());
        }
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
        let listing = self.listing.take().filter(|listing| listing.next.is_some());
        let mut listing = listing.unwrap_or_else(|| Listing::new(began));
        listing.found.extend(pages.parameters);
        (listing.next, listing.went_on) = (pages.next, now);
        if listing.next.is_some() {
            self.listing = Some(listing);
            // What has failed before these and what fails after them is not in a row.
            if self.refuses_tokens {
                self.failures.went_on(Call::Read);
            } else {
                self.failures.passed(&[Call::Read]);
            }
            return;
        }
        let Listing {
            began, mut found, gone, ..
        } = listing;
        let has_gone = |original: ImageId| gone.contains(&original);
        found.retain(|one| !wanted.original(&one.name).is_some_and(has_gone));
        self.read(wanted, found, began, now);
        if !gone.is_empty() {
            // Somebody else may have made one since.
            self.reads_at = self.reads_at.min(Some(now + READ_BACK_AGAIN));
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
        self.listing = begins_anew.then(|| Listing::new(now));
        !begins_anew
    }
}
