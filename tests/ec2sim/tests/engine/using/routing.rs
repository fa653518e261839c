//! Services: which one is meant, how each says no, and that one code serves all of them.

use ec2sim::{Act, Edit, FaultRule, Service};
use serde_json::json;

use super::super::support::{ACCOUNT, Client, MANAGER, OWNER, REGION, Reply, client, world, yaml};
use super::{STAFF, staffed, staffed_with};

type Call = fn(&Client) -> Reply;

/// One read of each service, with its operation.
const READS: [(&str, &str, Call); 7] = [
    ("ec2", "DescribeInstances", |c| c.ec2("DescribeInstances", &[])),
    ("autoscaling", "DescribeAutoScalingGroups", |c| {
        c.autoscaling("DescribeAutoScalingGroups", &[])
    }),
    ("ssm", "DescribeParameters", |c| c.ssm("DescribeParameters", &json!({}))),
    ("eks", "ListClusters", |c| c.get("eks", "/clusters")),
    ("batch", "DescribeComputeEnvironments", |c| {
        c.post("batch", "/v1/describecomputeenvironments", &json!({}))
    }),
    ("imagebuilder", "ListImageRecipes", |c| {
        c.post("imagebuilder", "/ListImageRecipes", &json!({}))
    }),
    ("kms", "ListAliases", |c| c.kms("ListAliases", &json!({}))),
];

fn session(sim: &ec2sim::Sim, role: &str, more: &[(&str, &str)]) -> Client {
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
    let mut params = vec![("RoleArn", arn.as_str()), ("RoleSessionName", "suite")];
    params.extend_from_slice(more);
    let reply = client(sim, MANAGER).sts("AssumeRole", &params);
    assert_eq!(reply.code(), "OK", "{}", reply.body);
    Client {
        key: reply.one("AccessKeyId"),
        token: Some(reply.one("SessionToken")),
        ..client(sim, MANAGER)
    }
}

#[test]
fn every_service_answers_and_is_written_down() {
    let sim = staffed();
    for (service, operation, call) in READS {
        let reply = call(&client(&sim, OWNER));
        assert_eq!(reply.code(), "OK", "{}", reply.body);
        let journal = sim.journal();
        let last = journal.last().expect("a call");
        assert_eq!((last.service.as_str(), last.operation.as_str()), (service, operation));
        assert_eq!((last.account.as_str(), last.region.as_str()), (ACCOUNT, REGION));
        assert_eq!((last.outcome.as_str(), last.status, last.mutating), ("OK", 200, false));
    }
}

#[test]
fn each_service_denies_in_its_own_form() {
    let sim = world(&yaml("", STAFF, "").replace(
        "  - {name: plain, trust",
        "  - {name: nothing, trust: [\"333333333333\"], allow: [\"iam:*\"]}\n  - {name: plain, trust",
    ));
    let nobody = session(&sim, "nothing", &[]);
    for ((service, operation, call), expected) in READS.into_iter().zip([
        ("UnauthorizedOperation", 403),
        ("AccessDenied", 403),
        ("AccessDeniedException", 400),
        ("AccessDeniedException", 403),
        ("AccessDeniedException", 403),
        ("AccessDeniedException", 403),
        ("AccessDeniedException", 400),
    ]) {
        let reply = call(&nobody);
        assert_eq!((reply.code().as_str(), reply.status), expected, "{service}");
        let action = format!("{service}:{operation}");
        assert!(reply.body.contains(&action), "{}", reply.body);
        assert!(sim.journal().last().is_some_and(ec2sim::Call::is_denied));
    }
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"ssm:Describe*","Resource":"*"}}"#;
    let narrowed = session(&sim, "plain", &[("Policy", policy)]);
    let codes: Vec<String> = READS.iter().map(|(_, _, call)| call(&narrowed).code()).collect();
    assert_eq!(codes.iter().filter(|c| *c == "OK").count(), 1, "{codes:?}");
    assert_eq!(codes[2], "OK");
}

#[test]
fn each_service_refuses_unknown_and_ended_credentials_in_its_own_form() {
    let sim = staffed();
    let ended = session(&sim, "plain", &[]);
    sim.edit(Edit::ExpireSessions {}).expect("an edit");
    for ((service, _, call), (unknown, expired)) in READS.into_iter().zip([
        (("AuthFailure", 401), ("RequestExpired", 400)),
        (("InvalidClientTokenId", 403), ("ExpiredToken", 403)),
        (("UnrecognizedClientException", 400), ("ExpiredTokenException", 400)),
        (("UnrecognizedClientException", 403), ("ExpiredTokenException", 403)),
        (("UnrecognizedClientException", 403), ("ExpiredTokenException", 403)),
        (("UnrecognizedClientException", 403), ("ExpiredTokenException", 403)),
        (("UnrecognizedClientException", 400), ("ExpiredTokenException", 400)),
    ]) {
        let reply = call(&client(&sim, "AKIANOBODY"));
        assert_eq!((reply.code().as_str(), reply.status), unknown, "{service}");
        let closed = call(&client(&sim, OWNER).in_region("ap-east-1"));
        assert_eq!((closed.code().as_str(), closed.status), unknown, "{service}");
        let reply = call(&ended);
        assert_eq!((reply.code().as_str(), reply.status), expired, "{service}");
    }
}

