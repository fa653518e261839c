//! What is wrong in AWS for a while, as far as it strikes single calls: quotas that are used up, answers that come late, an
//! account whose other users leave it little room.

use ec2sim::{Act, Failure, FaultRule};

use super::catalogue::Fault;
use super::stage::{A_WHILE, Stage};
use super::world::ONE;

/// How late answers are: later than many clients wait for, sooner than 60 seconds.
const SLOW: f64 = 25.0;
/// The calls of an account that is busy with others': every so many is throttled.
const THROTTLED: u64 = 2;

impl Stage {
    /// Lets calls be answered otherwise for a while; `number` is that of the call that is struck.
    pub(super) fn answer_for_a_while(&self, fault: Fault, number: u64) {
        let rule = match fault {
            Fault::QuotaUsedUp => FaultRule {
                operation: Some("CopyImage".to_owned()),
                act: Act::FailBefore(used_up(number)),
                ..FaultRule::default()
            },
            Fault::AnswersSlow => FaultRule {
                service: Some("ec2".to_owned()),
                operation: Some("Describe*".to_owned()),
                act: Act::DelayReply(SLOW),
                ..FaultRule::default()
            },
            Fault::AccountBusy => FaultRule {
                account: Some(ONE.to_owned()),
                dry_run: true,
                every: Some(THROTTLED),
                act: Act::Throttle,
                ..FaultRule::default()
            },
            other => panic!("{other:?} does not last"),
        };
        // Others may have begun meanwhile, and end by themselves.
        let name = format!("{}@{number}", fault.name());
        self.sim.add_fault(FaultRule {
            name: Some(name.clone()),
            ..rule
        });
        self.later(A_WHILE, move |stage| stage.sim.remove_faults(&name));
    }
}

/// A quota of the account other than that of concurrent copies; which, by the number of the call.
fn used_up(number: u64) -> Failure {
    let (code, message) = if number.is_multiple_of(2) {
        (
            "SnapshotLimitExceeded",
            "Maximum snapshot limit (100000) exceeded for this account.",
        )
    } else {
        (
            "ResourceLimitExceeded",
            "You have exceeded the maximum number of AMIs (50000) for this account in this region.",
        )
    };
    Failure {
        code: code.to_owned(),
        status: 400,
        message: message.to_owned(),
    }
}
