use proptest::option;
use proptest::prelude::*;

use super::super::inventory::Detail;
use super::*;

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

#[allow(clippy::needless_pass_by_value, reason = "tests build what they give")]
fn image(given: sdk::Image) -> Result<Image, Defect> {
    super::image(&given, &mut Interner::default())
}

fn snapshot(given: &sdk::Snapshot) -> Result<Snapshot, Defect> {
    super::snapshot(given, &mut Interner::default()).map(|(_, snapshot)| snapshot)
}

/// What of an image could not be read.
fn unread(given: sdk::builders::ImageBuilder) -> Option<String> {
    let image = image(given.build()).expect("an image with an ID");
    image.unread().map(str::to_owned)
}

#[test]
fn where_a_snapshot_is_kept_is_told_by_its_tier_and_its_place() {
    let read = |given: sdk::builders::SnapshotBuilder| snapshot(&given.build()).expect("a snapshot").kept;
    assert_eq!(read(plain_snapshot()), Kept::Standard);
    assert_eq!(
        read(plain_snapshot().storage_tier(sdk::StorageTier::Standard)),
        Kept::Standard
    );
    let archived = || plain_snapshot().storage_tier(sdk::StorageTier::Archive);
    assert_eq!(read(archived()), Kept::Archive);
    let restored = archived().restore_expiry_time(aws_smithy_types::DateTime::from_secs(1_800_000_000));
    assert_eq!(read(restored), Kept::Standard);
    assert_eq!(
        read(plain_snapshot().availability_zone("us-west-2-lax-1a")),
        Kept::Local
    );
    let outpost = "arn:aws:outposts:us-west-2:111122223333:outpost/op-0123456789abcdef0";
    assert_eq!(read(plain_snapshot().outpost_arn(outpost)), Kept::Local);
    assert_eq!(
        read(plain_snapshot().outpost_arn("").availability_zone("")),
        Kept::Standard
    );
}

#[test]
fn a_backup_is_told_by_its_name_and_by_tags_that_only_aws_can_write() {
    let is_backup = |given: sdk::builders::ImageBuilder| image(given.build()).expect("an image").backup;
    let tagged = |key: &str| plain().tags(sdk::Tag::builder().key(key).value("x").build());
    assert!(!is_backup(plain()));
    assert!(is_backup(plain().name("AwsBackup_i-0123456789abcdef0_1A2B")));
    assert!(is_backup(tagged("aws:backup:source-resource")));
    assert!(is_backup(tagged("aws:dlm:lifecycle-policy-id")));
    assert!(!is_backup(tagged("my:aws:backup:x")));
    assert!(!is_backup(tagged("aws:cloudformation:stack-name")));
    // Also where no tags are kept.
    let given = tagged("aws:dlm:managed").build();
    let mut common = Interner::keeping(Detail::OnlyTags(std::collections::BTreeSet::new()));
    let bare = super::image(&given, &mut common).expect("an image");
    assert!(bare.backup && bare.tags.is_empty());
}

#[test]
fn kernels_and_ramdisks_are_no_machines() {
    assert!(is_machine(&plain().build()));
    for (kind, expected) in [("machine", true), ("kernel", false), ("ramdisk", false), ("new", true)] {
        let given = plain().image_type(sdk::ImageTypeValues::from(kind)).build();
        assert_eq!(is_machine(&given), expected, "{kind}");
    }
}

/// An image with all that AWS always sends.
fn plain() -> sdk::builders::ImageBuilder {
    sdk::Image::builder()
        .image_id("ami-0123456789abcdef0")
        .name("web-1")
        .owner_id("111122223333")
        .state(sdk::ImageState::Available)
        .public(false)
        .root_device_type(sdk::DeviceType::Ebs)
        .creation_date("2024-05-06T07:08:09.000Z")
}

