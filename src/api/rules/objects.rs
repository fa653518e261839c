//! Rules of an object as a whole: its name, and what cannot change.

use kube::core::Rule;

/// A policy's name fits into a label and into a role session name.
pub(in crate::api) fn policy_name() -> Rule {
    Rule::new("size(self.metadata.name) <= 56").message(
        "metadata.name must have at most 56 characters, since it becomes part of labels and role session names: \
         choose a shorter one",
    )
}

/// A target's name says what it is of.
pub(in crate::api) fn target_name() -> Rule {
    Rule::new("self.metadata.name == self.spec.policy + '.' + self.spec.accountID + '.' + self.spec.region").message(
        "metadata.name must be spec.policy, spec.accountID and spec.region with dots between them: amiseal writes \
         targets, so change the policy instead",
    )
}

/// A migration's name says what it is of.
pub(in crate::api) fn migration_name() -> Rule {
    Rule::new(
        "self.metadata.name == self.spec.sourceImageID + '.' + self.spec.region + \
         (has(self.spec.ownerAccountID) ? '.' + self.spec.accountID : '')",
    )
    .message(
        "metadata.name must be spec.sourceImageID and spec.region with a dot between them, and spec.accountID after \
         another one where spec.ownerAccountID is set: amiseal writes migrations, so change the policy instead",
    )
}

/// A field that is part of what an object is, and so of its name.
pub(in crate::api) fn fixed(field: &str) -> Rule {
    Rule::new("self == oldSelf").message(
        format!(
            "{field} says which target this is and cannot change: amiseal writes targets, so change the policy instead"
        )
        .as_str(),
    )
}

/// What a migration is about is said once. What people decide about it may change.
pub(in crate::api) fn migration_is_fixed() -> Rule {
    let fixed = ["policy", "accountID", "region", "sourceImageID", "keyARN"];
    let same = fixed.map(|field| format!("self.{field} == oldSelf.{field}"));
    let same_owner = "(has(self.ownerAccountID) ? has(oldSelf.ownerAccountID) && self.ownerAccountID == oldSelf.ownerAccountID : \
                      !has(oldSelf.ownerAccountID))";
    Rule::new(format!("{} && {same_owner}", same.join(" && "))).message(
        "of spec only approval, approvedBy and desired can change: delete the migration, which deletes nothing in AWS, and amiseal makes it \
         again as the policy now asks",
    )
}
