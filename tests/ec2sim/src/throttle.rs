//! Token buckets with the sizes that AWS publishes, per account, region and class of calls.

use std::collections::BTreeMap;

use crate::clock::SimTime;
use crate::wire::{Params, Service};

/// Capacity, and tokens a second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Size {
    class: &'static str,
    capacity: f64,
    refill: f64,
}

const fn size(class: &'static str, capacity: f64, refill: f64) -> Size {
    Size {
        class,
        capacity,
        refill,
    }
}

fn size_of(service: Service, operation: &str, params: &Params) -> Size {
    match (service, operation) {
        (Service::Kms, _) => size("kms", 2000.0, 2000.0),
        (Service::Sts, _) => size("sts", 600.0, 600.0),
        (Service::AutoScaling, _) => size("autoscaling", 100.0, 20.0),
        (Service::Ssm, _) => size("ssm", 40.0, 40.0),
        (Service::Eks, _) => size("eks", 100.0, 20.0),
        (Service::Batch, _) => size("batch", 50.0, 50.0),
        (Service::CloudTrail, _) => size("cloudtrail", 10.0, 10.0),
        (Service::Inspector2, _) => size("inspector2", 20.0, 20.0),
        (Service::Sqs, _) => size("sqs", 3000.0, 3000.0),
        (Service::Organizations, _) => size("organizations", 8.0, 5.0),
        (Service::ImageBuilder, _) => size("imagebuilder", 100.0, 20.0),
        (_, "DescribeSnapshots" | "DescribeInstances") if is_unbounded(params) => size("unfiltered", 50.0, 10.0),
        (_, op) if op.starts_with("Describe") || op.starts_with("Get") => size("describe", 100.0, 20.0),
        (_, "CopyImage") => size("copy", 100.0, 1.0),
        (_, "DeregisterImage" | "DeleteSnapshot" | "ModifyImageAttribute") => size("image", 100.0, 5.0),
        (_, "CreateLaunchTemplateVersion" | "ModifyLaunchTemplate") => size("templates", 100.0, 5.0),
        (_, "CreateTags" | "DeleteTags") => size("tags", 100.0, 10.0),
        (_, "ModifySnapshotAttribute") => size("snapshots", 100.0, 5.0),
        (
            _,
            "EnableImageBlockPublicAccess"
            | "DisableImageBlockPublicAccess"
            | "EnableSnapshotBlockPublicAccess"
            | "DisableSnapshotBlockPublicAccess",
        ) => size("publicAccess", 1.0, 0.1),
        _ => size("other", 50.0, 5.0),
    }
}

fn is_unbounded(params: &Params) -> bool {
    let named = ["Filter", "SnapshotId", "InstanceId"];
    params.get("MaxResults").is_none() && named.iter().all(|name| params.indices(name).is_empty())
}

#[derive(Clone, Debug)]
struct Bucket {
    tokens: f64,
    at: SimTime,
}

/// All buckets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Throttle {
    buckets: BTreeMap<(String, String, &'static str), Bucket>,
}

impl Throttle {
    /// Takes a token; false when there is none.
    pub(crate) fn admit(
        &mut self,
        (account, region): (&str, &str),
        service: Service,
        operation: &str,
        params: &Params,
        scale: f64,
        now: SimTime,
    ) -> bool {
        let size = size_of(service, operation, params);
        let capacity = (size.capacity * scale).max(1.0);
        let bucket = self
            .buckets
            .entry((account.to_owned(), region.to_owned(), size.class))
            .or_insert(Bucket {
                tokens: capacity,
                at: now,
            });
        let elapsed = now.seconds_since(bucket.at).max(0.0);
        bucket.tokens = (bucket.tokens + elapsed * size.refill * scale).min(capacity);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_refills_at_its_rate() {
        let mut throttle = Throttle::default();
        let mut call = |second: f64| {
            throttle.admit(
                ("1", "r"),
                Service::Ec2,
                "CopyImage",
                &Params::default(),
                1.0,
                SimTime::default().plus_seconds(second),
            )
        };
        assert_eq!((0..150).filter(|_| call(0.0)).count(), 100);
        assert_eq!((0..150).filter(|_| call(5.0)).count(), 5);
    }

    #[test]
    fn accounts_regions_and_classes_have_buckets_of_their_own() {
        let mut throttle = Throttle::default();
        let now = SimTime::default();
        let mut all = |place, operation| {
            (0..500)
                .filter(|_| throttle.admit(place, Service::Ec2, operation, &Params::default(), 1.0, now))
                .count()
        };
        assert_eq!(all(("1", "a"), "DescribeImages"), 100);
        assert_eq!(all(("1", "a"), "DescribeRegions"), 0, "one bucket for Describe*");
        assert_eq!(all(("1", "a"), "DescribeSnapshots"), 50, "unfiltered");
        assert_eq!(all(("1", "b"), "DescribeImages"), 100);
        assert_eq!(all(("2", "a"), "DescribeImages"), 100);
        assert_eq!(all(("1", "a"), "EnableImageDeprecation"), 50);
    }

    #[test]
    fn public_access_is_blocked_by_one_call_in_ten_seconds() {
        let mut throttle = Throttle::default();
        let mut call = |operation, second| {
            let now = SimTime::default().plus_seconds(second);
            throttle.admit(("1", "r"), Service::Ec2, operation, &Params::default(), 1.0, now)
        };
        assert!(call("EnableImageBlockPublicAccess", 0.0));
        assert!(!call("EnableSnapshotBlockPublicAccess", 1.0), "one bucket for all four");
        assert!(!call("DisableImageBlockPublicAccess", 9.0));
        assert!(call("DisableSnapshotBlockPublicAccess", 11.0));
        assert!(call("EnableEbsEncryptionByDefault", 11.0), "another bucket");
    }
}
