//! Looking through accounts and regions, a few at a time; what one showed is let go when its report is made.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures::StreamExt;
use tokio::time::{MissedTickBehavior, interval};

use super::access::{self, Shown};
use crate::api::conditions::reason;
use crate::api::labels::{TAG_ATTEMPT, TAG_SOURCE_IMAGE};
use crate::api::{AMIEncryptionTargetSpec, LaunchPermissions};
use crate::aws::{Access, Aws, AwsError, Detail, Sample, Session};
use crate::cli::progress::{Progress, TICK};
use crate::cli::words;
use crate::controller::survey::{confirm, consumers_at_once, query, session_key, survey, unusable_keys, view_of};
use crate::domain::{Image, ImageState, Inventory, KeyArn, Malformed, Scope};
use crate::plan::cost::Pace;
use crate::plan::obstacle::{self, KeyView, Problem};
use crate::plan::permissions;
use crate::plan::report::{Answers, Findings, Other, Seen, TargetReport, examine};
use crate::plan::select::Selector;
use crate::plan::source_keys::{self, SourceKeys};
use crate::plan::usage::Picture;
use crate::plan::{problem, request};

/// How to look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    /// Whether it is read who uses the images that would be copied.
    pub(super) consumers: bool,
    /// Whether permissions are asked for by dry runs.
    pub(super) check_permissions: bool,
    /// How many accounts and regions at a time.
    pub(super) concurrency: usize,
    /// Whether every image is to be named.
    pub(super) list: bool,
    /// How fast AWS copies.
    pub(super) pace: Pace,
}

/// Looks through all targets, and reports in their order. What fails for one is in its report.
pub(super) async fn look(aws: &Aws, targets: Vec<AMIEncryptionTargetSpec>, settings: Settings) -> Vec<TargetReport> {
    let mut progress = Progress::new(targets.len());
    let mut scopes: Vec<Vec<(usize, AMIEncryptionTargetSpec)>> = Vec::new();
    let mut index: HashMap<(String, String), usize> = HashMap::new();
    let neighbours = Neighbours::of(&targets);
    let specs: BTreeMap<Scope, AMIEncryptionTargetSpec> = targets
        .iter()
        .filter(|_| settings.consumers)
        .filter_map(|spec| Some((Scope::parse(&spec.account_id, &spec.region).ok()?, spec.clone())))
        .collect();
    for (number, target) in targets.into_iter().enumerate() {
        let scope = (target.account_id.clone(), target.region.clone());
        let at = *index.entry(scope).or_insert(scopes.len());
        if at == scopes.len() {
            scopes.push(Vec::new());
        }
        scopes[at].push((number, target));
    }
    let visits = futures::stream::iter(scopes).map(|scope| Box::pin(visit(aws, scope, settings, &neighbours)));
    let mut visits = visits.buffer_unordered(settings.concurrency);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut reports: Vec<Visited> = Vec::new();
    loop {
        tokio::select! {
            visited = visits.next() => match visited {
                Some(of_scope) => {
                    let images = of_scope.iter().filter_map(|(_, report, _)| report.images);
                    let images = images.map(|images| u64::from(images.total)).sum();
                    progress.done(of_scope.len(), images);
                    reports.extend(of_scope);
                }
                None => break,
            },
            _ = ticks.tick() => progress.tick(),
        }
    }
    reports.sort_by_key(|(number, ..)| *number);
    let (mut reports, mut shown): (Vec<TargetReport>, Vec<Option<Shown>>) =
        reports.into_iter().map(|(_, report, shown)| (report, shown)).unzip();
    Box::pin(access::read_foreign_keys(aws, &mut shown, &specs)).await;
    access::foresee(&mut reports, &shown);
    words::doubt_credentials(&mut reports);
    reports
}

/// A target's place among them, its report, and what it showed of who uses its images.
type Visited = (usize, TargetReport, Option<Shown>);

/// Which accounts share their region with another one.
struct Neighbours(HashMap<String, BTreeSet<String>>);

impl Neighbours {
    fn of(targets: &[AMIEncryptionTargetSpec]) -> Self {
        let mut by_region: HashMap<String, BTreeSet<String>> = HashMap::new();
        for target in targets {
            by_region
                .entry(target.region.clone())
                .or_default()
                .insert(target.account_id.clone());
        }
        Self(by_region)
    }

    fn has(&self, region: &str) -> bool {
        self.0.get(region).is_some_and(|accounts| accounts.len() > 1)
    }
}

