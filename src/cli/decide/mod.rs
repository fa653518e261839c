//! `amiseal approve`, `rollback`, `hold` and `resume`: what people decide about migrations, with their own rights.

mod args;
mod choose;
mod cluster;
mod question;
mod shown;
mod status;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::output::{read_or_not, tell};
use crate::api::AMIMigration;
use crate::plan::deciding::Decision;

pub use args::{ApproveArgs, DryRun, HoldArgs, Options, ResumeArgs, RollbackArgs, StatusArgs, Which};
use cluster::{Failure, Migrations};

/// How often a decision is tried on a migration that somebody changes at the same time.
const ATTEMPTS: usize = 5;

/// Approves migrations, or takes their approval back.
pub fn approve(args: &ApproveArgs) -> Result<ExitCode> {
    let decision = if args.withdraw {
        Decision::Withdraw
    } else {
        Decision::Approve
    };
    decide(decision, &args.options)
}

/// Has what was moved put back.
pub fn rollback(args: &RollbackArgs) -> Result<ExitCode> {
    decide(Decision::RollBack, &args.options)
}

/// Stops migrations where they are.
pub fn hold(args: &HoldArgs) -> Result<ExitCode> {
    decide(Decision::Hold, &args.options)
}

/// Lets migrations go on that were held or rolled back.
pub fn resume(args: &ResumeArgs) -> Result<ExitCode> {
    decide(Decision::Resume, &args.options)
}

/// Prints what migrations wait for, and for whom.
pub fn status(args: &StatusArgs) -> Result<ExitCode> {
    on_this_thread(status::run(args))
}

fn decide(decision: Decision, options: &Options) -> Result<ExitCode> {
    on_this_thread(decide_about(decision, options))
}

fn on_this_thread<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Box::pin(future))
}

/// A decision on its way.
struct Deciding<'a> {
    decision: Decision,
    options: &'a Options,
    migrations: Migrations,
    /// Who decides, as the API server knows them.
    user: String,
}

/// What has become of one migration.
enum Said {
    Done,
    Unchanged,
}

async fn decide_about(decision: Decision, options: &Options) -> Result<ExitCode> {
    if let Err(sentence) = options.which.says_something() {
        return Ok(refuse(&sentence));
    }
    let found = async {
        let migrations = Migrations::of(options.cluster.client().await?);
        let chosen = choose::chosen(&migrations, &options.which).await?;
        let user = match decision {
            Decision::Approve => migrations.user().await?,
            _ => String::new(),
        };
        Ok::<_, String>((migrations, chosen, user))
    };
    let (migrations, chosen, user) = match found.await {
        Ok(found) => found,
        Err(sentence) => return Ok(refuse(&sentence)),
    };
    for sentence in &chosen.missing {
        tell(&format!("Error: {sentence}"));
    }
    let deciding = Deciding {
        decision,
        options,
        migrations,
        user,
    };
    let all_done = deciding.about(chosen.found).await?;
    Ok(if all_done && chosen.missing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Deciding<'_> {
    /// Says what would happen, asks, and has it happen. Whether all of it did.
    async fn about(&self, chosen: Vec<AMIMigration>) -> Result<bool> {
        let by_name = !self.options.which.names.is_empty();
        let is_meant = |migration: &AMIMigration| {
            self.decision.is_about(migration) || by_name && self.decision.change(&migration.spec, &self.user).is_some()
        };
        let (meant, others): (Vec<_>, Vec<_>) = chosen.into_iter().partition(is_meant);
        if by_name {
            for migration in &others {
                self.print(migration, &Said::Unchanged)?;
            }
        }
        let rolled_back = others.iter().filter(|other| self.decision.takes_back_rollback(other));
        if let Some(left_out) = shown::rolled_back(rolled_back.count()).filter(|_| !by_name) {
            tell(&left_out);
        }
        let too_late = others.iter().filter(|other| self.decision.comes_too_late(other));
        if let Some(left_out) = shown::without_original(too_late.count()).filter(|_| !by_name) {
            tell(&left_out);
        }
        if meant.is_empty() {
            if !by_name {
                tell("This changes none of the migrations that you chose. amiseal status shows what each waits for.");
            }
            return Ok(true);
        }
        tell(&shown::summary(self.decision, &meant));
        match self.may_go_on(&shown::question(self.decision, meant.len())) {
            Ok(true) => {}
            Ok(false) => {
                tell("Nothing was changed.");
                return Ok(false);
            }
            Err(sentence) => {
                refuse(&sentence);
                return Ok(false);
            }
        }
        let mut all = true;
        for migration in meant {
            let name = cluster::name(&migration);
            match self.carry_out(migration).await {
                Ok((migration, said)) => self.print(&migration, &said)?,
                Err(sentence) => {
                    tell(&format!("Error: {name}: {sentence}"));
                    all = false;
                }
            }
        }
        Ok(all)
    }

    /// Whether somebody says yes, or has said so.
    fn may_go_on(&self, question: &str) -> Result<bool, String> {
        if self.options.yes || self.options.dry_run == DryRun::Server {
            return Ok(true);
        }
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Err("standard input is not a terminal, so that nobody can be asked: add --yes to go on, or --dry-run=server to \
                        see what the API server says."
                .to_owned());
        }
        question::ask(question, &mut stdin.lock(), &mut io::stderr())
            .map_err(|error| format!("nobody could be asked: {error}."))
    }

    /// Writes one decision. Where somebody changes the migration meanwhile it is read again, and what is other than shown is
    /// shown and asked about again.
    async fn carry_out(&self, mut migration: AMIMigration) -> Result<(AMIMigration, Said), String> {
        let mut shown = shown::lines(&migration);
        for _ in 0..ATTEMPTS {
            let Some(change) = self.decision.change(&migration.spec, &self.user) else {
                return Ok((migration, Said::Unchanged));
            };
            let dry_run = self.options.dry_run == DryRun::Server;
            match self.migrations.write(&migration, change, dry_run).await {
                Ok(written) => return Ok((written, Said::Done)),
                Err(Failure::Said(sentence)) => return Err(sentence),
                Err(Failure::Conflict) => migration = self.migrations.get(&cluster::name(&migration)).await?,
            }
            let now = shown::lines(&migration);
            if now != shown {
                tell(&format!("Somebody has changed it meanwhile:\n\n{now}"));
                if !self.may_go_on(&shown::question(self.decision, 1))? {
                    return Err("it was left as it is.".to_owned());
                }
                shown = now;
            }
        }
        Err("it is being changed all the time: try again.".to_owned())
    }

    fn print(&self, migration: &AMIMigration, said: &Said) -> Result<()> {
        let name = cluster::name(migration);
        let what = match said {
            Said::Done => self.decision.done(),
            Said::Unchanged => "unchanged",
        };
        let dry = match self.options.dry_run {
            DryRun::Server => " (server dry run)",
            DryRun::None => "",
        };
        let mut out = io::stdout().lock();
        let printed = writeln!(out, "amimigration.amiseal.dev/{name} {what}{dry}").and_then(|()| out.flush());
        read_or_not(printed).context("what was done cannot be printed")
    }
}

fn refuse(sentence: &str) -> ExitCode {
    tell(&format!("Error: {sentence}"));
    ExitCode::FAILURE
}
