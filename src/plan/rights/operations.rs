//! By which statements each operation is allowed. The match names every operation: one that is new has no rights until it has its
//! place here, and does not compile before.

use super::grants::Grant;
use crate::domain::Operation;

/// Where an operation is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the permissions policy of the role in each account, by these statements: of different resources or purposes.
    Role(&'static [Grant]),
    /// In the permissions policy of the controller's own role.
    Controller(Grant),
    /// Nowhere: AWS answers everybody.
    Nowhere,
}

/// Where an operation is allowed.
pub const fn place(operation: Operation) -> Place {
    use Operation as O;
    match operation {
        O::AssumeRole => Place::Controller(Grant::AssumeRoles),
        O::ListAccounts | O::ListAccountsForParent | O::ListOrganizationalUnitsForParent => {
            Place::Controller(Grant::ListAccounts)
        }
        O::ReceiveMessage | O::DeleteMessageBatch => Place::Controller(Grant::ReadEvents),
        O::GetCallerIdentity => Place::Nowhere,
        O::DescribeImages | O::DescribeSnapshots => Place::Role(&[Grant::LookAtImages]),
        O::DescribeImageAttribute => Place::Role(&[Grant::LookAtSharing]),
        O::DescribeKey => Place::Role(&[Grant::LookAtKeys]),
        O::DescribeRegions => Place::Role(&[Grant::SeeRegions]),
        // Who uses images.
        O::DescribeInstances => Place::Role(&[Grant::SeeWhatLaunches, Grant::ProveCopies]),
        O::DescribeLaunchTemplates
        | O::DescribeLaunchTemplateVersions
        | O::DescribeFleets
        | O::DescribeSpotFleetRequests
        | O::DescribeSpotInstanceRequests
        | O::DescribeImageReferences => Place::Role(&[Grant::SeeWhatLaunches]),
        O::DescribeAutoScalingGroups | O::DescribeLaunchConfigurations => Place::Role(&[Grant::SeeGroups]),
        O::DescribeParameters => Place::Role(&[Grant::ListParameters]),
        O::GetParameters | O::GetParameterHistory => Place::Role(&[Grant::ReadParameters]),
        O::ListClusters => Place::Role(&[Grant::ListClusters]),
        O::ListNodegroups | O::DescribeNodegroup => Place::Role(&[Grant::SeeNodeGroups]),
        O::DescribeComputeEnvironments => Place::Role(&[Grant::SeeComputeEnvironments]),
        O::ListImageRecipes | O::ListContainerRecipes => Place::Role(&[Grant::ListRecipes]),
        // What else is wrong.
        O::GetEbsEncryptionByDefault | O::GetImageBlockPublicAccessState | O::GetSnapshotBlockPublicAccessState => {
            Place::Role(&[Grant::SeeGuardrails])
        }
        O::GetAllowedImagesSettings => Place::Role(&[Grant::SeeGuardrails, Grant::SeeAllowedImages]),
        O::GetEbsDefaultKmsKeyId => Place::Role(&[Grant::SeeTheDefaultKey]),
        O::GetKeyRotationStatus => Place::Role(&[Grant::SeeKeyRotation]),
        O::GetKeyPolicy | O::ListGrants => Place::Role(&[Grant::SeeWhoMayUseKeys, Grant::SeeWhoMayUseTheKey]),
        O::DescribeTrails => Place::Role(&[Grant::ListTrails]),
        O::GetTrailStatus => Place::Role(&[Grant::SeeTrails]),
        // What other accounts use.
        O::DescribeImageUsageReports | O::DescribeImageUsageReportEntries => Place::Role(&[Grant::SeeUsageReports]),
        O::CreateImageUsageReport => Place::Role(&[Grant::AskAboutImages, Grant::AskForUsageReports]),
        O::DeleteImageUsageReport => Place::Role(&[Grant::DeleteUsageReports]),
        // Making copies, and what they get.
        O::CopyImage => Place::Role(&[Grant::CopyImages]),
        O::CreateTags => Place::Role(&[
            Grant::TagUsageReports,
            Grant::TagCopies,
            Grant::TagPublishedCopies,
            Grant::TagProofs,
        ]),
        O::ModifyImageAttribute | O::EnableImageDeprecation | O::ReplaceImageInstanceTypeSpecification => {
            Place::Role(&[Grant::PublishOnCopies])
        }
        O::AttachImageWatermark => Place::Role(&[Grant::SealCopies]),
        O::DeregisterImage | O::DeleteSnapshot => Place::Role(&[Grant::RemoveFailedCopies]),
        // Proving copies.
        O::DescribeInstanceStatus => Place::Role(&[Grant::ProveCopies]),
        O::RunInstances => Place::Role(&[
            Grant::LaunchFromCopies,
            Grant::LaunchInSubnet,
            Grant::LaunchProofs,
            Grant::LaunchWithVolumes,
            Grant::LaunchByTemplates,
        ]),
        O::TerminateInstances => Place::Role(&[Grant::EndProofs]),
        O::StartOnDemandScan | O::GetOnDemandScanStatus | O::ListOnDemandScans => Place::Role(&[Grant::ScanCopies]),
        // Moving what launches the originals.
        O::CreateLaunchTemplateVersion | O::ModifyLaunchTemplate => Place::Role(&[Grant::MoveTemplates]),
        O::ListTagsForResource => Place::Role(&[Grant::SeeParameterTags, Grant::ReadTheMap]),
        O::PutParameter => Place::Role(&[Grant::MoveParameters, Grant::AddToTheMap, Grant::SetTheMap]),
        O::LabelParameterVersion => Place::Role(&[Grant::MoveLabels]),
        O::DescribeInstanceRefreshes => Place::Role(&[Grant::SeeRefreshes]),
        O::UpdateAutoScalingGroup => Place::Role(&[Grant::SetGroups]),
        O::StartInstanceRefresh | O::RollbackInstanceRefresh => Place::Role(&[Grant::RefreshGroups]),
        O::CreateOrUpdateTags => Place::Role(&[Grant::NoteOnGroups]),
        // The map in parameters.
        O::GetParametersByPath => Place::Role(&[Grant::ReadTheMap]),
        O::DeleteParameter => Place::Role(&[Grant::RemoveFromTheMap]),
        // Guardrails.
        O::ModifyEbsDefaultKmsKeyId
        | O::EnableEbsEncryptionByDefault
        | O::EnableImageBlockPublicAccess
        | O::EnableSnapshotBlockPublicAccess
        | O::ReplaceImageCriteriaInAllowedImagesSettings
        | O::EnableAllowedImagesSettings => Place::Role(&[Grant::HoldGuardrails]),
    }
}

