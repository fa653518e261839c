//! PutParameter, labels and tags of parameters.

use serde_json::{Value, json};

use super::super::support::{ACCOUNT, Client, OTHER, OWNER, REGION, client, seconds, world, yaml};
use super::super::using::{GOLDEN, OLD, STAFF};
use super::{restricted, staffed, staffed_with};

fn put(c: &Client, body: &Value) -> (String, u64) {
    let reply = c.ssm("PutParameter", body);
    let version = if reply.status == 200 {
        reply.json()["Version"].as_u64()
    } else {
        None
    };
    (reply.code(), version.unwrap_or(0))
}

fn value(c: &Client, name: &str) -> String {
    let reply = c.ssm("GetParameter", &json!({"Name": name, "WithDecryption": true}));
    reply.json()["Parameter"]["Value"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn described(c: &Client, name: &str) -> Value {
    let filter = json!({"ParameterFilters": [{"Key": "Name", "Values": [name]}]});
    c.ssm("DescribeParameters", &filter).json()["Parameters"][0].clone()
}

fn ok(version: u64) -> (String, u64) {
    ("OK".to_owned(), version)
}

#[test]
fn a_parameter_is_made_and_overwritten() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let new = json!({
        "Name": "/new/one", "Value": "a", "Type": "String", "Description": "the first", "AllowedPattern": "^[a-c]$",
        "Tags": [{"Key": "team", "Value": "a"}]
    });
    assert_eq!(put(&c, &new), ok(1));
    assert_eq!(put(&c, &new).0, "ParameterAlreadyExists");
    assert_eq!(
        put(
            &c,
            &json!({"Name": "/new/one", "Value": "b", "Overwrite": true, "AllowedPattern": "^[a-c]$"})
        ),
        ok(2)
    );
    assert_eq!(value(&c, "/new/one"), "b");
    assert_eq!(value(&c, "/new/one:1"), "a");
    let shown = described(&c, "/new/one");
    assert_eq!(
        (&shown["Type"], &shown["Tier"], &shown["Version"]),
        (&json!("String"), &json!("Standard"), &json!(2))
    );
    assert_eq!(
        (&shown["AllowedPattern"], &shown["Description"]),
        (&json!("^[a-c]$"), &Value::Null)
    );
    let user = shown["LastModifiedUser"].as_str().unwrap_or_default().to_owned();
    assert!(user.starts_with(&format!("arn:aws:iam::{ACCOUNT}:user/")), "{user}");
    let tags = c.ssm(
        "ListTagsForResource",
        &json!({"ResourceType": "Parameter", "ResourceId": "/new/one"}),
    );
    assert_eq!(tags.json()["TagList"], json!([{"Key": "team", "Value": "a"}]));
    let refused = json!({"Name": "/new/one", "Value": "x", "Overwrite": true, "AllowedPattern": "^[a-c]$"});
    assert_eq!(put(&c, &refused).0, "ParameterPatternMismatchException");
    let journal = sim.journal();
    let effects: Vec<_> = journal
        .iter()
        .filter(|call| call.effect)
        .map(|call| call.mutating)
        .collect();
    assert_eq!(effects, [true, true]);
    assert!(
        sim.audit().findings.iter().all(|f| f.resource != "/new/one"),
        "it is its maker's"
    );
}

#[test]
fn what_is_left_out_when_it_is_overwritten_stays_by_a_setting() {
    for (setting, description, data_type) in [
        ("", Value::Null, "text"),
        ("launches: {omittedOnOverwrite: kept}", json!("images"), "aws:ec2:image"),
    ] {
        let described_as = STAFF.replace("{name: /golden/web, ", "{name: /golden/web, description: images, ");
        let sim = world(&yaml(setting, &described_as, ""));
        let c = client(&sim, OWNER);
        assert_eq!(
            put(&c, &json!({"Name": "/golden/web", "Value": GOLDEN, "Overwrite": true})),
            ok(3)
        );
        seconds(&sim, 2);
        let shown = described(&c, "/golden/web");
        assert_eq!(shown["Version"], 3, "{setting}");
        assert_eq!(
            (&shown["Description"], &shown["DataType"]),
            (&description, &json!(data_type)),
            "{setting}"
        );
        assert_eq!(shown["Type"], "String");
    }
}

#[test]
fn a_parameter_of_images_changes_once_its_image_is_found() {
    let sim = staffed_with("launches: {imageParameterSeconds: 30}");
    let c = client(&sim, OWNER);
    let body =
        |image: &str| json!({"Name": "/golden/web", "Value": image, "Overwrite": true, "DataType": "aws:ec2:image"});
    assert_eq!(put(&c, &body(GOLDEN)), ok(3));
    assert_eq!(value(&c, "/golden/web"), OLD, "it is still looked for");
    assert_eq!(put(&c, &body("ami-00000bad")), ok(4));
    let relabel = json!({"Name": "/golden/web", "ParameterVersion": 2, "Labels": ["live"]});
    assert_eq!(c.ssm("LabelParameterVersion", &relabel).code(), "OK");
    seconds(&sim, 30);
    assert_eq!(value(&c, "/golden/web"), GOLDEN, "what is not found is dropped");
    assert_eq!(
        value(&c, "/golden/web:live"),
        OLD,
        "the label that was moved meanwhile stays there"
    );
    assert_eq!(described(&c, "/golden/web")["Version"], 3);
    let new = json!({"Name": "/new/image", "Value": OLD, "Type": "String", "DataType": "aws:ec2:image"});
    assert_eq!(put(&c, &new), ok(1));
    assert_eq!(
        c.ssm("GetParameter", &json!({"Name": "/new/image"})).code(),
        "ParameterNotFound"
    );
    seconds(&sim, 30);
    assert_eq!(value(&c, "/new/image"), OLD);
    let users = sim.consumers(ACCOUNT, REGION, OLD);
    assert!(users.iter().any(|one| one.id == "/new/image"));
}

#[test]
fn an_image_that_can_not_be_launched_is_not_found() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let edit = json!({"owner": {"image": GOLDEN, "act": "disable"}});
    sim.edit(serde_json::from_value(edit).expect("an edit"))
        .expect("it can be made");
    for value in [GOLDEN, "none"] {
        let body = json!({"Name": "/golden/web", "Value": value, "Overwrite": true, "DataType": "aws:ec2:image"});
        assert_eq!(put(&c, &body).0, "OK");
    }
    seconds(&sim, 60);
    assert_eq!(value(&c, "/golden/web"), OLD);
}

