//! One line on the terminal that says how far the reading has come.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

/// How often the line is written anew while nothing happens.
pub(super) const TICK: Duration = Duration::from_millis(500);
/// How many signs the bar has.
const WIDTH: usize = 24;

/// The line; silent when standard error is not a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    shown: bool,
    total: usize,
    done: usize,
    images: u64,
    began: Instant,
}

impl Progress {
    /// Nothing of `total` targets is done.
    pub(super) fn new(total: usize) -> Self {
        Self {
            shown: std::io::stderr().is_terminal(),
            total,
            done: 0,
            images: 0,
            began: Instant::now(),
        }
    }

    /// Targets are done, which had so many images.
    pub(super) fn done(&mut self, targets: usize, images: u64) {
        self.done += targets;
        self.images += images;
        self.tick();
    }

    /// Writes the line anew.
    pub(super) fn tick(&self) {
        if self.shown {
            // A terminal that cannot be written to has nobody to tell.
            let _ = write!(std::io::stderr(), "\r\x1b[2K{}", self.line(self.began.elapsed()));
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        let filled = (self.done * WIDTH).checked_div(self.total).unwrap_or(WIDTH).min(WIDTH);
        let mut line = format!("[{}{}]", "#".repeat(filled), "-".repeat(WIDTH - filled));
        // Writing to a string does not fail.
        let _ = write!(
            line,
            " {} of {} accounts and regions, {} images, {} s",
            self.done,
            self.total,
            self.images,
            elapsed.as_secs()
        );
        line
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_full_when_all_is_done() {
        let mut progress = Progress {
            shown: false,
            total: 4,
            done: 0,
            images: 0,
            began: Instant::now(),
        };
        let elapsed = Duration::from_secs(3);
        let empty = "-".repeat(WIDTH);
        assert_eq!(
            progress.line(elapsed),
            format!("[{empty}] 0 of 4 accounts and regions, 0 images, 3 s")
        );
        progress.done(4, 120);
        assert!(
            progress
                .line(elapsed)
                .starts_with(&format!("[{}] 4 of 4", "#".repeat(WIDTH)))
        );
    }
}
