use proptest::prelude::*;

use super::*;
use crate::api::conditions::reason;
use crate::domain::{Cause, ErrorClass, Operation};
use crate::plan::expand;
use crate::plan::testing::{at, failed_call};

const MINUTES: i64 = 60;
const ONE: &str = "111122223333";
const OTHER: &str = "222233334444";

fn spec(yaml: &str) -> AMIEncryptionPolicySpec {
    serde_saphyr::from_str(yaml).expect("a policy")
}

/// A policy that takes all regions of two accounts, and lists one.
fn everywhere() -> AMIEncryptionPolicySpec {
    spec(&format!(
        "defaults: {{roleName: amiseal, regions: [{{name: eu-west-1, kmsKeyID: alias/own}}], allRegions: {{kmsKeyID: alias/ami}}}}\n\
         accounts: [{{accountID: '{ONE}'}}, {{accountID: '{OTHER}'}}]"
    ))
}

fn account(id: &str) -> AccountId {
    id.parse().expect("an account")
}

fn region(number: u8) -> Region {
    format!("eu-west-{number}").parse().expect("a region")
}

fn regions(numbers: impl IntoIterator<Item = u8>) -> BTreeSet<Region> {
    numbers.into_iter().map(region).collect()
}

/// What is known of a policy that has targets in these regions of the first account.
fn watches(present: impl IntoIterator<Item = u8>) -> RegionWatches {
    let mut watches = RegionWatches::default();
    let present = regions(present);
    watches.ask(sources(&everywhere(), None), Some(1), || {
        [(account(ONE), present)]
            .into_iter()
            .filter(|(_, regions)| !regions.is_empty())
            .collect()
    });
    watches
}

fn source(id: &str) -> Source {
    sources(&everywhere(), None).remove(&account(id)).expect("a source")
}

fn read(watches: &mut RegionWatches, id: &str, numbers: &[u8], minute: i64) -> Outcome {
    let enabled = regions(numbers.iter().copied());
    watches.listed(&source(id), enabled, at(minute * MINUTES), EVERY)
}

/// When the account is read next, without any spreading.
fn due(watches: &RegionWatches, id: &str) -> Timestamp {
    let mut turns = watches.turns(EVERY, |_, wait| wait);
    let turn = turns.find(|turn| turn.source.scope.account == account(id));
    turn.expect("a turn").due
}

#[test]
fn an_account_takes_what_it_says_itself_or_what_the_defaults_say_and_never_both() {
    let own = "regions: [{name: us-east-1, kmsKeyID: alias/b}]";
    let all = "allRegions: {kmsKeyID: alias/c, exclude: [eu-west-3]}";
    // What the account says, and in which regions its targets are under which key.
    let table: [(&str, &[(&str, &str)]); 4] = [
        (
            "",
            &[
                ("eu-west-1", "alias/own"),
                ("eu-west-2", "alias/ami"),
                ("eu-west-3", "alias/ami"),
            ],
        ),
        (own, &[("us-east-1", "alias/b")]),
        (all, &[("eu-west-1", "alias/c"), ("eu-west-2", "alias/c")]),
        (
            &format!("{own}, {all}"),
            &[
                ("us-east-1", "alias/b"),
                ("eu-west-1", "alias/c"),
                ("eu-west-2", "alias/c"),
            ],
        ),
    ];
    for (says, expected) in table {
        let says = if says.is_empty() {
            String::new()
        } else {
            format!(", {says}")
        };
        let spec = AMIEncryptionPolicySpec {
            accounts: spec(&format!("accounts: [{{accountID: '{ONE}'{says}}}]")).accounts,
            ..everywhere()
        };
        let targets = expand::targets("p", &resolved(&spec, |_| regions(1..=3)));
        let seen: Vec<_> = targets
            .iter()
            .map(|target| (target.region.as_str(), target.kms_key_id.as_str()))
            .collect();
        assert_eq!(seen, expected, "{says}");
    }
}

