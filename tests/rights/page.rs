//! The page on rights shows what was tried here.

use amiseal::plan::rights::Grant;

use super::conditions;
use super::uses;

const PAGE: &str = "docs/rights.md";
const BEGIN: &str = "<!-- proved -->\n";
const END: &str = "<!-- end of proved -->\n";

/// A row for each statement: what needs it, and what its conditions stop beside other regions.
fn table() -> String {
    let (uses, stops) = (uses::all(), conditions::all());
    let mut lines = vec![
        "| statement | needed by | its conditions stop |".to_owned(),
        "|---|---|---|".to_owned(),
    ];
    for grant in Grant::ALL {
        let mut needed: Vec<String> = Vec::new();
        for (_, action, _) in uses.iter().filter(|(of, ..)| *of == grant.sid()) {
            needed.push(format!("`{action}`"));
        }
        let mut stopped: Vec<&str> = Vec::new();
        for stop in stops.iter().filter(|stop| stop.sid == grant.sid()) {
            if !stopped.contains(&stop.what) {
                stopped.push(stop.what);
            }
        }
        if !needed.is_empty() {
            lines.push(format!(
                "| `{}` | {} | {} |",
                grant.sid(),
                needed.join(", "),
                stopped.join("; ")
            ));
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_page_on_rights_has_what_is_tried_here() {
    let page = std::fs::read_to_string(PAGE).expect("the page");
    let (before, rest) = page.split_once(BEGIN).expect("the table");
    let (shown, after) = rest.split_once(END).expect("its end");
    let table = table();
    if std::env::var_os("AMISEAL_WRITE_DOCS").is_some() {
        std::fs::write(PAGE, format!("{before}{BEGIN}\n{table}\n{END}{after}")).expect("the page is written");
        return;
    }
    assert!(
        shown.trim() == table.trim(),
        "{PAGE} is out of date: make rights writes it anew"
    );
}
