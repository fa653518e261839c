//! Reading single consumers of an image just before they are changed, and changing them.

mod parameters;
mod templates;

use super::consumers::Query;
use super::session::Session;
use crate::domain::{AwsError, Change, ConsumerKind, ErrorClass, Movable};

impl Session {
    /// What a consumer of this kind is now; of a launch template besides this version.
    pub async fn movable(
        &self,
        kind: ConsumerKind,
        id: &str,
        former: Option<i64>,
        query: &Query,
    ) -> Result<Movable, AwsError> {
        let read = if kind == ConsumerKind::Parameter {
            parameters::read(self, id, query).await
        } else {
            templates::read(self, id, former, query).await
        };
        match read {
            Err(error) if error.class == ErrorClass::NotFound => Ok(Movable::Gone),
            read => read,
        }
    }

    /// Makes a change, and says which version of the consumer it is that it has made.
    pub async fn change(&self, change: &Change) -> Result<i64, AwsError> {
        match change {
            Change::NewVersion(version) => templates::new_version(self, version).await,
            Change::SetDefault { template, version } => templates::set_default(self, template, *version).await,
            Change::PutValue { name, value, now } => parameters::put(self, name, value, now).await,
        }
    }
}
