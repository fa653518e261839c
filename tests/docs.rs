//! The documents say what the code says.

use amiseal::api::conditions::reason;

const REASONS: &str = include_str!("../docs/reasons.md");

#[test]
fn every_reason_has_its_entry_and_every_entry_is_a_reason() {
    let entries: Vec<&str> = REASONS
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    for name in reason::ALL {
        let count = entries.iter().filter(|entry| *entry == name).count();
        assert_eq!(
            count, 1,
            "docs/reasons.md has {count} entries for {name}: add or remove a row"
        );
    }
    for entry in entries {
        assert!(
            reason::ALL.contains(&entry),
            "docs/reasons.md has a row for {entry}, which is no reason"
        );
    }
}
