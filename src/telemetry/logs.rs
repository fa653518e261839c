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
        // The innermost span names the object; those of kube around it say the same once more.
        subscriber.json().with_span_list(false).try_init()
    } else {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let terminal = std::io::stderr().is_terminal();
        subscriber
            .with_target(false)
            .with_ansi(colours(terminal, &variable("NO_COLOR"), &variable("CLICOLOR_FORCE")))
            .try_init()
    };
    set.map_err(|error| anyhow::anyhow!("logging is set up already: {error}"))
}

/// Whether text is coloured: on a terminal, or where `CLICOLOR_FORCE` asks for it, and never against `NO_COLOR`.
fn colours(terminal: bool, no_color: &str, force: &str) -> bool {
    no_color.is_empty() && (terminal || !matches!(force, "" | "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_coloured_on_a_terminal_or_when_asked_for_and_never_against_a_persons_wish() {
        for (terminal, no_color, force, coloured) in [
            (true, "", "", true),
            (false, "", "", false),
            (false, "", "1", true),
            (false, "", "0", false),
            (true, "1", "", false),
            (true, "1", "1", false),
            (true, "", "0", true),
        ] {
            assert_eq!(
                colours(terminal, no_color, force),
                coloured,
                "{terminal} {no_color} {force}"
            );
        }
    }
}
