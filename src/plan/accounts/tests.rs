use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::api::AMIEncryptionPolicyStatus;
use crate::api::conditions::{self, reason};
use crate::domain::{ErrorClass, Operation};
use crate::plan::expand;
use crate::plan::testing::{at, failed_call};

const MINUTES: i64 = 60;

fn spec(yaml: &str) -> AMIEncryptionPolicySpec {
    serde_saphyr::from_str(yaml).expect("a policy")
}

/// A policy of the whole organization, with this besides.
fn organization(more: &str) -> AMIEncryptionPolicySpec {
    spec(&format!(
        "accountsFrom: {{organization: {{}}, exclude: ['000000000009']}}\n\
         defaults: {{roleName: amiseal, externalID: platform, regions: [{{name: eu-west-1, kmsKeyID: alias/ami}}]}}\n{more}"
    ))
}

fn account(number: u32) -> AccountId {
    format!("{number:012}").parse().expect("an account")
}

fn accounts(numbers: impl IntoIterator<Item = u32>) -> BTreeSet<AccountId> {
    numbers.into_iter().map(account).collect()
}

fn active(numbers: impl IntoIterator<Item = u32>) -> ListedAccounts {
    ListedAccounts {
        active: accounts(numbers),
        others: BTreeSet::new(),
    }
}

/// A watch of the whole organization, in a policy that has targets in these accounts.
fn watch(present: impl IntoIterator<Item = u32>) -> AccountWatch {
    let mut watch = AccountWatch::default();
    let source = Source::of(&organization(""), None).expect("a source");
    watch.ask(&source, Some(1), || accounts(present));
    watch
}

fn numbers(watch: &AccountWatch) -> Vec<u32> {
    let all = watch.known.all();
    all.map(|account| account.as_str().parse().expect("a number")).collect()
}

type Reads = &'static [(i64, &'static [u32])];

#[test]
fn an_account_leaves_after_reads_in_a_row_that_are_far_enough_apart() {
    // Each read: at which minute, and what it lists of the accounts 1 to 5. What is known after all of them.
    let table: [(&str, Reads, &[u32]); 9] = [
        ("one read is not enough", &[(0, &[1, 2, 3, 4])], &[1, 2, 3, 4, 5]),
        ("two are", &[(0, &[1, 2, 3, 4]), (5, &[1, 2, 3, 4])], &[1, 2, 3, 4]),
        (
            "not too soon",
            &[(0, &[1, 2, 3, 4]), (4, &[1, 2, 3, 4])],
            &[1, 2, 3, 4, 5],
        ),
        (
            "what comes too soon does not begin anew",
            &[(0, &[1, 2, 3, 4]), (4, &[1, 2, 3, 4]), (5, &[1, 2, 3, 4])],
            &[1, 2, 3, 4],
        ),
        (
            "one that comes back",
            &[(0, &[1, 2, 3, 4]), (5, &[1, 2, 3, 4, 5]), (10, &[1, 2, 3, 4])],
            &[1, 2, 3, 4, 5],
        ),
        ("most are gone", &[(0, &[1, 2]), (5, &[1, 2])], &[1, 2, 3, 4, 5]),
        (
            "most are gone for good",
            &[(0, &[1, 2]), (5, &[1, 2]), (10, &[1, 2])],
            &[1, 2],
        ),
        (
            "those that left with many take as long, whatever else came back",
            &[(0, &[1, 2]), (5, &[1, 2, 3, 4])],
            &[1, 2, 3, 4, 5],
        ),
        ("nobody is left", &[(0, &[]), (5, &[]), (10, &[])], &[]),
    ];
    for (what, reads, expected) in table {
        let mut watch = watch(1..=5);
        for (minute, listed) in reads {
            watch.listed(active(listed.iter().copied()), at(minute * MINUTES), EVERY);
        }
        assert_eq!(numbers(&watch), expected, "{what}");
    }
}

#[test]
fn of_few_accounts_no_share_is_taken_for_many() {
    let mut watch = watch(1..=3);
    for minute in [0, 5] {
        watch.listed(active([]), at(minute * MINUTES), EVERY);
    }
    assert!(numbers(&watch).is_empty());
}

