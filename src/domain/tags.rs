//! Tags, packed: an inventory of a hundred thousand images holds many, and reads few.

use std::collections::BTreeMap;
use std::fmt;

/// Tags of an image or snapshot, in the order of their keys.
///
/// One piece of memory holds all of them, where a map takes one for each key and each value. Changing them packs them
/// anew.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tags(
    /// Key, value, key, value, …: each as its length in bytes, seven bits at a time and the lowest first, and its text.
    Box<[u8]>,
);

impl Tags {
    /// No tags.
    pub fn new() -> Self {
        Self::default()
    }

    /// These tags. Of those with the same key the last one counts.
    pub fn of<K: AsRef<str>, V: AsRef<str>>(tags: &[(K, V)]) -> Self {
        let mut tags: Vec<(&str, &str)> = tags.iter().map(|(key, value)| (key.as_ref(), value.as_ref())).collect();
        tags.reverse();
        tags.sort_by_key(|(key, _)| *key);
        tags.dedup_by_key(|(key, _)| *key);
        packed(&tags)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of the tag with this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find_map(|(known, value)| (known == key).then_some(value))
    }

    /// Whether there is a tag with this key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || Some((take(&mut rest)?, take(&mut rest)?)))
    }

    /// The keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(key, _)| key)
    }

    /// Adds a tag, or replaces the value of the one with this key.
    pub fn insert(&mut self, key: Box<str>, value: Box<str>) {
        self.extend([(key, value)]);
    }
}

/// Takes the text that `bytes` begin with.
fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let mut length = 0;
    let mut shift = 0;
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    str::from_utf8(text).ok()
}

fn push(bytes: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    while length > 0x7f {
        bytes.push(0x80 | length.to_le_bytes()[0] & 0x7f);
        length >>= 7;
    }
    bytes.push(length.to_le_bytes()[0]);
    bytes.extend_from_slice(text.as_bytes());
}

/// Packs tags that are in the order of their keys.
fn packed(tags: &[(&str, &str)]) -> Tags {
    // Two bytes are enough for the length of every text that AWS takes.
    let size = |(key, value): &(&str, &str)| key.len() + value.len() + 4;
    let mut bytes = Vec::with_capacity(tags.iter().map(size).sum());
    for (key, value) in tags {
        push(&mut bytes, key);
        push(&mut bytes, value);
    }
    Tags(bytes.into_boxed_slice())
}

impl FromIterator<(Box<str>, Box<str>)> for Tags {
    fn from_iter<T: IntoIterator<Item = (Box<str>, Box<str>)>>(tags: T) -> Self {
        Self::of(&tags.into_iter().collect::<Vec<_>>())
    }
}

impl Extend<(Box<str>, Box<str>)> for Tags {
    fn extend<T: IntoIterator<Item = (Box<str>, Box<str>)>>(&mut self, tags: T) {
        let new: Vec<_> = tags.into_iter().collect();
        let mut all: BTreeMap<&str, &str> = self.iter().collect();
        all.extend(new.iter().map(|(key, value)| (&**key, &**value)));
        *self = packed(&all.into_iter().collect::<Vec<_>>());
    }
}

impl<const N: usize> From<[(Box<str>, Box<str>); N]> for Tags {
    fn from(tags: [(Box<str>, Box<str>); N]) -> Self {
        tags.into_iter().collect()
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packed_tags_are_those_that_a_map_would_hold(
            given in prop::collection::vec(("[a-c]{0,2}", ".{0,300}"), 0..8),
            more in prop::collection::vec(("[a-c]{0,2}", ".{0,3}"), 0..3),
        ) {
            let mut tags = Tags::of(&given);
            let mut map: BTreeMap<String, String> = given.into_iter().collect();
            prop_assert!(tags.iter().eq(map.iter().map(|(k, v)| (k.as_str(), v.as_str()))));
            for (key, value) in more {
                tags.insert(key.as_str().into(), value.as_str().into());
                map.insert(key, value);
            }
            prop_assert!(tags.iter().eq(map.iter().map(|(k, v)| (k.as_str(), v.as_str()))));
            prop_assert_eq!(tags.get("a"), map.get("a").map(String::as_str));
            prop_assert_eq!(tags.is_empty(), map.is_empty());
            prop_assert_eq!(&tags, &Tags::of(&map.into_iter().collect::<Vec<_>>()));
        }
    }
}
