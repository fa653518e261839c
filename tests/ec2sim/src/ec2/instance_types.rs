//! ReplaceImageInstanceTypeSpecification.

use std::collections::BTreeSet;

use super::{invalid_value, own_image};
use crate::engine::{Done, Outcome, Request, State};
use crate::model::InstanceTypes;

/// Runs ReplaceImageInstanceTypeSpecification: without a specification, the one that is there goes.
pub(super) fn replace(state: &mut State, request: &Request) -> Outcome {
    let id = request.params.required("ImageId")?.to_owned();
    let names = |list: &str| -> BTreeSet<String> {
        let list = request.params.list(&format!("InstanceTypeSpecification.{list}"));
        list.into_iter().map(str::to_owned).collect()
    };
    let types = InstanceTypes {
        supported: names("SupportedInstanceType"),
        unsupported: names("UnsupportedInstanceType"),
    };
    let is_legal = |name: &String| {
        let signs = name
            .chars()
            .all(|sign| sign.is_ascii_alphanumeric() || "_.*-".contains(sign));
        (1..=24).contains(&name.len()) && signs && !name.contains("**")
    };
    if let Some(name) = types
        .supported
        .iter()
        .chain(&types.unsupported)
        .find(|name| !is_legal(name))
    {
        return Err(invalid_value(format!("Invalid value '{name}' for instance type")));
    }
    if types.supported.len() > 100 || types.unsupported.len() > 100 || !types.supported.is_disjoint(&types.unsupported)
    {
        return Err(invalid_value(
            "Instance types must be unique, and at most 100 in each list",
        ));
    }
    let wanted = Some(types).filter(|types| *types != InstanceTypes::default());
    let image = own_image(state, request, &id)?;
    let changed = image.attributes.instance_types != wanted;
    image.attributes.instance_types = wanted;
    Ok(Done::returned(if changed { vec![id] } else { Vec::new() }))
}
