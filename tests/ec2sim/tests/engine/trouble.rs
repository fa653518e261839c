//! Throttling, faults, and that one seed gives one history.

use std::time::Duration;

use ec2sim::{Act, AttributeLie, Failure, FaultRule, Sim};

use super::support::{ACCOUNT, OTHER, OWNER, REGION, WEB, client, plain, seconds, world, yaml};

fn fault(sim: &Sim, operation: &str, act: Act) {
    sim.add_fault(FaultRule {
        operation: Some(operation.to_owned()),
        nth: Some(1),
        act,
        ..FaultRule::default()
    });
}

#[test]
fn calls_beyond_the_published_rates_are_throttled() {
    let sim = world(&yaml("throttling: {enabled: true}", "", ""));
    let c = client(&sim, OWNER);
    let many = || {
        (0..120)
            .map(|_| c.ec2("DescribeRegions", &[]).code())
            .filter(|code| code == "OK")
            .count()
    };
    assert_eq!(many(), 100);
    let refused = c.ec2("DescribeRegions", &[]);
    assert_eq!((refused.code().as_str(), refused.status), ("RequestLimitExceeded", 503));
    assert_eq!(
        client(&sim, OTHER).ec2("DescribeRegions", &[]).code(),
        "OK",
        "by account"
    );
    assert_eq!(
        c.in_region("us-east-1").ec2("DescribeRegions", &[]).code(),
        "OK",
        "by region"
    );
    seconds(&sim, 2);
    assert_eq!(many(), 40, "20 a second come back");
}

#[test]
fn a_fault_before_does_nothing_and_a_fault_after_does_it_all_the_same() {
    for (act, made) in [
        (Act::FailBefore(Failure::default()), 0),
        (Act::FailAfter(Failure::default()), 1),
        (Act::DropBefore, 0),
        (Act::DropAfter, 1),
        (Act::Throttle, 0),
    ] {
        let sim = plain();
        fault(&sim, "CopyImage", act.clone());
        let c = client(&sim, OWNER);
        let reply = c.copy(WEB, "copy", "alias/good", &[]);
        let drop = matches!(act, Act::DropBefore | Act::DropAfter);
        assert_eq!(reply.directive.drop, drop, "{act:?}");
        if !drop {
            assert_ne!(reply.code(), "OK", "{act:?}");
        }
        let call = &sim.journal()[0];
        assert_eq!(call.effect, made == 1);
        assert_eq!(call.fault.as_deref(), Some("fault 1"));
        let copies = c.images(&[("Filter.1.Name", "name"), ("Filter.1.Value.1", "copy")]);
        assert_eq!(copies.len(), made, "{act:?}");
    }
}

#[test]
fn an_effect_can_come_later_than_the_call() {
    let sim = plain();
    fault(&sim, "CreateTags", Act::DelayEffect(60.0));
    let c = client(&sim, OWNER);
    let tag = |value: &str| {
        c.ec2(
            "CreateTags",
            &[("ResourceId.1", WEB), ("Tag.1.Key", "team"), ("Tag.1.Value", value)],
        )
    };
    assert!(tag("late").directive.drop);
    assert_eq!(tag("new").code(), "OK");
    let value = || c.ec2("DescribeImages", &[("ImageId.1", WEB)]).all("value")[1].clone();
    assert_eq!(value(), "new");
    seconds(&sim, 60);
    assert_eq!(value(), "late", "the older write arrives after the newer");
    let call = &sim.journal()[0];
    assert!(call.effect);
    assert_eq!(call.effect_time.map(|t| t.seconds_since(call.time)), Some(60.0));
}

#[test]
fn a_reply_can_be_delayed() {
    let sim = plain();
    fault(&sim, "DescribeRegions", Act::DelayReply(1.5));
    let reply = client(&sim, OWNER).ec2("DescribeRegions", &[]);
    assert_eq!(reply.code(), "OK");
    assert_eq!(reply.directive.delay, Duration::from_millis(1500));
}

