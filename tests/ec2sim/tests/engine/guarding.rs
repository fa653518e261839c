//! Setting what a region is set to: answers, refusals, delays, keys and criteria.

use serde_json::json;

use super::support::{
    ACCOUNT, Client, MANAGER, OTHER_ACCOUNT, OWNER, REGION, WEB, client, plain, seconds, world, yaml,
};

const BLOCK_IMAGES: (&str, &str) = ("ImageBlockPublicAccessState", "block-new-sharing");
const BLOCK_NEW: (&str, &str) = ("State", "block-new-sharing");
const BLOCK_ALL: (&str, &str) = ("State", "block-all-sharing");
const AUDIT: (&str, &str) = ("AllowedImagesSettingsState", "audit-mode");

fn key(id: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}")
}

/// Every operation that sets something, with parameters that it takes.
fn all() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    vec![
        ("EnableEbsEncryptionByDefault", vec![]),
        ("DisableEbsEncryptionByDefault", vec![]),
        ("ModifyEbsDefaultKmsKeyId", vec![("KmsKeyId", "alias/good")]),
        ("ResetEbsDefaultKmsKeyId", vec![]),
        ("EnableImageBlockPublicAccess", vec![BLOCK_IMAGES]),
        ("DisableImageBlockPublicAccess", vec![]),
        ("EnableSnapshotBlockPublicAccess", vec![BLOCK_NEW]),
        ("DisableSnapshotBlockPublicAccess", vec![]),
        ("EnableAllowedImagesSettings", vec![AUDIT]),
        ("DisableAllowedImagesSettings", vec![]),
        (
            "ReplaceImageCriteriaInAllowedImagesSettings",
            vec![("ImageCriterion.1.ImageProvider.1", "amazon")],
        ),
    ]
}

fn told(c: &Client, operation: &str, element: &str) -> String {
    c.ec2(operation, &[]).one(element)
}

fn images_are(c: &Client) -> String {
    told(c, "GetImageBlockPublicAccessState", "imageBlockPublicAccessState")
}

fn default_key(c: &Client) -> String {
    told(c, "GetEbsDefaultKmsKeyId", "kmsKeyId")
}

#[test]
fn a_call_sets_a_region_which_tells_so() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let good = key("key-good");
    for (operation, params, element, answer, told_by, told_as) in [
        (
            "EnableEbsEncryptionByDefault",
            vec![],
            "ebsEncryptionByDefault",
            "true",
            "GetEbsEncryptionByDefault",
            "ebsEncryptionByDefault",
        ),
        (
            "ModifyEbsDefaultKmsKeyId",
            vec![("KmsKeyId", "alias/good")],
            "kmsKeyId",
            good.as_str(),
            "GetEbsDefaultKmsKeyId",
            "kmsKeyId",
        ),
        (
            "EnableImageBlockPublicAccess",
            vec![BLOCK_IMAGES],
            "imageBlockPublicAccessState",
            "block-new-sharing",
            "GetImageBlockPublicAccessState",
            "imageBlockPublicAccessState",
        ),
        (
            "EnableSnapshotBlockPublicAccess",
            vec![BLOCK_ALL],
            "state",
            "block-all-sharing",
            "GetSnapshotBlockPublicAccessState",
            "state",
        ),
        (
            "EnableAllowedImagesSettings",
            vec![AUDIT],
            "allowedImagesSettingsState",
            "audit-mode",
            "GetAllowedImagesSettings",
            "state",
        ),
        (
            "DisableEbsEncryptionByDefault",
            vec![],
            "ebsEncryptionByDefault",
            "false",
            "GetEbsEncryptionByDefault",
            "ebsEncryptionByDefault",
        ),
        (
            "ResetEbsDefaultKmsKeyId",
            vec![],
            "kmsKeyId",
            "alias/aws/ebs",
            "GetEbsDefaultKmsKeyId",
            "kmsKeyId",
        ),
        (
            "DisableImageBlockPublicAccess",
            vec![],
            "imageBlockPublicAccessState",
            "unblocked",
            "GetImageBlockPublicAccessState",
            "imageBlockPublicAccessState",
        ),
        (
            "DisableSnapshotBlockPublicAccess",
            vec![],
            "state",
            "unblocked",
            "GetSnapshotBlockPublicAccessState",
            "state",
        ),
        (
            "DisableAllowedImagesSettings",
            vec![],
            "allowedImagesSettingsState",
            "disabled",
            "GetAllowedImagesSettings",
            "state",
        ),
    ] {
        for _ in 0..2 {
            let reply = c.ec2(operation, &params);
            assert_eq!((reply.code().as_str(), reply.one(element).as_str()), ("OK", answer));
        }
        assert_eq!(told(&c, told_by, told_as), answer, "{operation}");
        let calls: Vec<bool> = sim
            .journal()
            .iter()
            .filter(|call| call.operation == operation)
            .map(|call| call.effect)
            .collect();
        assert_eq!(calls, [true, false], "{operation} changes nothing the second time");
    }
}

