//! What was asked of the API server, and what came of it.

use std::fmt;

use jiff::Timestamp;

use crate::request::Verb;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The request's number, from 1, in the order of arrival. Entries are in the order of the effects.
    pub number: u64,
    /// When it took effect or was refused, by the clock of the server.
    pub at: Timestamp,
    /// Whose it is: the name that the service was made with.
    pub client: String,
    /// What it does.
    pub verb: Verb,
    /// The kind, as in `AMIMigration`.
    pub kind: String,
    /// The namespace; empty for objects of the whole cluster.
    pub namespace: String,
    /// The object's name; empty for lists and watches.
    pub name: String,
    /// `status`, or empty.
    pub subresource: String,
    /// The answer's HTTP status. Absent for a request that never reached the server.
    pub code: Option<u16>,
    /// The reason of a refusal.
    pub reason: String,
    /// The store's resourceVersion afterwards.
    pub revision: u64,
    /// Whether the request wrote something.
    pub wrote: bool,
    /// Whether the client got an answer.
    pub answered: bool,
    /// Whether the answer was not what the server would have given by itself.
    pub disturbed: bool,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {}",
            self.number,
            self.at,
            self.client,
            self.verb.as_str(),
            self.kind
        )?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        if !self.namespace.is_empty() {
            write!(f, " {}/{}", self.namespace, self.name)?;
        } else if !self.name.is_empty() {
            write!(f, " {}", self.name)?;
        }
        match self.code {
            Some(code) => write!(f, " -> {code}")?,
            None => f.write_str(" -> lost on the way there")?,
        }
        if !self.reason.is_empty() {
            write!(f, " {}", self.reason)?;
        }
        write!(f, " @{}", self.revision)?;
        if self.code.is_some() && !self.answered {
            f.write_str(", answer lost")?;
        }
        if self.disturbed && self.answered {
            f.write_str(", disturbed")?;
        }
        Ok(())
    }
}
