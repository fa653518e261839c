use std::collections::BTreeSet;
use std::sync::Mutex;
use std::task::{Context, Poll};

use axum::http::{Request, Response};
use futures::future::BoxFuture;
use kube::client::Body;
use serde_json::json;
use tower::Service;

use super::*;
use crate::domain::{AccountId, ImageId};
use crate::plan::usage::objects::ObjectKinds;
use crate::plan::usage::{self, Graph};

/// What an API server answers to a path with its parameters: a status and a body, or nothing at all.
type Answers = dyn Fn(&str) -> Option<(u16, Value)> + Send + Sync;

#[derive(Clone)]
struct Server {
    answers: Arc<Answers>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(answers: impl Fn(&str) -> Option<(u16, Value)> + Send + Sync + 'static) -> Self {
        Self {
            answers: Arc::new(answers),
            asked: Arc::default(),
        }
    }

    /// How often something was asked whose path and parameters begin so.
    fn count(&self, begins: &str) -> usize {
        let asked = self.asked.lock().expect("a lock");
        asked.iter().filter(|asked| asked.starts_with(begins)).count()
    }
}

impl Service<Request<Body>> for Server {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, kube::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let asked = request.uri().to_string();
        let answer = (self.answers)(&asked);
        self.asked.lock().expect("a lock").push(asked);
        Box::pin(async move {
            tokio::task::yield_now().await;
            let Some((code, body)) = answer else {
                return future::pending().await;
            };
            let body = if code == 200 {
                body
            } else {
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "message": "no"})
            };
            let mut response = Response::new(Body::from(body.to_string().into_bytes()));
            *response.status_mut() = code.try_into().expect("a status");
            Ok(response)
        })
    }
}

/// Its time passes when it is told so; who waits, waits by the runtime's.
#[derive(Debug, Default)]
struct Told(Mutex<Duration>);

impl Told {
    fn pass(&self, more: Duration) {
        *self.0.lock().expect("a lock") += more;
    }
}

impl Clock for Told {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().expect("a lock")
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn to_real_time(&self, duration: Duration) -> Duration {
        duration
    }
}

const IMAGE: &str = "ami-0123456789abcdef0";

fn reader(server: &Server, clock: &Arc<Told>, kinds: &Value) -> ObjectReader {
    let kinds: ObjectKinds = kinds.to_string().parse().expect("kinds");
    ObjectReader::new(Client::new(server.clone(), "default"), clock.clone(), kinds.0)
}

fn pools() -> Value {
    json!([{"apiVersion": "example.com/v1", "kind": "Pool", "resource": "pools", "paths": [".image"]}])
}

/// What is served in a version of a group.
fn served(names: &[(&str, &str)]) -> (u16, Value) {
    let resources = names.iter().map(
        |(name, kind)| json!({"name": name, "kind": kind, "namespaced": true, "singularName": "", "verbs": ["list"]}),
    );
    let resources: Vec<Value> = resources.collect();
    (200, json!({"groupVersion": "example.com/v1", "resources": resources}))
}

fn group(versions: &[&str]) -> (u16, Value) {
    let version = |version: &&str| json!({"groupVersion": format!("example.com/{version}"), "version": version});
    let versions: Vec<Value> = versions.iter().map(version).collect();
    (200, json!({"name": "example.com", "versions": versions}))
}

fn page(names: &[&str], token: &str) -> (u16, Value) {
    let items: Vec<Value> = names
        .iter()
        .map(|name| json!({"metadata": {"name": name, "namespace": "infra"}, "image": IMAGE}))
        .collect();
    (200, json!({"metadata": {"continue": token}, "items": items}))
}

const POOLS: &str = "/apis/example.com/v1/pools";

/// The IDs of the objects that use the image, and what could not be read.
fn said(objects: &Objects) -> (Vec<String>, Option<String>) {
    let account: AccountId = "111122223333".parse().expect("an account");
    let image: ImageId = IMAGE.parse().expect("an image");
    let mut graph: Graph = usage::graph(&crate::domain::Readings::default(), &account, Timestamp::UNIX_EPOCH);
    graph.add_objects(objects, Timestamp::UNIX_EPOCH, |_| true);
    let users = graph.consumers(&image).iter().map(|user| user.id.to_string());
    (users.collect(), objects.problem().map(|problem| problem.message))
}

async fn read(answers: impl Fn(&str) -> Option<(u16, Value)> + Send + Sync + 'static) -> ObjectReading {
    reader(&Server::new(answers), &Arc::default(), &pools()).read().await
}

