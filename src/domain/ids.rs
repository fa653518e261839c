//! Identifiers that AWS hands out, as types that cannot hold anything else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Malformed;

/// Implements the text forms of an identifier around its `parse` function.
macro_rules! text_identifier {
    ($name:ident) => {
        impl $name {
            /// The identifier as AWS writes it.
            pub fn as_str(&self) -> &str {
                self.0.as_ref()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl TryFrom<String> for $name {
            type Error = Malformed;
            fn try_from(value: String) -> Result<Self, Malformed> {
                value.parse()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.as_str().to_owned()
            }
        }
    };
}

/// ASCII text of at most `N` bytes, held in place: an inventory has hundreds of thousands of identifiers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Inline<const N: usize>(
    /// Shorter text is followed by zeros.
    [u8; N],
);

impl<const N: usize> Inline<N> {
    /// Of text that has been found to be ASCII and short enough.
    fn new(text: &str) -> Self {
        let mut bytes = [0; N];
        for (byte, given) in bytes.iter_mut().zip(text.bytes()) {
            *byte = given;
        }
        Self(bytes)
    }
}

impl<const N: usize> AsRef<str> for Inline<N> {
    fn as_ref(&self) -> &str {
        let end = self.0.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        str::from_utf8(&self.0[..end]).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Debug for Inline<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_ref(), f)
    }
}

/// An AWS account: twelve digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(Inline<12>);
text_identifier!(AccountId);

impl FromStr for AccountId {
    type Err = Malformed;
    fn from_str(value: &str) -> Result<Self, Malformed> {
        if value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(Inline::new(value)))
        } else {
            Err(Malformed::new(value, "an AWS account ID of 12 digits"))
        }
    }
}

/// An image (AMI): `ami-` and 8 or 17 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageId(Inline<21>);
text_identifier!(ImageId);

impl FromStr for ImageId {
    type Err = Malformed;
    fn from_str(value: &str) -> Result<Self, Malformed> {
        if has_hex_suffix(value, "ami-") {
            Ok(Self(Inline::new(value)))
        } else {
            Err(Malformed::new(value, "an image ID such as ami-0123456789abcdef0"))
        }
    }
}

/// An EBS snapshot: `snap-` and 8 or 17 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnapshotId(Inline<22>);
text_identifier!(SnapshotId);

impl FromStr for SnapshotId {
    type Err = Malformed;
    fn from_str(value: &str) -> Result<Self, Malformed> {
        if has_hex_suffix(value, "snap-") {
            Ok(Self(Inline::new(value)))
        } else {
            Err(Malformed::new(value, "a snapshot ID such as snap-0123456789abcdef0"))
        }
    }
}

fn has_hex_suffix(value: &str, prefix: &str) -> bool {
    value
        .strip_prefix(prefix)
        .is_some_and(|hex| matches!(hex.len(), 8 | 17) && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// A region's name, such as `eu-west-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(Box<str>);
text_identifier!(Region);

impl FromStr for Region {
    type Err = Malformed;
    fn from_str(value: &str) -> Result<Self, Malformed> {
        let parts: Vec<&str> = value.split('-').collect();
        let word = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase());
        let number = parts
            .last()
            .is_some_and(|p| matches!(p.len(), 1 | 2) && p.bytes().all(|b| b.is_ascii_digit()));
        let words = parts.len().saturating_sub(1);
        if value.len() <= 32 && (2..=4).contains(&words) && number && parts.iter().take(words).all(|p| word(p)) {
            Ok(Self(value.into()))
        } else {
            Err(Malformed::new(value, "a region name such as eu-west-1"))
        }
    }
}

impl Region {
    /// The partition that this region belongs to.
    pub fn partition(&self) -> Partition {
        // AWS's endpoints data: each partition other than `aws` has its own prefix.
        const PREFIXES: [(&str, Partition); 7] = [
            ("cn-", Partition("aws-cn")),
            ("us-gov-", Partition("aws-us-gov")),
            ("eusc-", Partition("aws-eusc")),
            ("us-isob-", Partition("aws-iso-b")),
            ("us-isof-", Partition("aws-iso-f")),
            ("eu-isoe-", Partition("aws-iso-e")),
            ("us-iso-", Partition("aws-iso")),
        ];
        PREFIXES
            .iter()
            .find(|(prefix, _)| self.0.starts_with(prefix))
            .map_or(Partition("aws"), |(_, partition)| *partition)
    }
}

/// A group of regions with one set of ARNs and identities, such as `aws` or `aws-cn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(&'static str);

impl Partition {
    /// The partition as it stands in an ARN.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// The partition that an ARN is of; none that is not known.
    pub fn of_arn(arn: &str) -> Option<Self> {
        const ALL: [&str; 8] = [
            "aws",
            "aws-cn",
            "aws-us-gov",
            "aws-eusc",
            "aws-iso",
            "aws-iso-b",
            "aws-iso-e",
            "aws-iso-f",
        ];
        let named = arn.strip_prefix("arn:")?.split(':').next()?;
        ALL.into_iter().find(|known| *known == named).map(Self)
    }

    /// The name of a region that is enabled in every account of the partition.
    pub fn home(self) -> &'static str {
        match self.0 {
            "aws-cn" => "cn-north-1",
            "aws-us-gov" => "us-gov-west-1",
            "aws-eusc" => "eusc-de-east-1",
            "aws-iso" => "us-iso-east-1",
            "aws-iso-b" => "us-isob-east-1",
            "aws-iso-e" => "eu-isoe-west-1",
            "aws-iso-f" => "us-isof-south-1",
            _ => "us-east-1",
        }
    }
}

impl Default for Partition {
    /// The one of most accounts.
    fn default() -> Self {
        Self("aws")
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_of_the_right_form_are_accepted_and_no_others() {
        assert!("111122223333".parse::<AccountId>().is_ok());
        for bad in [
            "",
            "11112222333",
            "1111222233334",
            "11112222333x",
            "１１１１２２２２３３３３",
        ] {
            assert!(bad.parse::<AccountId>().is_err(), "{bad}");
        }
        for good in ["ami-01234567", "ami-0123456789abcdef0"] {
            assert_eq!(good.parse::<ImageId>().map(|id| id.to_string()), Ok(good.to_owned()));
        }
        for bad in ["ami-", "ami-0123456", "AMI-01234567", "ami-0123456G", "snap-01234567"] {
            assert!(bad.parse::<ImageId>().is_err(), "{bad}");
        }
        assert!("snap-01234567".parse::<SnapshotId>().is_ok());
        for bad in ["", "eu", "eu-west", "eu-west-", "eu-west-123", "EU-WEST-1", "eu--1"] {
            assert!(bad.parse::<Region>().is_err(), "{bad}");
        }
    }

    #[test]
    fn each_region_belongs_to_the_partition_of_its_prefix() {
        for (region, partition) in [
            ("eu-west-1", "aws"),
            ("us-east-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eu-isoe-west-1", "aws-iso-e"),
        ] {
            let region: Region = region.parse().expect("a region");
            assert_eq!(region.partition().as_str(), partition, "{region}");
            let home: Region = region.partition().home().parse().expect("a region");
            assert_eq!(home.partition(), region.partition(), "{home}");
            let arn = format!("arn:{partition}:iam::111122223333:role/amiseal");
            assert_eq!(Partition::of_arn(&arn), Some(region.partition()));
        }
        for none in ["", "aws", "arn:", "arn:elsewhere:iam::1:role/a"] {
            assert_eq!(Partition::of_arn(none), None, "{none}");
        }
    }
}
