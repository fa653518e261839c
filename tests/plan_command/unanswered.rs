//! What the plan says of images that AWS does not answer about.

use serde_json::Value;

use crate::{Bench, policy, reasons, target};

const ACCOUNT: &str = "111122223333";

/// Four images, of which the third is shared, under the key that AWS manages.
const WORLD: &str = r#"
seed: 7
clock: {start: 2026-01-01T00:00:00Z}
expect:
  noMutatingCalls: [{}]
identities: [{accessKey: AKIACONTROLLER, account: "999900001111", allow: ["sts:*"]}]
accounts:
- id: "999900001111"
- id: "111122223333"
  roles: [{name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:*", "kms:*"]}]
  regions:
  - name: eu-west-1
    keys: [{alias: [alias/aws/ebs]}]
    images:
    - {name: oldest, creationDate: 2025-01-01T00:00:00Z}
    - {name: second, creationDate: 2025-02-01T00:00:00Z}
    - {name: shared, creationDate: 2025-03-01T00:00:00Z, launchPermissions: {users: ["999900001111"]}}
    - {name: youngest, creationDate: 2025-04-01T00:00:00Z}
"#;

#[test]
fn what_aws_does_not_answer_about_is_undecided_and_what_it_denies_or_throttles_is_not_asked_again() {
    // What befalls which questions, how many are sent, how many images are to be copied, impossible and undecided, and why.
    for (fault, sent, figures, reason, says) in [
        (
            "from: 2, act: {failBefore: {code: UnauthorizedOperation, status: 403}}",
            2,
            [1, 0, 3],
            "AccessDenied",
            "grant ec2:DescribeImageAttribute to the role. It is undecided whether 3 images can be copied",
        ),
        // A call that is throttled is tried five times.
        (
            "from: 2, act: throttle",
            1 + 5,
            [1, 0, 3],
            "Throttled",
            "undecided whether 3 images can be copied",
        ),
        (
            "nth: 2, act: {failBefore: {code: InvalidAMIID.NotFound, status: 400}}",
            4,
            [2, 1, 1],
            "InvalidRequest",
            "undecided whether 1 image can be copied",
        ),
    ] {
        let rule = format!("faults:\n- {{operation: DescribeImageAttribute, {fault}}}\nidentities:");
        let bench = Bench::new(&WORLD.replace("identities:", &rule));
        let policy = policy("production", &[(ACCOUNT, "eu-west-1", "alias/aws/ebs")]);
        let ran = bench.plan(&policy, &["-o", "json"]);
        assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{fault}: {}", ran.out);
        let plan = ran.json();
        let totals = &plan["totals"];
        let found = [&totals["toCopy"], &totals["cannotMigrate"], &totals["undecided"]];
        let expected: [Option<u64>; 3] = figures.map(Some);
        assert_eq!(found.map(Value::as_u64), expected, "{fault}: {plan:#}");
        let problems = &target(&plan, ACCOUNT, "eu-west-1")["problems"];
        assert_eq!(reasons(problems), [reason], "{fault}");
        let message = problems[0]["message"].as_str().expect("a message");
        assert!(message.contains(says), "{fault}: {message}");
        let asked = bench.calls(|call| call.operation == "DescribeImageAttribute");
        assert_eq!(asked.len(), sent, "{fault}");
        bench.assert_untouched();
    }
}