#[test]
fn the_journal_tells_who_has_set_what() {
    let sim = plain();
    let c = client(&sim, OWNER);
    c.ec2("EnableImageBlockPublicAccess", &[BLOCK_IMAGES]);
    c.ec2("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", "key-good")]);
    c.ec2("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", "alias/good")]);
    let journal = sim.journal();
    assert!(journal[0].principal.contains(OWNER));
    assert_eq!(journal[0].effects, ["imagePublicAccess"]);
    assert_eq!(journal[1].effects, ["ebsDefaultKey"]);
    assert!(journal[2].effects.is_empty(), "another name of the same key");
}

#[test]
fn a_call_is_refused_whose_state_is_none_to_enable() {
    let sim = plain();
    let c = client(&sim, OWNER);
    for (operation, params, code) in [
        (
            "EnableSnapshotBlockPublicAccess",
            vec![("State", "unblocked")],
            "InvalidParameterValue",
        ),
        ("EnableSnapshotBlockPublicAccess", vec![], "MissingParameter"),
        (
            "EnableImageBlockPublicAccess",
            vec![("ImageBlockPublicAccessState", "unblocked")],
            "InvalidParameterValue",
        ),
        ("EnableImageBlockPublicAccess", vec![], "MissingParameter"),
        (
            "EnableAllowedImagesSettings",
            vec![("AllowedImagesSettingsState", "disabled")],
            "InvalidParameterValue",
        ),
        ("EnableAllowedImagesSettings", vec![], "MissingParameter"),
        ("ModifyEbsDefaultKmsKeyId", vec![], "MissingParameter"),
    ] {
        let reply = c.ec2(operation, &params);
        assert_eq!((reply.code().as_str(), reply.status), (code, 400), "{operation}");
    }
    assert!(sim.journal().iter().all(|call| call.mutating && !call.effect));
}

#[test]
fn a_dry_run_asks_for_the_right_and_sets_nothing() {
    let sim = plain();
    let owner = client(&sim, OWNER);
    let role = format!("arn:aws:iam::{ACCOUNT}:role/reader");
    let assume = [
        ("RoleArn", role.as_str()),
        ("RoleSessionName", "test"),
        ("ExternalId", "secret"),
    ];
    let session = client(&sim, MANAGER).sts("AssumeRole", &assume);
    let reader = Client {
        key: session.one("AccessKeyId"),
        token: Some(session.one("SessionToken")),
        ..owner.clone()
    };
    for (operation, params) in all() {
        let dry = [params.clone(), vec![("DryRun", "true")]].concat();
        assert_eq!(owner.ec2(operation, &dry).code(), "DryRunOperation", "{operation}");
        for params in [params, dry] {
            let reply = reader.ec2(operation, &params);
            assert_eq!(
                (reply.code().as_str(), reply.status),
                ("UnauthorizedOperation", 403),
                "{operation}"
            );
        }
    }
    assert!(sim.journal().iter().all(|call| !call.effect));
}

#[test]
fn a_declarative_policy_holds_all_but_encryption_and_no_dry_run_sees_it() {
    let sim = world(&yaml("", "    guardrails: {byDeclarativePolicy: true}\n", ""));
    let c = client(&sim, OWNER);
    for (operation, params) in all() {
        let dry = [params.clone(), vec![("DryRun", "true")]].concat();
        assert_eq!(c.ec2(operation, &dry).code(), "DryRunOperation", "{operation}");
        let reply = c.ec2(operation, &params);
        if operation.contains("Ebs") {
            assert_eq!(reply.code(), "OK", "{operation}");
            continue;
        }
        assert_eq!(
            (reply.code().as_str(), reply.status),
            ("OperationNotPermitted", 400),
            "{operation}"
        );
        assert_eq!(
            reply.one("Message"),
            "This action is denied due to an organizational policy in effect"
        );
    }
    assert_eq!(images_are(&c), "unblocked");
}

#[test]
fn a_setting_takes_its_time_to_show_and_to_hold() {
    let sim = world(&yaml("guardrailSeconds: 600", "", ""));
    let c = client(&sim, OWNER);
    let share = || {
        let share = [("ImageId", WEB), ("LaunchPermission.Add.1.Group", "all")];
        c.ec2("ModifyImageAttribute", &share).code()
    };
    let reply = c.ec2("EnableImageBlockPublicAccess", &[BLOCK_IMAGES]);
    assert_eq!(reply.one("imageBlockPublicAccessState"), "block-new-sharing");
    assert_eq!((images_are(&c).as_str(), share().as_str()), ("unblocked", "OK"));
    seconds(&sim, 600);
    assert_eq!(
        (images_are(&c).as_str(), share().as_str()),
        ("block-new-sharing", "OperationNotPermitted")
    );
    c.ec2("EnableEbsEncryptionByDefault", &[]);
    c.ec2("DisableEbsEncryptionByDefault", &[]);
    for _ in 0..60 {
        seconds(&sim, 10);
        let shown = told(&c, "GetEbsEncryptionByDefault", "ebsEncryptionByDefault");
        assert_eq!(shown, "false", "what was set last goes before what was set first");
    }
}

