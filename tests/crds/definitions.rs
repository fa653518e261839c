//! What `crds/` holds, what is printed, and what the API server makes of it.

use std::collections::BTreeMap;
use std::path::Path;

use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use amiseal::api::{AMIEncryptionPolicy, AMIEncryptionPolicySpec};
use amiseal::cli::crd;

use crate::{client, kubectl, kubectl_tries, words};

fn crds_directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/crds"))
}

#[test]
fn the_files_in_crds_are_those_that_the_types_give() {
    let expected: BTreeMap<String, String> = crd::files()
        .expect("definitions")
        .into_iter()
        .map(|file| (file.name, file.yaml))
        .collect();
    let found: BTreeMap<String, String> = std::fs::read_dir(crds_directory())
        .expect("crds/ is there: run `make crds`")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("a readable file"))
        })
        .collect();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&found),
        names(&expected),
        "crds/ has other files: run `make crds`"
    );
    for (name, yaml) in expected {
        assert!(
            found[&name] == yaml,
            "crds/{name} is not what src/api gives: run `make crds`"
        );
    }
}

#[test]
fn what_is_printed_is_what_is_written_to_files() {
    let mut printed = Vec::new();
    crd::run(&crd::Args::default(), &mut printed).expect("printed");
    let printed = String::from_utf8(printed).expect("UTF-8");

    let directory = tempfile::tempdir().expect("a directory");
    let output_dir = directory.path().join("new/crds");
    let mut nothing = Vec::new();
    crd::run(
        &crd::Args {
            output_dir: Some(output_dir.clone()),
        },
        &mut nothing,
    )
    .expect("written");
    assert!(nothing.is_empty());

    let written: String = crd::files()
        .expect("definitions")
        .iter()
        .map(|file| std::fs::read_to_string(output_dir.join(&file.name)).expect("a file for each"))
        .map(|yaml| format!("---\n{yaml}"))
        .collect();
    assert_eq!(printed, written);
    assert_eq!(printed.matches("\nkind: CustomResourceDefinition\n").count(), 3);
}

#[tokio::test]
async fn the_api_server_takes_the_definitions_without_a_warning() {
    let directory = crds_directory().to_str().expect("UTF-8");
    let (out, err) = kubectl(&["apply", "--server-side", "--force-conflicts", "-f", directory]).await;
    assert_eq!((out.lines().count(), err.as_str()), (3, ""));
}

/// Every property of the schema with its path, the list `[]` and the map `{}` included.
fn properties(path: &str, schema: &Value, found: &mut Vec<(String, String)>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let description = property["description"].as_str().unwrap_or_default();
        found.push((path.clone(), description.to_owned()));
        properties(&path, property, found);
        properties(&path, &property["items"], found);
    }
}

#[tokio::test]
async fn kubectl_explains_every_field_of_the_three_kinds() {
    // The API server publishes it a moment after it has taken the definitions.
    let published = ["get", "--raw", "/openapi/v3/apis/amiseal.dev/v1alpha1"];
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    let explained = ["aep", "aet", "amim"].map(|kind| ["explain", kind]);
    for asked in explained.iter().map(|asked| &asked[..]).chain([&published[..]]) {
        while !kubectl_tries(asked).await.0 && std::time::Instant::now() < deadline {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
    let (text, _) = kubectl(&published).await;
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let mut count = 0;
    for kind in ["AMIEncryptionPolicy", "AMIEncryptionTarget", "AMIMigration"] {
        let schema = &document["components"]["schemas"][format!("dev.amiseal.v1alpha1.{kind}")];
        let mut found = Vec::new();
        properties(kind, schema, &mut found);
        for (path, description) in &found {
            assert!(description.len() > 10, "{path} has no doc comment: {description:?}");
        }
        count += found.len();
    }
    assert!(count > 100, "only {count} fields were found");

    let (all, _) = kubectl(&["explain", "amiencryptionpolicies", "--recursive"]).await;
    for field in [
        "mode",
        "scanInterval",
        "lookEvery",
        "backups",
        "historyTTL",
        "ownedBy",
        "requiredTags",
        "kmsKeyID",
        "namePattern",
        "launchPermissions",
        "exclude",
        "organizationalUnits",
        "lastTransitionTime",
    ] {
        assert!(
            words(&all).iter().any(|line| line[..].first() == Some(&field)),
            "{field} is missing:\n{all}"
        );
    }
    for (field, said) in [
        ("aep.spec.copy.maxAttempts", "Default: `3`."),
        ("aep.spec.scanInterval", "Default: `15m`."),
        ("aep.spec.newImages.lookEvery", "Default: `1m`."),
        ("aet.status.conditions", "`Permitted`"),
    ] {
        let (text, _) = kubectl(&["explain", field]).await;
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(said), "{field}: {text}");
    }
    let (one, _) = kubectl(&["explain", "aep.spec.accounts.regions.kmsKeyID"]).await;
    let one = one.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        one.contains("a key ID, a key ARN, an alias name as in `alias/ami`, or an alias ARN"),
        "{one}"
    );
}

#[tokio::test]
async fn what_a_policy_does_not_say_is_filled_in_where_people_see_it() {
    let name = "says-little";
    let policy = json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": name},
        "spec": {
            "accounts": [{
                "accountID": "111122223333",
                "regions": [{"name": "eu-west-1", "kmsKeyID": "alias/ami"}],
            }],
            "copy": {"maxAttempts": 5},
        },
    });
    let api: Api<AMIEncryptionPolicy> = Api::all(client().await);
    let stored = api
        .patch(
            name,
            &PatchParams::apply("test").validation_strict(),
            &Patch::Apply(&policy),
        )
        .await
        .expect("accepted");

    let (yaml, _) = kubectl(&["get", "aep", name, "-o", "json"]).await;
    let shown: Value = serde_json::from_str(&yaml).expect("JSON");
    let mut expected = policy["spec"].clone();
    expected["mode"] = json!("Audit");
    expected["suspend"] = json!(false);
    expected["scanInterval"] = json!("15m");
    expected["otherKey"] = json!("Report");
    expected["backups"] = json!("Exclude");
    expected["historyTTL"] = json!("720h");
    expected["consumers"] = json!({"read": true, "parameters": "Images", "usageReports": "Ignore"});
    expected["unused"] = json!({"after": "2160h"});
    expected["copy"] = json!({
        "namePattern": "encrypted-{sourceID}-{name}",
        "maxConcurrentSnapshots": 20,
        "maxAttempts": 5,
    });
    expected["validation"] = json!({"maxAttempts": 2});
    expected["promotion"] = json!({
        "launchPermissions": "Preserve",
        "tags": "Withhold",
        "launchTemplates": "Report",
        "ssmParameters": "Report",
        "autoScalingGroups": "Report",
        "instanceRefresh": {"strategy": "Rolling", "autoRollback": false, "maxConcurrentGroups": 1},
        "approval": "Automatic",
        "maxFailures": 5,
            "maxPerDay": 50,
    });
    assert_eq!(shown["spec"], expected);

    // The same defaults hold where no API server fills them in.
    let read: AMIEncryptionPolicySpec = serde_json::from_value(policy["spec"].clone()).expect("a spec");
    assert_eq!(read, stored.spec);
    assert_eq!(serde_json::to_value(read).expect("JSON"), expected);
}
