//! Histories that begin alike are played as one up to the moment at which they part. There the process splits in two: the
//! new one is struck and goes on to the end, the old one waits for it and goes on to where the next one parts.

use std::io::Write;

use fork::{Fork, fork, waitpid};

use super::history::Outcome;

/// Splits the process: true in the new one, and in the old one false, when the new one has ended.
pub(crate) fn part() -> bool {
    match fork().expect("another process can be started") {
        Fork::Child => true,
        Fork::Parent(child) => {
            waitpid(child).expect("a child of this process");
            false
        }
    }
}

/// Prints what came of a history that has parted from others, and ends its process.
pub(crate) fn end(outcome: &Outcome) -> ! {
    let line = serde_json::to_string(outcome).expect("an outcome is JSON");
    // All at once: several histories print into the same pipe, though only one at a time.
    let printed = std::io::stdout().write_all(format!("{line}\n").as_bytes());
    std::process::exit(i32::from(printed.is_err()));
}
