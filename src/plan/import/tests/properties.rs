//! What holds for any table and any policy.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::{Keys, Settings, decode, judge_unasked, read, write};
use super::{WEB, found, place};
use crate::api::AMIEncryptionPolicy;
use crate::domain::{ImageId, Scope};
use crate::plan::testing::image_id;

const REGIONS: [&str; 4] = ["eu-west-1", "us-east-1", "us-gov-west-1", "ap-southeast-2"];

/// A row of a table: an image, its account and region, and a text that says nothing of AWS.
fn any_row() -> impl Strategy<Value = (u64, u64, usize, String)> {
    let noise = prop_oneof![Just(String::new()), "[a-zäöü ,;|\t\"'=()\n]{0,20}"];
    (0..1_u64 << 60, 0..1_000_000_000_000_u64, 0..REGIONS.len(), noise)
}

proptest! {
    #[test]
    fn whatever_bytes_a_file_has_are_read_or_refused(bytes: Vec<u8>, text: String, quoted: bool) {
        let text = format!("{}{WEB},{text}\n\u{feff}é{text}", if quoted { "\"" } else { "" });
        for bytes in [bytes, text.into_bytes()] {
            let Ok(decoded) = decode(bytes) else { continue };
            let Ok(findings) = read(&decoded.text) else { continue };
            let judged = judge_unasked(&findings);
            prop_assert!(judged.images() <= findings.subjects.len());
        }
    }

    #[test]
    fn a_table_is_read_alike_whatever_separates_and_quotes_its_cells(
        rows in prop::collection::btree_map(0..1_u64 << 40, any_row(), 1..20),
        separator in prop::sample::select(b",;\t|".to_vec()),
        always: bool,
        title: bool,
    ) {
        let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let mut writer = csv::WriterBuilder::new().delimiter(separator).quote_style(style).from_writer(Vec::new());
        if title {
            writer.write_record(["Abbild", "Notiz", "Konto", "Region"]).expect("a row");
        }
        let mut expected = Vec::new();
        let mut line = 1 + u64::from(title);
        for (number, (_, owner, at, noise)) in &rows {
            let (id, owner) = (image_id(*number).to_string(), format!("{owner:012}"));
            writer.write_record([&id, noise, &owner, REGIONS[*at]]).expect("a row");
            expected.push(format!("{id} {owner} {} {line}", REGIONS[*at]));
            line += 1 + noise.matches('\n').count() as u64;
        }
        let text = String::from_utf8(writer.into_inner().expect("all rows")).expect("UTF-8");
        prop_assert_eq!(found(&text), expected, "{}", text);
    }

    #[test]
    fn no_line_is_dropped_silently(text in "((ami-[0-9a-f]{4,9}|eu-west-1|111122223333|i-01234567|x|,|;|\t| |\"|\\[|\\{){0,6}\n){0,12}") {
        let Ok(findings) = read(&text) else { return Ok(()) };
        let told = findings.subjects.values().flat_map(|subject| &subject.lines);
        let told: BTreeSet<u64> = told.chain(findings.remarks.iter().flat_map(|remark| &remark.lines)).copied().collect();
        // Quotes may hold several lines, the first of which is named; one line of titles is not.
        if !text.contains('"') {
            let blank = |line: &str| !line.contains(char::is_alphanumeric);
            let lines = text.lines().zip(1_u64..).filter(|(line, _)| !blank(line));
            let untold = lines.filter(|(_, number)| !told.contains(number)).count();
            prop_assert!(untold <= 1, "{:?} {:?}", text, findings);
        }
    }

    #[test]
    fn a_policy_selects_just_the_images_that_it_was_written_for(
        images in prop::collection::btree_map(0..1_u64 << 40, (0..300_u64, 0..REGIONS.len()), 1..700),
    ) {
        let mut selected: BTreeMap<Scope, BTreeSet<ImageId>> = BTreeMap::new();
        for (number, (owner, at)) in &images {
            let at = place(&format!("{owner:012}"), REGIONS[*at]);
            selected.entry(at).or_default().insert(image_id(*number));
        }
        let settings = Settings {
            name: "findings".to_owned(),
            mode: "Audit".to_owned(),
            keys: Keys { general: Some("alias/ami".to_owned()), ..Keys::default() },
            role_name: None,
            external_id: None,
            comment: "x".to_owned(),
        };
        let text = write(&selected, &settings).expect("policies");
        let (mut places, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for policy in text.split("---\n") {
            let policy: AMIEncryptionPolicy = serde_saphyr::from_str(policy).expect("a policy");
            for account in &policy.spec.accounts {
                places.extend(account.regions.iter().map(|region| place(&account.account_id, &region.name)));
            }
            for term in &policy.spec.image_selector.include {
                ids.extend(term.ids.iter().map(|id| id.parse::<ImageId>().expect("an image")));
            }
        }
        prop_assert_eq!(places, selected.keys().cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(ids, selected.values().flatten().cloned().collect::<BTreeSet<_>>());
    }
}
