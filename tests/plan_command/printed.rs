//! The three forms of a plan.

use serde_json::Value;

use crate::{Bench, policy};

const WORLD: &str = r#"
seed: 3
clock: {start: 2026-01-01T00:00:00Z}
identities: [{accessKey: AKIACONTROLLER, account: "999900001111", allow: ["sts:*"]}]
accounts:
- id: "999900001111"
- id: "111122223333"
  roles: [{name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:*", "kms:*", "sts:*"]}]
  regions:
  - name: eu-west-1
    keys: [{alias: [alias/ami]}]
    images:
    - {id: "ami-0000000{n}", name: "open_{n} [a]", count: 7, public: true, creationDate: 2025-01-01T00:00:00Z}
    - {id: ami-10000000, name: web, devices: [{gib: 10}], creationDate: 2025-01-01T00:00:00Z}
  - name: us-east-1
    keys: [{alias: [alias/ami]}]
"#;

fn two_regions() -> String {
    let account = "111122223333";
    policy(
        "production",
        &[(account, "eu-west-1", "alias/ami"), (account, "us-east-1", "alias/ami")],
    )
}

#[test]
fn a_table_has_a_row_for_each_target_and_the_sums_and_then_says_what_stands_in_the_way() {
    let ran = Bench::new(WORLD).plan(&two_regions(), &["--price-per-gib-month", "0.055"]);
    let expected = "\
POLICY      ACCOUNT       REGION     IMAGES  UNENCRYPTED  TO COPY  SNAPSHOTS  GIB   TIME  CANNOT
production  111122223333  eu-west-1       8            8        1          1   10  5 min       7
production  111122223333  us-east-1       0            0        0          0    0    0 h       0
total                                     8            8        1          1   10  5 min       7

Cannot be migrated:
  111122223333 eu-west-1 PublicImage: The image is public, and an encrypted image cannot be: stop sharing it publicly, \
or exempt it with spec.imageSelector.exclude.
    ami-00000001  open_1 [a]
    ami-00000002  open_2 [a]
    ami-00000003  open_3 [a]
    ami-00000004  open_4 [a]
    ami-00000005  open_5 [a]
    and 2 more  (--output json names all)

Enforce would copy 1 image of 1 snapshot with 10 GiB, in about 5 min if AWS copies each snapshot at 50 MiB/s. Until the \
originals are deregistered, 10 GiB are then kept twice, for 0.55 a month. 7 images cannot be migrated until you \
act.
";
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (2, expected, ""));
}

#[test]
fn a_table_of_prices_says_what_each_region_costs() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("prices.json");
    std::fs::write(
        &file,
        r#"{"currency": "EUR", "snapshotGiBMonth": {"default": 9, "eu-west-1": 0.055}}"#,
    )
    .expect("a file");
    let file = file.display().to_string();
    let ran = Bench::new(WORLD).plan(&two_regions(), &["--prices", &file]);
    assert!(ran.out.contains("kept twice, for 0.55 EUR a month."), "{}", ran.out);
    let plan = Bench::new(WORLD)
        .plan(&two_regions(), &["-o", "json", "--prices", &file])
        .json();
    let costs: Vec<&Value> = (0..2).map(|target| &plan["targets"][target]["monthlyCost"]).collect();
    assert_eq!(costs, [0.55, 0.0]);
    assert_eq!(plan["totals"]["monthlyCost"], 0.55);
}

#[test]
fn markdown_is_a_table_in_which_no_name_of_an_image_is_taken_for_markup() {
    let ran = Bench::new(WORLD).plan(&two_regions(), &["--output", "markdown"]);
    assert_eq!(ran.code, 2);
    let table: Vec<&str> = ran.out.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(table.len(), 5, "{}", ran.out);
    let columns = |line: &str| line.matches('|').count();
    assert!(
        table.iter().all(|line| columns(line) == columns(table[0])),
        "{}",
        ran.out
    );
    assert_eq!(
        table[1],
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    assert!(
        ran.out
            .contains("\n**Cannot be migrated**\n\n- 111122223333 eu-west-1 PublicImage: "),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("  - ami-00000001 open\\_1 \\[a\\]\n"), "{}", ran.out);
}

#[test]
fn json_is_the_same_every_time_and_names_every_image() {
    let bench = Bench::new(WORLD);
    let first = bench.plan(&two_regions(), &["-o", "json"]);
    let again = bench.plan(&two_regions(), &["-o", "json"]);
    assert_eq!(first.out, again.out);
    let plan = first.json();
    assert_eq!(plan["version"], 1);
    let blocked = &plan["targets"][0]["cannotMigrate"][0];
    assert_eq!(blocked["count"], 7);
    assert_eq!(blocked["images"].as_array().map(Vec::len), Some(7));
}

/// The dotted names of all fields; those of a list are those of its items.
fn fields(value: &Value, path: &str, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                found.insert(path.clone());
                fields(value, &path, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, path, found)),
        _ => {}
    }
}

#[test]
fn every_field_of_the_json_is_in_the_documentation() {
    let world = WORLD.replace("alias: [alias/ami]}]\n\"", "");
    let broken = two_regions().replace("us-east-1, kmsKeyID: alias/ami", "us-east-1, kmsKeyID: alias/none");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("prices.yaml");
    std::fs::write(&file, "currency: EUR\nsnapshotGiBMonth: {default: 1}").expect("a file");
    let file = file.display().to_string();
    let arguments = ["-o", "json", "--prices", &file, "--check-permissions"];
    let plan = Bench::new(&world.replace("name: web,", "name: web, productCodes: [code],"))
        .plan(&broken, &arguments)
        .json();
    let mut found = std::collections::BTreeSet::new();
    fields(&plan, "", &mut found);
    assert!(found.len() > 50, "{found:?}");
    let documentation =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/plan.md")).expect("docs/plan.md");
    let missing: Vec<_> = found
        .iter()
        .filter(|field| {
            let name = field.rsplit('.').next().unwrap_or(field);
            !documentation.contains(&format!("`{name}`"))
        })
        .collect();
    assert!(missing.is_empty(), "docs/plan.md does not explain {missing:?}");
}

#[test]
fn nothing_but_the_plan_is_printed_when_nobody_watches() {
    let ran = Bench::new(WORLD).plan(&two_regions(), &["--output", "table"]);
    assert_eq!(ran.err, "", "no progress where standard error is no terminal");
    assert!(!ran.out.contains('\x1b'));
}

#[test]
fn the_pace_that_is_assumed_can_be_given() {
    let bench = Bench::new(WORLD);
    let seconds = |arguments: &[&str]| {
        let plan = bench
            .plan(&two_regions(), &[&["-o", "json"], arguments].concat())
            .json();
        plan["totals"]["seconds"].as_u64().expect("seconds")
    };
    assert_eq!(seconds(&[]), 60 + 205);
    assert_eq!(seconds(&["--assume-mib-per-second", "100"]), 60 + 103);
}
