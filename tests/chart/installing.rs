//! The life of a release on a control plane: installed, upgraded, uninstalled and installed again.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use rig::{ControlPlane, Options, Process, http_get, poll_until};
use serde_json::Value;

use crate::support::{NAMESPACE, RELEASE, chart, helm, kubectl, objects};

pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) async fn start() -> ControlPlane {
    ControlPlane::start(Options::default()).await.expect("a control plane")
}

pub(crate) async fn install(control_plane: &ControlPlane, more: &[&str]) -> String {
    install_from(control_plane, &rig::chart_directory(), more).await
}

pub(crate) async fn install_from(control_plane: &ControlPlane, chart: &Path, more: &[&str]) -> String {
    let mut arguments = vec![
        "install",
        RELEASE,
        chart.to_str().expect("UTF-8"),
        "--namespace",
        NAMESPACE,
        "--create-namespace",
    ];
    arguments.extend(more);
    helm(control_plane, &arguments).await.expect("helm install")
}

pub(crate) async fn upgrade(control_plane: &ControlPlane, more: &[&str]) {
    let chart = chart();
    let mut arguments = vec!["upgrade", RELEASE, &chart, "--namespace", NAMESPACE];
    arguments.extend(more);
    helm(control_plane, &arguments).await.expect("helm upgrade");
}

async fn uninstall(control_plane: &ControlPlane) -> String {
    helm(control_plane, &["uninstall", RELEASE, "--namespace", NAMESPACE])
        .await
        .expect("helm uninstall")
}

pub(crate) async fn get(control_plane: &ControlPlane, resource: &str, name: &str) -> Option<Value> {
    get_in(control_plane, NAMESPACE, resource, name).await
}

async fn get_in(control_plane: &ControlPlane, namespace: &str, resource: &str, name: &str) -> Option<Value> {
    let arguments = [
        "get",
        resource,
        name,
        "--namespace",
        namespace,
        "--ignore-not-found",
        "--output",
        "json",
    ];
    let json = kubectl(control_plane, &arguments, "").await.expect("kubectl get");
    (!json.is_empty()).then(|| serde_json::from_str(&json).expect("JSON"))
}

/// The policy that the notes propose, between the lines that feed it to kubectl.
pub(crate) fn proposed(notes: &str) -> &str {
    let (_, rest) = notes
        .split_once("kubectl apply --server-side -f - <<'EOF'\n")
        .expect("a command in the notes");
    rest.split_once("EOF\n").expect("its end").0
}

/// What the kubelet would put into the container's environment for this pod.
pub(crate) fn environment(container: &Value, pod: &str) -> Vec<(String, String)> {
    let value = |variable: &Value| {
        let name = variable["name"].as_str().expect("a name").to_owned();
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            Some("metadata.name") => pod,
            Some("metadata.namespace") => NAMESPACE,
            other => panic!("{name} is not known here: {other:?}"),
        };
        (name, value.to_owned())
    };
    container["env"].as_array().expect("a list").iter().map(value).collect()
}

#[tokio::test]
async fn what_is_installed_runs_leads_and_answers_its_probes() {
    let control_plane = start().await;
    // Definitions that somebody applied by hand become the release's, where it is told to take them.
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    control_plane
        .apply_files(&[Path::new(crds).to_owned()])
        .await
        .expect("definitions");
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|port| port.local_addr())
        .expect("a free port");
    let port = format!("http.address=127.0.0.1,http.port={}", free.port());
    install(&control_plane, &["--take-ownership", "--set", &port]).await;

    let deployment = get(&control_plane, "deployment", "amiseal")
        .await
        .expect("a Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let account = pod["serviceAccountName"].as_str().expect("a service account");
    let kubeconfig = control_plane
        .service_account_kubeconfig(NAMESPACE, account)
        .await
        .expect("a kubeconfig");
    let log = control_plane.directory().join("amiseal.log");
    let mut builder = Process::builder("amiseal", env!("CARGO_BIN_EXE_amiseal"), log)
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        // There is no policy, so nothing is asked of AWS.
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", "eu-west-1");
    for (name, value) in environment(container, "amiseal-7d4b9-x2x7v") {
        builder = builder.env(name, value);
    }
    let arguments = container["args"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str);
    let mut controller = builder.args(arguments).spawn().expect("amiseal starts");
    controller.wait_for_line("became leader", SOON).await.expect("it leads");

    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().expect("a path");
        let url = format!("http://127.0.0.1:{}{path}", free.port());
        // It may lead before it has listed everything.
        poll_until(probe, SOON, async || {
            let (status, _) = http_get(&url).await?;
            Ok((status == 200).then_some(()))
        })
        .await
        .expect("it gets ready");
    }
    let client = control_plane.admin_client().await.expect("a client");
    let lease = Api::<Lease>::namespaced(client, NAMESPACE)
        .get("amiseal-shard-0")
        .await
        .expect("a Lease");
    let holder = lease.spec.and_then(|spec| spec.holder_identity).expect("a holder");
    assert_eq!(holder, "amiseal-7d4b9-x2x7v");

    controller.sigterm().expect("asked to end");
    let grace = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().expect("seconds"));
    let status = controller.wait(grace).await.expect("it ends");
    assert!(status.success(), "{status}: {}", controller.log());
    assert!(!controller.log().contains("orbidden"), "{}", controller.log());
}

