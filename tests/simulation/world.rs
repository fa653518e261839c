//! The world of a history and the policies for it, from a seed: two policies, three targets, eight images or more of mixed kinds.

use ec2sim::WorldSpec;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// The access key of the controller's own identity.
pub(crate) const ACCESS_KEY: &str = "AKIACONTROLLER";
const CONTROLLER: &str = "999900001111";
const ONE: &str = "111122223333";
const TWO: &str = "444455556666";
const KEY: &str = "11111111-1111-4111-8111-111111111111";
const OTHER_KEY: &str = "22222222-2222-4222-8222-222222222222";

/// What one history begins with.
#[derive(Debug, Clone)]
pub(crate) struct Beginning {
    pub(crate) world: WorldSpec,
    pub(crate) policies: Vec<Value>,
    /// How many images are to have a copy.
    pub(crate) to_copy: usize,
}

/// What becomes of an image of a kind.
struct Kind {
    yaml: fn(&mut ChaCha8Rng, &str) -> String,
    copied: bool,
}

const KINDS: [Kind; 9] = [
    Kind {
        yaml: |_, name| format!("{{name: {name}, expect: {{copied: {{key: alias/ami, tags: withheld}}}}}}"),
        copied: true,
    },
    Kind {
        yaml: |rng, name| {
            let devices = vec!["{}"; rng.random_range(2..=4)].join(", ");
            format!("{{name: {name}, devices: [{devices}], tags: {{Name: x}}, expect: {{copied: {{key: alias/ami}}}}}}")
        },
        copied: true,
    },
    Kind {
        yaml: |_, name| {
            format!(
                "{{name: {name}, description: \"What {name} is\", launchPermissions: {{users: [\"{TWO}\", \"{ONE}\"]}}, \
                 deprecationTime: 2035-01-01T00:00:00Z, expect: {{copied: {{key: alias/ami}}}}}}"
            )
        },
        copied: true,
    },
    // More snapshots than are copied at a time.
    Kind {
        yaml: |_, name| {
            let devices = ["{}"; 6].join(", ");
            format!("{{name: {name}, devices: [{devices}], expect: {{copied: {{key: alias/ami}}}}}}")
        },
        copied: true,
    },
    Kind {
        yaml: |_, name| format!("{{name: {name}, encryptedUnder: alias/ami, expect: encrypted}}"),
        copied: false,
    },
    Kind {
        yaml: |_, name| format!("{{name: {name}, encryptedUnder: alias/other, expect: untouched}}"),
        copied: false,
    },
    Kind {
        yaml: |_, name| format!("{{name: {name}, rootDeviceType: instance-store, devices: [], expect: untouched}}"),
        copied: false,
    },
    Kind {
        yaml: |_, name| format!("{{name: {name}, public: true, expect: untouched}}"),
        copied: false,
    },
    Kind {
        yaml: |_, name| format!("{{name: {name}, tags: {{amiseal.dev/exempt: \"yes\"}}, expect: untouched}}"),
        copied: false,
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
            let spare = rng.random_range(4..kinds.len());
            kinds.swap_remove(spare);
        }
        kinds.shuffle(&mut rng);
        let mut places: [Vec<String>; 3] = Default::default();
        for (number, kind) in kinds.iter().enumerate() {
            let place = rng.random_range(0..places.len());
            places[place].push((KINDS[*kind].yaml)(&mut rng, &format!("image-{number}")));
        }
        let to_copy = kinds.iter().filter(|kind| KINDS[**kind].copied).count();
        let yaml = world(seed, &mut rng, &places);
        let world = WorldSpec::parse(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
        let policies = vec![
            policy("first", ONE, &["eu-west-1", "us-east-1"]),
            policy("second", TWO, &["eu-west-1"]),
        ];
        Self {
            world,
            policies,
            to_copy,
        }
    }
}

fn world(seed: u64, rng: &mut ChaCha8Rng, places: &[Vec<String>; 3]) -> String {
    let region = |name: &str, images: &[String]| {
        format!(
            "{{name: {name}, keys: [{{id: {KEY}, alias: [alias/ami]}}, {{id: {OTHER_KEY}, alias: [alias/other]}}], \
             images: [{}]}}",
            images.join(", ")
        )
    };
    let account = |id: &str, regions: &[String]| {
        format!(
            "- {{id: \"{id}\", roles: [{{name: amiseal, externalID: platform, trust: [\"{CONTROLLER}\"], allow: [\"ec2:*\", \
             \"kms:DescribeKey\"]}}], regions: [{}]}}\n",
            regions.join(", ")
        )
    };
    let accounts = account(ONE, &[region("eu-west-1", &places[0]), region("us-east-1", &places[1])])
        + &account(TWO, &[region("eu-west-1", &places[2])]);
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
    format!(
        "seed: {seed}\n\
         settings:\n\
         \x20 pagination: {{unstableOrder: {unstable}, emptyPages: {empty}, largestPage: {page}}}\n\
         \x20 consistency: {{createSeconds: {late}, tagSeconds: {late}, attributeSeconds: {late}, deleteSeconds: {late}}}\n\
         \x20 copies: {{baseSeconds: 60, secondsPerGib: 10, jitter: 0.5, beyondLimit: {beyond}, mappingsWhilePending: {mappings}}}\n\
         \x20 sessions: {{time: simulated}}\n\
         identities:\n\
         - {{accessKey: {ACCESS_KEY}, account: \"{CONTROLLER}\", name: user/amiseal, allow: [\"sts:*\"]}}\n\
         accounts:\n\
         - {{id: \"{CONTROLLER}\"}}\n\
         {accounts}\
         expect: {{failedCopiesAreWrong: false}}\n"
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
            "imageSelector": {"exclude": [{"tags": {"amiseal.dev/exempt": "*"}}]},
            "copy": {"maxConcurrentSnapshots": 5},
        },
    })
}
