//! What scanners export, in the forms that they have.

use crate::{Bench, KEY, ROLE, run};

/// Security Hub's own form (`aws securityhub get-findings`): one image that exists, one that is encrypted, one that is gone, and a
/// finding on something else.
const ASFF: &str = r#"{
    "Findings": [
        {
            "SchemaVersion": "2018-10-08",
            "Id": "arn:aws:securityhub:eu-west-1:111122223333:security-control/EC2.1/finding/1",
            "ProductArn": "arn:aws:securityhub:us-east-1::product/aws/securityhub",
            "AwsAccountId": "111122223333",
            "Region": "eu-west-1",
            "Compliance": {"Status": "FAILED"},
            "Resources": [
                {"Type": "AwsEc2Image", "Id": "arn:aws:ec2:eu-west-1:111122223333:image/ami-00000000000000101", "Region": "eu-west-1"}
            ]
        },
        {
            "AwsAccountId": "111122223333",
            "Region": "eu-west-1",
            "Resources": [{"Type": "AwsEc2Image", "Id": "arn:aws:ec2:eu-west-1::image/ami-00000000000000103"}]
        },
        {
            "AwsAccountId": "111122223333",
            "Region": "us-east-1",
            "Resources": [{"Type": "AwsEc2Image", "Id": "ami-0000000000000dead"}]
        },
        {
            "AwsAccountId": "111122223333",
            "Region": "us-east-1",
            "Resources": [{"Type": "AwsS3Bucket", "Id": "arn:aws:s3:::logs"}]
        },
        {
            "AwsAccountId": "111122223333",
            "Region": "us-east-1",
            "Resources": [{"Type": "AwsEc2Image", "Id": "ami-00000000000000111"}, {"Type": "AwsEc2Image", "Id": "ami-00000000000000112"}]
        }
    ]
}
"#;

#[test]
fn findings_of_security_hub_become_a_policy_that_the_plan_takes() {
    let bench = Bench::new();
    let arguments = [&ROLE[..], &["--name", "hub", "--kms-key-id", "us-east-1=alias/ami-us"]].concat();
    let ran = bench.import(ASFF, &arguments);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(
        ran.out,
        "\
# By amiseal import, from standard input: 3 images of 4 findings
apiVersion: amiseal.dev/v1alpha1
kind: AMIEncryptionPolicy
metadata:
  name: hub
spec:
  mode: Audit
  defaults:
    roleName: amiseal
    externalID: platform
  accounts:
  - accountID: \"111122223333\"
    regions:
    - name: eu-west-1
      kmsKeyID: alias/ami
    - name: us-east-1
      kmsKeyID: alias/ami-us
  imageSelector:
    include:
    - ids:
      - ami-00000000000000101
      - ami-00000000000000111
      - ami-00000000000000112
"
    );
    assert_eq!(
        ran.err,
        "\
standard input:17: ami-00000000000000103 is encrypted already, in 111122223333 eu-west-1: left out
standard input:22: ami-0000000000000dead does not exist any more in 111122223333 us-east-1: left out
standard input:24: it is about something other than an image, and left out
4 findings on 5 images: 3 in the policy, 1 encrypted already, 1 gone.
"
    );
    let plan = bench.run_as("AKIAENGINEER", &["plan", "-f", "-", "-o", "json"], ran.out.as_bytes());
    let plan: serde_json::Value = serde_json::from_str(&plan.out).unwrap_or_else(|error| panic!("{error}: {plan:#?}"));
    assert_eq!(plan["totals"]["images"]["total"], 3, "{plan:#}");
    assert_eq!(plan["totals"]["problems"], 0, "{plan:#}");
    bench.assert_only_read();
}

#[test]
fn the_same_findings_give_the_same_bytes_in_any_order() {
    let bench = Bench::new();
    let rows = [
        "111122223333,eu-west-1,ami-00000000000000101\n",
        "012345678901,eu-west-1,ami-00000000000000201\n",
        "111122223333,us-east-1,ami-00000000000000111\n",
    ];
    let one = bench.import(rows.concat(), &ROLE);
    let reversed: Vec<&str> = rows.iter().rev().copied().collect();
    let other = bench.import(reversed.concat(), &ROLE);
    assert_eq!((one.code, one.out), (0, other.out));
}

