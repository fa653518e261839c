//! The server: the simulator on a socket, cut connections, control endpoints.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use ec2sim::{Act, FaultRule, Server, Sim};
use serde_json::{Value, json};

use super::support::{ACCOUNT, OWNER, REGION, WEB, plain};

fn send(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a time-out");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    // A cut connection may end in an error: what came before it is what counts.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn control(server: &Server, method: &str, path: &str, body: &str) -> (u16, Value) {
    let answer = send(
        server,
        &format!(
            "{method} /_sim/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok());
    let (_, json) = answer.split_once("\r\n\r\n").expect("a body");
    (status.expect("a status"), serde_json::from_str(json).expect("JSON"))
}

fn describe_regions(server: &Server) -> String {
    let body = "Action=DescribeRegions&Version=2016-11-15";
    send(
        server,
        &format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\nauthorization: AWS4-HMAC-SHA256 Credential={OWNER}/20260101/{REGION}/ec2/aws4_request, SignedHeaders=host, Signature={}\r\n\r\n{body}",
            body.len(),
            "0".repeat(64)
        ),
    )
}

fn serve() -> (Server, Sim) {
    let sim = plain();
    let server = Server::on_loopback(sim.clone()).expect("a free port");
    (server, sim)
}

#[test]
fn it_answers_over_http_and_stops_when_dropped() {
    let (server, _) = serve();
    let answer = describe_regions(&server);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("<regionName>eu-west-1</regionName>"));
    assert!(answer.contains("x-amzn-requestid: "));
    let address = server.address();
    drop(server);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_dropped_connection_brings_no_byte() {
    let (server, sim) = serve();
    sim.add_fault(FaultRule {
        nth: Some(1),
        act: Act::DropAfter,
        ..FaultRule::default()
    });
    assert_eq!(describe_regions(&server), "");
    assert!(describe_regions(&server).starts_with("HTTP/1.1 200"));
    assert_eq!(sim.journal()[0].outcome, "ConnectionDropped");
}

#[test]
fn a_request_without_a_signature_is_refused() {
    let (server, _) = serve();
    let answer = send(
        &server,
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    );
    assert!(answer.contains("MissingAuthenticationToken"), "{answer}");
}

#[test]
fn other_processes_read_and_change_the_world() {
    let (server, sim) = serve();
    describe_regions(&server);
    let (_, journal) = control(&server, "GET", "journal", "");
    assert_eq!(journal[0]["operation"], "DescribeRegions");
    assert_eq!(control(&server, "GET", "journal?after=1", "").1, json!([]));
    let (_, world) = control(&server, "GET", "world", "");
    assert!(world["accounts"][ACCOUNT].is_object());
    let (_, audit) = control(&server, "GET", "audit", "");
    assert_eq!(audit["ok"], false);
    assert_eq!(audit["findings"][0]["check"], "missingCopy");

    let rule = json!({"operation": "DescribeRegions", "act": {"failBefore": {"code": "Unavailable", "status": 503}}});
    assert_eq!(control(&server, "POST", "faults", &rule.to_string()).1["added"], 1);
    assert!(describe_regions(&server).contains("Unavailable"));
    assert_eq!(control(&server, "GET", "faults", "").1[0]["matched"], 1);
    control(&server, "DELETE", "faults", "");
    assert!(describe_regions(&server).starts_with("HTTP/1.1 200"));

    let edits = json!([
        {"setKeyState": {"account": ACCOUNT, "region": REGION, "key": "alias/good", "state": "Disabled"}},
        {"share": {"image": WEB, "add": ["222222222222"]}},
        {"addImage": {"account": ACCOUNT, "region": REGION, "image": {"name": "added"}}},
        {"setTags": {"image": WEB, "tags": {"a": "b"}}},
        {"setRoleAllow": {"account": ACCOUNT, "role": "reader", "allow": []}},
        {"setSnapshotCopyLimit": {"account": ACCOUNT, "region": REGION, "limit": 5}},
        {"setOptIn": {"account": ACCOUNT, "region": "ap-east-1", "optIn": "opted-in"}},
        {"setAlias": {"account": ACCOUNT, "region": REGION, "alias": "alias/moved", "key": "key-other"}},
        {"deleteKey": {"account": ACCOUNT, "region": REGION, "key": "key-rsa"}},
        {"clock": {"advanceSeconds": 60}},
        {"deregister": {"image": WEB}}
    ]);
    let (status, done) = control(&server, "POST", "edit", &edits.to_string());
    assert_eq!(status, 200, "{done}");
    let seen = sim.with_world(|w| {
        let region = w.region(ACCOUNT, REGION).expect("the region");
        (
            region
                .images
                .values()
                .filter(|i| i.exists())
                .map(|i| i.name.clone())
                .collect::<Vec<_>>(),
            w.key(ACCOUNT, REGION, "alias/good").map(|k| k.state.clone()),
            w.key(ACCOUNT, REGION, "alias/moved").map(|k| k.id.clone()),
            w.key(ACCOUNT, REGION, "key-rsa").is_none(),
            region.snapshot_copy_limit,
        )
    });
    assert_eq!(
        seen,
        (
            vec!["added".to_owned()],
            Some("Disabled".to_owned()),
            Some("key-other".to_owned()),
            true,
            5
        )
    );
    assert_eq!(sim.now().to_string(), "2026-01-01T00:01:00.000Z");
    assert!(sim.audit().ok, "edits are not held against anyone");
}

#[test]
fn bad_control_requests_say_what_is_wrong() {
    let (server, _) = serve();
    for (method, path, body, status, word) in [
        ("POST", "edit", "{\"paint\": {}}", 400, "paint"),
        ("POST", "edit", "{\"deregister\": {\"image\": \"ami-9\"}}", 404, "ami-9"),
        ("POST", "faults", "{\"operatoin\": \"x\"}", 400, "operatoin"),
        ("GET", "nothing", "", 404, "journal"),
    ] {
        let (got, answer) = control(&server, method, path, body);
        assert_eq!(got, status, "{answer}");
        assert!(answer.to_string().contains(word), "{answer}");
    }
}
