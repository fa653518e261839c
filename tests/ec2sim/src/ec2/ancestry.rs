//! GetImageAncestry: what an image was made from, up to the first of all.

use super::{check_image_id, image_not_found};
use crate::engine::{Done, Outcome, Request, State};
use crate::model::Image;
use crate::wire::Xml;

/// Runs GetImageAncestry.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let id = request.params.required("ImageId")?;
    check_image_id(id)?;
    let now = request.now;
    let image = state
        .world
        .image(&request.region, id)
        .filter(|i| i.is_visible(now) && state.world.may_launch(request.account(), i, now))
        .ok_or_else(|| image_not_found(&[id]))?;
    let mut line: Vec<&Image> = vec![image];
    // Sources can be gone, and a world can make a circle of them.
    while let Some((source, region)) = line.last().and_then(|i| i.source.as_ref()) {
        match state.world.image(region, source) {
            Some(next) if line.iter().all(|i| i.id != next.id) => line.push(next),
            _ => break,
        }
    }
    let mut xml = Xml::new();
    xml.list("imageAncestryEntrySet", line, |x, image| {
        x.value("creationDate", image.creation_date);
        x.text("imageId", &image.id);
        x.maybe("imageOwnerAlias", state.world.owner_alias(&image.owner));
        if let Some((source, region)) = &image.source {
            x.text("sourceImageId", source);
            x.text("sourceImageRegion", region);
        }
    });
    Ok(Done::read(xml))
}
