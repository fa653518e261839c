//! The pattern language of EC2 filters, also used for actions and fault rules.

/// Whether `text` matches `pattern`: `*` stands for zero or more characters, `?` for zero or one, and a backslash
/// takes the next character literally.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let tokens = tokenize(pattern);
    let text: Vec<char> = text.chars().collect();
    // reachable[i]: the tokens so far can have consumed i characters.
    let mut reachable = vec![false; text.len() + 1];
    reachable[0] = true;
    for token in tokens {
        let mut next = vec![false; text.len() + 1];
        match token {
            Token::Literal(c) => {
                for i in 0..text.len() {
                    next[i + 1] = reachable[i] && text[i] == c;
                }
            }
            Token::ZeroOrOne => {
                for i in 0..=text.len() {
                    next[i] = reachable[i] || (i > 0 && reachable[i - 1]);
                }
            }
            Token::ZeroOrMore => {
                let mut seen = false;
                for i in 0..=text.len() {
                    seen |= reachable[i];
                    next[i] = seen;
                }
            }
        }
        reachable = next;
    }
    reachable[text.len()]
}

/// As [`matches`], but letters match in either case: how IAM reads actions.
pub(crate) fn matches_ignoring_case(pattern: &str, text: &str) -> bool {
    matches(&pattern.to_lowercase(), &text.to_lowercase())
}

enum Token {
    Literal(char),
    ZeroOrOne,
    ZeroOrMore,
}

fn tokenize(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::ZeroOrMore,
            '?' => Token::ZeroOrOne,
            '\\' => Token::Literal(chars.next().unwrap_or('\\')),
            other => Token::Literal(other),
        });
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_ec2_filters_do() {
        for (pattern, text, expected) in [
            ("web-*", "web-1", true),
            ("web-*", "web-", true),
            ("web-?", "web-", true),
            ("web-?", "web-1", true),
            ("web-?", "web-12", false),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("Web", "web", false),
            (r"50\*", "50*", true),
            (r"50\*", "501", false),
            (r"a\\b", r"a\b", true),
            (r"a\?", "a?", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
