//! Why a consumer is left as it is.

/// It belongs to a tool or a service.
pub const OWNED: &str = "OwnedByOther";
/// It has the tag `amiseal.dev/hold`.
pub const HELD: &str = "Held";
/// What names the original is not its latest version.
pub const LATEST_DIVERGES: &str = "LatestDiverges";
/// A block device mapping cannot be said again as it is.
pub const MAPPING_NOT_MOVABLE: &str = "MappingNotMovable";
/// It holds more than an image's ID.
pub const HOLDS_MORE: &str = "HoldsMore";
/// An Auto Scaling group pins a version of a launch template that amiseal has made no version of.
pub const VERSION_NOT_MOVED: &str = "VersionNotMoved";
/// An Auto Scaling group launches by a launch configuration.
pub const LAUNCH_CONFIGURATION: &str = "LaunchConfiguration";
/// More parts of an Auto Scaling group name the original than there is room for.
pub const TOO_MANY_PARTS: &str = "TooManyParts";
/// AWS has not replaced all instances of an Auto Scaling group.
pub const REFRESH_FAILED: &str = "RefreshFailed";
/// Somebody else has the instances of an Auto Scaling group replaced.
pub const REFRESH_UNDER_WAY: &str = "RefreshUnderWay";
/// The instances of an Auto Scaling group cannot be replaced as the policy says.
pub const CANNOT_REFRESH: &str = "CannotRefresh";
/// Somebody has set it back.
pub const REVERTED_BY_OWNER: &str = "RevertedByOwner";
/// Somebody has changed it at the same time.
pub const CHANGED_MEANWHILE: &str = "ChangedMeanwhile";
/// AWS has taken a value and does not show it.
pub const NOT_VALIDATED: &str = "NotValidated";
/// Labels of older versions of a parameter name the original, and its latest version does not.
pub const LABEL_PINNED: &str = "LabelPinned";
/// What was there before is gone.
pub const CANNOT_PUT_BACK: &str = "CannotPutBack";
