//! Copies that were published: people launch from them, whatever becomes of them and of their originals.

use amiseal::api::MigrationState;
use amiseal::api::conditions::{self, reason};
use ec2sim::model::LaunchPermission;
use ec2sim::spec::ImageSpec;
use ec2sim::{Edit, OwnerAct};
use serde_json::{Value, json};

use crate::harness::{
    ACCOUNT, REGION, Scenario, condition, conditions_of, plain, policy, says, small_world, state_of, with,
};

const GUEST: &str = "444455556666";

fn shared(name: &str) -> String {
    format!("{{name: {name}, launchPermissions: {{users: [\"{GUEST}\"]}}, expect: {{copied: {{key: alias/ami}}}}}}")
}

async fn copy_of(scenario: &Scenario, name: &str) -> String {
    let migration = scenario.migration_of(&scenario.image(name)).await.expect("a migration");
    let copy = migration.status.and_then(|status| status.copy).expect("a copy");
    copy.image_id.expect("its ID")
}

/// Has the account scanned, by a change of the policy, and waits until an image that was added meanwhile has its copy.
async fn scanned(scenario: &Scenario, policy: &Value, marker: &str, minutes: u32) {
    scenario.edit(Edit::AddImage {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        image: Box::new(ImageSpec {
            name: marker.to_owned(),
            ..ImageSpec::default()
        }),
    });
    let interval = json!(format!("{minutes}m"));
    scenario.apply(&with(policy.clone(), "scanInterval", interval)).await;
    let marker = scenario.image(marker);
    scenario.reaches(&marker, MigrationState::Completed).await;
}

#[tokio::test]
async fn what_is_set_on_an_original_or_on_its_copy_afterwards_turns_nothing_back() {
    let image = |name: &str| shared(name).replace("key: alias/ami", "key: alias/ami, imds: any");
    let scenario = Scenario::new(small_world(&[&image("one"), &image("two")])).await;
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;
    scenario.completed(2).await;
    let before = scenario.effects();

    let image = scenario.image("one");
    scenario.edit(Edit::Owner {
        image,
        act: OwnerAct::RequireImdsV2,
    });
    let image = copy_of(&scenario, "two").await;
    scenario.edit(Edit::Owner {
        image,
        act: OwnerAct::RequireImdsV2,
    });
    scanned(&scenario, &policy, "marker", 61).await;

    scenario.completed(3).await;
    for name in ["one", "two"] {
        let migration = scenario.migration_of(&scenario.image(name)).await.expect("a migration");
        for type_ in [conditions::READY, conditions::VERIFIED, conditions::PROMOTED] {
            assert_eq!(
                says(conditions_of(&migration), type_),
                "True/Succeeded",
                "{type_} of {name}"
            );
        }
    }
    let target = scenario.target(&format!("production.{ACCOUNT}.{REGION}")).await;
    let images = target.status.and_then(|status| status.images).expect("counts");
    assert_eq!((images.superseded, images.unencrypted), (3, 0));
    assert_eq!(scenario.effects()[before.len()..], ["CopyImage"], "the marker's");

    // Nor does it matter where nothing is on record.
    scenario.delete("production").await;
    scenario
        .until("the migrations to be collected", async || {
            scenario.all_migrations().await.is_empty().then_some(())
        })
        .await;
    scenario.apply(&policy).await;
    scenario.completed(3).await;
    assert_eq!(scenario.copies_made(), 3);
    scenario.judged();
}

#[tokio::test]
async fn a_copy_that_has_lost_its_imds_support_gets_it_back_before_anybody_else_can_launch_it() {
    let image = shared("web").replace("name: web", "name: web, imds: v2.0");
    let mut world = small_world(&[&image]);
    world.settings.copies.keeps_imds = false;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario.completed(1).await;

    let mut published = scenario.calls("ModifyImageAttribute");
    published.retain(|call| !call.dry_run);
    assert_eq!(published.len(), 2);
    assert_eq!(published[0].params["ImdsSupport.Value"], "v2.0");
    assert!(
        published[1]
            .params
            .keys()
            .any(|name| name.starts_with("LaunchPermission"))
    );
    scenario.judged();
}

