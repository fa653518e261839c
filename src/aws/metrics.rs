//! Metrics of the calls to AWS.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use prometheus::core::Collector;
use prometheus::{Counter, Gauge, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

use crate::domain::Operation;
use crate::families::{Family, families};

/// The metrics `amiseal_aws_*`. Clones count into the same metrics.
#[derive(Debug, Clone)]
pub struct AwsMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
    throttle_wait: Counter,
    unreachable_since: Gauge,
}

impl AwsMetrics {
    /// Creates the metrics in `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new(
                    "amiseal_aws_requests_total",
                    "Requests sent to AWS, retries included, by their outcome: OK, AWS's error code, Timeout, Unreachable or Other.",
                ),
                &["service", "operation", "code"],
            )?,
            duration: HistogramVec::new(
                HistogramOpts::new(
                    "amiseal_aws_request_duration_seconds",
                    "Time from sending a request to AWS to having read its answer.",
                )
                .buckets(vec![0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0]),
                &["service", "operation"],
            )?,
            throttle_wait: Counter::new(
                "amiseal_aws_throttle_wait_seconds_total",
                "Time that calls waited for amiseal's own limits before they were sent.",
            )?,
            unreachable_since: Gauge::new(
                "amiseal_aws_unreachable_since_timestamp_seconds",
                "Since when AWS has answered no call of this replica, in seconds since 1970; 0 while it answers.",
            )?,
        };
        for collector in metrics.collectors() {
            registry.register(collector)?;
        }
        Ok(metrics)
    }

    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.requests.clone()),
            Box::new(self.duration.clone()),
            Box::new(self.throttle_wait.clone()),
            Box::new(self.unreachable_since.clone()),
        ]
    }

    /// Each metric, by its name.
    #[must_use]
    pub fn families(&self) -> BTreeMap<String, Family> {
        families(&self.collectors())
    }

    pub(super) fn request(&self, operation: Operation, code: &str, took: Duration) {
        let (service, operation) = (operation.service(), operation.name());
        self.requests.with_label_values(&[service, operation, code]).inc();
        self.duration
            .with_label_values(&[service, operation])
            .observe(took.as_secs_f64());
    }

    /// Notes at this time of day whether a call was answered, whatever the answer was.
    pub(super) fn heard(&self, is_answered: bool, now: Timestamp) {
        if is_answered {
            self.unreachable_since.set(0.0);
        } else if self.unreachable_since.get() == 0.0 {
            #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit into 53 bits")]
            self.unreachable_since.set(now.as_second() as f64);
        }
    }

    pub(super) fn waited(&self, duration: Duration) {
        self.throttle_wait.inc_by(duration.as_secs_f64());
    }
}
