//! The calls that reading an account takes, and the least that it could.

use std::collections::BTreeMap;

use ec2sim::Call;

use crate::Args;
use crate::world::pinned;

/// What is asked of single images that nobody is known to use, after everything is listed.
const OF_SINGLE_IMAGES: [&str; 2] = ["DescribeImageReferences", "DescribeImageAttribute"];

/// The least, by operation: as many pages as AWS gives at most on one, and each version that is pinned by its number.
pub(crate) fn least(args: &Args) -> BTreeMap<&'static str, u32> {
    let pages = |things: u32, page: u32| things.div_ceil(page).max(1);
    [
        ("DescribeImages", pages(args.images, 1000)),
        ("DescribeSnapshots", pages(args.images, 1000)),
        ("DescribeInstances", pages(args.instances, 1000)),
        // The default and the latest version of each.
        (
            "DescribeLaunchTemplateVersions",
            pages(args.templates * 2, 200) + pinned(args),
        ),
        ("DescribeAutoScalingGroups", pages(args.groups, 100)),
        ("DescribeLaunchConfigurations", 1),
        ("DescribeFleets", 1),
        ("DescribeSpotFleetRequests", 1),
        ("DescribeSpotInstanceRequests", 1),
        ("DescribeParameters", pages(args.parameters, 50)),
        ("GetParameters", pages(args.parameters, 10)),
        ("ListClusters", 1),
        ("DescribeComputeEnvironments", 1),
        ("ListImageRecipes", 1),
        ("ListContainerRecipes", 1),
    ]
    .into()
}

/// How often each operation was called.
pub(crate) fn counted(calls: &[Call]) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.operation.clone()).or_default() += 1;
    }
    counts
}

/// How many calls read what `least` lists.
pub(crate) fn listing(counts: &BTreeMap<String, u32>, least: &BTreeMap<&'static str, u32>) -> u32 {
    counts
        .iter()
        .filter(|(operation, _)| least.contains_key(operation.as_str()))
        .map(|(_, count)| count)
        .sum()
}

/// How many asked about single images.
pub(crate) fn of_single_images(counts: &BTreeMap<String, u32>) -> u32 {
    let of = |operation: &&str| counts.get(*operation).copied().unwrap_or_default();
    OF_SINGLE_IMAGES.iter().map(of).sum()
}
