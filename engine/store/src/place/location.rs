//! What people write to name an image: one syntax for paths, URLs, archives, what lies inside them, and `#name`.
//!
//! A location may hold secrets (a presigned query, a password, a bucket that nobody shall know of). [`Location::redacted`] and `Debug`
//! are all that can be seen of it.

use super::{Key, Secret};
use crate::OpenError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use url::Url;

/// Where an image is, as somebody wrote it.
///
/// | written | means |
/// | --- | --- |
/// | `a/b.zarr`, `file:///a/b.zarr` | a directory |
/// | `https://host/a/b.zarr?query` | below a web server; the query goes with every request |
/// | `s3://bucket/key`, `gs://bucket/key` | a bucket |
/// | `az://container/key`, `abfs://container@account.dfs.core.windows.net/key` | an Azure container |
/// | any of them `…/x.ozx/inner` | inside a zip archive (`.zip`, `.ozx`) |
/// | any of them `…/plate.zarr/B/3/0` | inside a collection |
/// | any of them `…#name`, `…#2` | one of several images of a group |
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    pub(super) at: At,
    pick: Option<String>,
    within: Option<Arc<[Secret]>>,
    below: Option<PathBuf>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum At {
    Local {
        /// Without `#name`.
        path: PathBuf,
        /// As it was given: a file name may hold a `#`.
        whole: PathBuf,
    },
    Web {
        /// Scheme, host, port, user, query; its path is `/`.
        base: Url,
        key: Key,
    },
    Bucket {
        service: Service,
        bucket: String,
        /// Of Azure, if the URL says.
        account: Option<String>,
        key: Key,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Service {
    S3,
    Gcs,
    Azure,
}

/// Endings of the names of archives.
const ARCHIVES: [&str; 2] = [".zip", ".ozx"];

impl Location {
    /// Understands what somebody wrote; looks at nothing but the text.
    ///
    /// # Errors
    /// [`OpenError::Location`] for URLs that make no sense or name a service that is not known.
    pub fn parse(text: &str) -> Result<Self, OpenError> {
        let Some((scheme, rest)) = scheme_of(text) else { return Ok(local(text)) };
        let scheme = scheme.to_ascii_lowercase();
        let wrong = |problem: &str| OpenError::Location { scheme: scheme.clone(), problem: problem.to_owned() };
        match scheme.as_str() {
            "file" => file(rest).ok_or_else(|| wrong("needs an absolute path, such as file:///data/image.zarr")),
            "http" | "https" => web(text).map_err(wrong),
            "s3" | "s3a" => bucket(Service::S3, rest).map_err(wrong),
            "gs" | "gcs" => bucket(Service::Gcs, rest).map_err(wrong),
            "az" | "azure" | "abfs" | "abfss" => bucket(Service::Azure, rest).map_err(wrong),
            _ => Err(wrong("is not known: give a path, or a URL of http, https, s3, gs, az or abfs")),
        }
    }

    /// The path as it is: nothing in it is a scheme or a choice.
    pub fn local(path: &str) -> Self {
        Self { at: At::Local { path: path.into(), whole: path.into() }, pick: None, within: None, below: None }
    }

    /// The same, for somebody who may have nothing but what begins like one of `prefixes`: a redirect to anything else is not followed.
    pub fn within(self, prefixes: &[Secret]) -> Self {
        Self { within: Some(prefixes.into()), ..self }
    }

    pub(super) fn prefixes(&self) -> Option<&Arc<[Secret]>> {
        self.within.as_ref()
    }

    /// The same, for somebody who may know of nothing above the folder `root`, which is absolute and without links.
    pub fn below(self, root: &Path) -> Self {
        Self { below: Some(root.to_path_buf()), ..self }
    }

    pub(super) fn floor(&self) -> Option<&Path> {
        self.below.as_deref()
    }

    /// Which of several images of a group, by name or number.
    pub fn pick(&self) -> Option<&str> {
        self.pick.as_deref()
    }

    /// The same image of the same group, or another one of it.
    pub fn picking(self, pick: Option<String>) -> Self {
        Self { pick, ..self }
    }

    /// What lies at `path` below it.
    ///
    /// # Errors
    /// [`OpenError::Location`] if `path` leads out.
    pub fn join(&self, path: &str) -> Result<Self, OpenError> {
        let leaves = |scheme: &str| OpenError::Location {
            scheme: scheme.to_owned(),
            problem: "cannot be left by a path with \"..\" or empty names: name something inside".to_owned(),
        };
        let at = match self.at.clone() {
            At::Local { path: folder, .. } => {
                let below = Key::new(path).map_err(|_| leaves("a directory"))?;
                let path = folder.join(below.as_str());
                At::Local { whole: path.clone(), path }
            }
            At::Web { base, key } => {
                let key = key.join(path).map_err(|_| leaves(base.scheme()))?;
                At::Web { base, key }
            }
            At::Bucket { service, bucket, account, key } => {
                let key = key.join(path).map_err(|_| leaves(service.scheme()))?;
                At::Bucket { service, bucket, account, key }
            }
        };
        Ok(Self { at, pick: None, within: self.within.clone(), below: self.below.clone() })
    }

    /// The host or bucket that it is in, with all that requests to it need.
    pub(super) fn host(&self) -> Self {
        let at = match self.at.clone() {
            At::Web { base, .. } => At::Web { base, key: Key::root() },
            At::Bucket { service, bucket, account, .. } => At::Bucket { service, bucket, account, key: Key::root() },
            local @ At::Local { .. } => local,
        };
        Self { at, pick: None, within: self.within.clone(), below: None }
    }

    /// Of a remote one: how the place is called that the second key lies in, the key that nobody may see, and the one below it that
    /// anybody may. So the name and that key together are what [`Self::redacted`] tells.
    pub(super) fn parted(&self) -> Option<(String, Key, Key)> {
        let (scheme, key) = match &self.at {
            At::Local { .. } => return None,
            At::Web { base, key } => (base.scheme(), key),
            At::Bucket { service, key, .. } => (service.scheme(), key),
        };
        let (hidden, shown) = parted(key);
        Some((format!("{scheme} …"), hidden, shown))
    }

    /// Its local path, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.at {
            At::Local { path, .. } => Some(path),
            At::Web { .. } | At::Bucket { .. } => None,
        }
    }

    /// What anybody may see of it: the path of a local one; of any other its kind and what it is called ("s3 …/img.zarr").
    pub fn redacted(&self) -> String {
        match &self.at {
            At::Local { whole, .. } => whole.to_string_lossy().into_owned(),
            At::Web { base, key } => veiled(base.scheme(), key),
            At::Bucket { service, key, .. } => veiled(service.scheme(), key),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({})", self.redacted())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl Service {
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::Azure => "az",
        }
    }
}

