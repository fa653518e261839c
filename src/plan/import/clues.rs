//! What a text says by what it looks like: image IDs, ARNs, accounts and regions, in whatever language the rest of it is.

use memchr::memchr_iter;

use super::account::{self, Damaged, Whole};
use crate::domain::{AccountId, ImageId, Region};

/// How surely something is said of a finding. The surest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It is a cell by itself.
    Cell,
    /// An ARN names it.
    Arn,
    /// It stands somewhere in a text.
    Text,
}

/// One thing that a text says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Clue {
    /// An image, and what its own ARN says of it.
    Image {
        id: ImageId,
        account: Option<AccountId>,
        region: Option<Region>,
    },
    Account(AccountId, Rank),
    Region(Region, Rank),
    /// A cell that may have been an account.
    Damaged(Damaged),
    /// What begins like an image ID and is none.
    Broken(String),
    /// Something of AWS that is no image.
    Other,
}

/// Whether an account or region is a cell by itself.
pub(super) fn is_cell(clue: &Clue) -> bool {
    matches!(clue, Clue::Account(_, Rank::Cell) | Clue::Region(_, Rank::Cell))
}

/// How the names of AWS's regions begin.
const AREAS: [&str; 10] = ["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx", "cn"];
/// Those of partitions of their own.
const WALLED: [&str; 5] = ["gov", "iso", "isob", "isoe", "isof"];
const DIRECTIONS: [&str; 9] = [
    "north",
    "south",
    "east",
    "west",
    "central",
    "northeast",
    "northwest",
    "southeast",
    "southwest",
];
/// How IDs of other things begin that findings are about.
const OTHERS: [&str; 14] = [
    "i", "vol", "snap", "sg", "vpc", "subnet", "eni", "lt", "igw", "rtb", "acl", "fs", "eipalloc", "nat",
];
/// The most of a broken ID that is shown.
const SHOWN: usize = 24;

/// Finds everything in a cell.
pub(super) fn read(text: &str, found: &mut impl FnMut(Clue)) {
    // Most cells say nothing, and most of those have no digit.
    if !text.bytes().any(|byte| byte.is_ascii_digit()) && !text.contains("arn:aws") {
        return;
    }
    let trimmed = text.trim_matches(|sign: char| !sign.is_ascii_alphanumeric());
    let is_whole = match account::whole(trimmed) {
        Some(Whole::Exact(account)) => {
            found(Clue::Account(account, Rank::Cell));
            true
        }
        Some(Whole::Damaged(damaged)) => {
            found(Clue::Damaged(damaged));
            true
        }
        None => false,
    };
    if is_whole {
        return;
    }
    images(text, found);
    arns(text, found);
    let is_sign = |sign: char| !(sign.is_ascii_alphanumeric() || sign == '-');
    for piece in text.split(is_sign).filter(|piece| !piece.is_empty()) {
        let rank = if piece == trimmed { Rank::Cell } else { Rank::Text };
        pieces(piece, rank, found);
    }
}

/// The images in a text, and what was to be one.
fn images(text: &str, found: &mut impl FnMut(Clue)) {
    let bytes = text.as_bytes();
    for dash in memchr_iter(b'-', bytes) {
        let Some(begin) = dash
            .checked_sub(3)
            .filter(|begin| bytes[*begin..dash].eq_ignore_ascii_case(b"ami"))
        else {
            continue;
        };
        let before = begin.checked_sub(1).map(|at| bytes[at]);
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            continue;
        }
        let run = bytes[dash + 1..].iter().take_while(|byte| byte.is_ascii_alphanumeric());
        let end = dash + 1 + run.count();
        let (given, rest) = (&text[dash + 1..end], &text[end..]);
        let is_cut_off = rest.starts_with('…') || rest.starts_with("...");
        let is_in_name = before == Some(b'-') || rest.starts_with('-');
        let id = format!("ami-{}", given.to_ascii_lowercase()).parse::<ImageId>();
        match id {
            // A date in an image's name looks like the ID of an old image.
            Ok(_) if given.len() == 8 && is_in_name => {}
            Ok(id) if !is_cut_off => found(Clue::Image {
                id,
                account: None,
                region: None,
            }),
            _ if !is_in_name && is_meant_as_id(given) => {
                let shown: String = given.chars().take(SHOWN).collect();
                found(Clue::Broken(format!("{}{shown}", &text[begin..=dash])));
            }
            _ => {}
        }
    }
}

