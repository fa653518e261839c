//! Whether an answer is all there.
//!
//! The SDK reads XML as far as it goes: a document that was cut short, or has something unreadable in its middle, gives a
//! shorter list and no error. An image that is left out so would be taken for one that does not exist.

use std::fmt;

use memchr::{memchr, memmem};
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
    if is_plainly_whole(text) {
        return Ok(());
    }
    check_all(text)
}

/// Reads the document with the tokenizer that the SDK reads it with.
fn check_all(text: &str) -> Result<(), Broken> {
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

/// Whether a document is whole, and has within its root nothing but elements without attributes, and text: as long answers do.
///
/// It says so of nothing that [`check_all`] would not pass, and takes an eighth of the time. Pages of images are many megabytes, and
/// the tokenizer takes them apart a second time for the SDK.
fn is_plainly_whole(text: &str) -> bool {
    let body = text.as_bytes();
    let Some((root, mut at)) = root(text) else {
        return false;
    };
    // What the tokenizer refuses in a text: control characters, U+FFFE, U+FFFF, and the end of a section that never began.
    let controls = |some: &[u8]| some.iter().fold(false, |any, byte| any | is_control(*byte));
    let refused: [&[u8]; 3] = [b"\xef\xbf\xbe", b"\xef\xbf\xbf", b"]]>"];
    if body.chunks(64).any(controls) || refused.iter().any(|some| memmem::find(body, some).is_some()) {
        return false;
    }
    let mut open = vec![root];
    while let Some(begins) = memchr(b'<', &body[at..]) {
        at += begins + 1;
        let Some(length) = memchr(b'>', &body[at..]) else {
            return false;
        };
        let tag = &body[at..at + length];
        at += length + 1;
        if let Some(name) = tag.strip_prefix(b"/") {
            if open.pop() != Some(name) {
                return false;
            }
            if open.is_empty() {
                return body[at..].iter().all(u8::is_ascii_whitespace);
            }
        } else if let Some(name) = tag.strip_suffix(b"/") {
            if !is_plain(name) {
                return false;
            }
        } else if is_plain(tag) {
            open.push(tag);
        } else {
            return false;
        }
    }
    false
}

/// The name of the root element, and where its content begins, if what is before that is in order.
fn root(text: &str) -> Option<(&[u8], usize)> {
    let declared = if text.starts_with("<?") {
        text.find("?>")? + 2
    } else {
        0
    };
    let begins = declared + text[declared..].find('<')? + 1;
    let ends = begins + text[begins..].find('>')?;
    let tag = &text[begins..ends];
    let name = tag.split_ascii_whitespace().next()?;
    let head = format!("{}</{name}>", &text[..=ends]);
    (!tag.ends_with('/') && check_all(&head).is_ok()).then_some((name.as_bytes(), ends + 1))
}

fn is_control(byte: u8) -> bool {
    byte < b' ' && byte != b'\t' && byte != b'\n' && byte != b'\r'
}

/// Whether this is an element's name, as AWS's are.
fn is_plain(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic) && name.iter().all(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHOLE: &str = "<?xml version=\"1.0\"?>\n<a xmlns=\"n\"><b>text &amp; more</b><c/><d x=\"&lt;\"></d></a>\n";

    #[test]
    fn a_whole_document_passes_and_so_does_what_is_no_xml() {
        for body in [WHOLE, "<a/>", "", "{\"a\": 1}", "not found"] {
            assert_eq!(check(body.as_bytes()), Ok(()), "{body}");
        }
    }

    #[test]
    fn long_answers_are_known_to_be_whole_without_the_tokenizer() {
        let page = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DescribeImagesResponse xmlns=\"http://ec2\">\n  <imagesSet>\
                    <item><name>a &gt; b, zwölf</name><tagSet/></item>\n</imagesSet></DescribeImagesResponse>\n";
        assert!(is_plainly_whole(page));
        for other in [
            "<a/>",
            "<a><!-- --></a>",
            "<a><b x=\"y\"/></a>",
            "<a>]]></a>",
            "<a>\u{ffff}</a>",
            "<a></a><b/>",
        ] {
            assert!(!is_plainly_whole(other), "{other}");
        }
    }

    fn piece() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => prop::sample::select(vec!["<a>", "</a>", "<b>", "</b>", "<c/>", "text", " ", "&amp;", "\n"])
                .prop_map(str::to_owned),
            2 => prop::sample::select(vec![
                "<?xml version=\"1.0\"?>", "<a x=\"y\">", "<", ">", "/", "]]>", "<!--", "-->", "<![CDATA[", "\u{1}", "\u{ffff}", "ö", "\"",
            ])
                .prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ]
    }

    proptest! {
        #[test]
        fn what_the_tokenizer_does_not_pass_is_never_plainly_whole(pieces in prop::collection::vec(piece(), 0..20), wrapped: bool) {
            let inner = pieces.concat();
            let text = if wrapped { format!("<r xmlns=\"n\">{inner}</r>") } else { inner };
            prop_assert!(!is_plainly_whole(&text) || check_all(&text).is_ok(), "{}", text);
        }

        #[test]
        fn a_page_that_was_changed_anywhere_is_judged_as_the_tokenizer_does(at in 0..WHOLE.len(), with in any::<char>(), length in 0..4_usize) {
            let (start, rest) = WHOLE.split_at(at);
            let text = format!("{start}{with}{}", &rest[length.min(rest.len())..]);
            prop_assert!(!is_plainly_whole(&text) || check_all(&text).is_ok(), "{}", text);
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
