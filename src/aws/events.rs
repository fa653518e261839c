//! The queue that events come from: read with the controller's own identity, whatever roles policies name.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName as Attribute};
use aws_smithy_types::timeout::TimeoutConfig;
use jiff::Timestamp;

use super::provider::Aws;
use super::session::{Access, Session, SessionKey};
use crate::domain::{AwsError, Operation, QueueMessage, QueueUrl, Region, Scope};

/// The most messages that SQS hands out, or deletes, at a time.
const MOST: usize = 10;
/// The longest that SQS waits for a message.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// How much longer than it was asked to wait SQS may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Aws {
    /// The session that reads a queue. No policy has an empty name, so that it is nobody else's.
    pub fn queue(&self, queue: &QueueUrl) -> Arc<Session> {
        let configured = || self.config().region()?.as_ref().parse::<Region>().ok();
        let region = queue.local().and_then(|_| configured());
        self.session(&SessionKey {
            policy: String::new(),
            scope: Scope {
                account: queue.account().clone(),
                region: region.unwrap_or_else(|| queue.region().clone()),
            },
            role_arn: None,
            external_id: None,
            access: Access::Full,
        })
    }
}

impl Session {
    /// Takes up to ten messages from a queue, and waits so long for the first one, 20 seconds at most. Others do not see what was taken
    /// until it is deleted, or until the queue's visibility timeout has passed.
    pub async fn receive_messages(&self, queue: &QueueUrl, wait: Duration) -> Result<Vec<QueueMessage>, AwsError> {
        const OPERATION: Operation = Operation::ReceiveMessage;
        let wait = wait.min(LONGEST_WAIT);
        let limit = wait + PATIENCE;
        let timeouts = TimeoutConfig::builder()
            .read_timeout(limit)
            .operation_timeout(limit.saturating_mul(2));
        let request = self
            .sqs(queue.local(), Some(timeouts.build()))
            .receive_message()
            .queue_url(queue.as_str())
            .max_number_of_messages(i32::try_from(MOST).unwrap_or(1))
            .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or(0))
            .message_system_attribute_names(Attribute::SentTimestamp)
            .message_system_attribute_names(Attribute::ApproximateReceiveCount);
        let answer = self.call_of_nobody(OPERATION, request.send()).await?;
        Ok(answer
            .messages
            .unwrap_or_default()
            .into_iter()
            .filter_map(read)
            .collect())
    }

    /// Deletes messages from a queue. What is not deleted comes again. Fails where any of them is not, for the cause of the first one.
    pub async fn delete_messages(&self, queue: &QueueUrl, receipts: &[String]) -> Result<(), AwsError> {
        const OPERATION: Operation = Operation::DeleteMessageBatch;
        for batch in receipts.chunks(MOST) {
            let entries = batch.iter().enumerate().map(|(number, receipt)| {
                let entry = DeleteMessageBatchRequestEntry::builder();
                entry.id(number.to_string()).receipt_handle(receipt).build()
            });
            let entries = entries.collect::<Result<Vec<_>, _>>();
            let entries = entries.map_err(|error| AwsError::malformed(OPERATION, &error))?;
            let request = self
                .sqs(queue.local(), None)
                .delete_message_batch()
                .queue_url(queue.as_str())
                .set_entries(Some(entries));
            let answer = self.call_of_nobody(OPERATION, request.send()).await?;
            if let Some(failed) = answer.failed.first() {
                let status = if failed.sender_fault() { 400 } else { 500 };
                let error = AwsError::answered(OPERATION, Some(failed.code()), failed.message(), status);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// A message as SQS hands it out. Without a receipt it cannot be deleted, and without a body it says nothing, which its reader is told.
fn read(message: Message) -> Option<QueueMessage> {
    let attribute = |name: &Attribute| message.attributes.as_ref()?.get(name);
    let sent = attribute(&Attribute::SentTimestamp).and_then(|text| text.parse().ok());
    let received = attribute(&Attribute::ApproximateReceiveCount).and_then(|text| text.parse().ok());
    Some(QueueMessage {
        id: message.message_id.unwrap_or_default(),
        sent: sent.and_then(|millisecond| Timestamp::from_millisecond(millisecond).ok()),
        received,
        body: message.body.unwrap_or_default(),
        receipt: message.receipt_handle?,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::testing::{Answer, Wire, bench, open};
    use super::*;
    use crate::domain::{Cause, ErrorClass};

    const URL: &str = "https://sqs.eu-west-1.amazonaws.com/111122223333/amiseal";

    fn queue() -> QueueUrl {
        URL.parse().expect("a queue")
    }

    #[tokio::test]
    async fn messages_are_read_and_deleted_whoever_holds_shards_and_whatever_policies_say() {
        let wire = Wire::raw(|request| match request.call.as_str() {
            "sqs:ReceiveMessage" => Answer::ok(
                r#"{"Messages":[
                    {"MessageId":"1","ReceiptHandle":"r-1","Body":"{}","Attributes":{"SentTimestamp":"1700000000123","ApproximateReceiveCount":"2"}},
                    {"MessageId":"2","ReceiptHandle":"r-2","Attributes":{"SentTimestamp":"soon"}},
                    {"MessageId":"3","Body":"without a receipt"}]}"#,
            ),
            _ => Answer::ok(r#"{"Successful":[{"Id":"0"}],"Failed":[]}"#),
        });
        let bench = bench(&wire, Arc::new(|_: &_| false)).await;
        bench.aws.ask_policies(Arc::new(|_, _| Err(Cause::Deleted)));
        let session = bench.aws.queue(&queue());
        let messages = session
            .receive_messages(&queue(), Duration::ZERO)
            .await
            .expect("messages");
        let expected = [
            QueueMessage {
                id: "1".to_owned(),
                body: "{}".to_owned(),
                receipt: "r-1".to_owned(),
                sent: Timestamp::from_millisecond(1_700_000_000_123).ok(),
                received: Some(2),
            },
            QueueMessage {
                id: "2".to_owned(),
                body: String::new(),
                receipt: "r-2".to_owned(),
                sent: None,
                received: None,
            },
        ];
        assert_eq!(messages, expected);
        let receipts: Vec<String> = (0..11).map(|number| format!("r-{number}")).collect();
        session.delete_messages(&queue(), &receipts).await.expect("an answer");
        assert_eq!(wire.count("sqs:DeleteMessageBatch"), 2, "ten at a time");
        assert_eq!(wire.count("sts:GetCallerIdentity"), 0, "a queue may be of any account");
        assert!(wire.requests().iter().all(|request| request.signer == "OWN"));
    }

    #[tokio::test]
    async fn a_message_that_is_not_deleted_is_told_by_its_cause_whether_the_call_or_an_entry_of_it_is_refused() {
        let entry = |code: &str, is_mine: bool| {
            format!(
                r#"{{"Successful":[{{"Id":"0"}}],"Failed":[{{"Id":"1","SenderFault":{is_mine},"Code":"{code}"}}]}}"#
            )
        };
        for (status, body, class) in [
            (
                403,
                r#"{"__type":"com.amazonaws.sqs#AccessDeniedException"}"#.to_owned(),
                ErrorClass::Denied,
            ),
            (200, entry("AccessDenied", true), ErrorClass::Denied),
            (200, entry("ReceiptHandleIsInvalid", true), ErrorClass::Invalid),
            (200, entry("InternalError", false), ErrorClass::Transient),
        ] {
            let answer = body.clone();
            let wire = Wire::raw(move |_| Answer::Reply(status, answer.clone()));
            let bench = bench(&wire, open()).await;
            let session = bench.aws.queue(&queue());
            let receipts = ["r-1".to_owned(), "r-2".to_owned()];
            let failed = session.delete_messages(&queue(), &receipts).await;
            assert_eq!(failed.expect_err("a refusal").class, class, "{body}");
        }
    }

    #[tokio::test]
    async fn a_queue_that_is_not_there_and_one_that_may_not_be_read_are_told_apart() {
        for (kind, status, class) in [
            ("com.amazonaws.sqs#QueueDoesNotExist", 400, ErrorClass::NotFound),
            ("com.amazonaws.sqs#AccessDeniedException", 400, ErrorClass::Denied),
            ("com.amazonaws.sqs#RequestThrottled", 400, ErrorClass::Throttled),
        ] {
            let wire = Wire::raw(move |_| Answer::Reply(status, format!(r#"{{"__type":"{kind}"}}"#)));
            let bench = bench(&wire, open()).await;
            let session = bench.aws.queue(&queue());
            let failed = session.receive_messages(&queue(), Duration::ZERO).await;
            assert_eq!(failed.expect_err(kind).class, class, "{kind}");
        }
    }

    #[tokio::test]
    async fn a_queue_of_this_machine_is_in_the_region_of_the_configuration() {
        let wire = Wire::raw(|_| Answer::ok("{}"));
        let bench = bench(&wire, open()).await;
        for (url, region) in [
            (URL, "eu-west-1"),
            // The configuration of tests has this one.
            ("http://127.0.0.1:9/111122223333/amiseal", "us-east-1"),
        ] {
            let queue: QueueUrl = url.parse().expect("a queue");
            let session = bench.aws.queue(&queue);
            assert_eq!(session.key().scope.region.as_str(), region);
            let messages = session.receive_messages(&queue, Duration::ZERO).await;
            assert_eq!(messages, Ok(Vec::new()));
        }
    }
}
