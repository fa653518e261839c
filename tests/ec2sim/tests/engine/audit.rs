//! The judge: for each thing that it finds wrong, a world in which it does, and one good world in which it does not.

use ec2sim::{Act, AttributeLie, Check, Edit, FaultRule, Sim};

use super::support::{ACCOUNT, Client, MANAGER, OTHER_ACCOUNT, OWNER, WEB, client, plain, seconds, world, yaml};

/// Copies the web image as it should be.
fn good_copy(c: &Client) -> String {
    let id = c
        .copy(WEB, "copy", "alias/good", &[("Description", "the web")])
        .one("imageId");
    seconds(&c.sim, 1000);
    id
}

fn checks(sim: &Sim) -> Vec<Check> {
    let report = sim.audit();
    let mut found: Vec<Check> = report.findings.iter().map(|f| f.check).collect();
    found.dedup();
    assert_eq!(report.ok, found.is_empty());
    let text = report.to_string();
    let verdict = if report.ok { "\nOK: " } else { "\nNOT OK: " };
    assert!(text.contains(verdict), "{text}");
    found
}

fn owner(sim: &Sim) -> Client {
    client(sim, OWNER)
}

fn allowing_other_keys(act: Act) -> Sim {
    let sim = plain();
    sim.add_fault(FaultRule {
        operation: Some("CopyImage".to_owned()),
        act,
        ..FaultRule::default()
    });
    sim
}

#[test]
fn a_good_copy_is_all_that_is_asked_for() {
    let sim = plain();
    good_copy(&owner(&sim));
    assert_eq!(checks(&sim), []);
    let report = sim.audit();
    assert_eq!((report.images.to_copy, report.images.copied), (1, 1));
    assert_eq!(
        (
            report.totals.copies_needed,
            report.totals.copies_made,
            report.totals.copies_failed
        ),
        (1, 1, 0)
    );
}

#[test]
fn an_image_without_a_copy_or_with_a_pending_one_is_missing_it() {
    let sim = plain();
    assert_eq!(checks(&sim), [Check::MissingCopy]);
    owner(&sim).copy(WEB, "copy", "alias/good", &[("Description", "the web")]);
    assert_eq!(checks(&sim), [Check::MissingCopy]);
    seconds(&sim, 1000);
    assert_eq!(checks(&sim), []);
}

#[test]
fn an_instance_that_was_to_be_there_for_a_while_is_found_where_it_is_left() {
    let sim = world(&yaml("", "", "temporaryInstances: [proof]"));
    let c = owner(&sim);
    let copy = good_copy(&c);
    let launch = |tag: &str| {
        let call = [
            ("ImageId", copy.as_str()),
            ("MinCount", "1"),
            ("MaxCount", "1"),
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", tag),
            ("TagSpecification.1.Tag.1.Value", "x"),
        ];
        c.ec2("RunInstances", &call).one("instanceId")
    };
    launch("other");
    assert_eq!(checks(&sim), []);
    let id = launch("proof");
    assert_eq!(checks(&sim), [Check::InstanceLeft]);
    c.ec2("TerminateInstances", &[("InstanceId.1", &id)]);
    assert_eq!(checks(&sim), []);
}

#[test]
fn an_image_that_an_edit_took_away_needs_no_copy() {
    let sim = plain();
    sim.edit(Edit::Deregister { image: WEB.to_owned() })
        .expect("the image is there");
    assert_eq!(checks(&sim), []);
}

#[test]
fn an_unencrypted_snapshot_in_a_copy_is_found() {
    let sim = allowing_other_keys(Act::CopyUnencrypted);
    good_copy(&owner(&sim));
    assert_eq!(checks(&sim), [Check::CopyNotEncrypted]);
}

#[test]
fn a_copy_under_another_key_is_found() {
    let sim = allowing_other_keys(Act::CopyUnderKey("arn:aws:kms:x:1:key/other".to_owned()));
    good_copy(&owner(&sim));
    assert_eq!(checks(&sim), [Check::CopyWrongKey]);
}

#[test]
fn every_difference_of_a_copy_is_found() {
    for name in [
        "architecture",
        "bootMode",
        "tpmSupport",
        "imdsSupport",
        "uefiData",
        "enaSupport",
        "sriovNetSupport",
        "rootDeviceName",
        "volumeSize",
        "volumeType",
        "deviceName",
    ] {
        let sim = allowing_other_keys(Act::CopyAttribute(AttributeLie {
            name: name.to_owned(),
            value: Some("77".to_owned()),
        }));
        good_copy(&owner(&sim));
        assert_eq!(checks(&sim), [Check::CopyDiffers], "{name}");
    }
}

