//! DescribeLaunchTemplates and DescribeLaunchTemplateVersions.

use super::super::support::{MANAGER, OWNER, Reply, client, world, yaml};
use super::{GOLDEN, OLD, STAFF, staffed, staffed_with};

fn versions(sim: &ec2sim::Sim, params: &[(&str, &str)]) -> Reply {
    client(sim, OWNER).ec2("DescribeLaunchTemplateVersions", params)
}

#[test]
fn templates_tell_their_default_and_latest_versions() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let all = c.ec2("DescribeLaunchTemplates", &[]);
    assert_eq!(all.all("launchTemplateName"), ["alone", "moved", "by-parameter"]);
    assert_eq!(all.all("defaultVersionNumber"), ["1", "2", "1"]);
    assert_eq!(all.all("latestVersionNumber"), ["1", "2", "1"]);
    let hidden = c.ec2("DescribeLaunchTemplates", &[("IncludeManagedResources", "true")]);
    assert_eq!(hidden.all("launchTemplateName").len(), 4);
    assert_eq!(hidden.all("principal"), ["eks.amazonaws.com"]);
    let named = c.ec2("DescribeLaunchTemplates", &[("LaunchTemplateName.1", "moved")]);
    assert_eq!(named.all("launchTemplateId"), ["lt-0000000b"]);
    let tagged = [("Filter.1.Name", "tag:team"), ("Filter.1.Value.1", "a")];
    assert_eq!(
        c.ec2("DescribeLaunchTemplates", &tagged).all("launchTemplateName"),
        ["alone"]
    );
    for (params, code) in [
        (
            [("LaunchTemplateId.1", "lt-00000bad")],
            "InvalidLaunchTemplateId.NotFound",
        ),
        ([("LaunchTemplateId.1", "x")], "InvalidLaunchTemplateId.Malformed"),
        (
            [("LaunchTemplateName.1", "nothing")],
            "InvalidLaunchTemplateName.NotFoundException",
        ),
        ([("MaxResults", "0")], "InvalidParameterValue"),
    ] {
        assert_eq!(c.ec2("DescribeLaunchTemplates", &params).code(), code);
    }
}

#[test]
fn latest_and_default_versions_of_all_templates_come_at_once() {
    let sim = staffed();
    let both = [
        ("LaunchTemplateVersion.1", "$Latest"),
        ("LaunchTemplateVersion.2", "$Default"),
    ];
    let reply = versions(&sim, &both);
    assert_eq!(reply.all("launchTemplateName"), ["alone", "moved", "by-parameter"]);
    assert_eq!(reply.all("imageId"), [GOLDEN, GOLDEN, "resolve:ssm:/golden/web:live"]);
    let hidden_too = [both[0], both[1], ("IncludeManagedResources", "true")];
    assert_eq!(versions(&sim, &hidden_too).all("launchTemplateName").len(), 4);
    for params in [
        vec![],
        vec![("LaunchTemplateVersion.1", "1")],
        vec![("LaunchTemplateVersion.1", "$Latest"), ("MinVersion", "1")],
    ] {
        assert_eq!(versions(&sim, &params).code(), "MissingParameter", "{params:?}");
    }
}

