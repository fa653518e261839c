//! Rules of roles.

use kube::core::Rule;

use super::regions::partition_of;

/// A role's ARN has its form.
pub(in crate::api) fn role_arn() -> Rule {
    Rule::new(r"self.matches('^arn:aws[a-z-]*:iam::[0-9]{12}:role/[a-zA-Z0-9_+=,.@/-]+$')")
        .message("roleARN must be the ARN of an IAM role: write for example arn:aws:iam::111122223333:role/amiseal")
}

/// A role's name, with its path, is not an ARN and has no slash at either end.
pub(in crate::api) fn role_name() -> Rule {
    Rule::new("self.matches('^([a-zA-Z0-9_+=,.@-]+/)*[a-zA-Z0-9_+=,.@-]+$')").message(
        "roleName must be the name of an IAM role, after its path if it has one: write for example amiseal or \
         teams/amiseal, and an ARN into roleARN",
    )
}

/// An external ID has the signs that STS takes.
pub(in crate::api) fn external_id() -> Rule {
    Rule::new("self.matches('^[a-zA-Z0-9_+=,.@:/-]*$') && size(self) >= 2").message(
        "externalID must have at least 2 characters, which may be letters, digits and _+=,.@:/-: write it as the \
         role's trust policy has it",
    )
}

/// An account's role is that account's.
pub(in crate::api) fn role_of_account() -> Rule {
    Rule::new(
        "!has(self.roleARN) || !self.roleARN.contains(':role/') || \
         self.roleARN.contains(':iam::' + self.accountID + ':role/')",
    )
    .message("roleARN must be a role of the account that accountID names: correct one of the two")
    .field_path(".roleARN")
}

/// An account names its role in one way.
pub(in crate::api) fn one_role() -> Rule {
    Rule::new("!has(self.roleARN) || !has(self.roleName)")
        .message("roleName and roleARN exclude each other: remove one of the two")
        .field_path(".roleName")
}

/// An account's role is of the partition of its regions.
pub(in crate::api) fn role_of_partition() -> Rule {
    let partition = partition_of("r.name");
    Rule::new(format!(
        "!has(self.roleARN) || !has(self.regions) || \
         self.regions.all(r, self.roleARN.startsWith('arn:' + {partition} + ':'))"
    ))
    .message(
        "roleARN must be of the partition that the account's regions are in: begin it with arn:aws-cn: for the \
         regions cn-*, with arn:aws-us-gov: for us-gov-*, and with arn:aws: for most others",
    )
    .field_path(".roleARN")
}

/// A role that is given for an account is of the partition of the regions that it takes from the defaults.
pub(in crate::api) fn role_of_default_partition() -> Rule {
    let partition = partition_of("r.name");
    Rule::new(format!(
        "!has(self.defaults) || !has(self.defaults.regions) || !has(self.accounts) || \
         self.accounts.all(a, !has(a.roleARN) || \
         has(a.allRegions) || (has(a.regions) && size(a.regions) > 0) || \
         self.defaults.regions.all(r, a.roleARN.startsWith('arn:' + {partition} + ':')))"
    ))
    .message(
        "defaults.regions must be of the partition of every role whose account has no regions of its own: give those \
         accounts their own regions, or correct their roleARN",
    )
    .field_path(".defaults.regions")
}
