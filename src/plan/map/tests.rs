use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::api::conditions::{Status, Writer};
use crate::api::{AMIMigrationSpec, AMIMigrationStatus, CopyStatus, MigrationState};

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A migration whose copy is verified and published.
pub(super) fn migration(account: &str, region: &str, number: u32) -> AMIMigration {
    let source = format!("ami-{number:017x}");
    let spec = AMIMigrationSpec {
        policy: "production".to_owned(),
        account_id: account.to_owned(),
        region: region.to_owned(),
        source_image_id: source.clone(),
        key_arn: KEY.to_owned(),
        ..AMIMigrationSpec::default()
    };
    let mut migration = AMIMigration::new(&format!("{source}.{region}"), spec);
    migration.status = Some(AMIMigrationStatus {
        state: Some(MigrationState::Completed),
        source_name: Some(format!("web-{number}")),
        copy: Some(CopyStatus {
            attempt: 1,
            failures: None,
            client_token: "t".to_owned(),
            name: "copy".to_owned(),
            image_id: Some(format!("ami-f{number:016x}")),
            requested_at: None,
        }),
        ..AMIMigrationStatus::default()
    });
    for type_ in [conditions::VERIFIED, conditions::PROMOTED] {
        migration = says(migration, type_, Status::True, reason::SUCCEEDED);
    }
    migration
}

pub(super) fn says(mut migration: AMIMigration, type_: &str, is: Status, why: &str) -> AMIMigration {
    let mut writer = Writer {
        conditions: &mut migration.status.get_or_insert_default().conditions,
        generation: Some(1),
        now: Timestamp::UNIX_EPOCH,
    };
    writer.set(type_, is, why, "");
    migration
}

fn policy(approval: ApprovalPolicy) -> AMIEncryptionPolicy {
    let spec = serde_json::json!({"accounts": [], "promotion": {"approval": approval}});
    AMIEncryptionPolicy::new("production", serde_json::from_value(spec).expect("a policy"))
}

fn with(change: impl FnOnce(&mut AMIMigration)) -> AMIMigration {
    let mut migration = migration("111122223333", "eu-west-1", 1);
    change(&mut migration);
    migration
}

fn status(migration: &mut AMIMigration) -> &mut AMIMigrationStatus {
    migration.status.as_mut().expect("a status")
}

#[test]
fn what_another_account_follows_is_in_the_map_of_the_images_owner_alone() {
    let follower = with(|m| m.spec.owner_account_id = Some("444455556666".to_owned()));
    let map = of([&follower, &with(|_| {})], &[policy(ApprovalPolicy::Automatic)]);
    assert_eq!((map.pairs.len(), map.left_out.len()), (1, 0));
}

#[test]
fn only_what_amiseal_would_move_to_is_in_the_map() {
    use ApprovalPolicy::{Automatic, Manual};
    for (migration, approval, left_out) in [
        (with(|_| {}), Automatic, None),
        (
            with(|m| status(m).state = Some(MigrationState::Promoting)),
            Automatic,
            None,
        ),
        (
            with(|m| status(m).stalled = Some(reason::ACCESS_DENIED.to_owned())),
            Automatic,
            None,
        ),
        (with(|m| m.spec.approval = Approval::Approved), Manual, None),
        (with(|_| {}), Manual, Some(LeftOut::NotApproved)),
        (with(|m| m.spec.desired = Desired::Held), Automatic, Some(LeftOut::Held)),
        (
            with(|m| m.spec.desired = Desired::RolledBack),
            Automatic,
            Some(LeftOut::RolledBack),
        ),
        // Nothing is put back to an original that is gone, and somebody does not want the copy all the same.
        (
            with(|m| {
                m.spec.desired = Desired::RolledBack;
                status(m).source_gone_time = Some(Time(Timestamp::UNIX_EPOCH));
            }),
            Automatic,
            Some(LeftOut::RolledBack),
        ),
        (
            says(with(|_| {}), conditions::CONSUMERS_MOVED, Status::False, reason::HELD),
            Automatic,
            Some(LeftOut::Held),
        ),
        (
            says(
                with(|_| {}),
                conditions::CONSUMERS_MOVED,
                Status::False,
                reason::CONSUMERS_LEFT,
            ),
            Automatic,
            None,
        ),
        (
            with(|m| status(m).stalled = Some(reason::KEY_NOT_USABLE.to_owned())),
            Automatic,
            Some(LeftOut::KeyNotUsable),
        ),
        (with(|m| m.status = None), Automatic, Some(LeftOut::NotPublished)),
        // What is said of a copy that is gone stays said.
        (
            with(|m| status(m).stalled = Some(reason::PROMOTED_COPY_GONE.to_owned())),
            Automatic,
            Some(LeftOut::NotPublished),
        ),
        (
            with(|m| status(m).state = Some(MigrationState::Copying)),
            Automatic,
            Some(LeftOut::NotPublished),
        ),
        (with(|m| status(m).copy = None), Automatic, Some(LeftOut::NotPublished)),
        (
            says(
                with(|_| {}),
                conditions::VERIFIED,
                Status::False,
                reason::ATTRIBUTE_MISMATCH,
            ),
            Automatic,
            Some(LeftOut::NotPublished),
        ),
        (
            says(with(|_| {}), conditions::PROMOTED, Status::False, reason::PROMOTING),
            Automatic,
            Some(LeftOut::NotPublished),
        ),
        (
            with(|m| m.spec.policy = "gone".to_owned()),
            Automatic,
            Some(LeftOut::NoPolicy),
        ),
    ] {
        let map = of([&migration], &[policy(approval)]);
        let counted: Vec<(LeftOut, usize)> = map.left_out.into_iter().collect();
        let expected: Vec<(LeftOut, usize)> = left_out.map(|why| (why, 1)).into_iter().collect();
        assert_eq!(counted, expected, "{migration:?}");
        assert_eq!(map.pairs.len(), usize::from(left_out.is_none()));
    }
}

