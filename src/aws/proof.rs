//! Instances that copies are proven by: launched, watched, terminated, and found again.

use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, Filter, HttpTokensState, Instance, InstanceMetadataOptionsRequest,
    InstanceNetworkInterfaceSpecification, InstanceStateName, InstanceStatus, InstanceType, ResourceType,
    ShutdownBehavior, SummaryStatus, TagSpecification,
};

use super::images::sdk_tags;
use super::listing::{filter, listed};
use super::pages::Pages;
use super::project::moment;
use super::session::Session;
use crate::domain::{
    AwsError, Checks, ErrorClass, InstanceNow, InstanceRef, InstanceState, LaunchRequest, Operation, TaggedInstance,
    Tags,
};

const RUN: Operation = Operation::RunInstances;
const TERMINATE: Operation = Operation::TerminateInstances;
const INSTANCES: Operation = Operation::DescribeInstances;
const STATUS: Operation = Operation::DescribeInstanceStatus;

/// AWS's largest page.
const PAGE: i32 = 1000;
/// The most characters of AWS's reason for a state that are taken over.
const REASON: usize = 200;

impl Session {
    /// Launches one instance, or says which one the same token has launched.
    pub async fn launch(&self, launch: &LaunchRequest) -> Result<Box<str>, AwsError> {
        let interface = InstanceNetworkInterfaceSpecification::builder()
            .device_index(0)
            .subnet_id(&launch.subnet)
            .set_groups((!launch.security_groups.is_empty()).then(|| launch.security_groups.clone()))
            .associate_public_ip_address(false)
            .delete_on_termination(true)
            .build();
        let metadata = InstanceMetadataOptionsRequest::builder()
            .http_tokens(HttpTokensState::Required)
            .build();
        let devices: Vec<_> = launch
            .devices
            .iter()
            .map(|device| {
                let volume = EbsBlockDevice::builder().delete_on_termination(true).build();
                BlockDeviceMapping::builder().device_name(&**device).ebs(volume).build()
            })
            .collect();
        let tags = |resource| {
            TagSpecification::builder()
                .resource_type(resource)
                .set_tags(Some(sdk_tags(&launch.tags)))
                .build()
        };
        let request = self
            .ec2()
            .run_instances()
            .image_id(launch.image.as_str())
            .instance_type(InstanceType::from(launch.instance_type.as_str()))
            .min_count(1)
            .max_count(1)
            .network_interfaces(interface)
            .metadata_options(metadata)
            .set_block_device_mappings((!devices.is_empty()).then_some(devices))
            .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
            .tag_specifications(tags(ResourceType::Instance))
            .tag_specifications(tags(ResourceType::Volume))
            .tag_specifications(tags(ResourceType::NetworkInterface))
            .client_token(&launch.client_token);
        let answer = self.call(RUN, Box::pin(request.send())).await?;
        let [instance] = answer.instances() else {
            return Err(AwsError::malformed(RUN, &"not one instance in the answer"));
        };
        id_of(RUN, instance)
    }

