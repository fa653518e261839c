//! What becomes of each image, by what AWS says of it.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::{Findings, Subject};
use super::remark::Remark;
use crate::domain::{AccountId, Image, ImageId, ImageState, Scope};

/// What AWS shows of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is there, and not encrypted, or nobody can tell.
    ToSelect,
    /// The same, of one that AWS Backup or Data Lifecycle Manager made.
    Backup,
    /// Every volume of it is encrypted.
    Encrypted,
    /// Making it failed, or it is deregistered.
    Gone,
}

impl Seen {
    /// What an image as AWS shows it is.
    pub fn of(image: &Image) -> Self {
        let mut volumes = image.volumes().peekable();
        if matches!(image.state, ImageState::Failed | ImageState::Deregistered) {
            Self::Gone
        } else if volumes.peek().is_some() && volumes.all(|(_, volume, _)| volume.encrypted == Some(true)) {
            Self::Encrypted
        } else if image.backup {
            Self::Backup
        } else {
            Self::ToSelect
        }
    }
}

/// What AWS has answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// The images that accounts own.
    pub seen: BTreeMap<ImageId, (Scope, Seen)>,
    /// The images of others that an account sees, with their owners.
    pub of_others: BTreeMap<ImageId, (Scope, AccountId, Seen)>,
    /// Where nobody could look, and why: a sentence with the fix.
    pub failed: BTreeMap<Scope, String>,
}

/// What comes of the findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// The images that the policy is to select.
    pub selected: BTreeMap<Scope, BTreeSet<ImageId>>,
    /// What there is to say.
    pub remarks: Vec<Remark>,
    /// How many images are encrypted already.
    pub encrypted: usize,
    /// How many do not exist any more.
    pub gone: usize,
}

impl Judged {
    /// How many images the policy is to select.
    pub fn images(&self) -> usize {
        self.selected.values().map(BTreeSet::len).sum()
    }

    fn select(&mut self, place: Scope, id: &ImageId) {
        self.selected.entry(place).or_default().insert(id.clone());
    }
}

/// Images that nobody could look up: by place and whether they are in the policy all the same.
type Unanswered = BTreeMap<(Scope, bool), (usize, BTreeSet<u64>)>;

/// Decides on each image by AWS's answers to the questions that were `asked`.
pub fn judge(findings: &Findings, asked: &BTreeMap<Scope, BTreeSet<ImageId>>, answers: &Answers) -> Judged {
    let mut judged = Judged::default();
    let mut unanswered = Unanswered::new();
    let known = findings.accounts();
    for (id, subject) in &findings.subjects {
        if let Some((place, seen)) = answers.seen.get(id) {
            of_owner(&mut judged, id, subject, place, *seen);
        } else if let Some((place, owner, seen)) = answers.of_others.get(id) {
            if known.contains(owner) {
                let owned = Scope {
                    account: owner.clone(),
                    region: place.region.clone(),
                };
                of_owner(&mut judged, id, subject, &owned, *seen);
            } else {
                let text = format!(
                    "{id} belongs to the account {owner}, which the file does not name: left out, since only its owner can \
                     replace it; if that account is yours, write it beside the image"
                );
                judged.remarks.push(Remark::attention(subject.lines.clone(), text));
            }
        } else {
            let places = asked.iter().filter(|(_, ids)| ids.contains(id));
            let places: Vec<&Scope> = places.map(|(place, _)| place).collect();
            of_nobody(&mut judged, &mut unanswered, id, subject, &places, &answers.failed);
        }
    }
    for ((place, is_selected), (images, lines)) in unanswered {
        let why = answers.failed.get(&place).map(String::as_str).unwrap_or_default();
        let outcome = if is_selected {
            "in the policy unchecked"
        } else {
            "left out of the policy, since they may be elsewhere"
        };
        let counted = if images == 1 {
            "an image".to_owned()
        } else {
            format!("{images} images")
        };
        let text = format!("{counted} could not be looked up in {place}, {outcome}: {why}");
        judged.remarks.push(Remark::attention(lines, text));
    }
    judged
}

