//! Images that are not like others: unreadable ones, backups, those of another policy, and copies whose original is gone.

use std::time::Duration;

use amiseal::api::conditions::{self, reason};
use amiseal::api::{AMIEncryptionTargetStatus, MigrationState, labels};
use ec2sim::Edit;
use ec2sim::spec::Garbled;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::{has_none, look_again, stalls_saying, target_says};
use crate::harness::{ACCOUNT, REGION, Scenario, condition, plain, plain_ones, policy, says, small_world, with};

const COPIED: &str = "expect: {copied: {key: alias/ami, tags: withheld}}";

fn target() -> String {
    format!("production.{ACCOUNT}.{REGION}")
}

/// Waits until the target's status is so.
async fn counts(scenario: &Scenario, what: &str, is_so: impl Fn(&AMIEncryptionTargetStatus) -> bool) {
    scenario
        .until(what, async || {
            let status = scenario.targets().get(&target()).await.ok()?.status?;
            is_so(&status).then_some(())
        })
        .await;
}

#[tokio::test]
async fn images_that_are_disabled_archived_or_kept_elsewhere_wait_without_a_call_until_that_is_mended() {
    let images = [
        format!("{{name: off, state: disabled, {COPIED}}}"),
        format!("{{name: archived, devices: [{{}}, {{storageTier: archive}}], {COPIED}}}"),
        "{name: zonal, devices: [{availabilityZone: eu-west-1-ham-1a}], expect: untouched}".to_owned(),
        "{name: vmlinuz, imageType: kernel, expect: untouched}".to_owned(),
        plain("web"),
    ];
    let mut world = small_world(&images.each_ref().map(String::as_str));
    world.settings.copies.disabled_sources = ec2sim::spec::Disabled::Copied;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;

    let exclude = "spec.imageSelector.exclude";
    for (image, why, words) in [
        ("off", reason::IMAGE_DISABLED, ["enable it", exclude]),
        ("archived", reason::SNAPSHOT_ARCHIVED, ["restore it", exclude]),
        ("zonal", reason::SNAPSHOT_LOCAL, ["would leave that place", exclude]),
    ] {
        stalls_saying(&scenario, &scenario.image(image), why, &words).await;
    }
    scenario
        .reaches(&scenario.image("web"), MigrationState::Completed)
        .await;
    counts(&scenario, "four images", |status| {
        status
            .images
            .is_some_and(|images| (images.total, images.unencrypted) == (5, 3))
    })
    .await;
    let (copies, scans) = (scenario.copies_made(), scenario.calls("DescribeImages").len());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(copies, 1);
    let asked = scenario.calls("CopyImage");
    assert_eq!(
        asked.iter().filter(|call| !call.dry_run).count(),
        1,
        "a call for nothing"
    );
    assert!(scenario.calls("DescribeImages").len() <= scans + 1, "scans for nothing");

    scenario.edit(Edit::SetImageState {
        image: scenario.image("off"),
        state: "available".to_owned(),
    });
    scenario.edit(Edit::SetStorageTier {
        image: scenario.image("archived"),
        tier: "standard".to_owned(),
    });
    look_again(&scenario, &policy).await;
    for image in ["off", "archived"] {
        scenario
            .reaches(&scenario.image(image), MigrationState::Completed)
            .await;
    }
    let exempting = with(
        policy.clone(),
        "imageSelector",
        json!({"exclude": [{"names": ["zonal"]}]}),
    );
    scenario.apply(&exempting).await;
    has_none(&scenario, &scenario.image("zonal")).await;
    scenario.judged();
}

#[tokio::test]
async fn an_image_that_cannot_be_read_is_unknown_and_named_and_holds_up_no_other() {
    let images = [
        "{name: twice, garbled: mappedTwice, expect: any}".to_owned(),
        "{name: nameless, garbled: namelessDevice, expect: untouched}".to_owned(),
        "{name: ownerless, garbled: withoutOwner, expect: untouched}".to_owned(),
        "{name: stateless, garbled: withoutState, expect: untouched}".to_owned(),
        plain("web"),
    ];
    let scenario = Scenario::new(small_world(&images.each_ref().map(String::as_str))).await;
    let mut replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;
    scenario
        .reaches(&scenario.image("web"), MigrationState::Completed)
        .await;
    counts(&scenario, "all images", |status| {
        status
            .images
            .is_some_and(|images| (images.total, images.unknown, images.superseded) == (6, 4, 1))
    })
    .await;
    let named: Vec<String> = ["twice", "nameless", "ownerless", "stateless"]
        .map(|name| scenario.image(name))
        .to_vec();
    let mut words: Vec<&str> = named.iter().map(String::as_str).collect();
    words.extend([
        "/dev/xvda is mapped twice",
        "imageOwnerId is missing",
        "imageState is missing",
    ]);
    target_says(
        &scenario,
        &target(),
        conditions::COMPLIANT,
        &format!("False/{}", reason::ORIGINALS_REMAIN),
        &words,
    )
    .await;
    let line = replica
        .process
        .wait_for_line("AWS's answer about an image cannot be read", Duration::from_secs(120))
        .await;
    let line = line.expect("a warning");
    assert!(
        line.contains("WARN") && named.iter().any(|id| line.contains(id.as_str())),
        "{line}"
    );

    let twice = scenario.image("twice");
    scenario.edit(Edit::SetGarbled {
        image: twice.clone(),
        garbled: None,
    });
    scenario.edit(Edit::SetGarbled {
        image: scenario.image("web"),
        garbled: Some(Garbled::WithoutOwner),
    });
    look_again(&scenario, &policy).await;
    scenario.reaches(&twice, MigrationState::Completed).await;
    scenario.judged();
}

