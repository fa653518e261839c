//! What names of launch templates and parameters stand for.

use super::{LaunchTemplate, Parameter, ParameterVersion, Region, TemplateRef, TemplateVersion, World};

/// How the image of a launch template names a parameter.
pub(crate) const RESOLVE: &str = "resolve:ssm:";

impl Region {
    /// The launch template that is meant.
    pub fn template(&self, reference: &TemplateRef) -> Option<&LaunchTemplate> {
        let templates = &self.consumers.launch_templates;
        match (&reference.id, &reference.name) {
            (Some(id), _) => templates.get(id),
            (None, Some(name)) => templates.iter().find(|(_, t)| &t.name == name).map(|(_, t)| t),
            (None, None) => None,
        }
    }

    /// The version of a launch template that is meant.
    pub fn template_version(&self, reference: &TemplateRef) -> Option<&TemplateVersion> {
        self.template(reference)?.version(reference.version.as_deref())
    }
}

/// What a name of a parameter, with or without version or label, says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParameterName<'a> {
    /// The account whose it is, and its region, where the name is an ARN.
    pub(crate) place: Option<(&'a str, &'a str)>,
    /// The name, or what an ARN says of it.
    pub(crate) name: &'a str,
    /// A version's number or a label.
    pub(crate) selector: Option<&'a str>,
}

impl<'a> ParameterName<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let (place, rest) = match text.strip_prefix("arn:") {
            None => (None, text),
            Some(rest) => match rest.splitn(5, ':').collect::<Vec<_>>()[..] {
                [_, "ssm", region, account, resource] => (
                    Some((account, region)),
                    resource.strip_prefix("parameter").unwrap_or(resource),
                ),
                _ => (None, text),
            },
        };
        match rest.split_once(':') {
            Some((name, selector)) => Self {
                place,
                name,
                selector: Some(selector),
            },
            None => Self {
                place,
                name: rest,
                selector: None,
            },
        }
    }
}

impl World {
    /// The parameter that a caller of an account means, if it may read it: its own, or by an ARN one that is shared
    /// with it.
    pub fn parameter(&self, account: &str, region: &str, text: &str) -> Option<(&Parameter, &ParameterVersion)> {
        let parsed = ParameterName::parse(text);
        let parameter = self.named_parameter(account, region, &parsed)?;
        Some((parameter, parameter.version(parsed.selector)?))
    }

    pub(crate) fn named_parameter(&self, account: &str, region: &str, name: &ParameterName<'_>) -> Option<&Parameter> {
        let (owner, place) = name.place.unwrap_or((account, region));
        if place != region {
            return None;
        }
        let parameters = &self.region(owner, region)?.consumers.parameters;
        // An ARN has the slash of names that begin with one, and of those that do not.
        let found = parameters.get(name.name).or_else(|| {
            let bare = name.name.strip_prefix('/').filter(|_| name.place.is_some())?;
            parameters.get(bare)
        })?;
        (owner == account || found.shared_with.iter().any(|a| a == account)).then_some(found)
    }

    /// The image that a text stands for when something of an account is launched: an ID, or a parameter behind
    /// `resolve:ssm:` or `ssm:`.
    pub fn resolve_image<'a>(&'a self, account: &str, region: &str, text: &'a str) -> Option<&'a str> {
        let parameter = text.strip_prefix(RESOLVE).or_else(|| text.strip_prefix("ssm:"));
        match parameter {
            None => text.starts_with("ami-").then_some(text),
            Some(name) => Some(self.parameter(account, region, name)?.1.value.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ParameterName;

    #[test]
    fn a_parameter_has_a_name_a_version_a_label_or_an_arn() {
        let arn = "arn:aws:ssm:eu-west-1:222222222222:parameter/golden/web";
        let there = Some(("222222222222", "eu-west-1"));
        for (text, place, name, selector) in [
            ("web", None, "web", None),
            ("/golden/web:3", None, "/golden/web", Some("3")),
            ("/golden/web:live", None, "/golden/web", Some("live")),
            (arn, there, "/golden/web", None),
            (&format!("{arn}:live"), there, "/golden/web", Some("live")),
        ] {
            let expected = ParameterName { place, name, selector };
            assert_eq!(ParameterName::parse(text), expected, "{text}");
        }
    }
}
