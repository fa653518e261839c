//! What people and machines see: statuses, columns, Events, metrics; and that a quiet cluster stays quiet.

use std::collections::BTreeSet;
use std::time::Duration;

use amiseal::api::conditions;
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use crate::harness::{
    ACCOUNT, Defined, LAUNCHING, REGION, Replica, Scenario, USER, plain_ones, policy, says, small_world, take_away,
    with,
};

async fn kubectl(scenario: &Scenario, arguments: &[&str]) -> String {
    let mut command = tokio::process::Command::from(scenario.plane().kubectl().expect("kubectl"));
    let output = command.args(arguments).output().await.expect("kubectl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The cells of a table, by line; columns are set apart by more than one blank.
fn cells(table: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| {
        line.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .map(str::to_owned)
            .collect()
    };
    table.lines().map(cells).collect()
}

#[tokio::test]
async fn kubectl_shows_the_story_without_describe() {
    let encrypted = "{name: done, encryptedUnder: alias/ami, expect: encrypted}";
    let stuck = "{name: stuck, rootDeviceType: instance-store, expect: untouched}";
    let scenario = Scenario::new(small_world(&[&plain_ones("web-", 2), encrypted, stuck])).await;
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;
    let status = scenario
        .until("the policy to have counted all", async || {
            let status = scenario.policy("production").await.status?;
            (status.migrations?.completed == 2).then_some(status)
        })
        .await;
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!(says(&status.conditions, conditions::STALLED), "False/NotStalled");

    let table = cells(&kubectl(&scenario, &["get", "aep"]).await);
    let header = [
        "NAME",
        "MODE",
        "READY",
        "REASON",
        "COMPLIANT",
        "UNENCRYPTED",
        "CONTESTED",
        "UNKNOWN",
        "COPIED",
        "STALLED",
        "AGE",
    ];
    assert_eq!(table[0], header);
    assert_eq!(
        table[1][..10],
        [
            "production",
            "Enforce",
            "True",
            "Succeeded",
            "False",
            "0",
            "0",
            "0",
            "2",
            "1"
        ]
    );
    let table = cells(&kubectl(&scenario, &["get", "aet"]).await);
    assert_eq!(
        table[0],
        [
            "NAME",
            "READY",
            "REASON",
            "UNENCRYPTED",
            "CONTESTED",
            "UNKNOWN",
            "LAST SCAN"
        ]
    );
    let name = format!("production.{ACCOUNT}.{REGION}");
    assert_eq!(table[1][..6], [&name, "True", "Succeeded", "0", "0", "0"]);
    let table = cells(&kubectl(&scenario, &["get", "amim"]).await);
    assert_eq!(table[0], ["NAME", "STATE", "READY", "REASON", "IMAGE NAME"]);
    let done: Vec<_> = table
        .iter()
        .filter(|row| row[1..4] == ["Completed", "True", "Succeeded"])
        .collect();
    assert_eq!(done.len(), 2, "{table:?}");
    assert!(
        table
            .iter()
            .any(|row| row[1..] == ["Pending", "False", "InstanceStoreImage", "stuck"]),
        "{table:?}"
    );

    // A status says which generation it speaks of.
    scenario.apply(&with(policy, "scanInterval", json!("2h"))).await;
    scenario
        .until("every status to speak of the new generation", async || {
            let policy = scenario.policy("production").await.status?.observed_generation == Some(2);
            let target = scenario.target(&name).await.status?.observed_generation == Some(2);
            (policy && target).then_some(())
        })
        .await;
    scenario.judged();
}

#[tokio::test]
async fn every_migration_has_one_event_and_metrics_and_probes_answer() {
    let scenario = Scenario::new(small_world(&[&plain_ones("web-", 3)])).await;
    let mut replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario.completed(3).await;

    let ours: BTreeSet<String> = scenario
        .all_migrations()
        .await
        .into_iter()
        .filter_map(|m| m.metadata.uid)
        .collect();
    let events = Api::<Event>::all(scenario.client.clone());
    let told = scenario
        .until("three Events", async || {
            let all = events.list(&ListParams::default()).await.ok()?.items;
            let about = |e: &Event| {
                e.regarding
                    .as_ref()
                    .and_then(|r| r.uid.clone())
                    .is_some_and(|uid| ours.contains(&uid))
            };
            let told: Vec<Event> = all.into_iter().filter(about).collect();
            (told.len() >= 3).then_some(told)
        })
        .await;
    assert_eq!(told.len(), 3);
    for event in told {
        assert_eq!(
            (event.type_.as_deref(), event.reason.as_deref()),
            (Some("Normal"), Some("Succeeded"))
        );
        assert!(event.note.is_some_and(|note| note.contains("encrypted under")));
    }

    for probe in ["/livez", "/readyz"] {
        assert_eq!(replica.get(probe).await, (200, "ok\n".to_owned()), "{probe}");
    }
    let place = format!(r#"account="{ACCOUNT}",policy="production",region="{REGION}""#);
    let expected = [
        "amiseal_leader 1".to_owned(),
        "amiseal_shards 16".to_owned(),
        "amiseal_shards_held 16".to_owned(),
        format!(r#"amiseal_images{{account="{ACCOUNT}",class="superseded",policy="production",region="{REGION}"}} 3"#),
        format!(r#"amiseal_migrations{{{place},state="Completed"}} 3"#),
        format!("amiseal_key_usable{{{place}}} 1"),
    ];
    scenario
        .until("the metrics to say so", async || {
            let (_, text) = replica.get("/metrics").await;
            expected
                .iter()
                .all(|line| text.lines().any(|l| l == line))
                .then_some(())
        })
        .await;
    let (status, text) = replica.get("/metrics").await;
    assert_eq!(status, 200);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        assert!(name.starts_with("amiseal_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(!line.contains("ami-"), "an image ID is no label: {line}");
    }
    scenario.judged();
}

#[tokio::test]
async fn a_replica_that_may_not_read_what_it_works_on_lives_but_is_not_ready_and_says_what_it_lacks() {
    let scenario = Scenario::new(small_world(&[])).await;
    let refusal = |code: u16| {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "no"});
        let code = axum::http::StatusCode::from_u16(code).expect("a code");
        axum::routing::any(async move || (code, [("content-type", "application/json")], status.to_string()))
    };
    for (code, lacks) in [
        (403, "allow it to the service account"),
        (404, "install the custom resource definitions"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = axum::Router::new().fallback(refusal(code));
        tokio::spawn(axum::serve(listener, server).into_future());
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("kubeconfig");
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}],
        });
        std::fs::write(&path, kubeconfig.to_string()).expect("a file");
        let described = scenario.describe("amiseal").env("KUBECONFIG", &path);
        let process = described.spawn().expect("a process");
        let mut replica = Replica { process };
        for said in [lacks, "could not read the Leases"] {
            let line = replica.process.wait_for_line(said, Duration::from_secs(120)).await;
            line.unwrap_or_else(|error| panic!("{code}: {error}"));
        }
        assert_eq!(replica.get("/livez").await.0, 200);
        let (status, why) = replica.get("/readyz").await;
        assert_eq!(status, 503, "{code}: {why}");
        assert!(why.contains("see the log"), "{why}");
    }
}

#[tokio::test]
async fn when_all_is_done_nothing_but_the_time_of_a_scan_is_written_neither_by_scans_nor_by_a_restart() {
    let stuck = "{name: stuck, rootDeviceType: instance-store, expect: untouched}";
    let scenario = Scenario::new(small_world(&[&plain_ones("web-", 5), stuck])).await;
    let replica = scenario.start().await;
    scenario
        .apply(&with(policy("production", &[ACCOUNT]), "scanInterval", json!("1m")))
        .await;
    scenario
        .until("the policy to have counted all", async || {
            let counts = scenario.policy("production").await.status?.migrations?;
            (counts.completed == 5 && counts.stalled == 1 && counts.in_progress == 0).then_some(())
        })
        .await;
    // It is known of the copies too who uses them: of none whether anybody does.
    scenario
        .until("everything to be read", async || {
            let status = scenario.policy("production").await.status?;
            (status.usage?.unknown == 11).then_some(())
        })
        .await;
    // What was under way settles: the policy sums its targets up half a second later.
    let written = || {
        let writes = scenario.plane().write_counts(|event| event.user == USER);
        writes.expect("an audit log").without_leases().total()
    };
    scenario.quiet("what was under way", written).await;

    let quiet = Timestamp::now();
    let (calls, scans) = (scenario.mutating_calls().len(), scenario.calls("DescribeImages").len());
    scenario
        .until("the next scan", async || {
            (scenario.calls("DescribeImages").len() > scans).then_some(())
        })
        .await;
    replica.stop().await;
    let _replica = scenario.start().await;
    scenario
        .until("a scan after the restart", async || {
            (scenario.calls("DescribeImages").len() > scans + 1).then_some(())
        })
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scenario.mutating_calls().len(), calls);
    let writes = scenario
        .plane()
        .write_counts(|event| event.user == USER && event.at > quiet);
    let writes = writes.expect("an audit log").without_leases();
    // The time of the last scan is written once in an interval, with no scan more.
    let scanned = scenario.calls("DescribeImages").len() - scans;
    assert!(writes.total() <= scanned, "{writes}");
    assert_eq!(writes.total(), writes.to("amiencryptiontargets"), "{writes}");
    scenario.judged();
}

