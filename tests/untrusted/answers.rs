//! AWS's answers: changed, cut, garbled and replaced, read by the real SDK and the product's own gateway.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use amiseal::api::{Backups, ImageClass, OtherKey};
use amiseal::aws::{AwsError, CopyRequest, Session};
use amiseal::domain::{ImageId, Inventory, KeyArn, KeyUsability, Scope};
use amiseal::plan::adopt::{self, Adoptable};
use amiseal::plan::classify::{Criteria, TheirCopies, class_of, classify};
use amiseal::plan::naming::CopyIdentity;
use amiseal::plan::select::Selector;
use amiseal::plan::verify::{Verdict, verify};
use ec2sim::Sim;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use tokio::runtime::Runtime;

use crate::document::{Node, Reading};
use crate::mutation::{self, Change, KEY, NO_ANSWERS, change};
use crate::wire::{ACCOUNT, REGION, Wire, session};

const WORLD: &str = r#"
seed: 5
settings: {copies: {baseSeconds: 0, secondsPerGib: 0, jitter: 0}}
identities:
- {accessKey: AKIACONTROLLER, account: "999900001111", allow: ["sts:*"]}
accounts:
- id: "999900001111"
- id: "111122223333"
  roles:
  - {name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:*", "kms:*"]}
  regions:
  - name: eu-west-1
    keys:
    - {id: 11111111-1111-4111-8111-111111111111, alias: [alias/ami]}
    - {id: 22222222-2222-4222-8222-222222222222, alias: [alias/other]}
    images:
    - {id: ami-00000000000000001, name: plain, devices: [{}, {device: /dev/sdb, gib: 20}], tags: {team: web},
       launchPermissions: {users: ["444455556666"]}}
    - {id: ami-00000000000000002, name: sealed, devices: [{}, {device: /dev/sdb}], encryptedUnder: alias/ami}
    - {id: ami-00000000000000003, name: other, encryptedUnder: alias/other}
    - {id: ami-00000000000000004, name: disabled, state: disabled, encryptedUnder: alias/ami}
    - {id: ami-00000000000000005, name: small, devices: [{}, {device: /dev/sdc, ephemeral: true}, {device: /dev/sdd, blank: true}]}
"#;

const OTHER_KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/22222222-2222-4222-8222-222222222222";

/// The gateway, and what the simulator answers to it when nothing is wrong: a copy under the key, and one under another.
struct Bench {
    runtime: Runtime,
    wire: Wire,
    session: Arc<Session>,
    images: Node,
    snapshots: Node,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let wire = Wire::new(Sim::from_yaml(WORLD).expect("a world"));
        let session = runtime.block_on(async {
            let session = session(&wire).await;
            for key in [KEY, OTHER_KEY] {
                let request = copy_request(&format!("copy-{}", &key[key.len() - 4..]), key);
                session.copy_image(&request).await.expect("a copy");
            }
            wire.sim.advance(std::time::Duration::from_secs(60));
            session.scan().await.expect("a scan");
            session
        });
        let images = Node::parse(&wire.heard("DescribeImages"));
        let snapshots = Node::parse(&wire.heard("DescribeSnapshots"));
        Self {
            runtime,
            wire,
            session,
            images,
            snapshots,
        }
    }

    fn scan(&self, images: Vec<u8>, snapshots: Vec<u8>) -> Result<Inventory, AwsError> {
        self.wire.tell([
            ("DescribeImages", (200, images)),
            ("DescribeSnapshots", (200, snapshots)),
        ]);
        self.runtime.block_on(self.session.scan())
    }
}

fn copy_request(name: &str, key: &str) -> CopyRequest {
    CopyRequest {
        source: "ami-00000000000000001".parse().expect("an image ID"),
        region: REGION.parse().expect("a region"),
        name: name.to_owned(),
        description: None,
        key: key.parse().expect("a key ARN"),
        client_token: name.to_owned(),
        tags: [("amiseal.dev/source-image".into(), "ami-00000000000000001".into())].into(),
    }
}

