//! The KMS keys that a snapshot has beside its own: a part of EC2's answers that the SDK does not know yet.
//!
//! Whoever may use an associated key (`AssociateKmsKeyId`) can read the snapshot, without the key that it is encrypted under.
//! DescribeSnapshots names them in each snapshot's `associatedKmsKeySet`, as items with a `kmsKeyId`.

use std::collections::HashMap;

use memchr::memmem;
use xmlparser::{ElementEnd, Token, Tokenizer};

/// Keys by the snapshots that they are associated with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AssociatedKeys(HashMap<String, Vec<String>>);

impl AssociatedKeys {
    /// The keys that are associated with this snapshot.
    pub(super) fn of(&self, snapshot: &str) -> &[String] {
        self.0.get(snapshot).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The associated keys that an answer names, which is whole; none where it names none, as most do.
pub(super) fn associated_keys(body: &[u8]) -> Option<AssociatedKeys> {
    memmem::find(body, b"<associatedKmsKeySet>")?;
    let text = str::from_utf8(body).ok()?;
    let mut found = AssociatedKeys::default();
    let mut open: Vec<&str> = Vec::new();
    let (mut id, mut keys) = (String::new(), Vec::new());
    for token in Tokenizer::from(text) {
        match token.ok()? {
            Token::ElementStart { local, .. } => open.push(local.as_str()),
            Token::Text { text } => match open[..] {
                [.., "snapshotSet", "item", "snapshotId"] => text.as_str().clone_into(&mut id),
                [.., "associatedKmsKeySet", "item", "kmsKeyId"] => keys.push(text.as_str().to_owned()),
                _ => {}
            },
            Token::ElementEnd {
                end: ElementEnd::Close(..) | ElementEnd::Empty,
                ..
            } => {
                open.pop();
                if matches!(open[..], [.., "snapshotSet"]) {
                    let (id, keys) = (std::mem::take(&mut id), std::mem::take(&mut keys));
                    if !keys.is_empty() {
                        found.0.entry(id).or_default().extend(keys);
                    }
                }
            }
            _ => {}
        }
    }
    Some(found).filter(|found| !found.0.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(items: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<DescribeSnapshotsResponse xmlns=\"n\"><snapshotSet>{items}</snapshotSet></DescribeSnapshotsResponse>"
        )
    }

    #[test]
    fn keys_are_found_by_the_snapshots_that_they_are_associated_with() {
        let items = "<item><tagSet><item><key>kmsKeyId</key><value>x</value></item></tagSet>\
             <associatedKmsKeySet><item><kmsKeyId>arn:b</kmsKeyId></item><item><kmsKeyId>arn:c</kmsKeyId></item></associatedKmsKeySet>\
             <snapshotId>snap-1</snapshotId><kmsKeyId>arn:a</kmsKeyId></item>\
             <item><snapshotId>snap-2</snapshotId><kmsKeyId>arn:a</kmsKeyId><associatedKmsKeySet/></item>\
             <item><snapshotId>snap-3</snapshotId>\n<associatedKmsKeySet>\n<item><kmsKeyId>arn:d</kmsKeyId></item></associatedKmsKeySet></item>";
        let found = associated_keys(page(items).as_bytes()).expect("keys");
        assert_eq!(found.of("snap-1"), ["arn:b", "arn:c"]);
        assert!(found.of("snap-2").is_empty());
        assert_eq!(found.of("snap-3"), ["arn:d"]);
    }

    #[test]
    fn most_answers_name_none() {
        let plain = "<item><snapshotId>snap-1</snapshotId><kmsKeyId>arn:a</kmsKeyId></item>";
        for items in [plain, "", "<item><associatedKmsKeySet></associatedKmsKeySet></item>"] {
            assert_eq!(associated_keys(page(items).as_bytes()), None, "{items}");
        }
        assert_eq!(associated_keys(b"not found"), None);
    }
}
