//! The file with the findings.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::plan::import::{Decoded, decode};

/// The most that is read: a few hundred thousand findings in their longest form. It is held in memory.
const MOST: u64 = 256 << 20;

/// The file's name as it is shown: on one line, whatever it is.
pub(super) fn name(file: &Path) -> String {
    if file.as_os_str() == "-" {
        return "standard input".to_owned();
    }
    let steers = |sign: char| sign.is_control() || matches!(sign, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    file.display().to_string().replace(steers, "\u{fffd}")
}

/// Reads the file as text, or says why not and what to do.
pub(super) fn load(file: &Path, stdin: impl Read) -> Result<Decoded, String> {
    let bytes = if file.as_os_str() == "-" {
        read(stdin)?
    } else {
        if file.is_dir() {
            return Err("is a directory: name a file in it".to_owned());
        }
        read(File::open(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "no such file: correct the path".to_owned(),
            io::ErrorKind::PermissionDenied => "may not be read: change its permissions".to_owned(),
            _ => format!("cannot be opened ({error}): correct the path"),
        })?)?
    };
    decode(bytes).map_err(str::to_owned)
}

fn read(from: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    from.take(MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read ({error}): correct the path"))?;
    if bytes.len() as u64 > MOST {
        return Err(format!(
            "is larger than {} MiB: export the findings on images only, or divide it and import each part under a name of its own",
            MOST >> 20
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_large_is_refused_and_not_read_to_its_end() {
        let why = load(Path::new("-"), io::repeat(b'a')).expect_err("too large");
        assert!(why.starts_with("is larger than 256 MiB"), "{why}");
    }

    #[test]
    fn a_name_stays_on_its_line() {
        assert_eq!(name(Path::new("a\n\u{202e}b.csv")), "a\u{fffd}\u{fffd}b.csv");
        assert_eq!(name(Path::new("-")), "standard input");
    }
}
