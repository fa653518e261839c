//! On-demand scans by Amazon Inspector: asked for, followed, and found again.

use aws_sdk_inspector2::types::{
    OnDemandResourceType, OnDemandScan, OnDemandScanStatus as Status, OnDemandScanStatusReason as Reason,
};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::pages::Pages;
use super::project::moment;
use super::session::Session;
use crate::domain::{AwsError, ErrorClass, ImageId, Operation, ScanNow, ScanProgress, ScanRef, ScanRequest};

const START: Operation = Operation::StartOnDemandScan;
const STATUS: Operation = Operation::GetOnDemandScanStatus;
const LIST: Operation = Operation::ListOnDemandScans;

/// The longest ID that AWS gives.
const LONGEST_ID: usize = 64;
/// The most characters of AWS's reason for a failure that are taken over.
const LONGEST_REASON: usize = 64;

impl Session {
    /// Asks for a scan of an image, and gives its ID.
    pub async fn start_on_demand_scan(&self, scan: &ScanRequest) -> Result<Box<str>, AwsError> {
        let request = self
            .inspector2()
            .start_on_demand_scan()
            .resource_id(scan.image.as_str())
            .resource_type(OnDemandResourceType::Ami)
            .client_token(&scan.client_token);
        let answer = self.call(START, request.send()).await?;
        id_of(START, &answer.scan_id)
    }

    /// What a scan is just now. None where there is none, or AWS does not know it: it keeps them for 30 days.
    pub async fn on_demand_scan(&self, which: &ScanRef) -> Result<Option<ScanNow>, AwsError> {
        match which {
            ScanRef::Last(image) => self.last_on_demand_scan(image).await,
            ScanRef::Id(image, id) => self.on_demand_scan_of(image, id).await,
        }
    }

    async fn on_demand_scan_of(&self, image: &ImageId, id: &str) -> Result<Option<ScanNow>, AwsError> {
        let request = self
            .inspector2()
            .get_on_demand_scan_status()
            .resource_id(image.as_str())
            .resource_type(OnDemandResourceType::Ami)
            .scan_id(id);
        let answer = match self.call(STATUS, request.send()).await {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(None),
            answer => answer?,
        };
        Ok(Some(ScanNow {
            id: id_of(STATUS, &answer.scan_id)?,
            started: started(STATUS, &answer.started_at)?,
            progress: progress(&answer.scan_status, answer.scan_status_reason.as_ref()),
        }))
    }

    /// AWS lists the last one first. Nothing but its time is gone by.
    async fn last_on_demand_scan(&self, image: &ImageId) -> Result<Option<ScanNow>, AwsError> {
        let mut last: Option<OnDemandScan> = None;
        let mut pages = Pages::default();
        while pages.more() {
            let request = self
                .inspector2()
                .list_on_demand_scans()
                .resource_id(image.as_str())
                .resource_type(OnDemandResourceType::Ami)
                .set_next_token(pages.token());
            let page = self.call(LIST, request.send()).await?;
            for scan in page.items {
                if last.as_ref().is_none_or(|last| scan.started_at > last.started_at) {
                    last = Some(scan);
                }
            }
            pages.turn(LIST, page.next_token)?;
        }
        let Some(last) = last else { return Ok(None) };
        Ok(Some(ScanNow {
            id: id_of(LIST, &last.scan_id)?,
            started: started(LIST, &last.started_at)?,
            progress: progress(&last.scan_status, last.scan_status_reason.as_ref()),
        }))
    }
}

