//! Kubeconfig files for the clients of a control plane.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::pki::{Certificate, Pki};

/// How a client says who it is.
pub(crate) enum Identity<'a> {
    /// By a client certificate.
    Certificate(&'a Certificate),
    /// By a service account's token.
    Token(&'a str),
}

/// Writes a kubeconfig of one user. It is JSON, which is YAML too.
pub(crate) fn write(
    path: PathBuf,
    server: &str,
    pki: &Pki,
    identity: &Identity<'_>,
    namespace: &str,
) -> Result<PathBuf> {
    let user: Value = match identity {
        Identity::Certificate(Certificate { certificate, key }) => {
            json!({"client-certificate": text(certificate)?, "client-key": text(key)?})
        }
        Identity::Token(token) => json!({ "token": token }),
    };
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "rig", "cluster": {
            "server": server,
            "certificate-authority": text(&pki.authority)?,
        }}],
        "users": [{"name": "rig", "user": user}],
        "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": "rig", "namespace": namespace}}],
        "current-context": "rig",
    });
    std::fs::write(&path, serde_json::to_string_pretty(&config)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}
