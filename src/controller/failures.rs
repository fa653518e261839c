//! How many moves of a policy's consumers have failed, over all accounts and regions, without looking through all migrations.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;
use kube::ResourceExt;

use super::watched::Seen;
use crate::api::AMIMigration;
use crate::plan::moving::pace;

/// The failures of the migrations that have any, as last seen.
#[derive(Debug, Default)]
pub(crate) struct Failures(RwLock<HashMap<String, Failed>>);

#[derive(Debug)]
struct Failed {
    policy: String,
    times: Vec<Timestamp>,
}

impl Failures {
    /// How many moves of this policy have failed since then.
    pub(super) fn since(&self, policy: &str, since: Timestamp) -> usize {
        // Every change is complete in itself, so a panic elsewhere leaves the map sound.
        let failed = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let of_policy = failed.values().filter(|failed| failed.policy == policy);
        of_policy
            .flat_map(|failed| &failed.times)
            .filter(|time| **time >= since)
            .count()
    }

    /// Takes in what the watch has seen.
    pub(super) fn note(&self, seen: &Seen<'_, AMIMigration>) {
        let mut failed = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match seen {
            Seen::Listed(migrations) => {
                failed.clear();
                for migration in *migrations {
                    take(&mut failed, migration);
                }
            }
            Seen::Applied(migration) => take(&mut failed, migration),
            Seen::Deleted(migration) => drop(failed.remove(&migration.name_any())),
        }
    }
}

fn take(failed: &mut HashMap<String, Failed>, migration: &AMIMigration) {
    let status = migration.status.as_ref();
    let times: Vec<Timestamp> = status
        .map(|status| pace::failures(status).collect())
        .unwrap_or_default();
    if times.is_empty() {
        failed.remove(&migration.name_any());
        return;
    }
    let policy = migration.spec.policy.clone();
    failed.insert(migration.name_any(), Failed { policy, times });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::{AMIMigrationSpec, AMIMigrationStatus, ConsumerVersions, MovedConsumer};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn migration(name: &str, policy: &str, failed_at: &[i64]) -> Arc<AMIMigration> {
        let row = |second: &i64| MovedConsumer {
            previous: Some(ConsumerVersions::default()),
            time: Some(Time(at(*second))),
            ..MovedConsumer::default()
        };
        let spec = AMIMigrationSpec {
            policy: policy.to_owned(),
            ..AMIMigrationSpec::default()
        };
        let status = AMIMigrationStatus {
            consumers: failed_at.iter().map(row).collect(),
            ..AMIMigrationStatus::default()
        };
        let mut migration = AMIMigration::new(name, spec);
        migration.status = Some(status);
        Arc::new(migration)
    }

    #[test]
    fn failures_are_counted_by_policy_until_they_are_gone() {
        let failures = Failures::default();
        failures.note(&Seen::Listed(&[
            migration("a", "p", &[1, 5]),
            migration("b", "q", &[2]),
        ]));
        failures.note(&Seen::Applied(&migration("c", "p", &[9])));
        let count = |policy: &str, since: i64| failures.since(policy, at(since));
        assert_eq!(
            (count("p", 0), count("p", 5), count("p", 10), count("q", 0)),
            (3, 2, 0, 1)
        );
        failures.note(&Seen::Applied(&migration("a", "p", &[])));
        assert_eq!(count("p", 0), 1);
        failures.note(&Seen::Deleted(&migration("c", "p", &[9])));
        assert_eq!(count("p", 0), 0);
        failures.note(&Seen::Listed(&[]));
        assert_eq!(count("q", 0), 0);
    }
}
