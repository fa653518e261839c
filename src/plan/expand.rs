//! From a policy to its targets: one for each account and region, with everything resolved.

use crate::api::{AMIEncryptionPolicySpec, AMIEncryptionTargetSpec, Account, MapSettings, PromotionSettings};
use crate::domain::Region;
use crate::plan::regions::of_account;

/// The targets that a policy asks for, in the order in which it names them.
///
/// Infallible: what cannot be carried out was refused by the API server. A region that slipped through with a form of its
/// own gets the partition `aws`, and AWS's own refusal becomes its target's condition.
pub fn targets(policy: &str, spec: &AMIEncryptionPolicySpec) -> Vec<AMIEncryptionTargetSpec> {
    let defaults = spec.defaults.clone().unwrap_or_default();
    let mut targets = Vec::new();
    for account in &spec.accounts {
        // Where all regions are taken these were read before, and are listed with the account.
        let (regions, _) = of_account(&defaults, account);
        for region in regions {
            targets.push(AMIEncryptionTargetSpec {
                policy: policy.to_owned(),
                account_id: account.account_id.clone(),
                region: region.name.clone(),
                role_arn: role_arn(account, defaults.role_name.as_deref(), &region.name),
                external_id: account.external_id.clone().or_else(|| defaults.external_id.clone()),
                kms_key_id: region.kms_key_id.clone(),
                mode: spec.mode,
                suspend: spec.suspend,
                scan_interval: spec.scan_interval,
                new_images: spec.new_images.clone(),
                image_selector: spec.image_selector.clone(),
                other_key: spec.other_key,
                backups: spec.backups,
                copy: spec.copy.clone(),
                validation: spec.validation.clone(),
                promotion: PromotionSettings {
                    map: map_of_accounts(&spec.promotion),
                    ..spec.promotion.clone()
                },
                consumers: spec.consumers.clone(),
                unused: spec.unused.clone(),
                audit: spec.audit.clone(),
                guardrails: spec.guardrails.clone(),
                history_ttl: spec.history_ttl,
            });
        }
    }
    targets
}

/// Where the map is kept that is in the accounts. A ConfigMap is of none: its name is no reason to scan anew.
fn map_of_accounts(promotion: &PromotionSettings) -> Option<MapSettings> {
    let ssm_prefix = promotion.map.as_ref()?.ssm_prefix.clone()?;
    Some(MapSettings {
        ssm_prefix: Some(ssm_prefix),
        config_map: None,
    })
}

/// The role to assume: the account's own, else the default one's name in that account; none means the controller's own identity.
pub(super) fn role_arn(account: &Account, default_name: Option<&str>, region: &str) -> Option<String> {
    if let Some(arn) = &account.role_arn {
        return Some(arn.clone());
    }
    let name = account.role_name.as_deref().or(default_name)?;
    let partition = region
        .parse::<Region>()
        .map_or("aws", |region| region.partition().as_str());
    Some(format!(
        "arn:{partition}:iam::{}:role/{}",
        account.account_id,
        name.trim_start_matches('/')
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(yaml: &str) -> AMIEncryptionPolicySpec {
        serde_saphyr::from_str(yaml).expect("a policy")
    }

    #[test]
    fn defaults_fill_in_what_an_account_does_not_say() {
        let spec = policy(
            "
defaults: {roleName: amiseal, externalID: platform, regions: [{name: eu-west-1, kmsKeyID: alias/a}]}
accounts:
- accountID: '111122223333'
- accountID: '222233334444'
  roleARN: arn:aws:iam::222233334444:role/own
  externalID: other
  regions: [{name: us-east-1, kmsKeyID: alias/b}, {name: cn-north-1, kmsKeyID: alias/c}]
- accountID: '333344445555'
  roleName: path/special
  regions: [{name: cn-north-1, kmsKeyID: alias/c}]
",
        );
        let seen: Vec<_> = targets("production", &spec)
            .into_iter()
            .map(|t| {
                (
                    t.account_id,
                    t.region,
                    t.role_arn.expect("a role"),
                    t.external_id.expect("an ID"),
                    t.kms_key_id,
                )
            })
            .collect();
        let row = |a: &str, r: &str, role: &str, id: &str, key: &str| {
            (
                a.to_owned(),
                r.to_owned(),
                role.to_owned(),
                id.to_owned(),
                key.to_owned(),
            )
        };
        assert_eq!(
            seen,
            [
                row(
                    "111122223333",
                    "eu-west-1",
                    "arn:aws:iam::111122223333:role/amiseal",
                    "platform",
                    "alias/a"
                ),
                row(
                    "222233334444",
                    "us-east-1",
                    "arn:aws:iam::222233334444:role/own",
                    "other",
                    "alias/b"
                ),
                row(
                    "222233334444",
                    "cn-north-1",
                    "arn:aws:iam::222233334444:role/own",
                    "other",
                    "alias/c"
                ),
                row(
                    "333344445555",
                    "cn-north-1",
                    "arn:aws-cn:iam::333344445555:role/path/special",
                    "platform",
                    "alias/c"
                ),
            ]
        );
    }

    #[test]
    fn targets_hear_of_parameters_in_their_accounts_and_not_of_a_config_map_in_the_cluster() {
        let account = "accounts: [{accountID: '111122223333', regions: [{name: eu-west-1, kmsKeyID: alias/a}]}]";
        let prefix = Some(MapSettings {
            config_map: None,
            ssm_prefix: Some("/a".to_owned()),
        });
        for (map, expected) in [
            ("{configMap: a}", None),
            ("{ssmPrefix: /a}", prefix.clone()),
            ("{configMap: a, ssmPrefix: /a}", prefix),
        ] {
            let spec = policy(&format!("{account}\npromotion: {{map: {map}}}"));
            assert_eq!(targets("p", &spec)[0].promotion.map, expected, "{map}");
        }
    }

    #[test]
    fn without_any_role_the_controllers_own_identity_is_used() {
        let spec = policy("accounts: [{accountID: '111122223333', regions: [{name: eu-west-1, kmsKeyID: alias/a}]}]");
        assert_eq!(targets("p", &spec)[0].role_arn, None);
    }
}
