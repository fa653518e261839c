//! Compute environments of AWS Batch, also those that are disabled: somebody can enable them.

use aws_sdk_batch::types::ComputeResource;

use super::owner::owner;
use super::{Query, image, launcher, named, overrides, template};
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{AwsError, ConsumerKind, Operation, Readings};

const OPERATION: Operation = Operation::DescribeComputeEnvironments;

/// AWS's largest page.
const PAGE: i32 = 100;

/// The field that environments name an image by that were made before there was another one.
#[allow(deprecated, reason = "AWS still answers with it, and launches what it says")]
fn named_before(resources: &ComputeResource) -> Option<&str> {
    resources.image_id()
}

pub(super) async fn read(session: &Session, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    let mut pages = Pages::default();
    while pages.more() {
        let client = session.batch();
        let request = client
            .describe_compute_environments()
            .max_results(PAGE)
            .set_next_token(pages.token());
        let page = session.call(OPERATION, request.send()).await?;
        for environment in &listed(OPERATION, page.compute_environments)? {
            let name = named(OPERATION, environment.compute_environment_name())?;
            let resources = environment.compute_resources();
            let of_template = resources.and_then(|resources| resources.launch_template());
            let mut launches = vec![
                (
                    String::new(),
                    resources.and_then(|resources| image(named_before(resources))),
                ),
                (
                    String::new(),
                    of_template
                        .and_then(|of| template(of.launch_template_id(), of.launch_template_name(), of.version())),
                ),
            ];
            let configurations = resources
                .into_iter()
                .flat_map(|resources| resources.ec2_configuration());
            launches.extend(configurations.map(|of| {
                let what = format!("ec2Configuration {}", of.image_type().unwrap_or_default());
                (what, image(of.image_id_override()))
            }));
            launches.extend(overrides(of_template.into_iter().flat_map(|of| of.overrides()), |of| {
                [
                    template(of.launch_template_id(), of.launch_template_name(), of.version()),
                    None,
                ]
            }));
            let mut launches = launcher(ConsumerKind::ComputeEnvironment, name, launches);
            let tags = environment.tags().into_iter().flatten();
            launches.owner = owner(query, None, tags.map(|(key, value)| (key.as_str(), value.as_str())));
            into.launchers.push(launches);
        }
        pages.turn(OPERATION, page.next_token)?;
    }
    into.paged |= pages.several();
    Ok(())
}
