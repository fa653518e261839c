//! Reading single consumers of an image just before they are changed, and changing them.

mod groups;
mod parameters;
mod refreshes;
mod templates;

use super::consumers::Query;
use super::session::Session;
use crate::domain::{AwsError, Besides, Change, ConsumerKind, ErrorClass, Made, Movable};

impl Session {
    /// What a consumer of this kind is now, and this besides.
    pub async fn movable(
        &self,
        kind: ConsumerKind,
        id: &str,
        besides: &Besides,
        query: &Query,
    ) -> Result<Movable, AwsError> {
        let read = match kind {
            ConsumerKind::Parameter => parameters::read(self, id, query).await,
            ConsumerKind::AutoScalingGroup => Box::pin(groups::read(self, id, besides, query)).await,
            _ => templates::read(self, id, &besides.versions, query).await,
        };
        match read {
            Err(error) if error.class == ErrorClass::NotFound => Ok(Movable::Gone),
            read => read,
        }
    }

    /// Asks by dry runs whether this change may be made, and those that follow it: half a move is worse than none. Parameter Store and Auto
    /// Scaling have no dry runs.
    pub async fn may_change_consumer(&self, change: &Change) -> Result<(), AwsError> {
        match change {
            Change::NewVersion(version) => templates::may_make(self, version).await,
            _ => Ok(()),
        }
    }

    /// Makes a change, and says what it has made.
    pub async fn change(&self, change: &Change) -> Result<Made, AwsError> {
        match change {
            Change::NewVersion(version) => templates::new_version(self, version).await.map(Made::Version),
            Change::SetDefault { template, version } => templates::set_default(self, template, *version)
                .await
                .map(Made::Version),
            Change::PutValue { name, value, now } => parameters::put(self, name, value, now).await.map(Made::Version),
            Change::MoveLabels { name, version, labels } => {
                parameters::label(self, name, *version, labels).await.map(Made::Version)
            }
            Change::TagGroup { group, key, value } => groups::tag(self, group, key, value).await,
            Change::SetGroup(change) => Box::pin(groups::set(self, change)).await,
            Change::StartRefresh(start) => Box::pin(refreshes::start(self, start)).await,
            Change::RollBackRefresh { group } => refreshes::roll_back(self, group).await,
        }
    }
}
