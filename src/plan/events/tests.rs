use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::AMIEncryptionTargetSpec;
use crate::plan::testing::{at, scope};

const PERSON: &str = "arn:aws:sts::111122223333:assumed-role/admin/jo@example.com";

/// An event of this kind as EventBridge writes it.
fn event(kind: &str, source: &str, detail: &Value) -> Value {
    json!({
        "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": kind, "source": source,
        "account": "111122223333", "time": "2026-11-30T12:00:00Z", "region": "eu-west-1",
        "resources": ["arn:aws:ec2:eu-west-1::image/ami-0123456789abcdef0"], "detail": detail,
    })
}

fn state(state: &str) -> Value {
    let detail = json!({"RequestId": "1", "ImageId": "ami-0123456789abcdef0", "State": state, "ErrorMessage": ""});
    event("EC2 AMI State Change", "aws.ec2", &detail)
}

fn call(name: &str) -> Value {
    let identity = json!({"type": "AssumedRole", "arn": PERSON});
    let detail = json!({"eventSource": "ec2.amazonaws.com", "eventName": name, "userIdentity": identity});
    event("AWS API Call via CloudTrail", "aws.ec2", &detail)
}

fn parameter(type_: &str) -> Value {
    let detail = json!({"name": "/images/web", "type": type_, "operation": "Update"});
    event("Parameter Store Change", "aws.ssm", &detail)
}

fn with(mut event: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    event.pointer_mut(parent).expect("a part")[name] = value;
    event
}

fn what(event: &Value) -> Result<What, Refused> {
    read(&event.to_string()).map(|hint| hint.what)
}

#[test]
fn each_kind_of_event_says_what_is_to_be_looked_at() {
    use Guardrail::*;
    for (state_, expected) in [
        ("available", What::NewImages),
        ("something-new", What::NewImages),
        ("failed", What::Images),
        ("deregistered", What::Images),
        ("disabled", What::Images),
    ] {
        assert_eq!(what(&state(state_)), Ok(expected), "{state_}");
    }
    for (name, expected) in [
        ("ModifyImageAttribute", What::Images),
        ("DisableImage", What::Images),
        ("EnableImage", What::Images),
        ("DeregisterImage", What::Images),
        ("DisableImageDeregistrationProtection", What::Images),
        ("ModifySnapshotAttribute", What::Images),
        ("DisableEbsEncryptionByDefault", What::Guardrail(EncryptionByDefault)),
        ("ResetEbsDefaultKmsKeyId", What::Guardrail(EncryptionByDefault)),
        ("ModifyEbsDefaultKmsKeyId", What::Guardrail(EncryptionByDefault)),
        ("DisableImageBlockPublicAccess", What::Guardrail(ImageBlockPublicAccess)),
        (
            "DisableSnapshotBlockPublicAccess",
            What::Guardrail(SnapshotBlockPublicAccess),
        ),
        (
            "EnableSnapshotBlockPublicAccess",
            What::Guardrail(SnapshotBlockPublicAccess),
        ),
        ("DisableAllowedImagesSettings", What::Guardrail(AllowedImages)),
        ("EnableAllowedImagesSettings", What::Guardrail(AllowedImages)),
        (
            "ReplaceImageCriteriaInAllowedImagesSettings",
            What::Guardrail(AllowedImages),
        ),
    ] {
        assert_eq!(what(&call(name)), Ok(expected), "{name}");
    }
    assert_eq!(what(&parameter("String")), Ok(What::Consumers));
}

#[test]
fn a_hint_has_the_place_and_as_far_as_that_is_said_the_image_and_who_it_was() {
    let hint = read(&state("available").to_string()).expect("a hint");
    assert_eq!((hint.scope, hint.by), (scope(), None));
    assert_eq!(hint.image.expect("an image").as_str(), "ami-0123456789abcdef0");
    let hint = read(&call("DisableImage").to_string()).expect("a hint");
    assert_eq!(
        (hint.scope, hint.by.as_deref(), hint.image),
        (scope(), Some(PERSON), None)
    );
    for nobody in [
        json!("jo"),
        json!("arn:aws:iam::1:user/jo\nand somebody else"),
        json!(format!("arn:{}", "a".repeat(300))),
        json!(null),
    ] {
        let event = with(call("DisableImage"), "/detail/userIdentity/arn", nobody);
        assert_eq!(read(&event.to_string()).expect("a hint").by, None, "{event}");
    }
}

