//! The changes that the API server refuses, each with the answer that is wanted.

mod accounts;
mod governing;
mod images;
mod rest;

use serde_json::Value;

/// One change that is refused: where it is made, what is put there (nothing: it is taken away), the field that the
/// answer names, and the words in which it says what is right.
pub(crate) struct Refusal {
    pub(crate) pointer: &'static str,
    pub(crate) value: Option<Value>,
    pub(crate) field: &'static str,
    pub(crate) mend: &'static str,
}

fn refused(pointer: &'static str, value: impl Into<Option<Value>>, field: &'static str, mend: &'static str) -> Refusal {
    Refusal {
        pointer,
        value: value.into(),
        field,
        mend,
    }
}

/// Every refusal there is.
pub(crate) fn all() -> impl Iterator<Item = Refusal> {
    [
        accounts::accounts(),
        accounts::accounts_from(),
        accounts::all_regions(),
        accounts::regions_and_keys(),
        images::images(),
        images::copies(),
        governing::audits(),
        governing::guardrails(),
        rest::the_rest(),
    ]
    .into_iter()
    .flatten()
}
