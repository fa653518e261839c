//! What AWS Organizations is to hold.

use serde_json::{Value, json};

use super::{ACCOUNT, OTHER, policy, target};
use crate::api::AMIEncryptionPolicy;
use crate::plan::guardrails_report::{
    AllowedImagesState, DeclarativeOptions, Filter, Printed, Row, SnapshotState, declarative_policy, enforced, rows,
    service_control_policy,
};

const ALL: &str = "guardrails: {ebsEncryptionByDefault: Enforce, imageBlockPublicAccess: Enforce, snapshotBlockPublicAccess: Enforce}";
const BLOCKS: &str = "guardrails: {imageBlockPublicAccess: Enforce, snapshotBlockPublicAccess: Enforce}";
const ENCRYPTION: &str = "guardrails: {ebsEncryptionByDefault: Enforce}";

fn declared(policies: &[AMIEncryptionPolicy]) -> Result<Printed, String> {
    declarative_policy(policies, &[], &Filter::default(), DeclarativeOptions::default())
}

fn controlled(policies: &[AMIEncryptionPolicy], except: &[&str]) -> Result<Printed, String> {
    let except: Vec<String> = except.iter().map(|arn| (*arn).to_owned()).collect();
    service_control_policy(&enforced(policies, &Filter::default(), false), &except)
}

fn parsed(printed: &Printed) -> Value {
    serde_json::from_str(&printed.text).expect("JSON")
}

fn has_note(printed: &Printed, part: &str) -> bool {
    printed.notes.iter().any(|note| note.contains(part))
}

#[test]
fn a_declarative_policy_has_what_is_enforced_and_aws_can_hold() {
    let image = json!({"state": {"@@assign": "block_new_sharing"}});
    for (guardrails, expected) in [
        (
            ALL,
            json!({"image_block_public_access": image, "snapshot_block_public_access": image}),
        ),
        (
            BLOCKS,
            json!({"image_block_public_access": image, "snapshot_block_public_access": image}),
        ),
        (
            "guardrails: {imageBlockPublicAccess: Enforce}",
            json!({"image_block_public_access": image}),
        ),
        (
            "guardrails: {imageBlockPublicAccess: Ignore, snapshotBlockPublicAccess: Enforce, allowedImages: {mode: Audit}}",
            json!({"snapshot_block_public_access": image}),
        ),
    ] {
        let printed = declared(&[policy("production", "Enforce", &[ACCOUNT, OTHER], guardrails)]).expect("a document");
        assert_eq!(parsed(&printed), json!({"ec2_attributes": expected}), "{guardrails}");
        assert!(printed.text.ends_with("}\n"));
        assert!(has_note(&printed, "111122223333, 444455556666"), "{printed:?}");
        assert_eq!(has_note(&printed, "--as scp"), guardrails == ALL, "{printed:?}");
    }
}

#[test]
fn what_nobody_enforces_is_in_no_document() {
    for (mode, guardrails, said) in [
        (
            "Enforce",
            "",
            "no policy enforces imageBlockPublicAccess, snapshotBlockPublicAccess or allowedImages",
        ),
        (
            "Enforce",
            "guardrails: {}",
            "no policy enforces imageBlockPublicAccess, snapshotBlockPublicAccess or allowedImages",
        ),
        // Mode Audit of the policy enforces nothing.
        (
            "Audit",
            ALL,
            "no policy enforces imageBlockPublicAccess, snapshotBlockPublicAccess or allowedImages",
        ),
        ("Enforce", ENCRYPTION, "only EBS encryption by default"),
    ] {
        let policies = [policy("production", mode, &[ACCOUNT], guardrails)];
        let error = declared(&policies).expect_err("a sentence");
        assert!(error.contains(said), "{mode} {guardrails}: {error}");
        assert_eq!(
            controlled(&policies, &[]).is_ok(),
            guardrails == ENCRYPTION,
            "{mode} {guardrails}"
        );
    }
}

