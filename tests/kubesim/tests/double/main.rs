//! The double by itself: that it is deterministic, and what can be done to requests and watches.

mod requests;
mod support;
mod watches;
