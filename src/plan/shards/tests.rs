//! Several replicas and one set of Leases, with every interleaving of what they see and write that proptest comes up with.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const DURATION: Duration = Duration::from_secs(10);
const SHARDS: u16 = 5;

#[test]
fn the_shard_of_an_account_and_region_is_written_down_for_good() {
    for (account, region, shards, shard) in [
        ("111122223333", "eu-west-1", 16, 10),
        ("111122223333", "us-east-1", 16, 13),
        ("444455556666", "eu-west-1", 16, 13),
        ("444455556666", "eu-west-1", 1, 0),
        ("999900001111", "ap-southeast-2", 1024, 334),
    ] {
        assert_eq!(shard_of(account, region, shards), shard, "{account} {region} {shards}");
    }
}

#[test]
fn accounts_and_regions_spread_evenly_over_the_shards() {
    let mut counts = [0_u32; 16];
    for account in 0..1000 {
        for region in ["eu-west-1", "eu-central-1", "us-east-1", "us-west-2"] {
            counts[usize::from(shard_of(&format!("{account:012}"), region, 16))] += 1;
        }
    }
    assert!(counts.iter().all(|count| (200..300).contains(count)), "{counts:?}");
}

#[test]
fn a_share_is_rounded_up_so_that_all_shards_find_a_holder() {
    for (shards, replicas, expected) in [
        (16, 1, 16),
        (16, 2, 8),
        (16, 3, 6),
        (16, 16, 1),
        (16, 40, 1),
        (1, 2, 1),
        (16, 0, 16),
    ] {
        assert_eq!(share(shards, replicas), expected, "{shards} for {replicas}");
    }
}

#[test]
fn a_lease_is_believed_for_a_shorter_time_than_it_takes_to_be_taken_and_has_gone_within_its_duration() {
    for seconds in [3, 15, 600] {
        let duration = Duration::from_secs(seconds);
        assert!(holds_for(duration) < runs_out_after(duration));
        assert!(runs_out_after(duration) + look_every(duration) < duration);
        for shard in 0..32 {
            let renewed = renew_after(duration, &Name::Shard(shard));
            // A renewal may fail, and be tried again, before anything is lost.
            assert!(
                renewed + request_timeout(duration) + look_every(duration) < holds_for(duration),
                "{renewed:?}"
            );
        }
    }
}

/// The API server: Leases, and a version that every write changes.
#[derive(Debug, Default)]
struct Server {
    leases: BTreeMap<Name, Record>,
    versions: u64,
}

impl Server {
    fn write(&mut self, write: &Write, terms: &Criteria) -> Outcome {
        let known = self.leases.get(&write.lease).map(|record| record.version.clone());
        if known != write.version {
            return Outcome::Refused;
        }
        self.versions += 1;
        let version = self.versions.to_string();
        if write.what == Written::Deleted {
            self.leases.remove(&write.lease);
            return Outcome::Done(String::new());
        }
        let record = Record {
            version: version.clone(),
            holder: (write.what != Written::GivenUp).then(|| terms.identity.clone()),
            duration: terms.duration,
            shards: Some(terms.shards),
        };
        self.leases.insert(write.lease.clone(), record);
        Outcome::Done(version)
    }
}

struct Replica {
    terms: Criteria,
    keeper: Keeper,
    /// Its clock has begun at another moment than the others'.
    offset: Duration,
    /// A write that has not arrived yet, and when it was sent by its clock.
    on_its_way: Option<(Write, Duration)>,
    /// Whether work is under way on its shards, so that they cannot be given up.
    busy: bool,
}

impl Replica {
    fn new(number: usize, shards: u16) -> Self {
        let terms = Criteria {
            identity: format!("amiseal-{number}"),
            shards,
            duration: DURATION,
        };
        Self {
            keeper: Keeper::new(terms.clone()),
            terms,
            offset: Duration::from_secs(1000 * number as u64),
            on_its_way: None,
            busy: false,
        }
    }

    fn believes(&self, shard: u16, now: Duration) -> bool {
        self.keeper.until(shard).is_some_and(|until| now + self.offset < until)
    }

    fn look(&mut self, server: &Server, now: Duration) {
        let leases = server
            .leases
            .iter()
            .map(|(name, record)| (name.clone(), record.clone()));
        self.keeper
            .looked(leases.collect(), now + self.offset, now + self.offset);
    }

