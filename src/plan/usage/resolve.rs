//! From what launches to the images: versions of templates, launch configurations and parameters.

use std::collections::{BTreeSet, HashMap};

use crate::domain::{ImageId, ImageRef, Launches, ParameterRef, Readings, TemplateId, TemplateVersion, VersionRef};

/// What has to be read besides the listings, since something names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Versions of templates, pinned by their number.
    pub versions: BTreeSet<(TemplateId, i64)>,
    /// Parameters.
    pub parameters: BTreeSet<ParameterRef>,
}

/// What is named and not read yet. What AWS has said not to be there is not asked for again.
pub fn wanted(readings: &Readings) -> Wanted {
    let resolver = Resolver::new(readings);
    let mut wanted = Wanted::default();
    let all = readings.launchers.iter().flat_map(|launcher| &launcher.launches);
    for (_, launches) in all {
        match launches {
            Launches::Template(template, VersionRef::Number(number))
                if resolver.version(template, VersionRef::Number(*number)).is_none()
                    && !readings.absent_versions.contains(&(template.clone(), *number)) =>
            {
                wanted.versions.insert((template.clone(), *number));
            }
            Launches::Image(image) => wanted.parameters.extend(parameter_of(image)),
            Launches::Template(..) | Launches::Configuration(_) => {}
        }
    }
    let named = readings.versions.iter().filter_map(|version| version.image.as_ref());
    let named = named.chain(readings.configurations.values());
    wanted.parameters.extend(named.filter_map(parameter_of));
    wanted
        .parameters
        .retain(|parameter| !resolver.parameters.contains_key(parameter));
    wanted
}

fn parameter_of(image: &ImageRef) -> Option<ParameterRef> {
    match image {
        ImageRef::Parameter(parameter) => Some(parameter.clone()),
        ImageRef::Image(_) | ImageRef::Other(_) => None,
    }
}

/// Finds the images that something launches.
pub(super) struct Resolver<'r> {
    readings: &'r Readings,
    by_id: HashMap<&'r str, Vec<&'r TemplateVersion>>,
    by_name: HashMap<&'r str, &'r str>,
    parameters: HashMap<&'r ParameterRef, Option<&'r ImageId>>,
}

/// What something launches.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Images, each with what names it.
    pub(super) images: Vec<(ImageId, Box<str>)>,
    /// What is named and could not be read.
    pub(super) unknown: Vec<Box<str>>,
}

impl<'r> Resolver<'r> {
    pub(super) fn new(readings: &'r Readings) -> Self {
        let mut by_id: HashMap<&str, Vec<&TemplateVersion>> = HashMap::new();
        let mut by_name = HashMap::new();
        for version in &readings.versions {
            by_id.entry(&*version.template).or_default().push(version);
            by_name.insert(&*version.name, &*version.template);
        }
        let parameters = readings
            .parameters
            .iter()
            .map(|value| (&value.asked, value.image.as_ref()));
        Self {
            readings,
            by_id,
            by_name,
            parameters: parameters.collect(),
        }
    }

    /// The images that `launches` says, which stands in a launcher as `what`.
    pub(super) fn images(&self, what: &str, launches: &Launches) -> Found {
        let mut found = Found::default();
        match launches {
            Launches::Image(image) => self.image(what, image, &mut found),
            Launches::Configuration(name) => match self.readings.configurations.get(name) {
                Some(image) => self.image(&join(what, name), image, &mut found),
                // A group whose configuration is not there launches nothing, but a listing may have missed it.
                None => found.unknown.push(name.clone()),
            },
            Launches::Template(template, version) => self.template(what, template, *version, &mut found),
        }
        found
    }

    fn template(&self, what: &str, template: &TemplateId, version: VersionRef, found: &mut Found) {
        let (TemplateId::Id(id) | TemplateId::Name(id)) = template;
        let named = format!("{id} {version}");
        match self.version(template, version) {
            // Without an image a template launches what is named elsewhere, and that is in the launcher too.
            Some(version) => {
                if let Some(image) = &version.image {
                    self.image(&join(what, &named), image, found);
                }
            }
            None => {
                let is_absent = match version {
                    VersionRef::Number(number) => self.readings.absent_versions.contains(&(template.clone(), number)),
                    VersionRef::Latest | VersionRef::Default => false,
                };
                if !is_absent {
                    found.unknown.push(named.into());
                }
            }
        }
    }

    fn version(&self, template: &TemplateId, version: VersionRef) -> Option<&'r TemplateVersion> {
        let id = match template {
            TemplateId::Id(id) => &**id,
            TemplateId::Name(name) => self.by_name.get(&**name)?,
        };
        let versions = self.by_id.get(id)?;
        match version {
            VersionRef::Latest => versions.iter().max_by_key(|version| version.number).copied(),
            VersionRef::Default => versions.iter().find(|version| version.is_default).copied(),
            VersionRef::Number(number) => versions.iter().find(|version| version.number == number).copied(),
        }
    }

    fn image(&self, via: &str, image: &ImageRef, found: &mut Found) {
        match image {
            ImageRef::Image(id) => found.images.push((id.clone(), via.into())),
            ImageRef::Parameter(parameter) => {
                let named = text(image);
                match self.parameters.get(parameter) {
                    Some(Some(id)) => found.images.push(((*id).clone(), join(via, &named).into())),
                    // AWS has said that it is not there, or it holds no image.
                    Some(None) => {}
                    None => found.unknown.push(named),
                }
            }
            ImageRef::Other(_) => found.unknown.push(text(image)),
        }
    }
}

fn join(what: &str, named: &str) -> String {
    if what.is_empty() {
        named.to_owned()
    } else {
        format!("{what}, {named}")
    }
}

/// How an image is named, for a person to read.
fn text(image: &ImageRef) -> Box<str> {
    match image {
        ImageRef::Image(image) => image.as_str().into(),
        ImageRef::Parameter(parameter) => match &parameter.version {
            Some(version) => format!("ssm:{}:{version}", parameter.name).into(),
            None => format!("ssm:{}", parameter.name).into(),
        },
        ImageRef::Other(text) => text.clone(),
    }
}
