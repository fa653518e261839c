//! `helm test` and the command that its pod runs. There is no kubelet: the test runs what the pod says, and tells how it ended.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use amiseal::cli::check::{Args, FOR_PROOF_JOBS, MAP_RIGHTS, Place, RIGHTS, to_list};
use amiseal::plan::usage::objects::{DEFAULT, ObjectKinds};
use clap::Args as _;
use ec2sim::{Server, Sim};
use rig::{ControlPlane, Process, poll_until};
use serde_json::{Value, json};

use crate::installing::{SOON, environment, get, install, start};
use crate::support::{Answer, NAMESPACE, RELEASE, chart, helm, kubectl, named, render};

const POD: &str = "amiseal-check";
const WORLD: &str = r#"
seed: 1
identities: [{accessKey: AKIACONTROLLER, account: "999900001111", allow: ["sts:*"]}]
accounts: [{id: "999900001111", regions: [{name: eu-west-1}]}]
"#;

/// The arguments of a container.
fn arguments(container: &Value) -> Vec<&str> {
    let arguments = container["args"].as_array().expect("a list");
    arguments.iter().filter_map(Value::as_str).collect()
}

/// How the program ended that a pod's first container runs, and what it printed.
async fn run(
    control_plane: &ControlPlane,
    container: &Value,
    kubeconfig: &Path,
    variables: &[(&str, &str)],
) -> (bool, String) {
    let log = control_plane.directory().join("check.log");
    let _ = std::fs::remove_file(&log);
    let mut builder = Process::builder("amiseal check", env!("CARGO_BIN_EXE_amiseal"), &log)
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    for (name, value) in environment(container, POD) {
        builder = builder.env(name, value);
    }
    for (name, value) in variables {
        builder = builder.env(name, value);
    }
    let mut check = builder.args(arguments(container)).spawn().expect("amiseal starts");
    let status = check.wait(Duration::from_secs(120)).await.expect("it ends");
    (status.success(), check.log())
}

/// Runs `helm test`, and its pod.
async fn helm_test(control_plane: &ControlPlane, variables: &[(&str, &str)]) -> (Answer, String) {
    let arguments = ["test", RELEASE, "--namespace", NAMESPACE, "--timeout", "60s"];
    let pod = async {
        let pod = poll_until("the pod of helm test", SOON, async || {
            let pod = get(control_plane, "pod", POD).await;
            // That of the last time is deleted first.
            Ok(pod.filter(|pod| pod["status"]["phase"] == "Pending"))
        })
        .await
        .expect("a pod");
        let account = pod["spec"]["serviceAccountName"].as_str().expect("a service account");
        let kubeconfig = control_plane.service_account_kubeconfig(NAMESPACE, account).await;
        let container = &pod["spec"]["containers"][0];
        let (success, log) = run(control_plane, container, &kubeconfig.expect("a kubeconfig"), variables).await;
        let phase = if success { "Succeeded" } else { "Failed" };
        let status = json!({"status": {"phase": phase}}).to_string();
        let patch = [
            "patch",
            "pod",
            POD,
            "--namespace",
            NAMESPACE,
            "--subresource=status",
            "--type=merge",
            "-p",
            &status,
        ];
        kubectl(control_plane, &patch, "").await.expect("kubectl patch");
        log
    };
    tokio::join!(helm(control_plane, &arguments), pod)
}

