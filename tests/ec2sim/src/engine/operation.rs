//! Tables of operations of the services that only read, and what all their operations have in common.

use std::collections::BTreeMap;

use super::{Outcome, Request, State};
use crate::iam::Ask;
use crate::model::{Account, Region, Tags};
use crate::spec::OptIn;

/// One operation.
pub(crate) struct Operation {
    /// As in the action that permits it.
    pub(crate) name: &'static str,
    /// The ARNs that it is about, which the caller must be permitted each.
    pub(crate) about: fn(&State, &Request) -> Vec<String>,
    /// Does it.
    pub(crate) run: fn(&mut State, &Request) -> Outcome,
}

/// A resource that a call is about, and what conditions can look at.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) arn: String,
    /// The tags that the call gives to it.
    pub(crate) request_tags: Tags,
    /// The tags that it has.
    pub(crate) resource_tags: Tags,
    /// Other condition keys.
    pub(crate) context: Vec<(String, String)>,
}

impl About {
    /// A resource of this ARN, without any tags.
    pub(crate) const fn of(arn: String) -> Self {
        Self {
            arn,
            request_tags: Tags::new(),
            resource_tags: Tags::new(),
            context: Vec::new(),
        }
    }

    /// To do something to it.
    pub(crate) fn ask<'a>(&'a self, action: &'a str) -> Ask<'a> {
        Ask {
            action,
            resource: &self.arn,
            request_tags: &self.request_tags,
            resource_tags: &self.resource_tags,
            context: &self.context,
        }
    }
}

/// An operation that changes things.
pub(crate) struct Change {
    /// As in the action that permits it.
    pub(crate) name: &'static str,
    /// What it is about, which the caller must be permitted each.
    pub(crate) about: fn(&State, &Request) -> Vec<About>,
    /// Does it.
    pub(crate) run: fn(&mut State, &Request) -> Outcome,
}

/// Checks that the caller may, and does it, when it is one of these.
pub(crate) fn change_of(table: &[Change], state: &mut State, request: &Request) -> Option<Outcome> {
    let change = table.iter().find(|c| c.name == request.operation)?;
    let action = format!("{}:{}", request.service.as_str(), change.name);
    for about in (change.about)(state, request) {
        if !request.may_do(&about.ask(&action)) {
            return Some(Err(request.service.denied(&request.caller.arn, &action, &about.arn)));
        }
    }
    ensure_region(state, request.account(), &request.region);
    Some((change.run)(state, request))
}

/// About no resource in particular.
pub(crate) fn anything(_: &State, _: &Request) -> Vec<String> {
    vec!["*".to_owned()]
}

/// Checks that the caller may, and does it.
pub(crate) fn run_of(table: &[Operation], state: &mut State, request: &Request) -> Outcome {
    let Some(operation) = table.iter().find(|o| o.name == request.operation) else {
        return Err(request.service.unknown_operation(&request.operation));
    };
    let action = format!("{}:{}", request.service.as_str(), operation.name);
    for resource in (operation.about)(state, request) {
        if !request.may_do(&Ask::of(&action, &resource)) {
            return Err(request.service.denied(&request.caller.arn, &action, &resource));
        }
    }
    ensure_region(state, request.account(), &request.region);
    (operation.run)(state, request)
}

/// Regions that the world file does not list are there and empty.
pub(crate) fn ensure_region(state: &mut State, account: &str, region: &str) {
    let account = state
        .world
        .accounts
        .entry(account.to_owned())
        .or_insert_with(|| Account {
            id: account.to_owned(),
            partition: "aws".to_owned(),
            organization: None,
            organizational_units: Vec::new(),
            owner_alias: None,
            roles: BTreeMap::new(),
            regions: BTreeMap::new(),
        });
    account
        .regions
        .entry(region.to_owned())
        .or_insert_with(|| Region::empty(region, OptIn::OptInNotRequired));
}

impl Request {
    /// Whether the caller may do something to a resource, in the region of the call.
    pub(crate) fn may_do(&self, ask: &Ask<'_>) -> bool {
        let context = self.context(ask);
        self.caller.may_do(&Ask {
            context: &context,
            ..*ask
        })
    }

    /// Whether the caller may call an action that is of no resource in particular.
    pub(crate) fn may(&self, action: &str) -> bool {
        self.may_do(&Ask::of(action, "*"))
    }

    /// What conditions can look at: what AWS gives in each request is with it.
    pub(crate) fn context(&self, ask: &Ask<'_>) -> Vec<(String, String)> {
        let mut context = ask.context.to_vec();
        context.push(("aws:RequestedRegion".to_owned(), self.region.clone()));
        let principal = self.caller.role_arn.as_ref().unwrap_or(&self.caller.arn);
        context.push(("aws:PrincipalArn".to_owned(), principal.clone()));
        if ask.action.starts_with("ec2:") {
            context.push(("ec2:Region".to_owned(), self.region.clone()));
        }
        context
    }

    /// The ARN of something of the caller's account in the region of the call.
    pub(crate) fn arn(&self, state: &State, resource: &str) -> String {
        format!(
            "arn:{}:{}:{}:{}:{resource}",
            state.world.partition(self.account()),
            self.service.as_str(),
            self.region,
            self.account()
        )
    }
}
