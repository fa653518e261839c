//! What a person sees: lines with the time since the start, and blocks of text under them.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const PLAIN: &str = "\x1b[0m";

/// Standard output: in colour on a terminal, plain elsewhere.
pub(crate) struct Screen {
    colours: bool,
    began: Instant,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            colours: wanted && std::io::stdout().is_terminal(),
            began: Instant::now(),
        }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A line that says what happens now.
    pub(crate) fn step(&self, text: &str) {
        let seconds = self.elapsed().as_secs_f64();
        let time = self.paint(DIM, &format!("{seconds:5.1}s"));
        self.line(&format!("\n{time}  {}", self.paint(BOLD, text)));
    }

    /// The heading of a part of the closing.
    pub(crate) fn heading(&self, text: &str) {
        self.line(&format!("\n{}", self.paint(BOLD, text)));
    }

    /// Lines of text, indented.
    pub(crate) fn block(&self, text: &str) {
        for line in text.trim_end().lines() {
            self.line(format!("        {line}").trim_end());
        }
    }

    /// A line of less weight, indented as a block.
    pub(crate) fn aside(&self, text: &str) {
        self.line(&format!("        {}", self.paint(DIM, text)));
    }

    /// The last word.
    pub(crate) fn verdict(&self, good: bool, text: &str) {
        self.line(&format!("\n{}", self.paint(if good { GREEN } else { RED }, text)));
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours {
            format!("{colour}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    }

    fn line(&self, text: &str) {
        // A reader that has gone away, as `head` does, is no failure of the demo.
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}
