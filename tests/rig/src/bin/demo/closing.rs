//! The last screen: what was migrated, what was not and why, what an alert would read, what AWS was asked, the verdict.

use std::collections::BTreeMap;

use anyhow::Result;
use ec2sim::model::{Image, Storage, World};
use rig::{Object, Objects, Sample, Screen, aligned, read_metrics};

use crate::expected;
use crate::kubectl::kubectl;
use crate::stage::{Stage, read_demo_file};
use crate::usage;

/// Prints all of it; says whether all is well.
pub(crate) async fn show(screen: &Screen, stage: &Stage, unsettled: Option<String>) -> Result<bool> {
    match &unsettled {
        None => screen.step("Settled: every status says that nothing is left to do"),
        Some(what) => screen.step(&format!("Not settled in time: {what}")),
    }
    for kinds in ["aep,aet", "amim"] {
        screen.heading(&format!("kubectl get {kinds}"));
        screen.block(&kubectl(&stage.control_plane, &["get", kinds]).await?);
    }

    let objects = Objects::read(&stage.control_plane).await?;
    let world = stage.aws.sim().world();
    migrated(screen, &objects, &world);
    not_migrated(screen, &objects, &world);
    held_up(screen, &objects);
    left_alone(screen, &objects);
    usage::show(screen, &objects, &world);
    let samples = read_metrics(&stage.listens).await?;
    alerts(screen, &samples);
    calls(screen, &samples);
    log(screen, stage);

    let report = stage.aws.sim().audit();
    screen.heading("ec2sim audit: the simulator judges, knowing nothing of amiseal");
    let text = report.to_string();
    let details = text.trim_end().strip_suffix(&report.verdict()).unwrap_or(&text);
    screen.block(details);
    let seconds = screen.elapsed().as_secs();
    screen.verdict(report.ok, &format!("{} ({seconds} s)", report.verdict()));
    let reasons = expected::compare(&read_demo_file("reasons.yaml")?, &objects, &world)?;
    let as_expected = reasons.differences.is_empty();
    screen.verdict(as_expected, &said(&reasons));
    if let Some(what) = &unsettled {
        screen.verdict(false, &format!("NOT SETTLED in time: {what}"));
    }
    Ok(report.ok && as_expected && unsettled.is_none())
}

/// Whether the reasons are those of `demo/reasons.yaml`, in words.
fn said(reasons: &expected::Comparison) -> String {
    if reasons.differences.is_empty() {
        return format!(
            "OK: {} images and {} accounts and regions give the reason that demo/reasons.yaml expects, no other gives one",
            reasons.images, reasons.targets
        );
    }
    format!(
        "NOT OK, as demo/reasons.yaml has it:\n{}",
        reasons.differences.join("\n")
    )
}

fn migrated(screen: &Screen, objects: &Objects, world: &World) {
    let done: Vec<_> = objects.migrations.iter().filter(|m| is_done(m)).collect();
    let gib: u64 = done.iter().filter_map(|m| image(world, m)).map(size_gib).sum();
    let volumes: usize = done
        .iter()
        .filter_map(|m| image(world, m))
        .map(|image| image.snapshot_ids().count())
        .sum();
    screen.heading("Migrated");
    screen.block(&format!(
        "{} images of {volumes} volumes and {gib} GiB have an encrypted, verified copy.",
        done.len()
    ));
    let duplicate: u64 = objects.targets.iter().map(|t| t.number("/status/duplicateGiB")).sum();
    screen.block(&format!(
        "Until the originals go, {duplicate} GiB of snapshots are kept twice, say the targets."
    ));
}

fn is_done(migration: &Object) -> bool {
    migration.text("/status/state") == "Completed"
}

/// The original of a migration, as AWS has it.
fn image<'a>(world: &'a World, migration: &Object) -> Option<&'a Image> {
    world.image(migration.text("/spec/region"), migration.text("/spec/sourceImageID"))
}

/// The sizes of the volumes that hold data.
fn size_gib(image: &Image) -> u64 {
    let volumes = image.mappings.iter().filter_map(|mapping| match &mapping.storage {
        Storage::Ebs(ebs) if ebs.snapshot.is_some() => Some(u64::from(ebs.gib)),
        Storage::Ebs(_) | Storage::Ephemeral(_) => None,
    });
    volumes.sum()
}

