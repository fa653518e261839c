//! People decide about migrations by verbs of RBAC: the API server asks for them, and the commands say who has decided.

use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use amiseal::api::conditions::reason;
use amiseal::api::{AMIMigration, Approval, Desired};
use kube::api::{Api, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt as _};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Scenario};
use crate::moving::{launched, movable, moved, moving};

/// May write policies, annotate and delete migrations, and nothing else.
const OPERATOR: &str = "olga";
/// May decide.
const APPROVER: &str = "anna@example.com";
/// What keeps migrations in Git, say.
const DEPLOYER: &str = "system:serviceaccount:default:deployer";
const MISSING: &str = "to change spec.approval: have an administrator bind you to the ClusterRole amiseal-approver";

/// Somebody with the rights of the chart's ClusterRole for them.
struct Person {
    kubeconfig: PathBuf,
    migrations: Api<AMIMigration>,
}

impl Person {
    async fn new(scenario: &Scenario, user: &str, role: &str) -> Self {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("test-{role}-{}", user.replace([':', '@'], "-"))},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        });
        let plane = scenario.plane();
        plane.apply(&binding.to_string()).await.expect("a binding");
        let text = std::fs::read_to_string(plane.admin_kubeconfig()).expect("a kubeconfig");
        let mut config: Value = serde_json::from_str(&text).expect("JSON");
        config["users"][0]["user"]["as"] = json!(user);
        let kubeconfig = plane
            .directory()
            .join(format!("{}.kubeconfig", user.replace([':', '@'], "-")));
        std::fs::write(&kubeconfig, config.to_string()).expect("a file");
        let read = Kubeconfig::read_from(&kubeconfig).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
        let client = Client::try_from(config.expect("a configuration")).expect("a client");
        Self {
            kubeconfig,
            migrations: Api::all(client),
        }
    }

    /// The program, with nothing of this shell.
    async fn runs(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let Output { status, stdout, stderr } = tokio::process::Command::new(env!("CARGO_BIN_EXE_amiseal"))
            .args(arguments)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .env_clear()
            .stdin(std::process::Stdio::null())
            .output()
            .await
            .expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (status.code(), text(stdout), text(stderr))
    }

    /// What the program prints, where it has to succeed.
    async fn done(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.runs(arguments).await;
        assert_eq!(code, Some(0), "{arguments:?}: {out}{err}");
        out
    }

    async fn patch(&self, name: &str, spec: Value) -> Result<AMIMigration, kube::Error> {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.migrations.patch(name, &PatchParams::default(), &patch).await
    }

    async fn is_refused(&self, name: &str, spec: Value) -> String {
        match self.patch(name, spec.clone()).await {
            Err(kube::Error::Api(status)) => status.message.clone(),
            other => panic!("{spec}: {other:?}"),
        }
    }
}

async fn spec(scenario: &Scenario, image: &str) -> (Approval, Option<String>, Desired) {
    let spec = scenario.migration_of(image).await.expect("a migration").spec;
    (spec.approval, spec.approved_by, spec.desired)
}

/// A scenario with a migration that waits for approval, and two people, of whom the first may not give it.
async fn waiting() -> (Scenario, crate::harness::Replica, [Person; 2], String) {
    let consumers = "launchTemplates: [{name: web, versions: [{image: golden}]}]";
    let scenario = Scenario::new(movable(consumers)).await;
    let replica = scenario.start().await;
    scenario
        .apply(&moving(json!({"launchTemplates": "Update", "approval": "Manual"})))
        .await;
    let golden = scenario.image("golden");
    let name = scenario.stalls(&golden, reason::APPROVAL_REQUIRED).await.name_any();
    let operator = Person::new(&scenario, OPERATOR, "amiseal-operator").await;
    let approver = Person::new(&scenario, APPROVER, "amiseal-approver").await;
    // The API server takes a moment until it goes by a policy that is new.
    scenario
        .until("the admission policy to be in force", async || {
            let patch = Patch::Merge(json!({"spec": {"desired": "Held"}}));
            let dry = PatchParams::default().dry_run();
            operator.migrations.patch(&name, &dry, &patch).await.err()
        })
        .await;
    (scenario, replica, [operator, approver], name)
}

