//! EC2 Auto Scaling: DescribeAutoScalingGroups and DescribeLaunchConfigurations.

mod configurations;
mod groups;

use crate::engine::{Operation, Outcome, Request, State, anything, run_of};
use crate::model::Consumers;
use crate::paging::{Ask, Page, cut, size_of};
use crate::wire::ApiError;

const OPERATIONS: [Operation; 2] = [
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
];

/// Runs an operation of Auto Scaling.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    run_of(&OPERATIONS, state, request)
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
