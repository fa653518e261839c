//! `amiseal crd`: prints the custom resource definitions, or writes each to a file of its own.

use std::{collections::BTreeMap, fs, io::Write, path::PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

use super::output::read_or_not;
use crate::api;

const EXAMPLES: &str = "\
Examples:
  amiseal crd | kubectl apply --server-side -f -
  amiseal crd --output-dir crds";

/// The options of `amiseal crd`.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Write each definition to a file of its own in this directory, and print nothing
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
}

/// One definition as a file: `crds/` holds these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrdFile {
    /// The file's name: `amiseal.dev_<plural>.yaml`.
    pub name: String,
    /// The definition as YAML.
    pub yaml: String,
}

/// Every definition as a file. The same build always gives the same bytes.
pub fn files() -> Result<Vec<CrdFile>> {
    api::crds().iter().map(file).collect()
}

fn file(crd: &CustomResourceDefinition) -> Result<CrdFile> {
    let name = format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
    let value = serde_json::to_value(crd)
        .map(sorted)
        .with_context(|| format!("{name} cannot be written as JSON"))?;
    let yaml = serde_saphyr::to_string(&value).with_context(|| format!("{name} cannot be written as YAML"))?;
    Ok(CrdFile { name, yaml })
}

/// The same value with the keys of each object in alphabetical order and with whole numbers written as such.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let object: BTreeMap<_, _> = object.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(object.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        Value::Number(number) => match number.as_f64() {
            #[allow(
                clippy::cast_possible_truncation,
                reason = "checked to be a whole number that is small"
            )]
            Some(whole) if number.is_f64() && whole.fract() == 0.0 && whole.abs() < 1e9 => Value::from(whole as i64),
            _ => Value::Number(number),
        },
        scalar => scalar,
    }
}

/// Prints the definitions to `out`, each after a line `---`, or writes them where `args` says.
pub fn run(args: &Args, out: &mut impl Write) -> Result<()> {
    let files = files()?;
    let Some(dir) = &args.output_dir else {
        let mut print = || {
            for file in &files {
                write!(out, "---\n{}", file.yaml)?;
            }
            out.flush()
        };
        return read_or_not(print()).context("the definitions cannot be printed");
    };
    fs::create_dir_all(dir).with_context(|| format!("{} cannot be made a directory", dir.display()))?;
    for file in files {
        let path = dir.join(&file.name);
        fs::write(&path, &file.yaml).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}
