//! Policies that cannot be planned for: one sentence each, with file, document, field and mend.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::policies::{accepted, with};
use crate::refusals::{self, Refusal};
use crate::{Ran, run};

/// A right policy.
const GOOD: &str = "\
apiVersion: amiseal.dev/v1alpha1
kind: AMIEncryptionPolicy
metadata: {name: good}
spec:
  accounts:
  - accountID: '111122223333'
    regions: [{name: eu-west-1, kmsKeyID: alias/ami}]
";

/// Nothing listens here, and nobody is asked before the policies are right.
fn plan(directory: &Path, arguments: &[&str], stdin: &str) -> Ran {
    let variables = [("AWS_ENDPOINT_URL", "http://127.0.0.1:9")];
    run(directory, arguments, &variables, stdin)
}

#[test]
fn each_bad_input_gives_one_sentence_that_names_the_file_the_place_and_the_mend() {
    let directory = TempDir::new().expect("a directory");
    let write = |name: &str, text: &[u8]| std::fs::write(directory.path().join(name), text).expect("a file");
    let table: &[(&str, String, &str)] = &[
        (
            "empty.yaml",
            String::new(),
            "empty.yaml: is empty: write an AMIEncryptionPolicy into it, or name another file",
        ),
        (
            "comments.yaml",
            "# nothing\n---\n# here\n".into(),
            "comments.yaml: is empty: write an AMIEncryptionPolicy into it, or name another file",
        ),
        (
            "text.yaml",
            "hello".into(),
            "text.yaml: is not an object: begin it with apiVersion: amiseal.dev/v1alpha1 and kind: AMIEncryptionPolicy",
        ),
        (
            "list.yaml",
            "- a\n- b\n".into(),
            "list.yaml: is not an object: begin it with apiVersion: amiseal.dev/v1alpha1 and kind: AMIEncryptionPolicy",
        ),
        (
            "kindless.yaml",
            "metadata: {name: x}\n".into(),
            "kindless.yaml: kind is missing: write kind: AMIEncryptionPolicy",
        ),
        (
            "deployment.yaml",
            "apiVersion: apps/v1\nkind: Deployment\n".into(),
            "deployment.yaml: kind is Deployment, and must be AMIEncryptionPolicy: remove it, or name another file",
        ),
        (
            "target.yaml",
            GOOD.replace("AMIEncryptionPolicy", "AMIEncryptionTarget"),
            "target.yaml: kind is AMIEncryptionTarget, which amiseal makes by itself: name the AMIEncryptionPolicy that it belongs to",
        ),
        (
            "versionless.yaml",
            GOOD.replace("apiVersion: amiseal.dev/v1alpha1\n", ""),
            "versionless.yaml: apiVersion is missing: write apiVersion: amiseal.dev/v1alpha1",
        ),
        (
            "version.yaml",
            GOOD.replace("v1alpha1", "v2"),
            "version.yaml: apiVersion is amiseal.dev/v2: write apiVersion: amiseal.dev/v1alpha1",
        ),
        (
            "nameless.yaml",
            GOOD.replace("{name: good}", "{}"),
            "nameless.yaml: metadata.name is missing: give the policy a name",
        ),
        (
            "misnamed.yaml",
            GOOD.replace("{name: good}", "{name: Not_Good}"),
            "misnamed.yaml: metadata.name must consist of lower-case letters, digits, - and ., and begin and end with a letter or digit: rename the policy",
        ),
        (
            "specless.yaml",
            GOOD.split("spec:").next().expect("a head").into(),
            "specless.yaml: spec is missing: add it",
        ),
        (
            "typo.yaml",
            GOOD.replace("accountID", "accountId"),
            "typo.yaml: spec.accounts[0].accountID is missing: add it\nError: typo.yaml: spec.accounts[0].accountId is no field: did you mean accountID?",
        ),
        (
            "alien.yaml",
            GOOD.replace("spec:\n", "spec:\n  replicas: 3\n"),
            "alien.yaml: spec.replicas is no field: remove it; there are accounts, accountsFrom, audit, backups, consumers, copy, defaults, guardrails, historyTTL, imageSelector, mode, newImages, otherKey, promotion, scanInterval, suspend, unused, validation",
        ),
        (
            "mode.yaml",
            GOOD.replace("spec:\n", "spec:\n  mode: enforce\n"),
            "mode.yaml: spec.mode must be Audit or Enforce, and is \"enforce\"",
        ),
        (
            "unquoted.yaml",
            GOOD.replace("'111122223333'", "111122223333"),
            "unquoted.yaml: spec.accounts[0].accountID must be a text, and 111122223333 without quotes is a number: put it in quotes",
        ),
        (
            "zero.yaml",
            GOOD.replace("'111122223333'", "012345678901"),
            "zero.yaml: spec.accounts[0].accountID must be a text, and 012345678901 without quotes is a number: put it in quotes",
        ),
        (
            "word.yaml",
            GOOD.replace("spec:\n", "spec:\n  imageSelector: {exclude: [{tags: {spot: no}}]}\n"),
            "word.yaml: spec.imageSelector.exclude[0].tags.spot must be a text, and no without quotes is false: put it in quotes",
        ),
        (
            "key.yaml",
            GOOD.replace("spec:\n", "spec:\n  imageSelector: {exclude: [{tags: {y: \"*\"}}]}\n"),
            "key.yaml: spec.imageSelector.exclude[0].tags.y is the key true to Kubernetes, since it has no quotes: put y in quotes",
        ),
        (
            "number.yaml",
            GOOD.replace("spec:\n", "spec:\n  copy: {extraTags: {0042: x}}\n"),
            "number.yaml: spec.copy.extraTags.0042 is the key 34 to Kubernetes, since it has no quotes: put 0042 in quotes",
        ),
        (
            "octal.yaml",
            GOOD.replace("spec:\n", "spec:\n  copy: {maxAttempts: 020}\n"),
            "octal.yaml: spec.copy.maxAttempts must be at most 10, and is 020",
        ),
        (
            "null.yaml",
            GOOD.replace("spec:\n", "spec:\n  defaults: {roleName: null}\n"),
            "null.yaml: spec.defaults.roleName is empty: fill it in, or remove it",
        ),
        (
            "again.yaml",
            GOOD.replace("spec:\n", "spec:\n  mode: Audit\n  mode: Enforce\n"),
            "again.yaml: spec.mode is there twice: remove one of the two",
        ),
        (
            "label.yaml",
            GOOD.replace("{name: good}", "{name: good, labels: {critical: yes}}"),
            "label.yaml: metadata.labels.critical must be a text, and yes without quotes is none: put it in quotes",
        ),
        (
            "flat.yaml",
            GOOD.replace(
                "regions: [{name: eu-west-1, kmsKeyID: alias/ami}]",
                "regions: eu-west-1",
            ),
            "flat.yaml: spec.accounts[0].regions must be a list, and is \"eu-west-1\": begin each item with -",
        ),
        (
            "second.yaml",
            format!(
                "{GOOD}---\n{}",
                GOOD.replace("name: good", "name: better").replace("alias/ami", "ami")
            ),
            "second.yaml, document 2: spec.accounts[0].regions[0].kmsKeyID: kmsKeyID must be an alias, a key ID or the ARN of either: write for example alias/ami, 1234abcd-12ab-34cd-56ef-1234567890ab or arn:aws:kms:eu-west-1:111122223333:alias/ami",
        ),
        (
            "twice.yaml",
            format!("{GOOD}---\n{GOOD}"),
            "twice.yaml, document 2: the policy good is there already, in twice.yaml, document 1: remove or rename one of the two",
        ),
        (
            "none.yaml",
            "apiVersion: v1\nkind: List\nitems: []\n".into(),
            "none.yaml: the list is empty: there is no policy to plan for",
        ),
        (
            "items.yaml",
            "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod}]\n".into(),
            "items.yaml, item 1: kind is Pod, and must be AMIEncryptionPolicy: remove it, or name another file",
        ),
    ];
    for (name, text, expected) in table {
        write(name, text.as_bytes());
        let ran = plan(directory.path(), &["-f", name], "");
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{name}");
        assert_eq!(ran.err, format!("Error: {expected}\n"), "{name}");
    }
    write("binary.yaml", &[0xff, 0xfe, 0x00]);
    std::fs::create_dir(directory.path().join("policies")).expect("a directory");
    for (arguments, expected) in [
        (
            vec!["-f", "binary.yaml"],
            "binary.yaml: is not UTF-8 text: save it as such",
        ),
        (
            vec!["-f", "policies"],
            "policies: is a directory: name the files in it, as in -f policies/*.yaml",
        ),
        (
            vec!["-f", "missing.yaml"],
            "missing.yaml: no such file: correct the path",
        ),
        (
            vec!["-f", "-"],
            "standard input: is empty: write an AMIEncryptionPolicy into it, or name another file",
        ),
    ] {
        let ran = plan(directory.path(), &arguments, "");
        assert_eq!((ran.code, ran.err), (1, format!("Error: {expected}\n")));
    }
}