#[test]
fn versions_of_one_template_come_by_number_name_or_range_the_newest_first() {
    let sim = staffed();
    let of = |more: &[(&str, &str)]| {
        let mut params = vec![("LaunchTemplateId", "lt-0000000b")];
        params.extend_from_slice(more);
        versions(&sim, &params)
    };
    let all = of(&[]);
    assert_eq!(all.all("versionNumber"), ["2", "1"]);
    assert_eq!(all.all("imageId"), [GOLDEN, OLD]);
    assert_eq!(all.all("defaultVersion"), ["true", "false"]);
    assert_eq!(all.all("deviceName"), ["/dev/xvda"]);
    let image = client(&sim, OWNER).ec2("DescribeImages", &[("ImageId.1", GOLDEN)]);
    assert_eq!(all.all("snapshotId"), image.all("snapshotId"));
    assert_eq!(of(&[("LaunchTemplateVersion.1", "1")]).all("imageId"), [OLD]);
    assert_eq!(of(&[("LaunchTemplateVersion.1", "$Default")]).all("imageId"), [GOLDEN]);
    assert_eq!(of(&[("MaxVersion", "1")]).all("versionNumber"), ["1"]);
    assert_eq!(of(&[("MinVersion", "2")]).all("versionNumber"), ["2"]);
    let old = [("Filter.1.Name", "image-id"), ("Filter.1.Value.1", OLD)];
    assert_eq!(of(&old).all("versionNumber"), ["1"]);
    assert_eq!(
        of(&[("LaunchTemplateVersion.1", "9")]).code(),
        "InvalidLaunchTemplateId.VersionNotFound"
    );
    assert_eq!(
        of(&[("LaunchTemplateVersion.1", "x")]).code(),
        "InvalidLaunchTemplateVersion.Malformed"
    );
    assert_eq!(
        of(&[("LaunchTemplateName", "moved")]).code(),
        "InvalidParameterCombination"
    );
    let named = versions(&sim, &[("LaunchTemplateName", "alone")]);
    assert_eq!(named.one("versionDescription"), "first");
    assert_eq!(named.one("instanceType"), "t3.micro");
    let hidden = [("LaunchTemplateId", "lt-0000000d")];
    assert_eq!(versions(&sim, &hidden).code(), "InvalidLaunchTemplateId.NotFound");
}

#[test]
fn an_alias_is_resolved_when_asked_for_and_permitted() {
    let sim = staffed();
    let alias = [("LaunchTemplateId", "lt-0000000c"), ("ResolveAlias", "true")];
    assert_eq!(versions(&sim, &alias).all("imageId"), [GOLDEN]);
    let filtered = [
        alias[0],
        alias[1],
        ("Filter.1.Name", "image-id"),
        ("Filter.1.Value.1", GOLDEN),
    ];
    assert_eq!(versions(&sim, &filtered).all("imageId"), [GOLDEN]);
    let gone = "resolve:ssm:/golden/gone";
    let broken = STAFF.replace("resolve:ssm:/golden/web:live", gone);
    let sim = world(&yaml("", &broken, ""));
    assert_eq!(versions(&sim, &alias).code(), "InvalidParameterValue");
    let sim = world(&yaml("consumers: {unresolvedAlias: shown}", &broken, ""));
    assert_eq!(versions(&sim, &alias).all("imageId"), [gone]);
}

#[test]
fn two_hundred_versions_are_the_most_of_a_page() {
    let many = STAFF.replace(
        "    launchTemplates:\n",
        "    launchTemplates:\n    - {name: \"many-{n}\", count: 250, versions: [{image: old}, {image: golden}]}\n",
    );
    let sim = world(&yaml("", &many, ""));
    let both = [
        ("LaunchTemplateVersion.1", "$Latest"),
        ("LaunchTemplateVersion.2", "$Default"),
    ];
    let first = versions(&sim, &both);
    assert_eq!(first.all("versionNumber").len(), 200);
    let c = client(&sim, OWNER);
    let call = |c: &super::super::support::Client, p: &[(&str, &str)]| c.ec2("DescribeLaunchTemplateVersions", p);
    assert_eq!(c.pages(call, &both, "versionNumber").len(), 503);
    let large = [both[0], both[1], ("MaxResults", "1000")];
    assert_eq!(versions(&sim, &large).all("versionNumber").len(), 200);
}

#[test]
fn templates_need_rights_of_their_own() {
    let sim = staffed_with("");
    let nobody = client(&sim, MANAGER);
    let reply = nobody.ec2("DescribeLaunchTemplates", &[]);
    assert_eq!(reply.code(), "OK");
    assert!(reply.all("launchTemplateId").is_empty(), "an account has its own only");
}
