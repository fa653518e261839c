//! The checks: what each looks for, why it matters, and how to fix what it finds. `docs/findings.md` is made from this list.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Costs money, or order.
    Low,
    /// Will hurt some day.
    Medium,
    /// Data is less protected than it should be.
    High,
    /// Data is open to everybody.
    Critical,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// As reports write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! checks {
    ($($check:ident $id:literal $severity:ident $title:literal $why:literal $fix:literal [$($reference:literal),*];)+) => {
        /// Something that is looked for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Check {
            $(
                #[doc = $title]
                $check,
            )+
        }

        impl Check {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$check),+];

            /// The check of this name.
            pub fn named(id: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|check| check.id() == id)
            }

            /// Its name, which stays the same for good.
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$check => $id,)+
                }
            }

            /// How bad it is.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$check => Severity::$severity,)+
                }
            }

            /// What it finds.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$check => $title,)+
                }
            }

            /// Why that matters.
            pub const fn why(self) -> &'static str {
                match self {
                    $(Self::$check => $why,)+
                }
            }

            /// How to fix it.
            pub const fn fix(self) -> &'static str {
                match self {
                    $(Self::$check => $fix,)+
                }
            }

            /// Checks of the same meaning elsewhere.
            pub const fn references(self) -> &'static [&'static str] {
                match self {
                    $(Self::$check => &[$($reference),*],)+
                }
            }
        }
    };
}

