//! This project's Helm chart: what it gives to a control plane, rendered by Helm.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::tools::Tool;

/// Where the chart goes, and under which name: what its NOTES, the documentation and the demo say too.
const RELEASE: &str = "amiseal";
const NAMESPACE: &str = "amiseal-system";

/// The templates that mean something without a kubelet: what is defined, who may do what, and what is asked of them.
const TEMPLATES: [&str; 4] = [
    "templates/crds.yaml",
    "templates/serviceaccount.yaml",
    "templates/rbac.yaml",
    "templates/admissionpolicy.yaml",
];

/// The directory of the chart.
pub fn chart_directory() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root).join("charts/amiseal")
}

/// Helm, with `home` for all that it keeps, and nothing of the person's environment.
pub(crate) fn helm(home: &Path) -> Result<Command> {
    let mut command = Command::new(Tool::Helm.path()?);
    command.env_clear().env("HOME", home).stdin(Stdio::null());
    Ok(command)
}

/// The chart's definitions, service account, rights and admission policy, by its defaults, and the namespace that they are in.
pub(crate) async fn render(home: &Path) -> Result<String> {
    let mut command = tokio::process::Command::from(helm(home)?);
    command
        .args(["template", RELEASE, "--namespace", NAMESPACE])
        .arg(chart_directory());
    for template in TEMPLATES {
        command.args(["--show-only", template]);
    }
    let output = command.kill_on_drop(true).output().await.context("cannot run helm")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "helm template failed: {}", error.trim());
    let objects = String::from_utf8(output.stdout).context("helm's output is not UTF-8")?;
    // Helm makes the namespace of a release only when asked, and never as a part of it.
    let namespace = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}");
    Ok(format!("{namespace}\n{objects}"))
}