#[test]
fn what_is_left_out_does_not_take_out_what_is_listed_and_nothing_is_taken_before_a_read() {
    let spec = AMIEncryptionPolicySpec {
        defaults: spec(
            "defaults: {regions: [{name: eu-west-1, kmsKeyID: alias/own}], \
             allRegions: {kmsKeyID: alias/ami, exclude: [eu-west-1, eu-west-2]}}",
        )
        .defaults,
        ..everywhere()
    };
    for (known, expected) in [(0, vec!["eu-west-1"]), (3, vec!["eu-west-1", "eu-west-3"])] {
        let resolved = resolved(&spec, |_| regions(1..=known));
        let names: Vec<&str> = resolved.accounts[0]
            .regions
            .iter()
            .map(|region| region.name.as_str())
            .collect();
        assert_eq!(names, expected);
    }
    // An account that takes all regions itself does not fall back on those of the defaults while none is known.
    let own = AMIEncryptionPolicySpec {
        accounts: self::spec(&format!(
            "accounts: [{{accountID: '{ONE}', allRegions: {{kmsKeyID: alias/c}}}}]"
        ))
        .accounts,
        ..everywhere()
    };
    assert!(expand::targets("p", &resolved(&own, |_| BTreeSet::new())).is_empty());
}

#[test]
fn an_account_is_asked_in_its_first_region_or_in_the_home_of_its_partition() {
    let all = "allRegions: {kmsKeyID: alias/ami}";
    for (says, asked) in [
        (
            format!("regions: [{{name: ap-south-1, kmsKeyID: alias/a}}], {all}"),
            Some("ap-south-1"),
        ),
        (all.to_owned(), Some("us-east-1")),
        (
            format!("roleARN: 'arn:aws-cn:iam::{ONE}:role/amiseal', {all}"),
            Some("cn-north-1"),
        ),
        (
            format!("roleARN: 'arn:aws-us-gov:iam::{ONE}:role/amiseal', {all}"),
            Some("us-gov-west-1"),
        ),
        ("regions: [{name: ap-south-1, kmsKeyID: alias/a}]".to_owned(), None),
    ] {
        let spec = spec(&format!("accounts: [{{accountID: '{ONE}', {says}}}]"));
        let asks = sources(&spec, None);
        let region = asks.get(&account(ONE)).map(|source| source.scope.region.as_str());
        assert_eq!(region, asked, "{says}");
    }
    let source = source(OTHER);
    assert_eq!(
        source.role_arn.as_deref(),
        Some("arn:aws:iam::222233334444:role/amiseal")
    );
}

#[test]
fn the_policy_tells_the_partition_of_accounts_that_do_not_name_one() {
    let accounts =
        format!("accounts: [{{accountID: '{ONE}', roleName: amiseal, allRegions: {{kmsKeyID: alias/ami}}}}]");
    let of_role = |partition: &str| format!("accountsFrom: {{roleARN: 'arn:{partition}:iam::{OTHER}:role/lists'}}");
    let of_regions = |region: &str| format!("defaults: {{regions: [{{name: {region}, kmsKeyID: alias/a}}]}}");
    let cn = "cn-north-1".parse::<Region>().expect("a region").partition();
    // What the policy says, the partition that amiseal runs in, and where the account is asked.
    for (says, own, asked, partition) in [
        (String::new(), None, "us-east-1", "aws"),
        (String::new(), Some(Partition::default()), "us-east-1", "aws"),
        (String::new(), Some(cn), "cn-north-1", "aws-cn"),
        (of_role("aws"), None, "us-east-1", "aws"),
        (of_role("aws-cn"), None, "cn-north-1", "aws-cn"),
        (of_regions("us-gov-east-1"), None, "us-gov-west-1", "aws-us-gov"),
        (of_regions("us-gov-east-1"), Some(cn), "us-gov-west-1", "aws-us-gov"),
        (
            format!("{}\n{}", of_regions("cn-northwest-1"), of_role("aws")),
            None,
            "cn-north-1",
            "aws-cn",
        ),
    ] {
        let source = sources(&spec(&format!("{says}\n{accounts}")), own).remove(&account(ONE));
        let source = source.expect("a source");
        let role = format!("arn:{partition}:iam::{ONE}:role/amiseal");
        assert_eq!(source.scope.region.as_str(), asked, "{says}");
        assert_eq!(source.role_arn, Some(role), "{says}");
        let is_told = !says.is_empty() || own.is_some();
        assert_eq!(source.is_partition_assumed, !is_told, "{says}");
    }
}

