//! Lists: filters, pages, owners, what is shown to whom.

use std::collections::BTreeSet;

use super::support::{ACCOUNT, OTHER, OTHER_ACCOUNT, OWNER, WEB, client, plain, seconds, world, yaml};

const IMAGES: &str = r#"
    - {name: api-1, tags: {Name: "50*", team: b}, encryptedUnder: alias/good}
    - {name: api-12, platform: windows, architecture: arm64}
    - {name: shared, id: ami-0000000a, launchPermissions: {users: ["222222222222"]}, snapshotsSharedWith: ["222222222222"], tags: {secret: x}}
    - {name: everyones, public: true}
    - {name: old, deprecationTime: 2025-06-01T00:00:00Z, public: true, id: ami-0000000b}
    - {name: off, state: disabled, id: ami-0000000c}
    - {name: store, rootDeviceType: instance-store}
    - {name: child, sourceImageId: ami-00000001}
"#;

#[test]
fn filters_are_anded_and_their_values_ored() {
    let sim = world(&yaml("", IMAGES, ""));
    let c = client(&sim, OWNER);
    for (params, expected) in [
        (vec![("name", vec!["api-*"])], vec!["api-1", "api-12"]),
        (vec![("name", vec!["api-1?"])], vec!["api-1", "api-12"]),
        (vec![("name", vec!["API-*"])], vec![]),
        (vec![("name", vec!["web", "api-1"])], vec!["api-1", "web"]),
        (
            vec![("name", vec!["web", "api-1"]), ("tag:team", vec!["b"])],
            vec!["api-1"],
        ),
        (vec![("tag:Name", vec![r"50\*"])], vec!["api-1"]),
        (vec![("tag-key", vec!["team"])], vec!["api-1", "web"]),
        (vec![("block-device-mapping.encrypted", vec!["true"])], vec!["api-1"]),
        (vec![("block-device-mapping.volume-size", vec!["10"])], vec!["web"]),
        (vec![("is-public", vec!["true"])], vec!["everyones", "old"]),
        (vec![("root-device-type", vec!["instance-store"])], vec!["store"]),
        (vec![("source-image-id", vec![WEB])], vec!["child"]),
        (vec![("source-image-region", vec!["eu-*"])], vec!["child"]),
        (vec![("platform", vec!["windows"])], vec!["api-12"]),
        (vec![("architecture", vec!["arm64"])], vec!["api-12"]),
        (vec![("image-id", vec![WEB])], vec!["web"]),
        (vec![("owner-id", vec![OTHER_ACCOUNT])], vec![]),
        (vec![("description", vec!["the*"])], vec!["web"]),
        (vec![("state", vec!["pending", "failed"])], vec![]),
    ] {
        let mut flat = Vec::new();
        for (i, (name, values)) in params.iter().enumerate() {
            flat.push((format!("Filter.{}.Name", i + 1), (*name).to_owned()));
            for (j, v) in values.iter().enumerate() {
                flat.push((format!("Filter.{}.Value.{}", i + 1, j + 1), (*v).to_owned()));
            }
        }
        let flat: Vec<(&str, &str)> = flat.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(c.images(&flat), expected, "{params:?}");
    }
}

#[test]
fn images_are_listed_by_the_day_of_their_creation() {
    let images = "
    - {name: evening, creationDate: 2020-11-30T23:59:59.999Z}
    - {name: morning, creationDate: 2020-12-01T00:00:00Z}
    - {name: noon, creationDate: 2020-12-01T12:30:00Z}
";
    let sim = world(&yaml("", images, ""));
    let c = client(&sim, OWNER);
    for (values, expected) in [
        (&["2020-11-30T*"][..], &["evening"][..]),
        (&["2020-12-01T*"], &["morning", "noon"]),
        (&["2020-11-30T*", "2020-12-01T*"], &["evening", "morning", "noon"]),
        (&["2020-12-01T00:00:00.000Z"], &["morning"]),
        (&["2020-12-01"], &[]),
        (&["2020-12-02T*"], &[]),
    ] {
        let names: Vec<String> = (1..=values.len()).map(|n| format!("Filter.1.Value.{n}")).collect();
        let mut params = vec![("Owner.1", "self"), ("Filter.1.Name", "creation-date")];
        params.extend(names.iter().map(String::as_str).zip(values.iter().copied()));
        assert_eq!(c.images(&params), expected, "{values:?}");
    }
}