/// The operations that a statement allows.
pub(super) fn operations(grant: Grant) -> impl Iterator<Item = Operation> {
    Operation::ALL
        .iter()
        .copied()
        .filter(move |operation| match place(*operation) {
            Place::Role(grants) => grants.contains(&grant),
            Place::Controller(own) => own == grant,
            Place::Nowhere => false,
        })
}

/// What AWS asks whoever makes the calls for besides: actions that are no operations of amiseal's.
pub(super) const fn besides(grant: Grant) -> &'static [&'static str] {
    match grant {
        Grant::ReadRecipes => &["imagebuilder:GetImageRecipe", "imagebuilder:GetContainerRecipe"],
        // "Requirements for Amazon EBS encryption" in the user guide of Amazon EBS.
        Grant::UseTheKey => &[
            "kms:Decrypt",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ],
        Grant::ReadUnderOtherKeys => &["kms:Decrypt", "kms:ReEncryptFrom"],
        Grant::LendTheKeyToEC2 | Grant::LendOtherKeysToEC2 => &["kms:CreateGrant"],
        Grant::PassInstanceRoles => &["iam:PassRole"],
        // What is made with tags takes the right to tag.
        Grant::AddToTheMap => &["ssm:AddTagsToResource"],
        Grant::AssumeRoles => &["sts:TagSession"],
        _ => &[],
    }
}
