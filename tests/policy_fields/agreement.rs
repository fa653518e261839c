//! `amiseal plan` holds policies to the same rules as the API server: asked about each mutation of the slice, and about every one with
//! `AMISEAL_EVERY_CHANGE=1`, both say the same. The API server is asked by server-side apply, as in the guide: creating takes a null for
//! nothing, which applying refuses where there is no default.

use std::process::Command;

use futures::{StreamExt as _, stream};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, CustomResourceExt};
use serde_json::Value;
use tempfile::TempDir;

use crate::stage::{self, Lane};

/// So many questions are on their way to the API server at a time.
const AT_A_TIME: usize = 8;

#[tokio::test]
async fn plan_refuses_what_the_api_server_refuses_and_nothing_else() {
    let client = rig::shared().await.admin_client().await.expect("a client");
    let resource: ApiResource = amiseal::api::AMIEncryptionPolicy::api_resource();
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let mut ask = PatchParams::apply("person").force().validation_strict();
    ask.dry_run = true;

    let directory = TempDir::new().expect("a directory");
    let mut plan = Command::new(env!("CARGO_BIN_EXE_amiseal"));
    plan.current_dir(directory.path()).env_clear().arg("plan");
    let base = stage::base();
    let mutations = crate::walk().mutations;
    let policies = mutations.iter().enumerate().map(|(number, mutation)| {
        let mut policy = Lane(0).policy(&mutation.of(&base));
        let name = format!("changed-{number}");
        policy["metadata"]["name"] = name.clone().into();
        (name, policy, mutation.line())
    });
    let policies: Vec<(String, Value, String)> = policies.collect();
    let answers = stream::iter(&policies)
        .map(|(name, policy, _)| {
            let (api, ask) = (&api, &ask);
            async move { api.patch(name, ask, &Patch::Apply(policy)).await.map(drop) }
        })
        .buffered(AT_A_TIME);
    let answers: Vec<Result<(), kube::Error>> = answers.collect().await;
    let mut asked = Vec::new();
    for ((name, policy, line), answer) in policies.into_iter().zip(answers) {
        let file = format!("{name}.json");
        std::fs::write(directory.path().join(&file), policy.to_string()).expect("a file");
        plan.arg("-f").arg(&file);
        asked.push((file, line, answer));
    }
    let output = plan.output().expect("the program ends");
    // Some are refused, and then AWS is not asked about any.
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    let mut differences = Vec::new();
    let mut refused = 0;
    for (file, line, answer) in &asked {
        let sentence = said.lines().find(|sentence| sentence.contains(&format!("{file}: ")));
        refused += usize::from(answer.is_err());
        if sentence.is_some() != answer.is_err() {
            differences.push(format!("{line}: plan says {sentence:?}, the API server {answer:?}"));
        }
    }
    println!("{} policies, {refused} refused by both", asked.len());
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}
