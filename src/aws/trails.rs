//! The trails of CloudTrail that a region shows, those of all regions included.

use super::listing::listed;
use super::session::Session;
use crate::domain::{AwsError, Operation, Trail};

impl Session {
    /// Reads which trails there are, and which of those of all regions log now: a call for each of these, of which an account has few.
    pub async fn trails(&self) -> Result<Vec<Trail>, AwsError> {
        const LIST: Operation = Operation::DescribeTrails;
        const STATUS: Operation = Operation::GetTrailStatus;
        let client = self.cloudtrail();
        let request = client.describe_trails().include_shadow_trails(true);
        let answer = self.call(LIST, request.send()).await?;
        let mut trails = Vec::new();
        for trail in listed(LIST, answer.trail_list)? {
            let arn = trail.trail_arn.filter(|arn| !arn.is_empty());
            let arn = arn.ok_or_else(|| AwsError::malformed(LIST, &"a trail without an ARN"))?;
            let multi_region = trail.is_multi_region_trail.unwrap_or_default();
            let logs = if multi_region {
                // Only by its ARN is a trail found whose home is another region.
                let request = client.get_trail_status().name(&arn);
                let status = self.call(STATUS, request.send()).await?;
                let logs = status.is_logging;
                logs.ok_or_else(|| AwsError::malformed(STATUS, &"no state in the answer"))?
            } else {
                false
            };
            trails.push(Trail {
                arn: arn.into(),
                multi_region,
                logs,
            });
        }
        Ok(trails)
    }
}