#[test]
fn wildcards_in_filters_of_ids_are_what_the_world_says() {
    for (wildcards, begun, expected) in [
        ("taken", "ami-0000000*", Ok(4)),
        ("taken", "ami-0000000a*", Ok(1)),
        ("literal", "ami-0000000*", Ok(0)),
        ("refused", "ami-0000000*", Err("InvalidParameterValue")),
        ("ignored", "ami-0000000a*", Ok(9)),
    ] {
        let sim = world(&yaml(&format!("lists: {{idWildcards: {wildcards}}}"), IMAGES, ""));
        let c = client(&sim, OWNER);
        let ask = |value| {
            let by = [
                ("Owner.1", "self"),
                ("IncludeDisabled", "true"),
                ("Filter.1.Name", "image-id"),
                ("Filter.1.Value.1", value),
            ];
            let reply = c.ec2("DescribeImages", &by);
            match reply.code().as_str() {
                "OK" => Ok(reply.all("imageId").len()),
                _ => Err(reply.code()),
            }
        };
        assert_eq!(ask(begun), expected.map_err(str::to_owned), "{wildcards} {begun}");
        assert_eq!(ask("ami-0000000a"), Ok(1), "{wildcards}: an ID is an ID");
    }
}

#[test]
fn an_unknown_filter_is_refused_also_when_there_is_nothing_to_filter() {
    let sim = plain();
    let c = client(&sim, OWNER).in_region("us-east-1");
    for operation in ["DescribeImages", "DescribeSnapshots"] {
        let reply = c.ec2(operation, &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")]);
        assert_eq!(reply.code(), "InvalidParameterValue");
        assert!(reply.body.contains("colour"), "{}", reply.body);
    }
}

#[test]
fn snapshots_filter_by_status_size_encryption_and_tags() {
    let sim = world(&yaml("", IMAGES, ""));
    let c = client(&sim, OWNER);
    let count = |name: &str, value: &str| {
        let reply = c.ec2(
            "DescribeSnapshots",
            &[
                ("Owner.1", "self"),
                ("Filter.1.Name", name),
                ("Filter.1.Value.1", value),
            ],
        );
        assert_eq!(reply.code(), "OK", "{}", reply.body);
        reply.all("snapshotId").len()
    };
    assert_eq!(count("encrypted", "true"), 1);
    assert_eq!(count("volume-size", "10"), 1);
    assert_eq!(count("status", "completed"), 8);
    assert_eq!(count("status", "pending"), 0);
    assert_eq!(count("progress", "100%"), 8);
    assert_eq!(count("tag:none", "*"), 0);
    assert_eq!(count("owner-id", ACCOUNT), 8);
    assert_eq!(count("description", "*for web"), 1);
}

#[test]
fn only_snapshots_tell_the_key() {
    let sim = world(&yaml("", IMAGES, ""));
    let c = client(&sim, OWNER);
    let images = c.ec2(
        "DescribeImages",
        &[("Filter.1.Name", "name"), ("Filter.1.Value.1", "api-1")],
    );
    assert!(!images.body.contains("kmsKeyId"));
    let id = images.one("snapshotId");
    let snapshot = c.ec2("DescribeSnapshots", &[("SnapshotId.1", &id)]);
    assert_eq!(
        snapshot.one("kmsKeyId"),
        format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/key-good")
    );
}

#[test]
fn pages_hold_everything_once_in_an_unstable_order_with_empty_pages_between() {
    let many = "    - {name: \"many-{n}\", count: 40}\n";
    let sim = world(&yaml("pagination: {unstableOrder: true, emptyPages: 0.4}", many, ""));
    let c = client(&sim, OWNER);
    let read = || {
        let (mut ids, mut empty, mut token) = (Vec::new(), 0, String::new());
        loop {
            let mut params = vec![("Owner.1", "self"), ("MaxResults", "7")];
            if !token.is_empty() {
                params.push(("NextToken", token.as_str()));
            }
            let reply = c.ec2("DescribeImages", &params);
            let page = reply.all("imageId");
            assert!(page.len() <= 7);
            empty += usize::from(page.is_empty());
            ids.extend(page);
            token = reply.one("nextToken");
            if token.is_empty() {
                return (ids, empty);
            }
        }
    };
    let (first, empty_first) = read();
    let (second, empty_second) = read();
    assert_eq!(first.len(), 41);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 41);
    assert_ne!(first, second, "the order differs from one listing to the next");
    assert_eq!(
        first.iter().collect::<BTreeSet<_>>(),
        second.iter().collect::<BTreeSet<_>>()
    );
    assert!(empty_first + empty_second > 0, "some pages are empty");
}

