//! Which migrations are meant.

use std::collections::BTreeSet;

use super::args::Which;
use super::cluster::{self, Migrations};
use crate::api::AMIMigration;

/// The migrations that are meant.
pub(super) struct Chosen {
    pub(super) found: Vec<AMIMigration>,
    /// A sentence for each that was named and cannot be read.
    pub(super) missing: Vec<String>,
}

impl Which {
    /// A decision is about what somebody has chosen, never about all unasked.
    pub(super) fn says_something(&self) -> Result<(), String> {
        let says = self.all
            || !self.names.is_empty()
            || self.selector.is_some()
            || self.policy.is_some()
            || self.account.is_some()
            || self.region.is_some();
        says.then_some(()).ok_or_else(|| {
            "no migration is chosen: name some, or take those of --policy, --account, --region or --selector, or --all.".to_owned()
        })
    }

    fn takes(&self, migration: &AMIMigration) -> bool {
        let spec = &migration.spec;
        self.policy.as_ref().is_none_or(|policy| *policy == spec.policy)
            && self
                .account
                .as_ref()
                .is_none_or(|account| account.as_str() == spec.account_id)
            && self.region.as_ref().is_none_or(|region| region.as_str() == spec.region)
    }
}

/// Reads those that are meant, each once, by their names.
pub(super) async fn chosen(migrations: &Migrations, which: &Which) -> Result<Chosen, String> {
    let mut chosen = Chosen {
        found: Vec::new(),
        missing: Vec::new(),
    };
    if which.names.is_empty() {
        chosen.found = migrations.list(which.selector.as_deref()).await?;
        chosen.found.retain(|migration| which.takes(migration));
        chosen.found.sort_by_key(cluster::name);
        return Ok(chosen);
    }
    let names: BTreeSet<&str> = which.names.iter().map(|name| bare(name)).collect();
    for name in names {
        match migrations.get(name).await {
            Ok(migration) => chosen.found.push(migration),
            Err(sentence) => chosen.missing.push(sentence),
        }
    }
    Ok(chosen)
}

/// A name without the kind that kubectl puts before it.
fn bare(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::AMIMigrationSpec;

    #[test]
    fn names_are_taken_as_kubectl_prints_them() {
        for name in [
            "ami-0123456789abcdef0.eu-west-1",
            "amim/ami-0123456789abcdef0.eu-west-1",
            "amimigration.amiseal.dev/ami-0123456789abcdef0.eu-west-1",
        ] {
            assert_eq!(bare(name), "ami-0123456789abcdef0.eu-west-1");
        }
    }

    #[test]
    fn all_that_is_asked_for_has_to_hold_and_asking_for_nothing_is_refused() {
        let spec = AMIMigrationSpec {
            policy: "production".to_owned(),
            account_id: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            ..AMIMigrationSpec::default()
        };
        let migration = AMIMigration::new("m", spec);
        let of = |policy: &str, region: &str| Which {
            policy: Some(policy.to_owned()),
            account: Some("111122223333".parse().expect("an account")),
            region: Some(region.parse().expect("a region")),
            ..Which::default()
        };
        assert!(of("production", "eu-west-1").takes(&migration));
        assert!(!of("other", "eu-west-1").takes(&migration));
        assert!(!of("production", "eu-west-2").takes(&migration));
        assert!(of("production", "eu-west-1").says_something().is_ok());
        assert!(Which::default().says_something().is_err());
    }
}
