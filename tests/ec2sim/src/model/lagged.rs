//! A value whose changes show late.

use serde::{Serialize, Serializer};

use crate::clock::SimTime;

/// A value, and what is still shown in its place until a later time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lagged<T> {
    current: T,
    shown: Option<(T, SimTime)>,
}

impl<T: Clone> Lagged<T> {
    /// A value that shows as it is.
    pub const fn new(current: T) -> Self {
        Self { current, shown: None }
    }

    /// The value as it is.
    pub const fn current(&self) -> &T {
        &self.current
    }

    /// The value as a reader sees it.
    pub fn seen(&self, now: SimTime) -> &T {
        match &self.shown {
            Some((old, until)) if now < *until => old,
            _ => &self.current,
        }
    }

    /// Changes the value; readers see what they saw before, until `visible_at`.
    pub fn set(&mut self, value: T, now: SimTime, visible_at: SimTime) {
        let before = self.seen(now).clone();
        self.shown = (visible_at > now).then_some((before, visible_at));
        self.current = value;
    }
}

impl<T: Serialize> Serialize for Lagged<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.current.serialize(serializer)
    }
}