#[tokio::test]
async fn helm_test_says_whether_the_controller_can_do_its_work_and_what_it_lacks() {
    let control_plane = start().await;
    let free = TcpListener::bind("127.0.0.1:0")
        .and_then(|port| port.local_addr())
        .expect("a free port");
    let set = format!(
        "http.address=127.0.0.1,http.port={},replicas=1,controller.shards=4,controller.leaseDuration=3s,check.timeout=15s",
        free.port()
    );
    install(&control_plane, &["--set", &set]).await;
    let aws = Server::on_loopback(Sim::from_yaml(WORLD).expect("a world")).expect("a port");
    let endpoint = aws.endpoint();
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIACONTROLLER"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "eu-west-1"),
    ];

    let deployment = get(&control_plane, "deployment", "amiseal")
        .await
        .expect("a Deployment");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let kubeconfig = control_plane
        .service_account_kubeconfig(NAMESPACE, "amiseal")
        .await
        .expect("a kubeconfig");
    let mut builder = Process::builder(
        "amiseal",
        env!("CARGO_BIN_EXE_amiseal"),
        control_plane.directory().join("amiseal.log"),
    )
    .env_clear()
    .env("KUBECONFIG", &kubeconfig)
    .env("AWS_EC2_METADATA_DISABLED", "true");
    for (name, value) in environment(container, "amiseal-7d4b9-x2x7v") {
        builder = builder.env(name, value);
    }
    for (name, value) in variables {
        builder = builder.env(name, value);
    }
    let mut controller = builder.args(arguments(container)).spawn().expect("amiseal starts");
    controller.wait_for_line("became leader", SOON).await.expect("it leads");

    let (answer, log) = helm_test(&control_plane, &variables).await;
    assert_eq!(
        log.lines().collect::<Vec<_>>(),
        [
            "ok    amiencryptionpolicies: can be read; there are 0",
            "ok    amiencryptiontargets: can be read",
            "ok    amimigrations: can be read",
            "ok    rights: all 25 are granted",
            "ok    shards: all 4 are held, by amiseal-7d4b9-x2x7v (4)",
            "ok    AWS in eu-west-1: STS answers arn:aws:iam::999900001111:user/AKIACONTROLLER",
        ]
    );
    assert!(answer.expect("helm test").contains("Succeeded"));
    assert!(aws.sim().journal().iter().all(|call| !call.mutating));

    controller.kill9().expect("killed");
    let (answer, log) = helm_test(&control_plane, &variables).await;
    assert!(
        log.contains("FAIL  shards: the Leases of 4 of 4 were not renewed"),
        "{log}"
    );
    assert!(answer.refusal("helm test").contains("failed"), "{log}");

    // Another identity, without rights, and without a region.
    let create = ["create", "serviceaccount", "nobody", "--namespace", NAMESPACE];
    kubectl(&control_plane, &create, "").await.expect("kubectl create");
    let nobody = control_plane
        .service_account_kubeconfig(NAMESPACE, "nobody")
        .await
        .expect("a kubeconfig");
    let quick = json!({"args": ["check", "--timeout=1s"], "env": []});
    let (success, log) = run(&control_plane, &quick, &nobody, &variables[..3]).await;
    assert!(!success);
    for line in [
        "FAIL  amiencryptionpolicies: amiencryptionpolicies.amiseal.dev is forbidden",
        "FAIL  rights: missing: list amiencryptionpolicies.amiseal.dev, watch amiencryptionpolicies.amiseal.dev",
        "delete leases.coordination.k8s.io in amiseal-system, list ec2nodeclasses.karpenter.k8s.aws, ",
        "list awsmanagedmachinepools.infrastructure.cluster.x-k8s.io: grant them, as the chart does with rbac.create=true",
        "FAIL  shards: the Leases of amiseal-system cannot be listed",
        "FAIL  AWS: no region is known: no policy names one, and AWS_REGION is not set",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }

    // Where copies are to be proven by Jobs.
    let jobs = json!({"args": ["check", "--timeout=1s", "--proof-jobs"], "env": []});
    let (_, log) = run(&control_plane, &jobs, &kubeconfig, &variables).await;
    let missing = "FAIL  rights: missing: get cronjobs.batch in amiseal-system, get jobs.batch in amiseal-system, create \
                   jobs.batch in amiseal-system, delete jobs.batch in amiseal-system: grant them, as the chart does with \
                   proofJobs.enabled=true";
    assert!(log.contains(missing), "{log}");

    // Without a definition, and with an STS that does not answer.
    let delete = ["delete", "customresourcedefinition", "amimigrations.amiseal.dev"];
    kubectl(&control_plane, &delete, "").await.expect("kubectl delete");
    let regions = json!({"args": ["check", "--timeout=1s", "--region=eu-west-1"], "env": []});
    let silent = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), variables[1], variables[2]];
    let (success, log) = run(&control_plane, &regions, &kubeconfig, &silent).await;
    assert!(!success);
    let missing = "FAIL  amimigrations: the cluster has no amimigrations.amiseal.dev: apply the files of crds/";
    assert!(log.contains(missing), "{log}");
    let silent = "FAIL  AWS in eu-west-1: sts:GetCallerIdentity: AWS cannot be reached at 127.0.0.1:9";
    assert!(log.contains(silent), "{log}");

    // Without an API server.
    let text = std::fs::read_to_string(&kubeconfig).expect("a kubeconfig");
    let nowhere = control_plane.directory().join("nowhere.kubeconfig");
    std::fs::write(&nowhere, text.replace(&control_plane.url(), "https://127.0.0.1:9")).expect("written");
    let (success, log) = run(&control_plane, &quick, &nowhere, &variables).await;
    assert!(!success);
    assert!(log.starts_with("FAIL  API server: it does not answer ("), "{log}");
    assert!(log.contains("ok    AWS in eu-west-1"), "{log}");
}

