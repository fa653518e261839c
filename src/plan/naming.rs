//! What a copy is called, and the token that makes asking for it twice the same as asking once.

use sha2::{Digest, Sha256};

use crate::domain::{ImageId, KeyArn, Scope};

/// The longest name that AWS allows an image, in characters.
pub const MAX_NAME: usize = 128;
/// The shortest.
pub const MIN_NAME: usize = 3;
/// Characters of the token's hash at the end of a copy's name.
const SUFFIX: usize = 8;

/// What identifies a copy: its source and the key it is encrypted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyIdentity {
    /// Where the source is, and the copy.
    pub scope: Scope,
    /// The source image.
    pub source: ImageId,
    /// The key.
    pub key: KeyArn,
}

/// Whether AWS allows a character in an image's name (API reference of CopyImage).
fn is_permitted(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || "()[] ./-'@_".contains(sign)
}

impl CopyIdentity {
    /// The client token of an attempt.
    ///
    /// It depends on nothing that a new process, another policy or a re-created resource would not know, so that
    /// whoever repeats the attempt is answered with the same image. 48 of the 64 characters that are safe.
    pub fn client_token(&self, attempt: u32) -> String {
        let mut hash = Sha256::new();
        for part in [
            self.scope.account.as_str(),
            self.scope.region.as_str(),
            self.source.as_str(),
            self.key.as_str(),
        ] {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(attempt.to_be_bytes());
        format!("amiseal-{}", &hex::encode(hash.finalize())[..40])
    }

    /// The name of an attempt's image: `pattern` with `{sourceID}` and `{name}` filled in, cut so that the token's
    /// hash fits behind it. Unique since the hash is. Signs that AWS does not allow in a name become hyphens: images that
    /// were made before it was so strict may have them.
    pub fn copy_name(&self, pattern: &str, source_name: &str, attempt: u32) -> String {
        // The source's name is put in last, since it may itself contain a placeholder's text.
        let filled = pattern
            .replace("{sourceID}", self.source.as_str())
            .replace("{name}", source_name)
            .replace(|sign| !is_permitted(sign), "-");
        let room = MAX_NAME - SUFFIX - 1;
        let cut: String = filled.chars().take(room).collect();
        format!("{}-{}", cut.trim_end(), self.name_suffix(attempt))
    }

    /// Whether an image's name is one that [`copy_name`](Self::copy_name) gives this attempt, under any pattern.
    pub fn is_named_by_us(&self, name: &str, attempt: u32) -> bool {
        name.strip_suffix(&self.name_suffix(attempt))
            .is_some_and(|rest| rest.ends_with('-'))
    }

    fn name_suffix(&self, attempt: u32) -> String {
        hex::encode(Sha256::digest(self.client_token(attempt)))[..SUFFIX].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::testing;

    #[test]
    fn the_token_differs_when_anything_that_identifies_the_copy_differs() {
        let one = testing::copy_of();
        let others = [
            CopyIdentity {
                scope: Scope::parse("999988887777", one.scope.region.as_str()).expect("a scope"),
                ..one.clone()
            },
            CopyIdentity {
                scope: Scope::parse(one.scope.account.as_str(), "eu-west-2").expect("a scope"),
                ..one.clone()
            },
            CopyIdentity {
                source: testing::image_id(99),
                ..one.clone()
            },
            CopyIdentity {
                key: testing::key(9),
                ..one.clone()
            },
        ];
        for other in others {
            assert_ne!(one.client_token(1), other.client_token(1));
        }
        assert_ne!(one.client_token(1), one.client_token(2));
        assert_eq!(one.client_token(7), one.clone().client_token(7));
        assert!(one.client_token(1).len() <= 64);
    }

    proptest! {
        #[test]
        fn every_legal_name_gives_a_legal_name_that_is_known_again(
            name in "[a-zA-Z0-9()\\[\\] ./'@_-]{3,128}",
            pattern in "[a-z-]{0,20}(\\{sourceID\\})?-(\\{name\\})?",
            attempt in 1u32..9,
        ) {
            let of = testing::copy_of();
            let copy = of.copy_name(&pattern, &name, attempt);
            prop_assert!((3..=MAX_NAME).contains(&copy.chars().count()), "{copy}");
            prop_assert!(of.is_named_by_us(&copy, attempt));
            prop_assert!(!of.is_named_by_us(&copy, attempt + 1));
            prop_assert_ne!(of.copy_name(&pattern, &name, attempt + 1), copy);
        }

        #[test]
        fn every_name_whatsoever_gives_a_name_that_aws_takes(
            name in any::<String>(), pattern in any::<String>(), attempt: u32,
        ) {
            let of = testing::copy_of();
            for pattern in [format!("{pattern}{{name}}"), format!("{{sourceID}}{pattern}"), pattern] {
                let copy = of.copy_name(&pattern, &name, attempt);
                prop_assert!((3..=MAX_NAME).contains(&copy.len()), "{copy}");
                prop_assert!(copy.chars().all(is_permitted), "{copy:?}");
                prop_assert!(of.is_named_by_us(&copy, attempt));
            }
        }
    }
}
