//! Parameter Store.

use serde_json::{Value, json};

use super::super::support::{ACCOUNT, OTHER, OWNER, Reply, client, world, yaml};
use super::{GOLDEN, OLD, STAFF, staffed};

fn texts(values: &[Value], field: &str) -> Vec<String> {
    values
        .iter()
        .map(|v| v[field].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn listed(reply: &Reply) -> Vec<String> {
    texts(reply.json()["Parameters"].as_array().expect("a list"), "Name")
}

#[test]
fn ten_parameters_come_at_a_time_and_the_twenty_third_of_thirty_seven_is_on_the_third_page() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let first = c.ssm("GetParametersByPath", &json!({"Path": "/app"}));
    assert_eq!(listed(&first).len(), 10);
    let pages = |body: Value| c.json_pages(|c, b| c.ssm("GetParametersByPath", b), &body, "Parameters", "NextToken");
    let all = pages(json!({"Path": "/app"}));
    assert_eq!(all.len(), 37);
    let there = texts(&all, "Name")
        .iter()
        .position(|n| n == "/app/30")
        .expect("it is there");
    assert!((20..30).contains(&there), "{there}");
    assert_eq!(all[there]["Value"], "value 30");
    assert!(!listed(&first).contains(&"/app/30".to_owned()));
    assert_eq!(pages(json!({"Path": "/", "Recursive": true})).len(), 38);
    assert_eq!(pages(json!({"Path": "/", "Recursive": false})).len(), 0);
    let described = c.ssm("DescribeParameters", &json!({}));
    assert_eq!(listed(&described).len(), 10);
    let most = c.ssm("DescribeParameters", &json!({"MaxResults": 50}));
    assert_eq!(listed(&most).len(), 41);
    assert!(most.json().get("NextToken").is_none());
}

#[test]
fn parameters_are_found_by_filters() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let found = |key: &str, option: Option<&str>, value: &str| {
        let mut filter = json!({"Key": key, "Values": [value]});
        if let Some(option) = option {
            filter["Option"] = json!(option);
        }
        let body = json!({"ParameterFilters": [filter], "MaxResults": 50});
        listed(&c.ssm("DescribeParameters", &body))
    };
    assert_eq!(found("DataType", None, "aws:ec2:image"), ["/golden/web"]);
    assert_eq!(found("Type", None, "SecureString"), ["secret"]);
    assert_eq!(found("Name", Some("BeginsWith"), "/app/3").len(), 9);
    assert_eq!(found("Name", Some("Contains"), "olde"), ["/golden/web"]);
    assert_eq!(found("Path", Some("Recursive"), "/golden"), ["/golden/web"]);
    assert_eq!(found("tag:team", None, "a"), ["/golden/web"]);
    assert_eq!(found("KeyId", None, "key-good"), ["secret"]);
    for (body, code) in [
        (json!({"MaxResults": 51}), "ValidationException"),
        (json!({"NextToken": "x"}), "InvalidNextToken"),
        (
            json!({"ParameterFilters": [{"Key": "Label", "Values": ["x"]}]}),
            "InvalidFilterKey",
        ),
        (
            json!({"ParameterFilters": [{"Key": "Type", "Option": "Contains", "Values": ["x"]}]}),
            "InvalidFilterOption",
        ),
    ] {
        assert_eq!(c.ssm("DescribeParameters", &body).code(), code, "{body}");
    }
    let eleven = c.ssm("GetParametersByPath", &json!({"Path": "/app", "MaxResults": 11}));
    assert_eq!(eleven.code(), "ValidationException");
    let relative = c.ssm("GetParametersByPath", &json!({"Path": "app"}));
    assert_eq!(relative.code(), "ValidationException");
}

#[test]
fn an_older_version_with_a_label_is_still_there() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let value = |name: &str| c.ssm("GetParameter", &json!({ "Name": name })).json()["Parameter"].clone();
    assert_eq!(value("/golden/web")["Value"], OLD);
    assert_eq!(value("/golden/web")["DataType"], "aws:ec2:image");
    let labelled = value("/golden/web:live");
    assert_eq!((&labelled["Value"], &labelled["Version"]), (&json!(GOLDEN), &json!(1)));
    assert_eq!(labelled["Selector"], ":live");
    assert_eq!(value("/golden/web:2")["Value"], OLD);
    let arn = format!("arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/golden/web");
    assert_eq!(labelled["ARN"], json!(arn));
    assert_eq!(value(&format!("{arn}:live"))["Value"], GOLDEN);
    let history = c.ssm("GetParameterHistory", &json!({"Name": "/golden/web"})).json();
    assert_eq!(
        texts(history["Parameters"].as_array().expect("a list"), "Value"),
        [GOLDEN, OLD]
    );
    assert_eq!(history["Parameters"][0]["Labels"], json!(["live"]));
    let by_label = json!({"Path": "/golden", "ParameterFilters": [{"Key": "Label", "Values": ["live"]}]});
    let by_label = c.ssm("GetParametersByPath", &by_label).json();
    assert_eq!(by_label["Parameters"][0]["Value"], GOLDEN);
    for (name, code) in [
        ("/nothing", "ParameterNotFound"),
        ("/golden/web:9", "ParameterVersionNotFound"),
        ("/golden/web:dead", "ParameterVersionNotFound"),
    ] {
        assert_eq!(c.ssm("GetParameter", &json!({ "Name": name })).code(), code);
    }
}

