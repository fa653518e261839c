//! Whether nothing is left unencrypted, and where to look where something is.

use crate::api::conditions::{Status, reason};
use crate::api::{AMIEncryptionTargetSpec, Mode, OtherKey};
use crate::plan::classify::Classified;

/// What a target's `Compliant` says. What is certain is said whatever else is unknown.
pub(super) fn of(
    classified: &Classified,
    spec: &AMIEncryptionTargetSpec,
    key_is_known: bool,
) -> (Status, &'static str, String) {
    let counts = &classified.counts;
    let unknown = || {
        classified
            .unknown
            .message()
            .map(|message| format!(" Unknown: {message}"))
    };
    let not = |why, message: String| (Status::False, why, message + &unknown().unwrap_or_default());
    if counts.unencrypted > 0 {
        let message = format!("Unencrypted images have no verified copy: {}", look(spec, key_is_known));
        not(reason::UNENCRYPTED_IMAGES, message)
    } else if counts.unencryptable > 0 {
        let message = format!(
            "Images that copying cannot encrypt remain: {}",
            look(spec, key_is_known)
        );
        not(reason::UNENCRYPTED_IMAGES, message)
    } else if counts.other_key > 0 && spec.other_key == OtherKey::Migrate {
        let message = "Images under another key have no copy under the policy's yet.";
        not(reason::OTHER_KEY, message.to_owned())
    } else if counts.superseded > 0 {
        let message = "Every image has an encrypted copy; unencrypted originals remain.";
        not(reason::ORIGINALS_REMAIN, message.to_owned())
    } else if counts.backups > 0 {
        let message = "Images of AWS Backup or Data Lifecycle Manager are not encrypted: encrypt the volumes that they \
                       are made of, or the backup vault; or copy them with spec.backups: Include, or exempt them with \
                       spec.imageSelector.exclude.";
        not(reason::UNENCRYPTED_IMAGES, message.to_owned())
    } else if counts.unknown > 0 {
        let message = classified.unknown.message();
        let message = message.unwrap_or_else(|| "The policy's key is not known: see KeyUsable.".to_owned());
        let message = format!("The encryption of some images is unknown. {message}");
        (Status::Unknown, reason::UNKNOWN_IMAGES, message)
    } else if !classified.contested.is_empty() {
        let policies: Vec<String> = classified.contested.keys().cloned().collect();
        (Status::Unknown, reason::CONTESTED, contested(&policies))
    } else {
        let message = "No selected image is unencrypted.";
        (Status::True, reason::SUCCEEDED, message.to_owned())
    }
}

/// Where the images are named.
fn look(spec: &AMIEncryptionTargetSpec, key_is_known: bool) -> String {
    const NAMED: &str = "status.unencryptedImages of the target names the oldest, and amiseal plan all of them";
    match spec.mode {
        Mode::Audit => format!("{NAMED}. Set spec.mode: Enforce to migrate them."),
        Mode::Enforce if !key_is_known => format!("{NAMED}. None is migrated before the key is known: see KeyUsable."),
        Mode::Enforce => format!(
            "kubectl get amim -l amiseal.dev/policy={},amiseal.dev/account={},amiseal.dev/region={} shows their \
             migrations.",
            spec.policy, spec.account_id, spec.region
        ),
    }
}

/// Other policies govern images that this one selects too.
pub(super) fn contested(policies: &[String]) -> String {
    const NAMED: usize = 5;
    let mut named: Vec<&str> = policies.iter().take(NAMED).map(String::as_str).collect();
    if policies.len() > NAMED {
        named.push("others");
    }
    let (noun, verb) = if policies.len() == 1 {
        ("policy", "governs")
    } else {
        ("policies", "govern")
    };
    format!(
        "The {noun} {} {verb} some of the selected images, which this one says nothing of: narrow one of the selectors.",
        named.join(", ")
    )
}
