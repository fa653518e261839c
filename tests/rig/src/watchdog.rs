//! Ends what this process started when this process ends, however it ends.
//!
//! A destructor does not run after SIGKILL, nor for a `static`. So one tiny shell process per process of ours holds the
//! reading end of a pipe. It is told of each child and each temporary directory; when the pipe's writing end is closed,
//! which the kernel does when we are gone, it kills the former and removes the latter.
//!
//! A child is known before it runs: it starts behind a gate, which opens only after the watchdog was told. So there is
//! no moment at which our death would leave it behind.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, bail};

/// Reads `watch <pid>`, `forget <pid>` and `remove <directory>`, one a line, and acts at the end of its input.
///
/// Children lead process groups of their own, hence the minus sign: what they started goes with them. Removal is tried
/// again, since a process that was just killed may have added a file meanwhile.
const SCRIPT: &str = r#"
pids=' '
directories=''
newline='
'
while read -r verb argument; do
  case $verb in
    watch) pids="$pids$argument " ;;
    forget) pids="${pids%% $argument *} ${pids#* $argument }" ;;
    remove) directories="$directories$argument$newline" ;;
  esac
done
for pid in $pids; do kill -s KILL -- "-$pid"; done
printf '%s' "$directories" | while read -r directory; do
  for attempt in 1 2 3; do rm -rf -- "$directory" && break; sleep 1; done
done
"#;

/// Waits for the line that opens the gate, then becomes the program. A closed pipe means that we are gone.
const GATE: &str = r#"read -r _ || exit 125; exec "$@" </dev/null"#;

static WATCHDOG: OnceLock<Mutex<ChildStdin>> = OnceLock::new();

/// A command that runs `program` behind a gate: after its spawning, call [`release`].
///
/// Arguments are added as usual. Standard input is taken by the gate; the program finds its own empty. It leads its own
/// process group, out of reach of a terminal's Ctrl-C, so that its owner decides on its end.
pub(crate) fn gated(program: &OsStr) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", GATE, "sh"])
        .arg(program)
        .stdin(Stdio::piped())
        .process_group(0);
    command
}

/// Lets a [`gated`] child run, after the watchdog was told to kill it at our end.
pub(crate) fn release(child: &mut Child) -> Result<()> {
    tell("watch", &child.id().to_string())?;
    let mut gate = child.stdin.take().context("the child was not started behind a gate")?;
    gate.write_all(b"go\n")
        .context("the child ended before it could run its program")
}

/// Says that a child has ended and was waited for, so that its process ID may belong to another process from now on.
pub(crate) fn forget(pid: u32) -> Result<()> {
    tell("forget", &pid.to_string())
}

/// Has a directory removed at our end, if it is still there then.
pub fn remove_at_end(directory: &Path) -> Result<()> {
    match directory.to_str() {
        Some(path) if directory.is_absolute() && !path.contains('\n') => tell("remove", path),
        _ => bail!("{} is not an absolute path in one line of UTF-8", directory.display()),
    }
}

fn tell(verb: &str, argument: &str) -> Result<()> {
    let watchdog = match WATCHDOG.get() {
        Some(watchdog) => watchdog,
        None => {
            // Two threads may both get here: the loser's watchdog sees its pipe closed at once and ends.
            let started = start()?;
            WATCHDOG.get_or_init(|| Mutex::new(started))
        }
    };
    let mut pipe = watchdog.lock().unwrap_or_else(PoisonError::into_inner);
    pipe.write_all(format!("{verb} {argument}\n").as_bytes())
        .context("the watchdog that ends child processes is gone: start the tests again")
}

fn start() -> Result<ChildStdin> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", SCRIPT])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start /bin/sh as the watchdog of child processes")?;
    child.stdin.take().context("the watchdog has no standard input")
}
