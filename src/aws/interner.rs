//! What many images and snapshots of one read have in common, kept once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aws_sdk_ec2::types as sdk;

use super::associated::AssociatedKeys;
use super::inventory::Detail;
use super::scans;
use crate::domain::{Attributes, ImageScan, KeyArn, VolumeKind};

/// What one read has come across so far.
#[derive(Debug, Default)]
pub(super) struct Interner {
    detail: Detail,
    texts: HashSet<Arc<str>>,
    attributes: HashSet<Arc<Attributes>>,
    volume_kinds: HashSet<Arc<VolumeKind>>,
    /// Of the page at hand.
    associated: Option<Arc<AssociatedKeys>>,
    /// By their texts; none for those that are no ARNs of keys.
    keys: HashMap<Box<str>, Option<KeyArn>>,
}

impl Interner {
    /// For a read that keeps this of each image.
    pub(super) fn keeping(detail: Detail) -> Self {
        Self {
            detail,
            ..Self::default()
        }
    }

    /// Begins with a page, which names these keys as associated with its snapshots.
    pub(super) fn begin_page(&mut self, associated: Option<Arc<AssociatedKeys>>) {
        self.associated = associated;
    }

    /// The keys that are associated with a snapshot of the page at hand.
    pub(super) fn associated_keys(&self, snapshot: &str) -> Vec<String> {
        let keys = self.associated.as_ref().map(|keys| keys.of(snapshot));
        keys.unwrap_or_default().to_vec()
    }

    /// Whether tags with this key are kept.
    pub(super) fn keeps_tag(&self, key: &str) -> bool {
        match &self.detail {
            Detail::Everything => true,
            Detail::OnlyTags(keys) => keys.contains(key),
        }
    }

    /// An image's description, if it is kept.
    pub(super) fn description(&self, text: Option<&str>) -> Option<Box<str>> {
        let is_kept = matches!(self.detail, Detail::Everything);
        text.filter(|text| is_kept && !text.is_empty()).map(Box::from)
    }

    /// What Amazon Inspector has found in an image, if it is kept.
    pub(super) fn scan(&self, image: &sdk::Image) -> Option<ImageScan> {
        let is_kept = matches!(self.detail, Detail::Everything);
        image.scan_results().filter(|_| is_kept).and_then(scans::project)
    }

    /// This text.
    pub(super) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        self.texts.insert(text.clone());
        text
    }

    /// This text, if there is any.
    pub(super) fn non_empty(&mut self, text: Option<&str>) -> Option<Arc<str>> {
        text.filter(|text| !text.is_empty()).map(|text| self.text(text))
    }

    /// These attributes.
    pub(super) fn attributes(&mut self, attributes: Attributes) -> Arc<Attributes> {
        if let Some(known) = self.attributes.get(&attributes) {
            return known.clone();
        }
        let attributes = Arc::new(attributes);
        self.attributes.insert(attributes.clone());
        attributes
    }

    /// This kind of volume.
    pub(super) fn volume_kind(&mut self, kind: VolumeKind) -> Arc<VolumeKind> {
        if let Some(known) = self.volume_kinds.get(&kind) {
            return known.clone();
        }
        let kind = Arc::new(kind);
        self.volume_kinds.insert(kind.clone());
        kind
    }

    /// The key with this ARN, if it is one.
    pub(super) fn key(&mut self, arn: &str) -> Option<KeyArn> {
        if let Some(known) = self.keys.get(arn) {
            return known.clone();
        }
        let key: Option<KeyArn> = arn.parse().ok();
        self.keys.insert(arn.into(), key.clone());
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_before_is_not_kept_twice() {
        let mut common = Interner::default();
        let texts = [
            common.text("/dev/xvda"),
            common.text("/dev/xvda"),
            common.text("/dev/sdf"),
        ];
        assert!(Arc::ptr_eq(&texts[0], &texts[1]));
        assert_eq!(&*texts[2], "/dev/sdf");
        assert_eq!(common.non_empty(Some("")), None);
        let attributes = || Attributes::from([("architecture", "arm64".into())]);
        assert!(Arc::ptr_eq(
            &common.attributes(attributes()),
            &common.attributes(attributes())
        ));
        let arn = "arn:aws:kms:eu-west-1:111122223333:key/1";
        assert_eq!(common.key(arn).map(String::from).as_deref(), Some(arn));
        assert_eq!((common.key("alias/ami"), common.key("alias/ami")), (None, None));
    }
}
