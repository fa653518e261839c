//! From the world file to the world: checks, defaults, made-up IDs.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::images::add_images;
use super::{AccountSpec, KeySpec, RegionSpec, SpecError, WorldSpec, consumers, organizations, queues};
use crate::clock::SimTime;
use crate::iam::Policy;
use crate::model::{Account, Guardrails, Identity, Key, Region, Role, World};

/// Builds the world of a file as it is at `start`.
///
/// # Errors
/// When a value can not be used; the error names the place and the mend.
pub fn expand(spec: &WorldSpec, start: SimTime) -> Result<World, SpecError> {
    if !(0.0..=0.9).contains(&spec.settings.pagination.empty_pages) {
        return Err(SpecError::at(
            "settings.pagination.emptyPages",
            "must be between 0 and 0.9, else a listing never ends",
        ));
    }
    if !(0.0..=1.0).contains(&spec.settings.pagination.missed) {
        return Err(SpecError::at("settings.pagination.missed", "must be between 0 and 1"));
    }
    queues::check_settings(&spec.settings)?;
    let mut world = World {
        organizations: organizations::expand(&spec.organizations)?,
        expect: spec.expect.clone(),
        ..World::default()
    };
    for (i, account) in spec.accounts.iter().enumerate() {
        let path = format!("accounts[{i}]");
        let built = expand_account(spec, account, &path, start)?;
        if world.accounts.insert(account.id.clone(), built).is_some() {
            return Err(SpecError::at(
                format!("{path}.id"),
                format!("account {} is there twice: merge the two", account.id),
            ));
        }
    }
    // Any image can be named by then, those of other accounts too.
    for (i, account) in spec.accounts.iter().enumerate() {
        for (j, region) in account.regions.iter().enumerate() {
            let path = format!("accounts[{i}].regions[{j}]");
            consumers::add_all(&mut world, spec, account, region, &path, start)?;
        }
    }
    for (i, identity) in spec.identities.iter().enumerate() {
        check_account_id(&identity.account, &format!("identities[{i}].account"))?;
        let name = identity
            .name
            .clone()
            .unwrap_or_else(|| format!("user/{}", identity.access_key));
        world.identities.push(Identity {
            access_key: identity.access_key.clone(),
            account: identity.account.clone(),
            arn: format!(
                "arn:{}:iam::{}:{name}",
                world.partition(&identity.account),
                identity.account
            ),
            allow: identity.allow.clone(),
        });
    }
    queues::check_rules(&world)?;
    check_snapshot_owners(&world)?;
    check_unique_ids(&world)?;
    check_expected_settings(&world)?;
    Ok(world)
}

fn check_expected_settings(world: &World) -> Result<(), SpecError> {
    for (i, expected) in world.expect.settings.iter().enumerate() {
        let (account, region) = (&expected.account, &expected.region);
        if world.region(account, region).is_none() {
            return Err(SpecError::at(
                format!("expect.settings[{i}]"),
                format!("account {account} has no region {region} in this world: add it to its regions"),
            ));
        }
    }
    Ok(())
}

pub(super) fn check_account_id(id: &str, path: &str) -> Result<(), SpecError> {
    if is_account_id(id) {
        return Ok(());
    }
    Err(SpecError::at(
        path,
        format!("`{id}` is not an account ID: write 12 digits in quotes"),
    ))
}

fn expand_account(spec: &WorldSpec, account: &AccountSpec, path: &str, start: SimTime) -> Result<Account, SpecError> {
    check_account_id(&account.id, &format!("{path}.id"))?;
    let mut regions = BTreeMap::new();
    for (i, region) in account.regions.iter().enumerate() {
        let region_path = format!("{path}.regions[{i}]");
        let built = expand_region(spec, account, region, &region_path, start)?;
        if regions.insert(region.name.clone(), built).is_some() {
            return Err(SpecError::at(
                format!("{region_path}.name"),
                format!("region {} is there twice: merge the two", region.name),
            ));
        }
    }
    let roles = account
        .roles
        .iter()
        .enumerate()
        .map(|(i, r)| {
            let statements = Policy::of(&r.statements)
                .map_err(|error| SpecError::at(format!("{path}.roles[{i}].statements"), error))?;
            let role = Role {
                name: r.name.clone(),
                arn: format!("arn:{}:iam::{}:role/{}", account.partition, account.id, r.name),
                external_id: r.external_id.clone(),
                trust: r.trust.clone(),
                allow: r.allow.clone(),
                statements,
                session_tags: r.session_tags,
                max_session_seconds: r.max_session_seconds,
            };
            Ok((r.name.clone(), role))
        })
        .collect::<Result<_, SpecError>>()?;
    Ok(Account {
        id: account.id.clone(),
        partition: account.partition.clone(),
        organization: account.organization.clone(),
        organizational_units: account.organizational_units.clone(),
        owner_alias: account.owner_alias.clone(),
        roles,
        regions,
    })
}

