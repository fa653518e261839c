//! Requests: the same ones give the same answers, and each can be disturbed.

use std::time::{Duration, Instant};

use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kubesim::{Effect, Failure, Verb, Verdict};
use serde_json::json;

use crate::support::{KIND, api, code, create, label, migration, name, server};

/// Some requests, and everything that is on record about them.
async fn some_requests(seed: u64) -> String {
    let server = server(seed);
    let api = api(server.client("replica-1"));
    for number in [2, 1, 3] {
        create(&api, number).await.expect("a migration");
    }
    let ours = PatchParams::apply("amiseal").force();
    let status = json!({"apiVersion": "amiseal.dev/v1alpha1", "kind": KIND, "status": {"state": "Pending"}});
    api.patch_status(&name(1), &ours, &Patch::Apply(&status))
        .await
        .expect("a status");
    api.delete(&name(2), &DeleteParams::default())
        .await
        .expect("a deletion");
    create(&api, 3).await.expect_err("one of that name is there");
    let mut record: Vec<String> = server.journal().iter().map(ToString::to_string).collect();
    record.extend(
        server
            .history(0)
            .iter()
            .map(|version| format!("{} {}", version.revision, version.object)),
    );
    record.join("\n")
}

#[tokio::test]
async fn the_same_requests_leave_the_same_record_to_the_byte() {
    let first = some_requests(7).await;
    assert_eq!(first, some_requests(7).await);
    assert_ne!(first, some_requests(8).await, "the seed goes into the UIDs");
    assert!(first.starts_with("1 2027-01-15T08:00:0"), "{first}");
    assert!(
        first.contains("apply AMIMigration/status ami-00000000000000001.eu-west-1 -> 200 @5"),
        "{first}"
    );
    assert!(
        first.contains("create AMIMigration ami-00000000000000003.eu-west-1 -> 409 AlreadyExists @6"),
        "{first}"
    );
}

#[tokio::test]
async fn every_version_of_an_object_can_be_read() {
    let server = server(1);
    create(&api(server.client("replica-1")), 1).await.expect("a migration");
    label(&server, 1, "a");
    server.delete("person", KIND, ("", &name(1))).expect("a deletion");
    let history: Vec<_> = server
        .history(0)
        .iter()
        .map(|version| {
            (
                version.revision,
                version.change.as_str(),
                version.request,
                version.before.is_some(),
            )
        })
        .collect();
    assert_eq!(
        history,
        [
            (2, "ADDED", 1, false),
            (3, "MODIFIED", 2, true),
            (4, "DELETED", 3, true)
        ]
    );
    assert_eq!(server.history(3).len(), 1);
    assert!(server.get(KIND, ("", &name(1))).is_none());
    let clients: Vec<_> = server
        .journal()
        .into_iter()
        .map(|entry| (entry.client, entry.wrote))
        .collect();
    assert_eq!(
        clients,
        [
            ("replica-1".into(), true),
            ("person".into(), true),
            ("person".into(), true)
        ]
    );
}

#[tokio::test]
async fn a_refused_request_has_no_effect() {
    let server = server(1);
    let client = kube::Client::new(server.service("replica-1").without_retries(), "default");
    let api = api(client);
    let failures = [
        Failure::conflict(),
        Failure::too_many_requests(3),
        Failure::internal(),
        Failure::unavailable(),
    ];
    for failure in failures {
        let expected = failure.code;
        server.on_request(move |_| Verdict::Refuse(failure.clone()));
        let error = create(&api, 1).await.expect_err("a refusal");
        assert_eq!(code(&error), expected);
    }
    assert!(server.list(KIND).is_empty());
    assert!(server.journal().iter().all(|entry| entry.disturbed && !entry.wrote));
    server.calm();
    create(&api, 1).await.expect("nobody disturbs it now");
}

#[tokio::test]
async fn a_client_waits_and_asks_again_as_kubes_own_does() {
    let server = server(1);
    let mut refusals = 2;
    server.on_request(move |_| {
        if refusals == 0 {
            return Verdict::Serve;
        }
        refusals -= 1;
        Verdict::Refuse(Failure::unavailable())
    });
    create(&api(server.client("replica-1")), 1)
        .await
        .expect("the third attempt");
    let codes: Vec<_> = server
        .journal()
        .iter()
        .map(|entry| (entry.number, entry.code))
        .collect();
    assert_eq!(codes, [(1, Some(503)), (2, Some(503)), (3, Some(201))]);
}