fn key() -> KeyArn {
    KEY.parse().expect("a key ARN")
}

/// The images that the product calls encrypted under the key, and the copies that it would take for good ones.
fn called_encrypted(inventory: &Inventory) -> Vec<ImageId> {
    let scope = Scope::parse(ACCOUNT, REGION).expect("a scope");
    let (key, none) = (key(), HashSet::new());
    let selector = Selector::new(&amiseal::api::ImageSelector::default(), Backups::Exclude);
    let (contested, theirs) = (HashMap::new(), TheirCopies::default());
    let pinned = HashMap::new();
    let terms = Criteria {
        scope: &scope,
        selector: &selector,
        other_key: OtherKey::Migrate,
        key: Some(&key),
        contested: &contested,
        theirs: &theirs,
        older: &[],
        ours: &none,
        copies: &none,
        recorded: amiseal::plan::adopt::Recorded::default(),
        pinned: &pinned,
    };
    let counts = classify(inventory, terms).counts;
    let mut found = Vec::new();
    for image in inventory.images.values() {
        if class_of(image, inventory, terms) == Some(ImageClass::Encrypted) {
            found.push(image.id.clone());
        }
        let of = CopyIdentity {
            scope: scope.clone(),
            source: image.id.clone(),
            key: key.clone(),
        };
        if let Some(Adoptable::Verified { image, .. }) = adopt::find(&of, image, inventory) {
            found.push(image);
        }
        for copy in inventory.images.values() {
            if matches!(verify(image, copy, &inventory.snapshots, &key), Verdict::Good(_)) {
                found.push(copy.id.clone());
            }
        }
    }
    let classes = [
        counts.encrypted,
        counts.unencrypted,
        counts.superseded,
        counts.other_key,
        counts.unencryptable,
    ];
    assert_eq!(
        classes.iter().sum::<u32>() + counts.unknown,
        counts.total,
        "each image is in one class"
    );
    found.sort();
    found.dedup();
    found
}

/// What must hold of a read, whatever was answered.
fn judged(bench: &Bench, images: &Node, snapshots: &Node) -> Result<(), TestCaseError> {
    let read = bench.scan(images.document().into_bytes(), snapshots.document().into_bytes());
    let reading = Reading::of(images, snapshots);
    let Ok(inventory) = read else { return Ok(()) };
    let known: Vec<&str> = inventory.images.keys().map(ImageId::as_str).collect();
    prop_assert_eq!(known, reading.images(), "a read is whole or fails");
    let known: Vec<&str> = inventory.snapshots.keys().map(|id| id.as_str()).collect();
    prop_assert_eq!(known, reading.snapshots(), "a read is whole or fails");
    for image in called_encrypted(&inventory) {
        prop_assert!(reading.is_encrypted(image.as_str(), KEY), "{image} is called encrypted");
    }
    Ok(())
}

fn holds<S: Strategy>(strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    if let Err(failed) = TestRunner::new(config).run(&strategy, test) {
        panic!("{failed}");
    }
}

#[test]
fn an_undisturbed_answer_shows_which_images_are_encrypted() {
    let bench = Bench::new();
    let (images, snapshots) = (bench.images.document(), bench.snapshots.document());
    let inventory = bench.scan(images.into_bytes(), snapshots.into_bytes()).expect("a scan");
    let called = called_encrypted(&inventory);
    assert_eq!(
        called.len(),
        3,
        "the sealed one, the disabled one and the copy: {called:?}"
    );
    let reading = Reading::of(&bench.images, &bench.snapshots);
    for image in inventory.images.keys() {
        assert_eq!(
            reading.is_encrypted(image.as_str(), KEY),
            called.contains(image),
            "{image}"
        );
    }
}

#[test]
fn whatever_is_changed_in_an_answer_no_image_is_called_encrypted_of_which_it_does_not_say_so() {
    let bench = Bench::new();
    let few = || prop::collection::vec(change(), 0..4);
    holds((few(), few()), |(in_images, in_snapshots)| {
        let (mut images, mut snapshots) = (bench.images.clone(), bench.snapshots.clone());
        mutation::apply(&mut images, &in_images);
        mutation::apply(&mut snapshots, &in_snapshots);
        judged(&bench, &images, &snapshots)
    });
}