fn mapping() -> impl Strategy<Value = sdk::BlockDeviceMapping> {
    let name = "/dev/sd[a-z]";
    let ebs = (option::of("snap-[0-9a-f]{17}"), option::of(any::<bool>()), 1..16384_i32);
    prop_oneof![
        (name, ebs).prop_map(|(name, (snapshot, encrypted, size))| {
            let ebs = sdk::EbsBlockDevice::builder()
                .set_snapshot_id(snapshot)
                .set_encrypted(encrypted)
                .volume_size(size)
                .volume_type(sdk::VolumeType::Gp3)
                .build();
            sdk::BlockDeviceMapping::builder().device_name(name).ebs(ebs).build()
        }),
        name.prop_map(|name| {
            sdk::BlockDeviceMapping::builder()
                .device_name(name)
                .virtual_name("ephemeral0")
                .build()
        }),
        name.prop_map(|name| {
            sdk::BlockDeviceMapping::builder()
                .device_name(name)
                .no_device("")
                .build()
        }),
    ]
}

fn sdk_image() -> impl Strategy<Value = sdk::Image> {
    let states = [
        "pending",
        "available",
        "disabled",
        "failed",
        "deregistered",
        "error",
        "new",
    ];
    (
        "ami-[0-9a-f]{17}",
        ".{0,128}",
        prop::sample::select(states.to_vec()),
        prop::collection::vec(mapping(), 0..5),
        prop::collection::btree_map("[a-zA-Z:]{1,20}", ".{0,20}", 0..5),
        option::of("[a-z0-9_-]{1,12}"),
        any::<bool>(),
    )
        .prop_map(|(id, name, state, mut devices, tags, architecture, public)| {
            devices.sort_by(|a, b| a.device_name().cmp(&b.device_name()));
            devices.dedup_by(|a, b| a.device_name() == b.device_name());
            let tags = tags.iter().map(|(k, v)| sdk::Tag::builder().key(k).value(v).build());
            plain()
                .image_id(id)
                .name(name)
                .state(sdk::ImageState::from(state))
                .set_block_device_mappings(Some(devices))
                .set_tags(Some(tags.collect()))
                .set_architecture(architecture.as_deref().map(sdk::ArchitectureValues::from))
                .public(public)
                .build()
        })
}

proptest! {
    #[test]
    fn an_image_keeps_everything_that_decisions_need(given in sdk_image()) {
        let image = image(given.clone()).expect("a sound image");
        prop_assert_eq!(Some(image.id.as_str()), given.image_id());
        prop_assert_eq!(Some(&*image.name), given.name());
        prop_assert_eq!(Some(image.public), given.public());
        let mappings = given.block_device_mappings();
        prop_assert_eq!(image.devices.len(), mappings.len());
        for (device, mapping) in image.devices.iter().zip(mappings) {
            prop_assert_eq!(Some(device.device()), mapping.device_name());
        }
        let snapshots: Vec<_> = mappings.iter().filter_map(|m| m.ebs()?.snapshot_id()).collect();
        let volumes: Vec<_> = image.volumes().map(|(_, _, snapshot)| snapshot.as_str()).collect();
        prop_assert_eq!(volumes, snapshots);
        for tag in given.tags() {
            prop_assert_eq!(image.tags.get(tag.key().unwrap_or_default()), tag.value());
        }
        let architecture = given.architecture().map(sdk::ArchitectureValues::as_str);
        prop_assert_eq!(image.attributes.get("architecture").map(|v| &**v), architecture);
        if given.state().map(sdk::ImageState::as_str) == Some("new") {
            prop_assert_eq!(image.state, ImageState::Other);
        }
    }

    #[test]
    fn no_text_in_an_id_or_a_time_gets_through_unread(text in "\\PC{1,30}") {
        let known = text.parse::<ImageId>().is_ok();
        prop_assert_eq!(image(plain().image_id(&text).build()).is_ok(), known);
        let time = text.parse::<Timestamp>().is_ok();
        prop_assert_eq!(unread(plain().creation_date(&text)).is_none(), time);
        prop_assert_eq!(unread(plain().deprecation_time(&text)).is_none(), time);
    }
}

