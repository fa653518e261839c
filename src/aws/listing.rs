//! Listing images and snapshots: one page after the other, or everything in parts that are read side by side.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::types::{self as sdk, Filter};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

use super::interner::Interner;
use super::inventory::Detail;
use super::pages::{Gathering, Pages, Reader};
use super::parts::{Known, Part, Trial, Verdict, at_a_time, parts};
use super::project::Defect;
use super::session::Session;
use super::transport::Room;
use crate::domain::{AwsError, ErrorClass, Operation};

/// AWS's largest page.
const PAGE: i32 = 1000;

/// One page: what is on it, and the token of the next one.
type Page<T> = (Vec<T>, Option<String>);

/// What is listed.
pub(super) trait Listed: Send + Sync + Sized + 'static {
    /// The call.
    const OPERATION: Operation;
    /// How every ID begins.
    const BEGINNING: &'static str;
    /// The filter of IDs.
    const ID_FILTER: &'static str;
    /// Where what is known of its listings is kept.
    const NUMBER: usize;

    /// Its ID.
    fn id(&self) -> &str;

    /// Asks for a page, whose memory has this room.
    fn page(
        session: &Session,
        filter: Option<Filter>,
        token: Option<String>,
        room: &Room,
    ) -> impl Future<Output = Result<Page<Self>, AwsError>> + Send;
}

impl Listed for sdk::Image {
    const OPERATION: Operation = Operation::DescribeImages;
    const BEGINNING: &'static str = "ami-";
    const ID_FILTER: &'static str = "image-id";
    const NUMBER: usize = 0;

    fn id(&self) -> &str {
        self.image_id().unwrap_or_default()
    }

    async fn page(
        session: &Session,
        filter: Option<Filter>,
        token: Option<String>,
        room: &Room,
    ) -> Result<Page<Self>, AwsError> {
        let request = session
            .ec2_reads()
            .describe_images()
            .owners("self")
            .include_disabled(true)
            .include_deprecated(true)
            .set_filters(filter.map(|filter| vec![filter]))
            .max_results(PAGE)
            .set_next_token(token)
            .customize()
            .interceptor(room.clone());
        session.admit(Self::OPERATION).await?;
        let page = session.send(Self::OPERATION, Box::pin(request.send())).await?;
        Ok((listed(Self::OPERATION, page.images)?, page.next_token))
    }
}

impl Listed for sdk::Snapshot {
    const OPERATION: Operation = Operation::DescribeSnapshots;
    const BEGINNING: &'static str = "snap-";
    const ID_FILTER: &'static str = "snapshot-id";
    const NUMBER: usize = 1;

    fn id(&self) -> &str {
        self.snapshot_id().unwrap_or_default()
    }

    async fn page(
        session: &Session,
        filter: Option<Filter>,
        token: Option<String>,
        room: &Room,
    ) -> Result<Page<Self>, AwsError> {
        let request = session
            .ec2_reads()
            .describe_snapshots()
            .owner_ids("self")
            .set_filters(filter.map(|filter| vec![filter]))
            .max_results(PAGE)
            .set_next_token(token)
            .customize()
            .interceptor(room.clone());
        session.admit(Self::OPERATION).await?;
        let page = session.send(Self::OPERATION, Box::pin(request.send())).await?;
        Ok((listed(Self::OPERATION, page.snapshots)?, page.next_token))
    }
}

/// The list of an answer. AWS sends it also when it is empty: one that is not there is not known to be empty.
pub(super) fn listed<T>(operation: Operation, list: Option<Vec<T>>) -> Result<Vec<T>, AwsError> {
    list.ok_or_else(|| AwsError::malformed(operation, &"no list in the answer"))
}

/// Adds what was listed to what is gathered.
pub(super) type Visit<T, S> = fn(&mut S, &T, &mut Interner) -> Result<(), Defect>;

/// What a listing has gathered.
pub(super) struct Gathered<S> {
    state: S,
    common: Interner,
    /// While it is read in parts.
    trial: Option<Trial>,
    /// How many things were shown, those that were shown twice twice.
    things: usize,
    /// The most on one page.
    largest: usize,
}

/// A listing at work.
pub(super) struct Listing<T, S> {
    gathering: Gathering<Gathered<S>>,
    visit: Visit<T, S>,
}

impl<T, S> Clone for Listing<T, S> {
    fn clone(&self) -> Self {
        Self {
            gathering: self.gathering.clone(),
            visit: self.visit,
        }
    }
}