#[tokio::test]
async fn a_release_is_upgraded_and_leaves_definitions_and_policies_behind_when_it_goes() {
    let control_plane = start().await;
    let notes = install(&control_plane, &[]).await;
    assert!(
        notes.contains("has no annotation eks.amazonaws.com/role-arn"),
        "{notes}"
    );
    let policy = proposed(&notes);
    assert_eq!(objects(policy)[0]["spec"]["mode"], "Audit");
    control_plane
        .apply(policy)
        .await
        .expect("the policy that the notes propose");
    let uid = async || {
        get(&control_plane, "aep", "first-look")
            .await
            .map(|policy| policy["metadata"]["uid"].clone())
    };
    let first = uid().await;
    assert!(first.is_some());
    for (resource, name) in [
        ("deployment", "amiseal"),
        ("serviceaccount", "amiseal"),
        ("service", "amiseal-metrics"),
        ("poddisruptionbudget", "amiseal"),
        ("clusterrole", "amiseal"),
        ("clusterrole", "amiseal-view"),
        ("clusterrole", "amiseal-operator"),
        ("clusterrole", "amiseal-approver"),
        ("validatingadmissionpolicy", "amiseal-decisions"),
        ("validatingadmissionpolicybinding", "amiseal-decisions"),
        ("clusterrolebinding", "amiseal"),
        ("role", "amiseal-leases"),
        ("rolebinding", "amiseal-leases"),
    ] {
        assert!(
            get(&control_plane, resource, name).await.is_some(),
            "{resource} {name} is missing"
        );
    }
    for resource in ["role", "rolebinding"] {
        let found = get_in(&control_plane, "default", resource, "amiseal-events").await;
        assert!(found.is_some(), "{resource} amiseal-events is missing");
    }

    let role = "serviceAccount.annotations.eks\\.amazonaws\\.com/role-arn=arn:aws:iam::111122223333:role/amiseal";
    upgrade(
        &control_plane,
        &[
            "--set",
            "replicas=3,log.filter=debug,podDisruptionBudget.enabled=false",
            "--set",
            role,
        ],
    )
    .await;
    let deployment = get(&control_plane, "deployment", "amiseal")
        .await
        .expect("a Deployment");
    assert_eq!(deployment["spec"]["replicas"], 3);
    assert_eq!(
        deployment["spec"]["template"]["spec"]["containers"][0]["args"][3],
        "--log=debug"
    );
    let account = get(&control_plane, "serviceaccount", "amiseal")
        .await
        .expect("a service account");
    assert_eq!(
        account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"],
        "arn:aws:iam::111122223333:role/amiseal"
    );
    assert_eq!(get(&control_plane, "poddisruptionbudget", "amiseal").await, None);
    assert_eq!(uid().await, first);

    let answer = uninstall(&control_plane).await;
    assert!(
        answer.contains("[CustomResourceDefinition] amiencryptionpolicies.amiseal.dev"),
        "{answer}"
    );
    for (resource, name) in [
        ("deployment", "amiseal"),
        ("clusterrole", "amiseal"),
        ("role", "amiseal-leases"),
        ("validatingadmissionpolicy", "amiseal-decisions"),
        ("validatingadmissionpolicybinding", "amiseal-decisions"),
    ] {
        assert_eq!(
            get(&control_plane, resource, name).await,
            None,
            "{resource} {name} is left"
        );
    }
    assert_eq!(get_in(&control_plane, "default", "role", "amiseal-events").await, None);
    assert_eq!(uid().await, first);

    let notes = install(&control_plane, &["--set", role]).await;
    assert!(!notes.contains("has no annotation"), "{notes}");
    assert_eq!(uid().await, first);
    upgrade(&control_plane, &["--set", "crds.keep=false"]).await;
    uninstall(&control_plane).await;
    poll_until("the definitions to go", SOON, async || {
        let definition = get(
            &control_plane,
            "customresourcedefinition",
            "amiencryptionpolicies.amiseal.dev",
        )
        .await;
        Ok(definition.is_none().then_some(()))
    })
    .await
    .expect("no definitions");
}
