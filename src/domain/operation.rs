//! The operations of AWS that amiseal calls: the one list of them.

use std::fmt;

/// Operations whose calls the limiter counts together. AWS counts each operation by itself ("Request throttling for the Amazon EC2
/// API"); those that are seldom called share a bucket here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// `Describe*`, filtered or paginated; everything that amiseal reads from EC2 is.
    Read,
    /// `DescribeSnapshots`: a large account has as many pages of these as of images.
    Snapshots,
    /// What launches images, as EC2 lists it. AWS counts each kind of call by itself: reading these holds up no scan.
    Consumers,
    /// `CopyImage`.
    Copy,
    /// `DeregisterImage`, `DeleteSnapshot`, `ModifyImageAttribute`, and the calls that change launch templates.
    Modify,
    /// `CreateTags`.
    Tag,
    /// All other calls of EC2 that write.
    Write,
    /// KMS, whose own limits are far higher: this bounds a fault of ours.
    Key,
    /// The services beside EC2 that launch images, scan them or tell what is done with them. Each has limits of its own, which AWS publishes
    /// for few; this stays below those.
    Beside,
    /// `PutParameter`, which takes a few calls a second, of everybody in the account.
    Parameter,
    /// The calls that block public access to images and to snapshots: AWS takes one in ten seconds.
    PublicAccess,
    /// The queue that events come from. SQS takes far more calls: this bounds a flood of messages.
    Queue,
}

impl Bucket {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; 12] = [
        Self::Read,
        Self::Snapshots,
        Self::Consumers,
        Self::Copy,
        Self::Modify,
        Self::Tag,
        Self::Write,
        Self::Key,
        Self::Beside,
        Self::Parameter,
        Self::PublicAccess,
        Self::Queue,
    ];

    /// Whether its calls go to the services beside EC2 that launch images, scan them or tell what is done with them.
    pub const fn is_beside(self) -> bool {
        matches!(self, Self::Beside | Self::Parameter | Self::Queue)
    }
}

macro_rules! operations {
    ($($service:ident:$operation:ident $effect:ident $bucket:expr $(, $dry_run:ident)?;)+) => {
        /// An operation of AWS that amiseal calls. One that is not here cannot be called: the interceptor refuses to send it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $(
                #[doc = concat!("`", stringify!($service), ":", stringify!($operation), "`")]
                $operation,
            )+
        }

        impl Operation {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$operation),+];

            /// The service, as IAM writes it: `ec2`.
            pub const fn service(self) -> &'static str {
                match self {
                    $(Self::$operation => stringify!($service),)+
                }
            }

            /// The name within the service: `CopyImage`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$operation => stringify!($operation),)+
                }
            }

            /// Service and name: `ec2:CopyImage`.
            const fn call(self) -> &'static str {
                match self {
                    $(Self::$operation => concat!(stringify!($service), ":", stringify!($operation)),)+
                }
            }

            /// Whether it changes anything in AWS.
            pub const fn writes(self) -> bool {
                match self {
                    $(Self::$operation => operations!(@ $effect),)+
                }
            }

            /// What the limiter counts its calls in, if it does.
            pub const fn bucket(self) -> Option<Bucket> {
                match self {
                    $(Self::$operation => $bucket,)+
                }
            }

            /// Whether dry runs ask if a role may do it before the first copy is made.
            pub const fn is_asked_by_dry_run(self) -> bool {
                match self {
                    $(Self::$operation => operations!(@ $($dry_run)?),)+
                }
            }
        }
    };
    (@ reads) => { false };
    (@ writes) => { true };
    (@) => { false };
    (@ dry_run) => { true };
}

