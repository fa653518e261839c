//! The plan for people: as a table on a terminal, or as Markdown.

use std::fmt::{self, Write as _};

use super::launching;
use crate::api::{ImageClass, ImageCounts, Mode};
use crate::cli::text::{self, printable};
use crate::plan::cost::gib;
use crate::plan::permissions;
use crate::plan::prices::Prices;
use crate::plan::report::{Group, Outcome, Report, TargetReport, Totals, UsedCounts, hours};
use crate::plan::usage::form;

/// The title of a class's column.
fn title(class: ImageClass) -> &'static str {
    match class {
        ImageClass::Encrypted => "ENCRYPTED",
        ImageClass::Unencrypted => "UNENCRYPTED",
        ImageClass::Superseded => "SUPERSEDED",
        ImageClass::OtherKey => "OTHER KEY",
        ImageClass::Unencryptable => "UNENCRYPTABLE",
        ImageClass::Backup => "BACKUPS",
        ImageClass::Exempt => "EXEMPT",
        ImageClass::Contested => "CONTESTED",
        ImageClass::Unknown => "UNKNOWN",
    }
}

/// How many consumers of one image are named.
const USERS: usize = 5;

/// How many columns hold text, and are set to the left.
const TEXTS: usize = 3;

/// The plan as a table, and what has to be said beside it.
pub(super) fn table(report: &Report) -> String {
    let mut text = String::new();
    let grid = grid(report);
    let width = |column: usize| grid.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..grid[0].len()).map(width).collect();
    for row in &grid {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column < TEXTS {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    // Writing to a string does not fail.
    let _ = sections(report, &mut text, &Plain);
    text
}

/// The plan as Markdown.
pub(super) fn markdown(report: &Report) -> String {
    let mut text = String::new();
    let grid = grid(report);
    for (number, row) in grid.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| text::markdown(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if number == 0 {
            let rule = (0..row.len()).map(|column| if column < TEXTS { "---" } else { "---:" });
            let _ = writeln!(text, "| {} |", rule.collect::<Vec<_>>().join(" | "));
        }
    }
    let _ = sections(report, &mut text, &Marked);
    text
}

/// Titles, a row for each target, and the sums where there are several: of what could be read. Classes that nothing is in are left out.
fn grid(report: &Report) -> Vec<Vec<String>> {
    let totals = &report.totals;
    let classes = ImageClass::ALL.into_iter().filter(|class| totals.images.of(*class) > 0);
    let classes: Vec<ImageClass> = classes.collect();
    let titles = |after: &[&str]| after.iter().map(|title| (*title).to_owned()).collect::<Vec<_>>();
    let mut head = titles(&["POLICY", "ACCOUNT", "REGION", "IMAGES"]);
    head.extend(classes.iter().map(|class| title(*class).to_owned()));
    head.extend(titles(&["TO COPY", "SNAPSHOTS", "GIB", "TIME", "CANNOT"]));
    let row = |texts: [&str; TEXTS], images: Option<ImageCounts>, numbers: [String; 5]| {
        let mut row = titles(&texts);
        let shown = |number: Option<u32>| number.map_or("?".to_owned(), |number| number.to_string());
        row.push(shown(images.map(|images| images.total)));
        row.extend(
            classes
                .iter()
                .map(|class| shown(images.map(|images| images.of(*class)))),
        );
        row.extend(numbers.map(|number| if images.is_some() { number } else { "?".to_owned() }));
        row
    };
    let mut grid = vec![head];
    for target in &report.targets {
        let copy = &target.to_copy;
        let numbers = [
            copy.images.to_string(),
            copy.snapshots.to_string(),
            size(copy.bytes),
            hours(copy.seconds),
            target.blocked().to_string(),
        ];
        grid.push(row(
            [&target.policy, &target.account_id, &target.region],
            target.images,
            numbers,
        ));
    }
    if report.targets.len() > 1 {
        let numbers = [
            totals.to_copy.to_string(),
            totals.snapshots.to_string(),
            size(totals.bytes),
            hours(totals.seconds),
            totals.cannot_migrate.to_string(),
        ];
        let read = totals.targets - totals.unreachable;
        // A sum over nothing would look as if there was nothing to do.
        let images = (read > 0).then_some(totals.images);
        let of = match (read, totals.unreachable) {
            (0, _) | (_, 0) => String::new(),
            (read, _) => format!("of {read} read"),
        };
        grid.push(row(["total", &of, ""], images, numbers));
    }
    grid
}

fn size(bytes: u64) -> String {
    format!("{}", gib(bytes))
}

/// How what is beside the table is set.
pub(super) trait Style {
    fn title(&self, text: &str) -> String;
    fn item(&self, text: &str) -> String;
    fn image(&self, id: &str, name: &str) -> String;
    fn text(&self, text: &str) -> String;
}

struct Plain;

impl Style for Plain {
    fn title(&self, text: &str) -> String {
        format!("\n{text}:\n")
    }

    fn item(&self, text: &str) -> String {
        format!("  {text}\n")
    }

    fn image(&self, id: &str, name: &str) -> String {
        format!("    {id}  {name}\n")
    }

    fn text(&self, text: &str) -> String {
        format!("\n{text}\n")
    }
}

struct Marked;

impl Style for Marked {
    fn title(&self, text: &str) -> String {
        format!("\n**{text}**\n\n")
    }

    fn item(&self, text: &str) -> String {
        format!("- {}\n", text::markdown(text))
    }

    fn image(&self, id: &str, name: &str) -> String {
        format!("  - {} {}\n", text::markdown(id), text::markdown(name))
    }

    fn text(&self, text: &str) -> String {
        format!("\n{}\n", text::markdown(text))
    }
}

fn sections(report: &Report, text: &mut String, style: &dyn Style) -> fmt::Result {
    let problems = |target: &TargetReport| -> Vec<String> {
        let problems = target.problems.iter();
        problems
            .map(|problem| format!("{}: {}", problem.reason, problem.message))
            .collect()
    };
    if report.totals.problems > 0 {
        text.write_str(&style.title("Fix first"))?;
        for target in &report.targets {
            for problem in problems(target) {
                text.write_str(&style.item(&format!("{} {problem}", place(target))))?;
            }
        }
    }
    unconfirmed(report, text, style)?;
    groups(report, text, style, "Cannot be migrated", |target| {
        &target.cannot_migrate
    })?;
    groups(report, text, style, "May be refused by AWS", |target| {
        &target.may_be_refused
    })?;
    groups(report, text, style, "Cannot be judged", |target| &target.unknown)?;
    groups(report, text, style, "Backups that are left alone", |target| {
        &target.backups
    })?;
    contested(report, text, style)?;
    used(report, text, style)?;
    launching::sections(report, text, style)?;
    text.write_str(&style.text(&conclusion(report)))
}

/// Which permissions are known only once there is a copy.
fn unconfirmed(report: &Report, text: &mut String, style: &dyn Style) -> fmt::Result {
    let said: Vec<String> = report
        .targets
        .iter()
        .filter_map(|target| {
            let message = permissions::unconfirmed(&target.unconfirmed_permissions)?;
            Some(style.item(&format!("{} {message}", place(target))))
        })
        .collect();
    if !said.is_empty() {
        text.write_str(&style.title("Known once there is a copy"))?;
    }
    said.iter().try_for_each(|item| text.write_str(item))
}

/// Which policies govern what others select too.
fn contested(report: &Report, text: &mut String, style: &dyn Style) -> fmt::Result {
    let contested = || report.targets.iter().filter(|target| !target.contested_by.is_empty());
    if contested().next().is_none() {
        return Ok(());
    }
    text.write_str(&style.title("Governed by another policy"))?;
    for target in contested() {
        let images = target.images.map_or(0, |images| images.contested);
        let by = target.contested_by.join(", ");
        let item = format!(
            "{} {} of {}: {by}",
            place(target),
            counted(images, "image"),
            target.policy
        );
        text.write_str(&style.item(&item))?;
    }
    Ok(())
}

/// Who uses the images that would be copied, and what could not be read of that.
fn used(report: &Report, text: &mut String, style: &dyn Style) -> fmt::Result {
    let of_each = || {
        report
            .targets
            .iter()
            .filter_map(|target| Some((target, target.used.as_ref()?)))
    };
    if of_each().any(|(_, used)| used.counts.images > 0) {
        text.write_str(&style.title("In use, of what would be copied"))?;
        for (target, used) in of_each().filter(|(_, used)| used.counts.images > 0) {
            let copied = counted(target.to_copy.images, "image");
            text.write_str(&style.item(&format!("{} {} of {copied}", place(target), used.counts.images)))?;
            for image in &used.list {
                let users: Vec<String> = image.consumers.iter().take(USERS).map(form::line).collect();
                let more = image.consumers.len().saturating_sub(USERS);
                let more = if more > 0 {
                    format!(", and {more} more")
                } else {
                    String::new()
                };
                let name = printable(&image.image.name);
                let by = format!("{name}: {}{more}", printable(&users.join(", ")));
                text.write_str(&style.image(image.image.id.as_str(), &by))?;
            }
        }
    }
    if of_each().any(|(_, used)| used.counts.unused > 0) {
        text.write_str(&style.title("Used by nobody, of what would be copied"))?;
        for (target, used) in of_each().filter(|(_, used)| used.counts.unused > 0) {
            let copied = counted(target.to_copy.images, "image");
            text.write_str(&style.item(&format!("{} {} of {copied}", place(target), used.counts.unused)))?;
            for image in &used.unused_list {
                text.write_str(&style.image(image.id.as_str(), &printable(&image.name)))?;
            }
            let named = u32::try_from(used.unused_list.len()).unwrap_or(u32::MAX);
            let more = used.counts.unused.saturating_sub(named);
            if more > 0 {
                text.write_str(&style.image(&format!("and {more} more"), "(--output json names all)"))?;
            }
        }
    }
    if of_each().any(|(_, used)| !used.unknown.is_empty()) {
        text.write_str(&style.title("Not read, so that more may use them"))?;
        for (target, used) in of_each() {
            for unknown in &used.unknown {
                let which = unknown.id.as_deref().map(|id| format!(" {id}")).unwrap_or_default();
                let item = format!("{} {}{which}: {}", place(target), unknown.kind, unknown.message);
                text.write_str(&style.item(&printable(&item)))?;
            }
        }
    }
    Ok(())
}

fn groups(
    report: &Report,
    text: &mut String,
    style: &dyn Style,
    title: &str,
    of: impl Fn(&TargetReport) -> &[Group],
) -> fmt::Result {
    if report.targets.iter().all(|target| of(target).is_empty()) {
        return Ok(());
    }
    text.write_str(&style.title(title))?;
    for target in &report.targets {
        for group in of(target) {
            text.write_str(&style.item(&format!("{} {}: {}", place(target), group.reason, group.message)))?;
            for image in &group.images {
                text.write_str(&style.image(image.id.as_str(), &printable(&image.name)))?;
            }
            let more = usize::try_from(group.count)
                .unwrap_or(usize::MAX)
                .saturating_sub(group.images.len());
            if more > 0 {
                text.write_str(&style.image(&format!("and {more} more"), "(--output json names all)"))?;
            }
        }
    }
    Ok(())
}

pub(super) fn place(target: &TargetReport) -> String {
    format!("{} {}", target.account_id, target.region)
}

/// What the plan comes to, in a few sentences.
fn conclusion(report: &Report) -> String {
    let totals = &report.totals;
    let mut sentences = Vec::new();
    sentences.extend(unread(totals));
    if totals.to_copy > 0 {
        let assumed = &report.assumptions;
        sentences.push(format!(
            "Enforce would copy {} of {} with {} GiB, in about {} if AWS copies each snapshot at {} MiB/s.",
            counted(totals.to_copy, "image"),
            counted(totals.snapshots, "snapshot"),
            gib(totals.bytes),
            hours(totals.seconds),
            assumed.mib_per_second,
        ));
        let cost = totals.monthly_cost.zip(assumed.prices.as_ref());
        let cost = cost.map_or(String::new(), |(cost, prices)| {
            format!(", for {} a month", prices.say(cost))
        });
        sentences.push(format!(
            "Until the originals are deregistered, {} GiB are then kept twice{cost}.",
            gib(totals.stored_twice_after)
        ));
    }
    let prices = report.assumptions.prices.as_ref();
    sentences.extend(totals.used.iter().flat_map(|used| unused(used, prices)));
    if totals.under_way > 0 {
        sentences.push(format!(
            "{} on the way.",
            are(totals.under_way, "copy is", "copies are")
        ));
    }
    if totals.cannot_migrate > 0 {
        sentences.push(format!(
            "{} be migrated until you act.",
            are(totals.cannot_migrate, "image cannot", "images cannot")
        ));
    }
    if totals.problems > 0 {
        sentences.push(format!(
            "{} fixing first.",
            are(totals.problems, "thing needs", "things need")
        ));
    }
    if report.outcome == Outcome::NothingToDo {
        sentences.push("There is nothing to do.".to_owned());
    }
    let quiet = |target: &TargetReport| target.to_copy.images > 0 && (target.suspend || target.mode == Mode::Audit);
    if report.targets.iter().any(quiet) {
        sentences.push("A policy that is suspended or in mode Audit does none of this.".to_owned());
    }
    sentences.join(" ")
}

/// What could not be read, so that the plan is not of it.
fn unread(totals: &Totals) -> Option<String> {
    let Totals {
        targets, unreachable, ..
    } = *totals;
    match (unreachable, targets - unreachable) {
        (0, _) => None,
        (_, 0) => Some("Nothing could be read, so it is not known what there is to do.".to_owned()),
        _ => Some(format!(
            "{unreachable} of {} could not be read: the numbers are of the others.",
            counted(targets, "target")
        )),
    }
}

/// How many of the images that would be copied nobody uses, and of how many that is not known.
fn unused(used: &UsedCounts, prices: Option<&Prices>) -> Vec<String> {
    let mut sentences = Vec::new();
    if used.unused > 0 {
        let cost = used.unused_monthly_cost.zip(prices);
        let cost = cost.map_or(String::new(), |(cost, prices)| {
            format!(", whose copies cost {} a month", prices.say(cost))
        });
        sentences.push(format!(
            "Nobody uses {} of these, with {} GiB{cost}: see whether you need copies of them.",
            used.unused,
            gib(used.unused_bytes)
        ));
    }
    if used.unsure > 0 {
        sentences.push(format!(
            "Of {} of these it is not known whether anybody uses them: treat them as used.",
            used.unsure
        ));
    }
    sentences
}

fn counted(number: u32, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn are(number: u32, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
