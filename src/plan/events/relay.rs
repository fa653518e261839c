//! How a replica tells another one of hints: as the value of an annotation.

use std::time::Duration;

use jiff::Timestamp;

use super::Wanted;
use super::message::is_arn;
use crate::domain::Guardrail;

/// A longer value is not read, in bytes.
pub(super) const LONGEST: usize = 2048;
/// For how long a value is believed. The clocks of two machines may differ, and one that has just started sees what was told before.
pub const FRESH: Duration = Duration::from_secs(300);

const NEW_IMAGES: &str = "newImages";
const IMAGES: &str = "images";
const CONSUMERS: &str = "consumers";

/// What is told at `at`: the time, and then a word for each thing.
pub fn told(wanted: &Wanted, at: Timestamp) -> String {
    let mut text = at.to_string();
    for (word, is_wanted) in [
        (NEW_IMAGES, wanted.new_images),
        (IMAGES, wanted.images),
        (CONSUMERS, wanted.consumers),
    ] {
        if is_wanted {
            text.push(' ');
            text.push_str(word);
        }
    }
    for (guardrail, by) in &wanted.guardrails {
        text.push(' ');
        text.push_str(guardrail.as_str());
        if let Some(by) = by {
            text.push('=');
            text.push_str(by);
        }
    }
    text
}

/// What was told, if that is not long ago. A word that is not known is passed over.
pub fn heard(text: &str, now: Timestamp) -> Option<Wanted> {
    if text.len() > LONGEST {
        return None;
    }
    let mut words = text.split_ascii_whitespace();
    let at: Timestamp = words.next()?.parse().ok()?;
    if at.duration_since(now).unsigned_abs() > FRESH {
        return None;
    }
    let mut wanted = Wanted::default();
    for word in words {
        match word {
            NEW_IMAGES => wanted.new_images = true,
            IMAGES => wanted.images = true,
            CONSUMERS => wanted.consumers = true,
            other => {
                let (name, by) = other
                    .split_once('=')
                    .map_or((other, None), |(name, by)| (name, Some(by)));
                let guardrail = Guardrail::ALL.into_iter().find(|known| known.as_str() == name);
                if let Some(guardrail) = guardrail {
                    let by = by.filter(|arn| is_arn(arn)).map(Into::into);
                    wanted.guardrails.insert(guardrail, by);
                }
            }
        }
    }
    Some(wanted)
}
