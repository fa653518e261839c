use std::collections::BTreeSet;

use aws_sdk_ec2::operation::describe_regions::DescribeRegionsError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use proptest::prelude::*;

use super::*;
use crate::domain::Endpoints;

fn answered(operation: Operation, code: &str, message: &str, status: u16) -> AwsError {
    AwsError::answered(operation, Some(code), Some(message), status)
}

#[test]
fn answers_are_classified_by_their_code() {
    use ErrorClass::*;
    let storage = "You do not have permission to access the storage of this ami";
    let marketplace = "Images from AWS Marketplace cannot be copied to another AWS account";
    let billing = "Images with EC2 BillingProduct codes cannot be copied to another AWS account";
    let tag_session = "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: sts:TagSession on resource: arn:aws:iam::2:role/r";
    for (operation, code, message, status, class, cause) in [
        (
            Operation::DescribeImages,
            "RequestLimitExceeded",
            "",
            503,
            Throttled,
            None,
        ),
        (Operation::CopyImage, "EC2ThrottledException", "", 400, Throttled, None),
        (Operation::DescribeKey, "ThrottlingException", "", 400, Throttled, None),
        (Operation::AssumeRole, "Throttling", "", 400, Throttled, None),
        (
            Operation::DescribeImages,
            "UnauthorizedOperation",
            "",
            403,
            Denied,
            None,
        ),
        (Operation::DescribeKey, "AccessDeniedException", "", 400, Denied, None),
        (
            Operation::AssumeRole,
            "AccessDenied",
            "",
            403,
            Denied,
            Some(Cause::RoleNotAssumable),
        ),
        (
            Operation::AssumeRole,
            "AccessDenied",
            tag_session,
            403,
            Denied,
            Some(Cause::SessionTagsDenied),
        ),
        (
            Operation::AssumeRole,
            "InvalidClientTokenId",
            "",
            403,
            Denied,
            Some(Cause::RegionNotEnabled),
        ),
        (
            Operation::AssumeRole,
            "RegionDisabledException",
            "",
            403,
            Denied,
            Some(Cause::RegionNotEnabled),
        ),
        (
            Operation::AssumeRole,
            "PackedPolicyTooLarge",
            "",
            400,
            Invalid,
            Some(Cause::SessionPolicyTooLarge),
        ),
        (
            Operation::AssumeRole,
            "ExpiredToken",
            "",
            403,
            Denied,
            Some(Cause::CredentialsExpired),
        ),
        (
            Operation::DescribeImages,
            "AuthFailure",
            "",
            401,
            Denied,
            Some(Cause::RegionNotEnabled),
        ),
        (
            Operation::DescribeImages,
            "RequestExpired",
            "",
            400,
            Denied,
            Some(Cause::CredentialsExpired),
        ),
        (
            Operation::CopyImage,
            "InvalidAMIID.NotFound",
            "",
            400,
            NotFound,
            Some(Cause::ImageNotFound),
        ),
        (
            Operation::CopyImage,
            "InvalidAMIID.Unavailable",
            "",
            400,
            NotFound,
            Some(Cause::ImageUnavailable),
        ),
        (Operation::DescribeKey, "NotFoundException", "", 400, NotFound, None),
        (
            Operation::CopyImage,
            "ResourceLimitExceeded",
            "Too many snapshot copies in progress. The limit is 20 for this destination region.",
            400,
            Quota,
            Some(Cause::CopyLimit),
        ),
        (
            Operation::CopyImage,
            "ResourceLimitExceeded",
            "You have reached your quota of archived snapshots",
            400,
            Quota,
            None,
        ),
        (Operation::CopyImage, "SnapshotLimitExceeded", "", 400, Quota, None),
        (Operation::CopyImage, "TagLimitExceeded", "", 400, Quota, None),
        (
            Operation::CopyImage,
            "AuthFailure",
            "Not authorized for image:ami-0123456789abcdef0",
            403,
            Denied,
            Some(Cause::NotAuthorizedForImage),
        ),
        (
            Operation::CopyImage,
            "AuthFailure",
            "Not authorized for snapshot snap-0123456789abcdef0",
            403,
            Denied,
            Some(Cause::NotAuthorizedForImage),
        ),
        (
            Operation::DescribeImages,
            "AuthFailure",
            "Signature not yet current",
            401,
            Denied,
            Some(Cause::ClockSkew),
        ),
        (
            Operation::DescribeImages,
            "OptInRequired",
            "You are not subscribed to this service. Please go to http://aws.amazon.com to subscribe.",
            401,
            Denied,
            Some(Cause::AccountNotReady),
        ),
        (
            Operation::DescribeImages,
            "OptInRequired",
            "The region is not enabled for your account",
            403,
            Denied,
            Some(Cause::RegionNotEnabled),
        ),
        (
            Operation::CopyImage,
            "OptInRequired",
            "To use this AWS Marketplace product you need to accept terms and subscribe",
            401,
            Invalid,
            Some(Cause::ProductCode),
        ),
        (
            Operation::DescribeImages,
            "PendingVerification",
            "Your account is currently being verified",
            400,
            Denied,
            Some(Cause::AccountNotReady),
        ),
        (
            Operation::CopyImage,
            "InvalidAMIName.Duplicate",
            "",
            400,
            Conflict,
            Some(Cause::NameTaken),
        ),
        (
            Operation::CopyImage,
            "IdempotentParameterMismatch",
            "",
            400,
            Conflict,
            Some(Cause::TokenReused),
        ),
        (
            Operation::CopyImage,
            "InvalidRequest",
            storage,
            400,
            Denied,
            Some(Cause::SnapshotNotShared),
        ),
        (
            Operation::CopyImage,
            "InvalidRequest",
            marketplace,
            400,
            Invalid,
            Some(Cause::ProductCode),
        ),
        (
            Operation::CopyImage,
            "InvalidRequest",
            billing,
            400,
            Invalid,
            Some(Cause::ProductCode),
        ),
        (
            Operation::CopyImage,
            "InvalidRequest",
            "something else",
            400,
            Invalid,
            None,
        ),
        (Operation::CreateTags, "InvalidRequest", marketplace, 400, Invalid, None),
        (
            Operation::DeleteSnapshot,
            "InvalidSnapshot.InUse",
            "",
            400,
            Conflict,
            Some(Cause::SnapshotInUse),
        ),
        (Operation::DescribeImages, "InternalError", "", 500, Transient, None),
        (
            Operation::DescribeKey,
            "DependencyTimeoutException",
            "",
            500,
            Transient,
            None,
        ),
        (
            Operation::StartOnDemandScan,
            "ConflictException",
            "An on-demand scan is already in progress for the resource",
            409,
            Transient,
            None,
        ),
        (
            Operation::StartOnDemandScan,
            "ServiceQuotaExceededException",
            "",
            402,
            Quota,
            None,
        ),
        (
            Operation::GetOnDemandScanStatus,
            "ResourceNotFoundException",
            "",
            404,
            NotFound,
            None,
        ),
        (Operation::DescribeImages, "NobodyKnowsThis", "", 503, Transient, None),
        (Operation::DescribeImages, "NobodyKnowsThis", "", 429, Throttled, None),
        (Operation::DescribeImages, "NobodyKnowsThis", "", 403, Denied, None),
        (Operation::DescribeImages, "NobodyKnowsThis", "", 404, NotFound, None),
        (Operation::DescribeImages, "NobodyKnowsThis", "", 400, Invalid, None),
        (Operation::DescribeImages, "", "", 502, Transient, None),
    ] {
        let error = answered(operation, code, message, status);
        assert_eq!(
            (error.class, error.cause),
            (class, cause),
            "{operation} {code} {message}"
        );
    }
}

