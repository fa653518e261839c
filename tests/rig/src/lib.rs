//! Real parts to test against: a Kubernetes control plane on loopback, and processes that never outlive their test.
//!
//! [`ControlPlane::start`] runs etcd, kube-apiserver and kube-controller-manager (garbage collector, Jobs) within
//! seconds, with TLS, RBAC and an audit log from which the writes of each client are counted. [`shared`] starts one per
//! test binary. [`Process`] runs a program, such as the [`controller`] itself, with its output captured; a [`Relay`] stands
//! between two programs and refuses or holds what they say. [`Objects`] are what a user sees of the controller's work.
//!
//! Nothing is left running: not after a panic, not after SIGKILL, and not by a `static` that is never dropped. See
//! [`watchdog`] for how.

mod audit;
mod chart;
mod control_plane;
mod controller;
mod http;
mod kubeconfig;
mod manifests;
mod metrics;
mod objects;
mod pki;
mod process;
mod relay;
mod rights;
mod screen;
mod settled;
mod store;
pub mod tools;
pub mod watchdog;

pub use audit::{AuditEvent, WriteCounts, WriteKind};
pub use chart::chart_directory;
pub use control_plane::{Component, ControlPlane, Options, shared};
pub use controller::controller;
pub use http::http_get;
pub use metrics::{Sample, read_metrics};
pub use objects::{Object, Objects};
pub use process::{Process, ProcessBuilder, peak_memory, poll_until};
pub use relay::{Relay, Way};
pub use rights::{Rights, rights_of, without};
pub use screen::{Screen, aligned};
pub use settled::unsettled;