#[test]
fn text_that_is_no_yaml_is_told_with_its_line() {
    let directory = TempDir::new().expect("a directory");
    std::fs::write(directory.path().join("broken.yaml"), "spec:\n  accounts: [\n").expect("a file");
    let ran = plan(directory.path(), &["-f", "broken.yaml"], "");
    assert_eq!(ran.code, 1);
    assert!(ran.err.starts_with("Error: broken.yaml: is not YAML: "), "{}", ran.err);
    assert!(ran.err.contains("line "), "{}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
}

#[test]
fn everything_that_is_wrong_with_several_files_is_told_at_once() {
    let directory = TempDir::new().expect("a directory");
    for (name, text) in [
        ("a.yaml", GOOD.replace("alias/ami", "ami")),
        ("b.yaml", GOOD.replace("accountID", "acount")),
        ("c.yaml", GOOD.to_owned()),
    ] {
        std::fs::write(directory.path().join(name), text).expect("a file");
    }
    let ran = plan(directory.path(), &["-f", "a.yaml", "b.yaml", "-f", "c.yaml"], "");
    assert_eq!(ran.code, 1);
    let files: Vec<_> = ran.err.lines().map(|line| &line[.."Error: a.yaml".len()]).collect();
    assert_eq!(
        files,
        ["Error: a.yaml", "Error: b.yaml", "Error: b.yaml"],
        "{}",
        ran.err
    );
}

#[test]
fn an_option_that_is_wrong_is_not_taken_for_something_to_do() {
    let here = Path::new(".");
    for arguments in [
        vec![],
        vec!["-f", "-", "--nonsense"],
        vec!["-f", "-", "-o", "xml"],
        vec!["-f", "-", "--assume-mib-per-second", "0"],
        vec!["-f", "-", "--concurrency", "0"],
    ] {
        let ran = plan(here, &arguments, GOOD);
        assert_eq!(ran.code, 1, "{arguments:?}: {}", ran.err);
        assert!(!ran.err.is_empty());
    }
    let ran = plan(here, &["-f", "-", "--aws-rate-share", "0"], GOOD);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (
            1,
            "Error: the share of AWS's rate limits must be above 0 and at most 1\n"
        )
    );
    assert_eq!(plan(here, &["--help"], "").code, 0);
}

