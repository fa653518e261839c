//! Asking AWS for the images, in a few accounts and regions at a time. Nothing but reads is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use anyhow::Result;
use futures::StreamExt;

use super::ANY_REGION;
use super::options::Args;
use crate::aws::{Access, Aws, Cause, SessionKey};
use crate::cli::connection::{Connection, connect};
use crate::cli::progress::Progress;
use crate::cli::words;
use crate::domain::{AccountId, AwsError, Image, ImageId, Region, Scope};
use crate::plan::import::{Answers, Findings, Judged, Reach, Remark, Seen, judge, places};
use crate::plan::problem;

/// Looks for the images, and decides on each. Fails with a sentence where nobody can be asked at all.
pub(super) async fn look(args: &Args, findings: &Findings) -> Result<Result<Judged, String>> {
    let connection = Connection {
        dry_runs: false,
        share: args.aws_rate_share,
        read_timeout: args.aws_read_timeout.as_std(),
        endpoints: args.endpoints.into(),
    };
    let aws = Box::pin(connect(connection)).await?;
    let own = aws.own_region().and_then(|region| region.parse::<Region>().ok());
    let mut regions = args.regions();
    if regions.is_empty() {
        regions = findings.regions();
    }
    let first = own.or_else(|| regions.first().cloned());
    let first = match first.map_or_else(|| ANY_REGION.parse(), Ok) {
        Ok(region) => region,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let caller = match Box::pin(aws.caller(&first)).await {
        Ok(caller) => caller.account,
        Err(error) => return Ok(Err(not_accepted(&error, &first))),
    };
    let settings = args.settings("");
    let mut remarks = Vec::new();
    if regions.is_empty() {
        let place = Scope {
            account: caller.clone(),
            region: first,
        };
        let enabled = Box::pin(enabled(&aws, &settings.name, &place)).await;
        regions = enabled.unwrap_or_else(|why| {
            let text = format!(
                "no region is in it, and those of your account could not be read, so only {} was looked into: name others with \
                 --region ({why})",
                place.region
            );
            remarks.push(Remark::attention(BTreeSet::new(), text));
            [place.region].into()
        });
    }
    let reach = Reach { caller, regions };
    let asked = places(findings, &reach);
    let looking = Looking {
        aws: &aws,
        policy: settings.name,
        caller: reach.caller,
        named: findings.accounts(),
        role_name: settings.role_name,
        external_id: settings.external_id,
        concurrency: usize::from(args.concurrency),
    };
    let answers = Box::pin(looking.ask(&asked)).await;
    let mut judged = judge(findings, &asked, &answers);
    judged.remarks.extend(remarks);
    Ok(Ok(judged))
}

/// The regions that are enabled in the own account.
async fn enabled(aws: &Aws, policy: &str, place: &Scope) -> Result<BTreeSet<Region>, String> {
    let key = SessionKey {
        policy: policy.to_owned(),
        scope: place.clone(),
        role_arn: None,
        external_id: None,
        access: Access::ReadOnly,
    };
    let regions = aws.session(&key).enabled_regions().await;
    regions.map_err(|error| sentence(&error, place))
}

/// What to say to somebody whose credentials AWS does not take.
fn not_accepted(error: &AwsError, region: &Region) -> String {
    let said = match error.cause {
        Some(Cause::NoCredentials) => words::no_credentials_here(),
        Some(Cause::RegionNotEnabled) => words::not_accepted_in(region),
        _ => problem::of_error(error).message,
    };
    format!("{said} Or give --offline: AWS is not asked then.")
}

struct Looking<'a> {
    aws: &'a Aws,
    policy: String,
    caller: AccountId,
    /// The accounts that the file names.
    named: BTreeSet<AccountId>,
    role_name: Option<String>,
    external_id: Option<String>,
    concurrency: usize,
}

type Wanted<'a> = (&'a Scope, Vec<ImageId>);

