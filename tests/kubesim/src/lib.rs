//! A double of the Kubernetes API server for deterministic simulation.
//!
//! [`ApiServer`] keeps its objects in memory and does nothing by itself: time comes from a clock that it is given, UIDs
//! from a seed, and the garbage collector runs when it is told to. One sequence of requests gives one sequence of answers,
//! down to the byte. [`ApiServer::client`] is a real `kube::Client` that talks to it without a network.
//!
//! Every request is in the [journal](ApiServer::journal), every version of every object in the
//! [history](ApiServer::history). [`on_request`](ApiServer::on_request) decides what becomes of each request,
//! [`on_event`](ApiServer::on_event) of each event of a watch.
//!
//! It knows nothing of the program under test. What it does is held against the real API server by its conformance
//! test; what it does not do is answered with 501 and a sentence. The rules of CEL, patterns and bounds of a schema are
//! not judged: types, required fields and enumerations are.

mod direct;
mod failure;
mod faults;
mod fields;
mod journal;
mod kinds;
mod managed;
mod object;
mod read;
mod remove;
mod request;
mod schema;
mod server;
mod service;
mod store;
mod typed;
mod watch;
mod write;

pub use failure::Failure;
pub use faults::{Break, Delivery, Effect, EventInfo, RequestInfo, Verdict};
pub use journal::Entry;
pub use request::Verb;
pub use server::ApiServer;
pub use service::ApiService;
pub use store::{Change, Version};