#[test]
fn rules_match_by_account_region_parameter_and_occurrence() {
    let sim = plain();
    let base = || FaultRule {
        operation: Some("Describe*".to_owned()),
        account: Some(ACCOUNT.to_owned()),
        ..FaultRule::default()
    };
    let count = |rule: FaultRule| {
        sim.clear_faults();
        sim.add_fault(rule);
        let c = client(&sim, OWNER);
        let hits: Vec<bool> = (0..6).map(|_| c.ec2("DescribeRegions", &[]).code() != "OK").collect();
        assert_eq!(client(&sim, OTHER).ec2("DescribeRegions", &[]).code(), "OK");
        hits
    };
    let (o, x) = (false, true);
    assert_eq!(count(FaultRule { nth: Some(2), ..base() }), [o, x, o, o, o, o]);
    assert_eq!(
        count(FaultRule {
            every: Some(3),
            ..base()
        }),
        [o, o, x, o, o, x]
    );
    assert_eq!(
        count(FaultRule {
            from: Some(2),
            to: Some(4),
            ..base()
        }),
        [o, x, x, x, o, o]
    );
    assert_eq!(
        count(FaultRule {
            region: Some("us-*".to_owned()),
            ..base()
        }),
        [o; 6]
    );
    assert_eq!(
        count(FaultRule {
            region: Some(REGION.to_owned()),
            ..base()
        }),
        [x; 6]
    );
    let parameter = |value: &str| FaultRule {
        parameters: [("ImageId.1".to_owned(), value.to_owned())].into(),
        ..base()
    };
    assert_eq!(count(parameter("*")), [o; 6]);
    sim.clear_faults();
    sim.add_fault(parameter("ami-*"));
    let reply = client(&sim, OWNER).ec2("DescribeImages", &[("ImageId.1", WEB)]);
    assert_eq!((reply.code().as_str(), reply.status), ("InternalError", 500));
}

#[test]
fn rules_match_by_what_a_call_does_not_say() {
    let sim = plain();
    let c = client(&sim, OWNER);
    for (absent, listed, by_id) in [
        (&["ImageId.1"][..], "InternalError", "OK"),
        (&["ImageId.*"], "InternalError", "OK"),
        (&["Owner.1", "ImageId.1"], "OK", "OK"),
        (&["Filter.1.Name"], "InternalError", "InternalError"),
        (&[], "InternalError", "InternalError"),
    ] {
        sim.clear_faults();
        sim.add_fault(FaultRule {
            operation: Some("DescribeImages".to_owned()),
            absent: absent.iter().map(|name| (*name).to_owned()).collect(),
            ..FaultRule::default()
        });
        let code = |params: &[(&str, &str)]| c.ec2("DescribeImages", params).code();
        let codes = [code(&[("Owner.1", "self")]), code(&[("ImageId.1", WEB)])];
        assert_eq!(codes, [listed, by_id], "{absent:?}");
    }
}

#[test]
fn a_copy_can_be_made_wrong() {
    let images = "    - {name: two, id: ami-0000000a, devices: [{}, {gib: 20}]}\n";
    let lie = |act: Act| {
        let sim = world(&yaml("", images, ""));
        fault(&sim, "CopyImage", act);
        let c = client(&sim, OWNER);
        let id = c.copy("ami-0000000a", "copy", "alias/good", &[]).one("imageId");
        seconds(&sim, 1000);
        let image = c.ec2("DescribeImages", &[("ImageId.1", &id)]);
        assert_eq!(image.one("imageState"), "available");
        let last = image.all("snapshotId")[1].clone();
        (image, c.ec2("DescribeSnapshots", &[("SnapshotId.1", &last)]))
    };
    let (image, snapshot) = lie(Act::CopyUnencrypted);
    assert_eq!(image.all("encrypted"), ["true", "false"]);
    assert_eq!(snapshot.one("encrypted"), "false");
    let (_, snapshot) = lie(Act::CopyUnderKey("arn:aws:kms:x:1:key/other".to_owned()));
    assert_eq!(snapshot.one("kmsKeyId"), "arn:aws:kms:x:1:key/other");
    let attribute = |name: &str, value: &str| {
        lie(Act::CopyAttribute(AttributeLie {
            name: name.to_owned(),
            value: Some(value.to_owned()),
        }))
        .0
    };
    assert_eq!(attribute("architecture", "arm64").one("architecture"), "arm64");
    assert_eq!(attribute("bootMode", "uefi").one("bootMode"), "uefi");
    assert_eq!(attribute("volumeSize", "21").all("volumeSize"), ["8", "21"]);
    assert_eq!(attribute("deviceName", "/dev/sdq").all("deviceName")[1], "/dev/sdq");
    assert_eq!(attribute("iops", "4000").all("iops"), ["4000"]);
    assert_eq!(attribute("throughput", "250").all("throughput"), ["250"]);
    assert_eq!(
        attribute("deleteOnTermination", "false").all("deleteOnTermination"),
        ["true", "false"]
    );
    assert_eq!(attribute("instanceTypes", "t3.*").one("instanceType"), "t3.*");
    assert_eq!(
        attribute("watermarks", "111111111111:x").one("watermarkKey"),
        "111111111111:x"
    );
}

