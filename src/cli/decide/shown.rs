//! What somebody is shown before they decide.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::cluster::name;
use crate::api::{AMIMigration, ConsumerState, MovedConsumer, conditions, labels};
use crate::cli::text::printable;
use crate::plan::deciding::Decision;
use crate::plan::moving::is_left;

/// So many migrations are described; of more, only the names are given.
const DESCRIBED: usize = 20;
/// So many consumers of one are.
const CONSUMERS: usize = 10;

/// What a decision would be about.
pub(super) fn summary(decision: Decision, migrations: &[AMIMigration]) -> String {
    let mut text = format!(
        "{} {}. {}\n",
        decision.name(),
        counted(migrations.len()),
        decision.outcome()
    );
    for migration in migrations.iter().take(DESCRIBED) {
        text.push('\n');
        text.push_str(&lines(migration));
    }
    let more = migrations.len().saturating_sub(DESCRIBED);
    if more > 0 {
        let _ = writeln!(text, "\nAnd {more} more:");
        for migration in migrations.iter().skip(DESCRIBED) {
            let _ = writeln!(text, "  {}", name(migration));
        }
    }
    text
}

/// What is said of those that a decision about many leaves out.
pub(super) fn rolled_back(count: usize) -> Option<String> {
    let of = match count {
        0 => return None,
        1 => "1 migration is rolled back and is left out: name it to include it.".to_owned(),
        _ => format!("{count} migrations are rolled back and are left out: name them to include them."),
    };
    Some(of)
}

/// The same where there is nothing to go back to.
pub(super) fn without_original(count: usize) -> Option<String> {
    let of = match count {
        0 => return None,
        1 => "The original of 1 migration is gone: nothing can be put back to it, and it is left out.".to_owned(),
        _ => format!(
            "The originals of {count} migrations are gone: nothing can be put back to them, and they are left out."
        ),
    };
    Some(of)
}

/// The question that follows it.
pub(super) fn question(decision: Decision, count: usize) -> String {
    format!("{} {}?", decision.name(), counted(count))
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 migration".to_owned(),
        _ => format!("{count} migrations"),
    }
}

/// One migration, with what is known of who launches its image.
pub(super) fn lines(migration: &AMIMigration) -> String {
    let (spec, status) = (&migration.spec, migration.status.as_ref());
    let mut text = format!(
        "{}: account {}, region {}, policy {}\n",
        name(migration),
        spec.account_id,
        spec.region,
        spec.policy
    );
    let source = status.and_then(|status| status.source_name.as_deref());
    let source = source.map(|name| format!(" ({})", printable(name))).unwrap_or_default();
    let copy = status.and_then(|status| status.copy.as_ref()?.image_id.as_deref());
    let _ = writeln!(
        text,
        "  {}{source} -> {}",
        spec.source_image_id,
        copy.unwrap_or("no copy yet")
    );
    let Some(status) = status else { return text };
    let said = [conditions::CONSUMERS_MOVED, conditions::READY].into_iter();
    let said = said
        .filter_map(|type_| conditions::find(&status.conditions, type_))
        .next();
    if let Some(said) = said {
        let _ = writeln!(
            text,
            "  {} is {} ({}): {}",
            said.type_,
            said.status,
            said.reason,
            printable(&said.message)
        );
    }
    if status.source_gone_time.is_some() {
        text.push_str("  The original is gone: nothing is moved from it or put back to it any more.\n");
    }
    for row in status.consumers.iter().take(CONSUMERS) {
        let _ = writeln!(text, "  {}", consumer(row));
    }
    let more = status.consumers.len().saturating_sub(CONSUMERS);
    if more > 0 {
        let _ = writeln!(text, "  and {more} more in status.consumers");
    }
    for account in elsewhere(migration) {
        let name = labels::follower_name(&spec.source_image_id, &spec.region, account);
        let _ = writeln!(
            text,
            "  account {account} launches it too: {name}, if it is there, follows this migration"
        );
    }
    text
}

/// The other accounts that launch the image of its owner's migration.
fn elsewhere(migration: &AMIMigration) -> BTreeSet<&str> {
    let spec = &migration.spec;
    let usage = migration.status.as_ref().and_then(|status| status.usage.as_ref());
    let counts = usage
        .filter(|_| spec.owner_account_id.is_none())
        .map(|usage| &usage.counts);
    let accounts = counts.into_iter().flatten().map(|count| count.account_id.as_str());
    accounts
        .filter(|account| *account != spec.account_id && !account.is_empty())
        .collect()
}

