//! DescribeLaunchConfigurations.

use super::{consumers, page};
use crate::engine::{Done, Outcome, Request, State};
use crate::model::{LaunchConfiguration, TemplateDevice};
use crate::spec::digest;
use crate::wire::Xml;

/// Runs DescribeLaunchConfigurations. Names that are not known are passed over.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let wanted = request.params.list("LaunchConfigurationNames.member");
    if wanted.len() > 50 {
        return Err(request.service.invalid("Specify at most 50 names"));
    }
    let names = consumers(state, request)
        .into_iter()
        .flat_map(|c| c.launch_configurations.seen(request.now))
        .map(|(name, _)| name)
        .filter(|name| wanted.is_empty() || wanted.contains(name))
        .map(str::to_owned)
        .collect();
    let page = page(state, request, names, wanted.is_empty())?;
    let mut xml = Xml::new();
    let shown = page.ids.iter().filter_map(|name| {
        consumers(state, request)?
            .launch_configurations
            .get_seen(name, request.now)
    });
    xml.members("LaunchConfigurations", shown, |x, one| write(x, one, state, request));
    xml.maybe("NextToken", page.next);
    Ok(Done::read(xml))
}

fn write(x: &mut Xml, one: &LaunchConfiguration, state: &State, request: &Request) {
    x.text("LaunchConfigurationName", &one.name);
    let id = digest(0, &[request.account(), &request.region, &one.name]);
    let resource = format!("launchConfiguration:{}:launchConfigurationName/{}", &id[..36], one.name);
    x.text("LaunchConfigurationARN", &request.arn(state, &resource));
    x.text("ImageId", &one.image);
    x.text("KeyName", "");
    x.members("SecurityGroups", None::<&str>, |_, _| {});
    x.text("UserData", "");
    x.text("InstanceType", &one.instance_type);
    x.members("BlockDeviceMappings", &one.devices, write_device);
    x.nest("InstanceMonitoring", |x| x.value("Enabled", false));
    x.maybe("CreatedTime", one.created);
    x.value("EbsOptimized", false);
}

fn write_device(x: &mut Xml, device: &TemplateDevice) {
    x.text("DeviceName", &device.device);
    x.maybe("VirtualName", device.virtual_name.as_deref());
    if device.no_device {
        x.value("NoDevice", true);
    }
    if device.no_device || device.virtual_name.is_some() {
        return;
    }
    x.nest("Ebs", |x| {
        x.maybe("SnapshotId", device.snapshot.as_deref());
        x.maybe("VolumeSize", device.gib);
        x.maybe("VolumeType", device.volume_type.as_deref());
        x.maybe("DeleteOnTermination", device.delete_on_termination);
        x.maybe("Iops", device.iops);
        x.maybe("Encrypted", device.encrypted);
        x.maybe("Throughput", device.throughput);
    });
}
