//! Calls within a visit: room for all of them is reserved, or the visit is told when to come back.

use super::*;

#[tokio::test]
async fn a_visit_is_told_when_to_come_back_and_holds_up_nobody_who_stays() {
    let wire = Wire::new(|_| copied());
    let bench = bench(&wire, open()).await;
    let session = bench.aws.session(&own(Access::Full));
    // As many as may be sent at once.
    for number in 0..50 {
        let visit = session.visiting(&format!("image-{number}"));
        visit.copy_image(&copy()).await.expect("a copy");
    }
    let waits = async |who: &str| {
        let error = session.visiting(who).copy_image(&copy()).await.expect_err("no room");
        assert!(error.is(Cause::NoRoom), "{error}");
        error.retry_after.expect("a time").as_secs()
    };
    // One call in two seconds passes, and each keeps its place.
    assert_eq!([waits("a").await, waits("b").await, waits("a").await], [2, 4, 2]);
    assert_eq!(wire.count("ec2:CopyImage"), 50);
    assert_eq!(bench.counted("amiseal_aws_throttle_wait_seconds_total", &[]), 0.0);
    // Whoever stays is served before those who are not there.
    session.copy_image(&copy()).await.expect("a copy");
    assert_eq!(wire.count("ec2:CopyImage"), 51);
}

#[tokio::test]
async fn a_visit_makes_all_of_its_calls_or_none() {
    let wire =
        Wire::new(|_| Answer::ok("<ModifyImageAttributeResponse><return>true</return></ModifyImageAttributeResponse>"));
    let bench = bench(&wire, open()).await;
    let session = bench.aws.session(&own(Access::Full));
    let image = copy().source;
    for number in 0..49 {
        let visit = session.visiting(&format!("image-{number}"));
        visit.set_description(&image, "web").await.expect("room");
    }
    let visit = session.visiting("two");
    let error = visit
        .reserve(&[Operation::ModifyImageAttribute; 2])
        .expect_err("there is room for one");
    assert!(error.is(Cause::NoRoom), "{error}");
    assert_eq!(wire.count("ec2:ModifyImageAttribute"), 49);
    drop(visit);
    // What was reserved and not used is there for others.
    let other = session.visiting("two");
    other.reserve(&[Operation::ModifyImageAttribute]).expect("room for one");
    drop(other);
    let other = session.visiting("three");
    other
        .reserve(&[Operation::ModifyImageAttribute])
        .expect("it was given back");
    other.set_description(&image, "web").await.expect("it was reserved");
}

#[tokio::test]
async fn whoever_has_waited_for_one_call_does_not_wait_behind_all_others_for_another() {
    let wire =
        Wire::new(|_| Answer::ok("<ModifyImageAttributeResponse><return>true</return></ModifyImageAttributeResponse>"));
    let bench = bench(&wire, open()).await;
    let session = bench.aws.session(&own(Access::Full));
    let (reads, writes) = (Operation::DescribeImageAttribute, Operation::ModifyImageAttribute);
    let reader = session.visiting("reader");
    reader.reserve(&[reads; 50]).expect("room for the first");
    let wait = |who: &str, calls: &[Operation]| {
        let error = session.visiting(who).reserve(calls).expect_err("no room");
        error.retry_after.expect("a time").as_millis()
    };
    // Ten reads a second pass.
    let last = (0..100).map(|number| wait(&format!("reader-{number}"), &[reads])).max();
    assert_eq!(last, Some(10_000));
    let writer = session.visiting("writer");
    writer.reserve(&[writes; 50]).expect("room for the first");
    assert_eq!(wait("waits", &[writes]), 400);
    assert_eq!(wait("waits", &[writes, reads]), 400, "not behind a hundred who read");
    assert_eq!(wait("new", &[writes, reads]), 10_200);
    drop((reader, writer));
}
