//! Tables, and whatever else has lines: separators are found out, quotes may hold line breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use csv::{ReaderBuilder, StringRecord};

use super::clues::{self, Clue};
use super::findings::{Collector, Findings, Placed};
use super::remark::Remark;

const SEPARATORS: [u8; 4] = *b",;\t|";
/// How many rows tell what separates cells.
const SAMPLE: usize = 200;

/// Reads a table.
pub(super) fn read(text: &str) -> Findings {
    let (hint, body, mut line) = separator_line(text);
    let found = hint.or_else(|| find_separator(body));
    let separator = found.unwrap_or(SEPARATORS[0]);
    let mut table = Table {
        in_words: found.is_none() && is_in_words(body),
        ..Table::default()
    };
    let mut rest = Some((body, true));
    while let Some((text, quoting)) = rest.take() {
        if let Some(unread) = table.read(text, separator, quoting, &mut line) {
            // What is behind a quote that nobody closed is one cell to the end of the file, and belongs together least of all.
            table.collector.remark(Remark::attention(
                [line].into(),
                "a quote is opened here and closed nowhere: from here on each line is read by itself, without quotes",
            ));
            rest = Some((unread, false));
        }
    }
    table.finish()
}

/// The separator that Excel writes into a line before all others, and what follows that line.
fn separator_line(text: &str) -> (Option<u8>, &str, u64) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    match first.trim_matches('"').strip_prefix("sep=").map(str::as_bytes) {
        Some([separator]) => (Some(*separator), rest, 2),
        _ => (None, text, 1),
    }
}

/// What separates the cells: what leaves the most accounts and regions in cells of their own, then what most rows have the
/// same number of cells by. Nothing does where most rows are one cell.
fn find_separator(text: &str) -> Option<u8> {
    let score = |separator: u8| {
        let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
        let (mut rows, mut cells) = (0, 0);
        let mut reader = reader(text, separator, true);
        for record in reader.records().take(SAMPLE).map_while(Result::ok) {
            rows += 1;
            *widths.entry(record.len()).or_default() += 1;
            for cell in &record {
                clues::read(cell, &mut |clue| cells += usize::from(clues::is_cell(&clue)));
            }
        }
        widths.remove(&1);
        let alike = widths.into_iter().max_by_key(|(_, count)| *count);
        let (width, count) = alike.unwrap_or_default();
        (cells, count * 100 / rows.max(1), width)
    };
    // Of equals, the first.
    let scores = SEPARATORS.iter().rev().map(|separator| (*separator, score(*separator)));
    let best = scores.max_by_key(|(_, score)| *score);
    best.filter(|(_, (_, _, width))| *width > 1)
        .map(|(separator, _)| separator)
}

/// Whether words are cells: where each row with an image has as many of them as all others, and hardly one that says nothing.
fn is_in_words(text: &str) -> bool {
    let mut counts = BTreeSet::new();
    for line in text.lines().filter(|line| has_image(line)).take(SAMPLE) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let silent = words.iter().filter(|word| !has_image(word) && !has_cell(word)).count();
        if silent > 1 {
            return false;
        }
        counts.insert(words.len());
    }
    counts.len() == 1 && !counts.contains(&1)
}

fn has_cell(text: &str) -> bool {
    let mut has_cell = false;
    clues::read(text, &mut |clue| has_cell |= clues::is_cell(&clue));
    has_cell
}

fn has_image(text: &str) -> bool {
    let mut has_image = false;
    clues::read(text, &mut |clue| has_image |= matches!(clue, Clue::Image { .. }));
    has_image
}

fn reader(text: &str, separator: u8, quoting: bool) -> csv::Reader<&[u8]> {
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .quoting(quoting)
        .from_reader(text.as_bytes())
}

/// A table while it is read.
#[derive(Default)]
struct Table {
    collector: Collector,
    columns: Vec<Rc<str>>,
    /// Rows before the first that can be a finding: their lines, and the last one's cells.
    head: Vec<u64>,
    titles: StringRecord,
    has_begun: bool,
    /// Words are cells.
    in_words: bool,
}

