//! Opening the label images that belong to an image.

use super::metadata::{Metadata, joined};
use super::{Found, OpenError, Thing, look, multiscale, opened, plain, survey};
use crate::image::Image;
use nc_core::data::ImageId;
use nc_core::scene::ImageInfo;
use std::sync::Arc;

/// The label images of what was found, as far as they open; what does not is a warning. Their ids follow `id`, in the order of the file.
/// Where a question costs a round trip all of them are asked for at once.
pub(super) fn open(metadata: &Metadata, found: &Found, id: ImageId, warnings: &mut Vec<String>) -> Vec<Image> {
    let names: Vec<&str> = found.labels.iter().map(|label| label.name.as_str()).collect();
    let (names, more) = names.split_at(names.len().min(ImageId::MOST_LABELS as usize));
    if !more.is_empty() {
        warnings.push(format!("of {} label images {} are drawn", names.len() + more.len(), names.len()));
    }
    let one = |n: usize, name: &str| open_one(metadata, &found.path, name, id.of_label(n as u32));
    let numbered = || names.iter().enumerate();
    let images: Vec<Result<Image, OpenError>> = if metadata.is_dear() {
        std::thread::scope(|scope| {
            let asked: Vec<_> = numbered().map(|(n, name)| scope.spawn(move || one(n, name))).collect();
            asked.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        })
    } else {
        numbered().map(|(n, name)| one(n, name)).collect()
    };
    let opened = images.into_iter().zip(names).filter_map(|(image, name)| {
        image.inspect_err(|error| warnings.push(format!("label image {name:?} is not drawn: {error}"))).ok()
    });
    opened.collect()
}

/// The label image `name` of the image at `path`. It is called as it is listed, whatever it calls itself.
fn open_one(metadata: &Metadata, path: &str, name: &str, id: ImageId) -> Result<Image, OpenError> {
    let path = joined(&joined(path, "labels"), name);
    let mut warnings = Vec::new();
    let found = match look::at(metadata, &path, &mut warnings)? {
        Thing::Images(group, images) => multiscale(metadata, path, &group, &images, None, None, &mut warnings)?,
        Thing::Arrays(levels) => plain(metadata, path, levels, None, &mut warnings)?,
        other => return Err(survey::not_an_image(metadata, &path, &other)),
    };
    let image = opened(metadata, found, id, warnings)?;
    let info = ImageInfo { name: name.to_owned(), is_labels: true, ..ImageInfo::clone(&image.info) };
    Ok(image.described(Arc::new(info)))
}
