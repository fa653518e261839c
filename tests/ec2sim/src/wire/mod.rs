//! The wire protocols: ec2Query, awsQuery, JSON 1.0, JSON 1.1 and REST-JSON requests, XML and JSON answers, errors of each.

mod auth;
mod json;
mod params;
mod rest;
mod service;
mod xml;

pub(crate) use auth::Credential;
pub(crate) use json::flatten;
pub(crate) use params::Params;
pub(crate) use rest::find as find_route;
pub(crate) use service::Protocol;
pub use service::Service;
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

/// The body of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Children of the answer's root element.
    Xml(Xml),
    /// A JSON value.
    Json(Value),
}

const JSON_1_0: &str = "application/x-amz-json-1.0";
const JSON_1_1: &str = "application/x-amz-json-1.1";
const EC2_NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// Writes a success.
pub(crate) fn success(service: Service, operation: &str, body: &Body, request_id: &str) -> Response<Bytes> {
    match (body, service.protocol()) {
        (Body::Json(value), Protocol::RestJson) => {
            // What has only begun is accepted.
            let status = if operation == "StartOnDemandScan" { 202 } else { 200 };
            answer(status, "application/json", value.to_string(), request_id)
        }
        (Body::Json(value), Protocol::JsonOfQuery) => answer(200, JSON_1_0, value.to_string(), request_id),
        (Body::Json(value), _) => answer(200, JSON_1_1, value.to_string(), request_id),
        (Body::Xml(inner), Protocol::Query(namespace)) => {
            let text = Xml::root(&format!("{operation}Response"), namespace, |x| {
                x.nest(&format!("{operation}Result"), |x| x.append(inner));
                x.nest("ResponseMetadata", |x| x.text("RequestId", request_id));
            });
            answer(200, "text/xml;charset=UTF-8", text, request_id)
        }
        (Body::Xml(inner), _) => {
            let text = Xml::root(&format!("{operation}Response"), EC2_NAMESPACE, |x| {
                x.text("requestId", request_id);
                x.append(inner);
            });
            answer(200, "text/xml;charset=UTF-8", text, request_id)
        }
    }
}

/// Writes an error in the form of the service.
pub(crate) fn failure(service: Service, error: &ApiError, request_id: &str) -> Response<Bytes> {
    match service.protocol() {
        Protocol::Ec2Query => {
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
        Protocol::Query(namespace) => {
            let text = Xml::root("ErrorResponse", namespace, |x| {
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
        Protocol::Json => {
            let body = json!({"__type": error.code, "message": error.message});
            answer(error.status, JSON_1_1, body.to_string(), request_id)
        }
        Protocol::JsonOfQuery => {
            let shape = format!("com.amazonaws.{}#{}", service.as_str(), shape_of(&error.code));
            let body = json!({"__type": shape, "message": error.message});
            let mut response = answer(error.status, JSON_1_0, body.to_string(), request_id);
            let by = if error.status >= 500 { "Receiver" } else { "Sender" };
            if let Ok(value) = HeaderValue::from_str(&format!("{};{by}", error.code)) {
                response.headers_mut().insert("x-amzn-query-error", value);
            }
            response
        }
        Protocol::RestJson => {
            let body = json!({ "message": error.message });
            let mut response = answer(error.status, "application/json", body.to_string(), request_id);
            if let Ok(value) = HeaderValue::from_str(&error.code) {
                response.headers_mut().insert("x-amzn-errortype", value);
            }
            response
        }
    }
}

/// As the model of a service names the error that has this code in the query protocol.
fn shape_of(code: &str) -> &str {
    match code {
        "AWS.SimpleQueueService.NonExistentQueue" => "QueueDoesNotExist",
        other => other.rsplit('.').next().unwrap_or(other),
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
