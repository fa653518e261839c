//! What the plan says where the regions of an account cannot be read.

use serde_json::Value;

use crate::{Bench, reasons, target};

const READ: &str = "111122223333";
const DENIED: &str = "222233334444";
const NO_ROLE: &str = "333344445555";

/// An account that can be read, one whose role may not ask for regions, and one without a role.
const WORLD: &str = r#"
seed: 7
clock: {start: 2026-01-01T00:00:00Z}
expect:
  noMutatingCalls: [{}]
  expectedDenials: [{operation: AssumeRole}, {operation: DescribeRegions}]
identities: [{accessKey: AKIACONTROLLER, account: "999900001111", allow: ["sts:*"]}]
accounts:
- id: "999900001111"
- id: "111122223333"
  roles: [{name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:*", "kms:*"]}]
  regions:
  - {name: eu-west-1, keys: [{alias: [alias/ami]}], images: [{name: web}]}
- id: "222233334444"
  roles:
  - name: amiseal
    externalID: platform
    trust: ["999900001111"]
    allow: ["ec2:DescribeImages", "ec2:DescribeSnapshots", "kms:*"]
  regions:
  - {name: eu-west-1, keys: [{alias: [alias/ami]}], images: [{name: shop}]}
- id: "333344445555"
"#;

/// A policy of all regions, of which two of the accounts list one.
fn policy() -> String {
    let accounts: String = [
        (READ, "[{name: eu-west-1, kmsKeyID: alias/ami}]"),
        (DENIED, "[{name: eu-west-1, kmsKeyID: alias/ami}]"),
        (NO_ROLE, "[]"),
    ]
    .iter()
    .map(|(id, regions)| {
        format!(
            "  - {{accountID: '{id}', regions: {regions}, allRegions: {{kmsKeyID: alias/ami, exclude: [us-east-1]}}}}\n"
        )
    })
    .collect();
    format!(
        "apiVersion: amiseal.dev/v1alpha1\nkind: AMIEncryptionPolicy\nmetadata: {{name: production}}\nspec:\n  mode: Enforce\n  \
         defaults: {{roleName: amiseal, externalID: platform}}\n  accounts:\n{accounts}"
    )
}

#[test]
fn an_account_whose_regions_cannot_be_read_is_named_with_the_reason_and_holds_up_no_other() {
    let bench = Bench::new(WORLD);
    let ran = bench.plan(&policy(), &["-o", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{}", ran.out);
    let plan = ran.json();
    for account in [READ, DENIED] {
        let listed = target(&plan, account, "eu-west-1");
        assert_eq!(listed["toCopy"]["images"], 1, "{account}: {plan:#}");
        assert_eq!(reasons(&listed["problems"]), [""; 0], "{account}");
    }
    for (account, reason, says) in [
        (DENIED, "AccessDenied", "ec2:DescribeRegions"),
        (NO_ROLE, "RoleNotAssumable", "could not be read by allRegions"),
    ] {
        let unread = target(&plan, account, "*");
        assert_eq!(unread["images"], Value::Null, "{account}: {unread:#}");
        assert_eq!(reasons(&unread["problems"]), [reason], "{account}");
        let message = unread["problems"][0]["message"].as_str().expect("a message");
        assert!(message.contains(says), "{account}: {message}");
    }
    assert_eq!(plan["totals"]["targets"], 4, "{plan:#}");
    assert_eq!(plan["totals"]["unreachable"], 2, "{plan:#}");
    assert_eq!(plan["outcome"], "problems");

    let ran = bench.plan(&policy(), &[]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(
        ran.out
            .contains("222233334444 * AccessDenied: The regions of the account could not be read by allRegions"),
        "{}",
        ran.out
    );
    for says in ["\ntotal       of 2 read ", "\n2 of 4 targets could not be read: "] {
        assert!(ran.out.contains(says), "{}", ran.out);
    }
    bench.assert_untouched();
}

#[test]
fn where_no_account_can_be_read_the_plan_is_not_one_of_nothing() {
    let bench = Bench::new(WORLD);
    let lines: Vec<String> = policy().lines().map(str::to_owned).collect();
    let is_kept = |line: &&String| !line.contains(READ) && !line.contains(DENIED);
    let alone = lines.iter().filter(is_kept).cloned().collect::<Vec<_>>().join("\n");
    let ran = bench.plan(&alone, &["-o", "json"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    let plan = ran.json();
    assert_eq!(plan["targets"].as_array().map(Vec::len), Some(1), "{plan:#}");
    assert_eq!(plan["totals"]["unreachable"], 1, "{plan:#}");
    assert_eq!(plan["outcome"], "problems");

    let ran = bench.plan(&alone, &[]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(
        ran.out.ends_with(
            "\nNothing could be read, so it is not known what there is to do. 1 thing needs fixing first.\n"
        ),
        "{}",
        ran.out
    );
}
