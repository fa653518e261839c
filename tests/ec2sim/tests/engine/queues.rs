//! Queues: what is received, how often, until when, and by whom.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ec2sim::{Act, Edit, FaultRule, Server, Sim, WorldSpec};
use serde_json::{Value, json};

use super::support::{ACCOUNT, Client, MANAGER, OTHER, OWNER, REGION, client, seconds, world, yaml};

const URL: &str = "https://sqs.eu-west-1.amazonaws.com/111111111111/hints";
const QUEUES: &str = "    queues: [{name: hints}, {name: quick, visibilityTimeout: 5}]\n";

/// A world with two queues.
fn queued(settings: &str) -> (Sim, Client) {
    let sim = world(&yaml(settings, QUEUES, ""));
    let client = client(&sim, OWNER);
    (sim, client)
}

fn put(sim: &Sim, queue: &str, body: &str, times: u32) {
    sim.edit(Edit::SendMessage {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        queue: queue.to_owned(),
        body: body.to_owned(),
        times,
    })
    .expect("a queue");
}

/// The messages that a call receives, with all attributes.
fn received(c: &Client, url: &str, most: u32) -> Vec<Value> {
    let reply = c.sqs(
        "ReceiveMessage",
        &json!({"QueueUrl": url, "MaxNumberOfMessages": most, "MessageSystemAttributeNames": ["All"]}),
    );
    assert_eq!(reply.code(), "OK", "{}", reply.body);
    reply.json()["Messages"].as_array().cloned().unwrap_or_default()
}

fn handles(messages: &[Value]) -> Value {
    let entries = messages.iter().enumerate();
    entries
        .map(|(n, message)| json!({"Id": n.to_string(), "ReceiptHandle": message["ReceiptHandle"]}))
        .collect()
}

fn delete(c: &Client, entries: &Value) -> Value {
    let reply = c.sqs("DeleteMessageBatch", &json!({"QueueUrl": URL, "Entries": entries}));
    assert_eq!(reply.code(), "OK", "{}", reply.body);
    reply.json()
}

#[test]
fn a_message_is_received_with_its_digest_and_its_times_and_then_not_before_its_timeout() {
    let (sim, c) = queued("");
    let sent = c.sqs(
        "SendMessage",
        &json!({"QueueUrl": URL, "MessageBody": "message digest"}),
    );
    assert_eq!(sent.json()["MD5OfMessageBody"], "f96b697d7cb7938d525a2f31aaf161d0");
    seconds(&sim, 10);
    let first = received(&c, URL, 10);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0]["MessageId"], sent.json()["MessageId"]);
    assert_eq!(first[0]["Body"], "message digest");
    assert_eq!(first[0]["MD5OfBody"], "f96b697d7cb7938d525a2f31aaf161d0");
    let start = 1_767_225_600_000_u64;
    assert_eq!(
        first[0]["Attributes"],
        json!({
            "SentTimestamp": start.to_string(),
            "ApproximateFirstReceiveTimestamp": (start + 10_000).to_string(),
            "ApproximateReceiveCount": "1",
        })
    );
    seconds(&sim, 29);
    assert!(received(&c, URL, 10).is_empty());
    seconds(&sim, 1);
    let again = received(&c, URL, 10);
    assert_eq!(again[0]["Attributes"]["ApproximateReceiveCount"], "2");
    // The first handle is old: it deletes nothing, which is no error.
    assert_eq!(delete(&c, &handles(&first))["Failed"], json!([]));
    seconds(&sim, 30);
    let third = received(&c, URL, 10);
    assert_eq!(third.len(), 1);
    assert_eq!(delete(&c, &handles(&third))["Successful"], json!([{"Id": "0"}]));
    assert_eq!(
        delete(&c, &handles(&third))["Successful"],
        json!([{"Id": "0"}]),
        "twice"
    );
    seconds(&sim, 30);
    assert!(received(&c, URL, 10).is_empty());
    let effects: Vec<bool> = sim.journal().iter().map(|call| call.effect).collect();
    assert_eq!(effects.iter().filter(|effect| **effect).count(), 2, "sent, and deleted");
    assert!(sim.journal().iter().all(|call| !call.mutating && call.service == "sqs"));
}

