//! What holds of whatever a policy says.

use proptest::prelude::*;

use super::*;

const REGIONS: [&str; 4] = ["eu-west-1", "eu-central-1", "us-east-1", "ap-southeast-2"];

fn choice(of: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(of)
}

/// Any policy, with accounts that differ.
fn any_policy() -> impl Strategy<Value = AMIEncryptionPolicy> {
    let settings = (
        choice(&["Audit", "Enforce"]),
        any::<bool>(),
        choice(&[
            "",
            "audit: {}",
            "audit: {allowedSharing: []}",
            "audit: {disabledChecks: [cloudtrail-off]}",
        ]),
        choice(&["", LAUNCH, ON_DEMAND]),
        choice(&["Report", "Update"]),
        choice(&["Report", "Update"]),
        choice(&["Report", "Update", "Refresh"]),
        choice(&["Withhold", "Publish"]),
        choice(&[
            "{configMap: images}",
            "{ssmPrefix: /amiseal/images}",
            "{ssmPrefix: /platform}",
        ]),
        choice(&[
            "",
            "guardrails: {}",
            "guardrails: {imageBlockPublicAccess: Enforce}",
            "guardrails: {ebsEncryptionByDefault: Enforce, snapshotBlockPublicAccess: Enforce}",
            "guardrails: {allowedImages: {mode: Enforce, criteria: [{imageProviders: [amazon]}]}}",
        ]),
    );
    let region = (
        0..REGIONS.len(),
        choice(&["alias/ami", "alias/aws/ebs", "1234abcd-12ab-34cd-56ef-1234567890ab"]),
    );
    let accounts = prop::collection::vec(prop::collection::btree_map(region.0, region.1, 1..4), 1..4);
    (settings, accounts).prop_map(|(settings, accounts)| {
        let (mode, read, audit, proof, templates, parameters, groups, tags, map, guardrails) = settings;
        let accounts: String = (1..)
            .zip(&accounts)
            .map(|(number, regions)| {
                let regions = regions.iter().map(|(index, key)| format!("{{name: {}, kmsKeyID: {key}}}", REGIONS[*index]));
                let regions: Vec<String> = regions.collect();
                format!("- {{accountID: '{number:012}', regions: [{}]}}\n", regions.join(", "))
            })
            .collect();
        let more = format!(
            "{audit}\n{proof}\n{guardrails}\nconsumers: {{read: {read}, usageReports: Create}}\npromotion: {{launchTemplates: {templates}, \
             ssmParameters: {parameters}, autoScalingGroups: {groups}, tags: {tags}, map: {map}}}"
        );
        of_accounts(mode, &format!("accounts:\n{accounts}"), &more)
    })
}

/// What statements allow, one by one.
fn pairs(statements: &[Statement]) -> BTreeSet<(String, String, String)> {
    let of = |statement: &Statement| {
        let condition = format!("{:?}", statement.condition);
        let actions = statement.action.0.clone();
        let resources = statement.resource.0.clone();
        let all = actions.into_iter().flat_map(move |action| {
            let condition = condition.clone();
            let of_action = resources.clone().into_iter();
            of_action.map(move |resource| (action.clone(), resource, condition.clone()))
        });
        all.collect::<Vec<_>>()
    };
    statements.iter().flat_map(of).collect()
}

/// Whether statements allow an action on a resource whenever `one` does: whatever they ask for, it asks for too. None of these policies
/// leaves out regions, so that of several values any one is enough.
fn is_allowed(known: &[Statement], one: &Statement, action: &str, resource: &str) -> bool {
    known.iter().any(|known| {
        let mut conditions = known.condition.iter();
        let asks_no_more = conditions.all(|(operator, keys)| {
            let own = one.condition.get(operator);
            keys.iter().all(|(key, values)| {
                let own = own.and_then(|own| own.get(key));
                own.is_some_and(|own| own.0.iter().all(|value| values.has(value)))
            })
        });
        known.action.has(action) && known.resource.has(resource) && asks_no_more
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_document_fits_into_a_managed_policy_and_together_they_allow_the_same(policy in any_policy()) {
        let rights = of(&[policy], &with_groups());
        for account in &rights.accounts {
            let policies = account.policies();
            for policy in &policies {
                prop_assert!(policy.characters() <= LIMIT, "{}", policy.characters());
                let names: BTreeSet<&str> = policy.statement.iter().map(|statement| statement.sid.as_str()).collect();
                prop_assert_eq!(names.len(), policy.statement.len());
            }
            let divided: Vec<Statement> = policies.into_iter().flat_map(|policy| policy.statement).collect();
            prop_assert_eq!(pairs(&divided), pairs(&account.statements()));
        }
    }

    #[test]
    fn what_is_new_and_what_was_there_before_are_what_is_asked_for(policy in any_policy(), earlier in any_policy()) {
        let (rights, before) = (of(&[policy], &options()), of(&[earlier], &options()));
        let new = since(rights.clone(), &before);
        for account in &rights.accounts {
            let find = |rights: &Rights| {
                let found = rights.accounts.iter().find(|known| known.account_id == account.account_id);
                found.map(AccountRights::statements).unwrap_or_default()
            };
            let (asked, before) = (account.statements(), find(&before));
            let new = pairs(&find(&new));
            prop_assert!(new.is_subset(&pairs(&asked)));
            prop_assert!(new.is_disjoint(&pairs(&before)));
            for one in &asked {
                let condition = format!("{:?}", one.condition);
                let of_action = |action| one.resource.0.iter().map(move |resource| (action, resource));
                for (action, resource) in one.action.0.iter().flat_map(of_action) {
                    let is_new = new.contains(&(action.clone(), resource.clone(), condition.clone()));
                    prop_assert!(is_new || is_allowed(&before, one, action, resource), "{} on {}: {:?}", action, resource, one);
                }
            }
        }
    }

    #[test]
    fn only_looking_never_takes_more_than_enforcing(policy in any_policy()) {
        let with = |mode| {
            let mut policy = policy.clone();
            policy.spec.mode = mode;
            of(&[policy], &options())
        };
        let (looks, enforces) = (with(crate::api::Mode::Audit), with(crate::api::Mode::Enforce));
        for (looks, enforces) in looks.accounts.iter().zip(&enforces.accounts) {
            prop_assert!(actions(looks).is_subset(&actions(enforces)));
        }
    }

    #[test]
    fn a_statement_that_is_too_large_is_divided_by_its_resources(count in 1_usize..300) {
        let accounts: String = (0..count).map(|number| {
            format!("- {{accountID: '{number:012}', regions: [{{name: eu-west-1, kmsKeyID: alias/ami}}]}}\n")
        }).collect();
        let rights = of(&[of_accounts("Audit", &format!("accounts:\n{accounts}"), "")], &options());
        let policies = rights.controller.policies();
        let roles: usize = policies.iter().flat_map(|policy| &policy.statement).map(|of| of.resource.0.len()).sum();
        prop_assert_eq!(roles, count);
        for policy in &policies {
            prop_assert!(policy.characters() <= LIMIT);
        }
    }
}
