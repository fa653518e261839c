use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::testing::{ACCOUNT, Answer, REGION, Request, Wire, bench, identity, open, own, role};
use super::super::{CopyRequest, READ_ONLY_POLICY};
use super::*;
use crate::domain::LaunchPermission;

#[path = "session_tests/reading.rs"]
mod reading;
#[path = "session_tests/visits.rs"]
mod visits;

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn copy() -> CopyRequest {
    CopyRequest {
        source: "ami-0123456789abcdef0".parse().expect("an image"),
        region: REGION.parse().expect("a region"),
        name: "encrypted-web".to_owned(),
        description: None,
        key: KEY.parse().expect("a key"),
        client_token: "token".to_owned(),
        tags: [("amiseal.dev/attempt".into(), "1".into())].into(),
    }
}

fn image(id: &str) -> String {
    format!(
        "<item><imageId>{id}</imageId><imageOwnerId>{ACCOUNT}</imageOwnerId><imageState>available</imageState><isPublic>false</isPublic><name>n</name></item>"
    )
}

fn page(set: &str, items: &[String], next: &str) -> Answer {
    let items = items.concat();
    let root = match set {
        "imagesSet" => "DescribeImagesResponse",
        _ => "DescribeSnapshotsResponse",
    };
    Answer::ok(format!(
        "<{root}><{set}>{items}</{set}><nextToken>{next}</nextToken></{root}>"
    ))
}

fn copied() -> Answer {
    Answer::ok("<CopyImageResponse><imageId>ami-0fedcba9876543210</imageId></CopyImageResponse>")
}

/// A scan of nothing, page by page.
fn nothing(request: &Request) -> Answer {
    match request.call.as_str() {
        "ec2:DescribeSnapshots" => page("snapshotSet", &[], ""),
        _ => page("imagesSet", &[], ""),
    }
}

#[tokio::test]
async fn the_identity_is_checked_before_the_first_call_and_only_then() {
    let wire = Wire::new(nothing);
    let bench = bench(&wire, open()).await;
    let session = bench.aws.session(&own(Access::Full));
    session.scan().await.expect("a scan");
    session.scan().await.expect("a scan");
    let calls: Vec<_> = wire.requests().into_iter().map(|request| request.call).collect();
    assert_eq!(calls[0], "sts:GetCallerIdentity");
    assert_eq!(wire.count("sts:GetCallerIdentity"), 1);
    assert_eq!(
        session.check_identity().await.expect("an identity").account.as_str(),
        ACCOUNT
    );
}

#[tokio::test]
async fn nothing_but_the_question_who_one_is_reaches_the_wrong_account() {
    let wire = Wire::raw(|_| Answer::ok(identity("999988887777")));
    let bench = bench(&wire, open()).await;
    let session = bench.aws.session(&own(Access::Full));
    assert!(session.scan().await.expect_err("wrong account").is(Cause::WrongAccount));
    assert!(
        session
            .copy_image(&copy())
            .await
            .expect_err("wrong account")
            .is(Cause::WrongAccount)
    );
    let only_questions = wire.requests().iter().all(|r| r.call == "sts:GetCallerIdentity");
    assert!(only_questions);
}