#[test]
fn a_new_account_appears_at_once_and_a_suspended_one_leaves_as_one_that_is_not_listed() {
    let mut watch = watch(1..=2);
    let listed = || ListedAccounts {
        active: accounts([1, 3]),
        others: accounts([2]),
    };
    assert!(watch.listed(listed(), at(0), EVERY).is_empty());
    assert_eq!(numbers(&watch), [1, 2, 3]);
    assert_eq!(watch.leaving().count(), 1);
    assert_eq!(watch.listed(listed(), at(5 * MINUTES), EVERY), [account(2)]);
    assert_eq!(numbers(&watch), [1, 3]);
}

#[test]
fn accounts_leave_a_policy_where_it_has_them_from_there_alone() {
    let spec = organization("accounts: [{accountID: '000000000002'}]");
    let mut watch = AccountWatch::default();
    watch.ask(&Source::of(&spec, None).expect("a source"), Some(1), BTreeSet::new);
    watch.listed(active([1, 2, 3, 9]), at(0), EVERY);
    assert_eq!(leaving(&spec, &watch), 0);
    // 2 is its own, and 9 is left out.
    for minute in [5, 10] {
        watch.listed(active([1]), at(minute * MINUTES), EVERY);
        assert_eq!(leaving(&spec, &watch), 1, "the third account alone");
    }
    let gone = watch.listed(active([1]), at(15 * MINUTES), EVERY);
    assert_eq!((gone.len(), only_from_there(&spec, gone.iter())), (3, 1));
    assert_eq!(leaving(&spec, &watch), 0);
}

#[test]
fn a_failed_read_changes_nothing_and_is_tried_again_later_each_time() {
    let mut watch = watch(1..=5);
    assert_eq!(watch.due(EVERY), Timestamp::MIN, "nothing was read yet");
    let throttled = failed_call(Operation::ListAccounts, ErrorClass::Throttled);
    for (failures, wait) in [(1, 2), (2, 4)] {
        assert_eq!(watch.failed(&throttled, at(0), |wait| wait), failures);
        assert_eq!(watch.due(EVERY), at(wait));
        assert_eq!(numbers(&watch), [1, 2, 3, 4, 5]);
    }
    watch.listed(active(1..=5), at(100), EVERY);
    assert_eq!(watch.due(EVERY), at(100 + 5 * MINUTES));
    // A failure between two reads does not part them.
    watch.listed(active(1..=4), at(400), EVERY);
    watch.failed(&throttled, at(500), |wait| wait);
    watch.listed(active(1..=4), at(700), EVERY);
    assert_eq!(numbers(&watch), [1, 2, 3, 4]);
}

#[test]
fn another_question_is_asked_at_once_and_takes_no_account_away() {
    let mut watch = watch(1..=2);
    watch.listed(active(1..=2), at(0), EVERY);
    let denied = failed_call(Operation::ListAccounts, ErrorClass::Denied);
    watch.failed(&denied, at(300), |wait| wait);
    assert_eq!(watch.due(EVERY), at(900));
    let units = organization("").accounts_from.map(|from| AccountsFrom {
        organization: None,
        organizational_units: vec!["ou-ab12-c3d4e5f6".to_owned()],
        ..from
    });
    let changed = AMIEncryptionPolicySpec {
        accounts_from: units,
        ..organization("")
    };
    let source = Source::of(&changed, None).expect("a source");
    watch.ask(&source, Some(2), BTreeSet::new);
    assert_eq!((watch.due(EVERY), watch.read_at()), (Timestamp::MIN, None));
    assert_eq!(numbers(&watch), [1, 2]);
    // A change of something else has a failed read tried anew, and makes none of one that has succeeded.
    watch.listed(active(1..=2), at(1000), EVERY);
    watch.ask(&source, Some(3), BTreeSet::new);
    assert_eq!(watch.due(EVERY), at(1000 + 5 * MINUTES));
}