#[test]
fn launch_permissions_that_are_not_carried_over_are_found() {
    let sim = plain();
    sim.edit(Edit::Share {
        image: WEB.to_owned(),
        add: vec![OTHER_ACCOUNT.to_owned()],
        remove: Vec::new(),
    })
    .expect("the image is there");
    let c = owner(&sim);
    let id = good_copy(&c);
    assert_eq!(checks(&sim), [Check::PermissionsDiffer]);
    c.ec2(
        "ModifyImageAttribute",
        &[("ImageId", &id), ("LaunchPermission.Add.1.UserId", OTHER_ACCOUNT)],
    );
    assert_eq!(checks(&sim), []);
}

#[test]
fn a_copy_may_be_expected_to_have_nothing_of_the_originals_publication() {
    let images = "    - {name: bare, id: ami-0000000a, description: words, launchPermissions: {users: [\"222222222222\"]}, deprecationTime: 2027-01-01T00:00:00Z, expect: {copied: {key: alias/good, launchPermissions: none, description: none, deprecation: none}}}\n";
    let sim = world(&yaml("", images, ""));
    let c = owner(&sim);
    good_copy(&c);
    let id = c.copy("ami-0000000a", "bare-copy", "alias/good", &[]).one("imageId");
    seconds(&sim, 1000);
    assert_eq!(checks(&sim), []);
    c.ec2(
        "ModifyImageAttribute",
        &[("ImageId", &id), ("LaunchPermission.Add.1.UserId", OTHER_ACCOUNT)],
    );
    c.ec2(
        "ModifyImageAttribute",
        &[("ImageId", &id), ("Description.Value", "words")],
    );
    c.ec2(
        "EnableImageDeprecation",
        &[("ImageId", &id), ("DeprecateAt", "2027-01-01T00:00:00Z")],
    );
    assert_eq!(
        checks(&sim),
        [
            Check::PermissionsDiffer,
            Check::DescriptionDiffers,
            Check::DeprecationDiffers
        ]
    );
}

#[test]
fn a_copy_that_is_shared_more_widely_is_found() {
    let sim = plain();
    let c = owner(&sim);
    let id = good_copy(&c);
    c.ec2(
        "ModifyImageAttribute",
        &[("ImageId", &id), ("LaunchPermission.Add.1.UserId", OTHER_ACCOUNT)],
    );
    assert_eq!(checks(&sim), [Check::PermissionsDiffer, Check::SharedMoreWidely]);
}

#[test]
fn description_deprecation_and_tags_are_compared_as_expected() {
    let images = |tags: &str| {
        format!(
            "    - {{name: dated, id: ami-0000000a, deprecationTime: 2027-01-01T00:00:00Z, tags: {{a: b}}, expect: {{copied: {{key: alias/good, tags: {tags}}}}}}}\n"
        )
    };
    let run = |tags: &str, more: &[(&str, &str)]| {
        let sim = world(&yaml("", &images(tags), ""));
        let c = owner(&sim);
        good_copy(&c);
        c.copy("ami-0000000a", "dated-copy", "alias/good", more);
        seconds(&sim, 1000);
        checks(&sim)
    };
    let copy_tags = [("CopyImageTags", "true")];
    assert_eq!(run("any", &[]), [Check::DeprecationDiffers]);
    assert_eq!(run("published", &copy_tags), [Check::DeprecationDiffers]);
    assert_eq!(run("published", &[]), [Check::DeprecationDiffers, Check::TagsDiffer]);
    assert_eq!(
        run("withheld", &copy_tags),
        [Check::DeprecationDiffers, Check::TagsDiffer]
    );
    assert_eq!(run("withheld", &[]), [Check::DeprecationDiffers]);
    assert_eq!(
        run("any", &[("Description", "surplus")]),
        [Check::DescriptionDiffers, Check::DeprecationDiffers]
    );
}

#[test]
fn two_copies_under_one_key_are_found() {
    let sim = plain();
    let c = owner(&sim);
    good_copy(&c);
    c.copy(WEB, "again", "alias/good", &[]);
    assert_eq!(checks(&sim), [Check::CopiedTwice, Check::TooManyCopies]);
}

#[test]
fn a_failed_attempt_does_not_count_as_surplus_but_must_be_cleared_away() {
    let sim = plain();
    let c = owner(&sim);
    let failed = c.copy(WEB, "failing", "alias/off", &[]).one("imageId");
    seconds(&sim, 1000);
    let snapshot = c.ec2("DescribeImages", &[("ImageId.1", &failed)]).one("snapshotId");
    good_copy(&c);
    assert_eq!(checks(&sim), [Check::FailedCopyLeft]);
    assert_eq!(sim.audit().totals.copies_failed, 1);
    c.ec2("DeregisterImage", &[("ImageId", &failed)]);
    assert_eq!(checks(&sim), [Check::FailedCopyLeft], "its snapshot is still there");
    assert_eq!(c.ec2("DeleteSnapshot", &[("SnapshotId", &snapshot)]).code(), "OK");
    assert_eq!(checks(&sim), []);
}