/// Not at random: every element a second time, with something else said of its encryption.
#[test]
fn with_any_one_element_said_twice_and_differently_the_same_holds() {
    let bench = Bench::new();
    for in_images in [true, false] {
        let original = if in_images { &bench.images } else { &bench.snapshots };
        for number in 0..original.size() - 1 {
            for text in ["", "true", "false", KEY, OTHER_KEY, "snap-00000000000000000"] {
                let mut changed = original.clone();
                mutation::change_at(&mut changed, number, &Change::TwiceWith(text.to_owned()));
                let (images, snapshots) = if in_images {
                    (&changed, &bench.snapshots)
                } else {
                    (&bench.images, &changed)
                };
                judged(&bench, images, snapshots).unwrap_or_else(|failed| panic!("{number} {text:?}: {failed}"));
            }
        }
    }
}

/// Not at random: every element once, with what matters most.
#[test]
fn without_any_one_element_or_with_any_one_text_garbled_the_same_holds() {
    let bench = Bench::new();
    let mut tried = 0;
    for in_images in [true, false] {
        let original = if in_images { &bench.images } else { &bench.snapshots };
        for number in 0..original.size() - 1 {
            for text in [
                None,
                Some(""),
                Some("false"),
                Some("garbled"),
                Some("snap-00000000000000000"),
            ] {
                let mut changed = original.clone();
                changed.at(number, &mut |siblings, index| match text {
                    None => drop(siblings.remove(index)),
                    Some(text) => {
                        if siblings[index].children.is_empty() {
                            text.clone_into(&mut siblings[index].text);
                        }
                    }
                });
                let (images, snapshots) = if in_images {
                    (&changed, &bench.snapshots)
                } else {
                    (&bench.images, &changed)
                };
                judged(&bench, images, snapshots).unwrap_or_else(|failed| panic!("{number} {text:?}: {failed}"));
                tried += 1;
            }
        }
    }
    println!("{tried} answers");
    assert!(tried > 1000, "{tried}");
}

#[test]
fn an_answer_that_was_cut_short_anywhere_fails_the_read() {
    let bench = Bench::new();
    let (images, snapshots) = (bench.images.document(), bench.snapshots.document());
    holds((any::<prop::sample::Index>(), any::<bool>()), |(at, of_images)| {
        let whole = if of_images { &images } else { &snapshots };
        let cut = whole.as_bytes()[..at.index(whole.len())].to_vec();
        let read = if of_images {
            bench.scan(cut, snapshots.clone().into_bytes())
        } else {
            bench.scan(images.clone().into_bytes(), cut)
        };
        prop_assert!(read.is_err(), "{:?}", read.map(|inventory| inventory.images.len()));
        Ok(())
    });
}

#[test]
fn with_bytes_changed_anywhere_nothing_is_called_encrypted_that_was_not() {
    let bench = Bench::new();
    let (images, snapshots) = (bench.images.document(), bench.snapshots.document());
    let undisturbed = bench
        .scan(images.clone().into_bytes(), snapshots.clone().into_bytes())
        .expect("a scan");
    let before = called_encrypted(&undisturbed);
    let bytes = prop_oneof![
        Just(vec![0xff]),
        Just(b"<".to_vec()),
        Just(b"&".to_vec()),
        Just(b"&bogus;".to_vec()),
        Just(b"&#0;".to_vec()),
        Just(b"&#x1F980;".to_vec()),
        Just(b"]]>".to_vec()),
        Just(vec![0]),
        prop::collection::vec(any::<u8>(), 1..3)
    ];
    holds(
        (any::<prop::sample::Index>(), bytes, any::<bool>(), any::<bool>()),
        |(at, bytes, insert, of_images)| {
            let mut changed = if of_images { &images } else { &snapshots }.clone().into_bytes();
            let at = at.index(changed.len());
            let end = if insert {
                at
            } else {
                (at + bytes.len()).min(changed.len())
            };
            changed.splice(at..end, bytes);
            let read = if of_images {
                bench.scan(changed, snapshots.clone().into_bytes())
            } else {
                bench.scan(images.clone().into_bytes(), changed)
            };
            if let Ok(inventory) = read {
                prop_assert_eq!(inventory.images.len(), undisturbed.images.len());
                for image in called_encrypted(&inventory) {
                    prop_assert!(before.contains(&image), "{image} is called encrypted");
                }
            }
            Ok(())
        },
    );
}

