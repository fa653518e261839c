//! Applying manifests, and waiting until what they define can be used.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use tokio::io::AsyncWriteExt as _;

use crate::control_plane::ControlPlane;
use crate::process::poll_until;

const SERVED: Duration = Duration::from_secs(30);

impl ControlPlane {
    /// Applies a manifest, server-side, as a user who may do everything.
    ///
    /// Returns when the custom resources that it defines are served.
    pub async fn apply(&self, yaml: &str) -> Result<()> {
        self.kubectl_apply(&["-".into()], yaml).await
    }

    /// The same for files and directories.
    pub async fn apply_files(&self, paths: &[PathBuf]) -> Result<()> {
        self.kubectl_apply(paths, "").await
    }

    async fn kubectl_apply(&self, paths: &[PathBuf], input: &str) -> Result<()> {
        let mut command = tokio::process::Command::from(self.kubectl()?);
        command.args(["apply", "--server-side"]);
        for path in paths {
            command.arg("-f").arg(path);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("cannot run kubectl")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "kubectl apply failed: {}", error.trim());
        self.wait_for_custom_resources().await
    }

    /// The API server accepts a definition before it serves what is defined.
    async fn wait_for_custom_resources(&self) -> Result<()> {
        let client = self.admin_client().await?;
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        for definition in definitions.list(&ListParams::default()).await? {
            let (spec, names) = (&definition.spec, &definition.spec.names);
            for version in spec.versions.iter().filter(|version| version.served) {
                let kind = GroupVersionKind::gvk(&spec.group, &version.name, &names.kind);
                let resource = ApiResource::from_gvk_with_plural(&kind, &names.plural);
                let objects: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
                poll_until(&format!("{} to be served", names.plural), SERVED, async || {
                    objects.list_metadata(&ListParams::default().limit(1)).await?;
                    Ok(Some(()))
                })
                .await?;
            }
        }
        Ok(())
    }
}
