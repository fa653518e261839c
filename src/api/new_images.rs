//! How images that are new are found between two scans.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, rules};

/// A quick look for new images between two scans: usually one call, by the day of their creation. An image is taken in once two
/// looks have shown it alike.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NewImageSettings {
    /// How long after a scan or a look amiseal looks again, as in `1m`: at least `10s`, at most `1h`. Where that is not less than half of
    /// `scanInterval`, scans are mostly first to find new images.
    #[serde(default = "default_look_every")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::look_every_range())]
    #[x_kube(validation = rules::duration_form("lookEvery"))]
    pub look_every: Duration,
}

fn default_look_every() -> Duration {
    Duration::from_mins(1)
}