#[test]
fn a_copy_can_lose_a_mapping_that_holds_no_data() {
    let images = "    - {name: two, id: ami-0000000a, devices: [{}, {device: /dev/sdb, blank: true}, {device: /dev/sdc, ephemeral: true}]}\n";
    for (name, left) in [
        ("blank", ["/dev/xvda", "/dev/sdc"]),
        ("ephemeral", ["/dev/xvda", "/dev/sdb"]),
    ] {
        let sim = world(&yaml("", images, ""));
        let lie = AttributeLie {
            name: name.to_owned(),
            value: None,
        };
        fault(&sim, "CopyImage", Act::CopyAttribute(lie));
        let c = client(&sim, OWNER);
        let id = c.copy("ami-0000000a", "copy", "alias/good", &[]).one("imageId");
        let image = c.ec2("DescribeImages", &[("ImageId.1", &id)]);
        assert_eq!(image.all("deviceName"), left, "{name}");
    }
}

#[test]
fn an_attribute_that_no_copy_has_is_refused_when_the_world_is_read() {
    let faults = |name: &str| {
        yaml("", "", "") + &format!("faults:\n- {{operation: CopyImage, act: {{copyAttribute: {{name: {name}}}}}}}\n")
    };
    assert!(ec2sim::WorldSpec::parse(&faults("iops")).is_ok());
    let error = ec2sim::WorldSpec::parse(&faults("iopsPerSecond")).expect_err("no such attribute");
    let said = error.to_string();
    assert!(
        said.contains("no attribute `iopsPerSecond`") && said.contains("throughput"),
        "{said}"
    );
}

#[test]
fn one_seed_gives_one_history() {
    let settings = "pagination: {unstableOrder: true, emptyPages: 0.3}, consistency: {createSeconds: 20}";
    let run = |seed: &str| {
        let text = yaml(settings, "    - {name: \"many-{n}\", count: 10}\n", "")
            .replace("seed: 1", seed)
            .replace("jitter: 0}", "jitter: 0.5}");
        let sim = world(&text);
        let c = client(&sim, OWNER);
        let mut bodies = Vec::new();
        for i in 0..5 {
            bodies.push(c.copy(WEB, &format!("copy-{i}"), "alias/good", &[]).body);
            seconds(&sim, 10);
            bodies.push(c.ec2("DescribeImages", &[("MaxResults", "5")]).body);
        }
        (bodies, sim.journal())
    };
    assert_eq!(run("seed: 1"), run("seed: 1"));
    assert_ne!(run("seed: 1").0, run("seed: 2").0);
}

#[test]
fn the_journal_of_a_stepped_clock_holds_no_real_time() {
    let sim = plain();
    client(&sim, OWNER).ec2("DescribeRegions", &[]);
    let journal = sim.journal();
    assert_eq!(journal[0].real_time, None);
    assert_eq!(journal[0].time.to_string(), "2026-01-01T00:00:00.000Z");
}