/// Looks through one account and region for each policy that speaks of it, the policy that is named first as the oldest:
/// what it selects, the others do not govern, and of what one has made they make no copy.
async fn visit(
    aws: &Aws,
    targets: Vec<(usize, AMIEncryptionTargetSpec)>,
    settings: Settings,
    neighbours: &Neighbours,
) -> Vec<Visited> {
    let detail = needed(targets.iter().map(|(_, spec)| spec));
    let policies = Box::pin(policies(aws, &targets)).await;
    let mut reports = Vec::with_capacity(targets.len());
    for (place, (number, spec)) in targets.into_iter().enumerate() {
        let others = others(&policies, place);
        let (report, shown) = match Target::new(aws, &spec, &detail, settings) {
            Ok(target) => Box::pin(target.report(&others, neighbours.has(&spec.region))).await,
            Err(malformed) => {
                let mut report = TargetReport::new(&spec);
                report.problem(&Problem::new(
                    reason::INVALID_REQUEST,
                    format!("{malformed}: correct the policy."),
                ));
                (report, None)
            }
        };
        reports.push((number, report, shown));
    }
    reports
}

/// What each of several policies for the same account and region governs, and under which key. For one alone nothing has to be read.
async fn policies(aws: &Aws, targets: &[(usize, AMIEncryptionTargetSpec)]) -> Vec<Other> {
    let mut policies = Vec::new();
    if targets.len() < 2 {
        return policies;
    }
    for (_, spec) in targets {
        policies.push(Other {
            policy: spec.policy.clone(),
            selector: Selector::new(&spec.image_selector, spec.backups),
            other_key: spec.other_key,
            key: key(aws, spec).await,
            is_older: false,
        });
    }
    policies
}

/// A policy's key, if it can be read. What hinders that is said where its own images are looked through.
async fn key(aws: &Aws, spec: &AMIEncryptionTargetSpec) -> Option<KeyArn> {
    let scope = Scope::parse(&spec.account_id, &spec.region).ok()?;
    let session = aws.session(&session_key(spec, &scope, Access::ReadOnly));
    let answer = Box::pin(session.resolve_key(&spec.kms_key_id)).await.ok()?;
    view_of(answer).arn().cloned()
}

/// All of them but one, as that one sees them.
fn others(policies: &[Other], place: usize) -> Vec<Other> {
    let others = policies.iter().enumerate().filter(|(other, _)| *other != place);
    let others = others.map(|(other, policy)| Other {
        is_older: other < place,
        ..policy.clone()
    });
    others.collect()
}

/// What has to be kept of each image to say which of the policies means it, and which of them are copies of ours. Nobody
/// decides on anything else later, as the controller does.
fn needed<'a>(targets: impl Iterator<Item = &'a AMIEncryptionTargetSpec>) -> Detail {
    let of_selectors = targets.flat_map(|spec| {
        let terms = spec.image_selector.include.iter().chain(&spec.image_selector.exclude);
        terms.flat_map(|term| term.tags.keys().cloned())
    });
    Detail::OnlyTags(
        of_selectors
            .chain([TAG_SOURCE_IMAGE, TAG_ATTEMPT].map(str::to_owned))
            .collect(),
    )
}

/// One target to be looked through.
struct Target<'a> {
    aws: &'a Aws,
    spec: &'a AMIEncryptionTargetSpec,
    scope: Scope,
    detail: &'a Detail,
    settings: Settings,
}

impl<'a> Target<'a> {
    fn new(
        aws: &'a Aws,
        spec: &'a AMIEncryptionTargetSpec,
        detail: &'a Detail,
        settings: Settings,
    ) -> Result<Self, Malformed> {
        Ok(Self {
            aws,
            spec,
            scope: Scope::parse(&spec.account_id, &spec.region)?,
            detail,
            settings,
        })
    }

    async fn report(&self, others: &[Other], has_neighbours: bool) -> (TargetReport, Option<Shown>) {
        let key = session_key(self.spec, &self.scope, Access::ReadOnly);
        let session = self.aws.session(&key);
        let seen = match Box::pin(self.look(&session, others, has_neighbours)).await {
            Ok(seen) => seen,
            Err(error) => {
                let mut report = TargetReport::new(self.spec);
                report.problem(&words::of_error(&error, &self.scope));
                (report, None)
            }
        };
        self.aws.forget(&key);
        seen
    }

