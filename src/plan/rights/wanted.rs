//! Which statements a policy takes.

use super::asked::Asked;
use super::grants::Grant;
use crate::api::{GroupUpdate, TagPublication};
use crate::domain::{ConsumerKind, Guardrail, Operation};
use crate::plan::findings::Check;

/// The checks that settings of the region are read for: all are read where one is.
const OF_GUARDRAILS: [Check; 4] = [
    Check::EncryptionByDefaultOff,
    Check::ImagePublicAccessNotBlocked,
    Check::SnapshotPublicAccessNotBlocked,
    Check::AllowedImagesOff,
];

/// Whether the role needs a statement. A Job that proves copies takes no rights in AWS, and neither does a ConfigMap with the map of
/// them.
pub(super) fn is_wanted(grant: Grant, asked: &Asked<'_>) -> bool {
    let promotion = &asked.spec.promotion;
    let reads_access = asked.checks(&[Check::KeyUnusableByConsumers]);
    let moves_groups = asked.moves(ConsumerKind::AutoScalingGroup);
    let refreshes = moves_groups && promotion.auto_scaling_groups == GroupUpdate::Refresh;
    match grant {
        Grant::LookAtImages | Grant::LookAtKeys => true,
        Grant::SeeRegions => asked.site.is_everywhere,
        Grant::LookAtSharing => asked.enforces() || asked.reads_consumers() || asked.checks(&[Check::SharedOutside]),
        Grant::SeeWhatLaunches
        | Grant::SeeGroups
        | Grant::ListParameters
        | Grant::ReadParameters
        | Grant::ListClusters
        | Grant::SeeNodeGroups
        | Grant::SeeComputeEnvironments
        | Grant::ListRecipes
        | Grant::ReadRecipes => asked.reads_consumers(),
        Grant::SeeGuardrails => {
            let mut all = Guardrail::ALL.into_iter();
            asked.checks(&OF_GUARDRAILS) || all.any(|one| asked.reads_guardrail(one))
        }
        Grant::SeeTheDefaultKey => asked.reads_guardrail(Guardrail::EncryptionByDefault),
        Grant::HoldGuardrails => Guardrail::ALL.into_iter().any(|one| asked.holds_guardrail(one)),
        Grant::SeeKeyRotation => asked.checks(&[Check::KeyDisabled, Check::KeyWithoutRotation]),
        Grant::SeeWhoMayUseKeys => reads_access,
        Grant::SeeWhoMayUseTheKey => {
            let makes_default = asked.holds_guardrail(Guardrail::EncryptionByDefault);
            (asked.moves_any() || asked.may_be_followed() || makes_default) && !reads_access
        }
        Grant::SeeAllowedImages => asked.moves_any(),
        Grant::ListTrails | Grant::SeeTrails => asked.checks(&[Check::CloudTrailOff]),
        Grant::SeeUsageReports
        | Grant::AskAboutImages
        | Grant::AskForUsageReports
        | Grant::TagUsageReports
        | Grant::DeleteUsageReports => asked.asks_for_reports(),
        Grant::CopyImages
        | Grant::TagCopies
        | Grant::PublishOnCopies
        | Grant::RemoveFailedCopies
        | Grant::UseTheKey
        | Grant::LendTheKeyToEC2
        | Grant::ReadUnderOtherKeys
        | Grant::LendOtherKeysToEC2 => asked.enforces(),
        Grant::SealCopies => asked.enforces() && promotion.seal.is_some(),
        Grant::TagPublishedCopies => asked.enforces() && promotion.tags == TagPublication::Publish,
        Grant::ProveCopies
        | Grant::LaunchFromCopies
        | Grant::LaunchInSubnet
        | Grant::LaunchProofs
        | Grant::LaunchWithVolumes
        | Grant::TagProofs
        | Grant::EndProofs => asked.launches().is_some(),
        Grant::ScanCopies => asked.asks_for_scans(),
        Grant::MoveTemplates => asked.moves(ConsumerKind::LaunchTemplate),
        Grant::SeeParameterTags | Grant::MoveParameters | Grant::MoveLabels => asked.moves(ConsumerKind::Parameter),
        Grant::SetGroups | Grant::NoteOnGroups => moves_groups,
        Grant::SeeRefreshes | Grant::RefreshGroups => refreshes,
        Grant::LaunchByTemplates => moves_groups && !asked.options.launch_templates.is_empty(),
        Grant::PassInstanceRoles => moves_groups && !asked.options.instance_roles.is_empty(),
        Grant::ReadTheMap | Grant::AddToTheMap | Grant::SetTheMap | Grant::RemoveFromTheMap => asked.prefix().is_some(),
        // They are the controller's own.
        Grant::AssumeRoles | Grant::ListAccounts | Grant::ReadEvents => false,
    }
}

/// Whether a policy that takes a statement takes this operation of it. It makes a difference for guardrails, each of which is read and set
/// by calls of its own.
pub(super) fn is_operation_wanted(grant: Grant, operation: Operation, asked: &Asked<'_>) -> bool {
    let of_one = |is_asked: &dyn Fn(Guardrail) -> bool| guardrail_of(operation).is_some_and(is_asked);
    match grant {
        // For findings all of them are read.
        Grant::SeeGuardrails => asked.checks(&OF_GUARDRAILS) || of_one(&|one| asked.reads_guardrail(one)),
        Grant::HoldGuardrails => of_one(&|one| asked.holds_guardrail(one)),
        _ => true,
    }
}

/// The guardrail that an operation reads or sets.
const fn guardrail_of(operation: Operation) -> Option<Guardrail> {
    match operation {
        Operation::GetEbsEncryptionByDefault
        | Operation::ModifyEbsDefaultKmsKeyId
        | Operation::EnableEbsEncryptionByDefault => Some(Guardrail::EncryptionByDefault),
        Operation::GetImageBlockPublicAccessState | Operation::EnableImageBlockPublicAccess => {
            Some(Guardrail::ImageBlockPublicAccess)
        }
        Operation::GetSnapshotBlockPublicAccessState | Operation::EnableSnapshotBlockPublicAccess => {
            Some(Guardrail::SnapshotBlockPublicAccess)
        }
        Operation::GetAllowedImagesSettings
        | Operation::ReplaceImageCriteriaInAllowedImagesSettings
        | Operation::EnableAllowedImagesSettings => Some(Guardrail::AllowedImages),
        _ => None,
    }
}
