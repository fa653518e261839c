//! Exports as they come, and what holds for all of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::places::Place;
use super::policy::{Keys, Settings};
use super::{Answers, Findings, Reach, Seen, Weight, judge, judge_unasked, places, read, write};
use crate::api::AMIEncryptionPolicy;
use crate::domain::{AccountId, ImageId, Region};
use crate::plan::testing::image_id;

const WEB: &str = "ami-0123456789abcdef0";
const DB: &str = "ami-0fedcba9876543210";
const A: &str = "111122223333";
const B: &str = "012345678901";

fn account(id: &str) -> AccountId {
    id.parse().expect("an account")
}

fn region(name: &str) -> Region {
    name.parse().expect("a region")
}

fn place(id: &str, name: &str) -> Place {
    Place {
        account: account(id),
        region: region(name),
    }
}

/// Each image in a text with its accounts, regions and lines.
fn found(text: &str) -> Vec<String> {
    let findings = read(text).expect("findings");
    let listed = |things: Vec<String>| {
        if things.is_empty() {
            "?".to_owned()
        } else {
            things.join("+")
        }
    };
    let subjects = findings.subjects.iter().map(|(id, subject)| {
        let mut accounts: Vec<String> = subject.accounts().into_iter().map(String::from).collect();
        accounts.extend(subject.damaged().map(|(damaged, _)| format!("~{}", damaged.text)));
        let regions = subject.regions().into_iter().map(String::from).collect();
        let lines: Vec<String> = subject.lines.iter().map(u64::to_string).collect();
        format!("{id} {} {} {}", listed(accounts), listed(regions), lines.join(","))
    });
    subjects.collect()
}

fn remarks(findings: &Findings) -> Vec<String> {
    let mut remarks = findings.remarks.clone();
    remarks.sort_by(|a, b| a.lines.cmp(&b.lines));
    remarks
        .iter()
        .map(|remark| format!("{:?} {}", remark.weight, remark.in_file("f")))
        .collect()
}

#[test]
fn tables_of_any_separator_quotes_and_titles_are_read() {
    let web = format!("{WEB} {A} eu-west-1 2");
    for text in [
        format!("Account,Region,Image\n{A},eu-west-1,{WEB}\n"),
        format!("Konto;Region;Abbild;Größe\n\"{A}\";eu-west-1;{WEB};1,5\n"),
        format!("アカウント\t地域\tイメージ\n{A}\teu-west-1b\t{WEB}"),
        format!("a|b|c\n'{A}|EU-WEST-1|{WEB}\n"),
        format!("a,b,c\r\n=\"{A}\",eu-west-1,\"=HYPERLINK(\"\"https://example.com/{WEB}\"\",\"\"{WEB}\"\")\"\r\n"),
        format!("sep=;\n{A};eu-west-1;{WEB}\n"),
        format!("ARN\narn:aws:ec2:eu-west-1:{A}:image/{WEB}\n"),
        format!(
            "id,arn,key\n999988887777,arn:aws:ec2:eu-west-1:{A}:image/{WEB},arn:aws:kms:us-east-1:444455556666:key/x\n"
        ),
        format!(
            "Resource,Subscription,Location,Note\nimage/{WEB},1111-2222-3333,eu-west-1,moved from us-east-1 by 444455556666\n"
        ),
    ] {
        let text = text.replace("\r\n", "\n");
        assert_eq!(found(&text), [web.clone()], "{text}");
        assert_eq!(read(&text).expect("findings").remarks, [], "{text}");
    }
    let bare = format!("{WEB}\n\n{DB}\n");
    assert_eq!(found(&bare), [format!("{WEB} ? ? 1"), format!("{DB} ? ? 3")]);
}

#[test]
fn lines_stay_true_over_quoted_breaks_and_empty_lines() {
    let text = format!("\nTitle,Image\n\n\"two\nlines\",{WEB}\n\"x\",\"\n\n{DB}\"\n\n{A},{WEB}\n");
    assert_eq!(found(&text), [format!("{WEB} {A} ? 4,10"), format!("{DB} ? ? 6")]);
}

