//! Spot: fleets, and requests that are open or launch again.

use aws_sdk_ec2::types::{BatchState, SpotFleetRequestConfig, SpotInstanceRequest, SpotInstanceState};

use super::owner::owner;
use super::{Query, image, launcher, named, template};
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{AwsError, ConsumerKind, Operation, Readings};

const FLEETS: Operation = Operation::DescribeSpotFleetRequests;
const REQUESTS: Operation = Operation::DescribeSpotInstanceRequests;

/// AWS's largest page of both.
const PAGE: i32 = 1000;

pub(super) async fn read_fleets(session: &Session, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    let mut pages = Pages::default();
    while pages.more() {
        let request = session
            .ec2_reads()
            .describe_spot_fleet_requests()
            .max_results(PAGE)
            .set_next_token(pages.token());
        let page = session.call(FLEETS, request.send()).await?;
        for fleet in &listed(FLEETS, page.spot_fleet_request_configs)? {
            take_fleet(fleet, query, into)?;
        }
        pages.turn(FLEETS, page.next_token)?;
    }
    into.paged |= pages.several();
    Ok(())
}

fn take_fleet(fleet: &SpotFleetRequestConfig, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    if matches!(
        fleet.spot_fleet_request_state(),
        Some(BatchState::Cancelled | BatchState::CancelledTerminatingInstances | BatchState::Failed)
    ) {
        return Ok(());
    }
    let id = named(FLEETS, fleet.spot_fleet_request_id())?;
    let config = fleet.spot_fleet_request_config();
    let specifications = config.into_iter().flat_map(|config| config.launch_specifications());
    let configs = config.into_iter().flat_map(|config| config.launch_template_configs());
    let of_templates = configs.map(|config| {
        let of = config.launch_template_specification();
        of.and_then(|of| template(of.launch_template_id(), of.launch_template_name(), of.version()))
    });
    let launches = specifications
        .map(|specification| image(specification.image_id()))
        .chain(of_templates);
    let mut launches = launcher(
        ConsumerKind::SpotFleet,
        id,
        launches.map(|launches| (String::new(), launches)),
    );
    launches.owner = owner(
        query,
        None,
        fleet.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?))),
    );
    into.launchers.push(launches);
    Ok(())
}

pub(super) async fn read_requests(session: &Session, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    let mut pages = Pages::default();
    while pages.more() {
        let request = session
            .ec2_reads()
            .describe_spot_instance_requests()
            .max_results(PAGE)
            .set_next_token(pages.token());
        let page = session.call(REQUESTS, request.send()).await?;
        for request in &listed(REQUESTS, page.spot_instance_requests)? {
            take_request(request, query, into)?;
        }
        pages.turn(REQUESTS, page.next_token)?;
    }
    into.paged |= pages.several();
    Ok(())
}

/// A request that is closed, cancelled or failed launches nothing any more; its instance, if there is one, is listed by itself.
fn take_request(request: &SpotInstanceRequest, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    if matches!(
        request.state(),
        Some(SpotInstanceState::Closed | SpotInstanceState::Cancelled | SpotInstanceState::Failed)
    ) {
        return Ok(());
    }
    let id = named(REQUESTS, request.spot_instance_request_id())?;
    let of = request.launch_specification();
    let launches = [(String::new(), of.and_then(|of| image(of.image_id())))];
    let mut launches = launcher(ConsumerKind::SpotRequest, id, launches);
    launches.owner = owner(
        query,
        None,
        request.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?))),
    );
    into.launchers.push(launches);
    Ok(())
}
