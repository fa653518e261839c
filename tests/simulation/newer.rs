//! What was added to worlds after histories of older seeds had shown something: those stay what they were.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{odd, regressions};

/// Of so many seeds for each odd account, these have what is newer.
const NEWER: (u64, [u64; 3]) = (8, [2, 6, 7]);

/// A tag that AWS Backup puts on the images that it makes.
pub(crate) const BACKUP: &str = "aws:backup:source-resource";

/// So many of the kinds of images and of the settings were there when the newer histories were found that are kept: their seeds have
/// these.
const FIRST_IMAGES: usize = 10;
const FIRST_SETTINGS: usize = 3;

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
    // From here on for seeds whose histories are not kept. What a copy may lose and can be given again; where copies are proven, that is
    // done on one of these types.
    |name| {
        let types = "{supported: [\"m7i.*\", \"t3.*\"], unsupported: [t3.2xlarge]}";
        format!("{{name: {name}, imds: v2.0, instanceTypes: {types}, expect: {{copied: {{key: alias/ami}}}}}}")
    },
    // Two images of one snapshot.
    |name| {
        let expect = "expect: {copied: {key: alias/ami}}";
        format!("{{name: {name}, {expect}}}, {{name: with-{name}, devices: [{{snapshotOf: {name}}}, {{}}], {expect}}}")
    },
];

/// More settings of copies, as in a world file: each is in half of the worlds. The later ones are for seeds whose histories are not kept.
const SETTINGS: [&str; 6] = [
    ", failed: vanish",
    ", asciiDescriptions: true",
    ", tokensOfDeadImages: forget",
    ", keepsImds: false",
    ", keepsInstanceTypes: false",
    ", disabledSources: copied",
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
        let (images, settings) = if regressions::is_known(seed) {
            (&IMAGES[..FIRST_IMAGES], &SETTINGS[..FIRST_SETTINGS])
        } else {
            (IMAGES, &SETTINGS[..])
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x2e3e);
        let count = rng.random_range(1..=2.min(images.len()));
        let kinds: Vec<_> = images.choose_multiple(&mut rng, count).collect();
        let images = kinds.into_iter().enumerate().map(|(number, kind)| {
            let place = rng.random_range(0..places);
            (place, kind(&format!("image-newer-{number}")))
        });
        let images = images.collect();
        let copies = settings.iter().copied().filter(|_| rng.random_bool(0.5)).collect();
        Self { images, copies }
    }
}

/// Whether this seed's world has what is newer.
pub(crate) fn is_newer(seed: u64) -> bool {
    let (of, newer) = NEWER;
    newer.contains(&(seed.saturating_sub(1) / odd::FIRST as u64 % of))
}
