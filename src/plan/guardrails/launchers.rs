//! Who launches in an account and region, and so has to be able to use the default key.

use jiff::Timestamp;

use super::KeyStanding;
use crate::api::conditions::reason;
use crate::domain::{Consumer, Key, Scope};
use crate::plan::access::Principal;
use crate::plan::access::who::{self, Needs, Uses};
use crate::plan::obstacle::Problem;
use crate::plan::usage::Graph;

/// What is known of those who launch.
#[derive(Debug, Clone, Copy)]
pub struct Launchers<'a> {
    /// Whether the policy has consumers read.
    pub are_read: bool,
    /// What was read last, if anything.
    pub graph: Option<&'a Graph>,
    /// Whether they are to be read anew by now.
    pub is_due: bool,
    /// When amiseal itself has changed one last that launched an image of others.
    pub moved: Option<Timestamp>,
    /// Since when a reading of them must have begun that images come to be refused by; none where no images do.
    pub since: Option<Timestamp>,
}

impl Launchers<'_> {
    /// Whether nothing more will be known of them without anybody's doing.
    pub fn are_known(&self) -> bool {
        let is_read = self
            .graph
            .is_some_and(|graph| !matches!(unread(graph), Some(Unread::Passing)));
        !self.are_read || is_read && !self.is_due
    }

    /// What is said of a key where it is not known who has to be able to use it, so that nobody is asked about.
    pub fn stands(&self, key: &Key) -> Option<KeyStanding> {
        if key.aws_managed {
            // It is for everybody of the account, and for the roles of services too.
            return None;
        }
        let unusable = |why: String| Some(KeyStanding::Unusable(key.arn.clone(), why));
        if !self.are_read {
            let why =
                "It is not known who launches here, since consumers are not read: set spec.consumers.read to true.";
            return unusable(why.to_owned());
        }
        let Some(graph) = self.graph else {
            return Some(KeyStanding::Waiting);
        };
        match unread(graph)? {
            Unread::Passing => Some(KeyStanding::Waiting),
            Unread::Lasting(why) => unusable(why),
        }
    }

    /// How a key stands by those who are known. Others may have come where they are to be read anew, and that is waited for;
    /// AWS's own key is for them too.
    pub fn confirm(&self, key: &Key, standing: KeyStanding) -> KeyStanding {
        match standing {
            KeyStanding::Usable(_) if self.are_read && self.is_due && !key.aws_managed => KeyStanding::Waiting,
            other => other,
        }
    }

    /// Who needs the default key: everybody in the account, and the roles by which services of AWS launch there, as far as these are
    /// known. What a service launches is no matter, nor whether that is known.
    pub fn needs(&self, scope: &Scope) -> Needs {
        let own = Principal::Account(scope.account.clone());
        let everybody = Uses {
            everybody: true,
            ..Uses::default()
        };
        let mut needs = Needs::from([(own, everybody)]);
        let Some(graph) = self.graph.filter(|_| self.are_read) else {
            return needs;
        };
        for (kind, id) in graph.services() {
            let launcher = Consumer {
                kind: *kind,
                account: Some(scope.account.clone()),
                id: id.clone(),
                via: None,
                owner: None,
            };
            if let Some(role) = who::launches_by(&launcher, graph, scope.region.partition()) {
                let uses: &mut Uses = needs.entry(role).or_default();
                uses.consumers.insert((*kind, id.clone()));
            }
        }
        needs
    }
}

/// That not all of those could be read that launch by roles of services.
enum Unread {
    /// It may be read the next time, without anybody's doing.
    Passing,
    /// It may not, for this.
    Lasting(String),
}

fn unread(graph: &Graph) -> Option<Unread> {
    let services = graph.unread().iter().filter(|(kind, _)| who::is_service(**kind));
    let Some((kind, problem)) = services.min_by_key(|(_, problem)| passes(problem)) else {
        // Another reading follows by itself.
        return (!graph.are_services_seen_twice()).then_some(Unread::Passing);
    };
    if passes(problem) {
        return Some(Unread::Passing);
    }
    Some(Unread::Lasting(format!(
        "It is not known by which roles AWS launches here, since not every {} could be read. {}",
        kind.noun(),
        problem.message
    )))
}

/// An endpoint that cannot be reached lasts: a missing route does not come by itself, and a reading that lacks it only once is not kept.
pub(super) fn passes(problem: &Problem) -> bool {
    [reason::THROTTLED, reason::TRANSIENT_ERROR].contains(&problem.reason)
}