#[test]
fn a_quote_that_nobody_closes_swallows_nothing() {
    let text = format!("Title,Region,Image\nok,eu-west-1,{WEB}\n\"open,eu-west-1,ami-00000001\nok,us-east-1,{DB}\n");
    let findings = read(&text).expect("findings");
    assert_eq!(
        found(&text),
        [
            "ami-00000001 ? eu-west-1 3".to_owned(),
            format!("{WEB} ? eu-west-1 2"),
            format!("{DB} ? us-east-1 4"),
        ]
    );
    let said = remarks(&findings);
    assert!(
        said.len() == 1 && said[0].starts_with("Attention f:3: a quote is opened here"),
        "{said:?}"
    );
}

#[test]
fn what_is_not_understood_is_named_by_its_line() {
    let text = format!(
        "Export of November\nAccount,Region,Image\n{A},eu-west-1,{WEB}\n{A},eu-west-1,ami-0123\n{A},eu-west-1,\n\
         {A},eu-west-1,i-0123456789abcdef0\nTotal: 3,,\n=cmd|' /C calc'!A0,,\n"
    );
    let said = remarks(&read(&text).expect("findings"));
    assert_eq!(said.len(), 4, "{said:#?}");
    for (said, words) in said.iter().zip([
        "Note f:1,2: these lines come before the first finding",
        "Attention f:4: ami-0123 is no image ID",
        "Attention f:5,7,8: no image ID is in it",
        "Note f:6: it is about something other than an image",
    ]) {
        assert!(said.starts_with(words), "{said}");
    }
}

#[test]
fn accounts_that_lost_digits_are_kept_as_what_they_are() {
    for (cell, expected) in [
        ("12345678901", "~12345678901"),
        ("1.23457E+10", "~1.23457E+10"),
        ("\"1,23457E+10\"", "~1,23457E+10"),
        ("\"12,345,678,901\"", "~12,345,678,901"),
    ] {
        let text = format!("x,y\n{cell},{WEB}\n");
        assert_eq!(found(&text), [format!("{WEB} {expected} ? 2")], "{cell}");
    }
    // Ten digits are a time as well: another row of the column, or its title, tells.
    assert_eq!(found(&format!("x,y\n1764374400,{WEB}\n")), [format!("{WEB} ? ? 2")]);
    for text in [
        format!("x,y\n{A},{DB}\n1234567890,{WEB}\n"),
        format!("Konto-Nr.,y\n-,{DB}\n1234567890,{WEB}\n"),
    ] {
        assert_eq!(found(&text)[0], format!("{WEB} ~1234567890 ? 3"), "{text}");
    }
}

#[test]
fn findings_in_json_are_read_by_their_shape() {
    let asff = format!(
        r#"{{"Findings": [
  {{"AwsAccountId": "{A}", "Region": "eu-west-1", "ProductArn": "arn:aws:securityhub:us-east-1::product/aws/securityhub",
   "Resources": [{{"Type": "AwsEc2Image", "Id": "arn:aws:ec2:eu-west-1:{A}:image/{WEB}", "Region": "eu-west-1"}}]}},
  {{"AwsAccountId": "{B}", "Region": "us-east-1",
   "Resources": [{{"Id": "{DB}"}}, {{"Id": "arn:aws:ec2:eu-west-3:999988887777:instance/i-1", "Region": "eu-west-3"}}]}}
], "NextToken": "x"}}"#
    );
    assert_eq!(
        found(&asff),
        [format!("{WEB} {A} eu-west-1 4"), format!("{DB} {B} us-east-1 6")]
    );
    let ocsf = format!(
        r#"[{{"cloud": {{"account": {{"uid": "{A}"}}, "region": "eu-west-1"}},
  "resources": [{{"uid": "{WEB}", "region": "eu-west-1"}}, {{"uid": "{DB}", "region": "eu-central-1"}}]}}]"#
    );
    assert_eq!(
        found(&ocsf),
        [format!("{WEB} {A} eu-west-1 2"), format!("{DB} {A} eu-central-1 2")]
    );
    let sarif = format!(
        r#"{{"version": "2.1.0", "runs": [{{"results": [
  {{"ruleId": "ami-encryption", "message": {{"text": "Image {WEB} of {A} in eu-west-1 is not encrypted"}},
   "locations": [{{"physicalLocation": {{"artifactLocation": {{"uri": "{WEB}"}}}}}}]}},
  {{"message": {{"text": "x"}}, "properties": {{"account": {A}, "region": "us-east-1", "image": "{DB}"}}}}
]}}]}}"#
    );
    assert_eq!(
        found(&sarif),
        [format!("{WEB} {A} eu-west-1 2,3"), format!("{DB} {A} us-east-1 4")]
    );
    let lines = format!(
        "{{\"image\": \"{WEB}\", \"account\": \"{A}\"}}\n{{'image': '{DB}'}}\n\n{{\"image\": \"{DB}\", \"account\": 12345678901}}\n"
    );
    assert_eq!(
        found(&lines),
        [format!("{WEB} {A} ? 1"), format!("{DB} ~12345678901 ? 2,4")]
    );
    let said = remarks(&read(&lines).expect("findings"));
    assert!(
        said.len() == 1 && said[0].starts_with("Attention f:2: it is not JSON (a name"),
        "{said:?}"
    );
    let beside = format!(
        r#"{{"account": "{A}", "region": "eu-west-1", "images": {{"{WEB}": {{}}, "{DB}": {{"region": "us-east-1"}}}}}}"#
    );
    assert_eq!(
        found(&beside),
        [format!("{WEB} {A} eu-west-1 1"), format!("{DB} {A} us-east-1 1")]
    );
    let wrapped =
        format!(r#"{{"account": "{A}", "region": "eu-west-1", "items": [{{"id": "{WEB}"}}, {{"id": "{DB}"}}]}}"#);
    assert_eq!(
        found(&wrapped),
        [format!("{WEB} {A} eu-west-1 1"), format!("{DB} {A} eu-west-1 1")]
    );
}