#[test]
fn more_effects_than_copies_needed_are_found_also_when_the_surplus_is_gone() {
    let sim = plain();
    let c = owner(&sim);
    let first = good_copy(&c);
    c.ec2(
        "DeregisterImage",
        &[("ImageId", &first), ("DeleteAssociatedSnapshots", "true")],
    );
    let again = c.copy(WEB, "copy-2", "alias/good", &[("Description", "the web")]);
    assert_eq!(again.code(), "OK");
    seconds(&sim, 1000);
    assert_eq!(checks(&sim), [Check::TooManyCopies]);
}

#[test]
fn copies_of_what_should_be_left_alone_are_found() {
    for expect in ["untouched", "encrypted"] {
        let images = format!("    - {{name: alone, id: ami-0000000a, expect: {expect}}}\n");
        let sim = world(&yaml("", &images, ""));
        let c = owner(&sim);
        good_copy(&c);
        assert_eq!(checks(&sim), []);
        c.copy("ami-0000000a", "alone-copy", "alias/good", &[]);
        assert_eq!(checks(&sim), [Check::TooManyCopies, Check::UnexpectedCopy]);
    }
}

#[test]
fn every_change_of_an_original_is_found() {
    for (operation, params) in [
        ("CreateTags", vec![("ResourceId.1", WEB), ("Tag.1.Key", "x")]),
        ("DeleteTags", vec![("ResourceId.1", WEB)]),
        (
            "ModifyImageAttribute",
            vec![("ImageId", WEB), ("Description.Value", "x")],
        ),
        (
            "ModifyImageAttribute",
            vec![("ImageId", WEB), ("ImdsSupport.Value", "v2.0")],
        ),
        (
            "ModifyImageAttribute",
            vec![("ImageId", WEB), ("LaunchPermission.Add.1.UserId", OTHER_ACCOUNT)],
        ),
        (
            "EnableImageDeprecation",
            vec![("ImageId", WEB), ("DeprecateAt", "2026-05-01T00:00:00Z")],
        ),
    ] {
        let allow = format!("allow: [{{operation: {operation}, resource: {WEB}}}]");
        for (expect, expected) in [
            ("", vec![Check::OriginalChanged, Check::ForeignChange]),
            (allow.as_str(), vec![]),
        ] {
            let sim = world(&yaml("", "", expect));
            let c = owner(&sim);
            let copy = good_copy(&c);
            assert_eq!(c.ec2(operation, &params).code(), "OK");
            let found: Vec<Check> = checks(&sim)
                .into_iter()
                // The copy no longer equals what the original has become.
                .filter(|c| *c >= Check::OriginalChanged)
                .collect();
            assert_eq!(found, expected, "{operation} {params:?} {copy}");
        }
    }
}

#[test]
fn a_deregistered_original_is_found_and_its_deleted_snapshots_too() {
    let sim = plain();
    let c = owner(&sim);
    good_copy(&c);
    c.ec2(
        "DeregisterImage",
        &[("ImageId", WEB), ("DeleteAssociatedSnapshots", "true")],
    );
    assert_eq!(
        checks(&sim),
        [Check::OriginalGone, Check::SnapshotDeleted, Check::ForeignChange]
    );
}

#[test]
fn a_change_of_what_another_role_made_is_found() {
    let sim = plain();
    let c = owner(&sim);
    let id = good_copy(&c);
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/writer");
    let session = |name: &str| {
        let reply = client(&sim, MANAGER).sts("AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", name)]);
        Client {
            key: reply.one("AccessKeyId"),
            token: Some(reply.one("SessionToken")),
            ..c.clone()
        }
    };
    let tag = |c: &Client, id: &str, key: &str| c.ec2("CreateTags", &[("ResourceId.1", id), ("Tag.1.Key", key)]).code();
    assert_eq!(tag(&c, &id, "mine"), "OK");
    assert_eq!(checks(&sim), []);
    assert_eq!(tag(&session("one"), &id, "not-mine"), "OK");
    assert_eq!(checks(&sim), [Check::ForeignChange]);
}

#[test]
fn sessions_of_one_role_are_one_actor() {
    let images = "    - {name: any, id: ami-0000000a}\n";
    let sim = world(&yaml("", images, ""));
    good_copy(&owner(&sim));
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/writer");
    let session = |name: &str| {
        let reply = client(&sim, MANAGER).sts("AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", name)]);
        Client {
            key: reply.one("AccessKeyId"),
            token: Some(reply.one("SessionToken")),
            ..owner(&sim)
        }
    };
    let id = session("one")
        .copy("ami-0000000a", "any-copy", "alias/good", &[])
        .one("imageId");
    assert_eq!(
        session("two")
            .ec2("CreateTags", &[("ResourceId.1", &id), ("Tag.1.Key", "x")])
            .code(),
        "OK"
    );
    assert_eq!(checks(&sim), []);
}

