mod conditions;
mod forms;
mod new;
mod organizations;
mod properties;
mod regions;
mod sites;
mod together;

use std::collections::BTreeSet;

use super::*;
use crate::api::AMIEncryptionPolicySpec;
use crate::domain::Operation;

const ACCOUNT: &str = "111122223333";

/// A policy for one account and region with these fields besides.
fn policy(mode: &str, more: &str) -> AMIEncryptionPolicy {
    let accounts = "accounts: [{accountID: '111122223333', regions: [{name: eu-west-1, kmsKeyID: alias/ami}]}]";
    of_accounts(mode, accounts, more)
}

fn of_accounts(mode: &str, accounts: &str, more: &str) -> AMIEncryptionPolicy {
    let yaml = format!("mode: {mode}\ndefaults: {{roleName: amiseal, externalID: platform}}\n{accounts}\n{more}\n");
    let spec: AMIEncryptionPolicySpec = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    AMIEncryptionPolicy::new("production", spec)
}

fn options() -> Options {
    Options {
        namespace: "amiseal-system".to_owned(),
        service_account: "amiseal".to_owned(),
        ..Options::default()
    }
}

/// What is said beside all of these rights.
fn notes(rights: &Rights, options: &Options) -> Vec<String> {
    super::notes(rights, options, None, &document(rights, false).expect("a document"))
}

/// What a policy takes in its only account.
fn account(policy: &AMIEncryptionPolicy, options: &Options) -> AccountRights {
    let rights = of(std::slice::from_ref(policy), options);
    let [account] = <[AccountRights; 1]>::try_from(rights.accounts).expect("one account");
    account
}

fn grants(account: &AccountRights) -> BTreeSet<Grant> {
    account.rights.iter().map(|right| right.grant).collect()
}

fn actions(account: &AccountRights) -> BTreeSet<String> {
    let statements = account.statements();
    statements
        .iter()
        .flat_map(|statement| statement.action.0.clone())
        .collect()
}

fn statement(account: &AccountRights, grant: Grant) -> Statement {
    let right = account.rights.iter().find(|right| right.grant == grant);
    right.unwrap_or_else(|| panic!("no {}", grant.sid())).statement.clone()
}

const LAUNCH: &str = "validation: {launch: {instanceType: t3.nano, subnetID: subnet-0a1b2c3d4e5f60718}}";
const ON_DEMAND: &str = "validation: {inspector: {maximumSeverity: High, scan: OnDemand}}";
const EVERYTHING: &str = "
audit: {allowedSharing: []}
guardrails:
  {ebsEncryptionByDefault: Enforce, imageBlockPublicAccess: Enforce, snapshotBlockPublicAccess: Enforce,
   allowedImages: {mode: Enforce, criteria: [{imageProviders: [amazon]}]}}
consumers: {parameters: All, usageReports: Create}
validation:
  {launch: {instanceType: t3.nano, subnetID: subnet-0a1b2c3d4e5f60718}, job: {cronJob: scan},
   inspector: {maximumSeverity: High, scan: OnDemand}}
promotion:
  {launchTemplates: Update, ssmParameters: Update, autoScalingGroups: Refresh, tags: Publish, seal: amiseal-verified,
   map: {configMap: images, ssmPrefix: /amiseal/images}}
";

/// With what names the launch templates and roles of groups.
fn with_groups() -> Options {
    Options {
        launch_templates: vec!["lt-0123456789abcdef0".to_owned()],
        instance_roles: vec!["arn:aws:iam::111122223333:role/web".to_owned()],
        ..options()
    }
}

#[test]
fn every_operation_and_every_statement_is_granted_by_some_policy() {
    let everything = account(&policy("Enforce", EVERYTHING), &with_groups());
    let moves = account(&policy("Enforce", "promotion: {launchTemplates: Update}"), &options());
    let everywhere = "accounts: [{accountID: '111122223333', allRegions: {kmsKeyID: alias/ami}}]";
    let everywhere = account(&of_accounts("Audit", everywhere, ""), &options());
    let all: BTreeSet<Grant> = &(&grants(&everything) | &grants(&moves)) | &grants(&everywhere);
    let lists = ["organization: {}", "organizationalUnits: [ou-ab12-c3d4e5f6]"];
    let lists = lists.map(|from| policy("Audit", &format!("accountsFrom: {{{from}}}")));
    let with_queue = Options {
        event_queue: Some("arn:aws:sqs:eu-west-1:999900001111:amiseal".to_owned()),
        ..options()
    };
    let controller = of(&lists, &with_queue).controller;
    let own = [Grant::AssumeRoles, Grant::ListAccounts, Grant::ReadEvents];
    for grant in Grant::ALL.iter().filter(|grant| !own.contains(grant)) {
        assert!(all.contains(grant), "{}", grant.sid());
    }
    let granted = &(&actions(&everything) | &actions(&moves)) | &actions(&everywhere);
    for operation in Operation::ALL {
        match place(*operation) {
            Place::Role(of) => {
                assert!(granted.contains(operation.action()), "{operation}");
                assert!(!of.is_empty(), "{operation}");
            }
            Place::Controller(_) => {
                let mut statements = controller.statements.iter();
                assert!(
                    statements.any(|statement| statement.action.has(operation.action())),
                    "{operation}"
                );
            }
            Place::Nowhere => assert!(!granted.contains(operation.action()), "{operation}"),
        }
    }
}

