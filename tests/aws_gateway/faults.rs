//! What the network and AWS do wrong, and who may write while they do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use amiseal::aws::{Access, Cause, ErrorClass};
use amiseal::clock::SystemClock;
use amiseal::domain::Operation;
use ec2sim::spec::Pagination;
use ec2sim::{Act, Edit, Failure, FaultRule};
use futures::future::join_all;

use crate::{Bench, PLAIN, copy};

fn fault(operation: &str, to: u64, act: Act) -> FaultRule {
    FaultRule {
        operation: Some(operation.to_owned()),
        to: Some(to),
        act,
        ..FaultRule::default()
    }
}

#[tokio::test]
async fn a_copy_whose_answer_is_lost_is_asked_for_again_and_made_once() {
    for act in [Act::DropAfter, Act::FailAfter(Failure::default())] {
        let bench = Bench::new().await;
        bench.sim().add_fault(fault("CopyImage", 1, act));
        let session = bench.session(Access::Full);
        let id = session.copy_image(&copy(PLAIN, "once")).await.expect("a copy");
        let again = session.copy_image(&copy(PLAIN, "once")).await.expect("the same copy");
        assert_eq!(id, again);
        let calls = bench.calls("CopyImage");
        assert_eq!(calls.len(), 3);
        assert_eq!(calls.iter().filter(|call| call.effect).count(), 1, "one copy was made");
    }
}

#[tokio::test]
async fn a_replica_that_loses_the_shard_between_attempts_sends_no_other() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let gate = Arc::new(move |_: &_| count.fetch_add(1, Ordering::SeqCst) == 0);
    let bench = Bench::with(gate, |_| {}).await;
    bench
        .sim()
        .add_fault(fault("CopyImage", 9, Act::FailBefore(Failure::default())));
    let session = bench.session(Access::Full);
    let error = session
        .copy_image(&copy(PLAIN, "never"))
        .await
        .expect_err("the shard is lost");
    assert_eq!(error.class, ErrorClass::NotOurs);
    assert_eq!(bench.calls("CopyImage").len(), 1);
    let error = session
        .set_description(&copy(PLAIN, "x").source, "d")
        .await
        .expect_err("the shard is lost");
    assert_eq!(error.class, ErrorClass::NotOurs);
    assert!(bench.calls("ModifyImageAttribute").is_empty());
    session.scan().await.expect("reading needs no shard");
}

#[tokio::test]
async fn throttling_is_survived_and_counted() {
    let bench = Bench::new().await;
    bench.sim().add_fault(fault("DescribeImages", 2, Act::Throttle));
    bench.session(Access::ReadOnly).scan().await.expect("a scan");
    assert_eq!(bench.requests("DescribeImages", "RequestLimitExceeded"), 2.0);
    assert!(bench.requests("DescribeImages", "OK") > 1.0);
}

#[tokio::test]
async fn an_aws_with_little_more_than_half_of_its_limits_left_has_no_cause_to_throttle() {
    let bench = Bench::with(Arc::new(|_| true), |options| {
        options.clock = Arc::new(SystemClock::default());
    })
    .await;
    bench.sim().change_settings(|settings| {
        settings.throttling.enabled = true;
        settings.throttling.scale = 0.6;
        settings.pagination = Pagination::default();
    });
    let session = bench.session(Access::Full);
    let one = [copy(PLAIN, "one").source];
    let reads = (0..75).map(|_| session.images(&one));
    for read in join_all(reads).await {
        assert_eq!(read.expect("a read").len(), 1);
    }
    assert_eq!(bench.requests("DescribeImages", "OK"), 75.0);
    assert_eq!(bench.requests("DescribeImages", "RequestLimitExceeded"), 0.0);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_a_transient_error() {
    let bench = Bench::with(Arc::new(|_| true), |options| {
        options.read_timeout = Duration::from_millis(250);
    })
    .await;
    let session = bench.session(Access::ReadOnly);
    session.check_identity().await.expect("an identity");
    bench.sim().add_fault(fault("DescribeImages", 9, Act::DelayReply(5.0)));
    let error = session.scan().await.expect_err("no answer");
    assert_eq!(
        (error.class, error.cause),
        (ErrorClass::Transient, Some(Cause::Timeout))
    );
    assert_eq!(bench.calls("DescribeImages").len(), 3);
    assert_eq!(bench.requests("DescribeImages", "Timeout"), 3.0);
    let said = error.to_string();
    assert!(
        said.contains("within 250ms") && said.contains("--aws-read-timeout"),
        "{said}"
    );
}

#[tokio::test]
async fn lists_may_take_longer_than_other_calls() {
    let bench = Bench::with(Arc::new(|_| true), |options| {
        options.attempt_timeout = Duration::from_millis(250);
        options.operation_timeout = Duration::from_millis(250);
    })
    .await;
    let session = bench.session(Access::Full);
    session.check_identity().await.expect("an identity");
    bench
        .sim()
        .change_settings(|settings| settings.lists.page_seconds = 0.6);
    session.scan().await.expect("a slow scan");
    let delay = |operation| bench.sim().add_fault(fault(operation, 9, Act::DelayReply(0.6)));
    delay("DescribeImageAttribute");
    let source = copy(PLAIN, "one").source;
    session.launch_permissions(&source).await.expect("a slow read");
    delay("CopyImage");
    let error = session.copy_image(&copy(PLAIN, "one")).await.expect_err("no answer");
    assert_eq!(error.cause, Some(Cause::Timeout));
    assert_eq!(error.limit, None, "no option is for calls that write");
}

#[tokio::test]
async fn a_page_that_fails_for_good_fails_the_scan() {
    let bench = Bench::new().await;
    let act = Act::FailBefore(Failure::default());
    bench.sim().add_fault(FaultRule {
        from: Some(3),
        ..fault("DescribeSnapshots", 99, act)
    });
    let error = bench.session(Access::ReadOnly).scan().await.expect_err("a fault");
    assert_eq!(
        (error.class, error.operation),
        (ErrorClass::Transient, Operation::DescribeSnapshots)
    );
    assert_eq!(
        error.to_string(),
        "ec2:DescribeSnapshots: AWS failed; it is tried again"
    );
}

#[tokio::test]
async fn credentials_that_aws_no_longer_takes_are_renewed_without_a_word() {
    let bench = Bench::new().await;
    let session = bench.session(Access::ReadOnly);
    session.scan().await.expect("a scan");
    bench.sim().edit(Edit::ExpireSessions {}).expect("an edit");
    session.scan().await.expect("a scan with new credentials");
    let calls = bench.sim().journal();
    let sessions = calls.iter().filter(|call| call.operation == "AssumeRole");
    assert_eq!(sessions.count(), 2, "one for each time that they were needed");
}
