//! The pages that the server was asked for: when, and how they stand against AWS's limits.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

/// What the server notes.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<(Option<Instant>, Vec<Call>)>);

/// One page, in seconds since the first one was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) list: String,
    pub(crate) asked: f64,
    /// When the answer was ready.
    pub(crate) answered: f64,
}

impl Calls {
    /// Notes that a page was asked for. Gives its number.
    pub(crate) fn begin(&self, list: &str) -> usize {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = calls.0.get_or_insert_with(Instant::now).elapsed().as_secs_f64();
        calls.1.push(Call {
            list: list.to_owned(),
            asked,
            answered: asked,
        });
        calls.1.len() - 1
    }

    /// Notes that it was answered.
    pub(crate) fn end(&self, number: usize) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(answered) = calls.0.map(|first| first.elapsed().as_secs_f64()) else {
            return;
        };
        if let Some(call) = calls.1.get_mut(number) {
            call.answered = answered;
        }
    }

    /// All of them, and begins anew.
    pub(crate) fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).1
    }
}

/// A bucket of tokens: how many it holds, and how many come back in a second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) capacity: f64,
    pub(crate) refill: f64,
}

impl Bucket {
    /// By how many calls a full bucket was overdrawn at most.
    pub(crate) fn overdrawn(self, times: impl IntoIterator<Item = f64>) -> f64 {
        let (mut tokens, mut last, mut most) = (self.capacity, 0.0, 0.0_f64);
        for time in times {
            tokens = (tokens + (time - last) * self.refill).min(self.capacity) - 1.0;
            last = time;
            most = most.max(-tokens);
        }
        most
    }

    /// The least time until so many calls are sent, when the bucket is full at first.
    pub(crate) fn seconds(self, calls: f64) -> f64 {
        ((calls - self.capacity) / self.refill).max(0.0)
    }
}
