//! Whether AWS can be reached, and by which identity: the one that is to assume the policies' roles.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use prometheus::Registry;

use super::Finding;
use crate::api::AMIEncryptionPolicy;
use crate::aws::{Aws, AwsMetrics, AwsOptions, Called};
use crate::clock::SystemClock;
use crate::domain::{Endpoints, Region};
use crate::plan::{accounts, expand, regions};

/// Regions at a time.
const AT_A_TIME: usize = 16;
/// How long each may take. The SDK tries longer, and `helm test` itself has five minutes.
const ANSWER: Duration = Duration::from_secs(20);

/// Asks the STS of each region who this is.
pub(super) async fn reached(
    named: &[String],
    endpoints: Endpoints,
    policies: &[AMIEncryptionPolicy],
    tell: &mut dyn FnMut(Finding),
) {
    let aws = match connect(endpoints).await {
        Ok(aws) => aws,
        Err(error) => return tell(Finding::new("AWS", Err(format!("{error:#}")))),
    };
    let regions = regions(named, policies, aws.own_region());
    if regions.is_empty() {
        let why = "no region is known: no policy names one, and AWS_REGION is not set; name one with --region \
                   (check.regions of the chart)";
        return tell(Finding::new("AWS", Err(why.to_owned())));
    }
    let aws = &aws;
    let ask = async |region: String| {
        let region: Region = region.parse().map_err(|error| format!("{error}"))?;
        let identity = aws.caller(&region).await.map_err(|error| error.to_string())?;
        Ok(format!("STS answers {}", identity.arn))
    };
    each(regions, ask, tell).await;
}

/// Asks in several regions at a time, and tells each answer as it comes.
async fn each<A>(regions: BTreeSet<String>, ask: A, tell: &mut dyn FnMut(Finding))
where
    A: AsyncFn(String) -> Result<String, String>,
{
    let ask = &ask;
    let answers = stream::iter(regions).map(|region| async move {
        let called = Called::default();
        let said = match tokio::time::timeout(ANSWER, called.note(ask(region.clone()))).await {
            Ok(said) => said,
            Err(_) => {
                let at = called.host().map(|host| format!(" at {host}")).unwrap_or_default();
                Err(format!(
                    "STS does not answer{at} within {} s: check proxies, network policies and the route to its endpoint",
                    ANSWER.as_secs()
                ))
            }
        };
        Finding::new(format!("AWS in {region}"), said)
    });
    let mut answers = std::pin::pin!(answers.buffer_unordered(AT_A_TIME));
    while let Some(finding) = answers.next().await {
        tell(finding);
    }
}

async fn connect(endpoints: Endpoints) -> anyhow::Result<Aws> {
    let metrics = AwsMetrics::register(&Registry::new())?;
    // Nothing is changed, so no gate ever has to open.
    let mut options = AwsOptions::new(Arc::new(SystemClock::default()), Arc::new(|_| false), metrics);
    options.endpoints = endpoints;
    Ok(Box::pin(Aws::new(options)).await?)
}

/// The regions to ask in: those that were named, else those of the policies, else the environment's.
fn regions(named: &[String], policies: &[AMIEncryptionPolicy], own: Option<String>) -> BTreeSet<String> {
    if !named.is_empty() {
        return named.iter().cloned().collect();
    }
    let partition = own.as_ref().and_then(|region| region.parse::<Region>().ok());
    let partition = partition.map(|region| region.partition());
    let of_policies: BTreeSet<String> = policies
        .iter()
        .flat_map(|policy| {
            let named = expand::targets("", &policy.spec)
                .into_iter()
                .map(|target| target.region);
            // Of accounts that AWS Organizations lists the defaults' regions are all that is known here.
            let listed = policy.spec.accounts_from.iter().flat_map(|_| &policy.spec.defaults);
            let listed = listed
                .flat_map(|defaults| &defaults.regions)
                .map(|region| region.name.clone());
            // Where all regions of an account are taken it is asked in one of them.
            let sources = regions::sources(&policy.spec, partition).into_values();
            let asked = sources.map(|source| source.scope.region.into());
            let of_listed = accounts::Source::of(&policy.spec, partition).filter(|_| {
                let defaults = policy.spec.defaults.as_ref();
                defaults.is_some_and(|defaults| defaults.regions.is_empty())
            });
            let home = of_listed.map(|source| source.partition.home().to_owned());
            named.chain(listed).chain(asked).chain(home).collect::<Vec<_>>()
        })
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
        // A policy that lists no region has its accounts where the environment is.
        let alone = "accounts: [{accountID: '111122223333', roleName: amiseal, allRegions: {kmsKeyID: alias/a}}]";
        let alone = [AMIEncryptionPolicy::new(
            "everything",
            serde_saphyr::from_str(alone).expect("a policy"),
        )];
        for (own, expected) in [
            (Some("cn-northwest-1"), "cn-north-1"),
            (Some("us-gov-east-1"), "us-gov-west-1"),
            (own, "us-east-1"),
            (None, "us-east-1"),
        ] {
            assert_eq!(asked(&[], &alone, own), [expected]);
        }
    }

    /// More regions than are asked at a time, of which one answers and none of the others does.
    #[tokio::test(start_paused = true)]
    async fn regions_that_do_not_answer_hold_up_no_other_and_end_soon() {
        let regions: BTreeSet<String> = (0..AT_A_TIME + 8)
            .map(|number| format!("eu-west-{number:02}"))
            .collect();
        let ask = async |region: String| {
            if region == "eu-west-03" {
                return Ok("STS answers me".to_owned());
            }
            std::future::pending().await
        };
        let start = tokio::time::Instant::now();
        let mut told = Vec::new();
        each(regions.clone(), ask, &mut |finding| {
            told.push((start.elapsed(), finding))
        })
        .await;
        let (first, answered) = told.first().expect("an answer");
        assert_eq!(answered.line(), "ok    AWS in eu-west-03: STS answers me");
        assert!(*first < Duration::from_secs(1), "{first:?}");
        let silent = |(_, finding): &&(Duration, Finding)| {
            let why = "STS does not answer within 20 s: check";
            matches!(&finding.said, Err(said) if said.starts_with(why))
        };
        assert_eq!(told.iter().filter(silent).count(), regions.len() - 1);
        let last = start.elapsed();
        assert!(last < ANSWER * 2 + Duration::from_secs(1), "{last:?}");
    }
}
