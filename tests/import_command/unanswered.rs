//! Accounts that cannot be looked into.

use ec2sim::{Act, FaultRule};

use crate::{Bench, KEY, ROLE};

const FINDINGS: &str = "account,region,image\n777788889999,eu-west-1,ami-00000000000000301\n111122223333,eu-west-1,ami-00000000000000101\n";

#[test]
fn an_account_that_cannot_be_looked_into_hides_nothing_of_the_others_and_its_images_stay() {
    let bench = Bench::new();
    let ran = bench.import(FINDINGS, &ROLE);
    assert_eq!(ran.code, 2, "{ran:#?}");
    assert_eq!(ran.selected(), ["ami-00000000000000101", "ami-00000000000000301"]);
    assert_eq!(ran.places(), ["111122223333 eu-west-1", "777788889999 eu-west-1"]);
    assert_eq!(
        ran.remarks(),
        [
            "standard input:2: an image could not be looked up in 777788889999 eu-west-1, in the policy unchecked: RoleNotAssumable: \
             sts:AssumeRole: the role cannot be assumed; check that it exists, whom it trusts, and its external ID."
        ]
    );
    bench.assert_only_read();
}

#[test]
fn without_a_role_other_accounts_are_not_asked_and_the_option_is_named() {
    let bench = Bench::new();
    let ran = bench.import(FINDINGS, &KEY);
    assert_eq!((ran.code, ran.selected().len()), (2, 2), "{ran:#?}");
    for remark in ran.remarks() {
        let words = "your credentials are of the account 999900001111: name the role to assume with --role-name";
        assert!(remark.ends_with(words), "{remark}");
    }
    bench.assert_only_read();
}

#[test]
fn a_failed_read_is_never_taken_for_an_image_that_is_gone() {
    let bench = Bench::new();
    bench.server.sim().add_fault(FaultRule {
        operation: Some("DescribeImages".to_owned()),
        account: Some("111122223333".to_owned()),
        act: Act::DropBefore,
        ..FaultRule::default()
    });
    let findings = "111122223333,eu-west-1,ami-0000000000000dead\n012345678901,eu-west-1,ami-00000000000000201\n";
    let ran = bench.import(findings, &ROLE);
    assert_eq!((ran.code, ran.selected().len()), (2, 2), "{ran:#?}");
    let remarks = ran.remarks();
    assert!(
        remarks.len() == 1 && remarks[0].contains("in the policy unchecked: EndpointUnreachable"),
        "{remarks:#?}"
    );
}