#[test]
fn accounts_that_take_different_documents_are_never_put_together() {
    let production = policy("production", "Enforce", &[ACCOUNT], BLOCKS);
    let staging = policy(
        "staging",
        "Enforce",
        &[OTHER],
        "guardrails: {imageBlockPublicAccess: Enforce}",
    );
    let encrypting = policy("encrypting", "Enforce", &[OTHER], ENCRYPTION);
    let both = [production.clone(), staging];
    for error in [
        declared(&both).expect_err("a sentence"),
        controlled(&both, &[]).expect_err("a sentence"),
    ] {
        assert!(
            error.contains("2 different documents") && error.contains("111122223333, 444455556666"),
            "{error}"
        );
    }
    let only = Filter {
        policy: Some("staging".to_owned()),
        ..Filter::default()
    };
    let printed = declarative_policy(&both, &[], &only, DeclarativeOptions::default()).expect("a document");
    assert!(has_note(&printed, OTHER) && !has_note(&printed, ACCOUNT), "{printed:?}");
    // Who takes no declarative policy is in nobody's way.
    assert!(declared(&[production.clone(), encrypting.clone()]).is_ok());
    assert!(controlled(&[production.clone(), encrypting], &[]).is_err());
    // Two policies of one account are one document for it.
    let more = policy("more", "Enforce", &[ACCOUNT], ENCRYPTION);
    let printed = controlled(&[production, more], &[]).expect("a document");
    assert_eq!(
        parsed(&printed)["Statement"].as_array().map(Vec::len),
        Some(4),
        "{printed:?}"
    );
}

#[test]
fn a_declarative_policy_is_of_no_region() {
    let filter = Filter {
        region: Some("eu-west-1".parse().expect("a region")),
        ..Filter::default()
    };
    let policies = [policy("production", "Enforce", &[ACCOUNT], BLOCKS)];
    let error = declarative_policy(&policies, &[], &filter, DeclarativeOptions::default()).expect_err("a sentence");
    assert!(error.contains("--region"), "{error}");
}

#[test]
fn a_block_of_all_public_snapshots_is_never_weakened_unasked() {
    let found = json!([{"name": "SnapshotBlockPublicAccess", "mode": "Enforce", "state": "block-all-sharing", "holds": true,
                        "managedBy": "Account", "drifts": 0}]);
    let settings = json!({"snapshotBlockPublicAccess": "Enforce"});
    let of = |account: &str| -> Vec<Row> {
        rows(
            &[target("production", account, &settings, &json!({"guardrails": found}))],
            &Filter::default(),
        )
    };
    let policies = [policy("production", "Enforce", &[ACCOUNT], BLOCKS)];
    let print = |rows: &[Row], snapshots| {
        let options = DeclarativeOptions {
            snapshots,
            allowed_images: None,
        };
        declarative_policy(&policies, rows, &Filter::default(), options)
    };
    let error = print(&of(ACCOUNT), None).expect_err("a sentence");
    assert!(
        error.contains(ACCOUNT) && error.contains("--snapshots block-all-sharing"),
        "{error}"
    );
    for (rows, snapshots, expected) in [
        // Elsewhere it is somebody else's.
        (of(OTHER), None, "block_new_sharing"),
        (of(ACCOUNT), Some(SnapshotState::NewSharing), "block_new_sharing"),
        (of(ACCOUNT), Some(SnapshotState::AllSharing), "block_all_sharing"),
        (Vec::new(), None, "block_new_sharing"),
    ] {
        let is_unknown = rows.is_empty();
        let printed = print(&rows, snapshots).expect("a document");
        let document = parsed(&printed);
        let attributes = &document["ec2_attributes"];
        assert_eq!(
            attributes["snapshot_block_public_access"]["state"]["@@assign"],
            expected
        );
        assert_eq!(has_note(&printed, "public again"), is_unknown, "{printed:?}");
    }
}

