//! What holds once a region is set: encryption by default, the default key, and public access that is blocked.

use ec2sim::Sim;

use super::support::{ACCOUNT, OTHER, OTHER_ACCOUNT, OWNER, REGION, WEB, client, plain, seconds, world, yaml};

const BLOCK_IMAGES: (&str, &str) = ("ImageBlockPublicAccessState", "block-new-sharing");
const BLOCK_NEW: (&str, &str) = ("State", "block-new-sharing");
const BLOCK_ALL: (&str, &str) = ("State", "block-all-sharing");

fn key(id: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}")
}

#[test]
fn copies_are_encrypted_by_default_under_the_default_key() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let copy = |name: &str, more: &[(&str, &str)]| {
        let call = [("SourceImageId", WEB), ("SourceRegion", REGION), ("Name", name)];
        let id = c.ec2("CopyImage", &[&call[..], more].concat()).one("imageId");
        seconds(&sim, 1000);
        assert_eq!(c.state(&id), "available");
        sim.with_world(|w| {
            let image = w.image(REGION, &id).expect("the copy");
            let snapshot = image.snapshot_ids().next().and_then(|id| w.snapshot(REGION, id));
            snapshot.and_then(|snapshot| snapshot.key_arn.clone())
        })
    };
    assert_eq!(copy("open", &[]), None);
    c.ec2("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", "alias/good")]);
    assert_eq!(copy("open-still", &[]), None, "the key alone encrypts nothing");
    assert_eq!(copy("asked", &[("Encrypted", "true")]), Some(key("key-good")));
    c.ec2("EnableEbsEncryptionByDefault", &[]);
    assert_eq!(copy("by-default", &[]), Some(key("key-good")));
    let other = [("Encrypted", "true"), ("KmsKeyId", "alias/other")];
    assert_eq!(copy("under-another", &other), Some(key("key-other")));
    c.ec2("ResetEbsDefaultKmsKeyId", &[]);
    assert_eq!(copy("of-aws", &[]), Some(key("key-ebs")));
}

#[test]
fn launches_fail_under_a_default_key_that_may_not_be_used() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let launch = || {
        let call = [("ImageId", WEB), ("MinCount", "1"), ("MaxCount", "1")];
        let id = c.ec2("RunInstances", &call).one("instanceId");
        seconds(&sim, 200);
        sim.with_world(|w| {
            let region = w.region(ACCOUNT, REGION).expect("the region");
            region.consumers.instances.get(&id).map(|one| one.state.clone())
        })
    };
    c.ec2("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", "key-private")]);
    assert_eq!(launch().as_deref(), Some("running"), "nothing is encrypted yet");
    c.ec2("EnableEbsEncryptionByDefault", &[]);
    assert_eq!(launch().as_deref(), Some("terminated"));
    c.ec2("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", "key-good")]);
    assert_eq!(launch().as_deref(), Some("running"));
}

#[test]
fn an_image_is_not_made_public_where_that_is_blocked() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let share = |with: (&str, &str)| c.ec2("ModifyImageAttribute", &[("ImageId", WEB), with]);
    let all = ("LaunchPermission.Add.1.Group", "all");
    c.ec2("EnableImageBlockPublicAccess", &[BLOCK_IMAGES]);
    let refused = share(all);
    assert_eq!(
        (refused.code().as_str(), refused.status),
        ("OperationNotPermitted", 400)
    );
    assert!(
        refused
            .one("Message")
            .ends_with("you must call the DisableImageBlockPublicAccess API.")
    );
    assert_eq!(share(("LaunchPermission.Add.1.UserId", OTHER_ACCOUNT)).code(), "OK");
    c.ec2("DisableImageBlockPublicAccess", &[]);
    assert_eq!(share(all).code(), "OK");
    c.ec2("EnableImageBlockPublicAccess", &[BLOCK_IMAGES]);
    let seen = client(&sim, OTHER).images(&[("ImageId.1", WEB)]);
    assert_eq!(seen, ["web"], "what is public stays so");
}

