//! DescribeImageReferences: what EC2 finds, and what it does not.

use super::super::support::{ACCOUNT, OTHER, OWNER, Reply, client, world, yaml};
use super::{GOLDEN, OLD, STAFF, staffed, staffed_with};

fn references(sim: &ec2sim::Sim, params: &[(&str, &str)]) -> Reply {
    client(sim, OWNER).ec2("DescribeImageReferences", params)
}

fn all_of(image: &str) -> [(&str, &str); 2] {
    [("ImageId.1", image), ("IncludeAllResourceTypes", "true")]
}

#[test]
fn it_finds_some_kinds_of_resources_and_no_groups_and_fleets() {
    let sim = staffed();
    let golden = references(&sim, &all_of(GOLDEN));
    let prefix = format!("arn:aws:ec2:eu-west-1:{ACCOUNT}:");
    let recipes = format!("arn:aws:imagebuilder:eu-west-1:{ACCOUNT}:");
    assert_eq!(
        golden.all("arn"),
        [
            format!("{prefix}instance/i-0000000a"),
            format!("{prefix}launch-template/lt-0000000a"),
            format!("{prefix}launch-template/lt-0000000b"),
            format!("{prefix}launch-template/lt-0000000c"),
            format!("{recipes}container-recipe/tool/1.0.0"),
            format!("{recipes}image-recipe/web/1.0.0"),
        ]
    );
    assert_eq!(golden.all("imageId"), [GOLDEN; 6]);
    let old = references(&sim, &all_of(OLD));
    assert_eq!(
        old.all("resourceType"),
        [
            "ec2:Instance",
            "ec2:LaunchTemplate",
            "imagebuilder:ImageRecipe",
            "ssm:Parameter"
        ],
        "an older version of a parameter, though labelled, is not looked at, nor is any group"
    );
}

#[test]
fn hidden_resources_are_missing_unless_the_world_says_otherwise() {
    let hidden = |settings: &str| {
        let arns = references(&staffed_with(settings), &all_of(GOLDEN)).all("arn");
        arns.iter()
            .filter(|a| a.ends_with("i-0000000b") || a.ends_with("lt-0000000d"))
            .count()
    };
    assert_eq!(hidden(""), 0);
    assert_eq!(hidden("references: {hidden: true}"), 2);
}

#[test]
fn a_right_that_is_missing_is_an_error_or_an_omission() {
    let text = |settings: &str| {
        yaml(settings, STAFF, "").replace(
            &format!("{{accessKey: {OTHER}, account: \"222222222222\"}}"),
            &format!("{{accessKey: {OTHER}, account: \"{ACCOUNT}\", allow: [\"ec2:*\"]}}"),
        )
    };
    let as_other =
        |settings: &str| client(&world(&text(settings)), OTHER).ec2("DescribeImageReferences", &all_of(GOLDEN));
    let refused = as_other("");
    assert_eq!(
        (refused.code().as_str(), refused.status),
        ("UnauthorizedOperation", 403)
    );
    assert!(refused.body.contains("ssm:DescribeParameters"));
    let silent = as_other("references: {unreadable: omission}");
    assert_eq!(
        silent.all("resourceType"),
        [
            "ec2:Instance",
            "ec2:LaunchTemplate",
            "ec2:LaunchTemplate",
            "ec2:LaunchTemplate"
        ]
    );
}

#[test]
fn only_the_ten_newest_versions_of_a_template_are_looked_at_unless_asked() {
    let versions = "{image: old}, ".repeat(11);
    let deep = STAFF.replace(
        "    launchTemplates:\n",
        &format!("    launchTemplates:\n    - {{name: deep, id: lt-0000000e, versions: [{{image: ami-00000abc}}, {versions}]}}\n"),
    );
    let sim = world(&yaml("", &deep, ""));
    let of = |depth: Option<&str>| {
        let mut params = vec![
            ("ImageId.1", "ami-00000abc"),
            ("ResourceType.1.ResourceType", "ec2:LaunchTemplate"),
        ];
        if let Some(depth) = depth {
            params.push(("ResourceType.1.ResourceTypeOption.1.OptionName", "version-depth"));
            params.push(("ResourceType.1.ResourceTypeOption.1.OptionValue.1", depth));
        }
        references(&sim, &params)
    };
    assert_eq!(of(None).all("arn").len(), 0);
    assert_eq!(of(Some("11")).all("arn").len(), 0);
    assert_eq!(of(Some("12")).all("arn").len(), 1);
    assert_eq!(of(Some("10001")).code(), "InvalidParameterValue");
}

#[test]
fn instances_are_looked_at_in_the_states_that_are_asked_for() {
    let sim = staffed();
    let of = |state: &str| {
        let params = [
            ("ImageId.1", OLD),
            ("ResourceType.1.ResourceType", "ec2:Instance"),
            ("ResourceType.1.ResourceTypeOption.1.OptionName", "state-name"),
            ("ResourceType.1.ResourceTypeOption.1.OptionValue.1", state),
        ];
        references(&sim, &params)
    };
    assert_eq!(of("terminated").all("arn").len(), 1);
    assert_eq!(of("running").all("arn").len(), 0);
    assert_eq!(of("gone").code(), "InvalidParameterValue");
}

#[test]
fn bad_requests_are_refused_and_pages_have_five_entries_or_more() {
    let sim = staffed();
    let eleven: Vec<(String, String)> = (1..=11).map(|n| (format!("ImageId.{n}"), GOLDEN.to_owned())).collect();
    let eleven: Vec<(&str, &str)> = eleven.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    for (params, code) in [
        (vec![("IncludeAllResourceTypes", "true")], "InvalidParameterValue"),
        (eleven, "InvalidParameterValue"),
        (vec![("ImageId.1", "x")], "InvalidAMIID.Malformed"),
        (vec![("ImageId.1", GOLDEN)], "MissingParameter"),
        (
            vec![("ImageId.1", GOLDEN), ("ResourceType.1.ResourceType", "eks:Nodegroup")],
            "InvalidParameterValue",
        ),
        (
            vec![
                ("ImageId.1", GOLDEN),
                ("IncludeAllResourceTypes", "true"),
                ("MaxResults", "4"),
            ],
            "InvalidParameterValue",
        ),
    ] {
        assert_eq!(references(&sim, &params).code(), code, "{params:?}");
    }
    let params = [
        ("ImageId.1", GOLDEN),
        ("ImageId.2", OLD),
        ("IncludeAllResourceTypes", "true"),
        ("MaxResults", "5"),
    ];
    assert_eq!(references(&sim, &params).all("arn").len(), 5);
    let c = client(&sim, OWNER);
    let all = c.pages(|c, p| c.ec2("DescribeImageReferences", p), &params, "arn");
    assert_eq!(all.len(), 10);
}
