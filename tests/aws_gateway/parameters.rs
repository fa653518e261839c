//! A parameter, as it is read before it is moved, its new value, and its labels; and those that amiseal itself keeps.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use amiseal::aws::{Access, Cause, ErrorClass, Query, Session};
use amiseal::domain::{Besides, Change, ConsumerKind, Made, Movable, NewParameter, ParameterNow, ParameterPages};
use ec2sim::Edit;
use serde_json::{Value, json};

use crate::{ACCOUNT, Bench, PLAIN, REGION};

const NAME: &str = "/golden/web";

/// A parameter of many versions, the first and the last one with labels.
fn with_parameter(bench: &Bench) {
    let labels = |number: i32| match number {
        1 => vec!["first"],
        9 => vec!["prod", "canary"],
        _ => Vec::new(),
    };
    let versions: Vec<_> = (1..=9)
        .map(|number| json!({"value": PLAIN, "labels": labels(number)}))
        .collect();
    put(
        bench,
        &json!({"name": NAME, "kind": "String", "dataType": "text", "versions": versions}),
    );
}

/// Somebody makes a parameter.
fn put(bench: &Bench, parameter: &Value) {
    let change = json!({"put": {"parameter": parameter}});
    let edit = json!({"consumer": {"account": ACCOUNT, "region": REGION, "change": change}});
    let edit: Edit = serde_json::from_value(edit).expect("an edit");
    bench.sim().edit(edit).expect("a parameter");
}

async fn read(session: &Session) -> ParameterNow {
    let (besides, query) = (Besides::default(), Query::default());
    let read = session.movable(ConsumerKind::Parameter, NAME, &besides, &query);
    match read.await.expect("a read") {
        Movable::Parameter(now) => now,
        other => panic!("{other:?}"),
    }
}

/// The labels, each with its version.
fn labels(now: &ParameterNow) -> Vec<(&str, i64)> {
    let mut labels = Vec::new();
    for version in &now.labelled {
        labels.extend(version.labels.iter().map(|label| (&**label, version.number)));
    }
    labels.sort_unstable();
    labels
}

fn to(version: i64, labels: &[&str]) -> Change {
    Change::MoveLabels {
        name: NAME.into(),
        version,
        labels: labels.iter().map(|label| (*label).into()).collect(),
    }
}

/// A parameter with all that can be said of one, and with these policies where its tier allows any.
fn with_everything(bench: &Bench, tier: &str, by: &str, policies: &[Value]) {
    let mut parameter = json!({
        "name": NAME, "kind": "String", "dataType": "aws:ec2:image", "tier": tier, "description": "golden",
        "allowedPattern": "^ami-", "tags": {"terraform": "shop"},
        "versions": [{"value": "ami-00000000000000002"}, {"value": PLAIN, "modifiedBy": by, "labels": ["prod"]}],
    });
    if !policies.is_empty() {
        parameter["policies"] = json!(json!(policies).to_string());
    }
    put(bench, &parameter);
}

