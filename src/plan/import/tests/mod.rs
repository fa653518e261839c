//! Exports as they come, what AWS may say of them, and what holds for all of them.

mod judging;
mod properties;

use super::{Findings, read};
use crate::domain::{AccountId, Region, Scope};

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

fn place(id: &str, name: &str) -> Scope {
    Scope {
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
        assert_eq!(found(&text), std::slice::from_ref(&web), "{text}");
        assert_eq!(read(&text).expect("findings").remarks, [], "{text}");
    }
    let words = format!("{A} eu-west-1  {WEB}\n\t{A} us-east-1 {DB}\n");
    let expected = [format!("{WEB} {A} eu-west-1 1"), format!("{DB} {A} us-east-1 2")];
    assert_eq!(found(&words), expected);
    let drawn = format!("+---+---+\n| Image | Account |\n|:--|---|\n| {WEB} | {A} |\n+---+---+\n");
    assert_eq!(found(&drawn), [format!("{WEB} {A} ? 4")]);
    assert_eq!(read(&drawn).expect("findings").remarks, []);
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
fn a_quote_that_is_closed_too_late_mixes_no_rows() {
    let text = format!(
        "Title,Region,Image\n\"open,eu-west-1,{WEB}\nok,us-east-1,ami-00000001\n\"open,eu-west-1,{DB}\nok,us-east-1,ami-00000002\n"
    );
    assert_eq!(
        found(&text),
        [
            "ami-00000001 ? us-east-1 3".to_owned(),
            "ami-00000002 ? us-east-1 5".to_owned(),
            format!("{WEB} ? eu-west-1 2"),
            format!("{DB} ? eu-west-1 4"),
        ]
    );
    let said = remarks(&read(&text).expect("findings"));
    assert!(
        said.len() == 1 && said[0].starts_with("Attention f:2: a quote is opened here and closed some findings later"),
        "{said:?}"
    );
    let listed = format!("Region,Images\neu-west-1,\"{WEB},\n{DB},\"\n");
    assert_eq!(
        found(&listed),
        [format!("{WEB} ? eu-west-1 2"), format!("{DB} ? eu-west-1 2")]
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
        [format!("{WEB} {A} eu-west-1 3"), format!("{DB} {B} us-east-1 5")]
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
fn an_export_without_findings_is_empty_and_no_other() {
    for text in [
        "Account,Image\n",
        "[]",
        "{\"Findings\": []}",
        "{\"runs\": [{\"tool\": {\"name\": \"x\"}, \"results\": []}]}",
    ] {
        assert!(read(text).expect("findings").is_empty(), "{text}");
    }
    for text in [
        "{\"a\": 1}",
        "[{\"Id\": \"ami-12\"}]",
        "a,b\n111122223333,c\n",
        "Unauthorized\n",
        "{\"findings\": [], \"id\": \"i-01234567\"}",
    ] {
        assert!(!read(text).expect("findings").is_empty(), "{text}");
    }
}

#[test]
fn json_that_ends_in_the_middle_is_refused_with_its_line() {
    let why = read("{\n\"Findings\": [\n{\"a\": 1},\n").expect_err("refused");
    assert_eq!(why.line, Some(4));
    assert!(why.what.contains("it ends in the middle"), "{}", why.what);
}
