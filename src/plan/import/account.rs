//! Account IDs as spreadsheets write them: most keep all digits, some do not.

use std::collections::BTreeSet;

use crate::domain::AccountId;

const DIGITS: usize = 12;
/// The fewest digits that are left of an account ID which a spreadsheet took for a number, as far as anybody believes it.
const FEWEST: usize = 9;

/// A cell that is an account ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whole {
    /// All of its digits are there.
    Exact(AccountId),
    /// Some are not.
    Damaged(Damaged),
}

/// What is left of an account ID that a spreadsheet took for a number. Which account it was, only AWS can say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damaged {
    /// As it stands in the file: digits and the signs of a number only.
    pub text: String,
    /// The digits that are known, from the first that is not zero.
    known: u64,
    /// How many digits behind them are not known.
    unknown: u32,
}

impl Damaged {
    /// Whether it may be what is left of this account's ID.
    pub fn fits(&self, account: &AccountId) -> bool {
        let Ok(number) = account.as_str().parse::<u64>() else {
            return false;
        };
        let unit = 10_u64.saturating_pow(self.unknown);
        // A spreadsheet rounds, other programs cut off.
        number / unit == self.known || (number + unit / 2) / unit == self.known
    }

    /// The account that it is if only zeros at the beginning were lost.
    pub fn with_zeros(&self) -> Option<AccountId> {
        let digits = format!("{:0DIGITS$}", self.known);
        (self.unknown == 0).then(|| digits.parse().ok()).flatten()
    }

    /// Those of some accounts that it may be.
    pub fn among(&self, known: &BTreeSet<AccountId>) -> BTreeSet<AccountId> {
        let padded = self.with_zeros().into_iter();
        padded
            .chain(known.iter().filter(|account| self.fits(account)).cloned())
            .collect()
    }

    /// Whether it is worth asking about where nothing else says that its column has accounts: fewer digits are times and numbers of
    /// other things too.
    pub(super) fn is_likely(&self) -> bool {
        self.unknown > 0 || self.known.to_string().len() == DIGITS - 1
    }
}

/// Reads a cell, without what is around its letters and digits, as an account ID.
pub(super) fn whole(text: &str) -> Option<Whole> {
    let digits = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.to_owned()
    } else if let Some(digits) = grouped(text).or_else(|| fraction(text)) {
        digits
    } else {
        let number = rounded(text)?;
        let exact = number.with_zeros().filter(|_| number.known.to_string().len() == DIGITS);
        return Some(exact.map_or(Whole::Damaged(number), Whole::Exact));
    };
    if let Ok(account) = digits.parse::<AccountId>() {
        return Some(Whole::Exact(account));
    }
    if !(FEWEST..DIGITS).contains(&digits.len()) || digits.starts_with('0') {
        return None;
    }
    Some(Whole::Damaged(Damaged {
        text: text.to_owned(),
        known: digits.parse().ok()?,
        unknown: 0,
    }))
}

/// The digits of `1111-2222-3333`, as AWS's console writes an account, or of `111.122.223.333`, as spreadsheets write numbers.
fn grouped(text: &str) -> Option<String> {
    let is_separator = |sign: char| " \u{a0}\u{202f}.,-'’".contains(sign);
    let separator = text.chars().find(|sign| is_separator(*sign))?;
    let groups: Vec<&str> = text.split(separator).collect();
    let are_digits = groups
        .iter()
        .all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit()));
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let is_console = lengths == [4, 4, 4];
    let is_number = lengths.len() > 2 && lengths[0] <= 3 && lengths[1..].iter().all(|length| *length == 3);
    // An address of the Internet is no account.
    let is_address = separator == '.'
        && groups.len() == 4
        && groups
            .iter()
            .all(|group| group.parse::<u16>().is_ok_and(|part| part < 256));
    (are_digits && (is_console || is_number) && !is_address).then(|| groups.concat())
}

