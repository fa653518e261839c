//! Who has to be able to use the default key of a region, as every launch there does once encryption by default is on.

use std::collections::BTreeSet;

use crate::launches::group_role;
use crate::launching::Who;
use crate::model::{EBS_ALIAS, Key, Region, World};

/// Why launches under a default key fail or who may not use it, and how many calls there had been when an edit changed the key
/// last. None: the account and all roles of services that launch there can use it.
pub(crate) fn barred(world: &World, (account, region): (&str, &str), reference: &str) -> Option<(String, u64)> {
    let Some(key) = world.key(account, region, reference) else {
        // AWS makes its own key when it is first needed.
        let is_bad = reference != EBS_ALIAS;
        return is_bad.then(|| (format!("the key {reference} is not there"), 0));
    };
    if let Some(why) = key.unusable() {
        return Some((why, key.edited));
    }
    let root = format!("arn:{}:iam::{account}:root", world.partition(account));
    let root = Who::Caller(vec![account.to_owned(), root]).may_use(key);
    let all = roles(world, (account, region));
    let mut without: Vec<String> = all.into_iter().filter(|arn| !serves(key, arn)).collect();
    if !root {
        without.insert(0, format!("the root of account {account}"));
    }
    let why = || format!("{} may not be used by {}", key.arn, without.join(", "));
    (!without.is_empty()).then(|| (why(), key.edited))
}

fn serves(key: &Key, arn: &str) -> bool {
    Who::Service(arn.to_owned()).may_use(key)
}

/// ARNs of the roles of services: those that the account lists, and those by which something launches in the region.
fn roles(world: &World, (account, region): (&str, &str)) -> BTreeSet<String> {
    let listed = world.accounts.get(account).into_iter().flat_map(|a| a.roles.values());
    let linked = listed.filter(|role| role.name.starts_with("aws-service-role/"));
    let mut all: BTreeSet<String> = linked.map(|role| role.arn.clone()).collect();
    if let Some(place) = world.region(account, region) {
        let launching = launching(world, account, place).into_iter();
        all.extend(launching.filter_map(|who| match who {
            Who::Service(arn) => Some(arn),
            Who::Caller(_) => None,
        }));
    }
    all
}

/// Whoever launches instances in a region besides people.
fn launching(world: &World, account: &str, region: &Region) -> Vec<Who> {
    let c = &region.consumers;
    let role = |service: &str, name: &str| Who::service((world, account, &region.name), service, name);
    let groups = c.auto_scaling_groups.iter();
    let mut all: Vec<Who> = groups
        .map(|(_, group)| group_role(world, account, &region.name, group))
        .collect();
    if c.fleets.iter().any(|(_, fleet)| fleet.launches()) {
        all.push(role("ec2fleet", "AWSServiceRoleForEC2Fleet"));
    }
    if c.spot_fleets.iter().any(|(_, fleet)| fleet.launches()) {
        all.push(role("spotfleet", "AWSServiceRoleForEC2SpotFleet"));
    }
    if c.spot_requests.iter().any(|(_, one)| one.launches()) {
        all.push(role("spot", "AWSServiceRoleForEC2Spot"));
    }
    let mut nodes = c.eks_clusters.iter().flat_map(|(_, cluster)| &cluster.nodegroups);
    if nodes.any(|group| group.status != "DELETING") {
        all.push(role("autoscaling", "AWSServiceRoleForAutoScaling"));
    }
    let is_launching = |status: &str| !matches!(status, "DELETING" | "DELETED");
    let environments = c.compute_environments.iter();
    let managed = environments.filter(|(_, one)| one.kind == "MANAGED" && is_launching(&one.status));
    all.extend(managed.map(|(_, one)| match &one.service_role {
        Some(arn) => Who::Service(arn.clone()),
        None => role("batch", "AWSServiceRoleForBatch"),
    }));
    all
}
