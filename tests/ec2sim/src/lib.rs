//! A simulator of the parts of AWS that image tools use: EC2 images and snapshots, KMS keys, STS roles, all that can launch
//! an image, the accounts of organizations, and queues that are told of what changes.
//!
//! It speaks the wire protocols, so that any AWS SDK drives it over HTTP, and it can also be called in-process as a
//! function from request to response: [`Sim::handle`]. The world comes from a YAML file that says what exists and
//! what should come of it; [`Sim::audit`] judges.

mod audit;
mod autoscaling;
mod batch;
mod clock;
mod cloudtrail;
mod control;
mod default_key;
mod ec2;
mod eks;
mod engine;
mod events;
mod faults;
mod glob;
mod iam;
mod imagebuilder;
mod inspector2;
mod journal;
mod kms;
mod launches;
mod launching;
pub mod model;
mod organizations;
mod owner;
mod paging;
mod pattern;
mod planned;
mod server;
pub mod spec;
mod sqs;
mod ssm;
mod sts;
mod throttle;
mod truth;
mod wire;

pub use audit::{Check, Finding, Report, Totals};
pub use clock::{Clock, RealTime, SimTime, SystemTime};
pub use control::{ConsumerChange, Edit, EditError};
pub use engine::{Directive, Sim};
pub use faults::{Act, AttributeLie, Failure, FaultRule};
pub use journal::Call;
pub use launches::Launch;
pub use owner::OwnerAct;
pub use server::{Server, until_stopped};
pub use spec::{SpecError, WorldSpec};
pub use truth::{Consumer, ConsumerKind};
pub use wire::Service;