checks! {
    PublicImage "public-image" Critical
        "Everybody can launch the image."
        "Anybody with an AWS account can read everything that is on a public image."
        "Remove the launch permission `all`, or exempt the image if it is meant to be public."
        ["Prowler ec2_ami_public"];
    PublicSnapshot "public-snapshot" Critical
        "Everybody can make volumes of the snapshot."
        "Anybody with an AWS account can read everything that is on a public snapshot, whether or not its image is public."
        "Remove the permission `all` of the snapshot."
        ["AWS FSBP EC2.1", "Prowler ec2_ebs_public_snapshot"];
    UnencryptedImage "unencrypted-image" High
        "A snapshot of the image is not encrypted."
        "Every volume that is launched from the image is unencrypted too, unless the account encrypts by default."
        "Copy the image encrypted: apply an AMIEncryptionPolicy with mode Enforce."
        [];
    LaunchesUnencryptedImage "launches-unencrypted-image" High
        "Something launches an image that is not encrypted."
        "New volumes are unencrypted for as long as it launches this image."
        "Move it to an encrypted copy of the image."
        [];
    DisabledImageInUse "disabled-image-in-use" High
        "Something launches an image that is disabled."
        "Every launch fails: a group that loses an instance does not get another one."
        "Enable the image, or move what launches it to another one."
        [];
    LaunchesMissingImage "launches-missing-image" High
        "Something launches an image that is gone, or no longer shared with the account."
        "Every launch fails: a group that loses an instance does not get another one."
        "Move it to an image that is there."
        [];
    KeyDisabled "key-disabled" High
        "Images are encrypted under a key that cannot be used."
        "Every launch of them fails, and so does every copy. Once the key is deleted, what is on them is lost for good."
        "Enable the key, cancel its deletion, or import its material again."
        ["AWS FSBP KMS.3", "Prowler kms_cmk_not_deleted_unintentionally"];
    KeyUnusableByConsumers "key-unusable-by-consumers" High
        "What launches an encrypted image, or whom it is shared with, may not use its key."
        "Every launch fails: a group that loses an instance does not get another one. The role of a service has no rights to keys by IAM, so that a key's policy that leaves all to IAM does not let it."
        "Add to the key's policy, or grant, what the finding names."
        [];
    SharedOutside "shared-outside" High
        "The image is shared with somebody who is not allowed."
        "Whoever may launch an image can read everything that is on it."
        "Remove the launch permission, or name whom it is for with `--allow-sharing` or `spec.audit.allowedSharing`."
        [];
    VulnerableImage "vulnerable-image" High
        "Vulnerabilities of the image have had a fix for longer than allowed."
        "Every instance that is launched from the image has them, and whoever looks for them knows how to use them."
        "Build a new image with the fixes, and move what launches this one to it."
        [];
    DeprecatedImageInUse "deprecated-image-in-use" Medium
        "Something launches an image that is deprecated."
        "The image's owner has announced that it is to be used no longer, and other accounts do not find it any more."
        "Move what launches it to its successor."
        [];
    UntrustedOwner "untrusted-owner" Medium
        "Something launches an image of an owner who is not trusted."
        "Anybody can publish an image under a name that looks trusted, with anything on it."
        "Move it to an image of an owner whom you trust, or name the owner with `--trusted-owner` or `spec.audit.trustedOwners`."
        [];
    StaleScan "stale-scan" Medium
        "The last scan of the image is older than allowed."
        "Of vulnerabilities that have become known since, the scan says nothing."
        "See in Amazon Inspector why the image is not scanned any more, or build a new one."
        [];
    EncryptionByDefaultOff "encryption-by-default-off" Medium
        "EBS encryption by default is off in the region."
        "A volume that is made without a word about encryption is not encrypted, whatever image it is launched from."
        "Turn EBS encryption by default on, once you know that everybody who launches there may use the default key."
        ["AWS FSBP EC2.7", "Prowler ec2_ebs_default_encryption"];
    ImagePublicAccessNotBlocked "image-public-access-not-blocked" Medium
        "Images can be made public in the region."
        "One wrong launch permission shows an image's data to everybody."
        "Enable block public access for AMIs."
        [];
    SnapshotPublicAccessNotBlocked "snapshot-public-access-not-blocked" Medium
        "Snapshots can be made public in the region."
        "One wrong permission shows a snapshot's data to everybody."
        "Enable block public access for EBS snapshots."
        ["Prowler ec2_ebs_snapshot_account_block_public_access"];
    CloudTrailOff "cloudtrail-off" Medium
        "No trail of all regions logs what is done in the account."
        "Nobody can tell who has shared, copied or deleted an image."
        "Make a trail of all regions, and start its logging."
        ["AWS FSBP CloudTrail.1", "Prowler cloudtrail_multi_region_enabled"];
    AllowedImagesOff "allowed-amis-off" Low
        "Images of any owner can be launched in the region."
        "A name that looks trusted is enough to have a foreign image launched."
        "Set the allowed AMIs settings to audit-mode, see what they would refuse, and enable them."
        [];
    InstanceOfMissingImage "instance-of-missing-image" Low
        "An instance was launched from an image that is gone, or no longer shared with the account."
        "It cannot be launched again, and nobody can look into what it was made from."
        "Launch it anew from an image that is there."
        [];
    OlderThanTemplate "older-than-template" Low
        "An instance was launched from an older image than its group, fleet or template launches now."
        "It lacks what the newer image brings, such as its fixes, until it is replaced."
        "Start an instance refresh of the group, or launch the instance anew."
        [];
    OtherKeyImage "other-key-image" Low
        "The image is encrypted under another key than the policy names."
        "Who may use that key, whether it is rotated, and how long it is kept, is not what you have decided for images."
        "Copy the image under the policy's key, or leave it out with `spec.imageSelector.exclude`."
        [];
    KeyWithoutRotation "key-without-rotation" Low
        "Images are encrypted under a key that is not rotated."
        "Whoever gets hold of its one key material can read all that was ever encrypted under it."
        "Turn automatic rotation on: KMS keeps the old key material, and nothing has to be encrypted anew."
        ["AWS Security Hub KMS.4", "CIS AWS Foundations Benchmark v3.0.0 3.6", "Prowler kms_cmk_rotation_enabled"];
    OldImage "old-image" Medium
        "The image is older than allowed."
        "An old image lacks the security fixes of all the time since it was made. A copy is as old as what it was copied from."
        "Build a new image, and move what launches this one to it."
        [];
    UnusedImage "unused-image" Low
        "Nobody uses the image."
        "Its snapshots are paid for, and what is on them can be stolen."
        "Deprecate and disable the image, and deregister it later."
        [];
    UnencryptedOrphanSnapshot "unencrypted-orphan-snapshot" Medium
        "A snapshot that is not encrypted was made for an image that is gone."
        "No image tells any more what is on it, and whoever can read the snapshot can read that."
        "Delete the snapshot, or copy it encrypted if somebody needs what is on it."
        ["Prowler ec2_ebs_snapshots_encrypted"];
    OrphanSnapshot "orphan-snapshot" Low
        "A snapshot was made for an image that is gone."
        "It is paid for, and no image tells any more what is on it."
        "Delete the snapshot, if nobody needs what is on it."
        [];
    MissingTags "missing-tags" Low
        "The image lacks a tag that it has to have."
        "Nobody can tell whose it is, or what it is for."
        "Add the tag where the image is built."
        [];
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_can_name_every_check_and_nothing_else() {
        let mut names: Vec<&str> = Check::ALL.iter().map(|check| check.id()).collect();
        names.sort_unstable();
        assert_eq!(names, crate::api::CHECKS);
    }

    #[test]
    fn every_check_has_a_name_of_its_own_and_sentences() {
        let mut ids: Vec<&str> = Check::ALL.iter().map(|check| check.id()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Check::ALL.len());
        for check in Check::ALL {
            for text in [check.title(), check.why(), check.fix()] {
                assert!(text.ends_with('.') && text.len() > 20, "{check}: {text}");
            }
            assert!(
                check.id().bytes().all(|sign| sign.is_ascii_lowercase() || sign == b'-'),
                "{check}"
            );
        }
    }
}
