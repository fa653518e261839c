//! What launches another account's image is moved there, by a migration that follows the one of the image's owner.

use amiseal::api::{AMIMigration, ConsumerState, conditions, conditions::reason};
use ec2sim::Edit;
use ec2sim::spec::{AllowedCall, WorldSpec};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::consumers::old;
use crate::harness::{
    ACCOUNT, KEY, OTHER_ACCOUNT, REGION, Scenario, account, condition, conditions_of, policy, with, world,
};

/// Two accounts: one that owns `golden` and shares it, and one of which templates launch it.
fn shared(guardrails: &str, principals: &str) -> WorldSpec {
    sharing(&[], guardrails, principals)
}

/// The same with more images, each of which a template of its name launches.
fn sharing(more: &[&str], guardrails: &str, principals: &str) -> WorldSpec {
    let theirs = format!(", launchPermissions: {{users: [\"{OTHER_ACCOUNT}\"]}}");
    let keys = format!("keys: [{{id: {KEY}, alias: [alias/ami], allowedPrincipals: [{principals}]}}]");
    let images: Vec<String> = ["golden"].iter().chain(more).map(|name| old(name, &theirs)).collect();
    let owner = account(
        ACCOUNT,
        &format!("{{name: {REGION}, {keys}, images: [{}]}}", images.join(", ")),
    );
    let templates: Vec<String> = more
        .iter()
        .map(|name| format!(", {{name: {name}, versions: [{{image: {name}}}]}}"))
        .collect();
    let other = account(
        OTHER_ACCOUNT,
        &format!(
            "{{name: {REGION}, keys: [{{id: 22222222-2222-4222-8222-222222222222, alias: [alias/ami]}}], {guardrails}
              launchTemplates: [{{name: web, versions: [{{image: golden}}]}},
                {{name: held, tags: {{amiseal.dev/hold: \"until Monday\"}}, versions: [{{image: golden}}]}}{}]}}",
            templates.concat()
        ),
    );
    let mut world = world(&format!("{owner}{other}"));
    world.expect.allow.push(AllowedCall {
        operation: Some("ModifyLaunchTemplate".to_owned()),
        ..AllowedCall::default()
    });
    world
}

fn both() -> String {
    format!("\"{ACCOUNT}\", \"{OTHER_ACCOUNT}\"")
}

fn moving() -> Value {
    let both = policy("production", &[ACCOUNT, OTHER_ACCOUNT]);
    with(
        both,
        "promotion",
        json!({"launchTemplates": "Update", "approval": "Manual"}),
    )
}

/// The images that the default and the latest version of a template of the other account name.
fn launched(scenario: &Scenario, name: &str) -> [String; 2] {
    scenario.sim().with_world(|world| {
        let region = world.region(OTHER_ACCOUNT, REGION).expect("a region");
        let mut templates = region.consumers.launch_templates.iter().map(|(_, template)| template);
        let template = templates.find(|template| template.name == name).expect("a template");
        [None, Some("$Latest")].map(|version| {
            let version = template.version(version).expect("a version");
            version.image.clone().expect("an image")
        })
    })
}

fn follower(scenario: &Scenario) -> String {
    follower_of(scenario, "golden")
}

fn follower_of(scenario: &Scenario, image: &str) -> String {
    format!("{}.{REGION}.{OTHER_ACCOUNT}", scenario.image(image))
}

/// The other account's migration, once its consumers or it are as this reason says.
async fn says(scenario: &Scenario, type_: &str, reason: &str) -> AMIMigration {
    one_says(scenario, &follower(scenario), type_, reason).await
}

async fn one_says(scenario: &Scenario, name: &str, type_: &str, reason: &str) -> AMIMigration {
    scenario
        .until(&format!("{name} to be {reason}"), async || {
            let migration = scenario.migrations().get(name).await.ok()?;
            let said = condition(conditions_of(&migration), type_)?;
            (said.reason == reason).then_some(migration.clone())
        })
        .await
}

async fn want(scenario: &Scenario, name: &str, spec: Value) {
    let patch = Patch::Merge(json!({"spec": spec}));
    let patched = scenario.migrations().patch(name, &PatchParams::default(), &patch).await;
    patched.expect("people may change it");
}

/// Approves what is to be moved in the other account, once that waits for it.
async fn approve(scenario: &Scenario) {
    says(scenario, conditions::STALLED, reason::APPROVAL_REQUIRED).await;
    let approval = json!({"approval": "Approved", "approvedBy": "admin"});
    want(scenario, &follower(scenario), approval).await;
}

#[tokio::test]
async fn what_launches_another_accounts_image_is_moved_there_and_put_back_with_the_owners_migration() {
    let scenario = Scenario::new(shared("", &both())).await;
    let _replica = scenario.start().await;
    scenario.apply(&moving()).await;
    approve(&scenario).await;

    let followed = says(&scenario, conditions::CONSUMERS_MOVED, reason::CONSUMERS_LEFT).await;
    assert_eq!(followed.spec.owner_account_id.as_deref(), Some(ACCOUNT));
    assert_eq!(followed.spec.account_id, OTHER_ACCOUNT);
    let golden = scenario.image("golden");
    let owners = scenario.migration_of(&golden).await.expect("the owner's migration");
    let copy_of = |migration: &AMIMigration| migration.status.clone()?.copy?.image_id;
    let copy = copy_of(&owners).expect("a copy");
    assert_eq!(copy_of(&followed).as_deref(), Some(copy.as_str()));
    assert_eq!(launched(&scenario, "web"), [copy.clone(), copy.clone()]);
    assert_eq!(launched(&scenario, "held"), [golden.clone(), golden.clone()]);
    let status = followed.status.expect("a status");
    let mut states: Vec<_> = status
        .consumers
        .iter()
        .map(|row| (row.state, row.reason.as_deref()))
        .collect();
    states.sort_by_key(|(_, reason)| *reason);
    assert_eq!(
        states,
        [(ConsumerState::Moved, None), (ConsumerState::Left, Some("Held"))]
    );
    assert_eq!(scenario.copies_made(), 1);

    // One rollback, in all accounts.
    want(
        &scenario,
        &format!("{golden}.{REGION}"),
        json!({"desired": "RolledBack"}),
    )
    .await;
    says(&scenario, conditions::CONSUMERS_MOVED, reason::ROLLED_BACK).await;
    assert_eq!(launched(&scenario, "web"), [golden.clone(), golden]);
    scenario.judged();
}

#[tokio::test]
async fn nothing_is_moved_to_a_copy_whose_key_the_other_account_may_not_use() {
    let scenario = Scenario::new(shared("", &format!("\"{ACCOUNT}\""))).await;
    let _replica = scenario.start().await;
    scenario.apply(&moving()).await;
    approve(&scenario).await;

    let stalled = says(&scenario, conditions::STALLED, reason::KEY_NOT_USABLE).await;
    let said = condition(conditions_of(&stalled), conditions::STALLED).expect("said");
    assert!(said.message.contains(OTHER_ACCOUNT), "{}", said.message);
    let golden = scenario.image("golden");
    assert_eq!(launched(&scenario, "web"), [golden.clone(), golden]);

    scenario.edit(Edit::SetKeyPrincipals {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        key: "alias/ami".to_owned(),
        allowed_principals: Some(vec![ACCOUNT.to_owned(), OTHER_ACCOUNT.to_owned()]),
    });
    // Who may use it is asked anew with the next reading, which a change of the policy asks for.
    scenario.apply(&with(moving(), "scanInterval", json!("2h"))).await;
    says(&scenario, conditions::CONSUMERS_MOVED, reason::CONSUMERS_LEFT).await;
    scenario.judged();
}

#[tokio::test]
async fn nothing_is_moved_to_a_copy_that_the_other_accounts_allowed_amis_hide() {
    // They let originals be launched, by their name.
    let guardrails = "guardrails: {allowedImages: enabled, allowedImageCriteria: [{names: [golden]}]},";
    let scenario = Scenario::new(shared(guardrails, &both())).await;
    let _replica = scenario.start().await;
    scenario.apply(&moving()).await;

    // For as long as AWS may be late with it, nobody is told to share it.
    let waits = says(&scenario, conditions::CONSUMERS_MOVED, reason::MOVING_CONSUMERS).await;
    let said = condition(conditions_of(&waits), conditions::CONSUMERS_MOVED).expect("said");
    assert!(said.message.contains("until AWS shows the copy"), "{}", said.message);
    let golden = scenario.image("golden");
    assert_eq!(launched(&scenario, "web"), [golden.clone(), golden]);
    scenario.judged();
}

#[tokio::test]
async fn the_other_accounts_settings_are_asked_once_for_all_that_is_followed_there() {
    let more = ["silver", "bronze", "copper"];
    let scenario = Scenario::new(sharing(&more, "", &both())).await;
    let _replica = scenario.start().await;
    scenario.apply(&moving()).await;
    for image in ["golden"].iter().chain(&more) {
        let name = follower_of(&scenario, image);
        one_says(&scenario, &name, conditions::STALLED, reason::APPROVAL_REQUIRED).await;
    }
    let of_other = |operation: &str| {
        let calls = scenario.calls(operation);
        calls.iter().filter(|call| call.account == OTHER_ACCOUNT).count()
    };
    // What launches images is listed once in each reading.
    let (asked, readings) = (
        of_other("GetAllowedImagesSettings"),
        of_other("DescribeSpotFleetRequests"),
    );
    assert!((1..=readings).contains(&asked), "{asked} times in {readings} readings");
    scenario.judged();
}

#[tokio::test]
async fn who_may_use_the_owners_key_is_asked_once_for_all_that_is_followed_under_it() {
    let more = ["silver", "bronze", "copper"];
    let scenario = Scenario::new(sharing(&more, "", &format!("\"{ACCOUNT}\""))).await;
    let _replica = scenario.start().await;
    let both = policy("production", &[ACCOUNT, OTHER_ACCOUNT]);
    scenario
        .apply(&with(both, "promotion", json!({"launchTemplates": "Update"})))
        .await;
    for image in ["golden"].iter().chain(&more) {
        let name = follower_of(&scenario, image);
        one_says(&scenario, &name, conditions::STALLED, reason::KEY_NOT_USABLE).await;
    }
    let readings = scenario.calls("DescribeSpotFleetRequests");
    let readings = readings.iter().filter(|call| call.account == OTHER_ACCOUNT).count();
    for operation in ["GetKeyPolicy", "ListGrants"] {
        let asked = scenario.calls(operation).len();
        assert!(
            (1..=readings).contains(&asked),
            "{operation}: {asked} times in {readings} readings"
        );
    }
    scenario.judged();
}
