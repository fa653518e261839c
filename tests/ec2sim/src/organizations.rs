//! Organizations: DescribeOrganization, ListRoots, ListOrganizationalUnitsForParent, ListAccounts, ListAccountsForParent.

use serde_json::{Value, json};

use crate::engine::{Done, Operation, Outcome, Request, State, anything, run_of};
use crate::model::Organization;
use crate::paging::{Ask, Page, cut, size_of};
use crate::wire::ApiError;

const OPERATIONS: [Operation; 5] = [
    Operation {
        name: "DescribeOrganization",
        about: anything,
        run: describe,
    },
    Operation {
        name: "ListRoots",
        about: anything,
        run: roots,
    },
    Operation {
        name: "ListOrganizationalUnitsForParent",
        about: about_parent,
        run: units,
    },
    Operation {
        name: "ListAccounts",
        about: anything,
        run: accounts,
    },
    Operation {
        name: "ListAccountsForParent",
        about: about_parent,
        run: accounts_of_parent,
    },
];

/// Runs an operation of Organizations.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    check_scope(state, request)?;
    run_of(&OPERATIONS, state, request)
}

/// It is one service of a whole partition, and signed for one region.
fn check_scope(state: &State, request: &Request) -> Result<(), ApiError> {
    let home = match state.world.partition(request.account()) {
        "aws-us-gov" => "us-gov-west-1",
        "aws-cn" => "cn-northwest-1",
        "aws" => "us-east-1",
        _ => return Ok(()),
    };
    if request.region == home {
        return Ok(());
    }
    Err(ApiError::with_status(
        403,
        "SignatureDoesNotMatch",
        format!("Credential should be scoped to a valid region: '{home}'."),
    ))
}

/// The organization that the caller's account is in.
fn organization<'a>(state: &'a State, request: &Request) -> Result<&'a Organization, ApiError> {
    let mut all = state.world.organizations.iter();
    all.find(|one| one.has(request.account())).ok_or_else(|| {
        ApiError::new(
            "AWSOrganizationsNotInUseException",
            "Your account is not a member of an organization.",
        )
    })
}

/// The same, if the caller's account is its management account or a delegated administrator.
fn readable<'a>(state: &'a State, request: &Request) -> Result<&'a Organization, ApiError> {
    let organization = organization(state, request)?;
    if organization.may_read(request.account()) {
        return Ok(organization);
    }
    Err(ApiError::new(
        "AccessDeniedException",
        "You don't have permissions to access this resource.",
    ))
}

/// The ARN of something of an organization, as in `ou` and `ou-…`.
fn arn(state: &State, organization: &Organization, kind: &str, id: &str) -> String {
    let account = &organization.management_account;
    let partition = state.world.partition(account);
    format!(
        "arn:{partition}:organizations::{account}:{kind}/{}/{id}",
        organization.id
    )
}

fn about_parent(state: &State, request: &Request) -> Vec<String> {
    let parent = request.params.get("ParentId").unwrap_or_default();
    let kind = if parent.starts_with("r-") { "root" } else { "ou" };
    let resource = organization(state, request).map(|organization| arn(state, organization, kind, parent));
    vec![resource.unwrap_or_else(|_| "*".to_owned())]
}

/// A parent, which must be the root or a unit that is there.
fn parent(state: &State, request: &Request) -> Result<String, ApiError> {
    let organization = readable(state, request)?;
    let parent = request.params.get("ParentId").unwrap_or_default();
    if !(parent.starts_with("r-") || parent.starts_with("ou-")) {
        return Err(request.service.invalid(format!(
            "You provided a value that does not match the required pattern: '{parent}' at 'parentId'"
        )));
    }
    if organization.accounts_of(parent).is_some() {
        return Ok(parent.to_owned());
    }
    Err(ApiError::new(
        "ParentNotFoundException",
        "You specified parent that doesn't exist.",
    ))
}

fn describe(state: &mut State, request: &Request) -> Outcome {
    let one = organization(state, request)?;
    let account = &one.management_account;
    let partition = state.world.partition(account);
    Ok(Done::json(json!({ "Organization": {
        "Id": one.id,
        "Arn": format!("arn:{partition}:organizations::{account}:organization/{}", one.id),
        "FeatureSet": "ALL",
        "MasterAccountId": account,
        "MasterAccountArn": arn(state, one, "account", account),
        "MasterAccountEmail": email(account),
        "AvailablePolicyTypes": [],
    } })))
}

fn roots(state: &mut State, request: &Request) -> Outcome {
    let root = readable(state, request)?.root.clone();
    let page = page(state, request, vec![root])?;
    let one = readable(state, request)?;
    let shown = page.ids.iter().map(|id| {
        json!({
            "Id": id,
            "Arn": arn(state, one, "root", id),
            "Name": "Root",
            "PolicyTypes": [],
        })
    });
    let shown: Vec<Value> = shown.collect();
    Ok(listed("Roots", &shown, page.next))
}

fn units(state: &mut State, request: &Request) -> Outcome {
    let parent = parent(state, request)?;
    let known = readable(state, request)?.units_of(&parent);
    let ids = known.map(|unit| unit.id.clone()).collect();
    let page = page(state, request, ids)?;
    let one = readable(state, request)?;
    let found = page
        .ids
        .iter()
        .filter_map(|id| one.units.iter().find(|unit| unit.id == *id));
    let shown = found.map(|unit| json!({ "Id": unit.id, "Arn": arn(state, one, "ou", &unit.id), "Name": unit.name }));
    let shown: Vec<Value> = shown.collect();
    Ok(listed("OrganizationalUnits", &shown, page.next))
}

fn accounts(state: &mut State, request: &Request) -> Outcome {
    let ids = readable(state, request)?.members().cloned().collect();
    list_accounts(state, request, ids)
}

fn accounts_of_parent(state: &mut State, request: &Request) -> Outcome {
    let parent = parent(state, request)?;
    let found = readable(state, request)?.accounts_of(&parent);
    let ids = found.cloned().unwrap_or_default();
    list_accounts(state, request, ids)
}

#[allow(clippy::cast_precision_loss)]
fn list_accounts(state: &mut State, request: &Request, ids: Vec<String>) -> Outcome {
    let page = page(state, request, ids)?;
    let one = readable(state, request)?;
    let joined = state.start.plus_seconds(-400.0 * 86_400.0).as_millis() as f64 / 1000.0;
    let shown = page.ids.iter().map(|id| {
        json!({
            "Id": id,
            "Arn": arn(state, one, "account", id),
            "Email": email(id),
            "Name": format!("account-{id}"),
            "State": one.state_of(id),
            "JoinedMethod": "CREATED",
            "JoinedTimestamp": joined,
        })
    });
    let shown: Vec<Value> = shown.collect();
    Ok(listed("Accounts", &shown, page.next))
}

fn email(account: &str) -> String {
    format!("account-{account}@example.com")
}

/// A page of a listing, which leaves nothing out.
fn page(state: &mut State, request: &Request, ids: Vec<String>) -> Result<Page, ApiError> {
    let ask = Ask {
        size: size_of(&request.params, request.service, "MaxResults", (1, 20, 20))?,
        token: request.params.get("NextToken"),
        whole: false,
    };
    cut(state, request, ids, &ask)
}

fn listed(field: &str, shown: &[Value], next: Option<String>) -> Done {
    let mut answer = json!({ field: shown });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Done::json(answer)
}
