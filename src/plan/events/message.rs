//! What a message says. Anybody may have written it, and it may be anything.

use serde::Deserialize;

use super::{Hint, What};
use crate::domain::{Guardrail, Scope};

/// A larger message is not read, in bytes. Events are far smaller.
pub const LARGEST: usize = 256 << 10;
/// The longest ARN that is repeated to people.
const LONGEST_ARN: usize = 256;

/// Why a message is no hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is larger than events are.
    TooLarge,
    /// It is no event, or lacks what it must have.
    Malformed,
    /// Of such events there is nothing to look at.
    Unknown,
    /// The call that it tells of has failed, or concerns no images.
    Irrelevant,
}

impl Refused {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TooLarge, Self::Malformed, Self::Unknown, Self::Irrelevant];

    /// As metrics have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "tooLarge",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Irrelevant => "irrelevant",
        }
    }
}

/// An event as EventBridge writes it, as far as it matters.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "detail-type")]
    kind: String,
    source: String,
    account: String,
    region: String,
    detail: Detail,
}

/// What differs from kind to kind.
#[derive(Deserialize)]
struct Detail {
    /// Of the state of an image.
    #[serde(rename = "ImageId")]
    image_id: Option<String>,
    #[serde(rename = "State")]
    state: Option<String>,
    /// Of a call that CloudTrail has seen.
    #[serde(rename = "eventSource")]
    event_source: Option<String>,
    #[serde(rename = "eventName")]
    event_name: Option<String>,
    #[serde(rename = "errorCode")]
    error_code: Option<String>,
    #[serde(rename = "userIdentity")]
    user_identity: Option<Identity>,
    /// Of a parameter.
    #[serde(rename = "type")]
    type_: Option<String>,
}

/// Who has made a call.
#[derive(Deserialize)]
struct Identity {
    arn: Option<String>,
}

/// What a message says that is to be looked at.
pub fn read(body: &str) -> Result<Hint, Refused> {
    if body.len() > LARGEST {
        return Err(Refused::TooLarge);
    }
    let event: Event = serde_json::from_str(body).map_err(|_| Refused::Malformed)?;
    let detail = &event.detail;
    let what = match (event.kind.as_str(), event.source.as_str()) {
        ("EC2 AMI State Change", "aws.ec2") => of_state(detail)?,
        ("AWS API Call via CloudTrail", _) => of_call(detail)?,
        ("Parameter Store Change", "aws.ssm") => of_parameter(detail)?,
        _ => return Err(Refused::Unknown),
    };
    let scope = Scope::parse(&event.account, &event.region).map_err(|_| Refused::Malformed)?;
    let by = event.detail.user_identity.and_then(|identity| identity.arn);
    Ok(Hint {
        scope,
        what,
        image: event.detail.image_id.and_then(|id| id.parse().ok()),
        by: by.filter(|arn| is_arn(arn)).map(String::into_boxed_str),
    })
}

/// An image that can be launched may be a new one, or one that is known and is back, which the message does not say. One that cannot be
/// any more was one that is known.
fn of_state(detail: &Detail) -> Result<What, Refused> {
    match detail.state.as_deref() {
        None => Err(Refused::Malformed),
        Some("failed" | "deregistered" | "disabled") => Ok(What::Images),
        Some(_) => Ok(What::NewImages),
    }
}

/// A call changes something where it succeeds: dry runs do not, either.
fn of_call(detail: &Detail) -> Result<What, Refused> {
    let (Some(service), Some(name)) = (&detail.event_source, &detail.event_name) else {
        return Err(Refused::Malformed);
    };
    if service != "ec2.amazonaws.com" {
        return Err(Refused::Unknown);
    }
    let what = match name.as_str() {
        "ModifyImageAttribute"
        | "DisableImage"
        | "EnableImage"
        | "DeregisterImage"
        | "DisableImageDeregistrationProtection"
        | "ModifySnapshotAttribute" => What::Images,
        "DisableEbsEncryptionByDefault" | "ResetEbsDefaultKmsKeyId" | "ModifyEbsDefaultKmsKeyId" => {
            What::Guardrail(Guardrail::EncryptionByDefault)
        }
        "DisableImageBlockPublicAccess" => What::Guardrail(Guardrail::ImageBlockPublicAccess),
        "DisableSnapshotBlockPublicAccess" | "EnableSnapshotBlockPublicAccess" => {
            What::Guardrail(Guardrail::SnapshotBlockPublicAccess)
        }
        // The second one is also how audit mode is set, which refuses nothing.
        "DisableAllowedImagesSettings"
        | "EnableAllowedImagesSettings"
        | "ReplaceImageCriteriaInAllowedImagesSettings" => What::Guardrail(Guardrail::AllowedImages),
        _ => return Err(Refused::Unknown),
    };
    if detail.error_code.is_some() {
        return Err(Refused::Irrelevant);
    }
    Ok(what)
}

/// Parameters that are lists or secret hold no image that is launched.
fn of_parameter(detail: &Detail) -> Result<What, Refused> {
    match detail.type_.as_deref() {
        None | Some("String") => Ok(What::Consumers),
        Some(_) => Err(Refused::Irrelevant),
    }
}

/// Whether a text looks as an ARN of who makes calls, and can be repeated as it is.
pub(super) fn is_arn(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/+=,.@_-".contains(&byte);
    text.len() <= LONGEST_ARN && text.starts_with("arn:") && text.bytes().all(is_plain)
}