#[test]
fn pairs_of_policies_that_move_nothing_are_counted_as_not_checked() {
    for (promotion, unchecked) in [
        (serde_json::json!({}), 2),
        (serde_json::json!({"launchTemplates": "Update"}), 0),
        (serde_json::json!({"autoScalingGroups": "Refresh"}), 0),
    ] {
        let spec = serde_json::json!({"accounts": [], "promotion": promotion});
        let policy = AMIEncryptionPolicy::new("production", serde_json::from_value(spec).expect("a policy"));
        let held = with(|migration| migration.spec.desired = Desired::Held);
        let migrations = [
            migration("111122223333", "eu-west-1", 1),
            migration("111122223333", "eu-west-1", 2),
            held,
        ];
        let map = of(&migrations, &[policy]);
        assert_eq!((map.pairs.len(), map.unchecked), (2, unchecked), "{promotion}");
    }
}

/// Two accounts, in two regions, out of order.
fn some() -> Vec<Pair> {
    let migrations = [
        migration("444455556666", "eu-west-1", 3),
        migration("111122223333", "us-east-1", 2),
        migration("111122223333", "eu-west-1", 9),
        migration("111122223333", "eu-west-1", 1),
    ];
    of(&migrations, &[policy(ApprovalPolicy::Automatic)]).pairs
}

#[test]
fn the_order_is_that_of_accounts_regions_and_originals_however_they_come() {
    let order: Vec<(String, String, String)> = some()
        .into_iter()
        .map(|pair| (pair.account_id, pair.region, pair.source_image_id[18..].to_owned()))
        .collect();
    let expected = [
        ("111122223333", "eu-west-1", "001"),
        ("111122223333", "eu-west-1", "009"),
        ("111122223333", "us-east-1", "002"),
        ("444455556666", "eu-west-1", "003"),
    ];
    assert_eq!(
        order,
        expected.map(|(a, r, s)| (a.to_owned(), r.to_owned(), s.to_owned()))
    );
}

#[test]
fn each_form_is_as_the_page_shows_it() {
    let pairs = &some()[..2];
    assert_eq!(
        render(pairs, Form::Tfvars).expect("HCL"),
        "amiseal_images = {\n  \"111122223333\" = {\n    \"eu-west-1\" = {\n      \
         \"ami-00000000000000001\" = \"ami-f0000000000000001\"\n      \
         \"ami-00000000000000009\" = \"ami-f0000000000000009\"\n    }\n  }\n}\n"
    );
    assert_eq!(
        render(&pairs[..1], Form::Renovate).expect("JSON"),
        "{\n  \"ami-00000000000000001\": {\n    \"releases\": [\n      {\n        \"version\": \"ami-f0000000000000001\"\n      \
         }\n    ]\n  }\n}\n"
    );
    let json: serde_json::Value = serde_json::from_str(&render(&pairs[..1], Form::Json).expect("JSON")).expect("JSON");
    let expected = serde_json::json!({"version": 1, "images": [{
        "accountID": "111122223333", "region": "eu-west-1", "sourceImageID": "ami-00000000000000001", "sourceName": "web-1",
        "copyImageID": "ami-f0000000000000001", "keyARN": KEY, "policy": "production",
    }]});
    assert_eq!(json, expected);
    let yaml: serde_json::Value =
        serde_saphyr::from_str(&render(&pairs[..1], Form::Yaml).expect("YAML")).expect("YAML");
    assert_eq!(yaml, expected);
    for (form, empty) in [
        (Form::Tfvars, "amiseal_images = {\n}\n"),
        (Form::Renovate, "{}\n"),
        (Form::Json, "{\n  \"version\": 1,\n  \"images\": []\n}\n"),
    ] {
        assert_eq!(render(&[], form).expect("a text"), empty);
    }
}

#[test]
fn what_a_status_holds_neither_ends_a_literal_nor_begins_a_template() {
    let mut pairs = some();
    pairs.truncate(1);
    pairs[0].copy_image_id = "a\"b\\c${d}%{e}\n$f".to_owned();
    let text = render(&pairs, Form::Tfvars).expect("HCL");
    assert!(text.contains(r#" = "a\"b\\c$${d}%%{e}$f""#), "{text}");
}
