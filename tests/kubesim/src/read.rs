//! Reading objects: one, all, and what happens to them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::object::set;
use crate::request::Call;
use crate::server::{Answer, World};
use crate::watch::Queue;

impl World {
    /// `GET` of one object, perhaps as of an earlier version.
    pub(crate) fn get(&self, call: &Call, stale: Option<u64>) -> Result<Answer, Failure> {
        let object = self.store.get_at(&call.key(), stale.unwrap_or(u64::MAX));
        let object = object.ok_or_else(|| Failure::not_found(&call.kind, &call.name))?;
        Ok(Answer::object(200, object))
    }

    /// `GET` of all objects, perhaps as of an earlier version.
    pub(crate) fn list(&self, call: &Call, stale: Option<u64>) -> Result<Answer, Failure> {
        let asked = revision(call.parameters.version.as_deref())?;
        let (at, after) = match &call.parameters.token {
            Some(token) => {
                let (at, after) = read_token(token)?;
                self.store.reaches_back_to(at).map_err(|_| {
                    Failure::expired(
                        "The provided continue parameter is too old to display a consistent list result. You can start \
                         a new list without the continue parameter, or use the continue token in this response to \
                         retrieve the remainder of the results. Continuing with the provided token results in an \
                         inconsistent list - objects that were created, modified, or deleted between the time the \
                         first chunk was returned and now may show up in the list.",
                    )
                })?;
                (at, Some(after))
            }
            None => (self.version_to_list(call, asked, stale)?, None),
        };
        let mut objects = self.store.list(&call.kind.kind, &call.namespace, at);
        objects.retain(|(_, object)| has_labels(object, &call.parameters.labels));
        if let Some(after) = after {
            objects
                .retain(|(key, _)| (key.namespace.as_str(), key.name.as_str()) > (after.0.as_str(), after.1.as_str()));
        }
        let mut metadata = json!({"resourceVersion": at.to_string()});
        if let Some(limit) = call.parameters.limit.filter(|limit| *limit < objects.len()) {
            metadata["remainingItemCount"] = json!(objects.len() - limit);
            objects.truncate(limit);
            if let Some((last, _)) = objects.last() {
                metadata["continue"] = json!(format!("{at}:{}:{}", last.namespace, last.name));
            }
        }
        let items = objects.iter().map(|(_, object)| {
            let mut object = object.as_ref().clone();
            if !call.kind.custom {
                // Those that are built in do not say in a list what they are.
                set(&mut object, "apiVersion", None);
                set(&mut object, "kind", None);
            }
            object
        });
        let list = json!({
            "apiVersion": call.kind.api_version(),
            "kind": format!("{}List", call.kind.kind),
            "metadata": metadata,
            "items": items.collect::<Vec<Value>>(),
        });
        Ok(Answer::object(200, Arc::new(list)))
    }

    fn version_to_list(&self, call: &Call, asked: u64, stale: Option<u64>) -> Result<u64, Failure> {
        let current = self.store.revision();
        if asked > current {
            let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
            return Err(Failure {
                retry_after: Some(1),
                ..Failure::new(504, "Timeout", message)
            });
        }
        if call.parameters.exact {
            self.store.reaches_back_to(asked)?;
            return Ok(asked);
        }
        Ok(stale.map_or(current, |stale| stale.clamp(asked, current)))
    }

    /// `GET` of what happens from now on, or since a version.
    pub(crate) fn watch(&mut self, call: &Call, number: u64, client: &str) -> Result<Arc<Queue>, Failure> {
        let asked =
            revision(call.parameters.version.as_deref()).map_err(|failure| Failure::new(500, "", failure.message))?;
        let (kind, namespace) = (call.kind.clone(), call.namespace.as_str());
        let from = if asked == 0 { self.store.revision() } else { asked };
        let bookmarks = call.parameters.bookmarks;
        let queue = Arc::new(Queue::new(number, client, kind, namespace, from, bookmarks));
        if asked == 0 {
            for (_, object) in self.store.list(&call.kind.kind, namespace, u64::MAX) {
                queue.push_present(&object);
            }
        } else if let Err(failure) = self.store.reaches_back_to(asked) {
            // The API server has said that all is well by the time it finds out.
            queue.push_error(failure);
            return Ok(queue);
        }
        self.follow(&queue, from);
        Ok(queue)
    }
}

fn has_labels(object: &Value, wanted: &[(String, Option<String>)]) -> bool {
    wanted.iter().all(|(key, value)| {
        let label = object["metadata"]["labels"].get(key).and_then(Value::as_str);
        label.is_some_and(|label| value.as_deref().is_none_or(|value| value == label))
    })
}

fn revision(version: Option<&str>) -> Result<u64, Failure> {
    version.map_or(Ok(0), |version| {
        let parsed = version.parse();
        parsed.map_err(|_| Failure::bad_request(format!("resourceVersion: Invalid value: \"{version}\"")))
    })
}

fn read_token(token: &str) -> Result<(u64, (String, String)), Failure> {
    let mut parts = token.splitn(3, ':');
    let mut next = || parts.next().unwrap_or_default().to_owned();
    let (at, namespace, name) = (next(), next(), next());
    let at = at
        .parse()
        .map_err(|_| Failure::bad_request("continue key is not valid"))?;
    Ok((at, (namespace, name)))
}
