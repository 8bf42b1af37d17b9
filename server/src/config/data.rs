//! What is served, and what clients may open besides.

use super::{ConfigError, Origin, Setting, set};
use std::path::PathBuf;

/// What to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataSource {
    /// Nothing: the idle scene.
    None,
    /// The procedural demo.
    Demo,
    /// An image at a path.
    Path(PathBuf),
}

pub(super) fn data_source(
    path: Option<String>,
    demo: bool,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Setting<DataSource>, ConfigError> {
    const VARIABLE: &str = "NAPARI_CUDA_ZARR_PATH";
    Ok(match (path, demo) {
        (Some(_), true) => return Err(ConfigError::DataAndDemo),
        (Some(path), false) => Setting { value: DataSource::Path(path.into()), origin: Origin::Flag("DATA") },
        (None, true) => Setting { value: DataSource::Demo, origin: Origin::Flag("--demo") },
        (None, false) => match set(env, VARIABLE) {
            Some(path) => Setting { value: DataSource::Path(path.into()), origin: Origin::Environment(VARIABLE) },
            None => Setting { value: DataSource::None, origin: Origin::Default },
        },
    })
}

/// Flags replace the variable, which holds any number of prefixes between blanks.
pub(super) fn allowed_urls(
    flags: Vec<String>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Setting<Vec<String>>, ConfigError> {
    const FLAG: &str = "--allow-url";
    const VARIABLE: &str = "NAPARI_CUDA_ALLOW_URL";
    let (value, origin, name) = match (flags.is_empty(), set(env, VARIABLE)) {
        (false, _) => (flags, Origin::Flag(FLAG), FLAG),
        (true, Some(list)) => (list.split_whitespace().map(str::to_owned).collect(), Origin::Environment(VARIABLE), VARIABLE),
        (true, None) => (Vec::new(), Origin::Default, FLAG),
    };
    match value.iter().find(|url| !is_url_prefix(url)) {
        Some(wrong) => Err(ConfigError::Value {
            name,
            given: wrong.clone(),
            allowed: "the beginning of a URL with scheme and host, such as https://example.org/images/",
        }),
        None => Ok(Setting { value, origin }),
    }
}

/// `scheme://host` and what may follow.
fn is_url_prefix(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    named && !rest.is_empty() && !rest.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic())
}
