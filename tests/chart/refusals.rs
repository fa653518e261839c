//! Values that cannot be meant, and the sentence that each of them gets.

use amiseal::plan::usage::objects::ObjectKinds;
use serde_json::json;

use crate::support::template;

/// Entries of `clusterConsumers` beside a good one, each with one thing that cannot be meant.
#[tokio::test]
async fn what_launches_images_is_refused_by_its_place_where_it_cannot_be_meant() {
    let good = json!({"apiVersion": "example.com/v1", "kind": "Pool", "resource": "pools", "paths": [".spec.image"]});
    let other =
        json!({"apiVersion": "example.com/v1", "kind": "Fleet", "resource": "fleets", "paths": [".spec.images[*]"]});
    for (field, value, message) in [
        (
            "apiVersion",
            json!("example"),
            "/1/apiVersion': 'example' does not match pattern",
        ),
        (
            "apiVersion",
            json!("example.com/"),
            "/1/apiVersion': 'example.com/' does not match pattern",
        ),
        (
            "apiVersion",
            json!("a..b/v1"),
            "/1/apiVersion': 'a..b/v1' does not match pattern",
        ),
        ("kind", json!("fleets"), "/1/kind': 'fleets' does not match pattern"),
        (
            "resource",
            json!("Fleet"),
            "/1/resource': 'Fleet' does not match pattern",
        ),
        ("resource", json!("*"), "/1/resource': '*' does not match pattern"),
        ("paths", json!([]), "/1/paths': minItems: got 0, want 1"),
        ("paths", json!(".spec.image"), "/1/paths': got string, want array"),
        (
            "paths",
            json!([".spec.image", "spec.image"]),
            "/1/paths/1': 'spec.image' does not match pattern",
        ),
        (
            "paths",
            json!([".spec.images[0]"]),
            "/1/paths/0': '.spec.images[0]' does not match pattern",
        ),
        (
            "path",
            json!(".spec.image"),
            "/1': additional properties 'path' not allowed",
        ),
        ("resource", json!(null), "/1/resource': got null, want string"),
    ] {
        let mut bad = other.clone();
        bad[field] = value;
        let set = format!("clusterConsumers={}", json!([good, bad]));
        let refusal = template(&["--set-json", &set]).await.refusal(&set);
        assert!(
            refusal.contains(&format!("at '/clusterConsumers{message}")),
            "{set}: {refusal}"
        );
        let (_, value) = set.split_once('=').expect("a value");
        assert!(
            value.parse::<ObjectKinds>().is_err(),
            "the controller takes it: {value}"
        );
    }
    for (twice, what) in [("kind", "Pool"), ("resource", "pools")] {
        let mut bad = other.clone();
        bad[twice] = json!(what);
        let set = format!("clusterConsumers={}", json!([good, bad]));
        let refusal = template(&["--set-json", &set]).await.refusal(&set);
        let message =
            format!("clusterConsumers[1] is {what} of example.com, which is there already: put all its paths into one");
        assert!(refusal.contains(&message), "{refusal}");
    }
}

