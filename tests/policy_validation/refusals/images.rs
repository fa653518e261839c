//! Which images are meant, and their copies.

use serde_json::json;

use super::{Refusal, refused};

const SIGNS: &str = "namePattern may hold {sourceID}, {name} and the signs that AWS allows in an image's name";
const RESERVED: &str = "extraTags must not have keys that begin with aws: or amiseal.dev/, which are reserved: rename \
                        the key";
const TAG_KEYS: &str = "extraTags must have keys of 1 to 127 characters, as AWS has them: correct the key";
const TERM: &str = "a term of imageSelector must have names, tags or ids: add one, or remove the term";

pub(super) fn images() -> Vec<Refusal> {
    let include = "spec.imageSelector.include[0]";
    let long_key = "k".repeat(128);
    vec![
        refused("/spec/imageSelector/include/0", json!({}), include, TERM),
        refused(
            "/spec/imageSelector/exclude/0/tags",
            json!({}),
            "spec.imageSelector.exclude[0]",
            TERM,
        ),
        refused(
            "/spec/imageSelector/include/0/ids/0",
            json!("ami-0123456789ABCDEF0"),
            "spec.imageSelector.include[0].ids",
            "ids must be image IDs: write for example ami-0123456789abcdef0",
        ),
        refused(
            "/spec/imageSelector/include/0/names/0",
            json!(""),
            "spec.imageSelector.include[0].names[0]",
            "should be at least 1 chars long",
        ),
        refused(
            "/spec/imageSelector/include/0/tags",
            json!({long_key: "*"}),
            "spec.imageSelector.include[0].tags",
            "tags must have keys of 1 to 127 characters, as AWS has them: correct the key",
        ),
    ]
}

pub(super) fn copies() -> Vec<Refusal> {
    let pattern_at = "/spec/copy/namePattern";
    let pattern = "spec.copy.namePattern";
    let tags = "spec.copy.extraTags";
    let long_key = "k".repeat(128);
    vec![
        refused(
            pattern_at,
            json!("encrypted"),
            pattern,
            "namePattern must tell copies apart: add {sourceID} or {name} to it",
        ),
        refused(pattern_at, json!("encrypted:{name}"), pattern, SIGNS),
        refused(pattern_at, json!("{accountID}-{name}"), pattern, SIGNS),
        refused(
            pattern_at,
            json!(format!("{{name}}{}", "x".repeat(123))),
            pattern,
            "may not be more than 128 bytes",
        ),
        refused("/spec/copy/extraTags/aws:owner", json!("me"), tags, RESERVED),
        refused("/spec/copy/extraTags/AWS:owner", json!("me"), tags, RESERVED),
        refused("/spec/copy/extraTags/Aws:owner", json!("me"), tags, RESERVED),
        refused("/spec/copy/extraTags/aWS:owner", json!("me"), tags, RESERVED),
        refused("/spec/copy/extraTags/amiseal.dev~1attempt", json!("1"), tags, RESERVED),
        refused("/spec/copy/extraTags", json!({long_key: ""}), tags, TAG_KEYS),
        refused("/spec/copy/extraTags", json!({"": "me"}), tags, TAG_KEYS),
        refused(
            "/spec/copy/extraTags/owner",
            json!("v".repeat(257)),
            "spec.copy.extraTags.owner",
            "may not be more than 256 bytes",
        ),
        refused(
            "/spec/copy/maxConcurrentSnapshots",
            json!(0),
            "spec.copy.maxConcurrentSnapshots",
            "should be greater than or equal to 1",
        ),
        refused(
            "/spec/copy/maxConcurrentSnapshots",
            json!(1001),
            "spec.copy.maxConcurrentSnapshots",
            "should be less than or equal to 1000",
        ),
        refused(
            "/spec/copy/maxAttempts",
            json!(11),
            "spec.copy.maxAttempts",
            "should be less than or equal to 10",
        ),
    ]
}
