//! What an audit allows.

use super::{Field, field};

const AUDITING: &[&str] = &["what_the_policy_allows_is_no_finding_and_what_goes_beyond_it_is"];
const FINDING: &[&str] = &["findings_are_counted_and_named_and_a_new_one_is_told_of_and_a_mended_one_goes"];

pub(super) const FIELDS: &[Field] = &[
    field("audit", &["audit"], FINDING, false),
    field("audit.allowedSharing", &["audit.allowedSharing"], AUDITING, false),
    field("audit.disabledChecks", &["audit.disabledChecks"], AUDITING, false),
    field("audit.maxFixAvailable", &["audit.maxFixAvailable"], AUDITING, false),
    field(
        "audit.maxFixAvailable.critical",
        &["audit.maxFixAvailable.critical"],
        AUDITING,
        false,
    ),
    field(
        "audit.maxFixAvailable.high",
        &["audit.maxFixAvailable.high"],
        AUDITING,
        false,
    ),
    field(
        "audit.maxFixAvailable.informational",
        &["audit.maxFixAvailable.informational"],
        AUDITING,
        false,
    ),
    field(
        "audit.maxFixAvailable.low",
        &["audit.maxFixAvailable.low"],
        AUDITING,
        false,
    ),
    field(
        "audit.maxFixAvailable.medium",
        &["audit.maxFixAvailable.medium"],
        AUDITING,
        false,
    ),
    field("audit.maxImageAge", &["audit.maxImageAge"], AUDITING, false),
    field("audit.maxScanAge", &["audit.maxScanAge"], AUDITING, false),
    field("audit.requiredTags", &["audit.requiredTags"], AUDITING, false),
    field("audit.trustedOwners", &["audit.trustedOwners"], AUDITING, false),
];
