//! The world of a history and the policies for it, from a seed: two policies with three targets and eight images or more of
//! mixed kinds, and a third one that can do little or nothing.

use ec2sim::WorldSpec;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::consumers;
use super::enlisting::{self, Enlisting};
use super::findings;
use super::following::{self, Followers};
use super::groups::{self, Groups};
use super::guarding::{self, Guarding};
use super::hearing::{self, Hearing};
use super::labels;
use super::launching;
use super::moving::{self, Ways};
use super::newer::Newer;
use super::odd::Odd;
use super::proving::{self, Proofs};
use super::windows::{self, Windows};

/// The access key of the controller's own identity.
pub(crate) const ACCESS_KEY: &str = "AKIACONTROLLER";
pub(crate) const CONTROLLER: &str = "999900001111";
pub(crate) const ONE: &str = "111122223333";
pub(crate) const TWO: &str = "444455556666";
/// The account of the third policy.
pub(crate) const THREE: &str = "777788889999";
const KEY: &str = "11111111-1111-4111-8111-111111111111";
/// The ID of a key that no policy names.
pub(crate) const OTHER_KEY: &str = "22222222-2222-4222-8222-222222222222";
/// The image that somebody has copied already.
pub(crate) const COPIED: &str = "ami-0123456789abcdef0";
/// The tag by which an image is exempt.
pub(crate) const EXEMPT: &str = "amiseal.dev/exempt";
/// An account that may launch some of the images.
pub(crate) const GUEST: &str = TWO;
/// The first two policies: the name, account and regions of each.
pub(crate) const POLICIES: [(&str, &str, &[&str]); 2] = [
    ("first", ONE, &["eu-west-1", "us-east-1"]),
    ("second", TWO, &["eu-west-1"]),
];
/// The name of the third one.
pub(crate) const THIRD: &str = "third";
/// The accounts of the first two policies.
pub(crate) const ACCOUNTS: [&str; 2] = [ONE, TWO];
/// Accounts and regions of the first two policies' targets.
pub(crate) const PLACES: [(&str, &str); 3] = [(ONE, "eu-west-1"), (ONE, "us-east-1"), (TWO, "eu-west-1")];