#[tokio::test]
async fn who_may_write_migrations_may_not_decide_about_them_and_nobody_decides_in_the_name_of_another() {
    let (scenario, _replica, [operator, approver], name) = waiting().await;
    let golden = scenario.image("golden");
    let before = spec(&scenario, &golden).await;
    for (change, verb) in [
        (json!({"approval": "Approved", "approvedBy": OPERATOR}), "approve"),
        (json!({"approval": "Approved"}), "approve"),
        (json!({"desired": "RolledBack"}), "rollback"),
        (json!({"desired": "Held"}), "hold"),
    ] {
        let refusal = operator.is_refused(&name, change).await;
        let needed = format!("you need the verb {verb} on amimigrations.amiseal.dev to change spec.");
        assert!(
            refusal.contains(&needed) && refusal.contains("ClusterRole amiseal-approver"),
            "{refusal}"
        );
    }
    for (change, sentence) in [
        (
            json!({"approval": "Approved", "approvedBy": OPERATOR}),
            "spec.approvedBy must be your own user name when spec.approval becomes Approved: use kubectl amiseal approve, or set it \
             to anna@example.com",
        ),
        (
            json!({"approval": "Approved"}),
            "spec.approvedBy must be your own user name",
        ),
        (json!({"approvedBy": APPROVER}), "cannot change by itself"),
    ] {
        let refusal = approver.is_refused(&name, change).await;
        assert!(refusal.contains(sentence), "{refusal}");
    }
    // What decides nothing is nobody's business.
    let retry = Patch::Merge(json!({"metadata": {"annotations": {"amiseal.dev/note": "seen"}}}));
    let annotated = operator.migrations.patch(&name, &PatchParams::default(), &retry).await;
    annotated.expect("an annotation decides nothing");
    assert_eq!(spec(&scenario, &golden).await, before);

    approver
        .patch(&name, json!({"approval": "Approved", "approvedBy": APPROVER}))
        .await
        .expect("accepted");
    let forged = approver.is_refused(&name, json!({"approvedBy": OPERATOR})).await;
    assert!(forged.contains("cannot change by itself"), "{forged}");
    let kept = approver.is_refused(&name, json!({"approval": "Pending"})).await;
    assert!(kept.contains("spec.approvedBy must go"), "{kept}");
    let refusal = operator
        .is_refused(&name, json!({"approval": "Pending", "approvedBy": null}))
        .await;
    assert!(refusal.contains("the verb approve"), "{refusal}");
    // Whoever changes their mind in the middle waits until AWS must show what was asked for, which takes minutes.
    moved(&scenario, reason::SUCCEEDED).await;
    // To leave what was set takes the right to set it.
    approver
        .patch(&name, json!({"desired": "RolledBack"}))
        .await
        .expect("accepted");
    for change in [json!({"desired": "Migrated"}), json!({"desired": "Held"})] {
        let refusal = operator.is_refused(&name, change).await;
        assert!(refusal.contains("the verb rollback"), "{refusal}");
    }
    moved(&scenario, reason::ROLLED_BACK).await;
    approver
        .patch(&name, json!({"desired": "Migrated"}))
        .await
        .expect("accepted");
    moved(&scenario, reason::SUCCEEDED).await;
    scenario.judged();
}

