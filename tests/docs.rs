//! The documents say what the code says.

use std::collections::BTreeSet;
use std::path::Path;

use amiseal::api::conditions::reason;
use amiseal::domain::Operation;
use regex::Regex;

#[path = "docs/events.rs"]
mod events;
#[path = "docs/layers.rs"]
mod layers;
#[path = "docs/metrics.rs"]
mod metrics;
#[path = "docs/noticing.rs"]
mod noticing;

const REASONS: &str = include_str!("../docs/reasons.md");

#[test]
fn every_reason_has_its_entry_and_every_entry_is_a_reason() {
    let entries: Vec<&str> = REASONS
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    for name in reason::ALL {
        let count = entries.iter().filter(|entry| *entry == name).count();
        assert_eq!(
            count, 1,
            "docs/reasons.md has {count} entries for {name}: add or remove a row"
        );
    }
    for entry in entries {
        assert!(
            reason::ALL.contains(&entry),
            "docs/reasons.md has a row for {entry}, which is no reason"
        );
    }
}

/// The commands of the guide that print rights into a file: their words, and the file.
fn commands_for_rights(guide: &str) -> Vec<(Vec<String>, String)> {
    let joined = guide.replace("\\\n", " ");
    let commands = joined
        .lines()
        .filter_map(|line| line.strip_prefix("$ amiseal iam-policy "));
    let commands = commands.filter_map(|command| command.split_once(" > "));
    commands
        .map(|(words, file)| {
            (
                words.split_whitespace().map(str::to_owned).collect(),
                file.trim().to_owned(),
            )
        })
        .collect()
}

#[test]
fn the_guides_rights_are_what_the_command_prints_of_the_guides_policy() {
    let path = "docs/guide.md";
    let mut guide = read(Path::new(path));
    let writes = std::env::var_os("AMISEAL_WRITE_DOCS").is_some();
    let directory = tempfile::tempdir().expect("a directory");
    let (_, rest) = guide.split_once("`everything.yaml`:\n\n```yaml\n").expect("the policy");
    let (policy, _) = rest.split_once("\n```").expect("its end");
    std::fs::write(directory.path().join("everything.yaml"), policy).expect("a file");
    let commands = commands_for_rights(&guide);
    let files: BTreeSet<&str> = commands.iter().map(|(_, file)| file.as_str()).collect();
    assert_eq!(files, ["controller.json", "key.json", "role.json", "trust.json"].into());
    let mut wrong = Vec::new();
    for (words, file) in &commands {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_amiseal"))
            .arg("iam-policy")
            .args(words)
            .current_dir(directory.path())
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{words:?}: {output:?}");
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        let begin = format!("`{file}`:\n\n```json\n");
        let (before, rest) = guide
            .split_once(&begin)
            .unwrap_or_else(|| panic!("the guide has no {file}"));
        let (shown, after) = rest.split_once("```\n").expect("its end");
        if shown != printed {
            wrong.push(file.clone());
            guide = format!("{before}{begin}{printed}```\n{after}");
        }
    }
    if writes && !wrong.is_empty() {
        std::fs::write(path, &guide).expect("the guide is written");
        return;
    }
    assert!(
        wrong.is_empty(),
        "{wrong:?} of {path} are out of date: make rights writes them anew"
    );
}

#[test]
fn the_page_of_rights_has_the_statements_as_the_command_explains_them() {
    let path = "docs/rights.md";
    let page = read(Path::new(path));
    let (begin, end) = ("<!-- statements -->\n", "<!-- end of statements -->\n");
    let (before, rest) = page.split_once(begin).expect("the table");
    let (shown, after) = rest.split_once(end).expect("its end");
    let table = amiseal::plan::rights::table();
    if std::env::var_os("AMISEAL_WRITE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{begin}\n{table}\n{end}{after}")).expect("the page is written");
        return;
    }
    assert!(
        shown.trim() == table.trim(),
        "{path} is out of date: make rights writes it anew"
    );
}

/// The actions in the policy that the page on the report shows. Whoever runs a command has rights of their own.
fn report_actions() -> BTreeSet<String> {
    let page = include_str!("../docs/report.md");
    let (_, rest) = page.split_once("```json\n").expect("a policy");
    let (json, _) = rest.split_once("\n```").expect("its end");
    let policy: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let actions = policy["Statement"][0]["Action"].as_array().expect("actions");
    let actions = actions
        .iter()
        .map(|action| action.as_str().expect("an action").to_owned());
    actions.collect()
}

/// The actions of the operations that amiseal calls, as far as they are meant.
fn called(which: impl Fn(&Operation) -> bool) -> BTreeSet<String> {
    let operations = Operation::ALL.iter().filter(|operation| which(operation));
    operations.map(|operation| operation.action().to_owned()).collect()
}

#[test]
fn the_reports_policy_allows_nothing_but_reads_that_are_called() {
    let called = called(|operation| !operation.writes());
    // DescribeImageReferences asks for these two.
    let of_aws = ["imagebuilder:GetContainerRecipe", "imagebuilder:GetImageRecipe"];
    for action in report_actions() {
        assert!(
            called.contains(&action) || of_aws.contains(&action.as_str()),
            "{action}"
        );
    }
}

