//! `make demo KEEP=1`: what a person may do with all that is running.

use anyhow::Result;
use rig::tools::Tool;
use rig::{Objects, Screen};
use serde_json::json;

use crate::stage::{ACCESS_KEY, SECRET_KEY, Stage};

/// Prints how to reach everything, and what to try.
pub(crate) async fn say_what_to_try(screen: &Screen, stage: &Stage) -> Result<()> {
    let endpoint = stage.aws.endpoint();
    screen.heading("Everything keeps running until Ctrl-C. In another terminal:");
    screen.block(&format!(
        "export KUBECONFIG={}",
        stage.control_plane.admin_kubeconfig().display()
    ));
    screen.block(&format!(
        "export AWS_ENDPOINT_URL={endpoint} AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY} \
         AWS_REGION=eu-west-1"
    ));
    screen.block(&format!("alias kubectl={}", Tool::Kubectl.path()?.display()));

    screen.heading("Things to try");
    screen.block(&format!(
        r#"kubectl get aep,aet,amim
kubectl get amim -L amiseal.dev/account,amiseal.dev/region --watch
kubectl describe aep production
kubectl explain aep.spec.imageSelector
kubectl edit aep production     # such as suspend: true, or otherKey: Migrate

# Make another unencrypted image: it is found by the next scan, within a minute.
curl -s $AWS_ENDPOINT_URL/_sim/edit -d '{new_image}'

aws sts get-caller-identity     # or: python -c 'import boto3; print(boto3.client("sts").get_caller_identity())'
curl -s $AWS_ENDPOINT_URL/_sim/audit       # judges by what demo/world.yaml expects of the policy as it was
curl -s $AWS_ENDPOINT_URL/_sim/journal     # every call of AWS
curl -s http://{listens}/metrics
tail -f {log}"#,
        new_image = json!({"addImage": {"account": "111111111111", "region": "eu-west-1", "image": {
            "name": "brand-new", "expect": {"copied": {"key": "alias/ami"}}}}}),
        listens = stage.listens,
        log = stage.controller_log_path().display(),
    ));
    say_how_to_enable_keys(screen, stage).await
}

/// The key that is disabled, from outside, as somebody would in the console of KMS. From then on, copies are expected
/// where the audit expected none.
async fn say_how_to_enable_keys(screen: &Screen, stage: &Stage) -> Result<()> {
    let objects = Objects::read(&stage.control_plane).await?;
    for target in objects
        .targets
        .iter()
        .filter(|t| t.reason("KeyUsable") == "KeyDisabled")
    {
        let (account, region) = (target.text("/spec/accountID"), target.text("/spec/region"));
        let key = target.text("/spec/kmsKeyID");
        let enable = json!({"setKeyState": {"account": account, "region": region, "key": key, "state": "Enabled"}});
        let waiting = objects.migrations.iter().filter(|migration| {
            migration.text("/spec/accountID") == account
                && migration.text("/spec/region") == region
                && migration.reason("Stalled") == "KeyDisabled"
        });
        let expectations = waiting.map(|migration| {
            let image = migration.text("/spec/sourceImageID");
            json!({"setExpectation": {"image": image, "expect": {"copied": {"key": key}}}})
        });
        let edits: Vec<_> = std::iter::once(enable).chain(expectations).collect();
        let path = stage
            .control_plane
            .directory()
            .join(format!("enable-key-{account}-{region}.json"));
        std::fs::write(&path, serde_json::to_vec_pretty(&edits)?)?;
        screen.block(&format!(
            "\n# Enable the key in {account} {region}: the migrations that wait for it go on at the next scan, within a \
             minute.\ncurl -s $AWS_ENDPOINT_URL/_sim/edit -d @{}\nkubectl get amim -l \
             amiseal.dev/account={account},amiseal.dev/region={region} --watch",
            path.display()
        ));
    }
    Ok(())
}
