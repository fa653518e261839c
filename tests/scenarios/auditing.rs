//! Findings: what goes beyond what a policy allows is counted and named, told of once, and gone when it is mended.

use std::collections::BTreeSet;

use amiseal::api::{AMIEncryptionTargetStatus, FindingsStatus, conditions};
use ec2sim::spec::{AllowedCall, WorldSpec};
use ec2sim::{Act, Edit, Failure, FaultRule};
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, KEY, OTHER_ACCOUNT, REGION, Scenario, account, policy, says, with, world};

/// A region in which nothing is wrong but what is in `more`, in YAML.
fn sound(more: &str) -> String {
    format!(
        "{{name: {REGION}, keys: [{{id: {KEY}, alias: [alias/ami], rotation: true}}], \
         guardrails: {{ebsEncryptionByDefault: true, imagePublicAccess: block-new-sharing, snapshotPublicAccess: \
         block-all-sharing, allowedImages: enabled}}, trails: [{{name: all, multiRegion: true, logging: true}}], {more}}}"
    )
}

fn audited(audit: &Value) -> Value {
    with(
        with(policy("production", &[ACCOUNT]), "mode", json!("Audit")),
        "audit",
        audit.clone(),
    )
}

fn target() -> String {
    format!("production.{ACCOUNT}.{REGION}")
}

/// What the target says of findings, once that is so.
async fn found(scenario: &Scenario, what: &str, is_so: impl Fn(&FindingsStatus) -> bool) -> FindingsStatus {
    scenario
        .until(&format!("findings: {what}"), async || {
            let findings = scenario.targets().get(&target()).await.ok()?.status?.findings;
            findings.filter(|findings| is_so(findings))
        })
        .await
}

/// Checks, with how many they have found and how many of it are exempt.
fn counts(findings: &FindingsStatus) -> Vec<(&str, u32, u32)> {
    let row = findings.checks.iter();
    row.map(|row| (&*row.check, row.count, row.exempt)).collect()
}

/// Reason, type and note of the Events of findings since then: those of other scenarios are there too.
async fn told(scenario: &Scenario, since: Timestamp) -> BTreeSet<(String, String, String)> {
    let events = Api::<Event>::all(scenario.client.clone());
    let all = events.list(&ListParams::default()).await.expect("a list").items;
    let text = |text: Option<String>| text.unwrap_or_default();
    all.into_iter()
        .filter(|event| {
            let action = event.action.as_deref().unwrap_or_default();
            let is_of_this = event.event_time.as_ref().is_some_and(|time| time.0 >= since);
            is_of_this && (action.starts_with("Find") || action.starts_with("Examine"))
        })
        .map(|event| (text(event.reason), text(event.type_), text(event.note)))
        .collect()
}

fn reasons(told: &BTreeSet<(String, String, String)>) -> Vec<&str> {
    told.iter().map(|(reason, ..)| &**reason).collect()
}

