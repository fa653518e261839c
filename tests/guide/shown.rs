//! Whether a program printed what a document shows.

use regex::Regex;

/// Stands for what differs each time.
const ANYTHING: &str = "…";

/// Whether the lines are as shown, by the rules that [the crate](crate) states.
pub(crate) fn is_as_shown(printed: &str, shown: &[String]) -> bool {
    // An empty line at the end is nothing to see.
    let printed: Vec<String> = printed.trim_end().lines().map(words).collect();
    let end = shown
        .iter()
        .rposition(|line| !line.is_empty())
        .map_or(0, |last| last + 1);
    let shown: Vec<String> = shown[..end].iter().map(|line| words(line)).collect();
    fits(&printed, &shown)
}

fn fits(printed: &[String], shown: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == ANYTHING => (0..=printed.len()).any(|skipped| fits(&printed[skipped..], rest)),
        Some((first, rest)) => match printed.split_first() {
            Some((line, others)) => line_fits(line, first) && fits(others, rest),
            None => false,
        },
    }
}

fn line_fits(printed: &str, shown: &str) -> bool {
    let pattern = format!("^{}$", regex::escape(shown).replace(ANYTHING, ".+"));
    Regex::new(&pattern).expect("a pattern").is_match(printed)
}

/// One space between two words.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn spaces_between_words_and_what_the_sign_stands_for_do_not_matter() {
    let printed = "NAME   AGE\nweb-1     12s\nweb-2     13s\n\n";
    for shown in [
        "NAME AGE\nweb-1 12s\nweb-2 13s",
        "NAME AGE\nweb-1 …\nweb-… 13s",
        "NAME AGE\n…",
        "…\nweb-2 …\n",
        "NAME AGE\n…\nweb-1 12s\n…\nweb-2 13s",
    ] {
        assert!(is_as_shown(printed, &lines(shown)), "{shown}");
    }
}

#[test]
fn everything_else_matters() {
    let printed = "NAME AGE\nweb-1 12s";
    for shown in [
        "NAME AGE",
        "NAME AGE\nweb-2 …",
        "NAME AGE\nweb-1 12s\nweb-2 13s",
        "NAME AGE\n\nweb-1 12s",
        "web-1 12s\n…",
        "NAME AGE …\nweb-1 12s",
        "NAME AGE\nweb.1 12s",
    ] {
        assert!(!is_as_shown(printed, &lines(shown)), "{shown}");
    }
}
