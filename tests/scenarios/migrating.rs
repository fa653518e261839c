//! The main job: images are found, copied, verified, published.

use amiseal::api::conditions;
use amiseal::api::conditions::reason;
use serde_json::json;

use crate::harness::{
    ACCOUNT, KEY_ARN, OTHER_ACCOUNT, REGION, Scenario, account, conditions_of, name_of, plain, plain_ones, policy,
    region, says, small_world, with, world,
};

#[tokio::test]
async fn unencrypted_images_of_several_accounts_and_regions_are_copied_verified_and_published() {
    let shared = format!(
        r#"{{name: shared, description: "a web server", tags: {{team: web}}, deprecationTime: 2035-01-01T00:00:00Z,
            launchPermissions: {{users: ["{OTHER_ACCOUNT}"]}}, expect: {{copied: {{key: alias/ami, tags: withheld}}}}}}"#
    );
    let encrypted = "{name: encrypted, encryptedUnder: alias/ami, expect: encrypted}";
    let regions = |extra: &str| {
        region("eu-west-1", &[&plain_ones("web-", 3), &shared, encrypted, extra]) + &region("us-east-1", &[&plain("database")])
    };
    let accounts = account(ACCOUNT, &regions("{name: exempt, tags: {keep: x}, expect: untouched}"))
        + &account(OTHER_ACCOUNT, &regions(&plain("more")));
    let scenario = Scenario::new(world(&accounts)).await;
    let _replica = scenario.start().await;
    let regions = json!([
        {"name": "eu-west-1", "kmsKeyID": "alias/ami"},
        {"name": "us-east-1", "kmsKeyID": "alias/ami"},
    ]);
    let policy = with(policy("production", &[ACCOUNT, OTHER_ACCOUNT]), "defaults.regions", regions);
    let exclude = json!({"exclude": [{"tags": {"keep": "*"}}]});
    scenario.apply(&with(policy, "imageSelector", exclude)).await;

    scenario.completed(11).await;
    assert_eq!(scenario.copies_made(), 11);
    for migration in scenario.all_migrations().await {
        let conditions = conditions_of(&migration);
        for (type_, expected) in [
            (conditions::COPIED, "True/Succeeded"),
            (conditions::VERIFIED, "True/Succeeded"),
            (conditions::PROMOTED, "True/Succeeded"),
            (conditions::READY, "True/Succeeded"),
            (conditions::RECONCILING, "False/Succeeded"),
            (conditions::STALLED, "False/NotStalled"),
        ] {
            assert_eq!(says(conditions, type_), expected, "{type_} of {}", name_of(&migration));
        }
    }
    scenario.judged();
}
