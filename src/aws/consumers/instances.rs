//! Instances, those included that services manage and hide.

use aws_sdk_ec2::types::{Filter, Instance, InstanceStateName};

use super::owner::owner;
use super::{Query, image, launcher, named};
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{AwsError, ConsumerKind, Operation, Origin, Readings};

const OPERATION: Operation = Operation::DescribeInstances;

/// AWS's largest page.
const PAGE: i32 = 1000;

/// The states of an instance that is there, or can be started again.
pub(in crate::aws) const STATES: [InstanceStateName; 4] = [
    InstanceStateName::Pending,
    InstanceStateName::Running,
    InstanceStateName::Stopping,
    InstanceStateName::Stopped,
];

pub(super) async fn read(session: &Session, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    let states = STATES.iter().map(|state| state.as_str().to_owned()).collect();
    let states = Filter::builder()
        .name("instance-state-name")
        .set_values(Some(states))
        .build();
    let mut pages = Pages::default();
    while pages.more() {
        let request = session
            .ec2_reads()
            .describe_instances()
            .include_managed_resources(true)
            .filters(states.clone())
            .max_results(PAGE)
            .set_next_token(pages.token());
        let page = session.call(OPERATION, request.send()).await?;
        for instance in listed(OPERATION, page.reservations)?
            .iter()
            .flat_map(|reservation| reservation.instances())
        {
            take(instance, query, into)?;
        }
        pages.turn(OPERATION, page.next_token)?;
    }
    Ok(())
}

/// By what it was launched, by tags that nobody but AWS can write. A group launches by fleets of its own, and both by a template: what
/// comes first says what the next instance would be.
fn origin<'t>(tags: &(impl Iterator<Item = (&'t str, &'t str)> + Clone)) -> Option<Origin> {
    const TAGS: [(&str, ConsumerKind); 4] = [
        ("aws:autoscaling:groupName", ConsumerKind::AutoScalingGroup),
        ("aws:ec2:fleet-id", ConsumerKind::Fleet),
        ("aws:ec2spot:fleet-request-id", ConsumerKind::SpotFleet),
        ("aws:ec2launchtemplate:id", ConsumerKind::LaunchTemplate),
    ];
    TAGS.into_iter().find_map(|(key, kind)| {
        let (_, id) = tags.clone().find(|(known, id)| *known == key && !id.is_empty())?;
        Some(Origin { kind, id: id.into() })
    })
}

fn take(instance: &Instance, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    let id = named(OPERATION, instance.instance_id())?;
    let mut launches = launcher(
        ConsumerKind::Instance,
        id,
        [(String::new(), image(Some(&named(OPERATION, instance.image_id())?)))],
    );
    let tags = instance
        .tags()
        .iter()
        .filter_map(|tag| Some((tag.key()?, tag.value()?)));
    if let Some(origin) = origin(&tags) {
        into.origins.insert(launches.id.clone(), origin);
    }
    launches.owner = owner(
        query,
        instance.operator().and_then(|operator| operator.principal()),
        tags,
    );
    into.launchers.push(launches);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_of_its_group_before_its_fleet_and_of_its_template_last() {
        let group = ("aws:autoscaling:groupName", "web");
        let fleet = ("aws:ec2:fleet-id", "fleet-1");
        let spot = ("aws:ec2spot:fleet-request-id", "sfr-1");
        let template = ("aws:ec2launchtemplate:id", "lt-1");
        for (tags, expected) in [
            (
                &[template, fleet, group][..],
                Some((ConsumerKind::AutoScalingGroup, "web")),
            ),
            (&[template, fleet], Some((ConsumerKind::Fleet, "fleet-1"))),
            (&[template, spot], Some((ConsumerKind::SpotFleet, "sfr-1"))),
            (&[("Name", "x"), template], Some((ConsumerKind::LaunchTemplate, "lt-1"))),
            (&[("aws:autoscaling:groupName", "")], None),
            (&[("Name", "x")], None),
        ] {
            let found = origin(&tags.iter().copied());
            let found = found.as_ref().map(|origin| (origin.kind, &*origin.id));
            assert_eq!(found, expected, "{tags:?}");
        }
    }
}