/// Whether somebody most likely meant an ID: words have no digits, and versions are short.
fn is_meant_as_id(given: &str) -> bool {
    let digits = given.bytes().filter(u8::is_ascii_digit).count();
    let is_hex = given.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex && digits > 0 && given.len() > 3) || (digits > 3 && given.len() > 7)
}

/// The ARNs in a text.
fn arns(text: &str, found: &mut impl FnMut(Clue)) {
    for (at, _) in text.match_indices("arn:aws") {
        let end = text[at..]
            .find(|sign: char| !(sign.is_ascii_alphanumeric() || "-:/_.+=@*".contains(sign)))
            .map_or(text.len(), |length| at + length);
        let mut parts = text[at..end].splitn(6, ':').skip(2);
        let mut part = || parts.next().unwrap_or_default();
        let (service, region, account, resource) = (part(), part(), part(), part());
        let (region, account) = (region.parse::<Region>().ok(), account.parse::<AccountId>().ok());
        let resource = resource.trim_end_matches(|sign: char| !sign.is_ascii_alphanumeric());
        let image = resource.strip_prefix("image/").filter(|_| service == "ec2");
        match image.and_then(|id| id.parse::<ImageId>().ok()) {
            Some(id) => found(Clue::Image { id, account, region }),
            None => {
                found(Clue::Other);
                region
                    .into_iter()
                    .for_each(|region| found(Clue::Region(region, Rank::Arn)));
                account
                    .into_iter()
                    .for_each(|account| found(Clue::Account(account, Rank::Arn)));
            }
        }
    }
}

/// Accounts, regions and IDs of other things in letters, digits and hyphens.
fn pieces(piece: &str, rank: Rank, found: &mut impl FnMut(Clue)) {
    let parts: Vec<&str> = piece.split('-').collect();
    for (at, part) in parts.iter().enumerate() {
        if part.len() == 12
            && let Ok(account) = part.parse()
        {
            found(Clue::Account(account, Rank::Text));
        }
        let next = parts.get(at + 1).copied().unwrap_or_default();
        if DIRECTIONS.iter().any(|direction| part.eq_ignore_ascii_case(direction))
            && let Some((region, begins)) = region(&parts[..at], part, next)
        {
            // An availability zone is as good as its region.
            let is_all = begins == 0 && at + 2 == parts.len();
            found(Clue::Region(region, if is_all { rank } else { Rank::Text }));
        }
    }
    if let [kind, id] = parts[..]
        && OTHERS.contains(&kind)
        && (8..=17).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        found(Clue::Other);
    }
}

