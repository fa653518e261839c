//! KMS keys: which one, and whether EBS can encrypt with it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AccountId, AwsError, Malformed, Region};

/// The ARN of a KMS key (never of an alias): `arn:<partition>:kms:<region>:<account>:key/<id>`.
///
/// Cheap to clone: many snapshots are encrypted under one key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyArn(Arc<Parts>);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Parts {
    text: Box<str>,
    region: Region,
    account: AccountId,
}

impl KeyArn {
    /// The ARN as AWS writes it.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The region that the key is in.
    pub fn region(&self) -> &Region {
        &self.0.region
    }

    /// The account that owns the key, which need not be the one that uses it.
    pub fn account(&self) -> &AccountId {
        &self.0.account
    }
}

impl FromStr for KeyArn {
    type Err = Malformed;
    fn from_str(value: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new(value, "a key ARN such as arn:aws:kms:eu-west-1:111122223333:key/<id>");
        let parts: Vec<&str> = value.splitn(6, ':').collect();
        let [arn, partition, service, region, account, resource] = parts[..] else {
            return Err(malformed());
        };
        let id = resource.strip_prefix("key/").ok_or_else(malformed)?;
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if arn != "arn" || service != "kms" || id.is_empty() || !id.bytes().all(legal) {
            return Err(malformed());
        }
        let region: Region = region.parse().map_err(|_| malformed())?;
        if value.len() > 256 || partition != region.partition().as_str() {
            return Err(malformed());
        }
        let account = account.parse().map_err(|_| malformed())?;
        Ok(Self(Arc::new(Parts {
            text: value.into(),
            region,
            account,
        })))
    }
}

impl TryFrom<String> for KeyArn {
    type Error = Malformed;
    fn try_from(value: String) -> Result<Self, Malformed> {
        value.parse()
    }
}

impl From<KeyArn> for String {
    fn from(value: KeyArn) -> String {
        value.as_str().to_owned()
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What `DescribeKey` says of a key, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Which key it is: the alias or ID of the policy, resolved.
    pub arn: KeyArn,
    /// Whether EBS can encrypt with it.
    pub usability: KeyUsability,
    /// Whether AWS manages it (`aws/ebs`): such a key cannot be used by other accounts at all.
    pub aws_managed: bool,
}

/// How a key is kept that images are encrypted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHealth {
    /// Whether what is encrypted under it can be read.
    pub state: KeyState,
    /// Whether KMS makes new material for it by itself; or why that could not be read.
    pub rotation: Result<Rotation, AwsError>,
}

/// Whether what is encrypted under a key can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// It can.
    Usable,
    /// It is disabled.
    Disabled,
    /// It is to be deleted, at this time where KMS says it.
    PendingDeletion(Option<Timestamp>),
    /// It has no key material, or KMS cannot get at it (`PendingImport`, `Unavailable`).
    Unavailable,
    /// KMS knows no such key of the account any more.
    Gone,
}

/// Whether KMS makes new material for a key by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// It does.
    On,
    /// It could, and does not.
    Off,
    /// It cannot, or nobody can change it: AWS manages the key, the material is imported or in a custom key store, or the key is
    /// asymmetric or not usable now.
    NotApplicable,
}

/// Whether EBS can encrypt with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUsability {
    /// It can.
    Usable,
    /// It cannot, for this reason.
    Unusable(KeyProblem),
}

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyProblem {
    /// No key or alias of that name.
    NotFound,
    /// Key state `Disabled`.
    Disabled,
    /// Key state `PendingDeletion` or `PendingReplicaDeletion`.
    PendingDeletion,
    /// Any other key state than `Enabled`: `Creating`, `PendingImport`, `Unavailable`, `Updating`.
    NotReady,
    /// The key is in another region than the images.
    WrongRegion,
    /// Not a symmetric key for ENCRYPT_DECRYPT.
    WrongUsage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_arn_of_a_key_of_its_partition_is_a_key_arn() {
        let arn = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
        let parsed: KeyArn = arn.parse().expect("a key ARN");
        assert_eq!(parsed.as_str(), arn);
        assert_eq!(parsed.region().as_str(), "eu-west-1");
        assert_eq!(parsed.account().as_str(), "111122223333");
        for bad in [
            "",
            "alias/ami",
            "arn:aws:kms:eu-west-1:111122223333:alias/ami",
            "arn:aws-cn:kms:eu-west-1:111122223333:key/1",
            "arn:aws:ec2:eu-west-1:111122223333:key/1",
            "arn:aws:kms:eu-west-1:1111:key/1",
            "arn:aws:kms:eu-west-1:111122223333:key/",
            "arn:aws:kms:eu-west-1:111122223333:key/a b",
        ] {
            assert!(bad.parse::<KeyArn>().is_err(), "{bad}");
        }
    }
}
