//! The check of a pull request, as the examples for GitHub and GitLab run it.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use ec2sim::WorldSpec;
use ec2sim::spec::RoleSpec;
use regex::Regex;
use rig::tools::Tool;
use serde_json::Value;
use tempfile::TempDir;

use super::{file, objects, read, yaml};
use crate::harness::{Scenario, account, plain, region, world};

const SCRIPT: &str = "ci/plan.sh";
const COMMENT: &str = "ci/comment.sh";
/// The role that the script assumes.
const ROLE: &str = "amiseal-plan";
/// By which the jobs find the comment of an earlier plan.
const MARK: &str = "<!-- amiseal plan -->";
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

/// The actions of the statements of the guide that look at images and keys.
fn look() -> Vec<String> {
    let guide = read(&file("../guide.md"));
    let blocks = guide.split("```json\n").skip(1);
    let mut policies = blocks.map(|block| yaml(block.split_once("\n```").expect("the end of a block").0));
    let is_of_role = |policy: &Value| {
        let statements = policy["Statement"].as_array().expect("statements");
        statements.iter().any(|one| one["Sid"] == "LookAtImages")
    };
    let role = policies.find(is_of_role).expect("the policy of the role");
    let statements = role["Statement"].as_array().expect("statements").iter();
    let look = statements.filter(|one| one["Sid"].as_str().is_some_and(|sid| sid.starts_with("LookAt")));
    let actions = look.flat_map(|one| match &one["Action"] {
        Value::Array(several) => several.clone(),
        one => vec![one.clone()],
    });
    actions
        .map(|action| action.as_str().expect("a name").to_owned())
        .collect()
}

/// The world of these accounts as the page has it: the role that migrates does not trust the job, and the other one may
/// only look.
fn reviewed(accounts: &str) -> WorldSpec {
    let mut world = world(accounts);
    for account in &mut world.accounts {
        for role in std::mem::take(&mut account.roles) {
            let reading = RoleSpec {
                name: ROLE.to_owned(),
                external_id: Some("example-platform".to_owned()),
                allow: look(),
                statements: Vec::new(),
                ..role.clone()
            };
            let trust = vec!["888800001111".to_owned()];
            account.roles = vec![RoleSpec { trust, ..role }, reading];
        }
    }
    world
}

/// The roles that were assumed.
fn assumed(scenario: &Scenario) -> BTreeSet<String> {
    let calls = scenario.calls("AssumeRole");
    calls.iter().map(|call| call.params["RoleArn"].clone()).collect()
}

#[tokio::test]
async fn the_plan_of_a_pull_request_is_markdown_and_fails_only_where_something_must_be_fixed_first() {
    let bin = programs();
    let regions = |image: &str| region("eu-west-1", &[image]) + &region("us-east-1", &[]);
    let encrypted = "{name: done, encryptedUnder: alias/ami}";
    let production = ["111122223333", "444455556666", "777788889999"].map(|id| account(id, &regions(&plain("web"))));
    let all = account("123456789012", &regions(encrypted)) + &production.concat();
    let scenario = Scenario::new(reviewed(
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
    // No other role was asked for, not even in vain.
    let roles = ["123456789012", "111122223333", "444455556666", "777788889999"];
    assert_eq!(
        assumed(&scenario),
        roles.map(|id| format!("arn:aws:iam::{id}:role/{ROLE}")).into()
    );

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

#[tokio::test]
async fn the_plan_assumes_its_own_role_where_accounts_name_theirs() {
    const ACCOUNTS: [&str; 3] = ["111122223333", "444455556666", "777788889999"];
    let accounts = ACCOUNTS.map(|id| account(id, &region("eu-west-1", &[])));
    let scenario = Scenario::new(reviewed(&accounts.concat())).await;
    let overlay = tempfile::tempdir().expect("a directory");
    let policy = r#"
apiVersion: amiseal.dev/v1alpha1
kind: AMIEncryptionPolicy
metadata: {name: production}
spec:
  defaults: {externalID: example-platform, roleName: "amiseal", regions: [{kmsKeyID: alias/ami, name: eu-west-1}]}
  accounts:
  - {roleName: platform/amiseal, accountID: "111122223333"}
  - {roleARN: "arn:aws:iam::444455556666:role/platform/amiseal", accountID: "444455556666"}
  - {accountID: "777788889999"}
"#;
    let files = [
        ("policy.yaml", policy),
        ("kustomization.yaml", "resources: [policy.yaml]\n"),
    ];
    for (name, text) in files {
        std::fs::write(overlay.path().join(name), text).expect("a file");
    }
    let path = overlay.path().to_str().expect("UTF-8");
    let (status, said) = plan(&scenario, programs().path(), &[path]).await;
    assert_eq!(status, 0, "{said}");
    assert_eq!(
        assumed(&scenario),
        ACCOUNTS.map(|id| format!("arn:aws:iam::{id}:role/{ROLE}")).into()
    );
    scenario.judged();
}

/// What the script for comments makes of a plan.
fn comment(plan: &str) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("plan.md");
    std::fs::write(&path, plan).expect("a file");
    let output = Command::new(file(COMMENT)).arg(&path).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("no character is cut")
}

#[test]
fn a_comment_begins_with_the_mark_and_has_as_many_whole_lines_as_fit() {
    let plan = "## production\n\n| total | 3 |\n";
    assert_eq!(comment(plan), format!("{MARK}\n{plan}"));
    for line in ["| ä€🙂 |\n", "| an image |\n", "\n"] {
        let long = comment(&line.repeat(70_000));
        assert!(long.len() < 65_536 && long.len() > 64_900, "{}", long.len());
        let (lines, rest) = long.split_once("\nThe plan is longer").expect("a word of it");
        let lines = lines.strip_prefix(MARK).and_then(|lines| lines.strip_prefix('\n'));
        let lines = lines.expect("the mark");
        assert_eq!(lines, line.repeat(lines.len() / line.len()), "{rest}");
    }
    for (name, commands) in commands() {
        assert!(
            commands.contains(&format!("startswith(\"{MARK}\")")),
            "{name}: {commands}"
        );
    }
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
    let run = Regex::new(r"/plan\.sh( policies/[a-z0-9/-]+)+ > plan\.md \|\| status=\$\?").expect("a pattern");
    let overlay = Regex::new(r"policies/[a-z0-9/-]+").expect("a pattern");
    let mut overlays = BTreeSet::new();
    for (name, commands) in commands() {
        for script in [SCRIPT, COMMENT] {
            let script = script.strip_prefix("ci").expect("a script");
            assert!(commands.contains(&format!("{script} ")), "{name} does not run {script}");
        }
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
    let steps = github["jobs"]["plan"]["steps"].as_array().expect("steps");
    let mut roles = steps.iter().map(|step| &step["with"]["role-to-assume"]);
    let role = roles.find(|role| role.is_string()).expect("a role");
    let gitlab = objects(&read(&file(GITLAB)));
    assert_eq!(role, &gitlab[0]["amiseal-plan"]["variables"]["AWS_ROLE_ARN"]);
    // The page says what this one may do.
    let page = read(&file("../gitops.md"));
    for named in [role.as_str().expect("an ARN"), ROLE] {
        assert!(page.contains(&format!("`{named}`")), "{named}");
    }
}
