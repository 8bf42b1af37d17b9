//! What people write to name an image.

use crate::OpenError;
use std::path::{Path, PathBuf};

/// Where an image is, as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    path: PathBuf,
}

impl Location {
    /// # Errors
    /// [`OpenError::Remote`] for a URL.
    pub fn parse(text: &str) -> Result<Self, OpenError> {
        match text.split_once("://") {
            Some((scheme, _)) => Err(OpenError::Remote { location: text.to_owned(), scheme: scheme.to_owned() }),
            None => Ok(Self { path: PathBuf::from(text) }),
        }
    }

    /// The local path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
