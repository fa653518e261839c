//! Whether an answer is all there.
//!
//! The SDK reads XML as far as it goes: a document that was cut short, or has something unreadable in its middle, gives a
//! shorter list and no error. An image that is left out so would be taken for one that does not exist.

use std::fmt;

use xmlparser::{ElementEnd, Token, Tokenizer};

/// An answer that is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer is cut short or garbled")
    }
}

impl std::error::Error for Broken {}

/// Whether `body`, if it is XML at all, is one document of which every element is closed.
pub(super) fn check(body: &[u8]) -> Result<(), Broken> {
    let begins = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if begins != Some(&b'<') {
        return Ok(());
    }
    let text = str::from_utf8(body).map_err(|_| Broken)?;
    let mut open = Vec::new();
    let mut documents = 0;
    for token in Tokenizer::from(text) {
        match token.map_err(|_| Broken)? {
            Token::ElementStart { prefix, local, .. } => {
                documents += u32::from(open.is_empty());
                open.push((prefix.as_str(), local.as_str()));
            }
            Token::ElementEnd { end, .. } => match end {
                ElementEnd::Open => {}
                ElementEnd::Empty => drop(open.pop()),
                ElementEnd::Close(prefix, local) => {
                    if open.pop() != Some((prefix.as_str(), local.as_str())) {
                        return Err(Broken);
                    }
                }
            },
            _ => {}
        }
    }
    if open.is_empty() && documents == 1 {
        Ok(())
    } else {
        Err(Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "<?xml version=\"1.0\"?>\n<a xmlns=\"n\"><b>text &amp; more</b><c/><d x=\"&lt;\"></d></a>\n";

    #[test]
    fn a_whole_document_passes_and_so_does_what_is_no_xml() {
        for body in [WHOLE, "<a/>", "", "{\"a\": 1}", "not found"] {
            assert_eq!(check(body.as_bytes()), Ok(()), "{body}");
        }
    }

    #[test]
    fn what_was_cut_short_anywhere_does_not_pass() {
        let end = WHOLE.trim_end().len();
        for length in 1..end {
            assert_eq!(check(&WHOLE.as_bytes()[..length]), Err(Broken), "{}", &WHOLE[..length]);
        }
    }

    #[test]
    fn what_is_garbled_does_not_pass() {
        for body in [
            "<a><b></a></b>",
            "<a></a><a></a>",
            "<a><b</a>",
            "<a></b>",
            "<a>\u{1}</a>",
            "<!-- a -->",
            "</a>",
        ] {
            assert_eq!(check(body.as_bytes()), Err(Broken), "{body}");
        }
        assert_eq!(check(b"<a>\xff</a>"), Err(Broken));
    }
}