#[test]
fn an_image_with_a_device_that_is_mapped_twice_or_has_an_endless_name_is_not_read() {
    let mapped = |name: &str| {
        let ebs = sdk::EbsBlockDevice::builder().snapshot_id("snap-01234567").build();
        sdk::BlockDeviceMapping::builder().device_name(name).ebs(ebs).build()
    };
    let with = |names: &[&str]| {
        let devices = names.iter().map(|name| mapped(name)).collect();
        unread(plain().set_block_device_mappings(Some(devices)))
    };
    assert_eq!(with(&["/dev/sda", "/dev/sdb"]), None);
    let twice = with(&["/dev/sda", "/dev/sda"]);
    assert_eq!(twice.as_deref(), Some("/dev/sda is mapped twice"));
    assert_eq!(with(&[&"d".repeat(255)]), None);
    assert!(with(&[&"d".repeat(256)]).is_some());
}

#[test]
fn answers_that_contradict_each_other_are_told() {
    let of = |given: sdk::builders::ImageBuilder| image(given.build()).expect("an image");
    let other = sdk::BlockDeviceMapping::builder()
        .device_name("x")
        .no_device("")
        .build();
    let (one, another) = (of(plain()), of(plain().block_device_mappings(other)));
    let pending = of(plain().state(sdk::ImageState::Pending));
    let unread = of(sdk::Image::builder().image_id(plain().build().image_id().expect("an ID")));
    assert!(unread.unread().is_some());
    assert_eq!(tells_more(None, &unread), Ok(true));
    assert_eq!(tells_more(Some(&one), &one), Ok(true));
    assert_eq!(
        tells_more(Some(&pending), &another),
        Ok(true),
        "it was finished meanwhile"
    );
    assert!(tells_more(Some(&one), &another).is_err());
    assert_eq!(tells_more(Some(&one), &unread), Ok(true));
    assert_eq!(
        tells_more(Some(&unread), &one),
        Ok(false),
        "one of two answers is not to be read"
    );

    let snapshot_of = |encrypted: bool, key: Option<&str>| {
        let given = sdk::Snapshot::builder()
            .snapshot_id("snap-01234567")
            .state(sdk::SnapshotState::Completed)
            .volume_size(8)
            .encrypted(encrypted)
            .set_kms_key_id(key.map(str::to_owned));
        snapshot(&given.build()).expect("a snapshot")
    };
    let id = "snap-01234567".parse().expect("an ID");
    let sealed = snapshot_of(true, Some(KEY));
    assert!(same_snapshot(&id, &sealed, &sealed).is_ok());
    for other in [snapshot_of(false, None), snapshot_of(true, None)] {
        assert!(same_snapshot(&id, &sealed, &other).is_err(), "{other:?}");
    }
}

#[test]
fn an_image_that_lacks_what_it_cannot_lack_is_not_read_but_known_and_only_one_without_an_id_fails_the_read() {
    assert!(image(plain().set_image_id(None).build()).is_err());
    for (what, broken) in [
        ("imageOwnerId", plain().set_owner_id(None)),
        ("imageState", plain().set_state(None)),
        ("isPublic", plain().set_public(None)),
    ] {
        let broken = image(broken.tags(sdk::Tag::builder().key("team").value("a").build()).build());
        let broken = broken.expect("an image");
        assert_eq!(broken.unread(), Some(&*format!("{what} is missing")));
        // It is still known by what selects and names it, and by nothing that anything could be concluded from.
        assert_eq!((&*broken.name, broken.tags.get("team")), ("web-1", Some("a")));
        assert!(broken.is_there() && broken.devices.is_empty() && !broken.has_root_snapshot());
    }
    let bare = plain()
        .set_name(None)
        .set_creation_date(None)
        .set_root_device_type(None)
        .build();
    let bare = image(bare).expect("an image");
    assert_eq!((&*bare.name, bare.created, bare.ebs_root), ("", None, false));
    assert!(bare.attributes.is_empty(), "{:?}", bare.attributes);
}