#[tokio::test(start_paused = true)]
async fn all_pages_are_read_and_a_page_that_fails_leaves_the_others_and_is_said() {
    for (second, passes, expected) in [
        (Some(page(&["b"], "")), false, None),
        (Some((200, json!({"metadata": {}, "items": null}))), false, None),
        (
            Some((200, json!({"metadata": {}}))),
            true,
            Some("a list without its items"),
        ),
        (Some((200, json!("nonsense"))), true, Some("a list without its items")),
        (
            Some((500, json!(null))),
            true,
            Some("it answers 500 Internal Server Error"),
        ),
        (Some((429, json!(null))), true, Some("it answers 429 Too Many Requests")),
        (Some((410, json!(null))), true, Some("it answers 410 Gone")),
        (
            Some((403, json!(null))),
            false,
            Some("grant the right list pools.example.com to its service account"),
        ),
        (
            Some((405, json!(null))),
            false,
            Some("it answers 405 Method Not Allowed"),
        ),
        (Some((404, json!(null))), false, None),
        (None, true, Some("not within 120s")),
    ] {
        let of_second = second.clone();
        let reading = read(move |asked| {
            if asked.contains("continue=more") {
                return of_second.clone();
            }
            Some(match asked.split('?').next() {
                Some("/apis/example.com/v1") => served(&[("pools", "Pool"), ("pools/status", "Pool")]),
                Some(POOLS) => page(&["a"], "more"),
                _ => (404, json!(null)),
            })
        })
        .await;
        let (users, problem) = said(&reading.objects);
        let both = second.as_ref() == Some(&page(&["b"], ""));
        let all: &[&str] = if both {
            &["Pool/infra/a", "Pool/infra/b"]
        } else {
            &["Pool/infra/a"]
        };
        assert_eq!(users, all, "{second:?}");
        assert_eq!(reading.objects.passes(), passes, "{second:?}");
        match (problem, expected) {
            (Some(problem), Some(expected)) => assert!(problem.contains(expected), "{problem}"),
            (problem, expected) => assert_eq!(problem.as_deref(), expected, "{second:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_installed_is_not_there_whatever_the_rights_and_what_has_other_names_is_said() {
    let nothing = || (404, json!(null));
    let denied = || (403, json!(null));
    // What is served in v1, the group, what is served in v1beta1, and what is said.
    for (v1, of_group, v1beta1, expected) in [
        (nothing(), nothing(), nothing(), None),
        (served(&[("others", "Other")]), group(&["v1"]), nothing(), None),
        (
            served(&[]),
            group(&["v1", "v1beta1"]),
            served(&[("others", "Other")]),
            None,
        ),
        (
            nothing(),
            group(&["v1beta1"]),
            served(&[("pools", "Pool")]),
            Some("The cluster has Pool in example.com/v1beta1 and not in example.com/v1: correct apiVersion"),
        ),
        (
            served(&[("poolz", "Pool")]),
            group(&["v1"]),
            nothing(),
            Some(
                "The cluster has the kind Pool as poolz in example.com/v1, and not Pool as pools: correct kind and resource",
            ),
        ),
        (
            served(&[("pools", "Puddle")]),
            group(&["v1"]),
            nothing(),
            Some("has the kind Puddle as pools"),
        ),
        (
            denied(),
            nothing(),
            nothing(),
            Some("bind the ClusterRole system:discovery, for /apis/example.com/v1"),
        ),
        (
            (503, json!(null)),
            nothing(),
            nothing(),
            Some("(it answers 503 Service Unavailable); it is asked again"),
        ),
        (
            nothing(),
            (500, json!(null)),
            nothing(),
            Some("(it answers 500 Internal Server Error); it is asked again"),
        ),
        (
            nothing(),
            group(&["v1beta1"]),
            (503, json!(null)),
            Some("(it answers 503 Service Unavailable)"),
        ),
        (
            (200, json!({"resources": 7})),
            nothing(),
            nothing(),
            Some("its answer makes no sense"),
        ),
    ] {
        let answers = (v1.clone(), of_group.clone(), v1beta1.clone());
        let server = Server::new(move |asked| {
            Some(match asked {
                "/apis/example.com/v1" => answers.0.clone(),
                "/apis/example.com" => answers.1.clone(),
                "/apis/example.com/v1beta1" => answers.2.clone(),
                _ => (403, json!(null)),
            })
        });
        let reading = reader(&server, &Arc::default(), &pools()).read().await;
        assert_eq!(server.count(POOLS), 0, "what is not there is not listed");
        match (said(&reading.objects).1, expected) {
            (Some(problem), Some(expected)) => assert!(problem.contains(expected), "{problem}"),
            (problem, expected) => assert_eq!(problem.as_deref(), expected, "{v1:?} {of_group:?}"),
        }
        let absent: BTreeSet<String> = expected
            .is_none()
            .then(|| "pools.example.com".to_owned())
            .into_iter()
            .collect();
        assert_eq!(*reading.objects.absent(), absent);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_cannot_be_read_hides_no_other_and_the_core_group_is_read_too() {
    let kinds = json!([
        {"apiVersion": "example.com/v1", "kind": "Pool", "resource": "pools", "paths": [".image"]},
        {"apiVersion": "v1", "kind": "ConfigMap", "resource": "configmaps", "paths": [".data.ami-id"]},
        {"apiVersion": "example.com/v1", "kind": "Slow", "resource": "slows", "paths": [".image"]},
    ]);
    let server = Server::new(|asked| {
        Some(match asked.split('?').next() {
            Some("/apis/example.com/v1") => served(&[("pools", "Pool"), ("slows", "Slow")]),
            Some("/api/v1") => served(&[("configmaps", "ConfigMap")]),
            Some("/api/v1/configmaps") => {
                let map = json!({"metadata": {"name": "images", "namespace": "infra"}, "data": {"ami-id": IMAGE}});
                (
                    200,
                    json!({"metadata": {}, "items": [7, null, {"metadata": 7, "data": []}, map]}),
                )
            }
            Some(POOLS) => (403, json!(null)),
            _ => return None,
        })
    });
    let reading = reader(&server, &Arc::default(), &kinds).read().await;
    let (users, problem) = said(&reading.objects);
    assert_eq!(users, ["ConfigMap/infra/images"]);
    let problem = problem.expect("a problem");
    for words in [
        "list pools.example.com",
        "not listed all of slows.example.com (not within 120s)",
    ] {
        assert!(problem.contains(words), "{problem}");
    }
}

/// An API server with a pool that may be listed while `may` says so.
fn guarded(may: &Arc<Mutex<bool>>) -> Server {
    let may = may.clone();
    Server::new(move |asked| {
        Some(match asked.split('?').next() {
            Some("/apis/example.com/v1") => served(&[("pools", "Pool")]),
            _ if *may.lock().expect("a lock") => page(&["a"], ""),
            _ => (403, json!(null)),
        })
    })
}

#[tokio::test(start_paused = true)]
async fn targets_that_read_at_about_the_same_time_share_a_reading_and_one_that_lacks_something_is_not_kept() {
    let may = Arc::new(Mutex::new(true));
    let (server, clock) = (guarded(&may), Arc::<Told>::default());
    let reader = reader(&server, &clock, &pools());
    let all = future::join_all((0..100).map(|_| reader.read())).await;
    assert!(all.iter().all(|reading| said(&reading.objects).0.len() == 1));
    assert_eq!(server.count(POOLS), 1);
    clock.pass(FRESH - Duration::from_secs(1));
    let later = reader.read().await;
    assert_eq!(
        (later.began, server.count(POOLS)),
        (Timestamp::UNIX_EPOCH, 1),
        "it says since when it is so"
    );
    clock.pass(Duration::from_secs(1));
    assert_eq!(reader.read().await.began, Timestamp::UNIX_EPOCH + FRESH);
    assert_eq!(server.count(POOLS), 2);

    *may.lock().expect("a lock") = false;
    clock.pass(FRESH);
    assert!(!reader.read().await.objects.is_whole());
    *may.lock().expect("a lock") = true;
    assert!(reader.read().await.objects.is_whole(), "it was mended meanwhile");
    assert_eq!(server.count(POOLS), 4);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_reading_has_it_also_if_it_lacks_something_and_reads_if_it_is_given_up() {
    let clock = Arc::<Told>::default();
    let (hangs, passing) = (Arc::new(Mutex::new(true)), clock.clone());
    let waits = hangs.clone();
    let server = Server::new(move |asked| match asked.split('?').next() {
        Some("/apis/example.com/v1") => Some(served(&[("pools", "Pool")])),
        _ if *waits.lock().expect("a lock") => None,
        _ => {
            passing.pass(Duration::from_secs(1));
            Some((403, json!(null)))
        }
    });
    let reader = reader(&server, &clock, &pools());
    let first = tokio::time::timeout(Duration::from_secs(1), reader.read()).await;
    assert!(first.is_err(), "given up");
    *hangs.lock().expect("a lock") = false;
    let both = future::join(reader.read(), reader.read()).await;
    assert!(!both.0.objects.is_whole() && !both.1.objects.is_whole());
    assert_eq!(server.count(POOLS), 2, "that which was given up, and one for both");
}

#[tokio::test]
async fn without_kinds_nothing_is_asked() {
    let server = Server::new(|_| Some((500, json!(null))));
    let reading = reader(&server, &Arc::default(), &json!([])).read().await;
    assert!(reading.objects.is_whole() && server.count("") == 0);
}
