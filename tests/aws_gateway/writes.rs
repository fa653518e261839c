//! Copies, their refusals, and what is published on an image.

use std::collections::BTreeSet;

use amiseal::aws::{Access, Cause, CopyRequest, ErrorClass};
use amiseal::domain::{ImageState, LaunchPermission, ReportRequest, ReportState};
use ec2sim::Edit;
use serde_json::json;

use crate::{ACCOUNT, Bench, PLAIN, REGION, copy, image, key_arn};

#[tokio::test]
async fn refusals_of_a_copy_are_told_apart() {
    let bench = Bench::new().await;
    let session = bench.session(Access::Full);
    session.copy_image(&copy(PLAIN, "first")).await.expect("a copy");
    let reused = CopyRequest {
        name: "renamed".to_owned(),
        ..copy(PLAIN, "first")
    };
    let taken = CopyRequest {
        client_token: "another".to_owned(),
        ..copy(PLAIN, "first")
    };
    for (request, class, cause) in [
        (reused, ErrorClass::Conflict, Cause::TokenReused),
        (taken, ErrorClass::Conflict, Cause::NameTaken),
        (
            copy("ami-0fffffffffffffff0", "none"),
            ErrorClass::NotFound,
            Cause::ImageNotFound,
        ),
        (
            copy("ami-00000000000000003", "off"),
            ErrorClass::NotFound,
            Cause::ImageUnavailable,
        ),
        (
            copy("ami-00000000000000004", "borrowed"),
            ErrorClass::Denied,
            Cause::SnapshotNotShared,
        ),
    ] {
        let error = session.copy_image(&request).await.expect_err("a refusal");
        assert_eq!((error.class, error.cause), (class, Some(cause)), "{}", request.name);
    }
    let (account, region) = (ACCOUNT.to_owned(), REGION.to_owned());
    let full = Edit::SetSnapshotCopyLimit {
        account,
        region,
        limit: 1,
    };
    bench.sim().edit(full).expect("an edit");
    let error = session.copy_image(&copy(PLAIN, "second")).await.expect_err("too many");
    assert_eq!((error.class, error.cause), (ErrorClass::Quota, Some(Cause::CopyLimit)));
}

#[tokio::test]
async fn a_copy_under_a_disabled_key_fails_later_with_a_reason_and_is_removed() {
    let bench = Bench::new().await;
    let session = bench.session(Access::Full);
    let key = key_arn("22222222-2222-4222-8222-222222222222");
    let request = CopyRequest {
        key,
        ..copy(PLAIN, "doomed")
    };
    let id = session.copy_image(&request).await.expect("AWS checks the key later");
    let kept = session.deregister_failed(&id).await.expect_err("it has not failed yet");
    assert!(kept.is(Cause::ImageNotFailed));
    bench.finish_copies();
    let failed = session
        .images(std::slice::from_ref(&id))
        .await
        .expect("a read")
        .remove(0);
    assert_eq!(failed.state, ImageState::Failed);
    assert!(failed.state_code().is_some(), "{failed:?}");
    let deleted = session.deregister_failed(&id).await.expect("it is removed");
    let again = session.deregister_failed(&id).await.expect("it is gone already");
    assert!(again.is_empty(), "{again:?}");
    for (_, _, snapshot) in failed.volumes() {
        assert!(deleted.contains(snapshot), "{snapshot} goes with its image");
        session.delete_snapshot(snapshot).await.expect("it is gone already");
    }
}

#[tokio::test]
async fn a_snapshot_that_an_image_uses_is_not_deleted() {
    let bench = Bench::new().await;
    let session = bench.session(Access::Full);
    let plain = session.images(&[image(PLAIN)]).await.expect("a read").remove(0);
    let (_, _, snapshot) = plain.volumes().next().expect("a volume");
    let error = session.delete_snapshot(snapshot).await.expect_err("in use");
    assert_eq!(
        (error.class, error.cause),
        (ErrorClass::Conflict, Some(Cause::SnapshotInUse))
    );
}

