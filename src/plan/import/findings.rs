//! From rows to findings: which image each is about, and where that image is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::account::Damaged;
use super::clues::{Clue, Rank};
use super::remark::Remark;
use crate::domain::{AccountId, ImageId, Region};

/// What the names of columns with accounts have in them in some languages. They help only where no account is whole.
const ACCOUNT_WORDS: [&str; 8] = [
    "account",
    "konto",
    "compte",
    "cuenta",
    "conta",
    "subscription",
    "アカウント",
    "账户",
];

/// A clue, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) clue: Clue,
    pub(super) line: u64,
    /// The way to it from the row; in a table there is none.
    pub(super) path: Vec<u32>,
    /// The column's name.
    pub(super) column: Rc<str>,
}

/// What is on record of one image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// The lines that name it.
    pub lines: BTreeSet<u64>,
    /// How many findings are about it.
    pub findings: u64,
    accounts: BTreeMap<AccountId, Nearness>,
    regions: BTreeMap<Region, Nearness>,
    /// What is left of accounts, by the lines.
    damaged: BTreeMap<Damaged, (Rc<str>, BTreeSet<u64>)>,
}

/// How sure and how near something stands to an image; the least is the best.
type Nearness = (Kinship, Rank, usize, usize);

/// Of what something is said, as the shape of a file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kinship {
    /// Of the image, by its own ARN.
    Own,
    /// Of the image, or of what it is a part of.
    Above,
    /// Of another item of a list that the image is in.
    Beside,
}

/// Marks a step of a path that leads to an item of a list.
pub(super) const ITEM: u32 = 1 << 31;

impl Subject {
    /// The account that the file says it is of, or those if it says several.
    pub fn accounts(&self) -> BTreeSet<AccountId> {
        best(&self.accounts)
    }

    /// The region that the file says it is in, or those if it says several.
    pub fn regions(&self) -> BTreeSet<Region> {
        best(&self.regions)
    }

    /// Whether the file names one account for it, in its own ARN or in a cell: what else it says is where to look first.
    pub fn has_account(&self) -> bool {
        is_certain(&self.accounts)
    }

    /// The same of the region.
    pub fn has_region(&self) -> bool {
        is_certain(&self.regions)
    }

    /// What is left of its account, where the file has no more than that.
    pub fn damaged(&self) -> impl Iterator<Item = (&Damaged, &BTreeSet<u64>)> {
        let wanted = !self.has_account();
        let damaged = self.damaged.iter().filter(move |_| wanted);
        damaged.map(|(damaged, (_, lines))| (damaged, lines))
    }
}

fn is_certain<T>(known: &BTreeMap<T, Nearness>) -> bool {
    let nearest = known.values().min();
    let is_sure = nearest.is_some_and(|(kinship, rank, ..)| *kinship < Kinship::Beside && *rank == Rank::Cell);
    is_sure && known.values().filter(|nearness| Some(*nearness) == nearest).count() == 1
}

/// Whether it is more than a word in a text.
fn is_named<T>(known: &BTreeMap<T, Nearness>) -> bool {
    let nearest = known.values().min();
    nearest.is_some_and(|(kinship, rank, ..)| *kinship < Kinship::Beside && *rank < Rank::Text)
}

fn best<T: Ord + Clone>(known: &BTreeMap<T, Nearness>) -> BTreeSet<T> {
    let nearest = known.values().min();
    let those = known.iter().filter(|(_, nearness)| Some(*nearness) == nearest);
    those.map(|(thing, _)| thing.clone()).collect()
}

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The images.
    pub subjects: BTreeMap<ImageId, Subject>,
    /// How many rows have an image in them.
    pub rows: u64,
    /// What could not be understood, and what is about something else.
    pub remarks: Vec<Remark>,
}

impl Findings {
    /// Whether there is nothing in the file, not even anything that is not understood.
    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty() && self.remarks.is_empty()
    }

    /// Every account that the file names as that of an image, other than in a text.
    pub fn accounts(&self) -> BTreeSet<AccountId> {
        let named = self.subjects.values().filter(|subject| is_named(&subject.accounts));
        named.flat_map(Subject::accounts).collect()
    }

    /// Every region that the file names as that of an image, other than in a text.
    pub fn regions(&self) -> BTreeSet<Region> {
        let named = self.subjects.values().filter(|subject| is_named(&subject.regions));
        named.flat_map(Subject::regions).collect()
    }
}

