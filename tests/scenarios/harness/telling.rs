//! What a person needs who sees that a scenario has failed: one line first, and all there is after that.

use std::time::Duration;

use amiseal::api::{MigrationState, conditions};
use ec2sim::Call;
use kube::ResourceExt;
use kube::api::{ListParams, ObjectList};

use super::scenario::{Scenario, conditions_of, says, state_of};

/// So many objects of a kind stand in the line.
const NAMED: usize = 4;
/// So many calls, and lines of the last log, follow it at once.
const LAST: usize = 12;
/// The API server itself may be what is amiss.
const ANSWERS: Duration = Duration::from_secs(20);

impl Scenario {
    /// What was waited for in vain and how things stand, in the first line; the last calls, and what was logged last, in the others.
    pub(super) async fn in_vain(&self, what: &str, patience: Duration) -> String {
        let standing = tokio::time::timeout(ANSWERS, self.standing()).await;
        let standing = standing.unwrap_or_else(|_| "the API server does not answer".to_owned());
        let first = format!("waited {} s in vain for {what}: {standing}", patience.as_secs());
        self.failure.replace(Some(first.clone()));
        let mut lines = vec![first];
        lines.extend(self.last_calls(LAST));
        if let Some(log) = self.logs.borrow().last() {
            let text = std::fs::read_to_string(log).unwrap_or_else(|error| error.to_string());
            lines.push(format!("the end of {}:", log.display()));
            lines.extend(last_lines(&text, LAST));
        }
        lines.join("\n")
    }

    /// What policies, targets and unfinished migrations say of themselves.
    async fn standing(&self) -> String {
        let all = ListParams::default();
        let (policies, targets) = (self.policies().list(&all).await, self.targets().list(&all).await);
        let migrations = self.migrations().list(&all).await;
        let policies = row("policies", policies, |policy| {
            let said = policy
                .status
                .as_ref()
                .map(|status| says(&status.conditions, conditions::READY));
            Some(said.unwrap_or_default())
        });
        let targets = row("targets", targets, |target| {
            let said = target
                .status
                .as_ref()
                .map(|status| says(&status.conditions, conditions::READY));
            Some(said.unwrap_or_default())
        });
        let migrations = row("unfinished migrations", migrations, |migration| {
            let state = state_of(migration);
            let ready = says(conditions_of(migration), conditions::READY);
            (state != MigrationState::Completed).then(|| format!("{} {ready}", state.as_str()))
        });
        format!("{policies}; {targets}; {migrations}")
    }

    fn last_calls(&self, count: usize) -> Vec<String> {
        let journal = self.sim().journal();
        let mut lines = vec![format!("the last calls of {}:", journal.len())];
        lines.extend(journal[journal.len().saturating_sub(count)..].iter().map(|call| {
            let Call {
                seq,
                account,
                region,
                operation,
                outcome,
                effects,
                ..
            } = call;
            format!("  {seq} {account} {region} {operation} {outcome} {effects:?}")
        }));
        lines
    }

    /// Prints everything.
    pub(super) fn explain(&self) {
        println!("{}", self.sim().audit());
        println!("{}", self.last_calls(40).join("\n"));
        if let Ok(mut kubectl) = self.plane().kubectl() {
            let kinds = "amiencryptionpolicies,amiencryptiontargets,amimigrations";
            if let Ok(output) = kubectl.args(["get", kinds, "-o", "yaml"]).output() {
                println!("{}", String::from_utf8_lossy(&output.stdout));
            }
        }
        for log in self.logs.borrow().iter() {
            let text = std::fs::read_to_string(log).unwrap_or_else(|error| error.to_string());
            println!("the end of {}:", log.display());
            println!("{}", last_lines(&text, 80).join("\n"));
        }
    }
}

/// What objects of a kind say, by name; nothing is said of those of which `says` gives none.
fn row<K: ResourceExt + Clone>(
    kind: &str,
    read: Result<ObjectList<K>, kube::Error>,
    says: impl Fn(&K) -> Option<String>,
) -> String {
    let list = match read {
        Ok(list) => list.items,
        Err(error) => return format!("{kind} cannot be read: {error}"),
    };
    let said = list.iter().filter_map(|object| {
        let said = says(object)?;
        Some(format!("{} {said}", object.name_any()))
    });
    let said: Vec<String> = said.collect();
    let shown = said[..said.len().min(NAMED)].join(", ");
    format!("{kind} ({} of {}): {shown}", said.len(), list.len())
}

fn last_lines(text: &str, count: usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(count)..];
    last.iter().map(|line| (*line).to_owned()).collect()
}