#[test]
fn a_read_that_may_have_gone_to_another_partition_says_which_field_tells_the_right_one() {
    let alone = "defaults: {roleName: amiseal, allRegions: {kmsKeyID: alias/ami}}";
    let spec = spec(&format!("{alone}\naccounts: [{{accountID: '{ONE}'}}]"));
    let error = |cause| AwsError::new(Operation::AssumeRole, ErrorClass::Denied, Some(cause));
    let unknown = error(Cause::RegionNotEnabled);
    for (own, error, is_said) in [
        (None, &unknown, true),
        (Some(Partition::default()), &unknown, false),
        (None, &error(Cause::RoleNotAssumable), false),
    ] {
        let mut known = RegionWatches::default();
        let asked = sources(&spec, own);
        known.ask(asked.clone(), Some(1), BTreeMap::new);
        known.failed(&asked[&account(ONE)], error, at(0), |wait| wait);
        let status = said(&known, &AMIEncryptionPolicyStatus::default(), &spec);
        let message = conditions::find(&status.conditions, conditions::REGIONS_KNOWN).map(|one| one.message.clone());
        let message = message.expect("a message");
        let sentence =
            format!("Nothing tells which partition of AWS the account {ONE} is in, so amiseal asks in us-east-1");
        assert_eq!(message.contains(&sentence), is_said, "{own:?}: {message}");
        assert_eq!(message.contains("set its roleARN"), is_said, "{own:?}: {message}");
    }
}

#[test]
fn an_account_is_not_asked_anew_where_only_what_tells_its_partition_has_changed() {
    let spec = spec(&format!(
        "accounts: [{{accountID: '{ONE}', roleName: amiseal, allRegions: {{kmsKeyID: alias/ami}}}}]"
    ));
    let mut known = RegionWatches::default();
    let assumed = sources(&spec, None);
    known.ask(assumed.clone(), Some(1), BTreeMap::new);
    let enabled = regions([1, 2]);
    known.listed(&assumed[&account(ONE)], enabled, at(0), EVERY);
    known.ask(sources(&spec, Some(Partition::default())), Some(2), BTreeMap::new);
    assert_eq!(known.read_at(), Some(at(0)), "the read holds");
}

#[test]
fn what_stands_for_regions_that_were_not_read_is_one_target_and_a_policy_can_do_without_the_account() {
    let spec = spec(&format!(
        "defaults: {{roleName: amiseal, regions: [{{name: eu-west-1, kmsKeyID: alias/own}}], allRegions: {{kmsKeyID: alias/ami}}}}\n\
         accounts: [{{accountID: '{ONE}'}}, {{accountID: '{OTHER}', allRegions: {{kmsKeyID: alias/c}}}}, \
         {{accountID: '333344445555', regions: [{{name: us-east-1, kmsKeyID: alias/b}}]}}]"
    ));
    let unread: BTreeSet<AccountId> = [ONE, OTHER, "333344445555"].map(account).into();
    let shown = |targets: &[AMIEncryptionTargetSpec]| -> Vec<String> {
        let shown = targets.iter();
        shown
            .map(|target| format!("{} {} {}", target.account_id, target.region, target.kms_key_id))
            .collect()
    };
    assert_eq!(
        shown(&in_place_of_unread("p", &spec, &unread)),
        [format!("{ONE} * alias/ami"), format!("{OTHER} * alias/c")],
        "one that lists its regions has nothing to read"
    );
    assert!(in_place_of_unread("p", &spec, &BTreeSet::new()).is_empty());

    // What is listed stays, and the account is missing only where that is asked for.
    let resolved = resolved(&spec, |_| BTreeSet::new());
    let both = [
        format!("{ONE} eu-west-1 alias/own"),
        "333344445555 us-east-1 alias/b".to_owned(),
    ];
    assert_eq!(shown(&expand::targets("p", &resolved)), both);
    let unread: BTreeSet<AccountId> = [ONE, OTHER].map(account).into();
    let without = without_targets(&resolved, &unread);
    assert_eq!(shown(&expand::targets("p", &without)), both[1..]);
    assert_eq!(without.accounts.len(), 3);
}

