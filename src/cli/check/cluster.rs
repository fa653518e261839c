//! What is asked of the API server: the three kinds, and the rights.

use futures::{StreamExt as _, stream};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::Finding;
use crate::api::{AMIEncryptionPolicy, AMIEncryptionTarget, AMIMigration, GROUP};
use crate::cli::output::whole;
use crate::plan::usage::objects::ObjectKind;

/// Where a right is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the cluster: the kinds belong to no namespace.
    Cluster,
    /// In the namespace `default`, where Events of such objects are.
    Events,
    /// In the namespace of the Leases, which is the controller's own.
    Leases,
}

/// What the controller has to be allowed.
#[derive(Debug, Clone, Copy)]
pub struct Right<'r> {
    /// Where.
    pub place: Place,
    /// The API group.
    pub group: &'r str,
    /// The resource, with its subresource after a slash.
    pub resource: &'r str,
    /// What it does with it.
    pub verbs: &'static [&'static str],
}

const fn right<'r>(place: Place, group: &'r str, resource: &'r str, verbs: &'static [&'static str]) -> Right<'r> {
    Right {
        place,
        group,
        resource,
        verbs,
    }
}

/// The rights that the chart grants whatever its values are; besides, it grants those [to list](to_list) what launches images.
pub const RIGHTS: &[Right<'static>] = &[
    right(Place::Cluster, GROUP, "amiencryptionpolicies", &["list", "watch"]),
    right(
        Place::Cluster,
        GROUP,
        "amiencryptiontargets",
        &["list", "watch", "create", "patch", "delete"],
    ),
    right(
        Place::Cluster,
        GROUP,
        "amimigrations",
        &["list", "watch", "create", "delete"],
    ),
    right(Place::Cluster, GROUP, "amiencryptionpolicies/status", &["update"]),
    right(Place::Cluster, GROUP, "amiencryptiontargets/status", &["update"]),
    right(Place::Cluster, GROUP, "amimigrations/status", &["update"]),
    right(Place::Events, "events.k8s.io", "events", &["create", "patch"]),
    right(
        Place::Leases,
        "coordination.k8s.io",
        "leases",
        &["list", "create", "update", "delete"],
    ),
];

/// The rights that the chart grants with `promotionMap.enabled` besides. They are needed where a policy has its map kept.
pub const MAP_RIGHTS: &[Right<'static>] = &[right(
    Place::Leases,
    "",
    "configmaps",
    &["get", "create", "patch", "delete"],
)];

/// The rights that the chart grants besides with `proofJobs.enabled: true`.
pub const FOR_PROOF_JOBS: &[Right<'static>] = &[
    right(Place::Leases, "batch", "cronjobs", &["get"]),
    right(Place::Leases, "batch", "jobs", &["get", "create", "delete"]),
];

/// The right to read a kind of objects that launch images.
pub fn to_list(kind: &ObjectKind) -> Right<'_> {
    right(Place::Cluster, &kind.group, &kind.resource, &["list"])
}

/// Requests at a time.
const AT_A_TIME: usize = 8;

/// The policies, or why they cannot be read; or, as a failure, that the API server does not answer at all.
pub(super) async fn policies(client: &Client) -> Result<Result<Vec<AMIEncryptionPolicy>, String>, Finding> {
    let api = Api::<AMIEncryptionPolicy>::all(client.clone());
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(Ok(list.items)),
        Err(error) if crate::controller::is_unreachable(&error) => {
            Err(Finding::new("API server", Err(unreachable("it", &error))))
        }
        Err(error) => Ok(Err(unreadable("amiencryptionpolicies", &error))),
    }
}

/// Whether each of the three kinds can be read.
pub(super) async fn kinds(client: &Client, policies: Result<&[AMIEncryptionPolicy], &String>) -> Vec<Finding> {
    let policies = policies.map(|list| format!("can be read; there are {}", list.len()));
    vec![
        Finding::new("amiencryptionpolicies", policies.map_err(Clone::clone)),
        kind::<AMIEncryptionTarget>(client, "amiencryptiontargets").await,
        kind::<AMIMigration>(client, "amimigrations").await,
    ]
}

async fn kind<K>(client: &Client, plural: &str) -> Finding
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let first = ListParams::default().limit(1);
    let said = match Api::<K>::all(client.clone()).list(&first).await {
        Ok(_) => Ok("can be read".to_owned()),
        Err(error) => Err(unreadable(plural, &error)),
    };
    Finding::new(plural, said)
}

/// Why a kind cannot be read, and what to do about it.
pub(crate) fn unreadable(plural: &str, error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.code == 404 => format!(
            "the cluster has no {plural}.{GROUP}: apply the files of crds/, or set crds.enabled=true of the chart"
        ),
        kube::Error::Api(status) if status.code == 403 => format!(
            "{}: grant the right, as the chart does with rbac.create=true",
            status.message
        ),
        error if crate::controller::is_unreachable(error) => unreachable("the API server", error),
        error => format!("cannot be read: {}", whole(error)),
    }
}

fn unreachable(who: &str, error: &kube::Error) -> String {
    let why = whole(error);
    format!("{who} does not answer ({why}): check KUBECONFIG, or, in a pod, the network policies of its namespace")
}

