//! The credentials of a session: a role of its account, narrowed where the session only reads.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_sts::types::Tag;

use super::{Access, SessionKey};
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

/// Assumes a role when the SDK asks for credentials; the SDK keeps them until shortly before they expire.
#[derive(Debug)]
pub(super) struct AssumedRole {
    sts: aws_sdk_sts::config::Builder,
    role_arn: String,
    external_id: Option<String>,
    session_name: String,
    policy: String,
    access: Access,
}

impl AssumedRole {
    /// The role `role_arn` for `key`, asked for through a client of `sts`.
    pub(super) fn new(sts: aws_sdk_sts::config::Builder, role_arn: &str, key: &SessionKey) -> Self {
        Self {
            sts,
            role_arn: role_arn.to_owned(),
            external_id: key.external_id.clone(),
            session_name: session_name(&key.policy),
            policy: key.policy.clone(),
            access: key.access,
        }
    }

    async fn assume(&self) -> Result<Credentials, CredentialsError> {
        let narrowed = (self.access == Access::ReadOnly).then(|| READ_ONLY_POLICY.to_owned());
        let tag = Tag::builder().key(POLICY_TAG).value(&self.policy).build();
        let tag = tag.map_err(CredentialsError::invalid_configuration)?;
        let sts = aws_sdk_sts::Client::from_conf(self.sts.clone().build());
        let assumed = sts
            .assume_role()
            .role_arn(&self.role_arn)
            .role_session_name(&self.session_name)
            .set_external_id(self.external_id.clone())
            .set_policy(narrowed)
            .tags(tag)
            .send()
            .await
            .map_err(|error| CredentialsError::provider_error(AwsError::from_sdk(Operation::AssumeRole, &error)))?;
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
    use super::*;

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