#[test]
fn allowed_images_are_held_only_where_that_is_asked_for_with_the_owners_that_the_policy_trusts() {
    let audit = "audit: {trustedOwners: [aws-marketplace, self, '099720109477']}, guardrails: {}";
    let options = |state| DeclarativeOptions {
        snapshots: None,
        allowed_images: Some(state),
    };
    let print =
        |policies: &[AMIEncryptionPolicy], state| declarative_policy(policies, &[], &Filter::default(), options(state));
    let policies = [policy("production", "Audit", &[ACCOUNT], audit)];
    for (state, name) in [
        (AllowedImagesState::AuditMode, "audit_mode"),
        (AllowedImagesState::Enabled, "enabled"),
    ] {
        let printed = print(&policies, state).expect("a document");
        let providers = ["099720109477", ACCOUNT, "amazon", "aws_marketplace"];
        let criteria = json!({"criteria_1": {"allowed_image_providers": {"@@assign": providers}}});
        let settings = json!({"state": {"@@assign": name}, "image_criteria": criteria});
        assert_eq!(
            parsed(&printed),
            json!({"ec2_attributes": {"allowed_images_settings": settings}})
        );
        assert_eq!(has_note(&printed, "audit-mode first"), name == "enabled", "{printed:?}");
    }
    // More providers than one criterion holds.
    let owners: Vec<String> = (1..=100).map(|number| format!("'{number:012}'")).collect();
    let accounts: Vec<String> = (200..400).map(|number| format!("{number:012}")).collect();
    let accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
    let many = format!("audit: {{trustedOwners: [{}]}}, guardrails: {{}}", owners.join(", "));
    let printed = print(
        &[policy("production", "Audit", &accounts, &many)],
        AllowedImagesState::AuditMode,
    );
    let document = parsed(&printed.expect("a document"));
    let criteria = &document["ec2_attributes"]["allowed_images_settings"]["image_criteria"];
    let lengths: Vec<Option<usize>> = ["criteria_1", "criteria_2"]
        .iter()
        .map(|name| {
            criteria[name]["allowed_image_providers"]["@@assign"]
                .as_array()
                .map(Vec::len)
        })
        .collect();
    assert_eq!(lengths, [Some(200), Some(101)]);
    // Whose images are trusted is nobody's to guess.
    let without = [policy("production", "Audit", &[ACCOUNT], "guardrails: {}")];
    let error = print(&without, AllowedImagesState::Enabled).expect_err("a sentence");
    assert!(error.contains("spec.audit.trustedOwners"), "{error}");
    let other = policy("staging", "Audit", &[OTHER], "audit: {}, guardrails: {}");
    let [own] = policies;
    let error = print(&[own, other], AllowedImagesState::Enabled).expect_err("a sentence");
    assert!(
        error.contains("production, staging") && error.contains("--policy"),
        "{error}"
    );
}

const IMAGES: &str = "guardrails: {allowedImages: {mode: Enforce, criteria: [{imageProviders: [amazon, aws-marketplace], \
                      creationDateCondition: {maximumDaysSinceCreated: 90}}, {imageNames: ['golden-*'], \
                      marketplaceProductCodes: [abc], deprecationTimeCondition: {maximumDaysSinceDeprecated: 0}}]}}";

