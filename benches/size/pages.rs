//! What the server hands out: what EC2 would answer for accounts with that many images, rendered beforehand.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The region of all images.
pub(crate) const REGION: &str = "eu-west-1";
/// The kinds of images that take turns; see [`Kind::of`].
const TURN: u32 = 10;

/// One account's answers.
pub(crate) struct Account {
    /// Of DescribeImages.
    pub(crate) images: List,
    /// Of DescribeSnapshots.
    pub(crate) snapshots: List,
}

/// All things of one kind, in the order of their listing.
pub(crate) struct List {
    response: &'static str,
    set: &'static str,
    page: usize,
    ids: Vec<String>,
    /// Where each thing is in the text.
    places: Vec<Range<usize>>,
    text: String,
    /// What begins in one of these ways, by those: the server looks for it once.
    parts: Mutex<HashMap<Vec<String>, Arc<Vec<usize>>>>,
}

impl List {
    fn new<T>(
        (response, set): (&'static str, &'static str),
        page: usize,
        items: &[T],
        id: impl Fn(&T) -> &str,
        push: impl Fn(&mut String, &T),
    ) -> Self {
        let mut text = String::new();
        let mut places = Vec::with_capacity(items.len());
        for item in items {
            let begins = text.len();
            push(&mut text, item);
            places.push(begins..text.len());
        }
        Self {
            response,
            set,
            page,
            ids: items.iter().map(|item| id(item).to_owned()).collect(),
            places,
            text,
            parts: Mutex::default(),
        }
    }

    /// A page of what has an ID that matches one of these patterns, or of everything without any. Patterns are beginnings
    /// with a star, or whole IDs.
    pub(crate) fn page(&self, patterns: &[String], number: usize) -> Option<Bytes> {
        let things = (!patterns.is_empty()).then(|| self.part(patterns));
        let count = things.as_ref().map_or(self.ids.len(), |things| things.len());
        let last = count.div_ceil(self.page).max(1) - 1;
        if number > last {
            return None;
        }
        let range = number * self.page..count.min((number + 1) * self.page);
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let response = self.response;
        let namespace = "http://ec2.amazonaws.com/doc/2016-11-15/";
        push_line(&mut text, 0, format_args!("<{response} xmlns=\"{namespace}\">"));
        let request = format_args!("<requestId>00000000-0000-4000-8000-{number:012}</requestId>");
        push_line(&mut text, 4, request);
        push_line(&mut text, 4, format_args!("<{}>", self.set));
        match things {
            // They lie one after the other.
            None => {
                let places = &self.places[range];
                if let (Some(first), Some(last)) = (places.first(), places.last()) {
                    text.push_str(&self.text[first.start..last.end]);
                }
            }
            Some(things) => {
                for thing in &things[range] {
                    text.push_str(&self.text[self.places[*thing].clone()]);
                }
            }
        }
        push_line(&mut text, 4, format_args!("</{}>", self.set));
        if number < last {
            push_line(&mut text, 4, format_args!("<nextToken>{}</nextToken>", number + 1));
        }
        push_line(&mut text, 0, format_args!("</{response}>"));
        Some(Bytes::from(text))
    }

    fn part(&self, patterns: &[String]) -> Arc<Vec<usize>> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let part = parts.entry(patterns.to_vec()).or_insert_with(|| {
            let matches = |id: &String| {
                patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                    Some(beginning) => id.starts_with(beginning),
                    None => id == pattern,
                })
            };
            let all = self.ids.iter().enumerate();
            Arc::new(all.filter(|(_, id)| matches(id)).map(|(number, _)| number).collect())
        });
        part.clone()
    }
}

/// The ID of the account with this number.
pub(crate) fn account_id(number: u32) -> String {
    format!("{:012}", 100_000_000_000_u64 + u64::from(number))
}

/// The ARN of the key that policies ask for in an account.
pub(crate) fn key_arn(account: &str) -> String {
    format!("arn:aws:kms:{REGION}:{account}:key/11111111-2222-3333-4444-555555555555")
}

/// What an image is like, as regards encryption.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unencrypted,
    Encrypted,
    OtherKey,
    /// An encrypted copy of the first image of the same turn.
    Copy,
}

impl Kind {
    /// Of ten images six are unencrypted, two encrypted as they should be, one under another key, and one is a copy.
    fn of(number: u32) -> Self {
        match number % TURN {
            0..6 => Self::Unencrypted,
            6 | 7 => Self::Encrypted,
            8 => Self::OtherKey,
            _ => Self::Copy,
        }
    }