    /// Plans and writes, one write of which may be held up on its way.
    fn act(&mut self, server: &mut Server, now: Duration, held_up: Option<usize>) -> Planned {
        let now = now + self.offset;
        let busy = self.busy;
        let planned = self.keeper.plan(now, |_| !busy);
        for (number, write) in planned.writes.iter().enumerate() {
            let outcome = if held_up == Some(number) && self.on_its_way.is_none() {
                self.on_its_way = Some((write.clone(), now));
                Outcome::Unknown
            } else {
                server.write(write, &self.terms)
            };
            self.keeper.answered(write, outcome, now, now);
        }
        planned
    }

    /// A write arrives at last, which nobody waits for any more.
    fn arrive(&mut self, server: &mut Server) {
        if let Some((write, _)) = self.on_its_way.take() {
            server.write(&write, &self.terms);
        }
    }
}

#[derive(Debug, Clone)]
enum Event {
    Passes(u64),
    Looks(usize),
    Acts(usize, Option<usize>),
    Arrives(usize),
    Crashes(usize),
    Retires(usize),
    IsBusy(usize, bool),
}

fn event(replicas: usize) -> impl Strategy<Value = Event> {
    let who = 0..replicas;
    prop_oneof![
        6 => (1_u64..4000).prop_map(Event::Passes),
        8 => who.clone().prop_map(Event::Looks),
        10 => (who.clone(), prop::option::of(0_usize..4)).prop_map(|(who, which)| Event::Acts(who, which)),
        2 => who.clone().prop_map(Event::Arrives),
        1 => who.clone().prop_map(Event::Crashes),
        1 => who.clone().prop_map(Event::Retires),
        1 => (who, any::<bool>()).prop_map(|(who, busy)| Event::IsBusy(who, busy)),
    ]
}

/// Everybody looks and acts as often as they should, until nothing changes any more.
fn settle(server: &mut Server, replicas: &mut [Replica], now: &mut Duration, seconds: u64) -> Vec<Planned> {
    let mut last = Vec::new();
    for _ in 0..seconds * 2 {
        last.clear();
        for replica in replicas.iter_mut() {
            replica.busy = false;
            replica.arrive(server);
            replica.look(server, *now);
            last.push(replica.act(server, *now, None));
        }
        *now += Duration::from_millis(500);
    }
    last
}

fn holders(replicas: &[Replica], shard: u16, now: Duration) -> Vec<usize> {
    let holders = replicas
        .iter()
        .enumerate()
        .filter(|(_, replica)| replica.believes(shard, now));
    holders.map(|(number, _)| number).collect()
}

fn played(events: &[Event], numbers: &[u16]) -> (Server, Vec<Replica>, Duration) {
    let mut server = Server::default();
    let mut replicas: Vec<_> = numbers
        .iter()
        .enumerate()
        .map(|(number, shards)| Replica::new(number, *shards))
        .collect();
    let mut now = Duration::ZERO;
    for event in events {
        match *event {
            Event::Passes(millis) => now += Duration::from_millis(millis),
            Event::Looks(who) => replicas[who].look(&server, now),
            Event::Acts(who, held_up) => drop(replicas[who].act(&mut server, now, held_up)),
            Event::Arrives(who) => replicas[who].arrive(&mut server),
            // Started again at once under its name.
            Event::Crashes(who) => replicas[who] = Replica::new(who, numbers[who]),
            Event::Retires(who) => replicas[who].keeper.retire(),
            Event::IsBusy(who, busy) => replicas[who].busy = busy,
        }
        check_single(&replicas, numbers, now);
    }
    (server, replicas, now)
}

/// No two believe to work on the same account and region.
fn check_single(replicas: &[Replica], numbers: &[u16], now: Duration) {
    for shard in 0..SHARDS {
        let of_same: Vec<_> = holders(replicas, shard, now);
        let same = numbers.iter().all(|shards| *shards == numbers[0]);
        assert!(!same || of_same.len() <= 1, "shard {shard} is held by {of_same:?}");
    }
    let by_number = |number: u16| {
        let of_number = replicas.iter().filter(move |replica| replica.terms.shards == number);
        of_number
            .filter(|replica| (0..number).any(|shard| replica.believes(shard, now)))
            .count()
    };
    let numbers: std::collections::BTreeSet<u16> = numbers.iter().copied().collect();
    let at_work = numbers.iter().filter(|number| by_number(**number) > 0).count();
    assert!(at_work <= 1, "shards are held by different numbers of them");
}

