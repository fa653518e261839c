//! Images whose names, descriptions and tags are of every script, migrated on a real API server.

use std::time::{Duration, Instant};

use amiseal::api::{AMIEncryptionPolicy, AMIMigration, MigrationState};
use ec2sim::{Server, Sim, WorldSpec};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use crate::stage;

const NAMES: [&str; 9] = [
    "im\u{1F980}ge \u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}",
    "\u{202E}\u{5E9}\u{5DC}\u{5D5}\u{5DD} \u{645}\u{631}\u{62D}\u{628}\u{627}",
    "e\u{301}\u{302}\u{303}\u{304}\u{305}",
    "\u{65E5}\u{672C}\u{8A9E}\u{306E}\u{30A4}\u{30E1}\u{30FC}\u{30B8}",
    "\u{FEFF}\u{200B}\u{2060}",
    "a:b&c<d>e\"f'g{name}{sourceID}%s$(id)`id`\\",
    "../../etc/passwd",
    "''' OR 1=1; --",
    "- {yaml: [true]} # null",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_of_every_script_are_migrated_and_every_status_event_and_name_is_taken() {
    let mut world = WorldSpec::parse(
        r#"
settings: {copies: {baseSeconds: 0, secondsPerGib: 0, jitter: 0}}
identities:
- {accessKey: AKIACONTROLLER, account: "999900001111", name: user/amiseal, allow: ["sts:*"]}
accounts:
- {id: "999900001111"}
- id: "111122223333"
  roles: [{name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:*", "kms:*", "autoscaling:*", "ssm:*", "eks:*", "batch:*", "imagebuilder:*"]}]
  regions:
  - name: eu-west-1
    keys: [{id: 11111111-1111-4111-8111-111111111111, alias: [alias/ami]}]
    images: [{name: template, description: d, tags: {k: v}, expect: {copied: {key: alias/ami}}}]
"#,
    )
    .expect("a world");
    let images = &mut world.accounts[1].regions[0].images;
    let template = images.remove(0);
    let longest = "\u{1F980}".repeat(128);
    for name in NAMES.into_iter().chain([longest.as_str()]) {
        let mut image = template.clone();
        name.clone_into(&mut image.name);
        image.description = Some(name.repeat(2).chars().take(255).collect());
        let key: String = name.chars().take(127).collect();
        image.tags = [(key, name.repeat(2).chars().take(256).collect())].into();
        images.push(image);
    }
    let count = images.len();
    let server = Server::on_loopback(Sim::new(&world).expect("a world")).expect("a port");
    let client = rig::shared().await.admin_client().await.expect("a client");
    let policy = json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": "scripts"},
        "spec": {
            "mode": "Enforce",
            "defaults": {
                "roleName": "amiseal",
                "externalID": "platform",
                "regions": [{"name": "eu-west-1", "kmsKeyID": "alias/ami"}],
            },
            "accounts": [{"accountID": "111122223333"}],
            "promotion": {"tags": "Publish"},
            "copy": {"extraTags": {"\u{1F980}": "\u{202E}\u{5D0}"}},
        },
    });
    let policies = Api::<AMIEncryptionPolicy>::all(client.clone());
    let apply = PatchParams::apply("person").force();
    policies
        .patch("scripts", &apply, &Patch::Apply(&policy))
        .await
        .expect("a policy");
    tokio::select! {
        ended = stage::run(&server) => panic!("the controllers ended: {ended:?}"),
        () = all_completed(Api::all(client.clone()), count) => {}
    }
    let report = server.sim().audit();
    assert!(report.ok, "{report}");
    let events = Api::<Event>::all(client)
        .list(&ListParams::default())
        .await
        .expect("Events");
    let of_migrations = events
        .items
        .iter()
        .filter(|event| event.regarding.as_ref().and_then(|object| object.kind.as_deref()) == Some("AMIMigration"));
    assert_eq!(of_migrations.count(), count);
}

async fn all_completed(migrations: Api<AMIMigration>, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let all = migrations.list(&ListParams::default()).await.expect("migrations").items;
        let state = |migration: &AMIMigration| migration.status.as_ref().and_then(|status| status.state);
        let done = all
            .iter()
            .filter(|migration| state(migration) == Some(MigrationState::Completed))
            .count();
        if done == count {
            return;
        }
        assert!(Instant::now() < deadline, "{done} of {count}: {all:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