/// What `amiseal report --from-cluster` comes to: its exit status, what it prints, and what it says besides.
async fn report(scenario: &Scenario, arguments: &[&str]) -> (i32, String, String) {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_amiseal"))
        .args(["report", "--from-cluster"])
        .args(arguments)
        .env_clear()
        .env("KUBECONFIG", scenario.kubeconfig())
        .output()
        .await
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("an exit status");
    (code, text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn findings_are_counted_and_named_and_a_new_one_is_told_of_and_a_mended_one_goes() {
    let images = "images: [{name: web, expect: untouched}, {name: old, expect: untouched, \
                  tags: {amiseal.dev/exempt-until: \"2100-01-01\", amiseal.dev/exempt-reason: retired in June}}]";
    let scenario = Scenario::new(world(&account(ACCOUNT, &sound(images)))).await;
    let began = Timestamp::now();
    let mut replica = scenario.start().await;
    let plain = with(policy("production", &[ACCOUNT]), "mode", json!("Audit"));
    scenario.apply(&plain).await;
    scenario
        .until("who uses the images to be read", async || {
            scenario.targets().get(&target()).await.ok()?.status?.usage
        })
        .await;
    // Nothing more than before is asked of the role.
    assert!(scenario.calls("GetEbsEncryptionByDefault").is_empty());
    assert_eq!(
        scenario.target(&target()).await.status.expect("a status").findings,
        None
    );

    scenario.apply(&audited(&json!({}))).await;
    let first = found(&scenario, "an unencrypted image", |findings| findings.total > 0).await;
    assert_eq!(counts(&first), [("unencrypted-image", 1, 1)], "{first:#?}");
    assert_eq!((first.unread.len(), first.omitted), (0, 0), "{first:#?}");
    let exempt = first.named.last().expect("the exempt one");
    assert_eq!(exempt.resource, scenario.image("old"));
    assert_eq!(
        (exempt.exempt_until.as_deref(), exempt.exempt_reason.as_deref()),
        (Some("2100-01-01"), Some("retired in June"))
    );
    scenario
        .until("the policy to count them", async || {
            let counts = scenario.policy("production").await.status?.findings?;
            (counts.total == 1 && counts.high == 1 && counts.exempt == 1).then_some(())
        })
        .await;
    let first_told = scenario
        .until("one Event that sums up", async || {
            let told = told(&scenario, began).await;
            (!told.is_empty()).then_some(told)
        })
        .await;
    let summary = (
        "Findings".to_owned(),
        "Warning".to_owned(),
        "Findings: 1 high (1 unencrypted-image). status.findings names the worst.".to_owned(),
    );
    assert_eq!(first_told, [summary].into());
    let before = report(&scenario, &["--output", "json"]).await;
    assert_eq!((before.0, before.2.as_str()), (0, ""), "{before:?}");

    // Something new, which a changed policy has looked for at once.
    let web = scenario.image("web");
    let share = |add: &[&str], remove: &[&str]| Edit::Share {
        image: web.clone(),
        add: add.iter().map(|who| (*who).to_owned()).collect(),
        remove: remove.iter().map(|who| (*who).to_owned()).collect(),
    };
    scenario.edit(share(&["all"], &[]));
    let asked = with(audited(&json!({})), "scanInterval", json!("2h"));
    scenario.apply(&asked).await;
    let more = found(&scenario, "a public image", |findings| findings.total == 2).await;
    assert_eq!(counts(&more)[0], ("public-image", 1, 0));
    let now_told = scenario
        .until("an Event of it", async || {
            let told = told(&scenario, began).await;
            reasons(&told).contains(&"PublicImage").then_some(told)
        })
        .await;
    assert_eq!(reasons(&now_told), ["Findings", "PublicImage"]);
    let (_, type_, note) = now_told.iter().next_back().expect("an Event");
    assert_eq!(type_, "Warning");
    assert!(
        note.starts_with("public-image: Everybody can launch web. Remove"),
        "{note}"
    );

    let (_, metrics) = replica.get("/metrics").await;
    for shown in [
        "amiseal_findings{account=\"111122223333\",check=\"public-image\",policy=\"production\",region=\"eu-west-1\",severity=\"critical\"} 1",
        "amiseal_findings_known{account=\"111122223333\",policy=\"production\",region=\"eu-west-1\"} 1",
    ] {
        assert!(metrics.lines().any(|line| line == shown), "{shown}:\n{metrics}");
    }

    // What the report says of it, beside the one from before.
    let earlier = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(earlier.path(), &before.1).expect("it is written");
    let path = earlier.path().to_str().expect("a path");
    let since = [
        "--output",
        "json",
        "--since",
        path,
        "--fail-on",
        "critical",
        "--only-new",
    ];
    let (code, out, err) = report(&scenario, &since).await;
    let told_of: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, err.as_str()), (2, ""), "{out}");
    let counted = &told_of["since"];
    assert_eq!(
        [
            &counted["new"],
            &counted["unchanged"],
            &counted["exempt"],
            &counted["fixed"]
        ],
        [&json!(1), &json!(1), &json!(1), &json!(0)]
    );
    assert_eq!(told_of["findings"][0]["check"], "public-image");

    // A replica that comes after tells of nothing again.
    replica.stop().await;
    scenario.fault("DescribeInstances", Act::DelayReply(1.0));
    let reads = scenario.calls("DescribeInstances").len();
    let _replica = scenario.start().await;
    scenario
        .until("its first reading to be under way", async || {
            (scenario.calls("DescribeInstances").len() > reads).then_some(())
        })
        .await;
    // Another reading follows where the policy changes during one: on the images that the scan after the change shows, however long that
    // takes.
    scenario.fault("DescribeImages", Act::DelayReply(2.0));
    scenario.edit(share(&[], &["all"]));
    scenario.apply(&with(asked, "scanInterval", json!("3h"))).await;
    let mended = found(&scenario, "the image to be public no more", |findings| {
        findings.total == 1
    })
    .await;
    assert_eq!(counts(&mended), [("unencrypted-image", 1, 1)]);
    assert_eq!(reasons(&told(&scenario, began).await), ["Findings", "PublicImage"]);
    let (_, out, _) = report(&scenario, &["--output", "json", "--since", path]).await;
    let told_of: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(told_of["since"]["unchanged"], 1, "{out}");

    // Without the setting nothing is said.
    scenario.apply(&plain).await;
    scenario
        .until("nothing to be said", async || {
            let status = scenario.targets().get(&target()).await.ok()?.status?;
            status.findings.is_none().then_some(())
        })
        .await;
    let (code, out, _) = report(&scenario, &[]).await;
    assert_eq!(code, 1);
    assert!(
        out.contains("NoAudit: The policy production has no findings looked for"),
        "{out}"
    );
    scenario.judged();
}