#[test]
fn a_call_gets_as_many_as_it_asks_for_in_no_order_with_the_timeout_that_it_asks_for() {
    let (sim, c) = queued("");
    for n in 0..25 {
        put(&sim, "hints", &n.to_string(), 1);
    }
    let counts: Vec<usize> = (0..4).map(|_| received(&c, URL, 10).len()).collect();
    assert_eq!(counts, [10, 10, 5, 0]);
    seconds(&sim, 30);
    let all: Vec<Value> = (0..3).flat_map(|_| received(&c, URL, 10)).collect();
    let bodies: Vec<u32> = all
        .iter()
        .filter_map(|message| message["Body"].as_str()?.parse().ok())
        .collect();
    assert_eq!(bodies.iter().copied().collect::<BTreeSet<_>>().len(), 25);
    assert!(!bodies.is_sorted(), "{bodies:?}");

    let quick = URL.replace("hints", "quick");
    put(&sim, "quick", "x", 1);
    assert_eq!(received(&c, &quick, 1).len(), 1);
    seconds(&sim, 5);
    let body = json!({"QueueUrl": quick, "VisibilityTimeout": 100});
    let message = c.sqs("ReceiveMessage", &body).json()["Messages"][0].clone();
    assert!(message.get("Attributes").is_none(), "none was asked for: {message}");
    seconds(&sim, 99);
    assert!(received(&c, &quick, 1).is_empty());
    seconds(&sim, 1);
    assert_eq!(received(&c, &quick, 1).len(), 1);
    // What nobody deletes is gone after four days.
    seconds(&sim, 4 * 24 * 3600);
    assert!(received(&c, &quick, 1).is_empty());
}

#[test]
fn a_long_poll_is_answered_at_once_when_there_is_something_and_else_held_back() {
    let (sim, c) = queued("queues: {waitSeconds: 0.5}");
    let poll = |wait: u32| c.sqs("ReceiveMessage", &json!({"QueueUrl": URL, "WaitTimeSeconds": wait}));
    assert_eq!(poll(20).directive.delay, Duration::from_millis(500));
    assert_eq!(poll(0).directive.delay, Duration::ZERO);
    put(&sim, "hints", "x", 1);
    let reply = poll(20);
    assert_eq!(reply.json()["Messages"].as_array().map(Vec::len), Some(1));
    assert_eq!(reply.directive.delay, Duration::ZERO);
}

#[test]
fn a_message_can_come_once_more_although_it_was_deleted() {
    let (sim, c) = queued("queues: {doubled: 1}");
    put(&sim, "hints", "x", 3);
    let first = received(&c, URL, 10);
    assert_eq!(delete(&c, &handles(&first))["Failed"], json!([]));
    assert!(received(&c, URL, 10).is_empty());
    seconds(&sim, 30);
    let again = received(&c, URL, 10);
    assert_eq!(again.len(), 3);
    delete(&c, &handles(&again));
    seconds(&sim, 30);
    assert!(received(&c, URL, 10).is_empty(), "once more, and no oftener");
}

