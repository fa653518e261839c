//! The credential scope of a Signature Version 4 header. Signatures are not verified.

use axum::http::{HeaderMap, header};

use super::ApiError;

/// Who calls, where, and which service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    /// Access key ID.
    pub access_key: String,
    /// Region.
    pub region: String,
    /// Service name.
    pub service: String,
    /// Session token, of temporary credentials.
    pub session_token: Option<String>,
}

impl Credential {
    /// Reads the `Authorization` header.
    ///
    /// # Errors
    /// `MissingAuthenticationToken` or `IncompleteSignature` when it is absent or not of the right form.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Err(ApiError::with_status(
                403,
                "MissingAuthenticationToken",
                "Request is missing Authentication Token",
            ));
        };
        let session_token = headers
            .get("x-amz-security-token")
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned);
        value
            .to_str()
            .ok()
            .and_then(|text| Self::parse(text, session_token))
            .ok_or_else(|| {
                ApiError::new(
                    "IncompleteSignature",
                    "Authorization header must be AWS4-HMAC-SHA256 with Credential, SignedHeaders and Signature",
                )
            })
    }

    fn parse(text: &str, session_token: Option<String>) -> Option<Self> {
        let rest = text.strip_prefix("AWS4-HMAC-SHA256")?;
        let mut scope = None;
        let mut signed = false;
        let mut signature = false;
        for part in rest.split(',') {
            match part.trim().split_once('=')? {
                ("Credential", v) => scope = Some(v),
                ("SignedHeaders", v) => signed = v.contains("host"),
                ("Signature", v) => signature = v.len() == 64,
                _ => return None,
            }
        }
        let parts: Vec<&str> = scope?.split('/').collect();
        let [access_key, _date, region, service, "aws4_request"] = parts[..] else {
            return None;
        };
        (signed && signature).then(|| Self {
            access_key: access_key.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            session_token,
        })
    }
}
