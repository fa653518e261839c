//! Where images are looked for.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::{Findings, Subject};
use crate::domain::{AccountId, ImageId, Region, Scope};

/// Where somebody can look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The account that the credentials are of.
    pub caller: AccountId,
    /// The regions for images of which the file names none.
    pub regions: BTreeSet<Region>,
}

impl Reach {
    /// The accounts for images of which the file names none.
    fn accounts(&self, findings: &Findings) -> BTreeSet<AccountId> {
        let mut accounts = findings.accounts();
        accounts.insert(self.caller.clone());
        accounts
    }
}

/// In which accounts and regions which images are looked for: where the file says that they are, else wherever they may be.
pub fn places(findings: &Findings, reach: &Reach) -> BTreeMap<Scope, BTreeSet<ImageId>> {
    let known = reach.accounts(findings);
    let mut places: BTreeMap<Scope, BTreeSet<ImageId>> = BTreeMap::new();
    for (id, subject) in &findings.subjects {
        let mut regions = subject.regions();
        if !subject.has_region() {
            regions.extend(reach.regions.iter().cloned());
        }
        for account in accounts(subject, &known) {
            for region in &regions {
                let place = Scope {
                    account: account.clone(),
                    region: region.clone(),
                };
                places.entry(place).or_default().insert(id.clone());
            }
        }
    }
    places
}

fn accounts(subject: &Subject, known: &BTreeSet<AccountId>) -> BTreeSet<AccountId> {
    let mut accounts = subject.accounts();
    if !subject.has_account() {
        // What is left of an account is where to look, and no more: AWS is asked in all others too.
        accounts.extend(subject.damaged().flat_map(|(damaged, _)| damaged.among(known)));
        accounts.extend(known.iter().cloned());
    }
    accounts
}
