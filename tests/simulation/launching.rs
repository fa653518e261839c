//! What launches the images of worlds whose consumers are moved.

use std::collections::BTreeMap;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::consumers::{KINDS, Launches};

/// What can be moved, or looks like it. Of images that are copied.
const MOVABLE: &[Launches] = &[
    // A group launches the default version.
    |image, _| {
        vec![
            template(
                &format!("web-{image}"),
                &format!("versions: [{{image: {image}, instanceType: t3.micro}}]"),
            ),
            group(&format!("web-{image}"), &format!("web-{image}"), "$Default"),
        ]
    },
    // A group launches the latest version, and the default one is older and the same.
    |image, _| {
        let versions = format!("versions: [{{image: {image}}}, {{image: {image}, data: {{UserData: bmV3ZXI=}}}}]");
        vec![
            template(&format!("newest-{image}"), &versions),
            group(&format!("newest-{image}"), &format!("newest-{image}"), "$Latest"),
        ]
    },
    // The default version names the image, and the latest one says something else.
    |image, other| {
        let versions = format!("versions: [{{image: {image}}}, {{image: {other}}}]");
        vec![
            template(&format!("diverged-{image}"), &versions),
            group(&format!("diverged-{image}"), &format!("diverged-{image}"), "$Default"),
        ]
    },
    // A mapping names a snapshot of the image, another one makes an empty volume.
    |image, _| {
        let devices = format!(
            "[{{device: /dev/xvda, snapshotOf: {image}, gib: 60, volumeType: gp3}}, {{device: /dev/xvdz, gib: 5, encrypted: true}}]"
        );
        let versions = format!("versions: [{{image: {image}, devices: {devices}, data: {{KeyName: ops}}}}]");
        vec![template(&format!("mapped-{image}"), &versions)]
    },
    |image, _| {
        let of =
            format!("dataType: \"aws:ec2:image\", description: What runs, allowedPattern: \"^ami-\", image: {image}");
        vec![
            parameter(&format!("/run/{image}"), &of),
            template(
                &format!("runs-{image}"),
                &format!("versions: [{{image: \"resolve:ssm:/run/{image}\"}}]"),
            ),
            group(&format!("runs-{image}"), &format!("runs-{image}"), "$Default"),
        ]
    },
    |image, _| {
        let policies = "[{\\\"Type\\\":\\\"NoChangeNotification\\\",\\\"Version\\\":\\\"1.0\\\",\\\"Attributes\\\":{\\\"After\\\":\\\"60\\\",\\\"Unit\\\":\\\"Days\\\"}}]";
        let of = format!("dataType: \"aws:ec2:image\", tier: Advanced, policies: \"{policies}\", image: {image}");
        vec![parameter(&format!("/advanced/{image}"), &of)]
    },
    // Somebody else's.
    |image, _| {
        let of = format!("tags: {{terraform: shop}}, versions: [{{image: {image}}}]");
        vec![template(&format!("declared-{image}"), &of)]
    },
    |image, _| {
        let of =
            format!("dataType: \"aws:ec2:image\", tags: {{\"aws:cloudformation:stack-name\": shop}}, image: {image}");
        vec![parameter(&format!("/declared/{image}"), &of)]
    },
    // Held from the beginning on.
    |image, _| {
        let of = format!("tags: {{amiseal.dev/hold: \"\"}}, versions: [{{image: {image}}}]");
        vec![template(&format!("held-{image}"), &of)]
    },
    |image, _| {
        let of = format!("dataType: \"aws:ec2:image\", tags: {{amiseal.dev/hold: \"\"}}, image: {image}");
        vec![parameter(&format!("/held/{image}"), &of)]
    },
];
/// So many of these are sure to be moved where nobody minds, and each place has one of them.
const SURE: usize = 2;

fn template(name: &str, of: &str) -> (&'static str, String) {
    ("launchTemplates", format!("{{name: {name}, {of}}}"))
}

fn parameter(name: &str, of: &str) -> (&'static str, String) {
    ("parameters", format!("{{name: {name}, {of}}}"))
}

fn group(name: &str, template: &str, version: &str) -> (&'static str, String) {
    let by = format!("launchTemplate: {{template: {template}, version: \"{version}\"}}");
    ("autoScalingGroups", format!("{{name: {name}, {by}}}"))
}

/// More of a world's accounts and regions, in their order, as in a world file: what launches the images of these names there. Those
/// of `copied` are to be copied.
pub(crate) fn of(seed: u64, places: &[Vec<String>], copied: &[Vec<String>]) -> Vec<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x1a7c);
    let of_place = |(names, copied): (&Vec<String>, &Vec<String>)| {
        let mut lists: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let first = copied.first();
        for (number, image) in names.iter().enumerate() {
            let other = &names[(number + 1) % names.len()];
            let kind = if Some(image) == first {
                MOVABLE[..SURE].choose(&mut rng)
            } else if copied.contains(image) {
                MOVABLE.choose(&mut rng)
            } else if rng.random_bool(0.4) {
                KINDS.choose(&mut rng)
            } else {
                None
            };
            for (list, entry) in kind.into_iter().flat_map(|kind| kind(image, other)) {
                lists.entry(list).or_default().push(entry);
            }
        }
        let lists = lists.into_iter();
        lists
            .map(|(list, entries)| format!(", {list}: [{}]", entries.join(", ")))
            .collect()
    };
    places.iter().zip(copied).map(of_place).collect()
}
