//! What the chart renders, and that the API server takes it.

use std::collections::BTreeMap;
use std::path::Path;

use rig::{ControlPlane, shared};
use serde_json::{Value, json};

use crate::support::{Answer, NAMESPACE, chart, helm, kubectl, named, names, objects, only, read, render, template};

pub(crate) const EVERY_OPTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chart/every-option.yaml");
/// They stand in for those of the Prometheus operator.
pub(crate) const OPERATOR: [&str; 3] = [
    include_str!("servicemonitor.yaml"),
    include_str!("podmonitor.yaml"),
    include_str!("prometheusrule.yaml"),
];
const KEEP: &str = "helm.sh/resource-policy";

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
                    podDisruptionBudget.enabled=true";
    for (more, count) in [(&[][..], 8), (&["--set", with_all], 21)] {
        let arguments = [&["--values", EVERY_OPTION], more].concat();
        let yaml = template(&arguments).await.expect("helm template");
        let answer = asked(control_plane, &yaml).await;
        assert_eq!(answer.lines().count(), count, "{answer}");
    }
}

#[tokio::test]
async fn every_option_arrives_where_it_belongs() {
    let all = render(&["--values", EVERY_OPTION]).await;
    assert_eq!(
        names(&all),
        [
            "ConfigMap amiseal-all-more",
            "ConfigMap proxy",
            "Deployment amiseal-all",
            "NetworkPolicy amiseal-all",
            "PodMonitor amiseal-all",
            "PrometheusRule amiseal-all",
            "Service amiseal-all-metrics",
            "ServiceMonitor amiseal-all",
        ]
    );
    let given: Value = serde_saphyr::from_str(&read(Path::new(EVERY_OPTION))).expect("YAML");
    let deployment = &only(&all, "Deployment")["spec"];
    let pod = &deployment["template"]["spec"];
    let container = &pod["containers"][0];
    for (rendered, value) in [
        (&deployment["replicas"], "replicas"),
        (&pod["imagePullSecrets"], "imagePullSecrets"),
        (
            &pod["securityContext"]["supplementalGroups"],
            "podSecurityContext.supplementalGroups",
        ),
        (&pod["securityContext"]["runAsUser"], "podSecurityContext.runAsUser"),
        (&pod["terminationGracePeriodSeconds"], "terminationGracePeriodSeconds"),
        (&pod["priorityClassName"], "priorityClassName"),
        (&pod["nodeSelector"], "nodeSelector"),
        (&pod["tolerations"], "tolerations"),
        (&pod["affinity"], "affinity"),
        (&pod["topologySpreadConstraints"], "topologySpreadConstraints"),
        (&pod["volumes"], "extraVolumes"),
        (&pod["serviceAccountName"], "serviceAccount.name"),
        (&container["volumeMounts"], "extraVolumeMounts"),
        (&container["imagePullPolicy"], "image.pullPolicy"),
        (&container["resources"], "resources"),
        (
            &container["securityContext"]["seccompProfile"],
            "securityContext.seccompProfile",
        ),
        (&container["ports"][0]["containerPort"], "http.port"),
        (&only(&all, "Service")["spec"]["ports"][0]["port"], "http.port"),
        (
            &only(&all, "Service")["spec"]["ipFamilyPolicy"],
            "service.ipFamilyPolicy",
        ),
        (&only(&all, "Service")["spec"]["ipFamilies"], "service.ipFamilies"),
        (&deployment["strategy"], "updateStrategy"),
        (&deployment["revisionHistoryLimit"], "revisionHistoryLimit"),
        (&pod["runtimeClassName"], "runtimeClassName"),
        (&pod["dnsPolicy"], "dnsPolicy"),
        (&pod["dnsConfig"], "dnsConfig"),
        (&pod["hostAliases"], "hostAliases"),
        (&pod["initContainers"], "extraInitContainers"),
        (&pod["containers"][1], "extraContainers.0"),
        (&container["envFrom"], "extraEnvFrom"),
        (
            &container["livenessProbe"]["failureThreshold"],
            "livenessProbe.failureThreshold",
        ),
        (
            &container["readinessProbe"]["periodSeconds"],
            "readinessProbe.periodSeconds",
        ),
        (
            &container["startupProbe"]["initialDelaySeconds"],
            "startupProbe.initialDelaySeconds",
        ),
        (
            &only(&all, "ServiceMonitor")["metadata"]["namespace"],
            "serviceMonitor.namespace",
        ),
        (
            &only(&all, "ServiceMonitor")["spec"]["endpoints"][0]["scrapeTimeout"],
            "serviceMonitor.scrapeTimeout",
        ),
        (
            &only(&all, "ServiceMonitor")["spec"]["endpoints"][0]["relabelings"],
            "serviceMonitor.relabelings",
        ),
        (
            &only(&all, "ServiceMonitor")["spec"]["endpoints"][0]["metricRelabelings"],
            "serviceMonitor.metricRelabelings",
        ),
        (
            &only(&all, "PodMonitor")["metadata"]["namespace"],
            "podMonitor.namespace",
        ),
        (
            &only(&all, "PodMonitor")["spec"]["podMetricsEndpoints"][0]["interval"],
            "podMonitor.interval",
        ),
        (
            &only(&all, "PodMonitor")["spec"]["podMetricsEndpoints"][0]["scrapeTimeout"],
            "podMonitor.scrapeTimeout",
        ),
        (
            &only(&all, "PodMonitor")["spec"]["podMetricsEndpoints"][0]["relabelings"],
            "podMonitor.relabelings",
        ),
        (
            &only(&all, "PodMonitor")["spec"]["podMetricsEndpoints"][0]["metricRelabelings"],
            "podMonitor.metricRelabelings",
        ),
        (
            &only(&all, "PodMonitor")["metadata"]["labels"]["release"],
            "podMonitor.labels.release",
        ),
        (
            &only(&all, "NetworkPolicy")["spec"]["ingress"][0]["from"],
            "networkPolicy.from",
        ),
        (
            &only(&all, "NetworkPolicy")["spec"]["egress"][3],
            "networkPolicy.extraEgress.0",
        ),
        (
            &only(&all, "ServiceMonitor")["spec"]["endpoints"][0]["interval"],
            "serviceMonitor.interval",
        ),
        (
            &only(&all, "ServiceMonitor")["metadata"]["labels"]["release"],
            "serviceMonitor.labels.release",
        ),
        (
            &only(&all, "PrometheusRule")["metadata"]["labels"]["release"],
            "prometheusRule.labels.release",
        ),
        (
            &only(&all, "PrometheusRule")["spec"]["groups"][2]["rules"],
            "prometheusRule.additionalRules",
        ),
    ] {
        let pointer = format!("/{}", value.replace('.', "/"));
        assert_eq!(Some(rendered), given.pointer(&pointer), "{value}");
    }
    let digest = given["image"]["digest"].as_str().expect("a digest");
    assert_eq!(
        container["image"],
        format!("registry.example.com/platform/amiseal@{digest}")
    );
    assert_eq!(
        container["args"],
        json!([
            "run",
            "--listen=[::]:9090",
            "--log-format=text",
            "--log=info,amiseal=debug",
            "--lease-duration=1m30s",
            "--shards=64",
            "--concurrency=4",
            "--aws-rate-share=1",
            "--aws-read-timeout=2m30s",
            "--copy-poll-interval=45s",
            "--help",
        ])
    );
    let env: Vec<&str> = container["env"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|env| env["name"].as_str())
        .collect();
    assert_eq!(env, ["POD_NAMESPACE", "POD_NAME", "AWS_REGION", "NODE_NAME"]);
    let metadata = &deployment["template"]["metadata"];
    assert_eq!(
        (
            &metadata["annotations"]["example.com/a"],
            &metadata["labels"]["example.com/c"]
        ),
        (&json!("b"), &json!("d"))
    );

    // Names with dots and slashes.
    let of = |object: &Value, map: &str, name: &str| object["metadata"][map][name].clone();
    for (object, map, name, value) in [
        (only(&all, "Service"), "annotations", "example.com/team", "platform"),
        (only(&all, "Service"), "labels", "example.com/scrape", "true"),
        (only(&all, "Service"), "labels", "app.kubernetes.io/part-of", "platform"),
        (only(&all, "Service"), "annotations", "example.com/owner", "platform"),
        (only(&all, "Deployment"), "annotations", "example.com/reload", "true"),
    ] {
        assert_eq!(of(object, map, name), value, "{name}");
    }
    assert_eq!(
        only(&all, "Deployment")["metadata"]["namespace"],
        given["namespaceOverride"]
    );

    // Those that have no effect beside others above.
    let created = render(&[
        "--values",
        EVERY_OPTION,
        "--set",
        "serviceAccount.create=true,podDisruptionBudget.enabled=true",
    ])
    .await;
    let (account, role) = (only(&created, "ServiceAccount"), "eks.amazonaws.com/role-arn");
    assert_eq!(
        of(account, "annotations", role),
        given["serviceAccount"]["annotations"][role]
    );
    assert_eq!(of(account, "labels", "example.com/identity"), "aws");
    assert_eq!(only(&created, "PodDisruptionBudget")["spec"]["maxUnavailable"], "50%");
    let tagged = render(&["--set", "image.tag=v9"]).await;
    assert_eq!(
        only(&tagged, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"],
        "amiseal:v9"
    );
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

/// The definitions that the arguments render, by name.
async fn definitions(arguments: &[&str]) -> BTreeMap<String, Value> {
    let by_name = |object: Value| (object["metadata"]["name"].as_str().expect("a name").to_owned(), object);
    render(arguments)
        .await
        .into_iter()
        .filter(|object| object["kind"] == "CustomResourceDefinition")
        .map(by_name)
        .collect()
}

#[tokio::test]
async fn the_definitions_are_those_of_the_project_with_helms_labels() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    let mut rendered = definitions(&[]).await;
    for entry in std::fs::read_dir(directory).expect("crds/") {
        let expected: Value = serde_saphyr::from_str(&read(&entry.expect("an entry").path())).expect("YAML");
        let mut definition = rendered
            .remove(expected["metadata"]["name"].as_str().expect("a name"))
            .expect("a definition");
        let metadata = definition["metadata"].as_object_mut().expect("metadata");
        assert_eq!(metadata.remove("annotations"), Some(json!({KEEP: "keep"})));
        assert_eq!(
            metadata.remove("labels").expect("labels")["app.kubernetes.io/instance"],
            "amiseal"
        );
        assert_eq!(definition, expected);
    }
    assert_eq!(rendered, BTreeMap::new());
}

#[tokio::test]
async fn the_definitions_can_be_left_out_or_left_to_helm() {
    assert_eq!(definitions(&["--set", "crds.enabled=false"]).await, BTreeMap::new());
    let not_kept = definitions(&["--set", "crds.keep=false"]).await;
    assert_eq!(not_kept.len(), 3);
    for definition in not_kept.values() {
        assert_eq!(definition["metadata"].get("annotations"), None);
    }
}

#[tokio::test]
async fn a_packaged_chart_holds_the_definitions() {
    let control_plane = shared().await;
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    helm(control_plane, &["package", &chart(), "--destination", &path("")])
        .await
        .expect("helm package");
    let package = path(&format!("amiseal-{}.tgz", env!("CARGO_PKG_VERSION")));
    let packaged = helm(
        control_plane,
        &["template", "amiseal", &package, "--namespace", NAMESPACE],
    )
    .await
    .expect("helm template");
    assert_eq!(packaged, template(&[]).await.expect("helm template"));
}

#[tokio::test]
async fn the_controller_is_granted_these_rights_and_no_others() {
    let rendered = render(&[]).await;
    assert_eq!(
        named(&rendered, "ClusterRole", "amiseal")["rules"],
        json!([
            {"apiGroups": ["amiseal.dev"], "resources": ["amiencryptionpolicies"], "verbs": ["list", "watch"]},
            {
                "apiGroups": ["amiseal.dev"],
                "resources": ["amiencryptiontargets"],
                "verbs": ["list", "watch", "create", "patch", "delete"],
            },
            {"apiGroups": ["amiseal.dev"], "resources": ["amimigrations"], "verbs": ["list", "watch", "create", "delete"]},
            {
                "apiGroups": ["amiseal.dev"],
                "resources": ["amiencryptionpolicies/status", "amiencryptiontargets/status", "amimigrations/status"],
                "verbs": ["update"],
            },
        ])
    );
    let events = json!([{"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]}]);
    let leases = json!([{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list", "create", "update", "delete"]}]);
    // Events of objects without a namespace are in `default`.
    for (name, namespace, rules) in [
        ("amiseal-events", "default", events),
        ("amiseal-leases", NAMESPACE, leases),
    ] {
        assert_eq!(named(&rendered, "Role", name)["rules"], rules);
        for kind in ["Role", "RoleBinding"] {
            assert_eq!(
                named(&rendered, kind, name)["metadata"]["namespace"],
                namespace,
                "{kind} {name}"
            );
        }
    }
    let bindings = rendered
        .iter()
        .filter(|object| object["kind"].as_str().is_some_and(|kind| kind.ends_with("Binding")));
    assert_eq!(bindings.count(), 3);
    for (binding, role, name) in [
        ("ClusterRoleBinding", "ClusterRole", "amiseal"),
        ("RoleBinding", "Role", "amiseal-events"),
        ("RoleBinding", "Role", "amiseal-leases"),
    ] {
        let binding = named(&rendered, binding, name);
        assert_eq!(
            binding["roleRef"],
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name})
        );
        assert_eq!(
            binding["subjects"],
            json!([{"kind": "ServiceAccount", "name": "amiseal", "namespace": NAMESPACE}])
        );
    }
}

#[tokio::test]
async fn people_who_view_the_cluster_may_read_everything_and_operators_do_what_the_guide_asks_of_them() {
    let rendered = render(&[]).await;
    let kinds = ["amiencryptionpolicies", "amiencryptiontargets", "amimigrations"];
    let reading = json!({"apiGroups": ["amiseal.dev"], "resources": kinds, "verbs": ["get", "list", "watch"]});
    let (view, operator) = (
        named(&rendered, "ClusterRole", "amiseal-view"),
        named(&rendered, "ClusterRole", "amiseal-operator"),
    );
    assert_eq!(view["rules"], json!([reading]));
    assert_eq!(
        operator["rules"],
        json!([
            reading,
            {
                "apiGroups": ["amiseal.dev"],
                "resources": ["amiencryptionpolicies"],
                "verbs": ["create", "update", "patch", "delete"],
            },
            {"apiGroups": ["amiseal.dev"], "resources": ["amimigrations"], "verbs": ["patch", "delete"]},
            {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["get", "list", "watch"]},
        ])
    );
    for role in ["view", "edit", "admin"] {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{role}");
        assert_eq!(view["metadata"]["labels"][&label], "true", "{role}");
        assert_eq!(operator["metadata"]["labels"].get(&label), None, "{role}");
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
