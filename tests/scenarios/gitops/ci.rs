//! The check of a pull request, as the examples for GitHub and GitLab run it.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use regex::Regex;
use rig::tools::Tool;
use serde_json::Value;
use tempfile::TempDir;

use super::{file, objects, read, yaml};
use crate::harness::{Scenario, account, plain, region, world};

const SCRIPT: &str = "ci/plan.sh";
const GITHUB: &str = "ci/github-workflow.yaml";
const GITLAB: &str = "ci/gitlab-ci.yaml";

/// Runs the script in a repository that has the policies, with nothing but kubectl and amiseal on its path.
async fn plan(scenario: &Scenario, bin: &Path, overlays: &[&str]) -> (i32, String) {
    let mut command = Command::new(file(SCRIPT));
    command
        .args(overlays)
        .current_dir(file(""))
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("AWS_ENDPOINT_URL", scenario.endpoint())
        .env("AWS_ACCESS_KEY_ID", "AKIACONTROLLER")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let output = tokio::process::Command::from(command).output().await;
    let output = output.expect("the script runs");
    let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8");
    (output.status.code().expect("an exit status"), said)
}

/// A directory of programs.
fn programs() -> TempDir {
    let bin = tempfile::tempdir().expect("a directory");
    let kubectl = Tool::Kubectl.path().expect("kubectl");
    for (program, name) in [
        (kubectl.as_path(), "kubectl"),
        (Path::new(env!("CARGO_BIN_EXE_amiseal")), "amiseal"),
    ] {
        symlink(program, bin.path().join(name)).expect("a link");
    }
    bin
}

#[tokio::test]
async fn the_plan_of_a_pull_request_is_markdown_and_fails_only_where_something_must_be_fixed_first() {
    let bin = programs();
    let regions = |image: &str| region("eu-west-1", &[image]) + &region("us-east-1", &[]);
    let encrypted = "{name: done, encryptedUnder: alias/ami}";
    let production = ["111122223333", "444455556666", "777788889999"].map(|id| account(id, &regions(&plain("web"))));
    let all = account("123456789012", &regions(encrypted)) + &production.concat();
    let all = all.replace("externalID: platform", "externalID: example-platform");
    let scenario = Scenario::new(world(
        &all.replace("expect: {copied: {key: alias/ami, tags: withheld}}", ""),
    ))
    .await;

    // Nothing to do: 0. Images to copy: 0 as well, since that is what a policy is for.
    let (status, said) = plan(&scenario, bin.path(), &["policies/staging"]).await;
    assert_eq!(status, 0, "{said}");
    let (status, said) = plan(&scenario, bin.path(), &["policies/staging", "policies/production"]).await;
    assert_eq!(status, 0, "{said}");
    for line in ["## policies/staging", "## policies/production", "| total "] {
        assert!(said.lines().any(|this| this.starts_with(line)), "no «{line}» in {said}");
    }
    assert!(said.contains("Enforce would copy 3 images"), "{said}");
    // Nothing was written.
    assert_eq!(scenario.mutating_calls(), []);

    // Something to be fixed first: 1, and the rest of the plan is there.
    scenario.edit(ec2sim::Edit::SetKeyState {
        account: "444455556666".to_owned(),
        region: "eu-west-1".to_owned(),
        key: "alias/ami".to_owned(),
        state: "Disabled".to_owned(),
    });
    let (status, said) = plan(&scenario, bin.path(), &["policies/production", "policies/staging"]).await;
    assert_eq!(status, 1, "{said}");
    assert!(
        said.contains("KeyDisabled") && said.contains("## policies/staging"),
        "{said}"
    );

    // What cannot be rendered is an error, and not a plan of nothing.
    let (status, said) = plan(&scenario, bin.path(), &["policies/absent"]).await;
    assert_eq!(status, 1, "{said}");
    scenario.judged();
}

/// The commands of a job of either system.
fn commands() -> Vec<(&'static str, String)> {
    let github = yaml(&read(&file(GITHUB)));
    let steps = github["jobs"]["plan"]["steps"].as_array().expect("steps");
    let of_github = steps.iter().filter_map(|step| step["run"].as_str());
    let gitlab = yaml(&read(&file(GITLAB)));
    let script = gitlab["amiseal-plan"]["script"].as_array().expect("a script").clone();
    let of_gitlab = script.iter().filter_map(Value::as_str);
    vec![
        (GITHUB, of_github.collect::<Vec<_>>().join("\n")),
        (GITLAB, of_gitlab.collect::<Vec<_>>().join("\n")),
    ]
}

#[test]
fn both_jobs_run_the_script_on_overlays_that_are_there_and_end_with_its_status() {
    let run = Regex::new(r"ci/plan\.sh( policies/[a-z0-9/-]+)+ > plan\.md \|\| status=\$\?").expect("a pattern");
    let overlay = Regex::new(r"policies/[a-z0-9/-]+").expect("a pattern");
    let mut overlays = BTreeSet::new();
    for (name, commands) in commands() {
        let found = run
            .find(&commands)
            .unwrap_or_else(|| panic!("{name} does not run the script: {commands}"));
        let named: Vec<&str> = overlay.find_iter(found.as_str()).map(|found| found.as_str()).collect();
        for overlay in &named {
            assert!(file(overlay).join("kustomization.yaml").is_file(), "{name}: {overlay}");
        }
        overlays.insert(named.join(" "));
        assert!(
            commands.to_lowercase().contains("exit \"$status\""),
            "{name}: {commands}"
        );
    }
    assert_eq!(overlays.len(), 1, "both plan the same");
}

#[test]
fn the_sessions_of_both_jobs_are_for_one_role() {
    let github = yaml(&read(&file(GITHUB)));
    let role = &github["jobs"]["plan"]["steps"][1]["with"]["role-to-assume"];
    let gitlab = objects(&read(&file(GITLAB)));
    assert_eq!(role, &gitlab[0]["amiseal-plan"]["variables"]["AWS_ROLE_ARN"]);
}
