//! The regions of an account.

use std::collections::BTreeSet;

use super::listing::listed;
use super::session::Session;
use crate::domain::{AwsError, Operation, Region};

impl Session {
    /// Reads which regions are enabled in the account.
    pub async fn enabled_regions(&self) -> Result<BTreeSet<Region>, AwsError> {
        const OPERATION: Operation = Operation::DescribeRegions;
        let answer = self.call(OPERATION, self.ec2().describe_regions().send()).await?;
        let names = listed(OPERATION, answer.regions)?.into_iter();
        names
            .filter_map(|region| region.region_name)
            .map(|name| name.parse().map_err(|error| AwsError::malformed(OPERATION, &error)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::super::testing::{ACCOUNT, Answer, Wire, bench, identity, open, role};

    #[tokio::test]
    async fn the_regions_that_aws_names_are_enabled_and_an_answer_without_any_list_is_none() {
        for (body, expected) in [
            (
                "<regionInfo><item><regionName>us-east-1</regionName></item><item><regionName>eu-west-1</regionName></item></regionInfo>",
                Some(vec!["eu-west-1", "us-east-1"]),
            ),
            (
                "<regionInfo><item><regionName>nowhere</regionName></item></regionInfo>",
                None,
            ),
            ("", None),
        ] {
            let answer = format!("<DescribeRegionsResponse>{body}</DescribeRegionsResponse>");
            let wire = Wire::new(move |request| match request.call.as_str() {
                "sts:GetCallerIdentity" => Answer::ok(identity(ACCOUNT)),
                _ => Answer::ok(answer.clone()),
            });
            let bench = bench(&wire, open()).await;
            let regions = bench.aws.session(&role(Access::ReadOnly)).enabled_regions().await.ok();
            let names = regions.map(|regions| regions.into_iter().map(String::from).collect::<Vec<_>>());
            assert_eq!(
                names,
                expected.map(|names| names.into_iter().map(str::to_owned).collect()),
                "{body}"
            );
        }
    }
}