#[tokio::test]
async fn a_migration_may_be_declared_in_git_by_an_account_with_the_verbs_and_verbs_may_be_of_one_migration() {
    let (scenario, _replica, [_, _], name) = waiting().await;
    let golden = scenario.image("golden");
    let declared = json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIMigration",
        "metadata": {"name": name},
        "spec": {"approval": "Approved", "approvedBy": DEPLOYER},
    });
    for (names, is_allowed) in [(["ami-00000000.eu-west-1"], false), ([name.as_str()], true)] {
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "test-deployer"},
            "rules": [
                {"apiGroups": ["amiseal.dev"], "resources": ["amimigrations"], "verbs": ["get", "patch"]},
                {"apiGroups": ["amiseal.dev"], "resources": ["amimigrations"], "resourceNames": names, "verbs": ["approve"]},
            ],
        });
        scenario.plane().apply(&role.to_string()).await.expect("a role");
        let deployer = Person::new(&scenario, DEPLOYER, "test-deployer").await;
        let apply = async || {
            // As Flux and Argo CD do.
            let parameters = PatchParams::apply("deployer").force();
            deployer
                .migrations
                .patch(&name, &parameters, &Patch::Apply(&declared))
                .await
        };
        if is_allowed {
            scenario
                .until("the right to be known", async || apply().await.ok())
                .await;
        } else {
            // The right to patch is not known at once either.
            scenario
                .until("the refusal", async || {
                    apply().await.err().filter(|error| error.to_string().contains(MISSING))
                })
                .await;
        }
    }
    moved(&scenario, reason::SUCCEEDED).await;
    let migration = scenario.migration_of(&golden).await.expect("a migration");
    assert_eq!(
        migration.status.and_then(|status| status.approved_by).as_deref(),
        Some(DEPLOYER)
    );
    scenario.judged();
}

#[tokio::test]
async fn the_commands_show_ask_and_decide_and_say_what_was_refused() {
    let (scenario, _replica, [operator, approver], name) = waiting().await;
    let golden = scenario.image("golden");
    let said = format!("amimigration.amiseal.dev/{name}");
    let policy = ["--policy", "production"];

    let waits: Value =
        serde_json::from_str(&operator.done(&["status", "-o", "json", "--context", "rig"]).await).expect("JSON");
    let row = &waits["migrations"][0];
    assert_eq!(
        (&row["waitsFor"], &row["who"], &row["name"]),
        (&json!("approval"), &json!("approver"), &json!(name))
    );
    assert_eq!(row.get("approvedBy"), None);

    for more in [&["--yes"][..], &["--dry-run=server"]] {
        let (code, out, err) = operator.runs(&[&["approve", &name][..], more].concat()).await;
        assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
        assert!(
            err.contains(MISSING) && err.contains(&format!("Error: {name}: ")),
            "{err}"
        );
    }
    // Nobody can be asked here.
    let (code, out, err) = approver.runs(&["approve", &name]).await;
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    assert!(err.contains("add --yes") && err.contains("LaunchTemplate lt-"), "{err}");
    let (code, _, err) = approver.runs(&["hold", "--yes"]).await;
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("no migration is chosen"), "{err}");
    let dry = approver
        .done(&[&["approve", "--dry-run=server"][..], &policy].concat())
        .await;
    assert_eq!(dry, format!("{said} approved (server dry run)\n"));
    assert_eq!(
        spec(&scenario, &golden).await,
        (Approval::Pending, None, Desired::Migrated)
    );
    let none = ["--account", "444455556666"];
    assert_eq!(approver.done(&[&["approve", "--yes"][..], &none].concat()).await, "");

    // What is not approved is not in the map.
    let (code, map, err) = operator.runs(&["map"]).await;
    assert_eq!(
        (code, map.as_str()),
        (Some(0), "{\n  \"version\": 1,\n  \"images\": []\n}\n"),
        "{err}"
    );
    assert!(err.contains("Left out: 1 not approved"), "{err}");

    // The rest goes on, and what is not there is said.
    let missing = "ami-0123456789abcdef0.eu-west-1";
    let (code, out, err) = approver
        .runs(&["approve", "--yes", missing, &format!("amim/{name}")])
        .await;
    assert_eq!((code, out), (Some(1), format!("{said} approved\n")), "{err}");
    assert!(err.contains(&format!("there is no migration {missing}")), "{err}");
    assert_eq!(
        approver.done(&["approve", "--yes", &name]).await,
        format!("{said} unchanged\n")
    );
    moved(&scenario, reason::SUCCEEDED).await;
    let migration = scenario.migration_of(&golden).await.expect("a migration");
    assert_eq!(
        migration.status.and_then(|status| status.approved_by).as_deref(),
        Some(APPROVER)
    );
    let copy = launched(&scenario, "web")[0].clone();
    assert_ne!(copy, golden);
    let pair = format!("\"{golden}\" = \"{copy}\"");
    let map = operator
        .done(&["map", "--as", "tfvars", "--account", ACCOUNT, "--region", REGION])
        .await;
    assert!(map.contains(&pair), "{map}");
    let elsewhere = operator.done(&["map", "--as", "tfvars", "--region", "us-east-1"]).await;
    assert_eq!(elsewhere, "amiseal_images = {\n}\n");
    let renovate: Value = serde_json::from_str(&operator.done(&["map", "--as", "renovate"]).await).expect("JSON");
    assert_eq!(renovate[&golden]["releases"][0]["version"], json!(copy));

    let selector = [
        "-l",
        &format!("amiseal.dev/account={ACCOUNT},amiseal.dev/region={REGION}"),
    ];
    assert_eq!(
        approver.done(&[&["rollback", "--yes"][..], &selector].concat()).await,
        format!("{said} to be rolled back\n")
    );
    moved(&scenario, reason::ROLLED_BACK).await;
    assert_eq!(launched(&scenario, "web"), [golden.clone(), golden.clone()]);
    let map = operator.done(&["map", "--as", "tfvars"]).await;
    assert!(!map.contains(&pair), "{map}");
    // A rollback is not taken back by a decision about many.
    for many in ["hold", "resume"] {
        assert_eq!(approver.done(&[many, "--yes", "--all"]).await, "");
    }
    assert_eq!(approver.done(&["hold", "--yes", &name]).await, format!("{said} held\n"));
    let table = approver
        .done(&["status", "--waiting", "--account", ACCOUNT, "--region", REGION])
        .await;
    let words: Vec<&str> = table.lines().nth(1).expect("a row").split_whitespace().collect();
    assert_eq!(words[3..6], ["Held", "resume", "approver"], "{table}");
    assert!(table.contains(APPROVER), "{table}");
    assert_eq!(
        approver.done(&["resume", "--yes", &name]).await,
        format!("{said} resumed\n")
    );
    scenario
        .until("the template to be moved again", async || {
            (launched(&scenario, "web")[0] == copy).then_some(())
        })
        .await;
    assert_eq!(
        approver.done(&["approve", "--withdraw", "--yes", &name]).await,
        format!("{said} approval withdrawn\n")
    );
    assert_eq!(
        spec(&scenario, &golden).await,
        (Approval::Pending, None, Desired::Migrated)
    );
    scenario.judged();
}

