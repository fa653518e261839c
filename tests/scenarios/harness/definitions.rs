//! Kinds of objects that launch images, as far as scenarios need them.

use serde_json::json;

use super::Scenario;

/// A kind, as a definition has it.
#[derive(Clone, Copy)]
pub(crate) struct Defined {
    pub(crate) kind: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) is_namespaced: bool,
}

const fn of_cluster_api(kind: &'static str, resource: &'static str) -> Defined {
    Defined {
        kind,
        resource,
        group: "infrastructure.cluster.x-k8s.io",
        version: "v1beta2",
        is_namespaced: true,
    }
}

pub(crate) const NODE_CLASS: Defined = Defined {
    kind: "EC2NodeClass",
    resource: "ec2nodeclasses",
    group: "karpenter.k8s.aws",
    version: "v1",
    is_namespaced: false,
};
pub(crate) const MACHINE_TEMPLATE: Defined = of_cluster_api("AWSMachineTemplate", "awsmachinetemplates");
/// All that the controller reads where nobody says otherwise.
pub(crate) const LAUNCHING: [Defined; 5] = [
    NODE_CLASS,
    MACHINE_TEMPLATE,
    of_cluster_api("AWSMachine", "awsmachines"),
    of_cluster_api("AWSMachinePool", "awsmachinepools"),
    of_cluster_api("AWSManagedMachinePool", "awsmanagedmachinepools"),
];

impl Scenario {
    /// Has the cluster know kinds. They stay: other scenarios have no objects of them.
    pub(crate) async fn define(&self, kinds: &[Defined]) {
        let definitions = kinds.iter().map(|defined| {
            let Defined { kind, resource, .. } = defined;
            let names = json!({
                "kind": kind, "plural": resource, "singular": kind.to_lowercase(), "listKind": format!("{kind}List"),
            });
            let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
            json!({
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": format!("{resource}.{}", defined.group)},
                "spec": {
                    "group": defined.group,
                    "scope": if defined.is_namespaced { "Namespaced" } else { "Cluster" },
                    "names": names,
                    "versions": [{"name": defined.version, "served": true, "storage": true, "schema": schema}],
                },
            })
            .to_string()
        });
        let definitions: Vec<String> = definitions.collect();
        let applied = self.plane().apply(&definitions.join("\n---\n")).await;
        applied.expect("definitions");
    }
}
