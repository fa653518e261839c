//! What a word without quotes means in YAML as `kubectl` and the API server read it: a Go library for YAML 1.1, by which
//! `yes` is true, `010` is eight and `012345678901` a fraction.

/// What a scalar without quotes means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    /// No number that JSON has: infinite, or none.
    NoNumber,
    Text,
}

impl Scalar {
    /// Reads a scalar.
    pub(super) fn of(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
                return Self::Bool(true);
            }
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
                return Self::Bool(false);
            }
            ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
            | "-.INF" => return Self::NoNumber,
            _ => {}
        }
        match text.as_bytes().first() {
            Some(b'.') => fraction(text),
            Some(b'+' | b'-' | b'0'..=b'9') => {
                let plain = text.replace('_', "");
                integer(&plain).map_or_else(|| fraction(&plain), Self::Integer)
            }
            _ => Self::Text,
        }
    }

    /// The key that a scalar without quotes becomes, since those of JSON are texts; none where it can be no key.
    pub(super) fn as_key(&self, text: &str) -> Option<String> {
        match self {
            Self::Null => None,
            Self::NoNumber if text.to_lowercase().ends_with("nan") => Some(".nan".to_owned()),
            Self::NoNumber if text.starts_with('-') => Some("-.inf".to_owned()),
            Self::NoNumber => Some(".inf".to_owned()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Integer(number) => Some(number.to_string()),
            Self::Float(number) => Some(short(*number)),
            Self::Text => Some(text.to_owned()),
        }
    }
}

/// A whole number, whose first digits may say its base.
fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // A second sign is none.
    let number = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let number = i128::from_str_radix(digits, base).ok().filter(|_| number)? * sign;
    // A number is 64 bits long, and one with a sign has one less.
    let most = if text.starts_with('+') {
        i128::from(i64::MAX)
    } else {
        i128::from(u64::MAX)
    };
    (i128::from(i64::MIN)..=most).contains(&number).then_some(number)
}

fn fraction(text: &str) -> Scalar {
    let digits = text.bytes().any(|byte| byte.is_ascii_digit());
    let signs = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    match text.parse::<f64>() {
        Ok(number) if digits && signs && number.is_finite() => Scalar::Float(number),
        _ => Scalar::Text,
    }
}

/// A number in as few digits as tell it from others of 32 bits, which is how it becomes a key.
fn short(number: f64) -> String {
    #[allow(clippy::cast_possible_truncation, reason = "what is cut off is cut off there too")]
    let number = number as f32;
    let scientific = format!("{number:e}");
    match scientific
        .split_once('e')
        .map(|(digits, power)| (digits, power.parse::<i32>()))
    {
        Some((digits, Ok(power))) if !(-4..6).contains(&power) => {
            let sign = if power < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", power.unsigned_abs())
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_without_quotes_means_what_it_means_to_the_api_server() {
        for (text, meaning) in [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("Null", Scalar::Null),
            ("nUll", Scalar::Text),
            ("y", Scalar::Bool(true)),
            ("Yes", Scalar::Bool(true)),
            ("yEs", Scalar::Text),
            ("on", Scalar::Bool(true)),
            ("N", Scalar::Bool(false)),
            ("off", Scalar::Bool(false)),
            ("0", Scalar::Integer(0)),
            ("020", Scalar::Integer(16)),
            ("-020", Scalar::Integer(-16)),
            ("0o20", Scalar::Integer(16)),
            ("0x1F", Scalar::Integer(31)),
            ("0b11", Scalar::Integer(3)),
            ("1_000", Scalar::Integer(1000)),
            ("+5", Scalar::Integer(5)),
            ("--5", Scalar::Text),
            ("111122223333", Scalar::Integer(111_122_223_333)),
            ("18446744073709551615", Scalar::Integer(18_446_744_073_709_551_615)),
            ("+18446744073709551615", Scalar::Float(18_446_744_073_709_551_615.0)),
            ("18446744073709551616", Scalar::Float(18_446_744_073_709_551_616.0)),
            ("012345678901", Scalar::Float(12_345_678_901.0)),
            ("08", Scalar::Float(8.0)),
            ("20.0", Scalar::Float(20.0)),
            ("1.10", Scalar::Float(1.1)),
            (".5", Scalar::Float(0.5)),
            ("2.", Scalar::Float(2.0)),
            ("1e3", Scalar::Float(1000.0)),
            ("1e999", Scalar::Text),
            (".inf", Scalar::NoNumber),
            ("inf", Scalar::Text),
            ("+inf", Scalar::Text),
            ("1.2.3", Scalar::Text),
            ("0x", Scalar::Text),
            ("1:30", Scalar::Text),
            ("2026-11-28", Scalar::Text),
            ("15m", Scalar::Text),
            (".", Scalar::Text),
            ("-", Scalar::Text),
            ("team", Scalar::Text),
        ] {
            assert_eq!(Scalar::of(text), meaning, "{text}");
        }
    }

    #[test]
    fn a_key_without_quotes_is_written_anew() {
        for (text, key) in [
            ("y", Some("true")),
            ("off", Some("false")),
            ("true", Some("true")),
            ("42", Some("42")),
            ("0042", Some("34")),
            ("1.10", Some("1.1")),
            ("1.5", Some("1.5")),
            ("08", Some("8")),
            ("012345678901", Some("1.2345679e+10")),
            ("0.00001", Some("1e-05")),
            ("1234567.5", Some("1.2345675e+06")),
            ("~", None),
            (".inf", Some(".inf")),
            ("+.Inf", Some(".inf")),
            ("-.INF", Some("-.inf")),
            (".NaN", Some(".nan")),
            ("team", Some("team")),
        ] {
            assert_eq!(Scalar::of(text).as_key(text).as_deref(), key, "{text}");
        }
    }
}
