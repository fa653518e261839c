//! What a verified copy still lacks of its original before it can take its place.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{AMIMigrationStatus, LaunchPermissions, PromotionSettings, PublishedSettings, TagPublication};
use crate::domain::{Image, InstanceTypes, LaunchPermission, Tags};
use crate::plan::migrations;

/// AWS allows a resource this many tags.
const MAX_TAGS: usize = 50;

/// One change to the copy. Each can be repeated without harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publication {
    /// Let instances that are launched from it use version 2 of the instance metadata service only.
    ImdsV2,
    /// Let it be launched on these instance types only.
    InstanceTypes(InstanceTypes),
    /// Give it the watermark of this name.
    Seal(Box<str>),
    /// Let these launch it.
    LaunchPermissions(BTreeSet<LaunchPermission>),
    /// Give it this description.
    Description(Box<str>),
    /// Let it become deprecated then.
    Deprecation(Timestamp),
    /// Give it these tags.
    Tags(Tags),
}

/// Why a copy cannot be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// The original is public, which an encrypted image cannot be.
    Public,
    /// Original's and our own tags together are more than AWS allows.
    TooManyTags,
}

/// Whether copies of younger originals wait for the tags of this migration's copy: people pick «the newest image with this tag». Not once
/// it has what `settings` say, whatever becomes of what launches its original, and not for what a person has to see to.
pub fn is_waited_for(status: Option<&AMIMigrationStatus>, settings: &PublishedSettings) -> bool {
    status.is_none_or(|status| !migrations::is_settled(status) && status.promotion.as_ref() != Some(settings))
}

/// What is to be published. What the original forbids comes first, so that nobody can launch what it would not let them; then launch
/// permissions: nobody should find a copy by its tags that they cannot launch.
///
/// `permissions` are the original's, read just now; the copy's own are not read, as granting twice does no harm.
pub fn publications(
    source: &Image,
    copy: &Image,
    permissions: &BTreeSet<LaunchPermission>,
    settings: &PromotionSettings,
    now: Timestamp,
) -> Result<Vec<Publication>, Blocked> {
    let mut list = Vec::new();
    let requires_v2 = |image: &Image| {
        image
            .attributes
            .get("imdsSupport")
            .is_some_and(|value| &**value == "v2.0")
    };
    if requires_v2(source) && !requires_v2(copy) {
        list.push(Publication::ImdsV2);
    }
    if let Some(types) = source.instance_types()
        && copy.instance_types() != Some(types)
    {
        list.push(Publication::InstanceTypes(types.clone()));
    }
    let seal = settings.seal.as_deref().filter(|name| !is_sealed(copy, name));
    if settings.launch_permissions == LaunchPermissions::Preserve && permissions.contains(&LaunchPermission::Public) {
        return Err(Blocked::Public);
    }
    list.extend(seal.map(|name| Publication::Seal(name.into())));
    if settings.launch_permissions == LaunchPermissions::Preserve && !permissions.is_empty() {
        list.push(Publication::LaunchPermissions(permissions.clone()));
    }
    if let Some(description) = &source.description
        && copy.description.as_ref() != Some(description)
        && is_plain(description)
    {
        list.push(Publication::Description(description.clone()));
    }
    list.extend(deprecation(source, copy, now).map(Publication::Deprecation));
    if settings.tags == TagPublication::Publish {
        let tags = missing_tags(source, copy);
        if !tags.is_empty() {
            if copy.tags.keys().chain(tags.keys()).collect::<BTreeSet<_>>().len() > MAX_TAGS {
                return Err(Blocked::TooManyTags);
            }
            list.push(Publication::Tags(tags));
        }
    }
    Ok(list)
}

/// Whether an image has the watermark of its owner's with this name.
fn is_sealed(image: &Image, name: &str) -> bool {
    let key = watermark_key(image, name);
    key.is_some_and(|key| image.watermarks().iter().any(|mark| *mark.key == *key))
}

/// The key of a watermark that an image's owner puts on it, where that is known.
pub fn watermark_key(image: &Image, name: &str) -> Option<String> {
    let owner = image.owner.as_ref()?;
    Some(format!("{owner}:{name}"))
}

/// Whether EC2 takes a description in every call: signs beyond ASCII it refuses in some.
pub fn is_plain(description: &str) -> bool {
    description.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// What the copy lacks of the original since EC2 does not take it, as a sentence.
pub fn leaves_out(source: &Image, copy: &Image) -> Option<&'static str> {
    let description = source.description.as_ref()?;
    let is_missing = copy.description.as_ref() != Some(description) && !is_plain(description);
    is_missing
        .then_some("The copy lacks the original's description, of which EC2 does not take the signs beyond ASCII.")
}

/// When the copy should become deprecated, if that is not what AWS has on record.
fn deprecation(source: &Image, copy: &Image, now: Timestamp) -> Option<Timestamp> {
    let wanted = source.deprecation_time?;
    // AWS refuses a time in the past and rounds to the minute: a copy of a deprecated image is deprecated in a moment.
    let soonest = now + Duration::from_secs(120);
    match copy.deprecation_time {
        Some(set) if set == wanted || wanted <= now && set <= soonest => None,
        _ => Some(wanted.max(soonest)),
    }
}

