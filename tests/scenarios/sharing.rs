//! Replicas share the accounts and regions by shards; one that ends, dies or is stopped leaves its shards to the others.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use amiseal::plan::shards::shard_of;
use ec2sim::spec::AllowedCall;
use ec2sim::{Act, Failure, WorldSpec};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::harness::{
    ACCOUNT, KEY, LEASE, REGION, Replica, SHARDS, Scenario, account, once, plain, plain_ones, policy, region,
    small_world, with, world,
};

/// Leases that outlast what a busy machine takes to do anything: whoever gets one sooner has not waited until it has run out.
const LONG_LEASE: Duration = Duration::from_secs(60);
/// For a machine on which other tests run.
const SLACK: Duration = Duration::from_secs(15);

/// Who holds each shard that has a holder.
async fn holders(scenario: &Scenario) -> BTreeMap<u16, String> {
    let leases = Api::<Lease>::namespaced(scenario.client.clone(), "amiseal-system");
    let shards = ListParams::default().labels("amiseal.dev/lease=shard");
    let shards = leases.list(&shards).await.expect("the Leases").items;
    let held = shards.into_iter().filter_map(|lease| {
        let shard = lease.name_any().strip_prefix("amiseal-shard-")?.parse().ok()?;
        let holder = lease.spec?.holder_identity.filter(|holder| !holder.is_empty())?;
        Some((shard, holder))
    });
    held.collect()
}

/// How many shards each replica holds.
async fn counts(scenario: &Scenario) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for holder in holders(scenario).await.into_values() {
        *counts.entry(holder).or_default() += 1;
    }
    counts
}

/// Waits until all shards are held, by so many replicas, none of which has more than its share.
async fn shared_by(scenario: &Scenario, replicas: usize) -> BTreeMap<u16, String> {
    scenario
        .until(&format!("the shards to be shared by {replicas}"), async || {
            let counts = counts(scenario).await;
            let all = counts.values().sum::<usize>() == usize::from(SHARDS);
            let fair = counts
                .values()
                .all(|count| *count <= usize::from(SHARDS).div_ceil(replicas));
            (all && fair && counts.len() == replicas).then_some(())
        })
        .await;
    holders(scenario).await
}

fn shard(region: &str) -> u16 {
    shard_of(ACCOUNT, region, SHARDS)
}

/// Two replicas: the one that works on the account's region, and the other one, with their names.
async fn two(
    scenario: &Scenario,
    region: &str,
    second: impl FnOnce(&Scenario) -> Replica,
) -> ((String, Replica), (String, Replica)) {
    let first = scenario.start().await;
    sorted(scenario, region, first, second(scenario)).await
}

async fn sorted(
    scenario: &Scenario,
    region: &str,
    first: Replica,
    second: Replica,
) -> ((String, Replica), (String, Replica)) {
    let (first, second) = (("amiseal".to_owned(), first), ("second".to_owned(), second));
    let holders = shared_by(scenario, 2).await;
    if holders[&shard(region)] == "second" {
        (second, first)
    } else {
        (first, second)
    }
}

#[tokio::test]
async fn sigterm_finishes_the_step_and_leaves_its_shards_to_the_next_replica_at_once() {
    let scenario = Scenario::new(small_world(&[&plain("web")])).await;
    scenario.sim().add_fault(once("CopyImage", Act::DelayReply(2.0)));
    let start = |name: &str| Replica {
        process: scenario.describe_with(name, LONG_LEASE).spawn().expect("a replica"),
    };
    let mut first = start("amiseal");
    first.leads().await;
    let ((_, mut owner), (other, _other)) = sorted(&scenario, REGION, first, start("second")).await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario
        .until("the copy", async || (scenario.copies_made() == 1).then_some(()))
        .await;

    // AWS has not answered yet.
    owner.process.sigterm().expect("a running replica");
    let status = owner.process.wait(Duration::from_secs(120)).await.expect("an end");
    let ended = Instant::now();
    assert!(status.success(), "{status}");
    let migration = &scenario.all_migrations().await[0];
    let copy = migration
        .status
        .as_ref()
        .and_then(|status| status.copy.as_ref())
        .expect("an intent");
    assert!(
        copy.image_id.is_some(),
        "the answer that came after SIGTERM is on record"
    );
    let holders = shared_by(&scenario, 1).await;
    assert_eq!(holders[&shard(REGION)], other);
    // One that was renewed just before its replica ended runs out after fifty seconds, and one that was due after thirty.
    assert!(ended.elapsed() < LONG_LEASE / 2, "{:?}", ended.elapsed());
    scenario.completed(1).await;
    assert_eq!(scenario.copies_made(), 1);
    scenario.judged();
}

