//! Running a program to its end: what it printed, how long it took, and how much memory at most.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

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

impl Measured {
    /// The hash of what it printed.
    pub(crate) fn hash(&self) -> String {
        hex::encode(Sha256::digest(&self.output))
    }
}

/// Runs a program with access to the server and nothing of this shell. `statuses` are those that mean success.
pub(crate) fn run(mut command: Command, endpoint: &str, statuses: &[i32], directory: &Path) -> Result<Measured> {
    let (out, err) = (directory.join("out"), directory.join("err"));
    command
        .env_clear()
        .envs(environment(endpoint))
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
pub(crate) fn environment(endpoint: &str) -> Vec<(&'static str, String)> {
    let fixed = [
        (
            "AWS_ACCESS_KEY_ID",
            format!("{}{}", crate::server::KEY_PREFIX, crate::pages::account_id(0)),
        ),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ("AWS_REGION", crate::pages::REGION.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("NO_COLOR", "1".to_owned()),
    ];
    fixed.into()
}

/// Bytes in MB of a million.
#[allow(clippy::cast_precision_loss, reason = "no process has petabytes")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// The one in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
