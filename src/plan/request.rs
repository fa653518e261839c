//! What AWS is asked for to make a copy, the same in the call itself and where it is asked first whether that is permitted.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::naming::CopyIdentity;
use super::promote;
use crate::api::labels::{TAG_ATTEMPT, TAG_SOURCE_IMAGE};
use crate::api::{AMIEncryptionTargetSpec, TagPublication};
use crate::domain::{CopySample, Image, ImageId, KeyArn, Scope, Tags};

/// How many images are asked about where the first gives no clear answer.
const SAMPLES: usize = 3;

/// The tags of a copy and its snapshots: those that the policy asks for, and those that mark it as ours.
pub fn tags(extra: &BTreeMap<String, String>, source: &ImageId, attempt: u32) -> Tags {
    let mut tags: Tags = extra
        .iter()
        .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
        .collect();
    tags.insert(TAG_SOURCE_IMAGE.into(), source.as_str().into());
    tags.insert(TAG_ATTEMPT.into(), attempt.to_string().into());
    tags
}

/// A few of `images`, which are to be copied, as AWS is going to be asked for them. What a role may do can depend on an image's
/// tags: after the first come those whose tags differ.
pub fn samples<'i>(
    images: impl Iterator<Item = &'i Arc<Image>>,
    spec: &AMIEncryptionTargetSpec,
    scope: &Scope,
    key: Option<&KeyArn>,
) -> Vec<CopySample> {
    let mut chosen: Vec<&Arc<Image>> = Vec::new();
    let mut alike: Vec<&Arc<Image>> = Vec::new();
    for image in images {
        if chosen.iter().all(|other| other.tags != image.tags) {
            chosen.push(image);
        } else if alike.len() < SAMPLES {
            alike.push(image);
        }
        if chosen.len() == SAMPLES {
            break;
        }
    }
    chosen.extend(alike);
    chosen.truncate(SAMPLES);
    let sample = |source: &Arc<Image>| {
        let of = key.map(|key| CopyIdentity {
            scope: scope.clone(),
            source: source.id.clone(),
            key: key.clone(),
        });
        let name = of.map_or_else(
            || format!("amiseal-dry-run-{}", source.id),
            |of| of.copy_name(&spec.copy.name_pattern, &source.name, 1),
        );
        let description = source.description.clone();
        CopySample {
            name,
            description: description.filter(|text| promote::is_plain(text)),
            tags: tags(&spec.copy.extra_tags, &source.id, 1),
            published: match spec.promotion.tags {
                TagPublication::Publish => promote::publishable_tags(source),
                TagPublication::Withhold => Tags::new(),
            },
            source: source.clone(),
        }
    };
    chosen.into_iter().map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{image, image_id, key, scope};

    fn spec() -> AMIEncryptionTargetSpec {
        serde_json::from_value(serde_json::json!({
            "policy": "p", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami", "mode": "Enforce",
            "scanInterval": "15m", "otherKey": "Report", "promotion": {"tags": "Publish"},
            "copy": {
                "namePattern": "{name}", "maxConcurrentSnapshots": 20, "maxAttempts": 3,
                "extraTags": {"cost-center": "12"},
            },
        }))
        .expect("a target")
    }

    fn tagged(number: u64, team: &str) -> Arc<Image> {
        let mut image = image(number, 1);
        image.tags = Tags::of(&[("team", team), ("aws:x", "y")]);
        Arc::new(image)
    }

    #[test]
    fn what_is_asked_first_is_what_is_asked_for_with_all_tags_key_and_description() {
        let mut source = image(1, 1);
        source.description = Some("what it is".into());
        source.tags = Tags::of(&[("team", "shop"), ("aws:x", "y")]);
        let source = Arc::new(source);
        let samples = samples([&source].into_iter(), &spec(), &scope(), Some(&key(1)));
        let [sample] = &samples[..] else { panic!("{samples:?}") };
        assert_eq!(sample.tags, tags(&spec().copy.extra_tags, &source.id, 1));
        let expected = Tags::of(&[
            ("cost-center", "12"),
            (TAG_SOURCE_IMAGE, source.id.as_str()),
            (TAG_ATTEMPT, "1"),
        ]);
        assert_eq!(sample.tags, expected);
        assert_eq!(sample.description.as_deref(), Some("what it is"));
        assert_eq!(sample.published, Tags::of(&[("team", "shop")]));
        assert!(sample.name.starts_with("web-1-"), "{}", sample.name);
    }

    #[test]
    fn those_whose_tags_differ_are_asked_about_before_those_that_are_like_the_first() {
        let images = [tagged(1, "a"), tagged(2, "a"), tagged(3, "a"), tagged(4, "b")];
        let samples = samples(images.iter(), &spec(), &scope(), None);
        let ids: Vec<_> = samples.iter().map(|sample| sample.source.id.clone()).collect();
        assert_eq!(ids, [image_id(1), image_id(4), image_id(2)]);
    }
}