#[tokio::test]
async fn a_copy_is_always_encrypted_under_the_key_with_our_token_and_tags_and_no_others() {
    let wire = Wire::new(|_| copied());
    let bench = bench(&wire, open()).await;
    let session = bench.aws.session(&own(Access::Full));
    let id = session.copy_image(&copy()).await.expect("a copy");
    assert_eq!(id.as_str(), "ami-0fedcba9876543210");
    let sent = wire.requests().pop().expect("a request").form;
    for (name, value) in [
        ("Encrypted", "true"),
        ("KmsKeyId", KEY),
        ("ClientToken", "token"),
        ("CopyImageTags", "false"),
        ("SourceRegion", REGION),
        ("TagSpecification.1.ResourceType", "image"),
        ("TagSpecification.1.Tag.1.Key", "amiseal.dev/attempt"),
        ("TagSpecification.2.ResourceType", "snapshot"),
    ] {
        assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_retry_of_a_writing_call_is_not_sent_once_another_replica_holds_the_shard() {
    let asked = Arc::new(AtomicUsize::new(0));
    let gate = {
        let asked = asked.clone();
        Arc::new(move |_: &_| asked.fetch_add(1, Ordering::SeqCst) == 0)
    };
    let wire = Wire::new(|_| Answer::ec2_error(500, "InternalError", "oh"));
    let bench = bench(&wire, gate).await;
    let session = bench.aws.session(&own(Access::Full));
    let error = session.copy_image(&copy()).await.expect_err("the shard is lost");
    assert_eq!(error.class, ErrorClass::NotOurs);
    assert_eq!(wire.count("ec2:CopyImage"), 1, "the second attempt was held back");
    assert_eq!(asked.load(Ordering::SeqCst), 2, "the gate is asked once an attempt");
}

#[tokio::test]
async fn calls_that_are_held_back_while_another_replica_holds_the_shard_use_up_nothing_of_the_limits() {
    const HELD_BACK: usize = 200;
    let asked = Arc::new(AtomicUsize::new(0));
    let gate = Arc::new(move |_: &_| asked.fetch_add(1, Ordering::SeqCst) >= HELD_BACK);
    let wire = Wire::new(|_| copied());
    let bench = bench(&wire, gate).await;
    let session = bench.aws.session(&own(Access::Full));
    for _ in 0..HELD_BACK {
        let error = session.copy_image(&copy()).await.expect_err("another holds the shard");
        assert_eq!(error.class, ErrorClass::NotOurs);
    }
    session.copy_image(&copy()).await.expect("a copy");
    assert_eq!(wire.count("ec2:CopyImage"), 1);
    let waited = bench.counted("amiseal_aws_throttle_wait_seconds_total", &[]);
    assert!(waited < 1e-9, "waited {waited} s");
}

#[tokio::test]
async fn what_a_policy_asked_for_is_not_sent_once_it_asks_for_it_no_more() {
    let asked = Arc::new(AtomicUsize::new(0));
    let wire = Wire::new(|_| Answer::ec2_error(500, "InternalError", "oh"));
    let bench = bench(&wire, open()).await;
    let count = asked.clone();
    bench.aws.ask_policies(Arc::new(move |policy, scope| {
        assert_eq!(
            (policy, scope.account.as_str(), scope.region.as_str()),
            ("production", ACCOUNT, REGION)
        );
        let is_first = count.fetch_add(1, Ordering::SeqCst) == 0;
        if is_first { Ok(()) } else { Err(Cause::Withdrawn) }
    }));
    let session = bench.aws.session(&own(Access::Full));
    let error = session.copy_image(&copy()).await.expect_err("it is suspended");
    assert_eq!(
        (error.class, error.cause),
        (ErrorClass::NotOurs, Some(Cause::Withdrawn))
    );
    assert_eq!(wire.count("ec2:CopyImage"), 1, "the second attempt was held back");
}

#[tokio::test]
async fn what_a_deleted_policy_has_launched_may_be_terminated_and_nothing_else_is_sent() {
    for (cause, sent) in [(Cause::Deleted, 1), (Cause::Withdrawn, 0)] {
        let wire = Wire::new(|_| Answer::ok("<TerminateInstancesResponse/>"));
        let bench = bench(&wire, open()).await;
        bench.aws.ask_policies(Arc::new(move |_, _| Err(cause)));
        let session = bench.aws.session(&own(Access::Full));
        let ended = session.terminate("i-0123456789abcdef0").await;
        assert_eq!(ended.is_ok(), sent == 1, "{cause:?}");
        assert_eq!(wire.count("ec2:TerminateInstances"), sent, "{cause:?}");
        let copied = session.copy_image(&copy()).await.expect_err("nothing is copied");
        assert_eq!(copied.cause, Some(cause));
        assert_eq!(wire.count("ec2:CopyImage"), 0);
        // Nor is anything terminated by who only reads.
        let reads = bench.aws.session(&own(Access::ReadOnly));
        let refused = reads.terminate("i-0123456789abcdef0").await.expect_err("it reads");
        assert_eq!(refused.cause, Some(Cause::ReadOnlySession));
    }
}

#[tokio::test]
async fn credentials_that_have_ended_are_renewed_and_what_cannot_be_renewed_is_said() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let wire = Wire::raw(move |request| match request.call.as_str() {
        "sts:GetCallerIdentity" => Answer::ok(identity(ACCOUNT)),
        "sts:AssumeRole" if count.load(Ordering::SeqCst) > 1 => Answer::sts_error(403, "AccessDenied", "no"),
        "sts:AssumeRole" => Answer::ok(super::super::testing::assumed()),
        _ if count.fetch_add(1, Ordering::SeqCst) == 0 => Answer::ec2_error(400, "RequestExpired", "expired"),
        _ if count.load(Ordering::SeqCst) == 2 => copied(),
        _ => Answer::ec2_error(400, "ExpiredToken", "expired"),
    });
    let bench = bench(&wire, open()).await;
    let session = bench.aws.session(&role(Access::Full));
    session.copy_image(&copy()).await.expect("a copy, by new credentials");
    assert_eq!((wire.count("ec2:CopyImage"), wire.count("sts:AssumeRole")), (2, 2));
    let error = session
        .copy_image(&copy())
        .await
        .expect_err("the role trusts nobody any more");
    assert_eq!(error.class, ErrorClass::Denied, "{error}");
}

#[tokio::test]
async fn reading_calls_do_not_ask_who_holds_the_shard() {
    let wire = Wire::new(nothing);
    let bench = bench(&wire, Arc::new(|_: &_| false)).await;
    bench.aws.session(&own(Access::Full)).scan().await.expect("a scan");
}

#[tokio::test]
async fn a_session_that_only_reads_sends_no_writing_call() {
    let failed = image("ami-0123456789abcdef0").replace("available", "failed");
    let wire = Wire::new(move |_| page("imagesSet", std::slice::from_ref(&failed), ""));
    let bench = bench(&wire, open()).await;
    let session = bench.aws.session(&own(Access::ReadOnly));
    let id = copy().source;
    let public = BTreeSet::from([LaunchPermission::Public]);
    let snapshot = "snap-0123456789abcdef0".parse().expect("a snapshot");
    let at = "2030-01-01T00:00:00Z".parse().expect("a time");
    let refusals = [
        session.copy_image(&copy()).await.map(drop),
        session.deregister_failed(&id).await.map(drop),
        session.delete_snapshot(&snapshot).await,
        session.add_launch_permissions(&id, &public).await,
        session.set_description(&id, "d").await,
        session.deprecate_at(&id, at).await,
        session.tag(&id, &copy().tags).await,
    ];
    for refused in refusals {
        assert!(refused.expect_err("a refusal").is(Cause::ReadOnlySession));
    }
    let reads = |r: &Request| r.call.contains(":Describe") || r.call.contains(":Get");
    assert!(wire.requests().iter().all(reads), "{:?}", wire.counts());
}

#[tokio::test]
async fn a_role_is_assumed_once_with_its_external_id_name_and_tag() {
    for access in [Access::ReadOnly, Access::Full] {
        let wire = Wire::new(nothing);
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&role(access));
        session.scan().await.expect("a scan");
        session.scan().await.expect("a scan");
        assert_eq!(wire.count("sts:AssumeRole"), 1);
        let requests = wire.requests();
        let asked = requests.iter().find(|r| r.call == "sts:AssumeRole").expect("a request");
        let sent = |name: &str| asked.form.get(name).map(String::as_str);
        assert_eq!(sent("RoleArn"), Some("arn:aws:iam::111122223333:role/amiseal"));
        assert_eq!(sent("RoleSessionName"), Some("amiseal-production"));
        assert_eq!(sent("ExternalId"), Some("platform"));
        assert_eq!(sent("Tags.member.1.Key"), Some("amiseal-policy"));
        assert_eq!(sent("Tags.member.1.Value"), Some("production"));
        let narrowed = (access == Access::ReadOnly).then_some(READ_ONLY_POLICY);
        assert_eq!(sent("Policy"), narrowed, "{access:?}");
        for request in &requests {
            let signer = if request.call == "sts:AssumeRole" {
                "OWN"
            } else {
                "ASSUMED"
            };
            assert_eq!(request.signer, signer, "{}", request.call);
        }
    }
}

