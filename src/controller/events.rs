//! Events: what happened to an image, for people.

use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Resource, ResourceExt};

use super::answers::is_unreachable;

/// The API server takes notes of up to 1,024 bytes.
const LONGEST_NOTE: usize = 1024;

/// Tells people what happened. An Event that cannot be written is logged and holds nothing up.
pub(crate) struct Events {
    recorder: Recorder,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    pub(super) fn new(client: Client, instance: String) -> Self {
        let reporter = Reporter {
            controller: "amiseal".to_owned(),
            instance: Some(instance),
        };
        Self {
            recorder: Recorder::new(client, reporter),
        }
    }

    /// Something went as it should.
    pub(super) async fn normal<K>(&self, object: &K, reason: &str, action: &str, note: &str)
    where
        K: Resource<DynamicType = ()>,
    {
        self.publish(object, EventType::Normal, reason, action, note).await;
    }

    /// Something needs a person.
    pub(super) async fn warning<K>(&self, object: &K, reason: &str, action: &str, note: &str)
    where
        K: Resource<DynamicType = ()>,
    {
        self.publish(object, EventType::Warning, reason, action, note).await;
    }

    async fn publish<K>(&self, object: &K, type_: EventType, reason: &str, action: &str, note: &str)
    where
        K: Resource<DynamicType = ()>,
    {
        let note = cut(note).to_owned();
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: (!note.is_empty()).then_some(note),
            action: action.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &object.object_ref(&())).await
            // That is said for all requests.
            && !is_unreachable(&error)
        {
            tracing::warn!(object = object.name_any(), reason, %error, "could not write an Event");
        }
    }
}

fn cut(note: &str) -> &str {
    &note[..note.floor_char_boundary(LONGEST_NOTE)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_of_any_script_is_cut_to_what_the_api_server_takes() {
        for (sign, kept) in [("a", 1024), ("\u{e9}", 512), ("\u{65e5}", 341), ("\u{1f980}", 256)] {
            assert_eq!(cut(&sign.repeat(2000)).chars().count(), kept);
            assert_eq!(cut(sign), sign);
        }
    }
}
