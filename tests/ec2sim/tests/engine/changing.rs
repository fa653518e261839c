//! Tags, attributes, deprecation, deregistration, deletion.

use ec2sim::{Check, Edit, OwnerAct};

use super::support::{ACCOUNT, Client, OTHER, OTHER_ACCOUNT, OWNER, WEB, client, plain, seconds, world, yaml};

fn tags(c: &Client, id: &str) -> Vec<String> {
    c.ec2("DescribeImages", &[("ImageId.1", id)]).all("key")
}

#[test]
fn tags_are_set_and_deleted_by_key_or_by_key_and_value() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let create = c.ec2(
        "CreateTags",
        &[("ResourceId.1", WEB), ("Tag.1.Key", "x"), ("Tag.1.Value", "1")],
    );
    assert_eq!(create.one("return"), "true");
    assert_eq!(tags(&c, WEB), ["Name", "team", "x"]);
    c.ec2(
        "DeleteTags",
        &[("ResourceId.1", WEB), ("Tag.1.Key", "x"), ("Tag.1.Value", "2")],
    );
    assert_eq!(tags(&c, WEB), ["Name", "team", "x"], "another value is another tag");
    c.ec2("DeleteTags", &[("ResourceId.1", WEB), ("Tag.1.Key", "x")]);
    assert_eq!(tags(&c, WEB), ["Name", "team"]);
    c.ec2("DeleteTags", &[("ResourceId.1", WEB)]);
    assert_eq!(tags(&c, WEB), Vec::<String>::new());
}

#[test]
fn a_write_that_changes_nothing_has_no_effect() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let same = [("ResourceId.1", WEB), ("Tag.1.Key", "team"), ("Tag.1.Value", "a")];
    assert_eq!(c.ec2("CreateTags", &same).code(), "OK");
    let journal = sim.journal();
    assert!(journal[0].mutating && !journal[0].effect);
}

#[test]
fn a_resource_has_fifty_tags_at_most() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let set = |from: usize, many: usize| {
        let pairs: Vec<(String, String)> = (0..many)
            .map(|i| (format!("Tag.{}.Key", i + 1), format!("k{}", from + i)))
            .collect();
        let mut params = vec![("ResourceId.1", WEB)];
        params.extend(pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        c.ec2("CreateTags", &params).code()
    };
    assert_eq!(set(0, 48), "OK");
    assert_eq!(set(48, 1), "TagLimitExceeded");
    assert_eq!(tags(&c, WEB).len(), 50);
}

#[test]
fn tagging_something_unknown_changes_nothing_at_all() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let params = [
        ("ResourceId.1", WEB),
        ("ResourceId.2", "ami-00000bad"),
        ("Tag.1.Key", "x"),
    ];
    assert_eq!(c.ec2("CreateTags", &params).code(), "InvalidAMIID.NotFound");
    assert_eq!(tags(&c, WEB), ["Name", "team"]);
}

#[test]
fn launch_permissions_are_added_and_removed_in_both_forms() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let show = || {
        let reply = c.ec2(
            "DescribeImageAttribute",
            &[("ImageId", WEB), ("Attribute", "launchPermission")],
        );
        (reply.all("userId"), reply.all("group"), reply.all("organizationArn"))
    };
    let org = "arn:aws:organizations::123456789012:organization/o-abc";
    let add = c.ec2(
        "ModifyImageAttribute",
        &[
            ("ImageId", WEB),
            ("LaunchPermission.Add.1.UserId", OTHER_ACCOUNT),
            ("LaunchPermission.Add.2.OrganizationArn", org),
        ],
    );
    assert_eq!(add.code(), "OK", "{}", add.body);
    assert_eq!(show(), (vec![OTHER_ACCOUNT.to_owned()], vec![], vec![org.to_owned()]));
    assert_eq!(client(&sim, OTHER).images(&[]), ["web"]);
    let flat = |operation: &str| {
        c.ec2(
            "ModifyImageAttribute",
            &[
                ("ImageId", WEB),
                ("Attribute", "launchPermission"),
                ("OperationType", operation),
                ("UserGroup.1", "all"),
            ],
        )
        .code()
    };
    assert_eq!(flat("add"), "OK");
    assert_eq!(show().1, ["all"]);
    assert_eq!(flat("remove"), "OK");
    assert_eq!(show().1, Vec::<String>::new());
    for (name, value) in [
        ("LaunchPermission.Add.1.UserId", "12"),
        ("LaunchPermission.Add.1.Group", "some"),
        ("LaunchPermission.Add.1.OrganizationArn", "o-abc"),
    ] {
        let bad = c.ec2("ModifyImageAttribute", &[("ImageId", WEB), (name, value)]);
        assert_eq!(bad.code(), "InvalidAMIAttributeItemValue", "{name}");
    }
}

