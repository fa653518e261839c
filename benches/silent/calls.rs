//! What was asked of AWS, by the simulator's journal.

use std::collections::BTreeMap;

use ec2sim::Call;

use crate::world::HOME;

/// How often each thing was asked for.
pub(crate) type Counts = BTreeMap<String, u32>;

/// Calls over a while.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) total: u32,
    pub(crate) by_service: Counts,
    /// As IAM names them, as in `ec2:DescribeImages`.
    pub(crate) by_operation: Counts,
    /// Those of STS that AWS counts to the controller's own account, by region.
    pub(crate) of_home: Counts,
    /// Those that failed, with what AWS said.
    pub(crate) not_ok: Counts,
    /// Those that change something.
    pub(crate) writes: u32,
}

impl Calls {
    /// Counts them.
    pub(crate) fn of(calls: &[Call]) -> Self {
        let mut all = Self::default();
        for call in calls {
            all.add(call);
        }
        all
    }

    fn add(&mut self, call: &Call) {
        let operation = format!("{}:{}", call.service, call.operation);
        self.total += 1;
        one_more(&mut self.by_service, &call.service);
        one_more(&mut self.by_operation, &operation);
        if call.service == "sts" && call.account == HOME {
            one_more(&mut self.of_home, &call.region);
        }
        if call.outcome != "OK" {
            one_more(&mut self.not_ok, &format!("{operation} {}", call.outcome));
        }
        self.writes += u32::from(call.mutating && !call.dry_run);
    }
}

/// Counts one more of a kind.
pub(crate) fn one_more(counts: &mut Counts, kind: &str) {
    *counts.entry(kind.to_owned()).or_default() += 1;
}
