//! Two policies over one image.

use std::collections::BTreeSet;
use std::time::Duration;

use amiseal::api::MigrationState;
use amiseal::api::conditions::{self, reason};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use super::target_says;
use crate::harness::{
    ACCOUNT, KEY, REGION, Scenario, account, plain, plain_ones, policy, small_world, with, with_rights_of, world,
};

#[tokio::test]
async fn the_older_of_two_policies_governs_and_when_it_goes_the_other_adopts_and_copies_nothing_twice() {
    let mut world = small_world(&[&plain_ones("web-", 3), &plain("database")]);
    world.settings.copies.base_seconds = 3600.0;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    // Its name sorts after the other's: age decides, which Kubernetes has in whole seconds.
    let older = with(
        policy("zero", &[ACCOUNT]),
        "imageSelector",
        json!({"include": [{"names": ["web-*"]}]}),
    );
    scenario.apply(&older).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let younger = policy("alpha", &[ACCOUNT]);
    scenario.apply(&younger).await;
    scenario
        .until("all copies", async || (scenario.copies_made() == 4).then_some(()))
        .await;

    let target = format!("alpha.{ACCOUNT}.{REGION}");
    let contested = format!("True/{}", reason::CONTESTED);
    target_says(
        &scenario,
        &target,
        conditions::CONTESTED,
        &contested,
        &["narrow one of the selectors"],
    )
    .await;
    let counts = scenario
        .target(&target)
        .await
        .status
        .and_then(|s| s.images)
        .expect("counts");
    assert_eq!((counts.total, counts.contested, counts.unencrypted), (4, 3, 1));
    let governed = |policy: &'static str| {
        let scenario = &scenario;
        async move {
            let all = scenario.all_migrations().await.into_iter();
            let theirs = all.filter(|m| m.spec.policy == policy).map(|m| m.spec.source_image_id);
            theirs.collect::<BTreeSet<String>>()
        }
    };
    let (web, database): (BTreeSet<String>, String) = (
        (1..=3).map(|n| scenario.image(&format!("web-{n}"))).collect(),
        scenario.image("database"),
    );
    assert_eq!(governed("zero").await, web);
    assert_eq!(governed("alpha").await, BTreeSet::from([database]));
    let events = Api::<Event>::all(scenario.client.clone());
    scenario
        .until("an Event of the contested target", async || {
            let uid = scenario.target(&target).await.metadata.uid;
            let all = events.list(&ListParams::default()).await.ok()?.items;
            all.into_iter().find(|event| {
                event.regarding.as_ref().is_some_and(|about| about.uid == uid)
                    && event.type_.as_deref() == Some("Warning")
                    && event.reason.as_deref() == Some(reason::CONTESTED)
            })
        })
        .await;

    scenario.delete("zero").await;
    scenario
        .until("the older policy's migrations to be collected", async || {
            governed("zero").await.is_empty().then_some(())
        })
        .await;
    // The other need not wait for its next scan.
    for image in &web {
        let migration = scenario.reaches(image, MigrationState::Copying).await;
        assert_eq!(migration.spec.policy, "alpha");
    }
    target_says(&scenario, &target, conditions::CONTESTED, "False/Succeeded", &[]).await;
    scenario.sim().advance(Duration::from_secs(3600));
    scenario.completed(4).await;
    assert_eq!(scenario.copies_made(), 4);
    scenario.judged();
}

#[tokio::test]
async fn copies_of_another_policy_are_not_copied_where_this_one_migrates_what_is_under_another_key() {
    let images = [
        "{name: theirs, tags: {team: x}, expect: {copied: {key: alias/team, tags: withheld}}}".to_owned(),
        plain("own"),
    ];
    let region = format!(
        "{{name: {REGION}, keys: [{{id: {KEY}, alias: [alias/ami]}}, {{alias: [alias/team]}}], images: [{}]}}",
        images.join(", ")
    );
    let of_team = json!([{"tags": {"team": "x"}}]);
    let team = with(
        with(policy("team", &[ACCOUNT]), "imageSelector", json!({"include": of_team})),
        "defaults.regions",
        json!([{"name": REGION, "kmsKeyID": "alias/team"}]),
    );
    let rest = with(
        with(policy("rest", &[ACCOUNT]), "imageSelector", json!({"exclude": of_team})),
        "otherKey",
        json!("Migrate"),
    );
    let world = with_rights_of(world(&account(ACCOUNT, &region)), &[team.clone(), rest.clone()]);
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&team).await;
    scenario.completed(1).await;
    // The copy has no tag of its original that either policy goes by.
    scenario.apply(&rest).await;
    scenario.completed(2).await;
    let target = format!("rest.{ACCOUNT}.{REGION}");
    let contested = format!("True/{}", reason::CONTESTED);
    let words = ["The policy team governs"];
    target_says(&scenario, &target, conditions::CONTESTED, &contested, &words).await;
    let status = scenario.target(&target).await.status;
    let counts = status.and_then(|status| status.images).expect("counts");
    assert_eq!((counts.contested, counts.exempt, counts.other_key), (1, 1, 0));
    assert_eq!(scenario.copies_made(), 2);
    scenario.judged();
}
