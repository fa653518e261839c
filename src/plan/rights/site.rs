//! Where a role is, as ARNs and conditions write it.

use super::organizations::LISTED;
use super::statement::Texts;

/// An account and the regions that a policy means there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    /// The partition, or what stands for it in a template.
    pub(super) partition: String,
    /// The account's ID, or what stands for it in a template.
    pub(super) account: String,
    /// The names of the regions that the policy lists.
    pub(super) regions: Vec<String>,
    /// Whether it takes all others too.
    pub(super) is_everywhere: bool,
    /// Of these, the names of those that it leaves out.
    pub(super) except: Vec<String>,
    /// Whether a call that EC2 makes to KMS is known to say so by `ec2.REGION.amazonaws.com`.
    ///
    /// AWS documents that form ("kms:ViaService" in the developer guide of KMS), and none for partitions with another domain.
    pub(super) names_ec2: bool,
    /// By which names EC2 takes over the roles of instances. In China that is its own one, and what AWS prints for there has both.
    pub(super) ec2: &'static [&'static str],
}

impl Site {
    /// An account in a partition.
    pub(super) fn new(partition: &str, account: &str, is_template: bool) -> Self {
        let (as_partition, as_account) = match is_template {
            true => ("${AWS::Partition}", "${AWS::AccountId}"),
            false => (partition, account),
        };
        Self {
            partition: as_partition.to_owned(),
            account: as_account.to_owned(),
            regions: Vec::new(),
            is_everywhere: false,
            except: Vec::new(),
            names_ec2: matches!(partition, "aws" | "aws-us-gov"),
            ec2: match partition {
                "aws-cn" => &["ec2.amazonaws.com", "ec2.amazonaws.com.cn"],
                _ => &["ec2.amazonaws.com"],
            },
        }
    }

    /// The region in ARNs. Of several a condition says which: each in each ARN would soon be more than a policy may hold.
    pub(super) fn region(&self) -> &str {
        match self.regions.as_slice() {
            [one] if !self.is_everywhere => one,
            _ => "*",
        }
    }

    /// The account, as a condition asks for it. Of those that AWS Organizations lists it is the one that the role is in.
    pub(super) fn account(&self) -> Texts {
        match self.account.as_str() {
            LISTED => Texts::one("${aws:PrincipalAccount}"),
            account => Texts::one(account),
        }
    }

    /// An ARN in the account.
    pub(super) fn own(&self, service: &str, resource: &str) -> String {
        self.arn_in(service, self.region(), &self.account, resource)
    }

    /// An ARN of this account, or of none.
    pub(super) fn arn(&self, service: &str, account: &str, resource: &str) -> String {
        self.arn_in(service, self.region(), account, resource)
    }

    /// An ARN in this region.
    pub(super) fn arn_in(&self, service: &str, region: &str, account: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{region}:{account}:{resource}", self.partition)
    }
}
