//! What the API server answers when it refuses.

use serde_json::{Value, json};

use crate::kinds::Kind;

/// A refusal, as its `Status` object says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The HTTP status.
    pub code: u16,
    /// The reason, one word.
    pub reason: String,
    /// The sentence for people.
    pub message: String,
    /// After how many seconds the client may try again.
    pub retry_after: Option<u32>,
    /// What each manager holds that was to be taken: for conflicts of server-side apply.
    pub(crate) causes: Vec<(String, String)>,
}

impl Failure {
    /// A refusal of one's own making.
    #[must_use]
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: message.into(),
            retry_after: None,
            causes: Vec::new(),
        }
    }

    /// 409: somebody else was faster.
    #[must_use]
    pub fn conflict() -> Self {
        Self::new(
            409,
            "Conflict",
            "Operation cannot be fulfilled: somebody else changed the object",
        )
    }

    /// 429: come back after `seconds`.
    #[must_use]
    pub fn too_many_requests(seconds: u32) -> Self {
        let message = "the server has received too many requests and has asked us to try again later";
        Self {
            retry_after: Some(seconds),
            ..Self::new(429, "TooManyRequests", message)
        }
    }

    /// 500, as when etcd fails.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            500,
            "InternalError",
            "Internal error occurred: etcdserver: request timed out",
        )
    }

    /// 503, as while the API server starts or stops.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(
            503,
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
        )
    }

    /// 410: the version that was asked for is not kept any more.
    #[must_use]
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// The double does not do what was asked. A simulation that gets this asks for too much, and says so.
    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Self {
        Self::new(
            501,
            "NotImplemented",
            format!("the double of the API server does not support {what}"),
        )
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", kind.resource()))
    }

    pub(crate) fn exists(kind: &Kind, name: &str, leaving: bool) -> Self {
        let leaving = if leaving { "object is being deleted: " } else { "" };
        Self::new(
            409,
            "AlreadyExists",
            format!("{leaving}{} \"{name}\" already exists", kind.resource()),
        )
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, faults: &[String]) -> Self {
        let faults = match faults {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let of = format!("{}.{}", kind.kind, kind.group);
        Self::new(422, "Invalid", format!("{of} \"{name}\" is invalid: {faults}"))
    }

    pub(crate) fn cannot_fulfil(resource: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}");
        Self::new(409, "Conflict", message)
    }

    pub(crate) fn modified(kind: &Kind, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::cannot_fulfil(&kind.resource(), name, why)
    }

    /// The `Status` object.
    pub(crate) fn to_json(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Some(seconds) = self.retry_after {
            status["details"]["retryAfterSeconds"] = json!(seconds);
        }
        if !self.causes.is_empty() {
            let causes = self.causes.iter();
            let causes = causes
                .map(|(message, field)| json!({"reason": "FieldManagerConflict", "message": message, "field": field}));
            status["details"]["causes"] = causes.collect();
        }
        status
    }
}
