//! Understanding requests: what is asked, of which kind, with which parameters.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use serde_json::Value;

use crate::failure::Failure;
use crate::kinds::{Kind, Kinds};
use crate::store::Key;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Reads one object.
    Get,
    /// Reads all objects of a kind.
    List,
    /// Follows the objects of a kind.
    Watch,
    /// Makes an object.
    Create,
    /// Replaces an object.
    Update,
    /// Changes parts of an object.
    Patch,
    /// Server-side apply.
    Apply,
    /// Removes an object.
    Delete,
}

impl Verb {
    /// Whether such a request may change something.
    #[must_use]
    pub const fn writes(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }

    /// As the journal writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Apply => "apply",
            Self::Delete => "delete",
        }
    }
}

/// A request, understood.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) verb: Verb,
    pub(crate) kind: Arc<Kind>,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) subresource: String,
    pub(crate) parameters: Parameters,
    pub(crate) body: Value,
}

/// The parameters in the address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) manager: String,
    pub(crate) force: bool,
    pub(crate) dry_run: bool,
    pub(crate) limit: Option<usize>,
    pub(crate) token: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) exact: bool,
    pub(crate) bookmarks: bool,
    pub(crate) timeout: Option<u64>,
    pub(crate) merge: Merge,
    /// Labels that must be there, with a value if one is named.
    pub(crate) labels: Vec<(String, Option<String>)>,
}

/// How a patch is to be merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Merge {
    #[default]
    Json,
    Strategic,
}

impl Call {
    pub(crate) fn key(&self) -> Key {
        Key {
            kind: self.kind.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// Understands a request.
    pub(crate) fn parse(kinds: &Kinds, parts: &http::request::Parts, body: &[u8]) -> Result<Self, Failure> {
        let unknown = || Failure::new(404, "NotFound", "the server could not find the requested resource");
        let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
        let ["apis", group, version, rest @ ..] = path.as_slice() else {
            return Err(unknown());
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return Err(unknown()),
        };
        let kind = kinds.served(group, version, plural).ok_or_else(unknown)?;
        if !namespace.is_empty() && !kind.namespaced || !subresource.is_empty() && !kind.has_status {
            return Err(unknown());
        }
        if !subresource.is_empty() && subresource != "status" {
            return Err(unknown());
        }
        let query = query(parts)?;
        let watches = query.get("watch").is_some_and(|watch| watch == "true" || watch == "1");
        let content = parts.headers.get(http::header::CONTENT_TYPE);
        let content = content.and_then(|content| content.to_str().ok()).unwrap_or_default();
        let content = content.split(';').next().unwrap_or_default();
        let mut parameters = Parameters::read(&query, parts)?;
        let verb = match (&parts.method, name.is_empty()) {
            (&Method::GET, true) if watches => Verb::Watch,
            (&Method::GET, true) => Verb::List,
            (&Method::GET, false) => Verb::Get,
            (&Method::POST, true) => Verb::Create,
            (&Method::PUT, false) => Verb::Update,
            (&Method::DELETE, false) if subresource.is_empty() => Verb::Delete,
            (&Method::DELETE, true) => return Err(Failure::unsupported("the deletion of a collection")),
            (&Method::PATCH, false) => match content {
                "application/apply-patch+yaml" => Verb::Apply,
                "application/merge-patch+json" => Verb::Patch,
                "application/strategic-merge-patch+json" if !kind.custom => {
                    parameters.merge = Merge::Strategic;
                    Verb::Patch
                }
                "application/json-patch+json" => return Err(Failure::unsupported("JSON patches (RFC 6902)")),
                _ => {
                    let message = "the body of the request was in an unknown format";
                    return Err(Failure::new(415, "UnsupportedMediaType", message));
                }
            },
            _ => {
                let message = "the server does not allow this method on the requested resource";
                return Err(Failure::new(405, "MethodNotAllowed", message));
            }
        };
        if !parameters.labels.is_empty() && verb != Verb::List {
            return Err(Failure::unsupported("labelSelector but for lists"));
        }
        if kind.namespaced && namespace.is_empty() && (verb.writes() || verb == Verb::Get) {
            return Err(unknown());
        }
        let body = if body.is_empty() {
            Value::Null
        } else {
            let read = serde_json::from_slice(body);
            read.map_err(|error| Failure::bad_request(format!("the body cannot be read: {error}")))?
        };
        Ok(Self {
            verb,
            kind: kind.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
            parameters,
            body,
        })
    }
}

impl Parameters {
    fn read(query: &BTreeMap<String, String>, parts: &http::request::Parts) -> Result<Self, Failure> {
        let number = |name: &str| query.get(name).map(|value| value.parse::<u64>()).transpose();
        let number = |name: &str| number(name).map_err(|_| Failure::bad_request(format!("{name} must be a number")));
        let truth = |name: &str| query.get(name).is_some_and(|value| value == "true");
        let text = |name: &str| query.get(name).filter(|value| !value.is_empty()).cloned();
        if text("fieldSelector").is_some() {
            return Err(Failure::unsupported("fieldSelector"));
        }
        let labels = text("labelSelector").map(|selector| labels(&selector)).transpose()?;
        if truth("sendInitialEvents") {
            return Err(Failure::unsupported("sendInitialEvents"));
        }
        let agent = parts.headers.get(http::header::USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let agent = agent.split('/').next().unwrap_or_default().to_owned();
        Ok(Self {
            manager: text("fieldManager").unwrap_or(agent),
            force: truth("force"),
            dry_run: query.contains_key("dryRun"),
            limit: number("limit")?
                .filter(|limit| *limit > 0)
                .and_then(|limit| usize::try_from(limit).ok()),
            token: text("continue"),
            version: text("resourceVersion"),
            exact: query.get("resourceVersionMatch").is_some_and(|value| value == "Exact"),
            bookmarks: truth("allowWatchBookmarks"),
            timeout: number("timeoutSeconds")?,
            merge: Merge::Json,
            labels: labels.unwrap_or_default(),
        })
    }
}

/// The terms of a selector: `key`, or `key=value`.
fn labels(selector: &str) -> Result<Vec<(String, Option<String>)>, Failure> {
    let terms = selector.split(',').map(|term| {
        let (key, value) = term
            .split_once('=')
            .map_or((term, None), |(key, value)| (key, Some(value.trim_start_matches('='))));
        let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        if key.is_empty() || !is_plain(key) || !value.is_none_or(is_plain) {
            return Err(Failure::unsupported(format!("the labelSelector {selector}")));
        }
        Ok((key.to_owned(), value.map(str::to_owned)))
    });
    terms.collect()
}

/// The query's parameters. One that the double has never heard of is refused rather than passed over.
fn query(parts: &http::request::Parts) -> Result<BTreeMap<String, String>, Failure> {
    const KNOWN: [&str; 14] = [
        "allowWatchBookmarks",
        "continue",
        "dryRun",
        "fieldManager",
        "fieldSelector",
        "fieldValidation",
        "force",
        "labelSelector",
        "limit",
        "resourceVersion",
        "resourceVersionMatch",
        "sendInitialEvents",
        "timeoutSeconds",
        "watch",
    ];
    let mut query = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        if name.is_empty() && value.is_empty() {
            continue;
        }
        if !KNOWN.contains(&name.as_ref()) {
            return Err(Failure::unsupported(format!("the parameter {name}")));
        }
        query.insert(name.into_owned(), value.into_owned());
    }
    Ok(query)
}
