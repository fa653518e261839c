//! Instances, those included that services manage and hide.

use aws_sdk_ec2::types::{Filter, Instance, InstanceStateName};

use super::owner::owner;
use super::{Query, image, launcher, named};
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{AwsError, ConsumerKind, Operation, Readings};

const OPERATION: Operation = Operation::DescribeInstances;

/// AWS's largest page.
const PAGE: i32 = 1000;

/// The states of an instance that is there, or can be started again.
pub(super) const STATES: [InstanceStateName; 4] = [
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
    launches.owner = owner(
        query,
        instance.operator().and_then(|operator| operator.principal()),
        tags,
    );
    into.launchers.push(launches);
    Ok(())
}
