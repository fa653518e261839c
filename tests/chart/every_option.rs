//! Every option, set to something else than its default, is where it belongs in what is rendered.

use std::path::Path;

use serde_json::{Value, json};

use crate::rendering::EVERY_OPTION;
use crate::support::{names, only, read, render};

#[tokio::test]
async fn every_option_arrives_where_it_belongs() {
    let all = render(&["--values", EVERY_OPTION]).await;
    assert_eq!(
        names(&all),
        [
            "ConfigMap amiseal-all-dashboard",
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
            "--fips-endpoints",
            "--dual-stack-endpoints",
            "--copy-poll-interval=45s",
            "--event-queue-url=https://sqs.eu-west-1.amazonaws.com/999900001111/amiseal",
            format!("--cluster-consumers={}", given["clusterConsumers"]),
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