#[test]
fn the_controller_reads_the_one_queue_that_is_named_and_no_other() {
    let queue = "arn:aws:sqs:eu-west-1:999900001111:amiseal";
    let named = |event_queue: Option<&str>| {
        let options = Options {
            event_queue: event_queue.map(str::to_owned),
            ..options()
        };
        of(&[policy("Enforce", "")], &options).controller.statements
    };
    assert_eq!(named(None).len(), 1);
    let statements = named(Some(queue));
    let actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage"];
    let expected = Statement::allow("ReadEvents", actions.into_iter().collect(), Texts::one(queue));
    assert_eq!(statements, [named(None).remove(0), expected]);
}

#[test]
fn nothing_is_granted_that_is_neither_an_operation_nor_asked_for_by_aws() {
    let known: BTreeSet<&str> = Operation::ALL.iter().map(|operation| operation.action()).collect();
    let by_aws = [
        "iam:PassRole",
        "imagebuilder:GetContainerRecipe",
        "imagebuilder:GetImageRecipe",
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
        "ssm:AddTagsToResource",
    ];
    let granted = actions(&account(&policy("Enforce", EVERYTHING), &with_groups()));
    let others: Vec<&String> = granted
        .iter()
        .filter(|action| !known.contains(action.as_str()))
        .collect();
    assert_eq!(others, by_aws);
}

