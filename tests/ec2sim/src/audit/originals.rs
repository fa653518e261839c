//! Checks of what was there before: is it as it was.

use super::{Check, Judge};
use crate::model::Image;

/// Runs all checks of originals.
pub(super) fn check(judge: &mut Judge<'_>) {
    let originals: Vec<&Image> = judge.originals().collect();
    for image in originals {
        let Some(before) = image.baseline.as_deref() else {
            continue;
        };
        let may = |judge: &Judge<'_>, operations: &[&str]| {
            operations
                .iter()
                .any(|op| judge.is_allowed(op, &image.id, &image.owner, &image.region))
        };
        if !image.exists() && before.exists() {
            if !may(judge, &["DeregisterImage"]) {
                judge.find(Check::OriginalGone, image, "was deregistered");
            }
            continue;
        }
        if image.state != before.state {
            judge.find(
                Check::OriginalGone,
                image,
                format!("is {}, was {}", image.state.as_str(), before.state.as_str()),
            );
        }
        let modify = &["ModifyImageAttribute"][..];
        for (what, changed, operations) in [
            (
                "tags",
                image.tags.current() != before.tags.current(),
                &["CreateTags", "DeleteTags"][..],
            ),
            (
                "launch permissions",
                image.launch_permissions.current() != before.launch_permissions.current(),
                modify,
            ),
            (
                "description",
                image.description.current() != before.description.current(),
                modify,
            ),
            (
                "attributes",
                image.attributes != before.attributes,
                &["ModifyImageAttribute", "ReplaceImageInstanceTypeSpecification"][..],
            ),
            (
                "deprecation time",
                image.deprecation_time.current() != before.deprecation_time.current(),
                &["EnableImageDeprecation", "DisableImageDeprecation"][..],
            ),
        ] {
            if changed && !may(judge, operations) {
                judge.find(Check::OriginalChanged, image, format!("its {what} were changed"));
            }
        }
    }
}
