//! Things by key, whose coming, changing and going show late.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::Lagged;
use crate::clock::SimTime;

/// Things by key.
#[derive(Clone, Debug)]
pub struct Shelf<T>(BTreeMap<String, Lagged<Option<T>>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Clone> Shelf<T> {
    /// Puts a thing there, in the place of what was; readers see it from `visible_at` on.
    pub fn put(&mut self, key: &str, value: T, now: SimTime, visible_at: SimTime) {
        self.0
            .entry(key.to_owned())
            .or_insert_with(|| Lagged::new(None))
            .set(Some(value), now, visible_at);
    }

    /// Takes a thing away; readers see it until `visible_at`. Says whether it was there.
    pub fn remove(&mut self, key: &str, now: SimTime, visible_at: SimTime) -> bool {
        match self.0.get_mut(key) {
            Some(entry) if entry.current().is_some() => {
                entry.set(None, now, visible_at);
                true
            }
            _ => false,
        }
    }

    /// A thing as it is.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.0.get(key)?.current().as_ref()
    }

    /// A thing as a reader sees it.
    pub fn get_seen(&self, key: &str, now: SimTime) -> Option<&T> {
        self.0.get(key)?.seen(now).as_ref()
    }

    /// All things as they are.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0
            .iter()
            .filter_map(|(key, entry)| Some((key.as_str(), entry.current().as_ref()?)))
    }

    /// All things as a reader sees them.
    pub fn seen(&self, now: SimTime) -> impl Iterator<Item = (&str, &T)> {
        self.0
            .iter()
            .filter_map(move |(key, entry)| Some((key.as_str(), entry.seen(now).as_ref()?)))
    }
}

impl<T: Clone + Serialize> Serialize for Shelf<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}