#[test]
fn a_plain_http_endpoint_elsewhere_is_refused_before_any_call() {
    let variables = [
        ("AWS_ENDPOINT_URL", "http://192.0.2.1:4566"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let ran = run(Path::new("."), &["-f", "-"], &variables, GOOD);
    assert_eq!(ran.code, 1);
    assert!(ran.err.starts_with("Error: AWS_ENDPOINT_URL"), "{}", ran.err);
}

/// How the API server itself words what its schema refuses; ours are worded otherwise.
fn is_of_the_schema(mend: &str) -> bool {
    [
        "must be of type",
        "Required value",
        "Duplicate value",
        "should ",
        "may not be more than",
        "supported values",
    ]
    .iter()
    .any(|words| mend.contains(words))
}

#[test]
fn whatever_the_api_server_refuses_is_refused_here_at_the_same_field_and_with_the_same_mend() {
    let directory = TempDir::new().expect("a directory");
    let refusals: Vec<Refusal> = refusals::all().collect();
    let mut arguments = vec!["-f".to_owned()];
    for (number, refusal) in refusals.iter().enumerate() {
        let name = format!("{number:03}.yaml");
        let text = with(refusal.pointer, refusal.value.clone()).to_string();
        std::fs::write(directory.path().join(&name), text).expect("a file");
        arguments.push(name);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = plan(directory.path(), &arguments, "");
    assert_eq!(ran.code, 1);
    let mut failures = Vec::new();
    for (number, Refusal { field, mend, .. }) in refusals.iter().enumerate() {
        let prefix = format!("Error: {number:03}.yaml: ");
        let said: Vec<&str> = ran.err.lines().filter_map(|line| line.strip_prefix(&prefix)).collect();
        let right = match said[..] {
            [line] => {
                let field = if *field == "<nil>" { "metadata.name" } else { field };
                let place = line.strip_prefix(field);
                let worded = is_of_the_schema(mend) || line.contains(mend);
                place.is_some_and(|rest| rest.starts_with([' ', ':'])) && worded
            }
            _ => false,
        };
        if !right {
            failures.push(format!("{field}: {mend}: {said:#?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(refusals.len() > 50);
}

#[test]
fn what_the_api_server_takes_is_taken_here() {
    let directory = TempDir::new().expect("a directory");
    let nulls = with("/spec/mode", Some(Value::Null));
    let mut from_cluster = accepted();
    from_cluster["metadata"]["managedFields"] = json!([{"manager": "kubectl"}]);
    from_cluster["metadata"]["annotations"] = json!({"a": "b"});
    from_cluster["status"] = json!({"observedGeneration": 3, "conditions": []});
    let listed = json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [accepted()]});
    for policy in [accepted(), nulls, from_cluster, listed] {
        std::fs::write(directory.path().join("policy.yaml"), policy.to_string()).expect("a file");
        let variables = [
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let ran = run(directory.path(), &["-f", "policy.yaml"], &variables, "");
        // It gets as far as asking for credentials, which there are none.
        assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{policy}");
        assert!(ran.out.contains("NoCredentials"), "{}", ran.out);
    }
}
