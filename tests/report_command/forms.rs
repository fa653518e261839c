//! What programs make of the report: SARIF, OCSF, the page, and what has changed since an earlier one.

use serde_json::{Value, json};

use super::{Bench, REGION};

const HOSTILE: &str = include_str!("hostile.yaml");

fn array<'a>(value: &'a Value, pointer: &str) -> &'a Vec<Value> {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .unwrap_or_else(|| panic!("no {pointer} in {value:#}"))
}

#[test]
fn in_sarif_each_finding_has_a_rule_a_place_and_a_fingerprint_and_exempt_ones_are_suppressed() {
    let bench = Bench::new(HOSTILE);
    let sarif = bench.report(&["--output", "sarif", "--region", REGION]).json();
    let json = bench.report(&["--output", "json", "--region", REGION]).json();
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(array(&sarif, "/runs").len(), 1);
    let rules = array(&sarif, "/runs/0/tool/driver/rules");
    let (results, findings) = (array(&sarif, "/runs/0/results"), array(&json, "/findings"));
    assert_eq!(results.len(), findings.len());
    for (result, finding) in results.iter().zip(findings) {
        let rule = &rules[result["ruleIndex"].as_u64().expect("an index") as usize];
        assert_eq!((&rule["id"], &result["ruleId"]), (&finding["check"], &finding["check"]));
        for text in [
            "/shortDescription/text",
            "/fullDescription/text",
            "/help/text",
            "/help/markdown",
            "/properties/severity",
            "/properties/security-severity",
        ] {
            let said = rule.pointer(text).and_then(Value::as_str);
            assert!(said.is_some_and(|said| !said.is_empty()), "{text}: {rule:#}");
        }
        let place = &result["locations"][0];
        let uri = place["physicalLocation"]["artifactLocation"]["uri"]
            .as_str()
            .expect("a URI");
        let allowed = |sign: char| sign.is_ascii_alphanumeric() || "-._~/%".contains(sign);
        assert!(
            uri.starts_with("aws/111111111111/eu-west-1/") && uri.chars().all(allowed),
            "{uri}"
        );
        assert!(place["logicalLocations"][0]["fullyQualifiedName"].is_string());
        assert_eq!(result["partialFingerprints"]["amiseal/v1"], finding["id"]);
        let suppressions = array(result, "/suppressions");
        assert_eq!(
            suppressions.len() == 1,
            finding["exemptUntil"].is_string(),
            "{result:#}"
        );
    }
    assert!(
        results
            .iter()
            .any(|result| result["suppressions"][0]["status"] == "accepted")
    );
}

#[test]
fn in_ocsf_each_finding_is_a_line() {
    let bench = Bench::new(HOSTILE);
    let ran = bench.report(&["--output", "ocsf", "--region", REGION]);
    let json = bench.report(&["--output", "json", "--region", REGION]).json();
    let records: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON in each line"))
        .collect();
    let findings = array(&json, "/findings");
    assert_eq!(records.len(), findings.len());
    for (record, finding) in records.iter().zip(findings) {
        assert_eq!(
            (&record["class_uid"], &record["category_uid"]),
            (&json!(2003), &json!(2))
        );
        assert_eq!(record["type_uid"], 200_301);
        assert_eq!(record["finding_info"]["uid"], finding["id"]);
        assert_eq!(record["compliance"]["control"], finding["check"]);
        assert_eq!(record["cloud"]["account"]["uid"], finding["accountID"]);
        assert_eq!(record["resources"][0]["owner"]["account"]["uid"], finding["accountID"]);
        let status = if finding["exemptUntil"].is_string() {
            "Suppressed"
        } else {
            "New"
        };
        assert_eq!(record["status"], status);
    }
    let launcher = records.iter().find(|record| record["resources"][1].is_object());
    let launcher = launcher.expect("what launches an image");
    assert_eq!(launcher["resources"][0]["type"], "LaunchConfiguration");
    assert_eq!(launcher["resources"][0]["uid"], "a b?c#d</script>");
    assert_eq!(launcher["resources"][1]["uid"], "ami-0000000b");
}

#[test]
fn the_page_says_all_of_the_report_and_nothing_in_it_ends_its_script() {
    let bench = Bench::new(HOSTILE);
    let page = bench.report(&["--output", "html", "--region", REGION]).out;
    assert_eq!(page.matches("</script>").count(), 2, "{page}");
    assert_eq!(page.matches("<img").count(), 0);
    let (_, rest) = page
        .split_once("<script type=\"application/json\" id=\"report\">")
        .expect("data");
    let (data, _) = rest.split_once("</script>").expect("its end");
    let data: Value = serde_json::from_str(data).expect("JSON");
    let json = bench.report(&["--output", "json", "--region", REGION]).json();
    for part in ["scopes", "findings", "images"] {
        assert_eq!(data[part], json[part]);
    }
}

