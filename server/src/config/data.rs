//! What is served, and what clients may open besides.

use super::{ConfigError, Origin, Setting, set};
use nc_engine::Pattern;
use nc_engine::places::Secret;
use std::path::PathBuf;

/// What to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataSource {
    /// Nothing: the idle scene.
    None,
    /// The procedural demo.
    Demo,
    /// A test pattern.
    Pattern(Pattern),
    /// An image at a path, or in an archive there.
    Path(PathBuf),
    /// An image at a URL.
    Url(Secret),
}

impl DataSource {
    fn named(text: String) -> Self {
        match text.split_once("://") {
            Some((scheme, _)) if !scheme.is_empty() && !scheme.contains('/') => Self::Url(Secret::new(text)),
            _ => Self::Path(text.into()),
        }
    }
}

pub(super) fn data_source(
    path: Option<String>,
    demo: bool,
    pattern: Option<String>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Setting<DataSource>, ConfigError> {
    const VARIABLE: &str = "NAPARI_CUDA_ZARR_PATH";
    let pattern = pattern.map(|given| {
        let refusal =
            || ConfigError::Value { name: "--pattern", given: given.clone(), allowed: "bars, gradient, checker or counter" };
        Pattern::named(&given).ok_or_else(refusal)
    });
    Ok(match (path, demo, pattern.transpose()?) {
        (Some(path), false, None) => Setting { value: DataSource::named(path), origin: Origin::Flag("DATA") },
        (None, true, None) => Setting { value: DataSource::Demo, origin: Origin::Flag("--demo") },
        (None, false, Some(pattern)) => Setting { value: DataSource::Pattern(pattern), origin: Origin::Flag("--pattern") },
        (None, false, None) => match set(env, VARIABLE) {
            Some(path) => Setting { value: DataSource::named(path), origin: Origin::Environment(VARIABLE) },
            None => Setting { value: DataSource::None, origin: Origin::Default },
        },
        _ => return Err(ConfigError::TwoSources),
    })
}

/// Flags replace the variable, which holds any number of prefixes between blanks.
pub(super) fn allowed_urls(
    flags: Vec<String>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Setting<Vec<Secret>>, ConfigError> {
    const FLAG: &str = "--allow-url";
    const VARIABLE: &str = "NAPARI_CUDA_ALLOW_URL";
    let (value, origin, name) = match (flags.is_empty(), set(env, VARIABLE)) {
        (false, _) => (flags, Origin::Flag(FLAG), FLAG),
        (true, Some(list)) => (list.split_whitespace().map(str::to_owned).collect(), Origin::Environment(VARIABLE), VARIABLE),
        (true, None) => (Vec::new(), Origin::Default, FLAG),
    };
    if value.iter().all(|url| is_url_prefix(url)) {
        return Ok(Setting { value: value.into_iter().map(Secret::new).collect(), origin });
    }
    let allowed = "the beginning of a URL with scheme and host, such as https://example.org/images/";
    // Of several, one that is right may hold a secret; which is wrong is seen where it is written.
    Err(ConfigError::Value { name, given: String::new(), allowed }.without_value())
}

/// `scheme://host` and what may follow.
fn is_url_prefix(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    named && !rest.is_empty() && !rest.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic())
}
