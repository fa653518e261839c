//! One measured figure and its bar.

use serde_json::{Value, json};

/// A figure and its bar.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) bar: f64,
    /// What it was computed from.
    pub(crate) parts: Value,
}

impl Figure {
    /// Whether the figure is as good as it has to be.
    pub(crate) fn is_met(&self) -> bool {
        self.value <= self.bar
    }

    /// The figure as a line of JSON.
    pub(crate) fn line(&self) -> Value {
        json!({
            "figure": self.name,
            "value": rounded(self.value),
            "bar": self.bar,
            "met": self.is_met(),
            "parts": self.parts,
        })
    }
}

/// A thousandth is as fine as any of this can be read.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