#[test]
fn what_can_not_be_put_is_refused() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    for (body, code) in [
        (json!({"Value": "x", "Type": "String"}), "ValidationException"),
        (json!({"Name": "x", "Type": "String"}), "ValidationException"),
        (json!({"Name": "/new", "Value": "x"}), "ValidationException"),
        (
            json!({"Name": "/aws/x", "Value": "x", "Type": "String"}),
            "ValidationException",
        ),
        (
            json!({"Name": "a/b", "Value": "x", "Type": "String"}),
            "ValidationException",
        ),
        (
            json!({"Name": "a b", "Value": "x", "Type": "String"}),
            "ValidationException",
        ),
        (
            json!({"Name": format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/plain"), "Value": "x", "Overwrite": true}),
            "ValidationException",
        ),
        (
            json!({"Name": "/new", "Value": "x", "Type": "Number"}),
            "UnsupportedParameterType",
        ),
        (
            json!({"Name": "plain", "Value": "x", "Type": "SecureString", "Overwrite": true}),
            "HierarchyTypeMismatchException",
        ),
        (
            json!({"Name": "plain", "Value": "x", "Overwrite": true, "Tags": [{"Key": "a", "Value": "b"}]}),
            "ValidationException",
        ),
        (
            json!({"Name": "plain", "Value": "x".repeat(4097), "Overwrite": true}),
            "ValidationException",
        ),
        (
            json!({"Name": "/new", "Value": "x", "Type": "SecureString", "KeyId": "alias/off"}),
            "InvalidKeyId",
        ),
        (
            json!({"Name": "/new", "Value": "x", "Type": "String", "AllowedPattern": "("}),
            "InvalidAllowedPatternException",
        ),
        (
            json!({"Name": "/new", "Value": "ami-1,ami-2", "Type": "StringList", "DataType": "aws:ec2:image"}),
            "ValidationException",
        ),
        (
            json!({"Name": "/new", "Value": "x", "Type": "String", "DataType": "colour"}),
            "ValidationException",
        ),
        (
            json!({"Name": "/new", "Value": "x", "Type": "String", "Policies": "[{\"Type\": \"Expiration\"}]"}),
            "ValidationException",
        ),
    ] {
        assert_eq!(put(&c, &body).0, code, "{body}");
    }
    assert!(sim.journal().iter().all(|call| !call.effect));
}

#[test]
fn tiers_and_policies_are_kept() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let policies = r#"[{"Type":"NoChangeNotification","Version":"1.0","Attributes":{"After":"20","Unit":"Days"}}]"#;
    let first =
        json!({"Name": "plain", "Value": "x", "Overwrite": true, "Tier": "Intelligent-Tiering", "Policies": policies});
    assert_eq!(c.ssm("PutParameter", &first).json()["Tier"], "Advanced");
    assert_eq!(
        put(&c, &json!({"Name": "plain", "Value": "y", "Overwrite": true})),
        ok(3)
    );
    let shown = described(&c, "plain");
    assert_eq!(
        (&shown["Tier"], &shown["Policies"][0]["PolicyType"]),
        (&json!("Advanced"), &json!("NoChangeNotification"))
    );
    let down = json!({"Name": "plain", "Value": "y", "Overwrite": true, "Tier": "Standard"});
    assert_eq!(put(&c, &down).0, "ValidationException");
    assert_eq!(
        put(
            &c,
            &json!({"Name": "plain", "Value": "y", "Overwrite": true, "Policies": "[]"})
        ),
        ok(4)
    );
    assert_eq!(described(&c, "plain")["Policies"], json!([]));
    let secret = json!({"Name": "secret", "Value": "shh", "Overwrite": true, "KeyId": "key-good"});
    assert_eq!(put(&c, &secret), ok(2));
    assert_eq!(value(&c, "secret"), "shh");
    assert_eq!(described(&c, "secret")["KeyId"], "key-good");
}

