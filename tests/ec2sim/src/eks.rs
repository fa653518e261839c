//! EKS: ListClusters, ListNodegroups, DescribeNodegroup.

use serde_json::{Map, Value, json};

use crate::clock::SimTime;
use crate::engine::{Done, Operation, Outcome, Request, State, anything, run_of};
use crate::model::{Cluster, Nodegroup};
use crate::paging::{Ask, Page, cut, size_of};
use crate::spec::digest;
use crate::wire::ApiError;

const OPERATIONS: [Operation; 3] = [
    Operation {
        name: "ListClusters",
        about: anything,
        run: list_clusters,
    },
    Operation {
        name: "ListNodegroups",
        about: about_cluster,
        run: list_nodegroups,
    },
    Operation {
        name: "DescribeNodegroup",
        about: about_nodegroup,
        run: describe_nodegroup,
    },
];

/// Runs an operation of EKS.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    run_of(&OPERATIONS, state, request)
}

fn name_of<'a>(request: &'a Request, parameter: &str) -> &'a str {
    request.params.get(parameter).unwrap_or_default()
}

fn about_cluster(state: &State, request: &Request) -> Vec<String> {
    vec![request.arn(state, &format!("cluster/{}", name_of(request, "name")))]
}

fn about_nodegroup(state: &State, request: &Request) -> Vec<String> {
    let (cluster, group) = (name_of(request, "name"), name_of(request, "nodegroupName"));
    vec![nodegroup_arn(state, request, cluster, group)]
}

fn nodegroup_arn(state: &State, request: &Request, cluster: &str, group: &str) -> String {
    let id = &digest(0, &[request.account(), cluster, group])[..36];
    request.arn(state, &format!("nodegroup/{cluster}/{group}/{id}"))
}

fn cluster<'a>(state: &'a State, request: &Request) -> Result<&'a Cluster, ApiError> {
    let name = name_of(request, "name");
    state
        .world
        .region(request.account(), &request.region)
        .and_then(|r| r.consumers.eks_clusters.get_seen(name, request.now))
        .ok_or_else(|| not_found(format!("No cluster found for name: {name}.")))
}

fn not_found(message: String) -> ApiError {
    ApiError::with_status(404, "ResourceNotFoundException", message)
}

fn page(state: &mut State, request: &Request, names: Vec<String>) -> Result<Page, ApiError> {
    let ask = Ask {
        size: size_of(&request.params, request.service, "maxResults", (1, 100, 100))?,
        token: request.params.get("nextToken"),
        whole: true,
    };
    cut(state, request, names, &ask)
}

fn listed(field: &str, page: Page) -> Done {
    let mut answer = json!({ field: page.ids });
    if let Some(next) = page.next {
        answer["nextToken"] = json!(next);
    }
    Done::json(answer)
}

fn list_clusters(state: &mut State, request: &Request) -> Outcome {
    let names = state
        .world
        .region(request.account(), &request.region)
        .into_iter()
        .flat_map(|r| r.consumers.eks_clusters.seen(request.now))
        .map(|(name, _)| name.to_owned())
        .collect();
    Ok(listed("clusters", page(state, request, names)?))
}

fn list_nodegroups(state: &mut State, request: &Request) -> Outcome {
    let groups = &cluster(state, request)?.nodegroups;
    let names = groups.iter().map(|g| g.name.clone()).collect();
    Ok(listed("nodegroups", page(state, request, names)?))
}

fn describe_nodegroup(state: &mut State, request: &Request) -> Outcome {
    let cluster = cluster(state, request)?;
    let name = name_of(request, "nodegroupName");
    let group = cluster
        .nodegroups
        .iter()
        .find(|g| g.name == name)
        .ok_or_else(|| not_found(format!("No node group found for name: {name}.")))?;
    Ok(Done::json(
        json!({ "nodegroup": shown(state, request, cluster, group) }),
    ))
}

#[allow(clippy::cast_precision_loss)]
fn seconds(at: Option<SimTime>) -> f64 {
    at.unwrap_or_default().as_millis() as f64 / 1000.0
}

fn shown(state: &State, request: &Request, cluster: &Cluster, group: &Nodegroup) -> Value {
    let size = group.desired.unwrap_or(1);
    let mut value = json!({
        "nodegroupName": group.name,
        "nodegroupArn": nodegroup_arn(state, request, &cluster.name, &group.name),
        "clusterName": cluster.name,
        "createdAt": seconds(group.created),
        "modifiedAt": seconds(group.created),
        "status": group.status,
        "capacityType": "ON_DEMAND",
        "scalingConfig": {"minSize": 0, "maxSize": size.max(1), "desiredSize": size},
        "amiType": group.ami_type,
        "resources": {"autoScalingGroups": group.groups.iter().map(|g| json!({ "name": g })).collect::<Vec<_>>()},
        "health": {"issues": []},
        "tags": group.tags,
    });
    if !group.instance_types.is_empty() {
        value["instanceTypes"] = json!(group.instance_types);
    }
    if let Some(release) = &group.release_version {
        value["releaseVersion"] = json!(release);
    }
    if let Some(reference) = &group.launch_template {
        let named = [
            ("id", &reference.id),
            ("name", &reference.name),
            ("version", &reference.version),
        ];
        let fields: Map<String, Value> = named
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), json!(value.as_ref()?))))
            .collect();
        value["launchTemplate"] = Value::Object(fields);
    }
    value
}
