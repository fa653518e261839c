//! Usage reports of EC2: what other accounts use of an image, counted when somebody asks for it.

use jiff::Timestamp;

use super::{AccountId, ImageId, Tags};

/// A report, as AWS lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageReport {
    /// Its ID.
    pub id: Box<str>,
    /// The image that it is of.
    pub image: ImageId,
    /// When it was asked for.
    pub created: Timestamp,
    /// How far it is.
    pub state: ReportState,
    /// Whether it counts instances and launch templates of every account, and not of some only.
    pub is_whole: bool,
    /// Its tags.
    pub tags: Tags,
}

/// How far a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportState {
    /// AWS is at it.
    Pending,
    /// It can be read.
    Available,
    /// AWS could not make it, or a state that is not known.
    Failed,
}

/// How many things of a kind use an image in another account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportEntry {
    /// The report.
    pub report: Box<str>,
    /// The account.
    pub account: AccountId,
    /// The kind, as statuses name it; as AWS does, where it is none of those.
    pub kind: Box<str>,
    /// How many.
    pub count: u32,
}

/// A report that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRequest {
    /// The image.
    pub image: ImageId,
    /// Reports of the same image that are in the way.
    pub replaces: Vec<Box<str>>,
    /// The tags of the report.
    pub tags: Tags,
    /// Makes the call safe to repeat.
    pub client_token: String,
}