#[tokio::test]
async fn a_refused_role_fails_every_call_with_the_reason() {
    for (message, cause) in [
        ("not authorized", Cause::RoleNotAssumable),
        (
            "User: arn:aws:iam::1:user/u is not authorized to perform: sts:TagSession on resource: r",
            Cause::SessionTagsDenied,
        ),
    ] {
        let wire = Wire::raw(move |_| Answer::sts_error(403, "AccessDenied", message));
        let bench = bench(&wire, open()).await;
        let error = bench
            .aws
            .session(&role(Access::Full))
            .scan()
            .await
            .expect_err("refused");
        assert_eq!((error.class, error.cause), (ErrorClass::Denied, Some(cause)));
        assert_eq!(error.operation, Operation::AssumeRole);
    }
}

#[tokio::test]
async fn calls_without_an_answer_are_tried_again_and_then_given_up() {
    for (never, cause, label) in [
        (true, Cause::Timeout, "Timeout"),
        (false, Cause::Unreachable, "Unreachable"),
    ] {
        let answer = move |_: &Request| if never { Answer::Never } else { Answer::Unreachable };
        let wire = Wire::new(answer);
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&own(Access::Full));
        let error = session.copy_image(&copy()).await.expect_err("no answer");
        assert_eq!((error.class, error.cause), (ErrorClass::Transient, Some(cause)));
        assert_eq!(wire.count("ec2:CopyImage"), 3);
        let labels = [("operation", "CopyImage"), ("code", label)];
        assert_eq!(bench.counted("amiseal_aws_requests_total", &labels), 3.0, "{label}");
    }
}

