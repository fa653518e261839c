//! Refusals that stay until somebody acts: quotas, policies that look at tags, descriptions, tokens whose image is no more.

use ec2sim::spec::DeadTokens;
use ec2sim::{Edit, Sim};
use serde_json::json;

use super::support::{ACCOUNT, Client, MANAGER, OWNER, REGION, WEB, client, plain, seconds, world, yaml};

#[test]
fn what_an_account_may_have_bounds_copies_until_there_is_room() {
    let sim = world(&yaml("quotas: {snapshots: 2}", "", ""));
    let c = client(&sim, OWNER);
    assert_eq!(c.copy(WEB, "first", "alias/good", &[]).code(), "OK");
    for name in ["second", "third"] {
        let refused = c.copy(WEB, name, "alias/good", &[]);
        assert_eq!(
            (refused.code().as_str(), refused.status),
            ("SnapshotLimitExceeded", 400)
        );
    }
    sim.change_settings(|settings| settings.quotas.snapshots = Some(3));
    assert_eq!(c.copy(WEB, "second", "alias/good", &[]).code(), "OK");
    sim.change_settings(|settings| {
        settings.quotas.snapshots = None;
        settings.quotas.images = Some(3);
    });
    assert_eq!(c.copy(WEB, "third", "alias/good", &[]).code(), "AMIQuotaExceeded");
    sim.change_settings(|settings| settings.quotas.other = Some("You have reached your quota of things.".to_owned()));
    let refused = c.copy(WEB, "third", "alias/good", &[]);
    assert_eq!(refused.code(), "ResourceLimitExceeded");
    assert!(refused.body.contains("quota of things"), "{}", refused.body);
}

#[test]
fn a_description_beyond_ascii_is_refused_when_it_is_set_and_where_the_world_says_so_when_an_image_is_copied() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let odd = [("Description", "Web – build 7")];
    let set = |text: &str| {
        let params = [("ImageId", WEB), ("Description.Value", text)];
        c.ec2("ModifyImageAttribute", &params).code()
    };
    assert_eq!(
        (set("Web – build 7").as_str(), set("Web").as_str()),
        ("InvalidParameterValue", "OK")
    );
    assert_eq!(c.copy(WEB, "first", "alias/good", &odd).code(), "OK");
    sim.change_settings(|settings| settings.copies.ascii_descriptions = true);
    assert_eq!(
        c.copy(WEB, "second", "alias/good", &odd).code(),
        "InvalidParameterValue"
    );
    assert_eq!(c.copy(WEB, "second", "alias/good", &[]).code(), "OK");
}

#[test]
fn a_token_whose_image_is_no_more_is_answered_with_it_or_taken_as_a_new_one() {
    for (tokens, same) in [(DeadTokens::Answer, true), (DeadTokens::Forget, false)] {
        let sim = plain();
        sim.change_settings(|settings| settings.copies.tokens_of_dead_images = tokens);
        let c = client(&sim, OWNER);
        let copy = || {
            c.copy(WEB, "copy", "alias/off", &[("ClientToken", "token")])
                .one("imageId")
        };
        let first = copy();
        assert_eq!(copy(), first, "it is being made");
        seconds(&sim, 300);
        assert_eq!(c.state(&first), "failed");
        c.ec2("DeregisterImage", &[("ImageId", &first)]);
        assert_eq!(copy() == first, same, "{tokens:?}");
    }
}

fn writer(sim: &Sim) -> Client {
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/writer");
    let assumed = client(sim, MANAGER).sts("AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", "test")]);
    Client {
        key: assumed.one("AccessKeyId"),
        token: Some(assumed.one("SessionToken")),
        ..client(sim, MANAGER)
    }
}

fn statements(sim: &Sim, statements: serde_json::Value) {
    let serde_json::Value::Array(statements) = statements else {
        panic!("no list")
    };
    sim.edit(Edit::SetRoleStatements {
        account: ACCOUNT.to_owned(),
        role: "writer".to_owned(),
        statements,
    })
    .expect("a role");
}