/// `scheme://` and the rest, if `text` is a URL.
pub(super) fn scheme_of(text: &str) -> Option<(&str, &str)> {
    text.split_once("://").filter(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    })
}

/// Whether a name is that of an archive.
pub(super) fn is_archive(name: &str) -> bool {
    ARCHIVES.iter().any(|ending| name.len() > ending.len() && name.to_ascii_lowercase().ends_with(ending))
}

fn local(text: &str) -> Location {
    let (path, pick) = picked(text);
    Location { at: At::Local { path: path.into(), whole: text.into() }, pick, within: None, below: None }
}

/// What comes before a last `#`, and after it.
fn picked(text: &str) -> (&str, Option<String>) {
    match text.rsplit_once('#') {
        // A `#` in a folder's name is no choice.
        Some((before, pick)) if !before.is_empty() && !pick.is_empty() && !pick.contains('/') => (before, Some(pick.to_owned())),
        _ => (text, None),
    }
}

fn file(rest: &str) -> Option<Location> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let (path, pick) = picked(path);
    let path = PathBuf::from(decoded(path)?);
    path.is_absolute().then(|| Location { at: At::Local { whole: path.clone(), path }, pick, within: None, below: None })
}

fn web(text: &str) -> Result<Location, &'static str> {
    let mut url = Url::parse(text).map_err(|_| "is no URL: give https://host/path/image.zarr")?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err("has no host: give https://host/path/image.zarr");
    }
    let pick = url.fragment().filter(|name| !name.is_empty()).map(|name| decoded(name).ok_or("has a # that is no text"));
    let pick = pick.transpose()?;
    // Servers take two slashes for one.
    let names = url.path().split('/').filter(|name| !name.is_empty());
    let names: Option<Vec<String>> = names.map(|name| decoded(name).filter(|name| !name.contains('/'))).collect();
    let path = names.ok_or("has a path that is no text")?.join("/");
    let key = key_of(&path).ok_or("has a path with .., a backslash or a control character in it: give the plain one")?;
    url.set_fragment(None);
    url.set_path("/");
    Ok(Location { at: At::Web { base: url, key }, pick, within: None, below: None })
}

fn bucket(service: Service, rest: &str) -> Result<Location, &'static str> {
    // It would be taken for a part of the key and shown with it, and may be a signature.
    if rest.contains('?') {
        return Err("takes no query: credentials come from the usual places, and a presigned URL begins with https");
    }
    let (rest, pick) = picked(rest);
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let (bucket, account) = match (service, bucket.split_once('@')) {
        (Service::Azure, Some((container, host))) => {
            (container, Some(host.split('.').next().unwrap_or_default().to_owned()).filter(|name| !name.is_empty()))
        }
        _ => (bucket, None),
    };
    // Into the host or the path of requests: nothing that could be more than a name.
    let sound = |name: &str| {
        !name.is_empty()
            && name.len() <= 255
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            && !name.starts_with('.')
    };
    if !sound(bucket) || !account.as_deref().is_none_or(sound) {
        return Err("has no sound bucket name: give s3://bucket/path/image.zarr");
    }
    let key =
        key_of(key).ok_or("has a key with empty names, .., a backslash or a control character: such keys cannot be read")?;
    Ok(Location { at: At::Bucket { service, bucket: bucket.to_owned(), account, key }, pick, within: None, below: None })
}

fn key_of(path: &str) -> Option<Key> {
    Key::new(path).ok().filter(|_| !path.chars().any(char::is_control))
}

/// `text` with its percent signs resolved, if that is text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push((high * 16 + low) as u8);
                    after
                }
                _ => {
                    bytes.push(b'%');
                    tail
                }
            },
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// What of a key is nobody's business, and what anybody may see: from the first part on that is called like an image or an archive,
/// else the last part.
fn parted(key: &Key) -> (Key, Key) {
    let names: Vec<&str> = key.as_str().split('/').collect();
    let image = |name: &&str| name.to_ascii_lowercase().ends_with(".zarr") || is_archive(name);
    let from = names.iter().position(image).unwrap_or(names.len() - 1);
    let part = |names: &[&str]| Key::new(&names.join("/")).unwrap_or_else(|_| Key::root());
    (part(&names[..from]), part(&names[from..]))
}

fn veiled(scheme: &str, key: &Key) -> String {
    format!("{scheme} …/{}", parted(key).1.as_str())
}

#[cfg(test)]
mod tests;
