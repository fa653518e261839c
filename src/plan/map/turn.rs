//! What comes next about the place that a map is kept in, by what is on record of it.

/// What a visit has to do about the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn<'a> {
    /// There is none, and none is asked for.
    Nothing,
    /// Delete what is in the one that is on record, and put on record what is asked for now.
    LetGo(&'a str),
    /// Put this one on record, before anything is written there.
    Record(&'a str),
    /// Keep this one, which is on record.
    Keep(&'a str),
}

/// What is to be done, by the names of the place that is on record and of the one that is asked for.
#[must_use]
pub fn turn<'a>(recorded: Option<&'a str>, wanted: Option<&'a str>) -> Turn<'a> {
    match (recorded, wanted) {
        (None, None) => Turn::Nothing,
        (None, Some(name)) => Turn::Record(name),
        (Some(former), Some(name)) if former == name => Turn::Keep(name),
        (Some(former), _) => Turn::LetGo(former),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_record_is_let_go_before_another_is_put_there_and_nothing_is_written_before_it_is() {
        for (recorded, wanted, expected) in [
            (None, None, Turn::Nothing),
            (None, Some("a"), Turn::Record("a")),
            (Some("a"), Some("a"), Turn::Keep("a")),
            (Some("a"), Some("b"), Turn::LetGo("a")),
            (Some("a"), None, Turn::LetGo("a")),
        ] {
            assert_eq!(turn(recorded, wanted), expected);
        }
    }
}
