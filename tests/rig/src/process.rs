//! Programs under test as separate processes: started with an environment of their own, watched by what they print and
//! serve, killed or asked to end.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::http::http_get;
use crate::watchdog;

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(20);
/// How long one look at a condition may take: whoever else answers in a dead process's place may never finish.
const LOOK: Duration = Duration::from_secs(5);
/// Lines of its log that an error about a process shows.
const LOG_LINES_IN_ERRORS: usize = 20;

/// What to start, and how.
#[derive(Debug)]
pub struct ProcessBuilder {
    name: String,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, Option<OsString>)>,
    clear_environment: bool,
    directory: Option<PathBuf>,
    log: PathBuf,
}

impl ProcessBuilder {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Removes an environment variable that would be inherited.
    #[must_use]
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), None));
        self
    }

    /// Inherits no environment: only what [`env`](Self::env) sets is there.
    #[must_use]
    pub fn env_clear(mut self) -> Self {
        self.clear_environment = true;
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Starts it. Its output is appended to the log file.
    pub fn spawn(self) -> Result<Process> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write the log {}", self.log.display()))?;
        let log_start = log.metadata()?.len();
        let mut command = watchdog::gated(self.program.as_os_str());
        command.args(&self.arguments).stdout(log.try_clone()?).stderr(log);
        if self.clear_environment {
            command.env_clear();
        }
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let child = command.spawn().with_context(|| format!("cannot start {}", self.name))?;
        // From here on its Drop kills the child if the gate cannot be opened.
        let mut process = Process {
            name: self.name,
            child,
            log: self.log,
            log_start,
            status: None,
        };
        watchdog::release(&mut process.child)?;
        Ok(process)
    }
}

/// A running program, killed when this is dropped and, if that never happens, when our process ends.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Where in the log file its own output begins.
    log_start: u64,
    status: Option<ExitStatus>,
}