#[test]
fn answers_that_differ_only_in_the_order_of_their_mappings_are_the_same() {
    let mapped = |name: &str| {
        let ebs = sdk::EbsBlockDevice::builder()
            .snapshot_id("snap-0123456789abcdef0")
            .build();
        sdk::BlockDeviceMapping::builder().device_name(name).ebs(ebs).build()
    };
    let names = ["/dev/xvda", "/dev/sdb", "/dev/sdc"];
    let read = |order: [usize; 3]| {
        let mappings = order.map(|n| mapped(names[n])).to_vec();
        let given = plain()
            .root_device_name(names[0])
            .set_block_device_mappings(Some(mappings));
        image(given.build()).expect("an image")
    };
    let first = read([0, 1, 2]);
    assert_eq!(first.devices.iter().map(BlockDevice::device).collect::<Vec<_>>(), names);
    for order in [[2, 1, 0], [1, 0, 2]] {
        assert_eq!(read(order), first);
        assert_eq!(tells_more(Some(&read(order)), &first), Ok(true));
    }
}

#[test]
fn an_image_with_a_mapping_of_no_known_kind_is_not_read() {
    let odd = sdk::BlockDeviceMapping::builder().device_name("/dev/sdb").build();
    assert!(unread(plain().block_device_mappings(odd)).is_some());
    let nameless = sdk::BlockDeviceMapping::builder().virtual_name("ephemeral0").build();
    assert!(unread(plain().block_device_mappings(nameless)).is_some());
}

#[test]
fn an_image_made_from_an_instance_is_no_copy() {
    let copied = plain()
        .source_image_id("ami-0fedcba9876543210")
        .source_image_region("eu-west-1");
    let source = image(copied.clone().build()).expect("an image").copied_from;
    let source = source.expect("a copy names its source");
    assert_eq!(source.image.as_str(), "ami-0fedcba9876543210");
    assert_eq!(source.region.as_str(), "eu-west-1");
    let from_instance = copied.clone().source_instance_id("i-0123456789abcdef0").build();
    assert_eq!(image(from_instance).expect("an image").copied_from, None);
    let half = copied.clone().set_source_image_region(None).build();
    assert_eq!(image(half).expect("an image").copied_from, None);
    assert!(unread(copied.source_image_id("nonsense")).is_some());
}

#[test]
fn what_few_images_have_is_read_in_one_order_and_kept_by_those_that_have_it_only() {
    assert_eq!(image(plain().build()).expect("an image").extras, None);
    let item = |name: &str| sdk::InstanceTypeItem::builder().instance_type(name).build();
    let specified = |supported: [&str; 2]| {
        sdk::InstanceTypeSpecification::builder()
            .set_supported_instance_types(Some(supported.map(item).to_vec()))
            .unsupported_instance_types(item("t3.nano"))
            .build()
    };
    let mark = |key: &str| {
        sdk::ImageWatermark::builder()
            .watermark_key(key)
            .watermark_creation_time(DateTime::from_secs(1_790_000_000))
            .build()
    };
    let read = |types: [&str; 2], marks: [&str; 2]| {
        let given = plain()
            .instance_type_specification(specified(types))
            .set_image_watermarks(Some(marks.map(mark).to_vec()));
        image(given.build()).expect("an image")
    };
    let marks = ["111122223333:a", "111122223333:b"];
    let one = read(["t3.*", "m7i.large"], marks);
    assert_eq!(one, read(["m7i.large", "t3.*"], [marks[1], marks[0]]));
    let types = one.instance_types().expect("types");
    assert_eq!(
        types.supported.iter().map(|name| &**name).collect::<Vec<_>>(),
        ["m7i.large", "t3.*"]
    );
    assert_eq!(
        types.unsupported.iter().map(|name| &**name).collect::<Vec<_>>(),
        ["t3.nano"]
    );
    assert_eq!(
        one.watermarks().iter().map(|mark| &*mark.key).collect::<Vec<_>>(),
        marks
    );
    assert_eq!(
        one.watermarks()[0].attached.map(Timestamp::as_second),
        Some(1_790_000_000)
    );
    // A specification that names nothing restricts nothing.
    let empty = plain().instance_type_specification(sdk::InstanceTypeSpecification::builder().build());
    assert_eq!(image(empty.build()).expect("an image").extras, None);
    assert!(unread(plain().image_watermarks(sdk::ImageWatermark::builder().build())).is_some());
}