fn consumer(row: &MovedConsumer) -> String {
    let state = match row.state {
        ConsumerState::Moving => "is being moved",
        ConsumerState::Moved => "was moved",
        ConsumerState::Refreshing => "has its instances replaced",
        ConsumerState::Left => "is left as it is",
        ConsumerState::PuttingBack => "is being put back",
        ConsumerState::PutBack if is_left(row) => "was put back and is left as it is",
        ConsumerState::PutBack => "was put back",
    };
    // A group has versions of several templates.
    let versions = row.previous.as_ref().zip(row.current.as_ref());
    let versions = versions.filter(|(before, _)| before.parts.is_empty());
    let versions = versions.map(|(before, after)| format!(", version {} -> {}", before.latest, after.latest));
    let reason = row.reason.as_deref().map(|reason| format!(" ({})", printable(reason)));
    format!(
        "{} {} {state}{}{}",
        printable(&row.kind),
        printable(&row.id),
        reason.unwrap_or_default(),
        versions.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::{AMIMigrationSpec, AMIMigrationStatus, ConsumerCount, ConsumerVersions, CopyStatus, ImageUsage};

    fn migration(number: usize) -> AMIMigration {
        let id = format!("ami-{number:017x}");
        let spec = AMIMigrationSpec {
            policy: "production".to_owned(),
            account_id: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            source_image_id: id.clone(),
            ..AMIMigrationSpec::default()
        };
        AMIMigration::new(&format!("{id}.eu-west-1"), spec)
    }

    #[test]
    fn a_migration_is_shown_with_its_copy_and_its_consumers_and_what_anybody_may_write_stays_on_its_line() {
        let mut moved = migration(1);
        moved.status = Some(AMIMigrationStatus {
            source_name: Some("web\u{1b}[2K\n1".to_owned()),
            copy: Some(CopyStatus {
                attempt: 1,
                failures: None,
                client_token: "t".to_owned(),
                name: "copy".to_owned(),
                image_id: Some("ami-0fedcba9876543210".to_owned()),
                requested_at: None,
            }),
            consumers: vec![
                MovedConsumer {
                    kind: "LaunchTemplate".to_owned(),
                    id: "lt-0123456789abcdef0".to_owned(),
                    state: ConsumerState::Moved,
                    previous: Some(ConsumerVersions {
                        latest: 3,
                        ..ConsumerVersions::default()
                    }),
                    current: Some(ConsumerVersions {
                        latest: 4,
                        ..ConsumerVersions::default()
                    }),
                    ..MovedConsumer::default()
                },
                MovedConsumer {
                    kind: "Parameter".to_owned(),
                    id: "/golden".to_owned(),
                    reason: Some("HoldsMore".to_owned()),
                    ..MovedConsumer::default()
                },
                MovedConsumer {
                    kind: "Parameter".to_owned(),
                    id: "/silver".to_owned(),
                    state: ConsumerState::PutBack,
                    reason: Some("Held".to_owned()),
                    ..MovedConsumer::default()
                },
            ],
            ..AMIMigrationStatus::default()
        });
        assert_eq!(
            lines(&moved),
            "ami-00000000000000001.eu-west-1: account 111122223333, region eu-west-1, policy production\n  \
             ami-00000000000000001 (web\u{fffd}[2K\u{fffd}1) -> ami-0fedcba9876543210\n  \
             LaunchTemplate lt-0123456789abcdef0 was moved, version 3 -> 4\n  \
             Parameter /golden is left as it is (HoldsMore)\n  \
             Parameter /silver was put back and is left as it is (Held)\n"
        );
        assert!(lines(&migration(2)).ends_with("ami-00000000000000002 -> no copy yet\n"));
        let status = moved.status.as_mut().expect("a status");
        status.source_gone_time = Some(Time(jiff::Timestamp::UNIX_EPOCH));
        assert!(
            lines(&moved).contains("\n  The original is gone: nothing is moved from it or put back to it any more.\n")
        );
    }

    #[test]
    fn of_many_all_are_named() {
        let many: Vec<AMIMigration> = (0..30).map(migration).collect();
        let text = summary(Decision::Hold, &many);
        assert!(
            text.starts_with("Hold 30 migrations. Nothing is moved any more"),
            "{text}"
        );
        assert_eq!(text.matches("no copy yet").count(), DESCRIBED);
        assert!(text.contains("And 10 more:\n"), "{text}");
        assert!(many.iter().all(|migration| text.contains(&name(migration))), "{text}");
        assert_eq!(question(Decision::Approve, 1), "Approve 1 migration?");
    }

    #[test]
    fn the_accounts_that_follow_a_migration_are_shown_with_it() {
        let mut shared = migration(1);
        let count = |account: &str| ConsumerCount {
            account_id: account.to_owned(),
            kind: "LaunchTemplate".to_owned(),
            count: 1,
        };
        shared.status = Some(AMIMigrationStatus {
            usage: Some(ImageUsage {
                counts: vec![count("111122223333"), count("444455556666"), count("")],
                ..ImageUsage::default()
            }),
            ..AMIMigrationStatus::default()
        });
        let name = "ami-00000000000000001.eu-west-1.444455556666";
        let line = format!("  account 444455556666 launches it too: {name}, if it is there, follows this migration");
        let shown = lines(&shared);
        let others = shown.lines().filter(|shown| shown.starts_with("  account"));
        assert_eq!(others.collect::<Vec<_>>(), [line]);
        shared.spec.owner_account_id = Some("444455556666".to_owned());
        assert!(!lines(&shared).contains("launches it too"));
    }
}
