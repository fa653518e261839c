//! Block device mappings as launch templates and their like show them.

use crate::model::TemplateDevice;
use crate::wire::Xml;

/// Writes a list of them.
pub(super) fn write(x: &mut Xml, name: &str, devices: &[TemplateDevice]) {
    if devices.is_empty() {
        return;
    }
    x.list(name, devices, |x, device| {
        x.text("deviceName", &device.device);
        x.maybe("virtualName", device.virtual_name.as_deref());
        if device.no_device {
            x.text("noDevice", "");
        }
        if device.no_device || device.virtual_name.is_some() {
            return;
        }
        x.nest("ebs", |x| {
            x.maybe("encrypted", device.encrypted);
            x.maybe("deleteOnTermination", device.delete_on_termination);
            x.maybe("iops", device.iops);
            x.maybe("kmsKeyId", device.key.as_deref());
            x.maybe("snapshotId", device.snapshot.as_deref());
            x.maybe("volumeSize", device.gib);
            x.maybe("volumeType", device.volume_type.as_deref());
            x.maybe("throughput", device.throughput);
            x.maybe("volumeInitializationRate", device.initialization_rate);
            x.maybe("ebsCardIndex", device.card_index);
        });
    });
}