impl<T: Listed, S: Send + 'static> Listing<T, S> {
    /// Gathers into `state`, of each thing what `detail` says.
    pub(super) fn new(state: S, detail: Detail, visit: Visit<T, S>) -> Self {
        let gathered = Gathered {
            state,
            common: Interner::keeping(detail),
            trial: None,
            things: 0,
            largest: 0,
        };
        Self {
            gathering: Gathering::new(T::OPERATION, gathered),
            visit,
        }
    }

    /// Reads what this filter lets through, or everything, one page after the other.
    pub(super) async fn read(self, session: &Session, filter: Option<Filter>) -> Result<S, AwsError> {
        let reader = self.gathering.reader();
        self.follow(session, filter, None, Pages::default(), reader).await?;
        Ok(self.gathering.finish()?.state)
    }

    /// Reads everything: in parts, where that is worth it and AWS takes it. Says whether it was more than one page.
    pub(super) async fn read_all(self, session: &Arc<Session>) -> Result<(S, bool), AwsError> {
        let mut pages = Pages::default();
        let mut reader = self.gathering.reader();
        let room = Room::default();
        let clock = &session.shared.clock;
        let asked = clock.monotonic();
        let (first, next) = T::page(session, None, None, &room).await?;
        let took = clock.monotonic().saturating_sub(asked);
        pages.turn(T::OPERATION, next)?;
        let is_long = pages.more();
        let known = session.known_listing(T::NUMBER);
        let in_parts = is_long && known.divides(clock.monotonic());
        let shown: Vec<String> = first
            .iter()
            .filter(|_| in_parts)
            .map(|one| one.id().to_owned())
            .collect();
        self.take_in(&mut reader, first, room, None).await?;
        if in_parts {
            // The first page is done before parts are compared with it.
            reader.settle().await?;
            if self.is_whole_in_parts(session, shown, took).await? {
                pages = Pages::end();
            } else {
                tracing::info!(
                    operation = T::OPERATION.action(),
                    "reading the listing page by page: AWS does not divide it"
                );
                session.learn_listing(T::NUMBER, Known::distrust);
            }
        }
        self.follow(session, None, None, pages, reader).await?;
        let gathered = self.gathering.finish()?;
        session.learn_listing(T::NUMBER, |known, _| known.listed(gathered.things, gathered.largest));
        Ok((gathered.state, is_long))
    }

    /// Reads all parts, beside a first page that showed these IDs. Says whether they are the whole.
    async fn is_whole_in_parts(
        &self,
        session: &Arc<Session>,
        shown: Vec<String>,
        page: Duration,
    ) -> Result<bool, AwsError> {
        let things = self.gathering.with(|gathered| {
            gathered.trial = Some(Trial::new(shown));
            std::mem::take(&mut gathered.things)
        })?;
        let mut readers = JoinSet::new();
        let turns = Arc::new(Semaphore::new(at_a_time(page)));
        for part in parts(T::BEGINNING) {
            let (this, session, turns) = (self.clone(), session.clone(), turns.clone());
            readers.spawn(async move {
                // Nobody closes it.
                let _turn = turns.acquire_owned().await;
                let filter = filter(T::ID_FILTER, part.patterns());
                let reader = this.gathering.reader();
                this.follow(&session, Some(filter), Some(part), Pages::default(), reader)
                    .await
            });
        }
        let mut is_refused = false;
        while let Some(ended) = readers.join_next().await {
            match of_task(ended).await {
                Ok(()) => {}
                Err(error) if error.class == ErrorClass::Invalid && error.cause.is_none() => is_refused = true,
                Err(error) => return Err(error),
            }
        }
        let trial = self.gathering.with(|gathered| gathered.trial.take())?;
        let verdict = trial.map_or(Verdict::NotWhole, Trial::verdict);
        let is_whole = match verdict {
            _ if is_refused => false,
            Verdict::Whole => true,
            Verdict::NotWhole => false,
            Verdict::UnlessThere(ids) => !self.is_any_there(session, ids).await?,
        };
        if !is_whole {
            self.gathering.with(|gathered| gathered.things = things)?;
        }
        Ok(is_whole)
    }

    /// Whether anything with one of these IDs is there.
    async fn is_any_there(&self, session: &Session, ids: Vec<String>) -> Result<bool, AwsError> {
        let count: Visit<T, usize> = |count, _, _| {
            *count += 1;
            Ok(())
        };
        let found = Listing::new(0, Detail::default(), count);
        Ok(found.read(session, Some(filter(T::ID_FILTER, ids))).await? > 0)
    }

    /// Reads one page after the other, from where `pages` stands.
    async fn follow(
        &self,
        session: &Session,
        filter: Option<Filter>,
        part: Option<Part>,
        mut pages: Pages,
        mut reader: Reader<Gathered<S>>,
    ) -> Result<(), AwsError> {
        let part = part.map(Arc::new);
        while pages.more() {
            let room = Room::default();
            let (page, next) = T::page(session, filter.clone(), pages.token(), &room).await?;
            self.take_in(&mut reader, page, room, part.clone()).await?;
            pages.turn(T::OPERATION, next)?;
        }
        reader.settle().await
    }

    async fn take_in(
        &self,
        reader: &mut Reader<Gathered<S>>,
        page: Vec<T>,
        room: Room,
        part: Option<Arc<Part>>,
    ) -> Result<(), AwsError> {
        let visit = self.visit;
        let associated = room.associated_keys();
        let work = move |gathered: &mut Gathered<S>, page: &[T]| {
            gathered.common.begin_page(associated);
            gathered.things += page.len();
            gathered.largest = gathered.largest.max(page.len());
            page.iter().try_for_each(|one| {
                if let (Some(trial), Some(part)) = (&mut gathered.trial, &part) {
                    trial.sees(part, one.id());
                }
                visit(&mut gathered.state, one, &mut gathered.common)
            })
        };
        reader.add(page, room, work).await
    }
}

/// The outcome of a task of ours.
async fn of_task<T>(ended: Result<T, JoinError>) -> T {
    match ended {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is gone, and so is whoever waits.
            Err(_) => std::future::pending().await,
        },
    }
}

/// A filter by these values.
pub(super) fn filter(name: &str, values: Vec<String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values)).build()
}
