//! EC2 Fleets that are there, or whose instances are.

use aws_sdk_ec2::types::{FleetData, FleetStateCode};

use super::owner::owner;
use super::{Query, image, launcher, named, overrides, template};
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{AwsError, ConsumerKind, Operation, Readings};

const OPERATION: Operation = Operation::DescribeFleets;

/// The page that AWS gives where none is asked for is of this size.
const PAGE: i32 = 1000;

pub(super) async fn read(session: &Session, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    let mut pages = Pages::default();
    while pages.more() {
        let request = session
            .ec2_reads()
            .describe_fleets()
            .max_results(PAGE)
            .set_next_token(pages.token());
        let page = session.call(OPERATION, request.send()).await?;
        for fleet in &listed(OPERATION, page.fleets)? {
            take(fleet, query, into)?;
        }
        pages.turn(OPERATION, page.next_token)?;
    }
    into.paged |= pages.several();
    Ok(())
}

fn take(fleet: &FleetData, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    if matches!(
        fleet.fleet_state(),
        Some(FleetStateCode::Deleted | FleetStateCode::DeletedTerminatingInstances | FleetStateCode::Failed)
    ) {
        return Ok(());
    }
    let id = named(OPERATION, fleet.fleet_id())?;
    let mut launches = Vec::new();
    for config in fleet.launch_template_configs() {
        let of = config.launch_template_specification();
        launches.push((
            String::new(),
            of.and_then(|of| template(of.launch_template_id(), of.launch_template_name(), of.version())),
        ));
        launches.extend(overrides(config.overrides(), |of| [image(of.image_id()), None]));
    }
    let mut launches = launcher(ConsumerKind::Fleet, id, launches);
    launches.owner = owner(
        query,
        None,
        fleet.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?))),
    );
    into.launchers.push(launches);
    Ok(())
}
