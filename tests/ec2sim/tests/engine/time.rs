//! Simulated time at other speeds than real time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ec2sim::{Clock, RealTime, Sim, SimTime, WorldSpec};

use super::support::{ACCOUNT, Client, MANAGER, OWNER, WEB, client, yaml};

/// Real time that a test turns by hand.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn turn(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl RealTime for Hand {
    fn now(&self) -> SimTime {
        SimTime::from_millis(self.0.load(Ordering::SeqCst))
    }
}

fn fast(settings: &str, speed: f64) -> (Sim, Hand) {
    let hand = Hand::default();
    let spec = WorldSpec::parse(&yaml(settings, "", "")).expect("the world parses");
    let clock = Clock::with_source(Box::new(hand.clone()), spec.clock.start, speed);
    let sim = Sim::with_clock(&spec, clock).expect("the world can be built");
    (sim, hand)
}

#[test]
fn a_clock_runs_at_its_speed_and_a_change_of_speed_loses_nothing() {
    let (sim, hand) = fast("", 60.0);
    hand.turn(10);
    assert_eq!(sim.now().to_string(), "2026-01-01T00:10:00.000Z");
    sim.set_speed(1.0);
    hand.turn(10);
    assert_eq!(sim.now().to_string(), "2026-01-01T00:10:10.000Z");
    sim.set_speed(0.0);
    hand.turn(10);
    assert_eq!(sim.now().to_string(), "2026-01-01T00:10:10.000Z");
    sim.advance(std::time::Duration::from_secs(50));
    assert_eq!(sim.now().to_string(), "2026-01-01T00:11:00.000Z");
}

#[test]
fn copies_take_simulated_time() {
    let (sim, hand) = fast("", 100.0);
    let c = client(&sim, OWNER);
    let id = c.copy(WEB, "copy", "alias/good", &[]).one("imageId");
    hand.turn(1);
    assert_eq!(c.state(&id), "pending");
    hand.turn(1);
    assert_eq!(c.state(&id), "available");
    assert!(sim.journal()[0].real_time.is_some());
}

#[test]
fn rates_hold_by_the_clock_that_the_world_names() {
    for (time, admitted) in [("real", 20), ("simulated", 100)] {
        let settings = format!("throttling: {{enabled: true, time: {time}}}");
        let (sim, hand) = fast(&settings, 60.0);
        let c = client(&sim, OWNER);
        let burst = || {
            (0..150)
                .filter(|_| c.ec2("DescribeRegions", &[]).code() == "OK")
                .count()
        };
        assert_eq!(burst(), 100);
        hand.turn(1);
        assert_eq!(burst(), admitted, "{time}");
    }
}

#[test]
fn sessions_expire_by_the_clock_that_the_world_names() {
    for (time, code) in [("real", "OK"), ("simulated", "RequestExpired")] {
        let (sim, hand) = fast(&format!("sessions: {{time: {time}}}"), 60.0);
        let arn = format!("arn:aws:iam::{ACCOUNT}:role/writer");
        let reply = client(&sim, MANAGER).sts("AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", "test")]);
        let expected = match time {
            "real" => "1970-01-01T01:00:00.000Z",
            _ => "2026-01-01T01:00:00.000Z",
        };
        assert_eq!(reply.one("Expiration"), expected);
        let c = Client {
            key: reply.one("AccessKeyId"),
            token: Some(reply.one("SessionToken")),
            ..client(&sim, MANAGER)
        };
        hand.turn(60);
        assert_eq!(c.ec2("DescribeRegions", &[]).code(), code, "{time}");
    }
}