#[tokio::test]
async fn a_lone_replica_leaves_leases_that_nobody_holds() {
    let scenario = Scenario::new(small_world(&[])).await;
    let replica = scenario.start().await;
    shared_by(&scenario, 1).await;
    replica.stop().await;
    assert_eq!(holders(&scenario).await, BTreeMap::new());
    let leases = Api::<Lease>::namespaced(scenario.client.clone(), "amiseal-system");
    let left = leases
        .list(&ListParams::default().labels("amiseal.dev/lease=replica"))
        .await;
    assert_eq!(left.expect("the Leases").items, []);
    scenario.judged();
}

/// Its shard is a low one: replicas give up high ones to others that come, so that its owner does not get it back.
const OWN_REGION: &str = "eu-west-2";

/// An account in which the controller works under its own identity, so that the journal tells replicas apart.
fn own_identities() -> WorldSpec {
    let actions = r#"["sts:*", "ec2:*", "kms:*", "autoscaling:*", "ssm:*", "eks:*", "batch:*", "imagebuilder:*"]"#;
    let mut world = WorldSpec::parse(&format!(
        r#"
settings: {{copies: {{baseSeconds: 0.5, secondsPerGib: 0, jitter: 0}}}}
identities:
- {{accessKey: AKIACONTROLLER, account: "{ACCOUNT}", name: user/amiseal, allow: {actions}}}
- {{accessKey: AKIASECOND, account: "{ACCOUNT}", name: user/second, allow: {actions}}}
accounts:
- id: "{ACCOUNT}"
  regions:
  - name: {OWN_REGION}
    keys: [{{id: {KEY}, alias: [alias/ami]}}]
    images:
    - {{name: shared, launchPermissions: {{users: ["444455556666"]}}, expect: {{copied: {{key: alias/ami}}}}}}
    - {}
"#,
        plain_ones("web-", 4)
    ))
    .expect("a world");
    // One replica publishes what another one copied.
    world.expect.allow = vec![AllowedCall::default()];
    world
}

fn own_identity_policy() -> Value {
    let regions = json!([{"name": OWN_REGION, "kmsKeyID": "alias/ami"}]);
    with(
        policy("production", &[ACCOUNT]),
        "defaults",
        json!({ "regions": regions }),
    )
}

fn second(scenario: &Scenario) -> Replica {
    let described = scenario.describe("second").env("AWS_ACCESS_KEY_ID", "AKIASECOND");
    Replica {
        process: described.spawn().expect("a replica"),
    }
}

/// How many calls this replica has made.
fn calls_by(scenario: &Scenario, replica: &str, only_mutating: bool) -> usize {
    let (journal, user) = (scenario.sim().journal(), format!("user/{replica}"));
    let by = |call: &&ec2sim::Call| call.principal.ends_with(&user) && (call.mutating || !only_mutating);
    journal.iter().filter(by).count()
}