impl Looking<'_> {
    /// Asks each place for the images that its account owns; what is found nowhere is asked for whoever owns it.
    ///
    /// The own account comes after those that the file names: whoever may only assume roles is denied there.
    async fn ask(&self, asked: &BTreeMap<Scope, BTreeSet<ImageId>>) -> Answers {
        let mut answers = Answers::default();
        let mut progress = Progress::new(asked.len());
        let (own, named): (Vec<_>, Vec<_>) = asked.iter().partition(|(place, _)| self.is_own(place));
        for places in [named, own] {
            let unseen = places
                .into_iter()
                .map(|(place, ids)| (place, unseen(ids.iter(), &answers)));
            let wanted: Vec<Wanted<'_>> = unseen.filter(|(_, ids)| !ids.is_empty()).collect();
            let look = |place, ids| self.owned(place, ids);
            self.each(wanted, &mut answers, look, |images| progress.done(1, images as u64))
                .await;
        }
        let mut left: BTreeSet<ImageId> = unseen(asked.values().flatten(), &answers).into_iter().collect();
        let mut wanted = Vec::new();
        for (place, ids) in asked.iter().filter(|(place, _)| !answers.failed.contains_key(place)) {
            let ids: Vec<ImageId> = ids.iter().filter(|id| left.remove(id)).cloned().collect();
            if !ids.is_empty() {
                wanted.push((place, ids));
            }
        }
        let look = |place, ids| self.of_anybody(place, ids);
        self.each(wanted, &mut answers, look, |_| {}).await;
        answers
    }

    /// Does the same in each place, a few at a time, and sorts what was found.
    async fn each<'p, F>(
        &self,
        wanted: Vec<Wanted<'p>>,
        answers: &mut Answers,
        look: impl Fn(&'p Scope, Vec<ImageId>) -> F,
        mut done: impl FnMut(usize),
    ) where
        F: Future<Output = Result<Vec<Image>, String>>,
    {
        let visits = wanted.into_iter().map(|(place, ids)| {
            let visit = look(place, ids);
            async move { (place, Box::pin(visit).await) }
        });
        let mut visits = futures::stream::iter(visits).buffer_unordered(self.concurrency);
        while let Some((place, found)) = visits.next().await {
            done(found.as_ref().map_or(0, Vec::len));
            match found {
                Ok(images) => {
                    for image in images {
                        take(answers, place, &image);
                    }
                }
                Err(why) => {
                    answers.failed.insert(place.clone(), why);
                }
            }
        }
    }

    async fn owned(&self, place: &Scope, ids: Vec<ImageId>) -> Result<Vec<Image>, String> {
        let key = self.key(place)?;
        let found = self.aws.session(&key).images(&ids).await;
        self.aws.forget(&key);
        found.map_err(|error| sentence(&error, place))
    }

    /// Asks for images whoever owns them.
    async fn of_anybody(&self, place: &Scope, ids: Vec<ImageId>) -> Result<Vec<Image>, String> {
        let key = self.key(place)?;
        let found = self.aws.session(&key).images_of_anybody(&ids).await;
        self.aws.forget(&key);
        found.map_err(|error| sentence(&error, place))
    }

    /// Whether a place is in the account of the own credentials, and the file does not name it.
    fn is_own(&self, place: &Scope) -> bool {
        place.account == self.caller && !self.named.contains(&place.account)
    }

    /// The session for a place: by the role, or by the own credentials where these are of the account and the file does not name it.
    fn key(&self, place: &Scope) -> Result<SessionKey, String> {
        let Scope { account, region } = place;
        let role_name = self.role_name.as_deref().filter(|_| !self.is_own(place));
        if role_name.is_none() && *account != self.caller {
            return Err(format!(
                "your credentials are of the account {}: name the role to assume with --role-name",
                self.caller
            ));
        }
        let arn = |name: &str| {
            let name = name.trim_start_matches('/');
            format!("arn:{}:iam::{account}:role/{name}", region.partition())
        };
        Ok(SessionKey {
            policy: self.policy.clone(),
            scope: place.clone(),
            role_arn: role_name.map(arn),
            external_id: self.external_id.clone().filter(|_| role_name.is_some()),
            access: Access::ReadOnly,
        })
    }
}

/// Those of some images that were not found yet.
fn unseen<'a>(ids: impl Iterator<Item = &'a ImageId>, answers: &Answers) -> Vec<ImageId> {
    ids.filter(|id| !answers.seen.contains_key(id)).cloned().collect()
}

fn take(answers: &mut Answers, place: &Scope, image: &Image) {
    let seen = Seen::of(image);
    match &image.owner {
        Some(owner) if *owner != place.account => {
            let of_other = (place.clone(), owner.clone(), seen);
            answers.of_others.insert(image.id.clone(), of_other);
        }
        _ => {
            answers.seen.insert(image.id.clone(), (place.clone(), seen));
        }
    }
}

fn sentence(error: &AwsError, place: &Scope) -> String {
    let problem = words::of_error(error, place);
    format!("{}: {}", problem.reason, problem.message)
}
