//! Where the second policy takes its accounts from AWS Organizations: which histories those are, in which ways they differ, what their
//! worlds have besides, and which accounts are listed.

use std::collections::BTreeSet;

use amiseal::api::labels;
use ec2sim::WorldSpec;
use ec2sim::model::{Organization, OrganizationalUnit, World};
use kube::ResourceExt;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::groups::read;
use super::guarding::{Guarding, KEY};
use super::odd::Odd;
use super::proving::Proofs;
use super::stage::Stage;
use super::undisturbed::{GUARDS, HEARS, LISTS, MOVES};
use super::watchman::Objects;
use super::world::{CONTROLLER, ONE, OTHER_KEY, ROLE, TWO};
use super::{moving, regressions};

/// Of the histories that neither move consumers, prove copies nor hold guardrails, so many do.
const ENLISTING: f64 = 0.5;
/// The policy, and its region.
pub(crate) const POLICY: &str = "second";
const REGION: &str = "eu-west-1";
/// The organization, and its root.
pub(crate) const ORGANIZATION: &str = "o-a1b2c3d4e5";
pub(crate) const ROOT: &str = "r-ab12";
/// A unit whose accounts the policy takes where it does not take all, one below it, and one of which it takes none.
pub(crate) const UNIT: &str = "ou-ab12-aaaaaaaa";
pub(crate) const BELOW: &str = "ou-ab12-bbbbbbbb";
pub(crate) const ELSEWHERE: &str = "ou-ab12-cccccccc";
/// An account that is not listed before people have it join, and one that may leave for good.
pub(crate) const JOINING: &str = "121212121212";
pub(crate) const LEAVING: &str = "343434343434";
/// The accounts that may be listed.
pub(crate) const MEMBERS: [&str; 3] = [TWO, JOINING, LEAVING];
/// Accounts of the organization that the policy leaves out.
const LEFT_OUT: [&str; 2] = [CONTROLLER, ONE];
/// The word that is reached where an account has left.
pub(crate) const PARTED: &str = "an account has left";

/// Which accounts the policy takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enlisting {
    /// Those of a unit and of the one below it.
    Units,
    /// All of the organization, but for some.
    All,
}

impl Enlisting {
    /// Those of this seed's history, if it takes any. What histories that are kept play stays what it was.
    pub(crate) fn of(seed: u64) -> Option<Self> {
        if seed == LISTS {
            return Some(Self::Units);
        }
        let is_played_alone = [MOVES, GUARDS, HEARS].contains(&seed);
        let is_kept = regressions::is_kept(seed) || regressions::is_known(seed) || is_played_alone;
        let is_plain = !moving::is_moving(seed) && Proofs::of(seed).is_none() && !Odd::of(seed).contests();
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x0a6e);
        if is_kept || !is_plain || Guarding::of(seed).is_some() || !rng.random_bool(ENLISTING) {
            return None;
        }
        Some(if rng.random_bool(0.5) { Self::Units } else { Self::All })
    }

    fn organization(self) -> Organization {
        let owned = |accounts: &[&str]| accounts.iter().map(|&account| account.to_owned()).collect();
        let unit = |id: &str, parent: Option<&str>, accounts: &[&str]| OrganizationalUnit {
            id: id.to_owned(),
            name: id.to_owned(),
            parent: parent.map(str::to_owned),
            accounts: owned(accounts),
        };
        let (accounts, units) = match self {
            Self::Units => (
                owned(&[ONE]),
                vec![
                    unit(UNIT, None, &[TWO]),
                    unit(BELOW, Some(UNIT), &[LEAVING]),
                    unit(ELSEWHERE, None, &[JOINING]),
                ],
            ),
            Self::All => (owned(&[ONE, TWO, LEAVING]), vec![unit(ELSEWHERE, None, &[])]),
        };
        Organization {
            id: ORGANIZATION.to_owned(),
            management_account: CONTROLLER.to_owned(),
            root: ROOT.to_owned(),
            units,
            accounts,
            ..Organization::default()
        }
    }

    /// As the policy says it.
    fn source(self) -> Value {
        match self {
            Self::Units => json!({"organizationalUnits": [UNIT]}),
            Self::All => json!({"organization": {}, "exclude": LEFT_OUT}),
        }
    }
}

/// Has the second policy take its accounts from an organization, with one account more in it, and one that may join.
pub(crate) fn join(seed: u64, world: &mut WorldSpec, policies: &mut [Value]) -> Option<Enlisting> {
    let enlisting = Enlisting::of(seed)?;
    for policy in policies
        .iter_mut()
        .filter(|policy| policy["metadata"]["name"] == POLICY)
    {
        policy["spec"]["accounts"] = json!([]);
        policy["spec"]["accountsFrom"] = enlisting.source();
    }
    for identity in &mut world.identities {
        identity.allow.push("organizations:*".to_owned());
    }
    for (account, expect) in [(JOINING, json!("any")), (LEAVING, json!({"copied": {"key": KEY}}))] {
        let images = ["one", "two"].map(|name| json!({"name": format!("{name}-of-{account}"), "expect": expect}));
        let keys = json!([{"alias": [KEY]}, {"id": OTHER_KEY, "alias": ["alias/other"]}]);
        let role = json!({"name": ROLE.name, "externalID": "platform", "trust": ROLE.trust, "allow": ROLE.allow});
        let region = json!({"name": REGION, "optIn": "opt-in-not-required", "keys": keys, "images": images});
        world
            .accounts
            .push(read(json!({"id": account, "roles": [role], "regions": [region]})));
    }
    world.organizations.push(enlisting.organization());
    Some(enlisting)
}

/// The organization of a world.
pub(crate) fn organization(world: &World) -> Option<&Organization> {
    world.organizations.iter().find(|one| one.id == ORGANIZATION)
}

/// Whether its policy takes the accounts of units.
pub(crate) fn has_units(world: &World) -> bool {
    organization(world).is_some_and(|one| one.accounts_of(UNIT).is_some())
}

/// The accounts that AWS Organizations lists as active, as far as the policy takes them.
pub(crate) fn listed(world: &World) -> BTreeSet<String> {
    let Some(organization) = organization(world) else {
        return BTreeSet::new();
    };
    let of_units = [UNIT, BELOW]
        .into_iter()
        .filter_map(|unit| organization.accounts_of(unit));
    let accounts: Vec<&String> = if has_units(world) {
        of_units.flatten().collect()
    } else {
        organization.members().collect()
    };
    let is_taken =
        |account: &&String| organization.state_of(account) == "ACTIVE" && !LEFT_OUT.contains(&account.as_str());
    accounts.into_iter().filter(is_taken).cloned().collect()
}

/// How many accounts the policy has besides the one that it always has.
pub(crate) fn more(world: &World) -> usize {
    listed(world).iter().filter(|account| account.as_str() != TWO).count()
}

/// An account that is listed and has no target in the end, or has one and is not.
pub(crate) fn unsettled(stage: &Stage, objects: &Objects) -> Option<String> {
    let listed = stage.sim.with_world(listed);
    MEMBERS.into_iter().find_map(|account| {
        let name = labels::target_name(POLICY, account, REGION);
        let is_there = objects.targets.iter().any(|target| target.name_any() == name);
        let is_listed = listed.contains(account);
        (is_there != is_listed)
            .then(|| format!("that {account} is listed is {is_listed}, that it has a target {is_there}"))
    })
}