#[tokio::test]
async fn what_the_policy_allows_is_no_finding_and_what_goes_beyond_it_is() {
    let old = "creationDate: 2024-01-01T00:00:00Z, encryptedUnder: alias/ami, expect: untouched";
    let images = format!(
        "images: [{{name: aged, {old}, tags: {{owner: web}}}}, \
         {{name: shared, {old}, launchPermissions: {{users: [\"777788889999\"]}}}}, \
         {{name: weak, {old}, scan: {{highest: critical, scanned: 2020-12-30T00:00:00Z, \
         fixAvailableSince: {{critical: 2020-12-01T00:00:00Z}}}}}}], \
         launchTemplates: [{{name: foreign, versions: [{{image: theirs}}]}}]"
    );
    let accounts = format!(
        "{}- {{id: \"777788889999\", regions: [{{name: {REGION}, images: [{{name: theirs, public: true}}]}}]}}\n",
        account(ACCOUNT, &sound(&images))
    );
    let scenario = Scenario::new(world(&accounts)).await;
    let _replica = scenario.start().await;
    let strict = json!({
        "maxImageAge": "720h",
        "requiredTags": ["owner"],
        "trustedOwners": [],
        "allowedSharing": [OTHER_ACCOUNT],
        "maxFixAvailable": {"critical": "336h"},
        "maxScanAge": "720h",
        "disabledChecks": ["unused-image"],
    });
    scenario.apply(&audited(&strict)).await;
    let findings = found(&scenario, "everything that is beyond", |findings| findings.total > 0).await;
    assert_eq!(
        counts(&findings),
        [
            ("key-unusable-by-consumers", 1, 0),
            ("shared-outside", 1, 0),
            ("vulnerable-image", 1, 0),
            ("untrusted-owner", 1, 0),
            ("stale-scan", 1, 0),
            ("old-image", 3, 0),
            ("missing-tags", 2, 0)
        ],
        "{findings:#?}"
    );
    // Two were never scanned.
    let unread: Vec<&str> = findings.unread.iter().map(|unread| &*unread.kind).collect();
    assert_eq!(unread, ["ScanResults"], "{findings:#?}");

    let lenient = json!({
        "maxImageAge": "99999h",
        "trustedOwners": ["777788889999"],
        "allowedSharing": ["777788889999"],
        "maxFixAvailable": {"high": "336h"},
        "disabledChecks": ["public-snapshot", "cloudtrail-off", "key-unusable-by-consumers"],
    });
    scenario.apply(&audited(&lenient)).await;
    found(&scenario, "nothing to be beyond", |findings| findings.total == 0).await;
    let asked = scenario.calls("DescribeTrails").len();
    let reads = scenario.calls("GetAllowedImagesSettings").len();
    scenario
        .apply(&with(audited(&lenient), "scanInterval", json!("2h")))
        .await;
    scenario
        .until("another reading", async || {
            (scenario.calls("GetAllowedImagesSettings").len() > reads).then_some(())
        })
        .await;
    assert_eq!(scenario.calls("DescribeTrails").len(), asked, "no check needs it");
    scenario.judged();
}

fn denied(world: &mut WorldSpec, operation: &str) {
    world.expect.expected_denials.push(AllowedCall {
        operation: Some(operation.to_owned()),
        ..AllowedCall::default()
    });
}