#[test]
fn encrypted_images_are_never_public_and_those_under_the_default_key_never_shared() {
    let images = r#"
    - {name: good, id: ami-0000000a, encryptedUnder: alias/good}
    - {name: default, id: ami-0000000b, encryptedUnder: alias/aws/ebs}
"#;
    let sim = world(&yaml("", images, ""));
    let c = client(&sim, OWNER);
    let add =
        |id: &str, name: &str, value: &str| c.ec2("ModifyImageAttribute", &[("ImageId", id), (name, value)]).code();
    let (group, user) = ("LaunchPermission.Add.1.Group", "LaunchPermission.Add.1.UserId");
    assert_eq!(add("ami-0000000a", group, "all"), "InvalidParameter");
    assert_eq!(add("ami-0000000a", user, OTHER_ACCOUNT), "OK");
    assert_eq!(add("ami-0000000b", group, "all"), "InvalidParameter");
    assert_eq!(add("ami-0000000b", user, OTHER_ACCOUNT), "InvalidParameter");
}

#[test]
fn description_and_imds_support_can_be_set() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let set = |name: &str, value: &str| c.ec2("ModifyImageAttribute", &[("ImageId", WEB), (name, value)]).code();
    assert_eq!(set("Description.Value", "new"), "OK");
    assert_eq!(set("ImdsSupport.Value", "v2.0"), "OK");
    assert_eq!(set("ImdsSupport.Value", "v1.0"), "InvalidParameterValue");
    let get = |attribute: &str| {
        c.ec2("DescribeImageAttribute", &[("ImageId", WEB), ("Attribute", attribute)])
            .one("value")
    };
    assert_eq!(get("description"), "new");
    assert_eq!(get("imdsSupport"), "v2.0");
}

#[test]
fn the_instance_types_of_an_image_are_replaced_whole_or_taken_away() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let replace = |types: &[(&str, &str)]| {
        let mut all = vec![("ImageId", WEB)];
        all.extend(types);
        c.ec2("ReplaceImageInstanceTypeSpecification", &all).code()
    };
    let show = || c.ec2("DescribeImages", &[("ImageId.1", WEB)]).all("instanceType");
    let supported = "InstanceTypeSpecification.SupportedInstanceType.1";
    let unsupported = "InstanceTypeSpecification.UnsupportedInstanceType.1";
    assert_eq!(replace(&[(supported, "m7i.*"), (unsupported, "m7i.large")]), "OK");
    assert_eq!(show(), ["m7i.*", "m7i.large"]);
    assert_eq!(replace(&[(supported, "t3.*")]), "OK");
    assert_eq!(show(), ["t3.*"]);
    for wrong in ["t3 *", "t3.**", "a-name-that-is-much-too-long"] {
        assert_eq!(replace(&[(supported, wrong)]), "InvalidParameterValue", "{wrong}");
    }
    assert_eq!(
        replace(&[(supported, "t3.*"), (unsupported, "t3.*")]),
        "InvalidParameterValue"
    );
    assert_eq!(replace(&[]), "OK");
    assert!(show().is_empty());
}