operations! {
    ec2:DescribeImages                        reads  Some(Bucket::Read);
    ec2:DescribeSnapshots                     reads  Some(Bucket::Snapshots);
    ec2:DescribeRegions                       reads  Some(Bucket::Read);
    ec2:DescribeImageAttribute                reads  Some(Bucket::Read), dry_run;
    ec2:CopyImage                             writes Some(Bucket::Copy), dry_run;
    ec2:CreateTags                            writes Some(Bucket::Tag), dry_run;
    ec2:ModifyImageAttribute                  writes Some(Bucket::Modify), dry_run;
    ec2:EnableImageDeprecation                writes Some(Bucket::Write), dry_run;
    ec2:ReplaceImageInstanceTypeSpecification writes Some(Bucket::Write), dry_run;
    ec2:AttachImageWatermark                  writes Some(Bucket::Write), dry_run;
    ec2:DeregisterImage                       writes Some(Bucket::Modify), dry_run;
    ec2:DeleteSnapshot                        writes Some(Bucket::Modify), dry_run;
    // Proving copies: an instance is launched, and terminated.
    ec2:RunInstances                          writes Some(Bucket::Write);
    ec2:TerminateInstances                    writes Some(Bucket::Write);
    ec2:DescribeInstanceStatus                reads  Some(Bucket::Consumers);
    // Or Amazon Inspector is asked for a scan of them.
    inspector2:StartOnDemandScan              writes Some(Bucket::Beside);
    inspector2:GetOnDemandScanStatus          reads  Some(Bucket::Beside);
    inspector2:ListOnDemandScans              reads  Some(Bucket::Beside);
    // Moving what launches the originals.
    ec2:CreateLaunchTemplateVersion           writes Some(Bucket::Modify);
    ec2:ModifyLaunchTemplate                  writes Some(Bucket::Modify);
    ssm:PutParameter                          writes Some(Bucket::Parameter);
    ssm:LabelParameterVersion                 writes Some(Bucket::Beside);
    ssm:ListTagsForResource                   reads  Some(Bucket::Beside);
    autoscaling:UpdateAutoScalingGroup        writes Some(Bucket::Beside);
    autoscaling:CreateOrUpdateTags            writes Some(Bucket::Beside);
    autoscaling:StartInstanceRefresh          writes Some(Bucket::Beside);
    autoscaling:RollbackInstanceRefresh       writes Some(Bucket::Beside);
    autoscaling:DescribeInstanceRefreshes     reads  Some(Bucket::Beside);
    // The map from originals to copies in Parameter Store.
    ssm:GetParametersByPath                   reads  Some(Bucket::Beside);
    ssm:DeleteParameter                       writes Some(Bucket::Beside);
    kms:DescribeKey                           reads  Some(Bucket::Key);
    // For `amiseal report`: how the keys of images are kept.
    kms:GetKeyRotationStatus                  reads  Some(Bucket::Key);
    // Whether who uses an image may use the key that it is encrypted under.
    kms:GetKeyPolicy                          reads  Some(Bucket::Key);
    kms:ListGrants                            reads  Some(Bucket::Key);
    // Who uses images, and for `amiseal report` what keeps people from launching or sharing them.
    ec2:DescribeInstances                     reads  Some(Bucket::Consumers);
    ec2:DescribeLaunchTemplates               reads  Some(Bucket::Consumers);
    ec2:DescribeLaunchTemplateVersions        reads  Some(Bucket::Consumers);
    ec2:DescribeFleets                        reads  Some(Bucket::Consumers);
    ec2:DescribeSpotFleetRequests             reads  Some(Bucket::Consumers);
    ec2:DescribeSpotInstanceRequests          reads  Some(Bucket::Consumers);
    ec2:DescribeImageReferences               reads  Some(Bucket::Consumers);
    // What other accounts use, where a policy has AWS asked for it.
    ec2:DescribeImageUsageReports             reads  Some(Bucket::Consumers);
    ec2:DescribeImageUsageReportEntries       reads  Some(Bucket::Consumers);
    ec2:CreateImageUsageReport                writes Some(Bucket::Write);
    ec2:DeleteImageUsageReport                writes Some(Bucket::Write);
    ec2:GetEbsEncryptionByDefault             reads  Some(Bucket::Read);
    ec2:GetImageBlockPublicAccessState        reads  Some(Bucket::Read);
    ec2:GetSnapshotBlockPublicAccessState     reads  Some(Bucket::Read);
    ec2:GetAllowedImagesSettings              reads  Some(Bucket::Read);
    // The same where a policy has them held.
    ec2:GetEbsDefaultKmsKeyId                 reads  Some(Bucket::Read);
    ec2:ModifyEbsDefaultKmsKeyId              writes Some(Bucket::Write);
    ec2:EnableEbsEncryptionByDefault          writes Some(Bucket::Write);
    ec2:EnableImageBlockPublicAccess          writes Some(Bucket::PublicAccess);
    ec2:EnableSnapshotBlockPublicAccess       writes Some(Bucket::PublicAccess);
    ec2:ReplaceImageCriteriaInAllowedImagesSettings writes Some(Bucket::Write);
    ec2:EnableAllowedImagesSettings           writes Some(Bucket::Write);
    autoscaling:DescribeAutoScalingGroups     reads  Some(Bucket::Beside);
    autoscaling:DescribeLaunchConfigurations  reads  Some(Bucket::Beside);
    ssm:DescribeParameters                    reads  Some(Bucket::Beside);
    ssm:GetParameters                         reads  Some(Bucket::Beside);
    ssm:GetParameterHistory                   reads  Some(Bucket::Beside);
    eks:ListClusters                          reads  Some(Bucket::Beside);
    eks:ListNodegroups                        reads  Some(Bucket::Beside);
    eks:DescribeNodegroup                     reads  Some(Bucket::Beside);
    batch:DescribeComputeEnvironments         reads  Some(Bucket::Beside);
    imagebuilder:ListImageRecipes             reads  Some(Bucket::Beside);
    imagebuilder:ListContainerRecipes         reads  Some(Bucket::Beside);
    cloudtrail:DescribeTrails                 reads  Some(Bucket::Beside);
    cloudtrail:GetTrailStatus                 reads  Some(Bucket::Beside);
    // Which accounts there are, where a policy takes those of an organization.
    organizations:ListAccounts                       reads Some(Bucket::Beside);
    organizations:ListAccountsForParent              reads Some(Bucket::Beside);
    organizations:ListOrganizationalUnitsForParent   reads Some(Bucket::Beside);
    // The queue that events come from. A message that was received is hidden from others for a while.
    sqs:ReceiveMessage                        writes Some(Bucket::Queue);
    sqs:DeleteMessageBatch                    writes Some(Bucket::Queue);
    // Calls of STS count against the controller's own account, and are a few an hour.
    sts:AssumeRole                            reads  None;
    sts:GetCallerIdentity                     reads  None;
}

