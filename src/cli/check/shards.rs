//! Whether each shard is held by a replica that lives: its Lease is seen to be renewed, and not longer ago than a Lease
//! lasts. Clocks of machines are not compared.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use tokio::time::{Instant, sleep};

use super::Finding;
use crate::api::{Duration as Text, labels};
use crate::controller::shard_number;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks at the Leases until all are held, or the time is over.
pub(super) async fn held(client: &Client, namespace: &str, shards: u16, lease: Text, timeout: Duration) -> Finding {
    let api = Api::<Lease>::namespaced(client.clone(), namespace);
    let ours = ListParams::default().labels(&format!("{}=shard", labels::LEASE));
    let deadline = Instant::now() + timeout;
    let mut seen = Seen::default();
    loop {
        let said = match api.list(&ours).await {
            Ok(list) => {
                let now = Instant::now();
                seen.note(&list.items, now);
                seen.verdict(shards, lease, now)
            }
            Err(error) => Err(format!("the Leases of {namespace} cannot be listed: {error}")),
        };
        if said.is_ok() || Instant::now() >= deadline {
            return Finding::new("shards", said);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// What was seen of the Leases.
#[derive(Debug, Default)]
struct Seen {
    shards: BTreeMap<u16, Shard>,
}

#[derive(Debug)]
struct Shard {
    holder: String,
    version: Option<String>,
    /// When it was last seen to have changed. What it was found as may be of a replica that is gone.
    renewed: Option<Instant>,
}

impl Seen {
    fn note(&mut self, leases: &[Lease], now: Instant) {
        let held: BTreeMap<u16, (String, Option<String>)> = leases
            .iter()
            .filter_map(|lease| {
                let holder = lease.spec.as_ref()?.holder_identity.clone()?;
                Some((shard_number(lease)?, (holder, lease.resource_version())))
            })
            .filter(|(_, (holder, _))| !holder.is_empty())
            .collect();
        self.shards.retain(|shard, _| held.contains_key(shard));
        for (number, (holder, version)) in held {
            let known = self.shards.entry(number).or_insert_with(|| Shard {
                holder: holder.clone(),
                version: version.clone(),
                renewed: None,
            });
            // Whoever has taken it since lives as well.
            if known.version != version {
                known.renewed = Some(now);
            }
            known.version = version;
            known.holder = holder;
        }
    }

    fn verdict(&self, shards: u16, lease: Text, now: Instant) -> Result<String, String> {
        let (held, free): (Vec<u16>, Vec<u16>) = (0..shards).partition(|number| self.shards.contains_key(number));
        if held.is_empty() {
            return Err("none is held: no replica runs, or none has got Ready; see its log".to_owned());
        }
        if !free.is_empty() {
            return Err(format!(
                "{} of {shards} are held by nobody ({}): give the replicas longer (--timeout), or see their logs",
                free.len(),
                list(&free)
            ));
        }
        let lives = |shard: &Shard| shard.renewed.is_some_and(|renewed| now - renewed <= lease.as_std());
        let old: Vec<u16> = held
            .iter()
            .copied()
            .filter(|number| self.shards.get(number).is_some_and(|shard| !lives(shard)))
            .collect();
        if !old.is_empty() {
            return Err(format!(
                "the Leases of {} of {shards} were not renewed in the last {lease} of watching ({}): their replicas are \
                 gone, or have a longer --lease-duration, or --timeout is shorter than a third of it",
                old.len(),
                list(&old)
            ));
        }
        let mut holders: BTreeMap<&str, usize> = BTreeMap::new();
        for number in held {
            if let Some(shard) = self.shards.get(&number) {
                *holders.entry(&shard.holder).or_default() += 1;
            }
        }
        let holders: Vec<String> = holders
            .iter()
            .map(|(name, count)| format!("{name} ({count})"))
            .collect();
        Ok(format!("all {shards} are held, by {}", holders.join(", ")))
    }
}

/// The first ones of many.
fn list(numbers: &[u16]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = numbers.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = if numbers.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::coordination::v1::LeaseSpec;

    use super::*;

    fn lease(shard: u16, holder: &str, version: u32) -> Lease {
        let mut lease = Lease::default();
        lease.metadata.name = Some(format!("amiseal-shard-{shard}"));
        lease.metadata.resource_version = Some(version.to_string());
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            ..LeaseSpec::default()
        });
        lease
    }

    /// What is said after listings that are five seconds apart, of Leases that last for 15.
    fn after(listings: &[&[Lease]], shards: u16) -> Result<String, String> {
        let (mut seen, mut now) = (Seen::default(), Instant::now());
        for listing in listings {
            now += Duration::from_secs(5);
            seen.note(listing, now);
        }
        seen.verdict(shards, Text::from_secs(15), now)
    }

    #[test]
    fn shards_are_held_once_each_lease_was_seen_to_change() {
        let first = [lease(0, "a", 1), lease(1, "b", 2)];
        let then = [lease(0, "a", 3), lease(1, "b", 4)];
        assert_eq!(
            after(&[&first, &then], 2),
            Ok("all 2 are held, by a (1), b (1)".to_owned())
        );
        let old = after(&[&first, &first], 2).expect_err("not renewed");
        assert!(old.starts_with("the Leases of 2 of 2 were not renewed"), "{old}");
        let half = after(&[&first, &[lease(0, "a", 3), lease(1, "b", 2)]], 2).expect_err("not renewed");
        assert!(
            half.starts_with("the Leases of 1 of 2") && half.contains("(1)"),
            "{half}"
        );
    }

    #[test]
    fn a_replica_that_dies_while_others_are_waited_for_counts_no_more() {
        let (first, then) = ([lease(0, "a", 1)], [lease(0, "a", 2)]);
        let both = |second: u32| [lease(0, "a", 2), lease(1, "b", second)];
        let lasts = after(&[&first, &then, &then, &both(3), &both(4)], 2);
        assert_eq!(lasts, Ok("all 2 are held, by a (1), b (1)".to_owned()));
        let dead = after(&[&first, &then, &then, &then, &both(3), &both(4)], 2).expect_err("not renewed");
        assert!(
            dead.starts_with("the Leases of 1 of 2 were not renewed in the last 15s of watching (0)"),
            "{dead}"
        );
    }

    #[test]
    fn a_shard_without_a_lease_or_that_was_given_up_is_nobodys() {
        assert!(after(&[&[]], 2).expect_err("none").starts_with("none is held"));
        let given_up = [lease(0, "a", 1), lease(1, "", 2)];
        let free = after(&[&given_up], 16).expect_err("free ones");
        assert!(
            free.starts_with("15 of 16 are held by nobody (1, 2, 3, 4, 5, 6, 7, 8, …)"),
            "{free}"
        );
    }

    #[test]
    fn a_new_holder_shows_life_and_one_that_has_left_counts_no_more() {
        assert_eq!(
            after(&[&[lease(0, "a", 1)], &[lease(0, "b", 2)]], 1),
            Ok("all 1 are held, by b (1)".to_owned())
        );
        let left = [lease(0, "a", 1)];
        let gone = after(&[&left, &[lease(0, "a", 2)], &[lease(0, "", 3)]], 1);
        assert!(gone.expect_err("none").starts_with("none is held"));
    }
}
