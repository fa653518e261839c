//! Policies that AWS takes: one managed policy has so many characters at most.

use super::statement::{Policy, Statement, Texts};

/// So many characters a managed policy may have, without white space ("IAM and AWS STS quotas" in the user guide of IAM).
pub const LIMIT: usize = 6144;

/// The statements in as few policies as they fit into in this order.
pub(super) fn split(statements: &[Statement]) -> Vec<Policy> {
    let mut policies: Vec<Policy> = Vec::new();
    for statement in statements.iter().flat_map(halves) {
        let last = policies.last_mut();
        match last.and_then(|policy| with(policy, &statement)) {
            Some(larger) => {
                policies.pop();
                policies.push(larger);
            }
            None => policies.push(Policy::of(vec![statement])),
        }
    }
    policies
}

/// The policy with one more statement, if it fits in.
fn with(policy: &Policy, statement: &Statement) -> Option<Policy> {
    let mut larger = policy.clone();
    let mut statement = statement.clone();
    statement.sid = free(&statement.sid, &larger.statement);
    larger.statement.push(statement);
    (larger.characters() <= LIMIT).then_some(larger)
}

/// The statement, or several for some of its resources each, where it is too large by itself.
fn halves(statement: &Statement) -> Vec<Statement> {
    let count = statement.resource.0.len();
    if count < 2 || Policy::of(vec![statement.clone()]).characters() <= LIMIT {
        return vec![statement.clone()];
    }
    let (first, second) = statement.resource.0.split_at(count / 2);
    let of = |resources: &[String]| Statement {
        resource: Texts(resources.to_vec()),
        ..statement.clone()
    };
    [of(first), of(second)].iter().flat_map(halves).collect()
}

/// A name that none of these statements has: in one policy each is of its own.
pub(super) fn free(sid: &str, among: &[Statement]) -> String {
    let is_free = |name: &str| among.iter().all(|statement| statement.sid != name);
    if is_free(sid) {
        return sid.to_owned();
    }
    let mut numbered = (2_u32..).map(|number| format!("{sid}{number}"));
    numbered.find(|name| is_free(name)).unwrap_or_default()
}
