//! Usage reports of EC2: what other accounts use of an image. AWS makes one when it is asked to, which takes a while, and keeps it for
//! thirty days.

use aws_sdk_ec2::types::{
    self as sdk, ImageUsageResourceTypeOptionRequest, ImageUsageResourceTypeRequest, ResourceType, TagSpecification,
};

use super::images::sdk_tags;
use super::listing::listed;
use super::pages::Pages;
use super::project::moment;
use super::session::Session;
use crate::domain::{
    AwsError, ConsumerKind, ErrorClass, Operation, ReportEntry, ReportRequest, ReportState, Tags, UsageReport,
};

const REPORTS: Operation = Operation::DescribeImageUsageReports;
const ENTRIES: Operation = Operation::DescribeImageUsageReportEntries;

/// A page. AWS says of no largest one.
const PAGE: i32 = 100;
/// As many reports AWS takes at a time.
const AT_A_TIME: usize = 200;
const INSTANCE: &str = "ec2:Instance";
const TEMPLATE: &str = "ec2:LaunchTemplate";
/// As many versions of a template as AWS looks at: it looks at the twenty newest ones unless it is asked for more.
const VERSIONS: &str = "10000";
/// What statuses have room for.
const KIND: usize = 32;

impl Session {
    /// Lists the reports of the account's images, by whomever they were asked for.
    pub async fn usage_reports(&self) -> Result<Vec<UsageReport>, AwsError> {
        let mut reports = Vec::new();
        let mut pages = Pages::default();
        while pages.more() {
            let request = self
                .ec2_reads()
                .describe_image_usage_reports()
                .max_results(PAGE)
                .set_next_token(pages.token());
            let page = self.call(REPORTS, request.send()).await?;
            for report in &listed(REPORTS, page.image_usage_reports)? {
                reports.push(projected(report)?);
            }
            pages.turn(REPORTS, page.next_token)?;
        }
        Ok(reports)
    }

    /// Reads what reports that are available say.
    pub async fn usage_report_entries(&self, reports: &[Box<str>]) -> Result<Vec<ReportEntry>, AwsError> {
        let mut entries = Vec::new();
        for some in reports.chunks(AT_A_TIME) {
            let mut pages = Pages::default();
            while pages.more() {
                let request = self
                    .ec2_reads()
                    .describe_image_usage_report_entries()
                    .set_report_ids(Some(some.iter().map(ToString::to_string).collect()))
                    .max_results(PAGE)
                    .set_next_token(pages.token());
                let page = self.call(ENTRIES, request.send()).await?;
                for entry in &listed(ENTRIES, page.image_usage_report_entries)? {
                    entries.push(entry_of(entry)?);
                }
                pages.turn(ENTRIES, page.next_token)?;
            }
        }
        Ok(entries)
    }

    /// Has AWS make a report of the use of an image by all other accounts.
    pub async fn create_usage_report(&self, request: &ReportRequest) -> Result<(), AwsError> {
        let kind = |kind| ImageUsageResourceTypeRequest::builder().resource_type(kind);
        let depth = ImageUsageResourceTypeOptionRequest::builder()
            .option_name("version-depth")
            .option_values(VERSIONS)
            .build();
        let tags = TagSpecification::builder()
            .resource_type(ResourceType::ImageUsageReport)
            .set_tags(Some(sdk_tags(&request.tags)))
            .build();
        let call = self
            .ec2()
            .create_image_usage_report()
            .image_id(request.image.as_str())
            .resource_types(kind(INSTANCE).build())
            .resource_types(kind(TEMPLATE).resource_type_options(depth).build())
            .set_tag_specifications((!request.tags.is_empty()).then(|| vec![tags]))
            .client_token(&request.client_token);
        let operation = Operation::CreateImageUsageReport;
        self.call(operation, call.send()).await.map(drop)
    }

    /// Deletes a report. One that is gone is no error.
    pub async fn delete_usage_report(&self, id: &str) -> Result<(), AwsError> {
        let call = self.ec2().delete_image_usage_report().report_id(id);
        match self.call(Operation::DeleteImageUsageReport, call.send()).await {
            Err(error) if error.class == ErrorClass::NotFound => Ok(()),
            answer => answer.map(drop),
        }
    }
}

fn projected(report: &sdk::ImageUsageReport) -> Result<UsageReport, AwsError> {
    let lacks = |what: &str| AwsError::malformed(REPORTS, &format!("a report without {what}"));
    let image = report.image_id().ok_or_else(|| lacks("an image"))?;
    let created = report.creation_time().ok_or_else(|| lacks("a creation time"))?;
    let state = match report.state() {
        Some("pending") => ReportState::Pending,
        Some("available") => ReportState::Available,
        other => {
            tracing::debug!(
                image,
                state = other,
                reason = report.state_reason(),
                "a usage report has failed"
            );
            ReportState::Failed
        }
    };
    let types: Vec<&str> = report
        .resource_types()
        .iter()
        .filter_map(|of| of.resource_type())
        .collect();
    let pairs = report.tags().iter().filter_map(|tag| Some((tag.key()?, tag.value()?)));
    let pairs: Vec<(&str, &str)> = pairs.collect();
    Ok(UsageReport {
        id: report.report_id().ok_or_else(|| lacks("an ID"))?.into(),
        image: image.parse().map_err(|error| AwsError::malformed(REPORTS, &error))?,
        created: moment("creationTime", created).map_err(|defect| AwsError::malformed(REPORTS, &defect))?,
        state,
        is_whole: report.account_ids().is_empty() && types.contains(&INSTANCE) && types.contains(&TEMPLATE),
        tags: Tags::of(&pairs),
    })
}