fn not_migrated(screen: &Screen, objects: &Objects, world: &World) {
    let left: Vec<_> = objects.migrations.iter().filter(|m| !is_done(m)).collect();
    screen.heading(&format!("Not migrated: {} images", left.len()));
    let rows: Vec<_> = left
        .iter()
        .map(|migration| {
            // Stalled says what a person must do; a migration that is still at work says where it is in Ready.
            let type_ = if migration.says("Stalled", "True") {
                "Stalled"
            } else {
                "Ready"
            };
            [
                migration.text("/spec/sourceImageID").to_owned(),
                image(world, migration).map_or_else(String::new, |image| image.name.clone()),
                migration.reason(type_).to_owned(),
                migration.message(type_).to_owned(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        screen.block(&aligned(["IMAGE", "NAME", "REASON", "MESSAGE"], &rows));
    }
}

/// The accounts and regions where somebody has to act. They hold up nothing but themselves.
fn held_up(screen: &Screen, objects: &Objects) {
    let targets = objects.targets.iter().filter(|target| target.says("Stalled", "True"));
    let rows: Vec<_> = targets
        .map(|target| {
            // What could not be looked through was not counted.
            let images = match target.says("Reachable", "True") {
                true => target.number("/status/images/total").to_string(),
                false => "?".to_owned(),
            };
            [
                target.text("/spec/accountID").to_owned(),
                target.text("/spec/region").to_owned(),
                images,
                target.reason("Stalled").to_owned(),
                target.message("Stalled").to_owned(),
            ]
        })
        .collect();
    screen.heading(&format!("Held up: {} accounts and regions", rows.len()));
    if !rows.is_empty() {
        screen.block(&aligned(["ACCOUNT", "REGION", "IMAGES", "REASON", "MESSAGE"], &rows));
    }
}

fn left_alone(screen: &Screen, objects: &Objects) {
    let sum = |class: &str| -> u64 {
        let path = format!("/status/images/{class}");
        objects.policies.iter().map(|policy| policy.number(&path)).sum()
    };
    screen.heading("Left alone");
    screen.block(&format!(
        "{} images under another key (otherKey: Report) and {} that are exempt by their tags. Encrypted, copies \
         included: {}.",
        sum("otherKey"),
        sum("exempt"),
        sum("encrypted"),
    ));
}

/// The series that alerts are made of, where they have something to tell.
fn alerts(screen: &Screen, samples: &[Sample]) {
    screen.heading("What an alert would read (/metrics)");
    let read = |sample: &&Sample| match sample.name.as_str() {
        "amiseal_images" => sample.value > 0.0 && sample.labels.get("class").is_some_and(|c| c == "unencrypted"),
        "amiseal_key_usable" | "amiseal_guardrail_enforced" => sample.value < 1.0,
        "amiseal_guardrail_drifts_total" => sample.value > 0.0,
        "amiseal_migrations_stalled" | "amiseal_reconcile_errors_total" | "amiseal_leader" => true,
        _ => false,
    };
    for sample in samples.iter().filter(read) {
        screen.block(&sample.line);
    }
}

/// How often each operation of AWS was called.
fn calls(screen: &Screen, samples: &[Sample]) {
    let mut operations: BTreeMap<[String; 2], (f64, BTreeMap<String, f64>)> = BTreeMap::new();
    let label = |sample: &Sample, name| sample.labels.get(name).cloned().unwrap_or_default();
    for sample in samples.iter().filter(|s| s.name == "amiseal_aws_requests_total") {
        let operation = [label(sample, "service"), label(sample, "operation")];
        let (calls, failures) = operations.entry(operation).or_default();
        *calls += sample.value;
        let code = label(sample, "code");
        if !code.eq_ignore_ascii_case("ok") {
            *failures.entry(code).or_default() += sample.value;
        }
    }
    let total: f64 = operations.values().map(|(calls, _)| calls).sum();
    let rows: Vec<_> = operations
        .into_iter()
        .map(|([service, operation], (calls, failures))| {
            let failures: Vec<_> = failures.iter().map(|(code, count)| format!("{count} {code}")).collect();
            [service, operation, calls.to_string(), failures.join(", ")]
        })
        .collect();
    screen.heading(&format!("Calls of AWS (amiseal_aws_requests_total): {total}"));
    screen.block(&aligned(["SERVICE", "OPERATION", "CALLS", "OF THESE FAILED"], &rows));
}

/// Warnings and errors that the controller logged, each kind once.
fn log(screen: &Screen, stage: &Stage) {
    let log = stage.controller_log();
    let mut kinds: BTreeMap<String, (u32, String)> = BTreeMap::new();
    for line in log.lines() {
        let Ok(entry) = serde_json::from_str::<serde_json::Value>(line) else {
            // Whatever is no log line, as a panic, is worth seeing.
            kinds.entry(line.to_owned()).or_default().0 += 1;
            continue;
        };
        if matches!(entry["level"].as_str(), Some("WARN" | "ERROR")) {
            let text = |field: &str| entry["fields"][field].as_str().unwrap_or_default().to_owned();
            let kind = text("message");
            let (count, example) = kinds.entry(kind).or_default();
            *count += 1;
            *example = text("error");
        }
    }
    screen.heading("Warnings in the controller's log");
    if kinds.is_empty() {
        screen.block("none");
    }
    for (kind, (count, example)) in kinds {
        screen.block(format!("{count} × {kind}: {example}").trim_end_matches([':', ' ']));
    }
}
