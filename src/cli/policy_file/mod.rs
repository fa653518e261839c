//! Policies from files: what is wrong with them is said in one sentence each, with file, document, field and fix.

mod metadata;
mod scalar;
mod schema;
mod text_rules;
mod validate;
mod yaml;

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::api::{AMIEncryptionPolicy, GROUP, VERSION};

use validate::Rules;
use yaml::Document;

/// No policy file is larger: the API server takes no object of more than 3 MiB, and a file may hold a few.
const MAX_BYTES: u64 = 32 << 20;
const KIND: &str = "AMIEncryptionPolicy";

/// Where a policy was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    file: String,
    /// Number from 1, where the file has several.
    document: Option<usize>,
    /// Number from 1 in a list.
    item: Option<usize>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(document) = self.document {
            write!(f, ", document {document}")?;
        }
        if let Some(item) = self.item {
            write!(f, ", item {item}")?;
        }
        Ok(())
    }
}

/// The policies in a text, as they are read from a file, or everything that is wrong with it.
pub fn policies(text: &str) -> Result<Vec<AMIEncryptionPolicy>, Vec<String>> {
    load(&[PathBuf::from("-")], text.as_bytes())
}

/// Reads the policies of all files, or says everything that is wrong with them.
pub(super) fn load(files: &[PathBuf], stdin: impl Read) -> Result<Vec<AMIEncryptionPolicy>, Vec<String>> {
    let mut found = Vec::new();
    let mut wrong = Vec::new();
    let mut stdin = Some(stdin);
    for file in files {
        let name = if file.as_os_str() == "-" {
            "standard input".to_owned()
        } else {
            file.display().to_string()
        };
        let text = if file.as_os_str() == "-" {
            match stdin.take() {
                Some(stdin) => read(stdin).map_err(|why| format!("{name}: {why}")),
                None => Err(format!("{name} can be read only once: name - once")),
            }
        } else {
            open(file).map_err(|why| format!("{name}: {why}"))
        };
        match text.and_then(|text| documents(&name, &text)) {
            Ok(documents) => found.extend(documents),
            Err(sentence) => wrong.push(sentence),
        }
    }
    let rules = Rules::new();
    let mut policies: Vec<(Origin, AMIEncryptionPolicy)> = Vec::new();
    for (origin, document) in found {
        match rules.policy(document) {
            Ok(policy) => {
                let name = &policy.metadata.name;
                if let Some((first, _)) = policies.iter().find(|(_, other)| other.metadata.name == *name) {
                    let name = name.as_deref().unwrap_or_default();
                    wrong.push(format!(
                        "{origin}: the policy {name} is there already, in {first}: remove or rename one of the two"
                    ));
                    continue;
                }
                policies.push((origin, policy));
            }
            Err(sentences) => wrong.extend(sentences.into_iter().map(|sentence| format!("{origin}: {sentence}"))),
        }
    }
    if wrong.is_empty() {
        Ok(policies.into_iter().map(|(_, policy)| policy).collect())
    } else {
        Err(wrong)
    }
}

/// The one document of a file that is no policy, read as strictly as policies are.
pub(super) fn document(path: &Path) -> Result<Value, String> {
    let name = path.display();
    let text = open(path).map_err(|why| format!("{name}: {why}."))?;
    let documents = yaml::documents(&text).map_err(|why| format!("{name}: is not YAML: {why}."))?;
    let [document] = <[Document; 1]>::try_from(documents)
        .map_err(|all| format!("{name}: has {} YAML documents: keep one.", all.len()))?;
    match document.wrong.first() {
        Some((path, what)) => Err(format!("{name}: {path}: {what}.")),
        None => Ok(document.value),
    }
}

fn open(path: &Path) -> Result<String, String> {
    // Opening a directory succeeds, and reading it fails with a message that helps nobody.
    if path.is_dir() {
        return Err("is a directory: name the files in it, as in -f policies/*.yaml".to_owned());
    }
    let file = std::fs::File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "no such file: correct the path".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read: change its permissions".to_owned(),
        _ => format!("cannot be opened ({error}): correct the path"),
    })?;
    read(file)
}

fn read(from: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    from.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read ({error}): correct the path"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!(
            "is larger than {} MiB: it is hardly a policy, name another file",
            MAX_BYTES >> 20
        ));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text: save it as such".to_owned())
}

/// The documents of a file that are not empty; a list counts as what it lists.
fn documents(file: &str, text: &str) -> Result<Vec<(Origin, Document)>, String> {
    let documents = yaml::documents(text).map_err(|why| format!("{file}: is not YAML: {why}"))?;
    if documents.is_empty() {
        return Err(format!(
            "{file}: is empty: write an {KIND} into it, or name another file"
        ));
    }
    let several = documents.len() > 1;
    let mut found = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let origin = Origin {
            file: file.to_owned(),
            document: several.then_some(index + 1),
            item: None,
        };
        found.extend(unlisted(origin, document)?);
    }
    Ok(found)
}

/// The items of a list, as `kubectl get -o yaml` writes one, or the document itself.
fn unlisted(origin: Origin, mut document: Document) -> Result<Vec<(Origin, Document)>, String> {
    let kind = document.value["kind"].as_str().unwrap_or_default();
    if kind != "List" && kind != format!("{KIND}List") {
        return Ok(vec![(origin, document)]);
    }
    let Value::Array(items) = document.value["items"].take() else {
        return Err(format!("{origin}: items is missing: list the policies in it"));
    };
    if items.is_empty() {
        return Err(format!("{origin}: the list is empty: there is no policy to plan for"));
    }
    if let Some((path, what)) = document.wrong.iter().find(|(path, _)| !path.starts_with("items[")) {
        return Err(format!("{origin}: {path} {what}"));
    }
    let mut parts = document.parts();
    Ok(items
        .into_iter()
        .enumerate()
        .map(|(index, item)| {
            let origin = Origin {
                item: Some(index + 1),
                ..origin.clone()
            };
            let mut part = parts.remove(&index).unwrap_or_default();
            part.value = item;
            (origin, part)
        })
        .collect())
}

/// Says that a document is no policy, if it is not.
fn check_kind(document: &Value) -> Result<(), String> {
    let wanted = format!("{GROUP}/{VERSION}");
    let Value::Object(object) = document else {
        return Err(format!(
            "is not an object: begin it with apiVersion: {wanted} and kind: {KIND}"
        ));
    };
    let text = |field: &str| object.get(field).and_then(Value::as_str);
    match text("kind") {
        Some(KIND) => {}
        Some(kind @ ("AMIEncryptionTarget" | "AMIMigration")) => {
            return Err(format!(
                "kind is {kind}, which amiseal makes by itself: name the {KIND} that it belongs to"
            ));
        }
        Some(kind) => {
            return Err(format!(
                "kind is {kind}, and must be {KIND}: remove it, or name another file"
            ));
        }
        None => return Err(format!("kind is missing: write kind: {KIND}")),
    }
    match text("apiVersion") {
        Some(version) if version == wanted => Ok(()),
        Some(version) => Err(format!("apiVersion is {version}: write apiVersion: {wanted}")),
        None => Err(format!("apiVersion is missing: write apiVersion: {wanted}")),
    }
}
