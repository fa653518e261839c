//! What people do to an organization that a policy takes its accounts from, and what is wrong with it for a while.

use std::time::Duration;

use ec2sim::spec::Expectation;
use ec2sim::{Act, Edit, Failure, FaultRule};
use kubesim::RequestInfo;

use super::catalogue::Fault;
use super::enlisting::{
    BELOW, ELSEWHERE, JOINING, LEAVING, MEMBERS, ORGANIZATION, ROOT, UNIT, has_units, listed, organization,
};
use super::meddling;
use super::notes::Unlisted;
use super::stage::{A_WHILE, Stage};

/// How long an account is away: shorter than two reads are apart, and longer than it takes until it has left.
const LASTING: [Duration; 3] = [Duration::from_secs(90), Duration::from_secs(4 * 60), A_WHILE];

/// Does it, by the number of the write that is struck, which `request` is.
pub(super) fn act(stage: &Stage, fault: Fault, request: &RequestInfo, number: u64) {
    if organization(&stage.before).is_none() {
        return;
    }
    let turn = usize::try_from(number).unwrap_or(0);
    let account = MEMBERS[turn % MEMBERS.len()];
    let turn = turn / MEMBERS.len();
    let lasting = LASTING[turn % LASTING.len()];
    let is_odd = !(turn / LASTING.len()).is_multiple_of(2);
    match fault {
        Fault::AccountMoved => move_within(stage, account),
        Fault::AccountAway => away(stage, account, lasting, is_odd),
        Fault::AccountSuspended => suspend(stage, account, lasting, is_odd),
        Fault::UnitEmptied => {
            for account in MEMBERS {
                away(stage, account, lasting, is_odd);
            }
        }
        Fault::AccountLeaves => leave(stage, turn.is_multiple_of(2)),
        Fault::AccountJoins => join(stage),
        Fault::ListingFails => {
            fail(stage, fault, number);
            if number % 3 == 2
                && let Ok(process) = request.client.parse()
            {
                // The one that comes after it cannot read the accounts either.
                stage.fate.kill(process);
            }
        }
        other => panic!("{other:?} is no act of people on an organization"),
    }
}

/// Changes the organization, and notes which accounts are listed no more, and which are again.
fn change(stage: &Stage, edit: Edit) {
    let before = stage.sim.with_world(listed);
    stage.edit(edit);
    let (after, now) = (stage.sim.with_world(listed), stage.clock.age());
    stage.note(|notes| {
        let gone = before.difference(&after).map(|account| Unlisted {
            account: account.clone(),
            from: now,
            to: None,
        });
        notes.unlisted.extend(gone);
        for account in after.difference(&before) {
            let back = notes.unlisted.iter_mut().filter(|one| one.account == *account);
            back.filter(|one| one.to.is_none()).for_each(|one| one.to = Some(now));
        }
    });
}

fn is_listed(stage: &Stage, account: &str) -> bool {
    stage.sim.with_world(|world| listed(world).contains(account))
}

fn is_member(stage: &Stage, account: &str) -> bool {
    stage
        .sim
        .with_world(|world| organization(world).is_some_and(|organization| organization.has(account)))
}

fn moves(account: &str, parent: &str) -> Edit {
    Edit::MoveAccount {
        account: account.to_owned(),
        parent: parent.to_owned(),
    }
}

fn leaves(account: &str) -> Edit {
    Edit::LeaveOrganization {
        account: account.to_owned(),
    }
}

fn becomes(account: &str, state: &str) -> Edit {
    Edit::SetAccountState {
        account: account.to_owned(),
        state: state.to_owned(),
    }
}

/// Somebody moves an account between the unit and the one below it: whoever reads them meanwhile may find it in neither.
fn move_within(stage: &Stage, account: &str) {
    if !is_listed(stage, account) || !stage.sim.with_world(has_units) {
        return;
    }
    let is_below = stage.sim.with_world(|world| {
        let below = organization(world).and_then(|organization| organization.accounts_of(BELOW));
        below.is_some_and(|accounts| accounts.iter().any(|one| one == account))
    });
    let now = stage.clock.age();
    stage.note(|notes| notes.moved_accounts.push((account.to_owned(), now)));
    change(stage, moves(account, if is_below { UNIT } else { BELOW }));
}

