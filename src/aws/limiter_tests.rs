use prometheus::Registry;
use proptest::prelude::*;

use super::super::testing::JumpingClock;
use super::*;

fn limiter(share: f64) -> (Arc<JumpingClock>, Limiter) {
    let clock = Arc::new(JumpingClock::default());
    let metrics = AwsMetrics::register(&Registry::new()).expect("a fresh registry");
    (clock.clone(), Limiter::new(clock, share, metrics))
}

/// How long `calls` calls take, one after another.
async fn time_for(limiter: &Limiter, clock: &JumpingClock, bucket: Bucket, calls: u32) -> f64 {
    let began = clock.monotonic();
    for _ in 0..calls {
        limiter.acquire(bucket).await;
    }
    (clock.monotonic() - began).as_secs_f64()
}

#[tokio::test]
async fn a_burst_passes_and_then_half_of_the_rate_of_aws() {
    for (bucket, burst, rate) in [
        (Bucket::Read, 50, 10.0),
        (Bucket::Copy, 50, 0.5),
        (Bucket::Modify, 50, 2.5),
        (Bucket::Tag, 50, 5.0),
        (Bucket::Write, 25, 2.5),
        (Bucket::Parameter, 5, 1.5),
        (Bucket::PublicAccess, 1, 0.05),
        (Bucket::Queue, 50, 10.0),
    ] {
        let (clock, limiter) = limiter(0.5);
        assert_eq!(time_for(&limiter, &clock, bucket, burst).await, 0.0, "{bucket:?}");
        let took = time_for(&limiter, &clock, bucket, 20).await;
        assert!((took - 20.0 / rate).abs() < 0.1, "{bucket:?}: 20 calls took {took} s");
    }
}

#[tokio::test]
async fn buckets_do_not_use_each_other_up() {
    let (clock, limiter) = limiter(0.5);
    time_for(&limiter, &clock, Bucket::Copy, 60).await;
    assert_eq!(time_for(&limiter, &clock, Bucket::Read, 10).await, 0.0);
}

#[tokio::test]
async fn throttling_halves_the_rate_once_for_answers_that_come_together() {
    let (clock, limiter) = limiter(1.0);
    for _ in 0..10 {
        limiter.throttled(Bucket::Read);
    }
    let took = time_for(&limiter, &clock, Bucket::Read, 10).await;
    assert!(
        (0.95..=1.05).contains(&took),
        "10 calls at half of 20 a second took {took} s"
    );
}

#[tokio::test]
async fn throttling_never_stops_calls_and_the_rate_comes_back_with_time_alone() {
    let (clock, limiter) = limiter(1.0);
    for _ in 0..50 {
        limiter.throttled(Bucket::Read);
        clock.advance(SAME_EVENT);
    }
    limiter.throttled(Bucket::Read);
    let at_the_floor = time_for(&limiter, &clock, Bucket::Read, 1).await;
    assert!(at_the_floor <= 1.0 / (20.0 * FLOOR), "waited {at_the_floor} s");
    clock.advance(RECOVERY);
    time_for(&limiter, &clock, Bucket::Read, 100).await;
    let took = time_for(&limiter, &clock, Bucket::Read, 20).await;
    assert!((took - 1.0).abs() < 0.05, "20 calls at full rate took {took} s");
}

#[tokio::test]
async fn retries_are_paid_for_by_later_calls() {
    let (clock, limiter) = limiter(1.0);
    time_for(&limiter, &clock, Bucket::Read, 100).await;
    for _ in 0..20 {
        limiter.charge(Bucket::Read);
    }
    assert!(limiter.delay(Bucket::Read) >= Duration::from_secs(1));
    let took = time_for(&limiter, &clock, Bucket::Read, 1).await;
    assert!((took - 1.05).abs() < 0.01, "took {took} s");
}

#[tokio::test]
async fn a_caller_that_gives_up_waiting_takes_nothing() {
    let (clock, limiter) = limiter(1.0);
    time_for(&limiter, &clock, Bucket::Copy, 100).await;
    for _ in 0..10 {
        let mut waiting = Box::pin(limiter.acquire(Bucket::Copy));
        assert!(futures::poll!(&mut waiting).is_pending());
    }
    let took = time_for(&limiter, &clock, Bucket::Copy, 1).await;
    assert!((took - 1.0).abs() < 0.01, "took {took} s");
}

#[tokio::test]
async fn waiting_is_counted() {
    let registry = Registry::new();
    let metrics = AwsMetrics::register(&registry).expect("a fresh registry");
    let limiter = Limiter::new(Arc::new(JumpingClock::default()), 1.0, metrics);
    for _ in 0..110 {
        limiter.acquire(Bucket::Copy).await;
    }
    let families = registry.gather();
    let waits = families
        .iter()
        .find(|family| family.name() == "amiseal_aws_throttle_wait_seconds_total")
        .expect("the metric");
    let waited = waits.get_metric()[0].get_counter().get_value();
    assert!(
        (waited - 10.0).abs() < 0.1,
        "10 calls at one a second waited {waited} s"
    );
}

#[derive(Debug, Clone)]
enum Event {
    Pass(u16),
    Call,
    Retry,
    Throttled,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (0..5000_u16).prop_map(Event::Pass),
        6 => Just(Event::Call),
        1 => Just(Event::Retry),
        1 => Just(Event::Throttled),
    ]
}

proptest! {
    #[test]
    fn no_history_sends_more_than_the_share_or_stops_for_good(
        events in prop::collection::vec(event(), 1..200),
        share in 0.01..=1.0_f64,
    ) {
        let mut now = Duration::ZERO;
        let mut state = State::new(Level::full(Bucket::Copy, share, now));
        let (capacity, refill) = (state.level.capacity, state.level.refill);
        let mut sent = 0.0;
        for event in events {
            match event {
                Event::Pass(millis) => now += Duration::from_millis(millis.into()),
                Event::Call => {
                    if state.take(now).is_ok() {
                        sent += 1.0;
                    }
                }
                Event::Retry => {
                    state.level.refill(now);
                    state.level.tokens -= 1.0;
                    sent += 1.0;
                }
                Event::Throttled => state.level.throttled(now),
            }
            prop_assert!(state.level.tokens <= capacity);
            prop_assert!((FLOOR..=1.0).contains(&state.level.factor));
        }
        let retries = (-state.level.tokens).max(0.0);
        prop_assert!(sent - retries <= capacity + refill * now.as_secs_f64() + 1e-3);
        if let Err(wait) = state.take(now) {
            state.take(now + wait).expect("a call passes after the wait that was named");
        }
    }
}
