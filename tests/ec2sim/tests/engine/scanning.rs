//! On-demand scans by Amazon Inspector: one at a time of an image, found again by token, ID and list, and shown by EC2 later.

use ec2sim::{Act, FaultRule, Sim};
use serde_json::{Value, json};

use super::support::{Client, MANAGER, OTHER, OWNER, REGION, Reply, WEB, client, seconds, world, yaml};

/// A world in which on-demand scans behave so.
fn scanning(on_demand: &str) -> (Sim, Client) {
    let findings = "findings: [{image: web, highest: high}]";
    let sim = world(&yaml(
        &format!("inspector: {{{findings}, onDemand: {{seconds: 600, {on_demand}}}}}"),
        "    - {name: other, id: ami-0000000b}\n",
        "",
    ));
    let client = client(&sim, OWNER);
    (sim, client)
}

fn start(c: &Client, image: &str, token: Option<&str>) -> Reply {
    let mut body = json!({"resourceId": image, "resourceType": "AMI"});
    if let Some(token) = token {
        body["clientToken"] = json!(token);
    }
    c.post("inspector2", "/ondemand/scan", &body)
}

fn started(c: &Client, image: &str, token: Option<&str>) -> String {
    let reply = start(c, image, token);
    assert_eq!(reply.code(), "OK", "{}", reply.body);
    reply.json()["scanId"].as_str().expect("an ID").to_owned()
}

fn status(c: &Client, image: &str, id: &str) -> Reply {
    let body = json!({"resourceId": image, "resourceType": "AMI", "scanId": id});
    c.post("inspector2", "/ondemand/scan/status", &body)
}

/// The IDs of the scans of an image, and how far they are.
fn listed(c: &Client, image: &str, size: u32) -> Vec<(String, String)> {
    let body = json!({"resourceId": image, "resourceType": "AMI", "maxResults": size});
    let call = |c: &Client, body: &Value| c.post("inspector2", "/ondemand/scans", body);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = c.json_pages(call, &body, "items", "nextToken").into_iter();
    all.map(|scan| (text(&scan["scanId"]), text(&scan["scanStatus"])))
        .collect()
}

/// What EC2 shows of scans of the image.
fn shown(c: &Client) -> (String, String) {
    let told = c.ec2("DescribeImages", &[("ImageId.1", WEB)]);
    (told.one("findingScanDate"), told.one("highestFindingSeverityLabel"))
}

#[test]
fn a_scan_takes_its_time_and_ec2_shows_its_result_after_that_whether_or_not_inspector_is_on() {
    let (sim, c) = scanning("resultSeconds: 60");
    let id = started(&c, WEB, Some("token"));
    let told = status(&c, WEB, &id).json();
    assert_eq!(told["scanStatus"], "IN_PROGRESS");
    assert_eq!(
        (&told["resourceType"], &told["resourceId"]),
        (&json!("AMI"), &json!(WEB))
    );
    assert_eq!(told["startedAt"], "2026-01-01T00:00:00.000Z");
    assert!(told.get("completedAt").is_none() && told.get("scanStatusReason").is_none());
    seconds(&sim, 600);
    let told = status(&c, WEB, &id).json();
    assert_eq!(
        (&told["scanStatus"], &told["completedAt"]),
        (&json!("SUCCESSFUL"), &json!("2026-01-01T00:10:00.000Z"))
    );
    assert_eq!(shown(&c), (String::new(), String::new()), "not yet");
    seconds(&sim, 60);
    assert_eq!(shown(&c), ("2026-01-01T00:10:00.000Z".to_owned(), "high".to_owned()));
    let unknown = status(&c, "ami-0000000b", &id);
    assert_eq!(
        (unknown.code().as_str(), unknown.status),
        ("ResourceNotFoundException", 404)
    );
    // It is known for 30 days.
    seconds(&sim, 30 * 24 * 3600);
    assert_eq!(status(&c, WEB, &id).code(), "ResourceNotFoundException");
    assert!(listed(&c, WEB, 10).is_empty());
}

