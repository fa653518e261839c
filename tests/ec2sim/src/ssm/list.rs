//! DescribeParameters and GetParametersByPath: ten entries a page, unless asked otherwise.

use serde_json::{Value, json};

use super::get::metadata;
use super::{arn, consumers, shown};
use crate::engine::{Done, Outcome, Request, State};
use crate::model::{Parameter, ParameterVersion};
use crate::paging::{Ask, Page, cut, size_of};
use crate::wire::{ApiError, Params, Service};

/// An entry of `ParameterFilters`, or of the older `Filters`.
struct Filter {
    key: String,
    option: String,
    values: Vec<String>,
}

impl Filter {
    fn read_all(params: &Params, known: &[&str], service: Service) -> Result<Vec<Self>, ApiError> {
        let mut filters = Vec::new();
        for list in ["ParameterFilters", "Filters"] {
            for i in params.indices(list) {
                let prefix = format!("{list}.{i}");
                let key = params.get(&format!("{prefix}.Key")).unwrap_or_default().to_owned();
                let is_tag = key.starts_with("tag:") && known.contains(&"tag");
                if !known.contains(&key.as_str()) && !is_tag {
                    return Err(ApiError::new(
                        "InvalidFilterKey",
                        format!("The filter key {key} is not valid"),
                    ));
                }
                let values = params.list(&format!("{prefix}.Values"));
                if values.is_empty() || values.len() > 50 {
                    return Err(service.invalid("A filter has between 1 and 50 values"));
                }
                // The older filters match beginnings of names.
                let default = match (list, key.as_str()) {
                    ("Filters", "Name") => "BeginsWith",
                    (_, "Path") => "OneLevel",
                    _ => "Equals",
                };
                let option = params.get(&format!("{prefix}.Option")).unwrap_or(default).to_owned();
                let allowed: &[&str] = match key.as_str() {
                    "Path" => &["OneLevel", "Recursive"],
                    "Name" => &["Equals", "BeginsWith", "Contains"],
                    "Label" => &["Equals"],
                    _ => &["Equals", "BeginsWith"],
                };
                if !allowed.contains(&option.as_str()) {
                    return Err(ApiError::new(
                        "InvalidFilterOption",
                        format!("The filter option {option} is not valid for {key}"),
                    ));
                }
                filters.push(Self {
                    key,
                    option,
                    values: values.into_iter().map(str::to_owned).collect(),
                });
            }
        }
        Ok(filters)
    }

    fn fits(&self, text: &str) -> bool {
        self.values.iter().any(|v| match self.option.as_str() {
            "BeginsWith" => text.starts_with(v.as_str()),
            "Contains" => text.contains(v.as_str()),
            "OneLevel" => is_below(text, v, false),
            "Recursive" => is_below(text, v, true),
            _ => text == v,
        })
    }

    fn accepts(&self, parameter: &Parameter) -> bool {
        match self.key.as_str() {
            "Name" | "Path" => self.fits(&parameter.name),
            "Type" => self.fits(&parameter.kind),
            "Tier" => self.fits(&parameter.tier),
            "DataType" => self.fits(&parameter.data_type),
            "KeyId" => parameter.key.as_deref().is_some_and(|k| self.fits(k)),
            "Label" => self.labelled(parameter).is_some(),
            key => {
                let tag = key.strip_prefix("tag:").and_then(|k| parameter.tags.get(k));
                tag.is_some_and(|v| self.fits(v))
            }
        }
    }

    /// The version that has one of these labels.
    fn labelled<'a>(&self, parameter: &'a Parameter) -> Option<&'a ParameterVersion> {
        let mut versions = parameter.versions.iter();
        versions.find(|v| v.labels.iter().any(|l| self.fits(l)))
    }
}

/// Whether a name is in a hierarchy, right in it or somewhere below.
fn is_below(name: &str, path: &str, recursive: bool) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    let rest = name.strip_prefix(path).and_then(|rest| rest.strip_prefix('/'));
    rest.is_some_and(|rest| !rest.is_empty() && (recursive || !rest.contains('/')))
}

