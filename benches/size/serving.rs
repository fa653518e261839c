//! Starting the server.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rig::Process;

use crate::Args;
use crate::calls::Call;
use crate::measured::Caller;
use crate::pages::{REGION, account_id};
use crate::server::{KEY_PREFIX, READY};

/// How long rendering may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is to be served; see the server's own options.
pub(crate) struct World {
    pub(crate) accounts: u32,
    pub(crate) images: u32,
    pub(crate) page: u32,
    pub(crate) delay: u64,
    pub(crate) page_delay: u64,
    pub(crate) throttled: Option<u32>,
}

impl World {
    /// The large account, which answers at once.
    pub(crate) fn of_one_account(args: &Args) -> Self {
        Self {
            accounts: 1,
            images: args.images,
            page: args.page,
            delay: 0,
            page_delay: 0,
            throttled: None,
        }
    }
}

/// A running server. It is killed when this is dropped.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    access_key: String,
    _process: Process,
}

impl Server {
    /// Who calls it.
    pub(crate) fn caller(&self) -> Caller<'_> {
        Caller {
            endpoint: &self.endpoint,
            access_key: &self.access_key,
            region: REGION,
        }
    }
}

/// Starts this program again as the server, and waits until everything is rendered.
pub(crate) async fn start(directory: &Path, world: &World) -> Result<Server> {
    let option = |name: &str, value: String| [format!("--{name}"), value];
    let mut builder = Process::builder("server", std::env::current_exe()?, directory.join("server.log"))
        .arg("serve")
        .args(option("accounts", world.accounts.to_string()))
        .args(option("images", world.images.to_string()))
        .args(option("page", world.page.to_string()))
        .args(option("delay", world.delay.to_string()))
        .args(option("page-delay", world.page_delay.to_string()));
    if let Some(number) = world.throttled {
        builder = builder.args(option("throttled", number.to_string()));
    }
    let mut process = builder.spawn()?;
    let line = process.wait_for_line(READY, PATIENCE).await?;
    let endpoint = line.split_once(READY).context("no address")?.1.trim().to_owned();
    Ok(Server {
        endpoint,
        access_key: format!("{KEY_PREFIX}{}", account_id(0)),
        _process: process,
    })
}

/// The pages that the server was asked for since this was asked last.
pub(crate) async fn calls(server: &Server) -> Result<Vec<Call>> {
    let url = format!("{}/calls", server.endpoint);
    let (_, text) = rig::http_get(&url).await?;
    Ok(serde_json::from_str(&text)?)
}