    /// Two of ten images have two volumes.
    fn volumes(number: u32) -> u32 {
        if matches!(number % TURN, 3 | 6) { 2 } else { 1 }
    }
}

/// One image, as both of its renderings need it.
struct Image {
    number: u32,
    kind: Kind,
    id: String,
    source: Option<String>,
    volumes: Vec<Volume>,
    build: u64,
    day: u32,
}

struct Volume {
    snapshot: String,
    volume: String,
    gib: u32,
    full_bytes: u64,
}

/// Renders an account of `images` images, `page` a page. The same number gives the same account.
pub(crate) fn render(number: u32, images: u32, page: usize) -> Account {
    let account = account_id(number);
    let images = invent(number, images);
    let snapshots: Vec<(&Image, &Volume)> = images
        .iter()
        .flat_map(|image| image.volumes.iter().map(move |volume| (image, volume)))
        .collect();
    Account {
        images: List::new(
            ("DescribeImagesResponse", "imagesSet"),
            page,
            &images,
            |image| &image.id,
            |text, image| push_image(text, image, &account),
        ),
        snapshots: List::new(
            ("DescribeSnapshotsResponse", "snapshotSet"),
            page,
            &snapshots,
            |(_, volume)| &volume.snapshot,
            |text, (image, volume)| push_snapshot(text, image, volume, &account),
        ),
    }
}

fn invent(account: u32, images: u32) -> Vec<Image> {
    let mut rng = StdRng::seed_from_u64(u64::from(account));
    let mut first = String::new();
    (0..images)
        .map(|number| {
            let kind = Kind::of(number);
            let id = format!("ami-0{:016x}", rng.random::<u64>());
            if number % TURN == 0 {
                first.clone_from(&id);
            }
            let volumes = (0..Kind::volumes(number)).map(|nth| {
                // A copy has the size of its source.
                let gib = 8 * (1 + nth + number / TURN % 12);
                Volume {
                    snapshot: format!("snap-0{:016x}", rng.random::<u64>()),
                    volume: format!("vol-0{:016x}", rng.random::<u64>()),
                    gib,
                    full_bytes: u64::from(gib) * rng.random_range(200_000_000..900_000_000),
                }
            });
            Image {
                number,
                kind,
                volumes: volumes.collect(),
                source: (kind == Kind::Copy).then(|| first.clone()),
                id,
                build: rng.random(),
                day: number / TURN % 28 + 1,
            }
        })
        .collect()
}

/// EC2 indents its answers.
fn push_line(text: &mut String, indent: usize, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:indent$}{line}", "");
}

fn push_elements(text: &mut String, indent: usize, elements: &[(&str, &str)]) {
    for (name, value) in elements {
        push_line(text, indent, format_args!("<{name}>{value}</{name}>"));
    }
}

fn push_tags(text: &mut String, tags: &[(&str, &str)]) {
    push_line(text, 12, format_args!("<tagSet>"));
    for (key, value) in tags {
        push_line(text, 16, format_args!("<item>"));
        push_elements(text, 20, &[("key", key), ("value", value)]);
        push_line(text, 16, format_args!("</item>"));
    }
    push_line(text, 12, format_args!("</tagSet>"));
}

/// The services that images are built for: an organisation has many images of a few.
const SERVICES: [&str; 8] = [
    "web-frontend",
    "checkout",
    "batch-worker",
    "bastion",
    "search-index",
    "ml-inference",
    "ci-runner",
    "kafka-broker",
];

impl Image {
    /// That of the original, but for a copy's.
    fn service(&self) -> &'static str {
        SERVICES[self.number as usize / TURN as usize % SERVICES.len()]
    }

    fn name(&self) -> String {
        let (service, day) = (self.service(), self.day);
        format!("{service}-x86_64-hvm-2025-03-{day:02}-{:06}", self.number)
    }
}

