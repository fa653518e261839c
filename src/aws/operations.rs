//! What the SDK's types say of the operations in [`Operation`].

use std::error::Error as StdError;

use aws_sdk_autoscaling::operation as autoscaling;
use aws_sdk_batch::operation as batch;
use aws_sdk_cloudtrail::operation as cloudtrail;
use aws_sdk_ec2::operation as ec2;
use aws_sdk_eks::operation as eks;
use aws_sdk_imagebuilder::operation as imagebuilder;
use aws_sdk_inspector2::operation as inspector2;
use aws_sdk_kms::operation as kms;
use aws_sdk_organizations::operation as organizations;
use aws_sdk_sqs::operation as sqs;
use aws_sdk_ssm::operation as ssm;
use aws_sdk_sts::operation as sts;
use aws_smithy_runtime_api::client::interceptors::context::Error;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::domain::Operation;

/// A call of an operation that is not in the list is a fault of this program: repeating it does not help.
#[derive(Debug, thiserror::Error)]
#[error("amiseal calls no operation {0}")]
pub(super) struct Unlisted(String);

/// The operation of a call.
pub(super) fn operation_of(call: &Metadata) -> Result<Operation, Unlisted> {
    // Of all services "Auto Scaling" alone is written with a space.
    let service = call.service().replace(' ', "");
    let is_called = |known: &&Operation| known.name() == call.name() && known.service().eq_ignore_ascii_case(&service);
    let operation = Operation::ALL.iter().find(is_called).copied();
    operation.ok_or_else(|| Unlisted(format!("{} of {}", call.name(), call.service())))
}

/// AWS's code in an error whose type the SDK has erased.
pub(super) fn code_of(error: &Error) -> Option<&str> {
    Operation::ALL
        .iter()
        .find_map(|operation| code_reader(*operation)(error))
}