impl Process {
    /// Begins to describe a process. `name` is what errors call it; `log` is the file for its output and errors.
    ///
    /// A program that is named by a relative path with a slash is looked for from its working directory.
    pub fn builder(name: impl Into<String>, program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> ProcessBuilder {
        ProcessBuilder {
            name: name.into(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            clear_environment: false,
            directory: None,
            log: log.into(),
        }
    }

    /// The process ID, which is also its process group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has had so far; see [`peak_memory`].
    pub fn peak_memory(&self) -> Option<u64> {
        peak_memory(self.pid())
    }

    /// The file that its output goes to.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// What it has printed up to now.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let start = usize::try_from(self.log_start).unwrap_or(usize::MAX).min(bytes.len());
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }

    /// The exit status, if it has ended.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self
                .child
                .try_wait()
                .with_context(|| format!("cannot wait for {}", self.name))?;
            if self.status.is_some() {
                watchdog::forget(self.child.id())?;
            }
        }
        Ok(self.status)
    }

    /// Waits for its end, and fails if that does not come in time.
    pub async fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("{} did not end within {timeout:?}{}", self.name, self.log_tail());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until a whole line of its output contains `text`, and returns that line.
    pub async fn wait_for_line(&mut self, text: &str, timeout: Duration) -> Result<String> {
        self.wait_until(&format!("print {text:?}"), timeout, async |process: &Self| {
            let log = process.log();
            let whole_lines = log.rfind('\n').map_or("", |end| &log[..end]);
            Ok(whole_lines.lines().find(|line| line.contains(text)).map(str::to_owned))
        })
        .await
    }

    /// Waits until a GET of `url` (plain http on loopback) is answered with a status of 2xx.
    pub async fn wait_for_http(&mut self, url: &str, timeout: Duration) -> Result<()> {
        self.wait_until(&format!("answer {url}"), timeout, async |_: &Self| {
            let answered = http_get(url)
                .await
                .is_ok_and(|(status, _)| (200..300).contains(&status));
            Ok(answered.then_some(()))
        })
        .await
    }

    /// Waits until `condition` has a value; fails at once when the process ends, and after `timeout`.
    ///
    /// `what` completes the sentence "the process did not …".
    pub async fn wait_until<T>(
        &mut self,
        what: &str,
        timeout: Duration,
        condition: impl AsyncFn(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + timeout;
        loop {
            // Asked before the condition: what a process did before its end still counts.
            let status = self.exited()?;
            if let Ok(outcome) = tokio::time::timeout(LOOK, condition(self)).await
                && let Some(value) = outcome?
            {
                return Ok(value);
            }
            if let Some(status) = status {
                bail!("{} ended ({status}) and did not {what}{}", self.name, self.log_tail());
            }
            if Instant::now() >= deadline {
                bail!("{} did not {what} within {timeout:?}{}", self.name, self.log_tail());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Kills it as a crash would (SIGKILL), with whatever it started, and waits for its end.
    pub fn kill9(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.exited()? {
            return Ok(status);
        }
        if self.signal("KILL", &format!("-{}", self.pid())).is_err() {
            self.child
                .kill()
                .with_context(|| format!("cannot kill {}", self.name))?;
        }
        let status = self
            .child
            .wait()
            .with_context(|| format!("cannot wait for {}", self.name))?;
        self.status = Some(status);
        watchdog::forget(self.child.id())?;
        Ok(status)
    }

    /// Asks it, and not what it started, to end (SIGTERM), as Kubernetes does; [`wait`](Self::wait) for its end.
    pub fn sigterm(&mut self) -> Result<()> {
        match self.exited()? {
            Some(status) => bail!("{} has ended already ({status}){}", self.name, self.log_tail()),
            None => self.signal("TERM", &self.pid().to_string()),
        }
    }

    /// Stops it where it is (SIGSTOP), as a machine does that has no time for it.
    pub fn pause(&mut self) -> Result<()> {
        self.signal("STOP", &self.pid().to_string())
    }

    /// Lets it go on after [`pause`](Self::pause) (SIGCONT).
    pub fn resume(&mut self) -> Result<()> {
        self.signal("CONT", &self.pid().to_string())
    }

    /// Sends a signal to it, or to its group by a minus sign. Its ID cannot be another's, since nobody has waited for it.
    fn signal(&self, name: &str, target: &str) -> Result<()> {
        // By the shell's own `kill`: the standard library can send nothing but SIGKILL, and not to a group.
        let sent = Command::new("/bin/sh")
            .args(["-c", r#"kill -s "$1" -- "$2""#, "sh", name, target])
            .stdin(Stdio::null())
            .output()
            .context("cannot run /bin/sh")?;
        let error = String::from_utf8_lossy(&sent.stderr);
        ensure!(
            sent.status.success(),
            "cannot send SIG{name} to {}: {}",
            self.name,
            error.trim()
        );
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_LINES_IN_ERRORS)..].join("\n  ");
        format!("; the end of its log:\n  {tail}")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill9() {
            tracing::warn!("{error:#}");
        }
    }
}

/// The largest resident set that a process has had so far, in bytes, as Linux keeps it; none when it has ended.
///
/// For a program that is to be started without a gate and a log, as for a benchmark; else [`Process::peak_memory`].
pub fn peak_memory(pid: u32) -> Option<u64> {
    peak_of(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// Reads it out of a process's status. One that has ended, but that nobody has waited for, has a status without it.
fn peak_of(status: &str) -> Option<u64> {
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = peak.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Looks at a condition until it has a value, and fails with `what` ("timed out waiting for …") after `timeout`.
///
/// An error of the condition counts as "not yet"; the last one is part of the failure.
pub async fn poll_until<T>(
    what: &str,
    timeout: Duration,
    mut condition: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + timeout;
    loop {
        let outcome = condition().await;
        if let Ok(Some(value)) = outcome {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            return match outcome {
                Err(error) => Err(error.context(format!("timed out after {timeout:?} waiting for {what}"))),
                Ok(_) => bail!("timed out after {timeout:?} waiting for {what}"),
            };
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::peak_of;

    #[test]
    fn the_peak_is_read_in_bytes_and_what_has_ended_has_none() {
        let running = "Name:\tamiseal\nVmPeak:\t   90000 kB\nVmHWM:\t   20480 kB\nVmRSS:\t   10000 kB\n";
        assert_eq!(peak_of(running), Some(20 << 20));
        assert_eq!(peak_of("Name:\tamiseal\nState:\tZ (zombie)\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_running_process_has_a_peak() {
        assert!(super::peak_memory(std::process::id()).is_some_and(|bytes| bytes > 0));
    }
}