impl Operation {
    /// The action that IAM policies allow it by: `ec2:CopyImage`.
    pub const fn action(self) -> &'static str {
        match self {
            // There is one for both ways to delete messages.
            Self::DeleteMessageBatch => "sqs:DeleteMessage",
            other => other.call(),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.action())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_operations_that_read_by_their_name_change_nothing() {
        for operation in Operation::ALL {
            let name = operation.name();
            let reads = ["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb));
            let reads = reads || *operation == Operation::AssumeRole;
            assert_eq!(!operation.writes(), reads, "{operation}");
        }
    }

    #[test]
    fn what_is_counted_is_counted_with_its_like() {
        for operation in Operation::ALL {
            let reads = matches!(
                operation.bucket(),
                Some(Bucket::Read | Bucket::Snapshots | Bucket::Consumers)
            );
            assert_eq!(
                reads,
                operation.service() == "ec2" && !operation.writes(),
                "{operation}"
            );
            assert_eq!(
                operation.bucket() == Some(Bucket::Key),
                operation.service() == "kms",
                "{operation}"
            );
            assert_eq!(
                operation.bucket().is_some_and(Bucket::is_beside),
                !["ec2", "kms", "sts"].contains(&operation.service()),
                "{operation}"
            );
            assert_eq!(
                operation.bucket().is_none(),
                operation.service() == "sts",
                "{operation}"
            );
        }
        let numbers = Bucket::ALL.map(|bucket| bucket as usize);
        assert_eq!(
            numbers,
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
            "they number the limiter's lanes"
        );
    }
}