fn denial(action: &str) -> Act {
    Act::FailBefore(Failure {
        code: "UnauthorizedOperation".to_owned(),
        status: 403,
        message: format!("You are not authorized to perform this operation: {action}"),
    })
}

#[tokio::test]
async fn an_action_that_is_denied_is_named_hides_nothing_else_and_lets_stand_what_was_found_before() {
    let region =
        sound("images: [{name: web, expect: untouched}]").replace("allowedImages: enabled", "allowedImages: disabled");
    let mut world = world(&account(ACCOUNT, &region));
    denied(&mut world, "GetAllowedImagesSettings");
    let scenario = Scenario::new(world).await;
    let began = Timestamp::now();
    let _replica = scenario.start().await;
    let asked = with(audited(&json!({})), "consumers", json!({"read": false}));
    scenario.apply(&asked).await;
    let both = [("unencrypted-image", 1, 0), ("allowed-amis-off", 1, 0)];
    let all = found(&scenario, "everything", |findings| findings.total == 2).await;
    assert_eq!(counts(&all), both);
    // Who uses the images is not read, which is said.
    let kinds = |findings: &FindingsStatus| -> Vec<String> {
        findings.unread.iter().map(|unread| unread.kind.clone()).collect()
    };
    assert_eq!(kinds(&all), ["Consumers"]);
    let status = scenario.target(&target()).await.status.expect("a status");
    assert_eq!(status.usage, None);
    assert!(scenario.calls("DescribeInstances").is_empty());
    assert_eq!(says(&status.conditions, conditions::USAGE_KNOWN), "");

    scenario.fault("GetAllowedImagesSettings", denial("ec2:GetAllowedImagesSettings"));
    scenario.apply(&with(asked.clone(), "scanInterval", json!("2h"))).await;
    let lacking = found(&scenario, "what is denied", |findings| findings.unread.len() == 2).await;
    assert_eq!(counts(&lacking), both, "it was found before, and is not mended");
    assert_eq!(kinds(&lacking), ["AllowedImages", "Consumers"]);
    let message = &lacking.unread[0].message;
    assert!(message.contains("ec2:GetAllowedImagesSettings"), "{message}");
    let status = scenario.target(&target()).await.status.expect("a status");
    assert_eq!(
        says(&status.conditions, conditions::READY),
        "True/Succeeded",
        "it hinders nothing"
    );
    let (code, out, _) = report(&scenario, &["--output", "markdown"]).await;
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("Not read, and so unknown") && out.contains("GetAllowedImagesSettings"),
        "{out}"
    );

    scenario.sim().clear_faults();
    scenario.apply(&with(asked, "scanInterval", json!("3h"))).await;
    found(&scenario, "everything again", |findings| findings.unread.len() == 1).await;
    // That it could not be read for a while makes nothing new.
    let told = told(&scenario, began).await;
    assert_eq!(reasons(&told), ["Findings"], "{told:#?}");
    scenario.judged();
}

#[tokio::test]
async fn while_scans_fail_what_is_said_of_images_is_not_taken_for_known_and_they_are_read_anew_once_they_succeed() {
    let mut world = world(&account(ACCOUNT, &sound("images: [{name: web, expect: any}]")));
    denied(&mut world, "DescribeImages");
    let scenario = Scenario::new(world).await;
    let mut replica = scenario.start().await;
    scenario.apply(&audited(&json!({}))).await;
    let first = found(&scenario, "the image", |findings| findings.total == 1).await;
    assert_eq!(first.unread, []);

    scenario.fault("DescribeImages", denial("ec2:DescribeImages"));
    let asked = with(audited(&json!({})), "scanInterval", json!("2h"));
    scenario.apply(&asked).await;
    let generation = |status: &AMIEncryptionTargetStatus| {
        let findings = status.findings.as_ref()?;
        (findings.observed_generation == status.observed_generation).then(|| findings.clone())
    };
    let during = scenario
        .until("a reading by the new settings on the old images", async || {
            let status = scenario.targets().get(&target()).await.ok()?.status?;
            generation(&status).filter(|findings| !findings.unread.is_empty())
        })
        .await;
    assert_eq!(during.checks, first.checks, "{during:#?}");
    let [unread] = &during.unread[..] else {
        panic!("{during:#?}")
    };
    assert_eq!(unread.kind, "Images");
    assert!(unread.message.contains("ec2:DescribeImages"), "{unread:?}");
    let status = scenario.target(&target()).await.status.expect("a status");
    let scanned = status.last_scan_time.expect("a scan").0.as_second();
    let read = during.read_time.expect("a time").0.as_second();
    assert!((read - scanned).abs() <= 1, "it is on the images of that scan");
    let unknown = "amiseal_findings_known{account=\"111122223333\",policy=\"production\",region=\"eu-west-1\"} 0";
    let (_, metrics) = replica.get("/metrics").await;
    assert!(metrics.lines().any(|line| line == unknown), "{metrics}");

    scenario.sim().clear_faults();
    let web = scenario.image("web");
    scenario.edit(Edit::Deregister { image: web });
    scenario.apply(&with(asked, "scanInterval", json!("3h"))).await;
    let after = found(&scenario, "the image to be gone", |findings| findings.total == 0).await;
    assert_eq!(after.unread, []);
    scenario.judged();
}

