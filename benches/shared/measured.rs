//! Running a program to its end: what it printed, how long it took, and how much memory at most.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often its memory is looked at. The kernel keeps the peak, so only the last moments before its end are missed.
const TICK: Duration = Duration::from_millis(2);

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    /// Its largest resident set, in MB of a million bytes.
    pub(crate) peak_mb: f64,
    /// What it printed.
    pub(crate) output: String,
}

/// Who calls, and whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) access_key: &'a str,
    pub(crate) region: &'a str,
}

/// Runs a program with access to the server and nothing of this shell. `statuses` are those that mean success.
pub(crate) fn run(mut command: Command, caller: &Caller<'_>, statuses: &[i32], directory: &Path) -> Result<Measured> {
    let (out, err) = (directory.join("out"), directory.join("err"));
    command
        .env_clear()
        .envs(environment(caller))
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&out)?)
        .stderr(std::fs::File::create(&err)?);
    let began = Instant::now();
    let mut child = command.spawn().context("the program cannot be started")?;
    let mut peak = 0;
    let status = loop {
        peak = rig::peak_memory(child.id()).unwrap_or(peak);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(TICK);
    };
    let seconds = began.elapsed().as_secs_f64();
    if !status.code().is_some_and(|code| statuses.contains(&code)) {
        bail!("{command:?} has failed ({status}): {}", std::fs::read_to_string(&err)?);
    }
    Ok(Measured {
        seconds,
        peak_mb: megabytes(peak),
        output: std::fs::read_to_string(&out)?,
    })
}

/// What a program needs to know to find the server and to have no other way out.
pub(crate) fn environment<'a>(caller: &Caller<'a>) -> [(&'static str, &'a str); 8] {
    [
        ("AWS_ACCESS_KEY_ID", caller.access_key),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", caller.region),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_ENDPOINT_URL", caller.endpoint),
        ("NO_COLOR", "1"),
    ]
}

/// Bytes in MB of a million.
#[allow(clippy::cast_precision_loss, reason = "no process has petabytes")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
