//! An image that an event says to be available: a new one, a copy that amiseal has made, or one that is back.

use std::time::Duration;

use jiff::Timestamp;

use super::What;
use crate::api::conditions::reason;
use crate::api::{AMIMigration, AMIMigrationStatus};
use crate::domain::{ImageId, ImageState};

/// An event comes within this time: an original with an older migration was there before, and is available once more.
const COMES_WITHIN: Duration = Duration::from_secs(15 * 60);
/// What is said where an image cannot be launched that can be again once somebody has enabled or restored it.
const UNTIL_IT_IS_BACK: [&str; 3] = [
    reason::IMAGE_DISABLED,
    reason::COPY_DISABLED,
    reason::PROMOTED_COPY_GONE,
];

/// What is to be looked at for an image that is available by now. A look for new images shows none that is back, so that it takes a scan.
/// Nothing, where it is a copy that a migration has asked for: that sees it by itself. `known` is what scans have shown of the image,
/// as far as this process knows, and `migrations` are those of its account and region.
pub fn of_available<'m>(
    image: &ImageId,
    known: Option<ImageState>,
    migrations: impl IntoIterator<Item = &'m AMIMigration>,
    now: Timestamp,
) -> Option<What> {
    if matches!(known, Some(ImageState::Disabled | ImageState::Deregistered)) {
        return Some(What::Images);
    }
    let mut is_copy = false;
    for migration in migrations {
        let status = migration.status.as_ref();
        let copy = status.and_then(|status| status.copy.as_ref()?.image_id.as_deref());
        let is_copy_of_this = copy == Some(image.as_str());
        let is_original = migration.spec.source_image_id == image.as_str();
        let is_missed = (is_copy_of_this || is_original) && status.is_some_and(is_waited_for);
        if is_missed || is_original && is_of_long_ago(migration, now) {
            return Some(What::Images);
        }
        is_copy |= is_copy_of_this;
    }
    (!is_copy).then_some(What::NewImages)
}

/// Whether a migration says that its original or its copy cannot be launched, or that one of them is no more.
fn is_waited_for(status: &AMIMigrationStatus) -> bool {
    let mut conditions = status.conditions.iter();
    status.source_gone_time.is_some() || conditions.any(|said| UNTIL_IT_IS_BACK.contains(&said.reason.as_str()))
}

fn is_of_long_ago(migration: &AMIMigration, now: Timestamp) -> bool {
    let created = migration.metadata.creation_timestamp.as_ref();
    created.is_some_and(|created| now.duration_since(created.0).as_secs_f64() >= COMES_WITHIN.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::conditions::{STALLED, Status, Writer};
    use crate::api::{AMIMigrationSpec, CopyStatus};
    use crate::plan::testing::{at, image_id};

    const NOW: i64 = 100_000;

    /// A migration of image 1, with the copy 2, that was made so long ago and is stalled for this.
    fn migration(age: i64, why: Option<&str>, is_gone: bool) -> AMIMigration {
        let spec = AMIMigrationSpec {
            source_image_id: image_id(1).to_string(),
            ..AMIMigrationSpec::default()
        };
        let mut status = AMIMigrationStatus {
            copy: Some(CopyStatus {
                attempt: 1,
                failures: None,
                client_token: "token".to_owned(),
                name: "web-encrypted".to_owned(),
                image_id: Some(image_id(2).to_string()),
                requested_at: None,
            }),
            source_gone_time: is_gone.then(|| Time(at(NOW - 10))),
            ..AMIMigrationStatus::default()
        };
        let mut writer = Writer {
            conditions: &mut status.conditions,
            generation: None,
            now: at(NOW),
        };
        if let Some(why) = why {
            writer.set(STALLED, Status::True, why, "");
        }
        let mut migration = AMIMigration::new("m", spec);
        migration.metadata.creation_timestamp = Some(Time(at(NOW - age)));
        migration.status = Some(status);
        migration
    }

    #[test]
    fn an_image_that_is_back_leads_to_a_scan_a_new_one_to_a_look_and_a_copy_of_amiseals_own_to_nothing() {
        use ImageState::{Available, Deregistered, Disabled, Pending};
        let scan = Some(What::Images);
        let look = Some(What::NewImages);
        let (old, new) = (3600, 60);
        for (image, known, age, why, is_gone, expected) in [
            // It is on no record.
            (3, None, old, None, false, look),
            (3, Some(Pending), old, None, false, look),
            (3, Some(Available), old, None, false, look),
            (3, Some(Disabled), old, None, false, scan),
            (3, Some(Deregistered), old, None, false, scan),
            (3, None, old, Some(reason::COPY_DISABLED), true, look),
            // It is a copy, in the making or done.
            (2, None, new, None, false, None),
            (2, Some(Pending), new, None, false, None),
            (2, Some(Available), old, None, false, None),
            (2, None, old, Some(reason::ACCESS_DENIED), false, None),
            (2, Some(Disabled), old, None, false, scan),
            (2, None, old, Some(reason::COPY_DISABLED), false, scan),
            (2, Some(Available), new, Some(reason::PROMOTED_COPY_GONE), false, scan),
            // It is an original, of which the event that it is new may have come late.
            (1, Some(Available), new, None, false, look),
            (1, None, old, None, false, scan),
            (1, None, new, Some(reason::IMAGE_DISABLED), false, scan),
            (1, None, new, None, true, scan),
        ] {
            let migrations = [migration(age, why, is_gone)];
            let what = of_available(&image_id(image), known, &migrations, at(NOW));
            assert_eq!(what, expected, "{image} {known:?} {age} {why:?} {is_gone}");
        }
        assert_eq!(of_available(&image_id(1), None, [], at(NOW)), look);
    }
}
