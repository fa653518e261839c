//! Processes are watched while they run, and none outlives whoever started it.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::time::Duration;

use rig::{Process, ProcessBuilder, poll_until};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);
const START: Duration = Duration::from_secs(120);

fn shell(directory: &TempDir, script: &str) -> ProcessBuilder {
    Process::builder("the script", "/bin/sh", directory.path().join("log")).args(["-c", script])
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// The command lines of all running processes that mention `text`. A process that has ended, but that nobody has waited
/// for, has none.
#[cfg(target_os = "linux")]
fn running(text: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("a list of processes");
    let lines = processes
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(text)).collect()
}

/// The control plane's programs work in its directory, which is the only trace that all of them bear.
#[cfg(target_os = "linux")]
fn working_in(directory: &Path) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("a list of processes");
    let processes = processes.flatten().map(|entry| entry.path());
    // As text: the link of a directory that was removed meanwhile has a note appended.
    let directory = directory.to_str().expect("a path in UTF-8");
    let working = processes.filter(|process| {
        std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.to_string_lossy().starts_with(directory))
    });
    working
        .filter_map(|process| std::fs::read_to_string(process.join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .collect()
}

#[tokio::test]
async fn a_process_has_its_arguments_environment_and_directory_and_no_input() {
    let directory = directory();
    let mut process = shell(&directory, r#"echo "$0 $1 $GREETING ${HOME-no home} $(pwd) [$(cat)]""#)
        .args(["zero", "with space"])
        .env("GREETING", "hello")
        .env_remove("HOME")
        .current_dir(directory.path())
        .spawn()
        .expect("a process");
    let line = process.wait_for_line("hello", SOON).await.expect("a line");
    let here = directory.path().canonicalize().expect("a path");
    assert_eq!(line, format!("zero with space hello no home {} []", here.display()));
    assert!(process.wait(SOON).await.expect("an end").success());
}

#[tokio::test]
async fn a_process_that_ends_too_early_fails_the_wait_with_its_last_words() {
    let directory = directory();
    let mut process = shell(&directory, "echo cannot go on >&2; exit 3")
        .spawn()
        .expect("a process");
    let error = process
        .wait_for_line("ready", SOON)
        .await
        .expect_err("it is never ready");
    assert_eq!(
        error.to_string(),
        "the script ended (exit status: 3) and did not print \"ready\"; the end of its log:\n  cannot go on"
    );
}

#[tokio::test]
async fn a_program_that_does_not_exist_fails_the_wait() {
    let directory = directory();
    let mut process = Process::builder("the ghost", "/nowhere/ghost", directory.path().join("log"))
        .spawn()
        .expect("a gate");
    let error = process
        .wait_for_line("ready", SOON)
        .await
        .expect_err("it does not exist");
    assert!(error.to_string().contains("/nowhere/ghost: not found"), "{error}");
}

#[tokio::test]
async fn the_log_of_a_second_run_does_not_satisfy_the_wait_by_the_first_runs_lines() {
    let directory = directory();
    let mut first = shell(&directory, "echo ready").spawn().expect("a process");
    first.wait(SOON).await.expect("an end");
    let mut second = shell(&directory, "echo other").spawn().expect("a process");
    second
        .wait_for_line("ready", SOON)
        .await
        .expect_err("only the first was ready");
    assert_eq!(
        (first.log().as_str(), second.log().as_str()),
        ("ready\nother\n", "other\n")
    );
}

#[tokio::test]
async fn sigterm_lets_a_process_finish_and_kill9_does_not() {
    let directory = directory();
    let script = "trap 'echo finishing; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
    let mut polite = shell(&directory, script).spawn().expect("a process");
    polite.wait_for_line("ready", SOON).await.expect("a start");
    polite.sigterm().expect("a signal");
    assert_eq!(polite.wait(SOON).await.expect("an end").code(), Some(7));
    assert!(polite.log().ends_with("finishing\n"), "{}", polite.log());
    polite.sigterm().expect_err("it has ended");

    let mut killed = shell(&directory, script).spawn().expect("a process");
    killed.wait_for_line("ready", SOON).await.expect("a start");
    assert_eq!(killed.kill9().expect("an end").signal(), Some(9));
    assert_eq!(killed.log(), "ready\n");
    assert_eq!(killed.kill9().expect("the same end").signal(), Some(9));
}

#[tokio::test]
async fn a_server_is_ready_once_it_answers() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(async move {
        for status in ["503 Not Yet", "200 OK"] {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.expect("a request");
            assert!(request[..length].starts_with(b"GET /readyz HTTP/1.0\r\n"));
            stream
                .write_all(format!("HTTP/1.0 {status}\r\n\r\n").as_bytes())
                .await
                .expect("an answer");
        }
    });
    let directory = directory();
    let mut process = shell(&directory, "sleep 60").spawn().expect("a process");
    process
        .wait_for_http(&format!("http://{address}/readyz"), SOON)
        .await
        .expect("an answer of 200");
    server.await.expect("both answers were asked for");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_dropped_process_is_gone_with_what_it_started() {
    let directory = directory();
    let mark = format!("sleep 61{}", std::process::id());
    let mut process = shell(&directory, &format!("{mark} & echo ready; wait"))
        .spawn()
        .expect("a process");
    process.wait_for_line("ready", SOON).await.expect("a start");
    assert_eq!(running(&mark).len(), 2, "the shell and its child");
    drop(process);
    poll_until("both to be gone", SOON, async || {
        Ok(running(&mark).is_empty().then_some(()))
    })
    .await
    .expect("nothing");
}

/// A control plane in a process of its own, and its directory.
#[cfg(target_os = "linux")]
async fn separate_control_plane(log: &TempDir) -> (Process, std::path::PathBuf) {
    let mut process = Process::builder(
        "control-plane",
        env!("CARGO_BIN_EXE_control-plane"),
        log.path().join("log"),
    )
    .spawn()
    .expect("a process");
    let line = process
        .wait_for_line("export KUBECONFIG=", START)
        .await
        .expect("a control plane");
    let kubeconfig = Path::new(line.trim_start_matches("export KUBECONFIG="));
    let directory = kubeconfig.parent().expect("a directory").to_owned();
    let mut names = working_in(&directory);
    names.sort();
    assert_eq!(names, ["etcd", "kube-apiserver", "kube-controller"]);
    (process, directory)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nothing_is_left_of_a_control_plane_whose_owner_was_killed() {
    let log = directory();
    let (mut owner, directory) = separate_control_plane(&log).await;

    assert_eq!(owner.kill9().expect("an end").signal(), Some(9));

    poll_until("every program to be gone", SOON, async || {
        Ok(working_in(&directory).is_empty().then_some(()))
    })
    .await
    .expect("no programs");
    poll_until("the directory to be gone", SOON, async || {
        Ok((!directory.exists()).then_some(()))
    })
    .await
    .expect("no directory");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nothing_is_left_of_a_control_plane_whose_owner_was_asked_to_end() {
    let log = directory();
    let (mut owner, directory) = separate_control_plane(&log).await;

    owner.sigterm().expect("a signal");

    assert!(owner.wait(SOON).await.expect("an end").success());
    assert!(working_in(&directory).is_empty(), "{:?}", working_in(&directory));
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_stranger_that_never_answers_does_not_hide_that_the_process_has_ended() {
    // It accepts connections, and that is all: another program on the port that the process was to have.
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/readyz", stranger.local_addr().expect("an address"));
    let directory = directory();
    let mut process = shell(&directory, "echo address already in use; exit 1")
        .spawn()
        .expect("a process");
    let error = process
        .wait_for_http(&url, Duration::from_secs(300))
        .await
        .expect_err("it has ended");
    assert!(error.to_string().contains("address already in use"), "{error}");
}