fn plain_snapshot() -> sdk::builders::SnapshotBuilder {
    sdk::Snapshot::builder()
        .snapshot_id("snap-0123456789abcdef0")
        .state(sdk::SnapshotState::Completed)
        .encrypted(true)
        .kms_key_id(KEY)
        .volume_size(8)
}

#[test]
fn a_snapshot_tells_its_key_only_when_the_key_can_be_read() {
    let read = |given: sdk::builders::SnapshotBuilder| snapshot(&given.build());
    let sound = read(plain_snapshot()).expect("a snapshot");
    assert_eq!(sound.key.as_ref().map(|key| key.as_str()), Some(KEY));
    let unreadable = read(plain_snapshot().kms_key_id("1234abcd")).expect("a snapshot");
    assert!(unreadable.encrypted && unreadable.key.is_none());
    let new = read(plain_snapshot().state("dreaming".into())).expect("a snapshot");
    assert_eq!(new.state, SnapshotState::Other);
    // Of one that lacks what it cannot lack nothing is concluded.
    for broken in [plain_snapshot().set_state(None), plain_snapshot().set_encrypted(None)] {
        let known = read(broken).expect("a snapshot");
        assert!(
            known.encrypted && (known.key.is_none() || known.state == SnapshotState::Other),
            "{known:?}"
        );
    }
    let sizeless = read(plain_snapshot().set_volume_size(None)).expect("a snapshot");
    assert_eq!(sizeless.size_gib, 0);
    for broken in [
        plain_snapshot().set_snapshot_id(None),
        plain_snapshot().snapshot_id("snap-"),
    ] {
        let broken = broken.build();
        assert!(snapshot(&broken).is_err(), "{broken:?}");
    }
}

#[test]
fn a_snapshot_keeps_another_key_that_opens_it_and_none_that_cannot_be_told() {
    let other = "arn:aws:kms:eu-west-1:111122223333:key/99999999-12ab-34cd-56ef-1234567890ab";
    let read = |associated: &[&str]| {
        let items: Vec<String> = associated
            .iter()
            .map(|key| format!("<item><kmsKeyId>{key}</kmsKeyId></item>"))
            .collect();
        let body = format!(
            "<r><snapshotSet><item><snapshotId>snap-0123456789abcdef0</snapshotId><associatedKmsKeySet>{}</associatedKmsKeySet>\
             </item></snapshotSet></r>",
            items.concat()
        );
        let mut common = Interner::default();
        common.begin_page(crate::aws::associated::associated_keys(body.as_bytes()).map(std::sync::Arc::new));
        let (_, read) = super::snapshot(&plain_snapshot().build(), &mut common).expect("a snapshot");
        (
            read.key.as_ref().map(ToString::to_string),
            read.also().map(ToString::to_string),
        )
    };
    let own = Some(KEY.to_owned());
    assert_eq!(read(&[]), (own.clone(), None));
    assert_eq!(read(&[KEY]), (own.clone(), None), "its own once more");
    assert_eq!(read(&[KEY, other]), (own, Some(other.to_owned())));
    assert_eq!(read(&["garbled"]), (None, None), "encrypted under whatever key");
}

