//! Moving what launches an image: the writes of all services that change it, launches, and the judge of launches.

mod groups;
mod instances;
mod launches;
mod parameters;
mod people;
mod templates;

use ec2sim::Sim;

use super::support::{OTHER, world, yaml};
use super::using::STAFF;

/// The world with all that can launch an image.
fn staffed() -> Sim {
    staffed_with("")
}

/// The same, with settings.
fn staffed_with(settings: &str) -> Sim {
    world(&yaml(settings, STAFF, ""))
}

/// A simulator of the same world, in which the second access key is of the first account and may do only this.
fn restricted(allow: &str) -> Sim {
    let before = format!("{{accessKey: {OTHER}, account: \"222222222222\"}}");
    let after = format!("{{accessKey: {OTHER}, account: \"111111111111\", allow: [{allow}]}}");
    let text = yaml("", STAFF, "").replace(&before, &after);
    assert!(text.contains(&after), "the identity is in the world");
    world(&text)
}
