//! Which endpoint the SDK's clients call in each partition, and what is said where there is none.

use std::collections::BTreeMap;

use super::super::testing::{ACCOUNT, Answer, Wire, bench_with, open, own};
use super::super::{Access, Session, SessionKey};
use crate::domain::{Cause, Endpoints, ErrorClass, Scope};

const SERVICES: [&str; 12] = [
    "autoscaling",
    "batch",
    "cloudtrail",
    "ec2",
    "eks",
    "imagebuilder",
    "inspector2",
    "kms",
    "organizations",
    "sqs",
    "ssm",
    "sts",
];

const KINDS: [Endpoints; 4] = [
    Endpoints {
        fips: false,
        dual_stack: false,
    },
    Endpoints {
        fips: true,
        dual_stack: false,
    },
    Endpoints {
        fips: false,
        dual_stack: true,
    },
    Endpoints {
        fips: true,
        dual_stack: true,
    },
];

/// One call by each client. What comes back is of no interest.
async fn call_each(session: &Session) {
    let _ = Box::pin(session.autoscaling().describe_auto_scaling_groups().send()).await;
    let _ = Box::pin(session.batch().describe_compute_environments().send()).await;
    let _ = Box::pin(session.cloudtrail().describe_trails().send()).await;
    let _ = Box::pin(session.ec2().describe_regions().send()).await;
    let _ = Box::pin(session.ec2_reads().describe_images().send()).await;
    let _ = Box::pin(session.eks().list_clusters().send()).await;
    let _ = Box::pin(session.imagebuilder().list_image_recipes().send()).await;
    let _ = Box::pin(session.inspector2().list_on_demand_scans().send()).await;
    let _ = Box::pin(session.kms().describe_key().key_id("alias/ami").send()).await;
    let _ = Box::pin(session.organizations().list_accounts().send()).await;
    let queue = "https://sqs.eu-west-1.amazonaws.com/111122223333/amiseal";
    let _ = Box::pin(session.sqs(None, None).receive_message().queue_url(queue).send()).await;
    let _ = Box::pin(session.ssm().describe_parameters().send()).await;
    let _ = Box::pin(session.check_identity()).await;
}

/// A session of the controller's own identity in a region.
fn session_key(region: &str) -> SessionKey {
    SessionKey {
        scope: Scope::parse(ACCOUNT, region).expect("a scope"),
        ..own(Access::Full)
    }
}

/// The hosts that each service was called at.
async fn hosts(region: &str, endpoints: Endpoints) -> BTreeMap<String, Vec<String>> {
    let wire = Wire::raw(|_| Answer::Reply(400, String::new()));
    let bench = bench_with(&wire, open(), |options| {
        options.endpoint_url = None;
        options.endpoints = endpoints;
    })
    .await;
    call_each(&bench.aws.session(&session_key(region))).await;
    let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in wire.requests() {
        let service = request.call.split(':').next().unwrap_or_default();
        hosts.entry(service.to_owned()).or_default().push(request.host);
    }
    for hosts in hosts.values_mut() {
        hosts.dedup();
    }
    hosts
}

/// As AWS names its endpoints ("Service endpoints and quotas"; the endpoint rules of the services' models).
fn expected(service: &str, region: &str, partition: &str, endpoints: Endpoints) -> String {
    let Endpoints { fips, dual_stack } = endpoints;
    let suffix = match (partition, dual_stack) {
        ("aws-cn", false) => "amazonaws.com.cn",
        ("aws-cn", true) => "api.amazonwebservices.com.cn",
        (_, false) => "amazonaws.com",
        (_, true) => "api.aws",
    };
    let name = match (partition, service) {
        _ if !fips => service.to_owned(),
        // In AWS GovCloud (US) the usual endpoints of these are those of FIPS.
        ("aws-us-gov", "organizations") => service.to_owned(),
        ("aws-us-gov", other) if !dual_stack && !matches!(other, "kms" | "inspector2") => service.to_owned(),
        ("aws", "batch" | "eks") if !dual_stack => format!("fips.{service}"),
        _ => format!("{service}-fips"),
    };
    format!("{name}.{region}.{suffix}")
}