#[tokio::test]
async fn a_lost_request_may_have_taken_effect() {
    for (effect, objects, code) in [(Effect::None, 0, None), (Effect::Done, 1, Some(201))] {
        let server = server(1);
        let after = Duration::from_millis(5);
        server.on_request(move |_| Verdict::Lose { effect, after });
        let error = create(&api(server.client("replica-1")), 1)
            .await
            .expect_err("a lost connection");
        assert!(matches!(error, kube::Error::Service(_)), "{error}");
        assert_eq!(server.list(KIND).len(), objects);
        let entry = server.journal().pop().expect("an entry");
        assert_eq!((entry.code, entry.answered), (code, false));
    }
}

#[tokio::test]
async fn a_request_that_hangs_is_never_answered() {
    let server = server(1);
    server.on_request(|_| Verdict::Hang { effect: Effect::Done });
    let api = api(server.client("replica-1"));
    let answer = tokio::time::timeout(Duration::from_millis(50), create(&api, 1)).await;
    assert!(answer.is_err());
    assert_eq!(server.list(KIND).len(), 1);
}

#[tokio::test]
async fn a_delayed_request_takes_effect_when_it_arrives() {
    let server = server(1);
    server.on_request(|_| Verdict::Delay {
        by: Duration::from_millis(60),
        then: Box::new(Verdict::Serve),
    });
    let api = api(server.client("replica-1"));
    let began = Instant::now();
    let dropped = tokio::time::timeout(Duration::from_millis(5), create(&api, 1)).await;
    assert!(dropped.is_err());
    create(&api, 1).await.expect("the one that was dropped never arrived");
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn what_happens_just_before_a_request_can_be_arranged() {
    let server = server(1);
    let api = api(server.client("replica-1"));
    let stored = create(&api, 1).await.expect("a migration");
    let people = server.clone();
    server.on_request(move |request| {
        if request.verb == Verb::Apply {
            assert_eq!(
                (request.client.as_str(), request.subresource.as_str()),
                ("replica-1", "status")
            );
            people.delete("person", KIND, ("", &request.name)).expect("a deletion");
            people
                .create("person", &migration(1))
                .expect("another one of the same name");
        }
        Verdict::Serve
    });
    let status = json!({
        "apiVersion": "amiseal.dev/v1alpha1", "kind": KIND,
        "metadata": {"uid": stored.metadata.uid, "resourceVersion": stored.metadata.resource_version},
        "status": {"state": "Pending"},
    });
    let ours = PatchParams::apply("amiseal").force();
    let error = api
        .patch_status(&name(1), &ours, &Patch::Apply(&status))
        .await
        .expect_err("a conflict");
    assert_eq!(code(&error), 409);
}

#[tokio::test]
async fn a_read_can_lag_behind() {
    let server = server(1);
    let api = api(server.client("replica-1"));
    create(&api, 1).await.expect("a migration");
    let before = server.revision();
    create(&api, 2).await.expect("a migration");
    label(&server, 1, "a");
    server.on_request(move |_| Verdict::Stale { revision: before });
    let list = api.list(&ListParams::default()).await.expect("a list");
    assert_eq!(list.metadata.resource_version, Some(before.to_string()));
    assert_eq!(list.items.len(), 1);
    assert_eq!(list.items[0].metadata.labels, None);
    assert_eq!(api.get_opt(&name(2)).await.expect("an answer").map(|_| ()), None);
}

#[tokio::test]
async fn a_list_whose_first_page_is_too_long_ago_must_begin_again() {
    let server = server(1);
    let api = api(server.client("replica-1"));
    for number in 1..=3 {
        create(&api, number).await.expect("a migration");
    }
    let page = api.list(&ListParams::default().limit(2)).await.expect("a page");
    let token = page.metadata.continue_.expect("more pages");
    server.set_window(Some(1));
    label(&server, 1, "a");
    label(&server, 1, "b");
    let next = ListParams::default().limit(2).continue_token(&token);
    let error = api.list(&next).await.expect_err("too old");
    assert_eq!(code(&error), 410);
}

#[tokio::test]
async fn a_dry_run_is_answered_but_writes_nothing() {
    let server = server(1);
    let api = api(server.client("replica-1"));
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let object = serde_json::from_value(migration(1)).expect("an object");
    let answer = api.create(&dry, &object).await.expect("an answer");
    assert!(answer.metadata.uid.is_some());
    assert!(server.history(0).is_empty());
}

#[tokio::test]
async fn what_the_double_does_not_do_is_refused_in_a_sentence() {
    let server = server(1);
    let api = api(server.client("replica-1"));
    let error = api
        .list(&ListParams::default().fields("metadata.name=a"))
        .await
        .expect_err("selectors are not done");
    assert_eq!(code(&error), 501);
    assert!(
        error
            .to_string()
            .contains("the double of the API server does not support fieldSelector"),
        "{error}"
    );
}
