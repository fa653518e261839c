//! Rules of what proves a copy. Its timeouts are with the other times.

use kube::core::Rule;

/// An instance is launched on a type of EC2's.
pub(in crate::api) fn instance_type() -> Rule {
    Rule::new("self.matches('^[a-z0-9-]+[.][a-z0-9-]+$')")
        .message("instanceType must be the name of an instance type: write for example t3.nano")
}

/// A subnet's ID has its form.
pub(in crate::api) fn subnet_id() -> Rule {
    Rule::new("self.matches('^subnet-([0-9a-f]{8}|[0-9a-f]{17})$')")
        .message("subnetID must be the ID of a subnet: write for example subnet-0123456789abcdef0")
}

/// Security groups are named by their IDs.
pub(in crate::api) fn security_group_ids() -> Rule {
    Rule::new("self.all(id, id.matches('^sg-([0-9a-f]{8}|[0-9a-f]{17})$'))")
        .message("securityGroupIDs must be IDs of security groups: write for example sg-0123456789abcdef0")
}

/// A CronJob's name has its form.
pub(in crate::api) fn cron_job_name() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')")
        .message("cronJob must be the name of a CronJob in the namespace of amiseal: write for example scan-image")
}
