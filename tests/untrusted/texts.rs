//! Identifiers, names, tags and messages of every script.

use std::collections::BTreeSet;
use std::time::Instant;

use amiseal::api::conditions::{self, Status};
use amiseal::api::{Backups, ImageSelector, ImageTerm, LaunchPermissions, PromotionSettings, TagPublication, labels};
use amiseal::domain::{AccountId, Image, ImageId, ImageState, KeyArn, Region, SnapshotId, Tags};
use amiseal::plan::promote::{Publication, publications};
use amiseal::plan::select::{Selection, Selector};
use jiff::Timestamp;
use proptest::prelude::*;

/// Texts near those of AWS, and any others.
fn near() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "(ami|snap|AMI)?-?[0-9a-fA-F]{7,18}",
        "[0-9\u{661}\u{FF11}]{11,13}",
        "[a-z]{0,5}(-[a-zA-Z]{0,5}){0,5}-[0-9]{0,3}",
        "arn:aws(-[a-z-]{0,6})?:kms:[a-z]{2}-[a-z]{1,5}-[0-9]:[0-9]{12}:(key|alias)/[0-9a-zA-Z_/-]{0,40}",
    ]
}

/// A name that Kubernetes takes, for an object and for a label's value.
fn is_a_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    text.len() <= 63 && text.bytes().all(inner) && edge(text.bytes().next()) && edge(text.bytes().last())
}

fn image(name: &str, tags: &[(String, String)]) -> Image {
    Image {
        id: "ami-0123456789abcdef0".parse().expect("an ID"),
        name: name.into(),
        description: None,
        owner: "111122223333".parse().ok(),
        state: ImageState::Available,
        created: None,
        deprecation_time: None,
        last_launched: None,
        public: false,
        backup: false,
        product_codes: false,
        ebs_root: true,
        root_device: None,
        attributes: Default::default(),
        devices: Vec::new(),
        copied_from: None,
        extras: None,
        tags: Tags::of(tags),
    }
}

proptest! {
    #[test]
    fn an_identifier_is_the_very_text_that_it_was_read_from_and_fits_into_names(text in near()) {
        if let Ok(id) = text.parse::<AccountId>() {
            prop_assert_eq!(id.as_str(), &text);
            prop_assert!(is_a_name(&text));
        }
        if let Ok(id) = text.parse::<ImageId>() {
            prop_assert_eq!(id.as_str(), &text);
            prop_assert!(is_a_name(&labels::migration_name(&text, "eu-west-1")));
        }
        if let Ok(id) = text.parse::<SnapshotId>() {
            prop_assert_eq!(id.as_str(), &text);
        }
        if let Ok(region) = text.parse::<Region>() {
            prop_assert_eq!(region.as_str(), &text);
            prop_assert!(is_a_name(&text));
        }
        if let Ok(arn) = text.parse::<KeyArn>() {
            prop_assert_eq!(arn.as_str(), &text);
            let rebuilt = format!("arn:{}:kms:{}:{}:key/", arn.region().partition(), arn.region(), arn.account());
            prop_assert!(text.starts_with(&rebuilt) && text.is_ascii() && text.len() <= 256);
        }
    }

    #[test]
    fn whatever_is_refused_is_quoted_in_short_and_on_one_line(text in any::<String>()) {
        let malformed = text.parse::<KeyArn>().map(|_| String::new()).map_err(|error| error.to_string());
        if let Err(sentence) = malformed {
            prop_assert!(!sentence.contains('\n') && sentence.chars().count() < 1200, "{sentence}");
        }
    }

    #[test]
    fn a_condition_has_a_message_that_the_api_server_takes(message in "(\\PC|.){0,3000}") {
        let mut all = Vec::new();
        conditions::set_condition(&mut all, "Ready", Status::False, "Reason", &message, Some(1), Timestamp::UNIX_EPOCH);
        prop_assert!(all[0].message.chars().count() <= 2048);
        serde_json::to_string(&all).expect("JSON");
    }

    #[test]
    fn published_tags_are_never_awss_nor_ours_nor_more_than_fifty(
        of_source in prop::collection::vec(("(aws:|amiseal.dev/)?(\\PC){1,20}", "\\PC{0,20}"), 0..60),
        of_copy in prop::collection::vec(("(amiseal.dev/)?[a-z]{1,3}", "\\PC{0,3}"), 0..60),
    ) {
        let (source, copy) = (image("source", &of_source), image("copy", &of_copy));
        let settings = PromotionSettings { launch_permissions: LaunchPermissions::Drop, tags: TagPublication::Publish, ..PromotionSettings::default() };
        let list = publications(&source, &copy, &BTreeSet::new(), &settings, Timestamp::UNIX_EPOCH);
        for publication in list.unwrap_or_default() {
            if let Publication::Tags(tags) = publication {
                let all: BTreeSet<&str> = tags.keys().chain(copy.tags.keys()).collect();
                prop_assert!(all.len() <= 50);
                for (key, value) in tags.iter() {
                    prop_assert!(!key.starts_with("aws:") && !key.starts_with("amiseal.dev/"), "{key}");
                    prop_assert_eq!(source.tags.get(key), Some(value));
                }
            }
        }
    }

    #[test]
    fn a_name_of_any_script_is_matched_by_itself_and_by_a_star(name in "[^*?\\\\]{1,128}") {
        for pattern in [name.clone(), "*".to_owned(), format!("{name}*"), format!("*{name}")] {
            let selector = ImageSelector {
                include: vec![ImageTerm { names: vec![pattern.clone()], ..ImageTerm::default() }],
                ..ImageSelector::default()
            };
            let selection = Selector::new(&selector, Backups::Exclude).select(&image(&name, &[]));
            prop_assert_eq!(selection, Selection::Selected, "{}", pattern);
        }
    }
}

#[test]
fn a_glob_made_to_take_forever_does_not() {
    let began = Instant::now();
    let name = "a".repeat(128);
    let pattern = format!("{}b", "*a".repeat(63));
    let selector = ImageSelector {
        include: vec![ImageTerm {
            names: vec![pattern; 50],
            ..ImageTerm::default()
        }],
        ..ImageSelector::default()
    };
    assert_eq!(
        Selector::new(&selector, Backups::Exclude).select(&image(&name, &[])),
        Selection::Unselected
    );
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}