fn expand_region(
    spec: &WorldSpec,
    account: &AccountSpec,
    region: &RegionSpec,
    path: &str,
    start: SimTime,
) -> Result<Region, SpecError> {
    if region.name.split('-').count() < 3 {
        return Err(SpecError::at(
            format!("{path}.name"),
            format!("`{}` is not a region: write it as eu-west-1", region.name),
        ));
    }
    let mut built = Region::empty(&region.name, region.opt_in);
    built.snapshot_copy_limit = region.snapshot_copy_limit;
    check_guardrails(&region.guardrails, &format!("{path}.guardrails"))?;
    built.guardrails = region.guardrails.clone();
    built.trails.clone_from(&region.trails);
    built.queues = queues::expand(&region.queues, &format!("{path}.queues"))?;
    built.events_to.clone_from(&region.events_to);
    built.absent_services = region.absent_services.iter().copied().collect();
    for (i, key) in region.keys.iter().enumerate() {
        built.keys.push(expand_key(
            spec.seed,
            account,
            &region.name,
            key,
            &format!("{path}.keys[{i}]"),
            start,
        )?);
    }
    for (i, image) in region.images.iter().enumerate() {
        add_images(
            &mut built,
            spec.seed,
            &account.id,
            image,
            &format!("{path}.images[{i}]"),
            start,
        )?;
    }
    Ok(built)
}

fn check_guardrails(set: &Guardrails, path: &str) -> Result<(), SpecError> {
    for (field, value, known) in [
        (
            "imagePublicAccess",
            &set.image_public_access,
            &["unblocked", "block-new-sharing"][..],
        ),
        (
            "snapshotPublicAccess",
            &set.snapshot_public_access,
            &["unblocked", "block-new-sharing", "block-all-sharing"],
        ),
        (
            "allowedImages",
            &set.allowed_images,
            &["disabled", "audit-mode", "enabled"],
        ),
    ] {
        if let Some(value) = value {
            consumers::one_of(value, known, &format!("{path}.{field}"))?;
        }
    }
    Ok(())
}

fn expand_key(
    seed: u64,
    account: &AccountSpec,
    region: &str,
    key: &KeySpec,
    path: &str,
    start: SimTime,
) -> Result<Key, SpecError> {
    if let Some(bad) = key.alias.iter().find(|a| !a.starts_with("alias/")) {
        return Err(SpecError::at(
            format!("{path}.alias"),
            format!("`{bad}` is not an alias name: begin it with alias/"),
        ));
    }
    let id = key.id.clone().unwrap_or_else(|| {
        let h = digest(seed, &[&account.id, region, "key", &key.alias.join(","), path]);
        let uuid = format!(
            "{}-{}-4{}-8{}-{}",
            &h[..8],
            &h[8..12],
            &h[13..16],
            &h[17..20],
            &h[20..32]
        );
        if key.multi_region {
            format!("mrk-{}", uuid.replace('-', ""))
        } else {
            uuid
        }
    });
    Ok(Key {
        arn: format!("arn:{}:kms:{region}:{}:key/{id}", account.partition, account.id),
        id,
        aliases: key.alias.clone(),
        state: key.state.clone(),
        usage: key.usage.clone(),
        spec: key.spec.clone(),
        manager: if key.alias.iter().any(|a| a.starts_with("alias/aws/")) {
            "AWS".to_owned()
        } else {
            key.manager.clone()
        },
        multi_region: key.multi_region,
        origin: key.origin.clone(),
        rotation: key.rotation,
        allowed_principals: key.allowed_principals.clone(),
        policy: key.policy.clone(),
        grants: key.grants.clone(),
        created: start.plus_seconds(-400.0 * 86_400.0),
        edited: 0,
    })
}

fn check_snapshot_owners(world: &World) -> Result<(), SpecError> {
    for (account, region) in world.regions() {
        for snapshot in region.snapshots.values() {
            if !world.accounts.contains_key(&snapshot.owner) {
                return Err(SpecError::at(
                    format!("account {}, region {}", account.id, region.name),
                    format!(
                        "snapshots are ownedBy {}, which is no account of this world: add it to accounts",
                        snapshot.owner
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn check_unique_ids(world: &World) -> Result<(), SpecError> {
    let mut seen = BTreeSet::new();
    for (account, region) in world.regions() {
        for id in region.images.keys() {
            if !seen.insert(id) {
                return Err(SpecError::at(
                    format!("account {}, region {}", account.id, region.name),
                    format!("image ID {id} is there twice: give another id"),
                ));
            }
        }
    }
    Ok(())
}

/// Hex digits that depend on the seed and these words alone.
pub(crate) fn digest(seed: u64, words: &[&str]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(seed.to_be_bytes());
    for word in words {
        hasher.update([0]);
        hasher.update(word.as_bytes());
    }
    hex::encode(hasher.finalize())
}

/// Whether a text is 12 digits.
pub(crate) fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether an ID is `<prefix>-` and 8 or 17 hex digits.
pub(crate) fn is_resource_id(prefix: &str, id: &str) -> bool {
    id.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|digits| {
            matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
}
