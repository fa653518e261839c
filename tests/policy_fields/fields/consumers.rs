//! Who uses images, and when nobody does.

use super::{Field, field};

const USING: &[&str] = &["who_uses_the_images_is_counted_and_named_and_what_the_policy_asks_for_besides_is_read_too"];
const UNUSED: &[&str] = &["an_image_is_unused_where_everything_was_read_and_nobody_uses_it_here_or_elsewhere"];

pub(super) const FIELDS: &[Field] = &[
    field("consumers", &["consumers"], USING, false),
    field("consumers.ownedBy", &["consumers.ownedBy"], USING, false),
    field("consumers.parameters", &["consumers.parameters"], USING, false),
    field("consumers.read", &["consumers.read"], USING, false),
    field(
        "consumers.usageReports",
        &["consumers.usageReports"],
        &["what_accounts_use_that_no_policy_names_is_asked_of_aws_where_the_policy_wants_that"],
        false,
    ),
    field("unused", &["unused"], UNUSED, false),
    field("unused.after", &["unused.after"], UNUSED, false),
];
