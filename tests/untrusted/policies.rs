//! Policies: what the rules in the schema let pass, the controllers can work with, and they never fall over the rest.

use amiseal::api::{AMIEncryptionPolicy, Duration};
use amiseal::cli::policy_file;
use amiseal::domain::{AccountId, ImageId, KeyArn, Region};
use amiseal::plan::expand;
use kube::core::cel::{CompiledSchema, Validator, compile_schema};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// The rules of the definition that is installed, as the API server has them.
fn rules() -> CompiledSchema {
    let crds = amiseal::api::crds();
    let policy = crds
        .iter()
        .find(|crd| crd.spec.names.kind == "AMIEncryptionPolicy")
        .expect("a definition");
    let schema = serde_json::to_value(&policy.spec.versions[0].schema).expect("JSON");
    compile_schema(&schema["openAPIV3Schema"])
}

fn policy() -> Value {
    json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": "production"},
        "spec": {
            "scanInterval": "15m",
            "accounts": [{
                "accountID": "111122223333",
                "regions": [{"name": "eu-west-1", "kmsKeyID": "alias/ami"}],
            }],
            "imageSelector": {"include": [{"ids": ["ami-0123456789abcdef0"]}]},
            "copy": {"namePattern": "{name}"},
        },
    })
}

fn passes(rules: &CompiledSchema, policy: &Value) -> bool {
    Validator::new().validate_compiled(rules, policy, None).is_ok()
}

/// A text that is what `right` gives, or near it: a sign changed, added or taken away.
fn near(right: &'static str) -> impl Strategy<Value = String> {
    let right = prop::string::string_regex(right).expect("an expression");
    let sign = prop_oneof![
        any::<char>(),
        select("aA0-_/:.\n \t{}*\u{FF11}\u{661}\u{130}".chars().collect::<Vec<_>>()),
    ];
    (
        right,
        prop::option::of((any::<prop::sample::Index>(), prop::option::of(sign), any::<bool>())),
    )
        .prop_map(|(text, change)| {
            let mut signs: Vec<char> = text.chars().collect();
            if let Some((at, sign, replace)) = change {
                let at = at.index(signs.len() + 1);
                if (replace || sign.is_none()) && at < signs.len() {
                    signs.remove(at);
                }
                signs.splice(at..at, sign);
            }
            signs.into_iter().collect()
        })
}

fn text() -> impl Strategy<Value = (&'static str, String)> {
    let of = |place: &'static str, right: &'static str| near(right).prop_map(move |text| (place, text));
    prop_oneof![
        of("/spec/accounts/0/accountID", "[0-9]{11,13}"),
        of(
            "/spec/accounts/0/regions/0/name",
            "[a-z]{2,4}(-[a-z]{1,12}){1,3}-[0-9]{1,2}"
        ),
        of("/spec/scanInterval", "([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,5}s)?"),
        of("/spec/imageSelector/include/0/ids/0", "ami-([0-9a-f]{8}|[0-9a-f]{17})"),
        of(
            "/spec/accounts/0/regions/0/kmsKeyID",
            "arn:aws(-cn)?:kms:eu-west-1:[0-9]{12}:key/[0-9a-f-]{36}"
        ),
        of(
            "/spec/copy/namePattern",
            "[a-z(){]{0,4}\\{(name|sourceID)\\}[a-z ./'@_-]{0,4}"
        ),
    ]
}

proptest! {
    #[test]
    fn what_the_rules_let_pass_reads_as_what_it_is_and_the_other_way_round((place, text) in text()) {
        thread_local!(static RULES: CompiledSchema = rules());
        let mut policy = policy();
        *policy.pointer_mut(place).expect("a place") = json!(text);
        let passes = RULES.with(|rules| passes(rules, &policy));
        let between = |length: Duration| (60..=86_400).contains(&length.as_std().as_secs());
        let reads = match place.rsplit('/').next().expect("a field") {
            "accountID" => text.parse::<AccountId>().is_ok(),
            // The type takes any form of a region that there may ever be.
            "name" => !passes || text.parse::<Region>().is_ok() == passes,
            "scanInterval" => text.parse::<Duration>().is_ok_and(between),
            "0" => text.parse::<ImageId>().is_ok(),
            "kmsKeyID" => {
                // What is not an ARN may be an alias or an ID; KMS resolves it.
                let is_arn = text.parse::<KeyArn>().is_ok_and(|arn| arn.as_str().len() == 83);
                if is_arn { text.contains(":eu-west-1:") } else { passes }
            }
            _ => passes,
        };
        let compare = !place.ends_with("/name");
        // A duration of many digits is one, but not one that people write.
        let many_digits = place.ends_with("scanInterval") && text.split(|sign: char| !sign.is_ascii_digit()).any(|digits| digits.len() > 5);
        prop_assert!(reads == passes || !compare && reads || many_digits && !passes, "{place} {text:?}: {passes} by the rules");
        let parsed = serde_json::from_value::<AMIEncryptionPolicy>(policy);
        if passes {
            let parsed = parsed.expect("what passes can be read");
            prop_assert_eq!(expand::targets("production", &parsed.spec).len(), 1);
        }
    }

    #[test]
    fn no_text_at_all_makes_reading_or_expanding_a_policy_panic(texts in prop::collection::vec(any::<String>(), 9)) {
        let spec = json!({
            "scanInterval": "15m",
            "defaults": {"roleName": texts[0], "externalID": texts[1], "regions": [{"name": texts[2], "kmsKeyID": texts[3]}]},
            "accounts": [{"accountID": texts[4], "roleARN": texts[5]}, {"accountID": texts[6], "roleName": texts[7]}],
            "copy": {"extraTags": {&texts[8]: texts[8]}},
        });
        let spec = serde_json::from_value(spec).expect("texts are texts");
        prop_assert_eq!(expand::targets("production", &spec).len(), 2);
    }

    #[test]
    fn no_document_makes_the_reader_panic(yaml in "[-a-zA-Z0-9:{}\\[\\]\"'&*!|>%@ \n]{0,200}") {
        let _ = policy_file::policies(&yaml);
        let _ = serde_json::from_str::<AMIEncryptionPolicy>(&yaml);
    }
}
