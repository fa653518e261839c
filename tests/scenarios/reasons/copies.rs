//! Copies that are not what was asked for.

use std::collections::BTreeMap;

use amiseal::api::MigrationState;
use amiseal::api::conditions::{self, reason};
use ec2sim::{Act, AttributeLie, Edit, FaultRule};
use serde_json::json;

use super::{has_none, look_again, stalls_saying};
use crate::harness::{ACCOUNT, REGION, Scenario, condition, once, policy, small_world, state_of, with};

/// The first copy of this image comes out so.
fn lie(scenario: &Scenario, image: &str, act: Act) {
    scenario.sim().add_fault(FaultRule {
        parameters: BTreeMap::from([("SourceImageId".to_owned(), scenario.image(image))]),
        ..once("CopyImage", act)
    });
}

fn attribute(name: &str, value: &str) -> Act {
    Act::CopyAttribute(AttributeLie {
        name: name.to_owned(),
        value: Some(value.to_owned()),
    })
}

#[tokio::test]
async fn a_copy_that_is_not_what_was_asked_for_says_so_and_is_neither_published_nor_made_again() {
    let image = |name: &str, expect: &str| format!("{{name: {name}, devices: [{{}}, {{}}], bootMode: uefi, {expect}}}");
    let copied = "expect: {copied: {key: alias/ami}}";
    let images = [
        image("unencrypted", copied),
        image("other-key", copied),
        image("boot-mode", copied),
        image("volume-type", copied),
        image("given-up", "expect: any"),
    ];
    let scenario = Scenario::new(small_world(&images.each_ref().map(String::as_str))).await;
    let other = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/99999999-9999-4999-8999-999999999999");
    lie(&scenario, "unencrypted", Act::CopyUnencrypted);
    lie(&scenario, "other-key", Act::CopyUnderKey(other.clone()));
    lie(&scenario, "boot-mode", attribute("bootMode", "legacy-bios"));
    lie(&scenario, "volume-type", attribute("volumeType", "standard"));
    lie(&scenario, "given-up", attribute("architecture", "arm64"));
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;

    for (name, why, word) in [
        ("unencrypted", reason::COPY_NOT_ENCRYPTED, "/dev/sdb is not encrypted"),
        ("other-key", reason::COPY_NOT_ENCRYPTED, other.as_str()),
        ("boot-mode", reason::ATTRIBUTE_MISMATCH, "bootMode"),
        ("volume-type", reason::ATTRIBUTE_MISMATCH, "/dev/sdb"),
        ("given-up", reason::ATTRIBUTE_MISMATCH, "architecture"),
    ] {
        let image = scenario.image(name);
        let migration = scenario.stalls(&image, why).await;
        assert_eq!(state_of(&migration), MigrationState::Verifying, "{name}");
        let status = migration.status.as_ref().expect("a status");
        assert!(condition(&status.conditions, conditions::VERIFIED).is_none_or(|c| c.status != "True"));
        let copy = status
            .copy
            .as_ref()
            .and_then(|copy| copy.image_id.clone())
            .expect("an ID");
        stalls_saying(&scenario, &image, why, &[word, "deregister", &copy]).await;
    }
    assert_eq!(scenario.effects(), ["CopyImage"; 5], "nothing of them is published");

    let given_up = scenario.image("given-up");
    let exclude = json!({"exclude": [{"ids": [given_up]}]});
    scenario.apply(&with(policy, "imageSelector", exclude)).await;
    has_none(&scenario, &given_up).await;
    // That another is made once one of them is gone takes longer than this test: the simulation has it.
    assert_eq!(scenario.copies_made(), 5);
}

#[tokio::test]
async fn an_original_with_more_tags_than_fit_is_published_when_some_are_removed() {
    let tags = |count: usize| (0..count).map(|n| (format!("tag-{n}"), "x".to_owned()));
    let all: Vec<String> = tags(49).map(|(key, value)| format!("{key}: {value}")).collect();
    let expect = "expect: {copied: {key: alias/ami, tags: published}}";
    let image = format!("{{name: tagged, tags: {{{}}}, {expect}}}", all.join(", "));
    let scenario = Scenario::new(small_world(&[&image])).await;
    let _replica = scenario.start().await;
    let policy = with(
        policy("production", &[ACCOUNT]),
        "promotion",
        json!({"tags": "Publish"}),
    );
    scenario.apply(&policy).await;
    let image = scenario.image("tagged");
    let words = ["50", "remove some", "promotion.tags: Withhold"];
    let migration = stalls_saying(&scenario, &image, reason::TOO_MANY_TAGS, &words).await;
    assert_eq!(state_of(&migration), MigrationState::Promoting);

    scenario.edit(Edit::SetTags {
        image,
        tags: tags(40).collect(),
    });
    look_again(&scenario, &policy).await;
    scenario.completed(1).await;
    assert_eq!(scenario.effects(), ["CopyImage", "CreateTags"]);
    scenario.judged();
}
