//! Pages, of every listing: however they come, each entry comes once, unless the world loses it.

use ec2sim::Sim;
use serde_json::{Value, json};

use super::super::support::{Client, OWNER, client, world, yaml};
use super::STAFF;

/// A world in which every listing has several entries.
fn staffed_with(settings: &str) -> Sim {
    let more = [
        ("launchConfigurations", "{name: modern, image: old}"),
        ("eksClusters", "{name: red}"),
    ];
    let staff = more.iter().fold(STAFF.to_owned(), |staff, (list, entry)| {
        staff.replace(&format!("    {list}:\n"), &format!("    {list}:\n    - {entry}\n"))
    });
    world(&yaml(settings, &staff, ""))
}

/// A listing of one of the query protocols: operation, parameters, the element that names an entry.
type Query = (&'static str, &'static [(&'static str, &'static str)], &'static str);

const EC2: [Query; 8] = [
    ("DescribeInstances", &[("MaxResults", "5")], "instanceId"),
    ("DescribeInstanceImageMetadata", &[], "instanceId"),
    ("DescribeLaunchTemplates", &[], "launchTemplateId"),
    (
        "DescribeLaunchTemplateVersions",
        &[("LaunchTemplateVersion.1", "$Latest")],
        "launchTemplateId",
    ),
    ("DescribeFleets", &[], "fleetId"),
    ("DescribeSpotFleetRequests", &[], "spotFleetRequestId"),
    (
        "DescribeSpotInstanceRequests",
        &[("MaxResults", "5")],
        "spotInstanceRequestId",
    ),
    (
        "DescribeImageReferences",
        &[("ImageId.1", "ami-0000000a"), ("IncludeAllResourceTypes", "true")],
        "arn",
    ),
];

const AUTO_SCALING: [Query; 2] = [
    ("DescribeAutoScalingGroups", &[], "AutoScalingGroupName"),
    ("DescribeLaunchConfigurations", &[], "LaunchConfigurationName"),
];

/// Every listing, with the names of its entries over all pages.
fn listings(sim: &Sim) -> Vec<(String, Vec<String>)> {
    let c = client(sim, OWNER);
    let mut all = Vec::new();
    for (operation, params, element) in EC2 {
        let entries = c.pages(|c, p| c.ec2(operation, p), params, element);
        all.push((operation.to_owned(), entries));
    }
    for (operation, params, element) in AUTO_SCALING {
        let entries = c.pages(|c, p| c.autoscaling(operation, p), params, element);
        all.push((operation.to_owned(), entries));
    }
    let texts = |values: Vec<Value>, field: &str| -> Vec<String> {
        values
            .iter()
            .map(|v| {
                v.as_str()
                    .or(v[field].as_str())
                    .map_or_else(|| v[field].to_string(), str::to_owned)
            })
            .collect()
    };
    for (operation, body, field) in [
        ("DescribeParameters", json!({}), "Name"),
        ("GetParametersByPath", json!({"Path": "/", "Recursive": true}), "Name"),
        ("GetParameterHistory", json!({"Name": "/golden/web"}), "Version"),
    ] {
        let entries = c.json_pages(|c, b| c.ssm(operation, b), &body, "Parameters", "NextToken");
        all.push((operation.to_owned(), texts(entries, field)));
    }
    for (path, field) in [("/clusters", "clusters"), ("/clusters/blue/node-groups", "nodegroups")] {
        let get = |c: &Client, body: &Value| {
            let token = body["nextToken"].as_str().map(|t| format!("?nextToken={t}"));
            c.get("eks", &format!("{path}{}", token.unwrap_or_default()))
        };
        let entries = c.json_pages(get, &json!({}), field, "nextToken");
        all.push((path.to_owned(), texts(entries, "name")));
    }
    for (service, path, list, field) in [
        (
            "batch",
            "/v1/describecomputeenvironments",
            "computeEnvironments",
            "computeEnvironmentName",
        ),
        ("imagebuilder", "/ListImageRecipes", "imageRecipeSummaryList", "arn"),
        (
            "imagebuilder",
            "/ListContainerRecipes",
            "containerRecipeSummaryList",
            "arn",
        ),
    ] {
        let post = |c: &Client, body: &Value| c.post(service, path, body);
        let entries = c.json_pages(post, &json!({}), list, "nextToken");
        all.push((path.to_owned(), texts(entries, field)));
    }
    all
}

#[test]
fn every_listing_holds_each_entry_once_however_its_pages_come() {
    let whole = listings(&staffed_with(""));
    assert_eq!(whole.len(), 18);
    for settings in [
        "pagination: {largestPage: 1}",
        "pagination: {unstableOrder: true, emptyPages: 0.5, largestPage: 2}",
    ] {
        for ((listing, mut expected), (_, mut entries)) in
            whole.clone().into_iter().zip(listings(&staffed_with(settings)))
        {
            assert!(expected.len() > 1, "{listing} has entries to tell apart");
            expected.sort();
            entries.sort();
            assert_eq!(entries, expected, "{listing} with {settings}");
        }
    }
}

#[test]
fn every_listing_of_several_pages_can_lose_entries() {
    let lossy = listings(&staffed_with("pagination: {missedIds: [\"*\"], largestPage: 1}"));
    let kept: Vec<&str> = lossy
        .iter()
        .filter(|(_, entries)| !entries.is_empty())
        .map(|(listing, _)| listing.as_str())
        .collect();
    assert_eq!(kept, ["GetParameterHistory"], "which is asked for by name");
    let sim = staffed_with("pagination: {missedIds: [/app/30]}");
    let c = client(&sim, OWNER);
    let path = json!({"Path": "/app"});
    let listed = c.json_pages(|c, b| c.ssm("GetParametersByPath", b), &path, "Parameters", "NextToken");
    assert_eq!(listed.len(), 36);
    let named = c.ssm("GetParameters", &json!({"Names": ["/app/30"]})).json();
    assert_eq!(named["Parameters"][0]["Value"], "value 30");
}

#[test]
fn a_token_is_of_one_listing_only() {
    let sim = staffed_with("pagination: {largestPage: 1}");
    let c = client(&sim, OWNER);
    let token = |body: Value| {
        let answer = c.ssm("DescribeParameters", &body).json();
        answer["NextToken"].as_str().unwrap_or_default().to_owned()
    };
    let first = token(json!({}));
    assert_ne!(token(json!({})), first, "no two tokens are the same");
    assert_eq!(c.ssm("DescribeParameters", &json!({ "NextToken": first })).code(), "OK");
    let filtered = json!({"NextToken": first, "ParameterFilters": [{"Key": "Type", "Values": ["String"]}]});
    assert_eq!(c.ssm("DescribeParameters", &filtered).code(), "InvalidNextToken");
    let elsewhere = json!({"NextToken": first, "Path": "/"});
    assert_eq!(c.ssm("GetParametersByPath", &elsewhere).code(), "InvalidNextToken");
}
