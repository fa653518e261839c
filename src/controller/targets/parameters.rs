//! The parameters that the policy has its map kept in: read, and written where they are ours.

use super::TargetReconciler;
use crate::aws::AwsError;
use crate::controller::registry::jittered;
use crate::plan::map::parameters::{self, Outcome, PAGES_AT_A_TIME, Step, Wanted};
use crate::plan::map::{Turn, turn};
use crate::plan::problem;

impl TargetReconciler<'_> {
    /// What comes next about the prefix under which they are kept.
    fn turn_of_parameters(&self) -> Turn<'_> {
        let status = self.target.status.as_ref();
        let recorded = status.and_then(|status| status.map.as_ref());
        let recorded = recorded.map(|map| map.ssm_prefix.as_str());
        let map = self.target.spec.promotion.map.as_ref();
        turn(recorded, map.and_then(|map| map.ssm_prefix.as_deref()))
    }

    /// Notes that it is this process that puts a prefix on record, whichever visit does so: nothing was written there before.
    pub(super) fn note_prefix(&self) {
        if let Turn::Record(prefix) = self.turn_of_parameters() {
            self.state(|state| state.parameters.records(prefix));
        }
    }

    /// Brings them up to date, a few at a time. Nothing is written before it is on record where.
    pub(super) async fn follow_parameters(&self) {
        let spec = &self.target.spec;
        let wanted = match self.turn_of_parameters() {
            Turn::Nothing => {
                self.state(|state| state.parameters.rest());
                return;
            }
            // The status that is written after this visit has it.
            Turn::Record(_) => return,
            Turn::Keep(prefix) => {
                let migrations = self.migrations.iter().map(|migration| &**migration);
                Wanted::kept(&spec.policy, prefix, spec.promotion.approval, migrations)
            }
            Turn::LetGo(former) => Wanted::let_go(&spec.policy, former),
        };
        self.keep_parameters(&wanted).await;
        let now = self.ctx.clock.now();
        self.state(|state| state.parameters.settle(&wanted, now));
    }

    async fn keep_parameters(&self, wanted: &Wanted<'_>) {
        let began = self.ctx.clock.now();
        let is_read_due = self.state(|state| {
            state.parameters.begins(wanted, began);
            state.parameters.is_read_due(wanted, began)
        });
        if is_read_due {
            let from = self.state(|state| state.parameters.reads_from().map(str::to_owned));
            let from = from.as_deref();
            match self
                .session
                .parameters_under(wanted.prefix, from, PAGES_AT_A_TIME)
                .await
            {
                Ok(pages) => {
                    let now = self.ctx.clock.now();
                    self.state(|state| state.parameters.read_some(wanted, from, pages, began, now));
                }
                Err(error) if self.parameters_failed(&error, None) => return,
                Err(_) => {}
            }
        }
        let now = self.ctx.clock.now();
        for step in self.state(|state| state.parameters.steps(wanted, now)) {
            let now = self.ctx.clock.now();
            // An earlier step may have shown that the role may not do this.
            if !self.state(|state| state.parameters.may(&step, now)) {
                continue;
            }
            match self.make_parameter(wanted, &step).await {
                Ok(outcome) => {
                    let now = self.ctx.clock.now();
                    self.state(|state| state.parameters.made(&step, outcome, now));
                }
                Err(error) if self.parameters_failed(&error, Some(&step)) => return,
                Err(_) => {}
            }
        }
    }

    /// Notes that a call has failed. Says whether the visit ends there.
    fn parameters_failed(&self, error: &AwsError, step: Option<&Step>) -> bool {
        self.note(error);
        let now = self.ctx.clock.now();
        let spread = |wait| jittered(wait, &self.name);
        let failures = self.state(|state| state.parameters.failed(error, step, now, spread));
        tracing::warn!(%error, failures, "could not keep the parameters of the map");
        !parameters::keeps_no_other_back(error)
    }

    /// Makes one step. What is not ours by its tags, which are asked for just before, is left as it is.
    async fn make_parameter(&self, wanted: &Wanted<'_>, step: &Step) -> Result<Outcome, AwsError> {
        let name = wanted.name(step.original());
        if !matches!(step, Step::Create { .. }) {
            match self.session.parameter_tags(&name).await? {
                None => return Ok(Outcome::Gone),
                Some(tags) if !wanted.owns(&tags, step.original()) => return Ok(Outcome::Theirs),
                Some(_) => {}
            }
        }
        let made = match step {
            Step::Create { original, copy } => {
                let created = self.session.create_parameter(&wanted.parameter(original, copy)).await;
                created.map(|is_new| if is_new { Outcome::Done } else { Outcome::Taken })
            }
            Step::Set { original, copy } => {
                let set = self.session.set_parameter(&wanted.parameter(original, copy)).await;
                set.map(|()| Outcome::Done)
            }
            Step::Delete { .. } => self.session.delete_parameter(&name).await.map(|()| Outcome::Done),
        };
        match made {
            Err(error) if parameters::is_of_one(&error) => {
                tracing::warn!(%error, parameter = %name, "AWS refuses a parameter of the map");
                Ok(Outcome::Refused(problem::of_error(&error)))
            }
            Ok(Outcome::Done) => {
                tracing::info!(parameter = %name, ?step, "changed a parameter of the map");
                Ok(Outcome::Done)
            }
            made => made,
        }
    }
}
