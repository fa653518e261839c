//! Accounts, regions, roles and keys.

use super::{Field, WHICH, field};

const PLACES: &[&str] = &[
    "unencrypted_images_of_several_accounts_and_regions_are_copied_verified_and_published",
    "an_account_that_is_taken_out_keeps_its_copies_and_hears_no_more_of_us",
];
const ROLES: &[&str] = &["accounts_that_cannot_be_reached_say_why_hold_up_nobody_and_are_migrated_when_they_can_be"];
const KEYS: &[&str] =
    &["after_a_change_of_the_key_what_has_begun_is_finished_under_the_old_one_and_the_rest_goes_under_the_new"];

/// All that an account says of itself.
const ACCOUNT: &[&str] = &[WHICH, "roleARN", "externalID", "kmsKeyID"];

pub(super) const FIELDS: &[Field] = &[
    field("accounts", ACCOUNT, PLACES, true),
    field("accounts[].accountID", ACCOUNT, PLACES, true),
    field("accounts[].externalID", &["externalID"], ROLES, false),
    field("accounts[].regions", &[WHICH, "kmsKeyID"], PLACES, false),
    field("accounts[].regions[].kmsKeyID", &["kmsKeyID"], KEYS, false),
    field("accounts[].regions[].name", &[WHICH], PLACES, false),
    field("accounts[].roleARN", &["roleARN"], ROLES, false),
    field("accounts[].roleName", &["roleARN"], ROLES, false),
    field("defaults", ACCOUNT, PLACES, false),
    field("defaults.externalID", &["externalID"], ROLES, false),
    field("defaults.regions", &[WHICH, "kmsKeyID"], PLACES, true),
    field("defaults.regions[].kmsKeyID", &["kmsKeyID"], KEYS, false),
    field("defaults.regions[].name", &[WHICH], PLACES, true),
    field("defaults.roleName", &["roleARN"], ROLES, false),
];
