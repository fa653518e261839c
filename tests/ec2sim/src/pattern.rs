//! Regular expressions as parameters have them: literals, classes, groups, choices and repetitions.

use std::iter::Peekable;
use std::str::Chars;

/// A way to match: parts one after the other.
type Sequence = Vec<Part>;

#[derive(Clone, Debug)]
struct Part {
    atom: Atom,
    least: usize,
    most: usize,
}

#[derive(Clone, Debug)]
enum Atom {
    Start,
    End,
    Any,
    Class { ranges: Vec<(char, char)>, negated: bool },
    Group(Vec<Sequence>),
}

/// A regular expression.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Vec<Sequence>);

impl Pattern {
    /// Reads one; none when it is not understood.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut signs = text.chars().peekable();
        let choices = choices(&mut signs)?;
        signs.next().is_none().then_some(Self(choices))
    }

    /// Whether it is found somewhere in a text.
    pub(crate) fn finds(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        (0..=text.len()).any(|from| any(&self.0, &text, from, &mut |_| true))
    }
}

fn choices(signs: &mut Peekable<Chars<'_>>) -> Option<Vec<Sequence>> {
    let mut all = vec![Sequence::new()];
    while let Some(sign) = signs.next_if(|sign| *sign != ')') {
        if sign == '|' {
            all.push(Sequence::new());
            continue;
        }
        let atom = match sign {
            '^' => Atom::Start,
            '$' => Atom::End,
            '.' => Atom::Any,
            '(' => {
                if signs.next_if_eq(&'?').is_some() {
                    signs.next_if_eq(&':')?;
                }
                let inner = choices(signs)?;
                signs.next_if_eq(&')')?;
                Atom::Group(inner)
            }
            '[' => class(signs)?,
            '\\' => Atom::Class {
                ranges: escaped(signs.next()?),
                negated: false,
            },
            '*' | '+' | '?' | '{' => return None,
            literal => one(literal),
        };
        let (least, most) = times(signs)?;
        all.last_mut()?.push(Part { atom, least, most });
    }
    Some(all)
}

fn one(sign: char) -> Atom {
    Atom::Class {
        ranges: vec![(sign, sign)],
        negated: false,
    }
}

fn escaped(sign: char) -> Vec<(char, char)> {
    match sign {
        'd' => vec![('0', '9')],
        'w' => vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')],
        's' => vec![(' ', ' '), ('\t', '\r')],
        literal => vec![(literal, literal)],
    }
}

fn class(signs: &mut Peekable<Chars<'_>>) -> Option<Atom> {
    let negated = signs.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let first = match signs.next()? {
            ']' if !ranges.is_empty() => return Some(Atom::Class { ranges, negated }),
            '\\' => {
                ranges.extend(escaped(signs.next()?));
                continue;
            }
            sign => sign,
        };
        if signs.next_if_eq(&'-').is_none() {
            ranges.push((first, first));
        } else if signs.peek() == Some(&']') {
            ranges.extend([(first, first), ('-', '-')]);
        } else {
            ranges.push((first, signs.next()?));
        }
    }
}

fn times(signs: &mut Peekable<Chars<'_>>) -> Option<(usize, usize)> {
    Some(match signs.peek() {
        Some('*') => (signs.next().map(|_| 0)?, usize::MAX),
        Some('+') => (signs.next().map(|_| 1)?, usize::MAX),
        Some('?') => (signs.next().map(|_| 0)?, 1),
        Some('{') => {
            signs.next();
            let mut text = String::new();
            while let Some(sign) = signs.next_if(|sign| *sign != '}') {
                text.push(sign);
            }
            signs.next()?;
            match text.split_once(',') {
                None => (text.parse().ok()?, text.parse().ok()?),
                Some((least, "")) => (least.parse().ok()?, usize::MAX),
                Some((least, most)) => (least.parse().ok()?, most.parse().ok()?),
            }
        }
        _ => (1, 1),
    })
}

fn any(choices: &[Sequence], text: &[char], at: usize, then: &mut dyn FnMut(usize) -> bool) -> bool {
    choices.iter().any(|sequence| all(sequence, text, at, then))
}

fn all(sequence: &[Part], text: &[char], at: usize, then: &mut dyn FnMut(usize) -> bool) -> bool {
    let Some((part, rest)) = sequence.split_first() else {
        return then(at);
    };
    repeat(part, 0, text, at, &mut |end| all(rest, text, end, then))
}

/// As often as it goes, then less often.
fn repeat(part: &Part, done: usize, text: &[char], at: usize, then: &mut dyn FnMut(usize) -> bool) -> bool {
    let again = done < part.most
        && once(&part.atom, text, at, &mut |end| {
            // What matches nothing is not repeated for ever.
            (end > at || done < part.least) && repeat(part, done + 1, text, end, then)
        });
    again || (done >= part.least && then(at))
}

fn once(atom: &Atom, text: &[char], at: usize, then: &mut dyn FnMut(usize) -> bool) -> bool {
    match atom {
        Atom::Start => at == 0 && then(at),
        Atom::End => at == text.len() && then(at),
        Atom::Any => at < text.len() && then(at + 1),
        Atom::Class { ranges, negated } => {
            let fits = |sign: &char| ranges.iter().any(|(from, to)| (from..=to).contains(&sign)) != *negated;
            text.get(at).is_some_and(fits) && then(at + 1)
        }
        Atom::Group(choices) => any(choices, text, at, then),
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_pattern_finds_what_it_says() {
        for (pattern, text, expected) in [
            ("^ami-[0-9a-f]{8,17}$", "ami-0000000a", true),
            ("^ami-[0-9a-f]{8,17}$", "ami-000000", false),
            ("^ami-[0-9a-f]{8,17}$", "an ami-0000000a", false),
            ("^(a|bc)+d?$", "abcad", true),
            ("^(?:a|bc)+d?$", "abcadd", false),
            (r"^\d+$", "12a", false),
            (r"a\.b", "xa.bx", true),
            (r"a\.b", "xacbx", false),
            ("^[^a-c]*$", "xyz", true),
            ("^[^a-c]*$", "xbz", false),
            ("^(a*)*$", "aaab", false),
            (".", "", false),
            ("", "x", true),
        ] {
            let parsed = Pattern::parse(pattern).expect("a pattern");
            assert_eq!(parsed.finds(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_not_one_is_told() {
        for bad in ["(", "a)", "[a", "*", "a{x}", "a{1", r"\"] {
            assert!(Pattern::parse(bad).is_none(), "{bad}");
        }
    }
}
