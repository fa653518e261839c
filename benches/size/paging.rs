//! `amiseal plan` over one large account where AWS takes a second for each page, beside what its limits leave possible.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::calls::{Bucket, Call};
use crate::figure::{Figure, rounded};
use crate::measured;
use crate::median::median;
use crate::pages::account_id;
use crate::planning::{CHANGES, policy_of};
use crate::{Args, serving};

/// Reading may take so many times what the limits alone take.
const TIME_BAR: f64 = 1.3;
/// How long a page takes, in milliseconds.
const PAGE_DELAY: u64 = 1000;
/// Of each kind of list, by default half of what AWS allows.
const SHARE: Bucket = Bucket {
    capacity: 50.0,
    refill: 10.0,
};
/// What a call's way to the server may add to the rate that it was sent at.
const ON_THE_WAY: f64 = 1.0;
/// Calls for an account of one page.
const SMALL_BAR: f64 = 2.0;
const LISTS: [&str; 2] = ["DescribeImages", "DescribeSnapshots"];

/// Measures it.
pub(crate) async fn measure(args: &Args) -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let world = |images, page_delay| serving::World {
        accounts: 1,
        images,
        page: args.page,
        delay: 0,
        page_delay,
        throttled: None,
    };
    let policy = directory.path().join("policy.yaml");
    std::fs::write(&policy, policy_of(&account_id(0)))?;
    let plan = async |server: &serving::Server| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amiseal"));
        command.arg("plan").arg("-f").arg(&policy).args(["--output", "json"]);
        measured::run(command, &server.caller(), &[CHANGES], directory.path())?;
        serving::calls(server).await
    };
    let large = serving::start(directory.path(), &world(args.images, PAGE_DELAY)).await?;
    let mut runs = Vec::new();
    for _ in 0..args.runs {
        runs.push(plan(&large).await?);
    }
    drop(large);
    let small = serving::start(directory.path(), &world(args.page / 2, 0)).await?;
    let of_small = plan(&small).await?;

    let pages = [args.images, args.images / 5 * 6].map(|things| f64::from(things.div_ceil(args.page)));
    let answer = Duration::from_millis(PAGE_DELAY).as_secs_f64();
    let least = pages.into_iter().map(|pages| SHARE.seconds(pages)).fold(0.0, f64::max) + answer;
    let seconds = |calls: &Vec<Call>| calls.iter().map(|call| call.answered).fold(0.0, f64::max);
    let of = |calls: &[Call], list: &str| -> Vec<f64> {
        let of_list = calls.iter().filter(|call| call.list == list);
        of_list.map(|call| call.asked).collect()
    };
    let overdrawn = |calls: &Vec<Call>| {
        LISTS
            .map(|list| SHARE.overdrawn(of(calls, list)))
            .into_iter()
            .fold(0.0, f64::max)
    };
    let most = runs.iter().map(overdrawn).fold(0.0, f64::max);
    ensure!(
        most <= ON_THE_WAY,
        "the share of the limits was overdrawn by {most} calls"
    );
    let first = runs.first().context("nothing was run")?;
    let each: Value = runs.iter().map(|run| rounded(seconds(run))).collect();
    Ok(vec![
        Figure {
            name: "reading a large account over what the limits allow, a second a page",
            value: median(runs.iter().map(seconds)) / least,
            bar: TIME_BAR,
            parts: json!({
                "secondsOfEach": each,
                "leastSeconds": rounded(least),
                "least": "for the longer list: (its full pages - 50) / 10 a second, and one answer",
                "pages": pages,
                "calls": LISTS.map(|list| of(first, list).len()),
                "overdrawnAtMost": rounded(most),
                "runs": args.runs,
            }),
        },
        Figure {
            name: "calls to list an account of one page",
            value: f64::from(u32::try_from(of_small.len())?),
            bar: SMALL_BAR,
            parts: json!({"images": args.page / 2}),
        },
    ])
}
