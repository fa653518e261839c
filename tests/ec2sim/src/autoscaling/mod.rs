//! EC2 Auto Scaling: groups, launch configurations, instance refreshes.

mod configurations;
mod groups;
mod launch_by;
mod refreshes;
mod tags;
mod update;

use crate::engine::{Change, Operation, Outcome, Request, State, anything, change_of, run_of};
use crate::model::Consumers;
use crate::paging::{Ask, Page, cut, size_of};
use crate::wire::ApiError;

const OPERATIONS: [Operation; 4] = [
    Operation {
        name: "DescribeAutoScalingGroups",
        about: anything,
        run: groups::describe,
    },
    Operation {
        name: "DescribeLaunchConfigurations",
        about: anything,
        run: configurations::describe,
    },
    Operation {
        name: "DescribeTags",
        about: anything,
        run: tags::describe,
    },
    Operation {
        name: "DescribeInstanceRefreshes",
        about: anything,
        run: refreshes::describe,
    },
];

/// What changes groups.
pub(crate) const CHANGES: [Change; 6] = [
    Change {
        name: "UpdateAutoScalingGroup",
        about: update::about,
        run: update::run,
    },
    Change {
        name: "CreateOrUpdateTags",
        about: tags::about,
        run: tags::set,
    },
    Change {
        name: "DeleteTags",
        about: tags::about,
        run: tags::delete,
    },
    Change {
        name: "StartInstanceRefresh",
        about: update::about,
        run: refreshes::start,
    },
    Change {
        name: "CancelInstanceRefresh",
        about: refreshes::about,
        run: refreshes::cancel,
    },
    Change {
        name: "RollbackInstanceRefresh",
        about: refreshes::about,
        run: refreshes::roll_back,
    },
];

/// Runs an operation of Auto Scaling.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    change_of(&CHANGES, state, request).unwrap_or_else(|| run_of(&OPERATIONS, state, request))
}

fn consumers<'a>(state: &'a State, request: &Request) -> Option<&'a Consumers> {
    state
        .world
        .region(request.account(), &request.region)
        .map(|r| &r.consumers)
}

/// Cuts a page: 50 entries unless asked otherwise, 100 at most.
fn page(state: &mut State, request: &Request, names: Vec<String>, whole: bool) -> Result<Page, ApiError> {
    let params = &request.params;
    let ask = Ask {
        size: size_of(params, request.service, "MaxRecords", (1, 100, 50))?,
        token: params.get("NextToken"),
        whole,
    };
    cut(state, request, names, &ask)
}
