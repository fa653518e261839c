//! What the chart renders, and that the API server takes it.

use rig::{ControlPlane, shared};
use serde_json::{Value, json};

use crate::support::{Answer, NAMESPACE, chart, helm, kubectl, named, names, objects, only, render, template};

pub(crate) const EVERY_OPTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/every-option.yaml");
/// They stand in for those of the Prometheus operator.
pub(crate) const OPERATOR: [&str; 3] = [
    include_str!("servicemonitor.yaml"),
    include_str!("podmonitor.yaml"),
    include_str!("prometheusrule.yaml"),
];

#[tokio::test]
async fn helm_lint_finds_nothing() {
    let chart = chart();
    for values in [&[][..], &["--values", EVERY_OPTION]] {
        let mut arguments = vec!["lint", "--strict", &chart];
        arguments.extend(values);
        let Answer { success, out, err } = helm(shared().await, &arguments).await;
        assert!(success && !out.contains("[WARNING]"), "{out}{err}");
    }
}

/// What the API server would say to a manifest; it warns of fields that it does not know and of uses that it advises against.
pub(crate) async fn asked(control_plane: &ControlPlane, yaml: &str) -> String {
    let arguments = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "-f",
        "-",
    ];
    let answer = kubectl(control_plane, &arguments, yaml).await;
    assert_eq!(answer.err, "");
    answer.expect("kubectl apply")
}

#[tokio::test]
async fn the_api_server_takes_what_the_defaults_render() {
    let yaml = template(&[]).await.expect("helm template");
    let rendered = objects(&yaml);
    let expected = [
        "ClusterRole amiseal",
        "ClusterRole amiseal-approver",
        "ClusterRole amiseal-operator",
        "ClusterRole amiseal-view",
        "ClusterRoleBinding amiseal",
        "CustomResourceDefinition amiencryptionpolicies.amiseal.dev",
        "CustomResourceDefinition amiencryptiontargets.amiseal.dev",
        "CustomResourceDefinition amimigrations.amiseal.dev",
        "Deployment amiseal",
        "Pod amiseal-check",
        "PodDisruptionBudget amiseal",
        "Role amiseal-events",
        "Role amiseal-leases",
        "RoleBinding amiseal-events",
        "RoleBinding amiseal-leases",
        "Service amiseal-metrics",
        "ServiceAccount amiseal",
        "ValidatingAdmissionPolicy amiseal-decisions",
        "ValidatingAdmissionPolicyBinding amiseal-decisions",
    ];
    assert_eq!(names(&rendered), expected);
    let answer = asked(shared().await, &yaml).await;
    assert_eq!(answer.lines().count(), expected.len(), "{answer}");
}

#[tokio::test]
async fn the_api_server_takes_what_every_option_renders() {
    let control_plane = shared().await;
    for definition in OPERATOR {
        control_plane.apply(definition).await.expect("a definition");
    }
    // The options that leave an object out, and, turned around, those objects with the other options set.
    let with_all = "crds.enabled=true,serviceAccount.create=true,rbac.create=true,rbac.userRoles=true,rbac.aggregate=true,\
                    admissionPolicy.enabled=true,podDisruptionBudget.enabled=true";
    for (more, count) in [(&[][..], 9), (&["--set", with_all], 29)] {
        let arguments = [&["--values", EVERY_OPTION], more].concat();
        let yaml = template(&arguments).await.expect("helm template");
        let answer = asked(control_plane, &yaml).await;
        assert_eq!(answer.lines().count(), count, "{answer}");
    }
}

#[tokio::test]
async fn a_release_of_another_name_has_objects_of_that_name() {
    let chart = chart();
    let yaml = helm(
        shared().await,
        &["template", "prod", &chart, "--set", "crds.enabled=false"],
    )
    .await
    .expect("helm template");
    let rendered = objects(&yaml);
    assert!(
        names(&rendered).contains(&"Deployment prod-amiseal".to_owned()),
        "{:?}",
        names(&rendered)
    );
    for (binding, name) in [
        ("ClusterRoleBinding", "prod-amiseal"),
        ("RoleBinding", "prod-amiseal-events"),
        ("RoleBinding", "prod-amiseal-leases"),
    ] {
        let subject = &named(&rendered, binding, name)["subjects"][0];
        assert_eq!(
            (&subject["name"], &subject["namespace"]),
            (&json!("prod-amiseal"), &json!("default"))
        );
    }
}

