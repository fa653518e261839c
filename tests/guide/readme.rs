//! The README shows what comes of the demo's policy in the demo's world: it is played again here, and compared.

use std::collections::BTreeSet;
use std::time::Duration;

use ec2sim::{Edit, Report, Server, WorldSpec};
use regex::{Captures, Regex};
use rig::{ControlPlane, Options, poll_until};
use serde_json::Value;

use crate::shell::Shell;
use crate::shown::is_as_shown;
use crate::stage::{aws, start_controller};

const README: &str = include_str!("../../README.md");
const WORLD: &str = include_str!("../../demo/world.yaml");
/// What is made in the account of guardrails while the demo runs.
const NEW_IMAGE: &str = include_str!("../../demo/new-image.yaml");
/// Whom the world knows by this.
const ACCESS_KEY: &str = "AKIAPLATFORM00000001";
/// The demo takes half a minute on a machine that has nothing else to do.
const PATIENCE: Duration = Duration::from_secs(180);
const BEFORE: &str = "amiseal plan -f demo/policy.yaml";
const GUARDRAILS: &str = "amiseal guardrails --policy staging";

/// The lines below each command that begins so, to the end of its block or the next command. What is different each time,
/// ages and the IDs of copies, is as [the crate](crate) writes it.
fn shown_below(command: &str, originals: &BTreeSet<String>) -> Vec<Vec<String>> {
    let mut lines = README.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line.strip_prefix("$ ").is_some_and(|line| line.starts_with(command)) {
            let below = lines
                .clone()
                .take_while(|line| *line != "```" && !line.starts_with("$ "));
            found.push(below.map(|line| without_what_varies(line, originals)).collect());
        }
    }
    found
}

fn without_what_varies(line: &str, originals: &BTreeSet<String>) -> String {
    let id = Regex::new(r"ami-[0-9a-f]{17}").expect("a pattern");
    let line = id.replace_all(line, |found: &Captures<'_>| match originals.contains(&found[0]) {
        true => found[0].to_owned(),
        false => "ami-…".to_owned(),
    });
    let age = Regex::new(r"\b[0-9]+ ?s\)?$").expect("a pattern");
    age.replace(&line, "…").into_owned()
}

fn originals(server: &Server) -> BTreeSet<String> {
    let world = server.sim().world();
    let images = world.regions().flat_map(|(_, region)| region.images.keys());
    images.cloned().collect()
}

/// All objects, when nothing is left to do.
async fn settled(shell: &Shell) -> Vec<Value> {
    let look = async || {
        let ran = shell.run("kubectl get aep,aet,amim -o json").await;
        let list: Value = serde_json::from_str(&ran.printed)?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let rests = |item: &Value| condition(item, "Reconciling").is_some_and(|c| c["status"] == "False");
        Ok((!items.is_empty() && items.iter().all(rests)).then_some(items))
    };
    poll_until("everything to be settled", PATIENCE, look)
        .await
        .expect("rest")
}

fn condition<'a>(item: &'a Value, type_: &str) -> Option<&'a Value> {
    let conditions = item["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == type_)
}

/// Waits until all guardrails hold that the policy enforces and nobody else holds.
async fn guarded(shell: &Shell) {
    let look = async || {
        let ran = shell.run("kubectl get aet -o json").await;
        let list: Value = serde_json::from_str(&ran.printed)?;
        let targets = list["items"].as_array().into_iter().flatten();
        let targets = targets.filter(|target| target["spec"]["policy"] == "staging");
        let is_guarded = |target: &Value| {
            let rows = target["status"]["guardrails"].as_array().map_or(&[][..], Vec::as_slice);
            let is_theirs = |row: &Value| row["mode"] != "Enforce" || row["managedBy"] == "DeclarativePolicy";
            !rows.is_empty() && rows.iter().all(|row| is_theirs(row) || row["holds"] == true)
        };
        let guarded: Vec<bool> = targets.map(is_guarded).collect();
        Ok((guarded.len() == 2 && !guarded.contains(&false)).then_some(()))
    };
    poll_until("guardrails to hold", PATIENCE, look)
        .await
        .expect("guardrails");
}

/// Makes the image of which the demo shows that looks find it. Here a scan may do as well.
fn make_new_image(server: &Server) {
    let made = server.sim().edit(Edit::AddImage {
        account: "666666666666".to_owned(),
        region: "eu-west-1".to_owned(),
        image: Box::new(serde_saphyr::from_str(NEW_IMAGE).expect("an image")),
    });
    made.expect("it can be made");
}

/// What the README shows of guardrails. Nobody turns one off here.
fn guardrails_shown(originals: &BTreeSet<String>) -> Vec<String> {
    let shown = shown_below(GUARDRAILS, originals);
    assert_eq!(shown.len(), 1, "README.md shows `{GUARDRAILS}` once");
    let undone = |line: &String| line.replace("was undone once", "-");
    shown[0].iter().map(undone).collect()
}

