//! Listings of more than one page: read in parts where AWS takes that, and whole in any case.

use std::collections::BTreeSet;

use amiseal::aws::Access;
use amiseal::domain::Inventory;
use ec2sim::spec::{IdWildcards, Pagination};

use crate::{ACCOUNT, Bench, REGION};

const LISTS: [&str; 2] = ["DescribeImages", "DescribeSnapshots"];

/// The IDs of everything that the account owns, as the world has it, and as a scan has shown it.
fn ids(bench: &Bench, found: &Inventory) -> [BTreeSet<String>; 2] {
    let there = bench.sim().with_world(|world| {
        let region = world.region(ACCOUNT, REGION).expect("the region");
        let own = region.snapshots.values().filter(|snapshot| snapshot.owner == ACCOUNT);
        let own = own.map(|snapshot| snapshot.id.clone());
        region.images.keys().cloned().chain(own).collect()
    });
    let images = found.images.keys().map(ToString::to_string);
    [
        there,
        images.chain(found.snapshots.keys().map(ToString::to_string)).collect(),
    ]
}

/// How many calls were filtered by the beginnings of IDs.
fn in_parts(bench: &Bench) -> usize {
    let is_part = |call: &ec2sim::Call| {
        let value = call.params.get("Filter.1.Value.1");
        value.is_some_and(|value| value.ends_with('*'))
    };
    LISTS.iter().flat_map(|list| bench.calls(list)).filter(is_part).count()
}

#[tokio::test]
async fn a_scan_shows_everything_whatever_aws_makes_of_wildcards_in_ids() {
    for wildcards in [
        IdWildcards::Taken,
        IdWildcards::Literal,
        IdWildcards::Refused,
        IdWildcards::Ignored,
    ] {
        let bench = Bench::new().await;
        bench
            .sim()
            .change_settings(|settings| settings.lists.id_wildcards = wildcards);
        let session = bench.session(Access::ReadOnly);
        for scan in 1..=2 {
            let found = session.scan().await.expect("a scan");
            let [there, shown] = ids(&bench, &found);
            assert_eq!(shown, there, "{wildcards:?}, scan {scan}");
            assert!(found.may_lack_images, "it took several pages");
        }
        let tried = in_parts(&bench);
        assert!(tried > 0, "{wildcards:?}: parts are tried");
        session.scan().await.expect("a scan");
        let again = in_parts(&bench) > tried;
        assert_eq!(again, wildcards == IdWildcards::Taken, "{wildcards:?}: tried again");
    }
}

#[tokio::test]
async fn what_fits_on_one_page_takes_one_call_of_each_kind_and_what_is_not_to_be_read_is_asked_for_once() {
    let bench = Bench::new().await;
    bench
        .sim()
        .change_settings(|settings| settings.pagination = Pagination::default());
    let session = bench.session(Access::ReadOnly);
    let counts = || LISTS.map(|list| bench.calls(list).len());
    let found = session.scan().await.expect("a scan");
    assert!(!found.may_lack_images);
    // One image is over a snapshot of another account.
    assert_eq!(counts(), [1, 2]);
    session.scan().await.expect("a scan");
    assert_eq!(counts(), [2, 3], "it is not asked for again");
    assert_eq!(in_parts(&bench), 0);
}

#[tokio::test]
async fn snapshots_that_the_listing_did_not_show_are_asked_for_by_their_ids() {
    let bench = Bench::new().await;
    bench.sim().change_settings(|settings| settings.pagination.missed = 0.5);
    let found = bench.session(Access::ReadOnly).scan().await.expect("a scan");
    let named = found.images.values().flat_map(|image| image.volumes());
    let unknown: Vec<_> = named.filter(|(_, _, id)| !found.snapshots.contains_key(id)).collect();
    assert!(
        unknown.len() <= 1,
        "all but the one that another account owns: {unknown:?}"
    );
    assert!(found.images.len() > 1 && found.may_lack_images);
}

#[tokio::test]
async fn a_part_that_fails_fails_the_scan() {
    for operation in LISTS {
        let bench = Bench::new().await;
        bench.sim().add_fault(ec2sim::FaultRule {
            operation: Some(operation.to_owned()),
            parameters: [("Filter.1.Value.1".to_owned(), "*-0f\\*".to_owned())].into(),
            ..ec2sim::FaultRule::default()
        });
        let error = bench.session(Access::ReadOnly).scan().await.expect_err("a fault");
        assert_eq!(error.operation.name(), operation);
    }
}
