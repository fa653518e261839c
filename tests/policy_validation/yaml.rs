//! That `plan` and the API server read one file alike: a real one is given the very text.

use amiseal::api::{AMIEncryptionPolicy, AMIEncryptionPolicySpec};
use amiseal::cli::policy_file;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Request;
use serde_json::json;

const URL: &str = "/apis/amiseal.dev/v1alpha1/amiencryptionpolicies";
const STRICT: &str = "&fieldValidation=Strict";

/// What may stand in a file without quotes and with them.
const SCALARS: [&str; 47] = [
    "",
    "~",
    "null",
    "NULL",
    "y",
    "Y",
    "yes",
    "no",
    "N",
    "on",
    "Off",
    "true",
    "False",
    "yEs",
    "020",
    "08",
    "0042",
    "10",
    "3",
    "3.0",
    "1.10",
    "20.0",
    "2e0",
    "1_0",
    "0x3",
    "0o3",
    "0b11",
    "+3",
    "-3",
    ".5",
    "5.",
    ".inf",
    ".nan",
    "1e999",
    "012345678901",
    "111122223333",
    "18446744073709551616",
    "2026-11-28",
    "15m",
    "1:30",
    "=",
    "\"3\"",
    "'y'",
    "!!str 3",
    "!!int 3",
    "!!int x",
    "[]",
];

/// A policy in which `HERE` stands for what is tried.
fn around(place: &str) -> String {
    let fields = [
        ("annotation", "metadata: {name: tried}"),
        ("account", "  - accountID: '111122223333'"),
        ("spec", ""),
    ];
    let [metadata, account, spec] = fields.map(|(name, usual)| match place.split_once('|') {
        Some((of, text)) if of == name => text,
        _ => usual,
    });
    format!(
        "apiVersion: amiseal.dev/v1alpha1\nkind: AMIEncryptionPolicy\n{metadata}\nspec:\n{spec}\n  accounts:\n{account}\n    \
         regions: [{{name: eu-west-1, kmsKeyID: alias/ami}}]\n"
    )
}

/// What the API server answers: the stored spec, or its refusal.
async fn answered(client: &kube::Client, yaml: &str, applies: bool) -> Result<AMIEncryptionPolicySpec, String> {
    let request = Request::new(URL);
    let mut request = if applies {
        let parameters = PatchParams::apply("gitops").force().validation_strict();
        let nothing = Patch::Apply(json!({}));
        let mut request = request.patch("tried", &parameters, &nothing).expect("a request");
        let uri = format!("{}&dryRun=All", request.uri());
        *request.uri_mut() = uri.parse().expect("an address");
        request
    } else {
        let parameters = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let mut request = request.create(&parameters, Vec::new()).expect("a request");
        let uri = format!("{}{STRICT}", request.uri());
        *request.uri_mut() = uri.parse().expect("an address");
        let yaml = "application/yaml".parse().expect("a type");
        request.headers_mut().insert("content-type", yaml);
        request
    };
    *request.body_mut() = yaml.as_bytes().to_vec();
    match client.request_text(request).await {
        Ok(text) => {
            let stored: AMIEncryptionPolicy = serde_json::from_str(&text).expect("what is stored can be read");
            Ok(stored.spec)
        }
        Err(kube::Error::Api(status)) => Err(status.message),
        Err(other) => panic!("no answer: {other}"),
    }
}

/// What is different between what `plan` and the API server make of a text.
async fn difference(client: &kube::Client, yaml: &str) -> Option<String> {
    let planned = policy_file::policies(yaml);
    let created = answered(client, yaml, false).await;
    let applied = answered(client, yaml, true).await;
    let same = match &planned {
        Ok(policies) => {
            let [AMIEncryptionPolicy { spec, .. }] = &policies[..] else {
                panic!("one policy: {policies:?}")
            };
            created.as_ref() == Ok(spec) && applied.as_ref() == Ok(spec)
        }
        // A key that another one would be stored for is refused here alone.
        Err(sentences) => {
            let stored_otherwise = sentences
                .iter()
                .any(|sentence| sentence.contains(" to Kubernetes, since it has no quotes"));
            stored_otherwise || created.is_err() || applied.is_err()
        }
    };
    (!same).then(|| format!("{yaml}\nplan: {planned:?}\ncreated: {created:?}\napplied: {applied:?}"))
}

#[tokio::test]
async fn plan_and_the_api_server_read_every_word_alike_wherever_it_stands() {
    let client = rig::shared().await.admin_client().await.expect("a client");
    let mut different = Vec::new();
    for place in [
        "annotation|metadata: {name: tried, annotations: {a: HERE}}",
        "annotation|metadata: {name: tried, labels: {HERE: a}}",
        "annotation|metadata: {name: tried, labels: {a: HERE}}",
        "account|  - accountID: HERE",
        "account|  - accountID: '111122223333'\n    roleName: HERE",
        "account|  - accountID: '111122223333'\n    externalID: HERE",
        "spec|  mode: HERE",
        "spec|  suspend: HERE",
        "spec|  scanInterval: HERE",
        "spec|  copy: HERE",
        "spec|  copy: {maxAttempts: HERE}",
        "spec|  copy: {extraTags: HERE}",
        "spec|  copy: {extraTags: {HERE: x}}",
        "spec|  copy: {extraTags: {a: HERE}}",
        "spec|  imageSelector: {exclude: HERE}",
        "spec|  imageSelector: {exclude: [{tags: {HERE: '*'}}]}",
        "spec|  imageSelector: {exclude: [{names: [HERE]}]}",
    ] {
        for scalar in SCALARS {
            let yaml = around(place).replace("HERE", scalar);
            different.extend(difference(&client, &yaml).await);
        }
    }
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n\n")
    );
}

#[tokio::test]
async fn plan_and_the_api_server_read_every_form_of_yaml_alike() {
    let client = rig::shared().await.admin_client().await.expect("a client");
    let mut different = Vec::new();
    for spec in [
        "  mode: Audit\n  mode: Enforce",
        "  copy: {maxAttempts: 3, maxAttempts: 3}",
        "  copy: {extraTags: {a: x, \"a\": y}}",
        "  copy: &a {maxAttempts: 4}\n  promotion: {<<: {tags: Publish}}",
        "  imageSelector: {include: [&a {names: [b]}, *a]}",
        "  imageSelector: {include: [{<<: {names: [b]}, ids: [ami-01234567]}]}",
        "  copy: {extraTags: {<<: [{a: x}, {b: y}], c: z}}",
        "  copy: {extraTags: {? a : x}}",
        "  copy:\n    extraTags:\n      a: |\n        x\n      b: >-\n        x\n        y",
        "  unknown: null",
        "  copy: {unknown: 1}",
    ] {
        different.extend(difference(&client, &around(&format!("spec|{spec}"))).await);
    }
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different.join("\n\n")
    );
}

#[tokio::test]
async fn of_two_keys_that_become_one_kubernetes_keeps_either_and_plan_keeps_neither() {
    let client = rig::shared().await.admin_client().await.expect("a client");
    let yaml = around("spec|  copy: {extraTags: {true: one, \"true\": other}}");
    let planned = policy_file::policies(&yaml).expect_err("which one is meant is not said");
    assert!(
        planned[0].contains("spec.copy.extraTags.true is there twice"),
        "{planned:?}"
    );
    for applies in [false, true] {
        let stored = answered(&client, &yaml, applies).await.expect("it takes one by chance");
        let kept = stored.copy.extra_tags.get("true").map(String::as_str);
        assert!(matches!(kept, Some("one" | "other")), "{kept:?}");
    }
}