/// The region whose name has this direction and what follows it, and the part that it begins with.
fn region(before: &[&str], direction: &str, number: &str) -> Option<(Region, usize)> {
    let digits = number.trim_end_matches(|sign: char| sign.is_ascii_alphabetic());
    if number.len() - digits.len() > 1 || digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let is = |names: &[&str], name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let begins = match before {
        [.., "eusc" | "EUSC", _] => before.len() - 2,
        [.., area, wall] if is(&AREAS, area) && is(&WALLED, wall) => before.len() - 2,
        [.., area] if is(&AREAS, area) => before.len() - 1,
        _ => return None,
    };
    let name = [before[begins..].join("-"), direction.to_owned(), digits.to_owned()].join("-");
    Some((name.to_ascii_lowercase().parse().ok()?, begins))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        read(text, &mut |clue| {
            found.push(match clue {
                Clue::Image { id, account, region } => {
                    let of = |part: Option<String>| part.unwrap_or_else(|| "?".to_owned());
                    let (account, region) = (account.map(String::from), region.map(String::from));
                    format!("{id} {} {}", of(account), of(region))
                }
                Clue::Account(account, rank) => format!("{account} {rank:?}"),
                Clue::Region(region, rank) => format!("{region} {rank:?}"),
                Clue::Damaged(damaged) => format!("damaged {}", damaged.text),
                Clue::Broken(id) => format!("broken {id}"),
                Clue::Other => "other".to_owned(),
            });
        });
        found
    }

    #[test]
    fn images_are_found_wherever_they_stand_and_nothing_else_is_taken_for_one() {
        for (text, expected) in [
            ("ami-0123456789abcdef0", vec!["ami-0123456789abcdef0 ? ?"]),
            (" 'ami-01234567' ", vec!["ami-01234567 ? ?"]),
            ("AMI-0123456789ABCDEF0", vec!["ami-0123456789abcdef0 ? ?"]),
            (
                "ami-01234567,ami-89abcdef",
                vec!["ami-01234567 ? ?", "ami-89abcdef ? ?"],
            ),
            (
                "=HYPERLINK(\"https://x/ami-0123456789abcdef0\")",
                vec!["ami-0123456789abcdef0 ? ?"],
            ),
            ("check_ami-0123456789abcdef0_1", vec!["ami-0123456789abcdef0 ? ?"]),
            ("x-ami-0123456789abcdef0", vec!["ami-0123456789abcdef0 ? ?"]),
            ("golden-ami-20240101", vec![]),
            ("ami-20240101-web", vec![]),
            ("xami-01234567", vec![]),
            ("ami-encryption", vec![]),
            ("ami-v2", vec![]),
            ("ami-", vec![]),
            ("-", vec![]),
            ("ami-0123", vec!["broken ami-0123"]),
            ("ami-0123456789abcdef", vec!["broken ami-0123456789abcdef"]),
            ("ami-0123456789abcdeg0", vec!["broken ami-0123456789abcdeg0"]),
            ("ami-01234567…", vec!["broken ami-01234567"]),
            ("ami-01234567...", vec!["broken ami-01234567"]),
            ("Größe ami-01234567é", vec!["ami-01234567 ? ?"]),
        ] {
            assert_eq!(all(text), expected, "{text}");
        }
    }

    #[test]
    fn an_arn_says_what_it_is_of() {
        let image = "arn:aws:ec2:eu-west-1:111122223333:image/ami-01234567";
        let found = all(image);
        assert!(
            found.contains(&"ami-01234567 111122223333 eu-west-1".to_owned()),
            "{found:?}"
        );
        let found = all("see arn:aws-cn:ec2:cn-north-1::image/ami-01234567.");
        assert!(found.contains(&"ami-01234567 ? cn-north-1".to_owned()), "{found:?}");
        let found = all("(arn:aws:ec2:eu-west-1:111122223333:instance/i-01234567)");
        assert_eq!(found[..3], ["other", "eu-west-1 Arn", "111122223333 Arn"], "{found:?}");
    }

    #[test]
    fn regions_are_known_from_names_that_look_alike() {
        for (text, expected) in [
            ("eu-west-1", vec!["eu-west-1 Cell"]),
            ("EU-WEST-1", vec!["eu-west-1 Cell"]),
            ("\"eu-west-1b\"", vec!["eu-west-1 Cell"]),
            ("us-gov-west-1", vec!["us-gov-west-1 Cell"]),
            ("us-isob-east-1", vec!["us-isob-east-1 Cell"]),
            ("eusc-de-east-1", vec!["eusc-de-east-1 Cell"]),
            ("ap-northeast-3", vec!["ap-northeast-3 Cell"]),
            ("us-west-2-lax-1a", vec!["us-west-2 Text"]),
            ("Europa (eu-central-1)", vec!["eu-central-1 Text"]),
            ("ec2.eu-west-1.amazonaws.com", vec!["eu-west-1 Text"]),
            ("db-west-1", vec![]),
            ("eu-west", vec![]),
            ("eu-west-1ab", vec![]),
            ("cis-aws-1", vec![]),
        ] {
            assert_eq!(all(text), expected, "{text}");
        }
    }

    #[test]
    fn accounts_are_found_alone_and_in_texts() {
        for (text, expected) in [
            ("111122223333", vec!["111122223333 Cell"]),
            ("=\"011122223333\"", vec!["011122223333 Cell"]),
            ("1111-2222-3333", vec!["111122223333 Cell"]),
            ("prod (111122223333)", vec!["111122223333 Text"]),
            ("x-111122223333-eu-west-1", vec!["111122223333 Text", "eu-west-1 Text"]),
            ("1111222233334", vec![]),
            ("a111122223333", vec![]),
            ("11122223333", vec!["damaged 11122223333"]),
            ("1,11122E+11", vec!["damaged 1,11122E+11"]),
            ("vol-01234567", vec!["other"]),
            ("web-1", vec![]),
        ] {
            assert_eq!(all(text), expected, "{text}");
        }
    }
}
