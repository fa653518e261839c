//! Rules of what an audit allows.

use kube::core::Rule;

use crate::api::CHECKS;

/// Owners are accounts, or what AWS calls some of them.
pub(in crate::api) fn trusted_owners() -> Rule {
    Rule::new("self.all(owner, owner.matches('^([0-9]{12}|amazon|aws-marketplace|aws-backup-vault|self)$'))").message(
        "trustedOwners must be the 12 digits of accounts, in quotes, aws-marketplace or aws-backup-vault: write for \
         example \"099720109477\"",
    )
}

/// Images are shared with accounts, organizations and their units.
pub(in crate::api) fn allowed_sharing() -> Rule {
    Rule::new(
        "self.all(with, with.matches('^([0-9]{12}|arn:aws[a-z-]*:organizations::[0-9]{12}:\
         (organization/o-[a-z0-9]+|ou/o-[a-z0-9]+/ou-[a-z0-9-]+))$'))",
    )
    .message(
        "allowedSharing must be the 12 digits of accounts, in quotes, or ARNs of organizations or of organizational \
         units: write for example \"111122223333\" or \
         arn:aws:organizations::111122223333:organization/o-a1b2c3d4e5",
    )
}

/// Checks are named by their names.
pub(in crate::api) fn check_names() -> Rule {
    let names: Vec<String> = CHECKS.iter().map(|name| format!("'{name}'")).collect();
    Rule::new(format!("self.all(check, check in [{}])", names.join(", "))).message(
        "disabledChecks must be names of checks, as status.findings and docs/findings.md have them: write for example \
         unused-image",
    )
}
