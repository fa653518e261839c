//! Roles, external IDs, narrowed sessions, and whose account it is.

use amiseal::aws::{Access, Cause, ErrorClass, READ_ONLY_POLICY, SessionKey};
use amiseal::domain::Scope;
use aws_config::BehaviorVersion;

use crate::{ACCOUNT, Bench, DISABLED_REGION, KEY, PLAIN, REGION, copy, key, key_arn, session_key};

#[tokio::test]
async fn a_session_is_the_role_of_its_account_under_the_policys_name() {
    let bench = Bench::new().await;
    let session = bench.session(Access::Full);
    let identity = session.check_identity().await.expect("an identity");
    assert_eq!(identity.account.as_str(), ACCOUNT);
    assert_eq!(
        identity.arn,
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/amiseal/amiseal-production")
    );
    session.scan().await.expect("a scan");
    assert_eq!(bench.calls("AssumeRole").len(), 1, "credentials are kept");
    assert_eq!(
        bench.calls("AssumeRole")[0].region,
        REGION,
        "STS is asked in the session's region"
    );
    assert_eq!(bench.calls("AssumeRole")[0].params["Tags.member.1.Value"], "production");
}

#[tokio::test]
async fn what_is_wrong_with_a_role_is_told() {
    let bench = Bench::new().await;
    let role = |name: &str| Some(format!("arn:aws:iam::{ACCOUNT}:role/{name}"));
    let base = || session_key(Access::ReadOnly);
    for (key, cause) in [
        (
            SessionKey {
                external_id: Some("other".to_owned()),
                ..base()
            },
            Cause::RoleNotAssumable,
        ),
        (
            SessionKey {
                external_id: None,
                ..base()
            },
            Cause::RoleNotAssumable,
        ),
        (
            SessionKey {
                role_arn: role("stranger"),
                ..base()
            },
            Cause::RoleNotAssumable,
        ),
        (
            SessionKey {
                role_arn: role("missing"),
                ..base()
            },
            Cause::RoleNotAssumable,
        ),
        (
            SessionKey {
                role_arn: role("tagless"),
                ..base()
            },
            Cause::SessionTagsDenied,
        ),
        (
            SessionKey {
                scope: Scope::parse(ACCOUNT, DISABLED_REGION).expect("a scope"),
                ..base()
            },
            Cause::RegionNotEnabled,
        ),
        (
            SessionKey {
                scope: Scope::parse("444455556666", REGION).expect("a scope"),
                ..base()
            },
            Cause::WrongAccount,
        ),
        (
            SessionKey {
                role_arn: None,
                ..base()
            },
            Cause::WrongAccount,
        ),
    ] {
        let error = bench.aws.session(&key).scan().await.expect_err("a refusal");
        assert_eq!((error.class, error.cause), (ErrorClass::Denied, Some(cause)), "{key:?}");
    }
    assert!(bench.calls("DescribeImages").is_empty(), "nobody got as far as a read");
}

#[tokio::test]
async fn without_a_role_the_controllers_own_identity_is_used_if_it_is_of_the_account() {
    let bench = Bench::with(std::sync::Arc::new(|_| true), |options| {
        options.credentials = Some(key("AKIAINSIDER"));
    })
    .await;
    let own = SessionKey {
        role_arn: None,
        external_id: None,
        ..session_key(Access::ReadOnly)
    };
    bench.aws.session(&own).scan().await.expect("a scan");
    let refused = bench.aws.session(&own).copy_image(&copy(PLAIN, "no")).await;
    assert!(refused.expect_err("a refusal").is(Cause::ReadOnlySession));
    assert!(bench.calls("AssumeRole").is_empty());
    assert!(
        bench.calls("CopyImage").is_empty(),
        "the code alone holds a session without a role"
    );
}

#[tokio::test]
async fn aws_itself_refuses_writes_of_a_session_that_only_reads() {
    let bench = Bench::new().await;
    bench.session(Access::ReadOnly).scan().await.expect("a scan");
    assert_eq!(bench.calls("AssumeRole")[0].params["Policy"], READ_ONLY_POLICY);

    // The same session, without the code that would hold it back.
    let config = aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(aws_config::Region::new(REGION))
        .endpoint_url(bench.server.endpoint())
        .credentials_provider(key("AKIACONTROLLER"))
        .build();
    let assumed = aws_sdk_sts::Client::new(&config)
        .assume_role()
        .role_arn(format!("arn:aws:iam::{ACCOUNT}:role/amiseal"))
        .role_session_name("amiseal-production")
        .external_id("platform")
        .policy(READ_ONLY_POLICY)
        .send()
        .await
        .expect("a session");
    let given = assumed.credentials().expect("credentials");
    let narrowed = aws_credential_types::Credentials::new(
        given.access_key_id(),
        given.secret_access_key(),
        Some(given.session_token().to_owned()),
        None,
        "test",
    );
    let narrowed = aws_credential_types::provider::SharedCredentialsProvider::new(narrowed);
    let ec2 = config.to_builder().credentials_provider(narrowed).build();
    let refused = aws_sdk_ec2::Client::new(&ec2)
        .copy_image()
        .source_image_id(PLAIN)
        .source_region(REGION)
        .name("no")
        .encrypted(true)
        .kms_key_id(key_arn(KEY).as_str())
        .send()
        .await
        .expect_err("a refusal");
    let refused = aws_sdk_ec2::error::DisplayErrorContext(&refused).to_string();
    assert!(refused.contains("UnauthorizedOperation"), "{refused}");
}

#[tokio::test]
async fn a_denial_names_the_action_that_the_role_lacks() {
    let bench = Bench::new().await;
    let role_arn = Some(format!("arn:aws:iam::{ACCOUNT}:role/copier"));
    let session = bench.aws.session(&SessionKey {
        role_arn,
        ..session_key(Access::Full)
    });
    let tags = [("a".into(), "b".into())].into();
    let denied = session
        .tag(&copy(PLAIN, "x").source, &tags)
        .await
        .expect_err("a denial");
    assert_eq!(
        denied.to_string(),
        "ec2:CreateTags: not permitted; grant ec2:CreateTags to the role"
    );
    let denied = session
        .copy_image(&copy(PLAIN, "untagged"))
        .await
        .expect_err("a denial");
    assert_eq!(
        denied.action(),
        "ec2:CreateTags",
        "copying with tags needs it too: {denied}"
    );
}