    /// Terminates an instance. One that is gone is no error.
    pub async fn terminate(&self, instance: &str) -> Result<(), AwsError> {
        let request = self.ec2().terminate_instances().instance_ids(instance);
        match self.call(TERMINATE, request.send()).await {
            Err(error) if error.class == ErrorClass::NotFound => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// What an instance is just now, with its checks where it runs.
    pub async fn instance(&self, which: &InstanceRef) -> Result<InstanceNow, AwsError> {
        let found = match self.found(which).await {
            Err(error) if error.class == ErrorClass::NotFound => None,
            found => found?,
        };
        let Some(found) = found else {
            return Ok(InstanceNow::Gone);
        };
        let id = id_of(INSTANCES, &found)?;
        let state = state_of(&found)?;
        let checks = match state {
            InstanceState::Running => Some(self.checks(&id).await?),
            _ => None,
        };
        let reason = found.state_reason().and_then(|reason| reason.message());
        Ok(InstanceNow::There {
            id,
            state,
            reason: reason.map(|text| text.chars().take(REASON).collect()),
            checks,
        })
    }

    /// The one instance that is meant. None with an ID in the answer is no answer; with a token it means that none shows.
    async fn found(&self, which: &InstanceRef) -> Result<Option<Instance>, AwsError> {
        let mut pages = Pages::default();
        while pages.more() {
            let request = self.ec2_reads().describe_instances().set_next_token(pages.token());
            let request = match which {
                InstanceRef::Id(id) => request.instance_ids(&**id),
                InstanceRef::Token(token) => request.filters(filter("client-token", vec![token.to_string()])),
            };
            let page = self.call(INSTANCES, request.send()).await?;
            let reservations = listed(INSTANCES, page.reservations)?;
            let found = reservations
                .into_iter()
                .find_map(|reservation| reservation.instances?.into_iter().next());
            if found.is_some() {
                return Ok(found);
            }
            pages.turn(INSTANCES, page.next_token)?;
        }
        match which {
            InstanceRef::Id(_) => Err(AwsError::new(INSTANCES, ErrorClass::Transient, None)),
            InstanceRef::Token(_) => Ok(None),
        }
    }

    /// The status checks of an instance that runs.
    pub async fn checks(&self, instance: &str) -> Result<Checks, AwsError> {
        let mut pages = Pages::default();
        while pages.more() {
            let request = self
                .ec2_reads()
                .describe_instance_status()
                .instance_ids(instance)
                .include_all_instances(true)
                .set_next_token(pages.token());
            let page = self.call(STATUS, request.send()).await?;
            if let Some(status) = listed(STATUS, page.instance_statuses)?.first() {
                return Ok(checks_of(status));
            }
            pages.turn(STATUS, page.next_token)?;
        }
        Err(AwsError::new(STATUS, ErrorClass::Transient, None))
    }

    /// The instances that are not terminated and have a tag with this key.
    pub async fn instances_tagged(&self, key: &str) -> Result<Vec<TaggedInstance>, AwsError> {
        let states = [
            InstanceStateName::Pending,
            InstanceStateName::Running,
            InstanceStateName::Stopping,
            InstanceStateName::Stopped,
        ];
        let states = states.iter().map(|state| state.as_str().to_owned()).collect();
        let filters: Vec<Filter> = vec![
            filter("tag-key", vec![key.to_owned()]),
            filter("instance-state-name", states),
        ];
        let mut tagged = Vec::new();
        let mut pages = Pages::default();
        while pages.more() {
            let request = self
                .ec2_reads()
                .describe_instances()
                .set_filters(Some(filters.clone()))
                .max_results(PAGE)
                .set_next_token(pages.token());
            let page = self.call(INSTANCES, request.send()).await?;
            for reservation in &listed(INSTANCES, page.reservations)? {
                // What cannot be read is not ours, as far as can be told.
                tagged.extend(reservation.instances().iter().filter_map(tagged_instance));
            }
            pages.turn(INSTANCES, page.next_token)?;
        }
        Ok(tagged)
    }
}

fn id_of(operation: Operation, instance: &Instance) -> Result<Box<str>, AwsError> {
    let id = instance.instance_id().unwrap_or_default();
    let is_one = id
        .strip_prefix("i-")
        .is_some_and(|rest| (1..=29).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if is_one {
        Ok(id.into())
    } else {
        Err(AwsError::malformed(operation, &"an instance without an ID"))
    }
}

fn state_of(instance: &Instance) -> Result<InstanceState, AwsError> {
    let state = instance.state().and_then(|state| state.name());
    Ok(match state {
        Some(InstanceStateName::Pending) => InstanceState::Pending,
        Some(InstanceStateName::Running) => InstanceState::Running,
        Some(InstanceStateName::Stopping | InstanceStateName::Stopped) => InstanceState::Stopped,
        Some(InstanceStateName::ShuttingDown) => InstanceState::ShuttingDown,
        Some(InstanceStateName::Terminated) => InstanceState::Terminated,
        _ => {
            return Err(AwsError::malformed(
                INSTANCES,
                &"an instance without a state that is known",
            ));
        }
    })
}

fn checks_of(status: &InstanceStatus) -> Checks {
    let of_instance = status.instance_status().and_then(|summary| summary.status());
    let of_system = status.system_status().and_then(|summary| summary.status());
    match (of_instance, of_system) {
        (Some(SummaryStatus::Ok), Some(SummaryStatus::Ok)) => Checks::Ok,
        (_, Some(SummaryStatus::Impaired)) => Checks::SystemImpaired,
        (Some(SummaryStatus::Impaired), _) => Checks::InstanceImpaired,
        _ => Checks::Initializing,
    }
}

fn tagged_instance(instance: &Instance) -> Option<TaggedInstance> {
    let tags: Vec<(&str, &str)> = instance
        .tags()
        .iter()
        .filter_map(|tag| Some((tag.key()?, tag.value()?)))
        .collect();
    Some(TaggedInstance {
        id: id_of(INSTANCES, instance).ok()?,
        image: instance.image_id()?.parse().ok()?,
        instance_type: instance.instance_type()?.as_str().into(),
        subnet: instance.subnet_id().map(Into::into),
        client_token: instance
            .client_token()
            .filter(|token| !token.is_empty())
            .map(Into::into),
        launched: instance.launch_time().and_then(|at| moment("launchTime", at).ok()),
        tags: Tags::of(&tags),
    })
}
