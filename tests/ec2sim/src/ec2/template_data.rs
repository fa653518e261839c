//! What a version of a launch template says: read from a request, laid over its source, written.

use serde_json::{Map, Value};

use super::invalid_value;
use crate::launching;
use crate::model::{TemplateDevice, TemplateVersion};
use crate::spec::{EncryptedSnapshots, InheritedSnapshots, LaunchSettings};
use crate::wire::{ApiError, Params, Xml};

/// What template data may say beside its image, its instance type and its mappings.
const OTHERS: [&str; 31] = [
    "KernelId",
    "EbsOptimized",
    "IamInstanceProfile",
    "NetworkInterface",
    "KeyName",
    "Monitoring",
    "Placement",
    "RamDiskId",
    "DisableApiTermination",
    "InstanceInitiatedShutdownBehavior",
    "UserData",
    "TagSpecification",
    "ElasticGpuSpecification",
    "ElasticInferenceAccelerator",
    "SecurityGroupId",
    "SecurityGroup",
    "InstanceMarketOptions",
    "CreditSpecification",
    "CpuOptions",
    "CapacityReservationSpecification",
    "LicenseSpecification",
    "HibernationOptions",
    "MetadataOptions",
    "EnclaveOptions",
    "InstanceRequirements",
    "PrivateDnsNameOptions",
    "MaintenanceOptions",
    "DisableApiStop",
    "Operator",
    "NetworkPerformanceOptions",
    "SecondaryInterface",
];

const PREFIX: &str = "LaunchTemplateData";

/// The data of a request.
pub(super) struct Given {
    image: Option<String>,
    instance_type: Option<String>,
    devices: Option<Vec<TemplateDevice>>,
    others: Map<String, Value>,
}

impl Given {
    /// Reads the data of a request, of which there must be some.
    pub(super) fn read(params: &Params, settings: &LaunchSettings) -> Result<Self, ApiError> {
        let Value::Object(mut fields) = tree(params, PREFIX) else {
            return Err(ApiError::new(
                "MissingParameter",
                "The request must contain the parameter LaunchTemplateData",
            ));
        };
        let mut text = |name: &str| fields.remove(name).and_then(|v| v.as_str().map(str::to_owned));
        let (image, instance_type) = (text("ImageId"), text("InstanceType"));
        if let Some(image) = image.as_deref().filter(|image| !launching::is_reference(image)) {
            return Err(ApiError::new(
                "InvalidAMIID.Malformed",
                format!("Invalid id: \"{image}\" (expecting \"ami-...\")"),
            ));
        }
        let list = format!("{PREFIX}.BlockDeviceMapping");
        let devices = match fields.remove("BlockDeviceMapping") {
            None => None,
            Some(_) => Some(read_devices(params, &list)?),
        };
        if settings.encrypted_snapshots == EncryptedSnapshots::Refused
            && let Some(sentence) = devices.iter().flatten().find_map(launching::contradiction)
        {
            return Err(ApiError::new("InvalidBlockDeviceMapping", sentence));
        }
        if let Some(name) = fields.keys().find(|name| !OTHERS.contains(&name.as_str())) {
            return Err(ApiError::new(
                "UnknownParameter",
                format!("The parameter {name} is not recognized"),
            ));
        }
        Ok(Self {
            image,
            instance_type,
            devices,
            others: fields,
        })
    }

    /// The version that it makes: what it says takes the place of what its source says, and all else is the source's.
    pub(super) fn over(self, source: Option<&TemplateVersion>, settings: &LaunchSettings) -> TemplateVersion {
        let mut version = source.cloned().unwrap_or_default();
        if settings.inherited_snapshots == InheritedSnapshots::Dropped {
            version.devices.iter_mut().for_each(|device| device.snapshot = None);
        }
        version.image = self.image.or(version.image);
        version.instance_type = self.instance_type.or(version.instance_type);
        version.devices = self.devices.unwrap_or(version.devices);
        version.data.extend(self.others);
        version
    }
}