/// `verb resource[/subresource].group` for every right that `rules` grant.
fn rights(rules: Option<Vec<PolicyRule>>) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    for rule in rules.into_iter().flatten() {
        for resource in rule.resources.into_iter().flatten() {
            for group in rule.api_groups.iter().flatten() {
                rights.extend(rule.verbs.iter().map(|verb| format!("{verb} {resource}.{group}")));
            }
        }
    }
    rights
}

#[tokio::test]
async fn the_controller_uses_every_right_that_it_is_granted() {
    let mut world = small_world(&["{name: web}", "{name: stuck, rootDeviceType: instance-store}"]);
    world.settings.copies.key_actions = vec!["kms:CreateGrant".to_owned()];
    take_away(&mut world, ACCOUNT, &["kms:CreateGrant"]);
    let scenario = Scenario::new(world).await;
    // What is not installed is not listed.
    scenario.define(&LAUNCHING).await;
    let replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;
    // Every attempt fails for the same reason; an Event that is told again is patched.
    let image = scenario.image("web");
    scenario.stalls(&image, conditions::reason::ATTEMPTS_EXHAUSTED).await;
    // A migration that is not wanted any more, a target that is not, and one that changes.
    let exclude = json!({"exclude": [{"names": ["stuck"]}]});
    let regions = json!([{"name": REGION, "kmsKeyID": "alias/ami"}, {"name": "eu-north-1", "kmsKeyID": "alias/ami"}]);
    let more = with(
        with(policy.clone(), "imageSelector", exclude),
        "defaults.regions",
        regions,
    );
    scenario.apply(&more).await;
    scenario
        .until("two targets", async || {
            let targets = scenario.targets().list(&ListParams::default()).await.ok()?;
            (targets.items.len() == 2 && scenario.all_migrations().await.len() == 1).then_some(())
        })
        .await;
    scenario.apply(&policy).await;
    scenario
        .until("one target", async || {
            (scenario.targets().list(&ListParams::default()).await.ok()?.items.len() == 1).then_some(())
        })
        .await;
    scenario
        .until("objects that launch images to be listed", async || {
            let requests = scenario.requests();
            let is_listed = |kind: &Defined| requests.iter().any(|event| event.resource == kind.resource);
            LAUNCHING.iter().all(is_listed).then_some(())
        })
        .await;

    // It takes its own Lease with it.
    replica.stop().await;

    let cluster = Api::<ClusterRole>::all(scenario.client.clone())
        .get("amiseal")
        .await
        .expect("the role");
    let mut granted = rights(cluster.rules);
    for (namespace, name) in [("amiseal-system", "amiseal-leases"), ("default", "amiseal-events")] {
        let local = Api::<Role>::namespaced(scenario.client.clone(), namespace);
        granted.extend(rights(local.get(name).await.expect("the role").rules));
    }
    let used: BTreeSet<String> = scenario
        .requests()
        .into_iter()
        .filter(|event| event.code < 300)
        .map(|event| {
            let slash = if event.subresource.is_empty() { "" } else { "/" };
            // A patch that applies what was not there takes the right to create it.
            let verb = if event.code == 201 { "create" } else { &event.verb };
            format!("{verb} {}{slash}{}.{}", event.resource, event.subresource, event.group)
        })
        .collect();
    let unused: Vec<&String> = granted.difference(&used).collect();
    assert!(unused.is_empty(), "granted and not used: {unused:?}");
}
