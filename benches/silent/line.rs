//! What grows with the number of targets: the line through two measured points, and what it says of more targets.

use serde_json::{Value, json};

/// How many accounts and regions are meant.
pub(crate) const MEANT: f64 = 1_000.0 * 17.0;

/// How the figures are extrapolated.
pub(crate) const ARITHMETIC: &str =
    "at17000 = constant + perTarget × 17000; perTarget = (larger − smaller) ÷ (targets of the larger − of the smaller)";

/// A value at two numbers of targets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) targets: [f64; 2],
    pub(crate) values: [f64; 2],
}

impl Line {
    /// How much each further target adds.
    pub(crate) fn per_target(&self) -> f64 {
        let ([fewer, more], [smaller, larger]) = (self.targets, self.values);
        (larger - smaller) / (more - fewer)
    }

    /// What there would be with no target.
    pub(crate) fn constant(&self) -> f64 {
        self.values[0] - self.per_target() * self.targets[0]
    }

    /// What there is with so many as are meant.
    pub(crate) fn at_meant(&self) -> f64 {
        self.constant() + self.per_target() * MEANT
    }

    /// As the figures show it.
    pub(crate) fn parts(&self) -> Value {
        let [smaller, larger] = self.values.map(fine);
        json!({
            "smaller": smaller,
            "larger": larger,
            "perTarget": fine(self.per_target()),
            "constant": fine(self.constant()),
            "at17000": fine(self.at_meant()),
        })
    }
}

/// A millionth, since a target's part of a minute is small.
fn fine(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
