//! Whether another account's Allowed AMIs refuse a copy.

use super::*;
use crate::domain::{AllowedImages, AllowedState, ImageCriterion, ScanFilter, WatermarkFilter};
use crate::plan::access::allowed::{Candidate, Verdict, judge};
use crate::plan::testing::{at, image};

const DAY: i64 = 24 * 3600;

fn copy() -> Candidate {
    Candidate::copy(&image(1, 1), &account(), "amiseal-web".to_owned(), at(100 * DAY))
}

fn settings(criteria: Vec<ImageCriterion>) -> AllowedImages {
    AllowedImages {
        state: AllowedState::Enabled,
        criteria,
    }
}

fn verdict(criteria: Vec<ImageCriterion>, image: &Candidate) -> Verdict {
    judge(&settings(criteria), image, &other(), at(100 * DAY))
}

fn texts(of: &[&str]) -> Vec<Box<str>> {
    of.iter().map(|text| (*text).into()).collect()
}

fn names(of: &[&str]) -> ImageCriterion {
    ImageCriterion {
        names: texts(of),
        ..ImageCriterion::default()
    }
}

fn providers(of: &[&str]) -> ImageCriterion {
    ImageCriterion {
        providers: texts(of),
        ..ImageCriterion::default()
    }
}

#[test]
fn one_criterion_that_is_met_whole_is_enough() {
    let both = ImageCriterion {
        names: texts(&["amiseal-*"]),
        ..providers(&[OTHER])
    };
    for (criteria, is_allowed) in [
        (vec![names(&["golden-*"])], false),
        (vec![names(&["golden-*", "amiseal-???"])], true),
        (vec![names(&["Amiseal-*"])], false),
        (vec![names(&["golden-*"]), names(&["*"])], true),
        (vec![providers(&["111122223333"])], true),
        (vec![providers(&["amazon", "none"])], false),
        (vec![both.clone()], false),
        (vec![both, providers(&["111122223333"])], true),
    ] {
        let verdict = verdict(criteria.clone(), &copy());
        assert_eq!(verdict == Verdict::Allowed, is_allowed, "{criteria:?} {verdict:?}");
        assert_eq!(
            matches!(verdict, Verdict::Refused(_)),
            !is_allowed,
            "{criteria:?} {verdict:?}"
        );
    }
}

#[test]
fn an_accounts_own_images_are_never_refused_and_without_settings_none_is() {
    let strict = settings(vec![providers(&["none"])]);
    assert_eq!(judge(&strict, &copy(), &account(), at(0)), Verdict::Allowed);
    for (state, expected) in [
        (AllowedState::Disabled, "Allowed"),
        (AllowedState::AuditMode, "WouldBeRefused"),
        (AllowedState::Enabled, "Refused"),
        (AllowedState::Other("strict".into()), "Unknown"),
    ] {
        let settings = AllowedImages {
            state,
            ..strict.clone()
        };
        let verdict = format!("{:?}", judge(&settings, &copy(), &other(), at(0)));
        assert!(verdict.starts_with(expected), "{verdict}");
    }
    assert!(matches!(verdict(Vec::new(), &copy()), Verdict::Unknown(_)));
    assert!(matches!(
        verdict(vec![ImageCriterion::default()], &copy()),
        Verdict::Unknown(_)
    ));
}

#[test]
fn a_copy_is_new_keeps_watermarks_and_deprecation_and_was_not_scanned() {
    let of = |change: fn(&mut ImageCriterion)| {
        let mut criterion = ImageCriterion::default();
        change(&mut criterion);
        criterion
    };
    let scan = of(|criterion| criterion.scan = Some(ScanFilter::default()));
    let recent = of(|criterion| criterion.max_days_since_created = Some(30));
    let marked = of(|criterion| {
        criterion.watermarks = vec![WatermarkFilter {
            key: Some("111122223333:ok".into()),
            ..WatermarkFilter::default()
        }];
    });
    let like = of(|criterion| {
        criterion.watermarks = vec![WatermarkFilter {
            key: Some("111122223333:*".into()),
            ..WatermarkFilter::default()
        }];
    });
    let narrow = of(|criterion| {
        criterion.watermarks = vec![WatermarkFilter {
            region: Some("eu-west-1".into()),
            ..WatermarkFilter::default()
        }];
    });
    let product = of(|criterion| criterion.product_codes = vec!["abc".into()]);
    let mut source = image(1, 1);
    source.created = Some(at(0));
    let original = Candidate::original(&source, &account());
    let mut with_mark = copy();
    with_mark.watermarks.insert("111122223333:ok".into());
    let mut with_code = copy();
    with_code.product_codes = true;
    for (criterion, image, expected) in [
        (&scan, &copy(), "Refused"),
        (&scan, &original, "Unknown"),
        (&recent, &copy(), "Allowed"),
        (&recent, &original, "Refused"),
        (&marked, &copy(), "Refused"),
        (&marked, &with_mark, "Allowed"),
        (&like, &copy(), "Refused"),
        (&like, &with_mark, "Allowed"),
        (&narrow, &with_mark, "Unknown"),
        (&narrow, &copy(), "Refused"),
        (&product, &copy(), "Refused"),
        (&product, &with_code, "Unknown"),
    ] {
        let verdict = format!("{:?}", verdict(vec![criterion.clone()], image));
        assert!(verdict.starts_with(expected), "{criterion:?}: {verdict}");
    }
}

#[test]
fn a_deprecated_image_is_allowed_for_so_many_days() {
    for (deprecated, days, expected) in [
        (None, 0, "Allowed"),
        (Some(200), 0, "Allowed"),
        (Some(100), 0, "Refused"),
        (Some(95), 10, "Allowed"),
        (Some(80), 10, "Refused"),
    ] {
        let criterion = ImageCriterion {
            max_days_since_deprecated: Some(days),
            ..ImageCriterion::default()
        };
        let image = Candidate {
            deprecated: deprecated.map(|day: i64| at(day * DAY)),
            ..copy()
        };
        let verdict = format!("{:?}", verdict(vec![criterion], &image));
        assert!(verdict.starts_with(expected), "{deprecated:?} {days}: {verdict}");
    }
}
