//! From the chart of the main branch, or, on it, of its last commit with another chart than this one: upgraded, and rolled
//! back.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::installing::{get, install_from, proposed, start, upgrade};
use crate::support::{NAMESPACE, RELEASE, helm};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PARTS: [&str; 2] = ["charts", "crds"];

/// How a command of git ended, and what it printed. There is a `.git`, so it has to run, and to take it for a repository.
fn git(arguments: &[&str]) -> (i32, String) {
    let output = Command::new("git").arg("-C").arg(ROOT).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("git is needed in a clone of the repository: {error}"));
    let code = output.status.code().unwrap_or(-1);
    assert!(
        code == 0 || code == 1,
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    (code, String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned())
}

/// The commit to come from: its chart or definitions are not those of the work tree. Or why there is none.
fn last_other() -> Result<String, &'static str> {
    if !Path::new(ROOT).join(".git").exists() {
        return Err("there is no .git");
    }
    if git(&["rev-parse", "--verify", "--quiet", "HEAD"]).0 != 0 {
        return Err("there is no commit");
    }
    let mains: Vec<String> = ["main", "origin/main"]
        .into_iter()
        .map(|main| git(&["rev-parse", "--verify", "--quiet", main]))
        .filter_map(|(code, commit)| (code == 0).then_some(commit))
        .collect();
    let (_, commits) = git(&[&["rev-list", "HEAD", "--"], &PARTS[..]].concat());
    let commits: Vec<String> = commits.lines().map(str::to_owned).collect();
    let differs = |commit: &&String| git(&[&["diff", "--quiet", commit.as_str(), "--"], &PARTS[..]].concat()).0 == 1;
    if let Some(commit) = mains.iter().chain(commits.iter().take(50)).find(differs) {
        return Ok(commit.clone());
    }
    let (_, shallow) = git(&["rev-parse", "--is-shallow-repository"]);
    match commits.len() {
        _ if shallow == "true" => Err("the clone is shallow"),
        1 => Err("only one commit has a chart"),
        number => panic!("none of {number} commits has another chart than the work tree: see git log -- {PARTS:?}"),
    }
}

/// The chart of that commit. Where there is no history, as in an archive, it is this one, and the output says so.
fn former_chart(to: &Path) -> PathBuf {
    let commit = match last_other() {
        Ok(commit) => commit,
        Err(why) => {
            // Past the harness, which shows what a test prints only when it fails.
            let note = format!("upgrading: {why}, so the chart is upgraded from itself\n");
            std::io::stderr().write_all(note.as_bytes()).expect("it is printed");
            return rig::chart_directory();
        }
    };
    let mut archive = Command::new("git")
        .args(["-C", ROOT, "archive", &commit, "--"])
        .args(PARTS)
        .stdout(Stdio::piped())
        .spawn()
        .expect("git runs");
    let unpacked = Command::new("tar")
        .args(["-x", "-C"])
        .arg(to)
        .stdin(archive.stdout.take().expect("a pipe"))
        .status()
        .expect("tar runs");
    assert!(
        unpacked.success() && archive.wait().expect("it ends").success(),
        "{commit}"
    );
    to.join("charts/amiseal")
}

#[tokio::test]
async fn an_upgrade_from_the_chart_before_keeps_policies_and_can_be_rolled_back() {
    let control_plane = start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let former = former_chart(directory.path());
    let notes = install_from(&control_plane, &former, &["--set", "log.filter=debug"]).await;
    control_plane
        .apply(proposed(&notes))
        .await
        .expect("the policy of the notes");
    let policy = async || {
        let policy = get(&control_plane, "aep", "first-look").await.expect("the policy");
        (policy["metadata"]["uid"].clone(), policy["spec"].clone())
    };
    let deployment = async || {
        let deployment = get(&control_plane, "deployment", "amiseal")
            .await
            .expect("a Deployment");
        (deployment["metadata"]["uid"].clone(), deployment["spec"].clone())
    };
    let (first, (uid, before)) = (policy().await, deployment().await);

    upgrade(
        &control_plane,
        &["--reset-then-reuse-values", "--set", "revisionHistoryLimit=3"],
    )
    .await;
    assert_kept(&first, &policy().await);
    let (upgraded, after) = deployment().await;
    assert_eq!(upgraded, uid, "the Deployment was made again");
    assert_eq!(after["revisionHistoryLimit"], 3);
    assert_eq!(after["selector"], before["selector"]);
    let log = |spec: &Value| spec["template"]["spec"]["containers"][0]["args"][3].clone();
    assert_eq!(log(&after), "--log=debug");

    let rollback = ["rollback", RELEASE, "1", "--namespace", NAMESPACE];
    helm(&control_plane, &rollback).await.expect("helm rollback");
    assert_kept(&first, &policy().await);
    let (rolled_back, again) = deployment().await;
    assert_eq!(rolled_back, uid);
    assert_eq!(again["template"], before["template"]);

    // And forth again, with the definitions of this chart.
    upgrade(&control_plane, &["--reset-then-reuse-values"]).await;
    assert_kept(&first, &policy().await);
}

/// The policy is the same one, and says what it said. A newer definition may have filled in defaults.
fn assert_kept((uid, before): &(Value, Value), (uid_now, now): &(Value, Value)) {
    assert_eq!(uid, uid_now, "the policy was made again");
    assert_holds(before, now, "spec");
}

/// What was said is said still, in objects within it too.
fn assert_holds(before: &Value, now: &Value, path: &str) {
    let Some(fields) = before.as_object() else {
        assert_eq!(now, before, "{path}");
        return;
    };
    for (field, value) in fields {
        assert_holds(value, &now[field], &format!("{path}.{field}"));
    }
}
