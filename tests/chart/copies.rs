//! Copies of the chart that lack what the repository has as a symbolic link: nothing is rendered without the definitions.

use std::path::Path;
use std::process::Command;

use rig::shared;

use crate::support::{NAMESPACE, RELEASE, chart, helm, names, objects, only, template};

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

/// A chart that depends on this one, with what its values say of it.
fn parent(directory: &Path, values: &str) -> String {
    let parent = directory.join("platform");
    std::fs::create_dir_all(parent.join("charts")).expect("a directory");
    let dependency = "{name: amiseal, version: 0.1.0, repository: ''}";
    let chart = format!("apiVersion: v2\nname: platform\nversion: 1.0.0\ndependencies: [{dependency}]\n");
    std::fs::write(parent.join("Chart.yaml"), chart).expect("written");
    std::fs::write(parent.join("values.yaml"), values).expect("written");
    parent.to_str().expect("UTF-8").to_owned()
}

#[tokio::test]
async fn a_chart_that_depends_on_this_one_sets_and_takes_away_its_values() {
    let directory = tempfile::tempdir().expect("a directory");
    let values = "global: {imagePullSecrets: [{name: a}]}\namiseal:\n  replicas: 3\n  podLabels:\n";
    let parent = parent(directory.path(), values);
    let package = directory.path().join("platform/charts");
    let package = package.to_str().expect("UTF-8");
    let packaged = helm(shared().await, &["package", &chart(), "--destination", package]).await;
    packaged.expect("helm package");
    let user = "amiseal.podSecurityContext.runAsUser=null";
    let arguments = ["template", RELEASE, &parent, "--namespace", NAMESPACE, "--set", user];
    let yaml = helm(shared().await, &arguments).await;
    let rendered = objects(&yaml.expect("helm template"));
    let deployment = &only(&rendered, "Deployment")["spec"];
    assert_eq!(deployment["replicas"], 3);
    let context = &deployment["template"]["spec"]["securityContext"];
    assert_eq!(
        (context.get("runAsUser"), &context["runAsGroup"]),
        (None, &65532.into())
    );
    let definitions = rendered
        .iter()
        .filter(|object| object["kind"] == "CustomResourceDefinition");
    assert_eq!(definitions.count(), 3);
    let wrong = ["template", RELEASE, &parent, "--set", "amiseal.podLabels.a=1"];
    let refusal = helm(shared().await, &wrong).await.refusal("helm template");
    assert!(
        refusal.contains("at '/podLabels/a': got number, want null or string"),
        "{refusal}"
    );
}
