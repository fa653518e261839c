//! Values of a wrong type: the API server takes what is rendered, or Helm says which value it is.

use std::path::Path;

use regex::Regex;
use rig::shared;
use serde_json::{Value, json};

use crate::rendering::{EVERY_OPTION, OPERATOR, asked};
use crate::support::{Answer, NAMESPACE, chart, helm_with, read};

/// So that each object is rendered, the definitions aside.
const TURNED: [(&str, &str); 7] = [
    ("/rbac/create", "true"),
    ("/rbac/userRoles", "true"),
    ("/podDisruptionBudget/enabled", "true"),
    ("/check/enabled", "true"),
    ("/serviceAccount/create", "true"),
    ("/serviceAccount/name", "\"amiseal\""),
    ("/namespaceOverride", "\"amiseal-system\""),
];
/// What these hold is not the chart's: any object, and rules of Prometheus.
const OTHERS: [&str; 2] = ["/extraObjects/", "/prometheusRule/additionalRules/"];
const RUNTIME: &str = "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: kata}, handler: kata}";

/// Every option, and what turns objects on.
pub(crate) fn everything() -> Value {
    let mut values: Value = serde_saphyr::from_str(&read(Path::new(EVERY_OPTION))).expect("YAML");
    for (path, value) in TURNED {
        *values.pointer_mut(path).expect(path) = serde_json::from_str(value).expect("JSON");
    }
    values
}

/// The paths of all values, and what is in them, but not what is in those of others.
fn nodes(value: &Value, path: &str, found: &mut Vec<(String, Value)>) {
    if OTHERS.iter().any(|others| path.starts_with(others)) {
        return;
    }
    found.push((path.to_owned(), value.clone()));
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                nodes(value, &format!("{path}/{}", escaped(name)), found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                nodes(value, &format!("{path}/{index}"), found);
            }
        }
        _ => {}
    }
}

async fn template_of(values: &Value) -> Answer {
    let arguments = [
        "template",
        "amiseal",
        &chart(),
        "--namespace",
        NAMESPACE,
        "--values",
        "-",
    ];
    helm_with(shared().await, &arguments, &values.to_string()).await
}

/// Whether the schema has refused a value, or something in it.
fn is_refused(refusal: &str, path: &str) -> bool {
    let named = Regex::new("at '([^']*)'").expect("a pattern");
    named
        .captures_iter(refusal)
        .any(|found| found[1] == *path || found[1].starts_with(&format!("{path}/")))
}

#[tokio::test]
async fn a_value_of_a_wrong_type_is_refused_by_its_path_or_makes_no_difference_to_the_api_server() {
    let control_plane = shared().await;
    for definition in OPERATOR.into_iter().chain([RUNTIME]) {
        control_plane.apply(definition).await.expect("a definition");
    }
    let values = everything();
    let mut all = Vec::new();
    nodes(&values, "", &mut all);
    assert!(all.len() > 250, "{}", all.len());
    let depth = |path: &str| path.matches('/').count();
    let deepest = all.iter().map(|(path, _)| depth(path)).max().expect("a value");

    // Helm names everything that the schema refuses, so that those of one depth are asked about in one go.
    let (mut refused, mut taken) = (0, Vec::new());
    for level in 1..=deepest {
        for wrong in [
            json!("text"),
            json!(1_500_000_000),
            json!(true),
            json!([]),
            json!({}),
            json!(["b"]),
            json!({"a": 1}),
        ] {
            let differs = |value: &Value| std::mem::discriminant(value) != std::mem::discriminant(&wrong);
            let at: Vec<&String> = all
                .iter()
                .filter(|(path, value)| depth(path) == level && differs(value))
                .map(|(path, _)| path)
                .collect();
            let mut wrongs = values.clone();
            for path in &at {
                *wrongs.pointer_mut(path).expect(path) = wrong.clone();
            }
            let Answer { err, .. } = template_of(&wrongs).await;
            let (named, others): (Vec<&String>, Vec<&String>) = at.into_iter().partition(|path| is_refused(&err, path));
            refused += named.len();
            taken.extend(others.into_iter().map(|path| (path.clone(), wrong.clone())));
        }
    }
    assert!(refused > 1000, "{refused} were refused");

    for (path, wrong) in taken {
        let mut wrongs = values.clone();
        *wrongs.pointer_mut(&path).expect("a value") = wrong.clone();
        let Answer { success, out, err } = template_of(&wrongs).await;
        if success {
            asked(control_plane, &out).await;
        } else {
            let value = path[1..].replace('/', ".");
            let name = value.split('.').next().expect("a name");
            assert!(err.contains(name), "{value}={wrong}: {err}");
        }
    }
}

#[tokio::test]
async fn the_api_server_takes_what_each_option_renders_by_itself() {
    let control_plane = shared().await;
    for definition in OPERATOR {
        control_plane.apply(definition).await.expect("a definition");
    }
    let options: Value = serde_saphyr::from_str(&read(Path::new(EVERY_OPTION))).expect("YAML");
    let mut leaves = Vec::new();
    for (name, value) in options.as_object().expect("values") {
        match value.as_object() {
            Some(section) if crate::values::is_section(name) => {
                leaves.extend(section.iter().map(|(leaf, value)| (name, Some(leaf), value)));
            }
            _ => leaves.push((name, None, value)),
        }
    }
    let mut documents: Vec<String> = Vec::new();
    for (name, leaf, value) in leaves {
        let mut alone = match leaf {
            Some(leaf) => json!({name: {leaf: value}}),
            None => json!({name: value}),
        };
        let path = leaf.map_or_else(|| name.clone(), |leaf| format!("{name}.{leaf}"));
        match path.as_str() {
            // With what it asks for, and without the pod, which asks for more than the Deployment: that things are there.
            "serviceAccount.create" => alone["serviceAccount"]["name"] = json!("amiseal"),
            "extraVolumeMounts" => alone["extraVolumes"] = options["extraVolumes"].clone(),
            "resources.requests" => alone["resources"]["limits"] = options["resources"]["limits"].clone(),
            "dnsPolicy" => alone["dnsConfig"] = options["dnsConfig"].clone(),
            "runtimeClassName" | "serviceAccount.name" | "fullnameOverride" | "nameOverride" | "namespaceOverride" => {
                alone["check"] = json!({"enabled": false});
            }
            _ => {}
        }
        let yaml = template_of(&alone).await.expect(&path);
        for document in yaml.split("\n---\n").map(str::to_owned) {
            if !documents.contains(&document) {
                documents.push(document);
            }
        }
    }
    assert!(documents.len() > 100, "{}", documents.len());
    let answer = asked(control_plane, &documents.join("\n---\n")).await;
    assert!(answer.lines().count() > 100, "{answer}");
}
