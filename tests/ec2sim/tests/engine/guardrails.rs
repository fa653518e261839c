//! What a region is set to, who may use a key, which trails there are, and what an image was made from.

use ec2sim::Edit;
use serde_json::{Value, json};

use super::support::{ACCOUNT, OTHER, OWNER, REGION, client, plain, world, yaml};

fn set() -> ec2sim::Sim {
    let lines = r#"
    - {name: child, id: ami-0000000b, sourceImageId: ami-00000001}
    - {name: grandchild, id: ami-0000000c, sourceImageId: ami-0000000b}
    guardrails:
      ebsEncryptionByDefault: true
      ebsDefaultKey: alias/good
      imagePublicAccess: block-new-sharing
      snapshotPublicAccess: block-all-sharing
      allowedImages: audit-mode
      allowedImageCriteria: [{providers: [amazon, "111111111111"], names: ["golden-*"], maxDaysSinceCreated: 90}, {maxSeverity: high}]
      byDeclarativePolicy: true
    trails:
    - {name: here, logging: true, readWrite: WriteOnly, excluded: [kms.amazonaws.com]}
"#;
    let text = yaml("", lines, "").replace(
        "{name: us-east-1, keys: [{id: key-far}]}",
        "{name: us-east-1, keys: [{id: key-far}], trails: [{name: everywhere, multiRegion: true, organization: true}, {name: there}]}",
    );
    world(&text)
}

#[test]
fn a_region_tells_what_it_is_set_to() {
    let sim = set();
    let c = client(&sim, OWNER);
    let one = |operation: &str, element: &str| c.ec2(operation, &[]).one(element);
    assert_eq!(one("GetEbsEncryptionByDefault", "ebsEncryptionByDefault"), "true");
    assert!(one("GetEbsDefaultKmsKeyId", "kmsKeyId").ends_with(":key/key-good"));
    assert_eq!(
        one("GetImageBlockPublicAccessState", "imageBlockPublicAccessState"),
        "block-new-sharing"
    );
    assert_eq!(one("GetSnapshotBlockPublicAccessState", "state"), "block-all-sharing");
    assert_eq!(
        one("GetSnapshotBlockPublicAccessState", "managedBy"),
        "declarative-policy"
    );
    let allowed = c.ec2("GetAllowedImagesSettings", &[]);
    assert_eq!(allowed.one("state"), "audit-mode");
    assert_eq!(
        allowed.one("imageProviderSet"),
        "<item>amazon</item><item>111111111111</item>"
    );
    assert_eq!(allowed.one("maximumDaysSinceCreated"), "90");
    assert_eq!(allowed.one("maximumSeverityLabel"), "high");
}

#[test]
fn a_region_that_nobody_has_set_is_open() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let one = |operation: &str, element: &str| c.ec2(operation, &[]).one(element);
    assert_eq!(one("GetEbsEncryptionByDefault", "ebsEncryptionByDefault"), "false");
    assert_eq!(one("GetEbsDefaultKmsKeyId", "kmsKeyId"), "alias/aws/ebs");
    assert_eq!(one("GetImageBlockPublicAccessState", "managedBy"), "account");
    assert_eq!(one("GetSnapshotBlockPublicAccessState", "state"), "unblocked");
    assert_eq!(one("GetAllowedImagesSettings", "state"), "disabled");
    let guardrails = serde_json::from_value(json!({"ebsEncryptionByDefault": true})).expect("guardrails");
    sim.edit(Edit::SetGuardrails {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        guardrails: Box::new(guardrails),
    })
    .expect("an edit");
    assert_eq!(one("GetEbsEncryptionByDefault", "ebsEncryptionByDefault"), "true");
}

#[test]
fn an_image_has_a_line_of_ancestors() {
    let sim = set();
    let line = |key: &str, id: &str| client(&sim, key).ec2("GetImageAncestry", &[("ImageId", id)]);
    let all = line(OWNER, "ami-0000000c");
    assert_eq!(all.all("imageId"), ["ami-0000000c", "ami-0000000b", "ami-00000001"]);
    assert_eq!(all.all("sourceImageId"), ["ami-0000000b", "ami-00000001"]);
    assert_eq!(all.all("creationDate").len(), 3);
    assert_eq!(line(OTHER, "ami-0000000c").code(), "InvalidAMIID.NotFound");
    assert_eq!(line(OWNER, "x").code(), "InvalidAMIID.Malformed");
}