#[tokio::test]
async fn a_decision_about_a_migration_that_somebody_writes_all_the_time_is_not_lost_and_takes_nothing_away() {
    let (scenario, _replica, [_, approver], name) = waiting().await;
    let golden = scenario.image("golden");
    let migrations = scenario.migrations();
    let writing = async {
        let mut count = 0;
        loop {
            count += 1;
            let patch = Patch::Merge(json!({"metadata": {"annotations": {"amiseal.dev/note": count.to_string()}}}));
            let written = migrations.patch(&name, &PatchParams::default(), &patch).await;
            written.expect("an annotation can be set");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let deciding = async {
        for _ in 0..3 {
            approver.done(&["hold", "--yes", &name]).await;
            approver.done(&["resume", "--yes", &name]).await;
        }
        approver.done(&["approve", "--yes", &name]).await;
    };
    tokio::select! {
        () = writing => unreachable!("it never ends"),
        () = deciding => {}
    }
    let (approval, by, desired) = spec(&scenario, &golden).await;
    assert_eq!(
        (approval, by.as_deref(), desired),
        (Approval::Approved, Some(APPROVER), Desired::Migrated)
    );
    let noted = scenario.migration_of(&golden).await.expect("a migration");
    assert!(noted.annotations().contains_key("amiseal.dev/note"));
    moved(&scenario, reason::SUCCEEDED).await;
    scenario.judged();
}