#[test]
fn page_parameters_have_bounds() {
    let sim = plain();
    let c = client(&sim, OWNER);
    for (operation, params, code) in [
        ("DescribeSnapshots", vec![("MaxResults", "4")], "InvalidParameterValue"),
        ("DescribeSnapshots", vec![("MaxResults", "5000")], "OK"),
        ("DescribeImages", vec![("MaxResults", "0")], "InvalidParameterValue"),
        ("DescribeImages", vec![("MaxResults", "x")], "InvalidParameterValue"),
        ("DescribeImages", vec![("MaxResults", "1000")], "OK"),
        ("DescribeImages", vec![("NextToken", "zz")], "InvalidPaginationToken"),
        (
            "DescribeImages",
            vec![("MaxResults", "10"), ("ImageId.1", WEB)],
            "InvalidParameterCombination",
        ),
    ] {
        assert_eq!(c.ec2(operation, &params).code(), code, "{operation} {params:?}");
    }
}

#[test]
fn a_token_belongs_to_one_listing() {
    let sim = world(&yaml("", IMAGES, ""));
    let c = client(&sim, OWNER);
    let token = c.ec2("DescribeImages", &[("MaxResults", "2")]).one("nextToken");
    assert!(!token.is_empty());
    let elsewhere = c.ec2(
        "DescribeImages",
        &[("MaxResults", "2"), ("Owner.1", "self"), ("NextToken", &token)],
    );
    assert_eq!(elsewhere.code(), "InvalidPaginationToken");
}

#[test]
fn others_see_what_is_shared_with_them_without_its_tags() {
    let sim = world(&yaml("", IMAGES, ""));
    let c = client(&sim, OTHER);
    assert_eq!(c.images(&[]), ["everyones", "shared"]);
    assert_eq!(
        c.images(&[("IncludeDeprecated", "true")]),
        ["everyones", "old", "shared"]
    );
    assert_eq!(c.images(&[("Owner.1", "self")]), Vec::<String>::new());
    assert_eq!(c.images(&[("ExecutableBy.1", "self")]), ["shared"]);
    assert_eq!(c.images(&[("ExecutableBy.1", "all")]), ["everyones"]);
    let shared = c.ec2("DescribeImages", &[("ImageId.1", "ami-0000000a")]);
    assert!(!shared.body.contains("tagSet"));
    assert_eq!(c.ec2("DescribeSnapshots", &[]).all("snapshotId").len(), 1);
    assert_eq!(
        c.ec2("DescribeImages", &[("ImageId.1", WEB)]).code(),
        "InvalidAMIID.NotFound"
    );
}