fn push_image(text: &mut String, image: &Image, account: &str) {
    let (name, service, day) = (image.name(), image.service(), image.day);
    let created = format!("2025-03-{day:02}T09:{:02}:31.000Z", image.number % 60);
    push_line(text, 8, format_args!("<item>"));
    push_elements(
        text,
        12,
        &[
            ("imageId", &image.id),
            ("imageLocation", &format!("{account}/{name}")),
            ("imageState", "available"),
            ("imageOwnerId", account),
            ("creationDate", &created),
            ("isPublic", "false"),
            ("architecture", "x86_64"),
            ("imageType", "machine"),
            ("platformDetails", "Linux/UNIX"),
            ("usageOperation", "RunInstances"),
            ("name", &name),
            (
                "description",
                &format!(
                    "{service} built from commit {:012x} by image-factory",
                    image.build >> 16
                ),
            ),
            ("rootDeviceType", "ebs"),
            ("rootDeviceName", "/dev/xvda"),
        ],
    );
    if let Some(source) = &image.source {
        push_elements(text, 12, &[("sourceImageId", source), ("sourceImageRegion", REGION)]);
    }
    push_line(text, 12, format_args!("<blockDeviceMapping>"));
    for (volume, device) in image.volumes.iter().zip(["/dev/xvda", "/dev/sdf"]) {
        push_line(text, 16, format_args!("<item>"));
        push_elements(text, 20, &[("deviceName", device)]);
        push_line(text, 20, format_args!("<ebs>"));
        let encrypted = if image.kind == Kind::Unencrypted {
            "false"
        } else {
            "true"
        };
        push_elements(
            text,
            24,
            &[
                ("snapshotId", &volume.snapshot),
                ("volumeSize", &volume.gib.to_string()),
                ("deleteOnTermination", "true"),
                ("volumeType", "gp3"),
                ("iops", "3000"),
                ("throughput", "125"),
                ("encrypted", encrypted),
            ],
        );
        push_line(text, 20, format_args!("</ebs>"));
        push_line(text, 16, format_args!("</item>"));
    }
    push_line(text, 12, format_args!("</blockDeviceMapping>"));
    push_elements(
        text,
        12,
        &[
            ("virtualizationType", "hvm"),
            ("hypervisor", "xen"),
            ("enaSupport", "true"),
            ("sriovNetSupport", "simple"),
            ("bootMode", "uefi-preferred"),
            ("imdsSupport", "v2.0"),
            ("deprecationTime", &format!("2027-03-{day:02}T09:00:00.000Z")),
        ],
    );
    push_tags(
        text,
        &[
            ("Name", &name),
            ("owner", "platform-engineering"),
            ("team", service),
            (
                "environment",
                if image.number.is_multiple_of(3) {
                    "production"
                } else {
                    "staging"
                },
            ),
            ("version", &format!("1.{}.{}", image.number % 40, image.number % 7)),
            ("BuildID", &format!("{:016x}", image.build)),
        ],
    );
    push_line(text, 8, format_args!("</item>"));
}

/// As AWS writes it.
fn snapshot_description(image: &Image, volume: &Volume) -> String {
    let id = &image.id;
    match &image.source {
        Some(source) => format!(
            "Copied for DestinationAmi {id} from SourceAmi {source} for SourceSnapshot {}. Task created on 1,741,680,000,000.",
            volume.snapshot
        ),
        None => format!("Created by CreateImage(i-0{:016x}) for {id}", image.build),
    }
}

fn push_snapshot(text: &mut String, image: &Image, volume: &Volume, account: &str) {
    let (name, day) = (image.name(), image.day);
    push_line(text, 8, format_args!("<item>"));
    push_elements(
        text,
        12,
        &[
            ("snapshotId", &volume.snapshot),
            ("volumeId", &volume.volume),
            ("status", "completed"),
            (
                "startTime",
                &format!("2025-03-{day:02}T09:{:02}:35.412Z", image.number % 60),
            ),
            (
                "completionTime",
                &format!("2025-03-{day:02}T10:{:02}:05.120Z", image.number % 60),
            ),
            ("progress", "100%"),
            ("ownerId", account),
            ("volumeSize", &volume.gib.to_string()),
            ("fullSnapshotSizeInBytes", &volume.full_bytes.to_string()),
            ("description", &snapshot_description(image, volume)),
            ("storageTier", "standard"),
        ],
    );
    let key = match image.kind {
        Kind::Unencrypted => None,
        Kind::Encrypted | Kind::Copy => Some(key_arn(account)),
        Kind::OtherKey => Some(format!(
            "arn:aws:kms:{REGION}:{account}:key/99999999-8888-7777-6666-555555555555"
        )),
    };
    match key {
        None => push_elements(text, 12, &[("encrypted", "false")]),
        Some(key) => push_elements(text, 12, &[("encrypted", "true"), ("kmsKeyId", &key)]),
    }
    push_tags(
        text,
        &[
            ("Name", &name),
            ("owner", "platform-engineering"),
            ("team", image.service()),
        ],
    );
    push_line(text, 8, format_args!("</item>"));
}
