//! The services, the protocol of each, and the errors that all operations of a service have in common.

use serde::{Deserialize, Serialize};

use super::ApiError;

/// The services that are simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// EC2.
    Ec2,
    /// KMS.
    Kms,
    /// STS.
    Sts,
    /// EC2 Auto Scaling.
    AutoScaling,
    /// Systems Manager.
    Ssm,
    /// EKS.
    Eks,
    /// Batch.
    Batch,
    /// EC2 Image Builder.
    ImageBuilder,
    /// CloudTrail.
    CloudTrail,
    /// Amazon Inspector.
    Inspector2,
    /// SQS.
    Sqs,
    /// Organizations.
    Organizations,
}

/// How a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Forms in, XML out, in the form of EC2.
    Ec2Query,
    /// Forms in, XML of this namespace out.
    Query(&'static str),
    /// JSON 1.1, the operation in `X-Amz-Target`.
    Json,
    /// The same in JSON 1.0; errors carry the code besides that they had in the query protocol.
    JsonOfQuery,
    /// JSON, the operation in method and path.
    RestJson,
}

const ALL: [Service; 12] = [
    Service::Ec2,
    Service::Kms,
    Service::Sts,
    Service::AutoScaling,
    Service::Ssm,
    Service::Eks,
    Service::Batch,
    Service::ImageBuilder,
    Service::CloudTrail,
    Service::Inspector2,
    Service::Sqs,
    Service::Organizations,
];

impl Service {
    /// The name in credential scopes and actions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Kms => "kms",
            Self::Sts => "sts",
            Self::AutoScaling => "autoscaling",
            Self::Ssm => "ssm",
            Self::Eks => "eks",
            Self::Batch => "batch",
            Self::ImageBuilder => "imagebuilder",
            Self::CloudTrail => "cloudtrail",
            Self::Inspector2 => "inspector2",
            Self::Sqs => "sqs",
            Self::Organizations => "organizations",
        }
    }

    /// The service of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        ALL.into_iter().find(|s| s.as_str() == name)
    }

    pub(crate) const fn protocol(self) -> Protocol {
        match self {
            Self::Ec2 => Protocol::Ec2Query,
            Self::Sts => Protocol::Query("https://sts.amazonaws.com/doc/2011-06-15/"),
            Self::AutoScaling => Protocol::Query("http://autoscaling.amazonaws.com/doc/2011-01-01/"),
            Self::Kms | Self::Ssm | Self::CloudTrail | Self::Organizations => Protocol::Json,
            Self::Sqs => Protocol::JsonOfQuery,
            Self::Eks | Self::Batch | Self::ImageBuilder | Self::Inspector2 => Protocol::RestJson,
        }
    }

    /// The caller's key is not known, or not in this region.
    pub(crate) fn unknown_caller(self) -> ApiError {
        let invalid = "The security token included in the request is invalid.";
        match self.protocol() {
            Protocol::Ec2Query => ApiError::with_status(
                401,
                "AuthFailure",
                "AWS was not able to validate the provided access credentials",
            ),
            Protocol::Query(_) | Protocol::JsonOfQuery => ApiError::with_status(403, "InvalidClientTokenId", invalid),
            Protocol::Json => ApiError::new("UnrecognizedClientException", invalid),
            Protocol::RestJson => ApiError::with_status(403, "UnrecognizedClientException", invalid),
        }
    }

    /// The caller's session has ended.
    pub(crate) fn expired(self) -> ApiError {
        let expired = "The security token included in the request is expired";
        match self.protocol() {
            Protocol::Ec2Query => ApiError::new("RequestExpired", "Request has expired."),
            Protocol::Query(_) | Protocol::JsonOfQuery => ApiError::with_status(403, "ExpiredToken", expired),
            Protocol::Json => ApiError::new("ExpiredTokenException", expired),
            Protocol::RestJson => ApiError::with_status(403, "ExpiredTokenException", expired),
        }
    }

    /// There were too many calls.
    pub(crate) fn throttled(self) -> ApiError {
        match self {
            Self::Ec2 => ApiError::with_status(503, "RequestLimitExceeded", "Request limit exceeded."),
            Self::Kms => ApiError::new(
                "ThrottlingException",
                "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
            ),
            Self::Sts | Self::AutoScaling => ApiError::new("Throttling", "Rate exceeded"),
            Self::Ssm | Self::CloudTrail => ApiError::new("ThrottlingException", "Rate exceeded"),
            Self::Eks | Self::Inspector2 => ApiError::with_status(429, "ThrottlingException", "Rate exceeded"),
            Self::Batch => ApiError::with_status(429, "TooManyRequestsException", "Too Many Requests"),
            Self::ImageBuilder => ApiError::with_status(
                429,
                "CallRateLimitExceededException",
                "You have exceeded the permitted request rate for the specific operation.",
            ),
            Self::Sqs => ApiError::new("RequestThrottled", "Request is throttled."),
            Self::Organizations => ApiError::new("TooManyRequestsException", "Rate exceeded"),
        }
    }

    /// IAM says no.
    pub(crate) fn denied(self, principal: &str, action: &str, resource: &str) -> ApiError {
        let message = format!(
            "User: {principal} is not authorized to perform: {action} on resource: {resource} because no identity-based policy allows the {action} action"
        );
        match self.protocol() {
            Protocol::Ec2Query => ApiError::with_status(403, "UnauthorizedOperation", message),
            Protocol::Query(_) | Protocol::JsonOfQuery => ApiError::with_status(403, "AccessDenied", message),
            Protocol::Json => ApiError::new("AccessDeniedException", message),
            Protocol::RestJson => ApiError::with_status(403, "AccessDeniedException", message),
        }
    }

    /// There is no such operation.
    pub(crate) fn unknown_operation(self, name: &str) -> ApiError {
        match self.protocol() {
            Protocol::Ec2Query => ApiError::new(
                "InvalidAction",
                format!("The action {name} is not valid for this web service."),
            ),
            Protocol::Query(namespace) => {
                let version = namespace.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                ApiError::new(
                    "InvalidAction",
                    format!("Could not find operation {name} for version {version}"),
                )
            }
            Protocol::Json | Protocol::JsonOfQuery => ApiError::new(
                "UnknownOperationException",
                format!("The operation {name} is not known"),
            ),
            Protocol::RestJson => ApiError::with_status(
                404,
                "UnknownOperationException",
                "There is no operation of this method and path",
            ),
        }
    }

    /// A parameter can not be used.
    pub(crate) fn invalid(self, message: impl Into<String>) -> ApiError {
        let code = match self {
            Self::Ec2 | Self::Sqs => "InvalidParameterValue",
            Self::Sts | Self::AutoScaling => "ValidationError",
            Self::Kms | Self::Ssm | Self::CloudTrail | Self::Inspector2 => "ValidationException",
            Self::Eks => "InvalidParameterException",
            Self::Batch => "ClientException",
            Self::ImageBuilder => "InvalidRequestException",
            Self::Organizations => "InvalidInputException",
        };
        ApiError::new(code, message)
    }

    /// A token of a listing is not one, or not of this listing.
    pub(crate) fn bad_token(self) -> ApiError {
        let message = "The specified pagination token is not valid or is expired.";
        match self {
            Self::Ec2 => ApiError::new("InvalidPaginationToken", message),
            Self::AutoScaling | Self::Ssm => ApiError::new("InvalidNextToken", message),
            Self::ImageBuilder => ApiError::new("InvalidPaginationTokenException", message),
            Self::Kms => ApiError::new("InvalidMarkerException", message),
            other => other.invalid(message),
        }
    }
}
