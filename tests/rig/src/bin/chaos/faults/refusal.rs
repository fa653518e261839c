//! What happens when the API server refuses what the controller has to say of its objects.

use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use rig::poll_until;
use serde_json::json;
use tokio::time::Instant;

use super::Struck;
use crate::stage::Stage;

/// For how long statuses are refused.
const REFUSED: Duration = Duration::from_secs(60);
/// How long it may take until the first one is.
const BEGINS: Duration = Duration::from_secs(40);
/// How often the audit log is read, which is long.
const LOOK: Duration = Duration::from_secs(1);
/// The name of the policy and its binding.
const POLICY: &str = "chaos-no-statuses";
/// The controller's rights.
const ROLE: &str = "amiseal";

/// Who refuses.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// A ValidatingAdmissionPolicy that somebody put up for all statuses: 422.
    AdmissionPolicy,
    /// RBAC, since somebody took the rights away: 403.
    Rights,
}

impl By {
    const fn code(self) -> u16 {
        match self {
            Self::AdmissionPolicy => 422,
            Self::Rights => 403,
        }
    }
}

/// Has every status refused for a minute.
pub(super) async fn refused(stage: &mut Stage, by: By) -> Result<Struck> {
    let left = stage.left();
    let refused = |stage: &Stage| stage.refused_writes(|e| e.subresource == "status" && e.code == by.code());
    match by {
        By::AdmissionPolicy => stage.plane.apply(&admission_policy()).await?,
        By::Rights => {
            let role = role(stage, |role| {
                for rule in role.rules.iter_mut().flatten() {
                    for resource in rule.resources.iter_mut().flatten() {
                        if resource.ends_with("/status") {
                            // A rule may name what is not there.
                            resource.push_str("-that-was");
                        }
                    }
                }
            });
            role.await?;
        }
    }
    poll_until("a status to be refused", BEGINS, async || {
        tokio::time::sleep(LOOK).await;
        Ok((refused(stage)? > 0).then_some(()))
    })
    .await?;
    tokio::time::sleep(REFUSED).await;
    let count = refused(stage)?;
    match by {
        By::AdmissionPolicy => {
            for kind in ["ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"] {
                let resource = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
                let objects: Api<DynamicObject> =
                    Api::all_with(stage.plane.admin_client().await?, &ApiResource::from_gvk(&resource));
                let deleted = objects.delete(POLICY, &DeleteParams::default()).await;
                deleted.with_context(|| format!("the {kind} cannot be deleted"))?;
            }
        }
        By::Rights => {
            let role = role(stage, |role| {
                for rule in role.rules.iter_mut().flatten() {
                    for resource in rule.resources.iter_mut().flatten() {
                        if let Some(status) = resource.strip_suffix("-that-was") {
                            *resource = status.to_owned();
                        }
                    }
                }
            });
            role.await?;
        }
    }
    Ok(Struck::new(count, "writes refused", left, Instant::now()))
}

/// Changes the controller's rights.
async fn role(stage: &Stage, change: impl FnOnce(&mut ClusterRole)) -> Result<()> {
    let roles: Api<ClusterRole> = Api::all(stage.plane.admin_client().await?);
    let mut role = roles.get(ROLE).await?;
    change(&mut role);
    roles
        .replace(ROLE, &PostParams::default(), &role)
        .await
        .context("the controller's rights cannot be changed")?;
    Ok(())
}

fn admission_policy() -> String {
    let kinds = ["amiencryptionpolicies", "amiencryptiontargets", "amimigrations"];
    let statuses = kinds.map(|kind| format!("{kind}/status"));
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["amiseal.dev"],
                "apiVersions": ["*"],
                "operations": ["CREATE", "UPDATE"],
                "resources": statuses,
            }]},
            "validations": [{"expression": "false", "message": "no statuses today"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": POLICY},
        "spec": {"policyName": POLICY, "validationActions": ["Deny"]},
    });
    format!("{policy}\n---\n{binding}\n")
}
