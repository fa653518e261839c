//! The page of documentation on the checks.

use super::Check;

/// The page, made of the list of checks.
pub fn page() -> String {
    let mut page = String::from(
        "# Findings\n\n`amiseal report` looks for these. Each check has a name that stays the same, a severity, and a fix.\n\
         [Report](report.md) says how to exempt an image and how to say what is allowed. A policy with `spec.audit` has the\n\
         controller look for them too, as [the guide](guide.md#findings) shows.\n\n| check | severity | what it finds |\n|---|---|---|\n",
    );
    for check in Check::ALL {
        page += &format!(
            "| [`{0}`](#{0}) | {1} | {2} |\n",
            check.id(),
            check.severity(),
            check.title()
        );
    }
    for check in Check::ALL {
        page += &format!(
            "\n## {}\n\n{}\n\n**Why it matters:** {}\n\n**Fix:** {}\n",
            check.id(),
            check.title(),
            check.why(),
            check.fix()
        );
        if !check.references().is_empty() {
            page += &format!("\nThe same check elsewhere: {}.\n", check.references().join(", "));
        }
    }
    page
}
