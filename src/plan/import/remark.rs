//! What is said of single lines of a file.

use std::collections::BTreeSet;

/// How much a remark matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// For somebody to look at: a finding is not in the policy, or not as the file has it, or nobody knows.
    Attention,
    /// Nothing is to be done.
    Note,
}

/// One sentence on some lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The lines, from 1; none for the file as a whole.
    pub lines: BTreeSet<u64>,
    /// How much it matters.
    pub weight: Weight,
    /// The sentence.
    pub text: String,
}

impl Remark {
    /// For somebody to look at.
    pub fn attention(lines: BTreeSet<u64>, text: impl Into<String>) -> Self {
        Self {
            lines,
            weight: Weight::Attention,
            text: text.into(),
        }
    }

    /// Nothing is to be done.
    pub fn note(lines: BTreeSet<u64>, text: impl Into<String>) -> Self {
        Self {
            lines,
            weight: Weight::Note,
            text: text.into(),
        }
    }

    /// The remark behind the file and its lines, as in `findings.csv:3,7-9: …`.
    pub fn in_file(&self, file: &str) -> String {
        if self.lines.is_empty() {
            format!("{file}: {}", self.text)
        } else {
            format!("{file}:{}: {}", ranges(&self.lines), self.text)
        }
    }
}

/// Numbers in ascending order, those that follow each other as a range.
fn ranges(lines: &BTreeSet<u64>) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for line in lines {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *line => *last = *line,
            _ => ranges.push((*line, *line)),
        }
    }
    let shown = ranges.iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    });
    shown.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_follow_each_other_are_a_range() {
        for (lines, shown) in [
            (&[][..], "a.csv: said"),
            (&[7], "a.csv:7: said"),
            (&[7, 8], "a.csv:7,8: said"),
            (&[3, 5, 6, 7, 12], "a.csv:3,5-7,12: said"),
        ] {
            let remark = Remark::note(lines.iter().copied().collect(), "said");
            assert_eq!(remark.in_file("a.csv"), shown);
        }
    }
}
