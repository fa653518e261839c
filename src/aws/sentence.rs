//! AWS's own sentences, made fit for a status: on one line, short, and the same every time.

/// The longest that is kept, in characters.
const LONGEST: usize = 200;
/// What begins a part that differs from one call to the next.
const DIFFERS: [&str; 5] = [
    "Encoded authorization failure message",
    "Request ID",
    "RequestID",
    "RequestId",
    "request id",
];

/// AWS's sentence without IDs, ARNs, times and request IDs; none where nothing is left that says anything.
///
/// What is taken out is shown by an ellipsis. A message that changes from one try to the next makes a status that never
/// rests, and a status is no place for what AWS, or whoever answers in its name, may put into a sentence.
pub(super) fn stable(message: &str) -> Option<Box<str>> {
    let end = DIFFERS
        .iter()
        .filter_map(|part| message.find(part))
        .min()
        .unwrap_or(message.len());
    let words: Vec<String> = message[..end]
        .split(|sign: char| sign.is_whitespace() || sign.is_control())
        .filter(|word| !word.is_empty())
        .map(word)
        .collect();
    let sentence = words.join(" ");
    let sentence = sentence.trim_matches(|sign: char| sign.is_whitespace() || ".,:;(".contains(sign));
    if !sentence.chars().any(char::is_alphabetic) {
        return None;
    }
    if sentence.chars().count() <= LONGEST {
        return Some(sentence.into());
    }
    let cut: String = sentence.chars().take(LONGEST - 1).collect();
    Some(format!("{}…", cut.trim_end()).into())
}

/// A word with its signs around it, without what identifies one thing or one moment.
fn word(word: &str) -> String {
    let of_name = |sign: char| sign.is_alphanumeric() || "-_:/+=.%@".contains(sign);
    let mut kept = String::new();
    let mut rest = word;
    while let Some(begin) = rest.find(of_name) {
        let length = rest[begin..].find(|sign| !of_name(sign)).unwrap_or(rest.len() - begin);
        let name = &rest[begin..begin + length];
        let bare = name.trim_end_matches(['.', ':']);
        kept.push_str(&rest[..begin]);
        kept.push_str(if identifies(bare) { "…" } else { bare });
        kept.push_str(&name[bare.len()..]);
        rest = &rest[begin + length..];
    }
    kept.push_str(rest);
    kept
}

/// Whether a name is that of one thing or one moment: an ID, an ARN, a time, an account.
fn identifies(name: &str) -> bool {
    let digits = name.chars().any(|sign| sign.is_ascii_digit());
    let size = name.chars().filter(|sign| sign.is_alphanumeric()).count();
    let of_resource = ["ami-", "snap-", "vol-", "i-", "key-"]
        .iter()
        .any(|prefix| name.starts_with(prefix));
    name.starts_with("arn:") || of_resource || size > 40 || digits && (size >= 8 || name.contains(':'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_says_why_stays_and_what_differs_from_one_try_to_the_next_goes() {
        let table = [
            (
                "Character sets beyond ASCII are not supported.",
                Some("Character sets beyond ASCII are not supported"),
            ),
            (
                "The image 'ami-0123456789abcdef0' is used by snap-0123456789abcdef0, since 2026-11-28T17:00:00Z.",
                Some("The image '…' is used by …, since …"),
            ),
            (
                "Value (arn:aws:kms:eu-west-1:111122223333:key/1) for parameter KmsKeyId is invalid",
                Some("Value (…) for parameter KmsKeyId is invalid"),
            ),
            (
                "The limit is 20 for this region (v2.0).\nRequest ID: 5a3c",
                Some("The limit is 20 for this region (v2.0)"),
            ),
            ("Account 111122223333 at 17:00:01: no", Some("Account … at …: no")),
            (
                "You are not authorized. Encoded authorization failure message: a-b",
                Some("You are not authorized"),
            ),
            ("…", None),
            ("4711", None),
            ("", None),
        ];
        for (message, expected) in table {
            assert_eq!(stable(message).as_deref(), expected, "{message}");
        }
        let long = "word ".repeat(100);
        let kept = stable(&long).expect("a sentence");
        assert!(kept.chars().count() <= LONGEST && kept.ends_with("word…"), "{kept}");
    }

    proptest! {
        #[test]
        fn the_same_refusal_reads_the_same_whatever_ids_and_times_it_carries(
            one in "[0-9a-f]{7}[0-9]", other in "[0-9a-f]{7}[0-9]", hour in 10..24u8,
        ) {
            let message = |id: &str, hour| format!("The image ami-{id} failed at {hour}:00:00, task {id}. RequestId: {id}");
            prop_assert_eq!(stable(&message(&one, hour)), stable(&message(&other, 10)));
        }

        #[test]
        fn whatever_aws_says_is_short_and_on_one_line(message in any::<String>()) {
            if let Some(kept) = stable(&message) {
                prop_assert!(kept.chars().count() <= LONGEST);
                prop_assert!(!kept.chars().any(char::is_control), "{:?}", kept);
            }
        }
    }
}
