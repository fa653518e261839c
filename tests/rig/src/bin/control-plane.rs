//! Runs a control plane until Ctrl-C, to try things by hand: `make control-plane`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use rig::{ControlPlane, Options};
use tokio::signal::unix::{SignalKind, signal};

/// Starts etcd, kube-apiserver and kube-controller-manager on loopback, prints a KUBECONFIG, and runs until Ctrl-C.
#[derive(Parser)]
struct Arguments {
    /// A file or directory of manifests to apply, instead of what this project's chart installs
    #[arg(long = "manifest", value_name = "PATH")]
    manifests: Vec<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // Listened to from the start, so that a signal during the start does not skip the orderly end.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let options = match arguments.manifests {
        manifests if manifests.is_empty() => Options::of_project(),
        manifests => Options {
            manifests,
            ..Options::default()
        },
    };
    let run = async {
        let control_plane = ControlPlane::start(options).await?;
        println!("export KUBECONFIG={}", control_plane.admin_kubeconfig().display());
        std::future::pending::<Result<()>>().await
    };
    tokio::select! {
        outcome = run => outcome,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}
