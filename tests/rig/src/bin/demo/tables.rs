//! Tables as kubectl prints them, and what has changed from one to the next.

use std::collections::BTreeMap;

/// Columns that tell how long ago something was: they change all the time and say nothing new.
const AGES: [&str; 2] = ["AGE", "LAST SCAN"];

/// A table of kubectl, or several with an empty line between them, without the columns that only tell ages.
pub(crate) fn without_ages(text: &str) -> String {
    let mut end = None;
    let rows = text.lines().map(|line| {
        if line.starts_with("NAME ") {
            // These are the last columns of our tables. Rows are aligned with the header, by characters.
            end = AGES
                .iter()
                .filter_map(|age| line.find(&format!("  {age}")))
                .min()
                .map(|found| line[..found].chars().count());
        }
        let kept: String = line.chars().take(end.unwrap_or(usize::MAX)).collect();
        kept.trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// The rows of one table that were not the same in the one before.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    known: BTreeMap<String, Vec<String>>,
}

impl Changes {
    /// Takes the next table; returns its header and the rows that are new or differ in more than their age or in how
    /// they are aligned.
    pub(crate) fn of<'a>(&mut self, table: &'a str) -> (Option<&'a str>, Vec<&'a str>) {
        let shown = without_ages(table);
        let mut lines = table.lines().zip(shown.lines());
        let header = lines.next().map(|(line, _)| line);
        let mut changed = Vec::new();
        for (line, shown) in lines {
            let words: Vec<_> = shown.split_whitespace().map(str::to_owned).collect();
            let Some(name) = words.first().cloned() else { continue };
            if self.known.get(&name) != Some(&words) {
                self.known.insert(name, words);
                changed.push(line);
            }
        }
        (header, changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "\
NAME   STATE     COPY    REASON   AGE
one    Pending                    1s
two    Pending           Waits    1s
";
    const LATER: &str = "\
NAME   STATE     COPY      REASON   AGE
one    Pending                      2s
two    Copying   ami-123   Copies   2s
three  Pending                      0s
";

    #[test]
    fn a_row_that_only_ages_or_moves_has_not_changed() {
        let mut changes = Changes::default();
        let (header, rows) = changes.of(FIRST);
        assert_eq!(header, FIRST.lines().next());
        assert_eq!(rows.len(), 2, "all is new at first");
        let (_, rows) = changes.of(LATER);
        let names: Vec<_> = rows.iter().filter_map(|row| row.split(' ').next()).collect();
        assert_eq!(names, ["two", "three"]);
        assert_eq!(changes.of(LATER).1, Vec::<&str>::new());
    }

    #[test]
    fn each_of_several_tables_loses_its_own_column_of_ages() {
        let text =
            "NAME   READY   AGE\na      True    5s\n\nNAME   READY   LAST SCAN\nb      True    3s\nc      False\n";
        assert_eq!(
            without_ages(text),
            "NAME   READY\na      True\n\nNAME   READY\nb      True\nc      False"
        );
    }
}