/// A scanner's CSV with semicolons and many columns: most say nothing of where an image is. One account has lost its zero.
const PROWLER: &str = "\
AUTH_METHOD;TIMESTAMP;ACCOUNT_UID;ACCOUNT_NAME;FINDING_UID;CHECK_ID;STATUS;STATUS_EXTENDED;SEVERITY;RESOURCE_UID;REGION;DESCRIPTION;REMEDIATION
profile;2026-11-28 07:00:01;111122223333;web;prowler-aws-ec2_ami_encrypted-111122223333-eu-west-1-ami-00000000000000101;ec2_ami_encrypted;FAIL;EC2 AMI ami-00000000000000101 is not encrypted.;medium;arn:aws:ec2:eu-west-1:111122223333:image/ami-00000000000000101;eu-west-1;\"Ensure that images are encrypted;
in every region.\";copy-image --encrypted
profile;2026-11-28 07:00:01;111122223333;web;prowler-aws-ec2_ami_encrypted-2;ec2_ami_encrypted;PASS;EC2 AMI ami-00000000000000103 is encrypted.;medium;arn:aws:ec2:eu-west-1:111122223333:image/ami-00000000000000103;eu-west-1;x;
profile;2026-11-28 07:00:01;12345678901;database;prowler-aws-ec2_ami_encrypted-3;ec2_ami_encrypted;FAIL;not encrypted;medium;ami-00000000000000201;eu-west-1;x;
profile;2026-11-28 07:00:01;111122223333;web;prowler-aws-ec2_ami_encrypted-4;ec2_ami_encrypted;FAIL;not encrypted;medium;ami-0000000000000104;eu-west-1;x;
profile;2026-11-28 07:00:01;111122223333;web;prowler-aws-s3-5;s3_bucket;FAIL;open;high;arn:aws:s3:::logs;eu-west-1;x;
";

#[test]
fn a_csv_with_semicolons_is_read_and_an_account_that_lost_its_zero_is_recognised_by_aws() {
    let bench = Bench::new();
    let ran = bench.import(PROWLER, &ROLE);
    assert_eq!(ran.code, 2, "{ran:#?}");
    assert_eq!(ran.selected(), ["ami-00000000000000101", "ami-00000000000000201"]);
    assert_eq!(ran.places(), ["012345678901 eu-west-1", "111122223333 eu-west-1"]);
    let remarks = ran.remarks();
    assert_eq!(remarks.len(), 4, "{remarks:#?}");
    for (remark, words) in remarks.iter().zip([
        "standard input:4: ami-00000000000000103 is encrypted already",
        "standard input:5: the account 12345678901 has lost digits: AWS says that ami-00000000000000201 is of 012345678901",
        "standard input:6: ami-0000000000000104 is no image ID",
        "standard input:7: it is about something other than an image",
    ]) {
        assert!(remark.starts_with(words), "{remark}");
    }
    bench.assert_only_read();
}

#[test]
fn an_account_that_lost_digits_is_never_guessed() {
    let bench = Bench::new();
    let rounded = "Konto;Abbild\n1,23457E+10;ami-00000000000000201\n";
    // By the role the file says too little; the account's own credentials see the image.
    let ran = bench.import(rounded, &ROLE);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:#?}");
    assert!(
        ran.err.contains(
            ":2: ami-00000000000000201 was not found in 999900001111 eu-west-1, and its account is given as 1,23457E+10"
        ),
        "{}",
        ran.err
    );
    let arguments = [&["import", "-"], &KEY[..]].concat();
    let ran = bench.run_as("AKIAINSIDER", &arguments, rounded.as_bytes());
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(ran.places(), ["012345678901 eu-west-1"]);
    assert!(
        ran.err.contains("the account 1,23457E+10 has lost digits: AWS says"),
        "{}",
        ran.err
    );
    let offline = bench.import(
        "12345678901,eu-west-1,ami-00000000000000201\n",
        &[&KEY[..], &["--offline"]].concat(),
    );
    assert_eq!((offline.code, offline.out.as_str()), (1, ""), "{offline:#?}");
    assert!(
        offline.err.contains("only AWS can say which account that is"),
        "{}",
        offline.err
    );
}

