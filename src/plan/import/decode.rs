//! From a file's bytes to text: whatever the encoding, lines end in one way.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How much of a file tells its encoding, where nothing else does.
const SAMPLE: usize = 4096;

/// A file as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text, whose lines end in `\n`.
    pub text: String,
    /// The encoding, by its usual name.
    pub encoding: &'static str,
    /// Whether some bytes are nothing in that encoding; in the text a mark stands for them.
    pub garbled: bool,
}

/// Files that people take for text, by how they begin, and what to do instead.
const OTHERS: [(&[u8], &str); 5] = [
    (
        b"PK\x03\x04",
        "is an Excel workbook or another ZIP file: save the sheet as CSV, or unpack it",
    ),
    (
        b"\xd0\xcf\x11\xe0",
        "is an Excel workbook of the old kind: save the sheet as CSV",
    ),
    (b"\x1f\x8b", "is compressed: unpack it, for example with gunzip"),
    (b"\x28\xb5\x2f\xfd", "is compressed: unpack it, for example with unzstd"),
    (b"%PDF", "is a PDF: export the findings as CSV or JSON"),
];

/// Reads a file as text: by its byte order mark, else as UTF-16 where it looks so, else as UTF-8, else as Latin-1 in the way
/// that Windows extends it.
pub fn decode(bytes: Vec<u8>) -> Result<Decoded, &'static str> {
    if let Some((_, what)) = OTHERS.iter().find(|(begins, _)| bytes.starts_with(begins)) {
        return Err(what);
    }
    let (encoding, mark) = Encoding::for_bom(&bytes).unwrap_or_else(|| (guess(&bytes), 0));
    let (text, garbled) = if encoding == UTF_8 && mark == 0 {
        match String::from_utf8(bytes) {
            Ok(text) => (text, false),
            Err(error) => return decode_as(WINDOWS_1252, error.as_bytes(), 0),
        }
    } else {
        return decode_as(encoding, &bytes, mark);
    };
    finish(text, encoding, garbled)
}

fn decode_as(encoding: &'static Encoding, bytes: &[u8], mark: usize) -> Result<Decoded, &'static str> {
    let (text, garbled) = encoding.decode_without_bom_handling(&bytes[mark..]);
    finish(text.into_owned(), encoding, garbled)
}

fn finish(text: String, encoding: &'static Encoding, garbled: bool) -> Result<Decoded, &'static str> {
    if text.contains('\0') {
        return Err("is not text: export the findings as CSV or JSON");
    }
    if text.trim().is_empty() {
        return Err("is empty: export the findings as CSV or JSON");
    }
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    // A return by itself ends a line too, as old spreadsheets write it.
    let text = if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n")
    } else {
        text
    };
    Ok(Decoded {
        text,
        encoding: encoding.name(),
        garbled,
    })
}

/// UTF-16 without a mark has a zero in almost every second byte, since what is looked for is ASCII.
fn guess(bytes: &[u8]) -> &'static Encoding {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let zeros = |odd: usize| sample.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let most = sample.len() / 4;
    if odd > most && even == 0 {
        UTF_16LE
    } else if even > most && odd == 0 {
        UTF_16BE
    } else {
        UTF_8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Größe;Konto\r\nami-1;2\rami-3;4\n";
    const LINES: &str = "Größe;Konto\nami-1;2\nami-3;4\n";

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn one_text_comes_of_every_encoding() {
        let latin1: Vec<u8> = TEXT
            .chars()
            .map(|sign| u8::try_from(u32::from(sign)).unwrap())
            .collect();
        let little = utf16(TEXT, u16::to_le_bytes);
        let big = utf16(TEXT, u16::to_be_bytes);
        let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        for (bytes, encoding) in [
            (TEXT.as_bytes().to_vec(), "UTF-8"),
            (marked(b"\xef\xbb\xbf", TEXT.as_bytes()), "UTF-8"),
            (marked(b"\xff\xfe", &little), "UTF-16LE"),
            (marked(b"\xfe\xff", &big), "UTF-16BE"),
            (little, "UTF-16LE"),
            (big, "UTF-16BE"),
            (latin1, "windows-1252"),
        ] {
            let decoded = Decoded {
                text: LINES.to_owned(),
                encoding,
                garbled: false,
            };
            assert_eq!(decode(bytes), Ok(decoded));
        }
    }

    #[test]
    fn what_is_no_text_is_refused_with_what_to_do_instead() {
        for (bytes, words) in [
            (&b""[..], "is empty"),
            (b"\xef\xbb\xbf \n\n", "is empty"),
            (b"PK\x03\x04rest", "save the sheet as CSV"),
            (b"\x1f\x8b\x08", "gunzip"),
            (b"%PDF-1.7", "PDF"),
            (b"a,b\0c", "is not text"),
        ] {
            let why = decode(bytes.to_vec()).expect_err("refused");
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn half_a_character_is_marked_and_said() {
        let mut bytes = b"\xff\xfe".to_vec();
        bytes.extend(utf16("ami-1\n", u16::to_le_bytes));
        bytes.push(0xd8);
        let decoded = decode(bytes).expect("a text");
        assert!(decoded.garbled && decoded.text.starts_with("ami-1\n"), "{decoded:?}");
    }
}