fn snapshot_of_web(sim: &Sim) -> String {
    sim.with_world(|w| {
        let image = w.image(REGION, WEB).expect("the image");
        image.snapshot_ids().next().expect("its snapshot").to_owned()
    })
}

#[test]
fn a_snapshot_is_shared_with_accounts_and_with_everybody_where_that_is_not_blocked() {
    let sim = plain();
    let (c, other) = (client(&sim, OWNER), client(&sim, OTHER));
    let id = snapshot_of_web(&sim);
    let share = |more: &[(&str, &str)]| {
        let call = [("SnapshotId", id.as_str()), ("Attribute", "createVolumePermission")];
        c.ec2("ModifySnapshotAttribute", &[&call[..], more].concat()).code()
    };
    let is_seen = || {
        other
            .ec2("DescribeSnapshots", &[("SnapshotId.1", &id)])
            .all("snapshotId")
            .len()
            == 1
    };
    let account = ("CreateVolumePermission.Add.1.UserId", OTHER_ACCOUNT);
    assert_eq!((share(&[account]).as_str(), is_seen()), ("OK", true));
    let remove = [("OperationType", "remove"), ("UserId.1", OTHER_ACCOUNT)];
    assert_eq!((share(&remove).as_str(), is_seen()), ("OK", false));
    let all = [("OperationType", "add"), ("UserGroup.1", "all")];
    c.ec2("EnableSnapshotBlockPublicAccess", &[BLOCK_NEW]);
    assert_eq!((share(&all).as_str(), is_seen()), ("OperationNotPermitted", false));
    c.ec2("DisableSnapshotBlockPublicAccess", &[]);
    assert_eq!((share(&all).as_str(), is_seen()), ("OK", true));
    c.ec2("EnableSnapshotBlockPublicAccess", &[BLOCK_NEW]);
    assert!(is_seen(), "what is public stays so");
    c.ec2("EnableSnapshotBlockPublicAccess", &[BLOCK_ALL]);
    assert!(!is_seen(), "what is public is treated as private");
    c.ec2("DisableSnapshotBlockPublicAccess", &[]);
    assert!(is_seen());
    for (more, code) in [
        (
            vec![account, ("CreateVolumePermission.Remove.1.Group", "all")],
            "InvalidParameterCombination",
        ),
        (
            vec![("CreateVolumePermission.Add.1.UserId", "1")],
            "InvalidParameterValue",
        ),
        (
            vec![("CreateVolumePermission.Add.1.Group", "some")],
            "InvalidParameterValue",
        ),
        (vec![("OperationType", "give")], "InvalidParameterValue"),
        (vec![], "MissingParameter"),
    ] {
        assert_eq!(share(&more), code, "{more:?}");
    }
    let theirs = other.ec2("ModifySnapshotAttribute", &[("SnapshotId", &id), all[0], all[1]]);
    assert_eq!(theirs.code(), "UnauthorizedOperation");
}

#[test]
fn an_encrypted_snapshot_is_shared_with_accounts_alone_and_one_under_the_key_of_aws_with_nobody() {
    let images = "    - {name: sealed, id: ami-0000000b, encryptedUnder: alias/good}\n    - {name: of-aws, id: ami-0000000c, encryptedUnder: alias/aws/ebs}\n";
    let sim = world(&yaml("", images, ""));
    let c = client(&sim, OWNER);
    for (image, field, with, code) in [
        ("ami-0000000b", "UserId", OTHER_ACCOUNT, "OK"),
        ("ami-0000000b", "Group", "all", "InvalidParameter"),
        ("ami-0000000c", "UserId", OTHER_ACCOUNT, "InvalidParameter"),
    ] {
        let id = sim.with_world(|w| {
            w.image(REGION, image)
                .and_then(|i| i.snapshot_ids().next().map(str::to_owned))
        });
        let name = format!("CreateVolumePermission.Add.1.{field}");
        let call = [("SnapshotId", id.as_deref().unwrap_or_default()), (name.as_str(), with)];
        assert_eq!(c.ec2("ModifySnapshotAttribute", &call).code(), code, "{image} {with}");
    }
}