#[tokio::test]
async fn of_two_replicas_only_the_shards_holder_makes_calls_and_the_other_takes_over_when_it_dies() {
    let scenario = Scenario::new(own_identities()).await;
    scenario
        .sim()
        .change_settings(|settings| settings.copies.base_seconds = 3600.0);
    let ((owner, first), (other, mut second)) = two(&scenario, OWN_REGION, second).await;
    scenario.apply(&own_identity_policy()).await;
    scenario
        .until("all copies", async || (scenario.copies_made() == 5).then_some(()))
        .await;
    assert_eq!(calls_by(&scenario, &other, false), 0);
    assert!(second.get("/readyz").await.1.contains("ok"));
    let (_, metrics) = second.get("/metrics").await;
    assert!(metrics.lines().any(|line| line == "amiseal_shards_held 8"), "{metrics}");
    let shown = format!(r#"account="{ACCOUNT}""#);
    assert!(
        !metrics.contains(&shown),
        "each target is in the metrics of one replica"
    );

    let killed = Instant::now();
    first.kill();
    let before = calls_by(&scenario, &owner, false);
    scenario
        .until("the other to hold the shard", async || {
            (holders(&scenario).await.get(&shard(OWN_REGION)) == Some(&other)).then_some(())
        })
        .await;
    assert!(killed.elapsed() < LEASE + SLACK, "{:?}", killed.elapsed());
    scenario
        .until("a scan", async || {
            (calls_by(&scenario, &other, false) > 0).then_some(())
        })
        .await;
    scenario.sim().advance(Duration::from_secs(3600));
    scenario.completed(5).await;
    assert_eq!(scenario.copies_made(), 5);
    assert_eq!(calls_by(&scenario, &owner, false), before);
    let (_, metrics) = second.get("/metrics").await;
    assert!(metrics.contains(&shown), "{metrics}");
    scenario.judged();
}

#[tokio::test]
async fn a_replica_that_was_stopped_beyond_its_leases_changes_nothing_when_it_goes_on() {
    let scenario = Scenario::new(own_identities()).await;
    // The owner is about to publish, again and again.
    scenario.fault("ModifyImageAttribute", Act::FailBefore(Failure::default()));
    let ((owner, mut first), (other, _second)) = two(&scenario, OWN_REGION, second).await;
    scenario.apply(&own_identity_policy()).await;
    scenario
        .until("a second try", async || {
            (scenario.calls("ModifyImageAttribute").len() > 3).then_some(())
        })
        .await;
    first.process.pause().expect("a running replica");
    let before = calls_by(&scenario, &owner, true);
    let holders = shared_by(&scenario, 1).await;
    assert_eq!(holders[&shard(OWN_REGION)], other);

    first.process.resume().expect("a stopped replica");
    // It has a share again, but not this shard.
    let holders = shared_by(&scenario, 2).await;
    assert_eq!(holders[&shard(OWN_REGION)], other);
    scenario.sim().clear_faults();
    scenario.completed(5).await;
    assert_eq!(scenario.copies_made(), 5);
    let log = first.process.log();
    assert!(log.contains("were not renewed in time"), "it knows: {log}");
    assert_eq!(calls_by(&scenario, &owner, true), before);
    scenario.judged();
}

/// One account with an image to copy in each of several regions, which belong to several shards.
const REGIONS: [&str; 8] = [
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

fn many_regions() -> WorldSpec {
    let regions = REGIONS.map(|name| region(name, &[&plain_ones("web-", 2)]));
    world(&account(ACCOUNT, &regions.concat()))
}

fn policy_for(name: &str, regions: &[&str]) -> Value {
    let regions: Vec<_> = regions
        .iter()
        .map(|name| json!({"name": name, "kmsKeyID": "alias/ami"}))
        .collect();
    with(policy(name, &[ACCOUNT]), "defaults.regions", json!(regions))
}

/// When each target was scanned last.
async fn scans(scenario: &Scenario) -> BTreeMap<String, Option<jiff::Timestamp>> {
    let targets = scenario
        .targets()
        .list(&ListParams::default())
        .await
        .expect("targets")
        .items;
    let scanned = targets.into_iter().map(|target| {
        let at = target.status.as_ref().and_then(|status| status.last_scan_time.clone());
        (target.spec.region.clone(), at.map(|time| time.0))
    });
    scanned.collect()
}

#[tokio::test]
async fn three_replicas_share_the_shards_and_those_of_a_killed_one_are_taken_and_scanned_within_a_lease() {
    let scenario = Scenario::new(many_regions()).await;
    let first = scenario.start().await;
    let second = scenario.start_more("second");
    let third = scenario.start_more("third");
    shared_by(&scenario, 3).await;
    scenario.apply(&policy_for("production", &REGIONS)).await;
    scenario.completed(2 * REGIONS.len()).await;
    let before = shared_by(&scenario, 3).await;

    // One that has targets to lose.
    let owner = &before[&shard(REGION)];
    let theirs: Vec<&str> = REGIONS
        .into_iter()
        .filter(|region| before[&shard_of(ACCOUNT, region, SHARDS)] == *owner)
        .collect();
    let (killed, calls) = (Instant::now(), scenario.sim().journal().len());
    let _others = match owner.as_str() {
        "amiseal" => {
            first.kill();
            [second, third]
        }
        "second" => {
            second.kill();
            [first, third]
        }
        _ => {
            third.kill();
            [first, second]
        }
    };
    shared_by(&scenario, 2).await;
    assert!(killed.elapsed() < LEASE + SLACK, "{:?}", killed.elapsed());
    scenario
        .until("scans of what it had", async || {
            let since = scenario.sim().journal().split_off(calls);
            let scanned = |region: &&str| {
                let mut scans = since.iter().filter(|call| call.operation == "DescribeImages");
                scans.any(|call| call.region == **region)
            };
            theirs.iter().all(scanned).then_some(())
        })
        .await;
    assert_eq!(scenario.copies_made(), 2 * REGIONS.len());
    scenario.judged();
}

#[tokio::test]
async fn replicas_that_are_added_and_removed_while_images_are_copied_double_nothing_and_lose_nothing() {
    let scenario = Scenario::new(many_regions()).await;
    let first = scenario.start().await;
    scenario.apply(&policy_for("production", &REGIONS)).await;
    scenario
        .until("some copies", async || (scenario.copies_made() >= 3).then_some(()))
        .await;
    let second = scenario.start_more("second");
    shared_by(&scenario, 2).await;
    let _third = scenario.start_more("third");
    shared_by(&scenario, 3).await;
    first.stop().await;
    shared_by(&scenario, 2).await;
    second.kill();
    shared_by(&scenario, 1).await;
    scenario.completed(2 * REGIONS.len()).await;
    assert_eq!(scenario.copies_made(), 2 * REGIONS.len());
    scenario.judged();
}

#[tokio::test]
async fn the_work_on_policies_moves_with_the_first_shard() {
    let scenario = Scenario::new(many_regions()).await;
    let first = scenario.start().await;
    let mut second = scenario.start_more("second");
    let holders = shared_by(&scenario, 2).await;
    assert_eq!(holders[&0], "amiseal", "the first shard is the last to be given up");
    scenario.apply(&policy_for("one", &REGIONS[..2])).await;
    scenario.completed(4).await;
    first.kill();
    second.leads().await;
    // A policy that is new, and one that has changed while nobody looked.
    scenario.apply(&policy_for("one", &REGIONS[..1])).await;
    scenario.apply(&policy_for("two", &REGIONS[2..4])).await;
    scenario
        .until("both policies to be followed", async || {
            let scans = scans(&scenario).await;
            let wanted = [REGIONS[0], REGIONS[2], REGIONS[3]];
            let all = wanted
                .iter()
                .all(|region| scans.get(*region).is_some_and(Option::is_some));
            (all && scans.len() == wanted.len()).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_replica_with_another_number_of_shards_waits_until_the_others_have_gone() {
    let scenario = Scenario::new(small_world(&[&plain("web")])).await;
    let first = scenario.start().await;
    let other = scenario.describe("second").args(["--shards", "8"]);
    let mut second = Replica {
        process: other.spawn().expect("a replica"),
    };
    second
        .process
        .wait_for_line(
            "another replica runs with a different --shards",
            Duration::from_secs(120),
        )
        .await
        .expect("it says why it waits");
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario.completed(1).await;
    let held = counts(&scenario).await;
    assert_eq!(held, BTreeMap::from([("amiseal".to_owned(), 16)]));
    let (_, metrics) = second.get("/metrics").await;
    for line in ["amiseal_shards 8", "amiseal_shards_held 0"] {
        assert!(metrics.lines().any(|shown| shown == line), "{line}: {metrics}");
    }

    first.stop().await;
    second.leads().await;
    let held = counts(&scenario).await;
    assert_eq!(held.keys().collect::<Vec<_>>(), ["second"]);
    assert_eq!(scenario.copies_made(), 1);
    scenario.judged();
}