#[tokio::test]
async fn what_is_published_on_a_copy_is_there_when_it_is_read_back() {
    let bench = Bench::new().await;
    let session = bench.session(Access::Full);
    let id = session.copy_image(&copy(PLAIN, "published")).await.expect("a copy");
    bench.finish_copies();
    let account = |id: &str| LaunchPermission::Account(id.parse().expect("an account"));
    let organization = "arn:aws:organizations::999900001111:organization/o-1";
    let unit = "arn:aws:organizations::999900001111:ou/o-1/ou-1";
    let permissions = BTreeSet::from([
        account("444455556666"),
        LaunchPermission::Organization(organization.into()),
        LaunchPermission::OrganizationalUnit(unit.into()),
    ]);
    session.add_launch_permissions(&id, &permissions).await.expect("shared");
    let one_more = BTreeSet::from([account("777788889999")]);
    session.add_launch_permissions(&id, &one_more).await.expect("shared");
    session.set_description(&id, "what it is").await.expect("described");
    let at = "2035-01-01T00:00:00Z".parse().expect("a time");
    session.deprecate_at(&id, at).await.expect("deprecated");
    session
        .tag(&id, &[("team".into(), "web".into())].into())
        .await
        .expect("tagged");

    let all: BTreeSet<_> = permissions.union(&one_more).cloned().collect();
    assert_eq!(session.launch_permissions(&id).await.expect("a read"), all);
    let read = session
        .images(std::slice::from_ref(&id))
        .await
        .expect("a read")
        .remove(0);
    assert_eq!(read.description.as_deref(), Some("what it is"));
    assert_eq!(read.deprecation_time, Some(at));
    let tags: Vec<_> = read.tags.iter().collect();
    assert_eq!(tags, [("amiseal.dev/source-image", PLAIN), ("team", "web")]);
}

#[tokio::test]
async fn publishing_nothing_calls_nothing() {
    let bench = Bench::new().await;
    let session = bench.session(Access::Full);
    session
        .add_launch_permissions(&image(PLAIN), &BTreeSet::new())
        .await
        .expect("nothing");
    session.tag(&image(PLAIN), &[].into()).await.expect("nothing");
    assert!(bench.sim().journal().is_empty());
}

#[tokio::test]
async fn a_usage_report_is_made_once_read_when_it_is_there_and_deleted() {
    let bench = Bench::new().await;
    let edit = |edit: serde_json::Value| {
        let edit: Edit = serde_json::from_value(edit).expect("an edit");
        bench.sim().edit(edit).expect("there is such a thing");
    };
    for _ in 0..3 {
        let change = json!({"put": {"instance": {"image": PLAIN}}});
        edit(json!({"consumer": {"account": "444455556666", "region": REGION, "change": change}}));
    }
    let session = bench.session(Access::Full);
    let request = |image_id: &str| ReportRequest {
        image: image(image_id),
        replaces: Vec::new(),
        tags: [("amiseal.dev/policy".into(), "production".into())].into(),
        client_token: format!("amiseal-{image_id}"),
    };
    // The second call is that of somebody who has not heard the answer.
    for _ in 0..2 {
        session.create_usage_report(&request(PLAIN)).await.expect("a report");
    }
    let listed = session.usage_reports().await.expect("reports");
    let [report] = listed.as_slice() else {
        panic!("one report: {listed:#?}")
    };
    assert_eq!((report.state, report.is_whole), (ReportState::Pending, true));
    assert_eq!(report.tags.get("amiseal.dev/policy"), Some("production"));
    let read = async || {
        let entries = session.usage_report_entries(std::slice::from_ref(&report.id)).await;
        entries.expect("entries")
    };
    assert_eq!(read().await, []);
    edit(json!({"clock": {"advanceSeconds": 61}}));
    assert_eq!(
        session.usage_reports().await.expect("reports")[0].state,
        ReportState::Available
    );
    let entries = read().await;
    let rows: Vec<_> = entries
        .iter()
        .map(|row| (row.account.as_str(), &*row.kind, row.count))
        .collect();
    assert_eq!(rows, [("444455556666", "Instance", 3)]);

    let other = ReportRequest {
        client_token: "another".to_owned(),
        ..request(PLAIN)
    };
    let refused = session.create_usage_report(&other).await.expect_err("one of an image");
    assert_eq!(refused.class, ErrorClass::Invalid);
    for _ in 0..2 {
        session
            .delete_usage_report(&report.id)
            .await
            .expect("one that is gone is no error");
    }
    assert_eq!(session.usage_reports().await.expect("reports"), []);
    let gone = session.usage_report_entries(std::slice::from_ref(&report.id)).await;
    assert_eq!(gone.expect_err("no such report").class, ErrorClass::NotFound);
}