#[test]
fn a_snapshot_keeps_what_aws_has_written_of_the_copy_that_it_was_made_for() {
    let copied = |description: &str| {
        let read = snapshot(&plain_snapshot().description(description).build());
        read.expect("a snapshot").copied
    };
    let record = copied(
        "Copied for DestinationAmi ami-0123456789abcdef0 from SourceAmi ami-01234567 for SourceSnapshot \
         snap-0fedcba9876543210. Task created on 1,700,000,000,000.",
    );
    let record = record.expect("a record");
    assert_eq!(
        (record.image.as_str(), record.source.as_str()),
        ("ami-0123456789abcdef0", "ami-01234567")
    );
    for other in [
        "",
        "Created by CreateImage(i-0123456789abcdef0) for ami-0123456789abcdef0",
        "Copied for DestinationAmi ami-0123456789abcdef0",
        "Copied for DestinationAmi ami-0123456789abcdef0 from SourceAmi nonsense for SourceSnapshot snap-01234567.",
        "was Copied for DestinationAmi ami-01234567 from SourceAmi ami-01234567 for SourceSnapshot snap-01234567.",
    ] {
        assert_eq!(copied(other), None, "{other}");
    }
}

#[test]
fn only_copies_count_as_copies_in_flight() {
    let pending = |description: &str| {
        let given = plain_snapshot().description(description).progress("42%").build();
        pending_copy(&given).expect("a snapshot")
    };
    let copy = pending(
        "Copied for DestinationAmi ami-0123456789abcdef0 from SourceAmi ami-0fedcba9876543210 for SourceSnapshot snap-0fedcba9876543210. Task created on 1,700,000,000,000.",
    )
    .expect("a copy of an image");
    assert_eq!(copy.for_image.expect("an image").as_str(), "ami-0123456789abcdef0");
    assert_eq!(copy.percent, 42);
    let copy = pending("[Copied snap-0fedcba9876543210 from eu-west-1]").expect("a copy");
    assert_eq!(copy.for_image, None);
    let copy = pending("Copied for DestinationAmi nonsense").expect("a copy all the same");
    assert_eq!(copy.for_image, None);
    for kind in [sdk::TransferType::Standard, sdk::TransferType::TimeBased] {
        let given = plain_snapshot().description("ours").transfer_type(kind).build();
        let copy = pending_copy(&given)
            .expect("a snapshot")
            .expect("a copy by its transfer type");
        assert_eq!(copy.for_image, None);
    }
    for other in [
        "",
        "Created by CreateImage(i-1) for ami-0123456789abcdef0",
        "nightly backup",
    ] {
        assert_eq!(pending(other), None, "{other}");
    }
}

#[test]
fn launch_permissions_are_read_one_by_one_and_unknown_ones_are_refused() {
    let entry = sdk::LaunchPermission::builder;
    let arn = "arn:aws:organizations::111122223333:organization/o-1";
    let account = "444455556666".parse().expect("an account");
    for (given, expected) in [
        (entry().group(sdk::PermissionGroup::All), LaunchPermission::Public),
        (entry().user_id("444455556666"), LaunchPermission::Account(account)),
        (
            entry().organization_arn(arn),
            LaunchPermission::Organization(arn.into()),
        ),
        (
            entry().organizational_unit_arn(arn),
            LaunchPermission::OrganizationalUnit(arn.into()),
        ),
    ] {
        assert_eq!(launch_permission(given.build()), Ok(expected));
    }
    for odd in [entry(), entry().group("friends".into()), entry().user_id("me")] {
        assert!(launch_permission(odd.build()).is_err());
    }
}

#[test]
fn a_read_that_asks_for_some_tags_keeps_no_others_and_no_description() {
    let tag = |key: &str| sdk::Tag::builder().key(key).value("x").build();
    let given = plain()
        .description("what it is for")
        .tags(tag("team"))
        .tags(tag("Name"))
        .build();
    let keys = ["team".to_owned(), "other".to_owned()].into();
    let kept = super::image(&given, &mut Interner::keeping(Detail::OnlyTags(keys))).expect("an image");
    assert_eq!(
        (kept.tags.keys().collect::<Vec<_>>(), kept.description),
        (vec!["team"], None)
    );
    let kept = image(given).expect("an image");
    assert_eq!(kept.tags.keys().collect::<Vec<_>>(), ["Name", "team"]);
    assert_eq!(kept.description.as_deref(), Some("what it is for"));
}
