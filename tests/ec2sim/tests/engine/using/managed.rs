//! EKS, Batch and Image Builder.

use serde_json::{Value, json};

use super::super::support::{ACCOUNT, Client, OWNER, client, world, yaml};
use super::{GOLDEN, OLD, STAFF, staffed};

#[test]
fn node_groups_name_their_template_and_their_release() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    assert_eq!(c.get("eks", "/clusters").json()["clusters"], json!(["blue"]));
    let groups = c.get("eks", "/clusters/blue/node-groups").json();
    assert_eq!(groups["nodegroups"], json!(["custom", "stock"]));
    let custom = c.get("eks", "/clusters/blue/node-groups/custom").json()["nodegroup"].clone();
    assert_eq!(
        custom["launchTemplate"],
        json!({"id": "lt-0000000b", "name": "moved", "version": "1"})
    );
    assert_eq!(custom["amiType"], "CUSTOM");
    assert_eq!(custom["releaseVersion"], OLD);
    assert_eq!(
        custom["resources"]["autoScalingGroups"],
        json!([{"name": "eks-custom"}])
    );
    let stock = c.get("eks", "/clusters/blue/node-groups/stock").json()["nodegroup"].clone();
    assert!(stock.get("launchTemplate").is_none());
    for (path, code, status) in [
        ("/clusters/red/node-groups", "ResourceNotFoundException", 404),
        ("/clusters/blue/node-groups/x", "ResourceNotFoundException", 404),
        ("/clusters?maxResults=101", "InvalidParameterException", 400),
        ("/clusters?nextToken=x", "InvalidParameterException", 400),
    ] {
        let reply = c.get("eks", path);
        assert_eq!((reply.code().as_str(), reply.status), (code, status), "{path}");
    }
}

#[test]
fn clusters_come_in_pages() {
    let many = STAFF.replace(
        "    eksClusters:\n",
        "    eksClusters:\n    - {name: \"c-{n}\", count: 130}\n",
    );
    let sim = world(&yaml("", &many, ""));
    let c = client(&sim, OWNER);
    let page = |c: &Client, body: &Value| {
        let token = body["nextToken"].as_str().map(|t| format!("&nextToken={t}"));
        c.get("eks", &format!("/clusters?maxResults=60{}", token.unwrap_or_default()))
    };
    assert_eq!(c.json_pages(page, &json!({}), "clusters", "nextToken").len(), 131);
    let first = c.get("eks", "/clusters").json();
    assert_eq!(first["clusters"].as_array().map(Vec::len), Some(100));
}

#[test]
fn compute_environments_name_images_in_three_ways() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let all = |body: Value| {
        let reply = c.post("batch", "/v1/describecomputeenvironments", &body);
        assert_eq!(reply.code(), "OK", "{}", reply.body);
        reply.json()["computeEnvironments"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    let found = all(json!({}));
    let [image, by_type, template] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(image["computeResources"]["imageId"], GOLDEN);
    assert_eq!(by_type["state"], "DISABLED");
    assert_eq!(
        by_type["computeResources"]["ec2Configuration"],
        json!([{"imageType": "ECS_AL2023", "imageIdOverride": GOLDEN}])
    );
    let launch = &template["computeResources"]["launchTemplate"];
    assert_eq!(launch["launchTemplateName"], "alone");
    assert_eq!(launch["overrides"][0]["version"], "1");
    let arn = format!("arn:aws:batch:eu-west-1:{ACCOUNT}:compute-environment/image");
    assert_eq!(all(json!({"computeEnvironments": [arn]})).len(), 1);
    assert_eq!(all(json!({"computeEnvironments": ["nothing"]})).len(), 0);
    let page = |c: &Client, body: &Value| c.post("batch", "/v1/describecomputeenvironments", body);
    let one_by_one = c.json_pages(page, &json!({"maxResults": 1}), "computeEnvironments", "nextToken");
    assert_eq!(one_by_one.len(), 3);
    let bad = c.post("batch", "/v1/describecomputeenvironments", &json!({"maxResults": 101}));
    assert_eq!((bad.code().as_str(), bad.status), ("ClientException", 400));
}

#[test]
fn recipes_have_parents_and_versions() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let list = |path: &str, body: Value| c.post("imagebuilder", path, &body).json();
    let images = list("/ListImageRecipes", json!({"owner": "Self"}));
    let images = images["imageRecipeSummaryList"].as_array().cloned().unwrap_or_default();
    let parents: Vec<&str> = images.iter().filter_map(|r| r["parentImage"].as_str()).collect();
    assert_eq!(parents[1..], [GOLDEN, "ssm:/golden/web"]);
    assert!(parents[0].starts_with("arn:aws:imagebuilder:"));
    let named = list(
        "/ListImageRecipes",
        json!({"filters": [{"name": "name", "values": ["base"]}]}),
    );
    assert_eq!(named["imageRecipeSummaryList"].as_array().map(Vec::len), Some(1));
    let get = |arn: &str| c.get("imagebuilder", &format!("/GetImageRecipe?imageRecipeArn={arn}"));
    let base = format!("arn:aws:imagebuilder:eu-west-1:{ACCOUNT}:image-recipe/");
    let newest = get(&format!("{base}web/x.x.x")).json();
    assert_eq!(newest["imageRecipe"]["version"], "1.1.0");
    assert_eq!(
        get(&format!("{base}web/1.0.0")).json()["imageRecipe"]["parentImage"],
        GOLDEN
    );
    let devices = &get(&format!("{base}base/1.0.0")).json()["imageRecipe"]["blockDeviceMappings"];
    assert_eq!(
        devices,
        &json!([{"deviceName": "/dev/xvda", "ebs": {"encrypted": true, "volumeSize": 30}}])
    );
    assert_eq!(get(&format!("{base}web/9.9.9")).code(), "InvalidRequestException");
    let containers = list("/ListContainerRecipes", json!({}));
    assert_eq!(containers["containerRecipeSummaryList"][1]["instanceImage"], GOLDEN);
    let arn = format!("arn:aws:imagebuilder:eu-west-1:{ACCOUNT}:container-recipe/tool/1.0.0");
    let tool = c.get("imagebuilder", &format!("/GetContainerRecipe?containerRecipeArn={arn}"));
    let tool = tool.json()["containerRecipe"].clone();
    assert_eq!(tool["instanceConfiguration"]["image"], GOLDEN);
    assert_eq!(tool["parentImage"], "amazonlinux:2023");
    let bad = c.post("imagebuilder", "/ListImageRecipes", &json!({"maxResults": 101}));
    assert_eq!(bad.code(), "InvalidRequestException");
    let token = c.post("imagebuilder", "/ListImageRecipes", &json!({"nextToken": "x"}));
    assert_eq!(token.code(), "InvalidPaginationTokenException");
}
