//! The documents say what the code says.

use std::collections::BTreeSet;
use std::path::Path;

use amiseal::api::conditions::reason;
use amiseal::domain::Operation;
use regex::Regex;

#[path = "docs/layers.rs"]
mod layers;
#[path = "docs/metrics.rs"]
mod metrics;

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

/// The actions in a block of JSON that the guide shows, in its statement of this name, or in all of them.
fn guide_actions(file: &str, statement: Option<&str>) -> BTreeSet<String> {
    let guide = include_str!("../docs/guide.md");
    let (_, rest) = guide.split_once(&format!("`{file}`:\n\n```json\n")).expect("a file");
    let (json, _) = rest.split_once("\n```").expect("its end");
    let policy: serde_json::Value = serde_json::from_str(json).expect("JSON");
    let statements = policy["Statement"].as_array().expect("statements");
    let statements = statements
        .iter()
        .filter(|this| statement.is_none_or(|name| this["Sid"] == name));
    // A single one stands by itself.
    let actions = statements.flat_map(|this| match &this["Action"] {
        serde_json::Value::Array(actions) => actions.clone(),
        action => vec![action.clone()],
    });
    actions
        .map(|action| action.as_str().expect("an action").to_owned())
        .collect()
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

/// Whether the controller calls an operation: what is not in its role's policy is in the report's.
fn is_of_controller(operation: &Operation) -> bool {
    operation.service() == "sts"
        || guide_actions("role.json", None).contains(operation.action())
        || !report_actions().contains(operation.action())
}

/// The actions of the operations that amiseal calls, as far as they are meant.
fn called(which: impl Fn(&Operation) -> bool) -> BTreeSet<String> {
    let operations = Operation::ALL.iter().filter(|operation| which(operation));
    operations.map(|operation| operation.action().to_owned()).collect()
}

#[test]
fn the_guides_policies_for_iam_allow_the_operations_that_are_called_and_no_others() {
    let of_role = |operation: &Operation| operation.service() != "sts" && is_of_controller(operation);
    let mut reads = called(|operation| of_role(operation) && !operation.writes());
    // DescribeImageReferences asks for these two.
    reads.extend(["imagebuilder:GetContainerRecipe", "imagebuilder:GetImageRecipe"].map(str::to_owned));
    let sees = guide_actions("role.json", Some("SeeWhoUsesThem"));
    let finds = guide_actions("role.json", Some("LookForFindings"));
    // Where a policy wants it, this asks and reads the answer.
    let asks = guide_actions("role.json", Some("AskForUsageReports"));
    let of_reports = called(|operation| operation.name().contains("ImageUsageReport"));
    assert_eq!(asks, of_reports);
    // Who may use the key is read for findings too.
    let moves = guide_actions("role.json", Some("MoveWhatLaunches"));
    let of_moving = called(|operation| {
        use Operation::{CreateLaunchTemplateVersion, ListTagsForResource, ModifyLaunchTemplate, PutParameter};
        let own = [
            CreateLaunchTemplateVersion,
            ListTagsForResource,
            ModifyLaunchTemplate,
            PutParameter,
        ];
        own.contains(operation)
    });
    assert_eq!(&moves - &finds, of_moving);
    let looks = &guide_actions("role.json", Some("Look")) | &sees;
    assert_eq!(&looks | &finds, &(&reads - &asks) - &of_moving);
    let writes = called(|operation| of_role(operation) && operation.writes());
    assert_eq!(
        guide_actions("role.json", Some("Migrate")),
        &(&writes - &asks) - &of_moving
    );
    // AWS answers everybody who they are, and tagging a session is a permission of its own.
    let of_caller = |operation: &Operation| operation.service() == "sts" && *operation != Operation::GetCallerIdentity;
    let mut assumes = called(of_caller);
    assumes.insert("sts:TagSession".to_owned());
    assert_eq!(guide_actions("controller.json", None), assumes);
    assert_eq!(guide_actions("trust.json", None), assumes);
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
    // For those the README points to the guide.
    let sees = guide_actions("role.json", Some("SeeWhoUsesThem"));
    let sees = &sees | &guide_actions("role.json", Some("LookForFindings"));
    let sees = &sees | &guide_actions("role.json", Some("AskForUsageReports"));
    let sees = &sees | &guide_actions("role.json", Some("MoveWhatLaunches"));
    let needed = called(|operation| *operation != Operation::GetCallerIdentity && is_of_controller(operation));
    for action in &needed - &sees {
        assert!(
            readme.contains(&format!("`{action}`")),
            "README.md does not name {action}"
        );
    }
}

/// The documents that people read, by their paths in the project, beside the runbooks.
const DOCUMENTS: [&str; 15] = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "charts/amiseal/README.md",
    "docs/adr/README.md",
    "docs/benchmarks.md",
    "docs/findings.md",
    "docs/gitops.md",
    "docs/guide.md",
    "docs/import.md",
    "docs/plan.md",
    "docs/reasons.md",
    "docs/report.md",
    "docs/scaling.md",
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
