//! Answers for an account in which nothing launches images: what a report asks for beside images and snapshots.

use serde_json::json;

/// Answers of EC2, by what is in them.
const EC2: [(&str, &str); 10] = [
    ("DescribeInstances", "<reservationSet/>"),
    ("DescribeLaunchTemplates", "<launchTemplates/>"),
    ("DescribeLaunchTemplateVersions", "<launchTemplateVersionSet/>"),
    ("DescribeFleets", "<fleetSet/>"),
    ("DescribeSpotFleetRequests", "<spotFleetRequestConfigSet/>"),
    ("DescribeSpotInstanceRequests", "<spotInstanceRequestSet/>"),
    (
        "GetEbsEncryptionByDefault",
        "<ebsEncryptionByDefault>true</ebsEncryptionByDefault>",
    ),
    (
        "GetImageBlockPublicAccessState",
        "<imageBlockPublicAccessState>block-new-sharing</imageBlockPublicAccessState>",
    ),
    ("GetSnapshotBlockPublicAccessState", "<state>block-all-sharing</state>"),
    (
        "GetAllowedImagesSettings",
        "<state>enabled</state><managedBy>account</managedBy>",
    ),
];

/// The answer of EC2 or Auto Scaling to an action, in XML.
pub(crate) fn xml(action: &str) -> Option<String> {
    let set = match action {
        "DescribeAutoScalingGroups" => Some("AutoScalingGroups"),
        "DescribeLaunchConfigurations" => Some("LaunchConfigurations"),
        _ => None,
    };
    if let Some(set) = set {
        return Some(format!(
            "<{action}Response xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\"><{action}Result><{set}/>\
             </{action}Result></{action}Response>"
        ));
    }
    let (_, content) = EC2.iter().find(|(name, _)| *name == action)?;
    Some(format!(
        "<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
         <requestId>00000000-0000-4000-8000-000000000000</requestId>{content}</{action}Response>"
    ))
}

/// The answer of the services that speak JSON, by the target or the path of a request.
pub(crate) fn json(asked: &str) -> Option<String> {
    let answer = match asked {
        "AmazonSSM.DescribeParameters" => json!({"Parameters": []}),
        "/clusters" => json!({"clusters": []}),
        "/v1/describecomputeenvironments" => json!({"computeEnvironments": []}),
        "/ListImageRecipes" => json!({"imageRecipeSummaryList": []}),
        "/ListContainerRecipes" => json!({"containerRecipeSummaryList": []}),
        "TrentService.GetKeyRotationStatus" => json!({"KeyRotationEnabled": true}),
        _ if asked.ends_with(".DescribeTrails") => json!({"trailList": []}),
        _ => return None,
    };
    Some(answer.to_string())
}