#[test]
fn the_page_of_findings_is_as_the_checks_say() {
    let (path, page) = ("docs/findings.md", amiseal::plan::findings::page());
    if std::env::var_os("AMISEAL_WRITE_DOCS").is_some() {
        std::fs::write(path, &page).expect("the page is written");
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == page, "{path} is out of date: make findings writes it anew");
}

#[test]
fn the_plans_page_names_every_action_that_dry_runs_ask_about() {
    let page = include_str!("../docs/plan.md");
    let option = page.lines().find(|line| line.starts_with("| `--check-permissions`"));
    let (option, action) = (
        option.expect("the option"),
        Regex::new("`(ec2:[A-Za-z]+)`").expect("a pattern"),
    );
    let named: BTreeSet<String> = action.captures_iter(option).map(|found| found[1].to_owned()).collect();
    assert_eq!(named, called(|operation| operation.is_asked_by_dry_run()));
}

#[test]
fn the_readme_names_every_action_that_the_role_needs() {
    let readme = include_str!("../README.md");
    // For who uses the images, and for what is moved, the README points elsewhere.
    let policy = "{apiVersion: amiseal.dev/v1alpha1, kind: AMIEncryptionPolicy, metadata: {name: p}, spec: {mode: Enforce, \
         defaults: {roleName: amiseal}, consumers: {read: false}, promotion: {seal: amiseal-verified}, \
         accounts: [{accountID: '111122223333', regions: [{name: eu-west-1, kmsKeyID: alias/ami}]}]}}";
    let policies = amiseal::cli::policy_file::policies(policy).expect("a policy");
    let rights = amiseal::plan::rights::of(&policies, &amiseal::plan::rights::Options::default());
    let statements = [rights.accounts[0].statements(), rights.controller.statements].concat();
    let actions: BTreeSet<String> = statements
        .into_iter()
        .flat_map(|statement| statement.action.0)
        .collect();
    // The use of the key goes by that name.
    let of_key = |action: &&String| action.starts_with("kms:") && action.as_str() != "kms:DescribeKey";
    for action in actions.iter().filter(|action| !of_key(action)) {
        assert!(
            readme.contains(&format!("`{action}`")),
            "README.md does not name {action}"
        );
    }
    assert!(
        actions.contains("ec2:CopyImage") && actions.contains("sts:TagSession"),
        "{actions:?}"
    );
}

#[test]
fn the_page_on_security_has_every_call_that_changes_something_as_cloudtrail_names_it() {
    let page = include_str!("../docs/security.md");
    for operation in Operation::ALL.iter().filter(|operation| operation.writes()) {
        let row = format!("\n| `{}` | `{}.amazonaws.com` |", operation.name(), operation.service());
        assert!(page.contains(&row), "docs/security.md has no row for {operation}");
    }
}

/// The documents that people read, by their paths in the project, beside the runbooks.
const DOCUMENTS: [&str; 19] = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "charts/amiseal/README.md",
    "docs/adr/README.md",
    "docs/benchmarks.md",
    "docs/findings.md",
    "docs/gitops.md",
    "docs/guardrails.md",
    "docs/guide.md",
    "docs/import.md",
    "docs/map.md",
    "docs/plan.md",
    "docs/reasons.md",
    "docs/report.md",
    "docs/rights.md",
    "docs/scaling.md",
    "docs/security.md",
    "tests/ec2sim/README.md",
];

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()))
}

/// The text without its blocks of code.
fn prose(text: &str) -> String {
    let parts = text.split("\n```").step_by(2);
    parts.collect::<Vec<_>>().join("\n")
}

/// What the headings of a document are called in links.
fn anchors(text: &str) -> Vec<String> {
    let headings = prose(text);
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let mut followed = 0;
    let runbooks = std::fs::read_dir(root.join("docs/runbooks")).expect("the runbooks");
    let runbooks = runbooks.map(|page| format!("docs/runbooks/{}", page.expect("an entry").file_name().display()));
    for document in DOCUMENTS.map(str::to_owned).into_iter().chain(runbooks) {
        let path = root.join(&document);
        let text = read(&path);
        for found in link.captures_iter(&prose(&text)) {
            let target = &found[1];
            if target.starts_with("https://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = match file {
                "" => path.clone(),
                file => path.parent().expect("a directory").join(file),
            };
            assert!(to.exists(), "{document} links to {target}, and there is no such file");
            assert!(
                anchor.is_empty() || anchors(&read(&to)).iter().any(|there| there == anchor),
                "{document} links to {target}, and that file has no such heading"
            );
            followed += 1;
        }
    }
    assert!(followed > 20, "only {followed} links were found");
}

#[test]
fn every_guard_that_is_to_be_taken_out_stands_where_its_patch_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let patches = std::fs::read_dir(root.join("tests/simulation/guards")).expect("the guards");
    let mut count = 0;
    for patch in patches {
        let patch = patch.expect("an entry").path();
        let applied = std::process::Command::new("git")
            .current_dir(root)
            .args(["apply", "--check"])
            .arg(&patch)
            .output()
            .expect("git runs");
        let said = String::from_utf8_lossy(&applied.stderr);
        assert!(applied.status.success(), "{}: {said}", patch.display());
        count += 1;
    }
    assert!(count >= 14, "{count} guards");
}
