//! Snapshots that everybody can make volumes of.

use std::collections::BTreeSet;

use super::listing::listed;
use super::pages::Pages;
use super::project;
use super::session::Session;
use crate::domain::{AwsError, Operation, SnapshotId};

/// AWS's largest page.
const PAGE: i32 = 1000;

impl Session {
    /// Lists the snapshots of the account that are public: all of one listing, and no call for each.
    pub async fn public_snapshots(&self) -> Result<BTreeSet<SnapshotId>, AwsError> {
        const OPERATION: Operation = Operation::DescribeSnapshots;
        let mut found = BTreeSet::new();
        let mut pages = Pages::default();
        while pages.more() {
            let request = self
                .ec2_reads()
                .describe_snapshots()
                .owner_ids("self")
                .restorable_by_user_ids("all")
                .max_results(PAGE)
                .set_next_token(pages.token());
            let page = self.call(OPERATION, request.send()).await?;
            for snapshot in &listed(OPERATION, page.snapshots)? {
                let id = project::snapshot_id(snapshot);
                found.insert(id.map_err(|defect| AwsError::malformed(OPERATION, &defect))?);
            }
            pages.turn(OPERATION, page.next_token)?;
        }
        Ok(found)
    }
}
