//! Rules of promotion: the seal, the map, and the instances that are replaced.

use kube::core::Rule;

/// A watermark's name is one that AWS takes.
pub(in crate::api) fn watermark_name() -> Rule {
    Rule::new(r#"self.matches(r"^[a-zA-Z0-9()\[\] ./'@_-]{3,128}$")"#).message(
        "seal must have at least 3 characters, which may be letters, digits, spaces and ()[]./-'@_: write for example \
         amiseal-verified",
    )
}

/// A map that is asked for is kept somewhere.
pub(in crate::api) fn map_has_a_place() -> Rule {
    Rule::new("has(self.configMap) || has(self.ssmPrefix)")
        .message("map must have configMap, ssmPrefix or both: add one of them, or remove map")
}

/// A ConfigMap's name is one that Kubernetes takes.
pub(in crate::api) fn config_map_name() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')")
        .message("configMap must be the name of a ConfigMap, in lower case: write for example amiseal-images")
}

/// A parameter's name is one that AWS takes: of its 15 levels the image's ID is one.
pub(in crate::api) fn parameter_prefix_form() -> Rule {
    Rule::new("self.matches('^(/[a-zA-Z0-9_.-]+){1,14}$')").message(
        "ssmPrefix must begin with / and have at most 14 levels of letters, digits and _.-, with no / at its end: write \
         for example /amiseal/images",
    )
}

/// AWS keeps these names to itself, in whichever case.
pub(in crate::api) fn parameter_prefix_not_reserved() -> Rule {
    Rule::new("!self.matches('^/([aA][wW][sS]|[sS][sS][mM])')")
        .message("ssmPrefix must not begin with /aws or /ssm, which AWS reserves: write for example /amiseal/images")
}

/// How large a group may become goes with how small it may.
pub(in crate::api) fn healthy_percentages() -> Rule {
    Rule::new(
        "!has(self.maxHealthyPercentage) || (has(self.minHealthyPercentage) && \
         self.maxHealthyPercentage - self.minHealthyPercentage <= 100)",
    )
    .message(
        "maxHealthyPercentage needs a minHealthyPercentage that is at most 100 less: set both, for example to 100 and 110",
    )
    .field_path(".maxHealthyPercentage")
}

/// Checkpoints ascend to the whole group.
pub(in crate::api) fn checkpoints() -> Rule {
    Rule::new(
        "size(self) == 0 || (self[size(self) - 1] == 100 && self.isSorted() && \
         self.all(one, self.exists_one(other, other == one)))",
    )
    .message(
        "checkpointPercentages must ascend to 100, so that all instances are replaced: write for example [10, 50, 100]",
    )
}

/// A delay is one of checkpoints.
pub(in crate::api) fn delay_of_checkpoints() -> Rule {
    Rule::new("!has(self.checkpointDelay) || (has(self.checkpointPercentages) && size(self.checkpointPercentages) > 0)")
        .message("checkpointDelay needs checkpointPercentages: write for example [50, 100], or remove the delay")
        .field_path(".checkpointDelay")
}