#[test]
fn a_role_may_be_denied_what_comes_without_a_tag_in_dry_runs_as_in_calls() {
    let sim = plain();
    statements(
        &sim,
        json!([{
            "Effect": "Deny", "Action": "ec2:CopyImage", "Resource": ["arn:aws:ec2:*::image/*", "arn:aws:ec2:*::snapshot/*"],
            "Condition": {"Null": {"aws:RequestTag/cost": "true"}},
        }]),
    );
    let c = writer(&sim);
    let tags = |kinds: &[&'static str]| {
        let mut params = Vec::new();
        for (number, kind) in kinds.iter().enumerate() {
            let prefix = format!("TagSpecification.{}", number + 1);
            params.push((format!("{prefix}.ResourceType"), (*kind).to_owned()));
            params.push((format!("{prefix}.Tag.1.Key"), "cost".to_owned()));
            params.push((format!("{prefix}.Tag.1.Value"), "12".to_owned()));
        }
        params
    };
    for (kinds, dry, real) in [
        (&[][..], "UnauthorizedOperation", "UnauthorizedOperation"),
        (&["image"], "UnauthorizedOperation", "UnauthorizedOperation"),
        (&["image", "snapshot"], "DryRunOperation", "OK"),
    ] {
        let params = tags(kinds);
        let mut params: Vec<(&str, &str)> = params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(c.copy(WEB, "copy", "alias/good", &params).code(), real, "{kinds:?}");
        params.push(("DryRun", "true"));
        assert_eq!(c.copy(WEB, "another", "alias/good", &params).code(), dry, "{kinds:?}");
    }
}

#[test]
fn a_role_may_be_denied_one_image_for_its_tags_or_its_id_and_one_key_for_its_name() {
    let sim = plain();
    statements(
        &sim,
        json!([
            {
                "Effect": "Deny", "Action": "ec2:*", "Resource": "arn:aws:ec2:*::image/*",
                "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}},
            },
            {"Effect": "Deny", "Action": "kms:DescribeKey", "Resource": format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/key-other")},
        ]),
    );
    let c = writer(&sim);
    let attribute = [("ImageId", WEB), ("Attribute", "launchPermission")];
    let refused = c.ec2("DescribeImageAttribute", &attribute);
    assert_eq!(refused.code(), "UnauthorizedOperation");
    assert!(
        refused.body.contains("explicit deny") && refused.body.contains(WEB),
        "{}",
        refused.body
    );
    let dry = c.copy(WEB, "copy", "alias/good", &[("DryRun", "true")]);
    assert_eq!(dry.code(), "DryRunOperation", "CopyImage has no tags of the original");
    assert_eq!(
        c.images(&[("Owner.1", "self")]),
        ["web"],
        "listings are of no image in particular"
    );
    sim.edit(Edit::SetTags {
        image: WEB.to_owned(),
        tags: [("team".to_owned(), "b".to_owned())].into(),
    })
    .expect("an image");
    assert_eq!(c.ec2("DescribeImageAttribute", &attribute).code(), "OK");
    assert_eq!(c.kms("DescribeKey", &json!({"KeyId": "alias/good"})).code(), "OK");
    for named in ["alias/other", "key-other"] {
        let refused = c.kms("DescribeKey", &json!({"KeyId": named}));
        assert!(refused.code().contains("AccessDenied"), "{}", refused.body);
    }
    let image = format!("arn:aws:ec2:*::image/{WEB}");
    let by_id = json!([{"Effect": "Deny", "Action": "ec2:CopyImage", "Resource": image}]);
    for (denied, code) in [(by_id, "UnauthorizedOperation"), (json!([]), "OK")] {
        statements(&sim, denied);
        let reply = c.copy(WEB, "copy", "alias/good", &[]);
        assert_eq!(reply.code(), code, "{}", reply.body);
    }
}