#[tokio::test]
async fn what_cannot_be_asked_of_images_that_the_policy_does_not_mean_makes_the_use_of_those_it_means_no_less_known() {
    let unused = "creationDate: 2024-01-01T00:00:00Z, lastLaunchedTime: 2024-02-01T00:00:00Z, \
                  encryptedUnder: alias/ami, expect: untouched";
    let images = format!("images: [{{name: web, {unused}}}, {{name: other, {unused}}}]");
    let mut world = world(&account(ACCOUNT, &sound(&images)));
    denied(&mut world, "DescribeImageReferences");
    denied(&mut world, "DescribeImageAttribute");
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let other = scenario.image("other");
    for (operation, parameter) in [
        ("DescribeImageReferences", "ImageId.1"),
        ("DescribeImageAttribute", "ImageId"),
    ] {
        scenario.sim().add_fault(FaultRule {
            operation: Some(operation.to_owned()),
            parameters: [(parameter.to_owned(), other.clone())].into(),
            act: denial(&format!("ec2:{operation}")),
            ..FaultRule::default()
        });
    }
    let include = json!({"include": [{"names": ["web"]}]});
    scenario
        .apply(&with(audited(&json!({})), "imageSelector", include))
        .await;
    let found = found(&scenario, "what cannot be asked", |findings| {
        !findings.unread.is_empty()
    })
    .await;
    let kinds: Vec<&str> = found.unread.iter().map(|unread| &*unread.kind).collect();
    assert_eq!(kinds, ["ImageReferences"], "{found:#?}");
    assert_eq!(counts(&found), [("unused-image", 1, 0)], "the other one may be used");
    let status = scenario.target(&target()).await.status.expect("a status");
    assert_eq!(says(&status.conditions, conditions::USAGE_KNOWN), "True/Succeeded");
    assert_eq!(status.usage.expect("what was read").unused, 1);
    scenario.judged();
}

#[tokio::test]
async fn beyond_the_worst_fifty_the_report_says_how_many_there_are() {
    let images = "images: [{name: \"web{n}\", count: 60, expect: untouched}]";
    let scenario = Scenario::new(world(&account(ACCOUNT, &sound(images)))).await;
    let _replica = scenario.start().await;
    scenario.apply(&audited(&json!({}))).await;
    let findings = found(&scenario, "sixty", |findings| findings.total == 60).await;
    assert_eq!((findings.named.len(), findings.omitted), (50, 10));
    let (code, out, err) = report(&scenario, &["--output", "json", "--fail-on", "high"]).await;
    assert_eq!(code, 2, "{err}");
    assert!(
        err.contains("10 findings are not listed, since a target names only the worst"),
        "{err}"
    );
    let said: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(said["source"], "cluster");
    assert_eq!(said["findings"].as_array().map(Vec::len), Some(50));
    assert_eq!(said["scopes"][0]["omitted"], json!({"unencrypted-image": 10}));
    assert_eq!(said["scopes"][0]["images"]["total"], 60);
    let (_, table, _) = report(&scenario, &[]).await;
    let row = table
        .lines()
        .find(|line| line.contains("unencrypted-image"))
        .expect("a row");
    assert!(row.trim_end().ends_with(" 60"), "all are counted: {row}");
    assert!(table.contains("10 findings are not listed"), "{table}");
    scenario.judged();
}
