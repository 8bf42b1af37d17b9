//! What keeps an image from being opened. Each message is one line that names the place and says what to do. A `path`
//! that is text is the name of a file as people may see it: of a remote one kind and last part, never a URL.

use crate::place::PlaceError;
use std::io;
use std::path::PathBuf;

/// Why an image did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Nothing is there.
    #[error("{path}: no such directory: check the path, and that its disk is mounted", path = path.display())]
    Missing {
        /// As it was given.
        path: PathBuf,
    },
    /// A file, where a directory is needed.
    #[error("{path}: is a file: give the directory of the image (unpack it first if it is an archive)", path = path.display())]
    NotADirectory {
        /// The file.
        path: PathBuf,
    },
    /// A URL that cannot be understood. It is not shown: it may hold secrets.
    #[error("{scheme}://…: {problem}")]
    Location {
        /// "https", "s3", ...
        scheme: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// A place that gives no bytes.
    #[error("{place}: {error}")]
    Place {
        /// What anybody may see of it.
        place: String,
        /// Why.
        error: PlaceError,
    },
    /// The file system refused.
    #[error("{path}: cannot be read ({error}): check its permissions", path = path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// What the file system said.
        error: io::Error,
    },
    /// A directory that holds something else.
    #[error("{path}: {hint}")]
    NotAnImage {
        /// The directory.
        path: String,
        /// What it holds, and what to open instead.
        hint: String,
    },
    /// A metadata file that does not parse.
    #[error("{path}: is not valid JSON ({error}): restore the file")]
    BrokenJson {
        /// The file.
        path: String,
        /// Where it stops making sense.
        error: serde_json::Error,
    },
    /// A metadata entry that makes no sense.
    #[error("{path}: {key} {problem}")]
    Metadata {
        /// The file.
        path: String,
        /// The entry.
        key: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// Elements that cannot be shown.
    #[error("{path}: {key} {dtype} cannot be shown: convert the image to bool, (u)int8 to 64 or float16 to 64")]
    UnsupportedDtype {
        /// The array's metadata file.
        path: String,
        /// "dtype" (v2) or "data_type" (v3).
        key: &'static str,
        /// As the file says.
        dtype: String,
    },
    /// Something was chosen that is not there.
    #[error("{location}: {problem}")]
    NoSuchChoice {
        /// Of what it was chosen, as people may see it.
        location: String,
        /// What was chosen, and what there is.
        problem: String,
    },
    /// A transformation that is more than scale and translation per axis.
    #[error("{path}: {key} is a {kind:?} that is more than a scale and a translation per axis: rewrite the image with these")]
    UnsupportedTransform {
        /// The metadata file.
        path: String,
        /// The entry.
        key: String,
        /// The transformation's type.
        kind: String,
    },
    /// A codec, or a feature of the array format, that is not built in.
    #[error("{path}: codecs {codecs} cannot be decoded ({reason}): rewrite the image with blosc, zstd, gzip, zlib or bz2")]
    UnsupportedCodec {
        /// The array's metadata file.
        path: String,
        /// The codecs that the file names.
        codecs: String,
        /// What the decoder says.
        reason: String,
    },
}
