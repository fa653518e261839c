//! Leases as the API server has them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{DeleteParams, ListParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use sha2::{Digest, Sha256};

use crate::api::labels;
use crate::controller::answers::is_unreachable;
use crate::controller::apply::FIELD_MANAGER;
use crate::plan::shards::{Criteria, Name, Outcome, Record, Write, Written};

/// The Leases of one namespace.
pub(super) struct Leases {
    api: Api<Lease>,
    terms: Criteria,
    /// As last seen or written: what others have put there stays.
    known: BTreeMap<Name, Lease>,
}

impl Leases {
    pub(super) fn new(client: Client, namespace: &str, terms: Criteria) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            terms,
            known: BTreeMap::new(),
        }
    }

    /// All of ours.
    pub(super) async fn list(&self) -> Result<Vec<Lease>, kube::Error> {
        let ours = ListParams::default().labels(labels::LEASE);
        Ok(self.api.list(&ours).await?.items)
    }

    /// Takes in what was listed.
    pub(super) fn note(&mut self, list: Vec<Lease>) -> Vec<(Name, Record)> {
        self.known = list
            .into_iter()
            .filter_map(|lease| Some((name(&lease)?, lease)))
            .collect();
        let records = self.known.iter();
        records
            .map(|(name, lease)| (name.clone(), record(lease, self.terms.duration)))
            .collect()
    }

    /// Takes in what was written.
    pub(super) fn wrote(&mut self, name: &Name, lease: Option<Lease>) {
        match lease {
            Some(lease) => self.known.insert(name.clone(), lease),
            None => self.known.remove(name),
        };
    }

    /// Sends a write at `now` of the clock that people read.
    pub(super) async fn write(&self, write: &Write, now: Timestamp) -> (Outcome, Option<Lease>) {
        let known = self.known.get(&write.lease);
        let answer = match (write.what, &write.version) {
            (Written::Deleted, version) => self.delete(&write.lease, version.clone()).await.map(|()| None),
            (what, version) => {
                let lease = changed(
                    &self.terms,
                    &write.lease,
                    known.filter(|_| version.is_some()),
                    what,
                    now,
                );
                let parameters = PostParams {
                    field_manager: Some(FIELD_MANAGER.to_owned()),
                    ..PostParams::default()
                };
                match version {
                    None => self.api.create(&parameters, &lease).await.map(Some),
                    Some(_) => self.api.replace(&lease.name_any(), &parameters, &lease).await.map(Some),
                }
            }
        };
        match answer {
            Ok(lease) => {
                let version = lease.as_ref().and_then(ResourceExt::resource_version);
                (Outcome::Done(version.unwrap_or_default()), lease)
            }
            // Refused: somebody was faster, or it is gone.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                tracing::debug!(lease = %write.lease, what = ?write.what, message = status.message, "the Lease has changed");
                (Outcome::Refused, None)
            }
            Err(error) if is_unreachable(&error) => {
                tracing::debug!(lease = %write.lease, what = ?write.what, %error, "could not write the Lease");
                (Outcome::Unknown, None)
            }
            Err(error) => {
                tracing::warn!(lease = %write.lease, what = ?write.what, %error, "could not write the Lease");
                (Outcome::Unknown, None)
            }
        }
    }

    async fn delete(&self, lease: &Name, version: Option<String>) -> Result<(), kube::Error> {
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: None,
                resource_version: version,
            }),
            ..DeleteParams::default()
        };
        self.api.delete(&object_name(lease), &parameters).await.map(drop)
    }
}

/// A Lease as it is to be. Its times are for people: nothing is decided on them.
fn changed(terms: &Criteria, name: &Name, known: Option<&Lease>, what: Written, now: Timestamp) -> Lease {
    let mut lease = known.cloned().unwrap_or_default();
    lease.metadata.name = Some(object_name(name));
    lease.metadata.managed_fields = None;
    let kind = match name {
        Name::Shard(_) => "shard",
        Name::Replica(_) => "replica",
    };
    lease.labels_mut().insert(labels::LEASE.to_owned(), kind.to_owned());
    lease
        .annotations_mut()
        .insert(labels::SHARDS.to_owned(), terms.shards.to_string());
    let before = lease.spec.take().unwrap_or_default();
    let holder = match what {
        Written::GivenUp => String::new(),
        _ => terms.identity.clone(),
    };
    let is_new = before.holder_identity.as_deref() != Some(&holder) && what != Written::GivenUp;
    let transitions = before.lease_transitions.unwrap_or_default() + i32::from(is_new && known.is_some());
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(holder),
        lease_duration_seconds: i32::try_from(terms.duration.as_secs()).ok(),
        acquire_time: if is_new {
            Some(MicroTime(now))
        } else {
            before.acquire_time
        },
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(transitions),
        ..before
    });
    lease
}