#[test]
fn an_image_that_is_not_available_can_not_be_modified() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let id = c.copy(WEB, "copy", "alias/good", &[]).one("imageId");
    let modify = c.ec2("ModifyImageAttribute", &[("ImageId", &id), ("Description.Value", "x")]);
    assert_eq!(modify.code(), "InvalidAMIID.Unavailable");
}

#[test]
fn others_may_not_change_what_is_shared_with_them() {
    let images = "    - {name: shared, id: ami-0000000a, launchPermissions: {users: [\"222222222222\"]}}\n";
    let sim = world(&yaml("", images, ""));
    let c = client(&sim, OTHER);
    for (operation, params) in [
        ("DeregisterImage", vec![]),
        ("ModifyImageAttribute", vec![("Description.Value", "x")]),
        ("DescribeImageAttribute", vec![("Attribute", "description")]),
        ("DisableImageDeprecation", vec![]),
    ] {
        let mut all = vec![("ImageId", "ami-0000000a")];
        all.extend(params);
        assert_eq!(c.ec2(operation, &all).code(), "AuthFailure", "{operation}");
    }
    assert_eq!(
        c.ec2("DeregisterImage", &[("ImageId", WEB)]).code(),
        "InvalidAMIID.NotFound",
        "what is not shared is not there"
    );
}

#[test]
fn deprecation_is_rounded_to_the_minute_and_lies_in_the_future() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let enable = |at: &str| {
        c.ec2("EnableImageDeprecation", &[("ImageId", WEB), ("DeprecateAt", at)])
            .code()
    };
    assert_eq!(enable("2026-06-01T12:00:40Z"), "OK");
    let show = || c.ec2("DescribeImages", &[("ImageId.1", WEB)]).one("deprecationTime");
    assert_eq!(show(), "2026-06-01T12:01:00.000Z");
    assert_eq!(enable("2025-06-01T12:00:00Z"), "InvalidParameterValue");
    assert_eq!(enable("2040-06-01T12:00:00Z"), "InvalidParameterValue");
    assert_eq!(enable("soon"), "InvalidParameterValue");
    assert_eq!(c.ec2("DisableImageDeprecation", &[("ImageId", WEB)]).code(), "OK");
    assert_eq!(show(), "");
}

#[test]
fn a_snapshot_in_use_is_not_deleted_and_deregistering_can_delete_it() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let snapshot = c.ec2("DescribeSnapshots", &[]).one("snapshotId");
    let in_use = c.ec2("DeleteSnapshot", &[("SnapshotId", &snapshot)]);
    assert_eq!(in_use.code(), "InvalidSnapshot.InUse");
    assert_eq!(
        in_use.one("Message"),
        format!("The snapshot {snapshot} is currently in use by {WEB}")
    );
    let gone = c.ec2(
        "DeregisterImage",
        &[("ImageId", WEB), ("DeleteAssociatedSnapshots", "true")],
    );
    assert_eq!(gone.one("snapshotId"), snapshot);
    assert_eq!(gone.one("returnCode"), "success");
    assert_eq!(
        c.ec2("DeleteSnapshot", &[("SnapshotId", &snapshot)]).code(),
        "InvalidSnapshot.NotFound"
    );
}

#[test]
fn a_snapshot_is_deleted_once_its_image_is_gone() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let snapshot = c.ec2("DescribeSnapshots", &[]).one("snapshotId");
    c.ec2("DeregisterImage", &[("ImageId", WEB)]);
    assert_eq!(c.ec2("DeleteSnapshot", &[("SnapshotId", &snapshot)]).code(), "OK");
}

