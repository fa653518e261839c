//! The controller, where a kubelet would run it, and the simulated AWS.

use std::time::Duration;

use ec2sim::{Server, Sim, WorldSpec};
use rig::{Component, ControlPlane, Process};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);
const NAMESPACE: &str = "amiseal-system";

/// A simulated AWS of this world.
pub(crate) fn aws(world: &WorldSpec) -> Server {
    let sim = Sim::new(world).expect("a world");
    Server::on_loopback(sim).expect("a port")
}

/// Starts the controller with the rights of a service account, and waits until it leads.
pub(crate) async fn start_controller(
    control_plane: &ControlPlane,
    endpoint: &str,
    access_key: &str,
    service_account: &str,
    arguments: &[&str],
) -> Process {
    let kubeconfig = control_plane
        .service_account_kubeconfig(NAMESPACE, service_account)
        .await
        .expect("a kubeconfig");
    let log = control_plane.directory().join("amiseal.log");
    let mut controller = Process::builder("amiseal", env!("CARGO_BIN_EXE_amiseal"), log)
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .env("POD_NAMESPACE", NAMESPACE)
        .env("POD_NAME", "amiseal-0")
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", access_key)
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .args(arguments)
        // Copies take minutes in AWS and seconds here.
        .args(["--copy-poll-interval=1s", "--listen=127.0.0.1:0"])
        .spawn()
        .expect("amiseal starts");
    controller.wait_for_line("became leader", SOON).await.expect("it leads");
    controller
}

/// Runs what the Deployment asks for, as long as there is one.
#[derive(Default)]
pub(crate) struct Kubelet {
    controller: Option<Process>,
}

impl Kubelet {
    pub(crate) async fn look(&mut self, control_plane: &ControlPlane, endpoint: &str, access_key: &str) {
        let deployment = deployment(control_plane).await;
        match (deployment, &mut self.controller) {
            (Some(deployment), None) => {
                // The garbage collector learns of new kinds at its start, and then only every half minute.
                let restarted = control_plane.restart(Component::ControllerManager).await;
                restarted.expect("a controller manager");
                let pod = &deployment["spec"]["template"]["spec"];
                let account = pod["serviceAccountName"].as_str().expect("a service account");
                let arguments = pod["containers"][0]["args"].as_array().expect("a list");
                let arguments = arguments.iter().filter_map(Value::as_str);
                // There is one network here, and its ports may be taken.
                let arguments: Vec<&str> = arguments.filter(|a| !a.starts_with("--listen")).collect();
                self.controller =
                    Some(start_controller(control_plane, endpoint, access_key, account, &arguments).await);
            }
            (None, controller @ Some(_)) => *controller = None,
            _ => {}
        }
    }
}

async fn deployment(control_plane: &ControlPlane) -> Option<Value> {
    let mut kubectl = tokio::process::Command::from(control_plane.kubectl().expect("kubectl"));
    kubectl.args(["get", "deployment", "amiseal", "--ignore-not-found", "--output=json"]);
    let output = kubectl
        .args(["--namespace", NAMESPACE])
        .output()
        .await
        .expect("an answer");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (!output.stdout.is_empty()).then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
}
