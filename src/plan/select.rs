//! Whether a policy's selector means an image.

use wildmatch::WildMatch;

use crate::api::{Backups, ImageSelector, ImageTerm};
use crate::domain::{Image, Tags};

/// What a selector says of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// It is meant.
    Selected,
    /// It would be, but was made for a backup, and the policy leaves those alone.
    Backup,
    /// `exclude` takes it out.
    Exempt,
    /// No term of `include` matches: the policy does not speak of it.
    Unselected,
}

/// A selector, its globs compiled once for all images of a scan.
#[derive(Debug, Clone)]
pub struct Selector {
    include: Vec<Term>,
    exclude: Vec<Term>,
    backups: Backups,
}

#[derive(Debug, Clone)]
struct Term {
    names: Vec<WildMatch>,
    tags: Vec<(String, WildMatch)>,
    ids: Vec<String>,
}

impl Selector {
    /// Compiles the selector of a policy, and what the policy says of backups.
    pub fn new(selector: &ImageSelector, backups: Backups) -> Self {
        let terms = |terms: &[ImageTerm]| terms.iter().map(Term::new).collect();
        Self {
            include: terms(&selector.include),
            exclude: terms(&selector.exclude),
            backups,
        }
    }

    /// Whether the image is meant. Criteria are ORed, a term's fields ANDed; `exclude` wins.
    pub fn select(&self, image: &Image) -> Selection {
        let included = self.include.is_empty() || self.include.iter().any(|term| term.matches(image));
        if !included {
            Selection::Unselected
        } else if self.exclude.iter().any(|term| term.matches(image)) {
            Selection::Exempt
        } else if image.backup && self.backups == Backups::Exclude {
            Selection::Backup
        } else {
            Selection::Selected
        }
    }
}

impl Term {
    fn new(term: &ImageTerm) -> Self {
        Self {
            names: term.names.iter().map(|glob| WildMatch::new(glob)).collect(),
            tags: term
                .tags
                .iter()
                .map(|(key, glob)| (key.clone(), WildMatch::new(glob)))
                .collect(),
            ids: term.ids.clone(),
        }
    }

    fn matches(&self, image: &Image) -> bool {
        // The API server refuses an empty term. Should one get here, it matches nothing rather than everything.
        let says_something = !(self.names.is_empty() && self.tags.is_empty() && self.ids.is_empty());
        says_something
            && (self.names.is_empty() || self.names.iter().any(|glob| glob.matches(&image.name)))
            && (self.ids.is_empty() || self.ids.iter().any(|id| id == image.id.as_str()))
            && self.tags.iter().all(|(key, glob)| has_tag(&image.tags, key, glob))
    }
}

fn has_tag(tags: &Tags, key: &str, glob: &WildMatch) -> bool {
    tags.get(key).is_some_and(|value| glob.matches(value))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plan::testing::{image, image_id};

    fn term(names: &[&str], tags: &[(&str, &str)], ids: &[u64]) -> ImageTerm {
        ImageTerm {
            names: names.iter().map(|s| (*s).to_owned()).collect(),
            tags: tags
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect::<BTreeMap<_, _>>(),
            ids: ids.iter().map(|n| image_id(*n).to_string()).collect(),
        }
    }

    #[test]
    fn terms_are_ored_fields_are_anded_and_exclude_wins() {
        use Selection::{Exempt, Selected, Unselected};
        let mut web = image(1, 1);
        web.tags.insert("team".into(), "shop".into());
        let table = [
            (vec![], vec![], Selected),
            (vec![term(&["web-*"], &[], &[])], vec![], Selected),
            (vec![term(&["WEB-*"], &[], &[])], vec![], Unselected),
            (vec![term(&["web-?"], &[], &[])], vec![], Selected),
            (vec![term(&["web-??"], &[], &[])], vec![], Unselected),
            (vec![term(&["db-*"], &[], &[]), term(&[], &[], &[1])], vec![], Selected),
            (vec![term(&["web-*"], &[("team", "pay")], &[])], vec![], Unselected),
            (vec![term(&["web-*"], &[("team", "*")], &[])], vec![], Selected),
            (vec![term(&[], &[("Team", "*")], &[])], vec![], Unselected),
            (vec![], vec![term(&[], &[("team", "s*")], &[])], Exempt),
            (
                vec![term(&["db-*"], &[], &[])],
                vec![term(&["web-*"], &[], &[])],
                Unselected,
            ),
            (vec![term(&[], &[], &[])], vec![], Unselected),
            (vec![], vec![term(&[], &[], &[])], Selected),
        ];
        for (include, exclude, expected) in table {
            let selector = ImageSelector { include, exclude };
            assert_eq!(
                Selector::new(&selector, Backups::Exclude).select(&web),
                expected,
                "{selector:?}"
            );
        }
    }

    #[test]
    fn a_backup_is_meant_only_where_the_policy_says_so_and_exempt_where_it_exempts_it() {
        use Selection::{Backup, Exempt, Selected, Unselected};
        let mut backup = image(1, 1);
        backup.backup = true;
        let everything = ImageSelector::default();
        let others = ImageSelector {
            include: vec![term(&["db-*"], &[], &[])],
            ..everything.clone()
        };
        let not_this = ImageSelector {
            exclude: vec![term(&["web-*"], &[], &[])],
            ..everything.clone()
        };
        for (selector, backups, expected) in [
            (&everything, Backups::Exclude, Backup),
            (&everything, Backups::Include, Selected),
            (&others, Backups::Exclude, Unselected),
            (&others, Backups::Include, Unselected),
            (&not_this, Backups::Exclude, Exempt),
            (&not_this, Backups::Include, Exempt),
        ] {
            assert_eq!(
                Selector::new(selector, backups).select(&backup),
                expected,
                "{selector:?}"
            );
        }
    }
}