#[test]
fn json_that_ends_in_the_middle_is_refused_with_its_line() {
    let why = read("{\n\"Findings\": [\n{\"a\": 1},\n").expect_err("refused");
    assert_eq!(why.line, Some(4));
    assert!(why.what.contains("it ends in the middle"), "{}", why.what);
}

/// What comes of a text when AWS answers so, and the remarks with what they weigh.
fn judged(text: &str, answers: &Answers) -> (BTreeMap<Place, BTreeSet<ImageId>>, Vec<String>) {
    let findings = read(text).expect("findings");
    let reach = Reach {
        caller: account(A),
        regions: [region("eu-west-1")].into(),
    };
    let judged = judge(&findings, &places(&findings, &reach), answers);
    let said = judged
        .remarks
        .iter()
        .map(|remark| format!("{:?} {}", remark.weight, remark.in_file("f")));
    (judged.selected, said.collect())
}

#[test]
fn what_aws_says_decides_on_each_image() {
    let id: ImageId = WEB.parse().expect("an image");
    let named = format!("{A},eu-west-1,{WEB}\n");
    let bare = format!("{WEB}\n");
    let lost = format!("12345678901,eu-west-1,{WEB}\n");
    let seen = |at: Place, seen| Answers {
        seen: [(id.clone(), (at, seen))].into(),
        ..Answers::default()
    };
    let others = |owner: &str| Answers {
        of_others: [(id.clone(), (place(A, "eu-west-1"), Some(account(owner))))].into(),
        ..Answers::default()
    };
    let failed = |at: Place| Answers {
        failed: [(at, "no".to_owned())].into(),
        ..Answers::default()
    };
    let home = || place(A, "eu-west-1");
    for (text, answers, selected, said) in [
        (&named, seen(home(), Seen::ToSelect), Some(home()), None),
        (&bare, seen(home(), Seen::ToSelect), Some(home()), None),
        (
            &named,
            seen(home(), Seen::Encrypted),
            None,
            Some("Note f:1: ami-0123456789abcdef0 is encrypted already, in 111122223333 eu-west-1"),
        ),
        (
            &named,
            seen(home(), Seen::Gone),
            None,
            Some("Note f:1: ami-0123456789abcdef0 does not exist any more"),
        ),
        (
            &named,
            Answers::default(),
            None,
            Some("Note f:1: ami-0123456789abcdef0 does not exist any more in 111122223333 eu-west-1"),
        ),
        (
            &bare,
            Answers::default(),
            None,
            Some("Attention f:1: ami-0123456789abcdef0 was not found in 111122223333 eu-west-1: "),
        ),
        (
            &named,
            failed(home()),
            Some(home()),
            Some(
                "Attention f:1: an image could not be looked up in 111122223333 eu-west-1, in the policy unchecked: no",
            ),
        ),
        (
            &bare,
            failed(home()),
            None,
            Some("Attention f:1: an image could not be looked up in 111122223333 eu-west-1, left out"),
        ),
        (
            &named,
            others("444455556666"),
            None,
            Some(
                "Attention f:1: ami-0123456789abcdef0 belongs to the account 444455556666, which the file does not name",
            ),
        ),
        (
            &lost,
            seen(place(B, "eu-west-1"), Seen::ToSelect),
            Some(place(B, "eu-west-1")),
            Some(
                "Note f:1: the account 12345678901 has lost digits: AWS says that ami-0123456789abcdef0 is of 012345678901",
            ),
        ),
        (
            &lost,
            seen(home(), Seen::ToSelect),
            Some(home()),
            Some("Attention f:1: 12345678901 is not the account of"),
        ),
        (
            &lost,
            Answers::default(),
            None,
            Some(
                "Attention f:1: ami-0123456789abcdef0 was found in none of 2 accounts and regions, from 012345678901 eu-west-1 to 111122223333 eu-west-1, and its account is given as 12345678901",
            ),
        ),
    ] {
        let (places, remarks) = judged(text, &answers);
        let expected: Vec<Place> = selected.into_iter().collect();
        assert_eq!(places.into_keys().collect::<Vec<_>>(), expected, "{text}{answers:?}");
        match said {
            None => assert_eq!(remarks, Vec::<String>::new()),
            Some(words) => assert!(
                remarks.len() == 1 && remarks[0].starts_with(words),
                "{remarks:?}\n{words}"
            ),
        }
    }
    let shared = format!("{A},eu-west-1,{WEB}\n444455556666,eu-west-1,{DB}\n");
    let (places, _) = judged(&shared, &others("444455556666"));
    assert_eq!(
        places.into_keys().collect::<Vec<_>>(),
        [place("444455556666", "eu-west-1")]
    );
}