#[tokio::test]
async fn a_disabled_copy_is_no_copy_anywhere_until_it_is_enabled_and_shared_again() {
    let scenario = Scenario::new(small_world(&[&shared("web"), &plain("other")])).await;
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;
    scenario.completed(2).await;
    let original = scenario.image("web");
    let copy = copy_of(&scenario, "web").await;
    let set_state = |act: OwnerAct| {
        scenario.edit(Edit::Owner {
            image: copy.clone(),
            act,
        });
    };

    set_state(OwnerAct::Disable);
    scanned(&scenario, &policy, "first-marker", 61).await;
    let migration = scenario.stalls(&original, reason::COPY_DISABLED).await;
    assert_eq!(state_of(&migration), MigrationState::Verifying);
    let stalled = condition(conditions_of(&migration), conditions::STALLED).expect("a condition");
    assert!(
        stalled.message.contains(&format!("enable {copy}")),
        "{}",
        stalled.message
    );
    let target = format!("production.{ACCOUNT}.{REGION}");
    scenario
        .until("the counts to agree", async || {
            let status = scenario.target(&target).await.status?;
            let (images, migrations) = (status.images?, status.migrations?);
            let agrees = (images.unencrypted, migrations.stalled) == (1, 1);
            (agrees && migrations.completed == 2).then_some(())
        })
        .await;

    // Where nothing is on record it is the same.
    scenario.delete("production").await;
    scenario
        .until("the migrations to be collected", async || {
            scenario.all_migrations().await.is_empty().then_some(())
        })
        .await;
    scenario.apply(&policy).await;
    scenario.stalls(&original, reason::COPY_DISABLED).await;

    set_state(OwnerAct::Enable);
    scanned(&scenario, &policy, "second-marker", 62).await;
    scenario.completed(4).await;
    assert_eq!(scenario.copies_made(), 4, "no second one of any image");
    scenario.sim().with_world(|world| {
        let copy = world.image(REGION, &copy).expect("the copy");
        let guest = LaunchPermission::User(GUEST.to_owned());
        assert!(copy.launch_permissions.current().contains(&guest), "it is shared again");
    });
    scenario.judged();
}

#[tokio::test]
async fn a_copy_that_has_lost_where_it_can_be_launched_gets_it_back() {
    let types = "instanceTypes: {supported: [\"m7i.*\", t3.large], unsupported: [m7i.metal-48xl]}";
    let image = shared("web").replace("name: web", &format!("name: web, {types}"));
    let mut world = small_world(&[&image]);
    world.settings.copies.keeps_instance_types = false;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario.completed(1).await;
    assert_eq!(
        scenario.effects(),
        [
            "CopyImage",
            "ReplaceImageInstanceTypeSpecification",
            "ModifyImageAttribute"
        ]
    );
    scenario.judged();
}

#[tokio::test]
async fn a_copy_without_its_uefi_data_or_a_watermark_is_not_published_and_counts_as_none() {
    let images = [
        "{name: trusted, bootMode: uefi, tpm: v2.0, uefiData: QU1aTlVFRkk=}",
        "{name: marked, watermarks: [\"111122223333:golden\"]}",
        "{name: foreign, watermarks: [\"999900001111:golden\"]}",
    ];
    let mut world = small_world(&images);
    world.settings.copies.keeps_uefi_data = false;
    world.settings.copies.keeps_watermarks = false;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    for (name, words) in [
        ("trusted", ["in uefiData", "deregister"]),
        ("marked", ["111122223333:golden", "attach the watermark golden to"]),
        ("foreign", ["999900001111:golden", "deregister"]),
    ] {
        let migration = scenario.stalls(&scenario.image(name), reason::ATTRIBUTE_MISMATCH).await;
        let conditions = conditions_of(&migration);
        assert_eq!(
            says(conditions, conditions::VERIFIED),
            "False/AttributeMismatch",
            "{name}"
        );
        let stalled = condition(conditions, conditions::STALLED).expect("a condition");
        assert!(
            words.iter().all(|word| stalled.message.contains(word)),
            "{}",
            stalled.message
        );
    }
    assert_eq!(scenario.effects(), ["CopyImage"; 3]);
    // What AWS shows only to whoever asks about the one image counts as well.
    let target = format!("production.{ACCOUNT}.{REGION}");
    scenario
        .until("the counts to agree", async || {
            let images = scenario.target(&target).await.status?.images?;
            ((images.unencrypted, images.superseded) == (3, 0)).then_some(())
        })
        .await;
    scenario.judged();
}
