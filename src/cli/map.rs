//! `amiseal map`: which copy is in the place of which original, for those who declare images elsewhere.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::kubeconfig::Cluster;
use super::listing::all;
use super::output::{read_or_not, tell};
use super::report::values::{account, region};
use crate::api::{AMIEncryptionPolicy, AMIMigration};
use crate::domain::{AccountId, Region};
use crate::plan::map::{self, Map};

const EXAMPLES: &str = "\
Examples:
  # All pairs, with all that is known of them
  amiseal map

  # A variable for Terraform
  amiseal map --as tfvars > amiseal.auto.tfvars

  # Of one account and region, as the controller's cluster is called in your kubeconfig
  amiseal map --account 111122223333 --region eu-west-1 --context platform

  # For a custom datasource of Renovate
  amiseal map --as renovate > images.json

Exit status:
  0  the migrations were read
  1  they were not";

/// The options of `amiseal map`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// In which form the map is printed
    #[arg(long = "as", value_enum, value_name = "FORM", default_value_t = Form::Json)]
    pub form: Form,
    /// Only what this policy has had copied
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// Only images of this account
    #[arg(long, value_name = "ID", value_parser = account)]
    pub account: Option<AccountId>,
    /// Only images of this region
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<Region>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub cluster: Cluster,
}

/// How the map is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// All that is known of each pair.
    Json,
    /// The same as YAML.
    Yaml,
    /// A variable of Terraform, amiseal_images.
    Tfvars,
    /// What a custom datasource of Renovate takes, by original.
    Renovate,
}

impl From<Form> for map::Form {
    fn from(form: Form) -> Self {
        match form {
            Form::Json => Self::Json,
            Form::Yaml => Self::Yaml,
            Form::Tfvars => Self::Tfvars,
            Form::Renovate => Self::Renovate,
        }
    }
}

/// Prints the map, and says what is not in it.
pub fn run(args: &Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let map = match runtime.block_on(Box::pin(read(args))) {
        Ok(map) => map,
        Err(sentence) => {
            tell(&format!("Error: {sentence}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let text = map::render(&map.pairs, args.form.into()).map_err(anyhow::Error::msg)?;
    let mut out = io::stdout().lock();
    read_or_not(out.write_all(text.as_bytes()).and_then(|()| out.flush())).context("the map cannot be printed")?;
    for (why, count) in &map.left_out {
        tell(&format!("Left out: {count} {}", why.as_str()));
    }
    if map.unchecked > 0 {
        tell(&format!(
            "Not checked: {} for the tag amiseal.dev/hold and for who may use the key, as their policies move nothing: use \
             kubectl amiseal hold, and run amiseal plan --consumers before you use the map",
            map.unchecked
        ));
    }
    Ok(ExitCode::SUCCESS)
}

async fn read(args: &Args) -> Result<Map, String> {
    let client = args.cluster.client().await?;
    let policies = all::<AMIEncryptionPolicy>(&client, "amiencryptionpolicies", None).await?;
    let mut migrations = all::<AMIMigration>(&client, "amimigrations", None).await?;
    migrations.retain(|migration| {
        let spec = &migration.spec;
        args.policy.as_ref().is_none_or(|policy| *policy == spec.policy)
            && args
                .account
                .as_ref()
                .is_none_or(|account| account.as_str() == spec.account_id)
            && args.region.as_ref().is_none_or(|region| region.as_str() == spec.region)
    });
    Ok(map::of(&migrations, &policies))
}
