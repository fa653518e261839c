//! The table: one row for each fault.

use rig::aligned;

use crate::effects::{self, Effects};
use crate::faults::Fault;

/// What came of a fault.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) fault: Fault,
    /// What was done, in words.
    pub(crate) injected: String,
    /// How many images had no finished copy when the fault struck first.
    pub(crate) left: usize,
    /// How often a replica was started again.
    pub(crate) restarts: usize,
    /// Calls that would have changed something, whatever came of them.
    pub(crate) calls: usize,
    /// Calls that did, and those that had to.
    pub(crate) done: Effects,
    pub(crate) needed: Effects,
    /// Images that were copied more than once, and calls for copies that were too many.
    pub(crate) duplicates: usize,
    /// Images without the copy that they should have, and originals and others' things that were harmed.
    pub(crate) losses: usize,
    /// Statuses that are not true, or were not at any look.
    pub(crate) wrong: usize,
    /// From the fault's end until everything was done and every status said so; none if that did not come.
    pub(crate) converged: Option<f64>,
    /// Why it is not as promised.
    pub(crate) problems: Vec<String>,
}

impl Row {
    /// A fault that could not be played to its end.
    pub(crate) fn failed(fault: Fault, why: String) -> Self {
        Self {
            fault,
            injected: "?".to_owned(),
            left: 0,
            restarts: 0,
            calls: 0,
            done: Effects::new(),
            needed: Effects::new(),
            duplicates: 0,
            losses: 0,
            wrong: 0,
            converged: None,
            problems: vec![why],
        }
    }
}

/// The rows under their heading.
pub(crate) fn of(rows: &[Row]) -> String {
    let header = [
        "FAULT",
        "INJECTED",
        "LEFT",
        "RESTARTS",
        "COPIES",
        "CHANGES",
        "CALLS",
        "DUPLICATES",
        "LOSSES",
        "WRONG STATUSES",
        "CONVERGED",
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let copies = |effects: &Effects| effects.get("CopyImage").copied().unwrap_or_default();
            [
                row.fault.title().to_owned(),
                row.injected.clone(),
                row.left.to_string(),
                row.restarts.to_string(),
                format!("{}/{}", copies(&row.done), copies(&row.needed)),
                format!("{}/{}", effects::total(&row.done), effects::total(&row.needed)),
                row.calls.to_string(),
                row.duplicates.to_string(),
                row.losses.to_string(),
                row.wrong.to_string(),
                row.converged
                    .map_or_else(|| "never".to_owned(), |seconds| format!("{seconds:.1} s")),
            ]
        })
        .collect();
    aligned(header, &rows)
}