#[test]
fn replicas_share_the_shards_and_one_that_comes_has_its_part_at_once() {
    let (mut server, mut now) = (Server::default(), Duration::ZERO);
    let mut replicas = vec![Replica::new(0, SHARDS)];
    let counts = |replicas: &[Replica], now| -> Vec<usize> {
        let count = |replica: &Replica| (0..SHARDS).filter(|shard| replica.believes(*shard, now)).count();
        replicas.iter().map(count).collect()
    };
    // Sees that there is nothing, shows itself, sees that nobody else does, takes all.
    settle(&mut server, &mut replicas, &mut now, 1);
    assert_eq!(counts(&replicas, now), [5]);
    replicas.push(Replica::new(1, SHARDS));
    settle(&mut server, &mut replicas, &mut now, 2);
    assert_eq!(counts(&replicas, now), [3, 2]);
    replicas.push(Replica::new(2, SHARDS));
    settle(&mut server, &mut replicas, &mut now, 2);
    assert_eq!(counts(&replicas, now), [2, 2, 1]);
    // The policies stay where they were.
    assert!(replicas[0].believes(0, now));
    replicas[0].keeper.retire();
    settle(&mut server, &mut replicas, &mut now, 2);
    assert!(replicas[0].keeper.has_retired());
    assert_eq!(counts(&replicas, now), [0, 3, 2]);
    assert!(!server.leases.contains_key(&Name::Replica("amiseal-0".to_owned())));
}

#[test]
fn what_a_killed_replica_held_is_taken_within_the_duration_of_a_lease() {
    let (mut server, mut now) = (Server::default(), Duration::ZERO);
    let mut replicas = vec![Replica::new(0, SHARDS), Replica::new(1, SHARDS)];
    settle(&mut server, &mut replicas, &mut now, 20);
    replicas.remove(0);
    let killed = now;
    while (0..SHARDS).any(|shard| holders(&replicas, shard, now).is_empty()) {
        now += look_every(DURATION);
        replicas[0].look(&server, now);
        replicas[0].act(&mut server, now, None);
        assert!(now - killed <= DURATION, "nobody works on some shards");
    }
    let left = Name::Replica("amiseal-0".to_owned());
    assert!(server.leases.contains_key(&left));
    settle(&mut server, &mut replicas, &mut now, 11);
    assert!(
        !server.leases.contains_key(&left),
        "what it has left is deleted in the end"
    );
}

#[test]
fn a_replica_that_is_started_again_under_its_name_has_its_shards_back_at_once() {
    let (mut server, mut now) = (Server::default(), Duration::ZERO);
    let mut replicas = vec![Replica::new(0, SHARDS), Replica::new(1, SHARDS)];
    settle(&mut server, &mut replicas, &mut now, 20);
    let before: Vec<_> = (0..SHARDS).map(|shard| holders(&replicas, shard, now)).collect();
    replicas[0] = Replica::new(0, SHARDS);
    settle(&mut server, &mut replicas, &mut now, 1);
    let after: Vec<_> = (0..SHARDS).map(|shard| holders(&replicas, shard, now)).collect();
    assert_eq!(before, after);
}

#[test]
fn a_lease_that_somebody_deletes_is_made_anew_by_its_holder_and_taken_by_nobody() {
    let (mut server, mut now) = (Server::default(), Duration::ZERO);
    let mut replicas = vec![Replica::new(0, SHARDS), Replica::new(1, SHARDS)];
    settle(&mut server, &mut replicas, &mut now, 20);
    let holder = holders(&replicas, 4, now);
    server.leases.remove(&Name::Shard(4));
    for number in [1 - holder[0], holder[0]] {
        replicas[number].look(&server, now);
        replicas[number].act(&mut server, now, None);
        assert_eq!(holders(&replicas, 4, now), holder);
    }
    assert_eq!(
        server.leases[&Name::Shard(4)].holder,
        Some(replicas[holder[0]].terms.identity.clone())
    );
}

