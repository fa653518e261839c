//! The forms of the map. The same map gives the same bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use super::Pair;

/// The version of the form: it grows when a field changes its meaning.
const VERSION: u32 = 1;
/// The variable's name for Terraform.
const VARIABLE: &str = "amiseal_images";

/// In which form the map is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// All that is known of each pair.
    Json,
    /// The same as YAML.
    Yaml,
    /// A variable of Terraform: copies by account, region and original.
    Tfvars,
    /// What a custom datasource of Renovate takes, by original.
    Renovate,
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    images: &'a [Pair],
}

/// The map in a form; an error of the program that writes YAML or JSON.
pub fn render(pairs: &[Pair], form: Form) -> Result<String, String> {
    let document = Document {
        version: VERSION,
        images: pairs,
    };
    match form {
        Form::Json => pretty(&document),
        Form::Yaml => serde_saphyr::to_string(&document).map_err(|error| error.to_string()),
        Form::Tfvars => Ok(tfvars(pairs)),
        Form::Renovate => {
            let by_original: BTreeMap<&str, _> = pairs
                .iter()
                .map(|pair| {
                    let releases = json!({"releases": [{"version": pair.copy_image_id}]});
                    (pair.source_image_id.as_str(), releases)
                })
                .collect();
            pretty(&by_original)
        }
    }
}

fn pretty(value: &impl Serialize) -> Result<String, String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

/// Copies by account, region and original.
fn tfvars(pairs: &[Pair]) -> String {
    let mut accounts: BTreeMap<&str, BTreeMap<&str, Vec<&Pair>>> = BTreeMap::new();
    for pair in pairs {
        let regions = accounts.entry(&pair.account_id).or_default();
        regions.entry(&pair.region).or_default().push(pair);
    }
    // Writing to a string does not fail.
    let mut text = format!("{VARIABLE} = {{\n");
    for (account, regions) in accounts {
        let _ = writeln!(text, "  {} = {{", quoted(account));
        for (region, pairs) in regions {
            let _ = writeln!(text, "    {} = {{", quoted(region));
            for pair in pairs {
                let _ = writeln!(
                    text,
                    "      {} = {}",
                    quoted(&pair.source_image_id),
                    quoted(&pair.copy_image_id)
                );
            }
            text.push_str("    }\n");
        }
        text.push_str("  }\n");
    }
    text.push_str("}\n");
    text
}

/// A text as HCL has it. A status may hold any text, which must not end the literal or begin a template.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().filter(|sign| !sign.is_control()).collect();
    let escaped = plain.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace("${", "$${").replace("%{", "%%{"))
}
