//! Instances that copies are proven by.

use jiff::Timestamp;

use super::{ImageId, Tags};

/// An instance to be launched from a copy, to see whether that works. It gets no public address, no user data, no key pair and no
/// role, has to use IMDSv2, and goes with all of its volumes when it is shut down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchRequest {
    /// The copy.
    pub image: ImageId,
    /// The devices of its volumes, all of which are to go with the instance.
    pub devices: Vec<Box<str>>,
    /// The instance's type.
    pub instance_type: String,
    /// The subnet.
    pub subnet: String,
    /// The security groups; none for the default one.
    pub security_groups: Vec<String>,
    /// Tags for the instance, its volumes and its network interface.
    pub tags: Tags,
    /// Makes the call safe to repeat; up to 64 ASCII characters.
    pub client_token: String,
}

/// By what an instance is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceRef {
    /// Its ID.
    Id(Box<str>),
    /// The client token that it was launched by.
    Token(Box<str>),
}

/// What AWS shows of an instance just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceNow {
    /// There is none, or it does not show yet.
    Gone,
    /// It is there.
    There {
        /// Its ID.
        id: Box<str>,
        /// Its state.
        state: InstanceState,
        /// Why it is in that state, in AWS's words, where it says so.
        reason: Option<Box<str>>,
        /// Its status checks, where it is running.
        checks: Option<Checks>,
    },
}

/// The states of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    /// It is being launched.
    Pending,
    /// It runs.
    Running,
    /// It is stopped, or about to be.
    Stopped,
    /// It is being terminated.
    ShuttingDown,
    /// It is terminated.
    Terminated,
}

/// EC2's status checks of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    /// They have not come to an end.
    Initializing,
    /// Both have passed.
    Ok,
    /// The one of the instance has failed: its system does not answer.
    InstanceImpaired,
    /// The one of the machine that it runs on has failed.
    SystemImpaired,
}

/// An instance that has the tag of those that copies are proven by. Anybody can write a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedInstance {
    /// Its ID.
    pub id: Box<str>,
    /// The image that it was launched from.
    pub image: ImageId,
    /// Its type.
    pub instance_type: Box<str>,
    /// Its subnet.
    pub subnet: Option<Box<str>>,
    /// The client token that it was launched by. Nobody can change it.
    pub client_token: Option<Box<str>>,
    /// When it was launched.
    pub launched: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
}