#[tokio::test]
async fn every_client_calls_the_kind_of_endpoint_that_is_asked_for_in_every_partition() {
    for (region, partition) in [
        ("us-east-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-northwest-1", "aws-cn"),
    ] {
        for endpoints in KINDS {
            let hosts = hosts(region, endpoints).await;
            assert_eq!(hosts.keys().map(String::as_str).collect::<Vec<_>>(), SERVICES);
            for (service, called) in hosts {
                let host = expected(&service, region, partition, endpoints);
                assert_eq!(called, [host], "{service} in {region}, {endpoints:?}");
            }
        }
    }
}

#[test]
fn what_is_expected_of_some_endpoints_is_what_stands_in_the_documents_of_aws() {
    let [_, fips, dual_stack, both] = KINDS;
    for (service, region, partition, endpoints, host) in [
        ("ec2", "us-east-1", "aws", fips, "ec2-fips.us-east-1.amazonaws.com"),
        ("eks", "us-east-1", "aws", fips, "fips.eks.us-east-1.amazonaws.com"),
        ("kms", "us-east-1", "aws", both, "kms-fips.us-east-1.api.aws"),
        (
            "sts",
            "us-gov-west-1",
            "aws-us-gov",
            fips,
            "sts.us-gov-west-1.amazonaws.com",
        ),
        (
            "kms",
            "us-gov-west-1",
            "aws-us-gov",
            fips,
            "kms-fips.us-gov-west-1.amazonaws.com",
        ),
        (
            "sqs",
            "cn-northwest-1",
            "aws-cn",
            dual_stack,
            "sqs.cn-northwest-1.api.amazonwebservices.com.cn",
        ),
    ] {
        assert_eq!(expected(service, region, partition, endpoints), host);
    }
}

#[tokio::test]
async fn a_role_is_assumed_at_the_kind_of_endpoint_that_is_asked_for() {
    let [_, fips, ..] = KINDS;
    let wire = Wire::new(|_| Answer::ok("<DescribeRegionsResponse/>"));
    let bench = bench_with(&wire, open(), |options| {
        options.endpoint_url = None;
        options.endpoints = fips;
    })
    .await;
    let key = SessionKey {
        role_arn: Some(format!("arn:aws:iam::{ACCOUNT}:role/amiseal")),
        ..session_key("us-east-1")
    };
    bench.aws.session(&key).check_identity().await.expect("an identity");
    assert_eq!(wire.count("sts:AssumeRole"), 1);
    let requests = wire.requests();
    let hosts: Vec<&str> = requests.iter().map(|request| request.host.as_str()).collect();
    assert!(
        hosts.iter().all(|host| *host == "sts-fips.us-east-1.amazonaws.com"),
        "{hosts:?}"
    );
}

#[tokio::test]
async fn an_endpoint_whose_name_does_not_resolve_is_told_with_the_option_and_tried_again() {
    let [usual, fips, ..] = KINDS;
    for (endpoints, cause) in [(usual, Cause::Unreachable), (fips, Cause::NoEndpoint(fips))] {
        let wire = Wire::raw(|_| Answer::Unresolved);
        let bench = bench_with(&wire, open(), |options| {
            options.endpoint_url = None;
            options.endpoints = endpoints;
        })
        .await;
        let session = bench.aws.session(&session_key("eu-west-1"));
        let error = session.check_identity().await.expect_err("no endpoint");
        assert_eq!((error.class, error.cause), (ErrorClass::Transient, Some(cause)));
        assert_eq!(wire.count("sts:GetCallerIdentity"), 3);
        let said = error.to_string();
        assert_eq!(said.contains("--fips-endpoints"), endpoints.fips, "{said}");
    }
}
