//! Who has to change an object of the cluster.

use serde_json::Value;

use crate::domain::Owner;

/// What GitOps tools and Helm put on what they apply, as metadata's part, key and who that is.
const MARKS: [(&str, &str, &str); 4] = [
    ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD"),
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux"),
    ("annotations", "meta.helm.sh/release-name", "Helm"),
];
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const INSTANCE: &str = "app.kubernetes.io/instance";

/// Whose an object with this metadata is: the controller that made it; else the tool that applied it, as its marks say; else another
/// owner.
pub(super) fn owner(metadata: &Value) -> Option<Owner> {
    let owners = metadata["ownerReferences"].as_array();
    let owners = || owners.into_iter().flatten();
    let controller = owners().find(|owner| owner["controller"] == true);
    let of = |reference: &Value| named(text(reference, "kind")?, text(reference, "name"));
    controller
        .and_then(of)
        .or_else(|| marked(metadata))
        .or_else(|| owners().find_map(of))
}

fn marked(metadata: &Value) -> Option<Owner> {
    let mark = MARKS.iter().find_map(|(part, key, by)| {
        let mark = text(&metadata[*part], key)?;
        // `shop:apps/Deployment:default/web` is of the application shop.
        let name = mark.split(':').next().filter(|name| !name.is_empty());
        named(by, name)
    });
    let labels = &metadata["labels"];
    mark.or_else(|| match (text(labels, MANAGED_BY), text(labels, INSTANCE)) {
        (Some(by), name) => named(by, name),
        // Argo CD marks so what it applies, if it is set up like that, and charts do likewise.
        (None, Some(name)) => named(INSTANCE, Some(name)),
        (None, None) => None,
    })
}

#[allow(clippy::unnecessary_wraps, reason = "what it is for gives an option")]
fn named(by: &str, name: Option<&str>) -> Option<Owner> {
    Some(Owner {
        by: by.into(),
        name: name.map(Into::into),
    })
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whoever_made_an_object_comes_before_who_marked_it_and_marks_that_name_one_before_others() {
        let made = |controller: bool| json!([{"kind": "Cluster", "name": "prod"}, {"kind": "Machine", "name": "m-1", "controller": controller}]);
        for (metadata, expected) in [
            (json!({}), None),
            (json!(null), None),
            (json!({"labels": null, "annotations": [], "ownerReferences": {}}), None),
            (json!({"labels": {"team": "shop"}, "ownerReferences": []}), None),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "infra:karpenter.k8s.aws/EC2NodeClass:/default"}}),
                Some("Argo CD infra"),
            ),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": ":"}}),
                Some("Argo CD"),
            ),
            (
                json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "nodes"}}),
                Some("Flux nodes"),
            ),
            (
                json!({"labels": {"helm.toolkit.fluxcd.io/name": "nodes", MANAGED_BY: "Helm"}}),
                Some("Flux nodes"),
            ),
            (
                json!({"annotations": {"meta.helm.sh/release-name": "pools"}, "labels": {MANAGED_BY: "Helm", INSTANCE: "other"}}),
                Some("Helm pools"),
            ),
            (
                json!({"labels": {MANAGED_BY: "Helm", INSTANCE: "pools"}}),
                Some("Helm pools"),
            ),
            (json!({"labels": {MANAGED_BY: "kustomize"}}), Some("kustomize")),
            (
                json!({"labels": {INSTANCE: "infra"}}),
                Some("app.kubernetes.io/instance infra"),
            ),
            (json!({"labels": {MANAGED_BY: "", INSTANCE: ""}}), None),
            (json!({"labels": {MANAGED_BY: 7}}), None),
            (
                json!({"ownerReferences": made(true), "labels": {MANAGED_BY: "Helm"}}),
                Some("Machine m-1"),
            ),
            (
                json!({"ownerReferences": made(false), "labels": {MANAGED_BY: "Helm"}}),
                Some("Helm"),
            ),
            (json!({"ownerReferences": made(false)}), Some("Cluster prod")),
        ] {
            let said = owner(&metadata).map(|owner| match owner.name {
                Some(name) => format!("{} {name}", owner.by),
                None => owner.by.to_string(),
            });
            assert_eq!(said.as_deref(), expected, "{metadata}");
        }
    }
}