#[test]
fn allowed_images_that_a_policy_enforces_are_held_by_its_criteria_and_in_its_state() {
    let criteria = json!({
        "criteria_1": {
            "allowed_image_providers": {"@@assign": ["amazon", "aws_marketplace"]},
            "creation_date_condition": {"maximum_days_since_created": {"@@assign": 90}},
        },
        "criteria_2": {
            "image_names": {"@@assign": ["golden-*"]},
            "marketplace_product_codes": {"@@assign": ["abc"]},
            "deprecation_time_condition": {"maximum_days_since_deprecated": {"@@assign": 0}},
        },
    });
    let enabled = IMAGES.replace("mode: Enforce", "mode: Enforce, state: Enabled");
    for (mode, more, wanted, expected) in [
        ("Enforce", IMAGES, None, Some("audit_mode")),
        ("Enforce", enabled.as_str(), None, Some("enabled")),
        (
            "Enforce",
            enabled.as_str(),
            Some(AllowedImagesState::AuditMode),
            Some("audit_mode"),
        ),
        ("Audit", enabled.as_str(), None, None),
        (
            "Audit",
            enabled.as_str(),
            Some(AllowedImagesState::Enabled),
            Some("enabled"),
        ),
    ] {
        let options = DeclarativeOptions {
            snapshots: None,
            allowed_images: wanted,
        };
        let policies = [policy("production", mode, &[ACCOUNT], more)];
        let printed = declarative_policy(&policies, &[], &Filter::default(), options);
        let Some(state) = expected else {
            assert!(printed.is_err(), "{printed:?}");
            continue;
        };
        let settings = json!({"state": {"@@assign": state}, "image_criteria": criteria});
        let printed = printed.expect("a document");
        assert_eq!(
            parsed(&printed),
            json!({"ec2_attributes": {"allowed_images_settings": settings}}),
            "{mode} {more}"
        );
        assert_eq!(
            has_note(&printed, "audit-mode first"),
            state == "enabled",
            "{printed:?}"
        );
    }
    // What a declarative policy has no words for is not left out.
    for one in [
        "imageProviders: [none]",
        "imageWatermarks: [{watermarkKey: '111122223333:ok'}]",
        "imageNames: [web], scanResultCondition: {maximumSeverityLabel: High}",
    ] {
        let more = format!("guardrails: {{allowedImages: {{mode: Enforce, criteria: [{{{one}}}]}}}}");
        let error = declared(&[policy("production", "Enforce", &[ACCOUNT], &more)]).expect_err("a sentence");
        assert!(error.contains("amiseal can hold these"), "{error}");
    }
}

#[test]
fn whoever_sets_allowed_images_is_excepted_from_what_keeps_people_from_setting_them() {
    let printed = controlled(
        &[policy("production", "Enforce", &[ACCOUNT], IMAGES)],
        &["arn:aws:iam::*:role/admin"],
    );
    let role = format!("arn:aws:iam::{ACCOUNT}:role/amiseal");
    assert_eq!(
        statements(&printed.expect("a document")),
        [
            (
                "KeepAllowedImages".to_owned(),
                json!("ec2:DisableAllowedImagesSettings"),
                json!("arn:aws:iam::*:role/admin")
            ),
            (
                "KeepImageCriteria".to_owned(),
                json!([
                    "ec2:EnableAllowedImagesSettings",
                    "ec2:ReplaceImageCriteriaInAllowedImagesSettings"
                ]),
                json!(["arn:aws:iam::*:role/admin", role])
            ),
        ]
    );
}

/// Actions, conditions on regions and who is excepted, by the statements' names.
fn statements(printed: &Printed) -> Vec<(String, Value, Value)> {
    let document = parsed(printed);
    assert_eq!(document["Version"], "2012-10-17");
    let statements = document["Statement"].as_array().expect("statements").iter();
    let told = statements.map(|statement| {
        assert_eq!(
            (&statement["Effect"], &statement["Resource"]),
            (&json!("Deny"), &json!("*"))
        );
        let condition = &statement["Condition"];
        assert_eq!(condition["StringEquals"], json!({"aws:RequestedRegion": "eu-west-1"}));
        let except = condition["ArnNotLike"]["aws:PrincipalArn"].clone();
        let name = statement["Sid"].as_str().expect("a name").to_owned();
        (name, statement["Action"].clone(), except)
    });
    told.collect()
}

