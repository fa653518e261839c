//! Auto Scaling: groups, also those of no instances, and launch configurations.

use aws_sdk_autoscaling::types::{AutoScalingGroup, LaunchTemplateSpecification};

use super::owner::owner;
use super::{Query, image, launcher, named, overrides, template};
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{AwsError, ConsumerKind, ImageRef, Launches, Operation, Readings};

const GROUPS: Operation = Operation::DescribeAutoScalingGroups;
const CONFIGURATIONS: Operation = Operation::DescribeLaunchConfigurations;

/// AWS's largest page of both.
const PAGE: i32 = 100;

pub(super) async fn read_configurations(session: &Session, into: &mut Readings) -> Result<(), AwsError> {
    let mut pages = Pages::default();
    while pages.more() {
        let client = session.autoscaling();
        let request = client
            .describe_launch_configurations()
            .max_records(PAGE)
            .set_next_token(pages.token());
        let page = session.call(CONFIGURATIONS, request.send()).await?;
        for configuration in &listed(CONFIGURATIONS, page.launch_configurations)? {
            let name = named(CONFIGURATIONS, configuration.launch_configuration_name())?;
            let text = named(CONFIGURATIONS, configuration.image_id())?;
            if let Some(image) = ImageRef::parse(&text) {
                into.configurations.insert(name.clone(), image);
            }
            let launches = [(String::new(), image(Some(&text)))];
            into.launchers
                .push(launcher(ConsumerKind::LaunchConfiguration, name, launches));
        }
        pages.turn(CONFIGURATIONS, page.next_token)?;
    }
    into.paged |= pages.several();
    Ok(())
}

pub(super) async fn read_groups(session: &Session, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    let mut pages = Pages::default();
    while pages.more() {
        let client = session.autoscaling();
        let request = client
            .describe_auto_scaling_groups()
            .max_records(PAGE)
            .set_next_token(pages.token());
        let page = session.call(GROUPS, request.send()).await?;
        for group in &listed(GROUPS, page.auto_scaling_groups)? {
            take(group, query, into)?;
        }
        pages.turn(GROUPS, page.next_token)?;
    }
    into.paged |= pages.several();
    Ok(())
}

fn take(group: &AutoScalingGroup, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    let name = named(GROUPS, group.auto_scaling_group_name())?;
    let configuration = group.launch_configuration_name().filter(|name| !name.is_empty());
    let mixed = group
        .mixed_instances_policy()
        .and_then(|policy| policy.launch_template());
    let mut launches = vec![
        (
            String::new(),
            configuration.map(|name| Launches::Configuration(name.into())),
        ),
        (String::new(), group.launch_template().and_then(of_specification)),
        (
            String::new(),
            mixed
                .and_then(|mixed| mixed.launch_template_specification())
                .and_then(of_specification),
        ),
    ];
    launches.extend(overrides(mixed.into_iter().flat_map(|mixed| mixed.overrides()), |of| {
        [
            image(of.image_id()),
            of.launch_template_specification().and_then(of_specification),
        ]
    }));
    if let Some(role) = group.service_linked_role_arn().filter(|role| !role.is_empty()) {
        into.group_roles.insert(name.clone(), role.into());
    }
    let mut launches = launcher(ConsumerKind::AutoScalingGroup, name, launches);
    let tags = group.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?)));
    launches.owner = owner(query, group.operator().and_then(|operator| operator.principal()), tags);
    into.launchers.push(launches);
    Ok(())
}

fn of_specification(of: &LaunchTemplateSpecification) -> Option<Launches> {
    template(of.launch_template_id(), of.launch_template_name(), of.version())
}
