//! What a person sees: lines with the time since the start, and blocks of text under them.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const PLAIN: &str = "\x1b[0m";

/// Standard output: in colour on a terminal, plain elsewhere.
pub struct Screen {
    colours: bool,
    began: Instant,
}

impl Screen {
    /// Begins to count the time.
    pub fn begin() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            colours: wanted && std::io::stdout().is_terminal(),
            began: Instant::now(),
        }
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A line that says what happens now.
    pub fn step(&self, text: &str) {
        let seconds = self.elapsed().as_secs_f64();
        let time = self.paint(DIM, &format!("{seconds:5.1}s"));
        self.line(&format!("\n{time}  {}", self.paint(BOLD, text)));
    }

    /// The heading of a part of the closing.
    pub fn heading(&self, text: &str) {
        self.line(&format!("\n{}", self.paint(BOLD, text)));
    }

    /// Lines of text, indented.
    pub fn block(&self, text: &str) {
        for line in text.trim_end().lines() {
            self.line(format!("        {line}").trim_end());
        }
    }

    /// A line of less weight, indented as a block.
    pub fn aside(&self, text: &str) {
        self.line(&format!("        {}", self.paint(DIM, text)));
    }

    /// The last word.
    pub fn verdict(&self, good: bool, text: &str) {
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

/// Rows under headings, aligned.
pub fn aligned<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = header.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let padded: Vec<_> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let rows = rows.iter().map(|row| line(row.each_ref().map(String::as_str)));
    std::iter::once(line(header)).chain(rows).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::aligned;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["é".to_owned(), "x".to_owned()], ["long".to_owned(), String::new()]];
        assert_eq!(aligned(["A", "B"], &rows), "A     B\né     x\nlong");
    }
}