#[tokio::test]
async fn what_a_new_version_is_told_again_is_read_with_the_policies_where_its_tier_allows_any() {
    let policy =
        json!({"Type": "NoChangeNotification", "Version": "1.0", "Attributes": {"After": "20", "Unit": "Days"}});
    let by = format!("arn:aws:sts::{ACCOUNT}:assumed-role/amiseal/amiseal-production");
    // The tags, what is said of each version, the policies where there may be any, and last the value, by which it is decided.
    let standard: &[&str] = &["ListTagsForResource", "GetParameterHistory", "GetParameters"];
    let advanced: &[&str] = &[
        "ListTagsForResource",
        "GetParameterHistory",
        "DescribeParameters",
        "GetParameters",
    ];
    // Whether AWS leaves the policies out of a history.
    for (tier, hides, operations) in [
        ("Standard", false, standard),
        ("Standard", true, standard),
        ("Advanced", false, advanced),
        ("Advanced", true, advanced),
    ] {
        let case = format!("{tier} {hides}");
        let bench = Bench::new().await;
        let settings = json!({
            "pagination": {"unstableOrder": true, "emptyPages": 0.3, "largestPage": 4},
            "consumers": {"historyWithoutPolicies": hides},
        });
        let edit: Edit = serde_json::from_value(json!({ "settings": settings })).expect("an edit");
        bench.sim().edit(edit).expect("settings");
        let expected: Vec<Value> = (tier == "Advanced").then(|| policy.clone()).into_iter().collect();
        with_everything(&bench, tier, &by, &expected);
        let session = bench.session(Access::Full);
        let before = bench.sim().journal().len();
        let now = read(&session).await;
        assert_eq!((now.version, now.oldest, &*now.value), (2, 1, PLAIN), "{case}");
        assert_eq!(
            (&*now.kind, &*now.data_type, &*now.tier),
            ("String", "aws:ec2:image", tier)
        );
        assert_eq!(
            (now.description.as_deref(), now.allowed_pattern.as_deref()),
            (Some("golden"), Some("^ami-"))
        );
        assert_eq!(policies(&now), expected, "{case}");
        assert_eq!(now.modified_by.as_deref(), Some(by.as_str()));
        assert_eq!(
            (now.tags.get("terraform"), labels(&now)),
            (Some("shop"), vec![("prod", 2)])
        );
        let journal = bench.sim().journal();
        let ours = journal[before..].iter().filter(|call| call.service == "ssm");
        let mut calls: Vec<&str> = ours.map(|call| call.operation.as_str()).collect();
        // A list may have several pages.
        calls.dedup();
        assert_eq!(calls, operations, "{case}");

        // A new version is told them again.
        let change = Change::PutValue {
            name: NAME.into(),
            value: "ami-00000000000000002".into(),
            now: Box::new(now),
        };
        assert_eq!(session.change(&change).await, Ok(Made::Version(3)), "{case}");
        let is_told = bench.calls("PutParameter")[0].params.contains_key("Policies");
        assert_eq!(is_told, !expected.is_empty(), "{case}");
        // AWS looks for the image first.
        bench.sim().advance(Duration::from_secs(60));
        let now = read(&session).await;
        assert_eq!((now.version, &*now.tier), (3, tier), "{case}");
        assert_eq!(policies(&now), expected, "{case}");
    }
}

/// The policies of a parameter.
fn policies(now: &ParameterNow) -> Vec<Value> {
    let texts = now.policies.iter();
    texts.map(|text| serde_json::from_str(text).expect("JSON")).collect()
}

#[tokio::test]
async fn labels_are_read_page_by_page_and_go_to_the_version_that_is_asked_for_as_often_as_it_is() {
    let bench = Bench::new().await;
    with_parameter(&bench);
    let session = bench.session(Access::Full);
    let before = read(&session).await;
    assert_eq!((before.version, before.oldest, &*before.value), (9, 1, PLAIN));
    assert_eq!(labels(&before), [("canary", 9), ("first", 1), ("prod", 9)]);
    assert_eq!(before.version_of("first").map(|version| &*version.value), Some(PLAIN));

    let put = Change::PutValue {
        name: NAME.into(),
        value: "ami-00000000000000002".into(),
        now: Box::new(before),
    };
    assert_eq!(session.change(&put).await, Ok(Made::Version(10)));
    assert_eq!(
        labels(&read(&session).await),
        [("canary", 9), ("first", 1), ("prod", 9)]
    );
    // The second call is that of somebody who has not heard the answer.
    for _ in 0..2 {
        assert_eq!(
            session.change(&to(10, &["prod", "canary"])).await,
            Ok(Made::Version(10))
        );
        let now = read(&session).await;
        assert_eq!(
            (now.version, labels(&now)),
            (10, vec![("canary", 10), ("first", 1), ("prod", 10)])
        );
    }
    assert_eq!(session.change(&to(9, &["prod"])).await, Ok(Made::Version(9)));
    assert_eq!(
        labels(&read(&session).await),
        [("canary", 10), ("first", 1), ("prod", 9)]
    );
}

