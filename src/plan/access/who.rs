//! Who needs the key of an image: whoever launches it, by the role of the service that launches on their behalf.

use std::collections::{BTreeMap, BTreeSet};

use super::Principal;
use crate::domain::{AccountId, Consumer, ConsumerKind, ImageId, LaunchPermission, Partition};
use crate::plan::usage::Graph;

/// Those who need a key, each with what for.
pub type Needs = BTreeMap<Principal, Uses>;

/// What somebody needs a key for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// The images.
    pub images: BTreeSet<ImageId>,
    /// What launches them.
    pub consumers: BTreeSet<(ConsumerKind, Box<str>)>,
    /// Whether everybody of the account needs it, not only whoever launches those.
    pub everybody: bool,
}

impl Uses {
    /// Whether all of them may launch by somebody else: Batch launches by fleets too, and does not say by which.
    pub(super) fn may_be_of_others(&self) -> bool {
        let is_unsure = |(kind, _): &(ConsumerKind, Box<str>)| *kind == ConsumerKind::ComputeEnvironment;
        !self.consumers.is_empty() && self.consumers.iter().all(is_unsure)
    }
}

/// By which role of a service each kind launches: the service's name and the role's ("Service-linked role for …" in AWS's user guides). A
/// node group and a compute environment launch by groups that EKS and Batch make.
fn role_of(kind: ConsumerKind) -> Option<(&'static str, &'static str)> {
    match kind {
        ConsumerKind::AutoScalingGroup | ConsumerKind::NodeGroup | ConsumerKind::ComputeEnvironment => {
            Some(("autoscaling", "AWSServiceRoleForAutoScaling"))
        }
        ConsumerKind::Fleet => Some(("ec2fleet", "AWSServiceRoleForEC2Fleet")),
        ConsumerKind::SpotFleet => Some(("spotfleet", "AWSServiceRoleForEC2SpotFleet")),
        ConsumerKind::SpotRequest => Some(("spot", "AWSServiceRoleForEC2Spot")),
        ConsumerKind::Instance
        | ConsumerKind::LaunchTemplate
        | ConsumerKind::LaunchConfiguration
        | ConsumerKind::Parameter
        | ConsumerKind::Recipe
        | ConsumerKind::KubernetesObject => None,
    }
}

/// Whether a service of AWS launches by a role of its own what is of this kind.
pub fn is_service(kind: ConsumerKind) -> bool {
    role_of(kind).is_some()
}

/// By whom something launches its images. What names an image and is no service, somebody of the account launches. Of what belongs to
/// no account, it is not known who does.
pub fn launches_by(consumer: &Consumer, graph: &Graph, partition: Partition) -> Option<Principal> {
    let account = consumer.account.clone()?;
    let own = Some(consumer).filter(|consumer| consumer.kind == ConsumerKind::AutoScalingGroup);
    if let Some(arn) = own.and_then(|group| graph.group_role(&group.id)) {
        return Some(Principal::Role {
            arn: arn.into(),
            account,
        });
    }
    Some(match role_of(consumer.kind) {
        Some((service, role)) => Principal::Role {
            arn: format!("arn:{partition}:iam::{account}:role/aws-service-role/{service}.amazonaws.com/{role}").into(),
            account,
        },
        None => Principal::Account(account),
    })
}

/// Adds those who launch an image in one account.
pub fn add_consumers(needs: &mut Needs, image: &ImageId, graph: &Graph, partition: Partition) {
    add(needs, image, graph.launchers(image), graph, partition);
}

/// Adds besides who would launch it once somebody changed the default version of a template.
pub fn add_other_versions(needs: &mut Needs, image: &ImageId, graph: &Graph, partition: Partition) {
    let consumers = graph.launchers_of_other_versions(image).iter();
    add(needs, image, consumers, graph, partition);
}

fn add<'c>(
    needs: &mut Needs,
    image: &ImageId,
    consumers: impl Iterator<Item = &'c Consumer>,
    graph: &Graph,
    partition: Partition,
) {
    for consumer in consumers {
        let Some(principal) = launches_by(consumer, graph, partition) else {
            continue;
        };
        let uses = needs.entry(principal).or_default();
        uses.images.insert(image.clone());
        uses.consumers.insert((consumer.kind, consumer.id.clone()));
    }
}

/// Adds those whom an image is shared with. That everybody may launch it says of nobody that they do.
pub fn add_shared(needs: &mut Needs, image: &ImageId, shared: &BTreeSet<LaunchPermission>, owner: &AccountId) {
    for permission in shared {
        let principal = match permission {
            LaunchPermission::Account(account) if account == owner => continue,
            LaunchPermission::Account(account) => Principal::Account(account.clone()),
            LaunchPermission::Organization(arn) | LaunchPermission::OrganizationalUnit(arn) => {
                Principal::Organization(arn.clone())
            }
            LaunchPermission::Public => continue,
        };
        needs.entry(principal).or_default().images.insert(image.clone());
    }
}