/// The digits of `111122223333.0`.
fn fraction(text: &str) -> Option<String> {
    let (digits, zeros) = text.split_once(['.', ','])?;
    let is_whole = !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0');
    (is_whole && !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.to_owned())
}

/// `1.11122E+11`, with a comma in many languages.
fn rounded(text: &str) -> Option<Damaged> {
    let (mantissa, exponent) = text.split_once(['e', 'E'])?;
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent: usize = exponent.parse().ok().filter(|_| is_number(exponent))?;
    let (first, rest) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
    let is_scientific = first.len() == 1 && first != "0" && is_number(first) && (rest.is_empty() || is_number(rest));
    if !is_scientific || !(FEWEST - 1..DIGITS).contains(&exponent) {
        return None;
    }
    // Digits behind the point are zeros, if there are any.
    let digits: String = [first, rest].concat().chars().take(exponent + 1).collect();
    Some(Damaged {
        text: text.to_owned(),
        known: digits.parse().ok()?,
        unknown: u32::try_from(exponent + 1 - digits.len()).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account(digits: &str) -> AccountId {
        digits.parse().expect("an account")
    }

    #[test]
    fn an_account_keeps_its_digits_however_it_is_grouped() {
        for text in [
            "111122223333",
            "1111-2222-3333",
            "1111 2222 3333",
            "111,122,223,333",
            "111.122.223.333",
            "111'122'223'333",
            "111\u{202f}122\u{202f}223\u{202f}333",
            "111122223333.0",
            "111122223333,00",
            "1.11122223333E+11",
        ] {
            assert_eq!(whole(text), Some(Whole::Exact(account("111122223333"))), "{text}");
        }
        for text in [
            "",
            "1",
            "20261129",
            "2026-11-29",
            "192.168.100.200",
            "10.100.200.150",
            "1111-2222-33",
            "1764374400000",
            "0123456789",
            "a1e5",
            "1e5",
            "12.3E+11",
            "1.5E+12",
            "111122223333.5",
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    #[test]
    fn what_lost_digits_is_damaged_and_fits_only_what_it_may_have_been() {
        for (text, padded, fits, other) in [
            ("12345678901", Some("012345678901"), "012345678901", "123456789010"),
            ("1,234,567,890", Some("001234567890"), "001234567890", "012345678900"),
            ("12345678901.0", Some("012345678901"), "012345678901", "112345678901"),
            ("1.2345678901E+10", Some("012345678901"), "012345678901", "123456789010"),
            ("1.23457E+11", None, "123456789012", "123446789012"),
            ("1,23457E+11", None, "123456789012", "012345678901"),
            ("1.23456E+11", None, "123456789012", "123455000000"),
            ("1.23E10", None, "012345678901", "123456789012"),
        ] {
            let Some(Whole::Damaged(damaged)) = whole(text) else {
                panic!("{text} is damaged: {:?}", whole(text));
            };
            assert_eq!(damaged.with_zeros(), padded.map(account), "{text}");
            assert!(damaged.fits(&account(fits)), "{text} fits {fits}");
            assert!(!damaged.fits(&account(other)), "{text} does not fit {other}");
            assert_eq!(
                damaged.among(&[account(fits), account(other)].into()),
                [account(fits)].into()
            );
        }
    }

    proptest! {
        #[test]
        fn whatever_a_spreadsheet_makes_of_an_account_fits_it(number in 1_000_000_000_u64..999_000_000_000, digits in 3..10_usize) {
            let id = account(&format!("{number:012}"));
            for text in [number.to_string(), format!("{:.*E}", digits, number as f64).replace('E', "E+")] {
                match whole(&text) {
                    Some(Whole::Exact(exact)) => prop_assert_eq!(&exact, &id),
                    Some(Whole::Damaged(damaged)) => prop_assert!(damaged.fits(&id), "{} {:?}", text, damaged),
                    None => prop_assert!(false, "{} is no account", text),
                }
            }
        }
    }
}