#[test]
fn the_oldest_version_goes_unless_it_has_a_label() {
    let sim = staffed_with("launches: {parameterVersions: 2}");
    let c = client(&sim, OWNER);
    let write = |value: &str| put(&c, &json!({"Name": "plain", "Value": value, "Overwrite": true}));
    assert_eq!(write("two"), ok(2));
    assert_eq!(write("three"), ok(3));
    let history = c.ssm("GetParameterHistory", &json!({"Name": "plain"})).json();
    let numbers: Vec<u64> = history["Parameters"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|v| v["Version"].as_u64())
        .collect();
    assert_eq!(numbers, [2, 3]);
    let label = json!({"Name": "plain", "ParameterVersion": 2, "Labels": ["live"]});
    assert_eq!(c.ssm("LabelParameterVersion", &label).code(), "OK");
    assert_eq!(write("four").0, "ParameterMaxVersionLimitExceeded");
    let label = json!({"Name": "plain", "ParameterVersion": 3, "Labels": ["live"]});
    assert_eq!(c.ssm("LabelParameterVersion", &label).code(), "OK");
    assert_eq!(write("four"), ok(4));
}

#[test]
fn labels_move_and_bad_ones_are_told() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let label = |body: Value| c.ssm("LabelParameterVersion", &body);
    let reply = label(json!({"Name": "/golden/web", "Labels": ["live", "next", "1st", "awsome", "a b"]})).json();
    assert_eq!(
        (&reply["ParameterVersion"], &reply["InvalidLabels"]),
        (&json!(2), &json!(["1st", "awsome", "a b"]))
    );
    let history = c.ssm("GetParameterHistory", &json!({"Name": "/golden/web"})).json();
    assert_eq!(history["Parameters"][0]["Labels"], json!([]));
    assert_eq!(history["Parameters"][1]["Labels"], json!(["live", "next"]));
    let many: Vec<String> = (0..9).map(|n| format!("label-{n}")).collect();
    assert_eq!(
        label(json!({"Name": "/golden/web", "Labels": many})).code(),
        "ParameterVersionLabelLimitExceeded"
    );
    assert_eq!(
        label(json!({"Name": "/golden/web", "ParameterVersion": 9, "Labels": ["x"]})).code(),
        "ParameterVersionNotFound"
    );
    assert_eq!(
        label(json!({"Name": "/nothing", "Labels": ["x"]})).code(),
        "ParameterNotFound"
    );
    let gone = json!({"Name": "/golden/web", "ParameterVersion": 2, "Labels": ["next", "none"]});
    let reply = c.ssm("UnlabelParameterVersion", &gone).json();
    assert_eq!(
        (&reply["RemovedLabels"], &reply["InvalidLabels"]),
        (&json!(["next"]), &json!(["none"]))
    );
}