#[test]
fn what_the_former_question_left_out_does_not_count_for_another_one() {
    let mut watch = watch(1..=4);
    watch.listed(active(1..=3), at(0), EVERY);
    assert_eq!(watch.leaving().count(), 1);
    let other = Source {
        role_arn: Some("arn:aws:iam::000000000001:role/lists".to_owned()),
        ..Source::of(&organization(""), None).expect("a source")
    };
    watch.ask(&other, Some(2), BTreeSet::new);
    assert_eq!(watch.leaving().count(), 0);
    watch.listed(active(1..=3), at(5 * MINUTES), EVERY);
    assert_eq!(numbers(&watch), [1, 2, 3, 4], "that was the first read of it");
    watch.listed(active(1..=3), at(10 * MINUTES), EVERY);
    assert_eq!(numbers(&watch), [1, 2, 3]);
}

#[test]
fn an_account_that_the_policy_does_not_list_itself_any_more_stays_until_reads_lack_it() {
    let source = Source::of(&organization(""), None).expect("a source");
    let denied = failed_call(Operation::ListAccounts, ErrorClass::Denied);
    // Another process has listed accounts before, and this one could not yet: the policy lists 5 itself.
    let mut watch = watch(1..=3);
    watch.failed(&denied, at(0), |wait| wait);
    watch.ask(&source, Some(1), || panic!("nothing has changed"));
    // It does so no more, and has a target in it.
    watch.ask(&source, Some(2), || accounts([1, 2, 3, 5]));
    watch.failed(&denied, at(60), |wait| wait);
    assert_eq!(numbers(&watch), [1, 2, 3, 5]);
    watch.listed(active(1..=3), at(120), EVERY);
    assert_eq!(numbers(&watch), [1, 2, 3, 5]);
    // What was lacking before goes on to be.
    watch.ask(&source, Some(3), || accounts([1, 2, 3, 5]));
    assert_eq!(watch.listed(active(1..=3), at(120 + 5 * MINUTES), EVERY), [account(5)]);
}

