//! Whether all is done that can be, by what the statuses say.

use crate::objects::{Object, Objects};

/// What is not settled yet, in words; nothing when all is.
pub fn unsettled(objects: &Objects) -> Option<String> {
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
    let unread =
        |target: &&Object| target.says("Reachable", "True") && target.text("/status/usage/readTime").is_empty();
    let reads = |target: &&Object| target.flag("/spec/consumers/read");
    if let Some(target) = objects.targets.iter().filter(reads).find(unread) {
        return Some(format!("{} does not say yet who uses its images", target.title()));
    }
    let sum = |path: &str| objects.policies.iter().map(|policy| policy.number(path)).sum::<u64>();
    let compare = |whose: &str, what: &str, said: u64, there: usize| {
        (said != there as u64).then(|| format!("{whose} count {said} {what}, and there are {there}"))
    };
    compare(
        "policies",
        "targets",
        sum("/status/targets/total"),
        objects.targets.len(),
    )
    .or_else(|| {
        let migrations = ["pending", "inProgress", "stalled", "completed"]
            .map(|state| sum(&format!("/status/migrations/{state}")))
            .iter()
            .sum();
        compare("policies", "migrations", migrations, objects.migrations.len())
    })
    .or_else(|| {
        // Each of these has a migration, be it one that is done or one that says why it cannot be: but where there is
        // no key that a migration could name, and a copy that came out unencrypted is its original's affair.
        let with_key = |target: &&Object| !target.text("/status/keyARN").is_empty();
        let images: u64 = objects.targets.iter().filter(with_key).map(to_migrate).sum();
        let spoilt = |migration: &&Object| migration.reason("Stalled") == "CopyNotEncrypted";
        let spoilt = objects.migrations.iter().filter(spoilt).count() as u64;
        let images = images.saturating_sub(spoilt);
        // One that follows the migration of the image's owner is of none of its target's images.
        let is_own = |migration: &&Object| migration.text("/spec/ownerAccountID").is_empty();
        let own = objects.migrations.iter().filter(is_own).count();
        compare("targets", "images to migrate", images, own)
    })
}

/// How many images of a target have, or should have, a migration.
fn to_migrate(target: &Object) -> u64 {
    let classes = ["unencrypted", "superseded", "unencryptable"];
    classes
        .map(|class| target.number(&format!("/status/images/{class}")))
        .iter()
        .sum()
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
        let status = json!({"targets": {"total": 1}, "migrations": {"completed": migrations}});
        object("AMIEncryptionPolicy", "False", status)
    }

    fn target(key: &str, images: u32) -> Value {
        let status = json!({"keyARN": key, "images": {"superseded": images}});
        object("AMIEncryptionTarget", "False", status)
    }

    fn why(items: &[Value]) -> Option<String> {
        unsettled(&Objects::of_list(&json!({ "items": items })))
    }

    #[test]
    fn all_is_settled_when_everybody_says_so_and_the_counts_agree() {
        let migration = object("AMIMigration", "False", json!({}));
        assert_eq!(why(&[policy(1), target("a key", 1), migration]), None);
    }

    #[test]
    fn images_without_a_key_and_a_copy_that_came_out_unencrypted_wait_for_no_migration() {
        assert_eq!(why(&[policy(0), target("", 1)]), None);
        assert!(why(&[policy(0), target("a key", 1)]).is_some_and(|w| w.contains("1 images to migrate")));
        let mut migration = object("AMIMigration", "False", json!({}));
        let stalled = json!({"type": "Stalled", "status": "True", "reason": "CopyNotEncrypted"});
        let conditions = migration["status"]["conditions"].as_array_mut().expect("a list");
        conditions.push(stalled);
        assert_eq!(why(&[policy(1), target("a key", 2), migration]), None);
    }

    #[test]
    fn nothing_is_settled_while_anything_is_worked_on_or_unseen() {
        assert!(why(&[]).is_some());
        let target = target("a key", 0);
        let busy = object("AMIMigration", "True", json!({}));
        assert!(why(&[policy(1), target.clone(), busy]).is_some_and(|w| w.contains("AMIMigration a")));
        let mut stale = target;
        stale["metadata"]["generation"] = json!(2);
        assert!(why(&[policy(0), stale]).is_some_and(|w| w.contains("AMIEncryptionTarget a")));
    }

    #[test]
    fn counts_that_lag_behind_what_is_there_are_not_settled() {
        let counted = why(&[policy(2), target("a key", 0)]);
        assert_eq!(counted, Some("policies count 2 migrations, and there are 0".to_owned()));
        assert!(why(&[policy(0)]).is_some_and(|w| w.contains("targets")));
    }
}
