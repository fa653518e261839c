//! Who may do what in the cluster.

use serde_json::{Value, json};

use crate::support::{NAMESPACE, named, names, render, template};

#[tokio::test]
async fn the_controller_is_granted_these_rights_and_no_others() {
    let rendered = render(&[]).await;
    let of_cluster_api = |resource: &str| json!({"apiGroups": ["infrastructure.cluster.x-k8s.io"], "resources": [resource], "verbs": ["list"]});
    assert_eq!(
        named(&rendered, "ClusterRole", "amiseal")["rules"],
        json!([
            {"apiGroups": ["amiseal.dev"], "resources": ["amiencryptionpolicies"], "verbs": ["list", "watch"]},
            {
                "apiGroups": ["amiseal.dev"],
                "resources": ["amiencryptiontargets"],
                "verbs": ["list", "watch", "create", "patch", "delete"],
            },
            {"apiGroups": ["amiseal.dev"], "resources": ["amimigrations"], "verbs": ["list", "watch", "create", "delete"]},
            {
                "apiGroups": ["amiseal.dev"],
                "resources": ["amiencryptionpolicies/status", "amiencryptiontargets/status", "amimigrations/status"],
                "verbs": ["update"],
            },
            {"apiGroups": ["karpenter.k8s.aws"], "resources": ["ec2nodeclasses"], "verbs": ["list"]},
            of_cluster_api("awsmachinetemplates"),
            of_cluster_api("awsmachines"),
            of_cluster_api("awsmachinepools"),
            of_cluster_api("awsmanagedmachinepools"),
        ])
    );
    let events = json!([{"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]}]);
    let leases = json!([{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list", "create", "update", "delete"]}]);
    // Events of objects without a namespace are in `default`.
    for (name, namespace, rules) in [
        ("amiseal-events", "default", events),
        ("amiseal-leases", NAMESPACE, leases),
    ] {
        assert_eq!(named(&rendered, "Role", name)["rules"], rules);
        for kind in ["Role", "RoleBinding"] {
            assert_eq!(
                named(&rendered, kind, name)["metadata"]["namespace"],
                namespace,
                "{kind} {name}"
            );
        }
    }
    let bindings = rendered.iter().filter(|object| {
        object["kind"]
            .as_str()
            .is_some_and(|kind| kind.ends_with("RoleBinding"))
    });
    assert_eq!(bindings.count(), 3);
    for (binding, role, name) in [
        ("ClusterRoleBinding", "ClusterRole", "amiseal"),
        ("RoleBinding", "Role", "amiseal-events"),
        ("RoleBinding", "Role", "amiseal-leases"),
    ] {
        let binding = named(&rendered, binding, name);
        assert_eq!(
            binding["roleRef"],
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name})
        );
        assert_eq!(
            binding["subjects"],
            json!([{"kind": "ServiceAccount", "name": "amiseal", "namespace": NAMESPACE}])
        );
    }
}

#[tokio::test]
async fn jobs_may_be_made_in_the_controllers_own_namespace_where_that_is_asked_for_and_cron_jobs_only_read() {
    let rendered = render(&["--set", "proofJobs.enabled=true"]).await;
    let role = named(&rendered, "Role", "amiseal-jobs");
    assert_eq!(
        role["rules"],
        json!([
            {"apiGroups": ["batch"], "resources": ["cronjobs"], "verbs": ["get"]},
            {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get", "create", "delete"]},
        ])
    );
    let binding = named(&rendered, "RoleBinding", "amiseal-jobs");
    assert_eq!(
        binding["roleRef"],
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "amiseal-jobs"})
    );
    assert_eq!(
        binding["subjects"],
        json!([{"kind": "ServiceAccount", "name": "amiseal", "namespace": NAMESPACE}])
    );
    for object in [role, binding] {
        assert_eq!(object["metadata"]["namespace"], NAMESPACE);
    }
    for arguments in [&[][..], &["--set", "proofJobs.enabled=true,rbac.create=false"]] {
        let rendered = render(arguments).await;
        assert!(!names(&rendered).iter().any(|name| name.ends_with("amiseal-jobs")));
    }
}

/// The rules that are beside those on the controller's own kinds.
async fn on_others(arguments: &[&str]) -> Vec<Value> {
    let rendered = render(arguments).await;
    let rules = named(&rendered, "ClusterRole", "amiseal")["rules"].as_array().cloned();
    let mut rules = rules.expect("rules");
    rules.retain(|rule| rule["apiGroups"] != json!(["amiseal.dev"]));
    rules
}

#[tokio::test]
async fn what_launches_images_may_be_listed_as_far_as_it_is_named_and_nothing_where_nothing_is() {
    let named = json!([
        {"apiVersion": "example.com/v1", "kind": "Pool", "resource": "pools", "paths": [".spec.image"]},
        {"apiVersion": "v1", "kind": "ConfigMap", "resource": "configmaps", "paths": [".data.ami"]},
    ]);
    assert_eq!(
        on_others(&["--set-json", &format!("clusterConsumers={named}")]).await,
        [
            json!({"apiGroups": ["example.com"], "resources": ["pools"], "verbs": ["list"]}),
            json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}),
        ]
    );
    let none = on_others(&["--set-json", "clusterConsumers=[]"]).await;
    assert_eq!(none, Vec::<Value>::new());
}

#[tokio::test]
async fn people_who_view_the_cluster_may_read_everything_and_operators_do_what_the_guide_asks_of_them() {
    let rendered = render(&[]).await;
    let kinds = ["amiencryptionpolicies", "amiencryptiontargets", "amimigrations"];
    let reading = json!({"apiGroups": ["amiseal.dev"], "resources": kinds, "verbs": ["get", "list", "watch"]});
    let (view, operator) = (
        named(&rendered, "ClusterRole", "amiseal-view"),
        named(&rendered, "ClusterRole", "amiseal-operator"),
    );
    assert_eq!(view["rules"], json!([reading]));
    assert_eq!(
        operator["rules"],
        json!([
            reading,
            {
                "apiGroups": ["amiseal.dev"],
                "resources": ["amiencryptionpolicies"],
                "verbs": ["create", "update", "patch", "delete"],
            },
            {"apiGroups": ["amiseal.dev"], "resources": ["amimigrations"], "verbs": ["patch", "delete"]},
            {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["get", "list", "watch"]},
        ])
    );
    let approver = named(&rendered, "ClusterRole", "amiseal-approver");
    assert_eq!(
        approver["rules"],
        json!([
            reading,
            {
                "apiGroups": ["amiseal.dev"],
                "resources": ["amimigrations"],
                "verbs": ["patch", "approve", "rollback", "hold"],
            },
            {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["get", "list", "watch"]},
        ])
    );
    for role in ["view", "edit", "admin"] {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{role}");
        assert_eq!(view["metadata"]["labels"][&label], "true", "{role}");
        assert_eq!(operator["metadata"]["labels"].get(&label), None, "{role}");
        assert_eq!(approver["metadata"]["labels"].get(&label), None, "{role}");
    }
}

#[tokio::test]
async fn rights_and_aggregation_can_be_left_to_others() {
    let of = |rendered: &[Value]| -> Vec<String> {
        let names = names(rendered).into_iter();
        names.filter(|name| name.contains("Role")).collect()
    };
    let rendered = render(&["--set", "rbac.create=false"]).await;
    assert_eq!(
        of(&rendered),
        [
            "ClusterRole amiseal-approver",
            "ClusterRole amiseal-operator",
            "ClusterRole amiseal-view"
        ]
    );
    let rendered = render(&["--set", "rbac.create=false,rbac.userRoles=false"]).await;
    assert_eq!(of(&rendered), Vec::<String>::new());
    let rendered = render(&["--set", "rbac.aggregate=false"]).await;
    let labels = named(&rendered, "ClusterRole", "amiseal-view")["metadata"]["labels"].as_object();
    let labels = labels.expect("labels").keys();
    assert_eq!(labels.filter(|label| label.contains("aggregate-to")).count(), 0);
}

#[tokio::test]
async fn who_may_decide_about_migrations_is_asked_for() {
    let rendered = render(&[]).await;
    let policy = named(&rendered, "ValidatingAdmissionPolicy", "amiseal-decisions");
    let binding = named(&rendered, "ValidatingAdmissionPolicyBinding", "amiseal-decisions");
    assert_eq!(
        binding["spec"],
        json!({"policyName": "amiseal-decisions", "validationActions": ["Deny"]})
    );
    assert_eq!(policy["spec"]["failurePolicy"], "Fail");
    assert_eq!(
        policy["spec"]["matchConstraints"]["resourceRules"],
        json!([{
            "apiGroups": ["amiseal.dev"],
            "apiVersions": ["*"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["amimigrations"],
            "scope": "Cluster",
        }])
    );
    let message = |policy: &Value| {
        policy["spec"]["validations"][0]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let asked = message(policy);
    assert!(
        asked.ends_with("bind you to the ClusterRole amiseal-approver"),
        "{asked}"
    );
    // Where that role is not made it is not named.
    let rendered = render(&["--set", "rbac.userRoles=false"]).await;
    let asked = message(named(&rendered, "ValidatingAdmissionPolicy", "amiseal-decisions"));
    assert!(asked.ends_with("grant it to you in a ClusterRole"), "{asked}");

    let without = render(&["--set", "admissionPolicy.enabled=false"]).await;
    assert!(!names(&without).iter().any(|name| name.contains("ValidatingAdmission")));
}

/// Versions before 1.31 do not take all of the definitions.
#[tokio::test]
async fn a_version_of_kubernetes_that_is_too_old_is_refused_and_those_of_providers_are_taken() {
    let old = template(&["--kube-version", "1.30.14"])
        .await
        .refusal("Kubernetes 1.30");
    assert!(old.contains("kubeVersion: >=1.31.0-0"), "{old}");
    render(&["--kube-version", "v1.31.0-eks-1a2b3c4"]).await;
}

#[tokio::test]
async fn config_maps_may_be_written_where_policies_may_have_their_maps_kept_and_nowhere_else() {
    let rendered = render(&["--set", "promotionMap.enabled=true"]).await;
    for kind in ["Role", "RoleBinding"] {
        let namespace = &named(&rendered, kind, "amiseal-maps")["metadata"]["namespace"];
        assert_eq!(*namespace, NAMESPACE, "{kind}");
    }
    assert_eq!(
        named(&rendered, "Role", "amiseal-maps")["rules"],
        json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch", "delete"]}])
    );
    let binding = named(&rendered, "RoleBinding", "amiseal-maps");
    assert_eq!(
        binding["roleRef"],
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "amiseal-maps"})
    );
    assert_eq!(
        binding["subjects"],
        json!([{"kind": "ServiceAccount", "name": "amiseal", "namespace": NAMESPACE}])
    );
    let without = render(&["--set", "promotionMap.enabled=true,rbac.create=false"]).await;
    assert!(!names(&without).iter().any(|name| name.contains("amiseal-maps")));
}
