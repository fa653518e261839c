//! The options of `amiseal import`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::api::Duration as Text;
use crate::cli::connection::EndpointArgs;
use crate::cli::run::read_timeout;
use crate::domain::Region;
use crate::plan::import::{Keys, Settings};

const EXAMPLES: &str = "\
Examples:
  # A policy over the images of a CSV file, looked up in each account by its role amiseal
  amiseal import findings.csv --kms-key-id alias/ami --role-name amiseal > policy.yaml
  amiseal plan -f policy.yaml

  # Findings of AWS Security Hub, without a file between
  aws securityhub get-findings --output json | amiseal import - --name hub --kms-key-id alias/ami --role-name amiseal

  # Another key in one region
  amiseal import findings.csv --kms-key-id alias/ami --kms-key-id us-east-1=alias/ami-us --role-name amiseal

  # A bare list of image IDs in your own account, in two regions
  amiseal import images.txt --kms-key-id alias/ami --region eu-west-1 --region us-east-1

Exit status:
  0  every finding is in the policy, encrypted already, gone, or about something other than an image
  2  the policy is printed, and somebody has to look at lines that standard error names
  1  no policy is printed: nothing can be selected, a file, an option or credentials are wrong";

/// The options of `amiseal import`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// What a scanner has exported; - is standard input. A table with any separator, encoding and titles, or JSON: SARIF,
    /// ASFF, OCSF, any list of objects, one object a line
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The key to encrypt under, as a policy's kmsKeyID; with REGION= before it, of that region only. Repeat it
    #[arg(long = "kms-key-id", value_name = "[REGION=]KEY", required = true, value_parser = key)]
    pub keys: Vec<Key>,
    /// The policy's name; default: the file's
    #[arg(long)]
    pub name: Option<String>,
    /// The policy's mode
    #[arg(long, default_value = "Audit", value_parser = ["Audit", "Enforce"])]
    pub mode: String,
    /// The role to assume in each account, for looking and in the policy. Without it your own credentials are used, in their
    /// account only
    #[arg(long, value_name = "NAME")]
    pub role_name: Option<String>,
    /// The external ID that the roles ask for
    #[arg(long, value_name = "ID")]
    pub external_id: Option<String>,
    /// Where to look for images that have no region beside them; repeat it. Default: the regions that the file names, else all
    /// that are enabled in your account
    #[arg(long = "region", value_name = "REGION", value_parser = region)]
    pub regions: Vec<Region>,
    /// Do not ask AWS: take what the file says
    #[arg(long, conflicts_with_all = [
        "regions", "concurrency", "aws_rate_share", "aws_read_timeout", "fips_endpoints", "dual_stack_endpoints",
    ])]
    pub offline: bool,
    /// How many accounts and regions to ask at a time
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// The part of AWS's rate limits to use, above 0 and up to 1: the rest is for others in the account
    #[arg(long, default_value_t = 0.5, value_name = "SHARE")]
    pub aws_rate_share: f64,
    /// How long AWS may take until it begins to answer a call that reads images: 1s to 30m
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = read_timeout)]
    pub aws_read_timeout: Text,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub endpoints: EndpointArgs,
    /// Which log lines are written to standard error, as in RUST_LOG
    #[arg(long, env = "RUST_LOG", default_value = "off", value_name = "FILTER")]
    pub log: String,
}

/// A key, and the region that it is of where it is of one only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    region: Option<Region>,
    key: String,
}

impl Args {
    /// What the policy says beside the images.
    pub(super) fn settings(&self, file: &str) -> Settings {
        let mut keys = Keys::default();
        for key in &self.keys {
            match &key.region {
                Some(region) => {
                    keys.of_region.insert(region.clone(), key.key.clone());
                }
                None => keys.general = Some(key.key.clone()),
            }
        }
        Settings {
            name: self.name.clone().unwrap_or_else(|| policy_name(&self.file)),
            mode: self.mode.clone(),
            keys,
            role_name: self.role_name.clone(),
            external_id: self.external_id.clone(),
            comment: file.to_owned(),
        }
    }

    /// The regions that were named.
    pub(super) fn regions(&self) -> BTreeSet<Region> {
        self.regions.iter().cloned().collect()
    }
}

fn key(text: &str) -> Result<Key, String> {
    let (region, key) = match text.split_once('=') {
        Some((region, key)) => (Some(self::region(region)?), key),
        None => (None, text),
    };
    if key.is_empty() {
        return Err("the key is missing".to_owned());
    }
    Ok(Key {
        region,
        key: key.to_owned(),
    })
}

fn region(text: &str) -> Result<Region, String> {
    text.parse::<Region>().map_err(|error| error.to_string())
}

/// A policy's name made of a file's: without its ending, in lower case, and with hyphens for what a name may not have.
fn policy_name(file: &Path) -> String {
    // As long as a policy's name may be, less a number behind it.
    const LONGEST: usize = 50;
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().to_lowercase());
    let mut name = String::new();
    for sign in stem.unwrap_or_default().chars() {
        match sign {
            'a'..='z' | '0'..='9' => name.push(sign),
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    name.truncate(LONGEST);
    match name.trim_end_matches('-') {
        "" => "findings".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_called_as_its_file() {
        for (file, name) in [
            ("findings.csv", "findings"),
            ("/tmp/Prowler Output (2026).ocsf.json", "prowler-output-2026-ocsf"),
            ("-", "findings"),
            ("Größe.csv", "gr-e"),
            ("...", "findings"),
        ] {
            assert_eq!(policy_name(Path::new(file)), name, "{file}");
        }
        assert_eq!(policy_name(Path::new(&"a".repeat(200))).len(), 50);
    }

    #[test]
    fn a_key_may_be_of_one_region() {
        let of = |text: &str| key(text).map(|key| (key.region.map(String::from), key.key));
        assert_eq!(of("alias/ami"), Ok((None, "alias/ami".to_owned())));
        let own = Ok((Some("us-east-1".to_owned()), "alias/us".to_owned()));
        assert_eq!(of("us-east-1=alias/us"), own);
        assert!(of("nowhere=alias/us").is_err());
        assert!(of("us-east-1=").is_err());
    }
}
