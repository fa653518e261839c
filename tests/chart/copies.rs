//! Copies of the chart that lack what the repository has as a symbolic link: nothing is rendered without the definitions.

use std::path::Path;
use std::process::Command;

use rig::shared;

use crate::support::{NAMESPACE, RELEASE, chart, helm, names, objects, template};

const SENTENCE: &str = "this copy of the chart has no files/crds with the definition of ";

/// A copy in which the link is what `ln` or Git made of it.
fn copy(to: &Path) -> String {
    let copied = Command::new("cp")
        .args(["-R", &chart()])
        .arg(to)
        .status()
        .expect("cp runs");
    assert!(copied.success());
    let link = to.join("amiseal/files/crds");
    assert!(link.is_symlink(), "files/crds is no link any more");
    to.join("amiseal").to_str().expect("UTF-8").to_owned()
}

async fn refusal(chart: &str) -> String {
    let install = ["install", RELEASE, chart, "--namespace", NAMESPACE, "--dry-run=client"];
    let refused = helm(shared().await, &install).await.refusal("helm install");
    let rendered = helm(shared().await, &["template", RELEASE, chart])
        .await
        .refusal("helm template");
    assert!(refused.contains(SENTENCE), "{refused}");
    rendered
}

#[tokio::test]
async fn a_clone_without_links_or_a_zip_is_refused_with_a_sentence_that_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let chart = copy(directory.path());
    let link = directory.path().join("amiseal/files/crds");
    let target = std::fs::read_link(&link).expect("a link");
    // Git without core.symlinks, and what unpacks zip files, write a file with the link's target.
    std::fs::remove_file(&link).expect("removed");
    std::fs::write(&link, target.to_str().expect("UTF-8")).expect("written");
    let refused = refusal(&chart).await;
    for part in [
        SENTENCE,
        "amiencryptionpolicies",
        "Git without core.symlinks, or a zip file",
        "make chart",
        "crds.enabled=false",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    let without = helm(
        shared().await,
        &["template", RELEASE, &chart, "--set", "crds.enabled=false"],
    )
    .await;
    let rendered = objects(&without.expect("helm template"));
    assert!(names(&rendered).contains(&"Deployment amiseal".to_owned()));
}

#[tokio::test]
async fn a_copy_that_lacks_a_definition_is_refused_by_its_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let chart = copy(directory.path());
    let files = directory.path().join("amiseal/files/crds");
    std::fs::remove_file(&files).expect("removed");
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    let copied = Command::new("cp")
        .arg("-R")
        .args([&crds, &files])
        .status()
        .expect("cp runs");
    assert!(copied.success());
    let whole = helm(shared().await, &["template", RELEASE, &chart, "--namespace", NAMESPACE]).await;
    assert_eq!(
        whole.expect("helm template"),
        template(&[]).await.expect("helm template")
    );
    std::fs::remove_file(files.join("amiseal.dev_amimigrations.yaml")).expect("removed");
    let refused = refusal(&chart).await;
    assert!(refused.contains(&format!("{SENTENCE}amimigrations: ")), "{refused}");
}
