//! Whether AWS can be reached, and by which identity: the one that is to assume the policies' roles.

use std::collections::BTreeSet;
use std::sync::Arc;

use prometheus::Registry;

use super::Finding;
use crate::api::AMIEncryptionPolicy;
use crate::aws::{Aws, AwsMetrics, AwsOptions};
use crate::clock::SystemClock;
use crate::domain::Region;
use crate::plan::expand;

/// Asks the STS of each region who this is.
pub(super) async fn reached(named: &[String], policies: &[AMIEncryptionPolicy]) -> Vec<Finding> {
    let aws = match connect().await {
        Ok(aws) => aws,
        Err(error) => return vec![Finding::new("AWS", Err(format!("{error:#}")))],
    };
    let regions = regions(named, policies, aws.own_region());
    if regions.is_empty() {
        let why = "no region is known: no policy names one, and AWS_REGION is not set; name one with --region \
                   (check.regions of the chart)";
        return vec![Finding::new("AWS", Err(why.to_owned()))];
    }
    let mut findings = Vec::new();
    for region in regions {
        let said = match region.parse::<Region>() {
            Ok(region) => aws.caller(&region).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let said = said.map(|identity| format!("STS answers {}", identity.arn));
        findings.push(Finding::new(format!("AWS in {region}"), said));
    }
    findings
}

async fn connect() -> anyhow::Result<Aws> {
    let metrics = AwsMetrics::register(&Registry::new())?;
    // Nothing is changed, so no gate ever has to open.
    let options = AwsOptions::new(Arc::new(SystemClock::default()), Arc::new(|_, _| false), metrics);
    Ok(Box::pin(Aws::new(options)).await?)
}

/// The regions to ask in: those that were named, else those of the policies, else the environment's.
fn regions(named: &[String], policies: &[AMIEncryptionPolicy], own: Option<String>) -> BTreeSet<String> {
    if !named.is_empty() {
        return named.iter().cloned().collect();
    }
    let of_policies: BTreeSet<String> = policies
        .iter()
        .flat_map(|policy| expand::targets("", &policy.spec))
        .map(|target| target.region)
        .collect();
    if of_policies.is_empty() {
        own.into_iter().collect()
    } else {
        of_policies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "
defaults: {regions: [{name: eu-west-1, kmsKeyID: alias/a}]}
accounts:
- accountID: '111122223333'
- accountID: '222233334444'
  regions: [{name: us-east-1, kmsKeyID: alias/a}, {name: eu-west-1, kmsKeyID: alias/a}]
";

    #[test]
    fn named_regions_go_before_those_of_policies_and_they_before_the_environments() {
        let spec = serde_saphyr::from_str(POLICY).expect("a policy");
        let policies = [AMIEncryptionPolicy::new("production", spec)];
        let asked = |named: &[String], policies: &[AMIEncryptionPolicy], own: Option<&str>| {
            let regions = regions(named, policies, own.map(str::to_owned));
            regions.into_iter().collect::<Vec<_>>()
        };
        let own = Some("af-south-1");
        assert_eq!(asked(&["sa-east-1".to_owned()], &policies, own), ["sa-east-1"]);
        assert_eq!(asked(&[], &policies, own), ["eu-west-1", "us-east-1"]);
        assert_eq!(asked(&[], &[], own), ["af-south-1"]);
        assert!(asked(&[], &[], None).is_empty());
    }
}
