//! Who calls: roles, sessions, policies, regions, keys.

use ec2sim::{Edit, Sim};
use serde_json::json;

use super::support::{ACCOUNT, Client, MANAGER, OTHER, OWNER, REGION, Reply, WEB, client, plain, seconds, world, yaml};

fn role(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

fn assume(sim: &Sim, name: &str, more: &[(&str, &str)]) -> Reply {
    let arn = role(name);
    let mut params = vec![("RoleArn", arn.as_str()), ("RoleSessionName", "test")];
    params.extend_from_slice(more);
    client(sim, MANAGER).sts("AssumeRole", &params)
}

fn session(sim: &Sim, name: &str, more: &[(&str, &str)]) -> Client {
    let reply = assume(sim, name, more);
    assert_eq!(reply.code(), "OK", "{}", reply.body);
    Client {
        key: reply.one("AccessKeyId"),
        token: Some(reply.one("SessionToken")),
        ..client(sim, MANAGER)
    }
}

#[test]
fn a_session_acts_in_the_account_of_its_role() {
    let sim = plain();
    let c = session(&sim, "writer", &[]);
    let identity = c.sts("GetCallerIdentity", &[]);
    assert_eq!(identity.one("Account"), ACCOUNT);
    assert_eq!(
        identity.one("Arn"),
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/writer/test")
    );
    assert_eq!(c.images(&[("Owner.1", "self")]), ["web"]);
    let last = sim.journal().pop().expect("a call");
    assert_eq!(
        last.principal,
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/writer/test")
    );
}

#[test]
fn assuming_a_role_needs_trust_and_the_external_id() {
    let sim = plain();
    assert_eq!(assume(&sim, "reader", &[("ExternalId", "secret")]).code(), "OK");
    for more in [&[][..], &[("ExternalId", "wrong")][..]] {
        let reply = assume(&sim, "reader", more);
        assert_eq!((reply.code().as_str(), reply.status), ("AccessDenied", 403));
    }
    let arn = role("writer");
    let untrusted = client(&sim, OTHER).sts("AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", "test")]);
    assert_eq!(untrusted.code(), "AccessDenied");
    assert_eq!(
        assume(&sim, "nobody", &[]).code(),
        "AccessDenied",
        "an unknown role is no different"
    );
}

#[test]
fn parameters_of_assume_role_have_forms_and_bounds() {
    let sim = plain();
    let long = "x".repeat(2049);
    for (more, code) in [
        (vec![("DurationSeconds", "899")], "ValidationError"),
        (vec![("DurationSeconds", "43201")], "ValidationError"),
        (vec![("DurationSeconds", "7200")], "ValidationError"),
        (vec![("DurationSeconds", "900")], "OK"),
        (vec![("ExternalId", "x")], "ValidationError"),
        (vec![("Policy", long.as_str())], "ValidationError"),
        (vec![("Policy", "nonsense")], "MalformedPolicyDocument"),
    ] {
        assert_eq!(assume(&sim, "writer", &more).code(), code, "{more:?}");
    }
    let arn = role("writer");
    for name in ["x", "with space", &"x".repeat(65)] {
        let reply = client(&sim, MANAGER).sts("AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", name)]);
        assert_eq!(reply.code(), "ValidationError", "{name}");
    }
}

#[test]
fn a_policy_and_tags_that_do_not_fit_together_are_too_large() {
    let sim = world(&yaml("sessions: {packedPolicyLimit: 100}", "", ""));
    let policy = r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    assert_eq!(assume(&sim, "writer", &[("Policy", policy)]).code(), "OK");
    let value = "v".repeat(100);
    let tagged = [
        ("Policy", policy),
        ("Tags.member.1.Key", "k"),
        ("Tags.member.1.Value", &value),
    ];
    assert_eq!(assume(&sim, "writer", &tagged).code(), "PackedPolicyTooLarge");
}

#[test]
fn session_tags_need_the_roles_consent() {
    let sim = plain();
    let tags = [("Tags.member.1.Key", "k"), ("Tags.member.1.Value", "v")];
    assert_eq!(assume(&sim, "writer", &tags).code(), "OK");
    let reply = assume(&sim, "plain", &tags);
    assert_eq!(reply.code(), "AccessDenied");
    assert!(reply.body.contains("sts:TagSession"));
    assert_eq!(assume(&sim, "plain", &[]).code(), "OK");
}