#[tokio::test]
async fn values_that_cannot_be_meant_are_refused_by_name() {
    for (set, message) in [
        ("replica=3", "additional properties 'replica' not allowed"),
        (
            "image.repo=amiseal",
            "at '/image': additional properties 'repo' not allowed",
        ),
        ("replicas=two", "at '/replicas': got string, want integer"),
        ("replicas=-1", "at '/replicas': minimum: got -1, want 0"),
        ("image.repository=", "at '/image/repository': '' does not match pattern"),
        (
            "image.digest=sha256:12",
            "at '/image/digest': 'sha256:12' does not match pattern",
        ),
        (
            "image.pullPolicy=Sometimes",
            "at '/image/pullPolicy': value must be one of 'IfNotPresent', 'Always', 'Never'",
        ),
        ("crds.enabled=yes", "at '/crds/enabled': got string, want boolean"),
        (
            "controller.concurrency=0",
            "at '/controller/concurrency': minimum: got 0, want 1",
        ),
        (
            "controller.awsRateShare=0",
            "at '/controller/awsRateShare': exclusiveMinimum",
        ),
        (
            "controller.awsRateShare=1.5",
            "at '/controller/awsRateShare': '1.5' does not match pattern",
        ),
        ("controller.leaseDuration=", "at '/controller/leaseDuration': minLength"),
        (
            "controller.leaseDuration=15",
            "at '/controller/leaseDuration': got number, want string",
        ),
        (
            "controller.leaseDuration=2s",
            "at '/controller/leaseDuration': '2s' does not match pattern",
        ),
        (
            "controller.leaseDuration=1h1s",
            "at '/controller/leaseDuration': '1h1s' does not match pattern",
        ),
        ("controller.shards=0", "at '/controller/shards': minimum: got 0, want 1"),
        (
            "replicas=17",
            "replicas is 17 and controller.shards is 16: a replica without a shard",
        ),
        (
            "controller.awsReadTimeout=31m",
            "at '/controller/awsReadTimeout': '31m' does not match pattern",
        ),
        (
            "controller.fipsEndpoints=yes",
            "at '/controller/fipsEndpoints': got string, want boolean",
        ),
        (
            "controller.copyPollInterval=500ms",
            "at '/controller/copyPollInterval': '500ms' does not match pattern",
        ),
        (
            "controller.copyPollInterval=0s",
            "at '/controller/copyPollInterval': '0s' does not match pattern",
        ),
        (
            "controller.copyPollInterval=24h1m",
            "at '/controller/copyPollInterval': '24h1m' does not match pattern",
        ),
        (
            "events.queueURL=http://sqs.eu-west-1.amazonaws.com/111122223333/amiseal",
            "at '/events/queueURL': 'http://sqs.eu-west-1.amazonaws.com/111122223333/amiseal' does not match pattern",
        ),
        (
            "events.queueURL=arn:aws:sqs:eu-west-1:111122223333:amiseal",
            "at '/events/queueURL': 'arn:aws:sqs:eu-west-1:111122223333:amiseal' does not match pattern",
        ),
        ("rbac.userRoles=yes", "at '/rbac/userRoles': got string, want boolean"),
        (
            "log.format=xml",
            "at '/log/format': value must be one of 'auto', 'text', 'json'",
        ),
        ("log.filter=", "at '/log/filter': minLength"),
        (
            "prometheusRule.alerts.AmisealScanStail.disabled=true",
            "at '/prometheusRule/alerts': additional properties 'AmisealScanStail' not allowed",
        ),
        (
            "prometheusRule.alerts.AmisealAbsent.threshold=1",
            "at '/prometheusRule/alerts/AmisealAbsent': additional properties 'threshold' not allowed",
        ),
        (
            "prometheusRule.alerts.AmisealScanStale.for=1 hour",
            "at '/prometheusRule/alerts/AmisealScanStale/for': '1 hour' does not match pattern",
        ),
        ("http.port=0", "at '/http/port': minimum: got 0, want 1"),
        (
            "http.address=localhost",
            "at '/http/address': 'localhost' does not match pattern",
        ),
        (
            "podDisruptionBudget.maxUnavailable=half",
            "at '/podDisruptionBudget/maxUnavailable'",
        ),
        (
            "terminationGracePeriodSeconds=0",
            "at '/terminationGracePeriodSeconds': minimum",
        ),
        ("tolerations.key=a", "at '/tolerations': got object, want array"),
        (
            "nodeSelector.spot=true",
            "at '/nodeSelector/spot': got boolean, want null or string",
        ),
        (
            "extraEnv[0].name=A,extraEnv[0].value=1",
            "at '/extraEnv/0/value': got number, want null or string",
        ),
        (
            "extraEnv[0].name=POD_NAME,extraEnv[0].value=a",
            "extraEnv[0].name is POD_NAME, which the chart sets itself",
        ),
        (
            "extraContainers[0].name=amiseal",
            "extraContainers[0].name is amiseal, which is the controller's own",
        ),
        (
            "extraInitContainers[0].name=check",
            "extraInitContainers[0].name is check, which the pod of helm test has itself",
        ),
        (
            "updateStrategy.type=Recreate,updateStrategy.rollingUpdate.maxSurge=1",
            "updateStrategy.type is Recreate, which takes no updateStrategy.rollingUpdate",
        ),
        (
            "updateStrategy.rollingUpdate.maxSurge=0,updateStrategy.rollingUpdate.maxUnavailable=0%",
            "updateStrategy.rollingUpdate.maxSurge and maxUnavailable are both 0",
        ),
        (
            "updateStrategy.rollingUpdate.maxSurge=some",
            "at '/updateStrategy/rollingUpdate/maxSurge': 'some' does not match pattern",
        ),
        ("dnsPolicy=None", "at '/dnsConfig': missing property 'nameservers'"),
        ("extraObjects[0]=a: {", "extraObjects[0] is not YAML"),
        ("extraObjects[0]=a: b", "extraObjects[0] is no object of Kubernetes"),
        ("extraObjects[0].kind=ConfigMap", "at '/extraObjects/0'"),
        (
            "podLabels.a b=c",
            "at '/podLabels': additional properties 'a b' not allowed",
        ),
        (
            "resources.limits.memory=much",
            "at '/resources/limits/memory': 'much' does not match pattern",
        ),
        (
            "podDisruptionBudget.maxUnavailable=101%",
            "at '/podDisruptionBudget/maxUnavailable': '101%' does not match pattern",
        ),
        (
            "check.regions[0]=Ireland",
            "at '/check/regions/0': 'Ireland' does not match pattern",
        ),
        ("check.timeout=2h", "at '/check/timeout': '2h' does not match pattern"),
        (
            "livenessProbe.period=5",
            "at '/livenessProbe': additional properties 'period' not allowed",
        ),
        ("extraEnv[0].value=a", "at '/extraEnv/0': missing property 'name'"),
        (
            "imagePullSecrets[0].name=1",
            "at '/imagePullSecrets/0/name': got number, want string",
        ),
        (
            "priorityClassName=High_Priority",
            "at '/priorityClassName': 'High_Priority' does not match pattern",
        ),
        (
            "serviceAccount.name=a b",
            "at '/serviceAccount/name': 'a b' does not match pattern",
        ),
        (
            "podLabels.team=a b",
            "at '/podLabels/team': 'a b' does not match pattern",
        ),
        (
            "serviceAccount.create=false",
            "serviceAccount.name is empty: name the service account",
        ),
    ] {
        let refusal = template(&["--set", set]).await.refusal(set);
        assert!(refusal.contains(message), "{set}: {refusal}");
    }
}
