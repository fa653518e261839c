//! Watches: they wake when something happens, and can be disturbed.

use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt};
use kube::api::{DynamicObject, WatchEvent, WatchParams};
use kube::runtime::watcher::{self, Event, watcher};
use kubesim::{ApiServer, Break, Delivery};

use crate::support::{KIND, api, create, label, migration, name, server};

/// An event, short: what happened, the label and the version.
fn short(event: &WatchEvent<DynamicObject>) -> String {
    let of = |what: &str, object: &DynamicObject| {
        let label = object.metadata.labels.as_ref().and_then(|labels| labels.get("team"));
        format!("{what} {}", label.map_or("-", String::as_str))
    };
    match event {
        WatchEvent::Added(object) => of("added", object),
        WatchEvent::Modified(object) => of("modified", object),
        WatchEvent::Deleted(object) => of("deleted", object),
        WatchEvent::Bookmark(bookmark) => format!("bookmark {}", bookmark.metadata.resource_version),
        WatchEvent::Error(status) => format!("error {}", status.code),
    }
}

async fn watch(
    server: &ApiServer,
    timeout: u32,
) -> impl Stream<Item = kube::Result<WatchEvent<DynamicObject>>> + Unpin + use<> {
    let from = server.revision().to_string();
    let parameters = WatchParams::default().timeout(timeout);
    let stream = api(server.client("replica-1")).watch(&parameters, &from).await;
    stream.expect("a watch").boxed()
}

/// What comes within a short while.
async fn soon(stream: &mut (impl Stream<Item = kube::Result<WatchEvent<DynamicObject>>> + Unpin)) -> Vec<String> {
    let mut events = Vec::new();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(40), stream.next()).await {
        events.push(event.as_ref().map_or_else(|_| "failed".to_owned(), short));
    }
    events
}

#[tokio::test]
async fn a_watch_wakes_when_something_happens() {
    let server = server(1);
    let mut events = watch(&server, 60).await;
    let writer = server.clone();
    let writing = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        writer.create("person", &migration(1)).expect("a migration");
    });
    let event = events.try_next().await.expect("no failure").expect("an event");
    assert_eq!(short(&event), "added -");
    writing.await.expect("the writer");
    label(&server, 1, "a");
    server.delete("person", KIND, ("", &name(1))).expect("a deletion");
    assert_eq!(soon(&mut events).await, ["modified a", "deleted a"]);
    assert_eq!(server.watches().len(), 1);
    drop(events);
    tokio::task::yield_now().await;
    assert!(server.watches().is_empty());
}

#[tokio::test]
async fn a_watch_ends_at_its_time_with_a_bookmark() {
    let server = server(1);
    let mut events = watch(&server, 1).await;
    server.create("person", &migration(1)).expect("a migration");
    let all: Vec<_> = (&mut events)
        .map_ok(|event| short(&event))
        .try_collect()
        .await
        .expect("no failure");
    assert_eq!(all, ["added -", "bookmark 2"]);
}

#[tokio::test]
async fn events_can_be_dropped_and_doubled() {
    let server = server(1);
    let mut events = watch(&server, 60).await;
    server.on_event(
        |event| match event.version.object["metadata"]["labels"]["team"].as_str() {
            Some("dropped") => Delivery::Drop,
            Some("doubled") => Delivery::Double,
            _ => Delivery::Send,
        },
    );
    server.create("person", &migration(1)).expect("a migration");
    for value in ["dropped", "doubled", "sent"] {
        label(&server, 1, value);
    }
    assert_eq!(
        soon(&mut events).await,
        ["added -", "modified doubled", "modified doubled", "modified sent"]
    );
}

#[tokio::test]
async fn delayed_events_keep_their_order_and_can_become_one() {
    for (coalesce, expected) in [
        (false, vec!["added -", "modified a", "modified b"]),
        (true, vec!["added b"]),
    ] {
        let server = server(1);
        let mut events = watch(&server, 60).await;
        let by = Duration::from_millis(80);
        server.on_event(move |_| Delivery::Delay { by, coalesce });
        server.create("person", &migration(1)).expect("a migration");
        label(&server, 1, "a");
        label(&server, 1, "b");
        assert_eq!(soon(&mut events).await, Vec::<String>::new());
        tokio::time::sleep(by).await;
        assert_eq!(soon(&mut events).await, expected);
    }
}

#[tokio::test]
async fn a_watch_can_be_closed_broken_or_told_that_it_is_too_old() {
    for (how, expected) in [
        (Break::Close, vec![]),
        (Break::Fail, vec!["failed"]),
        (Break::Expire, vec!["error 410"]),
    ] {
        let server = server(1);
        let mut events = watch(&server, 60).await;
        assert_eq!(
            server.break_watches(how, |client, kind| client == "replica-2" && kind == KIND),
            0
        );
        assert_eq!(
            server.break_watches(how, |client, kind| client == "replica-1" && kind == KIND),
            1
        );
        assert_eq!(soon(&mut events).await, expected, "{how:?}");
        assert!(server.watches().is_empty());
    }
}

#[tokio::test]
async fn kubes_watcher_goes_on_after_every_sort_of_break() {
    let server = server(1);
    let objects = api(server.client("replica-1"));
    create(&objects, 1).await.expect("a migration");
    let mut events = watcher(objects, watcher::Config::default()).boxed();
    let mut number = 1;
    for how in [None, Some(Break::Close), Some(Break::Fail), Some(Break::Expire)] {
        if let Some(how) = how {
            // Something to be missed meanwhile.
            server.break_watches(how, |_, _| true);
        }
        number += 1;
        let writer = server.clone();
        writer.create("person", &migration(number)).expect("a migration");
        let wanted = name(number);
        let seen = tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                match events.next().await.expect("a watcher never ends") {
                    Ok(Event::Apply(object) | Event::InitApply(object))
                        if object.metadata.name.as_ref() == Some(&wanted) =>
                    {
                        break;
                    }
                    _ => {}
                }
            }
        });
        seen.await
            .unwrap_or_else(|_| panic!("{wanted} is not seen after {how:?}"));
    }
    let lists = server
        .journal()
        .iter()
        .filter(|entry| entry.verb == kubesim::Verb::List)
        .count();
    assert_eq!(lists, 2, "only the watch that was too old begins with a list again");
}

#[tokio::test]
async fn a_bookmark_says_how_far_the_store_has_come() {
    let server = server(1);
    let mut events = watch(&server, 60).await;
    let policy = serde_json::json!({
        "apiVersion": "amiseal.dev/v1alpha1", "kind": "AMIEncryptionPolicy", "metadata": {"name": "other"},
        "spec": {"accounts": []},
    });
    server.create("person", &policy).expect("an object of another kind");
    server.send_bookmarks();
    assert_eq!(soon(&mut events).await, ["bookmark 2"]);
}
