use super::*;
use crate::api::AMIEncryptionPolicySpec;
use crate::plan::cost::Pace;
use crate::plan::expand;
use crate::plan::obstacle::Problem;
use crate::plan::report::sum_up;

/// A report of an account and region for each of these, that says how many images are there if they could be read.
fn report(found: &[Option<u32>]) -> Report {
    let policy: AMIEncryptionPolicySpec = serde_saphyr::from_str(
        "accounts: [{accountID: '111122223333', regions: [{name: eu-west-1, kmsKeyID: alias/ami}]}]",
    )
    .expect("a policy");
    let spec = expand::targets("production", &policy).remove(0);
    let of_target = |images: &Option<u32>| {
        let mut target = TargetReport::new(&spec);
        target.images = images.map(|total| ImageCounts {
            total,
            encrypted: total,
            ..ImageCounts::default()
        });
        if images.is_none() {
            target.problem(&Problem::new("EndpointUnreachable", "AWS cannot be reached."));
        }
        target
    };
    sum_up(found.iter().map(of_target).collect(), Pace::default(), None)
}

#[test]
fn a_total_is_of_what_could_be_read_and_where_that_is_nothing_it_is_not_0() {
    const NOTHING: &str = "Nothing could be read, so it is not known what there is to do.";
    // What was found, the row with the total, and the last sentences.
    for (found, row, says) in [
        (
            &[Some(3), Some(4)][..],
            Some("total                                     7          7        0          0    0   0 h       0"),
            "There is nothing to do.".to_owned(),
        ),
        (
            &[Some(3), None, Some(4)],
            Some("total       of 2 read                     7          7        0          0    0   0 h       0"),
            "1 of 3 targets could not be read: the numbers are of the others. 1 thing needs fixing first.".to_owned(),
        ),
        (
            &[None, None],
            Some("total                                     ?        ?          ?    ?     ?       ?"),
            format!("{NOTHING} 2 things need fixing first."),
        ),
        (&[None], None, format!("{NOTHING} 1 thing needs fixing first.")),
    ] {
        let report = report(found);
        let text = table(&report);
        assert_eq!(text.lines().find(|line| line.starts_with("total")), row, "{text}");
        assert!(text.ends_with(&format!("\n\n{says}\n")), "{text}");
        let total = markdown(&report)
            .lines()
            .any(|line| line.starts_with("| total | ") && line.contains(" 0 |"));
        let is_read = found.iter().any(Option::is_some);
        assert_eq!(total, is_read && row.is_some(), "{found:?}");
    }
}
