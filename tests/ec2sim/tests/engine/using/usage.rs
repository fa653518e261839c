//! Usage reports: the use of an image by other accounts.

use ec2sim::Sim;

use super::super::support::{ACCOUNT, OTHER, OTHER_ACCOUNT, OWNER, WEB, client, seconds, world, yaml};
use super::{GOLDEN, OLD, STAFF};

/// A world in which the other account uses the shared image and the owner's other one does not matter.
fn shared(settings: &str) -> Sim {
    let other = "regions: [{name: eu-west-1, launchTemplates: [{name: theirs, versions: [{image: golden}, {image: golden}]}], \
         instances: [{image: golden, count: 3, launchTime: 2025-12-31T12:00:00Z}, {image: golden, state: terminated}]}]";
    let text = yaml(settings, STAFF, "").replace("regions: [{name: eu-west-1}]", other);
    world(&text)
}

const TYPES: [(&str, &str); 2] = [
    ("ResourceType.1.ResourceType", "ec2:Instance"),
    ("ResourceType.2.ResourceType", "ec2:LaunchTemplate"),
];

fn create(sim: &Sim, image: &str, more: &[(&str, &str)]) -> super::super::support::Reply {
    let mut params = vec![("ImageId", image), TYPES[0], TYPES[1]];
    params.extend_from_slice(more);
    client(sim, OWNER).ec2("CreateImageUsageReport", &params)
}

fn counts(sim: &Sim, report: &str) -> Vec<(String, String, String)> {
    let reply = client(sim, OWNER).ec2("DescribeImageUsageReportEntries", &[("ReportId.1", report)]);
    assert_eq!(reply.code(), "OK", "{}", reply.body);
    let columns = ["accountId", "resourceType", "usageCount"].map(|name| reply.all(name));
    let [accounts, kinds, numbers] = columns;
    accounts
        .into_iter()
        .zip(kinds)
        .zip(numbers)
        .map(|((account, kind), number)| (account, kind, number))
        .collect()
}

#[test]
fn a_report_is_pending_and_then_tells_how_much_other_accounts_use_an_image() {
    let sim = shared("");
    let c = client(&sim, OWNER);
    let id = create(&sim, GOLDEN, &[]).one("reportId");
    let state = || c.ec2("DescribeImageUsageReports", &[("ReportId.1", &id)]).one("state");
    assert_eq!(state(), "pending");
    assert!(counts(&sim, &id).is_empty());
    seconds(&sim, 60);
    assert_eq!(state(), "available");
    let of = |kind: &str, number: &str| (OTHER_ACCOUNT.to_owned(), kind.to_owned(), number.to_owned());
    assert_eq!(
        counts(&sim, &id),
        [of("ec2:Instance", "3"), of("ec2:LaunchTemplate", "1")],
        "a template counts once, what is terminated does not, nor does the owner's own use"
    );
    seconds(&sim, 30 * 86_400);
    let gone = c.ec2("DescribeImageUsageReports", &[("ReportId.1", &id)]);
    assert_eq!(gone.code(), "InvalidImageUsageReportId.NotFound");
}

#[test]
fn there_is_one_report_an_image() {
    // The second key is of another user of the account.
    let text = yaml("", STAFF, "").replace(
        &format!("{{accessKey: {OTHER}, account: \"{OTHER_ACCOUNT}\"}}"),
        &format!("{{accessKey: {OTHER}, account: \"{ACCOUNT}\"}}"),
    );
    let sim = world(&text);
    let c = client(&sim, OWNER);
    let id = create(&sim, GOLDEN, &[]).one("reportId");
    assert_eq!(create(&sim, GOLDEN, &[]).code(), "ImageUsageReportAlreadyExists");
    assert_eq!(create(&sim, OLD, &[]).code(), "OK");
    let all = c.ec2("DescribeImageUsageReports", &[]);
    assert_eq!(all.all("reportId").len(), 2);
    let of_image = c.ec2("DescribeImageUsageReports", &[("ImageId.1", GOLDEN)]);
    assert_eq!(of_image.one("reportId"), id);
    let pending = [("Filter.1.Name", "state"), ("Filter.1.Value.1", "available")];
    assert!(c.ec2("DescribeImageUsageReports", &pending).all("reportId").is_empty());
    assert_eq!(c.ec2("DeleteImageUsageReport", &[("ReportId", &id)]).code(), "OK");
    assert_eq!(
        c.ec2("DeleteImageUsageReport", &[("ReportId", &id)]).code(),
        "InvalidImageUsageReportId.NotFound"
    );
    assert_eq!(create(&sim, GOLDEN, &[]).code(), "OK");
    let foreign = |sim: &Sim| {
        let findings = sim.audit().findings;
        findings.iter().filter(|f| f.resource.starts_with("amiur-")).count()
    };
    assert_eq!(foreign(&sim), 0, "whoever asked for a report may delete it");
    let id = create(&sim, WEB, &[]).one("reportId");
    let somebody = client(&sim, OTHER);
    assert_eq!(
        somebody.ec2("DeleteImageUsageReport", &[("ReportId", &id)]).code(),
        "OK"
    );
    assert_eq!(foreign(&sim), 1, "and nobody else");
}

