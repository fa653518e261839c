//! DescribeAutoScalingGroups.

use super::launch_by::{write_mixed, write_template};
use super::{consumers, page, tags, update};
use crate::engine::{Done, Outcome, Request, State};
use crate::glob;
use crate::model::{AutoScalingGroup, GroupInstance};
use crate::wire::{ApiError, Xml};

/// Runs DescribeAutoScalingGroups. Names that are not known are passed over.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let params = &request.params;
    let wanted = params.list("AutoScalingGroupNames.member");
    let filters = read_filters(request)?;
    // Unlike EC2, it shows what other services manage, and instances, unless told not to.
    let shows = |name: &str| params.get(name).is_none_or(|v| v.eq_ignore_ascii_case("true"));
    let (managed_too, with_instances) = (shows("IncludeManagedResources"), shows("IncludeInstances"));
    let names: Vec<String> = consumers(state, request)
        .into_iter()
        .flat_map(|c| c.auto_scaling_groups.seen(request.now))
        .filter(|(name, _)| wanted.is_empty() || wanted.contains(name))
        .filter(|(_, group)| managed_too || group.managed_by.is_none())
        .filter(|(_, group)| filters.iter().all(|f| f.accepts(group)))
        .map(|(name, _)| name.to_owned())
        .collect();
    let page = page(state, request, names, wanted.is_empty() && filters.is_empty())?;
    let mut xml = Xml::new();
    let shown = page.ids.iter().filter_map(|name| {
        consumers(state, request)?
            .auto_scaling_groups
            .get_seen(name, request.now)
    });
    xml.members("AutoScalingGroups", shown, |x, group| {
        write(x, group, with_instances, state, request);
    });
    xml.maybe("NextToken", page.next);
    Ok(Done::read(xml))
}

struct Filter {
    name: String,
    values: Vec<String>,
}

fn read_filters(request: &Request) -> Result<Vec<Filter>, ApiError> {
    let params = &request.params;
    let mut filters = Vec::new();
    for i in params.indices("Filters.member") {
        let prefix = format!("Filters.member.{i}");
        let name = params.get(&format!("{prefix}.Name")).unwrap_or_default().to_owned();
        if !matches!(name.as_str(), "tag-key" | "tag-value") && !name.starts_with("tag:") {
            return Err(request.service.invalid(format!("Filter name {name} is not valid")));
        }
        let values = params.list(&format!("{prefix}.Values.member"));
        filters.push(Filter {
            name,
            values: values.into_iter().map(str::to_owned).collect(),
        });
    }
    Ok(filters)
}

impl Filter {
    fn accepts(&self, group: &AutoScalingGroup) -> bool {
        let fits = |text: &String| self.values.iter().any(|v| glob::matches(v, text));
        match self.name.as_str() {
            "tag-key" => group.tags.keys().any(fits),
            "tag-value" => group.tags.values().any(fits),
            name => {
                let key = name.strip_prefix("tag:").unwrap_or(name);
                group.tags.get(key).is_some_and(fits)
            }
        }
    }
}

fn write_instance(x: &mut Xml, instance: &GroupInstance, zone: &str) {
    x.text("InstanceId", &instance.id);
    x.text("AvailabilityZone", zone);
    x.text("LifecycleState", instance.lifecycle.as_deref().unwrap_or("InService"));
    x.text("HealthStatus", "Healthy");
    x.maybe("LaunchConfigurationName", instance.launch_configuration.as_deref());
    if let Some(reference) = &instance.launch_template {
        write_template(x, "LaunchTemplate", reference);
    }
    x.maybe("ImageId", instance.image.as_deref());
    x.value("ProtectedFromScaleIn", false);
}

fn write(x: &mut Xml, group: &AutoScalingGroup, with_instances: bool, state: &State, request: &Request) {
    let zone = format!("{}a", request.region);
    x.text("AutoScalingGroupName", &group.name);
    x.text("AutoScalingGroupARN", &update::arn(state, request, &group.name));
    x.maybe("LaunchConfigurationName", group.launch_configuration.as_deref());
    if let Some(reference) = &group.launch_template {
        write_template(x, "LaunchTemplate", reference);
    }
    if let Some(mixed) = &group.mixed_instances {
        x.nest("MixedInstancesPolicy", |x| write_mixed(x, mixed));
    }
    x.value("MinSize", group.min.unwrap_or(0));
    x.value("MaxSize", group.max.unwrap_or(1));
    x.value("DesiredCapacity", group.desired.unwrap_or(1));
    x.value("DefaultCooldown", 300);
    x.texts("AvailabilityZones", [zone.as_str()]);
    x.texts("LoadBalancerNames", []);
    x.texts("TargetGroupARNs", []);
    x.text("HealthCheckType", "EC2");
    x.value("HealthCheckGracePeriod", 300);
    let instances = group.instances.iter().filter(|_| with_instances);
    x.members("Instances", instances, |x, instance| write_instance(x, instance, &zone));
    x.maybe("CreatedTime", group.created);
    x.members("SuspendedProcesses", &group.suspended, |x, process| {
        x.text("ProcessName", process);
        x.text("SuspensionReason", "User suspended at 2026-01-01T00:00:00Z");
    });
    x.members("EnabledMetrics", None::<&str>, |_, _| {});
    let keys = group.tags.keys().map(|key| (group, key.as_str()));
    tags::write(x, "Tags", keys);
    x.texts("TerminationPolicies", ["Default"]);
    x.value("NewInstancesProtectedFromScaleIn", false);
    let default = format!(
        "arn:{}:iam::{}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
        state.world.partition(request.account()),
        request.account()
    );
    x.text(
        "ServiceLinkedRoleARN",
        group.service_linked_role.as_deref().unwrap_or(&default),
    );
    if let Some(principal) = &group.managed_by {
        x.nest("Operator", |x| x.text("Principal", principal));
    }
}
