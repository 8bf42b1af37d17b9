//! The viewer's files, embedded in the binary.

use std::hash::{DefaultHasher, Hash, Hasher};

/// One file of the viewer.
#[derive(Debug)]
pub(super) struct Asset {
    /// Where it is served.
    pub(super) path: &'static str,
    /// Its media type.
    pub(super) content_type: &'static str,
    /// Its bytes.
    pub(super) body: &'static [u8],
}

impl Asset {
    /// A tag that changes with the content.
    pub(super) fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.body.hash(&mut hasher);
        format!("\"{:016x}\"", hasher.finish())
    }
}

macro_rules! asset {
    ($file:literal) => {
        asset!(concat!("/", $file), $file)
    };
    ($path:expr, $file:literal) => {
        Asset { path: $path, content_type: content_type($file), body: include_bytes!(concat!("../../web/", $file)) }
    };
}

/// Every file of `server/web`; a test keeps the list complete.
pub(super) static ALL: &[Asset] = &[
    asset!("/", "index.html"),
    asset!("app.js"),
    asset!("avc.js"),
    asset!("colormaps.js"),
    asset!("connection.js"),
    asset!("contrast.js"),
    asset!("dims.js"),
    asset!("dom.js"),
    asset!("icon.svg"),
    asset!("intents.js"),
    asset!("keys.js"),
    asset!("layer_controls.js"),
    asset!("layers.js"),
    asset!("meter.js"),
    asset!("notices.js"),
    asset!("plate.js"),
    asset!("pointer.js"),
    asset!("range_slider.js"),
    asset!("scene.js"),
    asset!("stage_size.js"),
    asset!("status.js"),
    asset!("style.css"),
    asset!("support.js"),
    asset!("video.js"),
    asset!("viewer.js"),
    asset!("viewport.js"),
    asset!("wells.js"),
];

/// The media type that belongs to a file name.
const fn content_type(file: &str) -> &'static str {
    match file.as_bytes() {
        [.., b'.', b'h', b't', b'm', b'l'] => "text/html; charset=utf-8",
        [.., b'.', b'j', b's'] => "text/javascript; charset=utf-8",
        [.., b'.', b'c', b's', b's'] => "text/css; charset=utf-8",
        [.., b'.', b's', b'v', b'g'] => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_file_of_the_viewer_is_served_with_its_type() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let on_disk: BTreeSet<String> =
            std::fs::read_dir(folder).unwrap().map(name).filter(|name| !name.ends_with(".md")).collect();
        let served = ALL.iter().map(|asset| if asset.path == "/" { "index.html" } else { &asset.path[1..] });
        assert_eq!(served.map(str::to_owned).collect::<BTreeSet<_>>(), on_disk);
        assert!(ALL.iter().all(|asset| asset.content_type != "application/octet-stream"));
    }
}