#[test]
fn parameters_have_tags() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let resource = |more: Value| {
        let mut body = json!({"ResourceType": "Parameter", "ResourceId": "/golden/web"});
        body.as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        body
    };
    let add = resource(json!({"Tags": [{"Key": "owner", "Value": "web"}]}));
    assert_eq!(c.ssm("AddTagsToResource", &add).code(), "OK");
    let remove = resource(json!({"TagKeys": ["team"]}));
    assert_eq!(c.ssm("RemoveTagsFromResource", &remove).code(), "OK");
    let list = c.ssm("ListTagsForResource", &resource(json!({}))).json();
    assert_eq!(list["TagList"], json!([{"Key": "owner", "Value": "web"}]));
    let bad = json!({"ResourceType": "Parameter", "ResourceId": "/nothing"});
    assert_eq!(c.ssm("ListTagsForResource", &bad).code(), "InvalidResourceId");
    let bad = json!({"ResourceType": "Document", "ResourceId": "/golden/web"});
    assert_eq!(c.ssm("ListTagsForResource", &bad).code(), "InvalidResourceType");
}

#[test]
fn a_parameter_is_deleted_once_and_its_name_is_free() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let name = json!({"Name": "/golden/web"});
    // What is looked at when it is deleted comes to nothing.
    let body = json!({"Name": "/golden/web", "Value": GOLDEN, "Overwrite": true, "DataType": "aws:ec2:image"});
    assert_eq!(put(&c, &body), ok(3));
    assert_eq!(c.ssm("DeleteParameter", &name).code(), "OK");
    assert_eq!(c.ssm("DeleteParameter", &name).code(), "ParameterNotFound");
    seconds(&sim, 60);
    assert_eq!(c.ssm("GetParameter", &name).code(), "ParameterNotFound");
    assert_eq!(
        put(&c, &json!({"Name": "/golden/web", "Value": "x", "Type": "String"})),
        ok(1)
    );
    assert_eq!(value(&c, "/golden/web"), "x");
}

#[test]
fn there_are_so_many_standard_parameters_and_no_more() {
    let sim = staffed_with("launches: {standardParameters: 1}");
    let c = client(&sim, OWNER);
    let new = |tier: &str| json!({"Name": "/new/one", "Value": "a", "Type": "String", "Tier": tier});
    assert_eq!(put(&c, &new("Standard")).0, "ParameterLimitExceeded");
    assert_eq!(put(&c, &new("Advanced")), ok(1));
    let overwrite = json!({"Name": "plain", "Value": "x", "Overwrite": true});
    assert_eq!(put(&c, &overwrite).0, "OK");
}

#[test]
fn changes_of_parameters_need_rights_of_their_own() {
    let sim = restricted("\"ssm:Get*\", \"ssm:Describe*\"");
    let c = client(&sim, OTHER);
    let body = json!({
        "Name": "plain", "Value": "x", "Overwrite": true, "Labels": ["x"],
        "ResourceType": "Parameter", "ResourceId": "plain"
    });
    for operation in [
        "PutParameter",
        "LabelParameterVersion",
        "AddTagsToResource",
        "ListTagsForResource",
        "DeleteParameter",
    ] {
        let reply = c.ssm(operation, &body);
        assert_eq!(reply.code(), "AccessDeniedException", "{operation}");
        assert!(
            reply
                .body
                .contains(&format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/plain")),
            "{}",
            reply.body
        );
    }
    // Without the right to look for images, a parameter of images does not change.
    let sim = restricted("\"ssm:*\"");
    let c = client(&sim, OTHER);
    let body = json!({"Name": "/golden/web", "Value": GOLDEN, "Overwrite": true, "DataType": "aws:ec2:image"});
    assert_eq!(put(&c, &body), ok(3));
    seconds(&sim, 60);
    assert_eq!(value(&c, "/golden/web"), OLD);
}

#[test]
fn an_answer_that_is_lost_was_an_effect() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    sim.add_fault(ec2sim::FaultRule {
        service: Some("ssm".into()),
        operation: Some("PutParameter".into()),
        act: ec2sim::Act::DropAfter,
        ..ec2sim::FaultRule::default()
    });
    let reply = c.ssm(
        "PutParameter",
        &json!({"Name": "plain", "Value": "new", "Overwrite": true}),
    );
    assert!(reply.directive.drop);
    assert_eq!(value(&c, "plain"), "new");
}