impl Table {
    /// Reads rows, the first of which is at `line`. Returns what begins with a quote that is never closed, with `line` set to it.
    fn read<'a>(&mut self, text: &'a str, separator: u8, quoting: bool, line: &mut u64) -> Option<&'a str> {
        let mut reader = reader(text, separator, quoting);
        let mut record = StringRecord::new();
        let mut at = 0;
        // A text that is read as text gives no error.
        while reader.read_record(&mut record).unwrap_or(false) {
            let begin = record.position().map_or(0, csv::Position::byte);
            let begin = usize::try_from(begin).unwrap_or(usize::MAX).min(text.len());
            // Empty lines come before the row, and are none.
            let blank = text[begin..].bytes().take_while(|byte| *byte == b'\n').count();
            let begin = begin + blank;
            *line += newlines(&text[at..begin]);
            at = begin;
            let end = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
            let raw = &text[begin..end.clamp(begin, text.len())];
            let quotes = memchr::memchr_iter(b'"', raw.as_bytes()).count();
            if quoting && quotes % 2 == 1 && raw.trim_end().contains('\n') && end >= text.len() {
                return Some(&text[begin..]);
            }
            if quoting && is_misquoted(raw, separator) {
                let text =
                    "a quote is opened here and closed some findings later: the lines between are read without quotes";
                self.collector.remark(Remark::attention([*line].into(), text));
                self.read(raw, separator, false, &mut line.clone());
            } else if self.in_words {
                let words: Vec<&str> = record.iter().flat_map(str::split_whitespace).collect();
                self.row(*line, &StringRecord::from(words));
            } else {
                self.row(*line, &record);
            }
        }
        None
    }

    fn row(&mut self, line: u64, record: &StringRecord) {
        let mut clues = Vec::new();
        for (number, cell) in record.iter().enumerate() {
            let mut placed = |clue| {
                clues.push((number, clue));
            };
            clues::read(cell, &mut placed);
        }
        // Rules between rows are drawn with signs.
        let is_blank = !record.iter().any(|cell| cell.contains(char::is_alphanumeric));
        let says = |clue: &Clue| {
            clues::is_cell(clue) || !matches!(clue, Clue::Account(..) | Clue::Region(..) | Clue::Damaged(_))
        };
        if !self.has_begun && !clues.iter().any(|(_, clue)| says(clue)) {
            if !is_blank {
                self.head.push(line);
                self.titles = record.clone();
            }
            return;
        }
        self.has_begun = true;
        if is_blank {
            return;
        }
        for number in self.columns.len()..record.len() {
            let title = self.titles.get(number).unwrap_or_default();
            self.columns.push(format!("{number} {title}").into());
        }
        let clues = clues.into_iter().map(|(number, clue)| Placed {
            clue,
            line,
            path: Vec::new(),
            column: self.columns[number].clone(),
        });
        let clues: Vec<Placed> = clues.collect();
        self.collector.row(line, &clues, &[]);
    }

    fn finish(mut self) -> Findings {
        // One row of titles is an export without findings; one cell is anything.
        let is_title = self.has_begun || self.titles.len() > 1;
        if self.head.len() > 1 || !is_title && !self.head.is_empty() {
            let text = "these lines come before the first finding, and are taken for titles";
            self.collector
                .remark(Remark::note(self.head.into_iter().collect(), text));
        }
        self.collector.finish()
    }
}

/// Whether rows have got into a cell: where a line of it has cells and an image of its own.
fn is_misquoted(raw: &str, separator: u8) -> bool {
    let mut lines = raw.lines();
    let first = lines.next().unwrap_or_default();
    has_image(first) && lines.any(|line| memchr::memchr_iter(separator, line.as_bytes()).count() > 1 && has_image(line))
}

fn newlines(text: &str) -> u64 {
    memchr::memchr_iter(b'\n', text.as_bytes()).count() as u64
}