#[test]
fn a_chained_session_lasts_an_hour_at_most() {
    let text = yaml("", "", "").replace(
        "- {name: plain, trust: [\"333333333333\"]",
        "- {name: plain, maxSessionSeconds: 43200, trust: [\"111111111111\"]",
    );
    let sim = world(&text);
    let c = session(&sim, "writer", &[]);
    let arn = role("plain");
    let chain = |duration: &str| {
        c.sts(
            "AssumeRole",
            &[
                ("RoleArn", &arn),
                ("RoleSessionName", "test"),
                ("DurationSeconds", duration),
            ],
        )
        .code()
    };
    assert_eq!(chain("3600"), "OK");
    assert_eq!(chain("3601"), "ValidationError");
}

#[test]
fn a_role_may_do_what_its_list_names_and_nothing_else() {
    let sim = plain();
    let c = session(&sim, "reader", &[("ExternalId", "secret")]);
    assert_eq!(c.ec2("DescribeImages", &[]).code(), "OK");
    let denied = c.ec2("DeregisterImage", &[("ImageId", WEB)]);
    assert_eq!((denied.code().as_str(), denied.status), ("UnauthorizedOperation", 403));
    let key = c.kms("DescribeKey", &json!({"KeyId": "alias/good"}));
    assert_eq!((key.code().as_str(), key.status), ("AccessDeniedException", 400));
}

#[test]
fn a_session_policy_narrows_a_role_and_never_widens_it() {
    let sim = plain();
    let read = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:Describe*"],"Resource":"*"}]}"#;
    let c = session(&sim, "writer", &[("Policy", read)]);
    assert_eq!(c.ec2("DescribeImages", &[]).code(), "OK");
    assert_eq!(c.copy(WEB, "copy", "alias/good", &[]).code(), "UnauthorizedOperation");
    let all = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let c = session(&sim, "reader", &[("ExternalId", "secret"), ("Policy", all)]);
    assert_eq!(c.copy(WEB, "copy", "alias/good", &[]).code(), "UnauthorizedOperation");
}

#[test]
fn tagging_as_it_is_made_needs_the_permission_to_tag() {
    let sim = plain();
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"ec2:CopyImage","Resource":"*"}}"#;
    let c = session(&sim, "writer", &[("Policy", policy)]);
    let tag = [
        ("TagSpecification.1.ResourceType", "image"),
        ("TagSpecification.1.Tag.1.Key", "k"),
        ("DryRun", "true"),
    ];
    assert_eq!(c.copy(WEB, "copy", "alias/good", &tag).code(), "UnauthorizedOperation");
    assert_eq!(
        c.copy(WEB, "copy", "alias/good", &[("DryRun", "true")]).code(),
        "DryRunOperation"
    );
}

#[test]
fn a_dry_run_tells_whether_it_is_permitted_and_does_nothing() {
    let sim = plain();
    let dry = [("ImageId", WEB), ("DryRun", "true")];
    let yes = client(&sim, OWNER).ec2("DeregisterImage", &dry);
    assert_eq!((yes.code().as_str(), yes.status), ("DryRunOperation", 412));
    let no = session(&sim, "reader", &[("ExternalId", "secret")]).ec2("DeregisterImage", &dry);
    assert_eq!(no.code(), "UnauthorizedOperation");
    assert_eq!(client(&sim, OWNER).state(WEB), "available");
    assert!(sim.journal().iter().all(|c| !c.effect));
}

#[test]
fn sessions_expire() {
    let sim = plain();
    let c = session(&sim, "writer", &[("DurationSeconds", "900")]);
    assert_eq!(c.ec2("DescribeImages", &[]).code(), "OK");
    seconds(&sim, 900);
    let ec2 = c.ec2("DescribeImages", &[]);
    assert_eq!((ec2.code().as_str(), ec2.status), ("RequestExpired", 400));
    assert_eq!(c.sts("GetCallerIdentity", &[]).code(), "ExpiredToken");
    assert_eq!(
        c.kms("DescribeKey", &json!({"KeyId": "alias/good"})).code(),
        "ExpiredTokenException"
    );
    let c = session(&sim, "writer", &[]);
    sim.edit(Edit::ExpireSessions {}).expect("an edit");
    assert_eq!(c.ec2("DescribeImages", &[]).code(), "RequestExpired");
}

#[test]
fn a_change_of_a_role_holds_at_once_for_its_sessions() {
    let sim = plain();
    let c = session(&sim, "writer", &[]);
    sim.edit(Edit::SetRoleAllow {
        account: ACCOUNT.to_owned(),
        role: "writer".to_owned(),
        allow: vec!["ec2:CopyImage".to_owned()],
    })
    .expect("the role is there");
    assert_eq!(c.ec2("DescribeImages", &[]).code(), "UnauthorizedOperation");
}