/// The role in each account.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) name: &'static str,
    pub(crate) allow: [&'static str; 8],
    /// As much of that as changes nothing.
    pub(crate) reads: [&'static str; 2],
    pub(crate) trust: [&'static str; 1],
}

/// The role in each account.
pub(crate) const ROLE: &Role = &Role {
    name: "amiseal",
    allow: [
        "ec2:*",
        "kms:*",
        "autoscaling:*",
        "ssm:*",
        "eks:*",
        "batch:*",
        "imagebuilder:*",
        "inspector2:*",
    ],
    reads: ["ec2:Describe*", "kms:DescribeKey"],
    trust: [CONTROLLER],
};

/// What one history begins with.
#[derive(Debug, Clone)]
pub(crate) struct Beginning {
    pub(crate) world: WorldSpec,
    pub(crate) policies: Vec<Value>,
    /// What is odd about the third account.
    pub(crate) odd: &'static Odd,
    /// Whether something launches images, and the policies have it read.
    pub(crate) using: bool,
    /// Whether the policies have findings looked for.
    pub(crate) audited: bool,
    /// Whether they have consumers moved.
    pub(crate) moving: bool,
    /// In which ways.
    pub(crate) ways: Ways,
    /// How they have groups moved, if they do.
    pub(crate) groups: Option<Groups>,
    /// Whether parameters have labels by which something launches.
    pub(crate) labelled: bool,
    /// When they have consumers moved, and after how many failures no more.
    pub(crate) windows: Option<Windows>,
    /// How they have copies proven, if they do.
    pub(crate) proofs: Option<Proofs>,
    /// How another account launches an image of the first one's, if it does.
    pub(crate) followers: Option<Followers>,
    /// How they have guardrails held, and new images looked for, if they do.
    pub(crate) guarding: Option<Guarding>,
    /// How a queue tells of what changes, if there is one.
    pub(crate) hearing: Option<Hearing>,
    /// How the second policy takes its accounts from AWS Organizations, if it does.
    pub(crate) enlisting: Option<Enlisting>,
}

/// What becomes of an image of a kind.
struct Kind {
    yaml: fn(&mut ChaCha8Rng, &str) -> String,
}

/// The kind of which there is an image that the second account may launch.
const SHARED: usize = 2;
/// So many kinds come first that are copied.
const COPIED_KINDS: usize = 5;

const KINDS: [Kind; 10] = [
    Kind {
        yaml: |_, name| format!("{{name: {name}, expect: {{copied: {{key: alias/ami, tags: withheld}}}}}}"),
    },
    Kind {
        yaml: |rng, name| {
            let devices = vec!["{}"; rng.random_range(2..=4)].join(", ");
            format!("{{name: {name}, devices: [{devices}], tags: {{Name: x}}, expect: {{copied: {{key: alias/ami}}}}}}")
        },
    },
    Kind {
        yaml: |_, name| {
            format!(
                "{{name: {name}, description: \"What {name} is\", launchPermissions: {{users: [\"{TWO}\", \"{ONE}\"]}}, \
                 deprecationTime: 2035-01-01T00:00:00Z, expect: {{copied: {{key: alias/ami}}}}}}"
            )
        },
    },
    // More snapshots than are copied at a time.
    Kind {
        yaml: |_, name| {
            let devices = ["{}"; 6].join(", ");
            format!("{{name: {name}, devices: [{devices}], expect: {{copied: {{key: alias/ami}}}}}}")
        },
    },
    // Somebody has copied it already.
    Kind {
        yaml: |_, name| {
            let id = COPIED;
            format!(
                "{{name: {name}, id: {id}, expect: {{copied: {{key: alias/ami}}}}}}, {{name: of-{name}, sourceImageId: {id}, \
                 encryptedUnder: alias/ami}}"
            )
        },
    },
    Kind {
        yaml: |_, name| format!("{{name: {name}, encryptedUnder: alias/ami, expect: encrypted}}"),
    },
    Kind {
        yaml: |_, name| format!("{{name: {name}, encryptedUnder: alias/other, expect: untouched}}"),
    },
    Kind {
        yaml: |_, name| format!("{{name: {name}, rootDeviceType: instance-store, devices: [], expect: untouched}}"),
    },
    Kind {
        yaml: |_, name| format!("{{name: {name}, public: true, expect: untouched}}"),
    },
    Kind {
        yaml: |_, name| format!("{{name: {name}, tags: {{amiseal.dev/exempt: \"yes\"}}, expect: untouched}}"),
    },
];

impl Beginning {
    /// The beginning that this seed gives.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Each kind that is copied is there, and some of the others.
        let mut kinds: Vec<usize> = (0..KINDS.len()).collect();
        kinds.push(0);
        while kinds.len() > 8 + usize::from(rng.random_bool(0.5)) {
            let spare = rng.random_range(5..kinds.len());
            kinds.swap_remove(spare);
        }
        kinds.shuffle(&mut rng);
        let mut places: [Vec<String>; 3] = Default::default();
        let mut names: [Vec<String>; 3] = Default::default();
        let mut copied: [Vec<String>; 3] = Default::default();
        let mut shared = None;
        for (number, kind) in kinds.iter().enumerate() {
            let place = rng.random_range(0..places.len());
            let name = format!("image-{number}");
            places[place].push((KINDS[*kind].yaml)(&mut rng, &name));
            if (*kind, place) == (SHARED, 0) {
                shared = Some(name.clone());
            }
            if *kind < COPIED_KINDS {
                copied[place].push(name.clone());
            }
            names[place].push(name);
        }
        // The third policy may be for this account too.
        places[2].push((KINDS[0].yaml)(&mut rng, "image-always"));
        let odd = Odd::of(seed);
        let newer = Newer::of(seed, places.len());
        for (place, image) in newer.images {
            places[place].push(image);
        }
        let launches = if moving::is_newer(seed) {
            launching::of(seed, &names, &copied)
        } else {
            consumers::of(seed, &names, shared.as_deref())
        };
        let yaml = world(seed, &mut rng, &places, &launches, odd, &newer.copies);
        let mut world = WorldSpec::parse(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
        let mut policies = POLICIES
            .map(|(name, account, regions)| policy(name, account, regions))
            .to_vec();
        policies.push(odd.policy(policy(THIRD, THREE, &["eu-west-1"])));
        consumers::join(seed, &mut world, &mut policies);
        moving::join(seed, &mut world, &mut policies);
        windows::join(seed, &mut policies);
        groups::join(seed, &copied, &mut world, &mut policies);
        labels::join(seed, &names, &copied, &mut world);
        let followers = following::join(seed, &copied, &mut world);
        findings::join(seed, &mut policies);
        proving::join(seed, &mut world, &mut policies);
        let guarding = guarding::join(seed, &names, &mut world, &mut policies);
        let hearing = hearing::join(seed, &mut world);
        let enlisting = enlisting::join(seed, &mut world, &mut policies);
        Self {
            world,
            policies,
            odd,
            using: consumers::is_using(seed) || guarding.is_some(),
            audited: findings::is_audited(seed),
            moving: moving::is_moving(seed),
            ways: Ways::of(seed),
            groups: Groups::of(seed),
            labelled: labels::are_there(seed),
            windows: Windows::of(seed),
            proofs: Proofs::of(seed),
            followers,
            guarding,
            hearing,
            enlisting,
        }
    }
}

/// A region of an account, as in a world file.
pub(crate) fn region(name: &str, more_keys: &str, opt_in: &str, images: &[String]) -> String {
    format!(
        "{{name: {name}, optIn: {opt_in}, \
         keys: [{{id: {KEY}, alias: [alias/ami]}}, {{id: {OTHER_KEY}, alias: [alias/other]}}{more_keys}], images: [{}]}}",
        images.join(", ")
    )
}

fn world(
    seed: u64,
    rng: &mut ChaCha8Rng,
    places: &[Vec<String>; 3],
    launches: &[String],
    odd: &Odd,
    copies: &str,
) -> String {
    let region = |name: &str, place: usize| {
        let region = region(name, "", "opt-in-not-required", &places[place]);
        region.strip_suffix('}').unwrap_or_default().to_owned() + &launches[place] + "}"
    };
    let account = |id: &str, regions: &[String]| {
        format!(
            "- {{id: \"{id}\", roles: [{{name: amiseal, externalID: platform, trust: [\"{CONTROLLER}\"], allow: {:?}}}], \
             regions: [{}]}}\n",
            ROLE.allow,
            regions.join(", ")
        )
    };
    let accounts = account(ONE, &[region("eu-west-1", 0), region("us-east-1", 1)])
        + &account(TWO, &[region("eu-west-1", 2)])
        + &odd.account();
    let (faults, expect) = (odd.faults(), odd.expect());
    // What AWS may do to anybody: some worlds have it, some not.
    let unstable = rng.random_bool(0.5);
    let empty = if rng.random_bool(0.3) { 0.3 } else { 0.0 };
    let page = if rng.random_bool(0.3) { "2" } else { "null" };
    let late = if rng.random_bool(0.5) { 5.0 } else { 0.0 };
    let beyond = if rng.random_bool(0.5) { "refuse" } else { "queue" };
    let mappings = if rng.random_bool(0.5) {
        "shown"
    } else {
        "withoutSnapshots"
    };
    // Where AWS is slow to list, what it makes of wildcards in IDs, and whether copies tell that they are some.
    let seconds = if rng.random_bool(0.2) { 11.0 } else { 0.0 };
    let wildcards = ["taken", "taken", "literal", "refused", "ignored"][rng.random_range(0..5)];
    let transfer = rng.random_bool(0.5);
    format!(
        "seed: {seed}\n\
         settings:\n\
         \x20 pagination: {{unstableOrder: {unstable}, emptyPages: {empty}, largestPage: {page}}}\n\
         \x20 consistency: {{createSeconds: {late}, tagSeconds: {late}, attributeSeconds: {late}, deleteSeconds: {late}}}\n\
         \x20 copies: {{baseSeconds: 60, secondsPerGib: 10, jitter: 0.5, beyondLimit: {beyond}, keyActions: [\"kms:CreateGrant\"], mappingsWhilePending: {mappings}, transferType: {transfer}{copies}}}\n\
         \x20 lists: {{idWildcards: {wildcards}, pageSeconds: {seconds}}}\n\
         \x20 sessions: {{time: simulated}}\n\
         identities:\n\
         - {{accessKey: {ACCESS_KEY}, account: \"{CONTROLLER}\", name: user/amiseal, allow: [\"sts:*\"]}}\n\
         accounts:\n\
         - {{id: \"{CONTROLLER}\"}}\n\
         {accounts}\
         {faults}\
         expect: {{{expect}failedCopiesAreWrong: false, denialsAreWrong: false}}\n"
    )
}

fn policy(name: &str, account: &str, regions: &[&str]) -> Value {
    let regions: Vec<Value> = regions
        .iter()
        .map(|region| json!({"name": region, "kmsKeyID": "alias/ami"}))
        .collect();
    json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": name},
        "spec": {
            "mode": "Enforce",
            "scanInterval": "30m",
            "defaults": {"roleName": "amiseal", "externalID": "platform", "regions": regions},
            "accounts": [{"accountID": account}],
            "imageSelector": {"exclude": [{"tags": {EXEMPT: "*"}}]},
            "copy": {"maxConcurrentSnapshots": 5},
        },
    })
}