#[test]
fn settings_that_an_edit_makes_show_at_once_and_nothing_comes_after_them() {
    let sim = world(&yaml("guardrailSeconds: 600", "", ""));
    let c = client(&sim, OWNER);
    c.ec2("EnableEbsEncryptionByDefault", &[]);
    let edit =
        json!({"setGuardrails": {"account": ACCOUNT, "region": REGION, "guardrails": {"ebsDefaultKey": "alias/good"}}});
    sim.edit(serde_json::from_value(edit).expect("an edit"))
        .expect("it can be made");
    assert_eq!(default_key(&c), key("key-good"));
    seconds(&sim, 600);
    assert_eq!(told(&c, "GetEbsEncryptionByDefault", "ebsEncryptionByDefault"), "false");
}

#[test]
fn a_default_key_that_can_not_be_used_is_dropped_kept_or_refused() {
    let far = format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/key-far");
    for bad in [
        "key-off",
        "key-dying",
        "key-rsa",
        "key-sign",
        "alias/nothing",
        far.as_str(),
    ] {
        let after = |setting: &str| {
            let sim = world(&yaml(setting, "", ""));
            let c = client(&sim, OWNER);
            let code = c.ec2("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", bad)]).code();
            (code, default_key(&c), sim.journal()[0].effect)
        };
        let of_aws = "alias/aws/ebs".to_owned();
        assert_eq!(after(""), ("OK".to_owned(), of_aws.clone(), false), "{bad}");
        let (code, kept, effect) = after("badDefaultKeys: kept");
        assert!(code == "OK" && kept.starts_with("arn:aws:kms:") && effect, "{bad}");
        let refused = ("InvalidKMSKey.InvalidState".to_owned(), of_aws, false);
        assert_eq!(after("badDefaultKeys: refused"), refused, "{bad}");
    }
    let sim = plain();
    let c = client(&sim, OWNER);
    c.ec2("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", "key-private")]);
    assert_eq!(default_key(&c), key("key-private"), "who may use it AWS does not ask");
    c.ec2("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", "alias/aws/ebs")]);
    assert_eq!(default_key(&c), "alias/aws/ebs");
}

#[test]
fn criteria_are_replaced_as_a_whole_and_bad_ones_are_refused() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let replace = |params: &[(&str, &str)]| c.ec2("ReplaceImageCriteriaInAllowedImagesSettings", params);
    let criteria = [
        ("ImageCriterion.1.ImageProvider.1", "amazon"),
        ("ImageCriterion.1.ImageProvider.2", OTHER_ACCOUNT),
        ("ImageCriterion.1.ImageName.1", "golden-*"),
        ("ImageCriterion.1.MarketplaceProductCode.1", "abc"),
        ("ImageCriterion.1.CreationDateCondition.MaximumDaysSinceCreated", "90"),
        (
            "ImageCriterion.1.DeprecationTimeCondition.MaximumDaysSinceDeprecated",
            "0",
        ),
        ("ImageCriterion.2.ImageWatermark.1.WatermarkKey", "111111111111:gold"),
        ("ImageCriterion.2.ScanResultCondition.MaximumSeverityLabel", "high"),
    ];
    assert_eq!(replace(&criteria).one("return"), "true");
    let shown = c.ec2("GetAllowedImagesSettings", &[]);
    for (element, text) in [
        ("imageProviderSet", "<item>amazon</item><item>222222222222</item>"),
        ("imageNameSet", "<item>golden-*</item>"),
        ("marketplaceProductCodeSet", "<item>abc</item>"),
        ("maximumDaysSinceCreated", "90"),
        ("maximumDaysSinceDeprecated", "0"),
        ("watermarkKey", "111111111111:gold"),
        ("maximumSeverityLabel", "high"),
    ] {
        assert_eq!(shown.one(element), text);
    }
    let names: Vec<String> = (1..=11).map(|i| format!("ImageCriterion.{i}.ImageName.1")).collect();
    let too_many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    for bad in [
        too_many,
        vec![
            ("ImageCriterion.1.ImageProvider.1", "none"),
            ("ImageCriterion.1.ImageProvider.2", "amazon"),
        ],
        vec![("ImageCriterion.1.ImageProvider.1", "somebody")],
        vec![("ImageCriterion.1.ImageName.1", "a?")],
        vec![("ImageCriterion.1.ImageName.1", "a&b")],
        vec![("ImageCriterion.1.MarketplaceProductCode.1", "a-b")],
        vec![("ImageCriterion.1.CreationDateCondition.MaximumDaysSinceCreated", "-1")],
        vec![("ImageCriterion.1.ScanResultCondition.MaximumSeverityLabel", "bad")],
        vec![("ImageCriterion.1.ScanResultCondition.MaxDaysSinceLastFindingScan", "3")],
    ] {
        assert_eq!(replace(&bad).code(), "InvalidParameterValue", "{bad:?}");
    }
    assert_eq!(c.ec2("GetAllowedImagesSettings", &[]).all("watermarkKey").len(), 1);
    assert_eq!(replace(&[]).code(), "OK");
    assert_eq!(told(&c, "GetAllowedImagesSettings", "imageCriterionSet"), "");
}