#[test]
fn unknown_keys_and_wrong_tokens_are_refused_by_each_service_in_its_way() {
    let sim = plain();
    let unknown = client(&sim, "AKIANOBODY");
    assert_eq!(unknown.ec2("DescribeImages", &[]).code(), "AuthFailure");
    assert_eq!(unknown.ec2("DescribeImages", &[]).status, 401);
    assert_eq!(unknown.sts("GetCallerIdentity", &[]).code(), "InvalidClientTokenId");
    assert_eq!(
        unknown.kms("ListAliases", &json!({})).code(),
        "UnrecognizedClientException"
    );
    let mut c = session(&sim, "writer", &[]);
    c.token = Some("other".to_owned());
    assert_eq!(c.ec2("DescribeImages", &[]).code(), "AuthFailure");
}

#[test]
fn a_region_that_is_not_enabled_is_refused() {
    let sim = plain();
    let c = client(&sim, OWNER).in_region("ap-east-1");
    let ec2 = c.ec2("DescribeImages", &[]);
    assert_eq!((ec2.code().as_str(), ec2.status), ("AuthFailure", 401));
    assert_eq!(c.sts("GetCallerIdentity", &[]).code(), "InvalidClientTokenId");
    assert_eq!(
        c.in_region("xx-none-1").ec2("DescribeImages", &[]).code(),
        "AuthFailure"
    );
    let arn = role("writer");
    let target = client(&sim, MANAGER)
        .in_region("ap-east-1")
        .sts("AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", "test")]);
    assert_eq!((target.code().as_str(), target.status), ("InvalidClientTokenId", 403));
}

#[test]
fn an_unknown_operation_is_an_invalid_action() {
    let sim = plain();
    let c = client(&sim, OWNER);
    assert_eq!(c.ec2("RebootInstances", &[]).code(), "InvalidAction");
    assert_eq!(c.sts("GetFederationToken", &[]).code(), "InvalidAction");
    assert_eq!(c.kms("Encrypt", &json!({})).code(), "UnknownOperationException");
}

#[test]
fn keys_are_found_by_id_arn_alias_and_alias_arn() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/key-good");
    let alias_arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:alias/good");
    for reference in ["key-good", &arn, "alias/good", &alias_arn] {
        let key = c.kms("DescribeKey", &json!({ "KeyId": reference })).json();
        assert_eq!(key["KeyMetadata"]["Arn"], arn.as_str(), "{reference}");
        assert_eq!(key["KeyMetadata"]["KeyState"], "Enabled");
        assert_eq!(key["KeyMetadata"]["KeyManager"], "CUSTOMER");
    }
    let off = c.kms("DescribeKey", &json!({"KeyId": "alias/off"})).json();
    assert_eq!(off["KeyMetadata"]["Enabled"], false);
    assert_eq!(
        c.kms("DescribeKey", &json!({"KeyId": "alias/none"})).code(),
        "NotFoundException"
    );
    let far = format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/key-far");
    assert_eq!(
        c.kms("DescribeKey", &json!({ "KeyId": far })).code(),
        "NotFoundException"
    );
    assert_eq!(
        client(&sim, OTHER).kms("DescribeKey", &json!({ "KeyId": arn })).code(),
        "AccessDeniedException"
    );
    assert_eq!(
        client(&sim, OTHER)
            .kms("DescribeKey", &json!({"KeyId": "alias/aws/ebs"}))
            .json()["KeyMetadata"]["KeyManager"],
        "AWS",
        "asking for the default key makes it"
    );
}

#[test]
fn aliases_are_listed_in_pages() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let first = c.kms("ListAliases", &json!({"Limit": 3})).json();
    assert_eq!(first["Truncated"], true);
    let marker = first["NextMarker"].clone();
    let second = c.kms("ListAliases", &json!({"Limit": 3, "Marker": marker})).json();
    assert_eq!(second["Truncated"], false);
    let names: Vec<&str> = [&first, &second]
        .iter()
        .flat_map(|page| page["Aliases"].as_array().into_iter().flatten())
        .filter_map(|a| a["AliasName"].as_str())
        .collect();
    assert_eq!(names, ["alias/aws/ebs", "alias/good", "alias/off", "alias/other"]);
    let one = c.kms("ListAliases", &json!({"KeyId": "key-off"})).json();
    assert_eq!(one["Aliases"][0]["TargetKeyId"], "key-off");
}
