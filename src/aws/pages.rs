//! Reading page by page: where a read stands, and what becomes of a page while the next one is on its way.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

use super::project::Defect;
use super::transport::Room;
use crate::domain::{AwsError, Operation};

/// A page of fewer than this is taken in at once: handing it to another thread would take longer.
const SMALL: usize = 100;

/// What a read has gathered so far, by one reader or by several side by side.
///
/// Large pages are taken in on threads for work that takes a while. That leaves the next page free to come meanwhile, and, as each
/// thread has its own part of the heap, it keeps what a page needs for a moment apart from what stays.
pub(super) struct Gathering<S> {
    operation: Operation,
    /// Gone when it was finished.
    state: Arc<Mutex<Option<S>>>,
}

impl<S> Clone for Gathering<S> {
    fn clone(&self) -> Self {
        Self {
            operation: self.operation,
            state: self.state.clone(),
        }
    }
}

impl<S: Send + 'static> Gathering<S> {
    /// Begins with `state`; errors name `operation`.
    pub(super) fn new(operation: Operation, state: S) -> Self {
        Self {
            operation,
            state: Arc::new(Mutex::new(Some(state))),
        }
    }

    /// One who reads pages into it, one after the other.
    pub(super) fn reader(&self) -> Reader<S> {
        Reader {
            gathering: self.clone(),
            away: None,
        }
    }

    /// Works on what was gathered.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut S) -> T) -> Result<T, AwsError> {
        // A page that cannot be taken in ends the read, so that what a panic left behind is never used.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = || AwsError::malformed(self.operation, &"a page after the end");
        state.as_mut().map(work).ok_or_else(ended)
    }

    /// What was gathered in all, once every reader has settled.
    pub(super) fn finish(self) -> Result<S, AwsError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = || AwsError::malformed(self.operation, &"a second end");
        state.take().ok_or_else(ended)
    }

    fn take_in<T>(&self, page: &[T], work: impl FnOnce(&mut S, &[T]) -> Result<(), Defect>) -> Result<(), AwsError> {
        self.with(|state| work(state, page))?
            .map_err(|defect| AwsError::malformed(self.operation, &defect))
    }
}

/// One who reads pages into a gathering. Until the last one is settled it is not known to be taken in.
pub(super) struct Reader<S> {
    gathering: Gathering<S>,
    away: Option<JoinHandle<Result<(), AwsError>>>,
}

