//! The trails of CloudTrail that a region shows, those of all regions included.

use super::listing::listed;
use super::session::Session;
use crate::domain::{AwsError, Operation, Trail};

impl Session {
    /// Reads which trails there are, and which of those of all regions log now: a call for each of these, of which an account has few.
    pub async fn trails(&self) -> Result<Vec<Trail>, AwsError> {
        const OPERATION: Operation = Operation::DescribeTrails;
        let client = self.cloudtrail();
        let request = client.describe_trails().include_shadow_trails(true);
        let answer = self.call(OPERATION, request.send()).await?;
        let mut trails = Vec::new();
        for trail in listed(OPERATION, answer.trail_list)? {
            let arn = trail.trail_arn.filter(|arn| !arn.is_empty());
            let arn = arn.ok_or_else(|| AwsError::malformed(OPERATION, &"a trail without an ARN"))?;
            let multi_region = trail.is_multi_region_trail.unwrap_or_default();
            trails.push(Trail {
                logs: if multi_region { self.logs(&arn).await } else { Ok(false) },
                arn: arn.into(),
                multi_region,
            });
        }
        Ok(trails)
    }

    /// Whether a trail logs. Only by its ARN is one found whose home is another region.
    async fn logs(&self, arn: &str) -> Result<bool, AwsError> {
        const OPERATION: Operation = Operation::GetTrailStatus;
        let client = self.cloudtrail();
        let request = client.get_trail_status().name(arn);
        let status = self.call(OPERATION, request.send()).await?;
        let logs = status.is_logging;
        logs.ok_or_else(|| AwsError::malformed(OPERATION, &"no state in the answer"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::super::testing::{Answer, Wire, bench, open, own};
    use super::*;

    async fn read(list: &'static str, status: &'static str) -> (Result<Vec<Trail>, AwsError>, usize) {
        let wire = Wire::new(move |request| match request.call.as_str() {
            "cloudtrail:DescribeTrails" => Answer::ok(list),
            "cloudtrail:GetTrailStatus" if status.is_empty() => {
                Answer::Reply(400, r#"{"__type":"AccessDeniedException"}"#.to_owned())
            }
            _ => Answer::ok(status),
        });
        let bench = bench(&wire, open()).await;
        let trails = bench.aws.session(&own(Access::ReadOnly)).trails().await;
        (trails, wire.count("cloudtrail:GetTrailStatus"))
    }

    #[tokio::test]
    async fn only_trails_of_all_regions_are_asked_whether_they_log_and_one_that_may_not_be_hides_no_other() {
        let list = r#"{"trailList":[{"TrailARN":"here"},{"TrailARN":"all","IsMultiRegionTrail":true}]}"#;
        for (status, logs) in [
            (r#"{"IsLogging":true}"#, Some(true)),
            (r#"{"IsLogging":false}"#, Some(false)),
            ("{}", None),
            ("", None),
        ] {
            let (trails, calls) = read(list, status).await;
            let trails = trails.expect("a list");
            let told: Vec<_> = trails
                .iter()
                .map(|trail| (&*trail.arn, trail.multi_region, trail.logs.clone().ok()))
                .collect();
            assert_eq!(told, [("here", false, Some(false)), ("all", true, logs)], "{status}");
            assert_eq!(calls, 1);
        }
    }

    #[tokio::test]
    async fn an_answer_without_its_list_is_no_empty_one() {
        assert_eq!(read(r#"{"trailList":[]}"#, "").await.0, Ok(Vec::new()));
        assert!(read("{}", "").await.0.is_err());
        assert!(read(r#"{"trailList":[{"Name":"nameless"}]}"#, "").await.0.is_err());
    }
}
