//! World files: what is refused, and in which words.

use ec2sim::{Sim, WorldSpec};

use super::support::{ACCOUNT, plain, yaml};

fn refusal(text: &str) -> String {
    match WorldSpec::parse(text).and_then(|spec| Sim::stepped(&spec)) {
        Ok(_) => "accepted".to_owned(),
        Err(e) => e.to_string(),
    }
}

#[test]
fn a_bad_world_is_refused_with_the_place_and_the_mend() {
    let base = yaml("", "", "");
    let image = |line: &str| yaml("", &format!("    - {line}\n"), "");
    for (text, place, mend) in [
        (base.replace("seed: 1", "sead: 1"), "sead", "unknown"),
        (
            base.replace("id: \"111111111111\"", "id: \"11\""),
            "accounts[0].id",
            "12 digits",
        ),
        (
            base.replace("name: us-east-1", "name: east"),
            "accounts[0].regions[1].name",
            "eu-west-1",
        ),
        (
            base.replace("name: us-east-1", "name: eu-west-1"),
            "regions[1].name",
            "merge",
        ),
        (base.replace("[alias/off]", "[off]"), "keys[2].alias", "alias/"),
        (
            yaml(
                "",
                "",
                "settings: [{account: \"999999999999\", region: eu-west-1, setting: ebsDefaultKey}]",
            ),
            "expect.settings[0]",
            "add it",
        ),
        (image("{name: ab}"), "images[1].name", "3 to 128"),
        (image("{name: web}"), "images[1].name", "rename"),
        (image("{name: many, count: 2}"), "images[1].name", "{n}"),
        (image("{name: abc, id: ami-x}"), "images[1].id", "hex"),
        (image("{name: abc, state: broken}"), "images[1].state", "available"),
        (
            image("{name: abc, encryptedUnder: alias/x}"),
            "devices[0].encryptedUnder",
            "keys",
        ),
        (
            image("{name: abc, expect: {copied: {key: alias/x}}}"),
            "expect.copied.key",
            "keys",
        ),
        (
            image("{name: abc, public: true, encryptedUnder: alias/good}"),
            "images[1].public",
            "drop one",
        ),
        (
            image("{name: abc, devices: [{ownedBy: \"999999999999\"}]}"),
            "eu-west-1",
            "accounts",
        ),
        (
            image("{name: abc, devices: [{snapshotOf: later}]}"),
            "devices[0].snapshotOf",
            "move it up",
        ),
        (
            image("{name: abc, devices: [{snapshotOf: web, gib: 9}]}"),
            "devices[0].gib",
            "10 or more",
        ),
        (
            image("{name: abc, devices: [{}, {snapshotOf: web, encryptedUnder: alias/good}]}"),
            "devices[1]",
            "only its size",
        ),
        (
            yaml("pagination: {emptyPages: 1}", "", ""),
            "settings.pagination.emptyPages",
            "0.9",
        ),
        (
            base.replace("2026-01-01T00:00:00Z", "soon"),
            "soon",
            "2026-01-31T12:00:00Z",
        ),
    ] {
        let message = refusal(&text);
        assert!(message.contains(place), "{place}: {message}");
        assert!(message.contains(mend), "{mend}: {message}");
    }
}

#[test]
fn the_example_world_is_good() {
    assert_eq!(refusal(include_str!("../../worlds/example.yaml")), "accepted");
}

#[test]
fn ids_depend_on_the_seed_and_the_name_alone() {
    let ids = |images: &str, seed: &str| {
        let text = yaml("", images, "").replace("seed: 1", seed);
        let sim = Sim::stepped(&WorldSpec::parse(&text).expect("YAML")).expect("a world");
        sim.with_world(|w| {
            w.region(ACCOUNT, "eu-west-1")
                .into_iter()
                .flat_map(|r| r.images.values())
                .map(|i| (i.name.clone(), i.id.clone()))
                .collect::<std::collections::BTreeMap<_, _>>()
        })
    };
    let one = ids("    - {name: aaa}\n    - {name: bbb}\n", "seed: 1");
    let two = ids(
        "    - {name: bbb}\n    - {name: \"n-{n}\", count: 3}\n    - {name: aaa}\n",
        "seed: 1",
    );
    assert_eq!((&one["aaa"], &one["bbb"]), (&two["aaa"], &two["bbb"]));
    assert_eq!(two.len(), 6);
    assert_ne!(one["aaa"], ids("    - {name: aaa}\n", "seed: 2")["aaa"]);
}

#[test]
fn a_world_shows_itself_as_json() {
    let json = plain().world_json();
    let image = &json["accounts"][ACCOUNT]["regions"]["eu-west-1"]["images"]["ami-00000001"];
    assert_eq!(image["name"], "web");
    assert_eq!(image["tags"]["team"], "a");
}
