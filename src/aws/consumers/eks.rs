//! Managed node groups of EKS: one that names a launch template of its own launches what that says.

use super::owner::owner;
use super::{Query, launcher, named, template};
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{AwsError, ConsumerKind, ErrorClass, Operation, Readings};

const CLUSTERS: Operation = Operation::ListClusters;
const GROUPS: Operation = Operation::ListNodegroups;
const GROUP: Operation = Operation::DescribeNodegroup;

/// AWS's largest page of both listings.
const PAGE: i32 = 100;

pub(super) async fn read(session: &Session, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    let mut clusters = Vec::new();
    let mut pages = Pages::default();
    while pages.more() {
        let client = session.eks();
        let request = client.list_clusters().max_results(PAGE).set_next_token(pages.token());
        let page = session.call(CLUSTERS, request.send()).await?;
        clusters.extend(listed(CLUSTERS, page.clusters)?);
        pages.turn(CLUSTERS, page.next_token)?;
    }
    into.paged |= pages.several();
    for cluster in clusters {
        match of_cluster(session, query, &cluster, into).await {
            // Deleted since it was listed.
            Err(error) if error.class == ErrorClass::NotFound => {}
            read => read?,
        }
    }
    Ok(())
}

async fn of_cluster(session: &Session, query: &Query, cluster: &str, into: &mut Readings) -> Result<(), AwsError> {
    let mut groups = Vec::new();
    let mut pages = Pages::default();
    while pages.more() {
        let client = session.eks();
        let request = client
            .list_nodegroups()
            .cluster_name(cluster)
            .max_results(PAGE)
            .set_next_token(pages.token());
        let page = session.call(GROUPS, request.send()).await?;
        groups.extend(listed(GROUPS, page.nodegroups)?);
        pages.turn(GROUPS, page.next_token)?;
    }
    into.paged |= pages.several();
    for group in groups {
        let client = session.eks();
        let request = client.describe_nodegroup().cluster_name(cluster).nodegroup_name(&group);
        let answer = match session.call(GROUP, request.send()).await {
            Err(error) if error.class == ErrorClass::NotFound => continue,
            answer => answer?,
        };
        let group = answer
            .nodegroup
            .ok_or_else(|| AwsError::malformed(GROUP, &"no node group in the answer"))?;
        let id = format!("{cluster}/{}", named(GROUP, group.nodegroup_name())?);
        let of = group.launch_template();
        let launches = [(
            String::new(),
            of.and_then(|of| template(of.id(), of.name(), of.version())),
        )];
        let mut launches = launcher(ConsumerKind::NodeGroup, id.into(), launches);
        let tags = group.tags().into_iter().flatten();
        launches.owner = owner(query, None, tags.map(|(key, value)| (key.as_str(), value.as_str())));
        into.launchers.push(launches);
    }
    Ok(())
}