/// An image that was found with its owner.
fn of_owner(judged: &mut Judged, id: &ImageId, subject: &Subject, place: &Scope, seen: Seen) {
    let named = subject.accounts();
    if named.iter().any(|account| *account != place.account) {
        let text = format!(
            "{id} is said to be of {}: AWS says of {}",
            listed(&named),
            place.account
        );
        judged.remarks.push(Remark::note(subject.lines.clone(), text));
    }
    for (damaged, lines) in subject.damaged() {
        let remark = if damaged.fits(&place.account) {
            let text = format!(
                "the account {} has lost digits: AWS says that {id} is of {}",
                damaged.text, place.account
            );
            Remark::note(lines.clone(), text)
        } else {
            let text = format!(
                "{} is not the account of {id}, nor what is left of it: AWS says {}, which is taken",
                damaged.text, place.account
            );
            Remark::attention(lines.clone(), text)
        };
        judged.remarks.push(remark);
    }
    match seen {
        Seen::ToSelect => judged.select(place.clone(), id),
        Seen::Backup => {
            judged.select(place.clone(), id);
            let text = format!(
                "{id} was made by AWS Backup or Data Lifecycle Manager: the policy leaves it alone unless you add backups: \
                 Include to its spec"
            );
            judged.remarks.push(Remark::attention(subject.lines.clone(), text));
        }
        Seen::Encrypted => {
            let text = format!("{id} is encrypted already, in {place}: left out");
            judged.remarks.push(Remark::note(subject.lines.clone(), text));
            judged.encrypted += 1;
        }
        Seen::Gone => gone(judged, id, subject, place),
    }
}

fn gone(judged: &mut Judged, id: &ImageId, subject: &Subject, place: &Scope) {
    let text = format!("{id} does not exist any more in {place}: left out");
    judged.remarks.push(Remark::note(subject.lines.clone(), text));
    judged.gone += 1;
}

/// An image that was found nowhere.
fn of_nobody(
    judged: &mut Judged,
    unanswered: &mut Unanswered,
    id: &ImageId,
    subject: &Subject,
    places: &[&Scope],
    failed: &BTreeMap<Scope, String>,
) {
    let is_named = subject.has_account() && subject.has_region();
    let mut is_unanswered = false;
    for place in places.iter().filter(|place| failed.contains_key(place)) {
        is_unanswered = true;
        let (images, lines) = unanswered.entry(((*place).clone(), is_named)).or_default();
        *images += 1;
        lines.extend(&subject.lines);
        if is_named {
            judged.select((*place).clone(), id);
        }
    }
    if is_unanswered {
        return;
    }
    if let ([place], true) = (places, is_named) {
        gone(judged, id, subject, place);
        return;
    }
    let mut text = match places {
        [] => format!("{id} was looked for nowhere"),
        [place] => format!("{id} was not found in {place}"),
        places => format!(
            "{id} was found in none of {} accounts and regions, from {} to {}",
            places.len(),
            places[0],
            places[places.len() - 1]
        ),
    };
    if let Some((damaged, _)) = subject.damaged().next() {
        text += &format!(", and its account is given as {}, which lacks digits", damaged.text);
    }
    text += ": it does not exist any more, or is elsewhere; write its account and region beside it, or name regions with \
             --region";
    judged.remarks.push(Remark::attention(subject.lines.clone(), text));
}

/// Decides on each image by what the file says alone.
pub fn judge_unasked(findings: &Findings) -> Judged {
    let mut judged = Judged::default();
    for (id, subject) in &findings.subjects {
        let (accounts, regions) = (subject.accounts(), subject.regions());
        let why = match (accounts.len(), regions.len()) {
            (1, 1) => {
                if !(subject.has_account() && subject.has_region()) {
                    let text = format!(
                        "{id} is said to be in {} {} by a text or the ARN of something else only: see that it is right",
                        listed(&accounts),
                        listed(&regions)
                    );
                    judged.remarks.push(Remark::attention(subject.lines.clone(), text));
                }
                for (account, region) in accounts.into_iter().zip(regions) {
                    judged.select(Scope { account, region }, id);
                }
                continue;
            }
            (0, _) => match subject.damaged().next() {
                Some((damaged, _)) => format!(
                    "its account is given as {}, which lacks digits, and only AWS can say which account that is",
                    damaged.text
                ),
                None => "no account is named beside it".to_owned(),
            },
            (1, 0) => "no region is named beside it".to_owned(),
            (1, _) => format!("several regions are named beside it, {}", listed(&regions)),
            _ => format!("several accounts are named beside it, {}", listed(&accounts)),
        };
        let text = format!("{id} is left out: {why}; leave out --offline, or correct it");
        judged.remarks.push(Remark::attention(subject.lines.clone(), text));
    }
    judged
}

fn listed<T: ToString>(things: &BTreeSet<T>) -> String {
    things.iter().map(T::to_string).collect::<Vec<_>>().join(" and ")
}