#[test]
fn what_is_no_hint_is_told_apart() {
    let refused = |text: &str| read(text).expect_err(text);
    for text in ["", "x", "null", "[]", "{}", "{\"detail\":", "{\"detail-type\":1}"] {
        assert_eq!(refused(text), Refused::Malformed, "{text}");
    }
    assert_eq!(refused(&" ".repeat(LARGEST + 1)), Refused::TooLarge);
    assert_eq!(refused(&"[".repeat(LARGEST)), Refused::Malformed);
    for (event, expected) in [
        (with(state("available"), "/account", json!("1")), Refused::Malformed),
        (
            with(state("available"), "/region", json!("Ireland")),
            Refused::Malformed,
        ),
        (
            with(state("available"), "/detail/State", json!(null)),
            Refused::Malformed,
        ),
        (
            with(call("DisableImage"), "/detail/eventName", json!(7)),
            Refused::Malformed,
        ),
        (
            with(call("DisableImage"), "/detail/eventName", json!(null)),
            Refused::Malformed,
        ),
        (with(state("available"), "/source", json!("mine")), Refused::Unknown),
        (
            event("EC2 Instance State-change Notification", "aws.ec2", &json!({})),
            Refused::Unknown,
        ),
        (call("RunInstances"), Refused::Unknown),
        (
            with(call("DisableImage"), "/detail/eventSource", json!("s3.amazonaws.com")),
            Refused::Unknown,
        ),
        (
            with(
                call("ModifyImageAttribute"),
                "/detail/errorCode",
                json!("Client.DryRunOperation"),
            ),
            Refused::Irrelevant,
        ),
        (parameter("SecureString"), Refused::Irrelevant),
        (parameter("StringList"), Refused::Irrelevant),
    ] {
        assert_eq!(what(&event), Err(expected), "{event}");
    }
}

#[test]
fn what_amiseal_does_itself_is_known_by_its_role_and_session() {
    let spec = json!({
        "policy": "production", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami",
        "mode": "Enforce", "suspend": false, "scanInterval": "15m", "otherKey": "Report", "promotion": {},
        "copy": {"namePattern": "{name}", "maxConcurrentSnapshots": 20, "maxAttempts": 3},
        "roleARN": "arn:aws:iam::111122223333:role/path/amiseal",
    });
    let mut spec: AMIEncryptionTargetSpec = serde_json::from_value(spec).expect("a spec");
    let own = "arn:aws:sts::111122223333:assumed-role/amiseal/amiseal-production";
    assert!(is_own(own, &spec));
    for other in [
        PERSON,
        "",
        "arn:aws:sts::111122223333:assumed-role/amiseal/amiseal-other",
        "arn:aws:sts::444455556666:assumed-role/amiseal/amiseal-production",
        "arn:aws:iam::111122223333:assumed-role/amiseal/amiseal-production",
        "arn:aws:sts::111122223333:assumed-role/amiseal/amiseal-production/x",
    ] {
        assert!(!is_own(other, &spec), "{other}");
    }
    spec.role_arn = None;
    assert!(!is_own(own, &spec));
}

fn images() -> Wanted {
    Wanted {
        images: true,
        ..Wanted::default()
    }
}

fn new_images() -> Wanted {
    Wanted {
        new_images: true,
        ..Wanted::default()
    }
}

#[test]
fn a_hint_is_followed_at_once_and_what_comes_within_a_minute_together_at_its_end() {
    let mut hints = HintWatch::default();
    assert_eq!((hints.due(true), hints.take(true, at(0))), (None, None));
    hints.note(images(), at(0));
    assert_eq!(hints.take(true, at(0)), Some(images()));
    hints.ended(at(1));
    hints.note(new_images(), at(10));
    hints.note(images(), at(20));
    assert_eq!((hints.due(true), hints.take(true, at(59))), (Some(at(60)), None));
    let mut both = images();
    both.take_up(new_images());
    assert_eq!(hints.take(true, at(60)), Some(both));
    assert!(!hints.is_idle(at(119)) && hints.is_idle(at(120)));
}

#[test]
fn a_scan_for_a_new_image_waits_until_it_is_tagged_and_a_look_does_not() {
    for (looks, due) in [(true, 0), (false, 10)] {
        let mut hints = HintWatch::default();
        hints.note(new_images(), at(0));
        hints.note(new_images(), at(9));
        assert_eq!(hints.due(looks), Some(at(due)));
    }
}

#[test]
fn what_takes_long_takes_no_more_than_half_of_the_time() {
    let mut hints = HintWatch::default();
    hints.note(images(), at(0));
    hints.take(true, at(0)).expect("a hint");
    hints.note(images(), at(10));
    hints.ended(at(300));
    assert_eq!(hints.due(true), Some(at(600)));
    // A scan that nobody has hinted at changes nothing of that.
    hints.ended(at(500));
    assert_eq!(hints.due(true), Some(at(600)));
}