#[test]
fn what_is_left_out_is_left_out_at_once_and_what_a_policy_lists_itself_is_as_it_says() {
    let spec = organization("accounts: [{accountID: '000000000001', roleName: own}, {accountID: '000000000009'}]");
    let mut watch = AccountWatch::default();
    let source = Source::of(&spec, None).expect("a source");
    watch.ask(&source, Some(1), BTreeSet::new);
    watch.listed(active([1, 2, 9]), at(0), EVERY);
    let listed = watch.accounts(spec.accounts_from.as_ref().expect("accountsFrom"));
    assert_eq!(listed, accounts([1, 2]));
    let targets = expand::targets("p", &resolved(&spec, &listed));
    let roles: Vec<_> = targets
        .iter()
        .map(|target| {
            (
                target.account_id.as_str(),
                target.role_arn.as_deref().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        roles,
        [
            ("000000000001", "arn:aws:iam::000000000001:role/own"),
            ("000000000009", "arn:aws:iam::000000000009:role/amiseal"),
            ("000000000002", "arn:aws:iam::000000000002:role/amiseal"),
        ]
    );
    assert!(
        targets
            .iter()
            .all(|target| target.external_id.as_deref() == Some("platform"))
    );
}

#[test]
fn a_thousand_accounts_have_their_targets_in_all_of_their_regions() {
    let regions: Vec<String> = (1..=17)
        .map(|n| format!("{{name: eu-west-{n}, kmsKeyID: alias/ami}}"))
        .collect();
    let spec = spec(&format!(
        "accountsFrom: {{organization: {{}}}}\ndefaults: {{roleName: amiseal, regions: [{}]}}",
        regions.join(", ")
    ));
    let targets = expand::targets("everything", &resolved(&spec, &accounts(1..=1000)));
    let names: HashSet<(&str, &str)> = targets
        .iter()
        .map(|target| (target.account_id.as_str(), target.region.as_str()))
        .collect();
    assert_eq!((targets.len(), names.len()), (17_000, 17_000));
}

fn said(
    watch: &AccountWatch,
    spec: &AMIEncryptionPolicySpec,
    current: &AMIEncryptionPolicyStatus,
    now: Timestamp,
) -> AMIEncryptionPolicyStatus {
    said_of(watch, spec, current, 1, now)
}

fn said_of(
    watch: &AccountWatch,
    spec: &AMIEncryptionPolicySpec,
    current: &AMIEncryptionPolicyStatus,
    generation: i64,
    now: Timestamp,
) -> AMIEncryptionPolicyStatus {
    let mut decided = crate::plan::status::policy(current, spec, Some(generation), 0, &[], now);
    status(&mut decided, current, spec, Some(watch), 2, now);
    decided
}

fn says(status: &AMIEncryptionPolicyStatus, type_: &str) -> String {
    let condition = conditions::find(&status.conditions, type_);
    condition.map_or_else(String::new, |one| format!("{}/{}", one.status, one.reason))
}

#[test]
fn a_policy_says_whether_its_accounts_are_known_and_is_not_ready_before() {
    let spec = organization("");
    let mut watch = watch([]);
    let none = AMIEncryptionPolicyStatus::default();
    let first = said(&watch, &spec, &none, at(0));
    assert_eq!(says(&first, conditions::ACCOUNTS_KNOWN), "False/NotReadYet");
    assert_eq!(says(&first, conditions::READY), "False/NotReadYet");
    assert_eq!(says(&first, conditions::COMPLIANT), "Unknown/NotReadYet");
    assert_eq!(first.accounts, None);

    let mut denied = failed_call(Operation::ListAccounts, ErrorClass::Denied);
    denied.code = Some("AccessDeniedException".into());
    watch.failed(&denied, at(0), |wait| wait);
    let failed = said(&watch, &spec, &first, at(0));
    assert_eq!(says(&failed, conditions::ACCOUNTS_KNOWN), "False/AccessDenied");
    assert_eq!(says(&failed, conditions::STALLED), "True/AccessDenied");
    let message = conditions::find(&failed.conditions, conditions::ACCOUNTS_KNOWN).map(|one| one.message.as_str());
    let message = message.expect("a message");
    assert!(message.contains("allow organizations:ListAccounts there"), "{message}");
    assert!(message.contains("accountsFrom.roleARN"), "{message}");
    assert_eq!(said(&watch, &spec, &failed, at(50)), failed, "it comes to rest");

    watch.listed(active([1, 2, 9]), at(60), EVERY);
    let read = said(&watch, &spec, &failed, at(0));
    assert_eq!(says(&read, conditions::ACCOUNTS_KNOWN), "True/Read");
    assert_ne!(says(&read, conditions::READY), "False/NotReadYet");
    let counts = read.accounts.clone().expect("counts");
    assert_eq!((counts.total, counts.excluded, counts.suspended), (2, 1, 0));

    // A later read that says the same is not worth a write.
    watch.listed(active([1, 2, 9]), at(360), EVERY);
    assert_eq!(said(&watch, &spec, &read, at(0)).accounts, Some(counts));

    // Another process has not read yet: what is on record stays.
    let mut anew = AccountWatch::default();
    anew.ask(&Source::of(&spec, None).expect("a source"), Some(1), || {
        accounts([1, 2])
    });
    let after = said(&anew, &spec, &read, at(0));
    assert_eq!(says(&after, conditions::ACCOUNTS_KNOWN), "True/Read");
    assert_ne!(says(&after, conditions::READY), "False/NotReadYet");

    // Unless what is asked for has changed since: whoever waits for the policy waits for these accounts too.
    let mut changed = AccountWatch::default();
    changed.ask(&Source::of(&spec, None).expect("a source"), Some(2), || {
        accounts([1, 2])
    });
    let waits = said_of(&changed, &spec, &read, 2, at(0));
    assert_eq!(says(&waits, conditions::ACCOUNTS_KNOWN), "False/NotReadYet");
    assert_eq!(says(&waits, conditions::READY), "False/NotReadYet");
    assert_eq!(waits.accounts, None);
    assert_eq!(said_of(&changed, &spec, &waits, 2, at(50)), waits, "it comes to rest");

    // A failure later on takes nothing away, and readiness least of all.
    watch.failed(&denied, at(700), |wait| wait);
    let denied_later = said(&watch, &spec, &read, at(0));
    assert_eq!(says(&denied_later, conditions::ACCOUNTS_KNOWN), "False/AccessDenied");
    assert_eq!(says(&denied_later, conditions::READY), says(&read, conditions::READY));

    let mut own = read.clone();
    status(&mut own, &read, &spec, None, 2, at(0));
    assert_eq!(
        (says(&own, conditions::ACCOUNTS_KNOWN).as_str(), own.accounts),
        ("", None)
    );
    let suspended = AMIEncryptionPolicySpec { suspend: true, ..spec };
    let quiet = said(&watch, &suspended, &read, at(0));
    assert_eq!(
        says(&quiet, conditions::ACCOUNTS_KNOWN),
        format!("Unknown/{}", reason::SUSPENDED)
    );
}

/// A read: how many minutes after the one before it, and what it lists of six accounts; none where it fails.
fn read() -> impl Strategy<Value = (i64, Option<BTreeSet<u32>>)> {
    let listed = proptest::option::weighted(0.8, proptest::collection::btree_set(1_u32..=6, 0..=6));
    (1_i64..=7, listed)
}

#[test]
fn an_organization_is_asked_in_the_partition_that_something_tells_and_else_it_is_said_what_would() {
    let cn = "cn-north-1".parse::<Region>().expect("a region").partition();
    let from = "accountsFrom: {organization: {}}\ndefaults: {roleName: amiseal, allRegions: {kmsKeyID: alias/ami}}";
    let listed = "accounts: [{accountID: '000000000001', regions: [{name: us-gov-west-1, kmsKeyID: alias/a}]}]";
    let error = AwsError::new(
        Operation::AssumeRole,
        ErrorClass::Denied,
        Some(crate::domain::Cause::RegionNotEnabled),
    );
    for (policy, own, partition, is_assumed) in [
        (from.to_owned(), None, "aws", true),
        (from.to_owned(), Some(cn), "aws-cn", false),
        (format!("{from}\n{listed}"), None, "aws-us-gov", false),
    ] {
        let source = Source::of(&spec(&policy), own).expect("a source");
        assert_eq!(source.partition.as_str(), partition, "{policy}");
        assert_eq!(source.is_partition_assumed, is_assumed, "{policy}");
        let doubt = source.doubt(&error);
        assert_eq!(doubt.is_some(), is_assumed, "{policy}");
        assert!(doubt.is_none_or(|doubt| doubt.contains("set accountsFrom.roleARN")));
    }
}

proptest! {
    /// Whatever is read when: nothing leaves that the last read has listed, or that was listed less than the least time ago, nothing
    /// leaves by a failure, and what was listed last is there.
    #[test]
    fn accounts_leave_by_reads_that_lack_them_and_by_nothing_else(reads in proptest::collection::vec(read(), 1..40)) {
        let mut watch = watch(1..=6);
        let error = failed_call(Operation::ListAccounts, ErrorClass::Transient);
        let mut minute = 0;
        // Of each account, when reads in a row have begun to lack it, how many they are, and whether one of them lacked most.
        let mut lacking: BTreeMap<u32, (i64, u32, bool)> = BTreeMap::new();
        for (pause, listed) in reads {
            minute += pause;
            let before = numbers(&watch);
            let Some(listed) = listed else {
                watch.failed(&error, at(minute * MINUTES), |wait| wait);
                prop_assert_eq!(numbers(&watch), before);
                continue;
            };
            let missing = before.iter().filter(|one| !listed.contains(*one)).count();
            let of_many = before.len() >= 4 && missing * 2 > before.len();
            for one in &before {
                if listed.contains(one) {
                    lacking.remove(one);
                } else {
                    let (_, count, many) = lacking.entry(*one).or_insert((minute, 0, false));
                    *count += 1;
                    *many |= of_many;
                }
            }
            let gone = watch.listed(active(listed.iter().copied()), at(minute * MINUTES), EVERY);
            let after = numbers(&watch);
            prop_assert!(listed.iter().all(|one| after.contains(one)));
            for one in before.iter().filter(|one| !after.contains(one)) {
                prop_assert!(gone.contains(&account(*one)));
                let (since, count, many) = lacking.remove(one).expect("it was lacking");
                let least = if many { 3 } else { 2 };
                prop_assert!(count >= least && minute - since >= 5 * i64::from(least - 1), "{} {} {}", one, count, since);
            }
        }
    }
}
