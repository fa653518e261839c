//! Text of anybody's, as it can be shown: names and tags of images may hold any sign.

/// Without signs that move a terminal's cursor, end a line or turn the direction of what follows.
pub(crate) fn printable(text: &str) -> String {
    let steers = |sign: char| sign.is_control() || matches!(sign, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.replace(steers, "\u{fffd}")
}

/// The same for Markdown, which takes none of its signs for its own.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in printable(text).chars() {
        if "\\`*_{}[]<>()#+!|~@".contains(sign) {
            out.push('\\');
        }
        out.push(sign);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_anybody_may_write_stays_on_its_line_moves_no_cursor_and_turns_nothing_around() {
        for (text, shown) in [
            ("web 1 (\u{65e5}\u{1f980})", "web 1 (\u{65e5}\u{1f980})"),
            ("a\nb\r\u{2028}c", "a\u{fffd}b\u{fffd}\u{fffd}c"),
            ("\u{1b}[31mred\u{7}", "\u{fffd}[31mred\u{fffd}"),
            ("\u{202e}\u{5d0}\u{2066}", "\u{fffd}\u{5d0}\u{fffd}"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn markdown_takes_it_as_it_is() {
        assert_eq!(markdown("<b>|x\n@all"), "\\<b\\>\\|x\u{fffd}\\@all");
    }
}