#[test]
fn nothing_is_followed_of_what_came_before_a_rest() {
    let mut hints = HintWatch::default();
    hints.note(images(), at(0));
    hints.rest();
    assert_eq!((hints.due(true), hints.take(true, at(100))), (None, None));
}

#[test]
fn what_a_replica_tells_another_is_heard_once_and_only_shortly_after() {
    let mut wanted = images();
    wanted.guardrails.insert(Guardrail::AllowedImages, None);
    wanted
        .guardrails
        .insert(Guardrail::EncryptionByDefault, Some(PERSON.into()));
    let text = told(&wanted, at(0));
    for (now, is_heard) in [(0, true), (300, true), (-300, true), (301, false), (-301, false)] {
        let mut hints = HintWatch::default();
        hints.hear(Some(&text), at(now), at(now));
        assert_eq!(hints.take(true, at(now)), is_heard.then(|| wanted.clone()), "{now}");
        hints.hear(Some(&text), at(now), at(now + 100));
        assert_eq!(hints.take(true, at(now + 100)), None, "it is the same");
    }
    let now = at(0);
    for nonsense in [
        "",
        "soon images",
        "2026-11-30T12:00:00Z images",
        "x".repeat(5000).as_str(),
    ] {
        let mut hints = HintWatch::default();
        hints.hear(Some(nonsense), now, now);
        assert_eq!(hints.due(true), None, "{nonsense}");
    }
    let strange = format!("{now} images nothing AllowedImages=<b> =");
    let expected = Wanted {
        images: true,
        guardrails: [(Guardrail::AllowedImages, None)].into(),
        ..Wanted::default()
    };
    assert_eq!(heard(&strange, now), Some(expected));
}

fn any_wanted() -> impl Strategy<Value = Wanted> {
    let guardrails = prop::collection::btree_map(
        prop::sample::select(Guardrail::ALL.to_vec()),
        prop::option::of(Just(Box::<str>::from(PERSON))),
        0..4,
    );
    (any::<bool>(), any::<bool>(), any::<bool>(), guardrails).prop_map(|(new_images, images, consumers, guardrails)| {
        Wanted {
            new_images,
            images,
            consumers,
            guardrails,
        }
    })
}

/// Times between messages, in milliseconds, and what each wants.
fn any_flood() -> impl Strategy<Value = Vec<(u32, Wanted)>> {
    prop::collection::vec((0..20_000_u32, any_wanted()), 0..200)
}

fn after(milliseconds: u64) -> Timestamp {
    at(0) + Duration::from_millis(milliseconds)
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_fail(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = read(&text);
        let _ = heard(&text, at(0));
    }

    #[test]
    fn no_part_of_an_event_makes_a_reader_fail(
        part in prop::sample::select(vec![
            "/account", "/region", "/source", "/detail-type", "/detail", "/detail/eventName", "/detail/userIdentity",
            "/detail/userIdentity/arn", "/detail/errorCode",
        ]),
        text in ".{0,300}",
        number in any::<i64>(),
    ) {
        for value in [json!(text), json!(number), json!([text]), json!({"arn": text}), json!(null)] {
            let hint = read(&with(call("DisableImage"), part, value).to_string());
            if let Ok(Some(by)) = hint.map(|hint| hint.by) {
                prop_assert!(by.len() <= 256 && by.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }

    #[test]
    fn what_is_told_is_heard_as_it_was(wanted in any_wanted()) {
        prop_assert_eq!(heard(&told(&wanted, at(7)), at(8)), Some(wanted));
    }

    /// Whoever comes when something is due, and at any other time.
    #[test]
    fn any_flood_is_followed_at_most_once_a_minute_and_nothing_of_it_is_lost(flood in any_flood(), looks in any::<bool>()) {
        let mut hints = HintWatch::default();
        let (mut now, mut noted, mut seen) = (0_u64, Wanted::default(), Wanted::default());
        let mut followed: Vec<Timestamp> = Vec::new();
        for (wait, wanted) in flood {
            now += u64::from(wait);
            noted.take_up(wanted.clone());
            hints.note(wanted, after(now));
            if let Some(taken) = hints.take(looks, after(now)) {
                prop_assert!(!taken.is_empty());
                seen.take_up(taken);
                followed.push(after(now));
                hints.ended(after(now));
            }
        }
        if let Some(due) = hints.due(looks) {
            prop_assert!(due <= after(now) + APART, "nobody waits for longer");
            seen.take_up(hints.take(looks, due).expect("it is due"));
            followed.push(due);
        }
        prop_assert_eq!(seen, noted);
        let apart = followed.windows(2).all(|pair| pair[1].duration_since(pair[0]).unsigned_abs() >= APART);
        prop_assert!(apart, "{:?}", followed);
    }
}
