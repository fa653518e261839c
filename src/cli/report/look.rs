//! Reading accounts and regions for the report, a few at a time. Nothing but reads is sent.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use futures::StreamExt;
use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

use super::Args;
use super::read::{Asked, Seen, read};
use crate::api::{AMIEncryptionPolicy, UnusedSettings};
use crate::aws::{Access, Aws, Cause, Parameters, Query, SessionKey};
use crate::cli::accounts::{self, Unread};
use crate::cli::connection::{Connection, connect};
use crate::cli::progress::{Progress, TICK};
use crate::cli::words;
use crate::controller::survey;
use crate::domain::{AccountId, AwsError, Region, Scope};
use crate::plan::accounts::Source;
use crate::plan::expand;
use crate::plan::findings::report::Report;
use crate::plan::findings::{Thresholds, examine};
use crate::plan::obstacle::Problem;
use crate::plan::prices::Prices;
use crate::plan::regions::sources;
use crate::plan::select::Selector;

/// Whose STS says who somebody is, where no region is named anywhere.
const ANY_REGION: &str = "us-east-1";
/// What sessions are named by.
const NAME: &str = "report";

/// Looks into everything. Fails with a sentence where nobody can be asked at all.
pub(super) async fn look(
    args: &Args,
    policies: &[AMIEncryptionPolicy],
    prices: Option<Prices>,
    now: Timestamp,
) -> Result<Result<Report, String>> {
    let connection = Connection {
        dry_runs: false,
        share: args.aws_rate_share,
        read_timeout: args.aws_read_timeout.as_std(),
        endpoints: args.endpoints.into(),
    };
    let aws = Box::pin(connect(connection)).await?;
    let own = aws.own_region().and_then(|region| region.parse::<Region>().ok());
    let first = match own
        .or_else(|| args.regions.first().cloned())
        .or_else(|| named(policies))
        .map_or_else(|| ANY_REGION.parse(), Ok)
    {
        Ok(region) => region,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let caller = match Box::pin(aws.caller(&first)).await {
        Ok(caller) => caller,
        Err(error) => return Ok(Err(not_accepted(&error, &first))),
    };
    if caller.arn.ends_with(":root") {
        crate::cli::output::tell(
            "Warning: these are credentials of the account's root user: use those of a role that may only read.",
        );
    }
    let mut policies = policies.to_vec();
    let unread = match Box::pin(accounts::resolve(&aws, &mut policies)).await {
        Ok(unread) => unread,
        Err(sentences) => return Ok(Err(sentences.join("; "))),
    };
    let looking = Looking {
        aws: &aws,
        args,
        prices,
        now,
        caller: caller.account,
        targets: targets(args, &policies),
        unread,
    };
    Ok(looking.report(&first).await)
}

/// The first region that policies name. Credentials are accepted in their own partition alone.
fn named(policies: &[AMIEncryptionPolicy]) -> Option<Region> {
    policies.iter().find_map(|policy| {
        let targets = expand::targets("", &policy.spec).into_iter();
        // Of accounts that AWS Organizations lists these are all that is known here.
        let defaults = policy.spec.defaults.iter().flat_map(|defaults| &defaults.regions);
        let defaults = defaults.map(|region| region.name.clone());
        // Where all regions are taken and none is named, these are asked for others.
        let asked = sources(&policy.spec, None).into_values();
        let lists = Source::of(&policy.spec, None).map(|source| source.partition.home().to_owned());
        targets
            .map(|target| target.region)
            .chain(defaults)
            .chain(asked.map(|source| source.scope.region.into()))
            .chain(lists)
            .find_map(|name| name.parse().ok())
    })
}

/// What policies say of the accounts and regions that they name. Where two name the same, the first one counts.
fn targets(args: &Args, policies: &[AMIEncryptionPolicy]) -> BTreeMap<Scope, Target> {
    let mut targets = BTreeMap::new();
    for policy in policies {
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        for target in expand::targets(name, &policy.spec) {
            // A policy that was read from a file names no other.
            let Ok(scope) = Scope::parse(&target.account_id, &target.region) else {
                continue;
            };
            targets.entry(scope).or_insert_with(|| Target {
                selector: Selector::new(&target.image_selector, target.backups),
                query: survey::query(&target.consumers),
                thresholds: args.thresholds(target.audit.as_ref(), &target.unused),
                role_arn: target.role_arn,
                external_id: target.external_id,
                key: target.kms_key_id,
            });
        }
    }
    targets
}

/// What a policy says of an account and region.
struct Target {
    /// The role to assume, if one is.
    role_arn: Option<String>,
    external_id: Option<String>,
    /// The key for its images.
    key: String,
    selector: Selector,
    /// What it has read of everything that can launch images.
    query: Query,
    /// What it allows.
    thresholds: Thresholds,
}

/// What to say to somebody whose credentials AWS does not take.
fn not_accepted(error: &AwsError, region: &Region) -> String {
    match error.cause {
        Some(Cause::NoCredentials) => words::no_credentials_here(),
        Some(Cause::RegionNotEnabled) => words::not_accepted_in(region),
        _ => crate::plan::problem::of_error(error).message,
    }
}

struct Looking<'a> {
    aws: &'a Aws,
    args: &'a Args,
    /// What keeping snapshots costs, where that was given.
    prices: Option<Prices>,
    now: Timestamp,
    caller: AccountId,
    /// Of policies; none where there is none.
    targets: BTreeMap<Scope, Target>,
    /// Of the policies, the accounts whose regions could not be read.
    unread: Vec<Unread>,
}

