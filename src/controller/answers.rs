//! What comes back from the API server: whether it answers at all, and whether it still says anything on a watch.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{Request, Response};
use futures::future::BoxFuture;
use kube::Client;
use kube::client::Body;
use kube::runtime::watcher;
use tokio::sync::watch;
use tokio::time::Instant;
use tower::Service;

type Answer = Result<Response<Body>, kube::Error>;

/// How long watches last, and after how long one that says nothing is not believed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watching {
    /// A watch ends after so many seconds and begins anew, which shows that the API server is still there: a connection whose other
    /// end is stopped looks as one on which nothing happens.
    pub lasts: u32,
    /// If none has begun for so long, what is known of the cluster may not be so any more.
    pub silent_after: Duration,
}

impl Default for Watching {
    fn default() -> Self {
        Self {
            lasts: 30,
            silent_after: Duration::from_secs(60),
        }
    }
}

/// Whether a watch is alive, by real time: the API server and its connections have no other.
pub(super) struct Pulse {
    kind: String,
    silent_after: Duration,
    /// When the API server has last begun to answer a watch.
    last: watch::Sender<Option<Instant>>,
    tell: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pulse")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Pulse {
    /// Nothing was heard yet. `tell` is called each time that something is.
    pub(super) fn new(kind: &str, silent_after: Duration, tell: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            kind: kind.to_owned(),
            silent_after,
            last: watch::Sender::new(None),
            tell: Box::new(tell),
        })
    }

    /// A client whose watches are listened to.
    pub(super) fn of(self: &Arc<Self>, client: &Client) -> Client {
        let pulse = self.clone();
        told(client, move |is_watch, answer| {
            let is_good = answer.as_ref().is_ok_and(|answer| answer.status().is_success());
            // A listing goes before a watch that has missed something, and may take long; it is no watch by itself.
            if is_good && (is_watch || pulse.last.borrow().is_some()) {
                pulse.last.send_replace(Some(Instant::now()));
                (pulse.tell)();
            }
        })
    }

    /// Waits until there is a watch at all.
    pub(super) async fn begun(&self) {
        // The sender is ours.
        let _ = self.last.subscribe().wait_for(Option::is_some).await;
    }

    /// What is wrong with the watch, if anything is.
    pub(super) fn problem(&self) -> Option<String> {
        let kind = &self.kind;
        match *self.last.borrow() {
            None => Some(format!("{kind} is not watched yet: see the log")),
            Some(last) if last.elapsed() > self.silent_after => {
                let seconds = self.silent_after.as_secs();
                Some(format!(
                    "the watch of {kind} has been silent for more than {seconds} seconds: see the log"
                ))
            }
            Some(_) => None,
        }
    }
}

/// Says once when the API server cannot be reached, and once when it answers again.
#[derive(Debug, Default)]
struct Reach(Mutex<Reached>);

#[derive(Debug, Default)]
struct Reached {
    /// When the last answer came.
    last: Option<Instant>,
    /// Since when there is none.
    out: Option<Instant>,
}

/// One connection that breaks while others go on is no outage.
const GOES_ON: Duration = Duration::from_secs(3);

impl Reach {
    /// Notes an answer, or that none came. Gives what there is to say: since when it cannot be reached, or how long it could not be.
    fn note(&self, is_answered: bool, now: Instant) -> Option<Word> {
        let mut reached = self.reached();
        if is_answered {
            reached.last = Some(now);
            let out = reached.out.take()?;
            return Some(Word::Answers(now.saturating_duration_since(out)));
        }
        let goes_on = reached
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < GOES_ON);
        if goes_on || reached.out.is_some() {
            return None;
        }
        reached.out = Some(now);
        Some(Word::Silent)
    }

    fn reached(&self) -> MutexGuard<'_, Reached> {
        // It is whole after every statement, so a panic elsewhere leaves it sound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Word {
    Silent,
    Answers(Duration),
}

/// A client that says in the log when the API server cannot be reached, and when it can be again. What fails meanwhile says
/// nothing of its own.
pub fn observed(client: &Client) -> Client {
    let reach = Reach::default();
    told(client, move |_, answer| {
        match reach.note(answer.is_ok(), Instant::now()) {
            Some(Word::Silent) => {
                let error = answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
                tracing::error!(error, "cannot reach the API server; retrying");
            }
            Some(Word::Answers(after)) => {
                tracing::info!(seconds = after.as_secs(), "the API server answers again");
            }
            None => {}
        }
    })
}

