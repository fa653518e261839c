//! Printing: a reader that has seen enough is no failure.

use std::io::{self, ErrorKind, Write};

/// What printing came to, where nobody reading on, as after `| head -1`, is as good as all read.
pub fn read_or_not(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Writes a line to standard error. Where that cannot be written to there is nobody to tell.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_that_nobody_reads_on_is_no_failure() {
        assert!(read_or_not(Ok(())).is_ok());
        assert!(read_or_not(Err(ErrorKind::BrokenPipe.into())).is_ok());
        assert!(read_or_not(Err(ErrorKind::StorageFull.into())).is_err());
    }
}