impl Looking<'_> {
    async fn report(&self, first: &Region) -> Result<Report, String> {
        let mut report = Report::new(self.now);
        let scopes = if self.args.files.is_empty() {
            self.scopes(first, &mut report).await?
        } else {
            self.targets.keys().cloned().collect()
        };
        // Those that could not be looked into are somebody's own all the same.
        let looked_into = scopes.iter().map(|scope| scope.account.clone());
        let unread = self.unread.iter().map(|unread| unread.account.clone());
        let named = self.args.accounts.iter().cloned();
        let accounts = looked_into.chain(unread).chain(named).collect();
        // Two policies may have the same account.
        let mut told = BTreeSet::new();
        for unread in self.unread.iter().filter(|unread| told.insert(&unread.account)) {
            report.unread_regions(&unread.account, &unread.problem());
        }
        self.each(scopes, &accounts, &mut report).await;
        report.sort();
        Ok(report)
    }

    /// The accounts and regions that the options name, or all of the caller's own.
    async fn scopes(&self, first: &Region, report: &mut Report) -> Result<Vec<Scope>, String> {
        let mut accounts: BTreeSet<AccountId> = self.args.accounts.iter().cloned().collect();
        if accounts.is_empty() {
            accounts.insert(self.caller.clone());
        }
        let foreign = accounts.iter().find(|account| **account != self.caller);
        if let (Some(account), None) = (foreign, &self.args.role_name) {
            return Err(format!(
                "your credentials are of the account {}: name the role to assume in {account} with --role-name.",
                self.caller
            ));
        }
        let mut scopes = Vec::new();
        for account in accounts {
            let regions = match self.regions(&account, first).await {
                Ok(regions) => regions,
                Err((scope, problem)) => {
                    report.failed(&scope, &problem);
                    continue;
                }
            };
            scopes.extend(regions.into_iter().map(|region| Scope {
                account: account.clone(),
                region,
            }));
        }
        Ok(scopes)
    }

    /// The regions to look into in an account.
    async fn regions(&self, account: &AccountId, first: &Region) -> Result<BTreeSet<Region>, (Scope, Problem)> {
        if !self.args.regions.is_empty() {
            return Ok(self.args.regions.iter().cloned().collect());
        }
        let scope = Scope {
            account: account.clone(),
            region: first.clone(),
        };
        let session = self.aws.session(&self.key(&scope));
        let regions = session.enabled_regions().await;
        regions.map_err(|error| {
            let problem = words::of_error(&error, &scope);
            (scope, problem)
        })
    }

    /// What is allowed in an account and region, where all of `accounts` are looked into.
    fn thresholds(&self, scope: &Scope, accounts: &BTreeSet<AccountId>) -> Thresholds {
        let of_target = self.targets.get(scope).map(|target| target.thresholds.clone());
        Thresholds {
            accounts: accounts.clone(),
            prices: self.prices.clone(),
            ..of_target.unwrap_or_else(|| self.args.thresholds(None, &UnusedSettings::default()))
        }
    }

    async fn each(&self, scopes: Vec<Scope>, accounts: &BTreeSet<AccountId>, report: &mut Report) {
        let mut progress = Progress::new(scopes.len());
        let visits = futures::stream::iter(scopes).map(|scope| async move {
            let thresholds = self.thresholds(&scope, accounts);
            let seen = Box::pin(self.scope(&scope, &thresholds)).await;
            (scope, seen.map(|seen| (seen, thresholds)))
        });
        let mut visits = visits.buffer_unordered(usize::from(self.args.concurrency));
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                visited = visits.next() => match visited {
                    Some((scope, Ok((seen, thresholds)))) => {
                        progress.done(1, seen.inventory.images.len() as u64);
                        let subject = seen.subject(&scope, &thresholds, self.now);
                        report.add(subject, examine(subject));
                    }
                    Some((scope, Err(error))) => {
                        progress.done(1, 0);
                        report.failed(&scope, &words::of_error(&error, &scope));
                    }
                    None => break,
                },
                _ = ticks.tick() => progress.tick(),
            }
        }
    }

    async fn scope(&self, scope: &Scope, thresholds: &Thresholds) -> Result<Seen, AwsError> {
        let key = self.key(scope);
        let session = self.aws.session(&key);
        let target = self.targets.get(scope);
        let mut query = target.map(|target| target.query.clone()).unwrap_or_default();
        if self.args.plain_parameters {
            query.parameters = Parameters::All;
        }
        let asked = Asked {
            scope,
            thresholds,
            query,
            policy: target.map(|target| (target.key.as_str(), target.selector.clone())),
            now: self.now,
        };
        let seen = Box::pin(read(&session, asked)).await;
        self.aws.forget(&key);
        seen
    }

    /// By the role where one is named, but for the own account where no account is: there the own credentials will do.
    fn key(&self, scope: &Scope) -> SessionKey {
        if let Some(target) = self.targets.get(scope) {
            return SessionKey {
                policy: NAME.to_owned(),
                scope: scope.clone(),
                role_arn: target.role_arn.clone(),
                external_id: target.external_id.clone(),
                access: Access::ReadOnly,
            };
        }
        let is_own = scope.account == self.caller && self.args.accounts.is_empty();
        let role_name = self.args.role_name.as_deref().filter(|_| !is_own);
        let arn = |name: &str| {
            let name = name.trim_start_matches('/');
            format!("arn:{}:iam::{}:role/{name}", scope.region.partition(), scope.account)
        };
        SessionKey {
            policy: NAME.to_owned(),
            scope: scope.clone(),
            role_arn: role_name.map(arn),
            external_id: self.args.external_id.clone().filter(|_| role_name.is_some()),
            access: Access::ReadOnly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_region_is_set_that_of_a_policy_is_asked_so_that_each_partition_is_asked_in_its_own() {
        for (spec, expected) in [
            (
                "accounts: [{accountID: '111122223333', regions: [{name: cn-north-1, kmsKeyID: alias/a}]}]",
                Some("cn-north-1"),
            ),
            (
                "{defaults: {regions: [{name: us-gov-west-1, kmsKeyID: alias/a}]}, accounts: [{accountID: '111122223333'}]}",
                Some("us-gov-west-1"),
            ),
            (
                "{defaults: {regions: [{name: eu-west-1, kmsKeyID: alias/a}]}, accountsFrom: {organization: {}}}",
                Some("eu-west-1"),
            ),
            (
                "accounts: [{accountID: '111122223333', roleARN: 'arn:aws-us-gov:iam::111122223333:role/amiseal', \
                 allRegions: {kmsKeyID: alias/a}}]",
                Some("us-gov-west-1"),
            ),
            (
                "{defaults: {roleName: amiseal, allRegions: {kmsKeyID: alias/a}}, \
                 accountsFrom: {organization: {}, roleARN: 'arn:aws-cn:iam::111122223333:role/lists'}}",
                Some("cn-north-1"),
            ),
            ("accounts: []", None),
        ] {
            let spec = serde_saphyr::from_str(spec).expect("a policy");
            let policies = [AMIEncryptionPolicy::new("production", spec)];
            assert_eq!(named(&policies).map(String::from).as_deref(), expected);
        }
        assert_eq!(named(&[]), None);
    }
}