fn id_of(operation: Operation, id: &str) -> Result<Box<str>, AwsError> {
    let is_one = (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_one {
        Ok(id.into())
    } else {
        Err(AwsError::malformed(operation, &"a scan without a sound ID"))
    }
}

fn started(operation: Operation, at: &DateTime) -> Result<Timestamp, AwsError> {
    moment("startedAt", at).map_err(|defect| AwsError::malformed(operation, &defect))
}

/// What AWS calls by another name than it has today has not ended.
fn progress(status: &Status, reason: Option<&Reason>) -> ScanProgress {
    match status {
        Status::Successful => ScanProgress::Successful,
        Status::Failed => {
            let reason = reason.map_or("no reason is given", Reason::as_str);
            ScanProgress::Failed(reason.chars().take(LONGEST_REASON).collect::<String>().into())
        }
        _ => ScanProgress::InProgress,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::super::testing::{Answer, Wire, bench, open, own};
    use super::*;

    fn image() -> ImageId {
        "ami-0123456789abcdef0".parse().expect("an image")
    }

    /// A scan as AWS tells of it, of this minute.
    fn told(id: &str, minute: u32, status: &str, more: &str) -> String {
        format!(
            r#"{{"scanId":"{id}","resourceId":"ami-0123456789abcdef0","resourceType":"AMI","scanStatus":"{status}",
            "startedAt":"2026-06-12T00:{minute:02}:00.000Z"{more}}}"#
        )
    }

    fn now(id: &str, minute: u32, progress: ScanProgress) -> ScanNow {
        let started = format!("2026-06-12T00:{minute:02}:00Z");
        ScanNow {
            id: id.into(),
            started: started.parse().expect("a time"),
            progress,
        }
    }

    #[tokio::test]
    async fn the_last_scan_of_an_image_is_found_on_whichever_page_it_is() {
        let wire = Wire::new(|request| {
            let failed = r#","scanStatusReason":"UNSUPPORTED_OS""#;
            match request.call.as_str() {
                "inspector2:ListOnDemandScans" if request.form.keys().any(|body| body.contains("nextToken")) => {
                    let (last, first) = (told("last", 9, "FAILED", failed), told("first", 1, "SUCCESSFUL", ""));
                    Answer::ok(format!(r#"{{"items":[{last},{first}]}}"#))
                }
                _ => Answer::ok(format!(
                    r#"{{"items":[{}],"nextToken":"more"}}"#,
                    told("second", 2, "IN_PROGRESS", "")
                )),
            }
        });
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&own(Access::ReadOnly));
        let found = session
            .on_demand_scan(&ScanRef::Last(image()))
            .await
            .expect("an answer");
        let expected = now("last", 9, ScanProgress::Failed("UNSUPPORTED_OS".into()));
        assert_eq!(found, Some(expected));
        assert_eq!(wire.count("inspector2:ListOnDemandScans"), 2);
    }

    #[tokio::test]
    async fn a_scan_is_read_by_its_id_and_what_aws_does_not_know_is_none() {
        type Shown = (u16, String, Option<ScanProgress>);
        let table: [Shown; 5] = [
            (200, told("s", 1, "IN_PROGRESS", ""), Some(ScanProgress::InProgress)),
            (200, told("s", 1, "SUCCESSFUL", ""), Some(ScanProgress::Successful)),
            (200, told("s", 1, "PAUSED", ""), Some(ScanProgress::InProgress)),
            (
                200,
                told("s", 1, "FAILED", ""),
                Some(ScanProgress::Failed("no reason is given".into())),
            ),
            (404, r#"{"__type":"ResourceNotFoundException"}"#.to_owned(), None),
        ];
        for (status, body, expected) in table {
            let answer = body.clone();
            let wire = Wire::new(move |_| Answer::Reply(status, answer.clone()));
            let bench = bench(&wire, open()).await;
            let session = bench.aws.session(&own(Access::ReadOnly));
            let found = session.on_demand_scan(&ScanRef::Id(image(), "s".into())).await;
            let expected = expected.map(|progress| now("s", 1, progress));
            assert_eq!(found.expect("an answer"), expected, "{body}");
        }
    }

    #[tokio::test]
    async fn a_scan_is_asked_for_in_a_session_that_may_write_and_an_answer_without_an_id_is_none() {
        let wire = Wire::new(|request| match request.call.as_str() {
            "inspector2:StartOnDemandScan" => Answer::ok(r#"{"scanId":"9f1c"}"#),
            _ => Answer::ok("{}"),
        });
        let bench = bench(&wire, open()).await;
        let request = ScanRequest {
            image: image(),
            client_token: "token".to_owned(),
        };
        let session = bench.aws.session(&own(Access::Full));
        let started = session.start_on_demand_scan(&request).await;
        assert_eq!(started.expect("a scan").as_ref(), "9f1c");
        let sent = wire.requests();
        let sent = sent.iter().find(|sent| sent.call == "inspector2:StartOnDemandScan");
        let body = sent.and_then(|sent| sent.form.keys().next()).expect("a body");
        for words in [
            r#""clientToken":"token""#,
            r#""resourceType":"AMI""#,
            "ami-0123456789abcdef0",
        ] {
            assert!(body.contains(words), "{body}");
        }
        let reads = bench.aws.session(&own(Access::ReadOnly));
        assert!(reads.start_on_demand_scan(&request).await.is_err());
        assert_eq!(wire.count("inspector2:StartOnDemandScan"), 1);
        assert!(id_of(START, "").is_err() && id_of(START, &"x".repeat(65)).is_err());
    }
}
