//! What was added to worlds after histories of older seeds had shown something: those stay what they were.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::odd;

/// Of so many seeds for each odd account, these have what is newer.
const NEWER: (u64, [u64; 3]) = (8, [2, 6, 7]);

/// A tag that AWS Backup puts on the images that it makes.
pub(crate) const BACKUP: &str = "aws:backup:source-resource";

/// More of the kinds of images, each as in a world file.
const IMAGES: &[fn(&str) -> String] = &[
    |name| format!("{{name: {name}, state: disabled, expect: untouched}}"),
    |name| format!("{{name: {name}, devices: [{{}}, {{storageTier: archive}}], expect: untouched}}"),
    |name| format!("{{name: {name}, devices: [{{availabilityZone: eu-west-1-ham-1a}}], expect: untouched}}"),
    |name| format!("{{name: {name}, garbled: mappedTwice, expect: untouched}}"),
    |name| format!("{{name: {name}, garbled: namelessDevice, expect: untouched}}"),
    |name| format!("{{name: {name}, imageType: kernel, expect: untouched}}"),
    |name| format!("{{name: AwsBackup_{name}, tags: {{{BACKUP}: \"arn:aws:ec2:instance\"}}, expect: untouched}}"),
    |name| {
        let description = "Web – build 7";
        format!(
            "{{name: {name}, description: \"{description}\", expect: {{copied: {{key: alias/ami, description: any}}}}}}"
        )
    },
    |name| format!("{{name: {name}, imds: v2.0, ena: false, expect: {{copied: {{key: alias/ami}}}}}}"),
    |name| {
        let devices = "{}, {blank: true, gib: 20}, {ephemeral: true}";
        format!("{{name: {name}, devices: [{devices}], expect: {{copied: {{key: alias/ami}}}}}}")
    },
];

/// What a world of a seed has besides.
#[derive(Debug, Default)]
pub(crate) struct Newer {
    /// An image, and the number of its account and region.
    pub(crate) images: Vec<(usize, String)>,
    /// More settings of copies, as in a world file.
    pub(crate) copies: String,
}

impl Newer {
    /// What the world of this seed has besides, in one of so many accounts and regions.
    pub(crate) fn of(seed: u64, places: usize) -> Self {
        if !is_newer(seed) {
            return Self::default();
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x2e3e);
        let count = rng.random_range(1..=2.min(IMAGES.len()));
        let kinds: Vec<_> = IMAGES.choose_multiple(&mut rng, count).collect();
        let images = kinds.into_iter().enumerate().map(|(number, kind)| {
            let place = rng.random_range(0..places);
            (place, kind(&format!("image-newer-{number}")))
        });
        let images = images.collect();
        let settings = [
            ", failed: vanish",
            ", asciiDescriptions: true",
            ", tokensOfDeadImages: forget",
        ];
        let copies = settings.into_iter().filter(|_| rng.random_bool(0.5)).collect();
        Self { images, copies }
    }
}

/// Whether this seed's world has what is newer.
pub(crate) fn is_newer(seed: u64) -> bool {
    let (of, newer) = NEWER;
    newer.contains(&(seed.saturating_sub(1) / odd::FIRST as u64 % of))
}