/// Reads block device mappings.
pub(super) fn read_devices(params: &Params, list: &str) -> Result<Vec<TemplateDevice>, ApiError> {
    let mut devices = Vec::new();
    for i in params.indices(list) {
        let prefix = format!("{list}.{i}");
        let ebs = |name: &str| params.get(&format!("{prefix}.Ebs.{name}"));
        let number = |name: &str| match ebs(name).map(str::parse) {
            None => Ok(None),
            Some(Ok(number)) => Ok(Some(number)),
            Some(Err(_)) => Err(invalid_value(format!("The value of {name} must be a number"))),
        };
        let flag = |name: &str| {
            let name = format!("{prefix}.Ebs.{name}");
            params.get(&name).map(|_| params.flag(&name)).transpose()
        };
        let device = params.get(&format!("{prefix}.DeviceName")).ok_or_else(|| {
            ApiError::new(
                "InvalidBlockDeviceMapping",
                "A block device mapping must have a DeviceName",
            )
        })?;
        devices.push(TemplateDevice {
            device: device.to_owned(),
            snapshot: ebs("SnapshotId").map(str::to_owned),
            snapshot_of: None,
            gib: number("VolumeSize")?,
            volume_type: ebs("VolumeType").map(str::to_owned),
            encrypted: flag("Encrypted")?,
            key: ebs("KmsKeyId").map(str::to_owned),
            delete_on_termination: flag("DeleteOnTermination")?,
            iops: number("Iops")?,
            throughput: number("Throughput")?,
            initialization_rate: number("VolumeInitializationRate")?,
            card_index: number("EbsCardIndex")?,
            virtual_name: params.get(&format!("{prefix}.VirtualName")).map(str::to_owned),
            // An empty text is what it is given as.
            no_device: params.as_map().contains_key(&format!("{prefix}.NoDevice")),
        });
    }
    Ok(devices)
}

/// The parameters below a prefix as a tree: a node whose names are numbers is a list. Null when there are none.
pub(crate) fn tree(params: &Params, prefix: &str) -> Value {
    let mut root = Value::Null;
    let prefix = format!("{prefix}.");
    for (name, text) in params.as_map() {
        if let Some(rest) = name.strip_prefix(&prefix) {
            put(&mut root, &rest.split('.').collect::<Vec<_>>(), text);
        }
    }
    with_lists(root)
}

fn put(node: &mut Value, path: &[&str], text: &str) {
    let Some((first, rest)) = path.split_first() else {
        *node = Value::String(text.to_owned());
        return;
    };
    if !node.is_object() {
        *node = Value::Object(Map::new());
    }
    if let Some(fields) = node.as_object_mut() {
        put(fields.entry((*first).to_owned()).or_insert(Value::Null), rest, text);
    }
}

fn with_lists(node: Value) -> Value {
    let Value::Object(fields) = node else {
        return node;
    };
    let numbered: Option<Vec<(u32, &Value)>> = fields
        .iter()
        .map(|(name, value)| Some((name.parse().ok()?, value)))
        .collect();
    match numbered {
        Some(mut items) if !items.is_empty() => {
            items.sort_by_key(|(number, _)| *number);
            items.into_iter().map(|(_, item)| with_lists(item.clone())).collect()
        }
        _ => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name, with_lists(value)))
                .collect(),
        ),
    }
}

/// Writes what is in the tree by the names that answers have.
pub(super) fn write(x: &mut Xml, data: &Map<String, Value>) {
    for (name, value) in data {
        write_field(x, "", name, value);
    }
}

fn write_field(x: &mut Xml, within: &str, name: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(text) => x.text(&answered(name), text),
        Value::Array(items) => {
            let (list, item) = match (within, name) {
                ("NetworkInterface", "SecurityGroupId") => ("groupSet".to_owned(), "groupId"),
                ("SecondaryInterface", "PrivateIpAddress") => ("privateIpAddressesSet".to_owned(), "item"),
                ("", "LicenseSpecification") => ("licenseSet".to_owned(), "item"),
                _ => (format!("{}Set", answered(name)), "item"),
            };
            x.nest(&list, |x| {
                for value in items {
                    write_item(x, name, item, value);
                }
            });
        }
        Value::Object(fields) => x.nest(&answered(name), |x| {
            for (inner, value) in fields {
                write_field(x, name, inner, value);
            }
        }),
        other => x.value(&answered(name), other),
    }
}

fn write_item(x: &mut Xml, within: &str, item: &str, value: &Value) {
    match value {
        Value::Object(fields) => x.nest(item, |x| {
            for (inner, value) in fields {
                write_field(x, within, inner, value);
            }
        }),
        Value::String(text) => x.text(item, text),
        other => x.value(item, other),
    }
}

/// The name that an answer has for a name of a request.
fn answered(name: &str) -> String {
    let mut signs = name.chars();
    signs
        .next()
        .map(|first| first.to_lowercase().chain(signs).collect())
        .unwrap_or_default()
}
