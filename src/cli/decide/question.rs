//! A question to a person.

use std::io::{self, BufRead, Write};

/// Asks, and says whether the answer was yes. Anything else is no.
pub(super) fn ask(question: &str, input: &mut impl BufRead, out: &mut impl Write) -> io::Result<bool> {
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        for (answer, yes) in [
            ("y\n", true),
            ("Y\n", true),
            ("yes\n", true),
            (" YES \n", true),
            ("\n", false),
            ("", false),
            ("n\n", false),
            ("yess\n", false),
            ("no y\n", false),
        ] {
            let mut out = Vec::new();
            let said = ask("Go on?", &mut answer.as_bytes(), &mut out).expect("an answer");
            assert_eq!(said, yes, "{answer:?}");
            assert_eq!(out, b"Go on? [y/N] ");
        }
    }
}
