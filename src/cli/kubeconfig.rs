//! Reaching the cluster with the rights of whoever runs a command.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// How long the API server may take over one answer.
const READ_TIMEOUT: Duration = Duration::from_secs(45);

/// Which cluster, and as whom.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Cluster {
    /// The kubeconfig to use. Default: KUBECONFIG, else ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig. Default: the current one
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

impl Cluster {
    /// A client of the API server, or a sentence.
    pub(super) async fn client(&self) -> Result<Client, String> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = match &self.kubeconfig {
            Some(path) => {
                let read = Kubeconfig::read_from(path).map_err(|error| unusable(&error))?;
                Config::from_custom_kubeconfig(read, &options)
                    .await
                    .map_err(|error| unusable(&error))
            }
            None if self.context.is_some() => Config::from_kubeconfig(&options)
                .await
                .map_err(|error| unusable(&error)),
            None => Config::infer().await.map_err(|error| unusable(&error)),
        };
        let mut config = config?;
        config.read_timeout = Some(READ_TIMEOUT);
        Client::try_from(config).map_err(|error| unusable(&error))
    }
}

fn unusable(error: &dyn std::error::Error) -> String {
    format!(
        "the cluster cannot be reached as your kubeconfig says ({error}): set KUBECONFIG, --kubeconfig or --context."
    )
}