/// The open schema for security findings, as a list.
const OCSF: &str = r#"[{
  "metadata": {"event_code": "ec2_ami_encrypted", "product": {"name": "Scanner", "uid": "scanner"}},
  "status_code": "FAIL",
  "finding_info": {"created_time": 1764374400, "uid": "scanner-aws-ec2_ami_encrypted-111122223333-eu-west-1-ami-00000000000000104"},
  "resources": [{"cloud_partition": "aws", "region": "eu-west-1", "uid": "ami-00000000000000104", "data": {"metadata": {"encrypted": false}}}],
  "cloud": {"account": {"name": "", "type": "AWS Account", "uid": "111122223333"}, "provider": "aws", "region": "eu-west-1"}
}]"#;

#[test]
fn findings_in_ocsf_and_sarif_are_read() {
    let bench = Bench::new();
    let ran = bench.import(OCSF, &ROLE);
    assert_eq!(
        (ran.code, ran.selected()),
        (0, vec!["ami-00000000000000104".to_owned()]),
        "{ran:#?}"
    );
    assert_eq!(ran.places(), ["111122223333 eu-west-1"]);
    let sarif = r#"{
  "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
  "version": "2.1.0",
  "runs": [{
    "tool": {"driver": {"name": "Scanner", "rules": [{"id": "ami-encryption-disabled"}]}},
    "results": [{
      "ruleId": "ami-encryption-disabled",
      "message": {"text": "The image ami-00000000000000102 is not encrypted."},
      "locations": [{"logicalLocations": [{"fullyQualifiedName": "arn:aws:ec2:eu-west-1:111122223333:image/ami-00000000000000102"}]}]
    }]
  }]
}"#;
    let ran = bench.import(sarif, &ROLE);
    assert_eq!(
        (ran.code, ran.selected()),
        (0, vec!["ami-00000000000000102".to_owned()]),
        "{ran:#?}"
    );
    assert_eq!(ran.places(), ["111122223333 eu-west-1"]);
    bench.assert_only_read();
}

#[test]
fn formulas_stay_text_and_never_reach_the_policy() {
    let bench = Bench::new();
    let findings = "\
resource,account_id,region,title,tags
arn:aws:ec2:eu-west-1:111122223333:image/ami-00000000000000101,111122223333,eu-west-1,\"=cmd|' /C calc'!A0\",\"{\"\"Name\"\":\"\"@SUM(1+1)\"\"}\"
\"=HYPERLINK(\"\"https://example.com/ami-00000000000000102\"\")\",\"=\"\"111122223333\"\"\",eu-west-1,+1-2,
";
    let ran = bench.import(findings, &ROLE);
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_eq!(ran.selected(), ["ami-00000000000000101", "ami-00000000000000102"]);
    let lines = ran.out.lines().filter(|line| line.contains(['=', '|', '@', '+', '\'']));
    assert_eq!(lines.collect::<Vec<_>>(), Vec::<&str>::new());
}

#[test]
fn a_bare_list_is_looked_up_in_the_own_account_and_in_the_regions_that_are_named() {
    let bench = Bench::new();
    let list = "ami-00000000000000201\nami-00000000000000111\n";
    let arguments = [
        &["import", "-", "--region", "us-east-1", "--region", "eu-west-1"],
        &KEY[..],
    ]
    .concat();
    let ran = bench.run_as("AKIAINSIDER", &arguments, list.as_bytes());
    assert_eq!(
        (ran.code, ran.places()),
        (2, vec!["012345678901 eu-west-1".to_owned()]),
        "{ran:#?}"
    );
    let remarks = ran.remarks();
    assert!(
        remarks.len() == 1
            && remarks[0].starts_with("standard input:2: ami-00000000000000111 was found in none of 2 accounts and regions, from 012345678901 eu-west-1 to 012345678901 us-east-1"),
        "{remarks:#?}"
    );
    bench.assert_only_read();
}

#[test]
fn where_no_region_is_named_all_that_are_enabled_are_looked_into() {
    let bench = Bench::new();
    let arguments = [&["import", "-"], &KEY[..]].concat();
    let ran = bench.run_as(
        "AKIAINSIDER",
        &arguments,
        b"ami-00000000000000201\nami-00000000000000111\n",
    );
    assert_eq!(
        (ran.code, ran.selected()),
        (2, vec!["ami-00000000000000201".to_owned()]),
        "{ran:#?}"
    );
    assert!(
        ran.remarks()[0]
            .contains("none of 2 accounts and regions, from 012345678901 eu-west-1 to 012345678901 us-east-1"),
        "{ran:#?}"
    );
    // Whoever may not read them is told where was looked.
    let ran = bench.import("ami-00000000000000901\n", &KEY);
    assert_eq!(
        (ran.code, ran.places()),
        (2, vec!["999900001111 eu-west-1".to_owned()]),
        "{ran:#?}"
    );
    let remark = ran.remarks()[0];
    assert!(
        remark.starts_with(
            "standard input: no region is in it, and those of your account could not be read, so only eu-west-1"
        ),
        "{remark}"
    );
}

