//! kubectl, the real one, as a person uses it.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rig::ControlPlane;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Runs kubectl as a user who may do everything, and returns what it prints.
pub(crate) async fn kubectl(control_plane: &ControlPlane, arguments: &[&str]) -> Result<String> {
    let what = || format!("kubectl {}", arguments.join(" "));
    let mut command = tokio::process::Command::from(control_plane.kubectl()?);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(TIMEOUT, command.output())
        .await
        .map_err(|_| anyhow::anyhow!("no answer within {TIMEOUT:?}"))
        .and_then(|output| Ok(output?))
        .with_context(what)?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {}", what(), errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs amiseal's own commands as the same user.
pub(crate) async fn amiseal(control_plane: &ControlPlane, arguments: &[&str]) -> Result<String> {
    let what = || format!("amiseal {}", arguments.join(" "));
    let program = std::env::current_exe()?.with_file_name("amiseal");
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .env("KUBECONFIG", control_plane.admin_kubeconfig())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(TIMEOUT, command.output())
        .await
        .with_context(what)??;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {}", what(), errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