#[test]
fn what_is_no_answer_at_all_is_an_error_of_every_call() {
    let bench = Bench::new();
    let image: ImageId = "ami-00000000000000001".parse().expect("an image ID");
    for (status, body) in NO_ANSWERS {
        let answer = || (status, body.as_bytes().to_vec());
        bench.wire.tell([
            ("DescribeImages", answer()),
            ("DescribeImageAttribute", answer()),
            ("DescribeKey", answer()),
            ("CopyImage", answer()),
        ]);
        bench.runtime.block_on(async {
            let errors = [
                bench.session.scan().await.err(),
                bench.session.images(std::slice::from_ref(&image)).await.err(),
                bench.session.copies_of(std::slice::from_ref(&image), &[]).await.err(),
                bench.session.launch_permissions(&image).await.err(),
                bench.session.copy_image(&copy_request("x-1", KEY)).await.err(),
                bench.session.resolve_key("alias/ami").await.err(),
            ];
            for (number, error) in errors.into_iter().enumerate() {
                let error = error.unwrap_or_else(|| panic!("{status} {body}: call {number} went well"));
                let sentence = error.to_string();
                assert!(sentence.len() < 300 && !sentence.contains('<'), "{sentence}");
            }
        });
    }
}

/// Asks who the session is, of which AWS says this.
fn judged_identity(bench: &Bench, role: &Node, identity: &Node) -> Result<(), TestCaseError> {
    let body = |node: &Node| (200, node.document().into_bytes());
    bench
        .wire
        .tell([("AssumeRole", body(role)), ("GetCallerIdentity", body(identity))]);
    let asked = bench.runtime.block_on(async {
        let session = session(&bench.wire).await;
        session.check_identity().await
    });
    if let Ok(asked) = asked {
        // Which of two results counts is not for AWS's readers to say.
        let said = identity
            .children
            .iter()
            .filter(|child| child.name == "GetCallerIdentityResult")
            .any(|result| result.text_of("Account") == Some(ACCOUNT));
        prop_assert!(said, "an account that AWS did not name is believed");
        prop_assert_eq!(asked.account.as_str(), ACCOUNT);
    }
    Ok(())
}

#[test]
fn whoever_aws_says_we_are_only_the_right_account_is_believed() {
    let bench = Bench::new();
    let (role, identity) = (
        Node::parse(&bench.wire.heard("AssumeRole")),
        Node::parse(&bench.wire.heard("GetCallerIdentity")),
    );
    let few = || prop::collection::vec(change(), 0..3);
    holds((few(), few()), |(in_role, in_identity)| {
        let (mut role, mut identity) = (role.clone(), identity.clone());
        mutation::apply(&mut role, &in_role);
        mutation::apply(&mut identity, &in_identity);
        judged_identity(&bench, &role, &identity)
    });
    // Not at random: what no header can carry, and what says nothing, in each element.
    for number in 0..role.size() - 1 {
        for text in ["a\tb\nc", "\u{7}", "\u{1F980}", "", "true"] {
            let mut changed = role.clone();
            mutation::change_at(&mut changed, number, &Change::Text(text.to_owned()));
            judged_identity(&bench, &changed, &identity).unwrap_or_else(|failed| panic!("{number} {text:?}: {failed}"));
        }
    }
}