#[test]
fn another_number_of_shards_takes_over_when_the_last_one_of_the_old_has_gone() {
    let (mut server, mut now) = (Server::default(), Duration::ZERO);
    let mut replicas = vec![Replica::new(0, SHARDS), Replica::new(1, SHARDS), Replica::new(2, 3)];
    settle(&mut server, &mut replicas[..2], &mut now, 20);
    let held = |replica: &Replica, now| (0..SHARDS).filter(|shard| replica.believes(*shard, now)).count();
    let planned = settle(&mut server, &mut replicas, &mut now, 20);
    assert_eq!(planned[2].contradicted, Some(SHARDS));
    assert_eq!(planned[0].contradicted, Some(3));
    replicas[0].keeper.retire();
    settle(&mut server, &mut replicas, &mut now, 2);
    assert_eq!(
        (held(&replicas[1], now), held(&replicas[2], now)),
        (5, 0),
        "the old ones go on"
    );
    replicas[1].keeper.retire();
    let planned = settle(&mut server, &mut replicas, &mut now, 2);
    assert_eq!((held(&replicas[1], now), held(&replicas[2], now)), (0, 3));
    assert_eq!(planned[2].contradicted, None);
}

#[test]
fn a_shard_whose_giving_up_got_no_answer_is_not_believed_to_be_held() {
    let events = [
        Event::Looks(1),
        Event::Acts(1, None),
        Event::Passes(1177),
        Event::Looks(1),
        Event::Passes(1395),
        Event::Acts(1, None),
        Event::Passes(628),
        Event::Looks(0),
        Event::Acts(0, None),
        Event::Looks(1),
        Event::Acts(1, Some(1)),
        Event::Arrives(1),
        Event::Passes(3284),
        Event::Looks(0),
        Event::Acts(0, None),
    ];
    played(&events, &[SHARDS; 3]);
}

#[test]
fn a_lease_that_was_not_looked_at_for_a_while_has_not_run_out_by_that() {
    let events = [
        Event::Looks(2),
        Event::Acts(2, None),
        Event::Looks(1),
        Event::Looks(2),
        Event::Passes(5784),
        Event::Acts(1, None),
        Event::Looks(1),
        Event::Acts(2, Some(3)),
        Event::Passes(2716),
        Event::Acts(1, None),
    ];
    played(&events, &[SHARDS, 3, SHARDS]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_two_replicas_hold_a_shard_at_a_time(events in prop::collection::vec(event(3), 1..120)) {
        played(&events, &[SHARDS; 3]);
    }

    #[test]
    fn replicas_with_different_numbers_of_shards_never_work_at_a_time(events in prop::collection::vec(event(3), 1..120)) {
        played(&events, &[SHARDS, 3, SHARDS]);
    }

    #[test]
    fn whatever_has_happened_all_shards_find_a_holder_and_stay_with_it(events in prop::collection::vec(event(3), 1..60)) {
        let (mut server, mut replicas, mut now) = played(&events, &[SHARDS; 3]);
        for (number, replica) in replicas.iter_mut().enumerate() {
            if replica.keeper.retires() {
                // Another Pod instead.
                *replica = Replica::new(10 + number, SHARDS);
            }
        }
        settle(&mut server, &mut replicas, &mut now, 25);
        let before: Vec<_> = (0..SHARDS).map(|shard| holders(&replicas, shard, now)).collect();
        prop_assert!(before.iter().all(|holders| holders.len() == 1), "{before:?}");
        let most = share(SHARDS, replicas.len());
        for number in 0..replicas.len() {
            let count = before.iter().filter(|holders| holders[0] == number).count();
            prop_assert!(count <= most, "{number} holds {count} of {before:?}");
        }
        let last = settle(&mut server, &mut replicas, &mut now, 25);
        let after: Vec<_> = (0..SHARDS).map(|shard| holders(&replicas, shard, now)).collect();
        prop_assert_eq!(before, after);
        for planned in last {
            prop_assert!(planned.leaving.is_empty() && planned.lost.is_empty());
            prop_assert!(planned.writes.iter().all(|write| write.what == Written::Renewed), "{:?}", planned.writes);
        }
    }
}
