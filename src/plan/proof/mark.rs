//! By what an instance that a copy is proven by is known: its client token, and its tags.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::api::LaunchStatus;
use crate::api::labels::{TAG_ATTEMPT, TAG_SOURCE_IMAGE, TAG_TIMEOUT, TAG_VALIDATES};
use crate::domain::{BlockDevice, Image, ImageId, LaunchRequest, Scope, TaggedInstance, Tags};

/// What a token is made of.
#[derive(Debug, Clone, Copy)]
struct Parts<'a> {
    scope: &'a Scope,
    source: &'a str,
    copy: &'a str,
    attempt: &'a str,
    instance_type: &'a str,
    subnet: &'a str,
    timeout: &'a str,
}

impl Parts<'_> {
    fn token(&self) -> String {
        let mut hash = Sha256::new();
        let parts = [
            "validation",
            self.scope.account.as_str(),
            self.scope.region.as_str(),
            self.source,
            self.copy,
            self.attempt,
            self.instance_type,
            self.subnet,
            self.timeout,
        ];
        for part in parts {
            hash.update(part);
            hash.update([0]);
        }
        format!("amiseal-{}", &hex::encode(hash.finalize())[..40])
    }
}

/// The client token of a launch: the same for everybody who would make it, now or after a crash.
pub fn token(scope: &Scope, source: &ImageId, launch: &LaunchStatus) -> String {
    Parts {
        scope,
        source: source.as_str(),
        copy: &launch.image_id,
        attempt: &launch.attempt.to_string(),
        instance_type: &launch.instance_type,
        subnet: &launch.subnet_id,
        timeout: &launch.timeout_seconds.to_string(),
    }
    .token()
}

/// The token that an instance must have been launched by, if its tags say the truth.
pub(super) fn token_of(scope: &Scope, instance: &TaggedInstance) -> Option<String> {
    let tag = |key| instance.tags.get(key);
    let copy = tag(TAG_VALIDATES).filter(|copy| *copy == instance.image.as_str())?;
    let parts = Parts {
        scope,
        source: tag(TAG_SOURCE_IMAGE)?,
        copy,
        attempt: tag(TAG_ATTEMPT)?,
        instance_type: &instance.instance_type,
        subnet: instance.subnet.as_deref()?,
        timeout: tag(TAG_TIMEOUT)?,
    };
    Some(parts.token())
}

/// What AWS is asked for, for what is on record. None where the copy is another one.
pub fn request(source: &ImageId, launch: &LaunchStatus, copy: &Image) -> Option<LaunchRequest> {
    if copy.id.as_str() != launch.image_id {
        return None;
    }
    // In an order that does not depend on the listing: what is asked again must be the same.
    let devices: BTreeSet<&str> = copy
        .devices
        .iter()
        .filter(|device| matches!(device, BlockDevice::Ebs { .. }))
        .map(BlockDevice::device)
        .collect();
    let (attempt, timeout) = (launch.attempt.to_string(), launch.timeout_seconds.to_string());
    Some(LaunchRequest {
        image: copy.id.clone(),
        devices: devices.into_iter().map(Into::into).collect(),
        instance_type: launch.instance_type.clone(),
        subnet: launch.subnet_id.clone(),
        security_groups: launch.security_group_ids.clone(),
        tags: Tags::of(&[
            (TAG_VALIDATES, copy.id.as_str()),
            (TAG_SOURCE_IMAGE, source.as_str()),
            (TAG_ATTEMPT, attempt.as_str()),
            (TAG_TIMEOUT, timeout.as_str()),
        ]),
        client_token: launch.client_token.clone(),
    })
}
