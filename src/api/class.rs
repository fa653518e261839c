//! The classes of images: the one list of them.

use super::ImageCounts;

/// The class of an image. Each selected image is in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageClass {
    /// Every snapshot is encrypted under the policy's key.
    Encrypted,
    /// A snapshot is not encrypted, and there is no verified copy.
    Unencrypted,
    /// To be migrated, and a verified copy exists.
    Superseded,
    /// Encrypted, but under another key.
    OtherKey,
    /// Copying cannot encrypt it.
    Unencryptable,
    /// It would have to be migrated, but was made for a backup, and the policy leaves those alone.
    Backup,
    /// The selector exempts it.
    Exempt,
    /// Another policy governs it.
    Contested,
    /// It or a snapshot of it could not be read, or the policy's key is not known.
    Unknown,
}

impl ImageClass {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Encrypted,
        Self::Unencrypted,
        Self::Superseded,
        Self::OtherKey,
        Self::Unencryptable,
        Self::Backup,
        Self::Exempt,
        Self::Contested,
        Self::Unknown,
    ];

    /// The class as a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::Unencrypted => "unencrypted",
            Self::Superseded => "superseded",
            Self::OtherKey => "otherKey",
            Self::Unencryptable => "unencryptable",
            Self::Backup => "backup",
            Self::Exempt => "exempt",
            Self::Contested => "contested",
            Self::Unknown => "unknown",
        }
    }
}

impl ImageCounts {
    /// How many images are in a class.
    pub fn of(mut self, class: ImageClass) -> u32 {
        *self.of_mut(class)
    }

    /// Counts one more image of a class.
    pub fn add(&mut self, class: ImageClass) {
        self.total += 1;
        *self.of_mut(class) += 1;
    }

    fn of_mut(&mut self, class: ImageClass) -> &mut u32 {
        match class {
            ImageClass::Encrypted => &mut self.encrypted,
            ImageClass::Unencrypted => &mut self.unencrypted,
            ImageClass::Superseded => &mut self.superseded,
            ImageClass::OtherKey => &mut self.other_key,
            ImageClass::Unencryptable => &mut self.unencryptable,
            ImageClass::Backup => &mut self.backups,
            ImageClass::Exempt => &mut self.exempt,
            ImageClass::Contested => &mut self.contested,
            ImageClass::Unknown => &mut self.unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_count_of_its_own_and_every_count_but_the_total_a_class() {
        let mut counts = ImageCounts::default();
        for (number, class) in (1..).zip(ImageClass::ALL) {
            (0..number).for_each(|_| counts.add(class));
            assert_eq!(counts.of(class), number, "{class:?}");
        }
        let json = serde_json::to_value(counts).expect("JSON");
        let mut fields: Vec<u64> = json
            .as_object()
            .expect("an object")
            .values()
            .filter_map(serde_json::Value::as_u64)
            .collect();
        fields.sort_unstable();
        assert_eq!(fields, [1, 2, 3, 4, 5, 6, 7, 8, 9, 45], "{json}");
    }
}