#[tokio::test]
async fn backups_are_left_alone_and_named_until_the_policy_asks_for_them_too() {
    let images = [
        format!("{{name: AwsBackup_i-1_a, {COPIED}}}"),
        format!("{{name: nightly, tags: {{\"aws:dlm:lifecycle-policy-id\": policy-1}}, {COPIED}}}"),
        "{name: AwsBackup_i-1_b, encryptedUnder: alias/ami, expect: encrypted}".to_owned(),
    ];
    let scenario = Scenario::new(small_world(&images.each_ref().map(String::as_str))).await;
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;
    counts(&scenario, "the backups", |status| {
        let images = status.images.unwrap_or_default();
        (images.total, images.backups, images.encrypted, images.unencrypted) == (3, 2, 1, 0)
    })
    .await;
    let compliant = format!("False/{}", reason::UNENCRYPTED_IMAGES);
    let words = ["backup vault", "spec.backups: Include"];
    target_says(&scenario, &target(), conditions::COMPLIANT, &compliant, &words).await;
    assert_eq!(scenario.all_migrations().await, []);
    assert_eq!(scenario.copies_made(), 0);

    scenario.apply(&with(policy, "backups", json!("Include"))).await;
    scenario.completed(2).await;
    counts(&scenario, "their copies", |status| {
        let images = status.images.unwrap_or_default();
        (images.total, images.backups, images.superseded) == (5, 0, 2)
    })
    .await;
    scenario.judged();
}

#[tokio::test]
async fn a_finished_migration_goes_when_its_original_has_been_gone_for_long_and_its_copy_stays_counted() {
    let scenario = Scenario::new(small_world(&["{name: web}", "{name: app}"])).await;
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;
    scenario.completed(2).await;
    let (web, app) = (scenario.image("web"), scenario.image("app"));
    for image in [&web, &app] {
        scenario.edit(Edit::Deregister { image: image.clone() });
    }
    look_again(&scenario, &policy).await;
    let gone = scenario
        .until("the migrations to say that the originals are gone", async || {
            let all = scenario.all_migrations().await;
            let is_gone = |status: &amiseal::api::AMIMigrationStatus| {
                status.source_gone_time.is_some()
                    && says(&status.conditions, conditions::READY) == format!("True/{}", reason::SOURCE_GONE)
            };
            let all_gone = all.iter().all(|m| m.status.as_ref().is_some_and(is_gone));
            all_gone.then_some(all)
        })
        .await;
    counts(&scenario, "two copies without an original", |status| {
        let orphaned = status.orphaned_copies.unwrap_or_default();
        (orphaned.images, orphaned.gib) == (2, 16)
    })
    .await;

    // As if that of one had been gone for a month.
    let name = gone
        .iter()
        .find(|m| m.spec.source_image_id == web)
        .expect("a migration")
        .name_any();
    let aged = json!({"status": {"sourceGoneTime": "2020-01-01T00:00:00Z"}});
    let patched = scenario
        .migrations()
        .patch_status(&name, &PatchParams::default(), &Patch::Merge(aged))
        .await;
    patched.expect("a status that people can write");
    look_again(&scenario, &policy).await;
    has_none(&scenario, &web).await;
    look_again(&scenario, &policy).await;
    counts(&scenario, "both copies, and one migration", |status| {
        let orphaned = status.orphaned_copies.unwrap_or_default();
        (orphaned.images, status.migrations.unwrap_or_default().completed) == (2, 1)
    })
    .await;
    assert!(scenario.migration_of(&app).await.is_some(), "it is kept for 30 days");
    assert_eq!(scenario.copies_made(), 2);
}