/// Reads AWS's code from an error of this operation, and nothing from one of another.
fn code_reader(operation: Operation) -> fn(&Error) -> Option<&str> {
    match operation {
        Operation::DescribeImages => code::<ec2::describe_images::DescribeImagesError>,
        Operation::DescribeSnapshots => code::<ec2::describe_snapshots::DescribeSnapshotsError>,
        Operation::DescribeRegions => code::<ec2::describe_regions::DescribeRegionsError>,
        Operation::DescribeImageAttribute => code::<ec2::describe_image_attribute::DescribeImageAttributeError>,
        Operation::CopyImage => code::<ec2::copy_image::CopyImageError>,
        Operation::CreateTags => code::<ec2::create_tags::CreateTagsError>,
        Operation::ModifyImageAttribute => code::<ec2::modify_image_attribute::ModifyImageAttributeError>,
        Operation::EnableImageDeprecation => code::<ec2::enable_image_deprecation::EnableImageDeprecationError>,
        Operation::ReplaceImageInstanceTypeSpecification => {
            use ec2::replace_image_instance_type_specification::ReplaceImageInstanceTypeSpecificationError;
            code::<ReplaceImageInstanceTypeSpecificationError>
        }
        Operation::AttachImageWatermark => code::<ec2::attach_image_watermark::AttachImageWatermarkError>,
        Operation::DeregisterImage => code::<ec2::deregister_image::DeregisterImageError>,
        Operation::DeleteSnapshot => code::<ec2::delete_snapshot::DeleteSnapshotError>,
        Operation::RunInstances => code::<ec2::run_instances::RunInstancesError>,
        Operation::TerminateInstances => code::<ec2::terminate_instances::TerminateInstancesError>,
        Operation::DescribeInstanceStatus => code::<ec2::describe_instance_status::DescribeInstanceStatusError>,
        Operation::StartOnDemandScan => code::<inspector2::start_on_demand_scan::StartOnDemandScanError>,
        Operation::GetOnDemandScanStatus => code::<inspector2::get_on_demand_scan_status::GetOnDemandScanStatusError>,
        Operation::ListOnDemandScans => code::<inspector2::list_on_demand_scans::ListOnDemandScansError>,
        Operation::CreateLaunchTemplateVersion => {
            code::<ec2::create_launch_template_version::CreateLaunchTemplateVersionError>
        }
        Operation::ModifyLaunchTemplate => code::<ec2::modify_launch_template::ModifyLaunchTemplateError>,
        Operation::PutParameter => code::<ssm::put_parameter::PutParameterError>,
        Operation::LabelParameterVersion => code::<ssm::label_parameter_version::LabelParameterVersionError>,
        Operation::UpdateAutoScalingGroup => {
            code::<autoscaling::update_auto_scaling_group::UpdateAutoScalingGroupError>
        }
        Operation::CreateOrUpdateTags => code::<autoscaling::create_or_update_tags::CreateOrUpdateTagsError>,
        Operation::StartInstanceRefresh => code::<autoscaling::start_instance_refresh::StartInstanceRefreshError>,
        Operation::RollbackInstanceRefresh => {
            code::<autoscaling::rollback_instance_refresh::RollbackInstanceRefreshError>
        }
        Operation::DescribeInstanceRefreshes => {
            code::<autoscaling::describe_instance_refreshes::DescribeInstanceRefreshesError>
        }
        Operation::ListTagsForResource => code::<ssm::list_tags_for_resource::ListTagsForResourceError>,
        Operation::GetParametersByPath => code::<ssm::get_parameters_by_path::GetParametersByPathError>,
        Operation::DeleteParameter => code::<ssm::delete_parameter::DeleteParameterError>,
        Operation::DescribeKey => code::<kms::describe_key::DescribeKeyError>,
        Operation::GetKeyRotationStatus => code::<kms::get_key_rotation_status::GetKeyRotationStatusError>,
        Operation::GetKeyPolicy => code::<kms::get_key_policy::GetKeyPolicyError>,
        Operation::ListGrants => code::<kms::list_grants::ListGrantsError>,
        Operation::DescribeInstances => code::<ec2::describe_instances::DescribeInstancesError>,
        Operation::DescribeLaunchTemplates => code::<ec2::describe_launch_templates::DescribeLaunchTemplatesError>,
        Operation::DescribeLaunchTemplateVersions => {
            code::<ec2::describe_launch_template_versions::DescribeLaunchTemplateVersionsError>
        }
        Operation::DescribeFleets => code::<ec2::describe_fleets::DescribeFleetsError>,
        Operation::DescribeSpotFleetRequests => {
            code::<ec2::describe_spot_fleet_requests::DescribeSpotFleetRequestsError>
        }
        Operation::DescribeSpotInstanceRequests => {
            code::<ec2::describe_spot_instance_requests::DescribeSpotInstanceRequestsError>
        }
        Operation::DescribeImageReferences => code::<ec2::describe_image_references::DescribeImageReferencesError>,
        Operation::DescribeImageUsageReports => {
            code::<ec2::describe_image_usage_reports::DescribeImageUsageReportsError>
        }
        Operation::DescribeImageUsageReportEntries => {
            code::<ec2::describe_image_usage_report_entries::DescribeImageUsageReportEntriesError>
        }
        Operation::CreateImageUsageReport => code::<ec2::create_image_usage_report::CreateImageUsageReportError>,
        Operation::DeleteImageUsageReport => code::<ec2::delete_image_usage_report::DeleteImageUsageReportError>,
        Operation::GetEbsEncryptionByDefault => {
            code::<ec2::get_ebs_encryption_by_default::GetEbsEncryptionByDefaultError>
        }
        Operation::GetImageBlockPublicAccessState => {
            code::<ec2::get_image_block_public_access_state::GetImageBlockPublicAccessStateError>
        }
        Operation::GetSnapshotBlockPublicAccessState => {
            code::<ec2::get_snapshot_block_public_access_state::GetSnapshotBlockPublicAccessStateError>
        }
        Operation::GetAllowedImagesSettings => code::<ec2::get_allowed_images_settings::GetAllowedImagesSettingsError>,
        Operation::GetEbsDefaultKmsKeyId => code::<ec2::get_ebs_default_kms_key_id::GetEbsDefaultKmsKeyIdError>,
        Operation::ModifyEbsDefaultKmsKeyId => {
            code::<ec2::modify_ebs_default_kms_key_id::ModifyEbsDefaultKmsKeyIdError>
        }
        Operation::EnableEbsEncryptionByDefault => {
            code::<ec2::enable_ebs_encryption_by_default::EnableEbsEncryptionByDefaultError>
        }
        Operation::EnableImageBlockPublicAccess => {
            code::<ec2::enable_image_block_public_access::EnableImageBlockPublicAccessError>
        }
        Operation::EnableSnapshotBlockPublicAccess => {
            code::<ec2::enable_snapshot_block_public_access::EnableSnapshotBlockPublicAccessError>
        }
        Operation::ReplaceImageCriteriaInAllowedImagesSettings => code::<
            ec2::replace_image_criteria_in_allowed_images_settings::ReplaceImageCriteriaInAllowedImagesSettingsError,
        >,
        Operation::EnableAllowedImagesSettings => {
            code::<ec2::enable_allowed_images_settings::EnableAllowedImagesSettingsError>
        }
        Operation::DescribeAutoScalingGroups => {
            code::<autoscaling::describe_auto_scaling_groups::DescribeAutoScalingGroupsError>
        }
        Operation::DescribeLaunchConfigurations => {
            code::<autoscaling::describe_launch_configurations::DescribeLaunchConfigurationsError>
        }
        Operation::DescribeParameters => code::<ssm::describe_parameters::DescribeParametersError>,
        Operation::GetParameters => code::<ssm::get_parameters::GetParametersError>,
        Operation::GetParameterHistory => code::<ssm::get_parameter_history::GetParameterHistoryError>,
        Operation::ListClusters => code::<eks::list_clusters::ListClustersError>,
        Operation::ListNodegroups => code::<eks::list_nodegroups::ListNodegroupsError>,
        Operation::DescribeNodegroup => code::<eks::describe_nodegroup::DescribeNodegroupError>,
        Operation::DescribeComputeEnvironments => {
            code::<batch::describe_compute_environments::DescribeComputeEnvironmentsError>
        }
        Operation::ListImageRecipes => code::<imagebuilder::list_image_recipes::ListImageRecipesError>,
        Operation::ListContainerRecipes => code::<imagebuilder::list_container_recipes::ListContainerRecipesError>,
        Operation::DescribeTrails => code::<cloudtrail::describe_trails::DescribeTrailsError>,
        Operation::GetTrailStatus => code::<cloudtrail::get_trail_status::GetTrailStatusError>,
        Operation::ListAccounts => code::<organizations::list_accounts::ListAccountsError>,
        Operation::ListAccountsForParent => code::<organizations::list_accounts_for_parent::ListAccountsForParentError>,
        Operation::ListOrganizationalUnitsForParent => {
            use organizations::list_organizational_units_for_parent::ListOrganizationalUnitsForParentError;
            code::<ListOrganizationalUnitsForParentError>
        }
        Operation::ReceiveMessage => code::<sqs::receive_message::ReceiveMessageError>,
        Operation::DeleteMessageBatch => code::<sqs::delete_message_batch::DeleteMessageBatchError>,
        Operation::AssumeRole => code::<sts::assume_role::AssumeRoleError>,
        Operation::GetCallerIdentity => code::<sts::get_caller_identity::GetCallerIdentityError>,
    }
}