#[tokio::test]
async fn what_is_wrong_with_moving_labels_is_told() {
    let bench = Bench::new().await;
    with_parameter(&bench);
    let session = bench.session(Access::Full);
    let gone = session.change(&to(11, &["prod"])).await.expect_err("no such version");
    assert_eq!(gone.class, ErrorClass::NotFound);
    let refused = session.change(&to(1, &["prod", "2nd"])).await.expect_err("no label");
    assert_eq!(
        (refused.class, refused.cause),
        (ErrorClass::Invalid, Some(Cause::MalformedAnswer))
    );
    let many: Vec<String> = (0..10).map(|number| format!("more-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let full = session.change(&to(9, &many)).await.expect_err("no room");
    assert_eq!(full.class, ErrorClass::Invalid);
}

/// A parameter of images under `/map`.
fn new(number: u32, value: &str) -> NewParameter {
    NewParameter {
        name: format!("/map/ami-0000000{number}"),
        value: value.to_owned(),
        description: "a copy".to_owned(),
        tags: [("amiseal.dev/policy".into(), "production".into())].into(),
    }
}

#[tokio::test]
async fn parameters_of_images_are_made_once_with_their_tags_and_listed_set_and_deleted() {
    let bench = Bench::new().await;
    let session = bench.session(Access::Full);
    // AWS looks for the image first.
    let look = || bench.sim().advance(Duration::from_secs(60));
    let other = bench.sim().with_world(|world| {
        let region = world.region(ACCOUNT, REGION).expect("a region");
        let mut images = region.images.values();
        images.find(|image| image.name == "web-1").expect("an image").id.clone()
    });
    for number in 1..=9 {
        assert_eq!(session.create_parameter(&new(number, PLAIN)).await, Ok(true));
    }
    look();
    assert_eq!(session.create_parameter(&new(1, &other)).await, Ok(false));
    look();
    let listed = async || {
        let pages = session
            .parameters_under("/map", None, NonZeroUsize::MAX)
            .await
            .expect("a list");
        let (mut found, None) = (pages.parameters, pages.next) else {
            panic!("the list goes on")
        };
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    };
    let found = listed().await;
    let first = (&*found[0].name, &*found[0].value, found[0].version);
    assert_eq!((found.len(), first), (9, ("/map/ami-00000001", PLAIN, 1)));

    assert_eq!(session.set_parameter(&new(1, &other)).await, Ok(()));
    look();
    let found = listed().await;
    assert_eq!((&*found[0].value, found[0].version), (other.as_str(), 2));
    let tags = session.parameter_tags("/map/ami-00000001").await.expect("an answer");
    assert_eq!(tags.expect("a parameter").get("amiseal.dev/policy"), Some("production"));

    // The second call is that of somebody who has not heard the answer.
    for _ in 0..2 {
        assert_eq!(session.delete_parameter("/map/ami-00000001").await, Ok(()));
    }
    assert_eq!(session.parameter_tags("/map/ami-00000001").await, Ok(None));
    assert_eq!(listed().await.len(), 8);
    let nothing = session.parameters_under("/nothing", None, NonZeroUsize::MAX).await;
    assert_eq!(nothing, Ok(ParameterPages::default()));
}

#[tokio::test]
async fn parameters_of_images_are_listed_some_pages_at_a_time_and_each_once() {
    let bench = Bench::new().await;
    let session = bench.session(Access::Full);
    for number in 10..35 {
        let name = new(number, PLAIN).name;
        put(
            &bench,
            &json!({"name": name, "kind": "String", "dataType": "text", "versions": [{"value": PLAIN}]}),
        );
    }
    for most in [1, 2, 3].map(|pages| NonZeroUsize::new(pages).expect("some pages")) {
        let (mut names, mut parts) = (BTreeSet::new(), 0);
        let mut from: Option<Box<str>> = None;
        loop {
            let pages = session.parameters_under("/map", from.as_deref(), most).await;
            let pages = pages.expect("some pages");
            assert!(pages.parameters.len() <= 10 * most.get());
            for one in pages.parameters {
                assert!(names.insert(one.name.clone()), "{} comes twice", one.name);
            }
            parts += 1;
            from = pages.next;
            if from.is_none() {
                break;
            }
        }
        // AWS may send pages that are not full.
        assert_eq!(names.len(), 25);
        assert!(parts >= 3_usize.div_ceil(most.get()), "{parts} parts of {most} pages");
    }
    // A token that leads nowhere is an error, and no end.
    let nowhere = session
        .parameters_under("/map", Some("nowhere"), NonZeroUsize::MIN)
        .await;
    assert!(nowhere.is_err(), "{nowhere:?}");
}
