//! What becomes of images by what AWS says of them, and without it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Answers, Reach, Seen, Weight, judge, judge_unasked, places, read};
use super::{A, B, DB, WEB, account, place, region};
use crate::domain::{ImageId, Scope};
use crate::plan::testing::image;

/// What comes of a text when AWS answers so, and the remarks with what they weigh.
fn judged(text: &str, answers: &Answers) -> (BTreeMap<Scope, BTreeSet<ImageId>>, Vec<String>) {
    let findings = read(text).expect("findings");
    let reach = Reach {
        caller: account(A),
        regions: [region("eu-west-1")].into(),
    };
    let judged = judge(&findings, &places(&findings, &reach), answers);
    let said = judged
        .remarks
        .iter()
        .map(|remark| format!("{:?} {}", remark.weight, remark.in_file("f")));
    (judged.selected, said.collect())
}

#[test]
fn what_aws_says_decides_on_each_image() {
    let id: ImageId = WEB.parse().expect("an image");
    let named = format!("{A},eu-west-1,{WEB}\n");
    let bare = format!("{WEB}\n");
    let lost = format!("12345678901,eu-west-1,{WEB}\n");
    let seen = |at: Scope, seen| Answers {
        seen: [(id.clone(), (at, seen))].into(),
        ..Answers::default()
    };
    let others = |owner: &str| Answers {
        of_others: [(id.clone(), (place(A, "eu-west-1"), account(owner), Seen::ToSelect))].into(),
        ..Answers::default()
    };
    let failed = |at: Scope| Answers {
        failed: [(at, "no".to_owned())].into(),
        ..Answers::default()
    };
    let home = || place(A, "eu-west-1");
    for (text, answers, selected, said) in [
        (&named, seen(home(), Seen::ToSelect), Some(home()), None),
        (&bare, seen(home(), Seen::ToSelect), Some(home()), None),
        (
            &named,
            seen(home(), Seen::Backup),
            Some(home()),
            Some("Attention f:1: ami-0123456789abcdef0 was made by AWS Backup or Data Lifecycle Manager"),
        ),
        (
            &named,
            seen(home(), Seen::Encrypted),
            None,
            Some("Note f:1: ami-0123456789abcdef0 is encrypted already, in 111122223333 eu-west-1"),
        ),
        (
            &named,
            seen(home(), Seen::Gone),
            None,
            Some("Note f:1: ami-0123456789abcdef0 does not exist any more"),
        ),
        (
            &named,
            Answers::default(),
            None,
            Some("Note f:1: ami-0123456789abcdef0 does not exist any more in 111122223333 eu-west-1"),
        ),
        (
            &bare,
            Answers::default(),
            None,
            Some("Attention f:1: ami-0123456789abcdef0 was not found in 111122223333 eu-west-1: "),
        ),
        (
            &named,
            failed(home()),
            Some(home()),
            Some(
                "Attention f:1: an image could not be looked up in 111122223333 eu-west-1, in the policy unchecked: no",
            ),
        ),
        (
            &bare,
            failed(home()),
            None,
            Some("Attention f:1: an image could not be looked up in 111122223333 eu-west-1, left out"),
        ),
        (
            &named,
            others("444455556666"),
            None,
            Some(
                "Attention f:1: ami-0123456789abcdef0 belongs to the account 444455556666, which the file does not name",
            ),
        ),
        (
            &lost,
            seen(place(B, "eu-west-1"), Seen::ToSelect),
            Some(place(B, "eu-west-1")),
            Some(
                "Note f:1: the account 12345678901 has lost digits: AWS says that ami-0123456789abcdef0 is of 012345678901",
            ),
        ),
        (
            &lost,
            seen(home(), Seen::ToSelect),
            Some(home()),
            Some("Attention f:1: 12345678901 is not the account of"),
        ),
        (
            &lost,
            Answers::default(),
            None,
            Some(
                "Attention f:1: ami-0123456789abcdef0 was found in none of 2 accounts and regions, from 012345678901 eu-west-1 to 111122223333 eu-west-1, and its account is given as 12345678901",
            ),
        ),
    ] {
        let (places, remarks) = judged(text, &answers);
        let expected: Vec<Scope> = selected.into_iter().collect();
        assert_eq!(places.into_keys().collect::<Vec<_>>(), expected, "{text}{answers:?}");
        match said {
            None => assert_eq!(remarks, Vec::<String>::new()),
            Some(words) => assert!(
                remarks.len() == 1 && remarks[0].starts_with(words),
                "{remarks:?}\n{words}"
            ),
        }
    }
    // A word in a text is where to look first, and proves nothing.
    let text = format!("copy {WEB} in us-east-1 of {B}\n");
    let (places, said) = judged(&text, &Answers::default());
    assert!(places.is_empty());
    assert!(
        said.len() == 1 && said[0].contains("was found in none of 4 accounts and regions"),
        "{said:?}"
    );
    let shared = format!("{A},eu-west-1,{WEB}\n444455556666,eu-west-1,{DB}\n");
    let (places, said) = judged(&shared, &others("444455556666"));
    assert_eq!(
        places.into_keys().collect::<Vec<_>>(),
        [place("444455556666", "eu-west-1")]
    );
    let words = "Note f:1: ami-0123456789abcdef0 is said to be of 111122223333: AWS says of 444455556666";
    assert!(said.contains(&words.to_owned()), "{said:?}");
}

