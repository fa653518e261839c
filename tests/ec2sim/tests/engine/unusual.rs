//! What AWS seldom shows: images that an answer garbles, are disabled, or are none; snapshots in the archive or in a Local Zone.

use ec2sim::Edit;
use ec2sim::spec::Garbled;

use super::support::{OWNER, client, world, yaml};

const IMAGES: &str = r#"
    - {name: mapped-twice, garbled: mappedTwice}
    - {name: nameless, garbled: namelessDevice}
    - {name: ownerless, garbled: withoutOwner}
    - {name: stateless, garbled: withoutState}
    - {name: unshared, garbled: withoutPublic}
    - {name: off, id: ami-0000000a, state: disabled}
    - {name: archived, id: ami-0000000b, devices: [{}, {storageTier: archive}]}
    - {name: zonal, id: ami-0000000c, devices: [{availabilityZone: us-west-2-lax-1a}]}
    - {name: rack, id: ami-0000000d, devices: [{outpostArn: "arn:aws:outposts:eu-west-1:1:outpost/op-1"}]}
    - {name: vmlinuz, imageType: kernel}
"#;

#[test]
fn an_answer_about_an_image_may_be_garbled_and_those_about_others_are_whole() {
    let sim = world(&yaml("", IMAGES, ""));
    let c = client(&sim, OWNER);
    let of = |name: &str| {
        c.ec2(
            "DescribeImages",
            &[("Filter.1.Name", "name"), ("Filter.1.Value.1", name)],
        )
    };
    let elements = ["imageState", "imageOwnerId", "isPublic", "deviceName"];
    for (name, counts) in [
        ("web", [1, 1, 1, 1]),
        ("mapped-twice", [1, 1, 1, 2]),
        ("nameless", [1, 1, 1, 0]),
        ("ownerless", [1, 0, 1, 1]),
        ("stateless", [0, 1, 1, 1]),
        ("unshared", [1, 1, 0, 1]),
    ] {
        let answer = of(name);
        assert_eq!(
            elements.map(|element| answer.all(element).len()),
            counts,
            "{name}: {}",
            answer.body
        );
    }
    let image = of("web").one("imageId");
    for (garbled, states) in [(Some(Garbled::WithoutState), 0), (None, 1)] {
        let edit = Edit::SetGarbled {
            image: image.clone(),
            garbled,
        };
        sim.edit(edit).expect("an edit");
        assert_eq!(of("web").all("imageState").len(), states);
    }
    assert_eq!(of("vmlinuz").one("imageType"), "kernel");
    assert_eq!(of("web").one("imageType"), "machine");
}

#[test]
fn a_disabled_image_is_refused_or_copied_as_the_settings_say() {
    for (settings, code) in [
        ("", "InvalidAMIID.Unavailable"),
        ("copies: {disabledSources: refused}", "InvalidAMIID.Unavailable"),
        ("copies: {disabledSources: copied}", "OK"),
    ] {
        let yaml = yaml("", IMAGES, "");
        let yaml = if settings.is_empty() {
            yaml
        } else {
            yaml.replacen("copies: {baseSeconds: 100, secondsPerGib: 10, jitter: 0}", settings, 1)
        };
        let sim = world(&yaml);
        let c = client(&sim, OWNER);
        assert_eq!(
            c.copy("ami-0000000a", "copy", "alias/good", &[]).code(),
            code,
            "{settings}"
        );
    }
}

#[test]
fn snapshots_say_where_they_are_kept_and_an_archived_one_is_not_copied() {
    let sim = world(&yaml("", IMAGES, ""));
    let c = client(&sim, OWNER);
    let kept = |image: &str, element: &str| {
        let image = c.ec2("DescribeImages", &[("ImageId.1", image)]);
        let snapshots = image.all("snapshotId").into_iter();
        let told = snapshots.map(|id| c.ec2("DescribeSnapshots", &[("SnapshotId.1", &id)]).one(element));
        told.collect::<Vec<String>>()
    };
    assert_eq!(kept("ami-0000000b", "storageTier"), ["standard", "archive"]);
    assert_eq!(kept("ami-0000000c", "availabilityZone"), ["us-west-2-lax-1a"]);
    assert_eq!(
        kept("ami-0000000d", "outpostArn"),
        ["arn:aws:outposts:eu-west-1:1:outpost/op-1"]
    );
    assert_eq!(kept("ami-0000000b", "availabilityZone"), ["", ""]);

    let copy = |name: &str| c.copy("ami-0000000b", name, "alias/good", &[]).code();
    assert_eq!(copy("first"), "IncorrectState");
    let restored = Edit::SetStorageTier {
        image: "ami-0000000b".to_owned(),
        tier: "standard".to_owned(),
    };
    sim.edit(restored).expect("an edit");
    assert_eq!(copy("second"), "OK");
    // Nothing keeps what is in a Local Zone there.
    assert_eq!(c.copy("ami-0000000c", "third", "alias/good", &[]).code(), "OK");
}
