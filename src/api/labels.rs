//! The names that tie our objects together: labels, annotations, AWS tags, and the objects' own names.

/// Label of targets, migrations and ConfigMaps with a map: the policy's name.
pub const POLICY: &str = "amiseal.dev/policy";
/// Label of targets and migrations: the account's ID.
pub const ACCOUNT: &str = "amiseal.dev/account";
/// Label of targets and migrations: the region's name.
pub const REGION: &str = "amiseal.dev/region";

/// Label of ConfigMaps with a map, and its value: the controller writes them.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "amiseal");
/// Label of a Job that a copy is proven by, and of its Pods: the copy's ID.
pub const VALIDATES: &str = "amiseal.dev/validates";

/// Label of the controller's own Leases: `shard` or `replica`.
pub const LEASE: &str = "amiseal.dev/lease";
/// Annotation of the controller's own Leases: the number of shards that the holder knows.
pub const SHARDS: &str = "amiseal.dev/shards";

/// Annotation of a migration: any new value makes it try again, after `AttemptsExhausted` and after a call that AWS has
/// refused.
pub const RETRY: &str = "amiseal.dev/retry";

/// Annotation of a policy or a target: any new value has its accounts and regions looked through at once.
pub const SCAN: &str = "amiseal.dev/scan";
/// Annotation of a target: what its policy's annotation `amiseal.dev/scan` is.
pub const POLICY_SCAN: &str = "amiseal.dev/policy-scan";

/// Annotation of a target: what an event has hinted at, as the replica that has read the event tells the one that works on the target.
pub const HINT: &str = "amiseal.dev/hint";

/// AWS tag of a copy and of its snapshots: the ID of the image that it was copied from. Of a parameter with a line of the map: the ID
/// of the original.
pub const TAG_SOURCE_IMAGE: &str = "amiseal.dev/source-image";
/// AWS tag of a copy and of its snapshots: the attempt that made it.
pub const TAG_ATTEMPT: &str = "amiseal.dev/attempt";

/// AWS tag of an instance that a copy is proven by, and of its volumes: the copy's ID.
pub const TAG_VALIDATES: &str = "amiseal.dev/validates";
/// AWS tag of such an instance: how many seconds it has. After that it is terminated, whoever holds it on record.
pub const TAG_TIMEOUT: &str = "amiseal.dev/validation-timeout";

/// AWS tag of people: an image, launch template, parameter or Auto Scaling group that has it is not moved, whatever its value is.
pub const TAG_HOLD: &str = "amiseal.dev/hold";
/// AWS tag of an Auto Scaling group that was moved: what it named before.
pub const TAG_PREVIOUS: &str = "amiseal.dev/previous";
/// AWS tag of a usage report, or of a parameter with a line of the map, that amiseal has had made: the policy that has asked for it.
pub const TAG_POLICY: &str = "amiseal.dev/policy";
/// AWS tag of such a report: a hash of whom the image was shared with when it was asked for.
pub const TAG_SHARING: &str = "amiseal.dev/sharing";

/// The most characters that a policy's name may have: it is a label's value, and part of a role session name.
pub const MAX_POLICY_NAME: usize = 56;

/// The name of a policy's target for one account and region.
#[must_use]
pub fn target_name(policy: &str, account_id: &str, region: &str) -> String {
    format!("{policy}.{account_id}.{region}")
}

/// The name of an image's migration.
#[must_use]
pub fn migration_name(image_id: &str, region: &str) -> String {
    format!("{image_id}.{region}")
}

/// The name of the migration by which an account follows that of an image's owner.
#[must_use]
pub fn follower_name(image_id: &str, region: &str, account_id: &str) -> String {
    format!("{}.{account_id}", migration_name(image_id, region))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_an_object_is_of() {
        assert_eq!(
            target_name("production", "111122223333", "eu-west-1"),
            "production.111122223333.eu-west-1"
        );
        assert_eq!(
            migration_name("ami-0123456789abcdef0", "eu-west-1"),
            "ami-0123456789abcdef0.eu-west-1"
        );
        assert_eq!(
            follower_name("ami-0123456789abcdef0", "eu-west-1", "444455556666"),
            "ami-0123456789abcdef0.eu-west-1.444455556666"
        );
    }
}