#[test]
fn an_entry_is_never_hidden_by_an_earlier_one() {
    for (index, (code, fragment, ..)) in CODES.iter().enumerate() {
        let earlier = CODES[..index]
            .iter()
            .find(|(c, f, ..)| c == code && fragment.contains(f));
        assert_eq!(earlier, None, "{code}");
    }
}

#[test]
fn a_denial_names_the_action_that_is_missing() {
    let plain = answered(
        Operation::CopyImage,
        "UnauthorizedOperation",
        "You are not authorized",
        403,
    );
    assert!(plain.to_string().contains("grant ec2:CopyImage"), "{plain}");
    let message = "You are not authorized to perform this operation. User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: ec2:CreateTags on resource: arn:aws:ec2:eu-west-1::image/* because no identity-based policy allows the ec2:CreateTags action. Encoded authorization failure message: abc";
    let tags = answered(Operation::CopyImage, "UnauthorizedOperation", message, 403);
    assert_eq!(tags.action(), "ec2:CreateTags");
    assert!(tags.to_string().contains("grant ec2:CreateTags"), "{tags}");
    let nonsense = "is not authorized to perform: <script> on resource: x";
    let nonsense = answered(Operation::CopyImage, "UnauthorizedOperation", nonsense, 403);
    assert_eq!(nonsense.action(), "ec2:CopyImage");
}

#[test]
fn what_amazon_inspector_does_not_scan_is_said_in_its_words_and_a_right_that_is_lacking_by_its_name() {
    let said = |message: &str| {
        let refused = answered(Operation::StartOnDemandScan, "AccessDeniedException", message, 403);
        assert_eq!(refused.class, ErrorClass::Denied);
        refused.to_string()
    };
    for (message, text) in [
        (
            "The resource ami-0123456789abcdef0 belongs to another account.",
            "inspector2:StartOnDemandScan: AWS refuses: The resource … belongs to another account",
        ),
        (
            "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: inspector2:StartOnDemandScan on resource: *",
            "inspector2:StartOnDemandScan: not permitted; grant inspector2:StartOnDemandScan to the role",
        ),
        (
            "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: iam:CreateServiceLinkedRole on resource: *",
            "inspector2:StartOnDemandScan: not permitted; grant iam:CreateServiceLinkedRole to the role",
        ),
        (
            "",
            "inspector2:StartOnDemandScan: not permitted; grant inspector2:StartOnDemandScan to the role",
        ),
    ] {
        assert_eq!(said(message), text);
    }
    let read = answered(Operation::ListOnDemandScans, "AccessDeniedException", "No.", 403);
    assert_eq!(
        read.to_string(),
        "inspector2:ListOnDemandScans: not permitted; grant inspector2:ListOnDemandScans to the role"
    );
}