#[test]
fn a_history_has_the_policies_of_a_parameter_unless_it_is_to_have_none() {
    let advanced = STAFF.replace(
        "{name: /golden/web, ",
        r#"{name: /golden/web, tier: Advanced, policies: '[{"Type": "NoChangeNotification"}]', "#,
    );
    for (settings, has_policies) in [("", true), ("consumers: {historyWithoutPolicies: true}", false)] {
        let sim = world(&yaml(settings, &advanced, ""));
        let c = client(&sim, OWNER);
        let filter = json!([{"Key": "Name", "Values": ["/golden/web"]}]);
        let described = c.ssm("DescribeParameters", &json!({ "ParameterFilters": filter }));
        let kind = |of: &Value| of["Policies"][0]["PolicyType"].as_str().map(str::to_owned);
        let said = Some("NoChangeNotification".to_owned());
        assert_eq!(kind(&described.json()["Parameters"][0]), said);
        let history = c.ssm("GetParameterHistory", &json!({"Name": "/golden/web"})).json();
        let latest = &history["Parameters"][1];
        assert_eq!(kind(latest), said.filter(|_| has_policies));
        assert_eq!(latest.get("Policies").is_some(), has_policies);
        assert_eq!(latest["Tier"], "Advanced");
    }
}

#[test]
fn up_to_ten_parameters_come_by_name_and_those_that_are_not_there_are_told() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let names = ["plain", "/golden/web:live", "/nothing", "/golden/web:9", "list"];
    let answer = c.ssm("GetParameters", &json!({ "Names": names })).json();
    let found = answer["Parameters"].as_array().expect("a list");
    assert_eq!(texts(found, "Name"), ["/golden/web", "list", "plain"]);
    assert_eq!(answer["InvalidParameters"], json!(["/nothing", "/golden/web:9"]));
    let eleven: Vec<String> = (1..=11).map(|n| format!("/app/{n}")).collect();
    assert_eq!(
        c.ssm("GetParameters", &json!({ "Names": eleven })).code(),
        "ValidationException"
    );
}

#[test]
fn a_secret_is_in_clear_only_when_asked_for() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let value = |decrypt: bool| {
        let body = json!({"Name": "secret", "WithDecryption": decrypt});
        c.ssm("GetParameter", &body).json()["Parameter"]["Value"].clone()
    };
    assert_ne!(value(false), "hush");
    assert_eq!(value(true), "hush");
}

#[test]
fn a_parameter_of_another_account_is_read_by_its_arn_when_it_is_shared() {
    let shared = STAFF.replace(
        "{name: /golden/web, ",
        "{name: /golden/web, tier: Advanced, sharedWith: [\"222222222222\"], ",
    );
    let arn = format!("arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/golden/web:live");
    let read = |staff: &str, name: &str| {
        let sim = world(&yaml("", staff, ""));
        let c = client(&sim, OTHER);
        let shown = listed(&c.ssm("DescribeParameters", &json!({"Shared": true})));
        (c.ssm("GetParameter", &json!({ "Name": name })), shown)
    };
    let (reply, shown) = read(&shared, &arn);
    assert_eq!(reply.json()["Parameter"]["Value"], GOLDEN, "{}", reply.body);
    assert_eq!(shown, ["/golden/web"]);
    assert_eq!(read(&shared, "/golden/web").0.code(), "ParameterNotFound");
    let (reply, shown) = read(STAFF, &arn);
    assert_eq!((reply.code().as_str(), shown.len()), ("ParameterNotFound", 0));
}

#[test]
fn a_right_to_one_hierarchy_is_none_to_another() {
    let text = yaml("", STAFF, "").replace(
        &format!("{{accessKey: {OTHER}, account: \"222222222222\"}}"),
        &format!("{{accessKey: {OTHER}, account: \"{ACCOUNT}\", allow: [\"ec2:*\"]}}"),
    );
    let sim = world(&text);
    let c = client(&sim, OTHER);
    for (operation, body) in [
        ("DescribeParameters", json!({})),
        ("GetParametersByPath", json!({"Path": "/app"})),
        ("GetParameters", json!({"Names": ["plain"]})),
        ("GetParameter", json!({"Name": "plain"})),
        ("GetParameterHistory", json!({"Name": "plain"})),
    ] {
        let reply = c.ssm(operation, &body);
        assert_eq!((reply.code().as_str(), reply.status), ("AccessDeniedException", 400));
        assert!(reply.body.contains(&format!("ssm:{operation}")));
    }
}
