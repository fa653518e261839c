//! Rules of tags.

use kube::core::Rule;

/// A selector's tag keys are such as AWS has.
pub(in crate::api) fn tag_keys() -> Rule {
    Rule::new("self.all(key, size(key) >= 1 && size(key) <= 127)")
        .message("tags must have keys of 1 to 127 characters, as AWS has them: correct the key")
}

/// Extra tags have keys that AWS takes.
pub(in crate::api) fn extra_tag_keys() -> Rule {
    Rule::new("self.all(key, size(key) >= 1 && size(key) <= 127)")
        .message("extraTags must have keys of 1 to 127 characters, as AWS has them: correct the key")
}

/// Extra tags keep out of what AWS and amiseal write themselves. AWS reserves its prefix in any case.
pub(in crate::api) fn extra_tags_not_reserved() -> Rule {
    // Each spelling by itself: to change the case of a key costs by the length of the longest that fits into a request.
    let reserved: String = (0_u8..8)
        .map(|upper| {
            let letter = |(place, letter): (usize, char)| match upper >> place & 1 {
                1 => letter.to_ascii_uppercase(),
                _ => letter,
            };
            let spelling: String = "aws".chars().enumerate().map(letter).collect();
            format!("!key.startsWith('{spelling}:') && ")
        })
        .collect();
    Rule::new(format!("self.all(key, {reserved}!key.startsWith('amiseal.dev/'))")).message(
        "extraTags must not have keys that begin with aws: or amiseal.dev/, which are reserved: rename the key",
    )
}
