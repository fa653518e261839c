//! What an option does beside arriving where it belongs.

use serde_json::json;

use crate::support::{NAMESPACE, named, only, render, template};

/// Objects that are optional, turned on.
const ALL: &str = "networkPolicy.enabled=true,serviceMonitor.enabled=true,podMonitor.enabled=true";

#[tokio::test]
async fn common_labels_and_annotations_are_on_every_object_and_the_charts_own_go_before_them() {
    let common = "commonLabels.team=platform,commonLabels.app\\.kubernetes\\.io/name=other,commonAnnotations.owner=platform,\
                  service.annotations.owner=me,podLabels.team=own";
    let rendered = render(&["--set", ALL, "--set", common]).await;
    for object in &rendered {
        let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
        let metadata = &object["metadata"];
        let own = if object["kind"] == "Pod" {
            "amiseal-check"
        } else {
            "amiseal"
        };
        assert_eq!(metadata["labels"]["app.kubernetes.io/name"], own, "{name}");
        assert_eq!(
            metadata["labels"]["team"],
            if object["kind"] == "Pod" { "own" } else { "platform" },
            "{name}"
        );
        let owner = if object["kind"] == "Service" { "me" } else { "platform" };
        assert_eq!(metadata["annotations"]["owner"], owner, "{name}");
    }
    let deployment = &only(&rendered, "Deployment")["spec"];
    assert_eq!(deployment["template"]["metadata"]["labels"]["team"], "own");
    // A selector cannot be changed afterwards.
    assert_eq!(
        deployment["selector"]["matchLabels"],
        json!({"app.kubernetes.io/name": "amiseal", "app.kubernetes.io/instance": "amiseal"})
    );
}

#[tokio::test]
async fn all_objects_of_a_namespace_are_in_the_one_that_replaces_it() {
    let rendered = render(&["--set", ALL, "--set", "namespaceOverride=security"]).await;
    let mut namespaced = 0;
    for object in &rendered {
        let name = object["metadata"]["name"].as_str().expect("a name");
        if let Some(namespace) = object["metadata"].get("namespace") {
            let expected = if name.ends_with("-events") {
                "default"
            } else {
                "security"
            };
            assert_eq!(namespace, expected, "{name}");
            namespaced += 1;
        }
        for subject in object["subjects"].as_array().into_iter().flatten() {
            assert_eq!(subject["namespace"], "security", "{name}");
        }
    }
    assert_eq!(namespaced, 12);
    for kind in ["ServiceMonitor", "PodMonitor"] {
        let selected = &only(&rendered, kind)["spec"]["namespaceSelector"]["matchNames"];
        assert_eq!(*selected, json!(["security"]), "{kind}");
    }
}

#[tokio::test]
async fn a_monitor_may_be_in_another_namespace_and_selects_the_releases_one() {
    let set = "serviceMonitor.namespace=monitoring,podMonitor.namespace=monitoring";
    let rendered = render(&["--set", ALL, "--set", set]).await;
    for (kind, endpoints) in [("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")] {
        let monitor = only(&rendered, kind);
        assert_eq!(monitor["metadata"]["namespace"], "monitoring");
        assert_eq!(monitor["spec"]["namespaceSelector"]["matchNames"], json!([NAMESPACE]));
        assert_eq!(
            monitor["spec"][endpoints],
            json!([{"port": "http", "path": "/metrics", "interval": "30s", "honorLabels": true}])
        );
    }
}

#[tokio::test]
async fn probes_are_tuned_one_time_at_a_time_or_left_out() {
    let set = "livenessProbe.failureThreshold=3,readinessProbe.timeoutSeconds=null,startupProbe=null";
    let rendered = render(&["--set", set]).await;
    let container = &only(&rendered, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["livenessProbe"],
        json!({
            "httpGet": {"path": "/livez", "port": "http"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        })
    );
    assert_eq!(
        container["readinessProbe"],
        json!({"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 5})
    );
    assert_eq!(container.get("startupProbe"), None);
}

#[tokio::test]
async fn more_objects_are_taken_as_they_are_and_of_texts_the_templates_are_rendered() {
    // As in an alert of Prometheus, which has templates of its own.
    let alert = "{{ $labels.account }} has {{ $value }} {{ .Release.Name }}";
    let object = json!([
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"n": "1e6", "text": alert}},
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include \"amiseal.fullname\" . }}-b\n",
        "{{ if .Values.podMonitor.enabled }}\nkind: Nothing\n{{ end }}\n",
    ]);
    let rendered = render(&["--set-json", &format!("extraObjects={object}")]).await;
    let data = &named(&rendered, "ConfigMap", "a")["data"];
    assert_eq!(*data, json!({"n": "1e6", "text": alert}));
    assert_eq!(named(&rendered, "ConfigMap", "amiseal-b")["apiVersion"], "v1");
    assert!(rendered.iter().all(|object| object["kind"] != "Nothing"));
}

/// A user that the platform gives, as OpenShift does, and numbers that are as large as its users.
#[tokio::test]
async fn null_takes_a_user_away_and_large_numbers_keep_their_digits() {
    let values = json!({
        "podSecurityContext": {"runAsUser": null, "runAsGroup": null, "fsGroup": 1_000_680_000, "supplementalGroups": null},
        "securityContext": {"runAsUser": 1_000_000, "capabilities": {"add": null}},
        "resources": {"limits": {"memory": 1_000_000_000, "cpu": null}, "requests": {"ephemeral-storage": 10_000_000}},
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1_000_000, "value": null}],
        "affinity": {"nodeAffinity": null},
        "podLabels": {"a": null, "b": "1000000"},
        "terminationGracePeriodSeconds": 1_000_000,
        "livenessProbe": {"periodSeconds": 1_000_000},
        "revisionHistoryLimit": 1_000_000,
        "podDisruptionBudget": {"maxUnavailable": 1_000_000},
    });
    let set: Vec<String> = values
        .as_object()
        .expect("values")
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut arguments = Vec::new();
    for set in &set {
        arguments.extend(["--set-json", set.as_str()]);
    }
    let yaml = template(&arguments).await.expect("helm template");
    assert!(!yaml.contains("e+"), "{yaml}");
    let rendered = crate::support::objects(&yaml);
    crate::rendering::asked(rig::shared().await, &yaml).await;
    let deployment = &only(&rendered, "Deployment")["spec"];
    let pod = &deployment["template"]["spec"];
    assert_eq!(
        pod["securityContext"],
        json!({"fsGroup": 1_000_680_000, "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})
    );
    let container = &pod["containers"][0];
    assert_eq!(container["securityContext"]["runAsUser"], 1_000_000);
    assert_eq!(container["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
    assert_eq!(container["resources"]["limits"], json!({"memory": 1_000_000_000}));
    assert_eq!(pod["tolerations"][0]["tolerationSeconds"], 1_000_000);
    assert_eq!(pod["tolerations"][0].get("value"), None);
    assert_eq!(pod.get("affinity"), None);
    let labels = deployment["template"]["metadata"]["labels"]
        .as_object()
        .expect("labels");
    assert_eq!((labels.get("a"), &labels["b"]), (None, &json!("1000000")));
    assert_eq!(deployment["revisionHistoryLimit"], 1_000_000);
}

#[tokio::test]
async fn a_pod_annotation_of_the_charts_own_can_be_replaced() {
    let set = "podAnnotations.kubectl\\.kubernetes\\.io/default-container=proxy";
    let rendered = render(&["--set", set]).await;
    let annotations = &only(&rendered, "Deployment")["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(
        *annotations,
        json!({"kubectl.kubernetes.io/default-container": "proxy"})
    );
}