#[test]
fn an_image_of_another_account_is_not_selected_in_one_that_only_sees_it() {
    let bench = Bench::new();
    let list = "ami-00000000000000105\nami-00000000000000901,eu-west-1\n";
    let ran = bench.import(list, &KEY);
    assert_eq!(
        (ran.code, ran.selected()),
        (2, vec!["ami-00000000000000901".to_owned()]),
        "{ran:#?}"
    );
    assert!(
        ran.remarks()[0].starts_with(
            "standard input:1: ami-00000000000000105 belongs to the account 111122223333, which the file does not name"
        ),
        "{ran:#?}"
    );
    let named = "ami-00000000000000105,999900001111,eu-west-1\nami-00000000000000101,111122223333,eu-west-1\n";
    let ran = bench.import(named, &ROLE);
    // The own account is asked by its role where the file names it, and has none here.
    assert_eq!(ran.code, 2, "{ran:#?}");
}

#[test]
fn a_backup_is_selected_and_the_policy_is_said_to_leave_it_alone() {
    let bench = Bench::new();
    let ran = bench.import("111122223333,us-east-1,ami-00000000000000113\n", &ROLE);
    assert_eq!(
        (ran.code, ran.selected()),
        (2, vec!["ami-00000000000000113".to_owned()]),
        "{ran:#?}"
    );
    assert!(ran.remarks()[0].contains("add backups: Include"), "{ran:#?}");
}

#[test]
fn offline_no_call_is_made_and_what_was_not_checked_is_said() {
    let bench = Bench::new();
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("Findings (1).json"), ASFF).expect("a file");
    let endpoint = bench.server.endpoint();
    let arguments = [
        "import",
        "Findings (1).json",
        "--kms-key-id",
        "alias/ami",
        "--mode",
        "Enforce",
        "--offline",
    ];
    let ran = run(directory.path(), &arguments, &[("AWS_ENDPOINT_URL", &endpoint)], b"");
    assert_eq!((ran.code, bench.calls()), (0, 0), "{ran:#?}");
    assert_eq!(ran.selected().len(), 5);
    assert!(
        ran.out
            .starts_with("# By amiseal import, from Findings (1).json: 5 images of 4 findings\n"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("name: findings-1\n") && ran.out.contains("mode: Enforce\n"),
        "{}",
        ran.out
    );
    assert_eq!(
        ran.remarks(),
        [
            "Findings (1).json: AWS was not asked whether these images exist, whose they are, and which are encrypted already",
            "Findings (1).json:24: it is about something other than an image, and left out",
        ]
    );
}

#[test]
fn an_export_without_findings_leaves_nothing_to_do() {
    let bench = Bench::new();
    let ran = bench.import("{\"Findings\": []}\n", &ROLE);
    assert_eq!((ran.code, ran.out.as_str(), bench.calls()), (0, "", 0), "{ran:#?}");
    assert_eq!(ran.err, "standard input: there are no findings in it.\n");
}

#[test]
fn a_thousand_images_that_are_gone_take_a_few_calls() {
    let bench = Bench::new();
    let rows: String = (0..1000)
        .map(|number| format!("111122223333,eu-west-1,ami-f{number:016x}\n"))
        .collect();
    let ran = bench.import(rows, &ROLE);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
    assert!(
        ran.err
            .ends_with("1000 findings on 1000 images: 0 in the policy, 1000 gone.\n")
    );
    let asked = bench.server.sim().journal().into_iter();
    assert_eq!(asked.filter(|call| call.operation == "DescribeImages").count(), 10);
    bench.assert_only_read();
}

#[test]
fn where_all_is_done_there_is_no_policy_and_nothing_to_do() {
    let bench = Bench::new();
    let ran = bench.import("111122223333,eu-west-1,ami-00000000000000103\n", &ROLE);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:#?}");
    assert!(
        ran.err
            .ends_with("1 finding on 1 image: 0 in the policy, 1 encrypted already.\n"),
        "{}",
        ran.err
    );
}
