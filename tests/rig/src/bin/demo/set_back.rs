//! The owner of a parameter, whose pipeline sets it back as soon as amiseal has moved it. That is said once, and amiseal never sets it
//! again.
//!
//! What was moved and read back is looked at again only ten minutes later, when AWS shows every change for sure. What was just set is
//! told from the former value by its version at once, and so that is when the owner acts.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ec2sim::{ConsumerChange, Edit, Sim};
use rig::Screen;
use tokio::task::JoinHandle;

/// Its account and region.
const PLACE: (&str, &str) = ("111111111111", "us-east-1");
/// Its name. demo/moved.yaml has what is said of it.
const NAME: &str = "/golden/blog";
/// For how long AWS looks for an image, in its own seconds, before the parameter has it: two of ours.
const LOOKS_FOR: f64 = 60.0;
/// How often the owner looks, long before amiseal reads back what it has set.
const POLL: Duration = Duration::from_millis(20);

/// The owner at work. Nobody is any more when this is dropped.
pub(crate) struct Owner {
    sim: Sim,
    /// What the parameter is to hold.
    value: String,
    task: JoinHandle<Result<()>>,
    is_told: bool,
}

impl Owner {
    /// Begins to watch the parameter.
    pub(crate) fn of(sim: &Sim) -> Result<Self> {
        let value = value(sim).with_context(|| format!("demo/world.yaml has no parameter {NAME}"))?;
        let task = tokio::spawn(set_back(sim.clone(), value.clone()));
        Ok(Self {
            sim: sim.clone(),
            value,
            task,
            is_told: false,
        })
    }

    /// Says that it was set back, once.
    pub(crate) fn tell(&mut self, screen: &Screen) {
        if self.task.is_finished() && !self.is_told {
            self.is_told = true;
            screen.step(&format!("The pipeline that owns {NAME} sets it back to {}", self.value));
        }
    }

    /// Whether amiseal has set it once, and left it as its owner did since.
    pub(crate) async fn judged(mut self) -> Result<()> {
        ensure!(self.task.is_finished(), "{NAME} was not moved");
        (&mut self.task).await??;
        let is_it = |name: Option<&String>| name.is_some_and(|name| name == NAME);
        let journal = self.sim.journal();
        let sets = journal.iter().filter(|call| {
            let is_in_place = (call.account.as_str(), call.region.as_str()) == PLACE;
            call.operation == "PutParameter" && call.effect && is_in_place && is_it(call.params.get("Name"))
        });
        let sets = sets.count();
        ensure!(sets == 1, "amiseal has set {NAME} {sets} times");
        let now = value(&self.sim);
        ensure!(now.as_ref() == Some(&self.value), "{NAME} holds {now:?}");
        Ok(())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the parameter holds.
fn value(sim: &Sim) -> Option<String> {
    let (account, region) = PLACE;
    sim.with_world(|world| {
        let parameters = &world.region(account, region)?.consumers.parameters;
        Some(parameters.get(NAME)?.latest()?.value.clone())
    })
}

async fn set_back(sim: Sim, to: String) -> Result<()> {
    let mut usual = LOOKS_FOR;
    sim.change_settings(|settings| {
        usual = std::mem::replace(&mut settings.launches.image_parameter_seconds, LOOKS_FOR);
    });
    while value(&sim).as_ref() == Some(&to) {
        tokio::time::sleep(POLL).await;
    }
    let (account, region) = PLACE;
    sim.edit(Edit::Consumer {
        account: account.to_owned(),
        region: region.to_owned(),
        change: ConsumerChange::ParameterValue {
            parameter: NAME.to_owned(),
            value: to,
            image: None,
        },
    })?;
    sim.change_settings(|settings| settings.launches.image_parameter_seconds = usual);
    Ok(())
}
