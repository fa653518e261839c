//! Which of several policies for one account and region is the older one: it governs what both select.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The place of a policy among others: the lower one governs.
///
/// The creation time says it, and among those of the same second the name. A policy from a file that comes from no cluster has no
/// creation time. It comes after those that have, and its `place` in the file says it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Precedence(Age);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    Created(Timestamp, String),
    InFile(usize),
}

impl Precedence {
    /// That of a policy, the one at `place` where nothing else tells them apart.
    pub fn of(policy: &ObjectMeta, place: usize) -> Self {
        let name = || policy.name.clone().unwrap_or_default();
        Self(match &policy.creation_timestamp {
            Some(created) => Age::Created(created.0, name()),
            None => Age::InFile(place),
        })
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    #[test]
    fn the_older_policy_comes_first_then_the_name_then_the_place_in_a_file() {
        let policy = |created: Option<i64>, name: &str| ObjectMeta {
            name: Some(name.to_owned()),
            creation_timestamp: created.map(|at| Time(Timestamp::from_second(at).expect("a time"))),
            ..ObjectMeta::default()
        };
        let mut policies = [
            policy(None, "b"),
            policy(None, "a"),
            policy(Some(2), "a"),
            policy(Some(1), "d"),
            policy(Some(1), "c"),
        ];
        let places: Vec<_> = (0..)
            .zip(&policies)
            .map(|(place, policy)| Precedence::of(policy, place))
            .collect();
        let mut order: Vec<usize> = (0..policies.len()).collect();
        order.sort_by_key(|place| places[*place].clone());
        let names: Vec<_> = order
            .iter()
            .map(|place| policies[*place].name.take().expect("a name"))
            .collect();
        assert_eq!(names, ["c", "d", "a", "b", "a"]);
    }
}
