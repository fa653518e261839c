//! Tests the simulation: takes one guard after the other out of a copy of the sources, and lets the simulation find it.
//!
//! A guard is a patch in `tests/simulation/guards`. What stands above the difference says what was guarded, the promise that
//! has to be broken without it, the faults to begin with, and, where the usual history has nothing to show, the seed of the
//! one that they strike. Lines after these say what else holds the promise, and is taken out as well or evaded.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// How many histories with several of the faults at random may be played after those of each, and how many with any.
const HISTORIES: &str = "300";

/// Each guard is a build of its own, which takes longer than the histories that find it.
const QUICKLY_BUILT: &str = "profile.dev.package.amiseal.opt-level=0";

/// A guard to take out.
#[derive(Debug)]
struct Guard {
    name: String,
    patch: PathBuf,
    /// What it guards, in words.
    what: String,
    promise: String,
    faults: String,
    /// The seed of the history that they strike at each moment, if it is not the usual one.
    world: Option<String>,
}

fn main() -> Result<ExitCode> {
    // Not where it was compiled: clones share Cargo's target directory.
    let root = env::current_dir()?;
    let all = root.join("tests/simulation/guards");
    ensure!(
        all.is_dir(),
        "there is no {}: start this by `make guards`",
        all.display()
    );
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let copy = target.join("guards");
    // What is built without a guard must never be taken for the product. In the usual directory it would be: Cargo notes
    // sources that lie inside of it by their place there, and then looks no more at those of the work tree.
    let builds = target.join("guards-build");
    let chosen: Vec<String> = env::args().skip(1).collect();
    let mut guards = guards(&all)?;
    guards.retain(|guard| chosen.is_empty() || chosen.contains(&guard.name));
    ensure!(
        !guards.is_empty(),
        "there is no guard of that name in tests/simulation/guards"
    );
    let mut missed = 0;
    for guard in &guards {
        copy_sources(&root, &copy)?;
        let found = find(guard, &copy, &builds).with_context(|| guard.name.clone())?;
        println!("{:<18} {:<14} {found}", guard.name, guard.promise);
        println!("{:<18} {}", "", guard.what);
        missed += usize::from(!found.starts_with("broken"));
    }
    println!("\n{} guards taken out, {missed} of them not missed", guards.len());
    Ok(if missed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn guards(directory: &Path) -> Result<Vec<Guard>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
    paths.sort();
    let read = |patch: PathBuf| {
        let text = fs::read_to_string(&patch)?;
        let line = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.map(str::to_owned)
        };
        let field = |name: &str| {
            line(name).with_context(|| {
                format!(
                    "{}: a line `{name}: …` is missing above the difference",
                    patch.display()
                )
            })
        };
        Ok(Guard {
            name: patch.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            what: field("Guard")?,
            promise: field("Promise")?,
            faults: field("Faults")?,
            world: line("World"),
            patch,
        })
    };
    paths.into_iter().map(read).collect()
}

/// Makes `copy` what is in the work tree. What is the same already stays, so that it is not built again.
fn copy_sources(root: &Path, copy: &Path) -> Result<()> {
    let listed = run(Command::new("git").current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let listed = String::from_utf8(listed.stdout)?;
    let names: BTreeSet<&str> = listed.split('\0').filter(|name| !name.is_empty()).collect();
    fs::create_dir_all(copy)?;
    if !copy.join(".git").exists() {
        // A repository of its own, or git would take it for a part of another one.
        run(Command::new("git").current_dir(copy).args(["init", "--quiet"]))?;
    }
    let before = run(Command::new("git")
        .current_dir(copy)
        .args(["ls-files", "-z", "--others"]))?;
    for name in String::from_utf8(before.stdout)?
        .split('\0')
        .filter(|name| !name.is_empty())
    {
        if !names.contains(name) {
            fs::remove_file(copy.join(name))?;
        }
    }
    for name in names {
        let (from, to) = (root.join(name), copy.join(name));
        // Deleted, but not in the index yet.
        let Ok(content) = fs::read(&from) else { continue };
        if fs::read(&to).ok().as_ref() != Some(&content) {
            fs::create_dir_all(to.parent().context("a file is in a directory")?)?;
            fs::write(&to, content)?;
        }
    }
    Ok(())
}

/// Takes the guard out, builds, and plays. What the simulation says of it.
fn find(guard: &Guard, copy: &Path, target: &Path) -> Result<String> {
    run(Command::new("git").current_dir(copy).arg("apply").arg(&guard.patch))?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.current_dir(copy).env("CARGO_TARGET_DIR", target).args([
        "build",
        "--workspace",
        "--locked",
        "--test",
        "simulation",
        "--message-format",
        "json",
        "--config",
        QUICKLY_BUILT,
    ]);
    let built = run(&mut build)?;
    let program = String::from_utf8(built.stdout)?
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|message| message["target"]["name"] == "simulation" && message["executable"].is_string())
        .and_then(|message| message["executable"].as_str().map(PathBuf::from))
        .context("Cargo built no simulation")?;
    let mut arguments = vec![
        "--breaks",
        &guard.promise,
        "--faults",
        &guard.faults,
        "--histories",
        HISTORIES,
    ];
    if let Some(world) = &guard.world {
        arguments.extend(["--world", world]);
    }
    let played = Command::new(program).args(arguments).output()?;
    let said = String::from_utf8_lossy(&played.stdout);
    let said = said.lines().next().unwrap_or_default();
    ensure!(!said.is_empty(), "{}", String::from_utf8_lossy(&played.stderr));
    Ok(said.to_owned())
}

fn run(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output)
}