#[test]
fn what_can_not_be_is_refused_in_the_form_of_sqs() {
    let (sim, c) = queued("");
    let at = |operation: &str, more: Value| {
        let mut body = json!({"QueueUrl": URL});
        for (name, value) in more.as_object().expect("fields") {
            body[name] = value.clone();
        }
        let reply = c.sqs(operation, &body);
        (reply.code(), reply.status)
    };
    let refused = |code: &str, status: u16| (code.to_owned(), status);
    let missing = refused("AWS.SimpleQueueService.NonExistentQueue", 400);
    let elsewhere = URL.replace("hints", "none");
    assert_eq!(at("ReceiveMessage", json!({"QueueUrl": elsewhere})), missing);
    assert_eq!(at("DeleteMessageBatch", json!({"QueueUrl": elsewhere})), missing);
    assert_eq!(at("GetQueueUrl", json!({"QueueName": "none"})), missing);
    let body = c.sqs("GetQueueUrl", &json!({"QueueName": "none"})).json();
    assert_eq!(body["__type"], "com.amazonaws.sqs#QueueDoesNotExist");
    let invalid = refused("InvalidParameterValue", 400);
    for more in [
        json!({"MaxNumberOfMessages": 11}),
        json!({"MaxNumberOfMessages": 0}),
        json!({"WaitTimeSeconds": 21}),
        json!({"VisibilityTimeout": 43_201}),
    ] {
        assert_eq!(at("ReceiveMessage", more.clone()), invalid, "{more}");
    }
    let unknown = json!({"AttributeNames": ["Colour"]});
    assert_eq!(at("ReceiveMessage", unknown), refused("InvalidAttributeName", 400));
    let nowhere = json!({"QueueUrl": "https://example.com/hints"});
    assert_eq!(at("ReceiveMessage", nowhere), refused("InvalidAddress", 400));
    assert_eq!(
        at("DeleteMessage", json!({"ReceiptHandle": "nonsense"})),
        refused("ReceiptHandleIsInvalid", 400)
    );
    for (entries, code) in [
        (json!([]), "EmptyBatchRequest"),
        (
            json!((0..11).map(|n| json!({"Id": n.to_string()})).collect::<Vec<_>>()),
            "TooManyEntriesInBatchRequest",
        ),
        (json!([{"Id": "a b"}]), "InvalidBatchEntryId"),
        (json!([{"Id": "a"}, {"Id": "a"}]), "BatchEntryIdsNotDistinct"),
    ] {
        let code = format!("AWS.SimpleQueueService.{code}");
        assert_eq!(at("DeleteMessageBatch", json!({"Entries": entries})), (code, 400));
    }
    put(&sim, "hints", "x", 1);
    let handle = received(&c, URL, 1)[0]["ReceiptHandle"].clone();
    let entries = json!([{"Id": "good", "ReceiptHandle": handle}, {"Id": "bad", "ReceiptHandle": "nonsense"}]);
    let answer = delete(&c, &entries);
    assert_eq!(answer["Successful"], json!([{"Id": "good"}]));
    assert_eq!(answer["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    assert_eq!(answer["Failed"][0]["SenderFault"], true);
    assert_eq!(at("PurgeQueue", json!({})), refused("UnknownOperationException", 400));
    let bad = json!({"MessageBody": "\u{0}"});
    assert_eq!(at("SendMessage", bad), refused("InvalidMessageContents", 400));
}

#[test]
fn only_the_account_of_a_queue_and_whoever_may_there_uses_it() {
    let more =
        "  - {name: listener, trust: [\"333333333333\"], allow: [\"sqs:ReceiveMessage\"]}\n  - {name: plain, trust";
    let text = yaml("", QUEUES, "").replace("  - {name: plain, trust", more);
    let sim = world(&text);
    put(&sim, "hints", "x", 1);
    let denied = client(&sim, OTHER).sqs("ReceiveMessage", &json!({"QueueUrl": URL}));
    assert_eq!((denied.code().as_str(), denied.status), ("AccessDenied", 403));
    let session = |role: &str, more: &[(&str, &str)]| {
        let arn = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
        let mut params = vec![("RoleArn", arn.as_str()), ("RoleSessionName", "test")];
        params.extend_from_slice(more);
        let answer = client(&sim, MANAGER).sts("AssumeRole", &params);
        assert_eq!(answer.code(), "OK", "{}", answer.body);
        Client {
            key: answer.one("AccessKeyId"),
            token: Some(answer.one("SessionToken")),
            ..client(&sim, MANAGER)
        }
    };
    let listener = session("listener", &[]);
    let messages = received(&listener, URL, 10);
    assert_eq!(messages.len(), 1);
    // The batch needs the right of its single calls.
    let body = json!({"QueueUrl": URL, "Entries": handles(&messages)});
    let denied = listener.sqs("DeleteMessageBatch", &body);
    assert_eq!((denied.code().as_str(), denied.status), ("AccessDenied", 403));
    assert!(denied.body.contains("sqs:DeleteMessage on"), "{}", denied.body);
    assert!(denied.body.contains("arn:aws:sqs:eu-west-1:111111111111:hints"));
    assert!(sim.journal().last().is_some_and(ec2sim::Call::is_denied));
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:*:*:quick"}}"#;
    let narrowed = session("plain", &[("Policy", policy)]);
    let quick = URL.replace("hints", "quick");
    assert!(received(&narrowed, &quick, 1).is_empty());
    assert_eq!(
        narrowed.sqs("ReceiveMessage", &json!({"QueueUrl": URL})).code(),
        "AccessDenied"
    );
}

#[test]
fn queues_are_struck_by_faults_and_throttled_as_other_services_are() {
    let (sim, c) = queued("");
    for (nth, act) in [(1, Act::Throttle), (2, Act::DropAfter)] {
        sim.add_fault(FaultRule {
            service: Some("sqs".into()),
            operation: Some("ReceiveMessage".into()),
            nth: Some(nth),
            act,
            ..FaultRule::default()
        });
    }
    put(&sim, "hints", "x", 1);
    let poll = || c.sqs("ReceiveMessage", &json!({"QueueUrl": URL}));
    let throttled = poll();
    assert_eq!((throttled.code().as_str(), throttled.status), ("RequestThrottled", 400));
    // The message was received by an answer that was lost.
    assert!(poll().directive.drop);
    assert!(received(&c, URL, 1).is_empty());
    seconds(&sim, 30);
    let again = received(&c, URL, 1);
    assert_eq!(again[0]["Attributes"]["ApproximateReceiveCount"], "2");
    let nobody = client(&sim, "AKIANOBODY").sqs("ReceiveMessage", &json!({"QueueUrl": URL}));
    assert_eq!((nobody.code().as_str(), nobody.status), ("InvalidClientTokenId", 403));
}

#[test]
fn the_url_of_a_queue_is_of_the_endpoint_that_was_asked() {
    let (_, c) = queued("");
    assert_eq!(
        c.sqs("GetQueueUrl", &json!({"QueueName": "hints"})).json()["QueueUrl"],
        URL
    );
    let spec = WorldSpec::parse(&yaml("", QUEUES, "")).expect("the world parses");
    for (queue, word) in [("hints, visible: 1", "visible"), ("a.b", "a.b")] {
        let bad = yaml("", &format!("    queues: [{{name: {queue}}}]\n"), "");
        let built = WorldSpec::parse(&bad).and_then(|spec| Sim::stepped(&spec));
        assert!(built.expect_err("it is refused").to_string().contains(word));
    }
    let server = Server::on_loopback(Sim::stepped(&spec).expect("a world")).expect("a free port");
    let sim = server.sim();
    let request = axum::http::Request::builder()
        .method("POST")
        .uri("/")
        .header("host", server.address().to_string())
        .header("x-amz-target", "AmazonSQS.GetQueueUrl")
        .header(
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential={OWNER}/20260101/{REGION}/sqs/aws4_request, SignedHeaders=host, Signature={}",
                "0".repeat(64)
            ),
        )
        .body(axum::body::Bytes::from("{\"QueueName\": \"hints\"}"))
        .expect("a request");
    let answer: Value = serde_json::from_slice(sim.handle(&request).body()).expect("JSON");
    assert_eq!(answer["QueueUrl"], format!("{}/{ACCOUNT}/hints", server.endpoint()));
}

#[test]
fn a_long_poll_over_http_is_answered_as_soon_as_a_message_comes() {
    let (sim, _) = queued("queues: {waitSeconds: 20}");
    let server = Server::on_loopback(sim.clone()).expect("a free port");
    let others = sim.clone();
    let sender = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        put(&others, "hints", "late", 1);
    });
    let body = json!({"QueueUrl": URL, "WaitTimeSeconds": 20}).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\nx-amz-target: AmazonSQS.ReceiveMessage\r\nauthorization: AWS4-HMAC-SHA256 Credential={OWNER}/20260101/{REGION}/sqs/aws4_request, SignedHeaders=host, Signature={}\r\n\r\n{body}",
        body.len(),
        "0".repeat(64)
    );
    let begun = Instant::now();
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    sender.join().expect("a message was sent");
    assert!(answer.contains("\"late\""), "{answer}");
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_millis(150) && took < Duration::from_secs(10),
        "{took:?}"
    );
    assert_eq!(sim.journal().len(), 1, "one call, however often it was looked");
}