/// What is to be known of a Lease.
fn record(lease: &Lease, otherwise: Duration) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let duration = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    Record {
        version: lease.resource_version().unwrap_or_default(),
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: duration.map_or(otherwise, Duration::from_secs),
        shards: lease
            .annotations()
            .get(labels::SHARDS)
            .and_then(|shards| shards.parse().ok()),
    }
}

const SHARD: &str = "amiseal-shard-";
const REPLICA: &str = "amiseal-replica-";

/// Which shard's Lease it is.
pub(crate) fn shard_number(lease: &Lease) -> Option<u16> {
    lease.name_any().strip_prefix(SHARD)?.parse().ok()
}

/// Which Lease it is.
fn name(lease: &Lease) -> Option<Name> {
    let name = lease.name_any();
    if name.starts_with(SHARD) {
        return shard_number(lease).map(Name::Shard);
    }
    // The name of the object is made from the identity and may have lost some of it. A Lease that was given up is deleted.
    name.strip_prefix(REPLICA)?;
    let holder = lease.spec.as_ref()?.holder_identity.clone()?;
    Some(Name::Replica(holder))
}

/// The Lease's name in the API server.
fn object_name(name: &Name) -> String {
    match name {
        Name::Shard(shard) => format!("{SHARD}{shard}"),
        Name::Replica(identity) => format!("{REPLICA}{}", sanitised(identity)),
    }
}

/// An identity as a part of an object's name. Where something had to be changed, a hash of the whole keeps it apart.
fn sanitised(identity: &str) -> String {
    const LONGEST: usize = 200;
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let replaced: String = identity
        .chars()
        .map(|c| if is_fine(c) { c } else { '-' })
        .take(LONGEST)
        .collect();
    let name = replaced.trim_matches('-');
    if name == identity {
        return name.to_owned();
    }
    let hash = hex::encode(&Sha256::digest(identity)[..4]);
    if name.is_empty() {
        hash
    } else {
        format!("{name}-{hash}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replicas_lease_has_a_name_that_the_api_server_takes_and_no_other_replica_has() {
        let cases = [
            ("amiseal-7d4b9-x2x7v", "amiseal-7d4b9-x2x7v"),
            ("host-1234", "host-1234"),
            ("Host.example-1", "ost-example-1-"),
            ("host_example-1", "host-example-1-"),
            ("-", ""),
            (&"x".repeat(300), &"x".repeat(200)),
        ];
        let mut names = std::collections::BTreeSet::new();
        for (identity, beginning) in cases {
            let name = sanitised(identity);
            assert!(name.starts_with(beginning), "{identity}: {name}");
            assert!(
                name.len() <= 210 && !name.starts_with('-') && !name.ends_with('-'),
                "{name}"
            );
            assert!(names.insert(name), "{identity}");
        }
        assert_eq!(sanitised("host-1234"), "host-1234", "what is fine stays as it is");
        assert_ne!(sanitised("a.b"), sanitised("a-b"));
    }

    #[test]
    fn a_lease_that_was_given_up_reads_as_nobodys_and_every_new_holder_counts() {
        let terms = Criteria {
            identity: "amiseal-0".to_owned(),
            shards: 16,
            duration: Duration::from_secs(15),
        };
        let shard = Name::Shard(3);
        let changed = |known, what| changed(&terms, &shard, known, what, Timestamp::UNIX_EPOCH);
        let first = changed(None, Written::Taken);
        assert_eq!(
            (name(&first), first.name_any()),
            (Some(shard.clone()), "amiseal-shard-3".to_owned())
        );
        let record = |lease| record(lease, terms.duration);
        assert_eq!(record(&first).holder.as_deref(), Some("amiseal-0"));
        assert_eq!(record(&first).shards, Some(16));
        let transitions = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
        let again = changed(Some(&first), Written::Renewed);
        assert_eq!((transitions(&first), transitions(&again)), (Some(0), Some(0)));
        let freed = changed(Some(&again), Written::GivenUp);
        assert_eq!(record(&freed).holder, None);
        let taken = changed(Some(&freed), Written::Taken);
        assert_eq!(transitions(&taken), Some(1));
    }
}
