//! Whom roles trust.

use super::statement::{Policy, Statement, Texts};
use super::{AccountRights, Options, Trust};

/// What stands for a value that nobody has given.
pub(super) const CONTROLLER: &str = "CONTROLLER_ROLE";
const ACCOUNT: &str = "CONTROLLER_ACCOUNT";
pub(super) const PROVIDER: &str = "OIDC_PROVIDER";
/// Whom EKS's webhook names in the tokens of service accounts.
const AUDIENCE: &str = "sts.amazonaws.com";
const TRUST: &str = "TrustTheController";
const ASSUME: &str = "sts:AssumeRole";
/// The session is tagged with the policy's name.
const TAG: &str = "sts:TagSession";

/// The role of an account trusts the controller, and who else is named, with the policy's external ID.
pub(super) fn of_role(account: &AccountRights, options: &Options) -> Policy {
    let principals = [controller(options, account.partition)];
    let principals: Texts = principals.into_iter().chain(options.trusted.iter().cloned()).collect();
    let allow =
        |sid: &str, actions: Texts| Statement::allow(sid, actions, Texts::default()).to("AWS", principals.clone());
    // Where one policy gives no external ID, the role can ask for none.
    let ids: Option<Vec<String>> = account.external_ids.iter().cloned().collect();
    let statements = match ids.filter(|ids| !ids.is_empty()) {
        None => vec![allow(TRUST, [ASSUME, TAG].into_iter().collect())],
        // The Service Authorization Reference has the external ID for the first action alone: asked for with the second, it never holds.
        Some(ids) => vec![
            allow(TRUST, Texts::one(ASSUME)).when("StringEquals", "sts:ExternalId", Texts(ids)),
            allow("TagTheSession", Texts::one(TAG)),
        ],
    };
    Policy::of(statements)
}

/// The controller's own role, or what stands for it.
pub(super) fn controller(options: &Options, partition: &str) -> String {
    let placeholder = || format!("arn:{partition}:iam::{ACCOUNT}:role/{CONTROLLER}");
    options.controller.clone().unwrap_or_else(placeholder)
}

/// The controller's own role trusts the service account; none where it has that role in another way.
pub(super) fn of_controller(options: &Options, partition: &str) -> Option<Policy> {
    let statement = match options.trust {
        Trust::Role => return None,
        Trust::Irsa => by_web_identity(options, partition),
        Trust::PodIdentity => by_pod_identity(options),
    };
    Some(Policy::of(vec![statement]))
}

/// "IAM roles for service accounts" in the user guide of EKS.
fn by_web_identity(options: &Options, partition: &str) -> Statement {
    let controller = controller(options, partition);
    let account = controller.split(':').nth(4).unwrap_or(ACCOUNT);
    let provider = options.oidc_provider.as_deref().unwrap_or(PROVIDER);
    let arn = format!("arn:{partition}:iam::{account}:oidc-provider/{provider}");
    let subject = format!(
        "system:serviceaccount:{}:{}",
        options.namespace, options.service_account
    );
    let action = Texts::one("sts:AssumeRoleWithWebIdentity");
    Statement::allow("TrustTheServiceAccount", action, Texts::default())
        .to("Federated", Texts::one(arn))
        .when("StringEquals", &format!("{provider}:aud"), Texts::one(AUDIENCE))
        .when("StringEquals", &format!("{provider}:sub"), Texts::one(subject))
}

/// "EKS Pod Identity role" in the user guide of EKS: EKS tags the session with where the Pod runs.
fn by_pod_identity(options: &Options) -> Statement {
    let actions = [ASSUME, TAG].into_iter().collect();
    let given = |tag: &str| format!("aws:RequestTag/{tag}");
    let statement = Statement::allow("TrustTheServiceAccount", actions, Texts::default())
        .to("Service", Texts::one("pods.eks.amazonaws.com"))
        .when(
            "StringEquals",
            &given("kubernetes-namespace"),
            Texts::one(&*options.namespace),
        )
        .when(
            "StringEquals",
            &given("kubernetes-service-account"),
            Texts::one(&*options.service_account),
        );
    match &options.cluster {
        Some(cluster) => statement.when("StringEquals", &given("eks-cluster-arn"), Texts::one(cluster.as_str())),
        None => statement,
    }
}