#[test]
fn a_call_that_is_repeated_with_its_token_gives_the_same_report() {
    let sim = shared("");
    let token = [("ClientToken", "once")];
    let id = create(&sim, GOLDEN, &token).one("reportId");
    assert_eq!(create(&sim, GOLDEN, &token).one("reportId"), id);
    assert_eq!(create(&sim, OLD, &token).code(), "IdempotentParameterMismatch");
    let calls = sim.journal();
    let effects = calls.iter().filter(|call| call.operation == "CreateImageUsageReport");
    assert_eq!(effects.filter(|call| call.effect).count(), 1);
}

#[test]
fn a_report_takes_rights_to_the_image_to_the_report_and_to_its_tags() {
    let may = |actions: &str| {
        let owner = format!("{{accessKey: {OWNER}, account: \"{ACCOUNT}\"");
        let text = yaml("", STAFF, "").replace(&format!("{owner}}}"), &format!("{owner}, allow: [{actions}]}}"));
        world(&text)
    };
    let tags = [
        ("TagSpecification.1.ResourceType", "image-usage-report"),
        ("TagSpecification.1.Tag.1.Key", "of"),
        ("TagSpecification.1.Tag.1.Value", "us"),
    ];
    let sim = may("\"ec2:CreateImageUsageReport\"");
    assert_eq!(create(&sim, GOLDEN, &tags).code(), "UnauthorizedOperation");
    let id = create(&sim, GOLDEN, &[]).one("reportId");
    let c = client(&sim, OWNER);
    for (operation, params) in [
        ("DeleteImageUsageReport", vec![("ReportId", id.as_str())]),
        ("DescribeImageUsageReports", vec![]),
        ("DescribeImageUsageReportEntries", vec![]),
    ] {
        assert_eq!(c.ec2(operation, &params).code(), "UnauthorizedOperation", "{operation}");
    }
    let sim = may("\"ec2:CreateImageUsageReport\", \"ec2:CreateTags\"");
    assert_eq!(create(&sim, GOLDEN, &tags).code(), "OK");
}

#[test]
fn a_report_can_lag_and_can_fail() {
    let sim = shared("usageReports: {instanceLagSeconds: 86400, templateLagSeconds: 172800}");
    let id = create(&sim, GOLDEN, &[]).one("reportId");
    seconds(&sim, 60);
    let kinds: Vec<String> = counts(&sim, &id).into_iter().map(|(_, kind, _)| kind).collect();
    assert_eq!(
        kinds,
        ["ec2:LaunchTemplate"],
        "what was launched yesterday is not in it"
    );
    let sim = shared("usageReports: {outcome: error}");
    let id = create(&sim, GOLDEN, &[]).one("reportId");
    seconds(&sim, 60);
    let c = client(&sim, OWNER);
    let report = c.ec2("DescribeImageUsageReports", &[("ReportId.1", &id)]);
    assert_eq!(report.one("state"), "error");
    assert!(!report.one("stateReason").is_empty());
    assert!(counts(&sim, &id).is_empty());
}

#[test]
fn bad_reports_are_refused() {
    let sim = shared("");
    let c = client(&sim, OWNER);
    let many: Vec<(String, String)> = (1..=201)
        .map(|n| (format!("AccountId.{n}"), format!("{n:012}")))
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    for (image, more, code) in [
        ("ami-00000bad", vec![], "InvalidAMIID.NotFound"),
        (GOLDEN, many, "InvalidParameterValue"),
        (GOLDEN, vec![("AccountId.1", "11")], "InvalidParameterValue"),
        (
            GOLDEN,
            vec![("ResourceType.3.ResourceType", "ssm:Parameter")],
            "InvalidParameterValue",
        ),
        (
            GOLDEN,
            vec![("TagSpecification.1.ResourceType", "image")],
            "InvalidParameterValue",
        ),
    ] {
        assert_eq!(create(&sim, image, &more).code(), code, "{more:?}");
    }
    assert_eq!(
        c.ec2("CreateImageUsageReport", &[("ImageId", GOLDEN)]).code(),
        "MissingParameter"
    );
    let foreign = client(&sim, OTHER);
    let params = [("ImageId", GOLDEN), TYPES[0]];
    assert_eq!(foreign.ec2("CreateImageUsageReport", &params).code(), "AuthFailure");
    assert!(
        sim.journal()
            .iter()
            .filter(|call| call.mutating)
            .all(|call| !call.effect)
    );
}