#[tokio::test]
async fn throttling_is_survived_counted_and_makes_later_calls_wait() {
    for (status, code, label) in [
        (503, "RequestLimitExceeded", "RequestLimitExceeded"),
        (429, "NobodyKnowsThis", "Other"),
    ] {
        let tries = AtomicUsize::new(0);
        let wire = Wire::new(move |_| match tries.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => Answer::ec2_error(status, code, "slow down"),
            _ => copied(),
        });
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&own(Access::Full));
        // The SDK gives up on a code that it does not know.
        while session.copy_image(&copy()).await.is_err() {}
        let counted = |code| {
            let labels = [("service", "ec2"), ("operation", "CopyImage"), ("code", code)];
            bench.counted("amiseal_aws_requests_total", &labels)
        };
        assert_eq!((counted(label), counted("OK")), (2.0, 1.0));
        session.copy_image(&copy()).await.expect("another copy");
        let waited = bench.counted("amiseal_aws_throttle_wait_seconds_total", &[]);
        assert!(waited > 1.0, "{code}: {waited}");
    }
}

#[tokio::test]
async fn a_throttled_call_says_when_to_come_back() {
    let wire = Wire::new(|_| Answer::ec2_error(503, "RequestLimitExceeded", "slow down"));
    let bench = bench(&wire, open()).await;
    let session = bench.aws.session(&own(Access::Full));
    let error = session.copy_image(&copy()).await.expect_err("throttled");
    assert_eq!(error.class, ErrorClass::Throttled);
    assert!(error.retry_after.is_some_and(|wait| wait.as_secs() >= 1), "{error:?}");
}

#[tokio::test]
async fn an_account_that_fails_does_not_use_up_the_retries_of_another() {
    let wire = Wire::raw(|request| match request.call.as_str() {
        "sts:AssumeRole" => Answer::ok(super::super::testing::assumed()),
        _ => Answer::sts_error(500, "InternalError", "oh"),
    });
    let bench = bench(&wire, open()).await;
    let failing = bench.aws.session(&own(Access::Full));
    let mut attempts = Vec::new();
    for _ in 0..100 {
        let before = wire.requests().len();
        failing.check_identity().await.expect_err("a fault");
        attempts.push(wire.requests().len() - before);
    }
    assert_eq!(
        (attempts.first(), attempts.last()),
        (Some(&3), Some(&2)),
        "its budget is used up"
    );
    let other = SessionKey {
        scope: Scope::parse("444455556666", REGION).expect("a scope"),
        ..own(Access::Full)
    };
    let before = wire.requests().len();
    bench.aws.session(&other).check_identity().await.expect_err("a fault");
    assert_eq!(wire.requests().len() - before, 3, "the other account retries as before");
}

#[tokio::test]
async fn only_a_failed_image_is_deregistered() {
    for (state, deregistered) in [("failed", 1), ("available", 0), ("pending", 0), ("deregistered", 0)] {
        let found = image("ami-0123456789abcdef0").replace("available", state);
        let wire = Wire::new(move |request| match request.call.as_str() {
            "ec2:DescribeImages" => page("imagesSet", std::slice::from_ref(&found), ""),
            _ => Answer::ok("<DeregisterImageResponse><return>true</return></DeregisterImageResponse>"),
        });
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&own(Access::Full));
        let result = session.deregister_failed(&copy().source).await;
        assert_eq!(wire.count("ec2:DeregisterImage"), deregistered, "{state}");
        let refused = result.is_err_and(|error| error.is(Cause::ImageNotFailed));
        assert_eq!(refused, matches!(state, "available" | "pending"), "{state}");
    }
}

#[tokio::test]
async fn what_is_gone_already_counts_as_deleted() {
    let wire = Wire::new(|_| Answer::ec2_error(400, "InvalidSnapshot.NotFound", "gone"));
    let bench = bench(&wire, open()).await;
    let snapshot = "snap-0123456789abcdef0".parse().expect("a snapshot");
    bench
        .aws
        .session(&own(Access::Full))
        .delete_snapshot(&snapshot)
        .await
        .expect("gone");
}

#[tokio::test]
async fn sessions_are_shared_by_key_until_they_are_forgotten() {
    let wire = Wire::new(nothing);
    let bench = bench(&wire, open()).await;
    let session = bench.aws.session(&own(Access::Full));
    assert!(Arc::ptr_eq(&session, &bench.aws.session(&own(Access::Full))));
    assert!(!Arc::ptr_eq(&session, &bench.aws.session(&own(Access::ReadOnly))));
    bench.aws.forget(&own(Access::Full));
    let fresh = bench.aws.session(&own(Access::Full));
    assert!(!Arc::ptr_eq(&session, &fresh));
    assert!(
        Arc::ptr_eq(&session.limits, &fresh.limits),
        "the account's limits outlive a session"
    );
}
