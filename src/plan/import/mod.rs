//! From what a scanner has found to a policy over just these images.
//!
//! A file is decoded ([`decode`]), and read as a table or as JSON ([`read`]): images, accounts and regions are found by what they look
//! like, wherever they stand. Where they are then looked for is in [`places`], what becomes of AWS's answers in [`judge`], and the policy
//! itself in [`policy`].

mod account;
mod clues;
mod decode;
mod findings;
mod json;
mod judge;
mod places;
mod policy;
mod remark;
mod table;
#[cfg(test)]
mod tests;
mod tree;

pub use account::Damaged;
pub use decode::{Decoded, decode};
pub use findings::{Findings, Subject};
pub use judge::{Answers, Judged, Seen, judge, judge_unasked};
pub use places::{Reach, places};
pub use policy::{Keys, Settings, write};
pub use remark::{Remark, Weight};

/// Why a file gives no findings: a sentence without the file's name, and the line where one is to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The line, from 1.
    pub line: Option<u64>,
    /// What is wrong, and the fix.
    pub what: String,
}

impl Unreadable {
    fn new(line: Option<u64>, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
        }
    }
}

/// Finds the images in a text, which is JSON where it begins like that, and else a table or whatever has lines.
pub fn read(text: &str) -> Result<Findings, Unreadable> {
    if begins_as_json(text) {
        tree::read(text)
    } else {
        Ok(table::read(text))
    }
}

/// A bracket alone is a title as well.
fn begins_as_json(text: &str) -> bool {
    let mut signs = text.chars().filter(|sign| !sign.is_whitespace());
    match (signs.next(), signs.next()) {
        (Some('{'), Some(next)) => "\"}".contains(next),
        (Some('['), Some(next)) => "{[\"]".contains(next),
        _ => false,
    }
}
