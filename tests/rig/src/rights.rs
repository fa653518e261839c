//! What the role of amiseal needs in an account.

/// The actions that the role in an account needs, and no more: what `amiseal iam-policy` prints of a policy that asks for everything, but for
/// the use of keys.
pub fn role_actions() -> Vec<&'static str> {
    [
        &LOOK[..],
        &MIGRATE,
        &SEE_CONSUMERS,
        &ASK_FOR_REPORTS,
        &LOOK_FOR_FINDINGS,
        &MOVE_CONSUMERS,
        &PROVE_COPIES,
        &SCAN_COPIES,
        &KEEP_THE_MAP,
        &HOLD_GUARDRAILS,
    ]
    .concat()
}

const LOOK: [&str; 4] = [
    "ec2:DescribeImages",
    "ec2:DescribeSnapshots",
    "ec2:DescribeImageAttribute",
    "kms:DescribeKey",
];

const MIGRATE: [&str; 8] = [
    "ec2:CopyImage",
    "ec2:CreateTags",
    "ec2:ModifyImageAttribute",
    "ec2:EnableImageDeprecation",
    "ec2:ReplaceImageInstanceTypeSpecification",
    "ec2:AttachImageWatermark",
    "ec2:DeregisterImage",
    "ec2:DeleteSnapshot",
];

const SEE_CONSUMERS: [&str; 20] = [
    "ec2:DescribeInstances",
    "ec2:DescribeLaunchTemplates",
    "ec2:DescribeLaunchTemplateVersions",
    "ec2:DescribeFleets",
    "ec2:DescribeSpotFleetRequests",
    "ec2:DescribeSpotInstanceRequests",
    "ec2:DescribeImageReferences",
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeLaunchConfigurations",
    "ssm:DescribeParameters",
    "ssm:GetParameters",
    "ssm:GetParameterHistory",
    "eks:ListClusters",
    "eks:ListNodegroups",
    "eks:DescribeNodegroup",
    "batch:DescribeComputeEnvironments",
    "imagebuilder:ListImageRecipes",
    "imagebuilder:GetImageRecipe",
    "imagebuilder:ListContainerRecipes",
    "imagebuilder:GetContainerRecipe",
];

const ASK_FOR_REPORTS: [&str; 4] = [
    "ec2:DescribeImageUsageReports",
    "ec2:DescribeImageUsageReportEntries",
    "ec2:CreateImageUsageReport",
    "ec2:DeleteImageUsageReport",
];

const LOOK_FOR_FINDINGS: [&str; 9] = [
    "ec2:GetEbsEncryptionByDefault",
    "ec2:GetImageBlockPublicAccessState",
    "ec2:GetSnapshotBlockPublicAccessState",
    "ec2:GetAllowedImagesSettings",
    "kms:GetKeyRotationStatus",
    "kms:GetKeyPolicy",
    "kms:ListGrants",
    "cloudtrail:DescribeTrails",
    "cloudtrail:GetTrailStatus",
];

/// Besides, who may use a key, which findings are looked for in too.
const MOVE_CONSUMERS: [&str; 10] = [
    "ec2:CreateLaunchTemplateVersion",
    "ec2:ModifyLaunchTemplate",
    "ssm:PutParameter",
    "ssm:LabelParameterVersion",
    "ssm:ListTagsForResource",
    "autoscaling:UpdateAutoScalingGroup",
    "autoscaling:CreateOrUpdateTags",
    "autoscaling:StartInstanceRefresh",
    "autoscaling:RollbackInstanceRefresh",
    "autoscaling:DescribeInstanceRefreshes",
];

/// Besides, what instances there are, which is read of those who use images too.
const PROVE_COPIES: [&str; 3] = [
    "ec2:RunInstances",
    "ec2:TerminateInstances",
    "ec2:DescribeInstanceStatus",
];

const SCAN_COPIES: [&str; 3] = [
    "inspector2:StartOnDemandScan",
    "inspector2:GetOnDemandScanStatus",
    "inspector2:ListOnDemandScans",
];

/// Besides, whose a parameter is, and to write it, which moving takes too.
const KEEP_THE_MAP: [&str; 3] = [
    "ssm:GetParametersByPath",
    "ssm:DeleteParameter",
    "ssm:AddTagsToResource",
];

/// Besides, to see what they are, which findings are looked for in too.
const HOLD_GUARDRAILS: [&str; 7] = [
    "ec2:GetEbsDefaultKmsKeyId",
    "ec2:ModifyEbsDefaultKmsKeyId",
    "ec2:EnableEbsEncryptionByDefault",
    "ec2:EnableImageBlockPublicAccess",
    "ec2:EnableSnapshotBlockPublicAccess",
    "ec2:ReplaceImageCriteriaInAllowedImagesSettings",
    "ec2:EnableAllowedImagesSettings",
];