#[tokio::test]
async fn the_pods_are_let_into_a_namespace_of_the_restricted_pod_security_standard() {
    let control_plane = shared().await;
    let label = [
        "label",
        "--overwrite",
        "namespace",
        NAMESPACE,
        "pod-security.kubernetes.io/enforce=restricted",
    ];
    kubectl(control_plane, &label, "").await.expect("kubectl label");

    let rendered = render(&[]).await;
    let template = &only(&rendered, "Deployment")["spec"]["template"];
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", "namespace": NAMESPACE, "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    });
    let create = ["create", "--dry-run=server", "-f", "-"];
    let taken = kubectl(control_plane, &create, &pod.to_string()).await;
    assert_eq!(taken.err, "");
    taken.expect("kubectl create");

    pod["spec"]["containers"][0]["securityContext"]["capabilities"] = Value::Null;
    let refusal = kubectl(control_plane, &create, &pod.to_string())
        .await
        .refusal("a container with capabilities");
    assert!(refusal.contains("violates PodSecurity \"restricted"), "{refusal}");
}

#[tokio::test]
async fn the_file_system_is_read_only_and_the_selectors_select_the_pods() {
    let rendered = render(&["--set", "networkPolicy.enabled=true,serviceMonitor.enabled=true"]).await;
    let deployment = &only(&rendered, "Deployment")["spec"];
    let container = &deployment["template"]["spec"]["containers"][0];
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    let labels = deployment["template"]["metadata"]["labels"]
        .as_object()
        .expect("labels");
    for selector in [
        &deployment["selector"]["matchLabels"],
        &deployment["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
        &only(&rendered, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        &only(&rendered, "Service")["spec"]["selector"],
    ] {
        let selector = selector.as_object().expect("a selector");
        assert!(
            selector.len() == 2 && selector.iter().all(|(key, value)| labels.get(key) == Some(value)),
            "{selector:?}"
        );
    }
    let allowed = &only(&rendered, "NetworkPolicy")["spec"]["podSelector"];
    assert_eq!(
        allowed["matchLabels"]["app.kubernetes.io/instance"],
        labels["app.kubernetes.io/instance"]
    );
    let names = &allowed["matchExpressions"][0]["values"];
    assert_eq!(names[0], labels["app.kubernetes.io/name"]);
    assert_eq!(
        names[1],
        only(&rendered, "Pod")["metadata"]["labels"]["app.kubernetes.io/name"]
    );
    let wanted = only(&rendered, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
        .as_object()
        .expect("a selector");
    let service = only(&rendered, "Service")["metadata"]["labels"]
        .as_object()
        .expect("labels");
    assert!(
        wanted.iter().all(|(key, value)| service.get(key) == Some(value)),
        "{wanted:?}"
    );
}

/// Names, labels and annotations that are no texts.
fn no_texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let texts = matches!(name.as_str(), "labels" | "annotations" | "matchLabels" | "nodeSelector");
                let is_no_text = |value: &Value| !value.is_string();
                let bad = match value {
                    Value::Object(inner) if texts => inner.values().any(is_no_text),
                    value => name.ends_with("ame") && is_no_text(value) && !value.is_object(),
                };
                if bad {
                    found.push(format!("{name}: {value}"));
                }
                no_texts(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| no_texts(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn what_looks_like_a_number_or_a_truth_value_is_a_text_where_one_is_meant_and_numbers_have_digits() {
    let control_plane = shared().await;
    let numbers =
        "terminationGracePeriodSeconds=1000000,http.port=8081,podDisruptionBudget.maxUnavailable=1,check.enabled=false";
    for (release, texts) in [
        ("123", "nameOverride="),
        (
            "1e3",
            "fullnameOverride=123,priorityClassName=true,podLabels.spot=yes,podAnnotations.a=1",
        ),
        (
            "0x1f",
            "nameOverride=007,serviceAccount.name=1e3,image.tag=1.10,nodeSelector.spot=true",
        ),
        ("null", "fullnameOverride=null,podDisruptionBudget.maxUnavailable=50%"),
        (
            "a-release-with-a-name-that-is-as-long-as-one-ever-get",
            "nameOverride=a-name-that-makes-it-longer",
        ),
    ] {
        let chart = chart();
        let arguments = [
            "template",
            release,
            &chart,
            "--namespace",
            NAMESPACE,
            "--set-json",
            numbers,
            "--set-string",
            texts,
        ];
        let yaml = helm(control_plane, &arguments).await.expect(release);
        let rendered = objects(&yaml);
        let mut wrong = Vec::new();
        rendered
            .iter()
            .filter(|object| object["kind"] != "CustomResourceDefinition")
            .for_each(|object| no_texts(object, &mut wrong));
        assert_eq!(wrong, Vec::<String>::new(), "{release} {texts}");
        let pod = &only(&rendered, "Deployment")["spec"]["template"]["spec"];
        assert_eq!(pod["terminationGracePeriodSeconds"], 1_000_000);
        assert!(yaml.contains("terminationGracePeriodSeconds: 1000000\n"), "{yaml}");
        let answer = asked(control_plane, &yaml).await;
        assert_eq!(answer.lines().count(), rendered.len(), "{answer}");
    }
}