#[test]
fn each_service_is_throttled_and_struck_by_faults() {
    for ((service, operation, call), expected) in READS.into_iter().zip([
        ("RequestLimitExceeded", 503),
        ("Throttling", 400),
        ("ThrottlingException", 400),
        ("ThrottlingException", 429),
        ("TooManyRequestsException", 429),
        ("CallRateLimitExceededException", 429),
        ("ThrottlingException", 400),
    ]) {
        let sim = staffed();
        sim.add_fault(FaultRule {
            service: Some(service.to_owned()),
            operation: Some(operation.to_owned()),
            nth: Some(2),
            act: Act::Throttle,
            ..FaultRule::default()
        });
        let c = client(&sim, OWNER);
        let replies: Vec<Reply> = (0..3).map(|_| call(&c)).collect();
        assert_eq!(replies[0].code(), "OK", "{service}");
        assert_eq!((replies[1].code().as_str(), replies[1].status), expected);
        assert_eq!(replies[2].code(), "OK", "{service}");
        assert!(sim.journal()[1].fault.is_some());
    }
    let sim = staffed_with("throttling: {enabled: true}");
    let c = client(&sim, OWNER);
    let admitted = |call: Call| (0..120).filter(|_| call(&c).code() == "OK").count();
    assert_eq!(admitted(READS[2].2), 40, "ssm");
    assert_eq!(admitted(READS[1].2), 100, "autoscaling");
    assert_eq!(admitted(READS[0].2), 50, "unfiltered instances");
}

#[test]
fn fault_rules_see_the_parameters_of_json_and_of_paths() {
    let sim = staffed();
    for (name, value) in [("Names.2", "plain"), ("nodegroupName", "stock")] {
        sim.add_fault(FaultRule {
            parameters: [(name.to_owned(), value.to_owned())].into(),
            act: Act::Throttle,
            ..FaultRule::default()
        });
    }
    let c = client(&sim, OWNER);
    let names = |names: &[&str]| c.ssm("GetParameters", &json!({ "Names": names })).code();
    assert_eq!(names(&["plain"]), "OK");
    assert_eq!(names(&["list", "plain"]), "ThrottlingException");
    assert_eq!(c.get("eks", "/clusters/blue/node-groups/custom").code(), "OK");
    let struck = c.get("eks", "/clusters/blue/node-groups/stock");
    assert_eq!(struck.code(), "ThrottlingException");
    let params = sim.journal().pop().expect("a call").params;
    assert_eq!(
        (params["name"].as_str(), params["nodegroupName"].as_str()),
        ("blue", "stock")
    );
}

#[test]
fn what_is_not_known_is_refused() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    for (reply, code) in [
        (c.autoscaling("DescribeNothing", &[]), "InvalidAction"),
        (c.ssm("SendCommand", &json!({})), "UnknownOperationException"),
        (c.get("eks", "/nothing"), "UnknownOperationException"),
        (
            c.post("batch", "/v1/submitjob", &json!({})),
            "UnknownOperationException",
        ),
        (
            c.request("ssm", "POST", "/", Some("TrentService.ListAliases"), "{}".to_owned()),
            "SignatureDoesNotMatch",
        ),
    ] {
        assert_eq!(reply.code(), code, "{}", reply.body);
    }
}

#[test]
fn a_service_that_a_region_does_not_have_can_not_be_reached_or_refuses() {
    let absent = format!("{STAFF}    absentServices: [eks, batch]\n");
    let sim = world(&yaml("", &absent, ""));
    let c = client(&sim, OWNER);
    let reply = c.get("eks", "/clusters");
    assert!(reply.directive.drop);
    assert_eq!(sim.journal()[0].outcome, "ConnectionDropped");
    assert_eq!(c.ssm("DescribeParameters", &json!({})).code(), "OK");
    sim.change_settings(|s| s.services.absent = ec2sim::spec::Absent::Refused);
    let refused = c.get("eks", "/clusters");
    assert_eq!(
        (refused.code().as_str(), refused.status),
        ("UnrecognizedClientException", 403)
    );
    sim.edit(Edit::SetAbsentServices {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        services: vec![Service::Ssm],
    })
    .expect("an edit");
    assert_eq!(c.get("eks", "/clusters").code(), "OK");
    assert_eq!(
        c.ssm("DescribeParameters", &json!({})).code(),
        "UnrecognizedClientException"
    );
}
