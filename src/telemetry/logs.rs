//! Logs: for reading on a terminal, as JSON elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// `text` on a terminal, else `json`.
    Auto,
    /// For reading.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends log lines to standard error. `filter` is in the form of `RUST_LOG`, such as `info,amiseal=debug`.
pub fn init_logs(format: LogFormat, filter: &str) -> anyhow::Result<()> {
    // kube says once more what failed, each time: who wants to know names it.
    let quiet = if filter.contains("kube_client") {
        ""
    } else {
        ",kube_client::client=off"
    };
    let filter = EnvFilter::try_new(format!("{filter}{quiet}"))
        .map_err(|error| anyhow::anyhow!("--log {filter:?} is not a filter such as info,amiseal=debug: {error}"))?;
    let json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let set = if json {
        // kube's spans repeat what the lines say themselves.
        subscriber
            .json()
            .with_current_span(false)
            .with_span_list(false)
            .try_init()
    } else {
        subscriber.with_target(false).try_init()
    };
    set.map_err(|error| anyhow::anyhow!("logging is set up already: {error}"))
}
