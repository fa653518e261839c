//! `amiseal import`: from what a scanner has found to a policy over just these images.

mod input;
mod look;
mod options;

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

pub use options::Args;

use super::output::{read_or_not, tell};
use super::policy_file;
use crate::domain::{Region, Scope};
use crate::plan::import::{Findings, Judged, Remark, Settings, Weight, judge_unasked, read, write};
use crate::telemetry::{LogFormat, init_logs};

/// A region for what is the same in each.
const ANY_REGION: &str = "us-east-1";

/// Prints the policy, and on standard error what there is to say of single lines. The exit status is 0 when every finding is in the
/// policy or done with, 2 when somebody has to look at a line, and 1 when there is no policy for it.
pub fn run(args: &Args) -> Result<ExitCode> {
    init_logs(LogFormat::Auto, &args.log)?;
    let file = input::name(&args.file);
    if let Err(sentences) = check(&args.settings(&file)) {
        return Ok(refused(&sentences));
    }
    let decoded = match input::load(&args.file, io::stdin()) {
        Ok(decoded) => decoded,
        Err(sentence) => return Ok(refused(&[format!("{file}: {sentence}")])),
    };
    let findings = match read(&decoded.text) {
        Ok(findings) => findings,
        Err(unreadable) => {
            let place = unreadable.line.map_or(file.clone(), |line| format!("{file}:{line}"));
            return Ok(refused(&[format!("{place}: {}", unreadable.what)]));
        }
    };
    let mut remarks = findings.remarks.clone();
    if decoded.garbled {
        let text = format!("some bytes are not {}: they are shown as \u{fffd}", decoded.encoding);
        remarks.push(Remark::attention(BTreeSet::new(), text));
    }
    if findings.is_empty() {
        tell(&format!("{file}: there are no findings in it."));
        return Ok(ExitCode::SUCCESS);
    }
    if findings.subjects.is_empty() {
        say(&file, remarks);
        let sentence = "there is no image ID in it, such as ami-0123456789abcdef0: export the findings on images, with the IDs \
                        or ARNs of what they are about";
        return Ok(refused(&[format!("{file}: {sentence}")]));
    }
    let judged = if args.offline {
        judge_unasked(&findings)
    } else {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        match runtime.block_on(Box::pin(look::look(args, &findings)))? {
            Ok(judged) => judged,
            Err(sentence) => {
                say(&file, remarks);
                return Ok(refused(&[sentence]));
            }
        }
    };
    remarks.extend(judged.remarks.iter().cloned());
    if args.offline && judged.images() > 0 {
        let text = "AWS was not asked whether these images exist, whose they are, and which are encrypted already";
        remarks.push(Remark::note(BTreeSet::new(), text));
    }
    conclude(args, &file, &findings, &judged, remarks)
}

/// Prints the policy if there is anything to select, then the remarks.
fn conclude(args: &Args, file: &str, findings: &Findings, judged: &Judged, remarks: Vec<Remark>) -> Result<ExitCode> {
    let is_for_somebody = remarks.iter().any(|remark| remark.weight == Weight::Attention);
    let images = judged.images();
    let mut settings = args.settings(file);
    settings.comment = format!(
        "By amiseal import, from {file}: {} of {}",
        counted(images, "image"),
        counted(usize::try_from(findings.rows).unwrap_or(usize::MAX), "finding")
    );
    let text = if images > 0 {
        match policy(judged, &settings) {
            Ok(text) => text,
            Err(sentences) => {
                say(file, remarks);
                return Ok(refused(&sentences));
            }
        }
    } else {
        String::new()
    };
    let mut out = io::stdout().lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    read_or_not(printed).context("the policy cannot be printed")?;
    say(file, remarks);
    tell(&summary(findings, judged));
    Ok(match (images, is_for_somebody) {
        (_, false) => ExitCode::SUCCESS,
        (0, true) => ExitCode::FAILURE,
        (_, true) => ExitCode::from(2),
    })
}

/// The policy's text, which is held to what the API server would hold it to.
fn policy(judged: &Judged, settings: &Settings) -> Result<String, Vec<String>> {
    let text = write(&judged.selected, settings).map_err(|regions| {
        let keyless = regions
            .iter()
            .map(|region| format!("there is no key for {region}: add --kms-key-id {region}=KEY"));
        keyless.collect::<Vec<_>>()
    })?;
    accepted(&text).map(|()| text)
}

fn accepted(text: &str) -> Result<(), Vec<String>> {
    policy_file::policies(text).map(drop).map_err(|sentences| {
        let where_to = |sentence: &String| match sentence.split_once(": ") {
            Some((_, objection)) => format!("an option is wrong: {objection}"),
            None => sentence.clone(),
        };
        let mut sentences: Vec<String> = sentences.iter().map(where_to).collect();
        sentences.dedup();
        sentences
    })
}

/// Whether the options make a policy, before anybody is asked: each key in a region that it is of.
fn check(settings: &Settings) -> Result<(), Vec<String>> {
    let general = settings.keys.general.iter().map(|key| (region_of(key), key));
    let of_region = settings.keys.of_region.iter();
    let of_region = of_region.map(|(region, key)| (Some(region.clone()), key));
    for (region, key) in general.chain(of_region) {
        let mut settings = settings.clone();
        settings.keys.general = Some(key.clone());
        settings.keys.of_region.clear();
        let sample = region.and_then(|region| {
            let account = "111122223333".parse().ok()?;
            let image = "ami-0123456789abcdef0".parse().ok()?;
            write(&[(Scope { account, region }, [image].into())].into(), &settings).ok()
        });
        let Some(sample) = sample else {
            return Err(vec![format!(
                "an option is wrong: the key {key} names no region that there is"
            )]);
        };
        accepted(&sample)?;
    }
    Ok(())
}

/// The region that a key's ARN names; any, where it is of any.
fn region_of(key: &str) -> Option<Region> {
    let named = key.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
    named.unwrap_or(ANY_REGION).parse().ok()
}

fn refused(sentences: &[String]) -> ExitCode {
    for sentence in sentences {
        tell(&format!("Error: {sentence}"));
    }
    ExitCode::FAILURE
}

/// Says what there is to say, in the order of the lines.
fn say(file: &str, mut remarks: Vec<Remark>) {
    remarks.sort_by(|a, b| (&a.lines, a.weight, &a.text).cmp(&(&b.lines, b.weight, &b.text)));
    for remark in remarks {
        tell(&remark.in_file(file));
    }
}

fn summary(findings: &Findings, judged: &Judged) -> String {
    let (all, images) = (findings.subjects.len(), judged.images());
    let left_out = all - images - judged.encrypted - judged.gone;
    let rows = usize::try_from(findings.rows).unwrap_or(usize::MAX);
    let mut parts = vec![format!("{images} in the policy")];
    for (number, what) in [
        (judged.encrypted, "encrypted already"),
        (judged.gone, "gone"),
        (left_out, "left out"),
    ] {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    let all = counted(all, "image");
    format!("{} on {all}: {}.", counted(rows, "finding"), parts.join(", "))
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