#[test]
fn a_region_that_is_opted_in_appears_at_once_and_one_that_is_not_any_more_leaves_after_two_reads() {
    let mut watches = watches([]);
    assert!(read(&mut watches, ONE, &[1, 2], 0).is_news);
    assert_eq!(watches.regions(&account(ONE)), regions([1, 2]));
    assert_eq!(
        read(&mut watches, ONE, &[1, 2], 60),
        Outcome::default(),
        "the same is no news"
    );
    assert!(read(&mut watches, ONE, &[1, 2, 3], 120).is_news);
    assert_eq!(watches.regions(&account(ONE)), regions([1, 2, 3]));
    assert_eq!(due(&watches, ONE), at(180 * MINUTES));

    let lacks = read(&mut watches, ONE, &[1, 2], 180);
    assert!(lacks.gone.is_empty() && lacks.is_news);
    assert_eq!(
        due(&watches, ONE),
        at(185 * MINUTES),
        "what is missing is looked for sooner"
    );
    assert!(read(&mut watches, ONE, &[1, 2], 184).gone.is_empty(), "too soon");
    assert_eq!(read(&mut watches, ONE, &[1, 2], 185).gone, [region(3)]);
    assert_eq!(watches.regions(&account(ONE)), regions([1, 2]));
    assert!(watches.regions(&account(OTHER)).is_empty(), "each account has its own");
}

#[test]
fn a_failed_read_changes_nothing_and_holds_up_no_other_account() {
    let mut watches = watches([1, 2]);
    let denied = failed_call(Operation::DescribeRegions, ErrorClass::Denied);
    let failed = watches.failed(&source(ONE), &denied, at(0), |wait| wait);
    assert_eq!(failed, Some((1, true)));
    let failed = watches.failed(&source(ONE), &denied, at(0), |wait| wait);
    assert_eq!(failed, Some((2, false)), "that was said");
    assert_eq!(watches.regions(&account(ONE)), regions([1, 2]));
    assert!(due(&watches, ONE) > at(0));
    assert_eq!(due(&watches, OTHER), Timestamp::MIN);
    read(&mut watches, OTHER, &[1], 0);
    assert_eq!(watches.read_at(), None, "one was never read");
    read(&mut watches, ONE, &[1, 2], 60);
    assert_eq!(watches.read_at(), Some(at(0)), "the other one is the longest ago");
}

#[test]
fn what_was_asked_before_a_change_of_the_role_is_no_answer_and_takes_nothing_away() {
    let mut watches = watches([]);
    read(&mut watches, ONE, &[1, 2], 0);
    let former = source(ONE);
    let changed = AMIEncryptionPolicySpec {
        defaults: spec("defaults: {roleName: other, allRegions: {kmsKeyID: alias/ami}}").defaults,
        ..everywhere()
    };
    watches.ask(sources(&changed, None), Some(2), BTreeMap::new);
    assert_eq!(due(&watches, ONE), Timestamp::MIN);
    assert_eq!(watches.regions(&account(ONE)), regions([1, 2]));
    assert!(!watches.asks(&former) && watches.asks(&sources(&changed, None)[&account(ONE)]));
    let late = watches.listed(&former, regions([3]), at(60), EVERY);
    assert_eq!(late, Outcome::default());
    assert_eq!(watches.regions(&account(ONE)), regions([1, 2]));
    // An account that the policy does not have any more is forgotten.
    let one = AMIEncryptionPolicySpec {
        accounts: changed.accounts[..1].to_vec(),
        ..changed
    };
    watches.ask(sources(&one, None), Some(3), BTreeMap::new);
    assert_eq!(watches.turns(EVERY, |_, wait| wait).count(), 1);
}

#[test]
fn another_process_begins_with_the_regions_that_have_targets() {
    let mut watches = watches([1, 2, 3]);
    assert!(read(&mut watches, ONE, &[1, 2], 0).gone.is_empty());
    assert_eq!(read(&mut watches, ONE, &[1, 2], 5).gone, [region(3)]);
}

