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

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::super::testing::{Answer, Wire, bench, open, own};
    use super::*;

    #[tokio::test]
    async fn all_pages_are_read_and_an_answer_without_its_list_is_no_empty_one() {
        let id = |number: u64| format!("snap-{number:017x}");
        let page = move |number: u64, next: &str| {
            let (open, close) = ("<DescribeSnapshotsResponse>", "</DescribeSnapshotsResponse>");
            let item = format!("<item><snapshotId>{}</snapshotId></item>", id(number));
            format!("{open}<snapshotSet>{item}</snapshotSet>{next}{close}")
        };
        let wire = Wire::new(move |request| {
            assert_eq!(request.form["RestorableBy.1"], "all");
            assert_eq!(request.form["Owner.1"], "self");
            match request.form.get("NextToken") {
                None => Answer::ok(page(1, "<nextToken>more</nextToken>")),
                Some(_) => Answer::ok(page(2, "")),
            }
        });
        let told = bench(&wire, open()).await;
        let session = told.aws.session(&own(Access::ReadOnly));
        let expected: BTreeSet<SnapshotId> = [1, 2].map(|number| id(number).parse().expect("an ID")).into();
        assert_eq!(session.public_snapshots().await, Ok(expected));

        let wire = Wire::new(|_| Answer::ok("<DescribeSnapshotsResponse/>"));
        let silent = bench(&wire, open()).await;
        let session = silent.aws.session(&own(Access::ReadOnly));
        assert!(session.public_snapshots().await.is_err());
    }
}
