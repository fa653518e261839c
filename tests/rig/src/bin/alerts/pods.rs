//! The Pods of the replicas, as the chart's Deployment would make them. No kubelet runs them: their addresses are those of the
//! processes.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use rig::{ControlPlane, chart_directory};
use serde_json::{Value, json};

use crate::stage::NAMESPACE;

/// Makes the Pod of a replica that listens on a port of loopback, in the place of a former one.
pub(crate) async fn replace(plane: &ControlPlane, name: &str, port: u16) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(plane.admin_client().await?, NAMESPACE);
    if pods.get_opt(name).await?.is_some() {
        pods.delete(name, &DeleteParams::default().grace_period(0)).await?;
    }
    let mut template = template(plane).await?;
    template["spec"]["containers"][0]["ports"][0]["containerPort"] = json!(port);
    let mut pod =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
    pod["metadata"]["name"] = json!(name);
    let pod = serde_json::from_value(pod).context("the Deployment's template is no Pod")?;
    pods.create(&PostParams::default(), &pod).await?;
    let status = json!({"status": {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}});
    pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status))
        .await?;
    Ok(())
}

/// What the chart's Deployment makes Pods of.
async fn template(plane: &ControlPlane) -> Result<Value> {
    let mut helm = tokio::process::Command::from(plane.helm()?);
    helm.args([
        "template",
        "amiseal",
        "--namespace",
        NAMESPACE,
        "--show-only",
        "templates/deployment.yaml",
    ]);
    let output = helm.arg(chart_directory()).kill_on_drop(true).output().await?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "helm template failed: {}", error.trim());
    let deployment: Value = serde_saphyr::from_str(&String::from_utf8(output.stdout)?)?;
    Ok(deployment["spec"]["template"].clone())
}
