//! A request before it is known who makes it: which service is meant, which operation, with which parameters.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http;
use serde_json::Value;

use crate::wire::{Credential, Params, Protocol, Service, find_route, flatten};

/// A request before it is known who makes it.
pub(super) struct Raw {
    pub(super) service: Service,
    pub(super) operation: String,
    pub(super) params: Params,
    pub(super) json: Value,
}

impl Raw {
    pub(super) fn read(http: &http::Request<Bytes>) -> Self {
        let scope = Credential::from_headers(http.headers()).ok();
        let scoped = scope.and_then(|c| Service::parse(&c.service));
        let target = http.headers().get("x-amz-target").and_then(|v| v.to_str().ok());
        match (target, scoped) {
            (Some(target), _) => Self::json(http, target),
            (None, Some(service)) if service.protocol() == Protocol::RestJson => Self::rest(http, service),
            _ => Self::query(http),
        }
    }

    fn json(http: &http::Request<Bytes>, target: &str) -> Self {
        let json: Value = serde_json::from_slice(http.body()).unwrap_or_default();
        let (prefix, operation) = target.rsplit_once('.').unwrap_or(("", target));
        let service = match prefix {
            "AmazonSSM" => Service::Ssm,
            "AmazonSQS" => Service::Sqs,
            "AWSOrganizationsV20161128" => Service::Organizations,
            other if other.ends_with("CloudTrail_20131101") => Service::CloudTrail,
            _ => Service::Kms,
        };
        let mut params = BTreeMap::new();
        flatten(&json, "", &mut params);
        Self {
            service,
            operation: operation.to_owned(),
            params: Params::from_map(params),
            json,
        }
    }

    fn rest(http: &http::Request<Bytes>, service: Service) -> Self {
        let json: Value = serde_json::from_slice(http.body()).unwrap_or_default();
        let mut params = BTreeMap::new();
        flatten(&json, "", &mut params);
        params.extend(query_string(http));
        let (operation, named) = find_route(service, http.method().as_str(), http.uri().path()).unwrap_or_default();
        params.extend(named);
        Self {
            service,
            operation: operation.to_owned(),
            params: Params::from_map(params),
            json,
        }
    }

    fn query(http: &http::Request<Bytes>) -> Self {
        let mut map = query_string(http);
        map.extend(Params::from_form(http.body()).as_map().clone());
        let operation = map.remove("Action").unwrap_or_default();
        let version = map.remove("Version").unwrap_or_default();
        let service = match version.as_str() {
            "2011-06-15" => Service::Sts,
            "2011-01-01" => Service::AutoScaling,
            _ => Service::Ec2,
        };
        Self {
            service,
            operation,
            params: Params::from_map(map),
            json: Value::Null,
        }
    }
}

fn query_string(http: &http::Request<Bytes>) -> BTreeMap<String, String> {
    http.uri()
        .query()
        .map(|q| Params::from_form(q.as_bytes()).as_map().clone())
        .unwrap_or_default()
}