/// Each right in its place, as `verb resource.group`.
type Rights = BTreeSet<(String, String)>;

#[tokio::test]
async fn the_check_asks_about_every_right_that_the_chart_grants_and_about_no_other() {
    let rendered = render(&["--set", "promotionMap.enabled=true,proofJobs.enabled=true"]).await;
    let of_chart = |kind: &str, name: &str, place: &str| -> Rights {
        let mut rights = Rights::new();
        let list = |value: &Value| value.as_array().cloned().expect("a list");
        for rule in list(&named(&rendered, kind, name)["rules"]) {
            for (resource, verb) in list(&rule["resources"]).iter().flat_map(|resource| {
                list(&rule["verbs"])
                    .into_iter()
                    .map(move |verb| (resource.clone(), verb))
            }) {
                let text = |value: &Value| value.as_str().expect("a text").to_owned();
                let right = format!("{} {}.{}", text(&verb), text(&resource), text(&rule["apiGroups"][0]));
                rights.insert((place.to_owned(), right));
            }
        }
        rights
    };
    let mut granted = of_chart("ClusterRole", "amiseal", "Cluster");
    granted.extend(of_chart("Role", "amiseal-events", "Events"));
    granted.extend(of_chart("Role", "amiseal-leases", "Leases"));
    granted.extend(of_chart("Role", "amiseal-maps", "Leases"));
    granted.extend(of_chart("Role", "amiseal-jobs", "Leases"));
    let place = |place: Place| format!("{place:?}");
    let ObjectKinds(kinds) = DEFAULT.parse().expect("the default");
    let asked: Rights = RIGHTS
        .iter()
        .chain(FOR_PROOF_JOBS)
        .copied()
        .chain(MAP_RIGHTS.iter().copied())
        .chain(kinds.iter().map(to_list))
        .flat_map(|right| {
            let named = move |verb: &&str| format!("{verb} {}.{}", right.resource, right.group);
            right.verbs.iter().map(move |verb| (place(right.place), named(verb)))
        })
        .collect();
    assert_eq!(asked, granted);
}

