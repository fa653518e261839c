//! Parameters of query protocols, by flat name: `Filter.1.Value.2`.

use std::collections::BTreeMap;

use super::ApiError;

/// The parameters of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads a form body.
    pub(crate) fn from_form(body: &[u8]) -> Self {
        Self(
            url::form_urlencoded::parse(body)
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect(),
        )
    }

    /// From names and values.
    pub(crate) const fn from_map(map: BTreeMap<String, String>) -> Self {
        Self(map)
    }

    /// All of them.
    pub(crate) const fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// A parameter, unless it is absent or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// `MissingParameter`.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| {
            ApiError::new(
                "MissingParameter",
                format!("The request must contain the parameter {name}"),
            )
        })
    }

    /// Whether a parameter is `true`.
    ///
    /// # Errors
    /// `InvalidParameterValue` when it is neither `true` nor `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None => Ok(false),
            Some(v) if v.eq_ignore_ascii_case("true") => Ok(true),
            Some(v) if v.eq_ignore_ascii_case("false") => Ok(false),
            Some(v) => Err(ApiError::new(
                "InvalidParameterValue",
                format!("Invalid value '{v}' for parameter {name}. Expecting true or false"),
            )),
        }
    }

    /// The values of a flat list, `Name.1`, `Name.2`, …
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.indices(name)
            .into_iter()
            .filter_map(|i| self.get(&format!("{name}.{i}")))
            .collect()
    }

    /// The indices that a list has, in order.
    pub(crate) fn indices(&self, name: &str) -> Vec<u32> {
        let prefix = format!("{name}.");
        let mut found: Vec<u32> = self
            .0
            .keys()
            .filter_map(|k| k.strip_prefix(&prefix)?.split('.').next()?.parse().ok())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Key and value of each entry of a tag list such as `Tag` or `TagSpecification.1.Tag`; a value may be absent.
    pub(crate) fn tags(&self, name: &str) -> Vec<(String, Option<String>)> {
        self.indices(name)
            .into_iter()
            .map(|i| {
                let key = self.0.get(&format!("{name}.{i}.Key")).cloned().unwrap_or_default();
                (key, self.0.get(&format!("{name}.{i}.Value")).cloned())
            })
            .collect()
    }

    /// A stable text of all parameters but these.
    pub(crate) fn fingerprint(&self, but: &[&str]) -> String {
        self.0
            .iter()
            .filter(|(k, _)| !but.contains(&k.as_str()))
            .map(|(k, v)| format!("{k}={v}\n"))
            .collect()
    }
}
