//! What the controller's service account may do by the chart, as the API server's own authorizer sees it.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, PostParams};
use rig::shared;

const ACCOUNT: &str = "system:serviceaccount:amiseal-system:amiseal";

/// A verb, and a resource as `kubectl auth can-i` writes it: `resource[/subresource][.group] [in a namespace]`.
async fn may(question: &str) -> bool {
    let (verb, rest) = question.split_once(' ').expect("a verb and a resource");
    let (resource, namespace) = rest.split_once(" in ").unwrap_or((rest, ""));
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let text = |value: &str| Some(value.to_owned());
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: text(ACCOUNT),
            resource_attributes: Some(ResourceAttributes {
                verb: text(verb),
                group: text(group),
                resource: text(resource),
                subresource: text(subresource),
                namespace: text(namespace),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews: Api<SubjectAccessReview> = Api::all(shared().await.admin_client().await.expect("a client"));
    let answer = reviews
        .create(&PostParams::default(), &review)
        .await
        .expect("an answer");
    answer.status.expect("a decision").allowed
}

#[tokio::test]
async fn the_controller_may_do_its_work() {
    for question in [
        "list amiencryptionpolicies.amiseal.dev",
        "watch amiencryptionpolicies.amiseal.dev",
        "update amiencryptionpolicies/status.amiseal.dev",
        "list amiencryptiontargets.amiseal.dev",
        "watch amiencryptiontargets.amiseal.dev",
        "create amiencryptiontargets.amiseal.dev",
        "patch amiencryptiontargets.amiseal.dev",
        "delete amiencryptiontargets.amiseal.dev",
        "update amiencryptiontargets/status.amiseal.dev",
        "list amimigrations.amiseal.dev",
        "watch amimigrations.amiseal.dev",
        "create amimigrations.amiseal.dev",
        "delete amimigrations.amiseal.dev",
        "update amimigrations/status.amiseal.dev",
        "create events.events.k8s.io in default",
        "patch events.events.k8s.io in default",
        "list leases.coordination.k8s.io in amiseal-system",
        "create leases.coordination.k8s.io in amiseal-system",
        "update leases.coordination.k8s.io in amiseal-system",
        "delete leases.coordination.k8s.io in amiseal-system",
        "list ec2nodeclasses.karpenter.k8s.aws",
        "list awsmachinetemplates.infrastructure.cluster.x-k8s.io",
    ] {
        assert!(may(question).await, "the controller may not {question}");
    }
}

#[tokio::test]
async fn the_controller_may_do_nothing_else() {
    for question in [
        // A policy is its author's, and deleting many at once is nobody's work.
        "create amiencryptionpolicies.amiseal.dev",
        "update amiencryptionpolicies.amiseal.dev",
        "patch amiencryptionpolicies.amiseal.dev",
        "delete amiencryptionpolicies.amiseal.dev",
        "deletecollection amimigrations.amiseal.dev",
        // A migration is written once: what people change in it stays.
        "patch amimigrations.amiseal.dev",
        "update amimigrations.amiseal.dev",
        // Statuses are replaced, never read alone, and nothing has finalizers or keeps its owner from being deleted.
        "get amimigrations/status.amiseal.dev",
        "patch amimigrations/status.amiseal.dev",
        "update amiencryptionpolicies/finalizers.amiseal.dev",
        "update amiencryptiontargets/finalizers.amiseal.dev",
        "update amimigrations/finalizers.amiseal.dev",
        // All that it reads, it watches.
        "get amiencryptionpolicies.amiseal.dev",
        "get amiencryptiontargets.amiseal.dev",
        "get amimigrations.amiseal.dev",
        // What launches images is listed now and then, and never changed.
        "get ec2nodeclasses.karpenter.k8s.aws",
        "watch ec2nodeclasses.karpenter.k8s.aws",
        "patch ec2nodeclasses.karpenter.k8s.aws",
        "list awsclusters.infrastructure.cluster.x-k8s.io",
        // Nor is it a way into the rest of the cluster.
        "get secrets in amiseal-system",
        "list secrets",
        "get configmaps in amiseal-system",
        "create pods in amiseal-system",
        "create jobs.batch in amiseal-system",
        "create serviceaccounts/token in amiseal-system",
        "impersonate users",
        "patch customresourcedefinitions.apiextensions.k8s.io",
        "patch clusterroles.rbac.authorization.k8s.io",
        "list leases.coordination.k8s.io in kube-system",
        "update leases.coordination.k8s.io in default",
        "patch leases.coordination.k8s.io in amiseal-system",
        "deletecollection leases.coordination.k8s.io in amiseal-system",
        "list events.events.k8s.io",
    ] {
        assert!(!may(question).await, "the controller may {question}");
    }
}
