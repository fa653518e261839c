//! Many small accounts, and the policy for them.

use anyhow::{Result, anyhow};
use ec2sim::{Act, FaultRule, Sim, WorldSpec};
use serde_json::{Value, json};

use crate::Args;

/// The access key of the controller.
pub(crate) const ACCESS_KEY: &str = "AKIACONTROLLER";
const REGION: &str = "eu-west-1";
const ALLOWED: &str = r#"["ec2:*", "kms:*", "autoscaling:*", "ssm:*", "eks:*", "batch:*", "imagebuilder:*"]"#;
const KEY: &str = "11111111-1111-4111-8111-111111111111";

fn account(number: u32) -> String {
    format!("{:012}", 100_000_000_000_u64 + u64::from(number))
}

/// AWS, which answers late.
pub(crate) fn aws(args: &Args) -> Result<Sim> {
    let image = format!(
        "{{name: \"web-{{n}}\", count: {}, expect: {{copied: {{key: alias/ami, tags: withheld}}}}}}",
        args.images_per_target
    );
    let accounts: Vec<String> = (0..args.targets)
        .map(|number| {
            format!(
                r#"
- id: "{}"
  roles: [{{name: amiseal, trust: ["999900001111"], allow: {ALLOWED}}}]
  regions: [{{name: {REGION}, keys: [{{id: {KEY}, alias: [alias/ami]}}], images: [{image}]}}]
"#,
                account(number)
            )
        })
        .collect();
    let yaml = format!(
        r#"
settings: {{copies: {{baseSeconds: 5, secondsPerGib: 0, jitter: 0}}}}
identities:
- {{accessKey: {ACCESS_KEY}, account: "999900001111", name: user/amiseal, allow: ["sts:*"]}}
accounts:
- {{id: "999900001111"}}
{}
"#,
        accounts.concat()
    );
    let world = WorldSpec::parse(&yaml).map_err(|error| anyhow!("the world cannot be read: {error}"))?;
    let sim = Sim::new(&world).map_err(|error| anyhow!("the world cannot be made: {error}"))?;
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of a wait")]
    sim.add_fault(FaultRule {
        act: Act::DelayReply(args.answers_after as f64 / 1e3),
        ..FaultRule::default()
    });
    Ok(sim)
}

/// All accounts, Enforce.
pub(crate) fn policy(args: &Args) -> Value {
    let accounts: Vec<Value> = (0..args.targets)
        .map(|number| json!({"accountID": account(number)}))
        .collect();
    json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": "bench"},
        "spec": {
            "mode": "Enforce",
            "scanInterval": "24h",
            "defaults": {"roleName": "amiseal", "regions": [{"name": REGION, "kmsKeyID": "alias/ami"}]},
            "accounts": accounts,
        },
    })
}