#[tokio::test]
async fn the_pod_of_helm_test_is_no_replica_and_has_the_identity_and_settings_of_one() {
    let values = "check.regions={eu-west-1,us-gov-west-1},check.timeout=2m,controller.shards=32,podLabels.team=a,\
                  controller.leaseDuration=5m,extraContainers[0].name=proxy,extraContainers[0].image=proxy:1,\
                  extraInitContainers[0].name=keys,extraInitContainers[0].image=keys:1,\
                  extraInitContainers[0].restartPolicy=Always,priorityClassName=high,dnsPolicy=Default,extraEnv[0].name=HTTPS_PROXY,extraEnv[0].value=http://proxy:3128";
    let rendered = render(&["--set", values]).await;
    let pod = named(&rendered, "Pod", POD);
    let template = &named(&rendered, "Deployment", "amiseal")["spec"]["template"];
    let (check, replica) = (&pod["spec"]["containers"][0], &template["spec"]["containers"][0]);
    assert_eq!(
        check["args"],
        json!([
            "check",
            "--shards=32",
            "--lease-duration=5m",
            format!("--cluster-consumers={DEFAULT}"),
            "--timeout=2m",
            "--region=eu-west-1",
            "--region=us-gov-west-1"
        ])
    );
    for setting in [
        "serviceAccountName",
        "securityContext",
        "priorityClassName",
        "dnsPolicy",
        "initContainers",
    ] {
        assert!(!pod["spec"][setting].is_null(), "{setting}");
        assert_eq!(pod["spec"][setting], template["spec"][setting], "{setting}");
    }
    for setting in ["image", "imagePullPolicy", "env", "securityContext", "resources"] {
        assert!(!check[setting].is_null(), "{setting}");
        assert_eq!(check[setting], replica[setting], "{setting}");
    }
    // Another one would keep the pod from ending.
    assert_eq!(pod["spec"]["containers"].as_array().map(Vec::len), Some(1));
    assert_eq!(pod["metadata"]["annotations"]["helm.sh/hook"], "test");
    let name = "app.kubernetes.io/name";
    assert_ne!(pod["metadata"]["labels"][name], template["metadata"]["labels"][name]);
    assert_eq!(pod["metadata"]["labels"]["team"], "a");
    let without = render(&["--set", "check.enabled=false"]).await;
    assert!(without.iter().all(|object| object["kind"] != "Pod"));
}

/// A replica with Leases that last long renews them seldom, and the check waits for it by itself.
#[tokio::test]
async fn the_check_knows_how_long_leases_last_and_takes_every_option_that_the_chart_gives_it() {
    let command = Args::augment_args(clap::Command::new("check"));
    for (set, expected) in [
        ("check.timeout=", vec!["check", "--shards=16", "--lease-duration=15s"]),
        (
            "controller.leaseDuration=1h",
            vec!["check", "--shards=16", "--lease-duration=1h"],
        ),
        (
            "check.timeout=59m59s",
            vec!["check", "--shards=16", "--lease-duration=15s", "--timeout=59m59s"],
        ),
        (
            "proofJobs.enabled=true",
            vec!["check", "--shards=16", "--lease-duration=15s", "--proof-jobs"],
        ),
        (
            "controller.fipsEndpoints=true",
            vec!["check", "--shards=16", "--lease-duration=15s", "--fips-endpoints"],
        ),
        (
            "controller.dualStackEndpoints=true",
            vec!["check", "--shards=16", "--lease-duration=15s", "--dual-stack-endpoints"],
        ),
    ] {
        let none = "--cluster-consumers=[]";
        let expected = [&expected[..3], &[none], &expected[3..]].concat();
        let rendered = render(&["--set", set, "--set-json", "clusterConsumers=[]"]).await;
        let given = arguments(&named(&rendered, "Pod", POD)["spec"]["containers"][0]);
        assert_eq!(given, expected, "{set}");
        if let Err(error) = command.clone().try_get_matches_from(given) {
            panic!("{set}: {error}");
        }
    }
}

/// Helm looks for the pod's log in the release's namespace only.
#[tokio::test]
async fn the_notes_say_how_the_log_of_the_check_is_read_where_the_pod_is() {
    let chart = chart();
    for (set, shown, hidden) in [
        (
            "log.filter=info",
            "\n  helm test amiseal --namespace amiseal-system --logs\n",
            "kubectl logs",
        ),
        (
            "namespaceOverride=security,fullnameOverride=seal",
            "\n  helm test amiseal --namespace amiseal-system\n  kubectl logs --namespace security seal-check --container \
             check\n",
            "--logs",
        ),
        ("check.enabled=false", "\nNext, look before you leap.", "helm test"),
    ] {
        let install = ["install", RELEASE, &chart, "--namespace", NAMESPACE];
        let dry = ["--dry-run=client", "--set", set];
        let printed = helm(rig::shared().await, &[&install[..], &dry].concat()).await;
        let printed = printed.expect("helm install --dry-run");
        let (_, notes) = printed.split_once("\nNOTES:\n").expect("notes");
        assert!(notes.contains(shown) && !notes.contains(hidden), "{set}: {notes}");
    }
}