fn code<E: StdError + ProvideErrorMetadata + Send + Sync + 'static>(error: &Error) -> Option<&str> {
    error.downcast_ref::<E>()?.code()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use super::super::testing::{ACCOUNT, Answer, REGION, Wire, assumed, bench, identity, open, role};
    use super::super::{Access, CopyRequest, Query, Session};
    use super::*;
    use crate::domain::{
        AccountsOf, AwsError, Besides, Change, ConsumerKind, ErrorClass, GroupChange, GroupPart, GuardrailChange,
        ImageId, InstanceTypes, LaunchPermission, LaunchRequest, Named, NewVersion, ParameterNow, Place, QueueUrl,
        RefreshPreferences, ReportRequest, ScanRef, ScanRequest, StartRefresh, TemplateId, VersionRef,
    };

    const CODES: [(&str, &str); 12] = [
        ("ec2", "RequestLimitExceeded"),
        ("kms", "ThrottlingException"),
        ("sts", "Throttling"),
        ("autoscaling", "Throttling"),
        ("ssm", "ThrottlingException"),
        ("eks", "ThrottlingException"),
        ("batch", "TooManyRequestsException"),
        ("imagebuilder", "CallRateLimitExceededException"),
        ("cloudtrail", "ThrottlingException"),
        ("inspector2", "ThrottlingException"),
        ("organizations", "TooManyRequestsException"),
        ("sqs", "RequestThrottled"),
    ];

    fn throttled(service: &str, code: &str) -> Answer {
        match service {
            "ec2" => Answer::ec2_error(503, code, "slow down"),
            "kms" | "ssm" | "eks" | "batch" | "imagebuilder" | "cloudtrail" | "inspector2" | "organizations"
            | "sqs" => Answer::Reply(400, format!(r#"{{"__type":"{code}"}}"#)),
            _ => Answer::sts_error(400, code, "slow down"),
        }
    }

    fn launch(image: ImageId) -> LaunchRequest {
        LaunchRequest {
            image,
            devices: vec!["/dev/xvda".into()],
            instance_type: "t3.nano".to_owned(),
            subnet: "subnet-0123456789abcdef0".to_owned(),
            security_groups: Vec::new(),
            tags: [("team".into(), "web".into())].into(),
            client_token: "token".to_owned(),
        }
    }

    /// Makes a call of this operation.
    async fn call(session: &Session, operation: Operation) -> Result<(), AwsError> {
        let image = "ami-0123456789abcdef0".parse().expect("an image");
        let snapshot = "snap-0123456789abcdef0".parse().expect("a snapshot");
        let key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        match operation {
            Operation::DescribeImages => session.images(&[image]).await.map(drop),
            Operation::DescribeSnapshots => session.progress().await.map(drop),
            Operation::DescribeRegions => session.enabled_regions().await.map(drop),
            Operation::DescribeImageAttribute => session.launch_permissions(&image).await.map(drop),
            Operation::CopyImage => {
                let copy = CopyRequest {
                    source: image,
                    region: REGION.parse().expect("a region"),
                    name: "encrypted-web".to_owned(),
                    description: None,
                    key: key.parse().expect("a key"),
                    client_token: "token".to_owned(),
                    tags: [].into(),
                };
                session.copy_image(&copy).await.map(drop)
            }
            Operation::CreateTags => session.tag(&image, &[("team".into(), "web".into())].into()).await,
            Operation::ModifyImageAttribute => {
                let everybody = [LaunchPermission::Public].into();
                session.add_launch_permissions(&image, &everybody).await
            }
            Operation::EnableImageDeprecation => session.deprecate_at(&image, jiff::Timestamp::MAX).await,
            Operation::ReplaceImageInstanceTypeSpecification => {
                let types = InstanceTypes::default();
                session.restrict_instance_types(&image, &types).await
            }
            Operation::AttachImageWatermark => session.attach_watermark(&image, "amiseal-verified").await,
            Operation::DeregisterImage => session.deregister_failed(&image).await.map(drop),
            Operation::DeleteSnapshot => session.delete_snapshot(&snapshot).await,
            Operation::DescribeKey => session.resolve_key(key).await.map(drop),
            Operation::GetKeyPolicy => {
                let key = key.parse().expect("a key");
                session.key_policy(&key).await.map(drop)
            }
            Operation::ListGrants => {
                let key = key.parse().expect("a key");
                session.key_grants(&key).await.map(drop)
            }
            Operation::GetKeyRotationStatus => {
                let key = key.parse().expect("a key");
                session.key_health(&key).await.and_then(|key| key.rotation).map(drop)
            }
            Operation::ListAccounts => session.accounts(&AccountsOf::Organization).await.map(drop),
            Operation::ListAccountsForParent | Operation::ListOrganizationalUnitsForParent => {
                let units = AccountsOf::Units(["ou-ab12-c3d4e5f6".to_owned()].into());
                session.accounts(&units).await.map(drop)
            }
            Operation::DescribeTrails => session.trails().await.map(drop),
            Operation::GetTrailStatus => session.trails().await?.remove(0).logs.map(drop),
            Operation::AssumeRole | Operation::GetCallerIdentity => session.check_identity().await.map(drop),
            Operation::ReceiveMessage => session.receive_messages(&queue(), Duration::ZERO).await.map(drop),
            Operation::DeleteMessageBatch => session.delete_messages(&queue(), &["receipt".to_owned()]).await,
            Operation::DescribeImageReferences => session.image_references(&[image]).await.map(drop),
            Operation::DescribeImageUsageReports => session.usage_reports().await.map(drop),
            Operation::DescribeImageUsageReportEntries => {
                session.usage_report_entries(&["amiur-1".into()]).await.map(drop)
            }
            Operation::CreateImageUsageReport => {
                let request = ReportRequest {
                    image,
                    replaces: Vec::new(),
                    tags: [].into(),
                    client_token: "token".to_owned(),
                };
                session.create_usage_report(&request).await
            }
            Operation::DeleteImageUsageReport => session.delete_usage_report("amiur-1").await,
            Operation::GetEbsEncryptionByDefault
            | Operation::GetImageBlockPublicAccessState
            | Operation::GetSnapshotBlockPublicAccessState
            | Operation::GetAllowedImagesSettings => {
                let states = Box::pin(session.guardrails()).await.into_iter();
                let mut failed = states.filter_map(|state| state.state.err());
                let failed = failed.find(|error| error.operation == operation);
                failed.map_or(Ok(()), Err)
            }
            Operation::GetEbsDefaultKmsKeyId => session.default_key().await.map(drop),
            Operation::ModifyEbsDefaultKmsKeyId => {
                let key = key.parse().expect("a key");
                session.set_guardrail(&GuardrailChange::DefaultKey(key)).await
            }
            Operation::EnableEbsEncryptionByDefault => {
                session.set_guardrail(&GuardrailChange::EncryptionByDefault).await
            }
            Operation::EnableImageBlockPublicAccess => session.set_guardrail(&GuardrailChange::BlockImages).await,
            Operation::EnableSnapshotBlockPublicAccess => session.set_guardrail(&GuardrailChange::BlockSnapshots).await,
            Operation::ReplaceImageCriteriaInAllowedImagesSettings => {
                session.set_guardrail(&GuardrailChange::ImageCriteria(Vec::new())).await
            }
            Operation::EnableAllowedImagesSettings => session.set_guardrail(&GuardrailChange::AuditImages).await,
            Operation::CreateLaunchTemplateVersion
            | Operation::ModifyLaunchTemplate
            | Operation::PutParameter
            | Operation::LabelParameterVersion
            | Operation::CreateOrUpdateTags
            | Operation::StartInstanceRefresh
            | Operation::RollbackInstanceRefresh
            | Operation::UpdateAutoScalingGroup => session.change(&change(operation)).await.map(drop),
            Operation::RunInstances => session.launch(&launch(image)).await.map(drop),
            Operation::TerminateInstances => session.terminate("i-0123456789abcdef0").await,
            Operation::DescribeInstanceStatus => session.checks("i-0123456789abcdef0").await.map(drop),
            Operation::StartOnDemandScan => {
                let request = ScanRequest {
                    image,
                    client_token: "token".to_owned(),
                };
                session.start_on_demand_scan(&request).await.map(drop)
            }
            Operation::ListOnDemandScans => session.on_demand_scan(&ScanRef::Last(image)).await.map(drop),
            Operation::GetOnDemandScanStatus => {
                let which = ScanRef::Id(image, "scan".into());
                session.on_demand_scan(&which).await.map(drop)
            }
            Operation::ListTagsForResource => {
                let (query, besides) = (Query::default(), Besides::default());
                let read = session.movable(ConsumerKind::Parameter, "/p", &besides, &query).await;
                read.map(drop)
            }
            Operation::GetParametersByPath => session
                .parameters_under("/amiseal", None, NonZeroUsize::MIN)
                .await
                .map(drop),
            Operation::DeleteParameter => session.delete_parameter("/amiseal/p").await,
            Operation::DescribeInstanceRefreshes => {
                let besides = Besides {
                    running: Some(image),
                    ..Besides::default()
                };
                let query = Query::default();
                let read = session.movable(ConsumerKind::AutoScalingGroup, "web", &besides, &query);
                read.await.map(drop)
            }
            of_consumers => {
                let readings = session.list_consumers(&Query::default()).await;
                let failed = readings
                    .unread
                    .into_values()
                    .find(|error| error.operation == of_consumers);
                failed.map_or(Ok(()), Err)
            }
        }
    }

    fn queue() -> QueueUrl {
        let url = "https://sqs.eu-west-1.amazonaws.com/111122223333/amiseal";
        url.parse().expect("a queue")
    }

    /// A change that this operation makes.
    fn change(operation: Operation) -> Change {
        match operation {
            Operation::ModifyLaunchTemplate => Change::SetDefault {
                template: "lt-1".into(),
                version: 2,
            },
            Operation::PutParameter => Change::PutValue {
                name: "/p".into(),
                value: "ami-0123456789abcdef0".into(),
                now: Box::new(ParameterNow {
                    version: 1,
                    value: "ami-0123456789abcdef1".into(),
                    kind: "String".into(),
                    data_type: "aws:ec2:image".into(),
                    tier: "Standard".into(),
                    description: None,
                    allowed_pattern: None,
                    policies: Vec::new(),
                    oldest: 1,
                    labelled: Vec::new(),
                    modified_by: None,
                    owner: None,
                    tags: [].into(),
                }),
            },
            Operation::LabelParameterVersion => Change::MoveLabels {
                name: "/p".into(),
                version: 2,
                labels: vec!["prod".into()],
            },
            Operation::CreateOrUpdateTags => Change::TagGroup {
                group: "web".into(),
                key: "amiseal.dev/previous".into(),
                value: "0=lt-1 1".to_owned(),
            },
            Operation::UpdateAutoScalingGroup => Change::SetGroup(GroupChange {
                group: "web".into(),
                expects: vec![pinned(1)],
                to: vec![pinned(2)],
            }),
            Operation::StartInstanceRefresh => Change::StartRefresh(StartRefresh {
                change: GroupChange {
                    group: "web".into(),
                    expects: vec![pinned(1)],
                    to: vec![pinned(2)],
                },
                preferences: RefreshPreferences {
                    strategy: "Rolling".into(),
                    ..RefreshPreferences::default()
                },
            }),
            Operation::RollbackInstanceRefresh => Change::RollBackRefresh { group: "web".into() },
            _ => Change::NewVersion(NewVersion {
                template: "lt-1".into(),
                source: 1,
                image: "ami-0123456789abcdef0".into(),
                mappings: Vec::new(),
                description: "amiseal".to_owned(),
                client_token: "token".to_owned(),
            }),
        }
    }

    fn pinned(version: i64) -> GroupPart {
        GroupPart {
            at: Place::Template,
            names: Named::Version(TemplateId::Id("lt-1".into()), VersionRef::Number(version)),
        }
    }

    /// What leads to further calls, and of everything else nothing.
    fn listed(call: &str) -> Answer {
        let image = "ami-0123456789abcdef0";
        Answer::ok(match call {
            "eks:ListClusters" => r#"{"clusters":["c"]}"#.to_owned(),
            "eks:ListNodegroups" => r#"{"nodegroups":["g"]}"#.to_owned(),
            "ssm:DescribeParameters" => r#"{"Parameters":[{"Name":"/p","Version":2}]}"#.to_owned(),
            "ssm:GetParameters" => {
                format!(
                    r#"{{"Parameters":[{{"Name":"/p","Value":"{image}","DataType":"aws:ec2:image","Version":2}}]}}"#
                )
            }
            call if call.starts_with("ec2:") => {
                let action = call.trim_start_matches("ec2:");
                let set = match action {
                    "DescribeLaunchTemplateVersions" => "launchTemplateVersionSet",
                    "DescribeLaunchTemplates" => "launchTemplates",
                    "DescribeInstances" => "reservationSet",
                    _ => "imagesSet",
                };
                format!("<{action}Response><{set}/></{action}Response>")
            }
            "autoscaling:DescribeAutoScalingGroups" => {
                let template = "<LaunchTemplateId>lt-1</LaunchTemplateId><Version>1</Version>";
                let group = format!(
                    "<member><AutoScalingGroupName>web</AutoScalingGroupName><LaunchTemplate>{template}</LaunchTemplate></member>"
                );
                let groups = format!("<AutoScalingGroups>{group}</AutoScalingGroups>");
                format!(
                    "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult>{groups}\
                     </DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>"
                )
            }
            call if call.starts_with("autoscaling:") => {
                let action = call.trim_start_matches("autoscaling:");
                format!("<{action}Response><{action}Result/></{action}Response>")
            }
            "kms:DescribeKey" => {
                let key = r#""KeyId":"1","KeyState":"Enabled","KeyManager":"CUSTOMER","KeySpec":"SYMMETRIC_DEFAULT","Origin":"AWS_KMS""#;
                format!(r#"{{"KeyMetadata":{{{key}}}}}"#)
            }
            "cloudtrail:DescribeTrails" => r#"{"trailList":[{"TrailARN":"arn","IsMultiRegionTrail":true}]}"#.to_owned(),
            "organizations:ListAccountsForParent" => r#"{"Accounts":[]}"#.to_owned(),
            "imagebuilder:ListImageRecipes" => r#"{"imageRecipeSummaryList":[]}"#.to_owned(),
            _ => "{}".to_owned(),
        })
    }

    #[tokio::test]
    async fn throttling_of_any_operation_is_counted_as_such_and_slows_the_limiter() {
        for operation in Operation::ALL {
            let service = operation.service();
            let (_, code) = CODES
                .into_iter()
                .find(|(of, _)| *of == service)
                .expect("a code of the service");
            let sent = format!("{service}:{}", operation.name());
            let wire = Wire::raw(move |request| match request.call.as_str() {
                call if call == sent => throttled(service, code),
                "sts:GetCallerIdentity" => Answer::ok(identity(ACCOUNT)),
                "sts:AssumeRole" => Answer::ok(assumed()),
                call => listed(call),
            });
            let bench = bench(&wire, open()).await;
            let session = bench.aws.session(&role(Access::Full));
            let error = call(&session, *operation).await.expect_err("throttled");
            assert_eq!((error.operation, error.class), (*operation, ErrorClass::Throttled));
            let counted = |code| {
                let labels = [("service", service), ("operation", operation.name()), ("code", code)];
                bench.counted("amiseal_aws_requests_total", &labels)
            };
            assert!(counted(code) > 0.0 && counted("Other") == 0.0, "{operation}");
            let is_slowed = error.retry_after.is_some_and(|wait| !wait.is_zero());
            assert_eq!(is_slowed, operation.bucket().is_some(), "{operation}");
        }
    }

    #[tokio::test]
    async fn a_call_of_another_operation_is_not_sent() {
        let wire = Wire::new(|_| Answer::ok("<DescribeVpcsResponse/>"));
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&role(Access::Full));
        let request = session.ec2().describe_vpcs().send();
        let error = session.call(Operation::DescribeImages, request).await;
        assert_eq!(error.expect_err("refused").class, ErrorClass::Invalid);
        assert_eq!(wire.count("ec2:DescribeVpcs"), 0);
    }
}