#[test]
fn a_key_has_a_policy_and_grants() {
    let grants = r#"grants: [{name: one, grantee: "arn:aws:iam::222222222222:role/a", operations: [Decrypt, CreateGrant]}, {name: two, grantee: "arn:aws:iam::222222222222:role/b", retiring: "arn:aws:iam::111111111111:root", operations: [Decrypt]}]"#;
    let text = yaml("", "", "")
        .replace("{id: key-good,", &format!("{{id: key-good, {grants},"))
        .replace(
            "{id: key-other,",
            r#"{id: key-other, policy: {Version: "2012-10-17", Statement: []},"#,
        );
    let sim = world(&text);
    let c = client(&sim, OWNER);
    let policy = |key: &str| -> Value {
        let answer = c.kms("GetKeyPolicy", &json!({ "KeyId": key })).json();
        serde_json::from_str(answer["Policy"].as_str().expect("a text")).expect("a policy")
    };
    assert_eq!(
        policy("key-good")["Statement"][0]["Principal"]["AWS"],
        format!("arn:aws:iam::{ACCOUNT}:root")
    );
    assert_eq!(policy("key-other")["Statement"], json!([]));
    let all = c.kms("ListGrants", &json!({"KeyId": "key-good"})).json();
    assert_eq!(all["Grants"].as_array().map(Vec::len), Some(2));
    let first = c.kms("ListGrants", &json!({"KeyId": "key-good", "Limit": 1})).json();
    assert_eq!(first["Truncated"], true);
    let marker = &first["NextMarker"];
    let second = c
        .kms(
            "ListGrants",
            &json!({"KeyId": "key-good", "Limit": 1, "Marker": marker}),
        )
        .json();
    assert_eq!(second["Truncated"], false);
    assert_ne!(first["Grants"][0]["GrantId"], second["Grants"][0]["GrantId"]);
    let grantee = "arn:aws:iam::222222222222:role/b";
    let of = c
        .kms("ListGrants", &json!({"KeyId": "key-good", "GranteePrincipal": grantee}))
        .json();
    assert_eq!(of["Grants"][0]["Operations"], json!(["Decrypt"]));
    for (operation, body, code) in [
        ("GetKeyPolicy", json!({"KeyId": "alias/good"}), "NotFoundException"),
        ("GetKeyPolicy", json!({"KeyId": "key-private"}), "AccessDeniedException"),
        ("ListGrants", json!({"KeyId": "nothing"}), "NotFoundException"),
        ("ListGrants", json!({}), "ValidationException"),
        (
            "ListGrants",
            json!({"KeyId": "key-good", "Marker": "x"}),
            "InvalidMarkerException",
        ),
    ] {
        assert_eq!(c.kms(operation, &body).code(), code, "{operation} {body}");
    }
}

#[test]
fn a_policy_and_grants_are_set_and_no_other_account_is_shown_the_policy() {
    let sim = world(&yaml("", "", "").replace("{id: key-good,", "{id: key-good, allowedPrincipals: [\"*\"],"));
    let edit = json!({"setKeyPolicy": {
        "account": ACCOUNT, "region": REGION, "key": "key-good",
        "policy": {"Statement": []},
        "grants": [{"grantee": "arn:aws:iam::222222222222:role/a", "operations": ["Decrypt"], "encryptionContext": {"a": "b"}}],
    }});
    sim.edit(serde_json::from_value(edit).expect("an edit")).expect("a key");
    let c = client(&sim, OWNER);
    let key = json!({"KeyId": "key-good"});
    assert_eq!(c.kms("GetKeyPolicy", &key).json()["Policy"], r#"{"Statement":[]}"#);
    let grant = &c.kms("ListGrants", &key).json()["Grants"][0];
    assert_eq!(grant["Constraints"], json!({"EncryptionContextSubset": {"a": "b"}}));
    let arn = json!({"KeyId": format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/key-good")});
    assert_eq!(
        client(&sim, OTHER).kms("GetKeyPolicy", &arn).code(),
        "AccessDeniedException"
    );
}

#[test]
fn the_key_that_aws_manages_is_for_everybody_in_its_account() {
    let sim = world(&yaml("", "", ""));
    let c = client(&sim, OWNER);
    let metadata = c.kms("DescribeKey", &json!({"KeyId": "alias/aws/ebs"})).json();
    let key = json!({"KeyId": metadata["KeyMetadata"]["KeyId"]});
    let policy: Value =
        serde_json::from_str(c.kms("GetKeyPolicy", &key).json()["Policy"].as_str().expect("a text")).expect("JSON");
    let everybody = &policy["Statement"][0];
    assert_eq!(everybody["Principal"], json!({"AWS": "*"}));
    let condition = &everybody["Condition"]["StringEquals"];
    assert_eq!(condition["kms:CallerAccount"], ACCOUNT);
    assert_eq!(condition["kms:ViaService"], format!("ec2.{REGION}.amazonaws.com"));
}

#[test]
fn trails_are_of_a_region_or_of_all() {
    let sim = set();
    let c = client(&sim, OWNER);
    let trail = |operation: &str, body: &Value| {
        let target = format!("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.{operation}");
        c.request("cloudtrail", "POST", "/", Some(&target), body.to_string())
    };
    let names = |body: Value| -> Vec<String> {
        let answer = trail("DescribeTrails", &body).json();
        let list = answer["trailList"].as_array().cloned().unwrap_or_default();
        list.iter()
            .filter_map(|t| t["Name"].as_str().map(str::to_owned))
            .collect()
    };
    assert_eq!(names(json!({})), ["here", "everywhere"]);
    assert_eq!(names(json!({"includeShadowTrails": false})), ["here"]);
    assert_eq!(names(json!({"trailNameList": ["nothing"]})), Vec::<String>::new());
    let logs = |name: &str| trail("GetTrailStatus", &json!({ "Name": name })).json()["IsLogging"].clone();
    assert_eq!(logs("here"), true);
    let arn = format!("arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/everywhere");
    assert_eq!(logs(&arn), false);
    let selectors = trail("GetEventSelectors", &json!({"TrailName": "here"})).json();
    assert_eq!(selectors["EventSelectors"][0]["ReadWriteType"], "WriteOnly");
    assert_eq!(
        selectors["EventSelectors"][0]["ExcludeManagementEventSources"],
        json!(["kms.amazonaws.com"])
    );
    let unknown = trail("GetTrailStatus", &json!({"Name": "everywhere"}));
    assert_eq!(unknown.code(), "TrailNotFoundException", "by name only at home");
}
