//! The regions of an account.

use std::collections::BTreeSet;

use super::listing::listed;
use super::session::Session;
use crate::domain::{AwsError, Operation, Region};

impl Session {
    /// Reads which regions are enabled in the account. A read is whole, or it fails.
    pub async fn enabled_regions(&self) -> Result<BTreeSet<Region>, AwsError> {
        const OPERATION: Operation = Operation::DescribeRegions;
        // Without AllRegions AWS names those alone that are enabled.
        let answer = self.call(OPERATION, self.ec2().describe_regions().send()).await?;
        let mut enabled = BTreeSet::new();
        for region in listed(OPERATION, answer.regions)? {
            match region.opt_in_status.as_deref() {
                None | Some("opt-in-not-required" | "opted-in") => {}
                Some("not-opted-in") => continue,
                Some(_) => {
                    let error = "a region that is neither enabled nor not";
                    return Err(AwsError::malformed(OPERATION, &error));
                }
            }
            let name = region.region_name.unwrap_or_default();
            let name = name.parse::<Region>();
            enabled.insert(name.map_err(|error| AwsError::malformed(OPERATION, &error))?);
        }
        // The one that answers is enabled itself.
        if enabled.is_empty() {
            return Err(AwsError::malformed(OPERATION, &"an account without regions"));
        }
        Ok(enabled)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::super::testing::{ACCOUNT, Answer, Wire, bench, identity, open, role};

    /// An answer with these regions, each with its status.
    fn info(regions: &[(&str, &str)]) -> String {
        let item = |(name, status): &(&str, &str)| {
            let status = match *status {
                "" => String::new(),
                status => format!("<optInStatus>{status}</optInStatus>"),
            };
            format!("<item><regionName>{name}</regionName>{status}</item>")
        };
        let items: String = regions.iter().map(item).collect();
        format!("<regionInfo>{items}</regionInfo>")
    }

    #[tokio::test]
    async fn the_regions_that_aws_shows_as_enabled_are_and_an_answer_that_makes_no_sense_is_none() {
        for (body, expected) in [
            (
                info(&[("us-east-1", ""), ("eu-west-1", "opt-in-not-required")]),
                Some(vec!["eu-west-1", "us-east-1"]),
            ),
            (
                info(&[("af-south-1", "opted-in"), ("me-south-1", "not-opted-in")]),
                Some(vec!["af-south-1"]),
            ),
            (info(&[("eu-west-1", "opted-in"), ("af-south-1", "perhaps")]), None),
            (info(&[("me-south-1", "not-opted-in")]), None),
            (info(&[("nowhere", "opted-in")]), None),
            (info(&[]), None),
            (String::new(), None),
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
