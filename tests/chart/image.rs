//! The Dockerfile, as far as can be told where no image can be built.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{chart_file, read};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The instructions of the Dockerfile, one a line, without comments.
fn instructions() -> Vec<String> {
    let text = read(&root().join("Dockerfile"));
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    joined
        .lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// What the context holds: the paths that .dockerignore lets through.
fn context() -> Vec<PathBuf> {
    let text = read(&root().join(".dockerignore"));
    text.lines()
        .filter_map(|line| line.strip_prefix('!'))
        .map(PathBuf::from)
        .collect()
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).expect("a directory");
        for entry in std::fs::read_dir(from).expect("a readable directory") {
            let name = entry.expect("an entry").file_name();
            copy(&from.join(&name), &to.join(&name));
        }
    } else if from.exists() {
        std::fs::create_dir_all(to.parent().expect("a parent")).expect("a directory");
        std::fs::copy(from, to).expect("a copy");
    }
}

fn metadata(directory: &Path) -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--locked",
            "--no-deps",
        ])
        .current_dir(directory)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The names of the libraries and binaries of all packages.
fn targets(metadata: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut names: Vec<String> = list(&metadata["packages"])
        .iter()
        .flat_map(|package| list(&package["targets"]))
        .filter(|target| target["kind"] == serde_json::json!(["bin"]) || target["kind"] == serde_json::json!(["lib"]))
        .map(|target| format!("{} {}", target["kind"][0], target["name"]))
        .collect();
    names.sort();
    names
}

#[test]
fn the_skeleton_without_sources_is_the_same_workspace() {
    let directory = tempfile::tempdir().expect("a directory");
    for path in context() {
        copy(&root().join(&path), &directory.path().join(&path));
    }
    let instructions = instructions();
    let skeleton = instructions
        .iter()
        .position(|line| line.ends_with(" AS skeleton"))
        .expect("a stage");
    let run = instructions[skeleton..]
        .iter()
        .find_map(|line| line.strip_prefix("RUN "))
        .expect("a command");
    let status = Command::new("sh")
        .args(["-c", run])
        .current_dir(directory.path())
        .status()
        .expect("sh runs");
    assert!(status.success());

    assert_eq!(
        std::fs::read_to_string(directory.path().join("src/lib.rs")).expect("a file"),
        "fn main() { }\n"
    );
    assert!(!directory.path().join("src/clock.rs").exists());
    assert_eq!(targets(&metadata(directory.path())), targets(&metadata(root())));
}

#[test]
fn the_image_is_built_by_the_projects_compiler_and_runs_as_the_charts_user_without_a_shell() {
    let toolchain = read(&root().join("rust-toolchain.toml"));
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = "))
        .expect("a channel")
        .trim_matches('"');
    let instructions = instructions();
    assert!(
        instructions.contains(&format!("ARG RUST_VERSION={channel}")),
        "{instructions:?}"
    );

    let base = instructions
        .iter()
        .rposition(|line| line.starts_with("FROM ") && line.ends_with(" AS base"))
        .expect("a stage");
    assert!(
        instructions[base].contains("/distroless/") && instructions[base].contains(":nonroot "),
        "{}",
        instructions[base]
    );
    let values: Value = serde_saphyr::from_str(&chart_file("values.yaml")).expect("YAML");
    let context = &values["podSecurityContext"];
    let user = format!("USER {}:{}", context["runAsUser"], context["runAsGroup"]);
    assert!(instructions[base..].contains(&user), "{user}");
    assert!(instructions[base..].contains(&format!("EXPOSE {}", values["http"]["port"])));
    assert!(
        !instructions[base..].iter().any(|line| line.starts_with("RUN ")),
        "there is no shell to run it"
    );
}

#[test]
fn what_is_built_without_a_target_has_no_debug_information_and_the_target_debug_has() {
    let instructions = instructions();
    let last = instructions.last().expect("an instruction");
    assert_eq!(
        last, "FROM base AS release",
        "the last stage is what is built by default"
    );
    let debug = instructions
        .iter()
        .position(|line| line == "FROM base AS debug")
        .expect("a stage");
    let added = &instructions[debug + 1..instructions.len() - 1];
    assert_eq!(
        added,
        ["COPY --from=build /out/amiseal.debug /usr/local/bin/amiseal.debug"]
    );
}

/// Runs what the Dockerfile says with the program of this build, in directories of its own.
#[test]
fn debug_information_goes_into_a_file_of_its_own_and_the_program_runs_without_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let (release, out) = (directory.path().join("target/release"), directory.path().join("out"));
    std::fs::create_dir_all(&release).expect("a directory");
    std::fs::copy(env!("CARGO_BIN_EXE_amiseal"), release.join("amiseal")).expect("a copy");
    let instructions = instructions();
    let at = instructions
        .iter()
        .position(|line| line.starts_with("RUN objcopy"))
        .expect("a command");
    assert_eq!(instructions[at - 1], "WORKDIR /out");
    let run = instructions[at].strip_prefix("RUN ").expect("a command");
    std::fs::create_dir(&out).expect("a directory");
    let here = run.replace("/build", directory.path().to_str().expect("UTF-8"));
    let status = Command::new("sh")
        .args(["-c", &here])
        .current_dir(&out)
        .status()
        .expect("sh runs");
    assert!(status.success(), "{here}");

    let size = |file: &str| std::fs::metadata(out.join(file)).expect(file).len();
    let whole = std::fs::metadata(release.join("amiseal")).expect("a program").len();
    assert!(size("amiseal") < whole / 2, "{} of {whole}", size("amiseal"));
    let sections = Command::new("objdump")
        .arg("--section-headers")
        .arg(out.join("amiseal"))
        .output();
    let sections = String::from_utf8(sections.expect("objdump runs").stdout).expect("UTF-8");
    assert!(
        !sections.contains(".debug_line") && !sections.contains(".debug_info") && sections.contains(".gnu_debuglink"),
        "{sections}"
    );
    let lines = Command::new("objdump")
        .arg("--section-headers")
        .arg(out.join("amiseal.debug"))
        .output();
    let lines = String::from_utf8(lines.expect("objdump runs").stdout).expect("UTF-8");
    assert!(lines.contains(".debug_line"), "{lines}");
    let version = Command::new(out.join("amiseal"))
        .arg("--version")
        .output()
        .expect("it runs");
    assert_eq!(
        String::from_utf8_lossy(&version.stdout).trim(),
        concat!("amiseal ", env!("CARGO_PKG_VERSION"))
    );
}