#[test]
fn without_aws_only_what_the_file_says_whole_is_taken() {
    for (text, selected, words) in [
        (format!("{A},eu-west-1,{WEB}\n"), 1, None),
        (format!("eu-west-1,{WEB}\n"), 0, Some("no account is named")),
        (format!("{A},{WEB}\n"), 0, Some("no region is named")),
        (
            format!("{A},{B},eu-west-1,{WEB}\n"),
            0,
            Some("several accounts are named beside it, 012345678901 and 111122223333"),
        ),
        (
            format!("{A},eu-west-1,us-east-1,{WEB}\n"),
            0,
            Some("several regions are named"),
        ),
        (
            format!("12345678901,eu-west-1,{WEB}\n"),
            0,
            Some("its account is given as 12345678901"),
        ),
    ] {
        let judged = judge_unasked(&read(&text).expect("findings"));
        assert_eq!(judged.images(), selected, "{text}");
        let said: Vec<&str> = judged.remarks.iter().map(|remark| &*remark.text).collect();
        match words {
            None => assert_eq!(said, Vec::<&str>::new()),
            Some(words) => assert!(said.len() == 1 && said[0].contains(words), "{said:?}"),
        }
        assert!(judged.remarks.iter().all(|remark| remark.weight == Weight::Attention));
    }
}

const REGIONS: [&str; 4] = ["eu-west-1", "us-east-1", "us-gov-west-1", "ap-southeast-2"];

/// A row of a table: an image, its account and region, and a text that says nothing of AWS.
fn any_row() -> impl Strategy<Value = (u64, u64, usize, String)> {
    let noise = prop_oneof![Just(String::new()), "[a-zäöü ,;|\t\"'=()\n]{0,20}"];
    (0..1 << 60_u64, 0..1_000_000_000_000_u64, 0..REGIONS.len(), noise)
}

proptest! {
    #[test]
    fn a_table_is_read_alike_whatever_separates_and_quotes_its_cells(
        rows in prop::collection::btree_map(0..1 << 40_u64, any_row(), 1..20),
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
            let blank = |line: &str| line.split([',', ';', '\t', '|']).all(|cell| cell.trim().is_empty());
            let lines = text.lines().zip(1_u64..).filter(|(line, _)| !blank(line));
            let untold = lines.filter(|(_, number)| !told.contains(number)).count();
            prop_assert!(untold <= 1, "{:?} {:?}", text, findings);
        }
    }

    #[test]
    fn a_policy_selects_just_the_images_that_it_was_written_for(
        images in prop::collection::btree_map(0..1 << 40_u64, (0..300_u64, 0..REGIONS.len()), 1..700),
    ) {
        let mut selected: BTreeMap<Place, BTreeSet<ImageId>> = BTreeMap::new();
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
