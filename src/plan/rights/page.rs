//! The table of the documentation on rights.

use super::Grant;
use super::resources::actions;

/// What each statement allows, what it is for, and what fails without it, as a table of Markdown.
pub fn table() -> String {
    let mut table =
        String::from("| statement | allows | for | without it | why it is no narrower |\n|---|---|---|---|---|\n");
    for grant in Grant::ALL {
        let actions: Vec<String> = actions(*grant).0.iter().map(|action| format!("`{action}`")).collect();
        table += &format!(
            "| `{}` | {} | {} | {} | {} |\n",
            grant.sid(),
            actions.join(", "),
            grant.purpose(),
            grant.without(),
            grant.width()
        );
    }
    table
}