/// Whether a request failed since the API server could not be reached, which is said by itself.
pub(crate) fn is_unreachable(error: &kube::Error) -> bool {
    matches!(
        error,
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_)
    )
}

/// The same of a watch.
pub(super) fn is_watch_unreachable(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => is_unreachable(error),
        _ => false,
    }
}

/// A client that tells of each answer, and whether it is to a watch.
fn told(client: &Client, tell: impl Fn(bool, &Answer) + Send + Sync + 'static) -> Client {
    let service = Told {
        client: client.clone(),
        tell: Arc::new(tell),
    };
    Client::new(service, client.default_namespace())
}

struct Told<F> {
    client: Client,
    tell: Arc<F>,
}

impl<F: Fn(bool, &Answer) + Send + Sync + 'static> Service<Request<Body>> for Told<F> {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = BoxFuture<'static, Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        // The client itself waits until it can send.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (client, tell) = (self.client.clone(), self.tell.clone());
        let query = request.uri().query().unwrap_or_default();
        let is_watch = query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"));
        Box::pin(async move {
            let answer = client.send(request).await;
            tell(is_watch, &answer);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU16, Ordering};

    use kube::api::{Api, ListParams, WatchParams};

    use super::*;
    use crate::api::AMIMigration;

    /// An API server that answers everything with this status.
    struct Always(Arc<AtomicU16>);

    impl Service<Request<Body>> for Always {
        type Response = Response<Body>;
        type Error = kube::Error;
        type Future = BoxFuture<'static, Answer>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            let code = self.0.load(Ordering::SeqCst);
            Box::pin(async move {
                let mut response = Response::new(Body::from(br#"{"metadata": {}, "items": []}"#.to_vec()));
                *response.status_mut() = code.try_into().expect("a status");
                Ok(response)
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_is_alive_while_it_begins_anew_and_a_listing_alone_is_none() {
        let code = Arc::new(AtomicU16::new(200));
        let client = Client::new(Always(code.clone()), "default");
        let beats = Arc::new(AtomicU16::new(0));
        let counted = beats.clone();
        let pulse = Pulse::new("AMIMigration", Duration::from_secs(60), move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let api = Api::<AMIMigration>::all(pulse.of(&client));
        let list = async || drop(api.list(&ListParams::default()).await);
        let watch = async || drop(api.watch(&WatchParams::default(), "0").await);
        list().await;
        assert_eq!(
            pulse.problem().as_deref(),
            Some("AMIMigration is not watched yet: see the log")
        );
        code.store(403, Ordering::SeqCst);
        watch().await;
        assert!(pulse.problem().is_some(), "it may not be watched");
        code.store(200, Ordering::SeqCst);
        watch().await;
        pulse.begun().await;
        assert_eq!((pulse.problem(), beats.load(Ordering::SeqCst)), (None, 1));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(pulse.problem(), None);
        code.store(403, Ordering::SeqCst);
        watch().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let silent = "the watch of AMIMigration has been silent for more than 60 seconds: see the log";
        assert_eq!(pulse.problem().as_deref(), Some(silent));
        code.store(200, Ordering::SeqCst);
        list().await;
        assert_eq!(pulse.problem(), None, "it is on its way to a watch");
    }

    #[test]
    fn an_outage_is_said_when_it_begins_and_when_it_ends() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let reach = Reach::default();
        let words: Vec<_> = [
            (0, true),
            // One connection breaks, and others go on.
            (1, false),
            (2, true),
            (10, false),
            (11, false),
            (60, false),
            (110, true),
            (111, true),
        ]
        .into_iter()
        .filter_map(|(seconds, is_answered)| Some((seconds, reach.note(is_answered, after(seconds))?)))
        .collect();
        assert_eq!(
            words,
            [(10, Word::Silent), (110, Word::Answers(Duration::from_secs(100)))]
        );
    }

    #[test]
    fn an_api_server_that_was_never_reached_is_said_at_once() {
        assert_eq!(Reach::default().note(false, Instant::now()), Some(Word::Silent));
    }
}