#[test]
fn a_quota_is_named_with_what_makes_room_and_a_refusal_without_words_of_ours_with_those_of_aws() {
    let said = |code: &str, message: &str, status| answered(Operation::CopyImage, code, message, status).to_string();
    for (code, message, words) in [
        (
            "SnapshotLimitExceeded",
            "",
            ["quota of snapshots", "delete snapshots", "Service Quotas"],
        ),
        (
            "AMIQuotaExceeded",
            "",
            ["quota of images", "deregister images", "Service Quotas"],
        ),
        (
            "TagLimitExceeded",
            "",
            ["50 tags", "spec.copy.extraTags", "remove some"],
        ),
        (
            "ResourceLimitExceeded",
            "You have reached your quota of archived snapshots for ami-0123456789abcdef0.",
            [
                "quota of archived snapshots for …",
                "ResourceLimitExceeded",
                "Service Quotas",
            ],
        ),
    ] {
        let text = said(code, message, 400);
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
    assert_eq!(
        said(
            "InvalidParameterValue",
            "Character sets beyond ASCII are not supported.",
            400
        ),
        "ec2:CopyImage: AWS refused with InvalidParameterValue: Character sets beyond ASCII are not supported"
    );
    assert_eq!(
        said(
            "OperationNotPermitted",
            "The image has deregistration protection enabled.",
            400
        ),
        "ec2:CopyImage: AWS refuses: The image has deregistration protection enabled"
    );
}

#[test]
fn metric_labels_come_from_a_closed_list() {
    assert_eq!(code_label("RequestLimitExceeded"), "RequestLimitExceeded");
    assert_eq!(code_label("Request-4711-Failed"), "Other");
    assert!(is_throttling("RequestLimitExceeded"));
    assert!(!is_throttling("InternalError"));
}

proptest! {
    #[test]
    fn what_differs_from_one_try_to_the_next_never_reaches_the_text_of_an_error(
        known in prop::sample::select(CODES.iter().map(|(code, ..)| *code).collect::<Vec<_>>()),
        request_id in "[0-9a-f]{8}-[0-9a-f]{4}",
        status in prop::sample::select(vec![400_u16, 403, 500, 503]),
    ) {
        let message = format!("failed at 2026-11-01T00:00:00Z, request 0{request_id}");
        let error = answered(Operation::CopyImage, known, &message, status);
        let other = answered(Operation::CopyImage, known, "failed at 2026-11-01T00:00:10Z, request 0abcdefg-1", status);
        prop_assert_eq!(&error, &other);
        let text = error.to_string();
        prop_assert!(!text.contains(&request_id), "{}", text);
        prop_assert!(text.len() <= 240 && text.starts_with("ec2:CopyImage: "), "{}", text);
    }

    #[test]
    fn a_code_that_is_no_code_is_dropped(code in "\\PC{0,80}") {
        let error = AwsError::answered(Operation::CopyImage, Some(&code), None, 400);
        let sound = error.code.is_none_or(|c| c.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.'));
        prop_assert!(sound);
    }
}

#[test]
fn the_alert_on_throttling_counts_each_code_that_says_so() {
    let rules = include_str!("../../charts/amiseal/files/alerts.yaml");
    let (_, codes) = rules
        .split_once("amiseal_aws_requests_total{code=~\"")
        .expect("a selector");
    let (codes, _) = codes.split_once('"').expect("its end");
    let counted: BTreeSet<&str> = codes.split('|').collect();
    let known = CODES.iter().filter(|(.., class, _)| *class == ErrorClass::Throttled);
    assert_eq!(counted, known.map(|(code, ..)| *code).collect());
}

#[test]
fn endpoints_that_a_partition_does_not_have_are_told_with_the_option_that_asks_for_them() {
    for (said, fips, dual_stack) in [
        (
            "FIPS and DualStack are enabled, but this partition does not support one or both",
            true,
            true,
        ),
        ("FIPS is enabled but this partition does not support FIPS", true, false),
        (
            "DualStack is enabled but this partition does not support DualStack",
            false,
            true,
        ),
    ] {
        let refused: SdkError<DescribeRegionsError, Response> =
            SdkError::dispatch_failure(ConnectorError::other(said.into(), None));
        let error = AwsError::from_sdk(Operation::DescribeRegions, &refused);
        let cause = Cause::NoEndpoint(Endpoints { fips, dual_stack });
        assert_eq!((error.class, error.cause), (ErrorClass::Invalid, Some(cause)));
        let text = error.to_string();
        assert_eq!(text.contains("--fips-endpoints"), fips, "{text}");
        assert_eq!(text.contains("--dual-stack-endpoints"), dual_stack, "{text}");
    }
}