#[test]
fn disabled_images_show_only_when_asked_for_and_deprecated_ones_always_to_their_owner() {
    let sim = world(&yaml("", IMAGES, ""));
    let c = client(&sim, OWNER);
    let names = c.images(&[("Owner.1", "self")]);
    assert!(names.contains(&"old".to_owned()) && !names.contains(&"off".to_owned()));
    let names = c.images(&[("Owner.1", "self"), ("IncludeDisabled", "true")]);
    assert!(names.contains(&"off".to_owned()));
    assert_eq!(c.images(&[("ImageId.1", "ami-0000000c")]), Vec::<String>::new());
}

#[test]
fn unknown_and_malformed_ids_fail_the_whole_call() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let one = c.ec2("DescribeImages", &[("ImageId.1", WEB), ("ImageId.2", "ami-00000bad")]);
    assert_eq!(one.code(), "InvalidAMIID.NotFound");
    assert_eq!(one.one("Message"), "The image id '[ami-00000bad]' does not exist");
    let two = c.ec2(
        "DescribeImages",
        &[("ImageId.1", "ami-00000bad"), ("ImageId.2", "ami-00000bae")],
    );
    assert_eq!(
        two.one("Message"),
        "The image ids '[ami-00000bad, ami-00000bae]' do not exist"
    );
    for (operation, parameter, id, code) in [
        ("DescribeImages", "ImageId.1", "ami-xyz", "InvalidAMIID.Malformed"),
        (
            "DescribeSnapshots",
            "SnapshotId.1",
            "snap-xyz",
            "InvalidSnapshotID.Malformed",
        ),
        (
            "DescribeSnapshots",
            "SnapshotId.1",
            "snap-00000bad",
            "InvalidSnapshot.NotFound",
        ),
    ] {
        assert_eq!(c.ec2(operation, &[(parameter, id)]).code(), code);
    }
}

#[test]
fn a_deregistered_id_is_an_empty_list_for_a_while_and_then_unknown() {
    let sim = plain();
    let c = client(&sim, OWNER);
    assert_eq!(c.ec2("DeregisterImage", &[("ImageId", WEB)]).code(), "OK");
    assert_eq!(c.images(&[("ImageId.1", WEB)]), Vec::<String>::new());
    seconds(&sim, 3601);
    assert_eq!(
        c.ec2("DescribeImages", &[("ImageId.1", WEB)]).code(),
        "InvalidAMIID.NotFound"
    );
}

#[test]
fn snapshots_without_access_are_left_out_silently() {
    let sim = plain();
    let id = client(&sim, OWNER).ec2("DescribeSnapshots", &[]).one("snapshotId");
    let reply = client(&sim, OTHER).ec2("DescribeSnapshots", &[("SnapshotId.1", &id)]);
    assert_eq!(reply.code(), "OK");
    assert_eq!(reply.all("snapshotId").len(), 0);
}

#[test]
fn regions_say_whether_they_are_enabled() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let some = c.ec2("DescribeRegions", &[]);
    assert_eq!(some.all("regionName"), ["eu-west-1", "us-east-1"]);
    let all = c.ec2("DescribeRegions", &[("AllRegions", "true")]);
    assert_eq!(all.all("regionName"), ["ap-east-1", "eu-west-1", "us-east-1"]);
    assert_eq!(all.all("optInStatus")[0], "not-opted-in");
    let off = c.ec2(
        "DescribeRegions",
        &[
            ("AllRegions", "true"),
            ("Filter.1.Name", "opt-in-status"),
            ("Filter.1.Value.1", "not-opted-in"),
        ],
    );
    assert_eq!(off.all("regionName"), ["ap-east-1"]);
    assert_eq!(
        c.ec2("DescribeRegions", &[("RegionName.1", "xx-no-1")]).code(),
        "InvalidParameterValue"
    );
}
