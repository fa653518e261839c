//! The API server's audit log: who asked for what, and with which result.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;

/// Records every request once it is answered, and a watch already when it begins, which may never end.
pub(crate) const POLICY: &str = r"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// One request to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// When it arrived.
    pub at: Timestamp,
    /// Who asked, such as `system:serviceaccount:amiseal-system:amiseal`.
    pub user: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The API group; empty for the core group and for requests that are not about a resource.
    pub group: String,
    /// The resource, in the plural; empty for requests that are not about one.
    pub resource: String,
    /// The subresource, such as `status`, or empty.
    pub subresource: String,
    /// The namespace, or empty.
    pub namespace: String,
    /// The object's name; empty where the request has none in its path (a list, some creates).
    pub name: String,
    /// The path with its parameters.
    pub uri: String,
    /// The HTTP status of the answer.
    pub code: u16,
}

impl AuditEvent {
    /// Whether it asked for a change.
    pub fn is_write(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        )
    }
}

/// The writes to one kind of resource by one verb.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteKind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource, in the plural.
    pub resource: String,
    /// The subresource, or empty.
    pub subresource: String,
    /// `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
}

impl fmt::Display for WriteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// How often each kind of write was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteCounts(BTreeMap<WriteKind, usize>);

impl WriteCounts {
    /// Counts the writes among `events`. A refused write counts too, since the API server was asked.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a AuditEvent>) -> Self {
        let mut counts = BTreeMap::new();
        for event in events.into_iter().filter(|event| event.is_write()) {
            let kind = WriteKind {
                group: event.group.clone(),
                resource: event.resource.clone(),
                subresource: event.subresource.clone(),
                verb: event.verb.clone(),
            };
            *counts.entry(kind).or_default() += 1;
        }
        Self(counts)
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// Those to a resource and its subresources.
    pub fn to(&self, resource: &str) -> usize {
        self.0
            .iter()
            .filter(|(kind, _)| kind.resource == resource)
            .map(|(_, count)| count)
            .sum()
    }

    /// The same without Leases, whose holder renews them all the time.
    #[must_use]
    pub fn without_leases(&self) -> Self {
        self.without("coordination.k8s.io", "leases")
    }

    /// The same without Events.
    #[must_use]
    pub fn without_events(&self) -> Self {
        self.without("events.k8s.io", "events").without("", "events")
    }

    /// Each kind of write with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&WriteKind, usize)> {
        self.0.iter().map(|(kind, count)| (kind, *count))
    }

    fn without(&self, group: &str, resource: &str) -> Self {
        let others = self
            .0
            .iter()
            .filter(|(kind, _)| kind.group != group || kind.resource != resource);
        Self(others.map(|(kind, count)| (kind.clone(), *count)).collect())
    }
}

impl fmt::Display for WriteCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in self.iter() {
            writeln!(f, "{count:>6}  {kind}")?;
        }
        write!(f, "{:>6}  writes", self.total())
    }
}

/// Reads a log: one event per request, in the order of their answers.
pub(crate) fn read(path: &Path) -> Result<Vec<AuditEvent>> {
    let log = std::fs::read_to_string(path).with_context(|| format!("cannot read the audit log {}", path.display()))?;
    parse(&log)
}

fn parse(log: &str) -> Result<Vec<AuditEvent>> {
    let mut events = Vec::new();
    let mut seen = BTreeMap::new();
    // A last line without its end is still being written.
    for line in log.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let raw: RawEvent = serde_json::from_str(line).with_context(|| format!("not an audit event: {line}"))?;
        let id = raw.audit_id.clone();
        let event = AuditEvent::from(raw);
        // The end of a watch whose beginning was recorded is the same request.
        match seen.get(&id) {
            Some(&index) => events[index] = event,
            None => {
                seen.insert(id, events.len());
                events.push(event);
            }
        }
    }
    Ok(events)
}

/// The wire form, `audit.k8s.io/v1` Event, as far as it is used here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEvent {
    #[serde(rename = "auditID")]
    audit_id: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: RawUser,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: RawObject,
    response_status: Option<RawStatus>,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct RawUser {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RawObject {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
    api_group: String,
}

#[derive(Deserialize)]
struct RawStatus {
    #[serde(default)]
    code: u16,
}

impl From<RawEvent> for AuditEvent {
    fn from(raw: RawEvent) -> Self {
        Self {
            at: raw.request_received_timestamp,
            user: raw.user.username,
            user_agent: raw.user_agent,
            verb: raw.verb,
            group: raw.object_ref.api_group,
            resource: raw.object_ref.resource,
            subresource: raw.object_ref.subresource,
            namespace: raw.object_ref.namespace,
            name: raw.object_ref.name,
            uri: raw.request_uri,
            code: raw.response_status.map_or(0, |status| status.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, stage: &str, verb: &str, object: &str) -> String {
        format!(
            r#"{{"kind":"Event","auditID":"{id}","stage":"{stage}","requestURI":"/x","verb":"{verb}","user":{{"username":"u"}},"userAgent":"a","objectRef":{object},"responseStatus":{{"code":200}},"requestReceivedTimestamp":"2026-01-02T03:04:05.000006Z"}}"#
        ) + "\n"
    }

    #[test]
    fn a_watch_that_began_and_ended_is_one_event() {
        let watch = r#"{"resource":"leases","apiGroup":"coordination.k8s.io"}"#;
        let log = line("1", "ResponseStarted", "watch", watch) + &line("1", "ResponseComplete", "watch", watch);
        let events = parse(&log).expect("a log");
        assert_eq!(events.len(), 1);
        assert_eq!(
            (events[0].verb.as_str(), events[0].group.as_str()),
            ("watch", "coordination.k8s.io")
        );
    }

    #[test]
    fn a_line_that_is_still_being_written_is_left_for_later() {
        let log = line("1", "ResponseComplete", "get", "{}") + r#"{"kind":"Ev"#;
        assert_eq!(parse(&log).expect("a log").len(), 1);
    }

    #[test]
    fn writes_are_counted_by_resource_and_verb_with_leases_and_events_apart() {
        let status = r#"{"resource":"amimigrations","subresource":"status","apiGroup":"amiseal.dev"}"#;
        let log = [
            line("1", "ResponseComplete", "patch", status),
            line("2", "ResponseComplete", "patch", status),
            line("3", "ResponseComplete", "get", status),
            line(
                "4",
                "ResponseComplete",
                "patch",
                r#"{"resource":"leases","apiGroup":"coordination.k8s.io"}"#,
            ),
            line(
                "5",
                "ResponseComplete",
                "create",
                r#"{"resource":"events","apiGroup":"events.k8s.io"}"#,
            ),
        ];
        let counts = WriteCounts::of(&parse(&log.concat()).expect("a log"));
        assert_eq!(counts.total(), 4);
        assert_eq!(counts.to("amimigrations"), 2);
        assert_eq!(counts.without_leases().total(), 3);
        assert_eq!(
            counts.without_leases().without_events().to_string(),
            "     2  patch amimigrations/status.amiseal.dev\n     2  writes"
        );
    }
}
