//! What the metadata files of a local folder claim, for listings. Looks at no more than it must, and believes it.

use super::metadata::parse;
use serde_json::Value;
use std::io::{self, ErrorKind};
use std::path::Path;

/// A metadata file beyond this is not one.
const LARGEST_DOCUMENT_BYTES: u64 = 256 << 20;

/// What the metadata files of a folder claim, right or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    /// It is an array.
    pub(crate) array: bool,
    /// It lists multiscale images.
    pub(crate) multiscales: bool,
}

impl Marks {
    /// Whether it says that there is something to open.
    pub(crate) fn is_dataset(self) -> bool {
        self.array || self.multiscales
    }
}

/// Reads what the folder's metadata files claim: v3 before v2, as opening does.
pub(crate) fn marks(folder: &Path) -> Marks {
    let lists = |attributes: Option<&Value>| {
        let images = attributes.and_then(|a| a.get("multiscales")).and_then(Value::as_array);
        images.is_some_and(|images| !images.is_empty())
    };
    match read(&folder.join("zarr.json")) {
        Ok(Some(json)) => {
            let attributes = json.get("attributes");
            let array = json.get("node_type").and_then(Value::as_str) == Some("array");
            let multiscales = lists(attributes.and_then(|a| a.get("ome"))) || lists(attributes);
            return Marks { array, multiscales };
        }
        Ok(None) => {}
        Err(_) => return Marks { array: false, multiscales: false },
    }
    let attributes = read(&folder.join(".zattrs")).ok().flatten();
    Marks { array: folder.join(".zarray").is_file(), multiscales: lists(attributes.as_ref()) }
}

/// The JSON in a file; `None` if there is no such file. What is no file, such as a pipe, is not waited for.
fn read(file: &Path) -> io::Result<Option<Value>> {
    let metadata = match std::fs::metadata(file) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        metadata => metadata?,
    };
    if !metadata.is_file() || metadata.len() > LARGEST_DOCUMENT_BYTES {
        return Err(ErrorKind::InvalidInput.into());
    }
    Ok(Some(parse(&std::fs::read(file)?)?))
}