/// An account is elsewhere for a while, or in no organization.
fn away(stage: &Stage, account: &'static str, lasting: Duration, leaves_it: bool) {
    if !is_listed(stage, account) {
        return;
    }
    let has_units = stage.sim.with_world(has_units);
    let edit = if has_units && !leaves_it {
        moves(account, ELSEWHERE)
    } else {
        leaves(account)
    };
    change(stage, edit);
    stage.later(lasting, move |stage| {
        if !stage.notes().left.contains(account) {
            come(stage, account);
        }
    });
}

/// An account comes to where the policy takes accounts from.
fn come(stage: &Stage, account: &str) {
    let parent = if stage.sim.with_world(has_units) { UNIT } else { ROOT };
    let edit = if is_member(stage, account) {
        moves(account, parent)
    } else {
        Edit::JoinOrganization {
            organization: ORGANIZATION.to_owned(),
            parent: parent.to_owned(),
            account: account.to_owned(),
        }
    };
    change(stage, edit);
}

/// AWS suspends an account for a while, or somebody begins to close it and thinks better of it.
fn suspend(stage: &Stage, account: &'static str, lasting: Duration, closes: bool) {
    if !is_listed(stage, account) {
        return;
    }
    let state = if closes { "PENDING_CLOSURE" } else { "SUSPENDED" };
    change(stage, becomes(account, state));
    stage.later(lasting, move |stage| {
        if is_member(stage, account) && !stage.notes().left.contains(account) {
            change(stage, becomes(account, "ACTIVE"));
        }
    });
}

/// An account leaves for good, or is closed: what is in it is nobody's business any more.
fn leave(stage: &Stage, closes: bool) {
    if stage.notes().left.contains(LEAVING) {
        return;
    }
    stage.note(|notes| {
        notes.left.insert(LEAVING.to_owned());
    });
    expect(stage, LEAVING, &Expectation::Any);
    if is_member(stage, LEAVING) {
        let edit = if closes {
            becomes(LEAVING, "CLOSED")
        } else {
            leaves(LEAVING)
        };
        change(stage, edit);
    }
}

/// An account comes that was not there, with images that are to be copied.
fn join(stage: &Stage) {
    let mut is_new = false;
    stage.note(|notes| is_new = !std::mem::replace(&mut notes.has_joined, true));
    if is_new {
        expect(stage, JOINING, &meddling::copied());
        come(stage, JOINING);
    }
}

/// From now on this is to become of the images that an account had from the beginning on.
fn expect(stage: &Stage, account: &str, expect: &Expectation) {
    let Some(account) = stage.before.accounts.get(account) else {
        return;
    };
    for image in account.regions.values().flat_map(|region| region.images.keys()) {
        stage.edit(Edit::SetExpectation {
            image: image.clone(),
            expect: expect.clone(),
        });
    }
}

/// Calls to AWS Organizations fail for a while, each time in another way: all of them, or those after some have listed accounts.
fn fail(stage: &Stage, fault: Fault, number: u64) {
    let failure = |code: &str, status: u16, message: &str| {
        Act::FailBefore(Failure {
            code: code.to_owned(),
            status,
            message: message.to_owned(),
        })
    };
    let denied = || {
        failure(
            "AccessDeniedException",
            400,
            "You don't have permissions to access this resource.",
        )
    };
    let ways = [
        ("List*", denied()),
        ("ListOrganizationalUnitsForParent", denied()),
        ("List*", Act::Throttle),
        (
            "ListOrganizationalUnitsForParent",
            failure("ServiceException", 500, "The service has failed."),
        ),
        (
            "List*",
            failure(
                "AWSOrganizationsNotInUseException",
                400,
                "Your account is not a member of an organization.",
            ),
        ),
    ];
    let way = usize::try_from(number).unwrap_or(0) % ways.len();
    let (operation, act) = ways[way].clone();
    let name = format!("{}@{number}", fault.name());
    stage.sim.add_fault(FaultRule {
        name: Some(name.clone()),
        service: Some("organizations".to_owned()),
        operation: Some(operation.to_owned()),
        act,
        ..FaultRule::default()
    });
    stage.later(A_WHILE, move |stage| stage.sim.remove_faults(&name));
}
