//! `amiseal plan` holds policies to the same rules as the API server: asked about every mutation, both say the same. The API server
//! is asked by server-side apply, as in the guide: creating takes a null for nothing, which applying refuses where there is no default.

use std::process::Command;

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, CustomResourceExt};
use tempfile::TempDir;

use crate::mutate::Walk;
use crate::stage::{self, Lane};

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
    let mut asked = Vec::new();
    let base = stage::base();
    for (number, mutation) in Walk::over(&crate::schema(), &base).mutations.iter().enumerate() {
        let mut policy = Lane(0).policy(&mutation.of(&base));
        let name = format!("changed-{number}");
        policy["metadata"]["name"] = name.clone().into();
        let answer = api.patch(&name, &ask, &Patch::Apply(&policy)).await;
        let file = format!("{name}.json");
        std::fs::write(directory.path().join(&file), policy.to_string()).expect("a file");
        plan.arg("-f").arg(&file);
        asked.push((file, mutation.line(), answer.map(drop)));
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
