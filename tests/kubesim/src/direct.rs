//! Requests without a client: for what people do, and for setting things up.

use std::sync::Arc;

use http::{Method, Request};
use serde_json::Value;

use crate::failure::Failure;
use crate::faults::RequestInfo;
use crate::request::Call;
use crate::server::{ApiServer, Outcome};

impl ApiServer {
    /// Serves one request at once, without anybody deciding about it. `client` is what the journal calls the caller.
    ///
    /// # Errors
    ///
    /// What the API server refuses with, and any watch.
    pub fn request(&self, client: &str, request: Request<Vec<u8>>) -> Result<Arc<Value>, Failure> {
        let number = self.arrive();
        let (parts, body) = request.into_parts();
        let call = Call::parse(&self.world().kinds, &parts, &body)?;
        let info = RequestInfo::of(&call, number, client);
        self.perform(&call, &info, None, Outcome::USUAL)
            .map(|answer| answer.body)
    }

    /// Creates an object, as `client`.
    ///
    /// # Errors
    ///
    /// What the API server refuses with.
    pub fn create(&self, client: &str, object: &Value) -> Result<Arc<Value>, Failure> {
        let text = |path: &str| {
            object
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let path = self.path(&text("/kind"), &text("/metadata/namespace"), "")?;
        self.request(client, build(Method::POST, &path, client, "application/json", object))
    }

    /// Changes an object by a JSON merge patch, as `client`; `subresource` may be empty or `status`.
    ///
    /// # Errors
    ///
    /// What the API server refuses with.
    pub fn merge(
        &self,
        client: &str,
        kind: &str,
        (namespace, name): (&str, &str),
        subresource: &str,
        patch: &Value,
    ) -> Result<Arc<Value>, Failure> {
        let mut path = self.path(kind, namespace, name)?;
        if !subresource.is_empty() {
            path = format!("{path}/{subresource}");
        }
        self.request(
            client,
            build(Method::PATCH, &path, client, "application/merge-patch+json", patch),
        )
    }

    /// Replaces an object, as `client`; `subresource` may be empty or `status`.
    ///
    /// # Errors
    ///
    /// What the API server refuses with.
    pub fn replace(&self, client: &str, object: &Value, subresource: &str) -> Result<Arc<Value>, Failure> {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let mut path = self.path(text("/kind"), text("/metadata/namespace"), text("/metadata/name"))?;
        if !subresource.is_empty() {
            path = format!("{path}/{subresource}");
        }
        self.request(client, build(Method::PUT, &path, client, "application/json", object))
    }

    /// Deletes an object, as `client`, with the default propagation.
    ///
    /// # Errors
    ///
    /// What the API server refuses with.
    pub fn delete(&self, client: &str, kind: &str, (namespace, name): (&str, &str)) -> Result<Arc<Value>, Failure> {
        let path = self.path(kind, namespace, name)?;
        self.request(
            client,
            build(Method::DELETE, &path, client, "application/json", &Value::Null),
        )
    }

    fn path(&self, kind: &str, namespace: &str, name: &str) -> Result<String, Failure> {
        let world = self.world();
        let kind = world
            .kinds
            .named(kind)
            .ok_or_else(|| Failure::unsupported(format!("the kind {kind:?}")))?;
        let namespace = if kind.namespaced {
            format!("/namespaces/{namespace}")
        } else {
            String::new()
        };
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("/{name}")
        };
        Ok(format!("/apis/{}{namespace}/{}{name}", kind.api_version(), kind.plural))
    }
}

fn build(method: Method, path: &str, client: &str, content: &str, body: &Value) -> Request<Vec<u8>> {
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let mut request = Request::new(body);
    *request.method_mut() = method;
    let value = |text: &str| http::HeaderValue::from_str(text).ok();
    for (name, value) in [
        (http::header::CONTENT_TYPE, value(content)),
        (http::header::USER_AGENT, value(client)),
    ] {
        if let Some(value) = value {
            request.headers_mut().insert(name, value);
        }
    }
    // Names of objects are such that an address can hold them as they are.
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
    request
}
