//! Everything else.

use serde_json::json;

use super::{Refusal, refused};

const INTERVAL: &str = "scanInterval must be at least 1m and at most 24h: write for example 15m";
const DURATION: &str = "scanInterval must be a duration of hours, minutes and seconds, in that order: write for \
                        example 15m or 1h30m";

pub(super) fn the_rest() -> Vec<Refusal> {
    let interval_at = "/spec/scanInterval";
    let interval = "spec.scanInterval";
    vec![
        refused(
            "/spec/mode",
            json!("enforce"),
            "spec.mode",
            "supported values: \"Audit\", \"Enforce\"",
        ),
        refused("/spec/suspend", json!("yes"), "spec.suspend", "must be of type boolean"),
        refused(
            "/spec/otherKey",
            json!("Ignore"),
            "spec.otherKey",
            "supported values: \"Migrate\", \"Report\"",
        ),
        refused(
            "/spec/validation/launch/instanceType",
            json!("nano"),
            "spec.validation.launch.instanceType",
            "write for example t3.nano",
        ),
        refused(
            "/spec/validation/launch/subnetID",
            json!("vpc-0123456789abcdef0"),
            "spec.validation.launch.subnetID",
            "write for example subnet-0123456789abcdef0",
        ),
        refused(
            "/spec/validation/launch/securityGroupIDs/0",
            json!("default"),
            "spec.validation.launch.securityGroupIDs",
            "write for example sg-0123456789abcdef0",
        ),
        refused(
            "/spec/validation/launch/timeout",
            json!("1m59s"),
            "spec.validation.launch.timeout",
            "timeout must be at least 2m and at most 1h",
        ),
        refused(
            "/spec/validation/launch/timeout",
            json!("10"),
            "spec.validation.launch.timeout",
            "timeout must be a duration",
        ),
        refused(
            "/spec/validation/launch/maxConcurrent",
            json!(6),
            "spec.validation.launch.maxConcurrent",
            "should be less than or equal to 5",
        ),
        refused(
            "/spec/validation/job/cronJob",
            json!("Scan_Image"),
            "spec.validation.job.cronJob",
            "write for example scan-image",
        ),
        refused(
            "/spec/validation/job/timeout",
            json!("24h1s"),
            "spec.validation.job.timeout",
            "timeout must be at least 1m and at most 24h",
        ),
        refused(
            "/spec/validation/job/timeout",
            json!("1d"),
            "spec.validation.job.timeout",
            "timeout must be a duration",
        ),
        refused(
            "/spec/validation/job/maxConcurrent",
            json!(51),
            "spec.validation.job.maxConcurrent",
            "should be less than or equal to 50",
        ),
        refused(
            "/spec/validation/inspector/maximumSeverity",
            json!("high"),
            "spec.validation.inspector.maximumSeverity",
            "supported values: \"Informational\", \"Low\", \"Medium\", \"High\", \"Critical\"",
        ),
        refused(
            "/spec/validation/inspector/maximumSeverity",
            None,
            "spec.validation.inspector.maximumSeverity",
            "Required value",
        ),
        refused(
            "/spec/validation/inspector/scan",
            json!("ondemand"),
            "spec.validation.inspector.scan",
            "supported values: \"Continuous\", \"OnDemand\"",
        ),
        refused(
            "/spec/validation/inspector/timeout",
            json!("14m59s"),
            "spec.validation.inspector.timeout",
            "timeout must be at least 15m and at most 168h",
        ),
        refused(
            "/spec/validation/inspector/timeout",
            json!("7d"),
            "spec.validation.inspector.timeout",
            "timeout must be a duration",
        ),
        refused(
            "/spec/validation/maxAttempts",
            json!(0),
            "spec.validation.maxAttempts",
            "should be greater than or equal to 1",
        ),
        refused(
            "/spec/promotion/launchPermissions",
            json!("Keep"),
            "spec.promotion.launchPermissions",
            "supported values: \"Preserve\", \"Drop\"",
        ),
        refused(
            "/spec/promotion/launchTemplates",
            json!("Move"),
            "spec.promotion.launchTemplates",
            "supported values: \"Report\", \"Update\"",
        ),
        refused(
            "/spec/promotion/ssmParameters",
            json!("Move"),
            "spec.promotion.ssmParameters",
            "supported values: \"Report\", \"Update\"",
        ),
        refused(
            "/spec/promotion/autoScalingGroups",
            json!("Move"),
            "spec.promotion.autoScalingGroups",
            "supported values: \"Report\", \"Update\", \"Refresh\"",
        ),
        refused(
            "/spec/promotion/instanceRefresh/strategy",
            json!("Fast"),
            "spec.promotion.instanceRefresh.strategy",
            "supported values: \"Rolling\", \"ReplaceRootVolume\"",
        ),
        refused(
            "/spec/promotion/instanceRefresh/minHealthyPercentage",
            json!(101),
            "spec.promotion.instanceRefresh.minHealthyPercentage",
            "should be less than or equal to 100",
        ),
        refused(
            "/spec/promotion/instanceRefresh/maxHealthyPercentage",
            json!(99),
            "spec.promotion.instanceRefresh.maxHealthyPercentage",
            "should be greater than or equal to 100",
        ),
        refused(
            "/spec/promotion/instanceRefresh/maxHealthyPercentage",
            json!(195),
            "spec.promotion.instanceRefresh.maxHealthyPercentage",
            "maxHealthyPercentage needs a minHealthyPercentage",
        ),
        refused(
            "/spec/promotion/instanceRefresh/instanceWarmup",
            json!("25h"),
            "spec.promotion.instanceRefresh.instanceWarmup",
            "instanceWarmup must be at most 24h",
        ),
        refused(
            "/spec/promotion/instanceRefresh/bakeTime",
            json!("49h"),
            "spec.promotion.instanceRefresh.bakeTime",
            "bakeTime must be at most 48h",
        ),
        refused(
            "/spec/promotion/instanceRefresh/checkpointDelay",
            json!("two days"),
            "spec.promotion.instanceRefresh.checkpointDelay",
            "checkpointDelay must be a duration",
        ),
        refused(
            "/spec/promotion/instanceRefresh/checkpointPercentages",
            json!([50, 10, 100]),
            "spec.promotion.instanceRefresh.checkpointPercentages",
            "checkpointPercentages must ascend to 100",
        ),
        refused(
            "/spec/promotion/instanceRefresh/checkpointPercentages",
            json!([]),
            "spec.promotion.instanceRefresh.checkpointDelay",
            "checkpointDelay needs checkpointPercentages",
        ),
        refused(
            "/spec/promotion/instanceRefresh/maxConcurrentGroups",
            json!(0),
            "spec.promotion.instanceRefresh.maxConcurrentGroups",
            "should be greater than or equal to 1",
        ),
        refused(
            "/spec/promotion/approval",
            json!("Ask"),
            "spec.promotion.approval",
            "supported values: \"Automatic\", \"Manual\"",
        ),
        refused(
            "/spec/promotion/map",
            json!({"configMap": "Amiseal_Images"}),
            "spec.promotion.map.configMap",
            "write for example amiseal-images",
        ),
        refused(
            "/spec/promotion/map",
            json!({}),
            "spec.promotion.map",
            "map must have configMap, ssmPrefix or both",
        ),
        refused(
            "/spec/promotion/map",
            json!({"ssmPrefix": "amiseal/images"}),
            "spec.promotion.map.ssmPrefix",
            "ssmPrefix must begin with / and have at most 14 levels",
        ),
        refused(
            "/spec/promotion/map",
            json!({"ssmPrefix": "/aws/images"}),
            "spec.promotion.map.ssmPrefix",
            "ssmPrefix must not begin with /aws or /ssm",
        ),
        refused(
            "/spec/promotion/maxPerDay",
            json!(0),
            "spec.promotion.maxPerDay",
            "should be greater than or equal to 1",
        ),
        refused(
            "/spec/promotion/tags",
            json!("Copy"),
            "spec.promotion.tags",
            "supported values: \"Publish\", \"Withhold\"",
        ),
        refused(
            "/spec/backups",
            json!("Ignore"),
            "spec.backups",
            "supported values: \"Exclude\", \"Include\"",
        ),
        refused(
            "/spec/historyTTL",
            json!("23h"),
            "spec.historyTTL",
            "historyTTL must be at least 24h: write for example 720h",
        ),
        refused(
            "/spec/historyTTL",
            json!("30d"),
            "spec.historyTTL",
            "historyTTL must be a duration of hours, minutes and seconds, in that order",
        ),
        refused(
            "/spec/unused/after",
            json!("23h"),
            "spec.unused.after",
            "after must be at least 24h: write for example 2160h",
        ),
        refused(
            "/spec/unused/after",
            json!("90d"),
            "spec.unused.after",
            "after must be a duration of hours, minutes and seconds, in that order",
        ),
        refused(
            "/spec/consumers/parameters",
            json!("None"),
            "spec.consumers.parameters",
            "supported values: \"Images\", \"All\"",
        ),
        refused(
            "/spec/consumers/usageReports",
            json!("Off"),
            "spec.consumers.usageReports",
            "supported values: \"Ignore\", \"Create\"",
        ),
        refused(
            "/spec/newImages",
            json!({"lookEvery": "9s"}),
            "spec.newImages.lookEvery",
            "lookEvery must be at least 10s and at most 1h: write for example 1m",
        ),
        refused(
            "/spec/newImages",
            json!({"lookEvery": "1 minute"}),
            "spec.newImages.lookEvery",
            "lookEvery must be a duration of hours, minutes and seconds, in that order",
        ),
        refused(interval_at, json!("59s"), interval, INTERVAL),
        refused(interval_at, json!("24h1s"), interval, INTERVAL),
        refused(interval_at, json!("15"), interval, DURATION),
        refused(interval_at, json!("15 minutes"), interval, DURATION),
        refused(interval_at, json!("0.5h"), interval, DURATION),
        refused(interval_at, json!(""), interval, DURATION),
        refused(
            "/metadata/name",
            json!("p".repeat(57)),
            "<nil>",
            "metadata.name must have at most 56 characters, since it becomes part of labels and role session names: \
             choose a shorter one",
        ),
    ]
}