impl<S: Send + 'static> Reader<S> {
    /// Takes in a page, whose `room` is given back afterwards, once the page before it is done.
    pub(super) async fn add<T: Send + 'static>(
        &mut self,
        page: Vec<T>,
        room: Room,
        work: impl FnOnce(&mut S, &[T]) -> Result<(), Defect> + Send + 'static,
    ) -> Result<(), AwsError> {
        self.settle().await?;
        if page.len() < SMALL {
            return self.gathering.take_in(&page, work);
        }
        let gathering = self.gathering.clone();
        self.away = Some(tokio::task::spawn_blocking(move || {
            let outcome = gathering.take_in(&page, work);
            // Before the next page is whole: else it would need as much again.
            drop(page);
            drop(room);
            outcome
        }));
        Ok(())
    }

    /// Waits until all of its pages are taken in.
    pub(super) async fn settle(&mut self) -> Result<(), AwsError> {
        let Some(away) = self.away.take() else { return Ok(()) };
        match away.await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is gone, and so is whoever waits.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// How often a token may come back in a row. AWS is not known to repeat one, and a read that never ends would hold up its account.
const TOKEN_REPEATS: u32 = 10;

/// Where a paginated read stands. A page may be empty and still not be the last: only the token counts.
#[derive(Debug, Default)]
pub(super) struct Pages {
    begun: bool,
    next: Option<String>,
    repeats: u32,
    turned: u32,
}

impl Pages {
    /// After the last page.
    pub(super) fn end() -> Self {
        Self {
            begun: true,
            ..Self::default()
        }
    }

    /// Before the page that `token` leads to; before the first one where there is none.
    pub(super) fn from(token: Option<&str>) -> Self {
        Self {
            begun: token.is_some(),
            next: token.map(str::to_owned),
            ..Self::default()
        }
    }

    /// Whether there is another page.
    pub(super) fn more(&self) -> bool {
        !self.begun || self.next.is_some()
    }

    /// The token of the next page.
    pub(super) fn token(&self) -> Option<String> {
        self.next.clone()
    }

    /// Notes the token that came with a page.
    pub(super) fn turn(&mut self, operation: Operation, next: Option<String>) -> Result<(), AwsError> {
        let next = next.filter(|token| !token.is_empty());
        let repeated = next.is_some() && next == self.next;
        self.repeats = if repeated { self.repeats + 1 } else { 0 };
        if self.repeats > TOKEN_REPEATS {
            return Err(AwsError::malformed(operation, &"pages that lead nowhere"));
        }
        self.begun = true;
        self.next = next;
        self.turned = self.turned.saturating_add(1);
        Ok(())
    }

    /// Whether there was more than one page: what changes its place between two of them may be on neither.
    pub(super) fn several(&self) -> bool {
        self.turned > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATION: Operation = Operation::DescribeImages;

    #[test]
    fn pages_are_read_until_no_token_comes_and_not_forever() {
        let mut pages = Pages::default();
        assert!(pages.more());
        assert_eq!(pages.token(), None);
        let mut turn = |token: &str| {
            let turned = pages.turn(OPERATION, Some(token.to_owned()));
            turned.map(|()| pages.more())
        };
        for token in ["a", "b", "b", "c"] {
            assert_eq!(turn(token), Ok(true), "{token}");
        }
        let stuck = (0..=TOKEN_REPEATS).find_map(|_| turn("c").err()).expect("an end");
        assert_eq!(stuck.cause, Some(super::super::Cause::MalformedAnswer));
        assert_eq!(turn(""), Ok(false));
    }

    #[test]
    fn a_read_goes_on_from_a_token_and_begins_without_one() {
        for token in [None, Some("a")] {
            let mut pages = Pages::from(token);
            assert_eq!((pages.more(), pages.token().as_deref()), (true, token));
            assert_eq!(pages.turn(OPERATION, None), Ok(()));
            assert!(!pages.more(), "{token:?}");
        }
    }

    #[tokio::test]
    async fn pages_of_any_size_are_taken_in_one_by_one_and_a_defect_ends_the_read() {
        let gathering = Gathering::new(OPERATION, Vec::new());
        let mut reader = gathering.reader();
        let large: Vec<usize> = (0..SMALL).collect();
        for page in [vec![1, 2], vec![], large.clone(), vec![3], large.clone()] {
            let added = reader.add(page, Room::default(), |all, page| {
                all.extend_from_slice(page);
                Ok(())
            });
            added.await.expect("a sound page");
        }
        reader.settle().await.expect("a sound page");
        assert_eq!(gathering.finish(), Ok([&[1, 2], &large[..], &[3], &large[..]].concat()));

        for items in [1, SMALL] {
            let mut reader = Gathering::new(OPERATION, ()).reader();
            let defect = |(): &mut (), _: &[()]| Err(super::super::project::Defect::new("odd"));
            let added = reader.add(vec![(); items], Room::default(), defect).await;
            let ended = match added {
                Ok(()) => reader.settle().await,
                Err(error) => Err(error),
            };
            let error = ended.expect_err("a defect");
            assert_eq!(error.cause, Some(super::super::Cause::MalformedAnswer));
        }
    }

    #[tokio::test]
    async fn readers_side_by_side_gather_every_page_of_each() {
        let gathering = Gathering::new(OPERATION, 0);
        let read = async |size: usize| {
            let mut reader = gathering.reader();
            for _ in 0..20 {
                let count = |sum: &mut usize, page: &[()]| {
                    *sum += page.len();
                    Ok(())
                };
                reader.add(vec![(); size], Room::default(), count).await?;
            }
            reader.settle().await
        };
        let read = tokio::try_join!(read(1), read(SMALL), read(2 * SMALL));
        read.expect("sound pages");
        assert_eq!(gathering.finish(), Ok(20 * (1 + 3 * SMALL)));
    }
}
