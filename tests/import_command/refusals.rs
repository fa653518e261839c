//! What cannot be imported: a sentence that names the file, the line where there is one, and the fix.

use std::path::Path;

use crate::{Bench, run};

/// Nothing listens here, and nobody is asked before options and file are right.
const NOBODY: [(&str, &str); 3] = [
    ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
    ("AWS_REGION", "eu-west-1"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

#[test]
fn each_file_that_holds_no_findings_gives_a_sentence_with_the_fix() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join("exports")).expect("a directory");
    for (name, bytes) in [
        ("empty.csv", &b"\n"[..]),
        ("book.xlsx", b"PK\x03\x04\x14\0"),
        (
            "cut.json",
            b"{\n\"Findings\": [\n{\"Id\": \"ami-00000000000000101\"},\n",
        ),
    ] {
        std::fs::write(directory.path().join(name), bytes).expect("a file");
    }
    for (file, sentence) in [
        ("empty.csv", "empty.csv: is empty: export the findings as CSV or JSON"),
        (
            "book.xlsx",
            "book.xlsx: is an Excel workbook or another ZIP file: save the sheet as CSV, or unpack it",
        ),
        (
            "cut.json",
            "cut.json:4: is not JSON that can be read: it ends in the middle; export it again",
        ),
        ("exports", "exports: is a directory: name a file in it"),
        ("missing.csv", "missing.csv: no such file: correct the path"),
    ] {
        let ran = run(
            directory.path(),
            &["import", file, "--kms-key-id", "alias/ami"],
            &NOBODY,
            b"",
        );
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{file}");
        assert_eq!(ran.err, format!("Error: {sentence}\n"));
    }
}

#[test]
fn a_file_without_any_image_is_told_with_its_lines() {
    let findings = b"Account,Resource\n111122223333,web-1\n111122223333,i-0123456789abcdef0\n";
    let ran = run(
        Path::new("."),
        &["import", "-", "--kms-key-id", "alias/ami"],
        &NOBODY,
        findings,
    );
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:#?}");
    let lines: Vec<&str> = ran.err.lines().collect();
    assert!(
        lines.len() == 3
            && lines[0].starts_with("standard input:2: no image ID is in it")
            && lines[1].starts_with("standard input:3: it is about something other than an image")
            && lines[2].starts_with("Error: standard input: there is no image ID in it"),
        "{lines:#?}"
    );
}

#[test]
fn a_wrong_option_is_refused_before_anybody_is_asked() {
    let here = Path::new(".");
    let findings = b"111122223333,eu-west-1,ami-00000000000000101\n";
    for (arguments, words) in [
        (vec![], "--kms-key-id <[REGION=]KEY>"),
        (
            vec!["--kms-key-id", "alias/ami", "--mode", "enforce"],
            "possible values: Audit, Enforce",
        ),
        (
            vec!["--kms-key-id", "nowhere=alias/ami"],
            "a region name such as eu-west-1",
        ),
        (
            vec!["--kms-key-id", "alias/ami", "--name", "Not_Good"],
            "Error: an option is wrong: metadata.name must consist of lower-case letters",
        ),
        (
            vec![
                "--kms-key-id",
                "alias/ami",
                "--role-name",
                "arn:aws:iam::111122223333:role/x",
            ],
            "roleName must be the name of an IAM role",
        ),
        (
            vec!["--kms-key-id", "alias/ami", "--external-id", "x"],
            "externalID must have at least 2 characters",
        ),
        (
            vec!["--kms-key-id", "alias/ami", "--offline", "--region", "eu-west-1"],
            "cannot be used with",
        ),
        (
            vec!["--kms-key-id", "alias/ami", "--offline", "--fips-endpoints"],
            "cannot be used with",
        ),
        (
            vec!["--kms-key-id", "alias/ami", "--offline", "--concurrency", "2"],
            "cannot be used with",
        ),
        (
            vec!["--kms-key-id", "ami"],
            "Error: an option is wrong: spec.accounts[0].regions[0].kmsKeyID: kmsKeyID must be an alias",
        ),
        (
            vec!["--kms-key-id", "us-east-1=arn:aws:kms:eu-west-1:111122223333:alias/ami"],
            "kmsKeyID must be a key of the region that it is given for",
        ),
        (
            vec!["--kms-key-id", "arn:aws:kms:nowhere:111122223333:alias/ami"],
            "Error: an option is wrong: the key arn:aws:kms:nowhere:111122223333:alias/ami names no region that there is",
        ),
        (
            vec!["--kms-key-id", "us-east-1=alias/ami", "--offline"],
            "Error: there is no key for eu-west-1: add --kms-key-id eu-west-1=KEY",
        ),
    ] {
        let all = [&["import", "-"], &arguments[..]].concat();
        let ran = run(here, &all, &NOBODY, findings);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{arguments:?}: {ran:#?}");
        assert!(ran.err.contains(words), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn without_credentials_the_way_out_is_named() {
    let bench = Bench::new();
    let endpoint = bench.server.endpoint();
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let findings = b"111122223333,eu-west-1,ami-00000000000000101\n";
    let ran = run(
        Path::new("."),
        &["import", "-", "--kms-key-id", "alias/ami"],
        &variables,
        findings,
    );
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:#?}");
    assert!(
        ran.err.starts_with("Error: You have no AWS credentials here: ") && ran.err.contains("--offline"),
        "{}",
        ran.err
    );
    let arguments = ["import", "-", "--kms-key-id", "alias/ami"];
    let ran = bench.run_as("AKIANOBODYS", &arguments, findings);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.err.contains("aws sts get-caller-identity"), "{}", ran.err);
}