#[test]
fn a_snapshot_of_several_images_stays_until_all_are_gone() {
    let images = r#"
    - {name: first, id: ami-0000000a, devices: [{gib: 20}, {gib: 30}]}
    - {name: second, id: ami-0000000b, devices: [{}, {snapshotOf: first, gib: 50, volumeType: gp2}]}
    - {name: third, id: ami-0000000c, devices: [{snapshotOf: ami-0000000a}]}
"#;
    let sim = world(&yaml("", images, ""));
    let c = client(&sim, OWNER);
    let show = |id: &str| c.ec2("DescribeImages", &[("ImageId.1", id)]);
    let shared = show("ami-0000000a").one("snapshotId");
    let second = show("ami-0000000b");
    assert_eq!(second.all("snapshotId")[1], shared);
    assert_ne!(second.all("snapshotId")[0], shared);
    assert_eq!(second.all("volumeSize"), ["8", "50"]);
    assert_eq!(second.all("volumeType"), ["gp3", "gp2"]);
    let third = show("ami-0000000c");
    assert_eq!(
        (third.one("snapshotId"), third.one("volumeSize")),
        (shared.clone(), "20".to_owned())
    );

    let delete = || c.ec2("DeleteSnapshot", &[("SnapshotId", &shared)]);
    assert_eq!(delete().code(), "InvalidSnapshot.InUse");
    let deregister = |id: &str| {
        let params = [("ImageId", id), ("DeleteAssociatedSnapshots", "true")];
        c.ec2("DeregisterImage", &params).all("returnCode")
    };
    assert_eq!(deregister("ami-0000000a"), ["skipped", "success"]);
    assert_eq!(deregister("ami-0000000c"), ["skipped"]);
    let in_use = delete();
    assert_eq!(in_use.code(), "InvalidSnapshot.InUse");
    assert!(in_use.one("Message").ends_with("ami-0000000b"), "{}", in_use.body);
    assert_eq!(deregister("ami-0000000b"), ["success", "success"]);
    assert_eq!(delete().code(), "InvalidSnapshot.NotFound");
}

#[test]
fn images_of_one_snapshot_are_copied_each_with_a_snapshot_of_its_own() {
    let images = "    - {name: second, id: ami-0000000b, devices: [{snapshotOf: web}]}\n";
    let sim = world(&yaml("", images, ""));
    let c = client(&sim, OWNER);
    let copies = [(WEB, "copy-of-web"), ("ami-0000000b", "copy-of-second")].map(|(id, name)| {
        let copied = c.copy(id, name, "alias/good", &[]);
        assert_eq!(copied.code(), "OK", "{}", copied.body);
        copied.one("imageId")
    });
    seconds(&sim, 1000);
    let snapshots = copies.map(|id| c.ec2("DescribeImages", &[("ImageId.1", &id)]).one("snapshotId"));
    assert_ne!(snapshots[0], snapshots[1]);
    for snapshot in &snapshots {
        let shown = c.ec2("DescribeSnapshots", &[("SnapshotId.1", snapshot)]);
        assert_eq!(
            (shown.one("status"), shown.one("encrypted")),
            ("completed".to_owned(), "true".to_owned())
        );
    }
    let report = sim.audit();
    assert!(
        report.findings.iter().all(|f| f.check != Check::CopiedTwice),
        "{report}"
    );
}

#[test]
fn protected_images_are_not_deregistered() {
    let images = "    - {name: safe, id: ami-0000000a, deregistrationProtection: true}\n";
    let sim = world(&yaml("", images, ""));
    let reply = client(&sim, OWNER).ec2("DeregisterImage", &[("ImageId", "ami-0000000a")]);
    assert_eq!(reply.code(), "OperationNotPermitted");
}