#[test]
fn only_a_key_that_aws_calls_enabled_symmetric_and_of_the_region_is_used() {
    let bench = Bench::new();
    bench.wire.tell([]);
    bench
        .runtime
        .block_on(bench.session.resolve_key("alias/ami"))
        .expect("an answer")
        .expect("a key");
    let answer: serde_json::Value = serde_json::from_str(&bench.wire.heard("DescribeKey")).expect("JSON");
    let fields: Vec<String> = answer["KeyMetadata"]
        .as_object()
        .expect("a key")
        .keys()
        .cloned()
        .collect();
    let value = prop_oneof![
        mutation::text().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        Just(serde_json::json!({"a": []})),
        Just(serde_json::json!(["Enabled"])),
    ];
    let changes = prop::collection::vec((prop::sample::select(fields), prop::option::of(value)), 0..3);
    holds(
        (changes, prop::option::of(any::<prop::sample::Index>())),
        |(changes, cut)| {
            let mut answer = answer.clone();
            let metadata = answer["KeyMetadata"].as_object_mut().expect("a key");
            for (field, value) in changes {
                match value {
                    Some(value) => drop(metadata.insert(field, value)),
                    None => drop(metadata.remove(&field)),
                }
            }
            let mut body = answer.to_string().into_bytes();
            if let Some(cut) = cut {
                body.truncate(cut.index(body.len()));
            }
            bench.wire.tell([("DescribeKey", (200, body))]);
            let resolved = bench.runtime.block_on(bench.session.resolve_key("alias/ami"));
            if let Ok(Ok(found)) = resolved
                && found.usability == KeyUsability::Usable
            {
                prop_assert!(cut.is_none());
                let said = |field: &str| answer["KeyMetadata"][field].as_str();
                prop_assert_eq!(said("Arn"), Some(found.arn.as_str()));
                prop_assert_eq!(said("KeyState"), Some("Enabled"));
                prop_assert_eq!(said("KeyUsage"), Some("ENCRYPT_DECRYPT"));
                prop_assert_eq!(said("KeySpec"), Some("SYMMETRIC_DEFAULT"));
                prop_assert_eq!(found.arn.region().as_str(), REGION);
            }
            Ok(())
        },
    );
}

#[test]
fn launch_permissions_are_read_whole_or_not_at_all() {
    let bench = Bench::new();
    let image: ImageId = "ami-00000000000000001".parse().expect("an image ID");
    bench.wire.tell([]);
    bench
        .runtime
        .block_on(bench.session.launch_permissions(&image))
        .expect("an answer");
    let original = Node::parse(&bench.wire.heard("DescribeImageAttribute"));
    holds(prop::collection::vec(change(), 0..3), |changes| {
        let mut answer = original.clone();
        mutation::apply(&mut answer, &changes);
        bench
            .wire
            .tell([("DescribeImageAttribute", (200, answer.document().into_bytes()))]);
        if let Ok(permissions) = bench.runtime.block_on(bench.session.launch_permissions(&image)) {
            let list = answer.child("launchPermission");
            prop_assert!(list.is_some(), "no list is not an empty list");
            let mut said: Vec<String> = answer
                .items("launchPermission")
                .map(|item| format!("{item:?}"))
                .collect();
            said.sort();
            said.dedup();
            prop_assert!(permissions.len() <= said.len());
            prop_assert_eq!(permissions.is_empty(), said.is_empty());
        }
        Ok(())
    });
}

#[test]
fn a_copys_id_is_an_id_or_an_error() {
    let bench = Bench::new();
    let original = Node::parse(&bench.wire.heard("CopyImage"));
    holds(prop::collection::vec(change(), 0..3), |changes| {
        let mut answer = original.clone();
        mutation::apply(&mut answer, &changes);
        bench.wire.tell([("CopyImage", (200, answer.document().into_bytes()))]);
        if let Ok(id) = bench
            .runtime
            .block_on(bench.session.copy_image(&copy_request("x-1", KEY)))
        {
            prop_assert_eq!(answer.text_of("imageId"), Some(id.as_str()));
        }
        Ok(())
    });
}
