//! What is wrong with an image itself.

use std::collections::BTreeMap;

use amiseal::api::conditions::{self, reason};
use amiseal::api::{ImageCounts, MigrationState};
use ec2sim::{Act, Edit, Failure, FaultRule};
use serde_json::json;

use super::{has_none, look_again, stalls_saying};
use crate::harness::{
    ACCOUNT, OTHER_ACCOUNT, REGION, Scenario, account, conditions_of, on, plain, policy, region, says, with, world,
};

const COPIED: &str = "expect: {copied: {key: alias/ami, tags: withheld}}";

/// A copy of it is refused by AWS: the second volume's snapshot is another account's.
fn unshared() -> String {
    format!("{{name: unshared, devices: [{{}}, {{ownedBy: \"{OTHER_ACCOUNT}\", shared: false}}], {COPIED}}}")
}

/// CopyImage of this image ends so.
fn copying(scenario: &Scenario, image: &str, act: Act) {
    scenario.sim().add_fault(FaultRule {
        parameters: BTreeMap::from([("SourceImageId".to_owned(), scenario.image(image))]),
        ..on("CopyImage", act)
    });
}

fn exempt(scenario: &Scenario, image: &str) {
    scenario.edit(Edit::SetTags {
        image: scenario.image(image),
        tags: [("amiseal.dev/exempt".to_owned(), "cannot be copied".to_owned())].into(),
    });
}

#[tokio::test]
async fn images_that_cannot_be_copied_say_why_and_go_on_or_are_exempt_when_that_is_mended() {
    let images = [
        "{name: product, expect: untouched}".to_owned(),
        "{name: instance-store, rootDeviceType: instance-store, expect: untouched}".to_owned(),
        "{name: ancient-store, rootDeviceType: instance-store, expect: untouched}".to_owned(),
        unshared(),
        format!("{{name: public, public: true, {COPIED}}}"),
        "{name: short-lived, public: true}".to_owned(),
        plain("web"),
    ];
    let accounts = account(ACCOUNT, &region(REGION, &images.each_ref().map(String::as_str)))
        + &account(OTHER_ACCOUNT, &region(REGION, &[]));
    let scenario = Scenario::new(world(&accounts)).await;
    let marketplace = Failure {
        code: "InvalidRequest".to_owned(),
        status: 400,
        message: "Images with EC2 BillingProduct codes cannot be copied to another AWS account".to_owned(),
    };
    copying(&scenario, "product", Act::FailBefore(marketplace));
    let _replica = scenario.start().await;
    let by_tag = json!({"tags": {"amiseal.dev/exempt": "*"}});
    let policy = with(
        policy("production", &[ACCOUNT]),
        "imageSelector",
        json!({"exclude": [by_tag]}),
    );
    scenario.apply(&policy).await;

    let exclude = "spec.imageSelector.exclude";
    for (image, why, words) in [
        (
            "product",
            reason::PRODUCT_CODE_NOT_COPYABLE,
            ["product code", "exempt", exclude],
        ),
        (
            "instance-store",
            reason::INSTANCE_STORE_IMAGE,
            ["rebuild it on EBS", "exempt", exclude],
        ),
        (
            "ancient-store",
            reason::INSTANCE_STORE_IMAGE,
            ["rebuild it on EBS", "exempt", exclude],
        ),
        (
            "unshared",
            reason::SNAPSHOT_NOT_SHARED,
            ["have it shared", "exempt", exclude],
        ),
        ("public", reason::PUBLIC_IMAGE, ["stop sharing", "exempt", exclude]),
        ("short-lived", reason::PUBLIC_IMAGE, ["stop sharing", "exempt", exclude]),
    ] {
        stalls_saying(&scenario, &scenario.image(image), why, &words).await;
    }
    scenario
        .reaches(&scenario.image("web"), MigrationState::Completed)
        .await;

    exempt(&scenario, "product");
    exempt(&scenario, "instance-store");
    scenario.edit(Edit::ShareSnapshots {
        image: scenario.image("unshared"),
        with: vec![ACCOUNT.to_owned()],
    });
    scenario.edit(Edit::Share {
        image: scenario.image("public"),
        add: vec![],
        remove: vec!["all".to_owned()],
    });
    let (ancient, short_lived) = (scenario.image("ancient-store"), scenario.image("short-lived"));
    scenario.edit(Edit::Deregister {
        image: short_lived.clone(),
    });
    let exclude = json!({"exclude": [by_tag, {"names": ["ancient-*"]}]});
    let policy = with(policy, "imageSelector", exclude);
    scenario.apply(&policy).await;

    for image in ["unshared", "public"] {
        scenario
            .reaches(&scenario.image(image), MigrationState::Completed)
            .await;
    }
    for image in [&scenario.image("product"), &scenario.image("instance-store"), &ancient] {
        has_none(&scenario, image).await;
    }
    let gone = scenario.reaches(&short_lived, MigrationState::Completed).await;
    let ready = says(conditions_of(&gone), conditions::READY);
    assert_eq!(ready, format!("True/{}", reason::SOURCE_GONE));
    let target = format!("production.{ACCOUNT}.{REGION}");
    scenario
        .until("the target to count the exempt images", async || {
            let counts = scenario.target(&target).await.status?.images?;
            let ImageCounts {
                exempt,
                unencryptable,
                unencrypted,
                superseded,
                ..
            } = counts;
            ((exempt, unencryptable, unencrypted, superseded) == (3, 0, 0, 3)).then_some(())
        })
        .await;
    scenario.judged();

    // What is exempt stays without a migration, and what is not stays done.
    let before = scenario.effects();
    let scans = scenario.calls("DescribeImages").len();
    look_again(&scenario, &policy).await;
    scenario
        .until("another scan", async || {
            (scenario.calls("DescribeImages").len() > scans).then_some(())
        })
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(scenario.effects(), before);
    assert_eq!(scenario.all_migrations().await.len(), 4);
}

#[tokio::test]
async fn what_aws_has_refused_is_asked_for_at_once_when_somebody_annotates_the_migration() {
    let accounts = account(ACCOUNT, &region(REGION, &[&unshared()])) + &account(OTHER_ACCOUNT, &region(REGION, &[]));
    let scenario = Scenario::new(world(&accounts)).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    let image = scenario.image("unshared");
    scenario.stalls(&image, reason::SNAPSHOT_NOT_SHARED).await;

    // It would be asked for by itself after ten minutes only.
    let copies = |scenario: &Scenario| {
        let calls = scenario.calls("CopyImage");
        calls.iter().filter(|call| !call.dry_run).count()
    };
    assert_eq!(copies(&scenario), 1);
    scenario.ask_again(&image, "now").await;
    scenario
        .until("the copy to be refused once more", async || {
            (copies(&scenario) == 2).then_some(())
        })
        .await;
    scenario.edit(Edit::ShareSnapshots {
        image: image.clone(),
        with: vec![ACCOUNT.to_owned()],
    });
    scenario.ask_again(&image, "they share it now").await;
    scenario.reaches(&image, MigrationState::Completed).await;
    assert_eq!(copies(&scenario), 3);
    scenario.judged();
}
