//! Whether whoever launches the original may use the copy's key.

use super::Pass;
use crate::api::Approval;
use crate::api::conditions::reason;
use crate::domain::{AccountId, ImageId, KeyAccess, Partition, Region};
use crate::plan::access::who::{self, Needs};
use crate::plan::access::{KeyFacts, form};
use crate::plan::obstacle::Problem;
use crate::plan::usage::Graph;

impl Pass<'_> {
    /// Whether whoever launches the original may use the copy's key. Where that is not known, somebody has to approve it; where they may
    /// not, nobody can. As long as nothing would be moved anyway, what could not be read for a reason that passes by itself is waited for.
    pub(super) fn may_launch(&self, access: Option<&KeyAccess>, is_put_off: bool) -> Result<(), Problem> {
        const WAY_OUT: &str = "If you know that they may use the key, approve this migration.";
        let facts = self.facts;
        let not_known =
            |why: &str| Problem::new(reason::KEY_NOT_USABLE, format!("Nothing is moved to the copy. {why}"));
        let (Some(picture), Ok(region), Ok(own)) = (
            facts.picture,
            facts.settings.region.parse::<Region>(),
            facts.settings.account_id.parse::<AccountId>(),
        ) else {
            return Err(not_known("It is not known who launches the original."));
        };
        let needs = launchers(facts.source.id, &picture.graph, region.partition());
        let key = KeyFacts {
            arn: facts.key,
            aws_managed: facts.aws_managed,
            access,
        };
        let is_approved = facts.approval == Approval::Approved;
        // Of a kind that could not be read there may be some that launch the original.
        let mut unread = picture.graph.unread().iter().filter(|_| !is_approved);
        if let Some((kind, problem)) = unread.find(|(_, problem)| !(is_put_off && problem.passes())) {
            let why = format!("It is not known which {kind}s launch the original. {}", problem.message);
            return Err(not_known(&format!("{why} {WAY_OUT}")));
        }
        // What a key of another account leaves to this one's IAM policies is not known here.
        let own = if facts.foreign.is_some() {
            facts.key.account()
        } else {
            &own
        };
        let rows = form::rows(key, &needs, own);
        let Some(row) = rows.iter().find(|row| row.state == form::State::Denied || !is_approved) else {
            return Ok(());
        };
        Err(not_known(&match row.state {
            form::State::Denied => row.text(),
            _ => format!("{} {WAY_OUT}", row.text()),
        }))
    }
}

/// Who has to be able to use the key of an image's copy before anything is moved to it: whoever launches the image, and who will as soon
/// as somebody changes the default version of a template.
pub fn launchers(source: &ImageId, graph: &Graph, partition: Partition) -> Needs {
    let mut needs = Needs::new();
    who::add_consumers(&mut needs, source, graph, partition);
    who::add_other_versions(&mut needs, source, graph, partition);
    needs
}