#[tokio::test]
async fn what_an_older_policy_governs_even_in_audit_the_younger_one_does_not_claim_to_comply_with() {
    let images = [
        "{name: plain, expect: untouched}",
        "{name: \"sealed-{n}\", count: 4, encryptedUnder: alias/ami, expect: encrypted}",
    ];
    let scenario = Scenario::new(small_world(&images)).await;
    let _replica = scenario.start().await;
    let older = with(policy("base", &[ACCOUNT]), "mode", json!("Audit"));
    scenario.apply(&older).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;

    let contested = format!("True/{}", reason::CONTESTED);
    let words = ["The policy base governs", "narrow one of the selectors"];
    target_says(&scenario, &target(), conditions::CONTESTED, &contested, &words).await;
    let unknown = format!("Unknown/{}", reason::CONTESTED);
    target_says(&scenario, &target(), conditions::COMPLIANT, &unknown, &["base"]).await;
    let status = scenario
        .until("the policy to say so", async || {
            let status = scenario.policy("production").await.status?;
            (says(&status.conditions, conditions::CONTESTED) == contested).then_some(status)
        })
        .await;
    let condition = condition(&status.conditions, conditions::CONTESTED).expect("a condition");
    for word in ["base", &target()] {
        assert!(condition.message.contains(word), "{}", condition.message);
    }
    assert_eq!(
        says(&status.conditions, conditions::COMPLIANT),
        format!("Unknown/{}", reason::SOME_TARGETS)
    );
    assert_eq!(status.images.map(|images| images.contested), Some(5));
    let uid = scenario.policy("production").await.meta().uid.clone();
    let events = Api::<Event>::all(scenario.client.clone());
    scenario
        .until("an Event of the policy", async || {
            let all = events.list(&ListParams::default()).await.ok()?.items;
            all.into_iter().find(|event| {
                event.regarding.as_ref().is_some_and(|about| about.uid == uid)
                    && event.type_.as_deref() == Some("Warning")
                    && event.reason.as_deref() == Some(reason::CONTESTED)
                    && event.note.as_deref().is_some_and(|note| note.contains("base"))
            })
        })
        .await;
    scenario.judged();
}

#[tokio::test]
async fn a_policy_of_which_one_account_cannot_be_reached_has_failed_and_says_which_and_is_told_to_people() {
    let scenario = Scenario::new(small_world(&[&plain_ones("web-", 2)])).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT, "123412341234"])).await;
    scenario.completed(2).await;
    let bad = format!("production.123412341234.{REGION}");
    let status = scenario
        .until("the policy to need somebody", async || {
            let status = scenario.policy("production").await.status?;
            conditions::is_true(&status.conditions, conditions::STALLED).then_some(status)
        })
        .await;
    assert!(!conditions::is_true(&status.conditions, conditions::RECONCILING));
    for type_ in [conditions::STALLED, conditions::READY, conditions::TARGETS_REACHABLE] {
        let condition = condition(&status.conditions, type_).expect("a condition");
        assert!(condition.message.contains(&bad), "{type_}: {}", condition.message);
    }
    let uid = scenario.policy("production").await.meta().uid.clone();
    let events = Api::<Event>::all(scenario.client.clone());
    scenario
        .until("a warning about the policy", async || {
            let all = events.list(&ListParams::default()).await.ok()?.items;
            all.into_iter().find(|event| {
                event.regarding.as_ref().is_some_and(|about| about.uid == uid)
                    && event.type_.as_deref() == Some("Warning")
                    && event.note.as_deref().is_some_and(|note| note.contains(&bad))
            })
        })
        .await;
    // Once it is taken out, all is well.
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario
        .until("the policy to be ready", async || {
            let status = scenario.policy("production").await.status?;
            let is_ready = conditions::is_true(&status.conditions, conditions::READY)
                && !conditions::is_true(&status.conditions, conditions::STALLED);
            is_ready.then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_scan_can_be_asked_for_by_an_annotation_of_the_policy_or_of_a_target() {
    let scenario = Scenario::new(small_world(&["{name: sealed, encryptedUnder: alias/ami}"])).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    counts(&scenario, "a scan", |status| status.images.is_some()).await;
    let asked = |value: &str| Patch::Merge(json!({"metadata": {"annotations": {labels::SCAN: value}}}));
    let merge = PatchParams::default();
    for (number, value) in ["one", "two"].into_iter().enumerate() {
        let scans = scenario.calls("DescribeImages").len();
        if number == 0 {
            let patched = scenario.policies().patch("production", &merge, &asked(value)).await;
            patched.expect("a policy that can be annotated");
        } else {
            let patched = scenario.targets().patch(&target(), &merge, &asked(value)).await;
            patched.expect("a target that can be annotated");
        }
        counts(&scenario, "what was asked for", |status| {
            let observed = status.observed_scan.as_deref().unwrap_or_default();
            observed.split(' ').any(|word| word == value)
        })
        .await;
        let after = scenario.calls("DescribeImages").len();
        assert!(after > scans, "a scan for {value}");
    }
    // Nobody asks again.
    let scans = scenario
        .quiet("what was asked for", || scenario.calls("DescribeImages").len())
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scenario.calls("DescribeImages").len(), scans);
}
