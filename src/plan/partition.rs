//! Which partition of AWS the accounts of a policy are in. A policy has accounts of one partition only.

use crate::api::AMIEncryptionPolicySpec;
use crate::domain::{AwsError, Cause, Partition, Region};

/// The partition that a policy tells: by the regions that it lists, or else by the ARNs of its roles. None where it lists no region and
/// names roles by their names only, or no role at all.
pub fn of_policy(spec: &AMIEncryptionPolicySpec) -> Option<Partition> {
    let of_defaults = spec.defaults.iter().flat_map(|defaults| &defaults.regions);
    let of_accounts = spec.accounts.iter().flat_map(|account| &account.regions);
    let mut regions = of_defaults.chain(of_accounts);
    let listed = regions.find_map(|region| region.name.parse::<Region>().ok());
    let lists = spec.accounts_from.iter().filter_map(|from| from.role_arn.as_deref());
    let own = spec.accounts.iter().filter_map(|account| account.role_arn.as_deref());
    let mut roles = lists.chain(own);
    listed
        .map(|region| region.partition())
        .or_else(|| roles.find_map(Partition::of_arn))
}

/// What is to be said besides where nothing tells the partition, and `error` is what AWS answers in another one. `whose` is what was
/// asked, and `field` the one of the policy that would tell.
pub fn doubt(error: &AwsError, whose: &str, field: &str) -> Option<String> {
    // Where AWS knows the credentials they are of its partition, whatever it denies them.
    let is_elsewhere = matches!(
        error.cause,
        Some(Cause::RegionNotEnabled | Cause::Unreachable | Cause::Timeout | Cause::NoEndpoint(_))
    );
    is_elsewhere.then(|| {
        format!(
            "Nothing tells which partition of AWS {whose} is in, so amiseal asks in {}: if that is wrong, set {field}, or AWS_REGION where \
             amiseal runs.",
            Partition::default().home()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ErrorClass, Operation};

    #[test]
    fn a_region_that_is_listed_anywhere_tells_the_partition_and_then_the_arn_of_a_role() {
        let all = "allRegions: {kmsKeyID: alias/ami}";
        let named = format!("accounts: [{{accountID: '111122223333', roleName: amiseal, {all}}}");
        let of_region = |region: &str| {
            format!("{named}, {{accountID: '222233334444', regions: [{{name: {region}, kmsKeyID: alias/a}}]}}]")
        };
        let of_role = |partition: &str| {
            format!(
                "{named}, {{accountID: '222233334444', roleARN: 'arn:{partition}:iam::222233334444:role/a', {all}}}]"
            )
        };
        let lists = |partition: &str| {
            format!("accountsFrom: {{organization: {{}}, roleARN: 'arn:{partition}:iam::222233334444:role/lists'}}")
        };
        let defaults = |region: &str| format!("defaults: {{regions: [{{name: {region}, kmsKeyID: alias/a}}]}}");
        for (policy, told) in [
            (format!("{named}]"), None),
            (of_region("cn-northwest-1"), Some("aws-cn")),
            (of_region("eu-west-1"), Some("aws")),
            (of_role("aws-us-gov"), Some("aws-us-gov")),
            (format!("{}\n{named}]", lists("aws-cn")), Some("aws-cn")),
            (format!("{}\n{}", lists("aws"), of_role("aws-us-gov")), Some("aws")),
            (
                format!("{}\n{}", defaults("us-gov-east-1"), of_region("eu-west-1")),
                Some("aws-us-gov"),
            ),
            (format!("{}\n{}", lists("aws"), of_region("cn-north-1")), Some("aws-cn")),
        ] {
            let spec = serde_saphyr::from_str(&policy).expect("a policy");
            assert_eq!(of_policy(&spec).map(Partition::as_str), told, "{policy}");
        }
    }

    #[test]
    fn what_aws_denies_to_credentials_that_it_knows_leaves_no_doubt() {
        for (cause, is_doubtful) in [
            (Some(Cause::RegionNotEnabled), true),
            (Some(Cause::Unreachable), true),
            (Some(Cause::Timeout), true),
            (Some(Cause::RoleNotAssumable), false),
            (Some(Cause::NoCredentials), false),
            (None, false),
        ] {
            let error = AwsError::new(Operation::DescribeRegions, ErrorClass::Denied, cause);
            let said = doubt(&error, "the account", "its roleARN");
            assert_eq!(said.is_some(), is_doubtful, "{cause:?}");
            let says = |part: &str| said.as_ref().is_none_or(|said| said.contains(part));
            assert!(
                says("us-east-1") && says("its roleARN") && says("AWS_REGION"),
                "{said:?}"
            );
        }
    }
}
