//! Images that are not like others: what the plan says of those that cannot be read, of backups, and of another policy's.

use serde_json::json;

use crate::{Bench, policy, reasons, target};

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";

const WORLD: &str = r#"
seed: 3
expect: {noMutatingCalls: [{}]}
identities:
- {accessKey: AKIACONTROLLER, account: "999900001111", allow: ["sts:*"]}
accounts:
- {id: "999900001111"}
- id: "111122223333"
  roles:
  - {name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:*", "kms:*"]}
  regions:
  - name: eu-west-1
    keys: [{alias: [alias/ami]}]
    images:
    - {id: ami-00000000000000001, name: plain}
    - {id: ami-00000000000000002, name: twice, garbled: mappedTwice}
    - {id: ami-00000000000000003, name: ownerless, garbled: withoutOwner}
    - {id: ami-00000000000000004, name: on-a-disk-that-goes, devices: [{ephemeral: true}, {encryptedUnder: alias/ami}]}
    - {id: ami-00000000000000005, name: AwsBackup_i-1_a}
    - {id: ami-00000000000000006, name: nightly, tags: {"aws:dlm:managed": "true"}}
    - {id: ami-00000000000000007, name: off, state: disabled}
    - {id: ami-00000000000000008, name: archived, devices: [{storageTier: archive}]}
    - {id: ami-00000000000000009, name: rack, devices: [{outpostArn: "arn:aws:outposts:eu-west-1:1:outpost/op-1"}]}
    - {id: ami-0000000000000000a, name: vmlinuz, imageType: kernel}
"#;

#[test]
fn images_that_cannot_be_read_and_backups_are_listed_with_what_mends_them_and_kernels_are_no_images() {
    let bench = Bench::new(WORLD);
    let asked = policy("production", &[(ACCOUNT, REGION, "alias/ami")]);
    let ran = bench.plan(&asked, &["-o", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{}", ran.out);
    let plan = ran.json();
    let seen = target(&plan, ACCOUNT, REGION);
    let images = &seen["images"];
    for (class, count) in [("total", 9), ("unknown", 3), ("backups", 2), ("unencrypted", 4)] {
        assert_eq!(images[class], count, "{class}: {images}");
    }
    assert_eq!(seen["toCopy"]["images"], 1);
    assert_eq!(
        reasons(&seen["cannotMigrate"]),
        ["ImageDisabled", "SnapshotArchived", "SnapshotLocal"]
    );
    let mut unknown: Vec<(String, String)> = Vec::new();
    for group in seen["unknown"].as_array().expect("a list") {
        for image in group["images"].as_array().expect("images") {
            let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
            unknown.push((text(&image["name"]), text(&group["message"])));
        }
    }
    unknown.sort();
    for ((name, message), (expected, says)) in unknown.iter().zip([
        ("on-a-disk-that-goes", "root device"),
        ("ownerless", "imageOwnerId is missing"),
        ("twice", "/dev/xvda is mapped twice"),
    ]) {
        assert_eq!(name, expected);
        assert!(message.contains(says), "{message}");
        assert!(
            !message.contains("grant ec2:"),
            "it is no matter of permissions: {message}"
        );
    }
    assert_eq!(unknown.len(), 3);
    assert_eq!(
        seen["backups"][0]["images"],
        json!([
            {"id": "ami-00000000000000005", "name": "AwsBackup_i-1_a"},
            {"id": "ami-00000000000000006", "name": "nightly"},
        ])
    );

    let ran = bench.plan(&asked, &[]);
    for says in [
        "BACKUPS",
        "Cannot be judged",
        "ami-00000000000000002  twice",
        "Backups that are left alone",
        "ami-00000000000000006  nightly",
        "ImageDisabled: The image is disabled",
    ] {
        assert!(ran.out.contains(says), "no «{says}» in {}", ran.out);
    }
    let included = asked.replace("  mode: Enforce\n", "  mode: Enforce\n  backups: Include\n");
    let plan = bench.plan(&included, &["-o", "json"]).json();
    let seen = target(&plan, ACCOUNT, REGION);
    assert_eq!(
        (&seen["images"]["backups"], &seen["toCopy"]["images"]),
        (&json!(0), &json!(3))
    );
    bench.assert_untouched();
}

#[test]
fn which_policy_governs_what_another_one_selects_too_is_said() {
    let bench = Bench::new(WORLD);
    let place = [(ACCOUNT, REGION, "alias/ami")];
    let both = policy("base", &place) + "---\n" + &policy("production", &place);
    let plan = bench.plan(&both, &["-o", "json"]).json();
    let targets = plan["targets"].as_array().expect("targets");
    assert_eq!(targets[0]["contestedBy"], json!([]));
    assert_eq!(targets[1]["contestedBy"], json!(["base"]));
    let text = bench.plan(&both, &[]).out;
    assert!(text.contains("Governed by another policy"), "{text}");
    assert!(text.contains("images of production: base"), "{text}");
}
