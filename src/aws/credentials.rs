//! The credentials of a session: a role of its account, narrowed where the session only reads.

use std::sync::Arc;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_sts::types::Tag;

use super::Access;
use super::called;
use super::interceptor::Attempts;
use super::provider::ScopeLimits;
use crate::domain::{AwsError, Operation};

/// What a session that only reads may do, whatever its role may: each action by its name. A wildcard would take in what AWS adds to a
/// service, and what amiseal never calls.
pub const READ_ONLY_POLICY: &str = concat!(
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["#,
    r#""ec2:DescribeImages","ec2:DescribeSnapshots","ec2:DescribeRegions","ec2:DescribeImageAttribute","#,
    r#""ec2:DescribeInstances","ec2:DescribeInstanceStatus","ec2:DescribeLaunchTemplates","#,
    r#""ec2:DescribeLaunchTemplateVersions","ec2:DescribeFleets","ec2:DescribeSpotFleetRequests","#,
    r#""ec2:DescribeSpotInstanceRequests","ec2:DescribeImageReferences","ec2:DescribeImageUsageReports","#,
    r#""ec2:DescribeImageUsageReportEntries","ec2:GetEbsEncryptionByDefault","ec2:GetEbsDefaultKmsKeyId","#,
    r#""ec2:GetImageBlockPublicAccessState","ec2:GetSnapshotBlockPublicAccessState","ec2:GetAllowedImagesSettings","#,
    r#""kms:DescribeKey","kms:GetKeyRotationStatus","kms:GetKeyPolicy","kms:ListGrants","sts:GetCallerIdentity","#,
    r#""autoscaling:DescribeAutoScalingGroups","autoscaling:DescribeLaunchConfigurations","#,
    r#""autoscaling:DescribeInstanceRefreshes","ssm:DescribeParameters","ssm:GetParameters","#,
    r#""ssm:GetParametersByPath","ssm:GetParameterHistory","ssm:ListTagsForResource","#,
    r#""eks:ListClusters","eks:ListNodegroups","eks:DescribeNodegroup","batch:DescribeComputeEnvironments","#,
    r#""imagebuilder:ListImageRecipes","imagebuilder:ListContainerRecipes","#,
    r#""cloudtrail:DescribeTrails","cloudtrail:GetTrailStatus","#,
    r#""inspector2:GetOnDemandScanStatus","inspector2:ListOnDemandScans","organizations:ListAccounts","#,
    r#""organizations:ListAccountsForParent","organizations:ListOrganizationalUnitsForParent","#,
    // DescribeImageReferences asks for these two.
    r#""imagebuilder:GetImageRecipe","imagebuilder:GetContainerRecipe"],"#,
    r#""Resource":"*"}]}"#,
);

/// The session tag that carries the policy's name, so that CloudTrail shows on whose behalf a call was made.
const POLICY_TAG: &str = "amiseal-policy";

/// Assumes a session's role when the SDK asks for credentials; the SDK keeps them until shortly before they expire.
///
/// What it calls STS by is made for each call: kept, it would take several kB for each of thousands of accounts and regions, for one
/// call an hour.
#[derive(Debug)]
pub(super) struct AssumedRole {
    attempts: Attempts,
    limits: Arc<ScopeLimits>,
}

impl AssumedRole {
    /// The role of the session whose calls these are.
    pub(super) fn new(attempts: Attempts, limits: Arc<ScopeLimits>) -> Self {
        Self { attempts, limits }
    }

    async fn assume(&self) -> Result<Credentials, CredentialsError> {
        let key = &self.attempts.key;
        let narrowed = (key.access == Access::ReadOnly).then(|| READ_ONLY_POLICY.to_owned());
        let tag = Tag::builder().key(POLICY_TAG).value(&key.policy).build();
        let tag = tag.map_err(CredentialsError::invalid_configuration)?;
        // By the controller's own identity.
        let shared = &self.attempts.shared;
        let sts = sts_config(&shared.config, &self.limits, &self.attempts).retry_classifier(shared.renewal.clone());
        let sts = aws_sdk_sts::Client::from_conf(sts.build());
        let request = sts
            .assume_role()
            .set_role_arn(key.role_arn.clone())
            .role_session_name(session_name(&key.policy))
            .set_external_id(key.external_id.clone())
            .set_policy(narrowed)
            .tags(tag)
            .send();
        let assumed = called::answer(Operation::AssumeRole, Box::pin(request)).await;
        let assumed = assumed.map_err(CredentialsError::provider_error)?;
        let Some(given) = assumed.credentials else {
            let error = AwsError::malformed(Operation::AssumeRole, &"an answer without credentials");
            return Err(CredentialsError::provider_error(error));
        };
        // The SDK panics where it cannot put them into a header.
        for (what, text) in [
            ("AccessKeyId", &given.access_key_id),
            ("SessionToken", &given.session_token),
        ] {
            if !is_header_text(text) {
                let error = AwsError::malformed(Operation::AssumeRole, &format_args!("{what} is not printable ASCII"));
                return Err(CredentialsError::provider_error(error));
            }
        }
        let expiry = SystemTime::try_from(given.expiration).map_err(|_| {
            let error = AwsError::malformed(Operation::AssumeRole, &"an expiration out of range");
            CredentialsError::provider_error(error)
        })?;
        Ok(Credentials::new(
            given.access_key_id,
            given.secret_access_key,
            Some(given.session_token),
            Some(expiry),
            "AssumeRole",
        ))
    }
}

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

/// STS in the session's region: a region that is not enabled shows there first, and no other region can hold it up. The tokens of the
/// global endpoint would not be valid in a region that takes an opt-in.
pub(super) fn sts_config(
    config: &SdkConfig,
    limits: &ScopeLimits,
    attempts: &Attempts,
) -> aws_sdk_sts::config::Builder {
    let region = attempts.key.scope.region.as_str().to_owned();
    aws_sdk_sts::config::Builder::from(config)
        .region(aws_config::Region::new(region))
        .retry_partition(limits.sts.clone())
        .interceptor(attempts.clone())
}

/// Whether a header can carry it as it is.
fn is_header_text(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `amiseal-<policy>`, of the characters that AWS allows there and at most 64 long.
fn session_name(policy: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let policy = policy.chars().map(|c| if legal(c) { c } else { '-' });
    "amiseal-".chars().chain(policy).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::super::SessionKey;
    use super::super::testing::{ACCOUNT, Answer, REGION, Wire, assumed, bench, identity, open, role};
    use super::*;
    use crate::domain::Scope;

    #[tokio::test]
    async fn each_role_is_assumed_once_for_all_clients_and_no_call_is_signed_for_another() {
        const ACCOUNTS: [&str; 2] = [ACCOUNT, "444455556666"];
        // The ID of the access key is the account's.
        let wire = Wire::raw(|request| match request.call.as_str() {
            "sts:AssumeRole" => {
                let account = ACCOUNTS
                    .into_iter()
                    .find(|account| request.form["RoleArn"].contains(account));
                Answer::ok(assumed().replace("ASSUMED", account.unwrap_or("nobody")))
            }
            "sts:GetCallerIdentity" => Answer::ok(identity(&request.signer)),
            "ec2:DescribeImages" => {
                Answer::ok("<DescribeImagesResponse><imagesSet></imagesSet></DescribeImagesResponse>")
            }
            "ec2:DescribeSnapshots" => {
                Answer::ok("<DescribeSnapshotsResponse><snapshotSet></snapshotSet></DescribeSnapshotsResponse>")
            }
            _ => Answer::Reply(400, r#"{"__type":"AccessDeniedException"}"#.to_owned()),
        });
        let bench = bench(&wire, open()).await;
        let sessions = ACCOUNTS.map(|account| {
            bench.aws.session(&SessionKey {
                scope: Scope::parse(account, REGION).expect("a scope"),
                role_arn: Some(format!("arn:aws:iam::{account}:role/amiseal")),
                ..role(Access::Full)
            })
        });
        // The second time as the first, and by a visit as well.
        for _ in 0..2 {
            for (session, account) in sessions.iter().zip(ACCOUNTS) {
                let before = wire.requests().len();
                session.scan().await.expect("a scan");
                let _ = session.visiting("uid").resolve_key("alias/ami").await;
                for request in wire.requests().iter().skip(before) {
                    let by_role = request.call != "sts:AssumeRole";
                    let signer = if by_role { account } else { "OWN" };
                    assert_eq!(request.signer, signer, "{}", request.call);
                }
            }
        }
        let count = |call| wire.count(call);
        assert_eq!((count("sts:AssumeRole"), count("sts:GetCallerIdentity")), (2, 2));
        assert_eq!(count("kms:DescribeKey"), 4);
    }

    #[test]
    fn a_reading_session_may_do_what_reads_by_name_and_nothing_else() {
        assert!(READ_ONLY_POLICY.len() <= 2048, "AWS's limit on a session policy");
        let policy: serde_json::Value = serde_json::from_str(READ_ONLY_POLICY).expect("JSON");
        let mut allowed = Vec::new();
        for statement in policy["Statement"].as_array().expect("statements") {
            assert_eq!(statement["Effect"], "Allow");
            assert!(statement.get("NotAction").is_none());
            let actions = statement["Action"].as_array().expect("actions").iter();
            allowed.extend(actions.map(|action| action.as_str().expect("an action")));
        }
        for action in &allowed {
            assert!(!action.contains(['*', '?']), "{action} is more than one");
            let (_, name) = action.split_once(':').expect("an action");
            let reads = ["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb));
            assert!(reads, "{action} does more than read");
        }
        // The controller assumes the role with its own identity, before there is a session.
        let called = Operation::ALL.iter().copied();
        let called = called.filter(|operation| !operation.writes() && *operation != Operation::AssumeRole);
        let mut needed: Vec<&str> = called.map(Operation::action).collect();
        // DescribeImageReferences asks for these two.
        needed.extend(["imagebuilder:GetImageRecipe", "imagebuilder:GetContainerRecipe"]);
        needed.sort_unstable();
        allowed.sort_unstable();
        assert_eq!(allowed, needed);
    }

    #[test]
    fn session_names_are_what_aws_accepts() {
        assert_eq!(session_name("production"), "amiseal-production");
        assert_eq!(session_name("a b/é"), "amiseal-a-b--");
        let longest = session_name(&"x".repeat(56));
        assert_eq!(longest.len(), 64, "a policy's name is never cut");
        assert_eq!(session_name(&"x".repeat(80)).len(), 64);
    }
}
