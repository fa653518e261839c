//! Series of which there are some for each target: one record holds the numbers, and text is made of them when Prometheus asks.
//!
//! In the library each series has its own copies of the help and of the labels, about 1.1 kB, and a scrape copies the labels again.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::families::Family;

/// The text is made in pieces of so many bytes, and what the last record of a piece has beyond that.
const PIECE: usize = 64 * 1024;

/// A metric that records are shown by.
#[derive(Debug)]
pub(super) struct Series<R> {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    /// The names of the labels beside those of the record.
    labels: &'static [&'static str],
    read: fn(&R, &mut Samples<'_>),
}

impl<R> Series<R> {
    /// A gauge, whose samples `read` takes from a record.
    pub(super) const fn gauge(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        read: fn(&R, &mut Samples<'_>),
    ) -> Self {
        Self {
            name,
            help,
            kind: "gauge",
            labels,
            read,
        }
    }

    /// A counter. What `read` takes from a record never falls.
    pub(super) const fn counter(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
        read: fn(&R, &mut Samples<'_>),
    ) -> Self {
        Self {
            name,
            help,
            kind: "counter",
            labels,
            read,
        }
    }
}

/// Where the samples of one record and metric go.
pub(super) struct Samples<'a> {
    name: &'a str,
    /// HELP and TYPE, until the first sample follows them.
    heading: &'a mut Option<String>,
    /// The names of all labels in their order, each with the place of its value.
    order: &'a [(&'static str, usize)],
    /// The values of the record's labels.
    labels: &'a [Box<str>],
    text: &'a mut String,
}

impl Samples<'_> {
    /// One sample, with the values of the labels that the record does not have.
    pub(super) fn put(&mut self, labels: &[&str], value: impl Into<f64>) {
        if let Some(heading) = self.heading.take() {
            self.text.push_str(&heading);
        }
        self.text.push_str(self.name);
        let mut before = '{';
        for (name, place) in self.order {
            let mut values = self.labels.iter().map(|value| &**value).chain(labels.iter().copied());
            self.text.push(before);
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(values.nth(*place).unwrap_or_default(), true, self.text);
            self.text.push('"');
            before = ',';
        }
        let value: f64 = value.into();
        // A string takes whatever is written to it.
        let _ = writeln!(self.text, "}} {value}");
    }

    /// One sample, or none where there is no value.
    pub(super) fn maybe(&mut self, labels: &[&str], value: Option<impl Into<f64>>) {
        if let Some(value) = value {
            self.put(labels, value);
        }
    }
}

/// As the text format has it: quotes are escaped in labels only.
fn escape(value: &str, is_quoted: bool, text: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if is_quoted => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

#[derive(Debug, Default)]
struct Row<R> {
    labels: Box<[Box<str>]>,
    record: R,
}

/// Records by name, and what they are shown by.
#[derive(Debug)]
pub(super) struct Table<R: 'static> {
    /// The names of the labels that each record has.
    labels: &'static [&'static str],
    series: &'static [&'static [Series<R>]],
    rows: Mutex<BTreeMap<String, Box<Row<R>>>>,
}

/// How far the text is written.
#[derive(Debug, Default)]
struct Place {
    /// How many metrics are.
    series: usize,
    /// The last record of which the next metric is.
    after: Option<String>,
}

impl<R: Default + Send + 'static> Table<R> {
    pub(super) fn new(labels: &'static [&'static str], series: &'static [&'static [Series<R>]]) -> Arc<Self> {
        let rows = Mutex::default();
        Arc::new(Self { labels, series, rows })
    }

    /// Changes the record of this name, which is a new one where there is none, and has these labels from now on.
    pub(super) fn set(&self, name: &str, labels: &[&str], change: impl FnOnce(&mut R)) {
        let mut rows = self.rows();
        let row = rows.entry(name.to_owned()).or_default();
        row.labels = labels.iter().map(|label| Box::from(*label)).collect();
        change(&mut row.record);
    }

    /// Changes the record of this name, if there is one.
    pub(super) fn change(&self, name: &str, change: impl FnOnce(&mut R)) {
        if let Some(row) = self.rows().get_mut(name) {
            change(&mut row.record);
        }
    }

    /// Takes back the record of this name. Gives its labels.
    pub(super) fn forget(&self, name: &str) -> Option<Box<[Box<str>]>> {
        let row = *self.rows().remove(name)?;
        Some(row.labels)
    }

    /// Each metric, by its name.
    pub(super) fn families(&self) -> impl Iterator<Item = (String, Family)> {
        self.each().map(move |series| {
            let labels = self.labels.iter().chain(series.labels);
            let family = Family {
                kind: series.kind.to_owned(),
                help: series.help.to_owned(),
                labels: labels.map(|label| (*label).to_owned()).collect(),
            };
            (series.name.to_owned(), family)
        })
    }

    /// The text for Prometheus, piece by piece: nobody waits for the table longer than a piece takes, nor is there ever more of it.
    pub(super) fn pieces(self: &Arc<Self>) -> impl Iterator<Item = String> + Send + use<R> {
        let (table, mut place) = (self.clone(), Place::default());
        std::iter::from_fn(move || table.piece(&mut place))
    }

    fn piece(&self, place: &mut Place) -> Option<String> {
        let mut text = String::new();
        while let Some(series) = self.each().nth(place.series) {
            self.write(series, place, &mut text);
            if text.len() >= PIECE {
                break;
            }
        }
        (!text.is_empty()).then_some(text)
    }

    /// Writes the samples of a metric, to its end or as many as fit.
    fn write(&self, series: &Series<R>, place: &mut Place, text: &mut String) {
        let after = place.after.take();
        let mut heading = after.is_none().then(|| head(series));
        let names = self.labels.iter().chain(series.labels);
        let mut order: Vec<(&'static str, usize)> = names.copied().zip(0..).collect();
        order.sort_unstable();
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        for (name, row) in self.rows().range::<str, _>((from, Bound::Unbounded)) {
            let mut samples = Samples {
                name: series.name,
                heading: &mut heading,
                order: &order,
                labels: &row.labels,
                text: &mut *text,
            };
            (series.read)(&row.record, &mut samples);
            if text.len() >= PIECE {
                // So it has samples of this metric, and its heading.
                place.after = Some(name.clone());
                return;
            }
        }
        place.series += 1;
    }

    fn each(&self) -> impl Iterator<Item = &'static Series<R>> + use<R> {
        self.series.iter().copied().flatten()
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<String, Box<Row<R>>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn head<R>(series: &Series<R>) -> String {
    let Series { name, help, kind, .. } = series;
    let mut text = format!("# HELP {name} ");
    escape(help, false, &mut text);
    text + &format!("\n# TYPE {name} {kind}\n")
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