fn said(
    watches: &RegionWatches,
    current: &AMIEncryptionPolicyStatus,
    spec: &AMIEncryptionPolicySpec,
) -> AMIEncryptionPolicyStatus {
    let mut decided = crate::plan::status::policy(current, spec, Some(1), 0, &[], at(0));
    status(&mut decided, current, spec, Some(watches), at(0));
    decided
}

fn says(status: &AMIEncryptionPolicyStatus, type_: &str) -> String {
    let condition = conditions::find(&status.conditions, type_);
    condition.map_or_else(String::new, |one| format!("{}/{}", one.status, one.reason))
}

#[test]
fn a_policy_says_whose_regions_are_not_known_and_is_not_ready_before() {
    let (spec, none) = (everywhere(), AMIEncryptionPolicyStatus::default());
    let mut known = watches([]);
    let first = said(&known, &none, &spec);
    assert_eq!(says(&first, conditions::REGIONS_KNOWN), "False/NotReadYet");
    assert_eq!(says(&first, conditions::READY), "False/NotReadYet");
    assert_eq!(says(&first, conditions::COMPLIANT), "Unknown/NotReadYet");
    let counts = first.regions.clone().expect("counts");
    assert_eq!((counts.accounts, counts.unread), (2, 2));

    let denied = failed_call(Operation::DescribeRegions, ErrorClass::Denied);
    read(&mut known, ONE, &[1, 2], 0);
    known.failed(&source(OTHER), &denied, at(0), |wait| wait);
    let failed = said(&known, &first, &spec);
    assert_eq!(says(&failed, conditions::REGIONS_KNOWN), "False/AccessDenied");
    assert_eq!(says(&failed, conditions::STALLED), "True/AccessDenied");
    let message = conditions::find(&failed.conditions, conditions::REGIONS_KNOWN).map(|one| one.message.as_str());
    let message = message.expect("a message");
    for part in [OTHER, "1 of 2 accounts", "ec2:DescribeRegions", "never read"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(said(&known, &failed, &spec), failed, "it comes to rest");

    read(&mut known, OTHER, &[1], 0);
    let all = said(&known, &failed, &spec);
    assert_eq!(says(&all, conditions::REGIONS_KNOWN), "True/Read");
    assert_ne!(says(&all, conditions::READY), "False/NotReadYet");
    assert_eq!(all.regions.as_ref().map(|counts| counts.unread), Some(0));

    // A failure later on takes nothing away, and readiness least of all.
    known.failed(&source(ONE), &denied, at(60), |wait| wait);
    let later = said(&known, &all, &spec);
    assert_eq!(says(&later, conditions::REGIONS_KNOWN), "False/AccessDenied");
    assert_eq!(says(&later, conditions::READY), says(&all, conditions::READY));

    let mut own = all.clone();
    status(&mut own, &all, &spec, None, at(0));
    assert_eq!(
        (says(&own, conditions::REGIONS_KNOWN).as_str(), own.regions),
        ("", None)
    );
    let suspended = AMIEncryptionPolicySpec { suspend: true, ..spec };
    let quiet = said(&known, &all, &suspended);
    assert_eq!(
        says(&quiet, conditions::REGIONS_KNOWN),
        format!("Unknown/{}", reason::SUSPENDED)
    );
}

/// Some regions with targets in each of these accounts.
fn present(accounts: &[&str]) -> BTreeMap<AccountId, BTreeSet<Region>> {
    accounts.iter().map(|id| (account(id), regions([1, 2]))).collect()
}

#[test]
fn what_an_earlier_process_has_read_for_this_spec_counts_as_read_until_another_one_is_asked() {
    let (spec, none) = (everywhere(), AMIEncryptionPolicyStatus::default());
    let mut read_by_it = watches([]);
    read(&mut read_by_it, ONE, &[1, 2], 0);
    let one_is_left = said(&read_by_it, &none, &spec);
    read(&mut read_by_it, OTHER, &[1], 0);
    let all = said(&read_by_it, &none, &spec);
    let unread = |status: &AMIEncryptionPolicyStatus| status.regions.as_ref().map(|counts| counts.unread);
    let both: &[&str] = &[ONE, OTHER];
    // What is on record, for which generation that was, the accounts with targets, and how many accounts were never read.
    let table: [(&AMIEncryptionPolicyStatus, i64, &[&str], u32); 6] = [
        (&all, 1, both, 0),
        (&all, 1, &[ONE], 1),
        (&all, 1, &[], 2),
        (&all, 2, both, 2),
        (&one_is_left, 1, both, 2),
        (&none, 1, both, 2),
    ];
    for (record, generation, there, expected) in table {
        let mut anew = RegionWatches::after(Some(record));
        anew.ask(sources(&spec, None), Some(generation), || present(there));
        let first = said(&anew, record, &spec);
        assert_eq!(unread(&first), Some(expected), "{generation} {there:?}");
        let denied = failed_call(Operation::DescribeRegions, ErrorClass::Denied);
        anew.failed(&source(ONE), &denied, at(0), |wait| wait);
        let next = said(&anew, &first, &spec);
        assert_eq!(
            unread(&next),
            Some(expected),
            "what it says itself changes nothing: {there:?}"
        );
    }

    let mut anew = RegionWatches::after(Some(&all));
    anew.ask(sources(&spec, None), Some(1), || present(both));
    anew.ask(sources(&spec, None), Some(2), || present(both));
    assert_eq!(unread(&said(&anew, &all, &spec)), Some(0), "they are asked the same");
    let defaults = self::spec("defaults: {roleName: other, allRegions: {kmsKeyID: alias/ami}}").defaults;
    let changed = AMIEncryptionPolicySpec { defaults, ..spec };
    anew.ask(sources(&changed, None), Some(3), || present(both));
    assert_eq!(
        unread(&said(&anew, &all, &changed)),
        Some(2),
        "another role was never asked"
    );
}

#[test]
fn a_region_that_is_missing_is_told_of_unless_the_policy_lists_it() {
    let mut known = watches([]);
    read(&mut known, OTHER, &[1], 0);
    read(&mut known, ONE, &[1, 2, 3], 0);
    read(&mut known, ONE, &[3], 60);
    let said = said(&known, &AMIEncryptionPolicyStatus::default(), &everywhere());
    let message = conditions::find(&said.conditions, conditions::REGIONS_KNOWN).map(|one| one.message.clone());
    let message = message.expect("a message");
    assert!(
        message.contains("no longer shows 1 of the policy's regions"),
        "{message}"
    );
}

/// A read: how many minutes after the one before it, and what it shows of six regions; none where it fails.
fn some_read() -> impl Strategy<Value = (i64, Option<BTreeSet<u8>>)> {
    let listed = proptest::option::weighted(0.8, proptest::collection::btree_set(1_u8..=6, 1..=6));
    (1_i64..=7, listed)
}

proptest! {
    /// Whatever is read when: nothing leaves that the last read has shown, or that was there less than five minutes ago, nothing leaves
    /// by a failure, and what was shown last is there.
    #[test]
    fn regions_leave_by_reads_that_lack_them_and_by_nothing_else(reads in proptest::collection::vec(some_read(), 1..40)) {
        let mut watches = watches(1..=6);
        let error = failed_call(Operation::DescribeRegions, ErrorClass::Transient);
        let mut minute = 0;
        // When reads in a row have begun to lack a region, and how many they are.
        let mut lacking: BTreeMap<Region, (i64, u32)> = BTreeMap::new();
        for (pause, listed) in reads {
            minute += pause;
            let before = watches.regions(&account(ONE));
            let Some(listed) = listed else {
                watches.failed(&source(ONE), &error, at(minute * MINUTES), |wait| wait);
                prop_assert_eq!(watches.regions(&account(ONE)), before);
                continue;
            };
            let shown = regions(listed.iter().copied());
            for one in &before {
                if shown.contains(one) {
                    lacking.remove(one);
                } else {
                    lacking.entry(one.clone()).or_insert((minute, 0)).1 += 1;
                }
            }
            let outcome = watches.listed(&source(ONE), shown.clone(), at(minute * MINUTES), EVERY);
            let after = watches.regions(&account(ONE));
            prop_assert!(after.is_superset(&shown));
            for one in before.difference(&after) {
                prop_assert!(outcome.gone.contains(one));
                let (since, count) = lacking.remove(one).expect("it was lacking");
                prop_assert!(count >= 2 && minute - since >= 5, "{} {} {}", one, count, since);
            }
        }
    }
}
