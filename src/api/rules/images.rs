//! Rules of images: their IDs, which ones a policy selects, and the names of their copies.

use kube::core::Rule;

/// Image IDs have their form.
pub(in crate::api) fn image_ids() -> Rule {
    Rule::new(format!("self.all(id, id.matches('{IMAGE_ID}'))"))
        .message("ids must be image IDs: write for example ami-0123456789abcdef0")
}

/// An image ID has its form.
pub(in crate::api) fn image_id(field: &str) -> Rule {
    Rule::new(format!("self.matches('{IMAGE_ID}')"))
        .message(format!("{field} must be an image ID: write for example ami-0123456789abcdef0").as_str())
}

const IMAGE_ID: &str = "^ami-([0-9a-f]{8}|[0-9a-f]{17})$";

/// A term that says nothing would match every image.
pub(in crate::api) fn term_says_something() -> Rule {
    Rule::new(
        "(has(self.names) && size(self.names) > 0) || (has(self.tags) && size(self.tags) > 0) || \
         (has(self.ids) && size(self.ids) > 0)",
    )
    .message("a term of imageSelector must have names, tags or ids: add one, or remove the term to mean every image")
}

/// Our copies' names say where they come from.
pub(in crate::api) fn name_pattern_names_origin() -> Rule {
    Rule::new("self.contains('{sourceID}') || self.contains('{name}')").message(
        "namePattern must tell copies apart: add {sourceID} or {name} to it, as in encrypted-{sourceID}-{name}",
    )
}

/// A name's signs are those that AWS takes.
pub(in crate::api) fn name_pattern_signs() -> Rule {
    Rule::new(
        r#"self.replace('{sourceID}', '').replace('{name}', '').matches(r"^[a-zA-Z0-9()\[\] ./'@_-]*$")"#,
    )
    .message(
        "namePattern may hold {sourceID}, {name} and the signs that AWS allows in an image's name, which are letters, \
         digits, spaces and ()[]./-'@_: remove the others",
    )
}