/// A report before, written to a file, of a world and with options.
fn before(world: &str, arguments: &[&str]) -> tempfile::NamedTempFile {
    let ran = Bench::new(world).report(&[&["--output", "json", "--region", REGION], arguments].concat());
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), ran.out).expect("written");
    file
}

fn since(world: &str, earlier: &tempfile::NamedTempFile, arguments: &[&str]) -> super::Ran {
    let earlier = earlier.path().to_str().expect("a path");
    Bench::new(world).report(&[&["--since", earlier], arguments].concat())
}

const JSON: [&str; 4] = ["--output", "json", "--region", REGION];
const NEW_ONLY: [&str; 5] = ["--region", REGION, "--fail-on", "low", "--only-new"];

#[test]
fn only_what_is_new_since_an_earlier_report_fails() {
    let earlier = before(HOSTILE, &[]);
    let same = since(HOSTILE, &earlier, &JSON).json();
    let findings = array(&same, "/findings");
    assert!(findings.iter().all(|finding| finding["change"] == "unchanged"));
    assert_eq!(same["fixed"], json!([]));
    assert_eq!(same["since"]["new"], 0);
    assert_eq!(same["since"]["exempt"], 1);
    assert_eq!(since(HOSTILE, &earlier, &NEW_ONLY).code, 0);
    assert_eq!(
        since(HOSTILE, &earlier, &["--region", REGION, "--fail-on", "low"]).code,
        2
    );

    // The launch configuration moves to an image that is not there, and another image becomes public.
    let changed = HOSTILE
        .replace("image: ami-0000000b}", "image: ami-0000000f}")
        .replace("ami-0000000b, creation", "ami-0000000b, public: true, creation");
    let told = since(&changed, &earlier, &JSON).json();
    assert_eq!(
        (&told["since"]["new"], &told["since"]["fixed"]),
        (&json!(2), &json!(1)),
        "{told:#}"
    );
    assert_eq!(told["fixed"][0]["check"], "launches-unencrypted-image");
    assert_eq!(since(&changed, &earlier, &NEW_ONLY).code, 2);
    let table = since(&changed, &earlier, &["--region", REGION]).out;
    assert!(
        table.contains("\nNEW  UNCHANGED  EXEMPT  FIXED\n  2          9       1      1\n"),
        "{table}"
    );
}

#[test]
fn an_exemption_that_is_gone_makes_a_finding_new() {
    let earlier = before(HOSTILE, &[]);
    let changed = HOSTILE.replace("2999-01-01", "2020-01-01");
    assert_eq!(since(&changed, &earlier, &NEW_ONLY).code, 2);
    let told = since(&changed, &earlier, &JSON).json();
    assert_eq!(
        (&told["since"]["new"], &told["since"]["exempt"]),
        (&json!(1), &json!(0))
    );
}

#[test]
fn what_was_not_looked_for_is_not_fixed() {
    let earlier = before(HOSTILE, &["--required-tag", "owner"]);
    let count = array(
        &serde_json::from_slice(&std::fs::read(earlier.path()).expect("a file")).expect("JSON"),
        "/findings",
    )
    .len();
    let without_tags = since(HOSTILE, &earlier, &JSON).json();
    assert_eq!(without_tags["since"]["fixed"], 0);
    assert_eq!(without_tags["since"]["notCompared"], 4);
    let elsewhere = since(HOSTILE, &earlier, &["--output", "json", "--region", "us-east-1"]).json();
    assert_eq!(elsewhere["since"]["fixed"], 0);
    assert_eq!(elsewhere["since"]["notCompared"], count);
}

#[test]
fn an_earlier_report_of_another_form_is_refused_in_one_sentence() {
    let bench = Bench::new(HOSTILE);
    let file = tempfile::NamedTempFile::new().expect("a file");
    let name = file.path().to_str().expect("a path");
    let sarif = bench.report(&["--output", "sarif", "--region", REGION]).out;
    for text in ["", "[]", "{}", sarif.as_str(), "id,severity\n"] {
        std::fs::write(file.path(), text).expect("written");
        let ran = bench.report(&["--since", name]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:#?}");
        assert!(
            ran.err.contains("is not an earlier report: give --since a file that"),
            "{}",
            ran.err
        );
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
    let ran = bench.report(&["--since", "/nowhere.json"]);
    assert!(ran.err.contains("/nowhere.json cannot be read"), "{ran:#?}");
    let ran = bench.report(&["--only-new"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("--since"), "{ran:#?}");
}