#[test]
fn a_call_of_the_same_token_starts_nothing_and_one_image_is_scanned_once_at_a_time() {
    let (sim, c) = scanning("resultSeconds: null");
    let first = started(&c, WEB, Some("one"));
    assert_eq!(started(&c, WEB, Some("one")), first);
    let refused = start(&c, WEB, Some("two"));
    assert_eq!((refused.code().as_str(), refused.status), ("ConflictException", 409));
    assert_eq!(start(&c, "ami-0000000b", Some("one")).code(), "ValidationException");
    started(&c, "ami-0000000b", None);
    seconds(&sim, 600);
    assert_eq!(started(&c, WEB, Some("one")), first, "also once it has ended");
    let second = started(&c, WEB, Some("two"));
    let (done, going) = ("SUCCESSFUL".to_owned(), "IN_PROGRESS".to_owned());
    let all = vec![(second, going), (first.clone(), done)];
    for size in [1, 2, 100] {
        assert_eq!(listed(&c, WEB, size), all, "the last one first");
    }
    seconds(&sim, 99_999);
    assert_eq!(shown(&c).0, "", "EC2 never shows it");
    let effects = sim.journal().iter().filter(|call| call.effect).count();
    assert_eq!(effects, 3);
    // Where tokens are forgotten, the same call starts another one.
    sim.change_settings(|settings| settings.inspector.on_demand.forgets_tokens = true);
    assert_ne!(started(&c, WEB, Some("one")), first);
}

#[test]
fn scans_fail_are_refused_show_late_and_are_lost_as_the_settings_and_faults_say() {
    let (sim, c) = scanning("fails: UNSUPPORTED_OS, visibleSeconds: 100");
    let id = started(&c, WEB, None);
    assert_eq!(status(&c, WEB, &id).code(), "ResourceNotFoundException");
    assert!(listed(&c, WEB, 10).is_empty());
    seconds(&sim, 100);
    assert_eq!(listed(&c, WEB, 10).len(), 1);
    seconds(&sim, 500);
    let told = status(&c, WEB, &id).json();
    assert_eq!(
        (&told["scanStatus"], &told["scanStatusReason"]),
        (&json!("FAILED"), &json!("UNSUPPORTED_OS"))
    );
    assert_eq!(shown(&c).0, "");
    // An image that is gone by the end is not scanned.
    sim.change_settings(|settings| settings.inspector.on_demand.fails = None);
    let id = started(&c, WEB, None);
    let image = WEB.to_owned();
    sim.edit(ec2sim::Edit::Deregister { image }).expect("an image");
    seconds(&sim, 600);
    assert_eq!(status(&c, WEB, &id).json()["scanStatusReason"], "RESOURCE_TERMINATED");

    let sentence = "This account may not do that.".to_owned();
    sim.change_settings(|settings| settings.inspector.on_demand.refuses = Some(sentence));
    let refused = start(&c, "ami-0000000b", None);
    assert_eq!(
        (refused.code().as_str(), refused.status),
        ("AccessDeniedException", 403)
    );
    assert!(refused.body.contains("may not do that"));
    sim.change_settings(|settings| settings.inspector.on_demand.refuses = None);
    sim.add_fault(FaultRule {
        service: Some("inspector2".into()),
        operation: Some("StartOnDemandScan".into()),
        nth: Some(1),
        act: Act::DropAfter,
        ..FaultRule::default()
    });
    assert!(start(&c, "ami-0000000b", None).directive.drop);
    assert_eq!(listed(&c, "ami-0000000b", 10).len(), 0);
    seconds(&sim, 100);
    assert_eq!(listed(&c, "ami-0000000b", 10).len(), 1);
}

#[test]
fn only_images_of_the_account_itself_are_scanned_and_only_for_those_who_may() {
    let (sim, c) = scanning("fails: null");
    assert_eq!(start(&client(&sim, OTHER), WEB, None).code(), "AccessDeniedException");
    assert_eq!(start(&c, "ami-00000099", None).code(), "ValidationException");
    let body = json!({"resourceId": WEB, "resourceType": "EC2_INSTANCE"});
    assert_eq!(
        c.post("inspector2", "/ondemand/scan", &body).code(),
        "ValidationException"
    );
    let body = json!({"resourceType": "AMI"});
    assert_eq!(
        c.post("inspector2", "/ondemand/scan", &body).code(),
        "ValidationException"
    );
    // The role may describe images, and nothing of this.
    let role = "arn:aws:iam::111111111111:role/reader";
    let answer = client(&sim, MANAGER).sts(
        "AssumeRole",
        &[("RoleArn", role), ("RoleSessionName", "test"), ("ExternalId", "secret")],
    );
    let reader = Client {
        key: answer.one("AccessKeyId"),
        token: Some(answer.one("SessionToken")),
        region: REGION.to_owned(),
        sim: sim.clone(),
    };
    let denied = start(&reader, WEB, None);
    assert_eq!(denied.code(), "AccessDeniedException");
    assert!(denied.body.contains("inspector2:StartOnDemandScan"), "{}", denied.body);
    assert_eq!(status(&reader, WEB, "x").code(), "AccessDeniedException");
    assert!(sim.journal().iter().all(|call| !call.effect || call.service == "sts"));
    let mutating = sim.journal().iter().filter(|call| call.mutating).count();
    assert_eq!(mutating, 5, "the calls that ask for a scan");
}