#[test]
fn a_mutating_call_where_none_is_expected_is_found_even_if_it_failed() {
    let scope = format!("noMutatingCalls: [{{account: \"{ACCOUNT}\", region: eu-west-1}}]");
    let sim = world(&yaml("", "", &scope).replace("expect: {copied: {key: alias/good}}", "expect: untouched"));
    let c = owner(&sim);
    c.ec2("DescribeImages", &[]);
    c.ec2("DeregisterImage", &[("ImageId", WEB), ("DryRun", "true")]);
    assert_eq!(checks(&sim), []);
    c.in_region("us-east-1")
        .ec2("DeleteSnapshot", &[("SnapshotId", "snap-00000bad")]);
    assert_eq!(checks(&sim), [], "another region");
    c.ec2("DeleteSnapshot", &[("SnapshotId", "snap-00000bad")]);
    assert_eq!(checks(&sim), [Check::ForbiddenCall]);
}

#[test]
fn denials_are_found_unless_the_world_expects_them() {
    for (expect, expected) in [("", vec![Check::DeniedCall]), ("denialsAreWrong: false", vec![])] {
        let sim = world(&yaml("", "", expect));
        good_copy(&owner(&sim));
        let arn = format!("arn:aws:iam::{ACCOUNT}:role/reader");
        client(&sim, MANAGER).sts("AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", "test")]);
        assert_eq!(checks(&sim), expected);
    }
}

#[test]
fn denials_are_expected_by_operation_and_resource_and_dry_runs_only_ask() {
    let deny = |resource: &str| {
        let expect = format!("expectedDenials: [{{operation: AssumeRole, resource: \"{resource}\"}}]");
        let sim = world(&yaml("", "", &expect));
        good_copy(&owner(&sim));
        let arn = format!("arn:aws:iam::{ACCOUNT}:role/reader");
        let wrong = [("RoleArn", arn.as_str()), ("RoleSessionName", "test")];
        client(&sim, MANAGER).sts("AssumeRole", &wrong);
        let right = [wrong[0], wrong[1], ("ExternalId", "secret")];
        let reply = client(&sim, MANAGER).sts("AssumeRole", &right);
        let session = Client {
            key: reply.one("AccessKeyId"),
            token: Some(reply.one("SessionToken")),
            ..owner(&sim)
        };
        let dry = session.ec2("DeregisterImage", &[("ImageId", WEB), ("DryRun", "true")]);
        assert_eq!(dry.code(), "UnauthorizedOperation");
        checks(&sim)
    };
    assert_eq!(deny("*:role/reader"), []);
    assert_eq!(deny("*:role/other"), [Check::DeniedCall]);
}

#[test]
fn a_copy_that_a_fault_spoiled_or_an_edit_took_away_may_be_made_again() {
    let sim = plain();
    sim.add_fault(FaultRule {
        operation: Some("CopyImage".to_owned()),
        nth: Some(1),
        act: Act::CopyUnencrypted,
        ..FaultRule::default()
    });
    let c = owner(&sim);
    let again = |name: &str| {
        let id = c
            .copy(WEB, name, "alias/good", &[("Description", "the web")])
            .one("imageId");
        seconds(&sim, 1000);
        id
    };
    again("spoiled");
    assert_eq!(checks(&sim), [Check::CopyNotEncrypted]);
    let second = again("second");
    assert_eq!(checks(&sim), []);
    sim.edit(Edit::Deregister { image: second }).expect("the copy is there");
    again("third");
    assert_eq!(checks(&sim), []);
    assert_eq!(sim.audit().totals.copies_failed, 2);
}

#[test]
fn where_copying_is_left_open_one_copy_for_each_key_is_enough() {
    let sim = world(&yaml("", "    - {name: open, id: ami-0000000a}\n", ""));
    let c = owner(&sim);
    good_copy(&c);
    c.copy("ami-0000000a", "one", "alias/good", &[]);
    c.copy("ami-0000000a", "two", "alias/other", &[]);
    assert_eq!(checks(&sim), []);
    c.copy("ami-0000000a", "three", "alias/other", &[]);
    assert_eq!(checks(&sim), [Check::CopiedTwice, Check::TooManyCopies]);
}

#[test]
fn failed_copies_may_stay_where_the_world_says_so() {
    let sim = world(&yaml("", "", "failedCopiesAreWrong: false"));
    let c = owner(&sim);
    good_copy(&c);
    c.copy(WEB, "failing", "alias/off", &[]);
    seconds(&sim, 1000);
    assert_eq!(checks(&sim), []);
}