#[test]
fn changes_show_late_where_the_world_says_so() {
    let settings = "consistency: {createSeconds: 100, deleteSeconds: 100, tagSeconds: 100, attributeSeconds: 100}";
    let sim = world(&yaml(settings, "", ""));
    let c = client(&sim, OWNER);
    let id = c.copy(WEB, "copy", "alias/good", &[]).one("imageId");
    let show = |id: &str| c.ec2("DescribeImages", &[("ImageId.1", id)]);
    assert_eq!(show(&id).code(), "InvalidAMIID.NotFound");
    c.ec2("CreateTags", &[("ResourceId.1", WEB), ("Tag.1.Key", "x")]);
    c.ec2(
        "ModifyImageAttribute",
        &[("ImageId", WEB), ("Description.Value", "new")],
    );
    assert_eq!(tags(&c, WEB), ["Name", "team"]);
    assert_eq!(show(WEB).one("description"), "the web");
    seconds(&sim, 100);
    assert_eq!(tags(&c, WEB), ["Name", "team", "x"]);
    assert_eq!(show(WEB).one("description"), "new");
    assert_eq!(show(&id).code(), "OK");
    c.ec2("DeregisterImage", &[("ImageId", WEB)]);
    assert_eq!(show(WEB).all("imageId"), [WEB], "what is gone still shows");
    let again = c.ec2("DeregisterImage", &[("ImageId", WEB)]);
    assert_eq!(again.code(), "InvalidAMIID.NotFound");
    seconds(&sim, 100);
    assert_eq!(show(WEB).all("imageId"), Vec::<String>::new());
}

#[test]
fn every_attribute_can_be_described_by_its_owner() {
    let sim = plain();
    let c = client(&sim, OWNER);
    for attribute in [
        "description",
        "kernel",
        "ramdisk",
        "launchPermission",
        "productCodes",
        "blockDeviceMapping",
        "sriovNetSupport",
        "bootMode",
        "tpmSupport",
        "uefiData",
        "lastLaunchedTime",
        "imdsSupport",
        "deregistrationProtection",
    ] {
        let reply = c.ec2("DescribeImageAttribute", &[("ImageId", WEB), ("Attribute", attribute)]);
        assert_eq!(reply.code(), "OK", "{attribute}");
        assert!(reply.body.contains(&format!("<{attribute}>")), "{attribute}");
    }
    let bad = c.ec2("DescribeImageAttribute", &[("ImageId", WEB), ("Attribute", "colour")]);
    assert_eq!(bad.code(), "InvalidParameterValue");
    assert_eq!(sim.journal()[0].account, ACCOUNT);
}

#[test]
fn what_the_owner_does_by_hand_is_held_against_nobody() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let act = |act| {
        let image = WEB.to_owned();
        sim.edit(Edit::Owner { image, act }).expect("an image");
    };
    let state = || c.ec2("DescribeImages", &[("ImageId.1", WEB), ("IncludeDisabled", "true")]);
    act(OwnerAct::Disable);
    assert_eq!(state().one("imageState"), "disabled");
    let hidden = c.ec2("DescribeImages", &[("Owner.1", "self")]);
    assert_eq!(hidden.all("imageId"), Vec::<String>::new(), "unless it is asked for");
    act(OwnerAct::Enable);
    assert_eq!(state().one("imageState"), "available");
    act(OwnerAct::RequireImdsV2);
    act(OwnerAct::Describe("another".to_owned()));
    assert_eq!(
        (state().one("imdsSupport"), state().one("description")),
        ("v2.0".to_owned(), "another".to_owned())
    );
    let report = sim.audit();
    let changed = report.findings.iter().filter(|f| f.check != Check::MissingCopy);
    assert_eq!(changed.count(), 0, "{report}");
}

#[test]
fn a_copy_may_keep_what_its_original_lost_or_got_later_where_nobody_minds() {
    for (imds, found) in [("preserved", 1), ("any", 0)] {
        let expect = format!("{{copied: {{key: alias/good, imds: {imds}}}}}");
        let images = format!(
            "    - {{id: ami-0000000a, name: hard, imds: v2.0, expect: {expect}}}\n    \
             - {{name: soft, sourceImageId: ami-0000000a, encryptedUnder: alias/good}}\n"
        );
        let sim = world(&yaml("", &images, ""));
        let differs = sim
            .audit()
            .findings
            .into_iter()
            .filter(|f| f.check == Check::CopyDiffers);
        assert_eq!(differs.count(), found, "{imds}");
    }
}
