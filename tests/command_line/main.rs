//! What belongs to no single command: help, completions, manual pages, colour.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const COMMANDS: [&str; 16] = [
    "run",
    "check",
    "plan",
    "import",
    "report",
    "status",
    "approve",
    "rollback",
    "hold",
    "resume",
    "map",
    "guardrails",
    "iam-policy",
    "crd",
    "completion",
    "man",
];

fn amiseal(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_amiseal"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the program runs")
}

fn printed(arguments: &[&str]) -> String {
    let output = amiseal(arguments, &[]);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn every_command_explains_itself_with_examples() {
    let all = printed(&["--help"]);
    for command in COMMANDS {
        assert!(all.contains(&format!("\n  {command} ")), "{command} is not in\n{all}");
        let help = printed(&[command, "--help"]);
        assert!(help.contains("\nExamples:\n"), "{help}");
        assert!(help.contains(&format!("amiseal {command} ")), "{help}");
    }
}

#[test]
fn completions_know_every_command_and_are_scripts_of_their_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completion", shell]);
        for word in COMMANDS.into_iter().chain(["kms-key-id", "check-permissions"]) {
            assert!(script.contains(word), "{shell} does not complete {word}");
        }
    }
    // What bash itself makes of it: the command whose beginning is typed, and the file that an argument is.
    let directory = tempfile::tempdir().expect("a directory");
    let script = directory.path().join("amiseal.bash");
    std::fs::write(&script, printed(&["completion", "bash"])).expect("a file");
    let ask =
        "source \"$1\"; COMP_WORDS=(amiseal imp); COMP_CWORD=1; _amiseal amiseal imp amiseal; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("/bin/bash")
        .args(["--norc", "-c", ask, "bash"])
        .arg(&script)
        .output()
        .expect("bash runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "import\n", "{output:?}");
}

#[test]
fn a_shell_that_is_not_known_is_refused_with_those_that_are() {
    let output = amiseal(&["completion", "cmd"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("bash"), "{output:?}");
}

#[test]
fn every_command_has_its_manual_page() {
    let directory = tempfile::tempdir().expect("a directory");
    let pages = directory.path().join("share/man1");
    printed(&["man", "--output-dir", pages.to_str().expect("UTF-8")]);
    let page = |name: &str| {
        let page = pages.join(format!("{name}.1"));
        std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
    };
    assert!(page("amiseal").contains("SH SUBCOMMANDS"));
    for command in COMMANDS {
        let text = page(&format!("amiseal-{command}"));
        assert!(text.contains(".SH SYNOPSIS") && text.contains("Examples:"), "{text}");
    }
    let output = amiseal(&["man", "--output-dir", "/dev/null/man"], &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("/dev/null/man cannot be made a directory"));
}

/// The escape sequences of colours and weights.
fn is_coloured(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\x1b[")
}

#[test]
fn whatever_is_written_is_coloured_only_where_that_is_wanted_and_never_against_no_color() {
    let forced = ("CLICOLOR_FORCE", "1");
    let wrong = ["plan", "--nonsense"];
    let logs = ["plan", "-f", "-", "--log", "nonsense=="];
    let help = ["import", "--help"];
    for arguments in [&wrong[..], &logs, &help] {
        let coloured = |variables: &[(&str, &str)]| {
            let output = amiseal(arguments, variables);
            is_coloured(&output.stdout) || is_coloured(&output.stderr)
        };
        assert!(!coloured(&[]), "{arguments:?}");
        assert!(!coloured(&[forced, ("NO_COLOR", "1")]), "{arguments:?}");
    }
    for arguments in [&wrong[..], &help] {
        let output = amiseal(arguments, &[forced]);
        assert!(
            is_coloured(&output.stdout) || is_coloured(&output.stderr),
            "{arguments:?}"
        );
    }
}

/// The first line that the controller logs, with a cluster that nobody answers for.
fn logged(variables: &[(&str, &str)]) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a directory");
    let kubeconfig = directory.path().join("config");
    let text = "apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: [{name: x, context: {cluster: x, user: x}}]\n\
                clusters: [{name: x, cluster: {server: 'http://127.0.0.1:9'}}]\nusers: [{name: x, user: {}}]\n";
    std::fs::write(&kubeconfig, text).expect("a file");
    let mut controller = Command::new(env!("CARGO_BIN_EXE_amiseal"))
        .args(["run", "--log-format", "text", "--listen", "127.0.0.1:0"])
        .env_clear()
        .env("KUBECONFIG", &kubeconfig)
        .env("POD_NAMESPACE", "amiseal-system")
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = Vec::new();
    let mut lines = BufReader::new(controller.stderr.take().expect("a pipe"));
    lines.read_until(b'\n', &mut line).expect("a line");
    controller.kill().expect("it ends");
    controller.wait().expect("it has ended");
    line
}

#[test]
fn log_lines_are_coloured_as_a_person_wishes() {
    for (variables, coloured) in [
        (&[][..], false),
        (&[("CLICOLOR_FORCE", "1")], true),
        (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
    ] {
        let line = logged(variables);
        assert!(!line.is_empty());
        assert_eq!(
            is_coloured(&line),
            coloured,
            "{variables:?}: {}",
            String::from_utf8_lossy(&line)
        );
    }
}

#[test]
fn a_failure_is_one_sentence_with_its_cause_and_without_a_backtrace_whoever_asks_for_one() {
    let nowhere = ("KUBECONFIG", "/nowhere/config");
    for arguments in [&["check"][..], &["run", "--log", "off"]] {
        let said = |variables: &[(&str, &str)]| {
            let output = amiseal(arguments, variables);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(output.stdout.is_empty(), "{output:?}");
            String::from_utf8(output.stderr).expect("UTF-8")
        };
        let plain = said(&[nowhere]);
        assert!(plain.starts_with("Error: no cluster: set KUBECONFIG"), "{plain}");
        assert!(plain.contains("/nowhere/config"), "the cause is said: {plain}");
        assert_eq!(plain.lines().count(), 1, "{plain}");
        assert_eq!(said(&[nowhere, ("RUST_BACKTRACE", "1")]), plain);
        assert_eq!(said(&[nowhere, ("RUST_LIB_BACKTRACE", "1")]), plain);
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let program = env!("CARGO_BIN_EXE_amiseal");
    let pipe = format!("set -o pipefail; {program} completion bash | head -1");
    let output = Command::new("/bin/bash")
        .args(["-c", &pipe])
        .output()
        .expect("bash runs");
    assert!(output.status.success(), "{output:?}");
    assert!(Path::new(program).exists());
}