#[test]
fn without_aws_only_what_the_file_says_whole_is_taken() {
    for (text, selected, words) in [
        (format!("{A},eu-west-1,{WEB}\n"), 1, None),
        (
            format!("{WEB} in eu-west-1 of {A}\n"),
            1,
            Some("is said to be in 111122223333 eu-west-1 by a text"),
        ),
        (format!("eu-west-1,{WEB}\n"), 0, Some("no account is named")),
        (format!("{A},{WEB}\n"), 0, Some("no region is named")),
        (
            format!("{A},{B},eu-west-1,{WEB}\n"),
            0,
            Some("several accounts are named beside it, 012345678901 and 111122223333"),
        ),
        (
            format!("{A},eu-west-1,us-east-1,{WEB}\n"),
            0,
            Some("several regions are named"),
        ),
        (
            format!("12345678901,eu-west-1,{WEB}\n"),
            0,
            Some("its account is given as 12345678901"),
        ),
    ] {
        let judged = judge_unasked(&read(&text).expect("findings"));
        assert_eq!(judged.images(), selected, "{text}");
        let said: Vec<&str> = judged.remarks.iter().map(|remark| &*remark.text).collect();
        match words {
            None => assert_eq!(said, Vec::<&str>::new()),
            Some(words) => assert!(said.len() == 1 && said[0].contains(words), "{said:?}"),
        }
        assert!(judged.remarks.iter().all(|remark| remark.weight == Weight::Attention));
    }
}

#[test]
fn an_image_is_encrypted_when_all_that_holds_data_is_and_gone_when_it_cannot_come_back() {
    use crate::domain::{BlockDevice, ImageState};
    let encrypted = |bits: &[Option<bool>]| {
        let mut image = image(1, bits.len() as u64);
        for (device, bit) in image.devices.iter_mut().zip(bits) {
            if let BlockDevice::Ebs { volume, .. } = device {
                volume.encrypted = *bit;
            }
        }
        image
    };
    let in_state = |state| {
        let mut image = encrypted(&[Some(true)]);
        image.state = state;
        image
    };
    let mut backup = encrypted(&[Some(false)]);
    backup.backup = true;
    let mut encrypted_backup = encrypted(&[Some(true)]);
    encrypted_backup.backup = true;
    for (image, expected) in [
        (encrypted(&[Some(true), Some(true)]), Seen::Encrypted),
        (encrypted(&[Some(true), Some(false)]), Seen::ToSelect),
        (encrypted(&[Some(true), None]), Seen::ToSelect),
        (encrypted(&[]), Seen::ToSelect),
        (in_state(ImageState::Disabled), Seen::Encrypted),
        (in_state(ImageState::Failed), Seen::Gone),
        (in_state(ImageState::Deregistered), Seen::Gone),
        (backup, Seen::Backup),
        (encrypted_backup, Seen::Encrypted),
    ] {
        assert_eq!(Seen::of(&image), expected, "{image:?}");
    }
}