fn entry_of(entry: &sdk::ImageUsageReportEntry) -> Result<ReportEntry, AwsError> {
    let lacks = |what: &str| AwsError::malformed(ENTRIES, &format!("an entry without {what}"));
    let account = entry.account_id().ok_or_else(|| lacks("an account"))?;
    let kind = match entry.resource_type().ok_or_else(|| lacks("a kind"))? {
        INSTANCE => ConsumerKind::Instance.as_str().into(),
        TEMPLATE => ConsumerKind::LaunchTemplate.as_str().into(),
        // A kind that this version does not know is a use all the same.
        other => other.chars().take(KIND).collect(),
    };
    let count = entry.usage_count().ok_or_else(|| lacks("a count"))?;
    Ok(ReportEntry {
        report: entry.report_id().ok_or_else(|| lacks("its report"))?.into(),
        account: account.parse().map_err(|error| AwsError::malformed(ENTRIES, &error))?,
        kind,
        count: u32::try_from(count.max(0)).unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::super::testing::{Answer, Wire, bench, open, own};
    use super::*;
    use crate::domain::Cause;

    const IMAGE: &str = "ami-0123456789abcdef0";

    fn report(state: &str, more: &str) -> String {
        format!(
            "<item><imageId>{IMAGE}</imageId><reportId>amiur-1</reportId><state>{state}</state>\
             <creationTime>2026-01-02T03:04:05.000Z</creationTime><resourceTypeSet><item><resourceType>ec2:Instance\
             </resourceType></item><item><resourceType>ec2:LaunchTemplate</resourceType></item></resourceTypeSet>{more}</item>"
        )
    }

    fn answering(body: String) -> Wire {
        Wire::new(move |request| {
            let action = request.call.trim_start_matches("ec2:");
            Answer::ok(format!("<{action}Response>{body}</{action}Response>"))
        })
    }

    #[tokio::test]
    async fn a_report_of_some_accounts_is_not_whole_and_a_state_that_is_not_known_is_a_failure() {
        let some = "<accountIdSet><item>444455556666</item></accountIdSet>";
        let items = [
            report("available", ""),
            report("pending", some),
            report("error", "<stateReason>no</stateReason>"),
            report("odd", ""),
        ];
        let wire = answering(format!("<imageUsageReportSet>{}</imageUsageReportSet>", items.concat()));
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&own(Access::ReadOnly));
        let reports = session.usage_reports().await.expect("reports");
        let seen: Vec<_> = reports.iter().map(|report| (report.state, report.is_whole)).collect();
        assert_eq!(
            seen,
            [
                (ReportState::Available, true),
                (ReportState::Pending, false),
                (ReportState::Failed, true),
                (ReportState::Failed, true)
            ]
        );
        assert_eq!(reports[0].created.to_string(), "2026-01-02T03:04:05Z");
    }

    #[tokio::test]
    async fn what_lacks_a_list_a_count_or_a_moment_is_no_answer() {
        let entry =
            "<accountId>444455556666</accountId><resourceType>ec2:Instance</resourceType><reportId>r</reportId>";
        for body in [
            String::new(),
            format!("<imageUsageReportSet><item><imageId>{IMAGE}</imageId></item></imageUsageReportSet>"),
            format!("<imageUsageReportEntrySet><item>{entry}</item></imageUsageReportEntrySet>"),
        ] {
            let wire = answering(body.clone());
            let bench = bench(&wire, open()).await;
            let session = bench.aws.session(&own(Access::ReadOnly));
            let errors = match body.contains("Entry") {
                true => vec![session.usage_report_entries(&["r".into()]).await.map(drop)],
                false => vec![session.usage_reports().await.map(drop)],
            };
            for error in errors {
                assert_eq!(
                    error.expect_err("no answer").cause,
                    Some(Cause::MalformedAnswer),
                    "{body}"
                );
            }
        }
    }

    #[tokio::test]
    async fn a_report_is_asked_for_of_all_accounts_with_every_version_of_a_template_and_its_tags() {
        let wire = answering("<reportId>amiur-1</reportId>".to_owned());
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&own(Access::Full));
        let request = ReportRequest {
            image: IMAGE.parse().expect("an image"),
            replaces: Vec::new(),
            tags: [("amiseal.dev/policy".into(), "production".into())].into(),
            client_token: "token".to_owned(),
        };
        session.create_usage_report(&request).await.expect("an answer");
        let requests = wire.requests();
        let asked = requests
            .iter()
            .find(|request| request.call == "ec2:CreateImageUsageReport");
        let asked = &asked.expect("a call").form;
        for (name, value) in [
            ("ImageId", IMAGE),
            ("ResourceType.1.ResourceType", INSTANCE),
            ("ResourceType.2.ResourceType", TEMPLATE),
            ("ResourceType.2.ResourceTypeOption.1.OptionName", "version-depth"),
            ("ResourceType.2.ResourceTypeOption.1.OptionValue.1", VERSIONS),
            ("TagSpecification.1.ResourceType", "image-usage-report"),
            ("TagSpecification.1.Tag.1.Key", "amiseal.dev/policy"),
            ("ClientToken", "token"),
        ] {
            assert_eq!(asked.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(asked.keys().all(|name| !name.starts_with("AccountId")), "{asked:?}");
    }
}