#[test]
fn mode_audit_takes_no_action_that_writes_whatever_else_a_policy_says() {
    let writes: BTreeSet<&str> = Operation::ALL
        .iter()
        .filter(|operation| operation.writes())
        .map(|operation| operation.action())
        .collect();
    for more in ["", "audit: {}", EVERYTHING, LAUNCH, ON_DEMAND, "guardrails: {}"] {
        for action in actions(&account(&policy("Audit", more), &with_groups())) {
            assert!(!writes.contains(action.as_str()), "{more}: {action}");
            let (_, name) = action.split_once(':').expect("an action");
            let reads = ["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb));
            assert!(reads, "{more}: {action}");
        }
    }
}

#[test]
fn each_setting_adds_just_the_statements_that_it_takes() {
    use Grant::*;
    let base = "consumers: {read: false}";
    let looks = vec![LookAtImages, LookAtKeys];
    let sees = vec![
        LookAtSharing,
        SeeWhatLaunches,
        SeeGroups,
        ListParameters,
        ReadParameters,
        ListClusters,
        SeeNodeGroups,
        SeeComputeEnvironments,
        ListRecipes,
        ReadRecipes,
    ];
    let copies = vec![
        LookAtSharing,
        CopyImages,
        TagCopies,
        PublishOnCopies,
        RemoveFailedCopies,
        UseTheKey,
        LendTheKeyToEC2,
        ReadUnderOtherKeys,
        LendOtherKeysToEC2,
    ];
    let proves = vec![
        ProveCopies,
        LaunchFromCopies,
        LaunchInSubnet,
        LaunchProofs,
        LaunchWithVolumes,
        TagProofs,
        EndProofs,
    ];
    let all_checks = vec![SeeGuardrails, SeeKeyRotation, SeeWhoMayUseKeys, ListTrails, SeeTrails];
    let reports = vec![
        SeeUsageReports,
        AskAboutImages,
        AskForUsageReports,
        TagUsageReports,
        DeleteUsageReports,
    ];
    let maps = vec![ReadTheMap, AddToTheMap, SetTheMap, RemoveFromTheMap];
    let none = "audit: {disabledChecks: [encryption-by-default-off, image-public-access-not-blocked, \
         snapshot-public-access-not-blocked, allowed-amis-off, key-disabled, key-without-rotation, key-unusable-by-consumers]}";
    let reading = |more: &str| more.to_owned();
    let blind = |more: &str| format!("{base}\n{more}");
    let enforces = [looks.clone(), copies.clone()].concat();
    let both = [enforces.clone(), sees[1..].to_vec()].concat();
    let table: &[(&str, String, &[Grant], &[Grant])] = &[
        ("Audit", blind(""), &[], &looks),
        ("Audit", reading(""), &looks, &sees),
        ("Audit", blind("audit: {}"), &looks, &all_checks),
        ("Audit", blind(none), &looks, &[ListTrails, SeeTrails]),
        (
            "Audit",
            blind("audit: {disabledChecks: [cloudtrail-off]}"),
            &looks,
            &all_checks[..3],
        ),
        ("Enforce", blind(""), &looks, &copies),
        (
            "Enforce",
            blind("promotion: {seal: amiseal-verified}"),
            &enforces,
            &[SealCopies],
        ),
        (
            "Enforce",
            blind("promotion: {tags: Publish}"),
            &enforces,
            &[TagPublishedCopies],
        ),
        ("Enforce", blind("promotion: {launchPermissions: Drop}"), &enforces, &[]),
        (
            "Enforce",
            blind("promotion: {map: {configMap: images}}"),
            &enforces,
            &[],
        ),
        (
            "Enforce",
            blind("promotion: {map: {configMap: images, ssmPrefix: /amiseal/images}}"),
            &enforces,
            &maps,
        ),
        (
            "Audit",
            blind("promotion: {map: {ssmPrefix: /amiseal/images}}"),
            &looks,
            &[],
        ),
        (
            "Audit",
            blind("guardrails: {ebsEncryptionByDefault: Enforce, imageBlockPublicAccess: Enforce}"),
            &looks,
            &[SeeGuardrails, SeeTheDefaultKey],
        ),
        (
            "Enforce",
            blind("guardrails: {ebsEncryptionByDefault: Ignore, imageBlockPublicAccess: Enforce}"),
            &enforces,
            &[SeeGuardrails, HoldGuardrails],
        ),
        (
            "Enforce",
            blind("guardrails: {ebsEncryptionByDefault: Enforce}"),
            &enforces,
            &[SeeGuardrails, SeeTheDefaultKey, SeeWhoMayUseTheKey, HoldGuardrails],
        ),
        (
            "Enforce",
            blind("guardrails: {}"),
            &enforces,
            &[SeeGuardrails, SeeTheDefaultKey],
        ),
        ("Enforce", blind(LAUNCH), &enforces, &proves),
        ("Enforce", blind(ON_DEMAND), &enforces, &[ScanCopies]),
        (
            "Enforce",
            blind("validation: {inspector: {maximumSeverity: High}}"),
            &enforces,
            &[],
        ),
        ("Enforce", blind("validation: {job: {cronJob: scan}}"), &enforces, &[]),
        // Nothing is moved where it is not read what launches the originals.
        ("Enforce", blind("promotion: {launchTemplates: Update}"), &enforces, &[]),
        ("Enforce", reading("consumers: {parameters: All}"), &both, &[]),
        ("Enforce", reading("consumers: {usageReports: Create}"), &both, &reports),
        (
            "Enforce",
            reading("promotion: {launchTemplates: Update}"),
            &both,
            &[SeeWhoMayUseTheKey, SeeAllowedImages, MoveTemplates],
        ),
        (
            "Enforce",
            reading("promotion: {ssmParameters: Update}"),
            &both,
            &[
                SeeWhoMayUseTheKey,
                SeeAllowedImages,
                SeeParameterTags,
                MoveParameters,
                MoveLabels,
            ],
        ),
        (
            "Enforce",
            reading("promotion: {autoScalingGroups: Update}"),
            &both,
            &[SeeWhoMayUseTheKey, SeeAllowedImages, SetGroups, NoteOnGroups],
        ),
        (
            "Enforce",
            reading("promotion: {autoScalingGroups: Refresh}"),
            &both,
            &[
                SeeWhoMayUseTheKey,
                SeeAllowedImages,
                SeeRefreshes,
                SetGroups,
                RefreshGroups,
                NoteOnGroups,
            ],
        ),
    ];
    for (mode, more, known, added) in table {
        let expected: BTreeSet<Grant> = known.iter().chain(added.iter()).copied().collect();
        assert_eq!(
            grants(&account(&policy(mode, more), &options())),
            expected,
            "{mode} {more}"
        );
    }
}

#[test]
fn with_whom_images_are_shared_is_read_where_that_is_a_check_and_nothing_else_asks_for_it() {
    let more = "consumers: {read: false}\naudit: {allowedSharing: []}";
    let shared = account(&policy("Audit", more), &options());
    assert!(grants(&shared).contains(&Grant::LookAtSharing));
}

#[test]
fn the_settings_that_say_what_may_be_launched_are_read_once_for_findings_and_for_moves() {
    let both = account(
        &policy("Enforce", "audit: {}\npromotion: {launchTemplates: Update}"),
        &options(),
    );
    let reads = |right: &&Right| right.statement.action.has("ec2:GetAllowedImagesSettings");
    let read_by: Vec<Grant> = both.rights.iter().filter(reads).map(|right| right.grant).collect();
    assert_eq!(read_by, [Grant::SeeGuardrails]);
}

#[test]
fn of_guardrails_each_takes_its_own_calls_and_no_others() {
    let sees = "ec2:GetSnapshotBlockPublicAccessState";
    let more = "consumers: {read: false}\nguardrails: {ebsEncryptionByDefault: Ignore, imageBlockPublicAccess: Ignore, \
         snapshotBlockPublicAccess: Enforce, allowedImages: {mode: Ignore}}";
    let one = account(&policy("Enforce", more), &options());
    assert_eq!(statement(&one, Grant::SeeGuardrails).action, Texts::one(sees));
    let holds = statement(&one, Grant::HoldGuardrails);
    assert_eq!(holds.action, Texts::one("ec2:EnableSnapshotBlockPublicAccess"));
    let regions = &holds.condition["StringEquals"]["aws:RequestedRegion"];
    assert_eq!((&holds.resource, regions), (&Texts::one("*"), &Texts::one("eu-west-1")));
    let both = account(&policy("Enforce", &format!("{more}\naudit: {{}}")), &options());
    assert_eq!(
        statement(&both, Grant::SeeGuardrails).action.0.len(),
        4,
        "findings are on all"
    );
    let encryption = "guardrails: {ebsEncryptionByDefault: Enforce, imageBlockPublicAccess: Audit}";
    let encryption = account(&policy("Enforce", encryption), &options());
    assert_eq!(
        statement(&encryption, Grant::HoldGuardrails).action.0,
        ["ec2:ModifyEbsDefaultKmsKeyId", "ec2:EnableEbsEncryptionByDefault"]
    );
    let images = |mode: &str| {
        let images = format!("allowedImages: {{mode: {mode}, criteria: [{{imageProviders: [amazon]}}]}}");
        let policy = policy("Enforce", &format!("guardrails: {{{images}}}"));
        let rights = account(&policy, &options()).rights;
        let holding = rights.into_iter().find(|right| right.grant == Grant::HoldGuardrails);
        holding.map(|right| right.statement.action.0).unwrap_or_default()
    };
    assert_eq!(
        images("Enforce"),
        [
            "ec2:ReplaceImageCriteriaInAllowedImagesSettings",
            "ec2:EnableAllowedImagesSettings"
        ]
    );
    assert!(images("Audit").is_empty() && images("Ignore").is_empty());
}

#[test]
fn a_statement_is_of_one_service_names_no_action_by_a_wildcard_and_has_a_name_of_its_own() {
    let two = [
        policy("Enforce", EVERYTHING),
        AMIEncryptionPolicy::new("other", policy("Enforce", EVERYTHING).spec),
    ];
    for policies in [&two[..1], &two[..]] {
        let rights = of(policies, &with_groups());
        let statements = rights.accounts[0].statements();
        let names: BTreeSet<&str> = statements.iter().map(|statement| statement.sid.as_str()).collect();
        assert_eq!(names.len(), statements.len(), "each is called something else");
        for statement in &statements {
            let sid = &statement.sid;
            assert!(sid.bytes().all(|sign| sign.is_ascii_alphanumeric()), "{sid}");
            let services: BTreeSet<&str> = statement
                .action
                .0
                .iter()
                .filter_map(|action| action.split(':').next())
                .collect();
            assert_eq!(services.len(), 1, "{sid}: {services:?}");
            assert!(!statement.action.0.iter().any(|action| action.contains('*')), "{sid}");
            assert!(
                !statement.resource.is_empty() && statement.principal.is_empty(),
                "{sid}"
            );
        }
    }
}

#[test]
fn nothing_is_said_twice_of_the_same_resources() {
    let statements = account(&policy("Enforce", EVERYTHING), &with_groups()).statements();
    for (number, one) in statements.iter().enumerate() {
        for other in &statements[number + 1..] {
            let both = other.action.0.iter().find(|action| one.action.has(action));
            assert!(
                both.is_none() || !one.is_beside(other),
                "{} and {}: {both:?}",
                one.sid,
                other.sid
            );
        }
    }
}

#[test]
fn every_statement_says_what_it_is_for_and_what_fails_without_it() {
    for grant in Grant::ALL {
        for text in [grant.purpose(), grant.without()] {
            assert!(text.ends_with('.') && text.len() > 15, "{}: {text}", grant.sid());
        }
        assert!(
            grant.width().is_empty() || grant.width().ends_with('.'),
            "{}",
            grant.sid()
        );
        assert!(!super::resources::actions(*grant).is_empty(), "{}", grant.sid());
    }
    let account = account(&policy("Enforce", EVERYTHING), &with_groups());
    for right in &account.rights {
        let explained = Explanation::of(right);
        assert!(!explained.calls.is_empty(), "{}", explained.sid);
    }
}