    async fn look(
        &self,
        session: &Arc<Session>,
        others: &[Other],
        has_neighbours: bool,
    ) -> Result<(TargetReport, Option<Shown>), AwsError> {
        let survey = survey(session, &self.spec.kms_key_id, self.detail.clone()).await?;
        let (key, key_problem) = match survey.key {
            Ok(key) => (key, None),
            Err(error) => (
                KeyView::Unknown,
                Some(problem::of_key_error(&error, &self.spec.kms_key_id)),
            ),
        };
        let mut findings = examine(Seen {
            spec: self.spec,
            scope: &self.scope,
            inventory: &survey.inventory,
            key: &key,
            key_problem: key_problem.as_ref(),
            others,
        });
        let images = findings.to_copy().iter().map(|image| &***image);
        let keys = source_keys::to_read(images, &survey.inventory, key.arn());
        let (problems, _) = unusable_keys(session, &keys, &SourceKeys::default()).await;
        let keys = SourceKeys::read(problems, jiff::Timestamp::UNIX_EPOCH);
        findings.block(|image| keys.obstacle(image, &survey.inventory));
        let answers = self.sharing(session, &key, &findings).await;
        findings.decide(&answers);
        let mut report = findings.report(self.settings.pace, self.settings.list);
        report.caller = Some(survey.caller.clone());
        let mut shown = None;
        let copies = !findings.to_copy().is_empty();
        // What is here may launch images of another account.
        if self.settings.consumers && (copies || has_neighbours) {
            let query = query(&self.spec.consumers);
            let began = survey.inventory.scanned;
            let (_, graph) = Box::pin(consumers_at_once(session, &query, &self.scope.account, began)).await;
            let mut picture = Picture {
                graph,
                ..Picture::default()
            };
            let images = || findings.to_copy().iter().map(|image| &***image);
            let (after, now) = (self.spec.unused.after.as_std(), survey.inventory.scanned);
            let candidates = |picture: &Picture| picture.candidates(images(), after, now);
            Box::pin(confirm(session, &self.scope.account, &candidates, &mut picture)).await;
            report.used = copies.then(|| findings.used(&picture, self.settings.list));
            let read = access::read(session, self.spec, &self.scope, &key, images(), picture, has_neighbours);
            shown = Some(Box::pin(read).await);
        }
        if self.settings.check_permissions {
            self.ask_for_permissions(&findings, &survey.inventory, &key, &mut report)
                .await;
        }
        Ok((report, shown))
    }

    /// Asks by dry runs whether the role may do what is to be done.
    async fn ask_for_permissions(
        &self,
        findings: &Findings<'_>,
        inventory: &Inventory,
        key: &KeyView,
        report: &mut TargetReport,
    ) {
        // Those that are to be copied, if there are any: permissions may depend on an image's tags.
        let to_copy = findings.to_copy();
        let is_sound = |image: &&Arc<Image>| image.ebs_root && image.state == ImageState::Available;
        let any = || inventory.images.values().find(is_sound);
        let images = to_copy.first().copied().or_else(any).into_iter();
        let images = images.chain(to_copy.iter().skip(1).copied());
        let copies = request::samples(images, self.spec, &self.scope, key.arn());
        if !copies.is_empty() {
            let sample = Sample {
                copies: &copies,
                copy: permissions::sample_copy(inventory).map(|image| &**image),
                tag: TAG_SOURCE_IMAGE,
                key: key.arn(),
                seal: self.spec.promotion.seal.as_deref(),
            };
            let asking_key = session_key(self.spec, &self.scope, Access::DryRun);
            let asking = self.aws.session(&asking_key);
            match Box::pin(asking.missing_permissions(sample)).await {
                Ok(lacking) => report.lacks(&lacking),
                Err(error) => report.problem(&words::of_error(&error, &self.scope)),
            }
            self.aws.forget(&asking_key);
        }
    }

    /// Asks about images whose copy could not be shared as they are. Only under a key that AWS manages is there a need to.
    async fn sharing(&self, session: &Session, key: &KeyView, findings: &Findings<'_>) -> Answers {
        let mut answers = Answers::default();
        let managed = matches!(key, KeyView::Known(key) if key.aws_managed);
        let wanted = self.spec.promotion.launch_permissions;
        if !managed || wanted == LaunchPermissions::Drop {
            return answers;
        }
        for image in findings.to_copy() {
            let permissions = session.launch_permissions(&image.id).await;
            let answer = permissions.map(|permissions| obstacle::of_sharing(key, &permissions, wanted));
            if answers.take(&image.id, answer).is_break() {
                break;
            }
        }
        answers
    }
}
