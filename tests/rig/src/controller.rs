//! The controller as a process, as a Pod runs it.

use std::path::{Path, PathBuf};

use crate::process::{Process, ProcessBuilder};

/// Begins to describe `amiseal run` with the environment of a Pod: a service account, credentials, and nothing of this
/// shell. `name` is the Pod's.
pub fn controller(
    name: &str,
    program: impl Into<PathBuf>,
    kubeconfig: &Path,
    endpoint: &str,
    access_key: &str,
    log: impl Into<PathBuf>,
) -> ProcessBuilder {
    Process::builder(name, program, log)
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .env("POD_NAME", name)
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", access_key)
        .env("AWS_SECRET_ACCESS_KEY", "the-simulator-checks-no-signature")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .args(["run", "--listen", "127.0.0.1:0"])
}