#[test]
fn a_service_control_policy_lets_amiseal_set_the_key_and_nobody_turn_anything_off() {
    let role = "arn:aws:iam::111122223333:role/amiseal";
    let breaking = "arn:aws:iam::*:role/break-glass";
    let row = |name: &str, actions: Value, except: Value| (name.to_owned(), actions, except);
    let policies = [policy("production", "Enforce", &[ACCOUNT], ALL)];
    let off = json!(["ec2:DisableEbsEncryptionByDefault", "ec2:ResetEbsDefaultKmsKeyId"]);
    for (except, others, of_key) in [
        (&[][..], Value::Null, json!(role)),
        (&[breaking][..], json!(breaking), json!([breaking, role])),
    ] {
        let printed = controlled(&policies, except).expect("a document");
        assert_eq!(
            statements(&printed),
            [
                row("KeepEncryptionByDefault", off.clone(), others.clone()),
                row("KeepTheDefaultKey", json!("ec2:ModifyEbsDefaultKmsKeyId"), of_key),
                row(
                    "KeepImagesPrivate",
                    json!("ec2:DisableImageBlockPublicAccess"),
                    others.clone()
                ),
                row(
                    "KeepSnapshotsPrivate",
                    json!("ec2:DisableSnapshotBlockPublicAccess"),
                    others
                ),
            ]
        );
        assert!(
            has_note(&printed, "--as declarative-policy") && has_note(&printed, "whom it trusts"),
            "{printed:?}"
        );
    }
    let printed = controlled(&[policy("production", "Enforce", &[ACCOUNT], ENCRYPTION)], &[]).expect("a document");
    assert_eq!(statements(&printed).len(), 2);
    assert!(!has_note(&printed, "--as declarative-policy"), "{printed:?}");
}

#[test]
fn the_calls_that_are_denied_are_none_of_amiseals_but_for_the_default_key() {
    let accounts = enforced(
        &[policy("production", "Enforce", &[ACCOUNT], ALL)],
        &Filter::default(),
        true,
    );
    let printed = service_control_policy(&accounts, &[]).expect("a document");
    let all = statements(&printed);
    assert_eq!(all.len(), 5);
    for (name, actions, except) in all {
        let actions: Vec<String> = match &actions {
            Value::Array(several) => several
                .iter()
                .map(|action| action.as_str().unwrap_or_default().to_owned())
                .collect(),
            one => vec![one.as_str().unwrap_or_default().to_owned()],
        };
        let is_of_amiseal = crate::domain::Operation::ALL
            .iter()
            .any(|operation| actions.iter().any(|action| action == operation.action()));
        // This policy has Allowed AMIs reported only, so that amiseal sets nothing of them.
        let may_be = ["KeepTheDefaultKey", "KeepAllowedImages"].contains(&&*name);
        assert!(!is_of_amiseal || may_be, "{name}: {actions:?}");
        assert_eq!(except == Value::Null, name != "KeepTheDefaultKey", "{name}");
    }
}

#[test]
fn roles_that_are_many_are_named_by_a_pattern_and_none_at_all_is_said() {
    let accounts: Vec<String> = (1..=21).map(|number| format!("{number:012}")).collect();
    let ids: Vec<&str> = accounts.iter().map(String::as_str).collect();
    for (count, pattern) in [(20, false), (21, true)] {
        let printed =
            controlled(&[policy("production", "Enforce", &ids[..count], ENCRYPTION)], &[]).expect("a document");
        let (_, _, except) = statements(&printed).remove(1);
        assert_eq!(except == json!("arn:aws:iam::*:role/amiseal"), pattern, "{except}");
        assert_eq!(has_note(&printed, "named by patterns"), pattern, "{printed:?}");
        assert!(
            has_note(&printed, "and 1"),
            "more accounts than a sentence names: {printed:?}"
        );
    }
    let own = serde_saphyr::from_str(
        "{mode: Enforce, guardrails: {ebsEncryptionByDefault: Enforce}, accounts: [{accountID: '111122223333', regions: [{name: \
         eu-west-1, kmsKeyID: alias/ami}]}]}",
    );
    let own = [AMIEncryptionPolicy::new("production", own.expect("a policy"))];
    let printed = controlled(&own, &[]).expect("a document");
    assert_eq!(statements(&printed)[1].2, Value::Null);
    assert!(has_note(&printed, "name no role in 111122223333"), "{printed:?}");
    let controller = "arn:aws:iam::999900001111:role/amiseal-controller";
    let printed = controlled(&own, &[controller]).expect("a document");
    assert!(!has_note(&printed, "name no role"), "{printed:?}");
    assert!(statements(&printed).iter().all(|(_, _, except)| except == controller));
}
