//! Rules of regions, and the partition that one is in.

use kube::core::Rule;

/// The partition of the region that `region`, a CEL expression, names: a CEL expression too.
pub(super) fn partition_of(region: &str) -> String {
    const PARTITIONS: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("eusc-", "aws-eusc"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
    ];
    let choices: String = PARTITIONS
        .iter()
        .map(|(prefix, partition)| format!("{region}.startsWith('{prefix}') ? '{partition}' : "))
        .collect();
    format!("({choices}'aws')")
}

/// A region's name has the form that all partitions use.
pub(in crate::api) fn region(field: &str) -> Rule {
    Rule::new(format!("self.matches('{REGION}')")).message(
        format!("{field} must be the name of an AWS region, not of a zone: write for example eu-west-1").as_str(),
    )
}

const REGION: &str = "^[a-z]{2,4}(-[a-z]{2,11}){1,2}-[0-9]{1,2}$";

/// Regions that are left out are named as others are.
pub(in crate::api) fn excluded_regions() -> Rule {
    Rule::new(format!("self.all(name, name.matches('{REGION}'))"))
        .message("exclude must be names of AWS regions, not of zones: write for example me-south-1")
}

/// Every account has regions, its own or the defaults'.
pub(in crate::api) fn regions_somewhere() -> Rule {
    Rule::new(
        "(has(self.defaults) && (has(self.defaults.allRegions) || \
         (has(self.defaults.regions) && size(self.defaults.regions) > 0))) || \
         !has(self.accounts) || self.accounts.all(a, has(a.allRegions) || (has(a.regions) && size(a.regions) > 0))",
    )
    .message(
        "accounts must each have regions or allRegions when defaults has neither: add one of the two to the account, or to \
         defaults",
    )
    .field_path(".accounts")
}

#[cfg(test)]
mod tests {
    use super::partition_of;
    use crate::domain::Region;

    /// The partition that the expression gives: the first prefix that fits decides.
    fn said(expression: &str, region: &str) -> String {
        let mut choices = expression.trim_matches(['(', ')']).split(" : ");
        let chosen = choices.find_map(|choice| {
            let (prefix, partition) = choice.strip_prefix("r.startsWith('")?.split_once("') ? '")?;
            region
                .starts_with(prefix)
                .then(|| partition.trim_end_matches('\'').to_owned())
        });
        chosen.unwrap_or_else(|| "aws".to_owned())
    }

    #[test]
    fn the_api_server_takes_a_region_for_one_of_the_same_partition_as_the_program_does() {
        let expression = partition_of("r");
        for name in [
            "eu-west-1",
            "us-east-1",
            "cn-north-1",
            "cn-northwest-1",
            "us-gov-east-1",
            "us-gov-west-1",
            "eusc-de-east-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "us-isof-south-1",
            "eu-isoe-west-1",
        ] {
            let region: Region = name.parse().expect("a region");
            assert_eq!(said(&expression, name), region.partition().as_str(), "{name}");
        }
    }
}