fn page(
    state: &mut State,
    request: &Request,
    names: Vec<String>,
    largest: usize,
    whole: bool,
) -> Result<Page, ApiError> {
    let ask = Ask {
        size: size_of(&request.params, request.service, "MaxResults", (1, largest, 10))?,
        token: request.params.get("NextToken"),
        whole,
    };
    cut(state, request, names, &ask)
}

fn answer(parameters: &[Value], next: Option<String>) -> Done {
    let mut answer = json!({ "Parameters": parameters });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Done::json(answer)
}

/// Runs DescribeParameters.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let known = ["Name", "Type", "KeyId", "Path", "Tier", "DataType", "tag"];
    let filters = Filter::read_all(&request.params, &known, request.service)?;
    let shared = request.params.flag("Shared")?;
    let accounts = state.world.accounts.values();
    let accounts = accounts.filter(|a| (a.id == request.account()) != shared);
    let mut names = Vec::new();
    for account in accounts {
        let region = account.regions.get(&request.region);
        let parameters = region
            .into_iter()
            .flat_map(|r| r.consumers.parameters.seen(request.now));
        let found = parameters
            .filter(|(_, p)| !shared || p.shared_with.iter().any(|a| a == request.account()))
            .filter(|(_, p)| filters.iter().all(|f| f.accepts(p)));
        // Names of several accounts can be the same.
        names.extend(found.map(|(name, _)| {
            if shared {
                format!("{name}\n{}", account.id)
            } else {
                name.to_owned()
            }
        }));
    }
    let page = page(state, request, names, 50, filters.is_empty())?;
    let mut shown = Vec::new();
    for key in &page.ids {
        let (name, owner) = key.split_once('\n').unwrap_or((key, request.account()));
        let region = state.world.region(owner, &request.region);
        let parameter = region.and_then(|r| r.consumers.parameters.get_seen(name, request.now));
        if let Some((parameter, version)) = parameter.and_then(|p| Some((p, p.latest()?))) {
            shown.push(metadata(state, request, owner, parameter, version));
        }
    }
    Ok(answer(&shown, page.next))
}

/// The hierarchy that GetParametersByPath is about.
pub(super) fn about_path(state: &State, request: &Request) -> Vec<String> {
    let path = request.params.get("Path").unwrap_or("/");
    let path = path.strip_suffix('/').unwrap_or(path);
    vec![arn(state, request, request.account(), path)]
}

/// Runs GetParametersByPath.
pub(super) fn get_by_path(state: &mut State, request: &Request) -> Outcome {
    let path = request.params.get("Path").unwrap_or_default();
    if !path.starts_with('/') {
        return Err(request.service.invalid(format!(
            "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\": {path}"
        )));
    }
    let filters = Filter::read_all(&request.params, &["Type", "KeyId", "Label"], request.service)?;
    let recursive = request.params.flag("Recursive")?;
    let names: Vec<String> = consumers(state, request)
        .into_iter()
        .flat_map(|c| c.parameters.seen(request.now))
        .filter(|(name, _)| is_below(name, path, recursive))
        .filter(|(_, p)| filters.iter().all(|f| f.accepts(p)))
        .map(|(name, _)| name.to_owned())
        .collect();
    let page = page(state, request, names, 10, filters.is_empty())?;
    let by_label = filters.iter().find(|f| f.key == "Label");
    let mut found = Vec::new();
    for name in &page.ids {
        let parameter = consumers(state, request).and_then(|c| c.parameters.get_seen(name, request.now));
        let Some(parameter) = parameter else {
            continue;
        };
        let version = by_label.map_or_else(|| parameter.latest(), |f| f.labelled(parameter));
        if let Some(version) = version {
            found.push(shown(state, request, request.account(), (parameter, version))?);
        }
    }
    Ok(answer(&found, page.next))
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn a_name_is_in_a_hierarchy_or_below_it() {
        for (name, path, recursive, expected) in [
            ("/a/b", "/a", false, true),
            ("/a/b", "/a/", false, true),
            ("/a/b/c", "/a", false, false),
            ("/a/b/c", "/a", true, true),
            ("/ab", "/a", true, false),
            ("/a", "/", false, true),
            ("/a", "/a", true, false),
        ] {
            assert_eq!(is_below(name, path, recursive), expected, "{name} {path} {recursive}");
        }
    }
}
