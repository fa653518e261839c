//! One table in the encodings that spreadsheets write.

use crate::{Bench, ROLE};

const TABLE: &str = "Schlüssel;Konto;Region;Größe\r\nami-00000000000000101;111122223333;eu-west-1;8\r\nami-00000000000000201;'012345678901;eu-west-1;\"20\r\n(geschätzt)\"\r\nami-00000000000000dad;111122223333;eu-west-1;8\r\n";

#[test]
fn german_tables_are_read_in_utf_8_utf_16_and_latin_1() {
    let little: Vec<u8> = TABLE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = TABLE.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let latin1 = TABLE
        .chars()
        .map(|sign| u8::try_from(u32::from(sign)).expect("Latin-1"));
    let bench = Bench::new();
    for (encoding, bytes) in [
        ("UTF-8", TABLE.as_bytes().to_vec()),
        ("UTF-8 with a mark", [b"\xef\xbb\xbf", TABLE.as_bytes()].concat()),
        ("UTF-16", [&b"\xff\xfe"[..], &little].concat()),
        ("UTF-16 the other way round", [&b"\xfe\xff"[..], &big].concat()),
        ("UTF-16 without a mark", little),
        ("Latin-1", latin1.collect()),
    ] {
        let ran = bench.import(bytes, &ROLE);
        assert_eq!(ran.code, 0, "{encoding}: {ran:#?}");
        assert_eq!(
            ran.selected(),
            ["ami-00000000000000101", "ami-00000000000000201"],
            "{encoding}"
        );
        assert_eq!(
            ran.places(),
            ["012345678901 eu-west-1", "111122223333 eu-west-1"],
            "{encoding}"
        );
        assert_eq!(
            ran.remarks(),
            ["standard input:5: ami-00000000000000dad does not exist any more in 111122223333 eu-west-1: left out"],
            "{encoding}"
        );
    }
    bench.assert_only_read();
}