/// Takes in rows, one after the other.
#[derive(Debug, Default)]
pub(super) struct Collector {
    findings: Findings,
    /// Columns that have whole accounts.
    columns: HashMap<Rc<str>, u64>,
    /// Lines of rows about something else of AWS.
    about_others: BTreeSet<u64>,
    /// Lines of rows that name nothing.
    about_nothing: BTreeSet<u64>,
    broken: BTreeMap<String, BTreeSet<u64>>,
}

impl Collector {
    /// Takes in the row that begins at `line`; `around` is what is said of all rows together.
    pub(super) fn row(&mut self, line: u64, clues: &[Placed], around: &[Placed]) {
        for placed in clues {
            if let Clue::Account(_, Rank::Cell) = placed.clue {
                *self.columns.entry(placed.column.clone()).or_default() += 1;
            }
        }
        let images = clues.iter().filter_map(|placed| match &placed.clue {
            Clue::Image { id, account, region } => Some((id, account, region, placed)),
            _ => None,
        });
        let mut named = BTreeSet::new();
        for (id, account, region, placed) in images {
            let subject = self.findings.subjects.entry(id.clone()).or_default();
            subject.lines.insert(placed.line);
            subject.findings += u64::from(named.insert(id));
            let own = (Kinship::Own, Rank::Cell, 0, 0);
            account
                .iter()
                .for_each(|account| note(&mut subject.accounts, account, own));
            region.iter().for_each(|region| note(&mut subject.regions, region, own));
            for other in clues.iter().chain(around) {
                let nearness = |rank| near(rank, &placed.path, &other.path);
                match &other.clue {
                    Clue::Account(account, rank) => note(&mut subject.accounts, account, nearness(*rank)),
                    Clue::Region(region, rank) => note(&mut subject.regions, region, nearness(*rank)),
                    Clue::Damaged(damaged) => {
                        let (_, lines) = subject
                            .damaged
                            .entry(damaged.clone())
                            .or_insert_with(|| (other.column.clone(), BTreeSet::new()));
                        lines.insert(placed.line);
                    }
                    Clue::Image { .. } | Clue::Broken(_) | Clue::Other => {}
                }
            }
        }
        if !named.is_empty() {
            self.findings.rows += 1;
            return;
        }
        let mut is_broken = false;
        for placed in clues {
            if let Clue::Broken(id) = &placed.clue {
                self.broken.entry(id.clone()).or_default().insert(placed.line);
                is_broken = true;
            }
        }
        if clues.iter().any(|placed| placed.clue == Clue::Other) {
            self.about_others.insert(line);
        } else if !is_broken {
            self.about_nothing.insert(line);
        }
    }

    /// Says something of lines besides.
    pub(super) fn remark(&mut self, remark: Remark) {
        self.findings.remarks.push(remark);
    }

    /// All that was found.
    pub(super) fn finish(mut self) -> Findings {
        let has_accounts = |column: &Rc<str>| {
            let name = column.to_lowercase();
            self.columns.contains_key(column) || ACCOUNT_WORDS.iter().any(|word| name.contains(word))
        };
        for subject in self.findings.subjects.values_mut() {
            subject
                .damaged
                .retain(|damaged, (column, _)| damaged.is_likely() || has_accounts(column));
        }
        let remarks = &mut self.findings.remarks;
        for (id, lines) in self.broken {
            let text = format!(
                "{id} is no image ID, which has 8 or 17 of the digits 0 to 9 and a to f after ami-: correct it, or export it anew"
            );
            remarks.push(Remark::attention(lines, text));
        }
        if !self.about_nothing.is_empty() {
            let text = "no image ID is in it, nor anything else of AWS: correct it, if it is a finding on an image";
            remarks.push(Remark::attention(self.about_nothing, text));
        }
        if !self.about_others.is_empty() {
            let text = "it is about something other than an image, and left out";
            remarks.push(Remark::note(self.about_others, text));
        }
        self.findings
    }
}

fn note<T: Ord + Clone>(known: &mut BTreeMap<T, Nearness>, thing: &T, nearness: Nearness) {
    match known.get_mut(thing) {
        Some(best) => *best = nearness.min(*best),
        None => {
            known.insert(thing.clone(), nearness);
        }
    }
}

/// How near two places of a row are: by the levels up from the image to what has both in it, then by those down from there.
fn near(rank: Rank, image: &[u32], other: &[u32]) -> Nearness {
    let common = image.iter().zip(other).take_while(|(one, two)| one == two).count();
    let is_beside = image.get(common).is_some_and(|step| step & ITEM != 0) && other.len() > common;
    let kinship = if is_beside { Kinship::Beside } else { Kinship::Above };
    (kinship, rank, image.len() - common, other.len() - common)
}