fn compare(command: &str, printed: &str, shown: &[String], wrong: &mut Vec<String>) {
    if !is_as_shown(printed, shown) {
        wrong.push(format!("$ {command}\n{printed}"));
    }
}

#[tokio::test]
async fn the_readme_shows_what_plan_and_kubectl_print_before_and_after_the_demo() {
    let world = WorldSpec::parse(WORLD).expect("a world");
    let control_plane = ControlPlane::start(Options::of_project())
        .await
        .expect("a control plane");
    let server = aws(&world);
    let endpoint = server.endpoint();
    let originals = originals(&server);
    let shell = Shell::new(&control_plane, &endpoint, &[("default", ACCESS_KEY)]);
    let plans = shown_below(BEFORE, &originals);
    assert_eq!(plans.len(), 2, "README.md shows `{BEFORE}` before and after");
    let mut wrong = Vec::new();

    let before = shell.run(BEFORE).await;
    compare(BEFORE, &before.printed, &plans[0], &mut wrong);

    make_new_image(&server);
    let arguments = ["run", "--log-format=json"];
    let _controller = start_controller(&control_plane, &endpoint, ACCESS_KEY, "amiseal", &arguments).await;
    let applied = shell.run("kubectl apply --server-side -f demo/policy.yaml").await;
    assert_eq!(applied.code, Some(0), "{}", applied.printed);
    guarded(&shell).await;
    let objects = settled(&shell).await;
    for command in ["kubectl get aep,aet", "kubectl get amim"] {
        let shown = shown_below(command, &originals);
        assert_eq!(shown.len(), 1, "README.md shows `{command}` once");
        // The policy's figures come after those of its targets.
        wrong.extend(shell.run_as_shown(command, &shown[0]).await.err());
    }
    let shown = guardrails_shown(&originals);
    wrong.extend(shell.run_as_shown(GUARDRAILS, &shown).await.err());
    let after = shell.run(BEFORE).await;
    compare(BEFORE, &after.printed, &plans[1], &mut wrong);
    assert_eq!((before.code, after.code), (Some(1), Some(1)));

    let report = server.sim().audit();
    assert!(report.ok, "{report}");
    let lines = last_screen();
    let needed = said_at_the_end(&objects, &report);
    for needed in &needed {
        let needed = without_what_varies(needed, &originals);
        let is_it = |line: &&str| is_as_shown(&needed, &[without_what_varies(line, &originals)]);
        if !lines.iter().any(is_it) {
            wrong.push(format!("The demo's last screen has no line\n{needed}\n"));
        }
    }
    // Nor does it show anything else that is held up.
    let held_up =
        |line: &str| line.starts_with("ami-") || line.starts_with(|c: char| c.is_ascii_digit()) && line.contains("-1 ");
    let held_up = |lines: &[&str]| lines.iter().filter(|line| held_up(line)).count();
    let needed: Vec<&str> = needed.iter().map(String::as_str).collect();
    assert_eq!(
        held_up(&lines),
        held_up(&needed),
        "lines of images and targets in the demo's last screen"
    );
    assert!(wrong.is_empty(), "README.md is not as it is:\n\n{}", wrong.join("\n"));
}

/// The lines of what the demo says at its end, which is the README's only block of plain text.
fn last_screen() -> Vec<&'static str> {
    let mut blocks = README.split("\n```text\n").skip(1);
    let block = blocks
        .next()
        .and_then(|rest| rest.split("\n```").next())
        .expect("a block of text");
    assert!(blocks.next().is_none(), "README.md has one block of text");
    block.lines().collect()
}

/// What the demo says at its end of each image that is not migrated and of each target that is held up, and what the judge
/// says that is the same each time.
fn said_at_the_end(objects: &[Value], report: &Report) -> Vec<String> {
    // A policy only says of which of its targets it is so.
    let objects = objects.iter().filter(|object| object["kind"] != "AMIEncryptionPolicy");
    let stalled = objects.filter_map(|object| {
        let stalled = condition(object, "Stalled").filter(|c| c["status"] == "True")?;
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let why = format!(
            "{} {}",
            stalled["reason"].as_str().unwrap_or_default(),
            stalled["message"].as_str().unwrap_or_default()
        );
        let what = match text("/kind") {
            "AMIMigration" => format!("{} {}", text("/spec/sourceImageID"), text("/status/sourceName")),
            _ => {
                let reached = condition(object, "Reachable").is_some_and(|c| c["status"] == "True");
                let images = if reached {
                    object["status"]["images"]["total"].to_string()
                } else {
                    "?".to_owned()
                };
                format!("{} {} {images}", text("/spec/accountID"), text("/spec/region"))
            }
        };
        Some(format!("{what} {why}"))
    });
    let judged = report.to_string();
    let same = [
        "images before",
        "to be copied",
        "to be left",
        "copies needed",
        "settings expected",
    ];
    let judged = judged
        .lines()
        .filter(|line| same.iter().any(|what| line.trim().starts_with(what)));
    let verdict = format!("{} (25 s)", report.verdict());
    stalled.chain(judged.map(str::to_owned)).chain([verdict]).collect()
}