/// Rights that only some policies take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Optional {
    /// Those to keep maps in ConfigMaps.
    pub maps: bool,
    /// Those to prove copies by Jobs.
    pub proof_jobs: bool,
}

/// Whether this identity may do everything that the controller does, and that of `optional` which is wanted. The API server is asked
/// about it, and nothing is done.
pub(super) async fn rights(client: &Client, namespace: &str, kinds: &[ObjectKind], optional: Optional) -> Finding {
    let of_maps = if optional.maps { MAP_RIGHTS } else { &[] };
    let of_jobs = if optional.proof_jobs { FOR_PROOF_JOBS } else { &[] };
    let always = RIGHTS.iter().copied().chain(kinds.iter().map(to_list));
    let rights: Vec<_> = always
        .map(|right| (right, "rbac.create=true"))
        .chain(of_maps.iter().map(|right| (*right, "promotionMap.enabled=true")))
        .chain(of_jobs.iter().map(|right| (*right, "proofJobs.enabled=true")))
        .collect();
    let each = rights
        .iter()
        .flat_map(|(right, value)| right.verbs.iter().map(move |verb| (right, *verb, *value)));
    let asked: Vec<_> = stream::iter(each)
        .map(|(right, verb, value)| async move { (right, verb, value, may(client, namespace, right, verb).await) })
        .buffered(AT_A_TIME)
        .collect()
        .await;
    let (mut missing, mut values) = (Vec::new(), Vec::new());
    for (right, verb, value, answer) in &asked {
        match answer {
            Ok(true) => {}
            Ok(false) => {
                missing.push(named(right, verb, namespace));
                if !values.contains(value) {
                    values.push(*value);
                }
            }
            Err(error) => return Finding::new("rights", Err(format!("cannot be asked about: {}", whole(error)))),
        }
    }
    let said = if missing.is_empty() {
        Ok(format!("all {} are granted", asked.len()))
    } else {
        Err(format!(
            "missing: {}: grant them, as the chart does with {}",
            missing.join(", "),
            values.join(" and ")
        ))
    };
    Finding::new("rights", said)
}

async fn may(client: &Client, namespace: &str, right: &Right<'_>, verb: &str) -> Result<bool, kube::Error> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes(right, verb, namespace)),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = Api::<SelfSubjectAccessReview>::all(client.clone())
        .create(&PostParams::default(), &review)
        .await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

fn attributes(right: &Right<'_>, verb: &str, namespace: &str) -> ResourceAttributes {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (right.resource, None),
    };
    ResourceAttributes {
        group: Some(right.group.to_owned()),
        namespace: where_needed(right, namespace).map(str::to_owned),
        resource: Some(resource.to_owned()),
        subresource,
        verb: Some(verb.to_owned()),
        ..ResourceAttributes::default()
    }
}

fn where_needed<'a>(right: &Right<'_>, namespace: &'a str) -> Option<&'a str> {
    match right.place {
        Place::Cluster => None,
        Place::Events => Some("default"),
        Place::Leases => Some(namespace),
    }
}

fn named(right: &Right<'_>, verb: &str, namespace: &str) -> String {
    let dot = if right.group.is_empty() { "" } else { "." };
    let what = format!("{verb} {}{dot}{}", right.resource, right.group);
    match where_needed(right, namespace) {
        Some(namespace) => format!("{what} in {namespace}"),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn refused(code: u16, message: &str) -> kube::Error {
        let status = Status {
            code,
            message: message.to_owned(),
            ..Status::default()
        };
        kube::Error::Api(Box::new(status))
    }

    #[test]
    fn what_cannot_be_read_is_said_with_what_to_do() {
        let missing = unreadable("amimigrations", &refused(404, "page not found"));
        assert!(
            missing.starts_with("the cluster has no amimigrations.amiseal.dev: "),
            "{missing}"
        );
        let forbidden = unreadable("amimigrations", &refused(403, "amimigrations is forbidden"));
        assert!(
            forbidden.starts_with("amimigrations is forbidden: grant the right"),
            "{forbidden}"
        );
        let other = unreadable("amimigrations", &refused(500, "etcd is full"));
        assert!(other.contains("etcd is full"), "{other}");
        let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let gone = unreadable("amimigrations", &kube::Error::Service(lost.into()));
        assert!(gone.starts_with("the API server does not answer ("), "{gone}");
    }

    #[test]
    fn a_right_is_named_with_its_place_and_asked_about_with_its_subresource() {
        let all: Vec<String> = RIGHTS
            .iter()
            .flat_map(|right| right.verbs.iter().map(|verb| named(right, verb, "amiseal-system")))
            .collect();
        assert_eq!(
            all.first().map(String::as_str),
            Some("list amiencryptionpolicies.amiseal.dev")
        );
        assert_eq!(
            all.last().map(String::as_str),
            Some("delete leases.coordination.k8s.io in amiseal-system")
        );
        let status = RIGHTS.iter().find(|right| right.resource == "amimigrations/status");
        let asked = attributes(status.expect("a right"), "update", "amiseal-system");
        assert_eq!(
            (asked.resource.as_deref(), asked.subresource.as_deref(), asked.namespace),
            (Some("amimigrations"), Some("status"), None)
        );
    }
}
