//! What is on record of what is done in an account.

use super::AwsError;

/// A trail of CloudTrail, as a region shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// Its ARN.
    pub arn: Box<str>,
    /// Whether it is of all regions.
    pub multi_region: bool,
    /// Whether it logs now, where it is of all regions; or why that could not be read.
    pub logs: Result<bool, AwsError>,
}