/// The original's tags that the copy lacks.
pub fn missing_tags(source: &Image, copy: &Image) -> Tags {
    publishable_tags(source)
        .iter()
        .filter(|(key, value)| copy.tags.get(key) != Some(*value))
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

/// The tags that a copy can take over. Tags that start with `aws:` are AWS's own and cannot be written.
pub fn publishable_tags(source: &Image) -> Tags {
    source
        .tags
        .iter()
        .filter(|(key, _)| !key.starts_with("aws:") && !key.starts_with("amiseal.dev/"))
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{MigrationState, conditions};
    use crate::domain::Watermark;
    use crate::plan::testing::{account, at, image};

    fn settings(permissions: LaunchPermissions, tags: TagPublication) -> PromotionSettings {
        PromotionSettings {
            launch_permissions: permissions,
            tags,
            ..PromotionSettings::default()
        }
    }

    #[test]
    fn tags_are_waited_for_until_they_are_published_and_neither_for_what_launches_the_original_nor_for_a_person() {
        let publishes = settings(LaunchPermissions::Preserve, TagPublication::Publish).published();
        let withholds = settings(LaunchPermissions::Preserve, TagPublication::Withhold).published();
        let promoting = Some(MigrationState::Promoting);
        for (state, promotion, is_stalled, expected) in [
            (None, None, false, true),
            (Some(MigrationState::Copying), None, false, true),
            (promoting, None, false, true),
            // It was published when the policy asked for less.
            (promoting, Some(&withholds), false, true),
            // Its consumers are waited for: for a window, a turn, or AWS.
            (promoting, Some(&publishes), false, false),
            (promoting, None, true, false),
            (Some(MigrationState::Completed), Some(&withholds), false, false),
        ] {
            let mut status = AMIMigrationStatus {
                state,
                promotion: promotion.cloned(),
                ..AMIMigrationStatus::default()
            };
            let mut write = conditions::Writer {
                conditions: &mut status.conditions,
                generation: None,
                now: at(0),
            };
            let is = if is_stalled {
                conditions::Status::True
            } else {
                conditions::Status::False
            };
            write.set(conditions::STALLED, is, conditions::reason::ACCESS_DENIED, "");
            let case = format!("{state:?} {promotion:?} {is_stalled}");
            assert_eq!(is_waited_for(Some(&status), &publishes), expected, "{case}");
        }
        assert!(is_waited_for(None, &publishes));
    }

    #[test]
    fn a_description_that_ec2_does_not_take_is_left_out_and_said_to_be_unless_the_copy_has_it() {
        for (description, is_taken) in [
            ("Web build 7 (ok~!)", true),
            ("Web – build 7", false),
            ("two\nlines", false),
            ("Größe", false),
        ] {
            let mut source = image(1, 1);
            source.description = Some(description.into());
            let mut copy = image(2, 1);
            let list = publications(&source, &copy, &BTreeSet::new(), &careful(), at(0)).expect("a list");
            assert_eq!(list.len(), usize::from(is_taken), "{description}");
            assert_eq!(leaves_out(&source, &copy).is_none(), is_taken, "{description}");
            // CopyImage may have taken it.
            copy.description.clone_from(&source.description);
            assert_eq!(leaves_out(&source, &copy), None, "{description}");
        }
        assert_eq!(leaves_out(&image(1, 1), &image(2, 1)), None);
    }

    #[test]
    fn a_copy_is_sealed_once_and_before_anybody_may_launch_it() {
        let shared = BTreeSet::from([LaunchPermission::Account(account())]);
        let settings = PromotionSettings {
            seal: Some("amiseal-verified".to_owned()),
            ..careful()
        };
        let mut copy = image(2, 1);
        let list = publications(&image(1, 1), &copy, &shared, &settings, at(0)).expect("a list");
        let expected = [
            Publication::Seal("amiseal-verified".into()),
            Publication::LaunchPermissions(shared.clone()),
        ];
        assert_eq!(list, expected);
        let key = |account: &str| format!("{account}:amiseal-verified").into();
        for (account, is_sealed) in [(account().as_str(), true), ("999999999999", false)] {
            let mark = Watermark {
                key: key(account),
                attached: None,
            };
            copy.extras.get_or_insert_default().watermarks = vec![mark];
            let list = publications(&image(1, 1), &copy, &BTreeSet::new(), &settings, at(0)).expect("a list");
            assert_eq!(list.is_empty(), is_sealed, "{account}");
        }
        let public = BTreeSet::from([LaunchPermission::Public]);
        let list = publications(&image(1, 1), &image(2, 1), &public, &settings, at(0));
        assert_eq!(list, Err(Blocked::Public));
    }

    fn careful() -> PromotionSettings {
        settings(LaunchPermissions::Preserve, TagPublication::Withhold)
    }

    #[test]
    fn a_plain_copy_needs_nothing() {
        let list = publications(&image(1, 1), &image(2, 1), &BTreeSet::new(), &careful(), at(0));
        assert_eq!(list, Ok(vec![]));
    }

    #[test]
    fn launch_permissions_come_first_and_only_when_they_are_to_be_kept() {
        let mut source = image(1, 1);
        source.description = Some("web".into());
        let shared = BTreeSet::from([LaunchPermission::Account(account())]);
        let list = publications(&source, &image(2, 1), &shared, &careful(), at(0));
        assert_eq!(
            list,
            Ok(vec![
                Publication::LaunchPermissions(shared.clone()),
                Publication::Description("web".into())
            ])
        );
        let dropped = settings(LaunchPermissions::Drop, TagPublication::Withhold);
        let list = publications(&source, &image(2, 1), &shared, &dropped, at(0));
        assert_eq!(list, Ok(vec![Publication::Description("web".into())]));
    }

    #[test]
    fn a_copy_that_has_lost_what_its_original_requires_of_the_metadata_service_gets_it_before_anybody_can_launch_it() {
        let hardened = |number| {
            let mut image = image(number, 1);
            std::sync::Arc::make_mut(&mut image.attributes).insert("imdsSupport", "v2.0".into());
            image
        };
        let shared = BTreeSet::from([LaunchPermission::Account(account())]);
        let list = |source: &Image, copy: &Image| publications(source, copy, &shared, &careful(), at(0));
        let permissions = Publication::LaunchPermissions(shared.clone());
        assert_eq!(
            list(&hardened(1), &image(2, 1)),
            Ok(vec![Publication::ImdsV2, permissions.clone()])
        );
        // It cannot be taken back, and nobody asks for that.
        for (source, copy) in [(hardened(1), hardened(2)), (image(1, 1), hardened(2))] {
            assert_eq!(list(&source, &copy), Ok(vec![permissions.clone()]));
        }
    }

    #[test]
    fn a_copy_can_be_launched_on_the_instance_types_that_its_original_can() {
        let restricted = |number, supported: &str| {
            let mut image = image(number, 1);
            image.extras = Some(Box::new(crate::domain::Extras {
                instance_types: Some(InstanceTypes {
                    supported: BTreeSet::from([supported.into()]),
                    unsupported: BTreeSet::new(),
                }),
                ..crate::domain::Extras::default()
            }));
            image
        };
        let list = |source: &Image, copy: &Image| publications(source, copy, &BTreeSet::new(), &careful(), at(0));
        let wanted = restricted(1, "t3.*");
        let types = Publication::InstanceTypes(wanted.instance_types().expect("types").clone());
        for copy in [image(2, 1), restricted(2, "m7i.*")] {
            assert_eq!(list(&wanted, &copy), Ok(vec![types.clone()]));
        }
        // What somebody has come to restrict the copy to stays where the original is not restricted.
        for (source, copy) in [
            (wanted.clone(), restricted(2, "t3.*")),
            (image(1, 1), restricted(2, "t3.*")),
        ] {
            assert_eq!(list(&source, &copy), Ok(vec![]));
        }
    }

    #[test]
    fn a_public_original_is_an_obstacle() {
        let public = BTreeSet::from([LaunchPermission::Public]);
        let list = publications(&image(1, 1), &image(2, 1), &public, &careful(), at(0));
        assert_eq!(list, Err(Blocked::Public));
    }

    #[test]
    fn the_deprecation_time_is_kept_and_one_in_the_past_becomes_soon() {
        let lists = |wanted, set: Option<i64>| {
            let (mut source, mut copy) = (image(1, 1), image(2, 1));
            source.deprecation_time = Some(at(wanted));
            copy.deprecation_time = set.map(at);
            publications(&source, &copy, &BTreeSet::new(), &careful(), at(1000)).expect("no obstacle")
        };
        assert_eq!(lists(5000, None), [Publication::Deprecation(at(5000))]);
        assert_eq!(lists(5000, Some(4000)), [Publication::Deprecation(at(5000))]);
        assert_eq!(lists(5000, Some(5000)), []);
        assert_eq!(lists(10, None), [Publication::Deprecation(at(1120))]);
        assert_eq!(lists(10, Some(900)), []);
    }

    #[test]
    fn tags_are_published_only_when_asked_and_never_those_of_aws_or_ours() {
        let mut source = image(1, 1);
        for key in ["team", "aws:backup:x", "amiseal.dev/exempt"] {
            source.tags.insert(key.into(), "1".into());
        }
        let publish = settings(LaunchPermissions::Preserve, TagPublication::Publish);
        let list = publications(&source, &image(2, 1), &BTreeSet::new(), &publish, at(0));
        assert_eq!(
            list,
            Ok(vec![Publication::Tags(Tags::from([("team".into(), "1".into())]))])
        );
        assert_eq!(
            publications(&source, &image(2, 1), &BTreeSet::new(), &careful(), at(0)),
            Ok(vec![])
        );
        for n in 0..MAX_TAGS {
            source.tags.insert(format!("t{n}").into(), "1".into());
        }
        let list = publications(&source, &image(2, 1), &BTreeSet::new(), &publish, at(0));
        assert_eq!(list, Err(Blocked::TooManyTags));
    }
}
