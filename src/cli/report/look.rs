//! Reading accounts and regions for the report, a few at a time. Nothing but reads is sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::Result;
use futures::StreamExt;
use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

use super::Args;
use crate::api::AMIEncryptionPolicy;
use crate::aws::{Access, Aws, Cause, Detail, Parameters, Query, Session, SessionKey};
use crate::cli::connection::{Connection, connect};
use crate::cli::progress::{Progress, TICK};
use crate::cli::words;
use crate::controller::survey::consumers;
use crate::domain::{AccountId, AwsError, GuardrailState, ImageId, Inventory, LaunchPermission, Region, Scope};
use crate::plan::expand;
use crate::plan::findings::report::Report;
use crate::plan::findings::{Subject, Thresholds, examine};
use crate::plan::obstacle::Problem;
use crate::plan::usage::{self, Graph};

/// Whose STS says who somebody is, where no region is named anywhere.
const ANY_REGION: &str = "us-east-1";
/// What sessions are named by.
const NAME: &str = "report";

/// What one account and region showed.
struct Seen {
    inventory: Inventory,
    graph: Graph,
    shared: HashMap<ImageId, BTreeSet<LaunchPermission>>,
    guardrails: Vec<GuardrailState>,
    missing: Result<BTreeSet<ImageId>, AwsError>,
}

/// Looks into everything. Fails with a sentence where nobody can be asked at all.
pub(super) async fn look(
    args: &Args,
    policies: &[AMIEncryptionPolicy],
    thresholds: &Thresholds,
    now: Timestamp,
) -> Result<Result<Report, String>> {
    let connection = Connection {
        dry_runs: false,
        share: args.aws_rate_share,
        read_timeout: args.aws_read_timeout.as_std(),
    };
    let aws = Box::pin(connect(connection)).await?;
    let own = aws.own_region().and_then(|region| region.parse::<Region>().ok());
    let first = match own
        .or_else(|| args.regions.first().cloned())
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
    let looking = Looking {
        aws: &aws,
        args,
        thresholds,
        now,
        caller: caller.account,
        roles: roles(policies),
    };
    Ok(looking.report(&first).await)
}

/// How to come into the accounts and regions that policies name. Where two name the same, the first one counts.
fn roles(policies: &[AMIEncryptionPolicy]) -> BTreeMap<Scope, Role> {
    let mut roles = BTreeMap::new();
    for policy in policies {
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        for target in expand::targets(name, &policy.spec) {
            // A policy that was read from a file names no other.
            let Ok(scope) = Scope::parse(&target.account_id, &target.region) else {
                continue;
            };
            roles.entry(scope).or_insert(Role {
                arn: target.role_arn,
                external_id: target.external_id,
            });
        }
    }
    roles
}

/// The role to assume, if one is.
struct Role {
    arn: Option<String>,
    external_id: Option<String>,
}

/// What to say to somebody whose credentials AWS does not take.
fn not_accepted(error: &AwsError, region: &Region) -> String {
    match error.cause {
        Some(Cause::NoCredentials) => words::NO_CREDENTIALS_HERE.to_owned(),
        Some(Cause::RegionNotEnabled) => format!(
            "AWS does not accept your credentials in {region}: `aws sts get-caller-identity` tells whether they are right."
        ),
        _ => crate::plan::problem::of_error(error).message,
    }
}

struct Looking<'a> {
    aws: &'a Aws,
    args: &'a Args,
    thresholds: &'a Thresholds,
    now: Timestamp,
    caller: AccountId,
    /// Of policies; none where there is none.
    roles: BTreeMap<Scope, Role>,
}

impl Looking<'_> {
    async fn report(&self, first: &Region) -> Result<Report, String> {
        let mut report = Report::new(self.now);
        let scopes = if self.args.files.is_empty() {
            self.scopes(first, &mut report).await?
        } else {
            self.roles.keys().cloned().collect()
        };
        self.each(scopes, &mut report).await;
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

    async fn each(&self, scopes: Vec<Scope>, report: &mut Report) {
        let mut progress = Progress::new(scopes.len());
        let visits = futures::stream::iter(scopes).map(|scope| async move {
            let seen = Box::pin(self.scope(&scope)).await;
            (scope, seen)
        });
        let mut visits = visits.buffer_unordered(usize::from(self.args.concurrency));
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                visited = visits.next() => match visited {
                    Some((scope, Ok(seen))) => {
                        progress.done(1, seen.inventory.images.len() as u64);
                        self.add(&scope, &seen, report);
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

    async fn scope(&self, scope: &Scope) -> Result<Seen, AwsError> {
        let key = self.key(scope);
        let session = self.aws.session(&key);
        let seen = Box::pin(self.read(scope, &session)).await;
        self.aws.forget(&key);
        seen
    }

    async fn read(&self, scope: &Scope, session: &Arc<Session>) -> Result<Seen, AwsError> {
        // Of what happens later, a launch, an image or a group, nothing is claimed.
        let began = Timestamp::now();
        let inventory = session.scan_for(Detail::Everything).await?;
        let parameters = if self.args.plain_parameters {
            Parameters::All
        } else {
            Parameters::Images
        };
        let query = Query {
            parameters,
            ..Query::default()
        };
        let readings = consumers(session, &query).await;
        let mut seen = Seen {
            inventory,
            graph: usage::graph(&readings, &scope.account, began),
            shared: HashMap::new(),
            guardrails: Box::pin(session.guardrails()).await,
            missing: Ok(BTreeSet::new()),
        };
        let foreign: Vec<ImageId> = (seen.graph.launched().map(|(image, _)| image))
            .filter(|image| !seen.inventory.images.contains_key(*image))
            .cloned()
            .collect();
        seen.missing = session.images_of_anybody(&foreign).await.map(|found| {
            let there: BTreeSet<ImageId> = found.into_iter().map(|image| image.id).collect();
            foreign.into_iter().filter(|image| !there.contains(image)).collect()
        });
        let perhaps_unused = self.subject(scope, &seen).perhaps_unused();
        match session.image_references(&perhaps_unused).await {
            Ok(found) => seen.graph.confirm(&perhaps_unused, &found, &scope.account),
            Err(error) => {
                // Then it is known of none that it is unused.
                tracing::debug!(%error, "could not ask what names images");
                return Ok(seen);
            }
        }
        for image in self.subject(scope, &seen).perhaps_unused() {
            match session.launch_permissions(&image).await {
                Ok(shared) => {
                    seen.shared.insert(image, shared);
                }
                // Then it is not known that it is unused.
                Err(error) => tracing::debug!(%image, %error, "could not read who may launch an image"),
            }
        }
        Ok(seen)
    }

    fn add(&self, scope: &Scope, seen: &Seen, report: &mut Report) {
        let subject = self.subject(scope, seen);
        report.add(subject, examine(subject));
    }

    fn subject<'s>(&'s self, scope: &'s Scope, seen: &'s Seen) -> Subject<'s> {
        Subject {
            scope,
            inventory: &seen.inventory,
            graph: &seen.graph,
            shared: &seen.shared,
            guardrails: &seen.guardrails,
            missing: &seen.missing,
            thresholds: self.thresholds,
            now: self.now,
        }
    }

    /// By the role where one is named, but for the own account where no account is: there the own credentials will do.
    fn key(&self, scope: &Scope) -> SessionKey {
        if let Some(role) = self.roles.get(scope) {
            return SessionKey {
                policy: NAME.to_owned(),
                scope: scope.clone(),
                role_arn: role.arn.clone(),
                external_id: role.external_id.clone(),
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
