//! Printing: a reader that has seen enough is no failure, and a failure is one sentence.

use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

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

/// Says why a command has failed, and gives its exit status. What anyhow itself prints takes several lines, and a backtrace where
/// RUST_BACKTRACE is set.
pub fn failed(error: &anyhow::Error) -> ExitCode {
    tell(&format!("Error: {}", whole(&**error)));
    ExitCode::FAILURE
}

/// An error with what it was caused by, as far as it does not say that itself.
pub(crate) fn whole(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_said_with_its_causes_each_of_them_once() {
        let cause = io::Error::other("connection refused");
        let error = anyhow::Error::new(cause)
            .context("AWS: connection refused")
            .context("no plan");
        assert_eq!(whole(&*error), "no plan: AWS: connection refused");
        assert_eq!(whole(&*anyhow::anyhow!("nothing else")), "nothing else");
    }

    #[test]
    fn only_that_nobody_reads_on_is_no_failure() {
        assert!(read_or_not(Ok(())).is_ok());
        assert!(read_or_not(Err(ErrorKind::BrokenPipe.into())).is_ok());
        assert!(read_or_not(Err(ErrorKind::StorageFull.into())).is_err());
    }
}
