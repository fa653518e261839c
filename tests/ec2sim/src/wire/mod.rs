//! The wire protocols: ec2Query, awsQuery and JSON 1.1 requests, XML and JSON answers, errors of each.

mod auth;
mod params;
mod xml;

pub(crate) use auth::Credential;
pub(crate) use params::Params;
pub(crate) use xml::Xml;

use axum::body::Bytes;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// An error answer of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// Error code, as in `InvalidAMIID.NotFound`.
    pub code: String,
    /// Text for people.
    pub message: String,
    /// HTTP status.
    pub status: u16,
}

impl ApiError {
    /// An error with HTTP status 400.
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::with_status(400, code, message)
    }

    /// An error with another status.
    pub(crate) fn with_status(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            status,
        }
    }
}

/// The services that are simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// EC2, ec2Query.
    Ec2,
    /// KMS, JSON 1.1.
    Kms,
    /// STS, awsQuery.
    Sts,
}

impl Service {
    /// The name in credential scopes and actions.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Kms => "kms",
            Self::Sts => "sts",
        }
    }
}

/// The body of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Children of the answer's root element.
    Xml(Xml),
    /// A JSON value.
    Json(Value),
}

/// Writes a success.
pub(crate) fn success(service: Service, operation: &str, body: &Body, request_id: &str) -> Response<Bytes> {
    match body {
        Body::Json(value) => answer(200, "application/x-amz-json-1.1", value.to_string(), request_id),
        Body::Xml(inner) => {
            let text = if service == Service::Sts {
                Xml::root(
                    &format!("{operation}Response"),
                    "https://sts.amazonaws.com/doc/2011-06-15/",
                    |x| {
                        x.nest(&format!("{operation}Result"), |x| x.append(inner));
                        x.nest("ResponseMetadata", |x| x.text("RequestId", request_id));
                    },
                )
            } else {
                Xml::root(
                    &format!("{operation}Response"),
                    "http://ec2.amazonaws.com/doc/2016-11-15/",
                    |x| {
                        x.text("requestId", request_id);
                        x.append(inner);
                    },
                )
            };
            answer(200, "text/xml;charset=UTF-8", text, request_id)
        }
    }
}

/// Writes an error in the form of the service.
pub(crate) fn failure(service: Service, error: &ApiError, request_id: &str) -> Response<Bytes> {
    match service {
        Service::Ec2 => {
            let text = Xml::document("Response", |x| {
                x.nest("Errors", |x| {
                    x.nest("Error", |x| {
                        x.text("Code", &error.code);
                        x.text("Message", &error.message);
                    });
                });
                x.text("RequestID", request_id);
            });
            answer(error.status, "text/xml;charset=UTF-8", text, request_id)
        }
        Service::Sts => {
            let text = Xml::root("ErrorResponse", "https://sts.amazonaws.com/doc/2011-06-15/", |x| {
                x.nest("Error", |x| {
                    let by = if error.status >= 500 { "Receiver" } else { "Sender" };
                    x.text("Type", by);
                    x.text("Code", &error.code);
                    x.text("Message", &error.message);
                });
                x.text("RequestId", request_id);
            });
            answer(error.status, "text/xml", text, request_id)
        }
        Service::Kms => {
            let body = json!({"__type": error.code, "message": error.message});
            answer(error.status, "application/x-amz-json-1.1", body.to_string(), request_id)
        }
    }
}

/// Writes a plain JSON answer.
pub(crate) fn json_answer(status: u16, value: &Value) -> Response<Bytes> {
    answer(status, "application/json", value.to_string(), "")
}

fn answer(status: u16, content_type: &'static str, text: String, id: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert("x-amzn-requestid", value);
    }
    response
}
