//! Whether all is done that can be, by what the statuses say.

use crate::objects::{Object, Objects};

/// What is not settled yet, in words; nothing when all is.
pub(crate) fn unsettled(objects: &Objects) -> Option<String> {
    if objects.policies.is_empty() {
        return Some("there is no policy".to_owned());
    }
    let busy = |object: &&Object| !object.is_current() || !object.says("Reconciling", "False");
    if let Some(object) = objects.all().find(busy) {
        let why = match object.message("Reconciling") {
            "" => object.message("Ready"),
            message => message,
        };
        return Some(format!("{} is still being worked on: {why}", object.title()));
    }
    let sum = |path: &str| objects.policies.iter().map(|policy| policy.number(path)).sum::<u64>();
    let compare = |what: &str, said: u64, there: usize| {
        (said != there as u64).then(|| format!("policies count {said} {what}, and there are {there}"))
    };
    compare("targets", sum("/status/targets/total"), objects.targets.len())
        .or_else(|| {
            let migrations = ["pending", "inProgress", "stalled", "completed"]
                .map(|state| sum(&format!("/status/migrations/{state}")))
                .iter()
                .sum();
            compare("migrations", migrations, objects.migrations.len())
        })
        .or_else(|| {
            // Each of these has a migration, be it one that is done or one that says why it cannot be.
            let images = ["unencrypted", "superseded", "unencryptable"]
                .map(|class| sum(&format!("/status/images/{class}")))
                .iter()
                .sum();
            compare("images to migrate", images, objects.migrations.len())
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(kind: &str, reconciling: &str, mut status: Value) -> Value {
        status["observedGeneration"] = json!(1);
        status["conditions"] = json!([{"type": "Reconciling", "status": reconciling}]);
        json!({"kind": kind, "metadata": {"name": "a", "generation": 1}, "status": status})
    }

    fn policy(migrations: u32) -> Value {
        let status = json!({
            "targets": {"total": 1},
            "migrations": {"completed": migrations},
            "images": {"superseded": migrations},
        });
        object("AMIEncryptionPolicy", "False", status)
    }

    fn why(items: &[Value]) -> Option<String> {
        let list = json!({ "items": items }).to_string();
        unsettled(&Objects::parse(&list).expect("JSON"))
    }

    #[test]
    fn all_is_settled_when_everybody_says_so_and_the_counts_agree() {
        let target = object("AMIEncryptionTarget", "False", json!({}));
        let migration = object("AMIMigration", "False", json!({}));
        assert_eq!(why(&[policy(1), target, migration]), None);
    }

    #[test]
    fn nothing_is_settled_while_anything_is_worked_on_or_unseen() {
        assert!(why(&[]).is_some());
        let target = object("AMIEncryptionTarget", "False", json!({}));
        let busy = object("AMIMigration", "True", json!({}));
        assert!(why(&[policy(1), target.clone(), busy]).is_some_and(|w| w.contains("AMIMigration a")));
        let mut stale = target;
        stale["metadata"]["generation"] = json!(2);
        assert!(why(&[policy(0), stale]).is_some_and(|w| w.contains("AMIEncryptionTarget a")));
    }

    #[test]
    fn counts_that_lag_behind_what_is_there_are_not_settled() {
        let target = object("AMIEncryptionTarget", "False", json!({}));
        let counted = why(&[policy(2), target.clone()]);
        assert_eq!(counted, Some("policies count 2 migrations, and there are 0".to_owned()));
        assert!(why(&[policy(0)]).is_some_and(|w| w.contains("targets")));
    }
}
