//! A document, and what its reader has to know besides.

use std::collections::{BTreeMap, BTreeSet};

use super::Enforced;

/// So many accounts are named in one sentence.
const NAMED: usize = 10;

/// A document, and what its reader has to know besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// The document, with the end of its last line.
    pub text: String,
    /// Sentences about it.
    pub notes: Vec<String>,
}

/// That all accounts take the same document; else how to choose those that do.
pub(super) fn alike<K: Ord>(enforced: &[Enforced], key: impl Fn(&Enforced) -> K) -> Result<(), String> {
    let mut first: BTreeMap<K, &str> = BTreeMap::new();
    for account in enforced {
        first.entry(key(account)).or_insert(&account.account_id);
    }
    if first.len() < 2 {
        return Ok(());
    }
    Err(format!(
        "the policies ask for {} different documents, for example in {}: choose with --policy, --account or --region.",
        first.len(),
        several(first.values().copied().collect::<BTreeSet<&str>>())
    ))
}

/// Accounts, as a sentence names them.
pub(super) fn several<'a>(accounts: impl IntoIterator<Item = &'a str>) -> String {
    let accounts: Vec<&str> = accounts.into_iter().collect();
    let shown = accounts.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match accounts.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The accounts that a document is to be attached to.
pub(super) fn attached(enforced: &[Enforced]) -> String {
    several(enforced.iter().map(|account| account.account_id.as_str()))
}
